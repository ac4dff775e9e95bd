// Passes over finished vector IR.
#pragma once

#include <vector>

#include "loopnest/target.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest {

// Moves what does not change out of the innermost loop that begins at `begin` and is complete but
// for its loop_end, as far as registers allow. Nothing happens when the loop branches or nests.
// `array_of_base[r]` is the array that addresses with base register r lie in.
enum class Hoist : std::uint8_t { masks, everything };
void hoist_invariants(vir::Function& function, std::size_t begin, const Target& target,
                      const std::vector<std::int32_t>& array_of_base, Hoist what);

// Drops code whose result nobody reads, counters and pointers that only advance themselves
// included.
void drop_dead_code(vir::Function& function);

// Gives a zero to vector registers that some path reads unwritten: a register array that is first
// written under a condition. Its value there is undefined by the grammar, but must exist.
void define_unwritten(vir::Function& function);

}  // namespace loopnest
