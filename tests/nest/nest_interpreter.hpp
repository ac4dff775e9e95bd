// Runs a nest as its text says: one iteration after another, one element at a time. The oracle for
// everything behind the parser.
#pragma once

#include <functional>
#include <set>

#include "loopnest/abi.hpp"
#include "memory.hpp"
#include "nest/nest.hpp"

namespace nest_test {

// What a nest touches of one argument: its extent, and the 4096-byte pages if it is huge.
struct Extent {
  static constexpr std::size_t kHuge = std::size_t{1} << 26;
  loopnest::nest::Elem elem = loopnest::nest::Elem::f32;
  std::size_t bytes = 0;
  std::set<std::size_t> pages;
  bool is_huge() const { return bytes > kHuge; }
};

// By argument index. Throws when a subscript is negative.
std::vector<Extent> argument_extents(const loopnest::nest::Nest& nest);

// Runs the nest; private arrays are thread 0's.
void run(const loopnest::nest::Nest& nest, const loopnest_frame& frame, const Regions& regions);

}  // namespace nest_test
