// Sequential and unrolled loops.
#include <algorithm>

#include "passes/accumulators.hpp"
#include "passes/cleanup.hpp"
#include "passes/expander.hpp"
#include "passes/tree_queries.hpp"

namespace loopnest {

using namespace nest;
using vir::Cond;
using vir::Reg;
using VOp = vir::Op;

namespace {

constexpr std::int64_t kMostUnrolled = 1 << 14;     // instructions of one unrolled loop, roughly
constexpr std::int64_t kMostSmallUnrolled = 8;      // iterations of a vector loop that is no lanes
constexpr std::int64_t kMostTested = 64;            // iterations that are each behind a test

}  // namespace

void Expander::seq_loop(const Loop& loop) {
  Mark outside = mark();
  Iterations space = iterations_of(loop);
  if (space.is_constant() && space.extent.constant <= 0) return;
  if (should_unroll(loop, space)) unrolled(loop, space);
  else if (must_test(loop)) unrolled_with_tests(loop);
  else if (loop.single_trip || (space.is_constant() && space.extent.constant == 1))
    single_iteration(loop, space);
  else run_time_loop(loop, space, loop.nonempty);
  leave(outside);
  scope_.unbind(loop.var);
}

// ---- iteration spaces ----

// Constants can be beyond what the variable may be: behind a test that never holds for them.
Expander::Iterations Expander::iterations_of(const Loop& loop) {
  Iterations space;
  space.first = combined(loop.lower, true);
  space.end = combined(loop.upper, false);
  if (space.first.is_constant()) space.first.constant = std::max(space.first.constant, loop.var_min);
  if (space.end.is_constant()) space.end.constant = std::min(space.end.constant, loop.var_max + 1);
  space.extent = space.end;
  space.extent.add(space.first, -1);
  return space;
}

// The greatest lower or the least upper bound; computed at run time when it is not decided yet.
Linear Expander::combined(const std::vector<Form>& bounds, bool greatest) {
  if (bounds.size() == 1) return scope_.resolve(bounds[0]);
  std::vector<Linear> open;
  for (const Form& f : bounds) {
    Linear value = scope_.resolve(f);
    auto comparable = std::find_if(open.begin(), open.end(),
                                   [&](const Linear& o) { return same_terms(o, value); });
    if (comparable == open.end()) open.push_back(value);
    else if (greatest == (value.constant > comparable->constant)) *comparable = value;
  }
  if (open.size() == 1) return open[0];
  Reg best = scope_.value(open[0]);
  for (std::size_t i = 1; i < open.size(); ++i) {
    Reg other = scope_.value(open[i]);
    best = emitter().value({.op = greatest ? VOp::g_max : VOp::g_min, .a = best, .b = other}, kGeneral);
  }
  return Linear::of(scope_.add_slot(best));
}

void Expander::skip_if_empty(bool nonempty, const Iterations& space, vir::Label end) {
  if (!nonempty) skip_unless_positive(space.extent, end);
}

void Expander::skip_unless_positive(Linear form, vir::Label end) {
  if (form.is_constant() && form.constant > 0) return;
  std::int64_t least = -form.constant;  // terms + constant <= 0
  form.constant = 0;
  emitter().branch(scope_.value(form), Cond::le, least, end);
}

// ---- unrolled ----

bool Expander::should_unroll(const Loop& loop, const Iterations& space) {
  if (loop.kind == LoopKind::parallel || !space.is_fixed()) return false;
  std::int64_t extent = space.extent.constant;
  if (extent == 1) return true;
  if (plan_of(loop).registers) return true;
  if (loop.kind == LoopKind::vector) return extent <= kMostSmallUnrolled;
  if (loop.kind != LoopKind::unroll) return false;
  if (extent <= kMostUnrolled && extent * plan_of(loop).weight <= kMostUnrolled) return true;
  diagnostics_->push_back("loop " + std::string(nest_.variables[static_cast<std::size_t>(loop.var)].name) +
                          " is too long to unroll and runs as a loop");
  return false;
}

void Expander::unrolled(const Loop& loop, const Iterations& space) {
  for (std::int64_t i = 0; i < space.extent.constant; ++i) {
    scope_.bind(loop.var, Linear(space.first.constant + i));
    body_of(loop);
  }
}

// Separation left a run-time bound on a variable that selects registers.
bool Expander::must_test(const Loop& loop) {
  bool copied = loop.kind == LoopKind::unroll || loop.kind == LoopKind::vector;
  if (!copied || !plan_of(loop).registers) return false;
  return loop.var_min > -kUnbounded && loop.var_max < kUnbounded &&
         loop.var_max - loop.var_min < kMostTested;
}

// Every value the variable may have, each behind a test of the bounds.
void Expander::unrolled_with_tests(const Loop& loop) {
  vir::Label end = emitter().label();
  for (std::int64_t value = loop.var_min; value <= loop.var_max; ++value) {
    vir::Label next = emitter().label();
    Mark outside = mark();
    for (const Form& f : loop.upper) skip_unless_positive(scope_.resolve(shifted(f, -value)), end);
    for (const Form& f : loop.lower)
      skip_unless_positive(scope_.resolve(shifted(scaled(f, -1), value + 1)), next);
    scope_.bind(loop.var, Linear(value));
    body_of(loop);
    leave(outside);
    emitter().bind(next);
  }
  emitter().bind(end);
}

void Expander::single_iteration(const Loop& loop, const Iterations& space) {
  vir::Label end = emitter().label();
  skip_if_empty(loop.nonempty, space, end);
  scope_.bind(loop.var, space.first);
  Mark inside = mark();
  body_of(loop);
  leave(inside);
  emitter().bind(end);
}

// ---- run-time loops ----

// Binds the loop's variable to a new slot and sets up the pointers that move with it.
Expander::Running Expander::start(const Loop& loop, const Iterations& space, Reg first) {
  Running running;
  running.var = emitter().fresh(kGeneral);
  running.left = emitter().fresh(kGeneral);
  running.slot = scope_.add_slot(running.var);
  scope_.bind(loop.var, Linear::of(running.slot));
  auto set_up = [&](const Access& a) {
    if (nest_.arrays[static_cast<std::size_t>(a.array)].space == Space::registers) return;
    Linear known = scope_.resolve_known(a.subscript, loop.var);
    function_->pointers.advance_with(a.array, known, running.slot, space.first, running.moving);
  };
  for_each_access(nest_, loop.body, set_up);
  Reg count = scope_.value(space.extent);
  emitter().set_general(running.left, count);
  emitter().set_general(running.var, first);
  return running;
}

void Expander::advance(const Running& running, std::int64_t step) {
  for (const auto& pointer : running.moving) emitter().advance(pointer.reg, step * pointer.step_bytes);
  emitter().advance(running.var, step);
}

void Expander::run_time_loop(const Loop& loop, const Iterations& space, bool nonempty) {
  vir::Label end = emitter().label();
  skip_if_empty(nonempty, space, end);
  Mark inside = mark();
  Reg first = scope_.value(space.first);
  Running running = start(loop, space, first);
  repeat(running, space, 1, [&] { body_of(loop); });
  leave(inside);
  emitter().bind(end);
}

void Expander::close_loop(std::size_t begin) {
  auto loop_begin = [&] {  // what moves out goes in front of it
    while (emitter().function.code[begin].op != VOp::loop_begin) ++begin;
    return begin;
  };
  auto hoist = [&](Hoist what) {
    hoist_invariants(emitter().function, loop_begin(), target_, emitter().array_of_base(), what);
  };
  hoist(Hoist::masks);
  auto stores = promote_accumulators(emitter(), loop_begin(), target_);
  hoist(Hoist::everything);
  emitter().loop_end();
  for (const PendingStore& s : stores) emitter().store(s.inst, s.range);
}

// Runs the body until `left`, a positive multiple of `step`, is 0. A variable that the body needs
// anyway counts instead where the end is a constant.
void Expander::repeat(Running& running, const Iterations& space, std::int64_t step, const Body& body) {
  vir::Label again = emitter().label();
  std::size_t begin = emitter().position();
  emitter().loop_begin(again);
  Mark inside = mark();
  body();
  leave(inside);
  advance(running, step);
  if (scope_.is_used(running.slot) && space.is_fixed()) {
    emitter().branch(running.var, Cond::lt, space.end.constant, again);
  } else {
    emitter().advance(running.left, -step);
    emitter().branch(running.left, Cond::gt, 0, again);
  }
  close_loop(begin);
}

// Runs the body while `left` is at least `step`; it may be less at once.
void Expander::repeat_while(Running& running, std::int64_t step, const Body& body) {
  vir::Label again = emitter().label(), end = emitter().label();
  emitter().branch(running.left, Cond::lt, step, end);
  std::size_t begin = emitter().position();
  emitter().loop_begin(again);
  Mark inside = mark();
  body();
  leave(inside);
  advance(running, step);
  emitter().advance(running.left, -step);
  emitter().branch(running.left, Cond::ge, step, again);
  close_loop(begin);
  emitter().bind(end);
}

}  // namespace loopnest
