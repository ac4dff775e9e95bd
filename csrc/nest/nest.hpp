// The nest in memory: what GRAMMAR.md's text says, with names resolved to small integers.
//
//   text --read--> Nest --verify--> Nest --simplify, separate--> Nest --expand--> vir::Module
//
// A Nest borrows its text (names and error positions point into it): keep the text alive.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "nest/form.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest::nest {

using vir::Elem;

enum class Space : std::uint8_t { argument, shared, private_memory, registers };

struct Array {
  std::string_view name;
  Elem elem = Elem::f32;
  Space space = Space::argument;
  std::int64_t place = 0;  // argument index, byte offset, or (registers) element count
};

// A loop variable, or an atom floordiv(dividend, divisor) when divisor > 0. `rank` orders
// variables by where they become known: a variable's rank exceeds that of all it depends on.
struct Variable {
  std::string_view name;
  std::int32_t rank = 0;
  std::int64_t divisor = 0;
  Form dividend;
  bool is_atom() const { return divisor > 0; }
};

struct Access {
  std::int32_t array = 0;
  Form subscript;
};

// Operators of expressions; the named ones are spelled as in the text.
enum class Op : std::uint8_t {
  load, literal, index, cast, reduce,
  add, sub, mul, div, floordiv, mod, maximum, minimum, neg, abs, sqrt, exp, floor, fma, select,
  eq, ne, lt, le, gt, ge, logical_and, logical_or, logical_not,
};
struct OpInfo {
  std::string_view name;
  int arity;  // of named operators; 0 for the others
};
const OpInfo& info(Op op);
enum class Fold : std::uint8_t { sum, prod, max, min };

using ExprId = std::int32_t;

struct Expr {
  Op op = Op::literal;
  Elem elem = Elem::f32;      // of the value; of the operands when `truth`
  bool truth = false;         // a comparison or logical operator
  Fold fold = Fold::sum;      // reduce
  std::int32_t offset = 0;    // in the text
  Access access;              // load, reduce; index keeps its form in access.subscript
  std::int64_t bits = 0;      // literal: the bit pattern; reduce: the element count
  ExprId operands[3] = {-1, -1, -1};
};

struct Node;

enum class LoopKind : std::uint8_t { seq, parallel, vector, unroll };
enum class Tail : std::uint8_t { none, mask, peel, guard };

inline constexpr std::int64_t kUnbounded = std::int64_t{1} << 60;

struct Loop {
  Var var = 0;
  LoopKind kind = LoopKind::seq;
  Tail tail = Tail::none;
  std::vector<Form> lower, upper;  // max of lower <= var < min of upper
  std::vector<Node> body;
  // Facts that separation establishes; the defaults claim nothing.
  std::int32_t number = -1;                              // its place in text order
  bool nonempty = false;
  bool single_trip = false;                              // at most one iteration
  std::int64_t var_min = -kUnbounded, var_max = kUnbounded;  // values of var
  std::int64_t extent_max = kUnbounded;
};

struct Condition {
  Form form;
  bool equality = false;  // form == 0, else form >= 0
};

struct Branch {
  std::vector<Condition> conditions;  // all of them
  std::vector<Node> then, otherwise;
};

struct Store {
  Access target;
  ExprId value = -1;
  bool stream = false;
};

struct Prefetch {
  Access target;
  std::uint8_t mode = 0;  // as vir::Op::prefetch
};

struct Node {
  std::variant<Loop, Branch, Store, Prefetch> item;
  std::int32_t offset = 0;  // in the text
};

struct Nest {
  std::string_view text, name;
  std::int64_t threads = 1, shared_bytes = 0, private_bytes = 0;
  std::vector<Array> arrays;
  std::vector<Variable> variables;
  std::vector<Expr> exprs;
  std::vector<Node> body;
};

// floor(dividend / divisor) as a form: exact parts are taken out, the rest becomes an atom.
Form floordiv(Nest& nest, const Form& dividend, std::int64_t divisor);
// True when `var` occurs in the form, directly or inside an atom.
bool depends_on(const Nest& nest, const Form& form, Var var);

Nest read(std::string_view text);             // throws NestError
void verify(const Nest& nest);                // throws NestError
std::string print(const Nest& nest);          // parses back
std::string print(const Nest& nest, const Form& form);

// The line of the text that holds `offset`, with its number: "7: for i = 0 .. 8 {".
std::string source_line(const Nest& nest, std::int32_t offset);
// Throws NestError at `offset`.
[[noreturn]] void fail(std::string_view text, std::int32_t offset, const std::string& message);

}  // namespace loopnest::nest
