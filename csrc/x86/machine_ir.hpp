// Machine IR: x86-64 instructions over virtual registers, between selection and emission.
//
// A virtual register keeps the number of the vector IR register it stands for; temporaries follow.
// An instruction has at most four operands, one memory reference and one immediate. Operands come
// in Intel's order. The operand of kind `mem` stands for `MachineInst::memory`.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "passes/register_allocation.hpp"
#include "x86/assembler.hpp"

namespace loopnest::x86 {

using VReg = std::uint32_t;
inline constexpr VReg physical_bit = 0x80000000u;  // a fixed physical register
constexpr VReg physical(int n) { return physical_bit | static_cast<VReg>(n); }
constexpr bool is_physical(VReg r) { return (r & physical_bit) != 0; }
constexpr std::uint8_t physical_number(VReg r) { return static_cast<std::uint8_t>(r & 31); }

enum Gpr : int { rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15 };

// Register classes of the allocator.
enum RegisterClass : std::uint8_t { general_class, vector_class, mask_class };

enum class Pseudo : std::uint8_t {
  none,        // a real instruction
  copy,        // def <- use; nothing when both get one register
  constant,    // def <- constant pool entry memory.pool (or zero)
  bind,        // label imm
  loop_begin,  // label imm, aligned when innermost
  loop_end,
  ret,         // epilogue and return
};

enum class Base : std::uint8_t {
  reg,       // base + index * scale + disp
  pool,      // constant `pool` + disp
  function,  // the start of function `pool` (an address, for lea)
  captures,  // the frame's capture array + disp
};

struct MachineMemory {
  VReg base = 0, index = 0;  // index: general, or vector when index_kind says so
  std::uint32_t pool = 0;
  std::int32_t disp = 0;
  std::uint8_t scale = 1;
  Base where = Base::reg;
  Kind index_kind = Kind::gpr64;
  bool broadcast = false;
};

struct MachineOperand {
  Kind kind = Kind::none;
  passes::Role role = passes::Role::use;
  bool memory_ok = false;  // the register may be replaced by its stack slot
  VReg reg = 0;
};

struct MachineInst {
  Op op{};
  Pseudo pseudo = Pseudo::none;
  std::uint8_t count = 0;
  bool zeroing = false;
  bool has_memory = false;  // an operand is of kind mem
  bool innermost = false;  // loop_begin
  VReg opmask = 0;
  std::array<MachineOperand, 4> operands{};
  std::int64_t imm = 0;
  MachineMemory memory{};
};

struct MachineRegister {
  RegisterClass cls = general_class;
  std::uint8_t bytes = 8;
  std::int32_t pool = -1;  // rematerializable from this constant pool entry
};

struct MachineFunction {
  std::vector<MachineInst> code;
  std::vector<MachineRegister> registers;
  passes::AllocationInput allocation;  // filled while code is appended
  std::vector<std::pair<std::uint32_t, std::uint32_t>> notes;  // (instruction, index of vir note)
  std::uint32_t labels = 0;            // 1..labels
  std::int32_t capture_slots = 0;
  bool calls = false, uses_wide_vectors = false;
};

}  // namespace loopnest::x86
