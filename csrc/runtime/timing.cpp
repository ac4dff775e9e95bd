#include "runtime/timing.hpp"

#include <time.h>

#include <cstring>

namespace loopnest::runtime {
namespace {

void restore_all(const std::vector<Restore>& restores) {
  for (const Restore& r : restores) std::memcpy(r.destination, r.source, r.bytes);
}

std::int64_t time_together(const KernelEntry& kernel, void* const* arguments,
                           const TimingPlan& plan) {
  const std::int64_t start = clock_ns();
  for (std::int64_t i = 0; i < plan.inner_repeats; ++i)
    call_kernel(kernel, arguments, plan.threads);
  return clock_ns() - start;
}

std::int64_t time_one_by_one(const KernelEntry& kernel, void* const* arguments,
                             const TimingPlan& plan, const std::vector<Restore>& restores) {
  std::int64_t total = 0;
  for (std::int64_t i = 0; i < plan.inner_repeats; ++i) {
    restore_all(restores);
    const std::int64_t start = clock_ns();
    call_kernel(kernel, arguments, plan.threads);
    total += clock_ns() - start;
  }
  return total;
}

}  // namespace

std::int64_t clock_ns() {
#if defined(CLOCK_MONOTONIC_RAW)
  constexpr clockid_t clock = CLOCK_MONOTONIC_RAW;
#else
  constexpr clockid_t clock = CLOCK_MONOTONIC;
#endif
  timespec now;
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::vector<double> time_runs(const KernelEntry& kernel, void* const* arguments,
                              const TimingPlan& plan, const std::vector<Restore>& restores) {
  std::vector<double> per_call_ns;
  const std::int64_t begin = clock_ns();
  const auto limit_ns = static_cast<std::int64_t>(plan.max_seconds * 1e9);
  for (std::int64_t sample = 0; sample < plan.samples; ++sample) {
    if (sample > 0 && limit_ns > 0 && clock_ns() - begin > limit_ns) break;
    const std::int64_t total = restores.empty()
                                   ? time_together(kernel, arguments, plan)
                                   : time_one_by_one(kernel, arguments, plan, restores);
    per_call_ns.push_back(static_cast<double>(total) / static_cast<double>(plan.inner_repeats));
  }
  return per_call_ns;
}

}  // namespace loopnest::runtime
