// Reads, writes and folds of register arrays. Their subscripts are constants by now, but for the
// lane number.
#include <algorithm>
#include <cmath>

#include "passes/evaluator.hpp"

namespace loopnest {

using namespace nest;
using vir::Reg;
using VOp = vir::Op;

void Evaluator::check_element(const Array& array, std::int64_t first, std::int64_t count,
                              std::int32_t offset) const {
  if (first >= 0 && first + count <= array.place) return;
  fail(nest_.text, offset,
       "register array " + std::string(array.name) + " has elements 0 .. " +
           std::to_string(array.place) + ", this uses element " +
           std::to_string(first < 0 ? first : first + count - 1));
}

namespace {

void require_constant(const Nest& nest, const Array& array, const Linear& subscript,
                      std::int32_t offset) {
  if (subscript.is_uniform_constant()) return;
  fail(nest.text, offset,
       "the subscript of register array " + std::string(array.name) +
           " is not constant after unrolling; unroll or vectorise the loops it depends on");
}

}  // namespace

// ---- reading ----

Reg Evaluator::load_register(const Access& access, const Linear& subscript, std::int32_t offset) {
  const Array& array = array_of(access);
  require_constant(nest_, array, subscript, offset);
  if (lanes.count == 1 || subscript.lane == 0) return element(access.array, subscript.constant, offset);
  std::int64_t live = std::min(lanes.live, array.place - subscript.constant);
  check_element(array, subscript.constant, std::max<std::int64_t>(live, 1), offset);
  if (subscript.lane != 1) throw Recut{access.array};
  if (!function_->registers.holding(access.array, subscript.constant))
    fail(nest_.text, offset,
         "register array " + std::string(array.name) + " is read before it is written");
  return function_->registers
      .vector(access.array, subscript.constant, lanes.count, live, emitter())
      .reg;
}

// One element, in every lane.
Reg Evaluator::element(std::int32_t array, std::int64_t at, std::int32_t offset) {
  const Array& info = nest_.arrays[static_cast<std::size_t>(array)];
  check_element(info, at, 1, offset);
  const Block* block = function_->registers.holding(array, at);
  if (!block)
    fail(nest_.text, offset,
         "register array " + std::string(info.name) + " is read before it is written");
  Reg reg = block->lanes == 1 ? block->reg : extract(*block, info.elem, at - block->start);
  if (lanes.count == 1) return reg;
  return emitter().value({.op = VOp::broadcast, .a = reg}, lanewise().vector(info.elem));
}

Reg Evaluator::lane_range(Elem elem, int lane_count, std::int64_t low, std::int64_t high) {
  Lanewise v(emitter(), lane_count);
  Reg below_high = emitter().value({.op = VOp::mask_first, .imm = high}, v.mask(elem));
  if (low == 0) return below_high;
  Reg below_low = emitter().value({.op = VOp::mask_first, .imm = low}, v.mask(elem));
  Reg from_low = emitter().value({.op = VOp::mask_not, .a = below_low}, v.mask(elem));
  return emitter().value({.op = VOp::mask_and, .a = below_high, .b = from_low}, v.mask(elem));
}

// Adding up one lane and zeros; the zeros are negative so that -0 stays.
Reg Evaluator::extract(const Block& block, Elem elem, std::int64_t lane) {
  Lanewise v(emitter(), block.lanes);
  Reg zero = vir::is_float(elem) ? v.number(elem, -0.0) : v.bits(elem, 0);
  Reg alone = v.select(lane_range(elem, block.lanes, lane, lane + 1), elem, block.reg, zero);
  return emitter().value({.op = VOp::reduce_add, .a = alone}, Lanewise(emitter(), 1).vector(elem));
}

// ---- writing ----

void Evaluator::store_register(const Access& access, const Linear& subscript, const Value& value,
                               std::int32_t offset) {
  const Array& array = array_of(access);
  require_constant(nest_, array, subscript, offset);
  if (lanes.count > 1 && subscript.lane != 1) throw Recut{access.array};
  std::int64_t live = std::min(lanes.live, array.place - subscript.constant);
  check_element(array, subscript.constant, std::max<std::int64_t>(live, 1), offset);
  Block& block = function_->registers.vector(access.array, subscript.constant, lanes.count, live,
                                             emitter());
  write_block(block, array.elem, value);
}

// Inactive lanes hold nothing as long as every write was under the same mask.
bool Evaluator::keeps_old_lanes(const Block& block) const {
  if (!block.is_written || !lanes.is_masked()) return false;
  if (!lanes.dynamic) return lanes.live < block.live;
  return !(block.has_mask && block.mask_count == lanes.remaining &&
           block.mask_skipped == lanes.skipped);
}

void Evaluator::write_block(Block& block, Elem elem, const Value& value) {
  Reg reg = in_register(value);
  if (keeps_old_lanes(block)) {
    reg = lanewise().select(active_mask(elem), elem, reg, block.reg);
    block.has_mask = false;
  } else {
    block.has_mask = lanes.dynamic;
    block.mask_count = lanes.remaining;
    block.mask_skipped = lanes.skipped;
  }
  block.is_written = true;
  emitter().assign(block.reg, reg);
}

// ---- folding ----

namespace {

struct FoldOps {
  VOp combine, across;
};

FoldOps ops_of(Fold fold) {
  switch (fold) {
    case Fold::sum: return {VOp::add, VOp::reduce_add};
    case Fold::prod: return {VOp::mul, VOp::reduce_mul};
    case Fold::max: return {VOp::max, VOp::reduce_max};
    default: return {VOp::min, VOp::reduce_min};
  }
}

Reg neutral(Lanewise& v, Elem elem, Fold fold) {
  if (vir::is_float(elem)) {
    double values[] = {-0.0, 1.0, -INFINITY, INFINITY};
    return v.number(elem, values[static_cast<int>(fold)]);
  }
  std::int64_t least = elem == Elem::i32 ? INT32_MIN : INT64_MIN;
  std::int64_t most = elem == Elem::i32 ? INT32_MAX : INT64_MAX;
  std::int64_t values[] = {0, 1, least, most};
  return v.bits(elem, values[static_cast<int>(fold)]);
}

}  // namespace

// Lanes [low, high) of a block with the fold's neutral element in the others.
Reg Evaluator::folded_block(const Expr& e, const Block& block, std::int64_t low, std::int64_t high) {
  if (low == 0 && high == block.lanes) return block.reg;
  Lanewise v(emitter(), block.lanes);
  Reg wanted = lane_range(e.elem, block.lanes, low, high);
  return v.select(wanted, e.elem, block.reg, neutral(v, e.elem, e.fold));
}

// Whole blocks of one width are combined first, then lanes across.
Evaluator::Value Evaluator::reduce(const Expr& e) {
  Linear subscript = scope_.resolve(e.access.subscript);
  const Array& array = array_of(e.access);
  require_constant(nest_, array, subscript, e.offset);
  if (lanes.count > 1 && subscript.lane != 0)
    fail(nest_.text, e.offset, "reduce cannot begin at the variable of a vector loop");
  check_element(array, subscript.constant, e.bits, e.offset);
  FoldOps ops = ops_of(e.fold);
  Reg total = 0;
  std::int64_t end = subscript.constant + e.bits;
  for (std::int64_t at = subscript.constant; at < end;) {
    const Block* block = function_->registers.holding(e.access.array, at);
    if (!block)
      fail(nest_.text, e.offset,
           "register array " + std::string(array.name) + " is read before it is written");
    int width = block->lanes;
    Lanewise v(emitter(), width);
    Reg sum = 0;
    for (; at < end && block && block->lanes == width;) {
      std::int64_t stop = std::min(end, block->start + block->live);
      Reg part = folded_block(e, *block, at - block->start, stop - block->start);
      sum = sum == 0 ? part : v.op(ops.combine, e.elem, sum, part);
      at = stop;
      block = at < end ? function_->registers.holding(e.access.array, at) : nullptr;
    }
    Lanewise one(emitter(), 1);
    if (width > 1) sum = one.op(ops.across, e.elem, sum);
    total = total == 0 ? sum : one.op(ops.combine, e.elem, total, sum);
  }
  if (lanes.count > 1)
    total = emitter().value({.op = VOp::broadcast, .a = total}, lanewise().vector(e.elem));
  return computed(e.elem, total);
}

}  // namespace loopnest
