// Instruction selection: one vector IR function to machine IR. One file per family of operators.
//
// Values: a vector of `lanes` elements lives in an xmm, ymm or zmm register of at least that many
// bytes; lanes above are unspecified. A mask is a k register on AVX-512 and an all-ones / all-zeros
// vector of its element elsewhere. Memory is touched for exactly the lanes a value has.
#pragma once

#include "vector_ir/vector_ir.hpp"
#include "x86/constant_pool.hpp"
#include "x86/fold.hpp"
#include "x86/machine_ir.hpp"

namespace loopnest::x86 {

using VOp = vir::Op;
using vir::Elem;

inline int bytes_of(vir::Type t) { return t.lanes * size_of(t.elem); }
inline Kind vector_kind(int bytes) {
  return bytes <= 16 ? Kind::xmm : bytes == 32 ? Kind::ymm : Kind::zmm;
}
inline vir::Type vector_type(Elem e, int lanes) {
  return {vir::Class::vector, e, static_cast<std::uint16_t>(lanes)};
}
// The mnemonic for 4-byte or for 8-byte elements.
inline Op by_size(Elem e, Op four, Op eight) { return size_of(e) == 4 ? four : eight; }

class Selector {
 public:
  Selector(const vir::Module& module, const vir::Function& function, const Target& target,
           ConstantPool& pool);
  MachineFunction run();

 private:
  // Operands of emit().
  struct RegArg {
    MachineOperand operand;
  };
  struct MemArg {
    const MachineMemory& memory;
  };
  struct ImmArg {
    std::int64_t value;
  };
  struct MaskArg {
    VReg k;
    bool zeroing;
  };
  // A value operand that selection may have left in memory.
  struct Source {
    VReg reg = 0;           // 0: in memory
    MachineMemory memory{};
  };
  struct ActiveLanes {
    int count = 0;   // -1: see bits
    VReg bits = 0;
  };
  struct SourceArg {
    const Source& source;
    Kind kind;
  };

  // ---- select.cpp: driver, registers, emission into the machine function ----
  void declare_registers();
  void declare_parameters();
  void select(std::uint32_t index);
  void dispatch(const vir::Inst& i);
  void dispatch_vector(const vir::Inst& i);

  vir::Type type(vir::Reg r) const { return function_.types[r]; }
  bool wide() const { return target_.has_lane_masks(); }  // AVX-512
  VReg temp(RegisterClass cls, int bytes);
  VReg temp_general() { return temp(general_class, 8); }
  VReg temp_vector(int bytes) { return temp(vector_class, bytes < 16 ? 16 : bytes); }
  VReg temp_mask() { return temp(mask_class, 8); }
  VReg temp_lane_mask(vir::Type t) { return wide() ? temp_mask() : temp_vector(bytes_of(t)); }
  Kind kind_of(VReg r) const;

  RegArg out(VReg r) const { return out(r, kind_of(r)); }
  RegArg out(VReg r, Kind k) const { return {{k, passes::Role::def, false, r}}; }
  RegArg inout(VReg r) const { return inout(r, kind_of(r)); }
  RegArg inout(VReg r, Kind k) const { return {{k, passes::Role::use_def, false, r}}; }
  RegArg in(VReg r) const { return in(r, kind_of(r)); }
  RegArg in(VReg r, Kind k) const { return {{k, passes::Role::use, false, r}}; }
  // The same, for operand positions that also take memory.
  static RegArg or_memory(RegArg a) { a.operand.memory_ok = true; return a; }
  RegArg rm(VReg r) const { return or_memory(in(r)); }
  RegArg rm(VReg r, Kind k) const { return or_memory(in(r, k)); }
  SourceArg rm(const Source& s, Kind k) const { return {s, k}; }
  static MemArg at(const MachineMemory& m) { return {m}; }
  static ImmArg imm(std::int64_t v) { return {v}; }
  static MaskArg masked(VReg k, bool zeroing = false) { return {k, zeroing}; }

  // The order of accesses is part of the contract with emit.cpp: register operands left to right,
  // then the base and index of the memory reference, then the opmask.
  template <class... Args>
  MachineInst& emit(Op op, const Args&... args) {
    MachineInst& inst = begin_instruction();
    inst.op = op;
    (put(inst, args), ...);
    end_instruction(inst);
    return inst;
  }
  template <class... Args>
  MachineInst& emit_pseudo(Pseudo p, const Args&... args) {
    MachineInst& inst = emit(Op{}, args...);
    inst.pseudo = p;
    return inst;
  }
  MachineInst& begin_instruction();
  void end_instruction(MachineInst& inst);
  void put(MachineInst& inst, const RegArg& a);
  void put(MachineInst& inst, const MemArg& a);
  void put(MachineInst& inst, const ImmArg& a);
  void put(MachineInst& inst, const MaskArg& a);
  void put(MachineInst& inst, const SourceArg& a);
  void add_access(VReg r, passes::Role role, bool memory_ok);
  void copy(VReg dst, VReg src);
  void destroy_at_last(std::size_t clobber_kind);

  // ---- select_general.cpp: integers, control, parallel calls ----
  void general(const vir::Inst& i);
  void general_const(VReg dst, std::int64_t value);
  VReg general_operand(const vir::Inst& i);  // b, or imm in a register
  void general_add(VReg dst, VReg a, std::int64_t value);
  void general_binary(const vir::Inst& i, Op op, bool commutative);
  void general_mul(const vir::Inst& i);
  void general_select(VReg dst, VReg a, VReg b, Op cmov);
  void general_floordiv(VReg dst, VReg a, std::int64_t divisor);
  void divide_by_magic(VReg dst, VReg n, std::int64_t divisor);
  void from_frame(const vir::Inst& i);
  void control(const vir::Inst& i);
  void branch(const vir::Inst& i);
  void capture(const vir::Inst& i);
  void parallel(const vir::Inst& i);
  std::uint32_t fresh_label() { return ++out_.labels; }
  void bind(std::uint32_t label);
  void jump(Op op, std::uint32_t label);

  // ---- select_memory.cpp ----
  void memory(const vir::Inst& i);
  MachineMemory address(const vir::Address& a, std::int64_t extra = 0);
  MachineMemory constant_memory(std::uint32_t entry) const;
  void plain_load(VReg dst, vir::Type t, const MachineMemory& m);
  void plain_store(const MachineMemory& m, VReg src, vir::Type t);
  void load(const vir::Inst& i);
  void load_masked(VReg dst, vir::Type t, const MachineMemory& m, VReg mask);
  void load_splat(const vir::Inst& i);
  void splat_from(VReg dst, vir::Type t, const MachineMemory& m);
  void store(const vir::Inst& i);
  void store_first(const vir::Address& to, VReg src, vir::Type t, int count);
  void store_stream(const vir::Inst& i);
  void prefetch(const vir::Inst& i);
  // select_strided.cpp
  void load_strided(const vir::Inst& i);
  void store_strided(const vir::Inst& i);
  ActiveLanes active_lanes(const vir::Inst& i, vir::Type t);
  template <class F>
  void for_lane(const ActiveLanes& active, int lane, F move);
  bool gather_or_scatter(const vir::Inst& i, VReg data);
  void insert_lane(VReg quarter, int byte, int size, const MachineMemory& m);
  void extract_lane(const MachineMemory& m, VReg quarter, int byte, int size);
  bool is_reversed(const vir::Inst& i, vir::Type t) const;
  void load_reversed(const vir::Inst& i, vir::Type t);
  void store_reversed(const vir::Inst& i, vir::Type t);
  VReg reversed(VReg v, vir::Type t);
  VReg join_quarters(const VReg* quarters, int bytes);
  VReg quarter_of(VReg v, int bytes, int index);
  VReg lane_bits(VReg mask, vir::Type t);

  // ---- select_arithmetic.cpp ----
  void constant(const vir::Inst& i);
  void constant_into(VReg dst, std::uint32_t entry);
  Source splat_source(std::uint64_t bits, vir::Type t);
  VReg zero(vir::Type t);
  VReg table_constant(std::span<const std::uint8_t> bytes, int width_bytes);
  void splat(const vir::Inst& i);
  void broadcast(const vir::Inst& i);
  void iota(const vir::Inst& i);
  void splat_general(VReg dst, vir::Type t, VReg general);
  static std::vector<std::uint8_t> lane_numbers(Elem e, int lanes);
  Source source(const vir::Inst& reader, Slot slot);
  VReg in_register(const Source& s, vir::Type t);
  void binary(const vir::Inst& i);
  void combine(VOp op, vir::Type t, VReg dst, VReg a, const Source& b);
  void combine(VOp op, vir::Type t, VReg dst, VReg a, VReg b) { combine(op, t, dst, a, Source{b}); }
  void multiply_i64(vir::Type t, VReg dst, VReg a, VReg b);
  void select_i64(VOp op, vir::Type t, VReg dst, VReg a, VReg b);
  void exact_min_max(VOp op, vir::Type t, VReg dst, VReg a, const Source& b);
  void bitwise(VOp op, vir::Type t, VReg dst, VReg a, const Source& b);
  void fused(const vir::Inst& i);
  void unary(const vir::Inst& i);
  void negate(const vir::Inst& i);
  void absolute(const vir::Inst& i);
  void round(const vir::Inst& i, int mode);
  void shift(const vir::Inst& i);

  // ---- select_convert.cpp ----
  void convert(const vir::Inst& i);
  void convert_direct(VReg dst, vir::Type to, VReg a, vir::Type from);
  void convert_i64_by_lane(VReg dst, vir::Type to, VReg a, vir::Type from);
  void narrow_i64(VReg dst, VReg a, int lanes);
  VReg lane_to_general(VReg a, vir::Type from, int lane);
  VReg lane_from_general(VReg g, vir::Type to);
  void join_lanes(VReg dst, vir::Type t, const VReg* lanes);

  // ---- select_masks.cpp ----
  void masks(const vir::Inst& i);
  void compare(const vir::Inst& i);
  void compare_vectors(VReg dst, vir::Cond cond, vir::Type t, VReg a, const Source& b);
  void compare_integers_avx2(VReg dst, vir::Cond cond, vir::Type t, VReg a, const Source& b);
  void mask_first(const vir::Inst& i);
  void mask_first_constant(const vir::Inst& i);
  VReg clamped(VReg n, int most);
  int known_count(vir::Reg mask, vir::Type data) const;
  void mask_logic(const vir::Inst& i);
  void select_lanes(const vir::Inst& i);
  void invert(VReg dst, VReg a, vir::Type t);
  void resize_mask(VReg dst, VReg mask, vir::Type from, Elem to);
  VReg mask_for(vir::Reg mask, vir::Type data);       // the mask in the data's element size
  VReg memory_mask(vir::Reg mask, vir::Type data);    // and false above the data's lanes

  // ---- select_reduce.cpp ----
  void reduce(const vir::Inst& i);
  VReg upper_half(VReg v, Elem e, int lanes);

  const vir::Module& module_;
  const vir::Function& function_;
  Target target_;
  ConstantPool& pool_;
  Folding folding_;
  const vir::Inst* current_ = nullptr;
  std::uint32_t index_ = 0;
  MachineFunction out_;
  std::int32_t open_loop_ = -1;
  VReg frame_ = 0, captures_ = 0, begin_ = 0, end_ = 0, thread_ = 0;
  bool streams_ = false;
};

inline void Selector::add_access(VReg r, passes::Role role, bool memory_ok) {
  if (r == 0 || is_physical(r)) return;
  out_.allocation.accesses.push_back({r, role, memory_ok});
}

inline void Selector::put(MachineInst& inst, const RegArg& a) {
  inst.operands[inst.count++] = a.operand;
  add_access(a.operand.reg, a.operand.role, a.operand.memory_ok);
}

inline void Selector::put(MachineInst& inst, const MemArg& a) {
  inst.operands[inst.count++].kind = Kind::mem;
  inst.memory = a.memory;
  inst.has_memory = true;
}

inline void Selector::put(MachineInst& inst, const ImmArg& a) {
  inst.operands[inst.count++].kind = Kind::imm;
  inst.imm = a.value;
}

inline void Selector::put(MachineInst& inst, const MaskArg& a) {
  inst.opmask = a.k;
  inst.zeroing = a.zeroing;
}

inline void Selector::put(MachineInst& inst, const SourceArg& a) {
  if (a.source.reg != 0) put(inst, rm(a.source.reg, a.kind));
  else put(inst, at(a.source.memory));
}

// Kinds of clobber of MachineFunction::allocation.
inline constexpr std::size_t clobber_call = 0, clobber_divide = 1;

MachineFunction select(const vir::Module& module, const vir::Function& function,
                       const Target& target, ConstantPool& pool);

}  // namespace loopnest::x86
