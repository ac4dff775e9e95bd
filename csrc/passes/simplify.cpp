#include "passes/simplify.hpp"

#include <algorithm>

namespace loopnest {

using namespace nest;

namespace {

constexpr std::size_t kMostCopied = 4;  // nodes beside the `if` worth writing twice

bool is_invariant(const Nest& nest, const Branch& branch, Var var) {
  return std::none_of(branch.conditions.begin(), branch.conditions.end(),
                      [&](const Condition& c) { return depends_on(nest, c.form, var); });
}

bool has_loop(const std::vector<Node>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [](const Node& n) {
    if (std::holds_alternative<Loop>(n.item)) return true;
    const auto* branch = std::get_if<Branch>(&n.item);
    return branch && (has_loop(branch->then) || has_loop(branch->otherwise));
  });
}

// The position of the one `if` to hoist out of the loop, or the body's size.
std::size_t find_hoistable(const Nest& nest, const Loop& loop) {
  std::size_t none = loop.body.size();
  if (loop.kind == LoopKind::parallel) return none;
  if (none > 1 && (none > 1 + kMostCopied || has_loop(loop.body))) return none;
  for (std::size_t i = 0; i < none; ++i) {
    const auto* branch = std::get_if<Branch>(&loop.body[i].item);
    if (branch && is_invariant(nest, *branch, loop.var)) return i;
  }
  return none;
}

void hoist(const Nest& nest, std::vector<Node>& nodes);

// The loop with node `at` replaced by `part`.
Node loop_with(const Node& node, std::size_t at, std::vector<Node> part) {
  Node copy = node;
  auto& body = std::get<Loop>(copy.item).body;
  auto place = body.erase(body.begin() + static_cast<std::ptrdiff_t>(at));
  body.insert(place, std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  return copy;
}

Node unswitched(const Node& node, std::size_t at) {
  const auto& loop = std::get<Loop>(node.item);
  const auto& inner = std::get<Branch>(loop.body[at].item);
  Branch outer;
  outer.conditions = inner.conditions;
  outer.then.push_back(loop_with(node, at, inner.then));
  if (!inner.otherwise.empty() || loop.body.size() > 1)
    outer.otherwise.push_back(loop_with(node, at, inner.otherwise));
  return {std::move(outer), loop.body[at].offset};
}

void hoist_node(const Nest& nest, Node& node) {
  if (auto* branch = std::get_if<Branch>(&node.item)) {
    hoist(nest, branch->then);
    hoist(nest, branch->otherwise);
    return;
  }
  auto* loop = std::get_if<Loop>(&node.item);
  if (!loop) return;
  hoist(nest, loop->body);
  std::size_t at = find_hoistable(nest, *loop);
  if (at == loop->body.size()) return;
  node = unswitched(node, at);
  hoist_node(nest, node);
}

void hoist(const Nest& nest, std::vector<Node>& nodes) {
  for (Node& n : nodes) hoist_node(nest, n);
}

}  // namespace

void hoist_conditions(Nest& nest) { hoist(nest, nest.body); }

}  // namespace loopnest
