#include "passes/evaluator.hpp"

#include "passes/exponential.hpp"
#include "passes/fold.hpp"
#include "passes/integer_division.hpp"

namespace loopnest {

using namespace nest;
using vir::Cond;
using vir::Reg;
using VOp = vir::Op;

void Evaluator::store(const Store& store, std::int32_t offset) {
  Linear subscript = scope_.resolve(store.target.subscript);
  Value value = eval(store.value);
  if (array_of(store.target).space == Space::registers)
    return store_register(store.target, subscript, value, offset);
  store_memory(store, subscript, in_register(value));
}

Evaluator::Value Evaluator::eval(ExprId id) {
  const Expr& e = expr(id);
  switch (e.op) {
    case Op::load: return load(e);
    case Op::literal: return literal(e);
    case Op::index: return index(e);
    case Op::cast: return cast(e);
    case Op::reduce: return reduce(e);
    case Op::select: return select(e);
    case Op::eq: case Op::ne: case Op::lt: case Op::le: case Op::gt: case Op::ge:
      return comparison(e);
    case Op::logical_and: case Op::logical_or: case Op::logical_not: return logical(e);
    default: return arithmetic(e);
  }
}

Evaluator::Value Evaluator::eval_narrow(ExprId id) {
  bool outer = in_narrow_;
  in_narrow_ = is_narrow(id);
  Value value = eval(id);
  in_narrow_ = outer;
  return value;
}

Reg Evaluator::in_register(const Value& value) {
  if (!value.constant) return value.reg;
  if (!value.truth) return lanewise().bits(value.elem, value.bits);
  std::int64_t lanes_set = value.bits ? lanes.count : 0;
  return emitter().value({.op = VOp::mask_first, .imm = lanes_set}, lanewise().mask(value.elem));
}

Evaluator::Value Evaluator::literal(const Expr& e) const {
  return constant(in_narrow_ ? Elem::i32 : e.elem, e.bits);
}

Evaluator::Value Evaluator::index(const Expr& e) {
  Elem elem = in_narrow_ ? Elem::i32 : Elem::i64;
  Linear at = scope_.resolve(e.access.subscript);
  if (at.is_constant()) return constant(elem, at.constant);
  Lanewise v = lanewise();
  Reg sum = 0;
  if (!at.is_uniform_constant())
    sum = emitter().value({.op = VOp::splat, .a = scope_.value(at)}, v.vector(elem));
  if (at.lane == 0) return computed(elem, sum);
  Reg ramp = emitter().value({.op = VOp::iota}, v.vector(elem));
  if (at.lane != 1) ramp = v.op(VOp::mul, elem, ramp, v.bits(elem, at.lane));
  if (sum == 0) sum = v.bits(elem, at.constant);
  return computed(elem, v.op(VOp::add, elem, ramp, sum));
}

Evaluator::Value Evaluator::cast(const Expr& e) {
  Value from = eval_narrow(e.operands[0]);
  std::int64_t bits;
  if (from.constant && fold_cast(from.elem, e.elem, from.bits, &bits)) return constant(e.elem, bits);
  Reg reg = in_register(from);
  if (from.elem == e.elem) return computed(e.elem, reg);
  return computed(e.elem, lanewise().convert(e.elem, reg));
}

// ---- arithmetic ----

namespace {

VOp simple_op(Op op) {
  switch (op) {
    case Op::add: return VOp::add;
    case Op::sub: return VOp::sub;
    case Op::mul: return VOp::mul;
    case Op::div: return VOp::div;
    case Op::neg: return VOp::neg;
    case Op::abs: return VOp::abs;
    case Op::sqrt: return VOp::sqrt;
    default: return VOp::floor;
  }
}

}  // namespace

Evaluator::Value Evaluator::arithmetic(const Expr& e) {
  bool done = false;
  Value contracted = contraction(e, &done);
  if (done) return contracted;
  Value a = eval(e.operands[0]);
  if (info(e.op).arity == 1) return unary(e.op, a.elem, a);
  Value b = eval(e.operands[1]);
  if (e.op != Op::fma) return binary(e.op, a.elem, a, b);
  Value c = eval(e.operands[2]);
  Lanewise v = lanewise();
  if (vir::is_float(a.elem))
    return computed(a.elem, v.op(VOp::fma, a.elem, in_register(a), in_register(b), in_register(c)));
  return binary(Op::add, a.elem, binary(Op::mul, a.elem, a, b), c);
}

// x + y*z and x - y*z of floats become one fused operation.
Evaluator::Value Evaluator::contraction(const Expr& e, bool* done) {
  if ((e.op != Op::add && e.op != Op::sub) || !vir::is_float(e.elem)) return {};
  int product = expr(e.operands[1]).op == Op::mul ? 1 : expr(e.operands[0]).op == Op::mul ? 0 : -1;
  if (product < 0 || (e.op == Op::sub && product == 0)) return {};
  *done = true;
  const Expr& mul = expr(e.operands[product]);
  Value c = eval(e.operands[1 - product]);
  Value a = eval(mul.operands[0]), b = eval(mul.operands[1]);
  if (a.constant && b.constant) return binary(e.op, e.elem, c, binary(Op::mul, e.elem, a, b));
  VOp op = e.op == Op::add ? VOp::fma : VOp::fnma;
  return computed(e.elem, lanewise().op(op, e.elem, in_register(a), in_register(b), in_register(c)));
}

Evaluator::Value Evaluator::unary(Op op, Elem elem, Value a) {
  std::int64_t bits;
  if (a.constant && fold_unary(op, elem, a.bits, &bits)) return constant(elem, bits);
  Lanewise v = lanewise();
  if (op == Op::exp) return computed(elem, exponential(v, elem, in_register(a)));
  return computed(elem, v.op(simple_op(op), elem, in_register(a)));
}

Evaluator::Value Evaluator::binary(Op op, Elem elem, Value a, Value b) {
  std::int64_t bits;
  if (a.constant && b.constant && fold_binary(op, elem, a.bits, b.bits, &bits))
    return constant(elem, bits);
  if (op == Op::maximum || op == Op::minimum) return extreme(op, elem, a, b);
  Lanewise v = lanewise();
  Reg x = in_register(a), y = in_register(b);
  Divisor divisor = b.constant && b.bits != 0 ? Divisor::nonzero : Divisor::unknown;
  if (op == Op::floordiv) return computed(elem, floor_divide(v, elem, x, y, divisor));
  if (op == Op::mod) return computed(elem, floor_modulo(v, elem, x, y, divisor));
  return computed(elem, v.op(simple_op(op), elem, x, y));
}

// Beside a constant that is a number, only the other operand can be NaN: the fast form keeps it.
Evaluator::Value Evaluator::extreme(Op op, Elem elem, Value a, Value b) {
  bool is_max = op == Op::maximum;
  if (b.constant && !a.constant) std::swap(a, b);
  bool fast = vir::is_float(elem) && a.constant && !is_nan(elem, a.bits);
  VOp choice = fast ? (is_max ? VOp::max_fast : VOp::min_fast) : (is_max ? VOp::max : VOp::min);
  return computed(elem, lanewise().op(choice, elem, in_register(a), in_register(b)));
}

// ---- truth values ----

Evaluator::Value Evaluator::comparison(const Expr& e) {
  static constexpr Cond kConds[] = {Cond::eq, Cond::ne, Cond::lt, Cond::le, Cond::gt, Cond::ge};
  bool narrow = is_narrow(e.operands[0]) && is_narrow(e.operands[1]);
  Value a = narrow ? eval_narrow(e.operands[0]) : eval(e.operands[0]);
  Value b = narrow ? eval_narrow(e.operands[1]) : eval(e.operands[1]);
  if (a.constant && b.constant)
    return {a.elem, true, true, fold_compare(e.op, a.elem, a.bits, b.bits), 0};
  Cond cond = kConds[static_cast<int>(e.op) - static_cast<int>(Op::eq)];
  return {a.elem, true, false, 0, lanewise().compare(cond, a.elem, in_register(a), in_register(b))};
}

Evaluator::Value Evaluator::logical(const Expr& e) {
  Value a = eval(e.operands[0]);
  if (e.op == Op::logical_not) {
    if (a.constant) return {a.elem, true, true, !a.bits, 0};
    return {a.elem, true, false, 0,
            emitter().value({.op = VOp::mask_not, .a = a.reg}, lanewise().mask(a.elem))};
  }
  bool is_and = e.op == Op::logical_and;
  if (a.constant && (a.bits != 0) != is_and) return a;
  Value b = eval(e.operands[1]);
  if (a.constant) return b;
  if (b.constant) return (b.bits != 0) == is_and ? a : b;
  VOp op = is_and ? VOp::mask_and : VOp::mask_or;
  return {a.elem, true, false, 0,
          emitter().value({.op = op, .a = a.reg, .b = b.reg}, lanewise().mask(a.elem))};
}

Evaluator::Value Evaluator::select(const Expr& e) {
  Value chosen = eval(e.operands[0]);
  if (chosen.constant) return eval(e.operands[chosen.bits ? 1 : 2]);
  Value a = eval(e.operands[1]), b = eval(e.operands[2]);
  return computed(a.elem,
                  lanewise().select(chosen.reg, a.elem, in_register(a), in_register(b)));
}

}  // namespace loopnest
