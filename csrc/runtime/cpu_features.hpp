// What this processor and its operating system let code use, and the sizes of its caches.
// An instruction set counts only when the system also saves its registers (XCR0).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "loopnest/target.hpp"

namespace loopnest::runtime {

// One instance of each level; 0 where there is none or the size is unknown.
struct CacheSizes {
  std::size_t l1_data_bytes = 0;
  std::size_t l2_bytes = 0;
  std::size_t l3_bytes = 0;
  std::size_t line_bytes = 64;
};

struct CpuFeatures {
  std::string vendor;
  std::string brand;
  std::vector<Isa> isas;           // usable ones, narrowest vectors first
  std::vector<std::string> flags;  // usable features, such as "avx2", "avx512vl", "asimdhp"
  CacheSizes caches;

  bool runs(Isa isa) const;
  bool has(const std::string& flag) const;
  // Requires: isas is not empty.
  Isa best_isa() const { return isas.back(); }
};

// Asks the processor; takes microseconds to a millisecond.
CpuFeatures detect();

// detect(), once per process.
const CpuFeatures& cpu_features();

}  // namespace loopnest::runtime
