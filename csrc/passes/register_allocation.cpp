// Positions: instruction i reads at 2i and writes at 2i + 1, so a result may take the register of
// an operand that ends there. An interval runs from the first access to the last one, extended to
// the end of every loop that it enters from above and is read in. Intervals have no holes: forward
// branches and redefinitions need no further care.
#include "passes/register_allocation.hpp"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>

namespace loopnest::passes {
namespace {

constexpr std::uint32_t unset = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t no_owner = 0;
constexpr float short_interval_weight = std::numeric_limits<float>::infinity();
// A spilled constant costs no store and folds into its users: cheaper than its uses suggest.
constexpr float constant_discount = 0.25f;
constexpr int deepest_weighted_loop = 8;

bool reads(Role r) { return r == Role::use || r == Role::use_def; }
bool writes(Role r) { return r != Role::use; }
bool starts_early(Role r) { return r != Role::def; }

struct Interval {
  std::uint32_t start = unset, end = 0;
  float weight = 0;
};

class Scan {
 public:
  explicit Scan(const AllocationInput& input) : in_(input) {
    const std::size_t n = in_.registers.size();
    intervals_.resize(n);
    ended_next_.resize(n);
    location_.resize(n);
    out_.assigned.resize(in_.accesses.size());
    out_.spilled.assign(n, 0);
    out_.depth.assign(n, 0);
    build_intervals();
  }

  Allocation run() {
    do {
      spilled_something_ = false;
      scan();
    } while (spilled_something_);
    return std::move(out_);
  }

 private:
  // ---- intervals ----

  // The loop around the instruction at hand, unpacked.
  struct LoopContext {
    std::int32_t loop = -1;
    std::uint32_t begin = 0;  // position; 0 also when in no loop: nothing starts before it
    std::uint8_t depth = 0;
    float weight = 1;
  };

  LoopContext context_of(std::int32_t loop) const {
    if (loop < 0) return {};
    const int depth = std::min(in_.loops[loop].depth, deepest_weighted_loop);
    LoopContext c{loop, 2 * in_.loops[loop].begin, static_cast<std::uint8_t>(depth), 1};
    for (int d = 0; d < depth; ++d) c.weight *= 10;
    return c;
  }

  void build_intervals() {
    LoopContext context;
    std::size_t next_loop = 0;
    const Access* access = in_.accesses.data();
    const auto count = static_cast<std::uint32_t>(in_.instructions());
    for (std::uint32_t i = 0; i < count; ++i) {
      while (next_loop < in_.loops.size() && in_.loops[next_loop].begin == i) {
        context = context_of(static_cast<std::int32_t>(next_loop++));
      }
      const Access* last = in_.accesses.data() + in_.first_access[i + 1];
      for (; access != last; ++access) extend(*access, i, context);
      while (context.loop >= 0 && in_.loops[context.loop].end == i) {
        context = context_of(in_.loops[context.loop].parent);
      }
    }
    for (std::size_t r = 1; r < intervals_.size(); ++r) {
      if (in_.registers[r].rematerializable) intervals_[r].weight *= constant_discount;
    }
  }

  void extend(const Access& access, std::uint32_t i, const LoopContext& context) {
    Interval& v = intervals_[access.reg];
    const std::uint32_t at = 2 * i;
    if (v.start == unset) v.start = starts_early(access.role) ? at : at + 1;
    v.end = std::max(v.end, writes(access.role) ? at + 1 : at);
    v.weight += context.weight;
    if (context.depth > out_.depth[access.reg]) out_.depth[access.reg] = context.depth;
    if (context.begin > v.start && reads(access.role)) extend_to_loop_ends(v, context.loop);
  }

  // Read in a loop that it enters from above: alive to the end of the outermost such loop.
  void extend_to_loop_ends(Interval& v, std::int32_t loop) const {
    for (; loop >= 0 && 2 * in_.loops[loop].begin > v.start; loop = in_.loops[loop].parent) {
      v.end = std::max(v.end, 2 * in_.loops[loop].end + 1);
    }
  }

  // ---- one pass over the instructions ----

  void scan() {
    free_ = in_.available;
    out_.used = {};
    for (auto& owners : owner_) owners.fill(no_owner);
    ended_.assign(2 * in_.instructions() + 2, no_owner);
    std::fill(location_.begin(), location_.end(), in_memory);
    next_clobber_.assign(in_.clobbers.size(), 0);
    next_copy_ = 0;
    const auto count = static_cast<std::uint32_t>(in_.instructions());
    for (std::uint32_t i = 0; i < count; ++i) visit(i);
  }

  // Most accesses are to registers that have their place already.
  void visit(std::uint32_t i) {
    const std::uint32_t first = in_.first_access[i], last = in_.first_access[i + 1];
    const Access* accesses = in_.accesses.data();
    const std::uint8_t* location = location_.data();
    std::uint8_t* assigned = out_.assigned.data();
    bool all_placed = true;
    for (std::uint32_t k = first; k < last; ++k) {
      const std::uint8_t p = location[accesses[k].reg];
      assigned[k] = p;
      all_placed &= p != in_memory;
    }
    if (all_placed) {
      expire(2 * i);
      expire(2 * i + 1);
    } else {
      place_all(i, first, last);
    }
  }

  void place_all(std::uint32_t i, std::uint32_t first, std::uint32_t last) {
    advance_clobbers(i);
    RegisterSets until_read{}, until_written{};
    const int folded = choose_folded(first, last);
    for (std::uint32_t k = first; k < last; ++k) {
      if (!starts_early(in_.accesses[k].role)) continue;
      const bool held = in_.accesses[k].role != Role::use;
      place(k, i, static_cast<int>(k) == folded, held ? until_written : until_read);
    }
    release(until_read);
    expire(2 * i);
    note_copy(i);
    for (std::uint32_t k = first; k < last; ++k) {
      if (starts_early(in_.accesses[k].role)) continue;
      place(k, i, static_cast<int>(k) == folded, until_written);
    }
    release(until_written);
    expire(2 * i + 1);
    copy_source_ = no_owner;
  }

  // The one access of the instruction that stays in its stack slot; -1: none.
  int choose_folded(std::uint32_t first, std::uint32_t last) const {
    if (!out_.any_spilled) return -1;
    for (std::uint32_t k = first; k < last; ++k) {
      const Access& a = in_.accesses[k];
      if (a.memory && out_.spilled[a.reg]) return static_cast<int>(k);
    }
    return -1;
  }

  void place(std::uint32_t k, std::uint32_t i, bool folded, RegisterSets& short_lived) {
    const Access& a = in_.accesses[k];
    if (out_.spilled[a.reg]) {
      const bool deleted = in_.registers[a.reg].rematerializable && a.role == Role::def;
      if (folded || deleted) {
        out_.assigned[k] = in_memory;
        return;
      }
      place_short(k, i, short_lived);
      return;
    }
    const bool unused = in_.registers[a.reg].rematerializable && intervals_[a.reg].end <= 2 * i + 1;
    if (location_[a.reg] == in_memory && !unused) begin_interval(a.reg);
    out_.assigned[k] = location_[a.reg];
  }

  void place_short(std::uint32_t k, std::uint32_t i, RegisterSets& short_lived) {
    const Access& a = in_.accesses[k];
    const VirtualRegister& v = in_.registers[a.reg];
    const Interval interval{2 * i, 2 * i + 1, short_interval_weight};
    const std::uint8_t p = choose(v, interval, permitted(v, interval.end));
    if (p == in_memory) throw std::logic_error("an instruction needs more registers than exist");
    free_[v.cls] &= ~(1u << p);
    short_lived[v.cls] |= 1u << p;
    out_.used[v.cls] |= 1u << p;
    out_.assigned[k] = p;
  }

  void begin_interval(std::uint32_t reg) {
    const VirtualRegister& v = in_.registers[reg];
    const Interval& interval = intervals_[reg];
    const std::uint8_t p = choose(v, interval, permitted(v, interval.end));
    if (p == in_memory) return spill(reg);
    free_[v.cls] &= ~(1u << p);
    out_.used[v.cls] |= 1u << p;
    owner_[v.cls][p] = reg;
    location_[reg] = p;
    ended_next_[reg] = ended_[interval.end];
    ended_[interval.end] = reg;
  }

  void spill(std::uint32_t reg) {
    out_.spilled[reg] = 1;
    out_.any_spilled = true;
    spilled_something_ = true;
    location_[reg] = in_memory;
  }

  // ---- choosing ----

  std::uint32_t permitted(const VirtualRegister& v, std::uint32_t end) const {
    std::uint32_t set = v.allowed & in_.available[v.cls];
    for (std::size_t c = 0; c < in_.clobbers.size(); ++c) {
      const auto& list = in_.clobbers[c].instructions;
      if (next_clobber_[c] < list.size() && 2 * list[next_clobber_[c]] <= end) {
        set &= ~in_.clobbers[c].destroyed[v.cls];
      }
    }
    return set;
  }

  std::uint8_t choose(const VirtualRegister& v, const Interval& interval, std::uint32_t set) {
    const std::uint32_t candidates = set & free_[v.cls];
    if (candidates == 0) return evict(v, interval, set);
    if (v.hint < 32 && (candidates >> v.hint & 1)) return v.hint;
    if (copy_source_ != no_owner && in_.registers[copy_source_].cls == v.cls) {
      const std::uint8_t p = location_[copy_source_];
      if (p < 32 && (candidates >> p & 1)) return p;
    }
    const std::uint32_t cheap = candidates & in_.preferred[v.cls];
    return static_cast<std::uint8_t>(std::countr_zero(cheap ? cheap : candidates));
  }

  // The cheapest of the registers in `set` and the newcomer goes to memory. Returns the register
  // made free, or in_memory when the newcomer is the cheapest.
  std::uint8_t evict(const VirtualRegister& v, const Interval& newcomer, std::uint32_t set) {
    std::uint8_t best = in_memory;
    const Interval* cheapest = &newcomer;
    for (std::uint32_t rest = set; rest != 0; rest &= rest - 1) {
      const auto p = static_cast<std::uint8_t>(std::countr_zero(rest));
      const std::uint32_t owner = owner_[v.cls][p];
      if (owner == no_owner || !cheaper(intervals_[owner], *cheapest)) continue;
      cheapest = &intervals_[owner];
      best = p;
    }
    if (best == in_memory) return in_memory;
    spill(owner_[v.cls][best]);
    owner_[v.cls][best] = no_owner;
    free_[v.cls] |= 1u << best;
    return best;
  }

  static bool cheaper(const Interval& a, const Interval& b) {
    return a.weight != b.weight ? a.weight < b.weight : a.end > b.end;
  }

  // ---- bookkeeping ----

  void expire(std::uint32_t position) {
    for (std::uint32_t r = ended_[position]; r != no_owner; r = ended_next_[r]) {
      const std::uint8_t cls = in_.registers[r].cls;
      const std::uint8_t p = location_[r];
      if (p == in_memory || owner_[cls][p] != r) continue;
      owner_[cls][p] = no_owner;
      free_[cls] |= 1u << p;
    }
  }

  void release(const RegisterSets& sets) {
    for (int c = 0; c < register_classes; ++c) free_[c] |= sets[c];
  }

  void advance_clobbers(std::uint32_t i) {
    for (std::size_t c = 0; c < in_.clobbers.size(); ++c) {
      const auto& list = in_.clobbers[c].instructions;
      while (next_clobber_[c] < list.size() && list[next_clobber_[c]] < i) ++next_clobber_[c];
    }
  }

  // A copy whose source ends here leaves its register to the destination.
  void note_copy(std::uint32_t i) {
    while (next_copy_ < in_.copies.size() && in_.copies[next_copy_] < i) ++next_copy_;
    if (next_copy_ == in_.copies.size() || in_.copies[next_copy_] != i) return;
    if (in_.first_access[i + 1] - in_.first_access[i] == 2) {
      copy_source_ = in_.accesses[in_.first_access[i] + 1].reg;
    }
  }

  const AllocationInput& in_;
  std::vector<Interval> intervals_;
  std::vector<std::uint32_t> ended_, ended_next_;  // lists of registers by end position
  std::vector<std::uint8_t> location_;
  std::array<std::array<std::uint32_t, 32>, register_classes> owner_{};
  RegisterSets free_{};
  std::vector<std::size_t> next_clobber_;
  std::size_t next_copy_ = 0;
  std::uint32_t copy_source_ = no_owner;
  bool spilled_something_ = false;
  Allocation out_;
};

}  // namespace

Allocation allocate_registers(const AllocationInput& input) { return Scan(input).run(); }

}  // namespace loopnest::passes
