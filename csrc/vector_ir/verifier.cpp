// Checks the invariants listed at the top of vector_ir.hpp. A failure is a bug in a pass above:
// std::logic_error with the function, the instruction and what is wrong.
//
//   - every operand field an operator uses names a register of the right class and type, and the
//     others are empty;
//   - vectors fit the target; lane counts are powers of two;
//   - loops nest, labels are bound once, no jump enters a loop, forward jumps go forward;
//   - no register is read before it is written on some path.
#include <stdexcept>

#include "vector_ir/op_table.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest::vir {
namespace {

constexpr std::size_t nowhere = ~std::size_t{0};

bool is_power_of_two(int n) { return n > 0 && (n & (n - 1)) == 0; }

class FunctionVerifier {
 public:
  FunctionVerifier(const Module& module, std::size_t number, const Target& target)
      : module_(module), number_(number), f_(module.functions[number]), target_(target) {}

  void run() {
    for (Reg r = 1; r < f_.types.size(); ++r) check_type(r);
    check_structure();
    for (at_ = 0; at_ < f_.code.size(); ++at_) check_operands(f_.code[at_]);
    check_written();
    if (f_.code.empty() || f_.code.back().op != Op::ret) fail("the last instruction is not ret");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    std::string where = "vector IR, function " + std::to_string(number_);
    if (at_ < f_.code.size()) {
      const std::string name(row_of(f_.code[at_].op).name);
      where += ", instruction " + std::to_string(at_) + " (" + name + ")";
    }
    throw std::logic_error(where + ": " + what);
  }
  void require(bool ok, const char* what) const {
    if (!ok) fail(what);
  }

  // ---- types ----

  void check_type(Reg r) {
    const Type t = f_.types[r];
    if (t.cls == Class::general) return;
    const std::string reg = ", r" + std::to_string(r);
    at_ = nowhere;
    if (!is_power_of_two(t.lanes)) fail("lanes are not a power of two" + reg);
    if (t.lanes * size_of(t.elem) > target_.vector_bytes()) {
      fail("a vector is wider than the target's" + reg);
    }
  }

  void check_operands(const Inst& i) const {
    const OpRow& row = row_of(i.op);
    check_field(row.dst, i.dst, i);
    check_field(row.a, i.a, i);
    check_field(row.b, i.b, i);
    check_field(row.c, i.c, i);
    require((i.addr.base != 0) == row.address, "the address is missing or unexpected");
    if (row.address) check_address(i.addr);
    if (i.mask != 0) check_mask(i, row);
    check_special(i);
  }

  void check_field(Field field, Reg r, const Inst& i) const {
    if (field == Field::none) return require(r == 0, "an operand the operator does not take");
    if (field == Field::general_or_imm && r == 0) return;
    require(r != 0 && r < f_.types.size(), "an operand is missing or out of range");
    const Type t = f_.types[r];
    switch (field) {
      case Field::general: case Field::general_or_imm:
        return require(t.cls == Class::general, "an operand must be a general register");
      case Field::vector: return require(t.cls == Class::vector, "an operand must be a vector");
      case Field::mask: return require(t.cls == Class::mask, "an operand must be a mask");
      case Field::like_a: return require(t == f_.types[i.a], "operands differ in type");
      case Field::any_same:
        require(t.cls != Class::general, "an operand must be a vector or a mask");
        [[fallthrough]];
      default: return require(t == f_.types[i.dst], "an operand differs in type from the result");
    }
  }

  void check_address(const Address& a) const {
    const auto is_general = [&](Reg r) {
      return r < f_.types.size() && f_.types[r].cls == Class::general;
    };
    require(is_general(a.base), "a bad base register");
    if (a.index != 0) require(is_general(a.index), "a bad index register");
    require(a.scale <= 8 && is_power_of_two(a.scale), "a scale other than 1, 2, 4, 8");
  }

  void check_mask(const Inst& i, const OpRow& row) const {
    require(row.may_mask, "this operator takes no mask");
    require(i.mask < f_.types.size() && f_.types[i.mask].cls == Class::mask, "a bad mask register");
    const Reg data = i.dst != 0 ? i.dst : i.a;
    require(f_.types[i.mask].lanes == f_.types[data].lanes, "mask and data differ in lanes");
  }

  void check_special(const Inst& i) const {
    const auto type = [&](Reg r) { return f_.types[r]; };
    const auto bytes = [&](Reg r) { return type(r).lanes * size_of(type(r).elem); };
    switch (i.op) {
      case Op::select: return require(i.mask != 0, "select needs a mask");
      case Op::bitcast: return require(bytes(i.dst) == bytes(i.a), "bitcast changes the width");
      case Op::splat: case Op::iota: case Op::shift_left: case Op::shift_right:
        return require(!is_float(type(i.dst).elem), "an integer operator on floats");
      case Op::broadcast:
        return require(type(i.a).lanes == 1 && type(i.dst).elem == type(i.a).elem,
                       "broadcast takes one lane of the result's element");
      case Op::div: case Op::sqrt: case Op::floor: case Op::round_even:
        return require(is_float(type(i.dst).elem), "a float operator on integers");
      case Op::convert: case Op::compare: case Op::mask_not:
        return require(type(i.dst).lanes == type(i.a).lanes, "operand and result differ in lanes");
      case Op::mask_and: case Op::mask_or:
        return require(type(i.dst).lanes == type(i.a).lanes && type(i.dst).lanes == type(i.b).lanes,
                       "operands and result differ in lanes");
      case Op::reduce_add: case Op::reduce_mul: case Op::reduce_min: case Op::reduce_max:
        return require(type(i.dst).lanes == 1 && type(i.dst).elem == type(i.a).elem,
                       "a reduction gives one lane of its operand's element");
      case Op::g_floordiv: return require(i.imm > 0, "a divisor that is not positive");
      case Op::parallel:
        return require(i.imm > 0 && i.imm < static_cast<std::int64_t>(module_.functions.size()) &&
                           module_.functions[i.imm].is_parallel_body,
                       "not a parallel body");
      case Op::g_capture: case Op::g_begin: case Op::g_end:
        return require(f_.is_parallel_body, "only parallel bodies have captures and bounds");
      default: return;
    }
  }

  // ---- loops and labels ----

  void check_structure() {
    bound_at_.assign(f_.labels + 1, nowhere);
    loop_of_.assign(f_.code.size(), 0);
    std::vector<std::size_t> open;
    for (at_ = 0; at_ < f_.code.size(); ++at_) {
      const Inst& i = f_.code[at_];
      if (i.op == Op::loop_begin) open.push_back(at_ + 1);
      loop_of_[at_] = open.empty() ? 0 : open.back();
      if (uses_label(i.op)) require(i.label >= 1 && i.label <= f_.labels, "a label out of range");
      if (i.op == Op::bind || i.op == Op::loop_begin) {
        require(bound_at_[i.label] == nowhere, "a label bound twice");
        bound_at_[i.label] = at_;
      }
      if (i.op == Op::loop_end) {
        require(!open.empty(), "loop_end without a loop");
        loop_end_.resize(f_.code.size() + 1);
        loop_end_[open.back()] = at_;
        open.pop_back();
      }
    }
    require(open.empty(), "a loop is not closed");
    for (at_ = 0; at_ < f_.code.size(); ++at_) {
      if (f_.code[at_].op == Op::jump || f_.code[at_].op == Op::branch_if) check_jump(f_.code[at_]);
    }
  }

  void check_jump(const Inst& i) const {
    const std::size_t to = bound_at_[i.label];
    require(to != nowhere, "a jump to a label that is not bound");
    const std::size_t loop = loop_of_[to];
    require(loop == 0 || (at_ >= loop - 1 && at_ <= loop_end_[loop]), "a jump into a loop");
    if (to < at_) require(f_.code[to].op == Op::loop_begin, "a backward jump to no loop");
  }

  // ---- written before read: forward data flow; back edges add nothing to a loop's entry ----

  using Set = std::vector<std::uint64_t>;

  void check_written() {
    const std::size_t words = f_.types.size() / 64 + 1;
    std::vector<Set> at_label(f_.labels + 1);
    Set now(words, 0);
    bool reachable = true;
    for (at_ = 0; at_ < f_.code.size(); ++at_) {
      const Inst& i = f_.code[at_];
      if (i.op == Op::bind) {
        if (!reachable) now = at_label[i.label].empty() ? Set(words, ~0ull) : at_label[i.label];
        else intersect(now, at_label[i.label]);
        reachable = true;
      }
      if (reachable) check_reads(i, now);
      if (i.dst != 0) now[i.dst / 64] |= 1ull << (i.dst % 64);
      const bool jumps = i.op == Op::jump || i.op == Op::branch_if;
      if (jumps && reachable && bound_at_[i.label] > at_) {
        if (at_label[i.label].empty()) at_label[i.label] = now;
        else intersect(at_label[i.label], now);
      }
      if (i.op == Op::jump || i.op == Op::ret) reachable = false;
    }
  }

  static void intersect(Set& into, const Set& other) {
    for (std::size_t k = 0; k < other.size(); ++k) into[k] &= other[k];
  }

  void check_reads(const Inst& i, const Set& written) const {
    for (const Reg r : {i.a, i.b, i.c, i.mask, i.addr.base, i.addr.index}) {
      if (r == 0 || (written[r / 64] >> (r % 64) & 1)) continue;
      fail("r" + std::to_string(r) + " is read before it is written");
    }
  }

  const Module& module_;
  std::size_t number_;
  const Function& f_;
  const Target& target_;
  std::size_t at_ = nowhere;
  std::vector<std::size_t> bound_at_, loop_of_, loop_end_;  // loops are numbered by begin + 1
};

}  // namespace

void verify(const Module& module, const Target& target) {
  if (module.functions.empty()) throw std::logic_error("vector IR: a module without a function");
  for (std::size_t k = 0; k < module.functions.size(); ++k) {
    FunctionVerifier(module, k, target).run();
  }
}

}  // namespace loopnest::vir
