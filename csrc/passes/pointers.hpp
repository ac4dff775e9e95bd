// Addresses by strength reduction. One general register holds array base + variable part for each
// (array, variable part) group in use; constant parts become displacements, so accesses that differ
// by a constant share a pointer. A loop advances the pointers of its groups (see `advancing`).
#pragma once

#include <vector>

#include "nest/nest.hpp"
#include "passes/scope.hpp"

namespace loopnest {

class Pointers {
 public:
  Pointers(const nest::Nest& nest, Scope& scope)
      : nest_(nest), scope_(scope), bases_(nest.arrays.size()) {}

  // The address of element `subscript` (its lane part ignored).
  vir::Address address(std::int32_t array, const Linear& subscript);

  // A group whose pointer moves with a loop: the register holds the address for the loop's first
  // iteration; the loop adds `step_bytes` per unit of its variable.
  struct Advancing {
    vir::Reg reg;
    std::int64_t step_bytes;
  };
  // Sets up the pointer of the group of `subscript` for a loop over `slot` that starts at `first`;
  // nothing when the group does not move or already has its pointer.
  void advance_with(std::int32_t array, const Linear& subscript, Slot slot, const Linear& first,
                    std::vector<Advancing>& moving);

  std::size_t mark() const { return known_.size(); }
  void leave(std::size_t mark) { known_.resize(mark); }

 private:
  struct Pointer {
    std::int32_t array;
    Linear part;           // variable part in elements; constant and lane are 0
    std::int64_t offset;   // bytes already inside the register
    vir::Reg reg;
  };

  const Pointer& find_or_make(std::int32_t array, const Linear& part, std::int64_t offset);
  Pointer make(std::int32_t array, Linear part, std::int64_t offset);
  vir::Reg base(std::int32_t array);
  std::int64_t size_of(std::int32_t array) const {
    return vir::size_of(nest_.arrays[static_cast<std::size_t>(array)].elem);
  }

  const nest::Nest& nest_;
  Scope& scope_;
  std::vector<vir::Reg> bases_;
  std::vector<Pointer> known_;
};

}  // namespace loopnest
