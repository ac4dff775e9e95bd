// What each vector IR operator is called and which fields of an instruction it uses: the one table
// behind the printer and the verifier. Rows are in the order of vir::Op.
#pragma once

#include <iterator>
#include <string_view>

#include "vector_ir/vector_ir.hpp"

namespace loopnest::vir {

// What an operand field holds. `same`: a vector of dst's type; `like_a`: a vector of a's type.
enum class Field : char {
  none, general, general_or_imm, vector, same, like_a, mask, any_same
};

struct OpRow {
  Op op;
  std::string_view name;
  Field dst, a, b, c;
  bool address = false;    // reads addr
  bool may_mask = false;   // `mask` optional
  bool immediate = false;  // imm is meaningful even when no operand is missing
};

inline constexpr auto N = Field::none;
inline constexpr auto G = Field::general;
inline constexpr auto I = Field::general_or_imm;
inline constexpr auto V = Field::vector;
inline constexpr auto S = Field::same;
inline constexpr auto L = Field::like_a;
inline constexpr auto M = Field::mask;
inline constexpr auto X = Field::any_same;

inline constexpr OpRow op_rows[] = {
    {Op::g_const, "g_const", G, N, N, N, false, false, true},
    {Op::g_move, "g_move", G, G, N, N},
    {Op::g_add, "g_add", G, G, I, N},
    {Op::g_sub, "g_sub", G, G, I, N},
    {Op::g_mul, "g_mul", G, G, I, N},
    {Op::g_min, "g_min", G, G, I, N},
    {Op::g_max, "g_max", G, G, I, N},
    {Op::g_floordiv, "g_floordiv", G, G, N, N, false, false, true},
    {Op::g_argument, "g_argument", G, N, N, N, false, false, true},
    {Op::g_workspace, "g_workspace", G, N, N, N, false, false, true},
    {Op::g_private, "g_private", G, N, N, N, false, false, true},
    {Op::g_capture, "g_capture", G, N, N, N, false, false, true},
    {Op::g_begin, "g_begin", G, N, N, N},
    {Op::g_end, "g_end", G, N, N, N},
    {Op::bind, "bind", N, N, N, N},
    {Op::jump, "jump", N, N, N, N},
    {Op::branch_if, "branch_if", N, G, I, N},
    {Op::loop_begin, "loop_begin", N, N, N, N},
    {Op::loop_end, "loop_end", N, N, N, N},
    {Op::capture, "capture", N, G, N, N, false, false, true},
    {Op::parallel, "parallel", N, G, G, N, false, false, true},
    {Op::load, "load", V, N, N, N, true, true},
    {Op::load_splat, "load_splat", V, N, N, N, true, true},
    {Op::load_strided, "load_strided", V, N, N, N, true, true, true},
    {Op::store, "store", N, V, N, N, true, true},
    {Op::store_strided, "store_strided", N, V, N, N, true, true, true},
    {Op::store_stream, "store_stream", N, V, N, N, true},
    {Op::prefetch, "prefetch", N, N, N, N, true, false, true},
    {Op::constant, "constant", V, N, N, N, false, false, true},
    {Op::move, "move", X, X, N, N},
    {Op::bitcast, "bitcast", V, V, N, N},
    {Op::splat, "splat", V, G, N, N},
    {Op::broadcast, "broadcast", V, V, N, N},
    {Op::iota, "iota", V, N, N, N},
    {Op::add, "add", V, S, S, N},
    {Op::sub, "sub", V, S, S, N},
    {Op::mul, "mul", V, S, S, N},
    {Op::div, "div", V, S, S, N},
    {Op::min, "min", V, S, S, N},
    {Op::max, "max", V, S, S, N},
    {Op::min_fast, "min_fast", V, S, S, N},
    {Op::max_fast, "max_fast", V, S, S, N},
    {Op::fma, "fma", V, S, S, S},
    {Op::fnma, "fnma", V, S, S, S},
    {Op::neg, "neg", V, S, N, N},
    {Op::abs, "abs", V, S, N, N},
    {Op::sqrt, "sqrt", V, S, N, N},
    {Op::floor, "floor", V, S, N, N},
    {Op::round_even, "round_even", V, S, N, N},
    {Op::bit_and, "bit_and", V, S, S, N},
    {Op::bit_or, "bit_or", V, S, S, N},
    {Op::bit_xor, "bit_xor", V, S, S, N},
    {Op::shift_left, "shift_left", V, S, N, N, false, false, true},
    {Op::shift_right, "shift_right", V, S, N, N, false, false, true},
    {Op::convert, "convert", V, V, N, N},
    {Op::compare, "compare", M, V, L, N},
    {Op::mask_first, "mask_first", M, I, N, N},
    {Op::mask_and, "mask_and", M, M, M, N},
    {Op::mask_or, "mask_or", M, M, M, N},
    {Op::mask_not, "mask_not", M, M, N, N},
    {Op::select, "select", V, S, S, N, false, true},
    {Op::reduce_add, "reduce_add", V, V, N, N},
    {Op::reduce_mul, "reduce_mul", V, V, N, N},
    {Op::reduce_min, "reduce_min", V, V, N, N},
    {Op::reduce_max, "reduce_max", V, V, N, N},
    {Op::ret, "ret", N, N, N, N},
};

consteval bool rows_in_order() {
  for (std::size_t k = 0; k < std::size(op_rows); ++k) {
    if (static_cast<std::size_t>(op_rows[k].op) != k) return false;
  }
  return std::size(op_rows) == static_cast<std::size_t>(Op::ret) + 1;
}
static_assert(rows_in_order());

inline const OpRow& row_of(Op op) { return op_rows[static_cast<std::size_t>(op)]; }
inline bool uses_condition(Op op) { return op == Op::branch_if || op == Op::compare; }
inline bool uses_label(Op op) {
  return op == Op::bind || op == Op::jump || op == Op::branch_if || op == Op::loop_begin;
}

}  // namespace loopnest::vir
