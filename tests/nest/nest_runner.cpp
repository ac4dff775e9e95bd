#include "nest_runner.hpp"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <sstream>

#include "loopnest/code.hpp"
#include "memory.hpp"
#include "nest/nest.hpp"
#include "nest_interpreter.hpp"
#include "passes/expand.hpp"
#include "passes/separate.hpp"
#include "passes/simplify.hpp"
#include "vir_interpreter.hpp"

namespace nest_test {

using namespace loopnest;

namespace {

struct Options {
  double roundings = 0;  // results may differ by so many units in the last place
  bool special = false;
  std::int64_t threads = 3;
};

Options options_of(const std::string& text) {
  Options o;
  std::istringstream lines(text);
  for (std::string line, word; std::getline(lines, line);) {
    std::istringstream in(line);
    if (!(in >> word) || word != "#" || !(in >> word)) continue;
    if (word == "roundings") in >> o.roundings;
    else if (word == "inputs" && in >> word) o.special = word == "special";
  }
  return o;
}

// ---- the memory of one run ----

template <typename T>
T sample(std::mt19937_64& random, bool special) {
  if constexpr (std::is_integral_v<T>) {
    std::int64_t small = static_cast<std::int64_t>(random() % 41) - 20;
    if (!special || random() % 2) return static_cast<T>(small);
    static constexpr T kOdd[] = {std::numeric_limits<T>::min(), std::numeric_limits<T>::max(), 0, -1, 1};
    return random() % 2 ? kOdd[random() % 5] : static_cast<T>(random());
  } else {
    T ordinary = static_cast<T>(0.5 + static_cast<double>(random() % 1000000) / 1e6);
    if (!special || random() % 2) return ordinary;
    using Limits = std::numeric_limits<T>;
    const T odd[] = {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), Limits::denorm_min(),
                     T(0), -T(0), Limits::max(), Limits::lowest(), Limits::min(), T(-700.5), T(88.6), T(-87.9)};
    return random() % 2 ? odd[random() % 12] : (ordinary - 1) * static_cast<T>(random() % 200);
  }
}

template <typename T>
void fill(char* data, std::size_t bytes, std::mt19937_64& random, bool special) {
  for (std::size_t at = 0; at + sizeof(T) <= bytes; at += sizeof(T)) {
    T value = sample<T>(random, special);
    std::memcpy(data + at, &value, sizeof(T));
  }
}

void fill(nest::Elem e, char* data, std::size_t bytes, std::mt19937_64& random, bool special) {
  switch (e) {
    case nest::Elem::i32: return fill<std::int32_t>(data, bytes, random, special);
    case nest::Elem::i64: return fill<std::int64_t>(data, bytes, random, special);
    case nest::Elem::f32: return fill<float>(data, bytes, random, special);
    default: return fill<double>(data, bytes, random, special);
  }
}

extern "C" void run_slices(loopnest_frame* frame, loopnest_body body, const std::int64_t* captures,
                           std::int64_t begin, std::int64_t end) {
  std::int64_t count = end - begin, threads = std::min(frame->threads, count);
  for (std::int64_t t = 0; t < threads; ++t)
    body(frame, captures, begin + count * t / threads, begin + count * (t + 1) / threads, t);
}

class Memory {
 public:
  Memory(const nest::Nest& nest, const std::vector<Extent>& extents, const Options& options)
      : extents_(extents), shared_(static_cast<std::size_t>(nest.shared_bytes), 64),
        stride_((nest.private_bytes + 4095) / 4096 * 4096),
        private_(static_cast<std::size_t>(stride_ * options.threads), 64) {
    std::mt19937_64 random(7);
    for (const Extent& e : extents) {
      arguments_.emplace_back(e.bytes);
      pointers_.push_back(arguments_.back().data());
      regions.add(arguments_.back().data(), e.bytes);
      for_each_part(e, arguments_.back().data(), [&](char* data, std::size_t bytes) {
        fill(e.elem, data, bytes, random, options.special);
      });
    }
    regions.add(shared_.data(), shared_.size());
    regions.add(private_.data(), private_.size());
    std::memset(shared_.data(), 0x7b, shared_.size());
    std::memset(private_.data(), 0x7b, private_.size());
    frame = {pointers_.data(), shared_.data(), private_.data(), stride_, run_slices, options.threads, nullptr};
  }

  // The first difference, or empty.
  std::string compare(const Memory& expected, const Options& o) const {
    std::string found;
    for (std::size_t a = 0; a < arguments_.size(); ++a) {
      char* base = arguments_[a].data();
      char* other = expected.arguments_[a].data();
      for_each_part(extents_[a], base, [&](char* data, std::size_t bytes) {
        if (found.empty()) found = compare_part(a, data - base, data, other + (data - base), bytes, o);
      });
    }
    return found;
  }

  loopnest_frame frame{};
  Regions regions;

 private:
  template <typename F>
  static void for_each_part(const Extent& e, char* base, F f) {
    if (!e.is_huge()) return f(base, e.bytes);
    for (std::size_t page : e.pages) f(base + 4096 * page, std::min<std::size_t>(4096, e.bytes - 4096 * page));
  }

  std::string compare_part(std::size_t argument, std::ptrdiff_t at, const char* found, const char* wanted,
                           std::size_t bytes, const Options& o) const {
    nest::Elem e = extents_[argument].elem;
    auto size = static_cast<std::size_t>(vir::size_of(e));
    for (std::size_t k = 0; k + size <= bytes; k += size) {
      std::string difference = differ(e, found + k, wanted + k, o);
      if (!difference.empty())
        return "argument " + std::to_string(argument) + " element " +
               std::to_string((static_cast<std::size_t>(at) + k) / size) + ": " + difference;
    }
    return "";
  }

  static std::string differ(nest::Elem e, const char* found, const char* wanted, const Options& o) {
    if (e == nest::Elem::f32) return differ_float<float>(found, wanted, o.roundings);
    if (e == nest::Elem::f64) return differ_float<double>(found, wanted, o.roundings);
    std::int64_t x = 0, y = 0;
    auto size = static_cast<std::size_t>(vir::size_of(e));
    std::memcpy(&x, found, size);
    std::memcpy(&y, wanted, size);
    return x == y ? "" : "found " + std::to_string(x) + ", expected " + std::to_string(y);
  }

  template <typename T>
  static std::string differ_float(const char* found, const char* wanted, double roundings) {
    T x, y;
    std::memcpy(&x, found, sizeof(T));
    std::memcpy(&y, wanted, sizeof(T));
    if (std::isnan(x) && std::isnan(y)) return "";
    using Limits = std::numeric_limits<T>;
    double room = roundings * (Limits::epsilon() * std::fabs(static_cast<double>(y)) + Limits::denorm_min());
    if (x == y || std::fabs(static_cast<double>(x) - static_cast<double>(y)) <= room) return "";
    std::ostringstream text;
    text.precision(17);
    text << "found " << x << ", expected " << y;
    return text.str();
  }

  const std::vector<Extent>& extents_;
  std::vector<Buffer> arguments_;
  std::vector<void*> pointers_;
  Buffer shared_;
  std::int64_t stride_;
  Buffer private_;
};

// ---- machine code ----

bool host_runs(const Target& target) {
  if (target.isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (target.isa == Isa::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
  return false;
}

void run_native(const Code& code, loopnest_frame* frame) {
  std::size_t bytes = (code.bytes.size() + 4095) / 4096 * 4096;
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  std::memcpy(at, code.bytes.data(), code.bytes.size());
  mprotect(at, bytes, PROT_READ | PROT_EXEC);
  auto kernel = reinterpret_cast<loopnest_kernel>(static_cast<char*>(at) + code.entry_offset);
  kernel(frame);
  munmap(at, bytes);
}

// ---- one case ----

std::string check_round_trip(const nest::Nest& nest) {
  std::string once = nest::print(nest);
  return nest::print(nest::read(once)) == once ? "" : "the printed nest does not read back";
}

std::string check_target(const std::string& text, Isa isa, const std::vector<Extent>& extents,
                         const Memory& wanted, const Options& o) {
  Target target{isa};
  nest::Nest nest = nest::read(text);
  hoist_conditions(nest);
  separate(nest);
  std::string printed = check_round_trip(nest);
  if (!printed.empty()) return printed + " after separation";
  std::vector<std::string> diagnostics;
  vir::Module module = expand(nest, target, &diagnostics);
  vir::verify(module, target);
  Memory interpreted(nest, extents, o);
  interpret(module, interpreted.frame, interpreted.regions);
  std::string difference = interpreted.compare(wanted, o);
  if (!difference.empty()) return "vector IR: " + difference;
  if (!host_runs(target)) return "";
  Memory native(nest, extents, o);
  run_native(compile(text, target), &native.frame);
  difference = native.compare(wanted, o);
  return difference.empty() ? "" : "machine code: " + difference;
}

}  // namespace

std::string check(const std::string& text) {
  Options o = options_of(text);
  try {
    nest::Nest nest = nest::read(text);
    nest::verify(nest);
    std::string printed = check_round_trip(nest);
    if (!printed.empty()) return printed;
    auto extents = argument_extents(nest);
    Memory wanted(nest, extents, o);
    run(nest, wanted.frame, wanted.regions);
    for (Isa isa : {Isa::avx2, Isa::avx512, Isa::neon}) {
      std::string where = std::string(name_of(isa)) + ", ";
      try {
        std::string found = check_target(text, isa, extents, wanted, o);
        if (!found.empty()) return where + found;
      } catch (const std::exception& e) {
        return where + e.what();
      }
    }
  } catch (const NestError& e) {
    return std::to_string(e.line) + ":" + std::to_string(e.column) + " " + e.what();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "";
}

}  // namespace nest_test
