// Builds one vir::Function. Values go through the value table; a value that nothing else has seen
// yet may be redirected into a mutable register (`assign`), which is how accumulators are updated
// in place.
#pragma once

#include <string>

#include "passes/value_table.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest {

inline constexpr vir::Type kGeneral{vir::Class::general, vir::Elem::i64, 1};

class Emitter {
 public:
  vir::Function function;

  // ---- values ----
  vir::Reg value(const vir::Inst& inst, vir::Type type);
  vir::Reg load(const vir::Inst& inst, vir::Type type, const MemoryRange& range);
  void store(const vir::Inst& inst, const MemoryRange& range);
  void effect_once(const vir::Inst& inst);  // a prefetch: not repeated in one straight line
  vir::Reg general(vir::Op op, vir::Reg a, std::int64_t imm) {
    return value({.op = op, .a = a, .imm = imm}, kGeneral);
  }
  vir::Reg general_const(std::int64_t imm) {
    return value({.op = vir::Op::g_const, .imm = imm}, kGeneral);
  }

  // ---- mutable registers ----
  vir::Reg fresh(vir::Type type) { return function.fresh(type); }
  // dst = value, by renaming the instruction just emitted where that is its only reader.
  void assign(vir::Reg dst, vir::Reg value);
  void advance(vir::Reg pointer, std::int64_t step);  // pointer += step
  void set_general(vir::Reg dst, vir::Reg value) {
    push({.op = vir::Op::g_move, .dst = dst, .a = value});
  }

  // ---- control; each ends the straight line ----
  vir::Label label() { return function.fresh_label(); }
  void bind(vir::Label label);  // nothing when no jump goes there
  void jump(vir::Label label);
  void branch(vir::Reg a, vir::Cond cond, std::int64_t imm, vir::Label label);
  void loop_begin(vir::Label label) { control({.op = vir::Op::loop_begin, .label = label}); }
  void loop_end() { control({.op = vir::Op::loop_end}); }
  void control(const vir::Inst& inst) {
    push(inst);
    table_.forget();
  }
  void push(const vir::Inst& inst) { function.code.push_back(inst); }

  // An instruction of the function's prologue (base pointers, captures).
  vir::Reg prologue(vir::Op op, std::int64_t imm);
  void note(std::string text) { function.notes.emplace_back(function.code.size(), std::move(text)); }
  bool is_mutable(vir::Reg r) const { return r < mutable_.size() && mutable_[r]; }  // see assign
  // By base register: the array that addresses with it lie in; -1 for other registers.
  const std::vector<std::int32_t>& array_of_base() const { return array_of_base_; }
  std::size_t position() const { return function.code.size(); }
  void finish();  // ret, and the prologue goes to the front

 private:
  void jump_seen(vir::Label label);
  void remember_base(const MemoryRange& range);

  ValueTable table_;
  std::vector<std::int32_t> array_of_base_;
  std::vector<vir::Inst> prologue_;
  std::vector<bool> is_target_;  // by label
  std::vector<bool> mutable_;    // by register: assigned to
  vir::Reg redirectable_ = 0;  // result of the instruction just emitted by value() or load()
};

}  // namespace loopnest
