#include "x86/frame.hpp"

#include <algorithm>

#include "loopnest/code.hpp"

namespace loopnest::x86 {
namespace {

constexpr std::int32_t largest_frame = 1 << 20;
constexpr int saved_order[] = {rbx, rbp, r12, r13, r14, r15};

bool has_slot(const MachineFunction& f, const passes::Allocation& a, std::size_t r) {
  return a.spilled[r] && f.registers[r].pool < 0;
}

std::int32_t round_up(std::int32_t n, std::int32_t to) { return (n + to - 1) / to * to; }

int pushed_bytes(const Frame& frame) {
  return 8 * static_cast<int>(std::ranges::count_if(
                 saved_order, [&](int r) { return (frame.saved >> r & 1) != 0; }));
}

Operand at_rsp(std::int32_t disp) { return mem({.base = rsp, .disp = disp}); }

}  // namespace

Frame plan_frame(const MachineFunction& f, const passes::Allocation& a) {
  Frame frame;
  frame.saved = a.used[general_class] & callee_saved_registers;
  frame.slots.assign(f.registers.size(), -1);
  std::int64_t used = 0;
  for (const int bytes : {64, 32, 16, 8}) {
    if (!a.any_spilled) break;
    for (std::size_t r = 1; r < f.registers.size(); ++r) {
      if (f.registers[r].bytes != bytes || !has_slot(f, a, r)) continue;
      frame.slots[r] = static_cast<std::int32_t>(used);
      frame.alignment = std::max(frame.alignment, static_cast<std::int32_t>(bytes));
      used += bytes;
      if (used > largest_frame) throw TargetError("the stack frame exceeds 1 MiB");
    }
  }
  frame.captures = static_cast<std::int32_t>(used);
  used += 8 * std::int64_t{f.capture_slots};
  if (used > largest_frame) throw TargetError("the stack frame exceeds 1 MiB");
  const auto size = static_cast<std::int32_t>(used);
  if (f.calls) frame.alignment = std::max(frame.alignment, 16);
  if (frame.over_aligned()) {
    frame.size = round_up(size + 8, frame.alignment);
  } else if (size > 0 || f.calls) {
    // On entry rsp is 8 below a multiple of 16.
    const int above = 8 + pushed_bytes(frame);
    frame.size = round_up(size + above, 16) - above;
  }
  return frame;
}

void emit_prologue(Assembler& out, const Frame& frame) {
  for (const int r : saved_order) {
    if (frame.saved >> r & 1) out.emit(Op::push, {gpr(r)});
  }
  if (frame.over_aligned()) {
    out.emit(Op::mov, {gpr(rax), gpr(rsp)});  // rax is not a parameter
    out.emit(Op::sub, {gpr(rsp), imm(frame.size)});
    out.emit(Op::and_, {gpr(rsp), imm(-frame.alignment)});
    out.emit(Op::mov, {at_rsp(frame.size - 8), gpr(rax)});
  } else if (frame.size != 0) {
    out.emit(Op::sub, {gpr(rsp), imm(frame.size)});
  }
}

void emit_epilogue(Assembler& out, const Frame& frame) {
  if (frame.over_aligned()) {
    out.emit(Op::mov, {gpr(rsp), at_rsp(frame.size - 8)});
  } else if (frame.size != 0) {
    out.emit(Op::add, {gpr(rsp), imm(frame.size)});
  }
  for (auto r = std::rbegin(saved_order); r != std::rend(saved_order); ++r) {
    if (frame.saved >> *r & 1) out.emit(Op::pop, {gpr(*r)});
  }
}

}  // namespace loopnest::x86
