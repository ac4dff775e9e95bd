#include "passes/register_file.hpp"

#include <algorithm>

namespace loopnest {

using namespace nest;

void RegisterFile::reset(std::int32_t array) {
  block_of_[static_cast<std::size_t>(array)].clear();
}

Block* RegisterFile::holding(std::int32_t array, std::int64_t element) {
  auto& block_of = block_of_[static_cast<std::size_t>(array)];
  auto at = static_cast<std::size_t>(element);
  return at < block_of.size() ? block_of[at] : nullptr;
}

Block& RegisterFile::vector(std::int32_t array, std::int64_t start, int lanes, std::int64_t live,
                            Emitter& emitter) {
  const Array& info = nest_.arrays[static_cast<std::size_t>(array)];
  auto& block_of = block_of_[static_cast<std::size_t>(array)];
  block_of.resize(static_cast<std::size_t>(info.place));
  Block* block = holding(array, start);
  if (block && (block->start != start || block->lanes != lanes)) throw Recut{array};
  if (!block) {
    block = &blocks_.emplace_back();
    block->start = start, block->lanes = lanes, block->live = 0;
    block->reg = emitter.fresh({vir::Class::vector, info.elem, static_cast<std::uint16_t>(lanes)});
  }
  for (std::int64_t i = block->live; i < live; ++i) {
    Block*& owner = block_of[static_cast<std::size_t>(start + i)];
    if (owner) throw Recut{array};
    owner = block;
  }
  block->live = std::max(block->live, live);
  return *block;
}

}  // namespace loopnest
