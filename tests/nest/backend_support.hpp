// What the back end's tests share: a builder of vector IR, guarded buffers, and running code.
#pragma once

#include <sys/mman.h>

#include <bit>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "loopnest/abi.hpp"
#include "loopnest/code.hpp"
#include "vector_ir/vector_ir.hpp"
#include "x86/generate.hpp"

namespace backend_test {

using namespace loopnest;
using vir::Address;
using vir::Cond;
using vir::Elem;
using vir::Reg;
using VOp = vir::Op;

inline int failures = 0;
inline void check(bool ok, const std::string& what) {
  if (ok) return;
  if (++failures <= 40) std::printf("FAIL %s\n", what.c_str());
}

inline vir::Type vec(Elem e, int lanes) {
  return {vir::Class::vector, e, static_cast<std::uint16_t>(lanes)};
}
inline vir::Type mask(Elem e, int lanes) {
  return {vir::Class::mask, e, static_cast<std::uint16_t>(lanes)};
}

struct Builder {
  vir::Function f;

  vir::Inst& add(VOp op) {
    f.code.push_back({.op = op});
    return f.code.back();
  }
  Reg general() { return f.fresh({}); }
  // dst = op a, b or imm, in a fresh register unless one is given.
  Reg g(VOp op, Reg a, Reg b, std::int64_t imm = 0, Reg dst = 0) {
    if (dst == 0) dst = general();
    vir::Inst& i = add(op);
    i.dst = dst, i.a = a, i.b = b, i.imm = imm;
    return dst;
  }
  Reg constant(std::int64_t v) { return g(VOp::g_const, 0, 0, v); }
  Reg argument(int n) { return g(VOp::g_argument, 0, 0, n); }
  Reg load(vir::Type t, Address at, Reg m = 0, VOp op = VOp::load, std::int64_t imm = 0) {
    const Reg dst = f.fresh(t);
    vir::Inst& i = add(op);
    i.dst = dst, i.addr = at, i.mask = m, i.imm = imm;
    return dst;
  }
  void store(Address at, Reg v, Reg m = 0, VOp op = VOp::store, std::int64_t imm = 0) {
    vir::Inst& i = add(op);
    i.a = v, i.addr = at, i.mask = m, i.imm = imm;
  }
  Reg op(VOp o, vir::Type t, Reg a, Reg b = 0, Reg c = 0, std::int64_t imm = 0, Reg dst = 0) {
    if (dst == 0) dst = f.fresh(t);
    vir::Inst& i = add(o);
    i.dst = dst, i.a = a, i.b = b, i.c = c, i.imm = imm;
    return dst;
  }
  Reg compare(vir::Type t, Cond cond, Reg a, Reg b) {
    const Reg dst = op(VOp::compare, t, a, b);
    f.code.back().cond = cond;
    return dst;
  }
  Reg select(vir::Type t, Reg m, Reg a, Reg b) {
    const Reg dst = op(VOp::select, t, a, b);
    f.code.back().mask = m;
    return dst;
  }
  void store_general(Address at, Reg value) {
    store(at, op(VOp::splat, vec(Elem::i64, 1), value));
  }
  vir::Label loop() {
    const vir::Label l = f.fresh_label();
    add(VOp::loop_begin).label = l;
    return l;
  }
  void branch(vir::Label l, Reg a, Cond cond, Reg b, std::int64_t imm = 0) {
    vir::Inst& i = add(VOp::branch_if);
    i.label = l, i.a = a, i.cond = cond, i.b = b, i.imm = imm;
  }
  void end_loop(vir::Label l, Reg a, Cond cond, Reg b, std::int64_t imm = 0) {
    branch(l, a, cond, b, imm);
    add(VOp::loop_end);
  }
  void bind(vir::Label l) { add(VOp::bind).label = l; }
  vir::Module module() {
    add(VOp::ret);
    vir::Module m;
    m.functions.push_back(f);
    return m;
  }
};

// Memory that generated code may touch: what an emulated run sees.
struct Region {
  const void* address;
  std::size_t size;
};
inline std::vector<Region> visible;

class Visible {
 public:
  Visible(const void* p, std::size_t size) : region_{p, size} { visible.push_back(region_); }
  Visible(const Visible&) = delete;
  Visible& operator=(const Visible&) = delete;
  ~Visible() {
    std::erase_if(visible, [&](const Region& r) { return r.address == region_.address; });
  }

 private:
  Region region_;
};

// `bytes` bytes that end (or begin) at an inaccessible page.
class Guarded {
 public:
  explicit Guarded(std::size_t bytes, bool guard_below = false) : bytes_(bytes) {
    const std::size_t page = 4096, body = (bytes + page - 1) / page * page;
    total_ = body + 2 * page;
    void* p = mmap(nullptr, total_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) std::abort();
    map_ = static_cast<char*>(p);
    if (mprotect(map_ + page, body, PROT_READ | PROT_WRITE) != 0) std::abort();
    data_ = guard_below ? map_ + page : map_ + page + body - bytes;
    visible.push_back({data_, bytes_});
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    std::erase_if(visible, [&](const Region& r) { return r.address == data_; });
    munmap(map_, total_);
  }
  char* data() { return data_; }
  std::size_t size() const { return bytes_; }
  template <class T> T* as() { return reinterpret_cast<T*>(data_); }

 private:
  char *map_, *data_;
  std::size_t bytes_, total_;
};

// Calls kernel(frame) with known values in every callee-saved register; returns 1 when one of them, or rsp,
// differs afterwards.
extern "C" std::int64_t backend_test_call(loopnest_kernel kernel, loopnest_frame* frame);

// True when generated code for `t` runs here: on the processor, or through the emulator.
bool host_runs(const Target& t);
bool is_emulated(const Target& t);
// Runs `entry` in the emulator with `visible` as its memory.
void run_emulated(loopnest_kernel entry, loopnest_frame* frame);

class Executable {
 public:
  Executable(const Code& code, const Target& target)
      : size_(code.bytes.size()), emulated_(is_emulated(target)) {
    map_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    std::memcpy(map_, code.bytes.data(), size_);
    mprotect(map_, size_, PROT_READ | PROT_EXEC);
    entry_ = reinterpret_cast<loopnest_kernel>(static_cast<char*>(map_) + code.entry_offset);
  }
  Executable(const Executable&) = delete;
  Executable& operator=(const Executable&) = delete;
  ~Executable() { munmap(map_, size_); }
  void run(loopnest_frame& frame, std::size_t arguments) const {
    if (emulated_) {
      const Visible code(map_, size_), context(&frame, sizeof frame);
      const Visible pointers(frame.arguments, 8 * arguments);
      return run_emulated(entry_, &frame);
    }
    check(backend_test_call(entry_, &frame) == 0, "callee-saved registers");
  }
  void run(const std::vector<void*>& arguments) const {
    loopnest_frame frame{};
    frame.arguments = arguments.data();
    frame.threads = 1;
    run(frame, arguments.size());
  }

 private:
  void* map_;
  std::size_t size_;
  bool emulated_;
  loopnest_kernel entry_;
};

inline Code generate_checked(const vir::Module& m, const Target& t, const std::string& what) {
  try {
    vir::verify(m, t);
    return x86::generate(m, t);
  } catch (const std::exception& e) {
    check(false, what + ": " + e.what() + "\n" + vir::print(m));
    return {};
  }
}

// The instruction sets code is generated for.
inline const Target targets[] = {Target{Isa::avx2}, Target{Isa::avx512}};

// ---- values ----

struct Random {
  std::uint64_t state = 88172645463325252u;
  std::uint64_t next() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
  }
  int below(int n) { return static_cast<int>(next() % static_cast<std::uint64_t>(n)); }
};

template <class T> T special(int n);
template <> inline float special(int n) {
  const float values[] = {0.0f, -0.0f, 1.0f, -1.0f, 0.5f, -2.5f, 3.5f, 1e-40f, 3.4e38f, -3.4e38f,
                          __builtin_inff(), -__builtin_inff(), __builtin_nanf(""), 1e10f, -7.25f, 2.5f};
  return values[n % 16];
}
template <> inline double special(int n) {
  const double values[] = {0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.5, 1e-310, 1e308, -1e308,
                           __builtin_inf(), -__builtin_inf(), __builtin_nan(""), 1e15, -7.25, 2.5};
  return values[n % 16];
}
template <> inline std::int32_t special(int n) {
  const std::int32_t values[] = {0, 1, -1, 2, INT32_MAX, INT32_MIN, 65536, -65537};
  return values[n % 8];
}
template <> inline std::int64_t special(int n) {
  const std::int64_t values[] = {0, 1, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN,
                                 1ll << 32, (1ll << 53) + 1, -(1ll << 53) - 1, 0x123456789abcdefll};
  return values[n % 11];
}
template <class T> T random_value(Random& r) {
  if (r.below(3) == 0) return special<T>(r.below(16));
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<T>(static_cast<std::int64_t>(r.next() >> 20) - (1ll << 43)) / T(1ll << 36);
  } else {
    return static_cast<T>(r.next() >> r.below(48));
  }
}

template <class T> constexpr Elem elem_of() {
  if constexpr (std::is_same_v<T, float>) return Elem::f32;
  else if constexpr (std::is_same_v<T, double>) return Elem::f64;
  else if constexpr (std::is_same_v<T, std::int32_t>) return Elem::i32;
  else return Elem::i64;
}

// Equal bits, or both NaN, or both zero.
template <class T> bool same_value(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (a != a) return b != b;
    return a == b;
  } else {
    return a == b;
  }
}

inline const char* elem_name(Elem e) {
  static const char* names[] = {"i32", "i64", "f32", "f64"};
  return names[static_cast<int>(e)];
}

}  // namespace backend_test
