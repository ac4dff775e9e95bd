// Text -> Nest: syntax and names. Types are filled in here and checked by the verifier.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "nest/cursor.hpp"
#include "nest/nest.hpp"

namespace loopnest::nest {
namespace {

constexpr std::int32_t kRankStep = 64;  // ranks left for atoms between two loop depths
constexpr std::int32_t kMaxDepth = 64;
constexpr std::int64_t kMaxConstant = std::int64_t{1} << 56;  // leaves room for sums of products

std::optional<Elem> elem_from(std::string_view name) {
  if (name == "f32") return Elem::f32;
  if (name == "f64") return Elem::f64;
  if (name == "i32") return Elem::i32;
  if (name == "i64") return Elem::i64;
  return std::nullopt;
}

std::optional<Op> operator_from(std::string_view name) {
  for (int op = static_cast<int>(Op::add); op <= static_cast<int>(Op::logical_not); ++op)
    if (info(static_cast<Op>(op)).name == name) return static_cast<Op>(op);
  return std::nullopt;
}

bool gives_truth(Op op) { return op >= Op::eq; }

std::int64_t bits_of(double value, Elem elem) {
  if (elem == Elem::f64) return std::bit_cast<std::int64_t>(value);
  return std::bit_cast<std::int32_t>(static_cast<float>(value));
}

class Reader {
 public:
  explicit Reader(std::string_view text) : in_(text) {
    nest_.text = text;
    nest_.exprs.reserve(64);
    nest_.variables.reserve(32);
    nest_.arrays.reserve(8);
  }

  Nest run() {
    in_.skip_empty_lines();
    if (!in_.accept_name("nest")) in_.expected("`nest NAME`");
    nest_.name = in_.name("the name of the nest");
    in_.next_line();
    while (in_.peek() != '{') header_line();
    nest_.body = block();
    in_.skip_empty_lines();
    if (!in_.at_end()) in_.expected("the end of the text");
    return std::move(nest_);
  }

 private:
  void header_line() {
    if (in_.accept_name("threads")) {
      nest_.threads = in_.unsigned_integer();
    } else if (in_.accept_name("array")) {
      array_line();
    } else if (in_.accept_name("workspace")) {
      nest_.shared_bytes = in_.unsigned_integer();
      nest_.private_bytes = in_.unsigned_integer();
    } else {
      in_.expected("`threads`, `array`, `workspace` or `{`");
    }
    in_.next_line();
  }

  void array_line() {
    Array array;
    std::int32_t at = here();
    array.name = in_.name("the name of an array");
    if (find_array(array.name) >= 0) error(at, "array " + quote(array.name) + " is declared twice");
    array.elem = elem("DTYPE (f32, f64, i32 or i64)");
    array.space = space();
    array.place = in_.unsigned_integer();
    nest_.arrays.push_back(array);
  }

  Elem elem(const char* what) {
    auto found = elem_from(in_.peek_name());
    if (!found) in_.expected(what);
    in_.name(what);
    return *found;
  }

  Space space() {
    if (in_.accept_name("argument")) return Space::argument;
    if (in_.accept_name("shared")) return Space::shared;
    if (in_.accept_name("private")) return Space::private_memory;
    if (in_.accept_name("register")) return Space::registers;
    in_.expected("`argument`, `shared`, `private` or `register`");
  }

  // ---- nodes ----

  std::vector<Node> block() {
    in_.require("{");
    in_.next_line();
    std::vector<Node> nodes;
    while (!in_.accept("}")) {
      if (in_.at_end()) in_.expected("`}`");
      nodes.push_back(node());
    }
    return nodes;
  }

  Node node() {
    Node result;
    result.offset = here();
    if (in_.accept_name("for")) result.item = loop();
    else if (in_.accept_name("if")) result.item = branch();
    else if (in_.accept_name("prefetch")) result.item = prefetch();
    else result.item = store();
    in_.next_line();
    return result;
  }

  Loop loop() {
    Loop result;
    std::int32_t at = here();
    std::string_view name = in_.name("a loop variable");
    if (find_variable(name) >= 0)
      error(at, "loop variable " + quote(name) + " is already in use by an enclosing loop");
    in_.require("=");
    result.lower = bounds("max");
    in_.require("..");
    result.upper = bounds("min");
    result.kind = kind();
    if (in_.accept_name("tail")) result.tail = tail();
    result.var = open_variable(name);
    result.body = block();
    scope_.pop_back();
    return result;
  }

  Var open_variable(std::string_view name) {
    Variable variable;
    variable.name = name;
    scope_.push_back(static_cast<Var>(nest_.variables.size()));
    if (scope_.size() > kMaxDepth) in_.expected("at most 64 nested loops");
    variable.rank = kRankStep * static_cast<std::int32_t>(scope_.size());
    nest_.variables.push_back(variable);
    return scope_.back();
  }

  LoopKind kind() {
    if (in_.accept_name("seq")) return LoopKind::seq;
    if (in_.accept_name("parallel")) return LoopKind::parallel;
    if (in_.accept_name("vector")) return LoopKind::vector;
    if (in_.accept_name("unroll")) return LoopKind::unroll;
    return LoopKind::seq;
  }

  Tail tail() {
    in_.require("=");
    if (in_.accept_name("mask")) return Tail::mask;
    if (in_.accept_name("peel")) return Tail::peel;
    if (in_.accept_name("guard")) return Tail::guard;
    in_.expected("`mask`, `peel` or `guard`");
  }

  std::vector<Form> bounds(std::string_view word) {
    if (!in_.accept_name(word)) return {form()};
    std::vector<Form> result;
    in_.require("(");
    do result.push_back(form());
    while (in_.accept(","));
    in_.require(")");
    return result;
  }

  Branch branch() {
    Branch result;
    do result.conditions.push_back(condition());
    while (in_.accept("&&"));
    result.then = block();
    if (in_.accept_name("else")) result.otherwise = block();
    return result;
  }

  Condition condition() {
    Condition result;
    result.form = form();
    if (in_.accept("==")) result.equality = true;
    else if (!in_.accept(">=")) in_.expected("`== 0` or `>= 0`");
    std::int32_t at = here();
    if (in_.unsigned_integer() != 0) error(at, "conditions compare with 0");
    return result;
  }

  Prefetch prefetch() {
    Prefetch result;
    result.target = access();
    if (in_.accept_name("write")) result.mode = 1;
    else if (in_.accept_name("l2")) result.mode = 2;
    return result;
  }

  Store store() {
    Store result;
    result.target = access();
    in_.require("=");
    result.value = expr();
    result.stream = in_.accept_name("stream");
    return result;
  }

  Access access() {
    std::int32_t at = here();
    return subscripts(in_.name("a statement"), at);
  }

  Access subscripts(std::string_view name, std::int32_t at) {
    Access result;
    result.array = find_array(name);
    if (result.array < 0) error(at, "unknown array " + quote(name));
    in_.require("[");
    result.subscript = form();
    in_.require("]");
    return result;
  }

  // ---- forms ----

  Form form() {
    Form sum = in_.accept("-") ? scaled(product(), -1) : product();
    for (;;) {
      if (in_.accept("+")) sum = add(sum, product());
      else if (in_.accept("-")) sum = subtract(sum, product());
      else return sum;
    }
  }

  Form product() {
    Form result = factor();
    while (in_.accept("*")) {
      std::int32_t at = here();
      Form other = factor();
      if (!result.is_constant() && !other.is_constant())
        error(at, "the product of two variables is not a linear form");
      if (result.is_constant()) std::swap(result, other);
      result = checked(scaled(result, other.constant), at);
    }
    return result;
  }

  Form checked(Form form, std::int32_t at) {
    auto large = [](std::int64_t v) { return v > kMaxConstant || v < -kMaxConstant; };
    bool bad = large(form.constant);
    for (const Term& t : form.terms) bad = bad || large(t.coef);
    if (bad) error(at, "a form's constants must stay below 2^56");
    return form;
  }

  Form factor() {
    std::int32_t at = here();
    if (in_.at_digit()) return checked(constant_form(in_.unsigned_integer()), at);
    if (in_.accept("(")) {
      Form inner = form();
      in_.require(")");
      return inner;
    }
    std::string_view name = in_.name("a loop variable, an integer or floordiv(FORM, INTEGER)");
    if (name == "floordiv" && in_.accept("(")) return floor_division();
    Var var = find_variable(name);
    if (var < 0) error(at, "unknown loop variable " + quote(name));
    return variable_form(var);
  }

  Form floor_division() {
    Form dividend = form();
    in_.require(",");
    std::int32_t at = here();
    std::int64_t divisor = in_.integer();
    if (divisor <= 0) error(at, "floordiv in a form divides by a positive constant");
    in_.require(")");
    return floordiv(nest_, dividend, divisor);
  }

  // ---- expressions ----

  ExprId expr() {
    Expr result;
    result.offset = here();
    if (in_.at_digit() || in_.peek() == '-') return literal(result);
    std::string_view name = in_.name("an expression");
    if ((name == "inf" || name == "nan") && in_.peek() == ':') return special(result, name);
    if (in_.peek() == '[') return load(result, name);
    if (name == "index") return index(result);
    if (name.starts_with("cast.")) return cast(result, name.substr(5));
    if (name.starts_with("reduce.")) return reduce(result, name.substr(7));
    return operation(result, name);
  }

  ExprId put(Expr& e) {
    nest_.exprs.push_back(std::move(e));
    return static_cast<ExprId>(nest_.exprs.size() - 1);
  }

  ExprId literal(Expr& e) {
    std::int32_t begin = in_.offset();
    bool negative_infinity = in_.accept("-inf");
    double value = negative_infinity ? -INFINITY : in_.floating();
    std::int32_t end = in_.offset();
    in_.require(":");
    e.elem = elem("DTYPE of the literal");
    e.bits = vir::is_float(e.elem) ? bits_of(value, e.elem) : integer_literal(e.elem, begin, end);
    return put(e);
  }

  std::int64_t integer_literal(Elem elem, std::int32_t begin, std::int32_t end) {
    auto from = static_cast<std::size_t>(begin);
    Cursor digits(nest_.text.substr(from, static_cast<std::size_t>(end - begin)));
    if (digits.peek() != '-' && !digits.at_digit()) error(begin, "expected an integer literal");
    std::int64_t value = digits.integer();
    if (!digits.at_end()) error(begin, "expected an integer literal");
    if (elem == Elem::i32 && value != static_cast<std::int32_t>(value))
      error(begin, "the literal does not fit i32");
    return value;
  }

  ExprId special(Expr& e, std::string_view name) {
    in_.require(":");
    e.elem = elem("f32 or f64");
    if (!vir::is_float(e.elem)) error(e.offset, "integers have no " + std::string(name));
    e.bits = bits_of(name == "inf" ? INFINITY : std::numeric_limits<double>::quiet_NaN(), e.elem);
    return put(e);
  }

  ExprId load(Expr& e, std::string_view name) {
    e.op = Op::load;
    e.access = subscripts(name, e.offset);
    e.elem = array_elem(e);
    return put(e);
  }

  ExprId index(Expr& e) {
    e.op = Op::index;
    e.elem = Elem::i64;
    in_.require("(");
    e.access.subscript = form();
    in_.require(")");
    return put(e);
  }

  ExprId cast(Expr& e, std::string_view to) {
    auto elem = elem_from(to);
    if (!elem) error(e.offset, "cast to unknown type " + quote(to));
    e.op = Op::cast;
    e.elem = *elem;
    in_.require("(");
    e.operands[0] = expr();
    in_.require(")");
    return put(e);
  }

  ExprId reduce(Expr& e, std::string_view fold) {
    static constexpr std::string_view kFolds[] = {"sum", "prod", "max", "min"};
    auto found = std::find(std::begin(kFolds), std::end(kFolds), fold);
    if (found == std::end(kFolds)) error(e.offset, "unknown reduction " + quote(fold));
    e.op = Op::reduce;
    e.fold = static_cast<Fold>(found - std::begin(kFolds));
    in_.require("(");
    e.access = access();
    in_.require(",");
    e.bits = in_.unsigned_integer();
    in_.require(")");
    e.elem = array_elem(e);
    return put(e);
  }

  ExprId operation(Expr& e, std::string_view name) {
    auto op = operator_from(name);
    if (!op) error(e.offset, "unknown operator " + quote(name));
    e.op = *op;
    in_.require("(");
    for (int i = 0; i < info(*op).arity; ++i) {
      if (i > 0) in_.require(",");
      e.operands[i] = expr();
    }
    in_.require(")");
    e.truth = gives_truth(*op);
    // select takes its type from the values it chooses between
    e.elem = nest_.exprs[static_cast<std::size_t>(e.operands[*op == Op::select ? 1 : 0])].elem;
    return put(e);
  }

  // ---- names and places ----

  // Where the next token begins.
  std::int32_t here() {
    in_.peek();
    return in_.offset();
  }

  Elem array_elem(const Expr& e) const {
    return nest_.arrays[static_cast<std::size_t>(e.access.array)].elem;
  }
  std::int32_t find_array(std::string_view name) const {
    for (std::size_t i = 0; i < nest_.arrays.size(); ++i)
      if (nest_.arrays[i].name == name) return static_cast<std::int32_t>(i);
    return -1;
  }
  Var find_variable(std::string_view name) const {
    for (Var v : scope_)
      if (nest_.variables[static_cast<std::size_t>(v)].name == name) return v;
    return -1;
  }
  static std::string quote(std::string_view name) { return "`" + std::string(name) + "`"; }
  [[noreturn]] void error(std::int32_t at, const std::string& message) const {
    fail(nest_.text, at, message);
  }

  Nest nest_;
  Cursor in_;
  std::vector<Var> scope_;
};

}  // namespace

Nest read(std::string_view text) { return Reader(text).run(); }

}  // namespace loopnest::nest
