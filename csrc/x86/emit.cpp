#include "x86/emit.hpp"

#include <limits>
#include <utility>

#include "x86/frame.hpp"

namespace loopnest::x86 {
namespace {

using passes::in_memory;
using passes::Role;

constexpr int loop_alignment_bytes = 32, function_alignment_bytes = 64;

bool reads(Role r) { return r == Role::use || r == Role::use_def; }

class Emitter {
 public:
  Emitter(const MachineFunction& f, const passes::Allocation& a, const FunctionLabels& functions,
          ConstantPool& pool, Assembler& out)
      : f_(f), a_(a), functions_(functions), pool_(pool), out_(out), frame_(plan_frame(f, a)),
        first_label_(out.new_label()) {
    for (std::uint32_t l = 1; l < f.labels + 1; ++l) out.new_label();  // consecutive numbers
  }

  NoteOffsets run(std::uint32_t label) {
    NoteOffsets offsets;
    std::size_t note = 0;
    out_.align(function_alignment_bytes);
    out_.bind(label);
    emit_prologue(out_, frame_);
    for (std::uint32_t i = 0; i < f_.code.size(); ++i) {
      for (; note < f_.notes.size() && f_.notes[note].first == i; ++note) {
        offsets.emplace_back(out_.size(), f_.notes[note].second);
      }
      emit_one(i);
    }
    return offsets;
  }

 private:
  struct Spilled {
    VReg reg;
    std::uint8_t physical;
  };

  void emit_one(std::uint32_t index) {
    const MachineInst& inst = f_.code[index];
    flags_of_ = std::exchange(next_flags_of_, -1);
    switch (inst.pseudo) {
      case Pseudo::bind: return out_.bind(label_number(inst.imm));
      case Pseudo::loop_begin:
        if (inst.innermost) out_.align(loop_alignment_bytes);
        return out_.bind(label_number(inst.imm));
      case Pseudo::loop_end: return;
      case Pseudo::ret:
        if (f_.uses_wide_vectors) out_.emit(Op::vzeroupper, {});
        emit_epilogue(out_, frame_);
        return out_.emit(Op::ret, {});
      default: emit_with_operands(inst, f_.allocation.first_access[index]);
    }
    next_flags_of_ = flags_after(inst, index);
  }

  // The register whose value the flags reflect: that of an addition or subtraction just made.
  int flags_after(const MachineInst& inst, std::uint32_t index) const {
    const bool sums = inst.op == Op::add || inst.op == Op::sub;
    if (inst.pseudo != Pseudo::none || !sums || inst.operands[0].kind != Kind::gpr64) return -1;
    const VReg r = inst.operands[0].reg;
    if (is_physical(r) || a_.spilled[r]) return -1;
    return a_.assigned[f_.allocation.first_access[index]];
  }

  void emit_with_operands(const MachineInst& inst, std::uint32_t access) {
    if (inst.pseudo == Pseudo::constant && a_.assigned[access] == in_memory) return;
    Operand operands[4];
    Spilled stores[4];
    int store_count = 0, memory_at = -1;
    for (int k = 0; k < inst.count; ++k) {
      const MachineOperand& o = inst.operands[k];
      Operand& to = operands[k];
      to.kind = o.kind;
      if (o.kind == Kind::mem) {
        memory_at = k;
      } else if (o.kind == Kind::imm) {
        to.value = inst.imm;
      } else if (o.kind == Kind::label) {
        to.value = label_number(inst.imm);
      } else if (is_physical(o.reg)) {
        to.number = physical_number(o.reg);
      } else if (const std::uint8_t p = a_.assigned[access++]; p == in_memory) {
        to = home_of(o.reg);
      } else {
        to.number = p;
        if (!a_.spilled[o.reg]) continue;
        if (reads(o.role)) reload(o.reg, p);
        if (o.role != Role::use) stores[store_count++] = {o.reg, p};
      }
    }
    if (memory_at >= 0) set_memory(operands[memory_at].memory, inst.memory, access);
    const std::span<const Operand> used(operands, inst.count);
    if (inst.pseudo == Pseudo::copy) emit_copy(inst, used);
    else if (inst.pseudo == Pseudo::constant) emit_constant(inst, used[0]);
    else emit_real(inst, used, access);
    for (int s = 0; s < store_count; ++s) store(stores[s]);
  }

  // Advances `access` past the base and index.
  void set_memory(Mem& out, const MachineMemory& m, std::uint32_t& access) {
    out.disp = m.disp;
    out.broadcast = m.broadcast;
    switch (m.where) {
      case Base::pool:
        out.rip_relative = true;
        out.label = pool_.label_of(m.pool, out_);
        return;
      case Base::function:
        out.rip_relative = true;
        out.label = functions_[m.pool];
        return;
      case Base::captures:
        out.base = rsp;
        out.disp += frame_.captures;
        return;
      case Base::reg: break;
    }
    out.base = address_register(m.base, access);
    if (m.index == 0) return;
    out.scale = m.scale;
    out.index_kind = m.index_kind;
    out.index = static_cast<std::int8_t>(address_register(m.index, access));
  }

  std::uint8_t address_register(VReg r, std::uint32_t& access) {
    const std::uint8_t p = a_.assigned[access++];
    if (a_.spilled[r]) reload(r, p);
    return p;
  }

  // ---- spilled registers ----

  Operand home_of(VReg r) {
    const MachineRegister& m = f_.registers[r];
    if (m.pool >= 0) return pool_operand(static_cast<std::uint32_t>(m.pool));
    return mem({.base = rsp, .disp = frame_.slots[r]});
  }

  Operand pool_operand(std::uint32_t entry) {
    return mem({.rip_relative = true, .label = pool_.label_of(entry, out_)});
  }

  Kind kind_of(const MachineRegister& m) const {
    if (m.cls == general_class) return Kind::gpr64;
    if (m.cls == mask_class) return Kind::mask;
    return m.bytes == 64 ? Kind::zmm : m.bytes == 32 ? Kind::ymm : Kind::xmm;
  }

  static Op move_for(const MachineRegister& m) {
    return m.cls == general_class ? Op::mov : m.cls == mask_class ? Op::kmovq : Op::vmovups;
  }

  void reload(VReg r, std::uint8_t p) {
    const MachineRegister& m = f_.registers[r];
    const Operand to{.kind = kind_of(m), .number = p};
    if (m.pool >= 0) return load_constant(to, static_cast<std::uint32_t>(m.pool));
    out_.emit(move_for(m), {to, home_of(r)});
  }

  void store(const Spilled& s) {
    const MachineRegister& m = f_.registers[s.reg];
    out_.emit(move_for(m), {home_of(s.reg), Operand{.kind = kind_of(m), .number = s.physical}});
  }

  // ---- instructions ----

  void emit_copy(const MachineInst& inst, std::span<const Operand> o) {
    if (o[0].kind == o[1].kind && o[0].kind != Kind::mem && o[0].number == o[1].number) return;
    const VReg to = inst.operands[0].reg, from = inst.operands[1].reg;
    const MachineRegister& m = f_.registers[is_physical(to) ? from : to];
    const bool between_registers = o[0].kind != Kind::mem && o[1].kind != Kind::mem;
    const Op op = m.cls == vector_class && between_registers ? Op::vmovaps : move_for(m);
    out_.emit(op, o);
  }

  void emit_constant(const MachineInst& inst, const Operand& to) {
    load_constant(to, inst.memory.pool);
  }

  void load_constant(const Operand& to, std::uint32_t entry) {
    if (pool_.is_zero(entry)) {
      const Operand low = xmm(to.number);
      out_.emit(Op::vxorps, {low, low, low});
    } else {
      out_.emit(Op::vmovups, {to, pool_operand(entry)});
    }
  }

  void emit_real(const MachineInst& inst, std::span<const Operand> o, std::uint32_t access) {
    if (inst.op == Op::mov && shorten_move(o)) return;
    if (inst.op == Op::cmp && is_register_with_zero(o)) {
      // Counters and pointers stay far from overflow, so a sum's flags compare it with zero.
      if (o[0].number != flags_of_) out_.emit(Op::test, {o[0], o[0]});
      return;
    }
    Masking masking{};
    if (inst.opmask != 0) masking = {opmask_register(inst.opmask, access), inst.zeroing};
    out_.emit(inst.op, o, masking);
  }

  static bool is_register_with_zero(std::span<const Operand> o) {
    return o[0].kind == Kind::gpr64 && o[1].kind == Kind::imm && o[1].value == 0;
  }

  // A constant without high bits through the 32-bit register; a register to itself not at all.
  bool shorten_move(std::span<const Operand> o) {
    if (o[0].kind != Kind::gpr64) return false;
    if (o[1].kind == Kind::gpr64) return o[0].number == o[1].number;
    if (o[1].kind != Kind::imm) return false;
    if (o[1].value < 0 || o[1].value > std::numeric_limits<std::uint32_t>::max()) return false;
    const Operand low = gpr32(o[0].number);
    // xor destroys the flags: nothing is placed between a comparison and its reader.
    if (o[1].value == 0) out_.emit(Op::xor_, {low, low});
    else out_.emit(Op::mov, {low, o[1]});
    return true;
  }

  std::uint8_t opmask_register(VReg r, std::uint32_t access) {
    const std::uint8_t p = a_.assigned[access];
    if (a_.spilled[r]) reload(r, p);
    return p;
  }

  std::uint32_t label_number(std::int64_t l) const {
    return first_label_ + static_cast<std::uint32_t>(l);
  }

  const MachineFunction& f_;
  const passes::Allocation& a_;
  const FunctionLabels& functions_;
  ConstantPool& pool_;
  Assembler& out_;
  Frame frame_;
  std::uint32_t first_label_;
  int flags_of_ = -1, next_flags_of_ = -1;  // before and after the instruction at hand
};

}  // namespace

NoteOffsets emit_function(const MachineFunction& function, const passes::Allocation& allocation,
                          std::uint32_t label, const FunctionLabels& functions, ConstantPool& pool,
                          Assembler& assembler) {
  return Emitter(function, allocation, functions, pool, assembler).run(label);
}

}  // namespace loopnest::x86
