// Whether two strided arrays can share a byte.
#pragma once

#include <cstdint>
#include <span>

namespace loopnest::runtime {

struct StridedMemory {
  std::intptr_t address = 0;  // of element zero
  std::span<const std::int64_t> shape;
  std::span<const std::int64_t> strides_bytes;
  std::int64_t item_bytes = 1;
};

// False only when it is certain that no byte belongs to both: disjoint ranges, interleaved
// elements (every other column) or blocks side by side (columns 0..3 and 4..7 of one matrix).
bool may_share(const StridedMemory& a, const StridedMemory& b);

}  // namespace loopnest::runtime
