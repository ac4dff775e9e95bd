#include "passes/integer_division.hpp"

namespace loopnest {

using namespace vir;

namespace {

// f64 holds every i32 quotient apart from the next integer, so one division is exact.
Reg quotient_i32(Lanewise& v, Reg a, Reg b) {
  Reg q = v.op(Op::div, Elem::f64, v.convert(Elem::f64, a), v.convert(Elem::f64, b));
  return v.convert(Elem::i32, v.op(Op::floor, Elem::f64, q));
}

struct Division {
  Reg quotient, rest;  // a = quotient * b + rest
};

Reg estimate(Lanewise& v, Reg a, Reg b) {
  Reg q = v.op(Op::div, Elem::f64, v.convert(Elem::f64, a), v.convert(Elem::f64, b));
  return v.convert(Elem::i64, v.op(Op::floor, Elem::f64, q));
}

Division refine(Lanewise& v, Division d, Reg b) {
  Reg step = estimate(v, d.rest, b);
  Reg product = v.op(Op::mul, Elem::i64, step, b);
  return {v.op(Op::add, Elem::i64, d.quotient, step), v.op(Op::sub, Elem::i64, d.rest, product)};
}

// The first estimate of a 64-bit quotient is off by at most 2^12; the second, of a rest that small
// against b, by at most one; comparing the rest with 0 and b settles that one.
Division divide_i64(Lanewise& v, Reg a, Reg b) {
  constexpr Elem e = Elem::i64;
  Reg zero = v.bits(e, 0);
  Division d = refine(v, refine(v, {zero, a}, b), b);
  // b > 0 wants 0 <= rest < b, b < 0 wants b < rest <= 0: each test with its sides exchanged
  Reg negative = v.compare(Cond::lt, e, b, zero);
  Reg low = v.select(negative, e, zero, d.rest), high = v.select(negative, e, d.rest, zero);
  Reg near = v.select(negative, e, b, d.rest), far = v.select(negative, e, d.rest, b);
  Reg below = v.compare(Cond::lt, e, low, high), above = v.compare(Cond::ge, e, near, far);
  Reg step = v.select(below, e, v.bits(e, -1), v.select(above, e, v.bits(e, 1), zero));
  Reg change = v.op(Op::mul, e, step, b);
  return {v.op(Op::add, e, d.quotient, step), v.op(Op::sub, e, d.rest, change)};
}

Reg zero_unless_divisor(Lanewise& v, Elem e, Reg result, Reg b, Divisor divisor) {
  if (divisor == Divisor::nonzero) return result;
  Reg zero = v.bits(e, 0);
  return v.select(v.compare(Cond::eq, e, b, zero), e, zero, result);
}

}  // namespace

Reg floor_divide(Lanewise& v, Elem elem, Reg a, Reg b, Divisor divisor) {
  Reg q = elem == Elem::i32 ? quotient_i32(v, a, b) : divide_i64(v, a, b).quotient;
  return zero_unless_divisor(v, elem, q, b, divisor);
}

Reg floor_modulo(Lanewise& v, Elem elem, Reg a, Reg b, Divisor divisor) {
  if (elem == Elem::i64)
    return zero_unless_divisor(v, elem, divide_i64(v, a, b).rest, b, divisor);
  Reg product = v.op(Op::mul, elem, quotient_i32(v, a, b), b);
  return zero_unless_divisor(v, elem, v.op(Op::sub, elem, a, product), b, divisor);
}

}  // namespace loopnest
