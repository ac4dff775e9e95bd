// The code buffer: appends encoded instructions, keeps labels, resolves references at the end.
#include "x86/assembler.hpp"

#include <cstring>
#include <limits>

#include "x86/encoder.hpp"

namespace loopnest::x86 {
namespace {

constexpr std::string_view op_names[] = {
#define X(name) #name,
#include "x86/inst_names.def"
#undef X
};

Operand make_register(Kind kind, int number) {
  return {.kind = kind, .number = static_cast<std::uint8_t>(number)};
}

// The recommended multi-byte nops, one per length.
constexpr std::uint8_t nops[9][9] = {
    {0x90},
    {0x66, 0x90},
    {0x0F, 0x1F, 0x00},
    {0x0F, 0x1F, 0x40, 0x00},
    {0x0F, 0x1F, 0x44, 0x00, 0x00},
    {0x66, 0x0F, 0x1F, 0x44, 0x00, 0x00},
    {0x0F, 0x1F, 0x80, 0x00, 0x00, 0x00, 0x00},
    {0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    {0x66, 0x0F, 0x1F, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
};

}  // namespace

std::string_view name_of(Op op) {
  std::string_view name = op_names[static_cast<std::size_t>(op)];
  if (name.ends_with('_')) name.remove_suffix(1);
  return name;
}

Operand gpr(int n) { return make_register(Kind::gpr64, n); }
Operand gpr32(int n) { return make_register(Kind::gpr32, n); }
Operand xmm(int n) { return make_register(Kind::xmm, n); }
Operand ymm(int n) { return make_register(Kind::ymm, n); }
Operand zmm(int n) { return make_register(Kind::zmm, n); }
Operand vec(int n, int bytes) { return bytes == 64 ? zmm(n) : bytes == 32 ? ymm(n) : xmm(n); }
Operand kreg(int n) { return make_register(Kind::mask, n); }
Operand imm(std::int64_t v) { return {.kind = Kind::imm, .value = v}; }
Operand mem(Mem m) { return {.kind = Kind::mem, .memory = m}; }
Operand label(std::uint32_t id) { return {.kind = Kind::label, .value = id}; }

void Assembler::emit(Op op, std::initializer_list<Operand> operands, Masking masking) {
  emit(op, std::span<const Operand>(operands.begin(), operands.size()), masking);
}

void Assembler::emit(Op op, std::span<const Operand> operands, Masking masking) {
  Request request{.op = op, .operands = operands, .masking = masking};
  for (const Operand& operand : operands)
    if (operand.kind == Kind::label) {
      const std::int64_t target = offset_of(static_cast<std::uint32_t>(operand.value));
      request.backward = target >= 0;
      request.distance = target - static_cast<std::int64_t>(size_);
    } else if (operand.kind == Kind::mem && operand.memory.rip_relative) {
      (void)offset_of(operand.memory.label);
    }
  const Encoded encoded = encode(request, match(request), room_for(max_instruction_bytes));
  if (encoded.fixup_at)
    fixups_.push_back({size_ + encoded.fixup_at, encoded.label, encoded.addend});
  size_ += encoded.size;
}

std::uint8_t* Assembler::room_for(std::size_t bytes) {
  if (bytes_.size() - size_ < bytes) bytes_.resize(2 * bytes_.size() + bytes + 1024);
  return bytes_.data() + size_;
}

std::uint32_t Assembler::new_label() {
  labels_.push_back(-1);
  return static_cast<std::uint32_t>(labels_.size() - 1);
}

void Assembler::bind(std::uint32_t label) {
  if (offset_of(label) >= 0) throw EncodeError("label bound twice");
  labels_[label] = static_cast<std::int64_t>(size_);
}

std::int64_t Assembler::offset_of(std::uint32_t label) const {
  if (label >= labels_.size()) throw EncodeError("no such label");
  return labels_[label];
}

void Assembler::align(int bytes) {
  const std::size_t step = static_cast<std::size_t>(bytes);
  std::size_t missing = (step - size_ % step) % step;
  while (missing > 0) {
    const std::size_t length = missing < 9 ? missing : 9;
    data({nops[length - 1], length});
    missing -= length;
  }
}

void Assembler::data(std::span<const std::uint8_t> bytes) {
  if (bytes.empty()) return;
  std::memcpy(room_for(bytes.size()), bytes.data(), bytes.size());
  size_ += bytes.size();
}

std::vector<std::uint8_t> Assembler::finish() {
  for (const Fixup& fixup : fixups_) {
    const std::int64_t target = labels_[fixup.label];
    if (target < 0) throw EncodeError("a label is used and never bound");
    const std::int64_t value = target - static_cast<std::int64_t>(fixup.at) + fixup.addend;
    if (value != static_cast<std::int32_t>(value)) throw EncodeError("label out of reach");
    const std::int32_t relative = static_cast<std::int32_t>(value);
    std::memcpy(bytes_.data() + fixup.at, &relative, sizeof relative);
  }
  return {bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_)};
}

}  // namespace loopnest::x86
