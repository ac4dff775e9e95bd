#include "nest/form.hpp"

#include <numeric>

namespace loopnest::nest {

std::int64_t Form::coef(Var var) const {
  for (const Term& t : terms)
    if (t.var == var) return t.coef;
  return 0;
}

Form constant_form(std::int64_t value) { return {{}, value}; }
Form variable_form(Var var) { return {{{var, 1}}, 0}; }

Form add(const Form& a, const Form& b, std::int64_t scale) {
  Form sum;
  sum.constant = a.constant + scale * b.constant;
  const Term* x = a.terms.begin();
  const Term* y = b.terms.begin();
  auto put = [&](Var var, std::int64_t coef) {
    if (coef != 0) sum.terms.push_back({var, coef});
  };
  while (x != a.terms.end() && y != b.terms.end()) {
    if (x->var < y->var) {
      put(x->var, x->coef), ++x;
    } else if (y->var < x->var) {
      put(y->var, scale * y->coef), ++y;
    } else {
      put(x->var, x->coef + scale * y->coef), ++x, ++y;
    }
  }
  for (; x != a.terms.end(); ++x) put(x->var, x->coef);
  for (; y != b.terms.end(); ++y) put(y->var, scale * y->coef);
  return sum;
}

Form subtract(const Form& a, const Form& b) { return add(a, b, -1); }
Form scaled(const Form& a, std::int64_t factor) { return add({}, a, factor); }

Form shifted(Form a, std::int64_t offset) {
  a.constant += offset;
  return a;
}

Form substitute(const Form& a, Var var, const Form& value) {
  Form rest;
  rest.constant = a.constant;
  std::int64_t coef = 0;
  for (const Term& t : a.terms) {
    if (t.var == var) coef = t.coef;
    else rest.terms.push_back(t);
  }
  return coef == 0 ? rest : add(rest, value, coef);
}

std::int64_t floor_div(std::int64_t a, std::int64_t divisor) {
  return a / divisor - (a % divisor < 0);
}

std::int64_t floor_mod(std::int64_t a, std::int64_t divisor) {
  std::int64_t rest = a % divisor;
  return rest < 0 ? rest + divisor : rest;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t divisor) {
  return a / divisor + (a % divisor > 0);
}

std::int64_t content(const Form& a) {
  std::int64_t g = 0;
  for (const Term& t : a.terms) g = std::gcd(g, t.coef);
  return g;
}

}  // namespace loopnest::nest
