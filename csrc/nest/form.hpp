// Linear forms over loop variables: constant + sum of coefficient * variable. A floor division
// inside a form is a variable of its own (an atom), so every form stays linear.
#pragma once

#include <cstdint>

#include "nest/terms.hpp"

namespace loopnest::nest {

// Terms are sorted by variable and have nonzero coefficients.
struct Form {
  Terms terms;
  std::int64_t constant = 0;
  friend bool operator==(const Form&, const Form&) = default;

  bool is_constant() const { return terms.empty(); }
  std::int64_t coef(Var var) const;
};

Form constant_form(std::int64_t value);
Form variable_form(Var var);
Form add(const Form& a, const Form& b, std::int64_t scale = 1);  // a + scale * b
Form subtract(const Form& a, const Form& b);
Form scaled(const Form& a, std::int64_t factor);
Form shifted(Form a, std::int64_t offset);
Form substitute(const Form& a, Var var, const Form& value);

// Division that rounds toward minus infinity; divisor > 0.
std::int64_t floor_div(std::int64_t a, std::int64_t divisor);
std::int64_t floor_mod(std::int64_t a, std::int64_t divisor);
std::int64_t ceil_div(std::int64_t a, std::int64_t divisor);

// Greatest common divisor of the coefficients; 0 for a constant form.
std::int64_t content(const Form& a);

}  // namespace loopnest::nest
