// Masks and memory: comparisons with select, first-lane masks, masked and strided access. Every
// array ends, or begins, at an inaccessible page.
#include "backend_support.hpp"

namespace backend_test {
namespace {

// Emulated instructions are slow.
int trials(const Target& t) { return is_emulated(t) ? 4 : 20; }

template <class T>
bool holds(Cond c, T a, T b) {
  switch (c) {
    case Cond::lt: return a < b;
    case Cond::le: return a <= b;
    case Cond::gt: return a > b;
    case Cond::ge: return a >= b;
    case Cond::eq: return a == b;
    default: return a != b;
  }
}

std::string label(const Target& t, const char* what, Elem e, int lanes) {
  return std::string(name_of(t.isa)) + " " + what + " " + elem_name(e) + "x" + std::to_string(lanes);
}

template <class F>
void for_lanes(const Target& t, int element_bytes, F f) {
  for (int lanes = 1; lanes * element_bytes <= t.vector_bytes(); lanes *= 2) f(lanes);
}

// Comparisons of T select among values of D: the sizes may differ. 0 result, 1 a, 2 b, 3 and 4 data.
template <class T, class D>
void test_compare(const Target& t, bool mask_of_data, bool fold) {
  for_lanes(t, std::max(sizeof(T), sizeof(D)), [&](int lanes) {
    for (int c = 0; c < 6; ++c) {
      const Cond cond = static_cast<Cond>(c);
      Builder b;
      Reg p[5];
      for (int k = 0; k < 5; ++k) p[k] = b.argument(k);
      const Reg x = b.load(vec(elem_of<T>(), lanes), {.base = p[1]});
      const Reg y = b.load(vec(elem_of<T>(), lanes), {.base = p[2]});
      const Reg m = b.compare(mask(mask_of_data ? elem_of<D>() : elem_of<T>(), lanes), cond, x, y);
      const Reg u = b.load(vec(elem_of<D>(), lanes), {.base = p[3]});
      const Reg v = b.load(vec(elem_of<D>(), lanes), {.base = p[4]});
      b.store({.base = p[0]}, b.select(vec(elem_of<D>(), lanes), m, u, v));
      if (!fold) b.store({.base = p[1]}, y);
      const std::string what = label(t, "compare", elem_of<T>(), lanes) + " " + std::to_string(c) +
                               " for " + elem_name(elem_of<D>());
      const Code code = generate_checked(b.module(), t, what);
      if (!host_runs(t) || code.bytes.empty()) continue;
      const Executable exe(code, t);
      Guarded out(lanes * sizeof(D)), ab(lanes * sizeof(T)), bb(lanes * sizeof(T));
      Guarded ub(lanes * sizeof(D)), vb(lanes * sizeof(D));
      Random random;
      for (int trial = 0; trial < trials(t); ++trial) {
        std::vector<T> a(lanes);
        for (int l = 0; l < lanes; ++l) {
          ab.as<T>()[l] = a[l] = random_value<T>(random);
          bb.as<T>()[l] = random.below(3) == 0 ? ab.as<T>()[l] : random_value<T>(random);
          ub.as<D>()[l] = D(100 + l), vb.as<D>()[l] = D(200 + l);
        }
        exe.run({out.data(), ab.data(), bb.data(), ub.data(), vb.data()});
        for (int l = 0; l < lanes; ++l) {
          const bool want = holds(cond, a[l], bb.as<T>()[l]);
          check(out.as<D>()[l] == (want ? D(100 + l) : D(200 + l)), what);
        }
      }
    }
  });
}

// mask_first with a register and with a constant, for masked load and store.
template <class T>
void test_tails(const Target& t, bool constant_count) {
  const std::int64_t counts[] = {0, 1, 2, 3, 5, 7, 8, 11, 15, 16, 17, 255, 256, 257, 1ll << 32,
                                 (1ll << 32) + 3, -1, -300, INT64_MAX, INT64_MIN, INT64_MIN + 3};
  for_lanes(t, sizeof(T), [&](int lanes) {
    for (const std::int64_t n : counts) {
      const vir::Type type = vec(elem_of<T>(), lanes), m = mask(elem_of<T>(), lanes);
      Builder b;
      const Reg out = b.argument(0), in = b.argument(1), count = b.argument(2);
      const Reg k = b.op(VOp::mask_first, m, constant_count ? 0 : count, 0, 0, n);
      const Reg v = b.load(type, {.base = in}, k);
      b.store({.base = out}, v, k);
      const Reg full = b.argument(3);
      b.store({.base = full}, v);
      const std::string what = label(t, "tail", elem_of<T>(), lanes) + " n=" + std::to_string(n);
      const Code code = generate_checked(b.module(), t, what);
      if (!host_runs(t) || code.bytes.empty()) continue;
      const int active = static_cast<int>(n < 0 ? 0 : n > lanes ? lanes : n);
      Guarded to(active * sizeof(T) + 1), from(active * sizeof(T)), all(lanes * sizeof(T));
      T* to_data = reinterpret_cast<T*>(to.data() + 1);
      std::memset(to.data(), 0x11, to.size());
      for (int l = 0; l < active; ++l) from.as<T>()[l] = T(l + 1);
      Executable(code, t).run({to_data, from.data(), reinterpret_cast<void*>(n), all.data()});
      for (int l = 0; l < lanes; ++l) {
        check(all.as<T>()[l] == (l < active ? T(l + 1) : T(0)), what + " load");
        if (l < active) check(to_data[l] == T(l + 1), what + " store");
      }
      check(to.data()[0] == 0x11, what + " store below");
    }
  });
}

// A mask from a comparison (unspecified above a narrow value's lanes) on loads, splats and stores.
template <class T>
void test_masked_memory(const Target& t) {
  for_lanes(t, sizeof(T), [&](int lanes) {
    const vir::Type type = vec(elem_of<T>(), lanes), m = mask(elem_of<T>(), lanes);
    Builder b;
    Reg p[5];
    for (int k = 0; k < 5; ++k) p[k] = b.argument(k);
    const Reg wanted = b.load(type, {.base = p[1]});
    const Reg zero = b.op(VOp::constant, type, 0);
    const Reg equal = b.compare(m, Cond::eq, wanted, zero);
    const Reg both = b.op(VOp::mask_not, m, equal);
    const Reg same = b.op(VOp::mask_or, m, both, b.op(VOp::mask_and, m, both, equal));
    b.store({.base = p[0]}, b.load(type, {.base = p[2]}, same), same);
    b.store({.base = p[4]}, b.load(type, {.base = p[3]}, same, VOp::load_splat));
    const std::string what = label(t, "masked memory", elem_of<T>(), lanes);
    const Code code = generate_checked(b.module(), t, what);
    if (!host_runs(t) || code.bytes.empty()) return;
    const Executable exe(code, t);
    Random random;
    Guarded out(lanes * sizeof(T)), mask_data(lanes * sizeof(T)), data(lanes * sizeof(T));
    Guarded one(sizeof(T)), splats(lanes * sizeof(T));
    for (int trial = 0; trial < trials(t); ++trial) {
      bool any = false;
      for (int l = 0; l < lanes; ++l) {
        mask_data.as<T>()[l] = T(trial == 0 ? 0 : random.below(2));
        any |= mask_data.as<T>()[l] != 0;
        data.as<T>()[l] = T(l + 3), out.as<T>()[l] = T(77), splats.as<T>()[l] = T(88);
      }
      *one.as<T>() = T(9);
      exe.run({out.data(), mask_data.data(), data.data(), any ? one.data() : nullptr, splats.data()});
      for (int l = 0; l < lanes; ++l) {
        const bool on = mask_data.as<T>()[l] != 0;
        check(out.as<T>()[l] == (on ? T(l + 3) : T(77)), what);
        check(splats.as<T>()[l] == (on ? T(9) : T(0)), what + " splat");
      }
    }
  });
}

enum class Count { all, counted, constant };

// 0 to, 1 from, 2 count, 3 every lane read.
template <class T>
vir::Module strided_module(int lanes, std::int64_t step, Count how, int n, bool indexed) {
  Builder b;
  const Reg out = b.argument(0), in = b.argument(1), count = b.argument(2), dense = b.argument(3);
  const Reg zero = b.constant(0);
  const vir::Type m = mask(elem_of<T>(), lanes);
  const Reg k = how == Count::all ? 0 : b.op(VOp::mask_first, m, how == Count::counted ? count : 0, 0, 0, n);
  const auto at = [&](Reg base) {
    return indexed ? Address{.base = base, .index = zero, .scale = 4} : Address{.base = base};
  };
  const Reg v = b.load(vec(elem_of<T>(), lanes), at(in), k, VOp::load_strided, step);
  b.store({.base = dense}, v);
  b.store(at(out), v, k, VOp::store_strided, step);
  return b.module();
}

template <class T>
void run_strided(const Executable& exe, int lanes, std::int64_t stride, int n, const std::string& what) {
  const std::int64_t reach = n == 0 ? 0 : (n - 1) * std::abs(stride) + 1;
  Guarded to(reach * sizeof(T), stride < 0), from(reach * sizeof(T), stride < 0);
  Guarded all(lanes * sizeof(T));
  const std::int64_t first = stride < 0 && n > 0 ? reach - 1 : 0;
  for (int i = 0; i < reach; ++i) from.as<T>()[i] = T(i + 1), to.as<T>()[i] = T(-1);
  exe.run({to.as<T>() + first, from.as<T>() + first, reinterpret_cast<void*>(std::int64_t{n}),
           all.data()});
  for (int l = 0; l < lanes; ++l) {
    const T want = l < n ? from.as<T>()[first + l * stride] : T(0);
    check(all.as<T>()[l] == want, what + " load lane " + std::to_string(l));
    if (l < n) check(to.as<T>()[first + l * stride] == want, what + " store");
  }
  for (int i = 0; i < reach; ++i) {
    const bool written = stride != 0 && std::abs(i - first) % std::abs(stride) == 0;
    check(written || stride == 0 || to.as<T>()[i] == T(-1), what + " store between");
  }
}

// Strided copies in both directions: of all lanes, of a run-time count, of a constant count.
template <class T>
void test_strided(const Target& t, std::int64_t stride, Count how, bool indexed) {
  const std::int64_t step = stride * static_cast<std::int64_t>(sizeof(T));
  for_lanes(t, sizeof(T), [&](int lanes) {
    const std::string what = label(t, "strided", elem_of<T>(), lanes) + " by " +
                             std::to_string(stride) + " mode " + std::to_string(static_cast<int>(how));
    for (int n = how == Count::all ? lanes : 0; n <= lanes; ++n) {
      const Code code = generate_checked(strided_module<T>(lanes, step, how, n, indexed), t, what);
      if (!host_runs(t) || code.bytes.empty()) continue;
      run_strided<T>(Executable(code, t), lanes, stride, n, what);
    }
  });
}

template <class T>
void test_stream(const Target& t) {
  for_lanes(t, sizeof(T), [&](int lanes) {
    Builder b;
    const Reg out = b.argument(0), in = b.argument(1);
    b.add(VOp::prefetch).addr = {.base = in, .disp = 64};
    b.add(VOp::prefetch).addr = {.base = in};
    b.f.code.back().imm = 1;
    b.add(VOp::prefetch).addr = {.base = in};
    b.f.code.back().imm = 2;
    b.store({.base = out}, b.load(vec(elem_of<T>(), lanes), {.base = in}), 0, VOp::store_stream);
    const std::string what = label(t, "stream", elem_of<T>(), lanes);
    const Code code = generate_checked(b.module(), t, what);
    if (!host_runs(t) || code.bytes.empty()) return;
    Guarded to(lanes * sizeof(T)), from(lanes * sizeof(T));
    for (int l = 0; l < lanes; ++l) from.as<T>()[l] = T(l + 1);
    Executable(code, t).run({to.data(), from.data()});
    check(std::memcmp(to.data(), from.data(), to.size()) == 0, what);
  });
}

template <class T>
void test_type(const Target& t) {
  for (const bool fold : {true, false}) {
    test_compare<T, float>(t, false, fold);
    test_compare<T, double>(t, true, fold);
    test_compare<T, std::int32_t>(t, true, fold);
    test_compare<T, std::int64_t>(t, false, fold);
  }
  test_tails<T>(t, false);
  test_tails<T>(t, true);
  test_masked_memory<T>(t);
  for (const std::int64_t stride : {1, 2, 3, 5, 0, -1, -2, 100}) {
    for (const Count how : {Count::all, Count::counted, Count::constant}) {
      test_strided<T>(t, stride, how, false);
      test_strided<T>(t, stride, how, true);
    }
  }
  test_stream<T>(t);
}

}  // namespace

void test_memory() {
  for (const Target& t : targets) {
    test_type<float>(t);
    test_type<double>(t);
    test_type<std::int32_t>(t);
    test_type<std::int64_t>(t);
  }
}

}  // namespace backend_test
