// The stack frame of a generated function, addressed from rsp:
//
//   rsp + 0            vector spill slots, widest first
//                      mask and general spill slots
//       + captures     capture array of parallel calls
//       + size - 8     the caller's rsp, when vector slots make the frame over-aligned
//       + size         callee-saved registers, return address
#pragma once

#include <cstdint>
#include <vector>

#include "passes/register_allocation.hpp"
#include "x86/assembler.hpp"
#include "x86/machine_ir.hpp"

namespace loopnest::x86 {

struct Frame {
  std::vector<std::int32_t> slots;  // of each virtual register, -1: none
  std::int32_t captures = 0;
  std::int32_t size = 0;
  std::int32_t alignment = 8;
  std::uint32_t saved = 0;  // callee-saved general registers in use
  bool over_aligned() const { return alignment > 16; }
};

inline constexpr std::uint32_t callee_saved_registers =
    1u << rbx | 1u << rbp | 1u << r12 | 1u << r13 | 1u << r14 | 1u << r15;

// Throws TargetError for a frame beyond 1 MiB: nothing probes the stack.
Frame plan_frame(const MachineFunction& function, const passes::Allocation& allocation);
void emit_prologue(Assembler& assembler, const Frame& frame);
void emit_epilogue(Assembler& assembler, const Frame& frame);  // up to, not including, ret

}  // namespace loopnest::x86
