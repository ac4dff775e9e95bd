#include "passes/emitter.hpp"

namespace loopnest {

using namespace vir;

namespace {

bool commutes(Op op) {
  switch (op) {
    case Op::g_add: case Op::g_mul: case Op::g_min: case Op::g_max:
    case Op::add: case Op::mul: case Op::fma: case Op::fnma:
    case Op::bit_and: case Op::bit_or: case Op::bit_xor: case Op::mask_and: case Op::mask_or:
      return true;
    default:
      return false;
  }
}

}  // namespace

Reg Emitter::value(const Inst& inst, Type type) {
  Inst key = inst;
  if (commutes(inst.op) && inst.b != 0 && inst.a > inst.b) std::swap(key.a, key.b);
  if (Reg known = table_.find(key, type, nullptr)) return known;
  key.dst = fresh(type);
  push(key);
  Reg result = key.dst;
  key.dst = 0;
  table_.insert(key, type, result);
  return redirectable_ = result;
}

void Emitter::remember_base(const MemoryRange& range) {
  if (range.base >= array_of_base_.size()) array_of_base_.resize(range.base + 16, -1);
  array_of_base_[range.base] = range.array;
}

Reg Emitter::load(const Inst& inst, Type type, const MemoryRange& range) {
  remember_base(range);
  if (Reg known = table_.find(inst, type, &range)) return known;
  Inst copy = inst;
  copy.dst = fresh(type);
  push(copy);
  table_.insert(inst, type, copy.dst);
  return redirectable_ = copy.dst;
}

void Emitter::effect_once(const Inst& inst) {
  if (table_.find(inst, {}, nullptr)) return;
  push(inst);
  table_.insert(inst, {}, inst.addr.base);
}

// What is stored unmasked is what a load of the same bytes gives afterwards.
void Emitter::store(const Inst& inst, const MemoryRange& range) {
  remember_base(range);
  push(inst);
  table_.stored(range);
  if (inst.op != Op::store || inst.mask != 0) return;
  Inst load{.op = Op::load, .addr = inst.addr};
  table_.insert(load, function.types[inst.a], inst.a);
}

void Emitter::assign(Reg dst, Reg value) {
  if (dst == value) return;
  auto& code = function.code;
  if (value == redirectable_ && !code.empty() && code.back().dst == value) {
    code.back().dst = dst;
    table_.erase_last();
  } else {
    bool is_general = function.types[dst].cls == Class::general;
    push({.op = is_general ? Op::g_move : Op::move, .dst = dst, .a = value});
  }
  redirectable_ = 0;
  if (dst >= mutable_.size()) mutable_.resize(dst + 64);
  mutable_[dst] = true;
  table_.touch(dst);
}

void Emitter::jump_seen(Label label) {
  if (label >= is_target_.size()) is_target_.resize(label + 16);
  is_target_[label] = true;
}

void Emitter::bind(Label label) {
  if (label < is_target_.size() && is_target_[label]) control({.op = Op::bind, .label = label});
}

void Emitter::jump(Label label) {
  jump_seen(label);
  control({.op = Op::jump, .label = label});
}

void Emitter::branch(Reg a, Cond cond, std::int64_t imm, Label label) {
  jump_seen(label);
  control({.op = Op::branch_if, .cond = cond, .a = a, .label = label, .imm = imm});
}

void Emitter::advance(Reg pointer, std::int64_t step) {
  push({.op = Op::g_add, .dst = pointer, .a = pointer, .imm = step});
}

Reg Emitter::prologue(Op op, std::int64_t imm) {
  Reg dst = fresh(kGeneral);
  prologue_.push_back({.op = op, .dst = dst, .imm = imm});
  return dst;
}

void Emitter::finish() {
  push({.op = Op::ret});
  auto& code = function.code;
  code.insert(code.begin(), prologue_.begin(), prologue_.end());
  for (auto& note : function.notes) note.first += prologue_.size();
  prologue_.clear();
}

}  // namespace loopnest
