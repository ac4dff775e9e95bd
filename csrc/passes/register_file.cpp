#include "passes/register_file.hpp"

#include <algorithm>

namespace loopnest {

using namespace nest;

RegisterFile::RegisterFile(const Nest& nest) : nest_(nest), arrays_(nest.arrays.size()) {
  blocks_.reserve(64);
}

void RegisterFile::reset(std::int32_t array) {
  arrays_[static_cast<std::size_t>(array)].block_of.clear();
}

Block* RegisterFile::holding(std::int32_t array, std::int64_t element) {
  auto& block_of = arrays_[static_cast<std::size_t>(array)].block_of;
  auto at = static_cast<std::size_t>(element);
  if (at >= block_of.size() || block_of[at] < 0) return nullptr;
  return &blocks_[static_cast<std::size_t>(block_of[at])];
}

Block& RegisterFile::vector(std::int32_t array, std::int64_t start, int lanes, std::int64_t live,
                            Emitter& emitter) {
  const Array& info = nest_.arrays[static_cast<std::size_t>(array)];
  auto& block_of = arrays_[static_cast<std::size_t>(array)].block_of;
  block_of.resize(static_cast<std::size_t>(info.place), -1);
  Block* block = holding(array, start);
  if (block && (block->start != start || block->lanes != lanes)) throw Recut{array};
  if (!block) {
    blocks_.push_back({start, lanes, 0, emitter.fresh({vir::Class::vector, info.elem,
                                                       static_cast<std::uint16_t>(lanes)}),
                       false, {}, false});
    block = &blocks_.back();
  }
  auto number = static_cast<std::int32_t>(block - blocks_.data());
  for (std::int64_t i = block->live; i < live; ++i) {
    auto& owner = block_of[static_cast<std::size_t>(start + i)];
    if (owner >= 0) throw Recut{array};
    owner = number;
  }
  block->live = std::max(block->live, live);
  return *block;
}

}  // namespace loopnest
