// Value numbering of one straight line: the same operator on the same operands is computed once.
//
// Registers may be mutable, so an entry remembers the versions of what it read and holds only while
// they are current. A load holds until a store that may alias it; stores to one array are told
// apart when they share a base register and their byte ranges do not meet.
#pragma once

#include <cstdint>
#include <vector>

#include "vector_ir/vector_ir.hpp"

namespace loopnest {

// Bytes [low, high) from register `base`, inside `array`.
struct MemoryRange {
  std::int32_t array = -1;
  vir::Reg base = 0;
  std::int64_t low = 0, high = 0;
};

inline bool may_alias(const MemoryRange& a, const MemoryRange& b) {
  if (a.array != b.array) return false;
  return a.base != b.base || (a.low < b.high && b.low < a.high);
}

class ValueTable {
 public:
  ValueTable() : entries_(64) {}

  void forget();                         // a new straight line begins
  void touch(vir::Reg mutable_register); // it has a new value
  void stored(const MemoryRange& range) { stores_.push_back(range); }

  // The register that already holds this value, or 0. `range` is given for loads.
  vir::Reg find(const vir::Inst& inst, vir::Type type, const MemoryRange* range);
  void insert(const vir::Inst& inst, vir::Type type, vir::Reg result);
  void erase_last() { entries_[last_].result = 0; }  // the latest insert no longer holds

 private:
  struct Entry {
    std::uint32_t generation = 0;  // current generation: in use
    std::uint32_t versions = 0;    // sum of the versions of operands and result
    std::size_t stores = 0;        // stores seen when it was made
    vir::Inst key;
    vir::Type type;
    vir::Reg result = 0;
  };

  std::size_t place(const vir::Inst& inst, vir::Type type) const;
  std::uint32_t version(vir::Reg r) const { return r < versions_.size() ? versions_[r] : 0; }
  std::uint32_t versions_of(const vir::Inst& inst, vir::Reg result) const;
  void grow();

  std::vector<Entry> entries_;  // open addressing, a power of two
  std::vector<std::uint32_t> versions_;
  std::vector<MemoryRange> stores_;
  std::uint32_t generation_ = 1;
  std::size_t count_ = 0, last_ = 0;
};

}  // namespace loopnest
