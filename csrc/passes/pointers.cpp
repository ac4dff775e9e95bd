#include "passes/pointers.hpp"

namespace loopnest {

using namespace nest;
using VOp = vir::Op;
using vir::Reg;

namespace {

constexpr std::int64_t kReach = (std::int64_t{1} << 31) - (std::int64_t{1} << 16);

bool reaches(std::int64_t disp) { return disp >= -kReach && disp < kReach; }

Linear variable_part(const Linear& subscript) {
  Linear part = subscript;
  part.constant = 0;
  part.lane = 0;
  return part;
}

}  // namespace

vir::Address Pointers::address(std::int32_t array, const Linear& subscript) {
  std::int64_t bytes = subscript.constant * size_of(array);
  const Pointer& p = find_or_make(array, variable_part(subscript), bytes);
  return {.base = p.reg, .disp = bytes - p.offset};
}

// `offset` is where the access lies; a pointer within reach of it will do.
const Pointers::Pointer& Pointers::find_or_make(std::int32_t array, const Linear& part,
                                                std::int64_t offset) {
  for (auto p = known_.rbegin(); p != known_.rend(); ++p)
    if (p->array == array && reaches(offset - p->offset) && same_terms(p->part, part)) return *p;
  Pointer made = make(array, part, offset);
  known_.push_back(made);
  return known_.back();
}

Pointers::Pointer Pointers::make(std::int32_t array, Linear part, std::int64_t offset) {
  Emitter& emitter = scope_.emitter();
  if (part.is_constant()) {
    Reg reg = base(array);
    std::int64_t inside = reaches(offset) ? 0 : offset;
    if (inside != 0) reg = emitter.general(VOp::g_add, reg, inside);
    return {array, part, inside, reg};
  }
  SlotTerm last = part.terms().back();
  Linear outer = part;
  outer.drop_last_term();
  Pointer p = find_or_make(array, outer, offset);
  Reg product = scope_.value(last.slot);
  if (last.coef * size_of(array) != 1)
    product = emitter.general(VOp::g_mul, product, last.coef * size_of(array));
  p.part = part;
  p.reg = emitter.value({.op = VOp::g_add, .a = p.reg, .b = product}, kGeneral);
  return p;
}

Reg Pointers::base(std::int32_t array) {
  Reg& reg = bases_[static_cast<std::size_t>(array)];
  if (reg != 0) return reg;
  const Array& a = nest_.arrays[static_cast<std::size_t>(array)];
  VOp op = a.space == Space::argument ? VOp::g_argument
           : a.space == Space::shared ? VOp::g_workspace : VOp::g_private;
  return reg = scope_.emitter().prologue(op, a.place);
}

void Pointers::advance_with(std::int32_t array, const Linear& subscript, Slot slot,
                            const Linear& first, std::vector<Advancing>& moving) {
  Linear part = variable_part(subscript);
  if (part.is_constant() || part.terms().back().slot != slot) return;
  std::int64_t coef = part.terms().back().coef, bytes = subscript.constant * size_of(array);
  for (const Pointer& p : known_)
    if (p.array == array && same_terms(p.part, part) && reaches(bytes - p.offset)) return;
  Linear start = subscript;  // the address for the first iteration
  start.drop_last_term();
  start.lane = 0;
  start.add(first, coef);
  vir::Address at = address(array, start);
  Emitter& emitter = scope_.emitter();
  Reg reg = emitter.fresh(kGeneral);
  std::int64_t inside = reaches(bytes) ? 0 : bytes;
  std::int64_t ahead = at.disp - (bytes - inside);
  if (ahead == 0) emitter.set_general(reg, at.base);
  else emitter.push({.op = VOp::g_add, .dst = reg, .a = at.base, .imm = ahead});
  known_.push_back({array, part, inside, reg});
  moving.push_back({reg, coef * size_of(array)});
}

}  // namespace loopnest
