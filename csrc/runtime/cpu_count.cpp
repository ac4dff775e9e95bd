// How many CPUs this process may use: its affinity mask, capped by the quota of its cgroup.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>

#include <cerrno>
#endif

#include "runtime/cpu_count.hpp"

namespace loopnest::runtime {
namespace {

// The mask can be wider than cpu_set_t on large machines: grow until the kernel accepts it.
int cpus_in_affinity_mask() {
#if defined(__linux__)
  for (int cpus = 1024; cpus <= 1 << 18; cpus *= 4) {
    cpu_set_t* mask = CPU_ALLOC(cpus);
    const std::size_t size = CPU_ALLOC_SIZE(cpus);
    const bool read = sched_getaffinity(0, size, mask) == 0;
    const int count = read ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (read) return count;
    if (errno != EINVAL) break;
  }
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

// "quota period" -> CPUs, rounded up; 0 when there is no quota ("max" or -1) or no file.
int cpus_of(const std::string& quota_text, const std::string& period_text) {
  try {
    const double quota = std::stod(quota_text), period = std::stod(period_text);
    return quota > 0 && period > 0 ? static_cast<int>(std::ceil(quota / period)) : 0;
  } catch (const std::exception&) {
    return 0;
  }
}

int quota_in_v2(const std::string& directory) {
  std::ifstream file(directory + "/cpu.max");
  std::string quota, period;
  return file >> quota >> period ? cpus_of(quota, period) : 0;
}

int quota_in_v1(const std::string& directory) {
  std::ifstream quota_file(directory + "/cpu.cfs_quota_us");
  std::ifstream period_file(directory + "/cpu.cfs_period_us");
  std::string quota, period;
  return quota_file >> quota && period_file >> period ? cpus_of(quota, period) : 0;
}

int smaller_quota(int a, int b) { return a == 0 ? b : b == 0 ? a : std::min(a, b); }

// A quota binds every group below it: walk from this process's group to the root.
int smallest_quota(const std::string& mount, std::string group, int (*read)(const std::string&)) {
  int found = 0;
  for (;;) {
    found = smaller_quota(found, read(mount + group));
    const std::size_t slash = group.rfind('/');
    if (slash == std::string::npos) break;
    group.resize(slash);
  }
  return found;
}

}  // namespace

// Lines of the file: "0::/group" (v2) or "4:cpu,cpuacct:/group" (v1).
int cpus_in_cgroup_quota(const std::string& groups_file, const std::string& mount) {
  std::ifstream groups(groups_file);
  int found = 0;
  for (std::string line; std::getline(groups, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,")
      found = smaller_quota(found, smallest_quota(mount, group, quota_in_v2));
    else if (controllers.find(",cpu,") != std::string::npos)
      found = smaller_quota(found, smallest_quota(mount + "/cpu", group, quota_in_v1));
  }
  return found;
}

int available_cpus() {
  // Read once: it takes some 200 us, and compiling asks. The mask is read anew each time.
  static const int quota = cpus_in_cgroup_quota("/proc/self/cgroup", "/sys/fs/cgroup");
  return std::max(1, smaller_quota(cpus_in_affinity_mask(), quota));
}

}  // namespace loopnest::runtime
