// Element widths: which i64 index arithmetic may run in 32 bits, and how wide a statement is.
#include <algorithm>
#include <limits>

#include "passes/evaluator.hpp"

namespace loopnest {

using namespace nest;

namespace {

bool fits(std::int64_t v) {
  return v >= std::numeric_limits<std::int32_t>::min() && v <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

bool Evaluator::is_narrow(ExprId id) {
  std::uint8_t& known = narrow_[static_cast<std::size_t>(id)];
  if (known == kNotAsked) known = ask_narrow(id);
  return known == 1;
}

bool Evaluator::ask_narrow(ExprId id) {
  std::int64_t min, max;
  return expr(id).elem == Elem::i64 && narrow_range(id, &min, &max);
}

// Values of an index expression; false when it, or a step of it, leaves i32 or reads memory.
bool Evaluator::narrow_range(ExprId id, std::int64_t* min, std::int64_t* max) const {
  const Expr& e = expr(id);
  if (e.op == Op::literal) {
    *min = *max = e.bits;
  } else if (e.op == Op::index) {
    scope_.range(e.access.subscript, min, max);
  } else if (e.op == Op::add || e.op == Op::sub || e.op == Op::maximum || e.op == Op::minimum) {
    std::int64_t low, high;
    if (!narrow_range(e.operands[0], min, max) || !narrow_range(e.operands[1], &low, &high))
      return false;
    if (e.op == Op::add) *min += low, *max += high;
    else if (e.op == Op::sub) *min -= high, *max -= low;
    else *min = std::min(*min, low), *max = std::max(*max, high);
  } else {
    return false;
  }
  return fits(*min) && fits(*max);
}

int Evaluator::widest(ExprId id) {
  const Expr& e = expr(id);
  if (e.op == Op::cast && is_narrow(e.operands[0])) return vir::size_of(e.elem);
  bool compares = e.truth && e.op <= Op::ge;
  if (compares && is_narrow(e.operands[0]) && is_narrow(e.operands[1])) return 4;
  if (e.op == Op::floordiv || e.op == Op::mod) return 8;  // through f64
  int bytes = e.truth ? 4 : vir::size_of(e.elem);
  for (ExprId operand : e.operands)
    if (operand >= 0) bytes = std::max(bytes, widest(operand));
  return bytes;
}

}  // namespace loopnest
