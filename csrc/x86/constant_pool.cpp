#include "x86/constant_pool.hpp"

#include <algorithm>
#include <cstring>

namespace loopnest::x86 {
namespace {

std::uint64_t hash_of(std::span<const std::uint8_t> bytes) {
  std::uint64_t h = 1469598103934665603u;  // FNV-1a
  for (const std::uint8_t b : bytes) h = (h ^ b) * 1099511628211u;
  return h;
}

std::vector<std::uint8_t> repeat(std::uint64_t bits, int element_bytes, int bytes) {
  std::vector<std::uint8_t> out(bytes);
  for (int at = 0; at < bytes; at += element_bytes) std::memcpy(&out[at], &bits, element_bytes);
  return out;
}

}  // namespace

std::uint32_t ConstantPool::splat(std::uint64_t bits, int element_bytes, int bytes) {
  // Four-byte elements are keyed as the eight bytes they repeat to: equal contents, one entry.
  if (element_bytes == 4) bits = (bits & 0xffffffffu) | bits << 32;
  if (const auto it = splats_.find(bits); it != splats_.end()) {
    auto& contents = entries_[it->second].bytes;
    if (contents.size() < static_cast<std::size_t>(bytes)) contents = repeat(bits, 8, bytes);
    return it->second;
  }
  const std::uint32_t entry = append(repeat(bits, 8, std::max(bytes, 8)));
  entries_[entry].is_zero = bits == 0;
  splats_.emplace(bits, entry);
  return entry;
}

std::uint32_t ConstantPool::table(std::span<const std::uint8_t> bytes) {
  const std::uint64_t key = hash_of(bytes);
  const auto [first, last] = tables_.equal_range(key);
  for (auto it = first; it != last; ++it) {
    if (std::ranges::equal(entries_[it->second].bytes, bytes)) return it->second;
  }
  const std::uint32_t entry = append({bytes.begin(), bytes.end()});
  tables_.emplace(key, entry);
  return entry;
}

std::uint32_t ConstantPool::append(std::vector<std::uint8_t> bytes) {
  entries_.push_back({std::move(bytes)});
  return static_cast<std::uint32_t>(entries_.size() - 1);
}

std::uint32_t ConstantPool::label_of(std::uint32_t entry, Assembler& assembler) {
  Entry& e = entries_[entry];
  if (!e.referenced) {
    e.label = assembler.new_label();
    e.referenced = true;
  }
  return e.label;
}

// Widest entries first, so that each is aligned to its own size.
void ConstantPool::write(Assembler& assembler) const {
  std::vector<const Entry*> used;
  for (const Entry& e : entries_) {
    if (e.referenced) used.push_back(&e);
  }
  std::ranges::stable_sort(used, std::ranges::greater{}, [](auto* e) { return e->bytes.size(); });
  if (!used.empty()) assembler.align(64);
  for (const Entry* e : used) {
    assembler.bind(e->label);
    assembler.data(e->bytes);
  }
}

}  // namespace loopnest::x86
