// Interval analysis of linear forms under the loops and conditions in scope. Bounds are proved by
// replacing variables, innermost first, by their own bounds; the answer is never optimistic.
#pragma once

#include <cstdint>
#include <vector>

#include "nest/nest.hpp"

namespace loopnest {

class Ranges {
 public:
  explicit Ranges(nest::Nest& nest) : nest_(nest) {}

  // The bounds in scope; each must be undone by `leave` with the mark taken before it.
  std::size_t mark() const { return undo_.size(); }
  void enter(const nest::Loop& loop);                 // the loop must outlive its scope
  void assume(const nest::Condition& condition);      // holds here
  void assume_not(const nest::Condition& condition);
  void leave(std::size_t mark);

  // Proved bounds of a form; -kUnbounded or kUnbounded when nothing is known. `enough` stops the
  // search early once the bound is at least as good.
  std::int64_t lower_bound(const nest::Form& form, std::int64_t enough = nest::kUnbounded) const;
  std::int64_t upper_bound(const nest::Form& form) const;
  bool at_least(const nest::Form& form, std::int64_t value) const {
    return lower_bound(form, value) >= value;
  }
  // The form with every variable that has one value here replaced by it.
  nest::Form resolved(const nest::Form& form) const;
  // The one value >= `floor` the form can have, if there is just one (bounds and congruence).
  // `*always` tells that it is never below `floor`.
  bool only_value(const nest::Form& form, std::int64_t floor, std::int64_t* value,
                  bool* always) const;

  // The variable of the form that becomes known last; -1 for a constant.
  nest::Var innermost(const nest::Form& form) const;

 private:
  // lower <= var < upper, each of them: the loop's own and those assumed.
  struct Bounds {
    const nest::Loop* loop = nullptr;
    std::vector<nest::Form> lower, upper;
    std::int64_t min = -nest::kUnbounded, max = nest::kUnbounded;
  };

  Bounds& bounds(nest::Var var) const;
  void add_lower(nest::Var var, nest::Form form);
  void add_upper(nest::Var var, nest::Form form);
  void tighten(nest::Var var);
  void assume_at_least_zero(const nest::Form& form);
  std::int64_t numeric(const nest::Form& form, std::int64_t sign = 1) const;
  std::int64_t extreme(nest::Var var, bool least) const;
  template <typename F>
  static void for_each_bound(const Bounds& b, bool lower, F f);
  std::int64_t search(const nest::Form& form, std::int64_t enough, int& budget) const;
  std::int64_t search_atom(const nest::Form& form, nest::Term term, std::int64_t enough,
                           int& budget) const;

  nest::Nest& nest_;  // assumptions may add atoms
  mutable std::vector<Bounds> bounds_;  // grows with the nest's variables
  std::vector<std::pair<nest::Var, Bounds>> undo_;
};

}  // namespace loopnest
