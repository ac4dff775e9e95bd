#include "runtime/cpu_features.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <optional>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace loopnest::runtime {
namespace {

// --- sysfs: caches where the processor does not tell ----------------------------------------

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "32K", "1M" or plain bytes.
std::size_t parse_size(const std::string& text) {
  std::size_t value = 0, at = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9')
    value = value * 10 + static_cast<std::size_t>(text[at++] - '0');
  const char unit = at < text.size() ? text[at] : ' ';
  return unit == 'K' ? value << 10 : unit == 'M' ? value << 20 : value;
}

void record_cache(CacheSizes& caches, int level, bool instructions, std::size_t bytes) {
  if (instructions || bytes == 0) return;
  if (level == 1) caches.l1_data_bytes = bytes;
  if (level == 2) caches.l2_bytes = bytes;
  if (level == 3) caches.l3_bytes = bytes;
}

CacheSizes caches_from_sysfs() {
  CacheSizes caches;
  for (int i = 0; i < 8; ++i) {
    const std::string folder =
        "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(i) + "/";
    const std::string level = first_line(folder + "level");
    if (level.empty()) break;
    record_cache(caches, level[0] - '0', first_line(folder + "type") == "Instruction",
                 parse_size(first_line(folder + "size")));
    const std::size_t line = parse_size(first_line(folder + "coherency_line_size"));
    if (line) caches.line_bytes = line;
  }
  return caches;
}

#if defined(__x86_64__)

// --- CPUID ----------------------------------------------------------------------------------

struct Registers {
  std::uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Registers cpuid(std::uint32_t leaf, std::uint32_t subleaf = 0) {
  Registers r;
  if (__get_cpuid_max(leaf & 0x80000000u, nullptr) < leaf) return r;
  __cpuid_count(leaf, subleaf, r.eax, r.ebx, r.ecx, r.edx);
  return r;
}

// XCR0: which register state the operating system saves.
std::uint64_t enabled_state(const Registers& leaf1) {
  constexpr std::uint32_t osxsave = 1u << 27;
  if (!(leaf1.ecx & osxsave)) return 0;
  std::uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

enum class State : std::uint8_t { any, ymm, zmm };

bool saves(std::uint64_t xcr0, State state) {
  constexpr std::uint64_t ymm = 0x06;              // XMM, upper halves
  constexpr std::uint64_t zmm = ymm | 0xE0;        // opmasks, ZMM upper halves, ZMM16-31
  const std::uint64_t wanted = state == State::zmm ? zmm : state == State::ymm ? ymm : 0;
  return (xcr0 & wanted) == wanted;
}

enum class Leaf : std::uint8_t { f1_ecx, f7_ebx, f7_ecx, f7_edx, f71_eax, ext1_ecx };

struct Flag {
  const char* name;
  Leaf leaf;
  int bit;
  State state;
};

constexpr Flag known_flags[] = {
    {"sse4_1", Leaf::f1_ecx, 19, State::any},
    {"sse4_2", Leaf::f1_ecx, 20, State::any},
    {"popcnt", Leaf::f1_ecx, 23, State::any},
    {"avx", Leaf::f1_ecx, 28, State::ymm},
    {"f16c", Leaf::f1_ecx, 29, State::ymm},
    {"fma", Leaf::f1_ecx, 12, State::ymm},
    {"bmi1", Leaf::f7_ebx, 3, State::any},
    {"bmi2", Leaf::f7_ebx, 8, State::any},
    {"lzcnt", Leaf::ext1_ecx, 5, State::any},
    {"prefetchw", Leaf::ext1_ecx, 8, State::any},
    {"avx2", Leaf::f7_ebx, 5, State::ymm},
    {"avx_vnni", Leaf::f71_eax, 4, State::ymm},
    {"avx512f", Leaf::f7_ebx, 16, State::zmm},
    {"avx512dq", Leaf::f7_ebx, 17, State::zmm},
    {"avx512cd", Leaf::f7_ebx, 28, State::zmm},
    {"avx512bw", Leaf::f7_ebx, 30, State::zmm},
    {"avx512vl", Leaf::f7_ebx, 31, State::zmm},
    {"avx512vbmi", Leaf::f7_ecx, 1, State::zmm},
    {"avx512_vnni", Leaf::f7_ecx, 11, State::zmm},
    {"avx512_fp16", Leaf::f7_edx, 23, State::zmm},
    {"avx512_bf16", Leaf::f71_eax, 5, State::zmm},
};

std::array<std::uint32_t, 6> read_leaves() {
  const Registers f1 = cpuid(1), f7 = cpuid(7), f71 = cpuid(7, 1), ext1 = cpuid(0x80000001u);
  const bool has_subleaf1 = f7.eax >= 1;
  return {f1.ecx, f7.ebx, f7.ecx, f7.edx, has_subleaf1 ? f71.eax : 0, ext1.ecx};
}

std::vector<std::string> usable_flags() {
  const auto leaves = read_leaves();
  const std::uint64_t xcr0 = enabled_state(cpuid(1));
  std::vector<std::string> flags;
  for (const Flag& flag : known_flags) {
    const std::uint32_t word = leaves[static_cast<std::size_t>(flag.leaf)];
    if (((word >> flag.bit) & 1) && saves(xcr0, flag.state)) flags.push_back(flag.name);
  }
  return flags;
}

std::string text_of(const Registers& r, bool vendor_order) {
  const std::uint32_t usual[] = {r.eax, r.ebx, r.ecx, r.edx};
  const std::uint32_t vendor[] = {r.ebx, r.edx, r.ecx};
  char text[17] = {};
  if (vendor_order) std::memcpy(text, vendor, sizeof vendor);
  else std::memcpy(text, usual, sizeof usual);
  return text;
}

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(' ');
  if (begin == text.npos) return "";
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

std::string brand_string() {
  std::string brand;
  for (std::uint32_t leaf = 0x80000002u; leaf <= 0x80000004u; ++leaf)
    brand += text_of(cpuid(leaf), false);
  return trimmed(brand);
}

// Leaf 4 (Intel) and 0x8000001D (AMD) describe one cache per subleaf in the same layout.
CacheSizes caches_from_cpuid(std::uint32_t leaf) {
  CacheSizes caches;
  for (std::uint32_t i = 0; i < 16; ++i) {
    const Registers r = cpuid(leaf, i);
    const std::uint32_t type = r.eax & 31;  // 0 ends the list, 2 holds instructions
    if (type == 0) break;
    const std::size_t line = (r.ebx & 0xFFF) + 1, partitions = ((r.ebx >> 12) & 0x3FF) + 1;
    const std::size_t ways = (r.ebx >> 22) + 1, sets = std::size_t{r.ecx} + 1;
    record_cache(caches, static_cast<int>((r.eax >> 5) & 7), type == 2,
                 line * partitions * ways * sets);
    caches.line_bytes = line;
  }
  return caches;
}

CacheSizes detect_caches() {
  constexpr std::uint32_t topology_extensions = 1u << 22;
  CacheSizes caches = caches_from_cpuid(4);
  if (!caches.l1_data_bytes && (cpuid(0x80000001u).ecx & topology_extensions))
    caches = caches_from_cpuid(0x8000001Du);
  return caches.l1_data_bytes ? caches : caches_from_sysfs();
}

void fill_processor(CpuFeatures& features) {
  features.vendor = text_of(cpuid(0), true);
  features.brand = brand_string();
  features.flags = usable_flags();
  features.caches = detect_caches();
}

#elif defined(__aarch64__)

void fill_processor(CpuFeatures& features) {
  features.vendor = "ARM";
  features.brand = "AArch64";
#if defined(__linux__)
  constexpr unsigned long asimd = 1ul << 1, asimdhp = 1ul << 10, asimddp = 1ul << 20;
  const unsigned long capabilities = getauxval(AT_HWCAP);
  if (capabilities & asimd) features.flags.push_back("asimd");
  if (capabilities & asimdhp) features.flags.push_back("asimdhp");
  if (capabilities & asimddp) features.flags.push_back("asimddp");
  const std::string model = first_line("/sys/firmware/devicetree/base/model");
  if (!model.empty()) features.brand = model.c_str();  // the file ends in a null byte
#else
  features.flags.push_back("asimd");
#endif
  features.caches = caches_from_sysfs();
}

#else

void fill_processor(CpuFeatures& features) { features.caches = caches_from_sysfs(); }

#endif

struct Requirement {
  Isa isa;
  std::vector<const char*> flags;
};

// What generated code for each instruction set may use, narrowest first.
const std::vector<Requirement>& requirements() {
  static const std::vector<Requirement> all = {
      {Isa::neon, {"asimd"}},
      {Isa::neon_fp16, {"asimd", "asimdhp"}},
      {Isa::avx2, {"avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt"}},
      {Isa::avx512,
       {"avx2", "fma", "f16c", "bmi1", "bmi2", "lzcnt", "avx512f", "avx512bw", "avx512dq",
        "avx512vl"}},
  };
  return all;
}

}  // namespace

bool CpuFeatures::runs(Isa isa) const {
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

bool CpuFeatures::has(const std::string& flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

CpuFeatures detect() {
  CpuFeatures features;
  fill_processor(features);
  for (const Requirement& requirement : requirements())
    if (std::all_of(requirement.flags.begin(), requirement.flags.end(),
                    [&](const char* flag) { return features.has(flag); }))
      features.isas.push_back(requirement.isa);
  return features;
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

}  // namespace loopnest::runtime
