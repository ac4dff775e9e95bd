// Text form of the vector IR, one instruction a line, indented by loop:
//
//   function 0: kernel
//     r3:f32x8 = load [r1 + r2*4 + 32] if r5
//     branch_if r2 lt 64 -> L1
#include <sstream>

#include "vector_ir/op_table.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest::vir {
namespace {

constexpr std::string_view elem_names[] = {"i32", "i64", "f32", "f64"};
constexpr std::string_view cond_names[] = {"lt", "le", "gt", "ge", "eq", "ne"};

class Printer {
 public:
  std::string print(const Module& module) {
    out_ << "workspace " << module.workspace_bytes << " private " << module.private_bytes << '\n';
    for (std::size_t k = 0; k < module.functions.size(); ++k) {
      const Function& f = module.functions[k];
      out_ << "function " << k << ": " << (f.is_parallel_body ? "parallel body" : "kernel") << '\n';
      print(f);
    }
    return out_.str();
  }

 private:
  void print(const Function& f) {
    f_ = &f;
    int depth = 1;
    std::size_t note = 0;
    for (std::size_t k = 0; k < f.code.size(); ++k) {
      for (; note < f.notes.size() && f.notes[note].first <= k; ++note) {
        out_ << std::string(2 * depth, ' ') << "# " << f.notes[note].second << '\n';
      }
      if (f.code[k].op == Op::loop_end) --depth;
      out_ << std::string(2 * depth, ' ');
      print(f.code[k]);
      out_ << '\n';
      if (f.code[k].op == Op::loop_begin) ++depth;
    }
  }

  void print(const Inst& i) {
    const OpRow& row = row_of(i.op);
    if (i.dst != 0) {
      print_register(i.dst);
      out_ << ':' << type_name(f_->types[i.dst]) << " = ";
    }
    out_ << row.name;
    print_operands(i, row);
    if (row.address) print_address(i.addr);
    if (row.immediate) out_ << " #" << i.imm;
    if (i.mask != 0) out_ << " if r" << i.mask;
    if (!uses_label(i.op)) return;
    out_ << (i.op == Op::bind || i.op == Op::loop_begin ? " L" : " -> L") << i.label;
  }

  void print_operands(const Inst& i, const OpRow& row) {
    print_operand(row.a, i.a, i.imm);
    if (uses_condition(i.op)) out_ << ' ' << cond_names[static_cast<int>(i.cond)];
    print_operand(row.b, i.b, i.imm);
    print_operand(row.c, i.c, i.imm);
  }

  void print_operand(Field field, Reg r, std::int64_t imm) {
    if (field == Field::none) return;
    out_ << ' ';
    if (field == Field::general_or_imm && r == 0) out_ << imm;
    else print_register(r);
  }

  void print_register(Reg r) { out_ << 'r' << r; }

  void print_address(const Address& a) {
    out_ << " [r" << a.base;
    if (a.index != 0) out_ << " + r" << a.index << '*' << static_cast<int>(a.scale);
    if (a.disp != 0) out_ << (a.disp < 0 ? " - " : " + ") << (a.disp < 0 ? -a.disp : a.disp);
    out_ << ']';
  }

  static std::string type_name(Type t) {
    if (t.cls == Class::general) return "general";
    std::string name(t.cls == Class::mask ? "mask." : "");
    name += elem_names[static_cast<int>(t.elem)];
    return t.lanes == 1 ? name : name + 'x' + std::to_string(t.lanes);
  }

  std::ostringstream out_;
  const Function* f_ = nullptr;
};

}  // namespace

std::string print(const Module& module) { return Printer().print(module); }

}  // namespace loopnest::vir
