#include "passes/accumulators.hpp"

#include <algorithm>

#include "passes/instruction_facts.hpp"

namespace loopnest {

using namespace vir;

namespace {

struct Location {
  Inst sample;       // a store to it
  Type type;
  MemoryRange range;
  Reg promoted = 0;
};

class Promoter {
 public:
  Promoter(Emitter& emitter, std::size_t begin, const Target& target)
      : emitter_(emitter), f_(emitter.function), begin_(begin), target_(target),
        written_(f_.types.size()) {}

  std::vector<PendingStore> run() {
    if (!always_runs_through()) return {};
    scan();
    for (std::size_t k : stores_) consider(f_.code[k]);
    if (locations_.empty()) return {};
    rewrite();
    return finish();
  }

 private:
  std::size_t first() const { return begin_ + 1; }
  std::size_t last() const { return f_.code.size() - 1; }

  // Only inner loops, no guards: each jump goes back to a loop that opened inside.
  bool always_runs_through() const {
    std::vector<Label> opened;
    for (std::size_t k = first(); k < last(); ++k) {
      const Inst& i = f_.code[k];
      if (i.op == Op::loop_begin) opened.push_back(i.label);
      if (i.op == Op::jump || i.op == Op::bind || i.op == Op::parallel) return false;
      if (i.op == Op::branch_if && std::find(opened.begin(), opened.end(), i.label) == opened.end())
        return false;
    }
    return true;
  }

  void scan() {
    for (std::size_t k = first(); k < last(); ++k) {
      const Inst& i = f_.code[k];
      if (i.dst != 0) ++written_[i.dst];
      if (is_store(i.op)) stores_.push_back(k);
      if (is_store(i.op) || is_load(i.op)) accesses_.push_back(k);
    }
  }

  Type type_of(const Inst& i) const { return f_.types[i.dst != 0 ? i.dst : i.a]; }

  MemoryRange range_of(const Inst& i) const {
    const auto& arrays = emitter_.array_of_base();
    Type t = type_of(i);
    std::int64_t size = size_of(t.elem), step = i.op == Op::load_splat ? 0 : size;
    if (i.op == Op::load_strided || i.op == Op::store_strided) step = i.imm;
    std::int64_t last = step * (t.lanes - 1);
    std::int32_t array = i.addr.base < arrays.size() ? arrays[i.addr.base] : -1;
    return {array, i.addr.base, i.addr.disp + std::min<std::int64_t>(last, 0),
            i.addr.disp + std::max<std::int64_t>(last, 0) + size};
  }

  bool is_at(const Inst& i, const Location& l) const {
    return (i.op == Op::load || i.op == Op::store) && i.addr.base == l.sample.addr.base &&
           i.addr.disp == l.sample.addr.disp && i.mask == l.sample.mask && type_of(i) == l.type;
  }

  void consider(const Inst& store) {
    if (store.op != Op::store || written_[store.addr.base] != 0) return;
    if (store.mask != 0 && written_[store.mask] != 0) return;
    for (const Location& l : locations_)
      if (is_at(store, l)) return;
    Location found{store, type_of(store), range_of(store), 0};
    if (found.range.array < 0) return;
    for (std::size_t k : accesses_) {
      const Inst& i = f_.code[k];
      MemoryRange range = range_of(i);
      if (range.array < 0 || (may_alias(range, found.range) && !is_at(i, found))) return;
    }
    constexpr std::size_t kTemporaries = 4;
    if (locations_.size() + kTemporaries >= static_cast<std::size_t>(target_.vector_registers())) return;
    locations_.push_back(found);
  }

  // ---- rewriting ----

  bool reads_first(const Location& l) const {
    if (l.sample.mask != 0) return true;
    for (std::size_t k : accesses_)
      if (is_at(f_.code[k], l)) return is_load(f_.code[k].op);
    return true;
  }

  void rewrite() {
    std::vector<Inst> before;
    for (Location& l : locations_) {
      l.promoted = emitter_.fresh(l.type);
      if (!reads_first(l)) continue;
      Inst load{.op = Op::load, .dst = l.promoted, .mask = l.sample.mask, .addr = l.sample.addr};
      before.push_back(load);
    }
    for (std::size_t k : accesses_) replace(k);
    for (const Location& l : locations_) coalesce(l.promoted);
    place(before);
  }

  void replace(std::size_t k) {
    Inst& i = f_.code[k];
    for (const Location& l : locations_) {
      if (!is_at(i, l)) continue;
      i = i.dst != 0 ? Inst{.op = Op::move, .dst = i.dst, .a = l.promoted}
                     : Inst{.op = Op::move, .dst = l.promoted, .a = i.a};
      return;
    }
  }

  // Registers made since (promoted ones) are beyond the count: they are no temporaries.
  bool is_temporary(Reg r) const {
    return r < written_.size() && !emitter_.is_mutable(r) && written_[r] == 1;
  }

  static bool reads(const Inst& i, Reg r) {
    bool found = false;
    for_each_operand(i, [&](Reg operand) { found = found || operand == r; });
    return found;
  }

  static void rename(Inst& i, Reg from, Reg to) {
    for (Reg* r : {&i.a, &i.b, &i.c})
      if (*r == from) *r = to;
  }

  void coalesce(Reg m) {
    for (std::size_t k = first(); k < last(); ++k) {
      Inst& i = f_.code[k];
      if (i.op != Op::move) continue;
      if (i.a == m && is_temporary(i.dst)) merge_read(k, i.dst, m);
      else if (i.dst == m && is_temporary(i.a)) merge_write(k, i.a, m);
    }
  }

  // r = move m: r can be m itself unless m changes while r is still read.
  void merge_read(std::size_t at, Reg r, Reg m) {
    std::size_t write = last(), use = at;
    for (std::size_t k = at + 1; k < last(); ++k) {
      if (reads(f_.code[k], r)) use = k;
      if (f_.code[k].dst == m) write = std::min(write, k);
    }
    if (use > write) return;
    for (std::size_t k = at + 1; k <= use; ++k) rename(f_.code[k], r, m);
    drop(at);
  }

  // m = move t: t can be m from its definition on, if nothing wants the old m in between and no
  // later read of t comes after another write of m.
  void merge_write(std::size_t at, Reg t, Reg m) {
    std::size_t def = at;
    while (def > first() && f_.code[def].dst != t) --def;
    if (f_.code[def].dst != t) return;
    for (std::size_t k = def + 1; k < at; ++k)
      if (reads(f_.code[k], m) || f_.code[k].dst == m || is_control(f_.code[k].op)) return;
    bool rewritten = false;
    for (std::size_t k = at + 1; k < last(); ++k) {
      if (rewritten && reads(f_.code[k], t)) return;
      rewritten = rewritten || f_.code[k].dst == m;
    }
    f_.code[def].dst = m;
    for (std::size_t k = def + 1; k < last(); ++k) rename(f_.code[k], t, m);
    drop(at);
  }

  void drop(std::size_t k) { f_.code[k] = {.op = Op::move, .dst = kNowhere}; }

  // The loads go before the loop; dropped moves go away.
  void place(const std::vector<Inst>& before) {
    std::vector<std::size_t> moved(f_.code.size() - begin_ + 1);
    std::vector<Inst> code(before);
    for (std::size_t k = begin_; k < f_.code.size(); ++k) {
      moved[k - begin_] = begin_ + code.size();
      if (f_.code[k].op != Op::move || f_.code[k].dst != kNowhere) code.push_back(f_.code[k]);
    }
    moved.back() = begin_ + code.size();
    for (auto& [at, text] : f_.notes)
      if (at >= begin_) at = moved[at - begin_];
    f_.code.resize(begin_);
    f_.code.insert(f_.code.end(), code.begin(), code.end());
  }

  std::vector<PendingStore> finish() const {
    std::vector<PendingStore> stores;
    for (const Location& l : locations_) {
      Inst store = l.sample;
      store.a = l.promoted;
      stores.push_back({store, l.range});
    }
    return stores;
  }

  static constexpr Reg kNowhere = ~Reg{0};

  Emitter& emitter_;
  Function& f_;
  std::size_t begin_;
  const Target& target_;
  std::vector<std::uint32_t> written_;         // by register: writes in the loop
  std::vector<std::size_t> stores_, accesses_;  // positions
  std::vector<Location> locations_;
};

}  // namespace

std::vector<PendingStore> promote_accumulators(Emitter& emitter, std::size_t begin,
                                               const Target& target) {
  return Promoter(emitter, begin, target).run();
}

}  // namespace loopnest
