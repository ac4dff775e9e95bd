#include "passes/fold.hpp"

#include <bit>
#include <cmath>

namespace loopnest {

using namespace nest;

namespace {

template <typename T>
T value_of(std::int64_t bits) {
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<float>(static_cast<std::int32_t>(bits));
  else if constexpr (std::is_same_v<T, double>) return std::bit_cast<double>(bits);
  else return static_cast<T>(bits);
}

template <typename T>
std::int64_t bits_of(T value) {
  if constexpr (std::is_same_v<T, float>) return std::bit_cast<std::int32_t>(value);
  else if constexpr (std::is_same_v<T, double>) return std::bit_cast<std::int64_t>(value);
  else return value;
}

// Calls f with a zero of the element's type.
template <typename F>
auto with_type(Elem e, F f) {
  switch (e) {
    case Elem::i32: return f(std::int32_t{});
    case Elem::i64: return f(std::int64_t{});
    case Elem::f32: return f(float{});
    default: return f(double{});
  }
}

// Integers wrap.
template <typename T>
T arithmetic(Op op, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    auto x = static_cast<std::make_unsigned_t<T>>(a), y = static_cast<std::make_unsigned_t<T>>(b);
    return static_cast<T>(op == Op::add ? x + y : op == Op::sub ? x - y : x * y);
  } else {
    return op == Op::add ? a + b : op == Op::sub ? a - b : a * b;
  }
}

template <typename T>
T extreme(Op op, T a, T b) {
  if (a != a || b != b) return a != a ? a : b;
  return (op == Op::maximum) == (a > b) ? a : b;
}

}  // namespace

bool fold_binary(Op op, Elem elem, std::int64_t a, std::int64_t b, std::int64_t* result) {
  bool sum = op == Op::add || op == Op::sub || op == Op::mul;
  if (!sum && op != Op::maximum && op != Op::minimum) return false;
  *result = with_type(elem, [&](auto zero) {
    using T = decltype(zero);
    T x = value_of<T>(a), y = value_of<T>(b);
    return bits_of<T>(sum ? arithmetic<T>(op, x, y) : extreme<T>(op, x, y));
  });
  return true;
}

bool fold_unary(Op op, Elem elem, std::int64_t a, std::int64_t* result) {
  if (op != Op::neg) return false;
  *result = with_type(elem, [&](auto zero) {
    using T = decltype(zero);
    if constexpr (std::is_integral_v<T>) return bits_of<T>(arithmetic<T>(Op::sub, 0, value_of<T>(a)));
    else return bits_of<T>(-value_of<T>(a));
  });
  return true;
}

bool fold_compare(Op op, Elem elem, std::int64_t a, std::int64_t b) {
  return with_type(elem, [&](auto zero) {
    using T = decltype(zero);
    T x = value_of<T>(a), y = value_of<T>(b);
    switch (op) {
      case Op::eq: return x == y;
      case Op::ne: return x != y;
      case Op::lt: return x < y;
      case Op::le: return x <= y;
      case Op::gt: return x > y;
      default: return x >= y;
    }
  });
}

bool fold_cast(Elem from, Elem to, std::int64_t a, std::int64_t* result) {
  if (vir::is_float(from) && !vir::is_float(to)) return false;  // out of range is the target's
  *result = with_type(from, [&](auto x) {
    return with_type(to, [&](auto y) {
      return bits_of(static_cast<decltype(y)>(value_of<decltype(x)>(a)));
    });
  });
  return true;
}

bool is_nan(Elem elem, std::int64_t bits) {
  if (elem == Elem::f32) return std::isnan(value_of<float>(bits));
  return elem == Elem::f64 && std::isnan(value_of<double>(bits));
}

}  // namespace loopnest
