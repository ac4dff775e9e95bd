#include "runtime/peaks.hpp"

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "runtime/cpu_features.hpp"
#include "runtime/exec_memory.hpp"
#include "x86/assembler.hpp"

namespace loopnest::runtime {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double slice_seconds = 1e-3;  // long enough to time, short enough to miss interruptions

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double time_once(const std::function<void(std::int64_t)>& work, std::int64_t repeats) {
  const auto start = Clock::now();
  work(repeats);
  return seconds_since(start);
}

// Repeats that take about one slice.
std::int64_t calibrate(const std::function<void(std::int64_t)>& work) {
  std::int64_t repeats = 1;
  for (;;) {
    const double taken = time_once(work, repeats);
    if (taken >= slice_seconds / 2 || repeats > (std::int64_t{1} << 40)) return repeats;
    repeats *= taken < slice_seconds / 20 ? 8 : 2;
  }
}

// The fewest seconds that one repeat of `work` took in any slice.
double fastest_repeat(const std::function<void(std::int64_t)>& work, double seconds) {
  const std::int64_t repeats = calibrate(work);
  double fastest = std::numeric_limits<double>::infinity();
  const auto start = Clock::now();
  do {
    fastest = std::min(fastest, time_once(work, repeats));
  } while (seconds_since(start) < seconds);
  return fastest / static_cast<double>(repeats);
}

// Sum over threads of amount / fastest repeat, all running at once.
double total_rate(int threads, double amount, double seconds,
                  const std::function<std::function<void(std::int64_t)>(int)>& make_work) {
  if (threads < 1) throw std::invalid_argument("threads must be at least 1");
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::barrier start(threads);
  auto run = [&](int thread) {
    const auto work = make_work(thread);
    start.arrive_and_wait();
    rates[static_cast<std::size_t>(thread)] = amount / fastest_repeat(work, seconds);
  };
  std::vector<std::thread> others;
  for (int i = 1; i < threads; ++i) others.emplace_back(run, i);
  run(0);
  for (std::thread& other : others) other.join();
  double sum = 0;
  for (double rate : rates) sum += rate;
  return sum;
}

void require_runnable(Isa isa) {
  if (!cpu_features().runs(isa))
    throw std::invalid_argument("this machine cannot run " + std::string(name_of(isa)));
}

// Page-aligned bytes; every page touched.
struct Buffer {
  explicit Buffer(std::size_t bytes)
      : data(static_cast<std::uint8_t*>(std::aligned_alloc(4096, bytes))) {
    if (!data) throw std::bad_alloc();
    std::memset(data.get(), 1, bytes);
  }
  struct Free {
    void operator()(void* p) const { std::free(p); }
  };
  std::unique_ptr<std::uint8_t, Free> data;
};

#if defined(__x86_64__)

using x86::gpr;
using x86::Op;
using x86::vec;

constexpr int rdi = 7, rsi = 6, rdx = 2;  // the first three integer arguments
constexpr int fma_unroll = 4;

int accumulators(Isa isa) { return isa == Isa::avx512 ? 24 : 12; }

// void(repeats): zero the accumulators, then add 1 * 1 to each, `repeats` x unroll times.
std::vector<std::uint8_t> fma_loop(Isa isa, bool is_f64) {
  const int bytes = Target{isa}.vector_bytes(), count = accumulators(isa), one = count;
  x86::Assembler a;
  const std::uint32_t loop = a.new_label(), constant = a.new_label();
  const Op xor_op = isa == Isa::avx512 ? Op::vpxord : Op::vpxor;
  for (int r = 0; r < count; ++r) a.emit(xor_op, {vec(r, bytes), vec(r, bytes), vec(r, bytes)});
  const x86::Operand memory = x86::mem({.rip_relative = true, .label = constant});
  a.emit(is_f64 ? Op::vbroadcastsd : Op::vbroadcastss, {vec(one, bytes), memory});
  a.align(64);
  a.bind(loop);
  const Op fma = is_f64 ? Op::vfmadd231pd : Op::vfmadd231ps;
  for (int i = 0; i < fma_unroll * count; ++i)
    a.emit(fma, {vec(i % count, bytes), vec(one, bytes), vec(one, bytes)});
  a.emit(Op::dec, {gpr(rdi)});
  a.emit(Op::jne, {x86::label(loop)});
  a.emit(Op::vzeroupper, {});
  a.emit(Op::ret, {});
  a.align(8);
  a.bind(constant);
  const double one_f64 = 1.0;
  const float one_f32 = 1.0f;
  std::uint8_t value[8] = {};
  std::memcpy(value, is_f64 ? static_cast<const void*>(&one_f64) : &one_f32, is_f64 ? 8 : 4);
  a.data(value);
  return a.finish();
}

constexpr int copy_unroll = 4;

// void(destination, source, vectors): copy `vectors`, a positive multiple of the unrolling.
std::vector<std::uint8_t> copy_loop(Isa isa) {
  const int bytes = Target{isa}.vector_bytes();
  x86::Assembler a;
  const std::uint32_t loop = a.new_label();
  a.align(64);
  a.bind(loop);
  auto at = [bytes](int base, int i) {
    return x86::mem({.base = static_cast<std::uint8_t>(base), .disp = i * bytes});
  };
  for (int i = 0; i < copy_unroll; ++i) a.emit(Op::vmovups, {vec(i, bytes), at(rsi, i)});
  for (int i = 0; i < copy_unroll; ++i) a.emit(Op::vmovups, {at(rdi, i), vec(i, bytes)});
  a.emit(Op::add, {gpr(rsi), x86::imm(copy_unroll * bytes)});
  a.emit(Op::add, {gpr(rdi), x86::imm(copy_unroll * bytes)});
  a.emit(Op::sub, {gpr(rdx), x86::imm(copy_unroll)});
  a.emit(Op::jg, {x86::label(loop)});
  a.emit(Op::vzeroupper, {});
  a.emit(Op::ret, {});
  return a.finish();
}

// Code that stays loaded while referred to.
template <typename Function>
std::function<Function> loaded(const std::vector<std::uint8_t>& code) {
  auto memory = ExecutableMemory::process().hold(code);
  auto* entry = reinterpret_cast<Function*>(reinterpret_cast<std::uintptr_t>(memory.get()));
  return [memory, entry](auto... arguments) { entry(arguments...); };
}

using Copy = void(std::uint8_t*, const std::uint8_t*, std::int64_t);

// Copies whole multiples of copy_grain bytes.
std::function<Copy> make_copy() {
  if (cpu_features().isas.empty())
    return [](std::uint8_t* to, const std::uint8_t* from, std::int64_t n) {
      std::memcpy(to, from, static_cast<std::size_t>(n));
    };
  const Isa isa = cpu_features().best_isa();
  const auto entry = loaded<Copy>(copy_loop(isa));
  const int bytes = Target{isa}.vector_bytes();
  return [entry, bytes](std::uint8_t* to, const std::uint8_t* from, std::int64_t n) {
    entry(to, from, n / bytes);
  };
}

#elif defined(__aarch64__)

using Copy = void(std::uint8_t*, const std::uint8_t*, std::int64_t);
typedef float Lanes __attribute__((vector_size(16)));
typedef double WideLanes __attribute__((vector_size(16)));

std::function<Copy> make_copy() {
  return [](std::uint8_t* to, const std::uint8_t* from, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += 16) std::memcpy(to + i, from + i, 16);
  };
}

constexpr int neon_accumulators = 24;

template <typename Vector>
void fma_repeats(std::int64_t repeats) {
  Vector sums[neon_accumulators] = {};
  const Vector one = Vector{} + 1;
  for (std::int64_t i = 0; i < repeats; ++i)
#pragma GCC unroll 24
    for (Vector& sum : sums) {
      sum += one * one;
      __asm__ volatile("" : "+w"(sum));  // keeps the additions apart
    }
}

#else

using Copy = void(std::uint8_t*, const std::uint8_t*, std::int64_t);

std::function<Copy> make_copy() {
  return [](std::uint8_t* to, const std::uint8_t* from, std::int64_t n) {
    std::memcpy(to, from, static_cast<std::size_t>(n));
  };
}

#endif

constexpr std::size_t copy_grain = 256;  // a multiple of every vector loop's step

// Source and destination of one thread.
std::size_t half_of(std::size_t size_bytes, int threads) {
  const bool own_cache = size_bytes <= cpu_features().caches.l2_bytes;
  const std::size_t each = own_cache ? size_bytes : size_bytes / static_cast<std::size_t>(threads);
  return std::max(each / 2 / copy_grain, std::size_t{1}) * copy_grain;
}

}  // namespace

#if defined(__x86_64__)

double fma_peak_gflops(Isa isa, bool is_f64, int threads, double seconds) {
  require_runnable(isa);
  const auto loop = loaded<void(std::int64_t)>(fma_loop(isa, is_f64));
  const int lanes = Target{isa}.vector_bytes() / (is_f64 ? 8 : 4);
  const double operations = 2.0 * lanes * fma_unroll * accumulators(isa);
  return total_rate(threads, operations, seconds, [&](int) { return loop; }) / 1e9;
}

#elif defined(__aarch64__)

double fma_peak_gflops(Isa isa, bool is_f64, int threads, double seconds) {
  require_runnable(isa);
  const std::function<void(std::int64_t)> loop =
      is_f64 ? &fma_repeats<WideLanes> : &fma_repeats<Lanes>;
  const double operations = 2.0 * (is_f64 ? 2 : 4) * neon_accumulators;
  return total_rate(threads, operations, seconds, [&](int) { return loop; }) / 1e9;
}

#else

double fma_peak_gflops(Isa isa, bool, int, double) {
  require_runnable(isa);
  return 0;
}

#endif

double copy_bandwidth_gbs(std::size_t size_bytes, int threads, double seconds) {
  if (threads < 1) throw std::invalid_argument("threads must be at least 1");
  const std::size_t bytes = half_of(size_bytes, threads);
  const auto copy = make_copy();
  auto make_work = [&](int) -> std::function<void(std::int64_t)> {
    // Half a page apart modulo 4 KiB: loads must not seem to depend on the stores before them.
    const std::size_t room = (bytes + 2 * 4096) / 4096 * 4096;
    auto source = std::make_shared<Buffer>(room), target = std::make_shared<Buffer>(room);
    return [=](std::int64_t repeats) {
      for (std::int64_t i = 0; i < repeats; ++i)
        copy(target->data.get() + 2048, source->data.get(), static_cast<std::int64_t>(bytes));
    };
  };
  return total_rate(threads, 2.0 * static_cast<double>(bytes), seconds, make_work) / 1e9;
}

}  // namespace loopnest::runtime
