// Instruction forms as data: one Form per (mnemonic, operand pattern), valid for every operand size
// it lists. The encoder (encoder.cpp) is the only reader on the hot path.
//
//   Form  =  mnemonic | encodings | sizes | pp map W opcode /digit | Op/En roles | operand classes
//            | memory size (which is also disp8's N) | broadcast element | masking
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "x86/assembler.hpp"

namespace loopnest::x86 {

enum Encodings : std::uint8_t { legacy = 1, vex = 2, evex = 4 };

// Operand size: the vector length, or the width of general registers.
enum class Size : std::uint8_t { b128, b256, b512, r32, r64, none_ };

// A set of Sizes.
using Sizes = std::uint8_t;
constexpr Sizes size_bit(Size size) { return static_cast<Sizes>(1u << static_cast<int>(size)); }

enum class Prefix : std::uint8_t { np, p66, pF3, pF2 };  // in VEX pp order
enum class Map : std::uint8_t { one_byte, m0F, m0F38, m0F3A };

// W bit. `wide_evex`: 1 under EVEX and 0 (ignored) under VEX; `by_size`: 1 for Size::r64.
enum class W : std::uint8_t { w0, w1, wide_evex, by_size };

// Where an operand goes in the encoding (Intel's Op/En letters).
enum class Role : std::uint8_t { none, reg, rm, vvvv, opcode, imm, is4, implied };

// What an operand may be. V, H and R take their width from the instruction's Size; a trailing M
// also admits memory; GV and GH are memory with a vector index; R8 is the low byte of a gpr32.
enum class Class : std::uint8_t {
  none, V, VM, H, HM, X, XM, Y, YM, Z, K, KM, M, GV, GH,
  R, RM, R32, R32M, R64, R64M, R8, R8M, CL,
  I8, S8, S32, U32, I64, L8, L32, count_
};

// Bytes a memory operand touches: a share of the vector, a constant, or the general register width.
enum class Bytes : std::uint8_t {
  none, full, half, quarter, eighth, dup, b1, b2, b4, b8, b16, b32, by_size
};

enum class Masks : std::uint8_t { none, allowed, required };

struct Form {
  static constexpr int max_operands = 4;

  Op op{};
  std::uint8_t encodings = 0;
  Sizes sizes = 0;
  Prefix prefix = Prefix::np;
  Map map = Map::one_byte;
  W w = W::w0;
  std::uint8_t opcode = 0;
  std::int8_t digit = -1;  // ModRM.reg, -1: holds a register
  std::uint8_t count = 0;
  std::int8_t sizer = -1;  // operand that fixes the Size, -1: the only one in `sizes`
  std::array<Role, max_operands> roles{};
  std::array<Class, max_operands> classes{};
  Bytes memory = Bytes::none;
  std::uint8_t broadcast = 0;  // element bytes of EVEX embedded broadcast, 0: none
  Masks masks = Masks::none;
};

std::span<const Form> all_forms();
std::span<const Form> forms_of(Op op);

// Kinds `operand_class` admits at `size`, as a set of bits 1 << Kind.
std::uint16_t kinds_of(Class operand_class, Size size);

// Size of a memory operand of `form` at `size`, in bytes; 0 when it has none.
int memory_bytes(const Form& form, Size size);

constexpr bool is_vector(Kind kind) {
  return kind == Kind::xmm || kind == Kind::ymm || kind == Kind::zmm;
}

}  // namespace loopnest::x86
