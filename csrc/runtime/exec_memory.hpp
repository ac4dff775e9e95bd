// Executable memory, never writable and executable through one address (W^X).
//
//   chunk (memfd)  --- mmap shared, read+write  ->  writable view   (used by allocate only)
//                  \-- mmap shared, read+exec   ->  executable view (what callers get)
//
// Where memfd is refused, an allocation is its own private mapping, written first and then made
// executable. The total is bounded. Invariants under fork: memfd pages stay shared between parent
// and child, so a process never writes bytes that another may execute. The child allocates from
// chunks of its own; the parent does not reuse the space of code that was alive at the fork.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>

namespace loopnest::runtime {

// The limit is reached, or the system gives no executable memory at all.
struct ExecutableMemoryError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class ExecutableMemory {
 public:
  static constexpr std::size_t default_limit_bytes = std::size_t{256} << 20;
  static constexpr std::size_t alignment = 64;

  // `dual_mapping` false forces the fallback; tests use it.
  explicit ExecutableMemory(std::size_t limit_bytes = default_limit_bytes,
                            bool dual_mapping = true);
  ~ExecutableMemory();
  ExecutableMemory(const ExecutableMemory&) = delete;
  ExecutableMemory& operator=(const ExecutableMemory&) = delete;

  // The arena of this process; never destroyed, so that code may be released at exit.
  static ExecutableMemory& process();

  // Copies `code` and returns its executable address, aligned to 64 bytes. Thread-safe.
  // Throws ExecutableMemoryError.
  void* allocate(std::span<const std::uint8_t> code);
  // Gives the space back; nothing may run or hold an address in it. Thread-safe; null is ignored.
  void release(void* code) noexcept;
  // allocate() whose last reference releases. The arena must outlive it.
  std::shared_ptr<const void> hold(std::span<const std::uint8_t> code);

  std::size_t limit_bytes() const;
  void set_limit_bytes(std::size_t limit_bytes);  // bounds later growth; frees nothing
  std::size_t mapped_bytes() const;
  std::size_t used_bytes() const;

  struct State;  // internal; known to the fork handlers

 private:
  std::unique_ptr<State> state_;
};

}  // namespace loopnest::runtime
