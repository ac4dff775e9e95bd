// The vector IR: what is left of a nest after unrolling and vectorising, before any instruction
// set is chosen. Straight-line instructions with labels over an unlimited set of *mutable*
// registers (an accumulator is one register written many times); not SSA.
//
// Invariants (checked by verify()):
//   - a register has one type for life, and is written before it is read on every path;
//   - a vector value fits one native register: lanes * size(elem) <= Target::vector_bytes();
//     lanes is 1, or a power of two;
//   - loops are bracketed: loop_begin(label) ... branch_if(..., label) loop_end. Nothing jumps into
//     a loop from outside; `loop_begin` binds its label, so the back edge goes there;
//   - forward jumps (if/else) go to labels bound by `bind`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loopnest/target.hpp"

namespace loopnest::vir {

enum class Elem : std::uint8_t { i32, i64, f32, f64 };
inline int size_of(Elem e) { return e == Elem::i32 || e == Elem::f32 ? 4 : 8; }
inline bool is_float(Elem e) { return e == Elem::f32 || e == Elem::f64; }

// general: one 64-bit integer (pointer, counter). vector: `lanes` elements. mask: one truth value a
// lane, for vectors of `elem` (a k register on AVX-512, an all-ones vector elsewhere).
enum class Class : std::uint8_t { general, vector, mask };

struct Type {
  Class cls = Class::general;
  Elem elem = Elem::i64;
  std::uint16_t lanes = 1;
  friend bool operator==(const Type&, const Type&) = default;
};

using Reg = std::uint32_t;  // 0 is "none"
using Label = std::uint32_t;

struct Address {
  Reg base = 0;       // general, required
  Reg index = 0;      // general, optional
  std::uint8_t scale = 1;  // 1, 2, 4, 8
  std::int64_t disp = 0;   // bytes
};

enum class Cond : std::uint8_t { lt, le, gt, ge, eq, ne };

enum class Op : std::uint8_t {
  // ---- general registers: a, b are registers; where b is 0, imm is the operand ----
  g_const,     // dst = imm
  g_move,      // dst = a
  g_add,       // dst = a + (b | imm)
  g_sub,       // dst = a - (b | imm)
  g_mul,       // dst = a * (b | imm)
  g_min,       // dst = min(a, b | imm), signed
  g_max,
  g_floordiv,  // dst = floor(a / imm), imm > 0
  g_argument,  // dst = frame->arguments[imm]
  g_workspace, // dst = frame->workspace + imm
  g_private,   // dst = frame->private_workspace + thread * private_stride + imm
  g_capture,   // dst = captures[imm]            (only in parallel bodies)
  g_begin,     // dst = begin of this slice      (only in parallel bodies)
  g_end,       // dst = end of this slice
  // ---- control ----
  bind,        // label:
  jump,        // goto label
  branch_if,   // if (a cond (b | imm)) goto label
  loop_begin,  // label:, opens a loop (depth + 1)
  loop_end,    // closes the innermost open loop
  capture,     // capture slot imm of the next parallel call = general register a
  parallel,    // parallel_for(functions[imm], captures, a .. b)   a = begin, b = end (registers)
  // ---- vector memory; `mask` optional: inactive lanes load 0 and store nothing ----
  load,          // dst = lanes consecutive elements at addr
  load_splat,    // dst = every lane the element at addr
  load_strided,  // dst lane l = element at addr + l * imm bytes
  store,         // addr <- a
  store_strided,
  store_stream,  // non-temporal, addr aligned to the vector size, never masked
  prefetch,      // addr; imm: 0 read into all levels, 1 for writing, 2 read into level 2
  // ---- vector values ----
  constant,    // dst = every lane the bit pattern imm (low 32 or 64 bits)
  move,        // dst = a (same type)
  bitcast,     // dst = bits of a (same total width)
  splat,       // dst (i64 or i32) = every lane the general register a
  broadcast,   // dst = every lane the one lane of vector a (same elem)
  iota,        // dst (i64 or i32) = 0, 1, 2, ...
  add, sub, mul, div,           // div: floats only
  min, max,                     // floats: IEEE minimum/maximum, NaN if either is NaN; ints signed
  min_fast, max_fast,           // floats: a NaN in b propagates, one in a need not (so a, b do not commute)
  fma,         // dst = a * b + c
  fnma,        // dst = c - a * b
  neg, abs, sqrt,
  floor, round_even,            // floats, to integral value
  bit_and, bit_or, bit_xor,     // any vector type
  shift_left, shift_right,      // integers, by imm; shift_right is logical
  convert,     // dst elem from a elem: every pair; float to int truncates toward zero
  // ---- masks ----
  compare,     // mask dst = a cond b lanewise (floats: ordered, but ne is unordered)
  mask_first,  // mask dst = lanes below (general register a | imm)
  mask_and, mask_or, mask_not,
  select,      // dst = mask ? a : b
  // ---- across lanes ----
  reduce_add, reduce_mul, reduce_min, reduce_max,  // dst (1 lane, same elem) from a; NaN as min/max
  // ---- end ----
  ret,
};

struct Inst {
  Op op{};
  Cond cond{};
  Reg dst = 0, a = 0, b = 0, c = 0, mask = 0;
  Label label = 0;
  std::int64_t imm = 0;
  Address addr{};
};

struct Function {
  std::vector<Inst> code;
  std::vector<Type> types{Type{}};  // indexed by Reg; entry 0 unused
  Label labels = 0;                 // labels are 1..labels
  std::vector<std::pair<std::size_t, std::string>> notes;  // (index into code, loop/statement text)
  bool is_parallel_body = false;

  Reg fresh(Type t) { types.push_back(t); return static_cast<Reg>(types.size() - 1); }
  Label fresh_label() { return ++labels; }
};

// functions[0] is the kernel; the others are parallel bodies.
struct Module {
  std::vector<Function> functions;
  std::int64_t workspace_bytes = 0, private_bytes = 0;
};

std::string print(const Module& module);
void verify(const Module& module, const Target& target);  // throws std::logic_error: our bug

}  // namespace loopnest::vir
