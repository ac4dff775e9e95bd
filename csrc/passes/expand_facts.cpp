// Facts about the whole nest that the expansion uses at every node.
#include <algorithm>

#include "passes/expander.hpp"
#include "passes/tree_queries.hpp"

namespace loopnest {

using namespace nest;

void Expander::find_ranges() {
  auto widen = [&](const Loop& l) { scope_.widen_range(l.var, l.var_min, l.var_max); };
  for_each_loop(nest_.body, widen);
}

namespace {

// For each register array, the variables of the loops that enclose all its uses.
class RegisterScopes {
 public:
  explicit RegisterScopes(const Nest& nest)
      : nest_(nest), common_(nest.arrays.size()), seen_(nest.arrays.size(), false) {}

  void walk(const std::vector<Node>& nodes) {
    for (const Node& n : nodes) {
      if (const auto* loop = std::get_if<Loop>(&n.item)) {
        path_.push_back(loop->var);
        walk(loop->body);
        path_.pop_back();
      } else if (const auto* branch = std::get_if<Branch>(&n.item)) {
        walk(branch->then);
        walk(branch->otherwise);
      } else if (const auto* store = std::get_if<Store>(&n.item)) {
        auto use = [&](const Access& a) { used(a.array); };
        use(store->target);
        for_each_access(nest_, store->value, use);
      }
    }
  }

  // The innermost such variable, or -1.
  Var scope(std::size_t array) const { return common_[array].empty() ? -1 : common_[array].back(); }

 private:
  void used(std::int32_t array) {
    auto a = static_cast<std::size_t>(array);
    if (nest_.arrays[a].space != Space::registers) return;
    if (!seen_[a]) {
      seen_[a] = true;
      common_[a] = path_;
      return;
    }
    auto end = std::mismatch(common_[a].begin(), common_[a].end(), path_.begin(), path_.end()).first;
    common_[a].erase(end, common_[a].end());
  }

  const Nest& nest_;
  std::vector<std::vector<Var>> common_;
  std::vector<bool> seen_;
  std::vector<Var> path_;
};

}  // namespace

void Expander::find_register_scopes() {
  RegisterScopes scopes(nest_);
  scopes.walk(nest_.body);
  arrays_of_.resize(nest_.variables.size());
  for (std::size_t a = 0; a < nest_.arrays.size(); ++a)
    if (Var var = scopes.scope(a); var >= 0)
      arrays_of_[static_cast<std::size_t>(var)].push_back(static_cast<std::int32_t>(a));
}

// Statements that share a register array must cut it into the same lanes, so the widest element of
// any of them counts for all.
void Expander::find_widths() {
  widest_.assign(nest_.arrays.size(), 0);
  bool changed = true;
  while (changed) {
    changed = false;
    auto visit = [&](const Loop& loop) {
      if (loop.kind != LoopKind::vector || !can_be_lanes(nest_, loop)) return;
      int bytes = target_.vector_bytes() / width_of(loop);
      auto raise = [&](const Access& a) {
        auto array = static_cast<std::size_t>(a.array);
        if (nest_.arrays[array].space != Space::registers || widest_[array] >= bytes) return;
        if (!depends_on(nest_, a.subscript, loop.var)) return;
        widest_[array] = bytes;
        changed = true;
      };
      for_each_access(nest_, loop.body, raise);
    };
    for_each_loop(nest_.body, visit);
  }
}

}  // namespace loopnest
