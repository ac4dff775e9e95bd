#include "passes/separate.hpp"

#include <algorithm>
#include <optional>

#include "passes/ranges.hpp"
#include "passes/tree_queries.hpp"

namespace loopnest {

using namespace nest;

namespace {

constexpr int kMostSplits = 4;            // of one loop; further tests go inside its body
constexpr std::int64_t kMostCounts = 32;  // values of a partial count told apart
constexpr std::int64_t kMostLanes = 64;   // longer vector loops run well with a dynamic extent

class Separator {
 public:
  explicit Separator(Nest& nest) : nest_(nest), ranges_(nest), loops_(nest.variables.size()) {}

  void run() {
    rewrite(nest_.body);
    std::int32_t count = 0;
    auto number = [&](Loop& loop) { loop.number = count++; };
    for_each_loop(nest_.body, number);
  }

 private:
  // What makes a partial loop's extent constant: a split where `guard` >= 0 begins to hold.
  struct Cut {
    Form guard;
    bool may_split = true;  // else the test goes inside the loop's body
  };

  void rewrite(std::vector<Node>& nodes) {
    std::vector<Node> result;
    result.reserve(nodes.size());
    for (Node& n : nodes) rewrite_node(std::move(n), result);
    nodes = std::move(result);
  }

  void rewrite_node(Node n, std::vector<Node>& out) {
    if (std::holds_alternative<Loop>(n.item)) return rewrite_loop(std::move(n), out, 0);
    if (std::holds_alternative<Branch>(n.item)) return rewrite_branch(std::move(n), out);
    out.push_back(std::move(n));
  }

  // ---- branches ----

  void rewrite_branch(Node n, std::vector<Node>& out) {
    auto& branch = std::get<Branch>(n.item);
    auto& conditions = branch.conditions;
    std::erase_if(conditions, [&](const Condition& c) { return holds(c); });
    bool never = std::any_of(conditions.begin(), conditions.end(),
                             [&](const Condition& c) { return fails(c); });
    if (never || conditions.empty()) {
      rewrite(never ? branch.otherwise : branch.then);
      for (Node& node : never ? branch.otherwise : branch.then) out.push_back(std::move(node));
      return;
    }
    rewrite_sides(branch);
    if (!branch.then.empty() || !branch.otherwise.empty()) out.push_back(std::move(n));
  }

  void rewrite_sides(Branch& branch) {
    std::size_t mark = ranges_.mark();
    for (const Condition& c : branch.conditions) ranges_.assume(c);
    rewrite(branch.then);
    ranges_.leave(mark);
    if (branch.conditions.size() == 1) ranges_.assume_not(branch.conditions[0]);
    rewrite(branch.otherwise);
    ranges_.leave(mark);
  }

  bool holds(const Condition& c) const {
    if (!ranges_.at_least(c.form, 0)) return false;
    return !c.equality || ranges_.at_least(scaled(c.form, -1), 0);
  }

  bool fails(const Condition& c) const {
    if (ranges_.at_least(scaled(c.form, -1), 1)) return true;
    if (!c.equality) return false;
    std::int64_t step = content(c.form);
    bool never_zero = step == 0 ? c.form.constant != 0 : c.form.constant % step != 0;
    return never_zero || ranges_.at_least(c.form, 1);
  }

  // ---- loops ----

  void rewrite_loop(Node n, std::vector<Node>& out, int splits) {
    auto& loop = std::get<Loop>(n.item);
    if (!settle(loop)) return;
    std::size_t mark = enter(loop);
    auto cut = has_partial(loop.body) ? find_cut(loop.body, loop.var) : std::nullopt;
    ranges_.leave(mark);
    if (cut && cut->may_split && loop.kind != LoopKind::parallel && splits < kMostSplits)
      return split(std::move(n), cut->guard, out, splits);
    if (cut) test_inside(n, cut->guard);
    finish_loop(std::move(n), out, cut.has_value());
  }

  void finish_loop(Node n, std::vector<Node>& out, bool tested) {
    auto& loop = std::get<Loop>(n.item);
    state_facts(loop);
    std::size_t mark = enter(loop);
    loop.var_min = ranges_.lower_bound(variable_form(loop.var));
    loop.var_max = ranges_.upper_bound(variable_form(loop.var));
    std::size_t known = tried_.size();
    if (tested) tried_.push_back(std::get<Branch>(loop.body[0].item).conditions[0].form);
    rewrite_body(loop, tested);
    tried_.resize(known);
    ranges_.leave(mark);
    if (!loop.body.empty()) out.push_back(std::move(n));
  }

  // Each side of a test may need further tests on the same variable.
  void rewrite_body(Loop& loop, bool tested) {
    if (!tested) return rewrite(loop.body);
    auto& branch = std::get<Branch>(loop.body[0].item);
    std::size_t mark = ranges_.mark();
    ranges_.assume(branch.conditions[0]);
    test_again(loop.var, branch.then);
    ranges_.leave(mark);
    ranges_.assume_not(branch.conditions[0]);
    test_again(loop.var, branch.otherwise);
    ranges_.leave(mark);
    rewrite(loop.body);
  }

  void test_again(Var var, std::vector<Node>& side) {
    auto cut = find_cut(side, var);
    if (!cut) return;
    side = tested(std::move(side), cut->guard, 0);
    tried_.push_back(cut->guard);
    auto& branch = std::get<Branch>(side[0].item);
    std::size_t mark = ranges_.mark();
    ranges_.assume(branch.conditions[0]);
    test_again(var, branch.then);
    ranges_.leave(mark);
    ranges_.assume_not(branch.conditions[0]);
    test_again(var, branch.otherwise);
    ranges_.leave(mark);
  }

  std::size_t enter(const Loop& loop) {
    std::size_t mark = ranges_.mark();
    loops_[static_cast<std::size_t>(loop.var)] = &loop;
    ranges_.enter(loop);
    return mark;
  }

  // Drops implied bounds and makes a provably constant extent constant; false: it never runs.
  bool settle(Loop& loop) {
    drop_implied(loop.lower, 1);
    drop_implied(loop.upper, -1);
    for (const Form& l : loop.lower)
      for (const Form& u : loop.upper)
        if (ranges_.upper_bound(subtract(u, l)) <= 0) return false;
    if (loop.lower.size() != 1 || loop.upper.size() != 1) return true;
    Form extent = subtract(loop.upper[0], loop.lower[0]);
    std::int64_t value;
    bool always;
    if (!extent.is_constant() && ranges_.only_value(extent, 1, &value, &always) && always)
      loop.upper[0] = shifted(loop.lower[0], value);
    return true;
  }

  // A lower bound (sign 1) is implied by one that is never less, an upper one by one never greater.
  void drop_implied(std::vector<Form>& bounds, std::int64_t sign) {
    for (std::size_t i = 0; i < bounds.size();) {
      bool implied = false;
      for (std::size_t j = 0; j < bounds.size() && !implied; ++j)
        implied = j != i && ranges_.at_least(sign > 0 ? subtract(bounds[j], bounds[i])
                                                      : subtract(bounds[i], bounds[j]), 0);
      if (implied) bounds.erase(bounds.begin() + static_cast<std::ptrdiff_t>(i));
      else ++i;
    }
  }

  void state_facts(Loop& loop) const {
    loop.nonempty = true;
    loop.extent_max = kUnbounded;
    for (const Form& l : loop.lower)
      for (const Form& u : loop.upper) {
        Form extent = subtract(u, l);
        loop.nonempty = loop.nonempty && ranges_.at_least(extent, 1);
        loop.extent_max = std::min(loop.extent_max, ranges_.upper_bound(extent));
      }
    loop.single_trip = loop.extent_max <= 1;
  }

  // guard = coef * x + rest >= 0 holds from, or up to, a threshold of x.
  void split(Node n, const Form& guard, std::vector<Node>& out, int splits) {
    Var x = std::get<Loop>(n.item).var;
    std::int64_t coef = guard.coef(x);
    Form rest = substitute(guard, x, {});
    Form threshold = coef > 0 ? scaled(floordiv(nest_, rest, coef), -1)
                              : shifted(floordiv(nest_, rest, -coef), 1);
    Node second = n;
    std::get<Loop>(n.item).upper.push_back(threshold);
    std::get<Loop>(second.item).lower.push_back(threshold);
    std::size_t known = tried_.size();
    tried_.push_back(guard);
    rewrite_loop(std::move(n), out, splits + 1);
    rewrite_loop(std::move(second), out, splits + 1);
    tried_.resize(known);
  }

  static std::vector<Node> tested(std::vector<Node> body, const Form& guard, std::int32_t offset) {
    Branch branch;
    branch.conditions.push_back({guard, false});
    branch.then = body;
    branch.otherwise = std::move(body);
    if (!branch.then.empty()) offset = branch.then[0].offset;
    std::vector<Node> result;
    result.push_back({std::move(branch), offset});
    return result;
  }

  static void test_inside(Node& n, const Form& guard) {
    auto& loop = std::get<Loop>(n.item);
    loop.body = tested(std::move(loop.body), guard, n.offset);
  }

  // ---- where to cut ----

  // Looks below `nodes` for a partial loop that a test on loop variable `x` makes constant.
  std::optional<Cut> find_cut(std::vector<Node>& nodes, Var x) {
    for (Node& n : nodes) {
      std::optional<Cut> cut;
      if (auto* loop = std::get_if<Loop>(&n.item)) cut = cut_in_loop(*loop, x);
      else if (auto* branch = std::get_if<Branch>(&n.item)) cut = cut_in_branch(*branch, x);
      if (cut) return cut;
    }
    return std::nullopt;
  }

  // Whether a loop's extent can depend on x: by name, or through variables that give way to it.
  bool may_depend(const Loop& loop, Var x) const {
    auto mentions = [&](const Form& f) {
      return std::any_of(f.terms.begin(), f.terms.end(), [&](const Term& t) {
        if (t.var == x) return true;
        const Variable& v = nest_.variables[static_cast<std::size_t>(t.var)];
        if (v.is_atom()) return true;
        const Loop* other = loops_[static_cast<std::size_t>(t.var)];
        return other->kind == LoopKind::unroll || other->kind == LoopKind::vector;
      });
    };
    return std::any_of(loop.lower.begin(), loop.lower.end(), mentions) ||
           std::any_of(loop.upper.begin(), loop.upper.end(), mentions);
  }

  static bool is_partial(const Loop& loop) {
    if (loop.kind != LoopKind::vector && loop.kind != LoopKind::unroll) return false;
    return loop.lower.size() + loop.upper.size() > 2 || loop.lower[0].terms != loop.upper[0].terms;
  }

  static bool has_partial(const std::vector<Node>& nodes) {
    bool found = false;
    auto look = [&](const Loop& loop) { found = found || is_partial(loop); };
    for_each_loop(nodes, look);
    return found;
  }

  std::optional<Cut> cut_in_branch(Branch& branch, Var x) {
    std::size_t mark = ranges_.mark();
    for (const Condition& c : branch.conditions) ranges_.assume(c);
    auto cut = find_cut(branch.then, x);
    ranges_.leave(mark);
    if (cut) return cut;
    if (branch.conditions.size() == 1) ranges_.assume_not(branch.conditions[0]);
    cut = find_cut(branch.otherwise, x);
    ranges_.leave(mark);
    return cut;
  }

  std::optional<Cut> cut_in_loop(Loop& loop, Var x) {
    if (is_partial(loop) && may_depend(loop, x)) {
      if (!settle(loop)) return std::nullopt;
      if (auto cut = cut_for(loop, x)) return cut;
    }
    if (!has_partial(loop.body)) return std::nullopt;
    std::size_t mark = enter(loop);
    auto cut = find_cut(loop.body, x);
    ranges_.leave(mark);
    return cut;
  }

  std::optional<Cut> cut_for(const Loop& loop, Var x) {
    if (loop.lower.size() == 1 && loop.upper.size() == 1) return cut_for_count(loop, x);
    if (auto cut = cut_for_full(loop, x)) return cut;
    if (!indexes_registers(nest_, loop.body, loop.var)) return std::nullopt;
    if (auto cut = cut_between(loop.upper, x)) return cut;
    return cut_between(loop.lower, x);
  }

  // Parts the iterations of x in which two bounds with a constant difference decide.
  std::optional<Cut> cut_for_full(const Loop& loop, Var x) {
    auto [l, u] = constant_pair(loop);
    if (l < 0 || !wants_constant(loop, l, u)) return std::nullopt;
    const Form& lower = loop.lower[static_cast<std::size_t>(l)];
    const Form& upper = loop.upper[static_cast<std::size_t>(u)];
    for (const Form& other : loop.upper)
      if (auto cut = cut_at(subtract(other, upper), x)) return cut;
    for (const Form& other : loop.lower)
      if (auto cut = cut_at(subtract(lower, other), x)) return cut;
    return std::nullopt;
  }

  // Tells which of two bounds decides, so that one of them is left to count.
  std::optional<Cut> cut_between(const std::vector<Form>& bounds, Var x) {
    for (std::size_t i = 0; i < bounds.size(); ++i)
      for (std::size_t j = i + 1; j < bounds.size(); ++j)
        if (auto cut = cut_at(subtract(bounds[j], bounds[i]), x)) return cut;
    return std::nullopt;
  }

  bool wants_constant(const Loop& loop, int l, int u) const {
    Form extent = subtract(loop.upper[static_cast<std::size_t>(u)],
                           loop.lower[static_cast<std::size_t>(l)]);
    return extent.constant <= kMostLanes || indexes_registers(nest_, loop.body, loop.var);
  }

  // The bounds whose difference is the least constant, as positions; (-1, -1) when none is.
  static std::pair<int, int> constant_pair(const Loop& loop) {
    std::pair<int, int> best{-1, -1};
    std::int64_t least = kUnbounded;
    for (std::size_t l = 0; l < loop.lower.size(); ++l)
      for (std::size_t u = 0; u < loop.upper.size(); ++u) {
        Form extent = subtract(loop.upper[u], loop.lower[l]);
        if (!extent.is_constant() || extent.constant >= least) continue;
        least = extent.constant;
        best = {static_cast<int>(l), static_cast<int>(u)};
      }
    return best;
  }

  std::optional<Cut> cut_at(Form guard, Var x) {
    if (guard.is_constant()) return std::nullopt;
    if (!reduce_to_loop(guard)) return std::nullopt;
    if (guard.is_constant() || ranges_.innermost(guard) != x || was_tried(guard))
      return std::nullopt;
    return Cut{guard};
  }

  // Rewrites guard >= 0 until its innermost variable is a seq or parallel loop: variables that will
  // be constants take their worst value, atoms give way to their dividends.
  bool reduce_to_loop(Form& guard) {
    for (;;) {
      Var x = ranges_.innermost(guard);
      if (x < 0) return true;
      if (nest_.variables[static_cast<std::size_t>(x)].is_atom()) {
        if (!open_atom(guard, x)) return false;
        continue;
      }
      const Loop& loop = *loops_[static_cast<std::size_t>(x)];
      if (loop.kind == LoopKind::seq || loop.kind == LoopKind::parallel) return true;
      // Each bound holds for all iterations, so any of them will do; a constant cuts clean.
      const auto& bounds = guard.coef(x) > 0 ? loop.lower : loop.upper;
      auto chosen = std::find_if(bounds.begin(), bounds.end(),
                                 [](const Form& f) { return f.is_constant(); });
      if (chosen == bounds.end()) chosen = bounds.begin();
      guard = substitute(guard, x, shifted(*chosen, guard.coef(x) > 0 ? 0 : -1));
    }
  }

  // coef * floordiv(g, d) + c >= 0 with constant c, as a condition on g.
  bool open_atom(Form& guard, Var x) const {
    if (guard.terms.size() != 1) return false;
    const Variable& atom = nest_.variables[static_cast<std::size_t>(x)];
    std::int64_t coef = guard.coef(x);
    if (coef > 0) {
      std::int64_t least = ceil_div(-guard.constant, coef);
      guard = shifted(atom.dividend, -least * atom.divisor);
    } else {
      std::int64_t most = floor_div(guard.constant, -coef);
      guard = add(constant_form(most * atom.divisor + atom.divisor - 1), atom.dividend, -1);
    }
    return true;
  }

  bool was_tried(const Form& guard) const {
    return std::find(tried_.begin(), tried_.end(), guard) != tried_.end();
  }

  // A single dynamic extent: tests tell its few possible values apart, greatest first, where the
  // loop must be unrolled (its variable selects registers) or only one count is possible.
  std::optional<Cut> cut_for_count(const Loop& loop, Var x) {
    Form extent = subtract(loop.upper[0], loop.lower[0]);
    if (extent.is_constant() || ranges_.innermost(extent) != x || only_constants(extent))
      return std::nullopt;
    std::int64_t least = std::max<std::int64_t>(ranges_.lower_bound(extent), 1);
    Form known = ranges_.resolved(extent);
    std::int64_t most = ranges_.upper_bound(extent), step = content(known);
    if (most >= kUnbounded || least > most || step == 0) return std::nullopt;
    std::int64_t greatest = most - floor_mod(most - known.constant, step);
    std::int64_t counts = greatest < least ? 0 : (greatest - least) / step + 1;
    bool must = loop.kind == LoopKind::unroll && indexes_registers(nest_, loop.body, loop.var);
    if (counts == 0 || counts > (must ? kMostCounts : 1)) return std::nullopt;
    Form guard = shifted(extent, -greatest);
    if (was_tried(guard)) return std::nullopt;
    return Cut{guard, false};
  }

  bool only_constants(const Form& form) const {
    return std::all_of(form.terms.begin(), form.terms.end(), [&](const Term& t) {
      const Variable& v = nest_.variables[static_cast<std::size_t>(t.var)];
      if (v.is_atom()) return only_constants(v.dividend);
      return loops_[static_cast<std::size_t>(t.var)]->kind == LoopKind::unroll;
    });
  }

  Nest& nest_;
  Ranges ranges_;
  std::vector<const Loop*> loops_;  // by variable, for the loops in scope
  std::vector<Form> tried_;         // guards already tested on this path
};

}  // namespace

void separate(Nest& nest) { Separator(nest).run(); }

}  // namespace loopnest
