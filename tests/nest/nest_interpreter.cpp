#include "nest_interpreter.hpp"

#include <bit>
#include <cmath>
#include <limits>

namespace nest_test {

using namespace loopnest;
using namespace loopnest::nest;

namespace {

// A scalar of any element type; `i` for integers and truth values, `f` for floats.
struct Scalar {
  Elem elem = Elem::f32;
  std::int64_t i = 0;
  double f = 0;
};

template <typename T>
T wrap(Op op, T a, T b) {
  auto x = static_cast<std::make_unsigned_t<T>>(a), y = static_cast<std::make_unsigned_t<T>>(b);
  return static_cast<T>(op == Op::add ? x + y : op == Op::sub ? x - y : x * y);
}

double rounded(Elem e, double v) { return e == Elem::f32 ? static_cast<float>(v) : v; }

double extreme(Op op, double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) ? a : b;
  return (op == Op::maximum) == (a > b) ? a : b;
}

std::int64_t truncated(std::int64_t v, Elem e) { return e == Elem::i32 ? static_cast<std::int32_t>(v) : v; }

std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  if (b == 0) return 0;
  if (b == -1) return wrap<std::int64_t>(Op::sub, 0, a);
  return a / b - ((a % b != 0) && ((a % b < 0) != (b < 0)));
}

std::int64_t float_to_int(double v, Elem to) {
  double limit = to == Elem::i32 ? 0x1p31 : 0x1p63;
  if (v >= -limit && v < limit) return static_cast<std::int64_t>(v);
  return to == Elem::i32 ? INT32_MIN : INT64_MIN;
}

// What happens to memory: the values, or only the extents.
class Walker {
 public:
  using Touch = std::function<void(const Access&, std::int64_t)>;

  Walker(const Nest& n, const loopnest_frame* frame, const Regions* regions, Touch touch)
      : nest_(n), frame_(frame), regions_(regions), touch_(std::move(touch)),
        value_(n.variables.size()), registers_(n.arrays.size()) {
    for (std::size_t a = 0; a < n.arrays.size(); ++a)
      if (n.arrays[a].space == Space::registers)
        registers_[a].resize(static_cast<std::size_t>(n.arrays[a].place),
                             {n.arrays[a].elem, 0x5a5a5a, std::nan("")});
  }

  void nodes(const std::vector<Node>& list) {
    for (const Node& n : list) std::visit([&](const auto& item) { node(item); }, n.item);
  }

 private:
  std::int64_t form(const Form& f) const {
    std::int64_t sum = f.constant;
    for (const Term& t : f.terms) {
      const Variable& v = nest_.variables[static_cast<std::size_t>(t.var)];
      sum += t.coef * (v.is_atom() ? floor_div(form(v.dividend), v.divisor)
                                   : value_[static_cast<std::size_t>(t.var)]);
    }
    return sum;
  }

  void node(const Loop& l) {
    std::int64_t from = form(l.lower[0]), to = form(l.upper[0]);
    for (const Form& f : l.lower) from = std::max(from, form(f));
    for (const Form& f : l.upper) to = std::min(to, form(f));
    for (std::int64_t v = from; v < to; ++v) {
      value_[static_cast<std::size_t>(l.var)] = v;
      nodes(l.body);
    }
  }

  void node(const Branch& b) {
    bool all = true;
    for (const Condition& c : b.conditions) all = all && (c.equality ? form(c.form) == 0 : form(c.form) >= 0);
    nodes(all ? b.then : b.otherwise);
  }

  void node(const Store& s) {
    Scalar value = eval(s.value);
    std::int64_t at = form(s.target.subscript);
    touch_(s.target, at);
    if (array(s.target).space == Space::registers) {
      registers_[static_cast<std::size_t>(s.target.array)].at(static_cast<std::size_t>(at)) = value;
    } else if (frame_) {
      store(s.target, at, value);
    }
  }

  void node(const Prefetch&) {}

  // ---- memory ----

  const Array& array(const Access& a) const { return nest_.arrays[static_cast<std::size_t>(a.array)]; }

  char* address(const Access& a, std::int64_t at) const {
    const Array& info = array(a);
    char* base = info.space == Space::argument ? static_cast<char*>(frame_->arguments[info.place])
                 : info.space == Space::shared ? frame_->workspace + info.place
                                               : frame_->private_workspace + info.place;
    char* where = base + at * vir::size_of(info.elem);
    regions_->check(reinterpret_cast<std::uintptr_t>(where), static_cast<std::size_t>(vir::size_of(info.elem)));
    return where;
  }

  Scalar load(const Access& a) {
    std::int64_t at = form(a.subscript);
    touch_(a, at);
    Elem e = array(a).elem;
    if (array(a).space == Space::registers)
      return registers_[static_cast<std::size_t>(a.array)].at(static_cast<std::size_t>(at));
    Scalar s{e, 1, 1};
    if (!frame_) return s;
    char* where = address(a, at);
    std::int32_t i32;
    float f32;
    switch (e) {
      case Elem::i32: std::memcpy(&i32, where, 4), s.i = i32; break;
      case Elem::i64: std::memcpy(&s.i, where, 8); break;
      case Elem::f32: std::memcpy(&f32, where, 4), s.f = f32; break;
      default: std::memcpy(&s.f, where, 8); break;
    }
    return s;
  }

  void store(const Access& a, std::int64_t at, Scalar s) const {
    char* where = address(a, at);
    auto f32 = static_cast<float>(s.f);
    switch (array(a).elem) {
      case Elem::i32: std::memcpy(where, &s.i, 4); break;
      case Elem::i64: std::memcpy(where, &s.i, 8); break;
      case Elem::f32: std::memcpy(where, &f32, 4); break;
      default: std::memcpy(where, &s.f, 8); break;
    }
  }

  // ---- expressions ----

  Scalar eval(ExprId id) {
    const Expr& e = nest_.exprs[static_cast<std::size_t>(id)];
    switch (e.op) {
      case Op::load: return load(e.access);
      case Op::literal: return literal(e);
      case Op::index: return {Elem::i64, form(e.access.subscript), 0};
      case Op::cast: return cast(eval(e.operands[0]), e.elem);
      case Op::reduce: return reduce(e);
      case Op::select: return select(eval(e.operands[0]), eval(e.operands[1]), eval(e.operands[2]));
      default: break;
    }
    Scalar a = eval(e.operands[0]);
    Scalar b = info(e.op).arity > 1 ? eval(e.operands[1]) : Scalar{};
    if (e.truth) return truth(e.op, a, b);
    if (e.op == Op::fma) {
      Scalar c = eval(e.operands[2]);
      if (!vir::is_float(a.elem)) return integer(Op::add, integer(Op::mul, a, b), c);
      // exact in f64 for f32 operands but for one rounding; f64 uses the real fma
      return {a.elem, 0, a.elem == Elem::f32 ? std::fma(static_cast<float>(a.f), static_cast<float>(b.f), static_cast<float>(c.f)) : std::fma(a.f, b.f, c.f)};
    }
    return vir::is_float(a.elem) ? floating(e.op, a, b) : integer(e.op, a, b);
  }

  // Both sides are read, whichever is taken.
  static Scalar select(Scalar c, Scalar a, Scalar b) { return c.i ? a : b; }

  static Scalar literal(const Expr& e) {
    if (e.elem == Elem::f32)
      return {e.elem, 0, std::bit_cast<float>(static_cast<std::int32_t>(e.bits))};
    if (e.elem == Elem::f64) return {e.elem, 0, std::bit_cast<double>(e.bits)};
    return {e.elem, e.bits, 0};
  }

  static Scalar cast(Scalar a, Elem to) {
    if (vir::is_float(a.elem))
      return vir::is_float(to) ? Scalar{to, 0, rounded(to, a.f)} : Scalar{to, float_to_int(a.f, to), 0};
    if (!vir::is_float(to)) return {to, truncated(a.i, to), 0};
    return {to, 0, to == Elem::f32 ? static_cast<float>(a.i) : static_cast<double>(a.i)};
  }

  Scalar reduce(const Expr& e) {
    static constexpr Op kOps[] = {Op::add, Op::mul, Op::maximum, Op::minimum};
    Op op = kOps[static_cast<int>(e.fold)];
    const auto& elements = registers_[static_cast<std::size_t>(e.access.array)];
    auto at = static_cast<std::size_t>(form(e.access.subscript));
    Scalar sum = elements.at(at);
    for (std::size_t k = 1; k < static_cast<std::size_t>(e.bits); ++k)
      sum = vir::is_float(sum.elem) ? floating(op, sum, elements.at(at + k)) : integer(op, sum, elements.at(at + k));
    return sum;
  }

  static Scalar truth(Op op, Scalar a, Scalar b) {
    auto compare = [&](auto x, auto y) -> bool {
      switch (op) {
        case Op::eq: return x == y;
        case Op::ne: return x != y;
        case Op::lt: return x < y;
        case Op::le: return x <= y;
        case Op::gt: return x > y;
        case Op::ge: return x >= y;
        case Op::logical_and: return x && y;
        case Op::logical_or: return x || y;
        default: return !x;
      }
    };
    bool ints = op >= Op::logical_and || !vir::is_float(a.elem);
    return {Elem::i32, ints ? compare(a.i, b.i) : compare(a.f, b.f), 0};
  }

  static Scalar floating(Op op, Scalar a, Scalar b) {
    auto value = [&]() -> double {
      switch (op) {
        case Op::add: return a.f + b.f;
        case Op::sub: return a.f - b.f;
        case Op::mul: return a.f * b.f;
        case Op::div: return a.f / b.f;
        case Op::maximum: case Op::minimum: return extreme(op, a.f, b.f);
        case Op::neg: return -a.f;
        case Op::abs: return std::fabs(a.f);
        case Op::sqrt: return std::sqrt(a.f);
        case Op::exp: return std::exp(a.f);
        case Op::floor: return std::floor(a.f);
        default: throw std::logic_error("not an operator of floats");
      }
    };
    return {a.elem, 0, rounded(a.elem, value())};
  }

  static Scalar integer(Op op, Scalar a, Scalar b) {
    auto value = [&]() -> std::int64_t {
      switch (op) {
        case Op::add: case Op::sub: case Op::mul: return wrap(op, a.i, b.i);
        case Op::floordiv: return floor_quotient(a.i, b.i);
        case Op::mod: return b.i == 0 ? 0 : wrap(Op::sub, a.i, wrap(Op::mul, floor_quotient(a.i, b.i), b.i));
        case Op::maximum: return std::max(a.i, b.i);
        case Op::minimum: return std::min(a.i, b.i);
        case Op::neg: return wrap<std::int64_t>(Op::sub, 0, a.i);
        case Op::abs: return a.i < 0 ? wrap<std::int64_t>(Op::sub, 0, a.i) : a.i;
        default: throw std::logic_error("not an operator of integers");
      }
    };
    return {a.elem, truncated(value(), a.elem), 0};
  }

  const Nest& nest_;
  const loopnest_frame* frame_;
  const Regions* regions_;
  Touch touch_;
  std::vector<std::int64_t> value_;
  std::vector<std::vector<Scalar>> registers_;
};

}  // namespace

std::vector<Extent> argument_extents(const Nest& nest) {
  std::vector<Extent> extents;
  for (const Array& a : nest.arrays) {
    if (a.space != Space::argument) continue;
    extents.resize(std::max(extents.size(), static_cast<std::size_t>(a.place) + 1));
    extents[static_cast<std::size_t>(a.place)].elem = a.elem;
  }
  auto touch = [&](const Access& access, std::int64_t at) {
    const Array& a = nest.arrays[static_cast<std::size_t>(access.array)];
    if (a.space != Space::argument) return;
    if (at < 0) throw std::runtime_error("negative subscript of " + std::string(a.name));
    Extent& extent = extents[static_cast<std::size_t>(a.place)];
    auto size = static_cast<std::size_t>(vir::size_of(a.elem)), begin = static_cast<std::size_t>(at) * size;
    extent.bytes = std::max(extent.bytes, begin + size);
    if (begin > Extent::kHuge || begin % 4096 == 0) extent.pages.insert(begin / 4096);
  };
  Walker(nest, nullptr, nullptr, touch).nodes(nest.body);
  return extents;
}

void run(const Nest& nest, const loopnest_frame& frame, const Regions& regions) {
  Walker(nest, &frame, &regions, [](const Access&, std::int64_t) {}).nodes(nest.body);
}

}  // namespace nest_test
