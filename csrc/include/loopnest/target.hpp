// Instruction sets the generator can emit for. A target is what code may use; the machine it was
// detected on is somebody else's business.
#pragma once

#include <cstdint>
#include <string_view>

namespace loopnest {

enum class Isa : std::uint8_t { avx2, avx512, neon, neon_fp16 };

struct Target {
  Isa isa = Isa::avx2;

  int vector_bytes() const {
    return isa == Isa::avx512 ? 64 : isa == Isa::avx2 ? 32 : 16;
  }
  int vector_registers() const { return isa == Isa::avx2 ? 16 : 32; }
  bool has_lane_masks() const { return isa == Isa::avx512; }
};

// Returns true and sets *target when `name` is "avx2", "avx512", "neon" or "neon_fp16".
bool target_from_name(std::string_view name, Target* target);
std::string_view name_of(Isa isa);

}  // namespace loopnest
