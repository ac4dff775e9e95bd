#include "passes/cleanup.hpp"

#include <algorithm>

#include "passes/instruction_facts.hpp"

namespace loopnest {

using namespace vir;

// ---- invariants ----

namespace {

class Hoister {
 public:
  Hoister(Function& f, std::size_t begin, const Target& target,
          const std::vector<std::int32_t>& array_of_base, Hoist what)
      : f_(f), begin_(begin), arrays_(array_of_base), what_(what), written_(f.types.size()),
        read_(f.types.size()), budget_(target.vector_registers()) {}

  void run() {
    if (!is_straight()) return;
    count();
    choose();
    move();
  }

 private:
  std::size_t first() const { return begin_ + 1; }
  std::size_t last() const { return f_.code.size() - 1; }  // the branch back

  bool is_straight() const {
    for (std::size_t k = first(); k < last(); ++k)
      if (is_control(f_.code[k].op)) return false;
    return true;
  }

  // Accumulators and the loop's temporaries have a claim on registers before invariants do.
  void count() {
    std::vector<std::uint8_t> seen(f_.types.size());
    int accumulators = 0;
    for (std::size_t k = first(); k < last(); ++k) {
      const Inst& i = f_.code[k];
      for_each_operand(i, [&](Reg r) { seen[r] |= 1; });
      if (i.dst == 0) continue;
      bool carried = (seen[i.dst] & 1) && f_.types[i.dst].cls == Class::vector;
      if (carried && !(seen[i.dst] & 2)) ++accumulators, seen[i.dst] |= 2;
      ++written_[i.dst];
    }
    for (std::size_t k = first(); k < last(); ++k)
      if (is_store(f_.code[k].op)) stored_.push_back(array_at(f_.code[k].addr.base));
    constexpr int kTemporaries = 3;
    budget_ = std::clamp(budget_ - accumulators - kTemporaries, 0, budget_ / 2);
  }

  std::int32_t array_at(Reg base) const { return base < arrays_.size() ? arrays_[base] : -1; }

  void choose() {
    hoisted_.assign(last() - first(), 0);
    for (std::size_t k = first(); k < last(); ++k) {
      const Inst& i = f_.code[k];
      if (is_invariant(i) && fits(i)) {
        hoisted_[k - first()] = 1;
        written_[i.dst] = 0;
      }
      for_each_operand(i, [&](Reg r) { read_[r] = 1; });
    }
  }

  bool is_invariant(const Inst& i) const {
    if (i.dst == 0 || written_[i.dst] != 1 || read_[i.dst]) return false;
    bool changes = false;
    for_each_operand(i, [&](Reg r) { changes = changes || written_[r] != 0; });
    if (changes) return false;
    if (!is_load(i.op)) return true;
    std::int32_t array = array_at(i.addr.base);
    return array >= 0 && std::none_of(stored_.begin(), stored_.end(), [&](std::int32_t s) {
             return s == array || s < 0;
           });
  }

  bool fits(const Inst& i) {
    Class cls = f_.types[i.dst].cls;
    if (cls == Class::general) return true;
    if (what_ == Hoist::masks && cls != Class::mask) return false;
    return --budget_ >= 0;
  }

  void move() {
    std::vector<Inst> before, inside;
    std::vector<std::size_t> moved_before(hoisted_.size() + 1);
    for (std::size_t k = 0; k < hoisted_.size(); ++k) {
      (hoisted_[k] ? before : inside).push_back(f_.code[first() + k]);
      moved_before[k + 1] = before.size();
    }
    if (before.empty()) return;
    for (auto& [at, text] : f_.notes)
      if (at > begin_ && at <= last()) at += before.size() - moved_before[at - first()];
    Inst opening = f_.code[begin_];
    auto out = f_.code.begin() + static_cast<std::ptrdiff_t>(begin_);
    out = std::copy(before.begin(), before.end(), out);
    *out++ = opening;
    std::copy(inside.begin(), inside.end(), out);
  }

  Function& f_;
  std::size_t begin_;
  const std::vector<std::int32_t>& arrays_;
  Hoist what_;
  std::vector<std::uint32_t> written_;  // by register: writes inside the loop that stay
  std::vector<std::uint8_t> read_;      // by register: read before this instruction
  std::vector<std::int32_t> stored_;    // arrays stored to
  std::vector<std::uint8_t> hoisted_;
  int budget_;
};

}  // namespace

void hoist_invariants(Function& function, std::size_t begin, const Target& target,
                      const std::vector<std::int32_t>& array_of_base, Hoist what) {
  Hoister(function, begin, target, array_of_base, what).run();
}

// ---- dead code ----

namespace {

void keep_only(Function& f, const std::vector<std::uint8_t>& dead) {
  std::vector<std::size_t> new_place(f.code.size() + 1);
  std::size_t out = 0;
  for (std::size_t k = 0; k < f.code.size(); ++k) {
    new_place[k] = out;
    if (!dead[k]) f.code[out++] = f.code[k];
  }
  new_place[f.code.size()] = out;
  f.code.resize(out);
  for (auto& [at, text] : f.notes) at = new_place[at];
}

}  // namespace

void drop_dead_code(Function& f) {
  std::vector<std::uint32_t> uses(f.types.size());
  auto count = [&](const Inst& i, std::uint32_t change) {
    if (is_self_update(i)) return;
    for_each_operand(i, [&](Reg r) { uses[r] += change; });
  };
  for (const Inst& i : f.code) count(i, 1);
  std::vector<std::uint8_t> dead(f.code.size());
  bool found = false, changed = true;
  while (changed) {
    changed = false;
    for (std::size_t k = f.code.size(); k-- > 0;) {
      const Inst& i = f.code[k];
      if (dead[k] || i.dst == 0 || uses[i.dst] != 0) continue;
      count(i, ~std::uint32_t{0});
      dead[k] = 1;
      found = changed = true;
    }
  }
  if (found) keep_only(f, dead);
}

// ---- unwritten registers ----

namespace {

// Forward data flow over structured code; a loop's back edge adds nothing to its entry.
class UnwrittenFinder {
 public:
  explicit UnwrittenFinder(const Function& f)
      : f_(f), words_(f.types.size() / 64 + 1), now_(words_), at_label_(f.labels + 1) {}

  std::vector<Reg> run() {
    for (const Inst& i : f_.code) visit(i);
    return std::move(found_);
  }

 private:
  using Set = std::vector<std::uint64_t>;

  void visit(const Inst& i) {
    if (i.op == Op::bind) join(i.label);
    for_each_operand(i, [&](Reg r) {
      if (f_.types[r].cls == Class::vector && !has(r)) found_.push_back(r), put(r);
    });
    if (i.dst != 0) put(i.dst);
    if (i.op == Op::jump || i.op == Op::branch_if) leave_to(i.label);
    if (i.op == Op::jump) now_.assign(words_, ~std::uint64_t{0});
  }
  bool has(Reg r) const { return now_[r / 64] >> (r % 64) & 1; }
  void put(Reg r) { now_[r / 64] |= std::uint64_t{1} << (r % 64); }
  void join(Label label) {
    const Set& other = at_label_[label];
    for (std::size_t w = 0; w < other.size(); ++w) now_[w] &= other[w];
  }
  void leave_to(Label label) {
    Set& there = at_label_[label];
    if (there.empty()) there = now_;
    for (std::size_t w = 0; w < words_; ++w) there[w] &= now_[w];
  }

  const Function& f_;
  std::size_t words_;
  Set now_;
  std::vector<Set> at_label_;
  std::vector<Reg> found_;
};

}  // namespace

void define_unwritten(Function& f) {
  std::vector<Inst> zeros;
  for (Reg r : UnwrittenFinder(f).run()) zeros.push_back({.op = Op::constant, .dst = r});
  if (zeros.empty()) return;
  f.code.insert(f.code.begin(), zeros.begin(), zeros.end());
  for (auto& note : f.notes) note.first += zeros.size();
}

}  // namespace loopnest
