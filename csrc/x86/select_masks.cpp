// Selection of comparisons, masks and lane selection.
//
// A k mask has no element size. An AVX2 mask is as wide as the vectors it was made for; used with
// elements of the other size it is widened or narrowed first.
#include <algorithm>
#include <cstring>

#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

using vir::Cond;

int float_predicate(Cond c) {
  switch (c) {
    case Cond::lt: return 0x11;  // ordered, quiet
    case Cond::le: return 0x12;
    case Cond::gt: return 0x1e;
    case Cond::ge: return 0x1d;
    case Cond::eq: return 0x00;
    default: return 0x04;        // not equal, or unordered
  }
}

int integer_predicate(Cond c) {
  switch (c) {
    case Cond::lt: return 1;
    case Cond::le: return 2;
    case Cond::gt: return 6;
    case Cond::ge: return 5;
    case Cond::eq: return 0;
    default: return 4;
  }
}

std::vector<std::uint8_t> first_lanes(std::int64_t count, int lanes, int size, int width) {
  std::vector<std::uint8_t> bytes(width);
  std::fill_n(bytes.begin(), std::clamp<std::int64_t>(count, 0, lanes) * size, std::uint8_t{0xff});
  return bytes;
}

int width_of(vir::Type t) { return std::max(16, bytes_of(t)); }

}  // namespace

void Selector::masks(const vir::Inst& i) {
  switch (i.op) {
    case VOp::compare: return compare(i);
    case VOp::mask_first: return mask_first(i);
    case VOp::select: return select_lanes(i);
    default: return mask_logic(i);
  }
}

// ---- compare ----

void Selector::compare(const vir::Inst& i) {
  const vir::Type t = type(i.a), to = type(i.dst);
  const Source b = source(i, Slot::b);
  if (wide() || size_of(t.elem) == size_of(to.elem)) {
    return compare_vectors(i.dst, i.cond, t, i.a, b);
  }
  const VReg same_size = temp_vector(bytes_of(t));
  compare_vectors(same_size, i.cond, t, i.a, b);
  resize_mask(i.dst, same_size, t, to.elem);
}

void Selector::compare_vectors(VReg dst, Cond cond, vir::Type t, VReg a, const Source& b) {
  const Kind k = vector_kind(bytes_of(t));
  if (is_float(t.elem)) {
    emit(by_size(t.elem, Op::vcmpps, Op::vcmppd),
         out(dst), in(a, k), rm(b, k), imm(float_predicate(cond)));
  } else if (wide()) {
    emit(by_size(t.elem, Op::vpcmpd, Op::vpcmpq),
         out(dst), in(a, k), rm(b, k), imm(integer_predicate(cond)));
  } else {
    compare_integers_avx2(dst, cond, t, a, b);
  }
}

// AVX2 has == and > only: the others swap the operands or flip the result.
void Selector::compare_integers_avx2(VReg dst, Cond cond, vir::Type t, VReg a, const Source& b) {
  const Op equal = by_size(t.elem, Op::vpcmpeqd, Op::vpcmpeqq);
  const Op greater = by_size(t.elem, Op::vpcmpgtd, Op::vpcmpgtq);
  const Kind k = vector_kind(bytes_of(t));
  const bool flip = cond == Cond::ne || cond == Cond::le || cond == Cond::ge;
  const bool swap = cond == Cond::lt || cond == Cond::ge;
  const VReg to = flip ? temp_vector(bytes_of(t)) : dst;
  const Op op = cond == Cond::eq || cond == Cond::ne ? equal : greater;
  if (swap) {
    emit(op, out(to), in(in_register(b, t), k), rm(a, k));
  } else {
    emit(op, out(to), in(a, k), rm(b, k));
  }
  if (flip) invert(dst, to, t);
}

// ---- the first lanes ----

void Selector::mask_first(const vir::Inst& i) {
  if (i.a == 0) return mask_first_constant(i);
  const vir::Type t = type(i.dst);
  const int width = width_of(t);
  if (size_of(t.elem) == 8) {  // 64-bit lanes hold any count
    const VReg count = temp_vector(width);
    splat_general(count, vector_type(Elem::i64, width / 8), i.a);
    const Source lane{.memory = constant_memory(pool_.table(lane_numbers(Elem::i64, width / 8)))};
    return compare_vectors(i.dst, Cond::gt, vector_type(Elem::i64, width / 8), count, lane);
  }
  const VReg n = clamped(i.a, t.lanes);
  if (wide()) {
    const VReg bits = temp_general();
    general_const(bits, 0xffff);
    emit(Op::bzhi, out(bits), in(bits), in(n));
    emit(Op::kmovw, out(i.dst), in(bits, Kind::gpr32));
    return;
  }
  const VReg count = temp_vector(width);
  splat_general(count, vector_type(Elem::i32, width / 4), n);
  const Source lane{.memory = constant_memory(pool_.table(lane_numbers(Elem::i32, width / 4)))};
  compare_vectors(i.dst, Cond::gt, vector_type(Elem::i32, width / 4), count, lane);
}

void Selector::mask_first_constant(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (!wide()) {
    const int size = size_of(t.elem);
    copy(i.dst, table_constant(first_lanes(i.imm, t.lanes, size, width_of(t)), width_of(t)));
    return;
  }
  const VReg bits = temp_general();
  general_const(bits, (1 << std::clamp<std::int64_t>(i.imm, 0, t.lanes)) - 1);
  emit(Op::kmovw, out(i.dst), in(bits, Kind::gpr32));
}

// min(max(n, 0), most)
VReg Selector::clamped(VReg n, int most) {
  const VReg low = temp_general(), bound = temp_general(), high = temp_general();
  general_const(low, 0);
  general_select(high, n, low, Op::cmovl);
  general_const(bound, most);
  emit(Op::cmp, in(high), rm(bound));
  emit(Op::cmovg, inout(high), rm(bound));
  return high;
}

// How many first lanes a mask selects, when that is known here (all without a mask); else -1.
int Selector::known_count(vir::Reg mask, vir::Type data) const {
  if (mask == 0) return data.lanes;
  const vir::Inst& made = function_.code[folding_.defined_at[mask]];
  const bool known = folding_.definitions[mask] == 1 && made.op == VOp::mask_first && made.a == 0;
  return known ? static_cast<int>(std::clamp<std::int64_t>(made.imm, 0, data.lanes)) : -1;
}

// ---- logic ----

void Selector::mask_logic(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (i.op == VOp::mask_not) return invert(i.dst, mask_for(i.a, t), t);
  const VReg a = mask_for(i.a, t), b = mask_for(i.b, t);
  if (wide()) {
    emit(i.op == VOp::mask_and ? Op::kandw : Op::korw, out(i.dst), in(a), in(b));
  } else {
    emit(i.op == VOp::mask_and ? Op::vandps : Op::vorps, out(i.dst), in(a), rm(b));
  }
}

void Selector::invert(VReg dst, VReg a, vir::Type t) {
  if (wide()) {
    emit(Op::knotw, out(dst), in(a));
  } else {
    const Source ones = splat_source(~std::uint64_t{0}, t);
    emit(Op::vxorps, out(dst), in(a), rm(ones, kind_of(a)));
  }
}

void Selector::select_lanes(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  const Kind k = vector_kind(bytes_of(t));
  const VReg mask = mask_for(i.mask, t);
  const Source a = source(i, Slot::a);
  if (wide()) {
    emit(by_size(t.elem, Op::vblendmps, Op::vblendmpd),
         out(i.dst, k), in(i.b, k), rm(a, k), masked(mask));
  } else {
    emit(by_size(t.elem, Op::vblendvps, Op::vblendvpd),
         out(i.dst, k), in(i.b, k), rm(a, k), in(mask));
  }
}

// ---- masks of another element size, masks for memory ----

VReg Selector::mask_for(vir::Reg mask, vir::Type data) {
  const vir::Type t = type(mask);
  if (wide() || size_of(t.elem) == size_of(data.elem)) return mask;
  const VReg resized = temp_vector(bytes_of(data));
  resize_mask(resized, mask, t, data.elem);
  return resized;
}

void Selector::resize_mask(VReg dst, VReg mask, vir::Type from, Elem to) {
  if (size_of(to) == 8) {
    emit(Op::vpmovsxdq, out(dst), in(mask));
  } else {
    narrow_i64(dst, mask, from.lanes);
  }
}

// Lanes above a narrow value's own are unspecified in a mask: they must not reach memory.
VReg Selector::memory_mask(vir::Reg mask, vir::Type data) {
  const VReg m = mask_for(mask, data);
  if (bytes_of(data) >= 16) return m;
  const vir::Type lane_type = vector_type(data.elem, 16 / size_of(data.elem));
  if (wide()) {
    const VReg bits = temp_general(), own = temp_mask(), both = temp_mask();
    general_const(bits, (1 << data.lanes) - 1);
    emit(Op::kmovw, out(own), in(bits, Kind::gpr32));
    emit(Op::kandw, out(both), in(m), in(own));
    return both;
  }
  const VReg both = temp_vector(16);
  const auto table = first_lanes(data.lanes, lane_type.lanes, size_of(data.elem), 16);
  const MachineMemory own = constant_memory(pool_.table(table));
  emit(Op::vandps, out(both), in(m), at(own));
  return both;
}

}  // namespace loopnest::x86
