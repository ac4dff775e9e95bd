#include "passes/expand.hpp"

#include <algorithm>

#include "passes/cleanup.hpp"
#include "passes/expander.hpp"

namespace loopnest {

using namespace nest;
using vir::Cond;
using vir::Reg;
using VOp = vir::Op;

Expander::Expander(const Nest& nest, const Target& target, const std::vector<Cut>& cuts,
                   std::vector<std::string>* diagnostics)
    : nest_(nest), target_(target), cuts_(cuts), diagnostics_(diagnostics), scope_(nest),
      evaluator_(nest, target, scope_) {
  for (std::size_t i = 0; i < nest.text.size(); ++i)
    if (i == 0 || nest.text[i - 1] == '\n') line_starts_.push_back(i);
}

vir::Module Expander::run() {
  find_ranges();
  find_register_scopes();
  find_widths();
  module_.workspace_bytes = nest_.shared_bytes;
  module_.private_bytes = nest_.private_bytes;
  module_.functions.resize(1);
  FunctionState kernel(nest_, scope_);
  function_ = &kernel;
  scope_.emit_to(&kernel.emitter);
  evaluator_.enter(&kernel);
  nodes(nest_.body);
  kernel.emitter.finish();
  drop_dead_code(kernel.emitter.function);
  define_unwritten(kernel.emitter.function);
  module_.functions[0] = std::move(kernel.emitter.function);
  return std::move(module_);
}

// ---- nodes ----

void Expander::nodes(const std::vector<Node>& list) {
  for (const Node& n : list) std::visit([&](const auto& item) { node(item, n.offset); }, n.item);
}

void Expander::note(std::int32_t offset) {
  if (offset == noted_) return;
  noted_ = offset;
  auto at = static_cast<std::size_t>(offset);
  auto next = std::upper_bound(line_starts_.begin(), line_starts_.end(), at);
  std::size_t end = next == line_starts_.end() ? nest_.text.size() : *next - 1;
  std::string text = std::to_string(next - line_starts_.begin()) + ": ";
  emitter().note(text.append(nest_.text.substr(at, end - at)));
}

void Expander::node(const Loop& loop, std::int32_t offset) {
  if (loop.kind == LoopKind::seq || loop.kind == LoopKind::parallel) note(offset);
  bool apart = nest_.threads > 1 && !scope_.in_parallel() && evaluator_.lanes.count == 1;
  if (loop.kind == LoopKind::parallel && apart) return parallel_loop(loop);
  if (loop.kind == LoopKind::vector) return vector_loop(loop);
  seq_loop(loop);
}

void Expander::node(const Store& store, std::int32_t offset) {
  note(offset);
  evaluator_.store(store, offset);
}

void Expander::node(const Prefetch& prefetch, std::int32_t) { evaluator_.prefetch(prefetch); }

void Expander::body_of(const Loop& loop) {
  for (std::int32_t array : arrays_of_[static_cast<std::size_t>(loop.var)])
    function_->registers.reset(array);
  nodes(loop.body);
}

// ---- branches ----

bool Expander::test(const Branch& branch, vir::Label otherwise, bool* at_run_time) {
  // A condition that fails now decides alone: no other one may be tested at run time then.
  auto fails = [&](const Condition& c) {
    Linear form = scope_.resolve(c.form);
    return form.is_constant() && (c.equality ? form.constant != 0 : form.constant < 0);
  };
  if (std::any_of(branch.conditions.begin(), branch.conditions.end(), fails)) return false;
  for (const Condition& c : branch.conditions) {
    Linear form = scope_.resolve(c.form);
    if (form.is_constant()) continue;
    std::int64_t against = -form.constant;
    form.constant = 0;
    *at_run_time = true;
    emitter().branch(scope_.value(form), c.equality ? Cond::ne : Cond::lt, against, otherwise);
  }
  return true;
}

void Expander::node(const Branch& branch, std::int32_t) {
  vir::Label otherwise = emitter().label(), end = emitter().label();
  bool at_run_time = false;
  Mark outside = mark();
  bool may_hold = test(branch, otherwise, &at_run_time);
  if (may_hold) nodes(branch.then);
  leave(outside);
  if (!at_run_time) {
    if (!may_hold) nodes(branch.otherwise);
    return;
  }
  bool has_else = !branch.otherwise.empty();
  if (has_else) emitter().jump(end);
  emitter().bind(otherwise);
  if (!has_else) return;
  nodes(branch.otherwise);
  leave(outside);
  emitter().bind(end);
}

// ---- parallel loops ----

void Expander::parallel_loop(const Loop& loop) {
  Mark outside = mark();
  Iterations space = iterations_of(loop);
  vir::Label end = emitter().label();
  skip_if_empty(loop.nonempty, space, end);
  std::vector<Slot> captured;
  std::int64_t number = parallel_body(loop, &captured);
  std::int64_t place = 0;
  for (Slot s : captured)
    emitter().push({.op = VOp::capture, .a = scope_.value(s), .imm = place++});
  Reg first = scope_.value(space.first), last = scope_.value(space.end);
  emitter().control({.op = VOp::parallel, .a = first, .b = last, .imm = number});
  leave(outside);
  emitter().bind(end);
}

// The loop's body as a function over a slice of its iterations.
std::int64_t Expander::parallel_body(const Loop& loop, std::vector<Slot>* captured) {
  FunctionState body(nest_, scope_);
  body.emitter.function.is_parallel_body = true;
  FunctionState* kernel = function_;
  function_ = &body;
  evaluator_.enter(&body);
  scope_.enter_parallel(&body.emitter);
  std::size_t scope_mark = scope_.mark();

  Reg begin = emitter().prologue(VOp::g_begin, 0), end = emitter().prologue(VOp::g_end, 0);
  Iterations slice;
  slice.first = Linear::of(scope_.add_slot(begin));
  slice.end = Linear::of(scope_.add_slot(end));
  slice.extent = slice.end;
  slice.extent.add(slice.first, -1);
  run_time_loop(loop, slice, true);  // a slice has at least one iteration

  scope_.leave(scope_mark);
  body.emitter.finish();
  *captured = scope_.leave_parallel(&kernel->emitter);
  function_ = kernel;
  evaluator_.enter(kernel);
  drop_dead_code(body.emitter.function);
  define_unwritten(body.emitter.function);
  module_.functions.push_back(std::move(body.emitter.function));
  return static_cast<std::int64_t>(module_.functions.size() - 1);
}

// ---- entry ----

vir::Module expand(const Nest& nest, const Target& target, std::vector<std::string>* diagnostics) {
  std::vector<Cut> cuts(nest.arrays.size(), Cut::any);
  for (;;) {
    try {
      return Expander(nest, target, cuts, diagnostics).run();
    } catch (const Recut& recut) {
      Cut& cut = cuts[static_cast<std::size_t>(recut.array)];
      if (cut == Cut::scalars) throw std::logic_error("a register array cannot be cut into scalars");
      cut = cut == Cut::any ? Cut::full_vectors : Cut::scalars;
    }
  }
}

}  // namespace loopnest
