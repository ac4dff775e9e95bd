// Register allocation: linear scan over live intervals, for any instruction set.
//
// Input: for each instruction, the virtual registers it reads and writes (accesses), the loops, and
// where physical registers are destroyed. Output: for each access a physical register, or
// `in_memory` when the instruction takes its operand from the stack slot.
//
// A virtual register is spilled as a whole. Its accesses that need a register then get one of their
// own for that instruction only: the caller reloads before it and stores after it. Those short
// intervals may push out others, so the scan repeats until nothing new is spilled; the set of
// spilled registers only grows, so it ends.
//
// Invariants of the result: two registers live at one point never share a physical register; no
// register live across a clobber of p is in p; at most one access of an instruction is `in_memory`.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace loopnest::passes {

inline constexpr int register_classes = 3;

// early_def: written before the instruction has read its other operands.
enum class Role : std::uint8_t { use, def, use_def, early_def };

struct Access {
  std::uint32_t reg;
  Role role;
  bool memory;  // the instruction can take this operand from memory
};

struct VirtualRegister {
  std::uint8_t cls = 0;
  bool rematerializable = false;  // a constant: unused or spilled, its definition is deleted
  std::uint8_t hint = 0xff;       // physical register it would like
  std::uint32_t allowed = ~0u;    // physical registers it may take
};

struct LoopRange {
  std::uint32_t begin, end;  // instructions, inclusive
  std::int32_t parent;       // index of the enclosing loop, -1: none
  std::int32_t depth;        // 1 for an outermost loop
};

using RegisterSets = std::array<std::uint32_t, register_classes>;

struct Clobbers {
  RegisterSets destroyed{};
  std::vector<std::uint32_t> instructions;  // ascending
};

struct AllocationInput {
  RegisterSets available{};
  RegisterSets preferred{};                 // tried first (no cost to use)
  std::vector<VirtualRegister> registers;   // entry 0 unused
  std::vector<Access> accesses;
  std::vector<std::uint32_t> first_access;  // of each instruction, and the end
  std::vector<LoopRange> loops;             // by begin
  std::vector<std::uint32_t> copies;        // instructions that are [def, use] copies, ascending
  std::vector<Clobbers> clobbers;

  std::size_t instructions() const { return first_access.size() - 1; }
};

inline constexpr std::uint8_t in_memory = 0xff;

struct Allocation {
  std::vector<std::uint8_t> assigned;  // of each access: physical register or in_memory
  std::vector<std::uint8_t> spilled;   // of each virtual register: 0 or 1
  std::vector<std::uint8_t> depth;     // of each virtual register: deepest loop it is accessed in
  RegisterSets used{};
  bool any_spilled = false;
};

// Throws std::logic_error when one instruction needs more registers than there are.
Allocation allocate_registers(const AllocationInput& input);

}  // namespace loopnest::passes
