// NumPy arrays whose data starts on a cache line.
//
// NumPy aligns to 16 bytes, so that every other vector store crosses a line and streaming stores
// are not possible. Switching its allocator costs about half a microsecond, more than the crossings
// of a small array, so small ones stay as NumPy makes them.
#pragma once

#include <cstdint>

#include "bindings/numpy_api.hpp"

namespace loopnest::python {

inline constexpr std::int64_t aligned_from_bytes = 64 << 10;

// While it lives, this thread's new arrays are aligned to 64 bytes.
class AlignedAllocation {
 public:
  explicit AlignedAllocation(bool wanted);
  ~AlignedAllocation();
  AlignedAllocation(const AlignedAllocation&) = delete;
  AlignedAllocation& operator=(const AlignedAllocation&) = delete;

  bool failed() const { return failed_; }  // with a Python error set

 private:
  PyObject* before_ = nullptr;
  bool failed_ = false;
};

}  // namespace loopnest::python
