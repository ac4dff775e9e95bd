#include "runtime/frame.hpp"

#include <cstdlib>
#include <limits>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace loopnest::runtime {
namespace {

constexpr std::int64_t huge_page_bytes = std::int64_t{2} << 20;

std::int64_t round_up(std::int64_t bytes, std::int64_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Large blocks sit on huge pages: packed panels are walked with long strides.
char* allocate(std::int64_t bytes) {
  const std::int64_t unit = bytes >= huge_page_bytes ? huge_page_bytes : page_bytes;
  if (bytes > std::numeric_limits<std::int64_t>::max() - unit) throw std::bad_alloc();
  const std::int64_t size = round_up(bytes, unit);
  void* const block = std::aligned_alloc(unit, size);
  if (block == nullptr) throw std::bad_alloc();
#if defined(__linux__)
  if (unit == huge_page_bytes) madvise(block, size, MADV_HUGEPAGE);
#endif
  return static_cast<char*>(block);
}

struct ThreadBlock {
  char* data = nullptr;
  std::int64_t size_bytes = 0;
  bool in_use = false;

  ~ThreadBlock() { std::free(data); }

  void drop() {
    std::free(data);
    data = nullptr;
    size_bytes = 0;
  }

  void grow(std::int64_t bytes) {
    if (bytes <= size_bytes) return;
    drop();
    data = allocate(bytes);
    size_bytes = bytes;
  }
};
thread_local ThreadBlock cached;

std::int64_t total_bytes(const KernelEntry& kernel, std::int64_t stride, int threads) {
  std::int64_t private_total, total;
  if (__builtin_mul_overflow(stride, std::int64_t{threads}, &private_total) ||
      __builtin_add_overflow(private_total, round_up(kernel.workspace_bytes, page_bytes), &total))
    throw std::bad_alloc();
  return total;
}

}  // namespace

Workspace::Workspace(std::int64_t bytes) {
  if (bytes <= 0) return;
  if (cached.in_use) {
    data_ = allocate(bytes);
    return;
  }
  cached.grow(bytes);
  cached.in_use = from_cache_ = true;
  data_ = cached.data;
}

Workspace::~Workspace() {
  if (!from_cache_) {
    std::free(data_);
    return;
  }
  cached.in_use = false;
  if (cached.size_bytes > keep_bytes) cached.drop();
}

void call_kernel(const KernelEntry& kernel, void* const* arguments, int threads) {
  const TeamLease team(threads);
  const std::int64_t stride = round_up(kernel.private_bytes, page_bytes);
  const Workspace workspace(total_bytes(kernel, stride, team.threads()));
  loopnest_frame frame{};
  frame.arguments = arguments;
  frame.workspace = workspace.data();
  frame.private_stride = stride;
  frame.private_workspace = workspace.data();
  if (stride != 0) frame.private_workspace += round_up(kernel.workspace_bytes, page_bytes);
  frame.parallel_for = team.parallel_for();
  frame.threads = team.threads();
  kernel.entry(&frame);
}

}  // namespace loopnest::runtime
