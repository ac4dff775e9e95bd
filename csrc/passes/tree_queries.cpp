#include "passes/tree_queries.hpp"

#include <algorithm>

namespace loopnest {

using namespace nest;

bool indexes_registers(const Nest& nest, const std::vector<Node>& nodes, Var var) {
  bool found = false;
  auto look = [&](const Access& a) {
    bool in_registers = nest.arrays[static_cast<std::size_t>(a.array)].space == Space::registers;
    found = found || (in_registers && depends_on(nest, a.subscript, var));
  };
  for_each_access(nest, nodes, look);
  return found;
}

namespace {

bool is_linear_in(const Nest& nest, const Form& form, Var var) {
  return std::none_of(form.terms.begin(), form.terms.end(), [&](const Term& t) {
    const Variable& v = nest.variables[static_cast<std::size_t>(t.var)];
    return v.is_atom() && depends_on(nest, v.dividend, var);
  });
}

bool is_linear_in(const Nest& nest, ExprId id, Var var) {
  const Expr& e = nest.exprs[static_cast<std::size_t>(id)];
  return is_linear_in(nest, e.access.subscript, var) &&
         std::all_of(std::begin(e.operands), std::end(e.operands), [&](ExprId operand) {
           return operand < 0 || is_linear_in(nest, operand, var);
         });
}

bool node_can_be_lanes(const Nest& nest, const Node& n, Var var);

bool all_can_be_lanes(const Nest& nest, const std::vector<Node>& nodes, Var var) {
  return std::all_of(nodes.begin(), nodes.end(),
                     [&](const Node& n) { return node_can_be_lanes(nest, n, var); });
}

bool is_free_of(const Nest& nest, const std::vector<Form>& forms, Var var) {
  return std::none_of(forms.begin(), forms.end(),
                      [&](const Form& f) { return depends_on(nest, f, var); });
}

bool node_can_be_lanes(const Nest& nest, const Node& n, Var var) {
  if (const auto* loop = std::get_if<Loop>(&n.item))
    return loop->kind != LoopKind::vector && is_free_of(nest, loop->lower, var) &&
           is_free_of(nest, loop->upper, var) && all_can_be_lanes(nest, loop->body, var);
  if (const auto* branch = std::get_if<Branch>(&n.item))
    return std::none_of(branch->conditions.begin(), branch->conditions.end(),
                        [&](const Condition& c) { return depends_on(nest, c.form, var); }) &&
           all_can_be_lanes(nest, branch->then, var) &&
           all_can_be_lanes(nest, branch->otherwise, var);
  if (const auto* store = std::get_if<Store>(&n.item))
    return store->target.subscript.coef(var) != 0 &&
           is_linear_in(nest, store->target.subscript, var) && is_linear_in(nest, store->value, var);
  return is_linear_in(nest, std::get<Prefetch>(n.item).target.subscript, var);
}

std::int64_t weight(const Nest& nest, ExprId id) {
  const Expr& e = nest.exprs[static_cast<std::size_t>(id)];
  std::int64_t sum = e.op == Op::exp ? 20 : e.op == Op::floordiv || e.op == Op::mod ? 30 : 1;
  for (ExprId operand : e.operands)
    if (operand >= 0) sum += weight(nest, operand);
  return sum;
}

constexpr std::int64_t kMostTrips = 1 << 16;

std::int64_t trips(const Loop& loop) {
  bool copied = loop.kind == LoopKind::unroll || loop.kind == LoopKind::vector;
  return copied ? std::clamp<std::int64_t>(loop.extent_max, 1, kMostTrips) : 1;
}

}  // namespace

bool can_be_lanes(const Nest& nest, const Loop& loop) {
  return all_can_be_lanes(nest, loop.body, loop.var);
}

std::int64_t weight(const Nest& nest, const std::vector<Node>& nodes) {
  std::int64_t sum = 0;
  for (const Node& n : nodes) {
    if (const auto* loop = std::get_if<Loop>(&n.item))
      sum += 4 + trips(*loop) * weight(nest, loop->body);
    else if (const auto* branch = std::get_if<Branch>(&n.item))
      sum += 2 + weight(nest, branch->then) + weight(nest, branch->otherwise);
    else if (const auto* store = std::get_if<Store>(&n.item))
      sum += 1 + weight(nest, store->value);
    else
      sum += 1;
  }
  return std::min(sum, std::int64_t{1} << 40);
}

}  // namespace loopnest
