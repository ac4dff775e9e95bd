// Ceilings of this machine, measured: arithmetic and copy bandwidth.
#pragma once

#include <cstddef>

#include "loopnest/target.hpp"

namespace loopnest::runtime {

// Best rate of independent fused multiply-adds in registers, 10^9 operations a second over all
// threads (an FMA counts two). Measures for `seconds`. Throws std::invalid_argument when this
// machine cannot run `isa`.
double fma_peak_gflops(Isa isa, bool is_f64, int threads, double seconds);

// Best rate of a contiguous copy, 10^9 bytes a second, reads plus writes, over all threads.
// `size_bytes` is the working set, source and destination together: of each thread when it fits
// the core's own caches (up to L2), of all threads together when it does not.
double copy_bandwidth_gbs(std::size_t size_bytes, int threads, double seconds);

}  // namespace loopnest::runtime
