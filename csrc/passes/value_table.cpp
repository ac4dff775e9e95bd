#include "passes/value_table.hpp"

namespace loopnest {

using namespace vir;

namespace {

bool same(const Inst& x, const Inst& y) {
  return x.op == y.op && x.cond == y.cond && x.a == y.a && x.b == y.b && x.c == y.c &&
         x.mask == y.mask && x.imm == y.imm && x.addr.base == y.addr.base &&
         x.addr.index == y.addr.index && x.addr.scale == y.addr.scale && x.addr.disp == y.addr.disp;
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15ull;
  return hash ^ (hash >> 29);
}

std::uint64_t hash_of(const Inst& i, Type type) {
  std::uint64_t h = static_cast<std::uint64_t>(i.op) << 8 | static_cast<std::uint64_t>(i.cond);
  h = mix(h, static_cast<std::uint64_t>(type.elem) << 16 | type.lanes);
  h = mix(h, static_cast<std::uint64_t>(i.a) << 32 | i.b);
  h = mix(h, static_cast<std::uint64_t>(i.c) << 32 | i.mask);
  h = mix(h, static_cast<std::uint64_t>(i.imm));
  return mix(h, static_cast<std::uint64_t>(i.addr.disp) ^ (std::uint64_t{i.addr.base} << 40));
}

}  // namespace

void ValueTable::forget() {
  ++generation_;
  count_ = 0;
  stores_.clear();
}

void ValueTable::touch(Reg r) {
  if (r >= versions_.size()) versions_.resize(r + 64);
  ++versions_[r];
}

// Versions only grow, so their sum is current exactly when each of them is.
std::uint32_t ValueTable::versions_of(const Inst& i, Reg result) const {
  return version(i.a) + version(i.b) + version(i.c) + version(i.mask) + version(result);
}

std::size_t ValueTable::place(const Inst& inst, Type type) const {
  std::size_t mask = entries_.size() - 1;
  std::size_t at = hash_of(inst, type) & mask;
  while (entries_[at].generation == generation_ &&
         !(same(entries_[at].key, inst) && entries_[at].type == type))
    at = (at + 1) & mask;
  return at;
}

Reg ValueTable::find(const Inst& inst, Type type, const MemoryRange* range) {
  const Entry& e = entries_[place(inst, type)];
  if (e.generation != generation_ || e.result == 0) return 0;
  if (e.versions != versions_of(inst, e.result)) return 0;
  if (range)
    for (std::size_t s = e.stores; s < stores_.size(); ++s)
      if (may_alias(stores_[s], *range)) return 0;
  return e.result;
}

void ValueTable::insert(const Inst& inst, Type type, Reg result) {
  if (2 * count_ >= entries_.size()) grow();
  last_ = place(inst, type);
  Entry& e = entries_[last_];
  if (e.generation != generation_) ++count_;
  e = {generation_, versions_of(inst, result), stores_.size(), inst, type, result};
}

void ValueTable::grow() {
  std::vector<Entry> old(2 * entries_.size());
  old.swap(entries_);
  for (const Entry& e : old)
    if (e.generation == generation_) entries_[place(e.key, e.type)] = e;
}

}  // namespace loopnest
