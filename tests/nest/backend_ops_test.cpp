// Every vector operator on every element type and lane count against scalar C++, with operands in
// registers, folded into memory operands, and written over. Arrays end at inaccessible pages, so an
// access beyond a value's lanes faults.
#include <cmath>
#include <limits>
#include <type_traits>

#include "backend_support.hpp"

namespace backend_test {
namespace {

// Emulated instructions are slow.
int trials(const Target& t) { return is_emulated(t) ? 3 : 24; }

template <class T>
T wrap(VOp op, T a, T b) {
  using U = std::make_unsigned_t<T>;
  const U x = static_cast<U>(a), y = static_cast<U>(b);
  return static_cast<T>(op == VOp::add ? x + y : op == VOp::sub ? x - y : x * y);
}

template <class T>
T scalar_min_max(VOp op, T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a || b != b) return std::numeric_limits<T>::quiet_NaN();
  }
  const bool want_min = op == VOp::min || op == VOp::min_fast || op == VOp::reduce_min;
  return want_min ? (b < a ? b : a) : (a < b ? b : a);
}

template <class T>
T bits_op(VOp op, T a, T b, int imm) {
  using U = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  const U x = std::bit_cast<U>(a), y = std::bit_cast<U>(b);
  const bool out = imm >= static_cast<int>(8 * sizeof(T));
  switch (op) {
    case VOp::bit_and: return std::bit_cast<T>(x & y);
    case VOp::bit_or: return std::bit_cast<T>(x | y);
    case VOp::bit_xor: return std::bit_cast<T>(x ^ y);
    case VOp::shift_left: return std::bit_cast<T>(out ? U{0} : static_cast<U>(x << imm));
    default: return std::bit_cast<T>(out ? U{0} : static_cast<U>(x >> imm));
  }
}

template <class T>
T scalar_float(VOp op, T a, T b, T c) {
  switch (op) {
    case VOp::add: return a + b;
    case VOp::sub: return a - b;
    case VOp::mul: return a * b;
    case VOp::div: return a / b;
    case VOp::fma: return std::fma(a, b, c);
    case VOp::fnma: return std::fma(-a, b, c);
    case VOp::neg: return -a;
    case VOp::abs: return std::fabs(a);
    case VOp::sqrt: return std::sqrt(a);
    case VOp::floor: return std::floor(a);
    default: return std::nearbyint(a);
  }
}

template <class T>
T scalar_integer(VOp op, T a, T b, T c) {
  switch (op) {
    case VOp::fma: return wrap(VOp::add, wrap(VOp::mul, a, b), c);
    case VOp::fnma: return wrap(VOp::sub, c, wrap(VOp::mul, a, b));
    case VOp::neg: return wrap(VOp::sub, T{0}, a);
    case VOp::abs: return a < 0 ? wrap(VOp::sub, T{0}, a) : a;
    default: return wrap(op, a, b);
  }
}

template <class T>
T reference(VOp op, T a, T b, T c, int imm) {
  if (op == VOp::min || op == VOp::max || op == VOp::min_fast || op == VOp::max_fast) {
    return scalar_min_max(op, a, b);
  }
  if (op >= VOp::bit_and && op <= VOp::shift_right) return bits_op(op, a, b, imm);
  if constexpr (std::is_floating_point_v<T>) return scalar_float(op, a, b, c);
  else return scalar_integer(op, a, b, c);
}

// Where the result goes and how operands arrive.
enum class Mode { folded, registers, over_a, over_b, over_c, splat_b, last };
const char* mode_names[] = {"folded", "registers", "over_a", "over_b", "over_c", "splat_b"};

struct Shape {
  VOp op;
  int arity;
  bool floats, integers;
  int imm = 0;
};

const Shape shapes[] = {
    {VOp::add, 2, true, true},         {VOp::sub, 2, true, true},
    {VOp::mul, 2, true, true},         {VOp::div, 2, true, false},
    {VOp::min, 2, true, true},         {VOp::max, 2, true, true},
    {VOp::min_fast, 2, true, true},    {VOp::max_fast, 2, true, true},
    {VOp::fma, 3, true, true},         {VOp::fnma, 3, true, true},
    {VOp::neg, 1, true, true},         {VOp::abs, 1, true, true},
    {VOp::sqrt, 1, true, false},       {VOp::floor, 1, true, false},
    {VOp::round_even, 1, true, false}, {VOp::bit_and, 2, true, true},
    {VOp::bit_or, 2, true, true},      {VOp::bit_xor, 2, true, true},
    {VOp::shift_left, 1, false, true, 5},   {VOp::shift_left, 1, false, true, 31},
    {VOp::shift_right, 1, false, true, 3},  {VOp::shift_right, 1, false, true, 40},
    {VOp::move, 1, true, true},
};

// arguments: 0 result, 1..3 operands, 4 copies of the operands (keeps them in registers)
vir::Module lanewise_module(const Shape& s, Elem e, int lanes, Mode mode) {
  Builder b;
  const vir::Type t = vec(e, lanes);
  Reg pointers[5];
  for (int k = 0; k < 5; ++k) pointers[k] = b.argument(k);
  Reg x[3] = {};
  for (int k = 0; k < s.arity; ++k) {
    const bool splat = mode == Mode::splat_b && k == 1;
    x[k] = b.load(t, {.base = pointers[k + 1]}, 0, splat ? VOp::load_splat : VOp::load);
  }
  Reg dst = 0;
  if (mode == Mode::over_a) dst = x[0];
  if (mode == Mode::over_b) dst = x[1];
  if (mode == Mode::over_c) dst = x[2];
  const Reg r = b.op(s.op, t, x[0], x[1], x[2], s.imm, dst);
  b.store({.base = pointers[0]}, r);
  if (mode == Mode::registers) {
    for (int k = 0; k < s.arity; ++k) {
      b.store({.base = pointers[4], .disp = k * lanes * size_of(e)}, x[k]);
    }
  }
  return b.module();
}

template <class T>
void run_lanewise(const Target& t, const Shape& s, int lanes, Mode mode, const Code& code,
                  const std::string& what) {
  const Executable exe(code, t);
  const std::size_t bytes = lanes * sizeof(T);
  Guarded out(bytes), a(bytes), b(bytes), c(bytes), copies(3 * bytes);
  Random random;
  for (int trial = 0; trial < trials(t); ++trial) {
    for (int l = 0; l < lanes; ++l) {
      a.as<T>()[l] = random_value<T>(random);
      b.as<T>()[l] = random_value<T>(random);
      c.as<T>()[l] = random_value<T>(random);
    }
    std::memset(out.data(), 0x5a, bytes);
    exe.run({out.data(), a.data(), b.data(), c.data(), copies.data()});
    for (int l = 0; l < lanes; ++l) {
      const T x = a.as<T>()[l], y = b.as<T>()[mode == Mode::splat_b ? 0 : l], z = c.as<T>()[l];
      const bool fast = s.op == VOp::min_fast || s.op == VOp::max_fast;
      if (fast && x != x && y == y) continue;  // only a NaN in b must come through
      const T want = s.op == VOp::move ? x : reference(s.op, x, y, z, s.imm);
      const T got = out.as<T>()[l];
      check(same_value(want, got), what + " lane " + std::to_string(l) + ": want " +
                                       std::to_string(want) + " got " + std::to_string(got) +
                                       " of " + std::to_string(x) + ", " + std::to_string(y));
    }
  }
}

template <class T>
void test_lanewise(const Target& t) {
  for (const Shape& s : shapes) {
    if (!(std::is_floating_point_v<T> ? s.floats : s.integers)) continue;
    for (int lanes = 1; lanes * static_cast<int>(sizeof(T)) <= t.vector_bytes(); lanes *= 2) {
      for (int m = 0; m < static_cast<int>(Mode::last); ++m) {
        const Mode mode = static_cast<Mode>(m);
        if ((mode == Mode::over_b || mode == Mode::splat_b) && s.arity < 2) continue;
        if (mode == Mode::over_c && s.arity < 3) continue;
        const auto module = lanewise_module(s, elem_of<T>(), lanes, mode);
        const std::string what = std::string(name_of(t.isa)) + " op " +
                                 std::to_string(static_cast<int>(s.op)) + " " +
                                 elem_name(elem_of<T>()) + "x" + std::to_string(lanes) + " " +
                                 mode_names[m];
        const Code code = generate_checked(module, t, what);
        if (host_runs(t) && !code.bytes.empty()) run_lanewise<T>(t, s, lanes, mode, code, what);
      }
    }
  }
}

// ---- convert ----

template <class From, class To>
void test_convert(const Target& t) {
  const int widest = std::max(sizeof(From), sizeof(To));
  for (int lanes = 1; lanes * widest <= t.vector_bytes(); lanes *= 2) {
    Builder b;
    const Reg out = b.argument(0), in = b.argument(1);
    const Reg v = b.load(vec(elem_of<From>(), lanes), {.base = in});
    b.store({.base = out}, b.op(VOp::convert, vec(elem_of<To>(), lanes), v));
    const std::string what = std::string(name_of(t.isa)) + " convert " + elem_name(elem_of<From>()) +
                             " to " + elem_name(elem_of<To>()) + " x" + std::to_string(lanes);
    const Code code = generate_checked(b.module(), t, what);
    if (!host_runs(t) || code.bytes.empty()) continue;
    const Executable exe(code, t);
    Guarded to(lanes * sizeof(To)), from(lanes * sizeof(From));
    Random random;
    for (int trial = 0; trial < trials(t); ++trial) {
      for (int l = 0; l < lanes; ++l) {
        From x = random_value<From>(random);
        if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
          const From limit = -static_cast<From>(std::numeric_limits<To>::min());
          if (!(x > -limit && x < limit)) x = From(-7.75);
        }
        from.as<From>()[l] = x;
      }
      exe.run({to.data(), from.data()});
      for (int l = 0; l < lanes; ++l) {
        const From x = from.as<From>()[l];
        check(same_value(static_cast<To>(x), to.as<To>()[l]),
              what + ": " + std::to_string(x) + " gave " + std::to_string(to.as<To>()[l]));
      }
    }
  }
}

template <class From>
void test_converts(const Target& t) {
  test_convert<From, std::int32_t>(t);
  test_convert<From, std::int64_t>(t);
  test_convert<From, float>(t);
  test_convert<From, double>(t);
}

// ---- reductions ----

template <class T>
T fold_halves(VOp op, std::vector<T> v) {
  while (v.size() > 1) {
    const std::size_t half = v.size() / 2;
    for (std::size_t l = 0; l < half; ++l) {
      const T x = v[l], y = v[l + half];
      if (op == VOp::reduce_add) v[l] = reference(VOp::add, x, y, T{}, 0);
      else if (op == VOp::reduce_mul) v[l] = reference(VOp::mul, x, y, T{}, 0);
      else v[l] = scalar_min_max(op, x, y);
    }
    v.resize(half);
  }
  return v[0];
}

template <class T>
void test_reduce(const Target& t) {
  for (const VOp op : {VOp::reduce_add, VOp::reduce_mul, VOp::reduce_min, VOp::reduce_max}) {
    for (int lanes = 1; lanes * static_cast<int>(sizeof(T)) <= t.vector_bytes(); lanes *= 2) {
      Builder b;
      const Reg out = b.argument(0), in = b.argument(1);
      const Reg v = b.load(vec(elem_of<T>(), lanes), {.base = in});
      b.store({.base = out}, b.op(op, vec(elem_of<T>(), 1), v));
      const std::string what = std::string(name_of(t.isa)) + " reduce " +
                               std::to_string(static_cast<int>(op)) + " " + elem_name(elem_of<T>()) +
                               "x" + std::to_string(lanes);
      const Code code = generate_checked(b.module(), t, what);
      if (!host_runs(t) || code.bytes.empty()) continue;
      const Executable exe(code, t);
      Guarded to(sizeof(T)), from(lanes * sizeof(T));
      Random random;
      for (int trial = 0; trial < trials(t); ++trial) {
        for (int l = 0; l < lanes; ++l) from.as<T>()[l] = random_value<T>(random);
        exe.run({to.data(), from.data()});
        const T want = fold_halves(op, std::vector<T>(from.as<T>(), from.as<T>() + lanes));
        check(same_value(want, *to.as<T>()), what + ": want " + std::to_string(want) + " got " +
                                                 std::to_string(*to.as<T>()));
      }
    }
  }
}

// ---- splat, broadcast, iota, constant, bitcast ----

template <class T>
void test_makers(const Target& t) {
  for (int lanes = 1; lanes * static_cast<int>(sizeof(T)) <= t.vector_bytes(); lanes *= 2) {
    const vir::Type type = vec(elem_of<T>(), lanes);
    const int bytes = lanes * static_cast<int>(sizeof(T));
    Builder b;
    const Reg out = b.argument(0), in = b.argument(1);
    const T value = special<T>(5);
    std::int64_t bits = 0;
    std::memcpy(&bits, &value, sizeof(T));
    b.store({.base = out}, b.op(VOp::constant, type, 0, 0, 0, bits));
    const Reg one = b.load(vec(elem_of<T>(), 1), {.base = in});
    b.store({.base = out, .disp = bytes}, b.op(VOp::broadcast, type, one));
    if constexpr (std::is_integral_v<T>) {
      b.store({.base = out, .disp = 2 * bytes}, b.op(VOp::splat, type, in));
      b.store({.base = out, .disp = 3 * bytes}, b.op(VOp::iota, type, 0));
    }
    const std::string what = std::string(name_of(t.isa)) + " makers " + elem_name(elem_of<T>()) +
                             "x" + std::to_string(lanes);
    const Code code = generate_checked(b.module(), t, what);
    if (!host_runs(t) || code.bytes.empty()) continue;
    Guarded to(4 * bytes), from(sizeof(T));
    *from.as<T>() = special<T>(2);
    Executable(code, t).run({to.data(), from.data()});
    for (int l = 0; l < lanes; ++l) {
      check(same_value(to.as<T>()[l], value), what + " constant");
      check(same_value(to.as<T>()[lanes + l], *from.as<T>()), what + " broadcast");
      if constexpr (std::is_integral_v<T>) {
        const T pointer = static_cast<T>(reinterpret_cast<std::intptr_t>(from.data()));
        check(to.as<T>()[2 * lanes + l] == pointer, what + " splat");
        check(to.as<T>()[3 * lanes + l] == l, what + " iota");
      }
    }
  }
}

template <class T>
void test_type(const Target& t) {
  test_lanewise<T>(t);
  test_converts<T>(t);
  test_reduce<T>(t);
  test_makers<T>(t);
}

}  // namespace

void test_operators() {
  for (const Target& t : targets) {
    test_type<float>(t);
    test_type<double>(t);
    test_type<std::int32_t>(t);
    test_type<std::int64_t>(t);
  }
}

}  // namespace backend_test
