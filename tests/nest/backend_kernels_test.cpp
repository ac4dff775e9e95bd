// Whole kernels: loops, tails, reductions, the matrix microkernel, spilling, parallel bodies, the
// calling convention, and random programs against an interpreter.
#include <cmath>

#include "backend_support.hpp"

namespace backend_test {
namespace {

std::string name(const Target& t, const std::string& what) {
  return std::string(name_of(t.isa)) + " " + what;
}

// ---- integers ----

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

std::int64_t general_reference(VOp op, std::int64_t a, std::int64_t b) {
  const auto x = static_cast<std::uint64_t>(a), y = static_cast<std::uint64_t>(b);
  switch (op) {
    case VOp::g_add: return static_cast<std::int64_t>(x + y);
    case VOp::g_sub: return static_cast<std::int64_t>(x - y);
    case VOp::g_mul: return static_cast<std::int64_t>(x * y);
    case VOp::g_min: return std::min(a, b);
    case VOp::g_max: return std::max(a, b);
    default: return floor_divide(a, b);
  }
}

// alias 0: fresh result; 1: over a; 2: over b; 3: b is a. `immediate`: b is a constant.
void test_general_case(const Target& t, VOp op, std::int64_t a, std::int64_t b, int alias, bool immediate) {
  Builder k;
  const Reg out = k.argument(0), x = k.argument(1);
  const Reg y = immediate ? 0 : alias == 3 ? x : k.argument(2);
  const Reg dst = alias == 1 ? x : alias == 2 && !immediate ? y : 0;
  k.store_general({.base = out}, k.g(op, x, y, b, dst));
  const std::string what = name(t, "general op ") + std::to_string(static_cast<int>(op)) + " of " +
                           std::to_string(a) + ", " + std::to_string(b) + " alias " + std::to_string(alias);
  const Code code = generate_checked(k.module(), t, what);
  if (!host_runs(t) || code.bytes.empty()) return;
  std::int64_t result = 0;
  const Visible seen(&result, 8);
  Executable(code, t).run({&result, reinterpret_cast<void*>(a), reinterpret_cast<void*>(b)});
  const std::int64_t want = general_reference(op, a, alias == 3 && !immediate ? a : b);
  check(result == want, what + ": want " + std::to_string(want) + " got " + std::to_string(result));
}

void test_general(const Target& t) {
  const std::int64_t values[] = {0, 1, -1, 7, -13, 64, INT32_MAX, INT32_MIN, 1ll << 33, INT64_MAX, INT64_MIN};
  for (const VOp op : {VOp::g_add, VOp::g_sub, VOp::g_mul, VOp::g_min, VOp::g_max}) {
    for (const std::int64_t a : values) {
      for (const std::int64_t b : {values[0], values[1], values[4], values[5], values[7], values[8], std::int64_t{9}}) {
        for (int alias = 0; alias < 4; ++alias) test_general_case(t, op, a, b, alias, false);
        for (int alias = 0; alias < 2; ++alias) test_general_case(t, op, a, b, alias, true);
      }
    }
  }
  for (const std::int64_t d : std::initializer_list<std::int64_t>{
           1, 2, 3, 5, 6, 7, 8, 10, 255, 4096, 1000003, (1ll << 40) + 1, INT64_MAX}) {
    for (const std::int64_t a : values) {
      for (const std::int64_t near : {-1, 0, 1}) {
        const std::int64_t n = general_reference(VOp::g_add, a, near);
        for (int alias = 0; alias < 2; ++alias) test_general_case(t, VOp::g_floordiv, n, d, alias, true);
      }
    }
  }
}

void test_branches(const Target& t) {
  for (int c = 0; c < 6; ++c) {
    for (const std::int64_t a : {0ll, 1ll, -5ll, 1ll << 40}) {
      for (const std::int64_t b : {0ll, 1ll, -5ll, 1ll << 40}) {
        for (const bool immediate : {false, true}) {
          Builder k;
          const Reg out = k.argument(0), x = k.argument(1), y = k.argument(2);
          const vir::Label yes = k.f.fresh_label(), end = k.f.fresh_label();
          const Reg r = k.general();
          k.branch(yes, x, static_cast<Cond>(c), immediate ? 0 : y, b);
          k.g(VOp::g_const, 0, 0, 10, r);
          k.add(VOp::jump).label = end;
          k.bind(yes);
          k.g(VOp::g_const, 0, 0, 20, r);
          k.bind(end);
          k.store_general({.base = out}, r);
          const Code code = generate_checked(k.module(), t, name(t, "branch"));
          if (!host_runs(t) || code.bytes.empty()) continue;
          std::int64_t got = 0;
          const Visible seen(&got, 8);
          Executable(code, t).run({&got, reinterpret_cast<void*>(a), reinterpret_cast<void*>(b)});
          const bool taken[] = {a < b, a <= b, a > b, a >= b, a == b, a != b};
          check(got == (taken[c] ? 20 : 10), name(t, "branch"));
        }
      }
    }
  }
}

// ---- copy and axpy with a masked tail; dot ----

void test_axpy(const Target& t) {
  const int lanes = t.vector_bytes() / 4;
  const vir::Type type = vec(Elem::f32, lanes);
  Builder b;
  const Reg y = b.argument(0), x = b.argument(1), n = b.argument(2);
  const Reg alpha = b.op(VOp::broadcast, type, b.load(vec(Elem::f32, 1), {.base = b.argument(3)}));
  const Reg left = b.general(), i = b.constant(0);
  const vir::Label tail = b.f.fresh_label(), done = b.f.fresh_label();
  b.g(VOp::g_move, n, 0, 0, left);
  b.branch(tail, left, Cond::lt, 0, lanes);
  b.f.notes.push_back({b.f.code.size(), "for i"});
  const vir::Label loop = b.loop();
  const Address xi{.base = x, .index = i, .scale = 4}, yi{.base = y, .index = i, .scale = 4};
  const Reg vx = b.load(type, xi), vy = b.load(type, yi);
  b.store(yi, b.op(VOp::fma, type, alpha, vx, vy, 0, vy));
  b.g(VOp::g_add, i, 0, lanes, i);
  b.g(VOp::g_sub, left, 0, lanes, left);
  b.end_loop(loop, left, Cond::ge, 0, lanes);
  b.bind(tail);
  b.branch(done, left, Cond::le, 0, 0);
  const Reg m = b.op(VOp::mask_first, mask(Elem::f32, lanes), left);
  const Reg tx = b.load(type, xi, m), ty = b.load(type, yi, m);
  b.store(yi, b.op(VOp::fma, type, alpha, tx, ty), m);
  b.bind(done);
  const Code code = generate_checked(b.module(), t, name(t, "axpy"));
  check(code.notes.size() == 1 && code.notes[0].second == "for i", name(t, "axpy notes"));
  check(code.times.size() == 3 && code.text_size_bytes <= code.bytes.size(), name(t, "axpy code"));
  if (!host_runs(t)) return;
  const Executable exe(code, t);
  for (std::int64_t size = 0; size < 70; ++size) {
    Guarded ys(4 * size), xs(4 * size);
    std::vector<float> want(size);
    float a = 1.5f;
    const Visible seen(&a, 4);
    for (int k = 0; k < size; ++k) {
      xs.as<float>()[k] = float(k) - 3.0f, ys.as<float>()[k] = float(100 - k);
      want[k] = std::fma(a, xs.as<float>()[k], ys.as<float>()[k]);
    }
    exe.run({ys.data(), xs.data(), reinterpret_cast<void*>(size), &a});
    check(size == 0 || std::memcmp(want.data(), ys.data(), 4 * size) == 0, name(t, "axpy of ") + std::to_string(size));
  }
}

void test_dot(const Target& t) {
  const int lanes = t.vector_bytes() / 8;
  const vir::Type type = vec(Elem::f64, lanes), one = vec(Elem::f64, 1);
  Builder b;
  const Reg out = b.argument(0), x = b.argument(1), y = b.argument(2), n = b.argument(3);
  const Reg acc = b.op(VOp::constant, type, 0);
  const Reg i = b.constant(0);
  const vir::Label loop = b.loop();
  const Reg vx = b.load(type, {.base = x}), vy = b.load(type, {.base = y});
  b.op(VOp::fma, type, vx, vy, acc, 0, acc);
  b.g(VOp::g_add, x, 0, 8 * lanes, x);
  b.g(VOp::g_add, y, 0, 8 * lanes, y);
  b.g(VOp::g_add, i, 0, lanes, i);
  b.end_loop(loop, i, Cond::lt, n);
  b.store({.base = out}, b.op(VOp::reduce_add, one, acc));
  const Code code = generate_checked(b.module(), t, name(t, "dot"));
  if (!host_runs(t)) return;
  const std::int64_t size = 16 * lanes;
  Guarded xs(8 * size), ys(8 * size), result(8);
  double want = 0;
  for (int k = 0; k < size; ++k) {
    xs.as<double>()[k] = k, ys.as<double>()[k] = 3 - k;
    want += double(k) * (3 - k);
  }
  Executable(code, t).run({result.data(), xs.data(), ys.data(), reinterpret_cast<void*>(size)});
  check(*result.as<double>() == want, name(t, "dot"));
}

// ---- microkernel ----

vir::Module gemm_module(const Target& t, int rows, int columns) {
  const int bytes = t.vector_bytes();
  const vir::Type type = vec(Elem::f32, bytes / 4);
  Builder b;
  const Reg c = b.argument(0), a = b.argument(1), p = b.argument(2), n = b.argument(3);
  std::vector<Reg> acc;
  for (int k = 0; k < rows * columns; ++k) acc.push_back(b.op(VOp::constant, type, 0));
  const Reg k = b.constant(0);
  const vir::Label loop = b.loop();
  std::vector<Reg> vb;
  for (int j = 0; j < columns; ++j) vb.push_back(b.load(type, {.base = p, .disp = j * bytes}));
  for (int i = 0; i < rows; ++i) {
    const Reg va = b.load(type, {.base = a, .disp = 4 * i}, 0, VOp::load_splat);
    for (int j = 0; j < columns; ++j) {
      const Reg r = acc[i * columns + j];
      b.op(VOp::fma, type, va, vb[j], r, 0, r);
    }
  }
  b.g(VOp::g_add, a, 0, 4 * rows, a);
  b.g(VOp::g_add, p, 0, bytes * columns, p);
  b.g(VOp::g_add, k, 0, 1, k);
  b.end_loop(loop, k, Cond::lt, n);
  for (int r = 0; r < rows * columns; ++r) {
    const Address at{.base = c, .disp = r * bytes};
    b.store(at, b.op(VOp::add, type, b.load(type, at), acc[r]));
  }
  return b.module();
}

// Rows and columns beyond the registers must still be right, and say so.
void test_gemm(const Target& t, int rows, int columns, bool spills) {
  const std::string what = name(t, "gemm ") + std::to_string(rows) + "x" + std::to_string(columns);
  const Code code = generate_checked(gemm_module(t, rows, columns), t, what);
  check(code.diagnostics.empty() != spills, what + " diagnostics");
  if (!host_runs(t)) return;
  const int width = columns * t.vector_bytes() / 4;
  const std::int64_t depth = 9;
  Guarded c(4 * rows * width), a(4 * rows * depth), b(4 * width * depth);
  std::vector<float> want(rows * width, 2.0f);
  for (int k = 0; k < depth * rows; ++k) a.as<float>()[k] = float(k % 7 - 3);
  for (int k = 0; k < depth * width; ++k) b.as<float>()[k] = float(k % 11 - 5);
  for (int k = 0; k < rows * width; ++k) c.as<float>()[k] = 2.0f;
  for (int k = 0; k < depth; ++k)
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < width; ++j)
        want[i * width + j] += a.as<float>()[k * rows + i] * b.as<float>()[k * width + j];
  Executable(code, t).run({c.data(), a.data(), b.data(), reinterpret_cast<void*>(depth)});
  check(std::memcmp(want.data(), c.data(), c.size()) == 0, what);
}

// 40 pointers live in a loop, and advanced in it.
void test_many_pointers(const Target& t) {
  constexpr int count = 40;
  const vir::Type one = vec(Elem::i64, 1);
  Builder b;
  std::vector<Reg> p;
  for (int k = 0; k < count; ++k) p.push_back(b.argument(k));
  const Reg out = b.argument(count);
  const Reg sum = b.op(VOp::constant, one, 0), i = b.constant(0);
  const vir::Label outer = b.loop();
  const Reg j = b.constant(0);
  const vir::Label loop = b.loop();
  for (int k = 0; k < count; ++k) b.op(VOp::add, one, sum, b.load(one, {.base = p[k]}), 0, 0, sum);
  for (int k = 0; k < count; ++k) b.g(VOp::g_add, p[k], 0, 8, p[k]);
  b.g(VOp::g_add, j, 0, 1, j);
  b.end_loop(loop, j, Cond::lt, 0, 3);
  b.g(VOp::g_add, i, 0, 1, i);
  b.end_loop(outer, i, Cond::lt, 0, 2);
  b.store({.base = out}, sum);
  const Code code = generate_checked(b.module(), t, name(t, "pointers"));
  if (!host_runs(t)) return;
  std::vector<std::int64_t> data(count * 6);
  std::int64_t want = 0, got = 0;
  for (int k = 0; k < count * 6; ++k) want += data[k] = k * k - 1000;
  const Visible seen(data.data(), 8 * data.size()), result(&got, 8);
  std::vector<void*> arguments;
  for (int k = 0; k < count; ++k) arguments.push_back(&data[6 * k]);
  arguments.push_back(&got);
  Executable(code, t).run(arguments);
  check(got == want, name(t, "pointers"));
}

// ---- parallel ----

void serial_parallel_for(loopnest_frame* frame, loopnest_body body, const std::int64_t* captures,
                         std::int64_t begin, std::int64_t end) {
  check(reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)) % 16 == 0, "stack alignment");
  asm volatile("" ::: "xmm0", "xmm1", "xmm2", "xmm15");
  const std::int64_t middle = begin + (end - begin + 1) / 2;  // as the emulator and the runtime do
  body(frame, captures, begin, middle, 0);
  body(frame, captures, middle, end, frame->threads - 1);
}

vir::Module parallel_module() {
  const vir::Type one = vec(Elem::i64, 1);
  Builder kernel;
  const Reg data = kernel.argument(0), n = kernel.argument(1), shared = kernel.g(VOp::g_workspace, 0, 0, 16);
  const Reg live = kernel.op(VOp::constant, one, 0, 0, 0, 5);
  const Reg kept = kernel.load(one, {.base = data});
  const Reg begin = kernel.constant(0), i = kernel.constant(0);
  const vir::Label loop = kernel.loop();
  const Reg values[] = {data, shared, n};
  for (int k = 0; k < 3; ++k) {
    vir::Inst& c = kernel.add(VOp::capture);
    c.a = values[k], c.imm = k;
  }
  vir::Inst& call = kernel.add(VOp::parallel);
  call.a = begin, call.b = n, call.imm = 1;
  kernel.g(VOp::g_add, i, 0, 1, i);
  kernel.end_loop(loop, i, Cond::lt, 0, 2);
  kernel.store({.base = shared}, kernel.op(VOp::add, one, live, kept));

  Builder body;
  body.f.is_parallel_body = true;
  const Reg base = body.g(VOp::g_capture, 0, 0, 0), from = body.g(VOp::g_begin, 0, 0);
  const Reg to = body.g(VOp::g_end, 0, 0), mine = body.g(VOp::g_private, 0, 0, 24);
  const Reg total = body.g(VOp::g_capture, 0, 0, 2), at = body.general();
  const vir::Label done = body.f.fresh_label();
  body.g(VOp::g_move, from, 0, 0, at);
  body.branch(done, at, Cond::ge, to);
  const vir::Label l = body.loop();
  const Address here{.base = base, .index = at, .scale = 8};
  const Reg v = body.load(one, here);
  body.store(here, body.op(VOp::add, one, v, body.op(VOp::splat, one, total)));
  body.store({.base = mine}, v);
  body.g(VOp::g_add, at, 0, 1, at);
  body.end_loop(l, at, Cond::lt, to);
  body.bind(done);

  vir::Module m = kernel.module();
  m.functions.push_back(body.module().functions[0]);
  return m;
}

void test_parallel(const Target& t) {
  const Code code = generate_checked(parallel_module(), t, name(t, "parallel"));
  if (!host_runs(t)) return;
  constexpr std::int64_t n = 11;
  std::int64_t data[n], workspace[8] = {};
  std::vector<std::int64_t> privates(2 * 4096 / 8);
  for (int k = 0; k < n; ++k) data[k] = k;
  void* arguments[] = {data, reinterpret_cast<void*>(n)};
  const Visible a(data, sizeof data), b(workspace, sizeof workspace);
  const Visible c(privates.data(), 8 * privates.size());
  loopnest_frame frame{};
  frame.arguments = arguments;
  frame.workspace = reinterpret_cast<char*>(workspace);
  frame.private_workspace = reinterpret_cast<char*>(privates.data());
  frame.private_stride = 4096;
  frame.parallel_for = serial_parallel_for;
  frame.threads = 2;
  Executable(code, t).run(frame, 2);
  for (int k = 0; k < n; ++k) check(data[k] == k + 2 * n, name(t, "parallel element"));
  check(workspace[2] == 5, name(t, "values live across a parallel call"));
  check(privates[3] == 5 + n && privates[512 + 3] == 10 + n, name(t, "private workspace"));
}

// ---- what is refused ----

void test_refusals() {
  Builder b;
  b.add(VOp::prefetch).addr = {.base = b.argument(0)};
  const vir::Module module = b.module();
  try {
    x86::generate(module, Target{Isa::neon});
    check(false, "neon was not refused");
  } catch (const TargetError& e) {
    check(std::string(e.what()) == "x86-64 code generation has no target named neon", e.what());
  }
}

void test_verifier() {
  const auto refused = [](const char* want, auto build) {
    Builder b;
    build(b);
    try {
      vir::verify(b.module(), Target{Isa::avx2});
      check(false, std::string("not refused: ") + want);
    } catch (const std::logic_error& e) {
      check(std::string(e.what()) == want, e.what());
    }
  };
  refused("vector IR, function 0, instruction 0 (g_add): r1 is read before it is written",
          [](Builder& b) { b.g(VOp::g_add, b.general(), 0, 1); });
  refused("vector IR, function 0: a vector is wider than the target's, r1",
          [](Builder& b) { b.op(VOp::iota, vec(Elem::i64, 8), 0); });
  refused("vector IR, function 0, instruction 1 (jump): a jump to a label that is not bound",
          [](Builder& b) { b.constant(1); b.add(VOp::jump).label = b.f.fresh_label(); });
  refused("vector IR, function 0, instruction 2 (add): an operand differs in type from the result",
          [](Builder& b) {
            const Reg x = b.op(VOp::iota, vec(Elem::i64, 4), 0), y = b.op(VOp::iota, vec(Elem::i64, 2), 0);
            b.op(VOp::add, vec(Elem::i64, 4), x, y);
          });
  refused("vector IR, function 0, instruction 4 (bind): a label bound twice", [](Builder& b) {
    const Reg i = b.constant(0);
    const vir::Label l = b.loop();
    b.end_loop(l, i, Cond::lt, 0, 0);
    b.bind(l);
  });
  refused("vector IR, function 0, instruction 4 (g_move): r2 is read before it is written", [](Builder& b) {
    const Reg i = b.constant(0), r = b.general();
    const vir::Label end = b.f.fresh_label();
    b.branch(end, i, Cond::eq, 0, 0);
    b.g(VOp::g_const, 0, 0, 1, r);
    b.bind(end);
    b.g(VOp::g_move, r, 0);
  });
}

}  // namespace

void test_kernels() {
  test_refusals();
  test_verifier();
  for (const Target& t : targets) {
    test_general(t);
    test_branches(t);
    test_axpy(t);
    test_dot(t);
    const bool wide = t.isa == Isa::avx512;
    test_gemm(t, 6, wide ? 4 : 2, false);
    test_gemm(t, 2, 3, false);
    test_gemm(t, 5, 8, true);
    test_gemm(t, 3, 13, true);
    test_many_pointers(t);
    test_parallel(t);
  }
}

}  // namespace backend_test
