#include "runtime/overlap.hpp"

#include <cstdlib>
#include <numeric>

namespace loopnest::runtime {
namespace {

bool has_no_elements(const StridedMemory& m) {
  for (const std::int64_t extent : m.shape)
    if (extent == 0) return true;
  return false;
}

// First byte, with every stride turned positive.
std::intptr_t lowest(const StridedMemory& m) {
  std::intptr_t low = m.address;
  for (std::size_t d = 0; d < m.shape.size(); ++d)
    if (m.strides_bytes[d] < 0) low += (m.shape[d] - 1) * m.strides_bytes[d];
  return low;
}

// Bytes from the lowest one on that are reached by the dimensions whose stride `period` does not
// divide; period 0: by all of them.
std::int64_t reach(const StridedMemory& m, std::int64_t period) {
  std::int64_t bytes = m.item_bytes;
  for (std::size_t d = 0; d < m.shape.size(); ++d)
    if (period == 0 || m.strides_bytes[d] % period != 0)
      bytes += (m.shape[d] - 1) * std::abs(m.strides_bytes[d]);
  return bytes;
}

// Modulo `period` each array is one run of bytes; are the two runs on the circle apart?
bool apart_modulo(std::int64_t period, std::intptr_t distance, const StridedMemory& a,
                  const StridedMemory& b) {
  const std::int64_t offset = ((distance % period) + period) % period;
  return offset >= reach(a, period) && offset + reach(b, period) <= period;
}

template <typename Visit>
bool any_stride(const StridedMemory& a, const StridedMemory& b, Visit visit) {
  for (const StridedMemory* m : {&a, &b})
    for (std::size_t d = 0; d < m->shape.size(); ++d)
      if (m->shape[d] > 1 && m->strides_bytes[d] != 0 && visit(std::abs(m->strides_bytes[d])))
        return true;
  return false;
}

}  // namespace

bool may_share(const StridedMemory& a, const StridedMemory& b) {
  if (has_no_elements(a) || has_no_elements(b)) return false;
  const std::intptr_t distance = lowest(b) - lowest(a);
  if (distance >= reach(a, 0) || -distance >= reach(b, 0)) return false;
  std::int64_t common = 0;
  const bool apart = any_stride(a, b, [&](std::int64_t stride) {
    common = std::gcd(common, stride);
    return apart_modulo(stride, distance, a, b);
  });
  return !(apart || (common != 0 && apart_modulo(common, distance, a, b)));
}

}  // namespace loopnest::runtime
