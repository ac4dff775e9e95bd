// Questions about a part of the nest tree that more than one pass asks.
#pragma once

#include <vector>

#include "nest/nest.hpp"

namespace loopnest {

// Calls f(const nest::Access&) for every array access below the nodes, prefetches included.
template <typename F>
void for_each_access(const nest::Nest& nest, nest::ExprId id, F& f) {
  const nest::Expr& e = nest.exprs[static_cast<std::size_t>(id)];
  if (e.op == nest::Op::load || e.op == nest::Op::reduce) f(e.access);
  for (nest::ExprId operand : e.operands)
    if (operand >= 0) for_each_access(nest, operand, f);
}

template <typename F>
void for_each_access(const nest::Nest& nest, const std::vector<nest::Node>& nodes, F& f) {
  for (const nest::Node& n : nodes) {
    if (const auto* loop = std::get_if<nest::Loop>(&n.item)) {
      for_each_access(nest, loop->body, f);
    } else if (const auto* branch = std::get_if<nest::Branch>(&n.item)) {
      for_each_access(nest, branch->then, f);
      for_each_access(nest, branch->otherwise, f);
    } else if (const auto* store = std::get_if<nest::Store>(&n.item)) {
      f(store->target);
      for_each_access(nest, store->value, f);
    } else {
      f(std::get<nest::Prefetch>(n.item).target);
    }
  }
}

// Calls f(loop) for every loop below the nodes, outer ones first.
template <typename Nodes, typename F>
void for_each_loop(Nodes& nodes, F& f) {
  for (auto& n : nodes) {
    if (auto* loop = std::get_if<nest::Loop>(&n.item)) {
      f(*loop);
      for_each_loop(loop->body, f);
    } else if (auto* branch = std::get_if<nest::Branch>(&n.item)) {
      for_each_loop(branch->then, f);
      for_each_loop(branch->otherwise, f);
    }
  }
}

// True when a register array's subscript depends on `var`.
bool indexes_registers(const nest::Nest& nest, const std::vector<nest::Node>& nodes, nest::Var var);

// True when the loop's iterations can be lanes: it is an innermost vector loop, and its variable
// occurs linearly in subscripts and not in bounds or conditions.
bool can_be_lanes(const nest::Nest& nest, const nest::Loop& loop);

// How many instructions one run of the nodes takes, roughly.
std::int64_t weight(const nest::Nest& nest, const std::vector<nest::Node>& nodes);

}  // namespace loopnest
