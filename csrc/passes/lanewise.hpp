// Shorthand for code on whole vectors: what the expansions of exp and of integer division are
// written with.
#pragma once

#include <bit>

#include "passes/emitter.hpp"

namespace loopnest {

class Lanewise {
 public:
  Lanewise(Emitter& emitter, int lanes) : emitter_(emitter), lanes_(lanes) {}

  vir::Type vector(vir::Elem e) const {
    return {vir::Class::vector, e, static_cast<std::uint16_t>(lanes_)};
  }
  vir::Type mask(vir::Elem e) const {
    return {vir::Class::mask, e, static_cast<std::uint16_t>(lanes_)};
  }

  vir::Reg op(vir::Op op, vir::Elem e, vir::Reg a, vir::Reg b = 0, vir::Reg c = 0) {
    return emitter_.value({.op = op, .a = a, .b = b, .c = c}, vector(e));
  }
  vir::Reg shift_left(vir::Elem e, vir::Reg a, int bits) {
    return emitter_.value({.op = vir::Op::shift_left, .a = a, .imm = bits}, vector(e));
  }
  vir::Reg bits(vir::Elem e, std::int64_t pattern) {
    return emitter_.value({.op = vir::Op::constant, .imm = pattern}, vector(e));
  }
  vir::Reg number(vir::Elem e, double value) {
    if (e == vir::Elem::f64) return bits(e, std::bit_cast<std::int64_t>(value));
    return bits(e, std::bit_cast<std::int32_t>(static_cast<float>(value)));
  }
  vir::Reg compare(vir::Cond cond, vir::Elem e, vir::Reg a, vir::Reg b) {
    return emitter_.value({.op = vir::Op::compare, .cond = cond, .a = a, .b = b}, mask(e));
  }
  vir::Reg select(vir::Reg m, vir::Elem e, vir::Reg a, vir::Reg b) {
    return emitter_.value({.op = vir::Op::select, .a = a, .b = b, .mask = m}, vector(e));
  }
  vir::Reg convert(vir::Elem to, vir::Reg a) { return op(vir::Op::convert, to, a); }
  Emitter& emitter() { return emitter_; }

 private:
  Emitter& emitter_;
  int lanes_;
};

}  // namespace loopnest
