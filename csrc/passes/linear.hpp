// A form over what is known at run time: constant + lane * (lane number) + sum of coef * slot.
// Slots are run-time integers (loop counters, floor divisions), numbered in the order in which
// they become known, so the terms of an address are sorted from outer to inner.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "loopnest/code.hpp"

namespace loopnest {

using Slot = std::int32_t;

struct SlotTerm {
  Slot slot = 0;
  std::int64_t coef = 0;
  friend bool operator==(const SlotTerm&, const SlotTerm&) = default;
};

class Linear {
 public:
  std::int64_t constant = 0;
  std::int64_t lane = 0;

  Linear() = default;
  Linear(const Linear& other) { *this = other; }
  Linear& operator=(const Linear& other) {  // the terms in use only: these are copied a lot
    constant = other.constant;
    lane = other.lane;
    count_ = other.count_;
    for (std::size_t i = 0; i < count_; ++i) terms_[i] = other.terms_[i];
    return *this;
  }
  explicit Linear(std::int64_t value) : constant(value) {}
  static Linear of(Slot slot) {
    Linear l;
    l.add_term({slot, 1});
    return l;
  }

  std::span<const SlotTerm> terms() const { return {terms_.data(), count_}; }
  bool is_constant() const { return count_ == 0 && lane == 0; }
  bool is_uniform_constant() const { return count_ == 0; }  // but for the lane number

  void add_term(SlotTerm term) {
    std::size_t at = 0;
    while (at < count_ && terms_[at].slot < term.slot) ++at;
    if (at < count_ && terms_[at].slot == term.slot) return merge(at, term.coef);
    if (count_ == terms_.size())
      throw TargetError("a subscript depends on more than 16 run-time values");
    for (std::size_t i = count_++; i > at; --i) terms_[i] = terms_[i - 1];
    terms_[at] = term;
  }
  void add(const Linear& other, std::int64_t scale) {
    constant += scale * other.constant;
    lane += scale * other.lane;
    for (const SlotTerm& t : other.terms())
      if (scale != 0) add_term({t.slot, scale * t.coef});
  }
  void drop_last_term() { --count_; }

  friend bool operator==(const Linear& a, const Linear& b) {
    return a.constant == b.constant && a.lane == b.lane && same_terms(a, b);
  }
  friend bool same_terms(const Linear& a, const Linear& b) {
    if (a.count_ != b.count_) return false;
    for (std::size_t i = 0; i < a.count_; ++i)
      if (a.terms_[i] != b.terms_[i]) return false;
    return true;
  }

 private:
  void merge(std::size_t at, std::int64_t coef) {
    terms_[at].coef += coef;
    if (terms_[at].coef != 0) return;
    for (std::size_t i = at + 1; i < count_; ++i) terms_[i - 1] = terms_[i];
    --count_;
  }

  std::array<SlotTerm, 16> terms_;  // the first count_ are in use
  std::size_t count_ = 0;
};

}  // namespace loopnest
