// Register arrays: which vir register holds which elements.
//
// An array is cut into blocks as it is used: a vector access of `lanes` elements from `start` is
// one mutable vector register, a scalar access a one-lane register. Uses that cut an array in two
// ways throw Recut; the expansion starts again with fuller vectors, then with scalars for it.
#pragma once

#include <deque>
#include <vector>

#include "nest/nest.hpp"
#include "passes/emitter.hpp"
#include "passes/linear.hpp"

namespace loopnest {

// How vector loops treat a register array they index.
enum class Cut : std::uint8_t { any, full_vectors, scalars };

struct Recut {
  std::int32_t array;
};

struct Block {
  std::int64_t start = 0;
  int lanes = 1;
  std::int64_t live = 1;     // elements in use, from the first
  vir::Reg reg = 0;
  bool has_mask = false;     // every write so far was under this one run-time range of lanes
  Linear mask_count, mask_skipped;
  bool is_written = false;
};

class RegisterFile {
 public:
  explicit RegisterFile(const nest::Nest& nest)
      : nest_(nest), block_of_(nest.arrays.size()) {}

  // The block of elements [start, start + live) held in `lanes` lanes; makes it when new.
  Block& vector(std::int32_t array, std::int64_t start, int lanes, std::int64_t live,
                Emitter& emitter);
  // The block that holds one element, or null.
  Block* holding(std::int32_t array, std::int64_t element);
  // Forgets an array's blocks: its next use begins a new life.
  void reset(std::int32_t array);

 private:
  const nest::Nest& nest_;
  std::vector<std::vector<Block*>> block_of_;  // by array and element
  std::deque<Block> blocks_;
};

}  // namespace loopnest
