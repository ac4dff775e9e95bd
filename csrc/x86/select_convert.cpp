// Selection of conversions between element types. AVX2 has none between 64-bit integers and floats:
// those go lane by lane through a general register, which is exact over the whole range.
#include <algorithm>
#include <array>

#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

// Packed mnemonics by source and destination (i32 i64 f32 f64). count_: handled apart.
constexpr Op none = Op::count_;
constexpr Op packed_conversion[4][4] = {
    {none, Op::vpmovsxdq, Op::vcvtdq2ps, Op::vcvtdq2pd},
    {none, none, Op::vcvtqq2ps, Op::vcvtqq2pd},
    {Op::vcvttps2dq, Op::vcvttps2qq, none, Op::vcvtps2pd},
    {Op::vcvttpd2dq, Op::vcvttpd2qq, Op::vcvtpd2ps, none},
};

Op packed_for(Elem from, Elem to) {
  return packed_conversion[static_cast<int>(from)][static_cast<int>(to)];
}

}  // namespace

void Selector::convert(const vir::Inst& i) {
  const vir::Type to = type(i.dst), from = type(i.a);
  if (to.elem == from.elem) return copy(i.dst, i.a);
  if (from.elem == Elem::i64 && to.elem == Elem::i32) return narrow_i64(i.dst, i.a, to.lanes);
  const bool wide_integer = (from.elem == Elem::i64 && is_float(to.elem)) ||
                            (to.elem == Elem::i64 && is_float(from.elem));
  if (wide_integer && !wide()) return convert_i64_by_lane(i.dst, to, i.a, from);
  convert_direct(i.dst, to, i.a, from);
}

void Selector::convert_direct(VReg dst, vir::Type to, VReg a, vir::Type from) {
  emit(packed_for(from.elem, to.elem), out(dst), in(a));
}

// The low halves of 64-bit lanes.
void Selector::narrow_i64(VReg dst, VReg a, int lanes) {
  if (lanes == 1) {
    copy(dst, a);
  } else if (wide()) {
    emit(Op::vpmovqd, out(dst), in(a));
  } else if (lanes == 2) {
    emit(Op::vpshufd, out(dst), in(a), imm(0x08));
  } else {
    const VReg high = temp_vector(16);
    emit(Op::vextractf128, out(high), in(a), imm(1));
    emit(Op::vshufps, out(dst), in(a, Kind::xmm), rm(high), imm(0x88));
  }
}

void Selector::convert_i64_by_lane(VReg dst, vir::Type to, VReg a, vir::Type from) {
  std::array<VReg, 4> lanes{};  // AVX2: at most four 64-bit lanes
  for (int l = 0; l < to.lanes; ++l) {
    lanes[l] = lane_from_general(lane_to_general(a, from, l), to);
  }
  join_lanes(dst, to, lanes.data());
}

// Lane `lane` as a 64-bit integer (truncated when it is a float).
VReg Selector::lane_to_general(VReg a, vir::Type from, int lane) {
  const int per_quarter = 16 / size_of(from.elem), at_lane = lane % per_quarter;
  VReg quarter = quarter_of(a, bytes_of(from), lane / per_quarter);
  const VReg g = temp_general();
  if (from.elem == Elem::i64) {
    if (at_lane == 0) emit(Op::vmovq, out(g), in(quarter, Kind::xmm));
    else emit(Op::vpextrq, out(g), in(quarter, Kind::xmm), imm(1));
    return g;
  }
  if (at_lane != 0) {
    const VReg moved = temp_vector(16);
    const Op op = by_size(from.elem, Op::vpermilps, Op::vpermilpd);
    emit(op, out(moved), in(quarter, Kind::xmm), imm(at_lane));
    quarter = moved;
  }
  emit(by_size(from.elem, Op::vcvttss2si, Op::vcvttsd2si), out(g), in(quarter, Kind::xmm));
  return g;
}

VReg Selector::lane_from_general(VReg g, vir::Type to) {
  const VReg lane = temp_vector(16);
  if (to.elem == Elem::i64) {
    emit(Op::vmovq, out(lane), in(g));
    return lane;
  }
  // The conversion merges into its second operand: a zero, so that it waits for nothing.
  const VReg base = zero(vector_type(to.elem, 1));
  emit(by_size(to.elem, Op::vcvtsi2ss, Op::vcvtsi2sd), out(lane), in(base), in(g));
  return lane;
}

void Selector::join_lanes(VReg dst, vir::Type t, const VReg* lanes) {
  if (t.lanes == 1) return copy(dst, lanes[0]);
  const Op unpack = by_size(t.elem, Op::vunpcklps, Op::vunpcklpd);
  std::array<VReg, 2> pairs{};
  for (int p = 0; p < t.lanes / 2; ++p) {
    pairs[p] = temp_vector(16);
    emit(unpack, out(pairs[p]), in(lanes[2 * p]), rm(lanes[2 * p + 1]));
  }
  if (t.lanes == 2) return copy(dst, pairs[0]);
  if (size_of(t.elem) == 4) {
    emit(Op::vmovlhps, out(dst), in(pairs[0]), in(pairs[1]));
  } else {
    copy(dst, join_quarters(pairs.data(), 32));
  }
}

}  // namespace loopnest::x86
