// The terms of a linear form: a vector whose first few elements live inside, because forms are made
// and dropped by the thousand in one compilation and seldom have more than six terms.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace loopnest::nest {

using Var = std::int32_t;  // a loop variable or an atom; indexes Nest::variables

struct Term {
  Var var = 0;
  std::int64_t coef = 0;
  friend bool operator==(const Term&, const Term&) = default;
};

class Terms {
 public:
  Terms() = default;
  Terms(std::initializer_list<Term> terms) {
    for (const Term& t : terms) push_back(t);
  }
  Terms(const Terms& other) { assign(other); }
  Terms(Terms&& other) noexcept { take(other); }
  Terms& operator=(const Terms& other) {
    if (this != &other) assign(other);
    return *this;
  }
  Terms& operator=(Terms&& other) noexcept {
    if (this != &other) take(other);
    return *this;
  }

  const Term* begin() const { return many_.empty() ? few_ : many_.data(); }
  const Term* end() const { return begin() + size_; }
  Term* begin() { return many_.empty() ? few_ : many_.data(); }
  Term* end() { return begin() + size_; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  void push_back(Term t) {
    if (size_ == kInside) many_.assign(few_, few_ + kInside);
    if (size_ >= kInside) many_.push_back(t);
    else few_[size_] = t;
    ++size_;
  }

  friend bool operator==(const Terms& a, const Terms& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
  }

 private:
  static constexpr std::uint32_t kInside = 6;

  void assign(const Terms& other) {
    size_ = other.size_;
    many_ = other.many_;
    if (many_.empty()) std::copy_n(other.few_, size_, few_);
  }
  void take(Terms& other) {
    size_ = other.size_;
    many_ = std::move(other.many_);
    if (many_.empty()) std::copy_n(other.few_, size_, few_);
    other.size_ = 0;
    other.many_.clear();
  }

  Term few_[kInside];
  std::vector<Term> many_;  // all terms once there are more than kInside
  std::uint32_t size_ = 0;
};

}  // namespace loopnest::nest
