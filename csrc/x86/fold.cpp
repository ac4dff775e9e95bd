#include "x86/fold.hpp"

#include <array>
#include <initializer_list>

namespace loopnest::x86 {
namespace {

using vir::Elem;
using vir::Inst;
using vir::Reg;
using VOp = vir::Op;

template <class F>
void for_each_use(const Inst& i, F f) {
  if (i.a != 0) f(i.a);
  if (i.b != 0) f(i.b);
  if (i.c != 0) f(i.c);
  if (i.mask != 0) f(i.mask);
  if (i.addr.base != 0) f(i.addr.base);
  if (i.addr.index != 0) f(i.addr.index);
}

enum Trait : std::uint8_t { effect = 1, ends_line = 2, writes_memory = 4, takes_memory = 8 };

// What folding asks about an operator; everything else has no traits.
constexpr std::array<std::uint8_t, static_cast<std::size_t>(VOp::ret) + 1> tabulate_traits() {
  std::array<std::uint8_t, static_cast<std::size_t>(VOp::ret) + 1> table{};
  const auto set = [&](std::initializer_list<VOp> ops, std::uint8_t traits) {
    for (const VOp op : ops) table[static_cast<std::size_t>(op)] = traits;
  };
  set({VOp::bind, VOp::jump, VOp::branch_if, VOp::loop_begin, VOp::loop_end, VOp::parallel,
       VOp::ret},
      effect | ends_line);
  set({VOp::store, VOp::store_strided, VOp::store_stream}, effect | writes_memory);
  set({VOp::capture, VOp::prefetch}, effect);
  set({VOp::add, VOp::sub, VOp::mul, VOp::div, VOp::min, VOp::max, VOp::min_fast, VOp::max_fast,
       VOp::fma, VOp::fnma, VOp::bit_and, VOp::bit_or, VOp::bit_xor, VOp::compare, VOp::select},
      takes_memory);
  return table;
}
constexpr auto traits = tabulate_traits();

std::uint8_t traits_of(VOp op) { return traits[static_cast<std::size_t>(op)]; }

class Finder {
 public:
  Finder(const vir::Function& f, const Target& t) : f_(f), target_(t) {
    const std::size_t registers = f.types.size();
    out_.skip.assign(f.code.size(), 0);
    out_.slot.assign(f.code.size(), Slot::none);
    out_.definitions.assign(registers, 0);
    out_.uses.assign(registers, 0);
    out_.defined_at.assign(registers, 0);
  }

  Folding run() {
    count();
    drop_dead();
    for (std::uint32_t i = 0; i < f_.code.size(); ++i) visit(i);
    return std::move(out_);
  }

 private:
  void count() {
    for (const Inst& i : f_.code) {
      if (i.dst != 0) ++out_.definitions[i.dst];
      for_each_use(i, [&](Reg r) { ++out_.uses[r]; });
    }
  }

  // Backwards, so that what only fed dead code dies in the same sweep.
  void drop_dead() {
    for (std::size_t k = f_.code.size(); k-- > 0;) {
      const Inst& i = f_.code[k];
      if (i.dst == 0 || out_.uses[i.dst] != 0 || (traits_of(i.op) & effect)) continue;
      out_.skip[k] = 1;
      --out_.definitions[i.dst];
      for_each_use(i, [&](Reg r) { --out_.uses[r]; });
    }
  }

  void visit(std::uint32_t k) {
    if (out_.skip[k]) return;
    const Inst& i = f_.code[k];
    const std::uint8_t t = traits_of(i.op);
    if (t & ends_line) line_start_ = k;
    if (t & takes_memory) try_fold(k);
    if (t & writes_memory) last_store_ = k;
    if (i.dst != 0) out_.defined_at[i.dst] = k;
  }

  void try_fold(std::uint32_t k) {
    const Inst& i = f_.code[k];
    for (const Slot s : slots(i)) {
      if (s == Slot::none) return;
      const Reg r = s == Slot::a ? i.a : s == Slot::b ? i.b : i.c;
      if (!can_fold(i, r)) continue;
      out_.slot[k] = s;
      out_.skip[out_.defined_at[r]] = 1;
      return;
    }
  }

  // Operands that have a memory form, best first. Selection swaps a and b of commutative operators.
  std::array<Slot, 3> slots(const Inst& i) const {
    switch (i.op) {
      case VOp::add: case VOp::bit_and: case VOp::bit_or: case VOp::bit_xor:
        return {Slot::b, Slot::a};
      case VOp::mul: case VOp::min: case VOp::max:
        if (is_expanded(f_.types[i.dst].elem)) return {};
        return {Slot::b, Slot::a};
      case VOp::min_fast: case VOp::max_fast:  // b is the operand whose NaN propagates
        if (is_expanded(f_.types[i.dst].elem)) return {};
        return {Slot::b};
      case VOp::sub: case VOp::div: return {Slot::b};
      case VOp::fma: case VOp::fnma:
        if (!is_float(f_.types[i.dst].elem)) return {};
        if (i.dst == i.c) return {Slot::b, Slot::a};
        if (i.dst == i.a || i.dst == i.b) return {Slot::c};
        return {Slot::b, Slot::a, Slot::c};
      case VOp::compare: return {Slot::b};
      case VOp::select: return {Slot::a};
      default: return {};
    }
  }

  // AVX2 has no 64-bit integer multiply, minimum or maximum.
  bool is_expanded(Elem e) const { return e == Elem::i64 && !target_.has_lane_masks(); }

  bool can_fold(const Inst& reader, Reg r) const {
    if (r == 0 || out_.definitions[r] != 1 || out_.uses[r] != 1) return false;
    const std::uint32_t at = out_.defined_at[r];
    const Inst& load = f_.code[at];
    if (load.dst != r || out_.skip[at] || at < line_start_) return false;
    if (load.op == VOp::constant) return load.imm != 0 && same_bytes(reader, r, false);
    if (load.op != VOp::load && load.op != VOp::load_splat) return false;
    if (load.mask != 0 || (last_store_ > at && last_store_ != 0)) return false;
    if (out_.defined_at[load.addr.base] > at) return false;
    if (load.addr.index != 0 && out_.defined_at[load.addr.index] > at) return false;
    return same_bytes(reader, r, load.op == VOp::load_splat);
  }

  bool same_bytes(const Inst& reader, Reg r, bool splat) const {
    const vir::Type t = f_.types[r];
    if (t.lanes == 1) return is_float(t.elem) && has_scalar_form(reader.op);
    if (t.lanes * size_of(t.elem) < 16) return false;
    return !splat || target_.has_lane_masks();
  }

  static bool has_scalar_form(VOp op) {
    switch (op) {
      case VOp::add: case VOp::sub: case VOp::mul: case VOp::div: case VOp::min: case VOp::max:
      case VOp::min_fast: case VOp::max_fast: case VOp::fma: case VOp::fnma:
        return true;
      default:
        return false;
    }
  }

  const vir::Function& f_;
  const Target& target_;
  Folding out_;
  std::uint32_t line_start_ = 0, last_store_ = 0;
};

}  // namespace

Folding find_folds(const vir::Function& function, const Target& target) {
  return Finder(function, target).run();
}

}  // namespace loopnest::x86
