// Random programs (nested loops, branches, mutable registers, far more live values than registers)
// against an interpreter of the vector IR. What it guards is register allocation and folding.
#include <array>
#include <cmath>

#include "backend_support.hpp"

namespace backend_test {
namespace {

constexpr int slots = 64;  // vectors in the memory of a program

// ---- interpreter: i32 vectors, f64 vectors, masks of both, general registers ----

struct Value {
  std::int64_t general = 0;
  std::array<std::int32_t, 16> ints{};
  std::array<double, 8> reals{};
  std::array<bool, 16> truth{};
};

class Interpreter {
 public:
  Interpreter(const vir::Function& f, char* memory) : f_(f), values_(f.types.size()), memory_(memory) {
    at_label_.resize(f.labels + 1);
    for (std::size_t k = 0; k < f.code.size(); ++k) {
      if (f.code[k].op == VOp::bind || f.code[k].op == VOp::loop_begin) at_label_[f.code[k].label] = k;
    }
  }
  void run() {
    for (std::size_t pc = 0; f_.code[pc].op != VOp::ret;) pc = step(pc);
  }

 private:
  std::int64_t second(const vir::Inst& i) { return i.b != 0 ? values_[i.b].general : i.imm; }

  std::size_t step(std::size_t pc) {
    const vir::Inst& i = f_.code[pc];
    if (i.op == VOp::jump) return at_label_[i.label];
    if (i.op == VOp::branch_if) {
      const std::int64_t x = values_[i.a].general, y = second(i);
      const bool taken[] = {x < y, x <= y, x > y, x >= y, x == y, x != y};
      return taken[static_cast<int>(i.cond)] ? at_label_[i.label] : pc + 1;
    }
    if (i.op == VOp::bind || i.op == VOp::loop_begin || i.op == VOp::loop_end) return pc + 1;
    if (i.dst != 0 && f_.types[i.dst].cls == vir::Class::general) general(i);
    else vector(i);
    return pc + 1;
  }

  void general(const vir::Inst& i) {
    const auto x = static_cast<std::uint64_t>(values_[i.a].general);
    const auto y = static_cast<std::uint64_t>(second(i));
    std::int64_t& r = values_[i.dst].general;
    switch (i.op) {
      case VOp::g_const: r = i.imm; break;
      case VOp::g_move: r = static_cast<std::int64_t>(x); break;
      case VOp::g_add: r = static_cast<std::int64_t>(x + y); break;
      case VOp::g_sub: r = static_cast<std::int64_t>(x - y); break;
      case VOp::g_mul: r = static_cast<std::int64_t>(x * y); break;
      case VOp::g_min: r = std::min<std::int64_t>(x, y); break;
      case VOp::g_max: r = std::max<std::int64_t>(x, y); break;
      case VOp::g_floordiv: {
        const auto a = static_cast<std::int64_t>(x);
        r = a / i.imm - (a % i.imm != 0 && a < 0);
        break;
      }
      default: r = reinterpret_cast<std::int64_t>(memory_);
    }
  }

  char* address(const vir::Address& a) {
    std::int64_t at = values_[a.base].general + a.disp;
    if (a.index != 0) at += values_[a.index].general * a.scale;
    return reinterpret_cast<char*>(at);
  }

  void vector(const vir::Inst& i) {
    const Value a = values_[i.a], b = values_[i.b], c = values_[i.c], m = values_[i.mask];
    Value& r = values_[i.dst];
    const vir::Type t = f_.types[i.dst != 0 ? i.dst : i.a];
    for (int l = 0; l < t.lanes; ++l) {
      if (i.op == VOp::compare) {
        const double x = f_.types[i.a].elem == Elem::i32 ? a.ints[l] : a.reals[l];
        const double y = f_.types[i.a].elem == Elem::i32 ? b.ints[l] : b.reals[l];
        const bool holds[] = {x < y, x <= y, x > y, x >= y, x == y, x != y};
        r.truth[l] = holds[static_cast<int>(i.cond)];
      } else if (t.elem == Elem::i32) {
        integer_lane(i, l, a, b, c, m, r);
      } else {
        real_lane(i, l, a, b, c, m, r);
      }
    }
  }

  void integer_lane(const vir::Inst& i, int l, const Value& a, const Value& b, const Value& c,
                    const Value& m, Value& r) {
    const auto x = static_cast<std::uint32_t>(a.ints[l]), y = static_cast<std::uint32_t>(b.ints[l]);
    auto* at = i.addr.base != 0 ? reinterpret_cast<std::int32_t*>(address(i.addr)) : nullptr;
    switch (i.op) {
      case VOp::load: r.ints[l] = at[l]; break;
      case VOp::load_splat: r.ints[l] = at[0]; break;
      case VOp::store: at[l] = a.ints[l]; break;
      case VOp::constant: r.ints[l] = static_cast<std::int32_t>(i.imm); break;
      case VOp::move: r.ints[l] = a.ints[l]; break;
      case VOp::add: r.ints[l] = static_cast<std::int32_t>(x + y); break;
      case VOp::sub: r.ints[l] = static_cast<std::int32_t>(x - y); break;
      case VOp::mul: r.ints[l] = static_cast<std::int32_t>(x * y); break;
      case VOp::bit_xor: r.ints[l] = static_cast<std::int32_t>(x ^ y); break;
      case VOp::min: r.ints[l] = std::min(a.ints[l], b.ints[l]); break;
      case VOp::max: r.ints[l] = std::max(a.ints[l], b.ints[l]); break;
      case VOp::fma: r.ints[l] = static_cast<std::int32_t>(x * y + static_cast<std::uint32_t>(c.ints[l])); break;
      case VOp::select: r.ints[l] = m.truth[l] ? a.ints[l] : b.ints[l]; break;
      case VOp::splat: r.ints[l] = static_cast<std::int32_t>(a.general); break;
      default: std::abort();
    }
  }

  void real_lane(const vir::Inst& i, int l, const Value& a, const Value& b, const Value& c,
                 const Value& m, Value& r) {
    const double x = a.reals[l], y = b.reals[l];
    auto* at = i.addr.base != 0 ? reinterpret_cast<double*>(address(i.addr)) : nullptr;
    switch (i.op) {
      case VOp::load: r.reals[l] = at[l]; break;
      case VOp::load_splat: r.reals[l] = at[0]; break;
      case VOp::store: at[l] = a.reals[l]; break;
      case VOp::constant: r.reals[l] = std::bit_cast<double>(i.imm); break;
      case VOp::move: r.reals[l] = x; break;
      case VOp::add: r.reals[l] = x + y; break;
      case VOp::sub: r.reals[l] = x - y; break;
      case VOp::mul: r.reals[l] = x * y; break;
      case VOp::min: r.reals[l] = x != x || y != y ? NAN : std::min(x, y); break;
      case VOp::max: r.reals[l] = x != x || y != y ? NAN : std::max(x, y); break;
      case VOp::fma: r.reals[l] = std::fma(x, y, c.reals[l]); break;
      case VOp::fnma: r.reals[l] = std::fma(-x, y, c.reals[l]); break;
      case VOp::abs: r.reals[l] = std::fabs(x); break;
      case VOp::select: r.reals[l] = m.truth[l] ? x : y; break;
      default: std::abort();
    }
  }

  const vir::Function& f_;
  std::vector<Value> values_;
  std::vector<std::size_t> at_label_;
  char* memory_;
};

// ---- programs ----

class Generator {
 public:
  Generator(Random& random, const Target& t, int live) : random_(random), live_(live) {
    ints_ = vec(Elem::i32, t.vector_bytes() / 4);
    reals_ = vec(Elem::f64, t.vector_bytes() / 8);
    bytes_ = t.vector_bytes();
  }

  vir::Module program() {
    base_ = b_.argument(0);
    for (int k = 0; k < 3 + live_ / 3; ++k) generals_.push_back(b_.constant(random_.below(100) - 50));
    for (int k = 0; k < 2 + live_; ++k) {
      int_values_.push_back(random_.below(2) ? load(ints_) : constant(ints_));
      real_values_.push_back(random_.below(2) ? load(reals_) : constant(reals_));
    }
    block(3, 12 + random_.below(30));
    store_all();
    return b_.module();
  }

 private:
  // Integers and reals live apart: which NaN an operation gives is not specified.
  Address anywhere(vir::Type t) {
    const int first = t == ints_ ? 0 : slots / 2;
    return {.base = base_, .disp = std::int64_t{bytes_} * (first + random_.below(slots / 2))};
  }
  Reg load(vir::Type t) { return b_.load(t, anywhere(t), 0, random_.below(4) ? VOp::load : VOp::load_splat); }
  Reg constant(vir::Type t) {
    const std::int64_t bits = t == ints_ ? random_.below(1000) - 500
                                         : std::bit_cast<std::int64_t>(double(random_.below(64) - 32) / 8);
    return b_.op(VOp::constant, t, 0, 0, 0, bits);
  }
  Reg pick(const std::vector<Reg>& from) { return from[random_.below(static_cast<int>(from.size()))]; }

  // A result over an old value, or in a fresh register that replaces one in the pool.
  Reg result(std::vector<Reg>& pool, vir::Type t, bool may_add) {
    if (!may_add || random_.below(2)) return pick(pool);
    const Reg r = b_.f.fresh(t);
    if (random_.below(2)) pool.push_back(r);
    else pool[random_.below(static_cast<int>(pool.size()))] = r;
    return r;
  }

  void vector_op(bool may_add) {
    const bool ints = random_.below(2);
    auto& pool = ints ? int_values_ : real_values_;
    const vir::Type t = ints ? ints_ : reals_;
    const VOp int_ops[] = {VOp::add, VOp::sub, VOp::mul, VOp::bit_xor, VOp::min, VOp::max, VOp::fma};
    const VOp real_ops[] = {VOp::add, VOp::sub, VOp::mul, VOp::min, VOp::max, VOp::fma, VOp::fnma, VOp::fma};
    const VOp op = ints ? int_ops[random_.below(7)] : real_ops[random_.below(8)];
    const auto operand = [&] { return random_.below(4) == 0 ? load(t) : pick(pool); };
    const Reg x = operand(), y = operand();
    const Reg z = op == VOp::fma || op == VOp::fnma ? operand() : 0;
    if (random_.below(8) == 0) return select(pool, t, x, y, may_add);
    // Accumulation: the destination is the addend.
    const Reg dst = z != 0 && random_.below(2) ? z : result(pool, t, may_add);
    b_.op(op, t, x, y, z, 0, dst);
  }

  void select(std::vector<Reg>& pool, vir::Type t, Reg x, Reg y, bool may_add) {
    const Reg m = b_.compare({vir::Class::mask, t.elem, t.lanes}, static_cast<Cond>(random_.below(6)), x, y);
    const Reg u = pick(pool), v = pick(pool);
    vir::Inst s{.op = VOp::select, .dst = result(pool, t, may_add), .a = u, .b = v, .mask = m};
    b_.f.code.push_back(s);
  }

  void unary(VOp op, Reg x, std::vector<Reg>& pool, vir::Type t, bool may_add) {
    b_.op(op, t, x, 0, 0, 0, result(pool, t, may_add));
  }

  void general_op(bool may_add) {
    const VOp ops[] = {VOp::g_add, VOp::g_sub, VOp::g_min, VOp::g_max, VOp::g_mul, VOp::g_floordiv, VOp::g_move};
    const VOp op = ops[random_.below(7)];
    const Reg x = pick(generals_);
    const bool register_b = op != VOp::g_floordiv && op != VOp::g_move && random_.below(2);
    const Reg y = register_b ? pick(generals_) : 0;
    b_.g(op, x, y, 1 + random_.below(9), result(generals_, {}, may_add));
  }

  void block(int depth, int count) { block(depth, count, true); }

  void block(int depth, int count, bool may_add) {
    for (int k = 0; k < count; ++k) {
      const int what = random_.below(20);
      if (what == 0 && depth > 0) loop(depth, may_add);
      else if (what == 1 && depth > 0) branch(depth);
      else if (what == 2) b_.store(anywhere(ints_), pick(int_values_));
      else if (what == 3) b_.store(anywhere(reals_), pick(real_values_));
      else if (what < 8) general_op(may_add);
      else if (what == 8) unary(VOp::splat, pick(generals_), int_values_, ints_, may_add);
      else if (what == 9) unary(VOp::move, pick(real_values_), real_values_, reals_, may_add);
      else vector_op(may_add);
    }
  }

  void loop(int depth, bool may_add) {
    const Reg i = b_.constant(0);
    const vir::Label l = b_.loop();
    block(depth - 1, 3 + random_.below(14), may_add);
    b_.g(VOp::g_add, i, 0, 1, i);
    b_.end_loop(l, i, Cond::lt, 0, 2 + random_.below(2));
  }

  // Nothing is first written in a branch and read after it.
  void branch(int depth) {
    const vir::Label other = b_.f.fresh_label(), end = b_.f.fresh_label();
    b_.branch(other, pick(generals_), static_cast<Cond>(random_.below(6)), pick(generals_));
    block(depth - 1, 2 + random_.below(6), false);
    b_.add(VOp::jump).label = end;
    b_.bind(other);
    block(depth - 1, 2 + random_.below(6), false);
    b_.bind(end);
  }

  void store_all() {
    int slot = 0;
    const auto at = [&] { return Address{.base = base_, .disp = std::int64_t{bytes_} * (slots + slot++ % slots)}; };
    for (const Reg r : int_values_) b_.store(at(), r);
    for (const Reg r : real_values_) b_.store(at(), r);
    for (const Reg r : generals_) b_.store(at(), b_.op(VOp::splat, ints_, r));
  }

  Random& random_;
  Builder b_;
  vir::Type ints_, reals_;
  int bytes_, live_;
  Reg base_ = 0;
  std::vector<Reg> generals_, int_values_, real_values_;
};

void fill(std::vector<char>& memory, Random random) {
  for (std::size_t k = 0; k + 8 <= memory.size(); k += 8) {
    const double d = double(random.below(4096) - 2048) / 16;
    std::memcpy(&memory[k], &d, 8);
  }
}

// NaN payloads may differ: lanes are compared as doubles where both sides are NaN.
bool same_memory(const std::vector<char>& a, const std::vector<char>& b) {
  for (std::size_t k = 0; k + 8 <= a.size(); k += 8) {
    double x, y;
    std::memcpy(&x, &a[k], 8), std::memcpy(&y, &b[k], 8);
    if (x != x && y != y) continue;
    if (std::memcmp(&a[k], &b[k], 8) != 0 && !(x == 0 && y == 0)) return false;
  }
  return true;
}

void run_program(const Target& t, std::uint64_t seed) {
  Random random{seed * 0x9e3779b97f4a7c15u + 1};
  for (int k = 0; k < 8; ++k) random.next();
  const vir::Module module = Generator(random, t, random.below(26)).program();
  const std::string what = std::string(name_of(t.isa)) + " program " + std::to_string(seed);
  const Code code = generate_checked(module, t, what);
  if (!host_runs(t) || code.bytes.empty()) return;
  std::vector<char> want(2 * slots * t.vector_bytes());
  fill(want, random);
  std::vector<char> got = want;
  Interpreter(module.functions[0], want.data()).run();
  const Visible seen(got.data(), got.size());
  Executable(code, t).run({got.data()});
  check(same_memory(want, got), what);
}

}  // namespace

void test_random_programs(int count) {
  for (const Target& t : targets) {
    for (int seed = 0; seed < (is_emulated(t) ? count / 20 : count); ++seed) run_program(t, seed);
  }
}

}  // namespace backend_test
