// Selection of integer arithmetic in general registers, control flow and parallel calls.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <limits>

#include "loopnest/abi.hpp"
#include "loopnest/code.hpp"
#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

bool fits_int32(std::int64_t v) {
  return v >= std::numeric_limits<std::int32_t>::min() &&
         v <= std::numeric_limits<std::int32_t>::max();
}

bool is_power_of_two(std::int64_t v) { return v > 0 && (v & (v - 1)) == 0; }

int log2_of(std::int64_t v) { return std::countr_zero(static_cast<std::uint64_t>(v)); }

// Modulo 2^64: the least integer is its own negation.
std::int64_t negated(std::int64_t v) {
  return static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(v));
}

MachineMemory based(VReg base, std::int64_t disp) {
  return {.base = base, .disp = static_cast<std::int32_t>(disp)};
}

vir::Cond mirrored(vir::Cond c) {
  switch (c) {
    case vir::Cond::lt: return vir::Cond::gt;
    case vir::Cond::le: return vir::Cond::ge;
    case vir::Cond::gt: return vir::Cond::lt;
    case vir::Cond::ge: return vir::Cond::le;
    default: return c;
  }
}

Op jump_if(vir::Cond c) {
  switch (c) {
    case vir::Cond::lt: return Op::jl;
    case vir::Cond::le: return Op::jle;
    case vir::Cond::gt: return Op::jg;
    case vir::Cond::ge: return Op::jge;
    case vir::Cond::eq: return Op::je;
    default: return Op::jne;
  }
}

}  // namespace

void Selector::general(const vir::Inst& i) {
  switch (i.op) {
    case VOp::g_const: return general_const(i.dst, i.imm);
    case VOp::g_move: return copy(i.dst, i.a);
    case VOp::g_add:
      return i.b == 0 ? general_add(i.dst, i.a, i.imm) : general_binary(i, Op::add, true);
    case VOp::g_sub:
      return i.b == 0 ? general_add(i.dst, i.a, negated(i.imm)) : general_binary(i, Op::sub, false);
    case VOp::g_mul: return general_mul(i);
    case VOp::g_min: return general_select(i.dst, i.a, general_operand(i), Op::cmovg);
    case VOp::g_max: return general_select(i.dst, i.a, general_operand(i), Op::cmovl);
    case VOp::g_floordiv: return general_floordiv(i.dst, i.a, i.imm);
    default: return from_frame(i);
  }
}

void Selector::general_const(VReg dst, std::int64_t value) {
  // mov to memory takes 32 bits only.
  const RegArg to = fits_int32(value) ? or_memory(out(dst)) : out(dst);
  emit(Op::mov, to, imm(value));
}

VReg Selector::general_operand(const vir::Inst& i) {
  if (i.b != 0) return i.b;
  const VReg r = temp_general();
  general_const(r, i.imm);
  return r;
}

void Selector::general_add(VReg dst, VReg a, std::int64_t value) {
  if (!fits_int32(value)) {
    const VReg big = temp_general();
    general_const(big, value);
    copy(dst, a);
    emit(Op::add, or_memory(inout(dst)), rm(big));
  } else if (dst == a) {
    if (value != 0) emit(Op::add, or_memory(inout(dst)), imm(value));
  } else if (value == 0) {
    copy(dst, a);
  } else {
    const MachineMemory sum = based(a, value);
    emit(Op::lea, out(dst), at(sum));
  }
}

void Selector::general_binary(const vir::Inst& i, Op op, bool commutative) {
  if (i.dst == i.b && i.dst != i.a && !commutative) {  // dst = a - dst
    emit(Op::neg, or_memory(inout(i.dst)));
    emit(Op::add, or_memory(inout(i.dst)), rm(i.a));
    return;
  }
  if (i.dst == i.b) {
    emit(op, or_memory(inout(i.dst)), rm(i.a));
    return;
  }
  if (op == Op::add && i.dst != i.a) {
    const MachineMemory sum{.base = i.a, .index = i.b};
    emit(Op::lea, out(i.dst), at(sum));
    return;
  }
  copy(i.dst, i.a);
  emit(op, or_memory(inout(i.dst)), rm(i.b));
}

void Selector::general_mul(const vir::Inst& i) {
  if (i.b != 0) {
    const VReg other = i.dst == i.b ? i.a : i.b;
    copy(i.dst, i.dst == i.b ? i.b : i.a);
    emit(Op::imul, inout(i.dst), rm(other));
  } else if (is_power_of_two(i.imm)) {
    copy(i.dst, i.a);
    if (i.imm > 1) emit(Op::shl, or_memory(inout(i.dst)), imm(log2_of(i.imm)));
  } else if (i.imm == -1) {
    copy(i.dst, i.a);
    emit(Op::neg, or_memory(inout(i.dst)));
  } else if (i.imm == 3 || i.imm == 5 || i.imm == 9) {
    const auto scale = static_cast<std::uint8_t>(i.imm - 1);
    const MachineMemory sum{.base = i.a, .index = i.a, .scale = scale};
    emit(Op::lea, out(i.dst), at(sum));
  } else if (fits_int32(i.imm)) {
    emit(Op::imul, out(i.dst), rm(i.a), imm(i.imm));
  } else {
    const VReg big = general_operand(i);
    copy(i.dst, i.a);
    emit(Op::imul, inout(i.dst), rm(big));
  }
}

// dst = a, then b where `cmov` holds of (dst compared with b).
void Selector::general_select(VReg dst, VReg a, VReg b, Op cmov) {
  if (dst == b) std::swap(a, b);
  copy(dst, a);
  if (a == b) return;
  emit(Op::cmp, in(dst), rm(b));
  emit(cmov, inout(dst), rm(b));
}

void Selector::general_floordiv(VReg dst, VReg a, std::int64_t divisor) {
  if (divisor <= 0) throw TargetError("floor division by a constant that is not positive");
  if (is_power_of_two(divisor)) {
    copy(dst, a);
    if (divisor > 1) emit(Op::sar, or_memory(inout(dst)), imm(log2_of(divisor)));
    return;
  }
  // floor(a / d) == (|a| / d) with all bits flipped before and after when a < 0.
  const VReg sign = temp_general(), n = temp_general();
  copy(sign, a);
  emit(Op::sar, or_memory(inout(sign)), imm(63));
  copy(n, a);
  emit(Op::xor_, or_memory(inout(n)), rm(sign));
  divide_by_magic(dst, n, divisor);
  emit(Op::xor_, or_memory(inout(dst)), rm(sign));
}

// dst = n / divisor for 0 <= n < 2^63: the high half of n * m, shifted, with m the 64-bit
// reciprocal rounded up (Granlund and Montgomery, 1994, section 4).
void Selector::divide_by_magic(VReg dst, VReg n, std::int64_t divisor) {
  const auto d = static_cast<std::uint64_t>(divisor);
  const int shift = 64 - std::countl_zero(d);  // ceil(log2(d)): d is no power of two
  const auto numerator = static_cast<unsigned __int128>(1) << (63 + shift);
  const auto magic = static_cast<std::uint64_t>((numerator + d - 1) / d);
  emit(Op::mov, out(physical(rax)), imm(static_cast<std::int64_t>(magic)));
  destroy_at_last(clobber_divide);
  emit(Op::mul, rm(n));
  destroy_at_last(clobber_divide);
  emit(Op::mov, or_memory(out(dst)), in(physical(rdx)));
  emit(Op::shr, or_memory(inout(dst)), imm(shift - 1));
}

// ---- the frame and the arguments of a parallel body ----

void Selector::from_frame(const vir::Inst& i) {
  const auto load = [&](VReg base, std::int64_t offset) {
    const MachineMemory m = based(base, offset);
    emit(Op::mov, out(i.dst), at(m));
  };
  switch (i.op) {
    case VOp::g_argument:
      load(frame_, offsetof(loopnest_frame, arguments));
      return load(i.dst, 8 * i.imm);
    case VOp::g_workspace:
      load(frame_, offsetof(loopnest_frame, workspace));
      return general_add(i.dst, i.dst, i.imm);
    case VOp::g_private:
      if (thread_ == 0) {  // the kernel itself runs as thread 0
        load(frame_, offsetof(loopnest_frame, private_workspace));
      } else {
        load(frame_, offsetof(loopnest_frame, private_stride));
        emit(Op::imul, inout(i.dst), rm(thread_));
        const MachineMemory start = based(frame_, offsetof(loopnest_frame, private_workspace));
        emit(Op::add, inout(i.dst), at(start));
      }
      return general_add(i.dst, i.dst, i.imm);
    case VOp::g_capture: return load(captures_, 8 * i.imm);
    case VOp::g_begin: return copy(i.dst, begin_);
    default: return copy(i.dst, end_);
  }
}

// ---- control ----

void Selector::control(const vir::Inst& i) {
  switch (i.op) {
    case VOp::bind: return bind(i.label);
    case VOp::jump: return jump(Op::jmp, i.label);
    case VOp::branch_if: return branch(i);
    case VOp::loop_begin: {
      auto& loops = out_.allocation.loops;
      if (open_loop_ >= 0) out_.code[loops[open_loop_].begin].innermost = false;
      const int depth = open_loop_ < 0 ? 1 : loops[open_loop_].depth + 1;
      loops.push_back({static_cast<std::uint32_t>(out_.code.size()), 0, open_loop_, depth});
      open_loop_ = static_cast<std::int32_t>(loops.size() - 1);
      MachineInst& begin = emit_pseudo(Pseudo::loop_begin, imm(i.label));
      begin.innermost = true;
      return;
    }
    case VOp::loop_end: {
      auto& loop = out_.allocation.loops.at(open_loop_);
      loop.end = static_cast<std::uint32_t>(out_.code.size());
      open_loop_ = loop.parent;
      emit_pseudo(Pseudo::loop_end);
      return;
    }
    case VOp::capture: return capture(i);
    case VOp::parallel: return parallel(i);
    default:
      if (streams_) emit(Op::sfence);
      emit_pseudo(Pseudo::ret);
  }
}

void Selector::bind(std::uint32_t label) { emit_pseudo(Pseudo::bind, imm(label)); }

void Selector::jump(Op op, std::uint32_t label) {
  emit(op, imm(label)).operands[0].kind = Kind::label;
}

void Selector::branch(const vir::Inst& i) {
  vir::Cond cond = i.cond;
  if (i.b != 0) {
    emit(Op::cmp, rm(i.a), rm(i.b));
  } else if (fits_int32(i.imm)) {
    emit(Op::cmp, rm(i.a), imm(i.imm));
  } else {
    const VReg big = general_operand(i);
    emit(Op::cmp, rm(big), rm(i.a));
    cond = mirrored(cond);
  }
  jump(jump_if(cond), i.label);
}

void Selector::capture(const vir::Inst& i) {
  out_.capture_slots = std::max(out_.capture_slots, static_cast<std::int32_t>(i.imm + 1));
  const MachineMemory slot{.disp = static_cast<std::int32_t>(8 * i.imm), .where = Base::captures};
  emit(Op::mov, at(slot), in(i.a));
}

// Every value alive at any of these instructions is kept out of the call's registers, so the moves
// into them cannot overwrite one another's sources.
void Selector::parallel(const vir::Inst& i) {
  const std::size_t first = out_.code.size();
  const MachineMemory body{.pool = static_cast<std::uint32_t>(i.imm), .where = Base::function};
  const MachineMemory captures{.where = Base::captures};
  const MachineMemory callee = based(frame_, offsetof(loopnest_frame, parallel_for));
  out_.calls = true;
  if (streams_) emit(Op::sfence);
  emit(Op::vzeroupper);
  emit(Op::mov, out(physical(rdi)), rm(frame_));
  emit(Op::lea, out(physical(rsi)), at(body));
  emit(Op::lea, out(physical(rdx)), at(captures));
  emit(Op::mov, out(physical(rcx)), rm(i.a));
  emit(Op::mov, out(physical(r8)), rm(i.b));
  emit(Op::call, at(callee));
  for (std::size_t k = first; k < out_.code.size(); ++k) {
    out_.allocation.clobbers[clobber_call].instructions.push_back(static_cast<std::uint32_t>(k));
  }
}

}  // namespace loopnest::x86
