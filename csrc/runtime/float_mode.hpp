// The floating-point mode of a thread: rounding and denormal handling.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace loopnest::runtime {

struct FloatMode {
  std::uint64_t control = 0;
};

inline FloatMode current_float_mode() {
#if defined(__x86_64__)
  return {_mm_getcsr() & ~0x3fu};  // without the sticky exception flags
#elif defined(__aarch64__)
  std::uint64_t control;
  asm volatile("mrs %0, fpcr" : "=r"(control));
  return {control};
#else
  return {};
#endif
}

inline void apply_float_mode(FloatMode mode) {
#if defined(__x86_64__)
  _mm_setcsr(static_cast<unsigned>(mode.control));
#elif defined(__aarch64__)
  asm volatile("msr fpcr, %0" : : "r"(mode.control));
#else
  (void)mode;
#endif
}

}  // namespace loopnest::runtime
