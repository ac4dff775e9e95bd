// Statements to vector IR: expressions, memory and register accesses, at the current lanes.
//
// In: loop variables bound in the scope. Out: instructions through the function's emitter. Constant
// parts of an expression stay constants until a register is needed.
#pragma once

#include <vector>

#include "loopnest/target.hpp"
#include "nest/nest.hpp"
#include "passes/lanewise.hpp"
#include "passes/pointers.hpp"
#include "passes/register_file.hpp"
#include "passes/scope.hpp"

namespace loopnest {

// How statements are run now: `count` iterations of one vector loop at a time, or one.
struct Lanes {
  int count = 1;
  std::int64_t live = 1;     // lanes that may be active, from the first
  bool dynamic = false;      // lanes below the run-time value `remaining` are active
  Linear remaining;
  bool late = false;         // dynamic, and lanes below the run-time value `skipped` are not active
  Linear skipped{};
  bool is_masked() const { return dynamic || live < count; }
};

// What belongs to one vir::Function while it is built.
struct FunctionState {
  FunctionState(const nest::Nest& nest, Scope& scope) : pointers(nest, scope), registers(nest) {}
  Emitter emitter;
  Pointers pointers;
  RegisterFile registers;
};

class Evaluator {
 public:
  Evaluator(const nest::Nest& nest, const Target& target, Scope& scope)
      : nest_(nest), target_(target), scope_(scope), narrow_(nest.exprs.size(), kNotAsked) {}

  Lanes lanes;
  void enter(FunctionState* function) { function_ = function; }

  void store(const nest::Store& store, std::int32_t offset);
  void prefetch(const nest::Prefetch& prefetch);

  // Bytes of the widest element an expression computes with.
  int widest(nest::ExprId id);

 private:
  // A constant, or a vector register of lanes.count lanes; `truth`: a mask register, or 0 or 1.
  struct Value {
    nest::Elem elem = nest::Elem::f32;
    bool truth = false;
    bool constant = false;
    std::int64_t bits = 0;
    vir::Reg reg = 0;
  };

  // ---- expressions (evaluator.cpp) ----
  Value eval(nest::ExprId id);
  Value eval_narrow(nest::ExprId id);
  Value literal(const nest::Expr& e) const;
  Value index(const nest::Expr& e);
  Value cast(const nest::Expr& e);
  Value arithmetic(const nest::Expr& e);
  Value binary(nest::Op op, nest::Elem elem, Value a, Value b);
  Value unary(nest::Op op, nest::Elem elem, Value a);
  Value extreme(nest::Op op, nest::Elem elem, Value a, Value b);
  Value contraction(const nest::Expr& e, bool* done);
  Value comparison(const nest::Expr& e);
  Value logical(const nest::Expr& e);
  Value select(const nest::Expr& e);
  vir::Reg in_register(const Value& value);
  Value computed(nest::Elem elem, vir::Reg reg) const { return {elem, false, false, 0, reg}; }
  static Value constant(nest::Elem elem, std::int64_t bits) {
    return {elem, false, true, bits, 0};
  }

  // ---- memory (memory_access.cpp) ----
  Value load(const nest::Expr& e);
  vir::Reg load_memory(const nest::Access& access, const Linear& subscript);
  void store_memory(const nest::Store& store, const Linear& subscript, vir::Reg value);
  MemoryRange range_of(const nest::Access& access, const vir::Address& at, std::int64_t stride) const;
  bool can_stream(const nest::Access& access, const Linear& subscript) const;
  vir::Reg active_mask(nest::Elem elem);

  // ---- register arrays (register_access.cpp) ----
  vir::Reg load_register(const nest::Access& access, const Linear& subscript, std::int32_t offset);
  void store_register(const nest::Access& access, const Linear& subscript, const Value& value,
                      std::int32_t offset);
  void write_block(Block& block, nest::Elem elem, const Value& value);
  bool keeps_old_lanes(const Block& block) const;
  void check_element(const nest::Array& array, std::int64_t first, std::int64_t count,
                     std::int32_t offset) const;
  vir::Reg element(std::int32_t array, std::int64_t at, std::int32_t offset);
  vir::Reg extract(const Block& block, nest::Elem elem, std::int64_t lane);
  Value reduce(const nest::Expr& e);
  vir::Reg folded_block(const nest::Expr& e, const Block& block, std::int64_t low,
                        std::int64_t high);
  vir::Reg lane_range(nest::Elem elem, int lanes, std::int64_t low, std::int64_t high);

  // ---- narrow integers (narrow.cpp) ----
  // True when an i64 expression of indices and constants provably fits i32 at every step.
  bool is_narrow(nest::ExprId id);
  bool ask_narrow(nest::ExprId id);
  bool narrow_range(nest::ExprId id, std::int64_t* min, std::int64_t* max) const;

  const nest::Expr& expr(nest::ExprId id) const { return nest_.exprs[static_cast<std::size_t>(id)]; }
  const nest::Array& array_of(const nest::Access& a) const {
    return nest_.arrays[static_cast<std::size_t>(a.array)];
  }
  Emitter& emitter() const { return function_->emitter; }
  Lanewise lanewise() const { return {function_->emitter, lanes.count}; }

  static constexpr std::uint8_t kNotAsked = 2;
  const nest::Nest& nest_;
  const Target& target_;
  Scope& scope_;
  FunctionState* function_ = nullptr;
  bool in_narrow_ = false;             // i64 is computed as i32
  std::vector<std::uint8_t> narrow_;   // by expression: 0, 1 or kNotAsked
};

}  // namespace loopnest
