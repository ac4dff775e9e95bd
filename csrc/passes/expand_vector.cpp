// Vector loops: chunks of lanes. A chunk binds the loop's variable to a base plus the lane number
// and runs the body's statements in order.
#include <algorithm>
#include <bit>

#include "passes/expander.hpp"
#include "passes/tree_queries.hpp"

namespace loopnest {

using namespace nest;
using vir::Cond;
using vir::Reg;
using VOp = vir::Op;

namespace {

constexpr std::int64_t kMostUnrolledWeight = 128;  // instructions of chunks unrolled completely
constexpr std::int64_t kLoopWeight = 24;           // instructions wanted in a loop over chunks
constexpr std::int64_t kMostChunks = 4;            // chunks in one iteration of such a loop
constexpr std::int64_t kMostBoxed = 64;            // values of a variable masked on both sides
constexpr int kLeastBytes = 16;                    // of a vector narrower than the target's

}  // namespace

void Expander::vector_loop(const Loop& loop) {
  const Plan& plan = plan_of(loop);
  int width = plan.width;
  bool registers = plan.registers;
  if (width == 1 || evaluator_.lanes.count > 1) return seq_loop(loop);
  Mark outside = mark();
  Iterations space = iterations_of(loop);
  if (registers && !begins_a_block(loop, space, width)) {
    if (has_small_box(loop)) {
      chunks_in_box(loop, space, width);
      leave(outside);
      return scope_.unbind(loop.var);
    }
    if (!space.first.is_constant()) {  // the first lane is no fixed element
      leave(outside);
      return seq_loop(loop);
    }
  }
  if (space.is_constant()) {
    std::int64_t extent = space.extent.constant, chunks = ceil_div(std::max<std::int64_t>(extent, 0), width);
    bool small = chunks * plan.weight <= kMostUnrolledWeight || chunks <= 2;
    if (registers || small) chunks_unrolled(loop, space, width);
    else chunks_repeated(loop, space, width);
  } else if (registers) {
    chunks_masked(loop, space, width);
  } else {
    chunks_repeated(loop, space, width);
  }
  leave(outside);
  scope_.unbind(loop.var);
}

const Expander::Plan& Expander::plan_of(const Loop& loop) {
  auto number = static_cast<std::size_t>(loop.number);
  if (number >= plans_.size()) plans_.resize(number + 16);
  Plan& plan = plans_[number];
  if (plan.known) return plan;
  plan.known = true;
  plan.registers = indexes_registers(nest_, loop.body, loop.var);
  plan.weight = weight(nest_, loop.body);
  if (loop.kind == LoopKind::vector && can_be_lanes(nest_, loop) && !touches_cut(loop, Cut::scalars))
    plan.width = width_of(loop);
  return plan;
}

// ---- how wide ----

int Expander::width_of(const Loop& loop) {
  int bytes = 4;
  auto statements = [&](auto& self, const std::vector<Node>& list) -> void {
    for (const Node& n : list) {
      if (const auto* inner = std::get_if<Loop>(&n.item)) self(self, inner->body);
      if (const auto* branch = std::get_if<Branch>(&n.item))
        self(self, branch->then), self(self, branch->otherwise);
      if (const auto* store = std::get_if<Store>(&n.item))
        bytes = std::max(bytes, evaluator_.widest(store->value));
    }
  };
  statements(statements, loop.body);
  auto registers = [&](const Access& a) {
    if (depends_on(nest_, a.subscript, loop.var))
      bytes = std::max(bytes, widest_[static_cast<std::size_t>(a.array)]);
  };
  for_each_access(nest_, loop.body, registers);
  return target_.vector_bytes() / bytes;
}

bool Expander::touches_cut(const Loop& loop, Cut cut) const {
  bool found = false;
  if (std::find(cuts_.begin(), cuts_.end(), cut) == cuts_.end()) return false;
  auto look = [&](const Access& a) {
    found = found || (cuts_[static_cast<std::size_t>(a.array)] == cut &&
                      depends_on(nest_, a.subscript, loop.var));
  };
  for_each_access(nest_, loop.body, look);
  return found;
}

// Lanes for the last `live` of `extent` iterations. Register arrays want whole vectors throughout;
// otherwise a narrower vector, or a scalar, is cheaper than a mask.
int Expander::piece_width(const Loop& loop, std::int64_t live, std::int64_t extent, int width) {
  if (live >= width || touches_cut(loop, Cut::full_vectors)) return width;
  if (extent > width && plan_of(loop).registers) return width;
  if (live == 1) return 1;
  int least = std::max(1, width * kLeastBytes / target_.vector_bytes());
  return std::max(least, static_cast<int>(std::bit_ceil(static_cast<std::uint64_t>(live))));
}

std::int64_t Expander::chunks_per_iteration(const Loop& loop, int width) {
  std::int64_t chunks = kLoopWeight / std::max<std::int64_t>(plan_of(loop).weight, 1);
  std::int64_t most = std::max<std::int64_t>(loop.extent_max / width, 1);
  chunks = std::clamp<std::int64_t>(chunks, 1, std::min(kMostChunks, most));
  return static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(chunks)));
}

// ---- chunks ----

void Expander::chunk(const Loop& loop, const Linear& base, const Lanes& lanes) {
  Linear value = base;
  value.lane = lanes.count > 1 ? 1 : 0;
  scope_.bind(loop.var, value);
  evaluator_.lanes = lanes;
  body_of(loop);
  evaluator_.lanes = Lanes{};
}

void Expander::full_chunks(const Loop& loop, const Linear& base, int width, std::int64_t count) {
  Linear at = base;
  for (std::int64_t i = 0; i < count; ++i, at.constant += width)
    chunk(loop, at, {width, width, false, {}});
}

// Constant extent, few chunks.
void Expander::chunks_unrolled(const Loop& loop, const Iterations& space, int width) {
  std::int64_t extent = space.extent.constant;
  Linear at = space.first;
  for (std::int64_t done = 0; done < extent;) {
    std::int64_t live = std::min<std::int64_t>(extent - done, width);
    int lanes = piece_width(loop, live, extent, width);
    chunk(loop, at, {lanes, live, false, {}});
    done += live;
    at.constant += live;
  }
}

// Run-time extent with a variable that selects registers: every chunk, masked by what is left.
void Expander::chunks_masked(const Loop& loop, const Iterations& space, int width) {
  if (loop.extent_max >= kUnbounded || loop.extent_max > std::int64_t{1} << 12)
    return seq_loop(loop);  // reports the subscript that stays dynamic
  vir::Label end = emitter().label();
  skip_if_empty(loop.nonempty, space, end);
  Mark inside = mark();
  Linear at = space.first, remaining = space.extent;
  for (std::int64_t done = 0; done < loop.extent_max; done += width) {
    std::int64_t live = std::min<std::int64_t>(loop.extent_max - done, width);
    chunk(loop, at, {width, live, true, remaining});
    at.constant += width;
    remaining.constant -= width;
  }
  leave(inside);
  emitter().bind(end);
}

// What the subscript of the first register access below adds to the loop's variable, values of
// variables outside of the loop included.
std::int64_t Expander::register_offset(const Loop& loop) {
  std::int64_t found = 0;
  bool known = false;
  auto look = [&](const Access& a) {
    const Array& array = nest_.arrays[static_cast<std::size_t>(a.array)];
    if (known || array.space != Space::registers || !depends_on(nest_, a.subscript, loop.var)) return;
    found = scope_.resolve_known(a.subscript, loop.var).constant;
    known = true;
  };
  for_each_access(nest_, loop.body, look);
  return found;
}

// Whether the first iteration is the first lane of a vector of the register array.
bool Expander::begins_a_block(const Loop& loop, const Iterations& space, int width) {
  return space.first.is_constant() &&
         floor_mod(space.first.constant + register_offset(loop), width) == 0;
}

bool Expander::has_small_box(const Loop& loop) {
  return loop.var_min >= 0 && loop.var_max < kUnbounded && loop.var_max - loop.var_min < kMostBoxed;
}

// The values of the variable for which every register access below is inside its array.
std::pair<std::int64_t, std::int64_t> Expander::values_in_registers(const Loop& loop) {
  std::int64_t first = loop.var_min, last = loop.var_max;
  auto look = [&](const Access& a) {
    const Array& array = nest_.arrays[static_cast<std::size_t>(a.array)];
    if (array.space != Space::registers || a.subscript.coef(loop.var) != 1) return;
    Form others = substitute(a.subscript, loop.var, {});
    bool are_bound = std::all_of(others.terms.begin(), others.terms.end(),
                                 [&](const Term& t) { return scope_.is_bound(t.var); });
    if (!are_bound) return;  // a loop further inside selects, too
    Linear rest = scope_.resolve(others);
    if (!rest.is_constant()) return;
    first = std::max(first, -rest.constant);
    last = std::min(last, array.place - 1 - rest.constant);
  };
  for_each_access(nest_, loop.body, look);
  return {first, last};
}

// First and last lane anywhere: every chunk the variable may reach, masked on both sides. Chunks
// begin where those of whole tiles do: at elements that are multiples of the width.
void Expander::chunks_in_box(const Loop& loop, const Iterations& space, int width) {
  vir::Label end = emitter().label();
  skip_if_empty(loop.nonempty, space, end);
  Mark inside = mark();
  auto [least, most] = values_in_registers(loop);
  std::int64_t late = floor_mod(least + register_offset(loop), width);
  for (std::int64_t at = least - late; at <= most; at += width) {
    Linear remaining = space.end, skipped = space.first;
    remaining.constant -= at;
    skipped.constant -= at;
    std::int64_t live = std::min<std::int64_t>(most + 1 - at, width);
    chunk(loop, Linear(at), {width, live, true, remaining, true, skipped});
  }
  leave(inside);
  emitter().bind(end);
}

// A run-time loop over chunks, several to an iteration; then single chunks; then the tail.
void Expander::chunks_repeated(const Loop& loop, const Iterations& space, int width) {
  vir::Label end = emitter().label();
  skip_if_empty(loop.nonempty, space, end);
  Mark inside = mark();
  Reg first = scope_.value(space.first);
  Running running = start(loop, space, first);
  Linear base = Linear::of(running.slot);
  std::int64_t several = chunks_per_iteration(loop, width);
  repeat_while(running, several * width, [&] { full_chunks(loop, base, width, several); });
  if (space.is_constant()) {
    Iterations rest = space;
    rest.first = base;
    rest.extent = Linear(space.extent.constant % (several * width));
    chunks_unrolled(loop, rest, width);
  } else {
    if (several > 1) repeat_while(running, width, [&] { full_chunks(loop, base, width, 1); });
    chunk_tail(loop, running, width);
  }
  leave(inside);
  emitter().bind(end);
}

// Fewer than `width` iterations, perhaps none.
void Expander::chunk_tail(const Loop& loop, Running& running, int width) {
  Linear base = Linear::of(running.slot);
  if (loop.tail == Tail::peel || loop.tail == Tail::guard)
    return repeat_while(running, 1, [&] { full_chunks(loop, base, 1, 1); });
  vir::Label none = emitter().label();
  emitter().branch(running.left, Cond::le, 0, none);
  Mark inside = mark();
  Linear remaining = Linear::of(scope_.add_slot(running.left));
  chunk(loop, base, {width, width - 1, true, remaining});
  leave(inside);
  emitter().bind(none);
}

}  // namespace loopnest
