// Constants of a module, deduplicated; placed after the code and addressed RIP-relative. Only
// entries that some instruction refers to are written.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "x86/assembler.hpp"

namespace loopnest::x86 {

class ConstantPool {
 public:
  // `bytes` bytes of the element `bits` (4 or 8 bytes) repeated. A later request for more bytes of
  // one element widens the entry.
  std::uint32_t splat(std::uint64_t bits, int element_bytes, int bytes);
  // Any contents.
  std::uint32_t table(std::span<const std::uint8_t> bytes);

  bool is_zero(std::uint32_t entry) const { return entries_[entry].is_zero; }
  // The label of an entry; the first call makes it part of the output.
  std::uint32_t label_of(std::uint32_t entry, Assembler& assembler);
  void write(Assembler& assembler) const;

 private:
  struct Entry {
    std::vector<std::uint8_t> bytes;
    std::uint32_t label = 0;
    bool referenced = false, is_zero = false;
  };
  std::uint32_t append(std::vector<std::uint8_t> bytes);

  std::vector<Entry> entries_;
  std::unordered_map<std::uint64_t, std::uint32_t> splats_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> tables_;
};

}  // namespace loopnest::x86
