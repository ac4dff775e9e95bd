// How many CPUs this process may use.
#pragma once

#include <string>

namespace loopnest::runtime {

// The affinity mask, capped by the CPU quota of the process's cgroup. At least 1.
int available_cpus();

// The smallest quota of the groups listed in `groups_file` (as /proc/self/cgroup) and of all
// groups above them, in CPUs rounded up; 0 without any. `mount`: where cgroups are mounted.
int cpus_in_cgroup_quota(const std::string& groups_file, const std::string& mount);

}  // namespace loopnest::runtime
