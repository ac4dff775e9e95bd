#include "x86/fold.hpp"

#include <array>

namespace loopnest::x86 {
namespace {

using vir::Elem;
using vir::Inst;
using vir::Reg;
using VOp = vir::Op;

template <class F>
void for_each_use(const Inst& i, F f) {
  for (const Reg r : {i.a, i.b, i.c, i.mask, i.addr.base, i.addr.index}) {
    if (r != 0) f(r);
  }
}

bool has_effect(VOp op) {
  switch (op) {
    case VOp::bind: case VOp::jump: case VOp::branch_if: case VOp::loop_begin: case VOp::loop_end:
    case VOp::capture: case VOp::parallel: case VOp::store: case VOp::store_strided:
    case VOp::store_stream: case VOp::prefetch: case VOp::ret:
      return true;
    default:
      return false;
  }
}

bool ends_straight_line(VOp op) {
  return op == VOp::bind || op == VOp::jump || op == VOp::branch_if || op == VOp::loop_begin ||
         op == VOp::loop_end || op == VOp::parallel || op == VOp::ret;
}

bool writes_memory(VOp op) {
  return op == VOp::store || op == VOp::store_strided || op == VOp::store_stream;
}

class Finder {
 public:
  Finder(const vir::Function& f, const Target& t) : f_(f), target_(t) {
    const std::size_t registers = f.types.size();
    out_.skip.assign(f.code.size(), 0);
    out_.slot.assign(f.code.size(), Slot::none);
    out_.definitions.assign(registers, 0);
    out_.uses.assign(registers, 0);
    out_.defined_at.assign(registers, 0);
    changed_at_.assign(registers, 0);
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
      if (has_effect(i.op) || i.dst == 0 || out_.uses[i.dst] != 0) continue;
      out_.skip[k] = 1;
      --out_.definitions[i.dst];
      for_each_use(i, [&](Reg r) { --out_.uses[r]; });
    }
  }

  void visit(std::uint32_t k) {
    if (out_.skip[k]) return;
    const Inst& i = f_.code[k];
    if (ends_straight_line(i.op)) line_start_ = k;
    try_fold(k);
    if (writes_memory(i.op)) last_store_ = k;
    if (i.dst != 0) {
      out_.defined_at[i.dst] = k;
      changed_at_[i.dst] = k;
    }
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
    if (changed_at_[load.addr.base] > at) return false;
    if (load.addr.index != 0 && changed_at_[load.addr.index] > at) return false;
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
  std::vector<std::uint32_t> changed_at_;  // per register: last write so far
  std::uint32_t line_start_ = 0, last_store_ = 0;
};

}  // namespace

Folding find_folds(const vir::Function& function, const Target& target) {
  return Finder(function, target).run();
}

}  // namespace loopnest::x86
