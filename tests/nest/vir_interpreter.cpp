#include "vir_interpreter.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>

namespace nest_test {

using namespace loopnest;
using namespace loopnest::vir;

namespace {

constexpr int kMostLanes = 16;

// One register of any class; lanes hold bit patterns, 32-bit ones in the low half.
struct Value {
  std::int64_t general = static_cast<std::int64_t>(0xa5a5a5a5a5a5a5a5ull);
  std::array<std::uint64_t, kMostLanes> lane;
  Value() { lane.fill(0x7fa5a5a57fa5a5a5ull); }
};

template <typename T>
T as(std::uint64_t bits) {
  if constexpr (sizeof(T) == 4) return std::bit_cast<T>(static_cast<std::uint32_t>(bits));
  else return std::bit_cast<T>(bits);
}
template <typename T>
std::uint64_t bits(T value) {
  if constexpr (sizeof(T) == 4) return std::bit_cast<std::uint32_t>(value);
  else return std::bit_cast<std::uint64_t>(value);
}

template <typename F>
auto typed(Elem e, F f) {
  switch (e) {
    case Elem::i32: return f(std::int32_t{});
    case Elem::i64: return f(std::int64_t{});
    case Elem::f32: return f(float{});
    default: return f(double{});
  }
}

template <typename T>
T minimum(T a, T b, bool want_max) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a)) return a;
    if (std::isnan(b)) return b;
  }
  return (a < b) == want_max ? b : a;
}

template <typename T>
T wrapping(Op op, T a, T b) {
  if constexpr (std::is_integral_v<T>) {
    auto x = static_cast<std::make_unsigned_t<T>>(a), y = static_cast<std::make_unsigned_t<T>>(b);
    return static_cast<T>(op == Op::add ? x + y : op == Op::sub ? x - y : x * y);
  } else {
    return op == Op::add ? a + b : op == Op::sub ? a - b : a * b;
  }
}

template <typename T>
T binary(Op op, T a, T b) {
  switch (op) {
    case Op::add: case Op::sub: case Op::mul: case Op::reduce_add: case Op::reduce_mul:
      return wrapping<T>(op == Op::reduce_add ? Op::add : op == Op::reduce_mul ? Op::mul : op, a, b);
    case Op::min: case Op::reduce_min: return minimum(a, b, false);
    case Op::max: case Op::reduce_max: return minimum(a, b, true);
    // as x86: b when either is NaN
    case Op::min_fast: return a < b ? a : b;
    case Op::max_fast: return a > b ? a : b;
    case Op::div:
      if constexpr (std::is_floating_point_v<T>) return a / b;
      [[fallthrough]];
    default: throw std::logic_error("not a binary operator of this type");
  }
}

template <typename T>
T unary(Op op, T a, std::int64_t imm) {
  using U = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  if constexpr (std::is_floating_point_v<T>) {
    switch (op) {
      case Op::neg: return -a;
      case Op::abs: return std::fabs(a);
      case Op::sqrt: return std::sqrt(a);
      case Op::floor: return std::floor(a);
      case Op::round_even: return std::nearbyint(a);
      default: throw std::logic_error("not a unary operator of floats");
    }
  } else {
    U x = static_cast<U>(a);
    switch (op) {
      case Op::neg: return static_cast<T>(0 - x);
      case Op::abs: return a < 0 ? static_cast<T>(0 - x) : a;
      case Op::shift_left: return static_cast<T>(x << imm);
      case Op::shift_right: return static_cast<T>(x >> imm);
      default: throw std::logic_error("not a unary operator of integers");
    }
  }
}

template <typename To, typename From>
To convert(From v) {
  if constexpr (std::is_integral_v<To> && std::is_floating_point_v<From>) {
    // out of range gives the least integer, as on x86
    auto high = -static_cast<From>(std::numeric_limits<To>::min());
    return v >= -high && v < high ? static_cast<To>(v) : std::numeric_limits<To>::min();
  } else {
    return static_cast<To>(v);
  }
}

template <typename T>
bool holds(Cond c, T a, T b) {
  switch (c) {
    case Cond::lt: return a < b;
    case Cond::le: return a <= b;
    case Cond::gt: return a > b;
    case Cond::ge: return a >= b;
    case Cond::eq: return a == b;
    default: return a != b;
  }
}

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0); }

struct Slice {
  const std::int64_t* captures = nullptr;
  std::int64_t begin = 0, end = 0, thread = 0;
};

class Machine {
 public:
  Machine(const Module& m, const Function& f, const loopnest_frame& frame, const Regions& regions,
          Slice slice)
      : module_(m), f_(f), frame_(frame), regions_(regions), slice_(slice), r_(f.types.size()) {
    for (std::size_t k = 0; k < f.code.size(); ++k)
      if (f.code[k].op == Op::bind || f.code[k].op == Op::loop_begin) target_[f.code[k].label] = k;
  }

  void run() {
    for (pc_ = 0; f_.code[pc_].op != Op::ret; ++pc_) step(f_.code[pc_]);
  }

 private:
  void step(const Inst& i) {
    if (i.op <= Op::g_end) return general(i);
    if (i.op <= Op::parallel) return control(i);
    if (i.op <= Op::prefetch) return memory(i);
    if (i.op >= Op::compare && i.op <= Op::mask_not) return mask(i);
    if (i.op >= Op::reduce_add) return reduce(i);
    if (i.op == Op::bitcast) return bitcast(i);
    Value out;
    for (int l = 0; l < lanes(i.dst); ++l) out.lane[l] = lane(i, l);
    r_[i.dst] = out;
  }

  // ---- general ----

  std::int64_t b_or_imm(const Inst& i) const { return i.b ? r_[i.b].general : i.imm; }

  void general(const Inst& i) {
    std::int64_t a = i.a ? r_[i.a].general : 0, b = b_or_imm(i);
    auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
    r_[i.dst].general = [&]() -> std::int64_t {
      switch (i.op) {
        case Op::g_const: return i.imm;
        case Op::g_move: return a;
        case Op::g_add: return static_cast<std::int64_t>(ua + ub);
        case Op::g_sub: return static_cast<std::int64_t>(ua - ub);
        case Op::g_mul: return static_cast<std::int64_t>(ua * ub);
        case Op::g_min: return std::min(a, b);
        case Op::g_max: return std::max(a, b);
        case Op::g_floordiv: return floor_quotient(a, i.imm);
        case Op::g_argument: return reinterpret_cast<std::int64_t>(frame_.arguments[i.imm]);
        case Op::g_workspace: return reinterpret_cast<std::int64_t>(frame_.workspace) + i.imm;
        case Op::g_private:
          return reinterpret_cast<std::int64_t>(frame_.private_workspace) +
                 slice_.thread * frame_.private_stride + i.imm;
        case Op::g_capture: return slice_.captures[i.imm];
        case Op::g_begin: return slice_.begin;
        case Op::g_end: return slice_.end;
        default: throw std::logic_error("unknown general operator");
      }
    }();
  }

  // ---- control ----

  void control(const Inst& i) {
    switch (i.op) {
      case Op::jump: pc_ = target_.at(i.label); return;
      case Op::branch_if:
        if (holds(i.cond, r_[i.a].general, b_or_imm(i))) pc_ = target_.at(i.label);
        return;
      case Op::capture:
        captures_.resize(std::max<std::size_t>(captures_.size(), static_cast<std::size_t>(i.imm) + 1));
        captures_[static_cast<std::size_t>(i.imm)] = r_[i.a].general;
        return;
      case Op::parallel: return parallel(i);
      default: return;
    }
  }

  void parallel(const Inst& i) {
    std::int64_t begin = r_[i.a].general, count = r_[i.b].general - begin;
    std::int64_t threads = std::min(frame_.threads, count);
    for (std::int64_t t = 0; t < threads; ++t) {
      Slice slice{captures_.data(), begin + count * t / threads, begin + count * (t + 1) / threads, t};
      Machine(module_, module_.functions[static_cast<std::size_t>(i.imm)], frame_, regions_, slice).run();
    }
    captures_.clear();
  }

  // ---- memory ----

  bool active(const Inst& i, int l) const { return i.mask == 0 || (r_[i.mask].lane[l] & 1); }

  std::uintptr_t address(const Inst& i, int l, Elem e) const {
    std::int64_t at = r_[i.addr.base].general + i.addr.disp;
    if (i.addr.index) at += r_[i.addr.index].general * i.addr.scale;
    std::int64_t step = i.op == Op::load_splat ? 0
                        : i.op == Op::load_strided || i.op == Op::store_strided ? i.imm : size_of(e);
    auto where = static_cast<std::uintptr_t>(at + l * step);
    regions_.check(where, static_cast<std::size_t>(size_of(e)));
    return where;
  }

  void memory(const Inst& i) {
    if (i.op == Op::prefetch) return;
    bool loads = i.dst != 0;
    Elem e = f_.types[loads ? i.dst : i.a].elem;
    Value out;
    for (int l = 0; l < lanes(loads ? i.dst : i.a); ++l) {
      if (loads) out.lane[l] = 0;
      if (!active(i, l)) continue;
      auto where = address(i, l, e);
      auto bytes = static_cast<std::size_t>(size_of(e));
      if (loads) std::memcpy(&out.lane[l], reinterpret_cast<void*>(where), bytes);
      else std::memcpy(reinterpret_cast<void*>(where), &r_[i.a].lane[l], bytes);
    }
    if (i.op == Op::store_stream) check_aligned(i, e);
    if (loads) r_[i.dst] = out;
  }

  void check_aligned(const Inst& i, Elem e) const {
    auto whole = static_cast<std::uintptr_t>(lanes(i.a) * size_of(e));
    if (address(i, 0, e) % whole) throw std::runtime_error("a streaming store is not aligned");
  }

  // ---- vectors ----

  int lanes(Reg r) const { return f_.types[r].lanes; }
  Elem elem(Reg r) const { return f_.types[r].elem; }

  std::uint64_t lane(const Inst& i, int l) const {
    auto a = i.a ? r_[i.a].lane[l] : 0, b = i.b ? r_[i.b].lane[l] : 0, c = i.c ? r_[i.c].lane[l] : 0;
    switch (i.op) {
      case Op::constant: return static_cast<std::uint64_t>(i.imm);
      case Op::move: return a;
      case Op::splat: return static_cast<std::uint64_t>(r_[i.a].general);
      case Op::broadcast: return r_[i.a].lane[0];
      case Op::iota: return static_cast<std::uint64_t>(l);
      case Op::bit_and: return a & b;
      case Op::bit_or: return a | b;
      case Op::bit_xor: return a ^ b;
      case Op::select: return active(i, l) ? a : b;
      case Op::convert: return converted(elem(i.a), elem(i.dst), a);
      default: break;
    }
    return typed(elem(i.dst), [&](auto zero) { return arithmetic<decltype(zero)>(i, a, b, c); });
  }

  template <typename T>
  static std::uint64_t arithmetic(const Inst& i, std::uint64_t a, std::uint64_t b, std::uint64_t c) {
    T x = as<T>(a), y = as<T>(b), z = as<T>(c);
    if (i.op == Op::fma || i.op == Op::fnma) {
      if constexpr (std::is_floating_point_v<T>)
        return bits<T>(std::fma(i.op == Op::fma ? x : -x, y, z));
      else
        return bits<T>(wrapping<T>(i.op == Op::fma ? Op::add : Op::sub, z, wrapping<T>(Op::mul, x, y)));
    }
    return i.b ? bits<T>(binary<T>(i.op, x, y)) : bits<T>(unary<T>(i.op, x, i.imm));
  }

  static std::uint64_t converted(Elem from, Elem to, std::uint64_t a) {
    return typed(from, [&](auto x) {
      using From = decltype(x);
      return typed(to, [&](auto y) {
        using To = decltype(y);
        return bits<To>(convert<To, From>(as<From>(a)));
      });
    });
  }

  void bitcast(const Inst& i) {
    if (size_of(elem(i.a)) != size_of(elem(i.dst))) throw std::logic_error("bitcast changes the lanes");
    r_[i.dst] = r_[i.a];
  }

  // Masks hold 0 or 1 in each lane.
  void mask(const Inst& i) {
    Value out;
    std::int64_t first = i.a && i.op == Op::mask_first ? r_[i.a].general : i.imm;
    for (int l = 0; l < lanes(i.dst); ++l) {
      auto a = i.a ? r_[i.a].lane[l] : 0, b = i.b ? r_[i.b].lane[l] : 0;
      switch (i.op) {
        case Op::compare:
          out.lane[l] = typed(elem(i.a), [&](auto zero) {
            using T = decltype(zero);
            return holds(i.cond, as<T>(a), as<T>(b));
          });
          break;
        case Op::mask_first: out.lane[l] = l < first; break;
        case Op::mask_and: out.lane[l] = a & b & 1; break;
        case Op::mask_or: out.lane[l] = (a | b) & 1; break;
        default: out.lane[l] = !(a & 1); break;
      }
    }
    r_[i.dst] = out;
  }

  void reduce(const Inst& i) {
    std::uint64_t sum = r_[i.a].lane[0];
    for (int l = 1; l < lanes(i.a); ++l)
      sum = typed(elem(i.a), [&](auto zero) {
        using T = decltype(zero);
        return bits<T>(binary<T>(i.op, as<T>(sum), as<T>(r_[i.a].lane[l])));
      });
    r_[i.dst].lane[0] = sum;
  }

  const Module& module_;
  const Function& f_;
  const loopnest_frame& frame_;
  const Regions& regions_;
  Slice slice_;
  std::vector<Value> r_;
  std::map<Label, std::size_t> target_;
  std::vector<std::int64_t> captures_;
  std::size_t pc_ = 0;
};

}  // namespace

void interpret(const Module& module, const loopnest_frame& frame, const Regions& regions) {
  Machine(module, module.functions[0], frame, regions, {}).run();
}

}  // namespace nest_test
