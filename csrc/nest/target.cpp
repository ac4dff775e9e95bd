#include "loopnest/target.hpp"

#include <array>
#include <utility>

namespace loopnest {
namespace {
constexpr std::array<std::pair<std::string_view, Isa>, 4> kNames{{{"avx2", Isa::avx2},
                                                                  {"avx512", Isa::avx512},
                                                                  {"neon", Isa::neon},
                                                                  {"neon_fp16", Isa::neon_fp16}}};
}  // namespace

bool target_from_name(std::string_view name, Target* target) {
  for (const auto& [spelling, isa] : kNames) {
    if (spelling != name) continue;
    target->isa = isa;
    return true;
  }
  return false;
}

std::string_view name_of(Isa isa) {
  for (const auto& [spelling, value] : kNames)
    if (value == isa) return spelling;
  return "unknown";
}

}  // namespace loopnest
