// Nest -> text. read(print(nest)) prints the same again.
#include <bit>
#include <charconv>
#include <cmath>

#include "nest/nest.hpp"

namespace loopnest::nest {
namespace {

constexpr const char* kElemNames[] = {"i32", "i64", "f32", "f64"};
constexpr const char* kSpaceNames[] = {"argument", "shared", "private", "register"};
constexpr const char* kKindNames[] = {"", " parallel", " vector", " unroll"};
constexpr const char* kTailNames[] = {"", " tail=mask", " tail=peel", " tail=guard"};
constexpr const char* kModeNames[] = {"", " write", " l2"};
constexpr const char* kFoldNames[] = {"sum", "prod", "max", "min"};

const char* name_of(Elem e) { return kElemNames[static_cast<int>(e)]; }

class Printer {
 public:
  explicit Printer(const Nest& nest) : nest_(nest) {}

  std::string run() {
    line("nest " + std::string(nest_.name));
    if (nest_.threads != 1) line("threads " + std::to_string(nest_.threads));
    for (const Array& a : nest_.arrays)
      line("array " + std::string(a.name) + " " + name_of(a.elem) + " " +
           kSpaceNames[static_cast<int>(a.space)] + " " + std::to_string(a.place));
    if (nest_.shared_bytes + nest_.private_bytes > 0)
      line("workspace " + std::to_string(nest_.shared_bytes) + " " +
           std::to_string(nest_.private_bytes));
    line("{");
    nodes(nest_.body);
    line("}");
    return std::move(out_);
  }

  std::string form(const Form& f) const {
    std::string text;
    for (const Term& t : f.terms) term(text, t);
    if (f.constant != 0 || f.terms.empty()) sign(text, f.constant), text += digits(f.constant);
    return text;
  }

 private:
  static void sign(std::string& text, std::int64_t value) {
    if (text.empty()) text += value < 0 ? "-" : "";
    else text += value < 0 ? " - " : " + ";
  }
  static std::string digits(std::int64_t value) {
    return std::to_string(value < 0 ? 0 - static_cast<std::uint64_t>(value)
                                    : static_cast<std::uint64_t>(value));
  }
  void term(std::string& text, const Term& t) const {
    sign(text, t.coef);
    if (t.coef != 1 && t.coef != -1) text += digits(t.coef) + "*";
    const Variable& v = nest_.variables[static_cast<std::size_t>(t.var)];
    if (v.is_atom()) text += "floordiv(" + form(v.dividend) + ", " + std::to_string(v.divisor) + ")";
    else text += v.name;
  }

  std::string bounds(const std::vector<Form>& list, const char* word) const {
    if (list.size() == 1) return form(list[0]);
    std::string text = std::string(word) + "(";
    for (std::size_t i = 0; i < list.size(); ++i) text += (i ? ", " : "") + form(list[i]);
    return text + ")";
  }

  void line(const std::string& text) { out_ += std::string(indent_, ' ') + text + "\n"; }

  void nodes(const std::vector<Node>& list) {
    indent_ += 2;
    for (const Node& n : list) std::visit([&](const auto& item) { node(item); }, n.item);
    indent_ -= 2;
  }

  void node(const Loop& l) {
    line("for " + std::string(nest_.variables[static_cast<std::size_t>(l.var)].name) + " = " +
         bounds(l.lower, "max") + " .. " + bounds(l.upper, "min") +
         kKindNames[static_cast<int>(l.kind)] + kTailNames[static_cast<int>(l.tail)] + " {");
    nodes(l.body);
    line("}");
  }

  void node(const Branch& b) {
    std::string head = "if ";
    for (std::size_t i = 0; i < b.conditions.size(); ++i)
      head += (i ? " && " : "") + form(b.conditions[i].form) +
              (b.conditions[i].equality ? " == 0" : " >= 0");
    line(head + " {");
    nodes(b.then);
    if (!b.otherwise.empty()) {
      line("} else {");
      nodes(b.otherwise);
    }
    line("}");
  }

  void node(const Store& s) {
    line(access(s.target) + " = " + expr(s.value) + (s.stream ? " stream" : ""));
  }

  void node(const Prefetch& p) { line("prefetch " + access(p.target) + kModeNames[p.mode]); }

  std::string access(const Access& a) const {
    return std::string(nest_.arrays[static_cast<std::size_t>(a.array)].name) + "[" +
           form(a.subscript) + "]";
  }

  std::string expr(ExprId id) const {
    const Expr& e = nest_.exprs[static_cast<std::size_t>(id)];
    switch (e.op) {
      case Op::load: return access(e.access);
      case Op::literal: return literal(e);
      case Op::index: return "index(" + form(e.access.subscript) + ")";
      case Op::cast: return std::string("cast.") + name_of(e.elem) + "(" + expr(e.operands[0]) + ")";
      case Op::reduce:
        return std::string("reduce.") + kFoldNames[static_cast<int>(e.fold)] + "(" +
               access(e.access) + ", " + std::to_string(e.bits) + ")";
      default: return operation(e);
    }
  }

  std::string operation(const Expr& e) const {
    std::string text = std::string(info(e.op).name) + "(";
    for (int i = 0; i < info(e.op).arity; ++i) text += (i ? ", " : "") + expr(e.operands[i]);
    return text + ")";
  }

  static std::string literal(const Expr& e) {
    std::string type = std::string(":") + name_of(e.elem);
    if (!vir::is_float(e.elem)) return std::to_string(e.bits) + type;
    if (e.elem == Elem::f64) return floating(std::bit_cast<double>(e.bits)) + type;
    return floating(std::bit_cast<float>(static_cast<std::int32_t>(e.bits))) + type;
  }

  template <typename T>
  static std::string floating(T value) {
    if (std::isnan(value)) return "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    char buffer[40];
    auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
    return {buffer, end};
  }

  const Nest& nest_;
  std::string out_;
  std::size_t indent_ = 0;
};

}  // namespace

std::string print(const Nest& nest) { return Printer(nest).run(); }
std::string print(const Nest& nest, const Form& form) { return Printer(nest).form(form); }

}  // namespace loopnest::nest
