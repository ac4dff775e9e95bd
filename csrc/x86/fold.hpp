// Which instructions need no code of their own: results nobody reads, and loads whose only reader
// takes them as a memory operand (or EVEX embedded broadcast) instead.
//
// A load is folded when its result has one definition and one use, both in one straight line with
// nothing between them that may store, and its address registers unchanged; and when the reader's
// memory form touches exactly the bytes that the load does.
#pragma once

#include <cstdint>
#include <vector>

#include "vector_ir/vector_ir.hpp"

namespace loopnest::x86 {

enum class Slot : std::uint8_t { none, a, b, c };

struct Folding {
  std::vector<std::uint8_t> skip;           // per instruction
  std::vector<Slot> slot;                   // per instruction: the operand that is in memory
  std::vector<std::uint32_t> definitions;   // per register: how many
  std::vector<std::uint32_t> uses;
  std::vector<std::uint32_t> defined_at;    // per register: its last definition in text order
};

Folding find_folds(const vir::Function& function, const Target& target);

}  // namespace loopnest::x86
