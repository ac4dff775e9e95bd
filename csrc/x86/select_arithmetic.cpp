// Selection of lanewise arithmetic, constants and bit operations.
#include <array>
#include <cstring>
#include <utility>

#include "loopnest/code.hpp"
#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

// One row per operator: mnemonics for i32, i64, f32, f64, and the scalar f32, f64. `count_`: none.
struct BinaryForms {
  Op by_elem[4];
  Op scalar[2];
};

constexpr Op no_op = Op::count_;

constexpr BinaryForms add_forms{
    {Op::vpaddd, Op::vpaddq, Op::vaddps, Op::vaddpd}, {Op::vaddss, Op::vaddsd}};
constexpr BinaryForms sub_forms{
    {Op::vpsubd, Op::vpsubq, Op::vsubps, Op::vsubpd}, {Op::vsubss, Op::vsubsd}};
constexpr BinaryForms mul_forms{
    {Op::vpmulld, Op::vpmullq, Op::vmulps, Op::vmulpd}, {Op::vmulss, Op::vmulsd}};
constexpr BinaryForms div_forms{{no_op, no_op, Op::vdivps, Op::vdivpd}, {Op::vdivss, Op::vdivsd}};
constexpr BinaryForms min_forms{
    {Op::vpminsd, Op::vpminsq, Op::vminps, Op::vminpd}, {Op::vminss, Op::vminsd}};
constexpr BinaryForms max_forms{
    {Op::vpmaxsd, Op::vpmaxsq, Op::vmaxps, Op::vmaxpd}, {Op::vmaxss, Op::vmaxsd}};

const BinaryForms& forms_of(VOp op) {
  switch (op) {
    case VOp::add: return add_forms;
    case VOp::sub: return sub_forms;
    case VOp::mul: return mul_forms;
    case VOp::div: return div_forms;
    case VOp::min: case VOp::min_fast: return min_forms;
    default: return max_forms;
  }
}

bool is_scalar(vir::Type t) { return t.lanes == 1 && is_float(t.elem); }

Op form_for(VOp op, vir::Type t) {
  const BinaryForms& f = forms_of(op);
  const Op m = is_scalar(t) ? f.scalar[t.elem == Elem::f64] : f.by_elem[static_cast<int>(t.elem)];
  if (m == no_op) throw TargetError("integer vectors have no division");
  return m;
}

struct FusedForms {
  Op order_231[4], order_213[4];  // f32, f64, scalar f32, scalar f64
};
constexpr FusedForms fma_forms{
    {Op::vfmadd231ps, Op::vfmadd231pd, Op::vfmadd231ss, Op::vfmadd231sd},
    {Op::vfmadd213ps, Op::vfmadd213pd, Op::vfmadd213ss, Op::vfmadd213sd}};
constexpr FusedForms fnma_forms{
    {Op::vfnmadd231ps, Op::vfnmadd231pd, Op::vfnmadd231ss, Op::vfnmadd231sd},
    {Op::vfnmadd213ps, Op::vfnmadd213pd, Op::vfnmadd213ss, Op::vfnmadd213sd}};

std::uint64_t sign_bit(Elem e) { return size_of(e) == 4 ? 0x80000000u : 0x8000000000000000u; }

bool is_bitwise(VOp op) {
  return op == VOp::bit_and || op == VOp::bit_or || op == VOp::bit_xor;
}

}  // namespace

// ---- constants ----

// A register with one definition may be spilled to the pool entry itself.
void Selector::constant(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  const int bytes = std::max(16, bytes_of(t));
  const auto bits = static_cast<std::uint64_t>(i.imm);
  const std::uint32_t entry = pool_.splat(bits, size_of(t.elem), bytes);
  if (folding_.definitions[i.dst] == 1) {
    out_.registers[i.dst].pool = static_cast<std::int32_t>(entry);
    out_.allocation.registers[i.dst].rematerializable = true;
  }
  constant_into(i.dst, entry);
}

void Selector::constant_into(VReg dst, std::uint32_t entry) {
  emit_pseudo(Pseudo::constant, out(dst)).memory = constant_memory(entry);
}

// Every lane `bits`, as a memory operand.
Selector::Source Selector::splat_source(std::uint64_t bits, vir::Type t) {
  return {.memory = constant_memory(
              pool_.splat(bits, size_of(t.elem), std::max(16, bytes_of(t))))};
}

VReg Selector::zero(vir::Type t) {
  const VReg r = temp_vector(bytes_of(t));
  constant_into(r, pool_.splat(0, 4, 16));
  return r;
}

VReg Selector::table_constant(std::span<const std::uint8_t> bytes, int width_bytes) {
  std::vector<std::uint8_t> padded(bytes.begin(), bytes.end());
  padded.resize(std::max(16, width_bytes));
  const VReg r = temp_vector(width_bytes);
  const std::uint32_t entry = pool_.table(padded);
  out_.registers[r].pool = static_cast<std::int32_t>(entry);
  out_.allocation.registers[r].rematerializable = true;
  constant_into(r, entry);
  return r;
}

void Selector::splat(const vir::Inst& i) { splat_general(i.dst, type(i.dst), i.a); }

void Selector::splat_general(VReg dst, vir::Type t, VReg general) {
  const Kind k = vector_kind(bytes_of(t));
  const Kind from = size_of(t.elem) == 4 ? Kind::gpr32 : Kind::gpr64;
  const Op broadcast = by_size(t.elem, Op::vpbroadcastd, Op::vpbroadcastq);
  if (wide() && t.lanes > 1) {
    emit(broadcast, out(dst, k), in(general, from));
    return;
  }
  const VReg low = t.lanes == 1 ? dst : temp_vector(16);
  emit(by_size(t.elem, Op::vmovd, Op::vmovq), out(low, Kind::xmm), in(general, from));
  if (t.lanes > 1) emit(broadcast, out(dst, k), in(low));
}

std::vector<std::uint8_t> Selector::lane_numbers(Elem e, int lanes) {
  const int size = size_of(e);
  std::vector<std::uint8_t> bytes(lanes * size);
  for (std::int64_t l = 0; l < lanes; ++l) std::memcpy(&bytes[l * size], &l, size);
  return bytes;
}

void Selector::broadcast(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (t.lanes == 1) return copy(i.dst, i.a);
  const Op eight = bytes_of(t) <= 16 ? Op::vmovddup : Op::vbroadcastsd;
  emit(by_size(t.elem, Op::vbroadcastss, eight), out(i.dst), in(i.a));
}

void Selector::iota(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  copy(i.dst, table_constant(lane_numbers(t.elem, t.lanes), bytes_of(t)));
}

// ---- operands that may be in memory ----

Selector::Source Selector::source(const vir::Inst& reader, Slot slot) {
  const vir::Reg r = slot == Slot::a ? reader.a : slot == Slot::b ? reader.b : reader.c;
  if (folding_.slot[index_] != slot) return {.reg = r};
  const vir::Inst& load = function_.code[folding_.defined_at[r]];
  const vir::Type t = type(r);
  if (load.op == VOp::constant) return splat_source(static_cast<std::uint64_t>(load.imm), t);
  Source s{.memory = address(load.addr)};
  s.memory.broadcast = load.op == VOp::load_splat && t.lanes > 1;
  return s;
}

VReg Selector::in_register(const Source& s, vir::Type t) {
  if (s.reg != 0) return s.reg;
  const VReg r = temp_vector(bytes_of(t));
  if (s.memory.broadcast) {
    MachineMemory m = s.memory;
    m.broadcast = false;
    splat_from(r, t, m);
  } else {
    plain_load(r, t, s.memory);
  }
  return r;
}

// ---- binary operators ----

void Selector::binary(const vir::Inst& i) {
  vir::Reg a = i.a;
  Source b = source(i, Slot::b);
  if (folding_.slot[index_] == Slot::a) {  // commutative: see fold.cpp
    a = i.b;
    b = source(i, Slot::a);
  }
  combine(i.op, type(i.dst), i.dst, a, b);
}

void Selector::combine(VOp op, vir::Type t, VReg dst, VReg a, const Source& b) {
  if (is_bitwise(op)) return bitwise(op, t, dst, a, b);
  const bool is_min_max = op == VOp::min || op == VOp::max;
  if (is_float(t.elem) && is_min_max) return exact_min_max(op, t, dst, a, b);
  if (t.elem == Elem::i64 && !wide()) {
    if (op == VOp::mul) return multiply_i64(t, dst, a, in_register(b, t));
    if (is_min_max || op == VOp::min_fast || op == VOp::max_fast) {
      return select_i64(op, t, dst, a, in_register(b, t));
    }
  }
  const Kind k = vector_kind(bytes_of(t));
  emit(form_for(op, t), out(dst, k), in(a, k), rm(b, k));
}

void Selector::bitwise(VOp op, vir::Type t, VReg dst, VReg a, const Source& b) {
  const Kind k = vector_kind(bytes_of(t));
  const bool eight = size_of(t.elem) == 8;  // the broadcast granularity
  const Op m = op == VOp::bit_and ? (eight ? Op::vandpd : Op::vandps)
               : op == VOp::bit_or ? (eight ? Op::vorpd : Op::vorps)
                                   : (eight ? Op::vxorpd : Op::vxorps);
  emit(m, out(dst, k), in(a, k), rm(b, k));
}

// a * b = low * low + ((low(a) * high(b) + high(a) * low(b)) << 32), modulo 2^64.
void Selector::multiply_i64(vir::Type t, VReg dst, VReg a, VReg b) {
  const int n = bytes_of(t);
  const Kind k = vector_kind(n);
  const VReg swapped = temp_vector(n), cross = temp_vector(n), other = temp_vector(n);
  const VReg sum = temp_vector(n), high = temp_vector(n), low = temp_vector(n);
  emit(Op::vpshufd, out(swapped), in(b, k), imm(0xb1));
  emit(Op::vpmulld, out(cross), in(swapped), rm(a, k));
  emit(Op::vpsrlq, out(other), in(cross), imm(32));
  emit(Op::vpaddd, out(sum), in(cross), rm(other));
  emit(Op::vpsllq, out(high), in(sum), imm(32));
  emit(Op::vpmuludq, out(low), in(a, k), rm(b, k));
  emit(Op::vpaddq, out(dst, k), in(low), rm(high));
}

void Selector::select_i64(VOp op, vir::Type t, VReg dst, VReg a, VReg b) {
  const bool want_min = op == VOp::min || op == VOp::min_fast;
  const Kind k = vector_kind(bytes_of(t));
  const VReg greater = temp_vector(bytes_of(t));
  emit(Op::vpcmpgtq, out(greater), in(a, k), rm(b, k));
  // blendv takes its third operand where the mask is set.
  if (want_min) {
    emit(Op::vblendvpd, out(dst, k), in(a, k), rm(b, k), in(greater));
  } else {
    emit(Op::vblendvpd, out(dst, k), in(b, k), rm(a, k), in(greater));
  }
}

// min and max return their second operand when either is NaN: right for b, put right for a.
void Selector::exact_min_max(VOp op, vir::Type t, VReg dst, VReg a, const Source& b) {
  const Kind k = vector_kind(bytes_of(t));
  const VReg picked = temp_vector(bytes_of(t)), is_nan = temp_lane_mask(t);
  const Op cmp = by_size(t.elem, Op::vcmpps, Op::vcmppd);
  constexpr int unordered = 3;
  emit(form_for(op, t), out(picked), in(a, k), rm(b, k));
  emit(cmp, out(is_nan), in(a, k), in(a, k), imm(unordered));
  if (wide()) {
    emit(by_size(t.elem, Op::vblendmps, Op::vblendmpd),
         out(dst, k), in(picked), rm(a, k), masked(is_nan));
  } else {
    emit(by_size(t.elem, Op::vblendvps, Op::vblendvpd),
         out(dst, k), in(picked), rm(a, k), in(is_nan));
  }
}

// ---- multiply-add ----

void Selector::fused(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (!is_float(t.elem)) {
    const VReg product = temp_vector(bytes_of(t));
    combine(VOp::mul, t, product, i.a, i.b);
    if (i.op == VOp::fma) return combine(VOp::add, t, i.dst, i.c, product);
    return combine(VOp::sub, t, i.dst, i.c, product);
  }
  const FusedForms& forms = i.op == VOp::fma ? fma_forms : fnma_forms;
  const int column = (t.elem == Elem::f64 ? 1 : 0) + (t.lanes == 1 ? 2 : 0);
  const Kind k = vector_kind(bytes_of(t));
  Slot in_memory = folding_.slot[index_];
  vir::Reg a = i.a, b = i.b;
  Slot slot_a = Slot::a, slot_b = Slot::b;
  const auto dies_here = [&](vir::Reg r) {
    return folding_.uses[r] == 1 && folding_.definitions[r] == 1;
  };
  const bool swap = in_memory == Slot::a || i.dst == b ||
                    (in_memory != Slot::b && i.dst != a && !dies_here(a) && dies_here(b));
  if (swap) {
    std::swap(a, b);
    std::swap(slot_a, slot_b);
  }
  const bool overwrite_a = in_memory == Slot::c || (i.dst != i.c && i.dst == a) ||
                           (i.dst != i.c && in_memory != slot_b && !dies_here(i.c) && dies_here(a));
  if (overwrite_a) {  // dst = dst * b + c
    const Source c = source(i, Slot::c);
    copy(i.dst, a);
    emit(forms.order_213[column], inout(i.dst, k), in(b, k), rm(c, k));
  } else {  // dst = a * b + dst
    const Source multiplier = source(i, slot_b);
    copy(i.dst, i.c);
    emit(forms.order_231[column], inout(i.dst, k), in(a, k), rm(multiplier, k));
  }
}

// ---- unary operators ----

void Selector::unary(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  switch (i.op) {
    case VOp::neg: return negate(i);
    case VOp::abs: return absolute(i);
    case VOp::sqrt:
      if (is_scalar(t)) {
        emit(by_size(t.elem, Op::vsqrtss, Op::vsqrtsd), out(i.dst), in(i.a), in(i.a));
      } else {
        emit(by_size(t.elem, Op::vsqrtps, Op::vsqrtpd), out(i.dst), rm(i.a));
      }
      return;
    case VOp::floor: return round(i, 0x9);   // down, no inexact exception
    default: return round(i, 0x8);           // to nearest even
  }
}

void Selector::negate(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (is_float(t.elem)) {
    return bitwise(VOp::bit_xor, t, i.dst, i.a, splat_source(sign_bit(t.elem), t));
  }
  combine(VOp::sub, t, i.dst, zero(t), i.a);
}

void Selector::absolute(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (is_float(t.elem)) {
    return bitwise(VOp::bit_and, t, i.dst, i.a, splat_source(sign_bit(t.elem) - 1, t));
  }
  if (t.elem == Elem::i32 || wide()) {
    emit(by_size(t.elem, Op::vpabsd, Op::vpabsq), out(i.dst), rm(i.a));
    return;
  }
  const VReg sign = temp_vector(bytes_of(t)), flipped = temp_vector(bytes_of(t));
  emit(Op::vpcmpgtq, out(sign), in(zero(t)), rm(i.a));
  emit(Op::vpxor, out(flipped), in(i.a), rm(sign));
  emit(Op::vpsubq, out(i.dst), in(flipped), rm(sign));
}

void Selector::round(const vir::Inst& i, int mode) {
  const vir::Type t = type(i.dst);
  const Op op = wide() ? by_size(t.elem, Op::vrndscaleps, Op::vrndscalepd)
                       : by_size(t.elem, Op::vroundps, Op::vroundpd);
  emit(op, out(i.dst), rm(i.a), imm(mode));
}

// Counts at or above the width give zero, as the instructions do.
void Selector::shift(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  const bool left = i.op == VOp::shift_left;
  const Op op = left ? by_size(t.elem, Op::vpslld, Op::vpsllq)
                     : by_size(t.elem, Op::vpsrld, Op::vpsrlq);
  emit(op, out(i.dst), in(i.a), imm(i.imm));
}

}  // namespace loopnest::x86
