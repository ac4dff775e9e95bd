#include "bindings/aligned_memory.hpp"

#include <cstdlib>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace loopnest::python {
namespace {

constexpr std::size_t line_bytes = 64;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t huge_from_bytes = std::size_t{4} << 20;  // as NumPy does

// Whole pages inside the block only: its neighbours are somebody else's.
void prefer_huge_pages([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) {
#if defined(__linux__)
  const auto begin = reinterpret_cast<std::uintptr_t>(block);
  const std::uintptr_t first = (begin + page_bytes - 1) / page_bytes * page_bytes;
  madvise(reinterpret_cast<void*>(first), begin + bytes - first, MADV_HUGEPAGE);
#endif
}

void* allocate(void*, std::size_t bytes) {
  if (bytes > SIZE_MAX - line_bytes) return nullptr;
  void* const block = std::aligned_alloc(line_bytes, (bytes + line_bytes - 1) & ~(line_bytes - 1));
  if (block != nullptr && bytes >= huge_from_bytes) prefer_huge_pages(block, bytes);
  return block;
}

void* allocate_zeroed(void* context, std::size_t count, std::size_t item_bytes) {
  std::size_t bytes;
  if (__builtin_mul_overflow(count, item_bytes, &bytes)) return nullptr;
  void* const block = allocate(context, bytes);
  return block == nullptr ? nullptr : std::memset(block, 0, bytes);
}

// ndarray.resize: correct, though the new place need not be aligned.
void* reallocate(void*, void* block, std::size_t bytes) { return std::realloc(block, bytes); }

void release(void*, void* block, std::size_t) { std::free(block); }

PyDataMem_Handler handler = {
    "loopstack_aligned", 1, {nullptr, allocate, allocate_zeroed, reallocate, release}};

// Arrays keep the capsule alive; so does this reference, for good.
PyObject* handler_capsule() {
  static PyObject* const capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  return capsule;
}

}  // namespace

AlignedAllocation::AlignedAllocation(bool wanted) {
  if (!wanted) return;
  before_ = handler_capsule() == nullptr ? nullptr : PyDataMem_SetHandler(handler_capsule());
  failed_ = before_ == nullptr;
}

AlignedAllocation::~AlignedAllocation() {
  if (before_ == nullptr) return;
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);  // of the allocation, if it failed
  Py_XDECREF(PyDataMem_SetHandler(before_));
  PyErr_Restore(type, value, traceback);
  Py_DECREF(before_);
}

}  // namespace loopnest::python
