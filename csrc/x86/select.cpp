// Selection: the driver, and the one place that appends machine instructions (with the accesses
// and loops that register allocation reads).
#include "x86/select.hpp"

#include <algorithm>

namespace loopnest::x86 {
namespace {

constexpr std::uint32_t bit(int n) { return 1u << n; }
constexpr std::uint32_t parameter_registers = bit(rdi) | bit(rsi) | bit(rdx) | bit(rcx) | bit(r8);
constexpr std::uint32_t callee_saved =
    bit(rbx) | bit(rbp) | bit(r12) | bit(r13) | bit(r14) | bit(r15);
constexpr std::uint32_t all_general = 0xffffu & ~bit(rsp);
constexpr std::uint32_t opmasks = 0xfe;  // k0 means "no mask"

RegisterClass class_of(vir::Type t, const Target& target) {
  if (t.cls == vir::Class::general) return general_class;
  return t.cls == vir::Class::mask && target.has_lane_masks() ? mask_class : vector_class;
}

MachineRegister machine_register(vir::Type t, const Target& target) {
  const RegisterClass cls = class_of(t, target);
  const int bytes = cls == vector_class ? std::max(16, bytes_of(t)) : 8;
  return {cls, static_cast<std::uint8_t>(bytes)};
}

void set_register_file(passes::AllocationInput& a, const Target& target) {
  const std::uint32_t vectors = target.has_lane_masks() ? ~0u : 0xffffu;
  a.available = {all_general, vectors, target.has_lane_masks() ? opmasks : 0};
  a.preferred = {all_general & ~callee_saved, 0xffff, opmasks};
  a.clobbers.resize(2);
  a.clobbers[clobber_call].destroyed = {all_general & ~callee_saved, ~0u, ~0u};
  a.clobbers[clobber_divide].destroyed = {bit(rax) | bit(rdx), 0, 0};
}

bool reads_frame(VOp op) {
  return op == VOp::g_argument || op == VOp::g_workspace || op == VOp::g_private ||
         op == VOp::parallel;
}

}  // namespace

Selector::Selector(const vir::Module& module, const vir::Function& function, const Target& target,
                   ConstantPool& pool)
    : module_(module), function_(function), target_(target), pool_(pool),
      folding_(find_folds(function, target)) {}

MachineFunction Selector::run() {
  const std::size_t expected = function_.code.size() + function_.code.size() / 2 + 64;
  out_.code.reserve(expected);
  out_.allocation.accesses.reserve(4 * expected);
  out_.allocation.first_access.reserve(expected + 1);
  out_.labels = function_.labels;
  set_register_file(out_.allocation, target_);
  declare_registers();
  declare_parameters();
  auto notes = function_.notes;
  std::uint32_t next_note = 0;
  for (index_ = 0; index_ < function_.code.size(); ++index_) {
    for (; next_note < notes.size() && notes[next_note].first <= index_; ++next_note) {
      out_.notes.emplace_back(out_.code.size(), next_note);
    }
    select(index_);
  }
  out_.allocation.first_access.push_back(
      static_cast<std::uint32_t>(out_.allocation.accesses.size()));
  return std::move(out_);
}

void Selector::declare_registers() {
  const std::size_t n = function_.types.size();
  out_.registers.reserve(n + n / 2);
  out_.allocation.registers.reserve(n + n / 2);
  for (const vir::Type t : function_.types) {
    const MachineRegister r = machine_register(t, target_);
    out_.uses_wide_vectors |= r.bytes > 16;
    out_.registers.push_back(r);
    out_.allocation.registers.push_back({.cls = r.cls});
  }
}

// The System V argument registers a function reads, copied to virtual registers at its start. A
// parameter may stay where it arrives or go anywhere but to another parameter's register, so the
// copies need no order.
void Selector::declare_parameters() {
  std::uint32_t wanted = 0;
  for (const vir::Inst& i : function_.code) {
    if (reads_frame(i.op)) wanted |= bit(rdi);
    if (i.op == VOp::g_capture) wanted |= bit(rsi);
    if (i.op == VOp::g_begin) wanted |= bit(rdx);
    if (i.op == VOp::g_end) wanted |= bit(rcx);
    if (i.op == VOp::g_private && function_.is_parallel_body) wanted |= bit(r8);
    streams_ |= i.op == VOp::store_stream;
  }
  struct Parameter { Gpr where; VReg* reg; };
  for (const Parameter p : {Parameter{rdi, &frame_}, Parameter{rsi, &captures_},
                            Parameter{rdx, &begin_}, Parameter{rcx, &end_},
                            Parameter{r8, &thread_}}) {
    if ((wanted & bit(p.where)) == 0) continue;
    *p.reg = temp_general();
    auto& wish = out_.allocation.registers[*p.reg];
    wish.hint = static_cast<std::uint8_t>(p.where);
    wish.allowed = ~(parameter_registers & ~bit(p.where));
    copy(*p.reg, physical(p.where));
  }
}

void Selector::select(std::uint32_t index) {
  if (folding_.skip[index]) return;
  const vir::Inst& i = function_.code[index];
  current_ = &i;
  dispatch(i);
}

void Selector::dispatch(const vir::Inst& i) {
  switch (i.op) {
    case VOp::g_const: case VOp::g_move: case VOp::g_add: case VOp::g_sub: case VOp::g_mul:
    case VOp::g_min: case VOp::g_max: case VOp::g_floordiv: case VOp::g_argument:
    case VOp::g_workspace: case VOp::g_private: case VOp::g_capture: case VOp::g_begin:
    case VOp::g_end:
      return general(i);
    case VOp::bind: case VOp::jump: case VOp::branch_if: case VOp::loop_begin: case VOp::loop_end:
    case VOp::capture: case VOp::parallel: case VOp::ret:
      return control(i);
    case VOp::load: case VOp::load_splat: case VOp::load_strided: case VOp::store:
    case VOp::store_strided: case VOp::store_stream: case VOp::prefetch:
      return memory(i);
    case VOp::compare: case VOp::mask_first: case VOp::mask_and: case VOp::mask_or:
    case VOp::mask_not: case VOp::select:
      return masks(i);
    default:
      return dispatch_vector(i);
  }
}

void Selector::dispatch_vector(const vir::Inst& i) {
  switch (i.op) {
    case VOp::constant: return constant(i);
    case VOp::move: case VOp::bitcast: return copy(i.dst, i.a);
    case VOp::splat: return splat(i);
    case VOp::broadcast: return broadcast(i);
    case VOp::iota: return iota(i);
    case VOp::fma: case VOp::fnma: return fused(i);
    case VOp::neg: case VOp::abs: case VOp::sqrt: case VOp::floor: case VOp::round_even:
      return unary(i);
    case VOp::shift_left: case VOp::shift_right: return shift(i);
    case VOp::convert: return convert(i);
    case VOp::reduce_add: case VOp::reduce_mul: case VOp::reduce_min: case VOp::reduce_max:
      return reduce(i);
    default: return binary(i);
  }
}

// ---- registers ----

VReg Selector::temp(RegisterClass cls, int bytes) {
  out_.uses_wide_vectors |= bytes > 16;
  out_.registers.push_back({cls, static_cast<std::uint8_t>(bytes)});
  out_.allocation.registers.push_back({.cls = cls});
  return static_cast<VReg>(out_.registers.size() - 1);
}

Kind Selector::kind_of(VReg r) const {
  if (is_physical(r)) return Kind::gpr64;
  const MachineRegister& m = out_.registers[r];
  return m.cls == general_class ? Kind::gpr64
         : m.cls == mask_class  ? Kind::mask
                                : vector_kind(m.bytes);
}

// ---- appending ----

MachineInst& Selector::begin_instruction() {
  out_.allocation.first_access.push_back(
      static_cast<std::uint32_t>(out_.allocation.accesses.size()));
  return out_.code.emplace_back();
}

void Selector::end_instruction(MachineInst& inst) {
  if (inst.has_memory) {
    // One memory reference an instruction: no other operand may become one.
    const std::size_t first = out_.allocation.first_access.back();
    for (std::size_t k = first; k < out_.allocation.accesses.size(); ++k) {
      out_.allocation.accesses[k].memory = false;
    }
    add_access(inst.memory.base, passes::Role::use, false);
    add_access(inst.memory.index, passes::Role::use, false);
  }
  if (inst.opmask != 0) add_access(inst.opmask, passes::Role::use, false);
}

void Selector::copy(VReg dst, VReg src) {
  if (dst == src) return;
  out_.allocation.copies.push_back(static_cast<std::uint32_t>(out_.code.size()));
  emit_pseudo(Pseudo::copy, or_memory(out(dst)), rm(src));
}

void Selector::destroy_at_last(std::size_t clobber_kind) {
  out_.allocation.clobbers[clobber_kind].instructions.push_back(
      static_cast<std::uint32_t>(out_.code.size() - 1));
}

MachineFunction select(const vir::Module& module, const vir::Function& function,
                       const Target& target, ConstantPool& pool) {
  return Selector(module, function, target, pool).run();
}

}  // namespace loopnest::x86
