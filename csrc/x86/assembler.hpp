// The x86-64 assembler: instruction forms are rows of inst_table.cpp, operands are data. A failed
// emit throws and leaves the buffer as it was.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace loopnest::x86 {

// One enumerator per mnemonic, generated from the X-macro list in inst_names.def; Intel's names.
enum class Op : std::uint16_t {
#define X(name) name,
#include "x86/inst_names.def"
#undef X
  count_
};
std::string_view name_of(Op op);

enum class Kind : std::uint8_t { none, gpr64, gpr32, xmm, ymm, zmm, mask, mem, imm, label };

struct Mem {
  std::uint8_t base = 0;             // gpr number; rip_relative: unused
  std::int8_t index = -1;            // gpr number (or vector number when vsib), -1: none
  std::uint8_t scale = 1;
  Kind index_kind = Kind::gpr64;     // xmm/ymm/zmm for gathers and scatters
  bool broadcast = false;            // EVEX embedded broadcast
  bool rip_relative = false;         // to `label` + disp
  std::uint32_t label = 0;
  std::int32_t disp = 0;
};

struct Operand {
  Kind kind = Kind::none;
  std::uint8_t number = 0;  // register number
  std::int64_t value = 0;   // imm value, or label id
  Mem memory{};
};

Operand gpr(int n);    // 64-bit, numbering rax rcx rdx rbx rsp rbp rsi rdi r8 .. r15
Operand gpr32(int n);
Operand xmm(int n);
Operand ymm(int n);
Operand zmm(int n);
Operand vec(int n, int bytes);  // 16, 32 or 64
Operand kreg(int n);
Operand imm(std::int64_t v);
Operand mem(Mem m);
Operand label(std::uint32_t id);

// EVEX opmask: k1..k7, zeroing or merging.
struct Masking {
  std::uint8_t k = 0;
  bool zero = false;
};

struct EncodeError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Assembler {
 public:
  // Operand order is Intel's (destination first). Chooses the VEX form where one exists and no
  // operand needs EVEX (register above 15, zmm, opmask, broadcast), else EVEX with disp8*N.
  void emit(Op op, std::initializer_list<Operand> operands, Masking masking = {});
  void emit(Op op, std::span<const Operand> operands, Masking masking = {});

  std::uint32_t new_label();
  void bind(std::uint32_t label);
  std::int64_t offset_of(std::uint32_t label) const;  // -1: not bound yet
  void align(int bytes);                      // multi-byte nops
  void data(std::span<const std::uint8_t> bytes);

  std::size_t size() const { return size_; }
  // Resolves every label (throws EncodeError for an unbound one) and returns the code. Branches to
  // labels are rel32, backward branches within reach are rel8.
  std::vector<std::uint8_t> finish();

 private:
  struct Fixup { std::size_t at; std::uint32_t label; std::int32_t addend; };
  std::uint8_t* room_for(std::size_t bytes);  // at the end; size_ stays

  std::vector<std::uint8_t> bytes_;   // the first size_ are code, the rest is room
  std::size_t size_ = 0;
  std::vector<std::int64_t> labels_;  // offset, -1: unbound
  std::vector<Fixup> fixups_;
};

}  // namespace loopnest::x86
