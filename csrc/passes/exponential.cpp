#include "passes/exponential.hpp"

#include <iterator>
#include <span>

namespace loopnest {

using namespace vir;

namespace {

// exp(r) = 1 + r + r^2 * q(r) for |r| <= ln2 / 2; q by the Remez exchange, relative error of
// the whole below 3.1e-9 (f32) and 4.9e-18 (f64).
constexpr double kPolynomial32[] = {0x1.fffffc0000000p-2, 0x1.5554920000000p-3, 0x1.5558f20000000p-5,
                                    0x1.1239e00000000p-7, 0x1.6a243a0000000p-10};
constexpr double kPolynomial64[] = {
    0x1.000000000000ap-1,  0x1.5555555555519p-3,  0x1.5555555550626p-5,  0x1.1111111120be8p-7,
    0x1.6c16c184efaedp-10, 0x1.a01a014ec0377p-13, 0x1.a019976f58fe1p-16, 0x1.71ded47276ed5p-19,
    0x1.28b038ae781edp-22, 0x1.ae015e4651af5p-26};

struct Constants {
  double least, most;      // beyond these the result is 0 or inf for certain
  double ln2_high, ln2_low;
  double round;            // 1.5 * 2^(mantissa bits): adding it rounds to an integer
  std::int64_t bias;       // of the exponent
  int mantissa_bits;
  Elem integer;
  std::span<const double> polynomial;
};

constexpr Constants kConstants32{-104.0, 89.0, 0x1.62e4000000000p-1, 1.4286068e-06,
                                 12582912.0, 127, 23, Elem::i32, kPolynomial32};
constexpr Constants kConstants64{-746.0, 710.0, 0x1.62e42fefa3000p-1, 2.8235290563031577e-13,
                                 6755399441055744.0, 1023, 52, Elem::i64, kPolynomial64};
constexpr double kLog2E = 0x1.71547652b82fep+0;

// 2^n, where `shifted` = n + round: its low mantissa bits hold n.
Reg power_of_two(Lanewise& v, const Constants& k, Elem elem, Reg shifted) {
  Reg n = v.op(Op::bitcast, k.integer, shifted);
  Reg biased = v.op(Op::add, k.integer, n, v.bits(k.integer, k.bias));
  return v.op(Op::bitcast, elem, v.shift_left(k.integer, biased, k.mantissa_bits));
}

Reg polynomial(Lanewise& v, const Constants& k, Elem elem, Reg r) {
  Reg q = v.number(elem, k.polynomial.back());
  for (std::size_t i = k.polynomial.size() - 1; i-- > 0;)
    q = v.op(Op::fma, elem, q, r, v.number(elem, k.polynomial[i]));
  Reg square = v.op(Op::mul, elem, r, r);
  Reg tail = v.op(Op::fma, elem, square, q, r);
  return v.op(Op::add, elem, tail, v.number(elem, 1.0));
}

}  // namespace

Reg exponential(Lanewise& v, Elem elem, Reg x) {
  const Constants& k = elem == Elem::f32 ? kConstants32 : kConstants64;
  Reg round = v.number(elem, k.round);
  // x is operand b of both: a NaN stays
  x = v.op(Op::min_fast, elem, v.number(elem, k.most), x);
  x = v.op(Op::max_fast, elem, v.number(elem, k.least), x);
  Reg n = v.op(Op::sub, elem, v.op(Op::fma, elem, x, v.number(elem, kLog2E), round), round);
  Reg r = v.op(Op::fnma, elem, n, v.number(elem, k.ln2_high), x);
  r = v.op(Op::fnma, elem, n, v.number(elem, k.ln2_low), r);
  // n does not fit one exponent: scale by 2^half, then by 2^(n - half)
  Reg half = v.op(Op::fma, elem, n, v.number(elem, 0.5), round);
  Reg other = v.op(Op::add, elem, v.op(Op::sub, elem, n, v.op(Op::sub, elem, half, round)), round);
  Reg p = v.op(Op::mul, elem, polynomial(v, k, elem, r), power_of_two(v, k, elem, half));
  return v.op(Op::mul, elem, p, power_of_two(v, k, elem, other));
}

}  // namespace loopnest
