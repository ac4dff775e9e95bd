// Well-formedness of a nest beyond syntax. Holds afterwards:
//   - operands of one operator have one type, and truth values reach only select and logical_*;
//   - stores match their array's type; reduce reads register arrays; register arrays have room
//     for every constant subscript;
//   - a store inside a vector loop of more than one iteration depends on its variable;
//   - a register array is used on one side of a parallel loop only.
#include <algorithm>

#include "nest/nest.hpp"

namespace loopnest::nest {
namespace {

constexpr const char* kElemNames[] = {"i32", "i64", "f32", "f64"};
constexpr std::int64_t kMaxRegisterElements = 1 << 16;

class Verifier {
 public:
  explicit Verifier(const Nest& nest) : nest_(nest), parallel_of_(nest.arrays.size(), kUnused) {}

  void run() {
    for (const Array& a : nest_.arrays) array(a);
    if (nest_.threads < 1) fail(nest_.text, 0, "threads must be at least 1");
    nodes(nest_.body);
  }

 private:
  static constexpr Var kUnused = -2, kOutside = -1;

  void array(const Array& a) const {
    auto at = static_cast<std::int32_t>(a.name.data() - nest_.text.data());
    if (a.space == Space::registers && a.place > kMaxRegisterElements)
      fail(nest_.text, at, "a register array holds at most 65536 elements");
    if (a.space == Space::shared && a.place > nest_.shared_bytes)
      fail(nest_.text, at, "the array begins behind the shared workspace");
    if (a.space == Space::private_memory && a.place > nest_.private_bytes)
      fail(nest_.text, at, "the array begins behind the private workspace");
    if (a.space != Space::registers && a.space != Space::argument && a.place % vir::size_of(a.elem))
      fail(nest_.text, at, "the array's offset is not a multiple of its element size");
  }

  void nodes(const std::vector<Node>& list) {
    for (const Node& n : list)
      std::visit([&](const auto& item) { node(item, n.offset); }, n.item);
  }

  void node(const Loop& l, std::int32_t) {
    Var outer = parallel_;
    if (l.kind == LoopKind::parallel && parallel_ == kOutside) parallel_ = l.var;
    bool lanes = l.kind == LoopKind::vector && !runs_once(l);
    if (lanes) vector_.push_back(l.var);
    nodes(l.body);
    if (lanes) vector_.pop_back();
    parallel_ = outer;
  }

  static bool runs_once(const Loop& l) {
    for (const Form& lower : l.lower)
      for (const Form& upper : l.upper) {
        Form extent = subtract(upper, lower);
        if (extent.is_constant() && extent.constant <= 1) return true;
      }
    return false;
  }

  void node(const Branch& b, std::int32_t) {
    nodes(b.then);
    nodes(b.otherwise);
  }

  void node(const Prefetch& p, std::int32_t at) {
    if (array_of(p.target).space == Space::registers)
      fail(nest_.text, at, "a register array cannot be prefetched");
  }

  void node(const Store& s, std::int32_t at) {
    access(s.target, at);
    value(s.value);
    const Expr& e = expr(s.value);
    Elem elem = array_of(s.target).elem;
    if (e.truth) fail(nest_.text, e.offset, "a truth value cannot be stored; use select");
    if (e.elem != elem)
      fail(nest_.text, e.offset,
           "array " + std::string(array_of(s.target).name) + " holds " + name_of(elem) +
               ", the value is " + name_of(e.elem));
    if (s.stream && array_of(s.target).space == Space::registers)
      fail(nest_.text, at, "a register array cannot be streamed");
    for (Var v : vector_)
      if (!depends_on(nest_, s.target.subscript, v))
        fail(nest_.text, at,
             "iterations of vector loop `" + std::string(variable(v).name) +
                 "` are not independent: they store to one element");
  }

  void access(const Access& a, std::int32_t at) {
    const Array& array = array_of(a);
    if (array.space != Space::registers) return;
    if (a.subscript.is_constant()) in_range(array, a.subscript.constant, 1, at);
    Var& side = parallel_of_[static_cast<std::size_t>(a.array)];
    if (side == kUnused) side = parallel_;
    if (side != parallel_)
      fail(nest_.text, at,
           "register array " + std::string(array.name) + " is used inside and outside a parallel loop");
  }

  void in_range(const Array& array, std::int64_t first, std::int64_t count, std::int32_t at) const {
    if (first >= 0 && first + count <= array.place) return;
    fail(nest_.text, at,
         "register array " + std::string(array.name) + " has elements 0 .. " +
             std::to_string(array.place) + ", found " + std::to_string(first) +
             (count == 1 ? "" : " .. " + std::to_string(first + count)));
  }

  // ---- expressions ----

  void value(ExprId id) {
    const Expr& e = expr(id);
    for (ExprId operand : e.operands)
      if (operand >= 0) value(operand);
    switch (e.op) {
      case Op::load: return access(e.access, e.offset);
      case Op::reduce: return reduce(e);
      case Op::literal: case Op::index: return;
      case Op::cast: return plain(e.operands[0], "cast");
      case Op::select: return select(e);
      default: return e.op >= Op::logical_and ? logical(e) : operation(e);
    }
  }

  void reduce(const Expr& e) {
    const Array& array = array_of(e.access);
    if (array.space != Space::registers)
      fail(nest_.text, e.offset, "reduce folds elements of a register array");
    if (e.bits < 1) fail(nest_.text, e.offset, "reduce folds at least one element");
    access(e.access, e.offset);
    if (e.access.subscript.is_constant())
      in_range(array, e.access.subscript.constant, e.bits, e.offset);
  }

  void select(const Expr& e) const {
    if (!expr(e.operands[0]).truth)
      fail(nest_.text, expr(e.operands[0]).offset, "select expects a truth value first");
    plain(e.operands[1], "select");
    plain(e.operands[2], "select");
    same(e.operands[1], e.operands[2], "select");
  }

  void logical(const Expr& e) const {
    for (int i = 0; i < info(e.op).arity; ++i)
      if (!expr(e.operands[i]).truth)
        fail(nest_.text, expr(e.operands[i]).offset,
             std::string(info(e.op).name) + " expects truth values");
  }

  void operation(const Expr& e) const {
    for (int i = 0; i < info(e.op).arity; ++i) {
      plain(e.operands[i], info(e.op).name);
      same(e.operands[0], e.operands[i], info(e.op).name);
    }
    Elem elem = expr(e.operands[0]).elem;
    if (needs_float(e.op) && !vir::is_float(elem))
      fail(nest_.text, e.offset, std::string(info(e.op).name) + " is for floats, found " + name_of(elem));
    if ((e.op == Op::floordiv || e.op == Op::mod) && vir::is_float(elem))
      fail(nest_.text, e.offset, std::string(info(e.op).name) + " is for integers, found " + name_of(elem));
  }

  static bool needs_float(Op op) {
    return op == Op::div || op == Op::sqrt || op == Op::exp || op == Op::floor;
  }

  void plain(ExprId id, std::string_view user) const {
    if (expr(id).truth)
      fail(nest_.text, expr(id).offset, std::string(user) + " does not take a truth value");
  }

  void same(ExprId a, ExprId b, std::string_view user) const {
    if (expr(a).elem == expr(b).elem) return;
    fail(nest_.text, expr(b).offset,
         "operands of " + std::string(user) + " differ in type: " + name_of(expr(a).elem) + " and " +
             name_of(expr(b).elem));
  }

  static const char* name_of(Elem e) { return kElemNames[static_cast<int>(e)]; }
  const Expr& expr(ExprId id) const { return nest_.exprs[static_cast<std::size_t>(id)]; }
  const Array& array_of(const Access& a) const {
    return nest_.arrays[static_cast<std::size_t>(a.array)];
  }
  const Variable& variable(Var v) const { return nest_.variables[static_cast<std::size_t>(v)]; }

  const Nest& nest_;
  std::vector<Var> parallel_of_;  // the parallel loop a register array is used in
  Var parallel_ = kOutside;
  std::vector<Var> vector_;
};

}  // namespace

void verify(const Nest& nest) { Verifier(nest).run(); }

}  // namespace loopnest::nest
