// One instruction, from operands to bytes: choose a Form, then write legacy, VEX or EVEX bytes.
// Pure functions: the Assembler owns the buffer and the labels.
#pragma once

#include <span>

#include "x86/inst_table.hpp"

namespace loopnest::x86 {

struct Request {
  Op op;
  std::span<const Operand> operands;
  Masking masking;
  // Offset of a label operand from the start of this instruction; valid when `backward`.
  std::int64_t distance = 0;
  bool backward = false;
};

struct Match {
  const Form* form = nullptr;
  Size size = Size::none_;
  Encodings encoding = legacy;
};

struct Encoded {
  std::uint8_t* bytes = nullptr;
  std::uint8_t size = 0;
  // A rel32 or RIP-relative disp32 at `fixup_at` (0: none) to `label`, plus `addend`.
  std::uint8_t fixup_at = 0;
  std::uint32_t label = 0;
  std::int32_t addend = 0;
};

// The first form that admits the request. Throws EncodeError when there is none.
Match match(const Request& request);

// Writes at `to`, which has room for max_instruction_bytes.
// Requires: `match` is the result of match(request).
constexpr std::size_t max_instruction_bytes = 16;
Encoded encode(const Request& request, const Match& match, std::uint8_t* to);

}  // namespace loopnest::x86
