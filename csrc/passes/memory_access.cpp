// Loads, stores and prefetches of memory arrays. The coefficient of the lane number in a subscript
// chooses the form: 0 splat, 1 contiguous, else strided.
#include <algorithm>

#include "passes/evaluator.hpp"

namespace loopnest {

using namespace nest;
using vir::Reg;
using VOp = vir::Op;

Evaluator::Value Evaluator::load(const Expr& e) {
  Linear subscript = scope_.resolve(e.access.subscript);
  if (array_of(e.access).space == Space::registers)
    return computed(e.elem, load_register(e.access, subscript, e.offset));
  return computed(e.elem, load_memory(e.access, subscript));
}

Reg Evaluator::active_mask(Elem elem) {
  vir::Inst first{.op = VOp::mask_first};
  if (lanes.dynamic) first.a = scope_.value(lanes.remaining);
  else first.imm = lanes.live;
  const auto type = lanewise().mask(elem);
  Reg active = emitter().value(first, type);
  if (!lanes.late) return active;
  Reg below = emitter().value({.op = VOp::mask_first, .a = scope_.value(lanes.skipped)}, type);
  Reg from = emitter().value({.op = VOp::mask_not, .a = below}, type);
  return emitter().value({.op = VOp::mask_and, .a = active, .b = from}, type);
}

// The bytes an access may touch, against its base register.
MemoryRange Evaluator::range_of(const Access& access, const vir::Address& at,
                                std::int64_t stride) const {
  std::int64_t size = vir::size_of(array_of(access).elem);
  std::int64_t last = stride * size * (lanes.count - 1);
  return {access.array, at.base, at.disp + std::min<std::int64_t>(last, 0),
          at.disp + std::max<std::int64_t>(last, 0) + size};
}

Reg Evaluator::load_memory(const Access& access, const Linear& subscript) {
  Elem elem = array_of(access).elem;
  std::int64_t stride = lanes.count == 1 ? 1 : subscript.lane;
  vir::Inst inst{.op = stride == 0 ? VOp::load_splat : stride == 1 ? VOp::load : VOp::load_strided};
  inst.addr = function_->pointers.address(access.array, subscript);
  if (inst.op == VOp::load_strided) inst.imm = stride * vir::size_of(elem);
  // a splat reads what its active lanes read, and one lane is always active
  if (stride != 0 && lanes.is_masked()) inst.mask = active_mask(elem);
  return emitter().load(inst, lanewise().vector(elem), range_of(access, inst.addr, stride));
}

void Evaluator::store_memory(const Store& store, const Linear& subscript, Reg value) {
  Elem elem = array_of(store.target).elem;
  std::int64_t stride = lanes.count == 1 ? 1 : subscript.lane;
  vir::Inst inst{.op = stride == 1 ? VOp::store : VOp::store_strided};
  inst.a = value;
  inst.addr = function_->pointers.address(store.target.array, subscript);
  if (inst.op == VOp::store_strided) inst.imm = stride * vir::size_of(elem);
  if (lanes.is_masked()) inst.mask = active_mask(elem);
  if (store.stream && stride == 1 && can_stream(store.target, subscript)) inst.op = VOp::store_stream;
  emitter().store(inst, range_of(store.target, inst.addr, stride));
}

// Only the workspaces are known to be aligned; a run-time part must keep to whole vectors.
bool Evaluator::can_stream(const Access& access, const Linear& subscript) const {
  const Array& array = array_of(access);
  std::int64_t size = vir::size_of(array.elem), whole = target_.vector_bytes();
  if (array.space == Space::argument || lanes.is_masked() || lanes.count * size != whole) return false;
  bool aligned = (array.place + subscript.constant * size) % whole == 0;
  for (const SlotTerm& t : subscript.terms()) aligned = aligned && (t.coef * size) % whole == 0;
  return aligned;
}

void Evaluator::prefetch(const Prefetch& p) {
  constexpr std::int64_t kLine = 64;
  Linear subscript = scope_.resolve(p.target.subscript);
  vir::Address at = function_->pointers.address(p.target.array, subscript);
  std::int64_t step = subscript.lane * vir::size_of(array_of(p.target).elem), disp = at.disp;
  for (std::int64_t lane = 0; lane < lanes.live; ++lane) {
    at.disp = floor_div(disp + lane * step, kLine) * kLine;
    emitter().effect_once({.op = VOp::prefetch, .imm = p.mode, .addr = at});
    if (step == 0) break;
  }
}

}  // namespace loopnest
