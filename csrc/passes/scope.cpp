#include "passes/scope.hpp"

#include <algorithm>
#include <stdexcept>

namespace loopnest {

using namespace nest;
using VOp = vir::Op;
using vir::Reg;

void Scope::bind(Var var, const Linear& value) {
  binding(var).bound = true;
  binding(var).value = value;
}

void Scope::widen_range(Var var, std::int64_t min, std::int64_t max) {
  binding(var).min = std::min(binding(var).min, min);
  binding(var).max = std::max(binding(var).max, max);
}

Slot Scope::add_slot(Reg reg) {
  SlotInfo slot;
  slot.reg = reg;
  slots_.push_back(slot);
  return static_cast<Slot>(slots_.size() - 1);
}

Linear Scope::resolve(const Form& form) {
  Linear sum(form.constant);
  for (const Term& t : form.terms) {
    const Variable& v = variable(t.var);
    if (v.is_atom()) {
      sum.add(divide(resolve(v.dividend), v.divisor), t.coef);
    } else {
      if (!is_bound(t.var)) throw std::logic_error("a form uses a variable out of scope");
      sum.add(binding(t.var).value, t.coef);
    }
  }
  return sum;
}

bool Scope::is_known(Var var, Var inner) const {
  const Variable& v = variable(var);
  if (!v.is_atom()) return is_bound(var);
  return std::all_of(v.dividend.terms.begin(), v.dividend.terms.end(), [&](const Term& t) {
    return t.var != inner && is_known(t.var, inner);
  });
}

Linear Scope::resolve_known(const Form& form, Var inner) {
  Form known;
  known.constant = form.constant;
  for (const Term& t : form.terms)
    if (is_known(t.var, inner)) known.terms.push_back(t);
  return resolve(known);
}

// Terms that divide exactly leave the division; what stays is a slot of its own.
Linear Scope::divide(const Linear& dividend, std::int64_t divisor) {
  if (dividend.lane != 0) throw std::logic_error("a floor division of the lane number");
  Linear whole(floor_div(dividend.constant, divisor));
  Linear rest(floor_mod(dividend.constant, divisor));
  for (const SlotTerm& t : dividend.terms()) {
    if (t.coef % divisor == 0) whole.add_term({t.slot, t.coef / divisor});
    else rest.add_term(t);
  }
  if (!rest.is_constant()) whole.add_term({atom_slot(rest, divisor), 1});
  return whole;
}

Slot Scope::atom_slot(const Linear& dividend, std::int64_t divisor) {
  for (Slot s : atoms_) {
    const SlotInfo& known = slots_[static_cast<std::size_t>(s)];
    if (known.divisor == divisor && known.dividend == dividend) return s;
  }
  Reg numerator = value(dividend);
  Slot slot = add_slot(emitter_->general(VOp::g_floordiv, numerator, divisor));
  slots_.back().divisor = divisor;
  slots_.back().dividend = dividend;
  atoms_.push_back(slot);
  return slot;
}

Reg Scope::value(Slot slot) {
  SlotInfo& s = slots_[static_cast<std::size_t>(slot)];
  s.used = true;
  if (static_cast<std::size_t>(slot) >= kernel_slots_) return s.reg;
  if (s.captured == 0) {
    s.captured = emitter_->prologue(VOp::g_capture, static_cast<std::int64_t>(captures_.size()));
    captures_.push_back(slot);
  }
  return s.captured;
}

Reg Scope::value(const Linear& linear) {
  if (linear.is_uniform_constant()) return emitter_->general_const(linear.constant);
  Reg sum = 0;
  for (const SlotTerm& t : linear.terms()) {
    Reg product = value(t.slot);
    if (t.coef != 1) product = emitter_->general(VOp::g_mul, product, t.coef);
    sum = sum == 0 ? product : emitter_->value({.op = VOp::g_add, .a = sum, .b = product}, kGeneral);
  }
  return linear.constant == 0 ? sum : emitter_->general(VOp::g_add, sum, linear.constant);
}

void Scope::range(const Form& form, std::int64_t* min, std::int64_t* max) const {
  __int128 low = form.constant, high = form.constant;
  for (const Term& t : form.terms) {
    const Variable& v = variable(t.var);
    std::int64_t least = binding(t.var).min, most = binding(t.var).max;
    if (v.is_atom()) {
      range(v.dividend, &least, &most);
      least = floor_div(least, v.divisor), most = floor_div(most, v.divisor);
    }
    low += static_cast<__int128>(t.coef) * (t.coef > 0 ? least : most);
    high += static_cast<__int128>(t.coef) * (t.coef > 0 ? most : least);
  }
  auto clamp = [](__int128 x) {
    return static_cast<std::int64_t>(std::clamp<__int128>(x, -kUnbounded, kUnbounded));
  };
  *min = clamp(low), *max = clamp(high);
}

void Scope::enter_parallel(Emitter* body) {
  kernel_slots_ = slots_.size();
  parallel_ = true;
  emitter_ = body;
}

std::vector<Slot> Scope::leave_parallel(Emitter* kernel) {
  for (Slot s : captures_) slots_[static_cast<std::size_t>(s)].captured = 0;
  kernel_slots_ = 0;
  parallel_ = false;
  emitter_ = kernel;
  return std::move(captures_);
}

}  // namespace loopnest
