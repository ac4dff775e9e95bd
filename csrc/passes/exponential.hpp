// exp on vectors of f32 or f64, to about one unit in the last place over the whole range:
// denormal results, overflow to inf, underflow to 0, exp(-inf) = 0, exp(inf) = inf, exp(nan) = nan.
//
// Source: the argument reduction of Cody and Waite, "Software Manual for the Elementary Functions"
// (1980): x = n ln2 + r with ln2 in two parts; coefficients are our own minimax fit.
#pragma once

#include "passes/lanewise.hpp"

namespace loopnest {

vir::Reg exponential(Lanewise& v, vir::Elem elem, vir::Reg x);

}  // namespace loopnest
