// Scalar operators on constants, with the semantics of GRAMMAR.md. Values are bit patterns as in
// nest::Expr::bits (f32 and i32 in the low half, sign-extended).
#pragma once

#include <cstdint>

#include "nest/nest.hpp"

namespace loopnest {

// Returns false for operators that are left to run time.
bool fold_binary(nest::Op op, nest::Elem elem, std::int64_t a, std::int64_t b, std::int64_t* result);
bool fold_unary(nest::Op op, nest::Elem elem, std::int64_t a, std::int64_t* result);
bool fold_compare(nest::Op op, nest::Elem elem, std::int64_t a, std::int64_t b);
bool fold_cast(nest::Elem from, nest::Elem to, std::int64_t a, std::int64_t* result);
bool is_nan(nest::Elem elem, std::int64_t bits);

}  // namespace loopnest
