#include "passes/ranges.hpp"

#include <algorithm>

namespace loopnest {

using namespace nest;

namespace {

constexpr int kSearchBudget = 48;  // replacements tried for one bound

std::int64_t clamp(__int128 value) {
  if (value >= kUnbounded) return kUnbounded;
  if (value <= -kUnbounded) return -kUnbounded;
  return static_cast<std::int64_t>(value);
}

bool is_bounded(std::int64_t v) { return v > -kUnbounded && v < kUnbounded; }

}  // namespace

Ranges::Bounds& Ranges::bounds(Var var) const {
  if (bounds_.size() < nest_.variables.size()) bounds_.resize(nest_.variables.size());
  return bounds_[static_cast<std::size_t>(var)];
}

void Ranges::enter(const Loop& loop) {
  Bounds& b = bounds(loop.var);
  undo_.emplace_back(loop.var, std::move(b));
  b = Bounds{&loop, {}, {}};
  tighten(loop.var);
}

// Calls f with each lower (or upper) bound until it returns true.
template <typename F>
void Ranges::for_each_bound(const Bounds& b, bool lower, F f) {
  if (b.loop)
    for (const Form& form : lower ? b.loop->lower : b.loop->upper)
      if (f(form)) return;
  for (const Form& form : lower ? b.lower : b.upper)
    if (f(form)) return;
}

void Ranges::tighten(Var var) {
  Bounds& b = bounds(var);
  std::int64_t min = -kUnbounded, max = kUnbounded;
  for_each_bound(b, true, [&](const Form& f) { return min = std::max(min, lower_bound(f)), false; });
  for_each_bound(b, false, [&](const Form& f) { return max = std::min(max, upper_bound(f) - 1), false; });
  b.min = min;
  b.max = max;
}

void Ranges::add_lower(Var var, Form form) {
  Bounds& b = bounds(var);
  undo_.emplace_back(var, b);
  b.lower.push_back(std::move(form));
  tighten(var);
}

void Ranges::add_upper(Var var, Form form) {
  Bounds& b = bounds(var);
  undo_.emplace_back(var, b);
  b.upper.push_back(std::move(form));
  tighten(var);
}

void Ranges::leave(std::size_t mark) {
  while (undo_.size() > mark) {
    bounds(undo_.back().first) = std::move(undo_.back().second);
    undo_.pop_back();
  }
}

// coef * x + rest >= 0 bounds x by a floor division of rest; atoms cannot be bounded this way.
void Ranges::assume_at_least_zero(const Form& form) {
  Var x = innermost(form);
  if (x < 0 || nest_.variables[static_cast<std::size_t>(x)].is_atom()) return;
  std::int64_t coef = form.coef(x);
  Form rest = substitute(form, x, {});
  if (coef > 0) add_lower(x, scaled(floordiv(nest_, rest, coef), -1));
  else add_upper(x, shifted(floordiv(nest_, rest, -coef), 1));
}

void Ranges::assume(const Condition& c) {
  assume_at_least_zero(c.form);
  if (c.equality) assume_at_least_zero(scaled(c.form, -1));
}

void Ranges::assume_not(const Condition& c) {
  if (!c.equality) assume_at_least_zero(shifted(scaled(c.form, -1), -1));
}

Var Ranges::innermost(const Form& form) const {
  Var last = -1;
  std::int32_t rank = -1;
  for (const Term& t : form.terms) {
    const Variable& v = nest_.variables[static_cast<std::size_t>(t.var)];
    if (v.rank > rank) rank = v.rank, last = t.var;
  }
  return last;
}

// Least (or greatest) value of a variable from the numbers alone.
std::int64_t Ranges::extreme(Var var, bool least) const {
  const Variable& v = nest_.variables[static_cast<std::size_t>(var)];
  if (!v.is_atom()) return least ? bounds(var).min : bounds(var).max;
  std::int64_t inner = least ? numeric(v.dividend) : -numeric(v.dividend, -1);
  return is_bounded(inner) ? floor_div(inner, v.divisor) : inner;
}

// A lower bound of sign * form from the ranges of its variables.
std::int64_t Ranges::numeric(const Form& form, std::int64_t sign) const {
  __int128 sum = form.constant;
  for (const Term& t : form.terms) {
    std::int64_t value = extreme(t.var, t.coef * sign > 0);
    if (!is_bounded(value)) return -kUnbounded;
    sum += static_cast<__int128>(t.coef) * value;
  }
  return clamp(sum * sign);
}

std::int64_t Ranges::lower_bound(const Form& form, std::int64_t enough) const {
  int budget = kSearchBudget;
  return search(form, enough, budget);
}

std::int64_t Ranges::upper_bound(const Form& form) const {
  return form.is_constant() ? form.constant : -lower_bound(scaled(form, -1));
}

std::int64_t Ranges::search(const Form& form, std::int64_t enough, int& budget) const {
  std::int64_t best = numeric(form);
  if (best >= enough || form.terms.empty() || --budget < 0) return best;
  Term term{innermost(form), 0};
  term.coef = form.coef(term.var);
  if (nest_.variables[static_cast<std::size_t>(term.var)].is_atom())
    return std::max(best, search_atom(form, term, enough, budget));
  std::int64_t shift = term.coef > 0 ? 0 : -term.coef;
  for_each_bound(bounds(term.var), term.coef > 0, [&](const Form& bound) {
    Form replaced = substitute(form, term.var, bound);
    replaced.constant += shift;
    best = std::max(best, search(replaced, enough, budget));
    return best >= enough;
  });
  return best;
}

// An atom q = floor(g / d) satisfies g - (d - 1) <= d * q <= g.
std::int64_t Ranges::search_atom(const Form& form, Term term, std::int64_t enough,
                                 int& budget) const {
  const Variable& atom = nest_.variables[static_cast<std::size_t>(term.var)];
  std::int64_t factor = term.coef % atom.divisor == 0 ? 1 : atom.divisor;
  Form whole = scaled(form, factor);
  Form rest = substitute(whole, term.var, {});
  Form value = term.coef > 0 ? shifted(atom.dividend, 1 - atom.divisor) : atom.dividend;
  Form replaced = add(rest, value, whole.coef(term.var) / atom.divisor);
  std::int64_t wanted = is_bounded(enough) ? clamp(static_cast<__int128>(enough) * factor) : enough;
  std::int64_t found = search(replaced, wanted, budget);
  return is_bounded(found) ? ceil_div(found, factor) : found;
}

Form Ranges::resolved(const Form& form) const {
  Form known = form;
  for (const Term& t : form.terms) {
    std::int64_t least = extreme(t.var, true);
    if (is_bounded(least) && least == extreme(t.var, false))
      known = substitute(known, t.var, constant_form(least));
  }
  return known;
}

bool Ranges::only_value(const Form& given, std::int64_t floor, std::int64_t* value,
                        bool* always) const {
  Form form = resolved(given);
  std::int64_t least = lower_bound(form), most = upper_bound(form);
  if (!is_bounded(most)) return false;
  *always = least >= floor;
  std::int64_t step = content(form);
  std::int64_t start = std::max(least, floor);
  *value = step == 0 ? form.constant : start + floor_mod(form.constant - start, step);
  return step == 0 || (*value <= most && *value + step > most);
}

}  // namespace loopnest
