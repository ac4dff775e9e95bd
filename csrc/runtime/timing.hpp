// Repeated timed runs of one kernel: the inner loop of every measurement.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/frame.hpp"

namespace loopnest::runtime {

// Nanoseconds of a raw monotonic clock: no clock discipline moves its rate.
std::int64_t clock_ns();

// Bytes to copy before each run, so that a kernel which updates in place sees the same input.
struct Restore {
  void* destination;
  const void* source;
  std::size_t bytes;
};

struct TimingPlan {
  int threads = 1;
  std::int64_t samples = 1;
  std::int64_t inner_repeats = 1;  // calls per sample
  double max_seconds = 0;          // stop sampling after this long; 0: no limit
};

// Returns nanoseconds per call, one value per sample; at least one sample is taken. Without
// `restores` the calls of a sample are timed together, with them each call by itself (the copies
// stay outside, the clock's own time, about 20 ns, stays inside).
std::vector<double> time_runs(const KernelEntry& kernel, void* const* arguments,
                              const TimingPlan& plan, const std::vector<Restore>& restores);

}  // namespace loopnest::runtime
