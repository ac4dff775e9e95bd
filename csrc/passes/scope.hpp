// What loop variables are while vector IR is being built: constants, run-time slots, or lanes.
//
// A variable is bound to a Linear; an unrolled loop binds a constant, a run-time loop a slot, the
// lane loop a base plus the lane number. Atoms form a stack: what a loop body or a branch added is
// dropped when it ends. In a parallel body, slots of the kernel become captures on first use.
#pragma once

#include <optional>
#include <vector>

#include "nest/nest.hpp"
#include "passes/emitter.hpp"
#include "passes/linear.hpp"

namespace loopnest {

class Scope {
 public:
  explicit Scope(const nest::Nest& nest) : nest_(nest), bindings_(nest.variables.size()) {}

  void emit_to(Emitter* emitter) { emitter_ = emitter; }
  Emitter& emitter() const { return *emitter_; }

  void bind(nest::Var var, const Linear& value);
  void unbind(nest::Var var) { binding(var).bound = false; }
  bool is_bound(nest::Var var) const { return binding(var).bound; }
  const Linear& bound_to(nest::Var var) const { return binding(var).value; }

  Slot add_slot(vir::Reg reg);
  bool is_used(Slot slot) const { return slots_[static_cast<std::size_t>(slot)].used; }
  std::size_t mark() const { return atoms_.size(); }
  void leave(std::size_t mark) { atoms_.resize(mark); }

  Linear resolve(const nest::Form& form);
  // The part of a form that is known outside loop variable `inner`: unbound variables, and atoms
  // that depend on them or on `inner`, count as 0.
  Linear resolve_known(const nest::Form& form, nest::Var inner);
  vir::Reg value(const Linear& linear);  // general register; the lane number counts as 0
  vir::Reg value(Slot slot);

  // Values a variable takes anywhere in the nest; bounds of a form that follow from them.
  void widen_range(nest::Var var, std::int64_t min, std::int64_t max);
  void range(const nest::Form& form, std::int64_t* min, std::int64_t* max) const;

  // ---- parallel bodies ----
  void enter_parallel(Emitter* body);
  std::vector<Slot> leave_parallel(Emitter* kernel);  // the captured slots, in order
  bool in_parallel() const { return parallel_; }

 private:
  struct Binding {
    bool bound = false;
    Linear value;
    std::int64_t min = nest::kUnbounded, max = -nest::kUnbounded;
  };
  struct SlotInfo {
    vir::Reg reg = 0, captured = 0;
    bool used = false;
    std::int64_t divisor = 0;  // atoms: floordiv(dividend, divisor)
    Linear dividend;
  };

  const Binding& binding(nest::Var var) const { return bindings_[static_cast<std::size_t>(var)]; }
  Binding& binding(nest::Var var) { return bindings_[static_cast<std::size_t>(var)]; }
  const nest::Variable& variable(nest::Var var) const {
    return nest_.variables[static_cast<std::size_t>(var)];
  }
  Linear divide(const Linear& dividend, std::int64_t divisor);
  Slot atom_slot(const Linear& dividend, std::int64_t divisor);
  bool is_known(nest::Var var, nest::Var inner) const;

  const nest::Nest& nest_;
  Emitter* emitter_ = nullptr;
  std::vector<Binding> bindings_;
  std::vector<SlotInfo> slots_;  // numbers are not used again
  std::vector<Slot> atoms_;      // those in scope
  std::size_t kernel_slots_ = 0;  // slots below are the kernel's, seen from a parallel body
  bool parallel_ = false;
  std::vector<Slot> captures_;
};

}  // namespace loopnest
