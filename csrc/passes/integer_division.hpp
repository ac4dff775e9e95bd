// floordiv and mod on integer vectors, through floating point because vector units do not divide
// integers. Exact for every pair of operands; a zero divisor gives 0, as in NumPy; the smallest
// integer divided by -1 wraps.
#pragma once

#include "passes/lanewise.hpp"

namespace loopnest {

enum class Divisor : std::uint8_t { unknown, nonzero };

vir::Reg floor_divide(Lanewise& v, vir::Elem elem, vir::Reg a, vir::Reg b, Divisor divisor);
vir::Reg floor_modulo(Lanewise& v, vir::Elem elem, vir::Reg a, vir::Reg b, Divisor divisor);

}  // namespace loopnest
