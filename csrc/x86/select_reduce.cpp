// Selection of reductions across lanes: halve the vector until one lane is left.
#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

VOp lanewise(VOp reduction) {
  switch (reduction) {
    case VOp::reduce_add: return VOp::add;
    case VOp::reduce_mul: return VOp::mul;
    case VOp::reduce_min: return VOp::min;
    default: return VOp::max;
  }
}

}  // namespace

void Selector::reduce(const vir::Inst& i) {
  const Elem e = type(i.a).elem;
  int lanes = type(i.a).lanes;
  if (lanes == 1) return copy(i.dst, i.a);
  VReg v = i.a;
  while (lanes > 1) {
    const VReg upper = upper_half(v, e, lanes);
    lanes /= 2;
    const VReg folded = lanes == 1 ? i.dst : temp_vector(lanes * size_of(e));
    combine(lanewise(i.op), vector_type(e, lanes), folded, v, upper);
    v = folded;
  }
}

// The upper half of `lanes` lanes, moved to the bottom.
VReg Selector::upper_half(VReg v, Elem e, int lanes) {
  const int half = lanes * size_of(e) / 2;
  const VReg upper = temp_vector(half);
  switch (half) {
    case 32: emit(Op::vextractf64x4, out(upper), in(v, Kind::zmm), imm(1)); break;
    case 16:
      emit(wide() ? Op::vextractf32x4 : Op::vextractf128, out(upper), in(v, Kind::ymm), imm(1));
      break;
    case 8: emit(Op::vpermilpd, out(upper), in(v, Kind::xmm), imm(1)); break;
    default: emit(Op::vmovshdup, out(upper), in(v, Kind::xmm)); break;
  }
  return upper;
}

}  // namespace loopnest::x86
