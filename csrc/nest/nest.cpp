// What every pass shares about a nest: the operator table, atoms, and positions in the text.
#include "nest/nest.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "loopnest/code.hpp"

namespace loopnest::nest {

const OpInfo& info(Op op) {
  static constexpr std::array<OpInfo, 29> kTable{{
      {"load", 0}, {"literal", 0}, {"index", 0}, {"cast", 0}, {"reduce", 0},
      {"add", 2}, {"sub", 2}, {"mul", 2}, {"div", 2}, {"floordiv", 2}, {"mod", 2},
      {"maximum", 2}, {"minimum", 2}, {"neg", 1}, {"abs", 1}, {"sqrt", 1}, {"exp", 1},
      {"floor", 1}, {"fma", 3}, {"select", 3}, {"eq", 2}, {"ne", 2}, {"lt", 2}, {"le", 2},
      {"gt", 2}, {"ge", 2}, {"logical_and", 2}, {"logical_or", 2}, {"logical_not", 1},
  }};
  return kTable[static_cast<std::size_t>(op)];
}

namespace {

Var intern_atom(Nest& nest, const Form& dividend, std::int64_t divisor) {
  for (std::size_t v = 0; v < nest.variables.size(); ++v) {
    const Variable& known = nest.variables[v];
    if (known.divisor == divisor && known.dividend == dividend) return static_cast<Var>(v);
  }
  Variable atom;
  atom.divisor = divisor;
  atom.dividend = dividend;
  for (const Term& t : dividend.terms)
    atom.rank = std::max(atom.rank, nest.variables[static_cast<std::size_t>(t.var)].rank + 1);
  nest.variables.push_back(std::move(atom));
  return static_cast<Var>(nest.variables.size() - 1);
}

// floor((h*x + c) / (h*d)) == floor((x + floor(c / h)) / d)
void reduce_fraction(Form& dividend, std::int64_t& divisor) {
  std::int64_t h = std::gcd(content(dividend), divisor);
  if (h <= 1) return;
  for (Term& t : dividend.terms) t.coef /= h;
  dividend.constant = floor_div(dividend.constant, h);
  divisor /= h;
}

}  // namespace

Form floordiv(Nest& nest, const Form& dividend, std::int64_t divisor) {
  Form whole, rest;
  for (const Term& t : dividend.terms) {
    if (t.coef % divisor == 0) whole.terms.push_back({t.var, t.coef / divisor});
    else rest.terms.push_back(t);
  }
  whole.constant = floor_div(dividend.constant, divisor);
  rest.constant = floor_mod(dividend.constant, divisor);
  if (rest.terms.empty()) return whole;
  reduce_fraction(rest, divisor);
  if (divisor == 1) return add(whole, rest);
  return add(whole, variable_form(intern_atom(nest, rest, divisor)));
}

bool depends_on(const Nest& nest, const Form& form, Var var) {
  return std::any_of(form.terms.begin(), form.terms.end(), [&](const Term& t) {
    const Variable& v = nest.variables[static_cast<std::size_t>(t.var)];
    return t.var == var || (v.is_atom() && depends_on(nest, v.dividend, var));
  });
}

namespace {

struct Line {
  int number;
  std::size_t begin, end;
};

Line line_at(std::string_view text, std::size_t offset) {
  offset = std::min(offset, text.size());
  std::size_t begin = text.substr(0, offset).rfind('\n');
  begin = begin == std::string_view::npos ? 0 : begin + 1;
  std::size_t end = std::min(text.find('\n', offset), text.size());
  auto before = text.substr(0, begin);
  return {1 + static_cast<int>(std::count(before.begin(), before.end(), '\n')), begin, end};
}

}  // namespace

std::string source_line(const Nest& nest, std::int32_t offset) {
  Line line = line_at(nest.text, static_cast<std::size_t>(offset));
  std::string_view text = nest.text.substr(line.begin, line.end - line.begin);
  std::size_t first = text.find_first_not_of(" \t");
  if (first != std::string_view::npos) text.remove_prefix(first);
  return std::to_string(line.number) + ": " + std::string(text);
}

void fail(std::string_view text, std::int32_t offset, const std::string& message) {
  Line line = line_at(text, static_cast<std::size_t>(offset));
  throw NestError(message, line.number, offset - static_cast<int>(line.begin) + 1);
}

}  // namespace loopnest::nest
