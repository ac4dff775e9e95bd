// The frame of one kernel call and the workspace it points to.
//
// Each calling thread keeps one block of workspace between calls. A call takes the block if it is
// free and large enough, grows it if it is free and small, and gets a block of its own while the
// thread's block is in use (a nested call). Blocks above `keep_bytes` go back to the system when
// the call ends. Contents are undefined.
#pragma once

#include <cstddef>
#include <cstdint>

#include "loopnest/abi.hpp"
#include "runtime/team.hpp"

namespace loopnest::runtime {

inline constexpr std::int64_t page_bytes = 4096;
inline constexpr std::int64_t keep_bytes = std::int64_t{256} << 20;

// Page-aligned storage for one call. Throws std::bad_alloc.
class Workspace {
 public:
  explicit Workspace(std::int64_t bytes);
  ~Workspace();
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  char* data() const { return data_; }

 private:
  char* data_ = nullptr;
  bool from_cache_ = false;
};

// What a call needs beside its arguments; see loopnest::Code.
struct KernelEntry {
  loopnest_kernel entry = nullptr;
  std::int64_t workspace_bytes = 0;
  std::int64_t private_bytes = 0;
};

// Runs the kernel once on up to `threads` threads. Throws std::bad_alloc before anything runs.
void call_kernel(const KernelEntry& kernel, void* const* arguments, int threads);

}  // namespace loopnest::runtime
