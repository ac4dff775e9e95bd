// Scalar replacement: memory that a loop reads and writes at one unchanging address lives in a
// register across the loop.
//
//   loop { r = load [p]; t = fma a b r; store t [p] }   ->   m = load [p]
//                                                             loop { m = fma a b m }
//                                                             store m [p]
//
// Done when every other access to the array in the loop is provably elsewhere, and when the loop
// has no forward branches, so that each access happens in every iteration.
#pragma once

#include <vector>

#include "loopnest/target.hpp"
#include "passes/emitter.hpp"

namespace loopnest {

struct PendingStore {
  vir::Inst inst;
  MemoryRange range;
};

// `begin` is the loop's loop_begin; its branch back is the latest instruction, its loop_end not
// there yet. Returns the stores to emit after the loop.
std::vector<PendingStore> promote_accumulators(Emitter& emitter, std::size_t begin,
                                               const Target& target);

}  // namespace loopnest
