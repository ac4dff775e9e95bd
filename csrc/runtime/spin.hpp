// Waiting for another thread: hot for a bounded time, then asleep.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace loopnest::runtime {

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");  // `yield` retires at once on most cores; this one takes a while
#endif
}

// Returns the word's value once it differs from `old`. Whoever changes the word notifies it.
// The time is read every few dozen pauses: their length differs tenfold between CPUs.
inline std::uint32_t spin_then_sleep(const std::atomic<std::uint32_t>& word, std::uint32_t old,
                                     int spin_us) {
  using clock = std::chrono::steady_clock;
  const auto give_up = clock::now() + std::chrono::microseconds(spin_us);
  std::uint32_t now;
  do {
    for (int i = 0; i < 32; ++i) {
      if ((now = word.load(std::memory_order_acquire)) != old) return now;
      cpu_relax();
    }
  } while (clock::now() < give_up);
  while ((now = word.load(std::memory_order_acquire)) == old) word.wait(old);
  return now;
}

}  // namespace loopnest::runtime
