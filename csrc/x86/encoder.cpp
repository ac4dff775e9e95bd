#include "x86/encoder.hpp"

#include <bit>
#include <limits>

namespace loopnest::x86 {
namespace {

constexpr int modrm_register = 3 << 6;  // ModRM.mod of a register operand

// --- Matching -------------------------------------------------------------------------------

bool wants_evex(const Operand& operand) {
  if (is_vector(operand.kind)) return operand.kind == Kind::zmm || operand.number > 15;
  if (operand.kind != Kind::mem) return false;
  const Mem& memory = operand.memory;
  return memory.broadcast || memory.index_kind == Kind::zmm ||
         (is_vector(memory.index_kind) && memory.index > 15);
}

constexpr Size sizes_of_kinds[] = {Size::none_, Size::r64,   Size::r32,   Size::b128,
                                   Size::b256,  Size::b512,  Size::none_, Size::none_,
                                   Size::none_, Size::none_};

Size size_of_kind(Kind kind) { return sizes_of_kinds[static_cast<std::size_t>(kind)]; }

// A memory operand that has to tell the size: general registers default to 64 bits, a gather goes
// by its index, a narrowing conversion by twice its destination.
Size size_of_memory(const Form& form, const Request& request) {
  switch (form.classes[static_cast<std::size_t>(form.sizer)]) {
    case Class::RM: return Size::r64;
    case Class::GV:
      return size_of_kind(request.operands[static_cast<std::size_t>(form.sizer)].memory.index_kind);
    case Class::VM: return request.operands[0].kind == Kind::ymm ? Size::b512 : Size::b256;
    default: return Size::none_;
  }
}

Size size_of(const Form& form, const Request& request) {
  if (form.sizer < 0) return static_cast<Size>(std::countr_zero(form.sizes));
  const Operand& operand = request.operands[static_cast<std::size_t>(form.sizer)];
  return operand.kind == Kind::mem ? size_of_memory(form, request) : size_of_kind(operand.kind);
}

template <typename T>
bool within(std::int64_t value) {
  return value >= std::numeric_limits<T>::min() && value <= std::numeric_limits<T>::max();
}

bool fits_immediate(Class operand_class, std::int64_t value) {
  switch (operand_class) {
    case Class::I8: return value >= -128 && value <= 255;
    case Class::S8: return within<std::int8_t>(value);
    case Class::S32: return within<std::int32_t>(value);
    case Class::U32: return value >= std::numeric_limits<std::int32_t>::min() &&
                            value <= std::numeric_limits<std::uint32_t>::max();
    default: return true;
  }
}

bool fits_memory(const Form& form, Class operand_class, Size size, const Mem& memory) {
  if (memory.broadcast && form.broadcast == 0) return false;
  if (operand_class != Class::GV && operand_class != Class::GH)
    return memory.index_kind == Kind::gpr64;
  const Class index = operand_class == Class::GV ? Class::V : Class::H;
  return (kinds_of(index, size) >> static_cast<int>(memory.index_kind)) & 1;
}

bool fits(const Form& form, std::size_t i, Size size, const Request& request) {
  const Operand& operand = request.operands[i];
  const Class operand_class = form.classes[i];
  if (!((kinds_of(operand_class, size) >> static_cast<int>(operand.kind)) & 1)) return false;
  switch (operand.kind) {
    case Kind::mem: return fits_memory(form, operand_class, size, operand.memory);
    case Kind::imm: return fits_immediate(operand_class, operand.value);
    case Kind::label:
      return operand_class == Class::L32 || (request.backward && request.distance - 2 >= -128);
    default: return operand_class != Class::CL || operand.number == 1;
  }
}

bool fits_masking(const Form& form, Encodings encoding, const Request& request) {
  const Masking& masking = request.masking;
  if (masking.k == 0) return !masking.zero && !(encoding == evex && form.masks == Masks::required);
  if (form.masks == Masks::none) return false;
  return !masking.zero || (form.masks == Masks::allowed && is_vector(request.operands[0].kind));
}

Encodings encoding_of(const Form& form, bool evex_wanted) {
  if (form.encodings & legacy) return legacy;
  if (!evex_wanted && (form.encodings & vex)) return vex;
  return evex;
}

bool admits(const Form& form, const Request& request, bool evex_wanted, Match* found) {
  if (form.count != request.operands.size()) return false;
  const Size size = size_of(form, request);
  if (!(form.sizes & size_bit(size))) return false;
  const Encodings encoding = encoding_of(form, evex_wanted || size == Size::b512);
  if (!(form.encodings & encoding) || !fits_masking(form, encoding, request)) return false;
  for (std::size_t i = 0; i < request.operands.size(); ++i)
    if (!fits(form, i, size, request)) return false;
  *found = {&form, size, encoding};
  return true;
}

// --- Checks whose failure deserves its own message ------------------------------------------

[[noreturn]] void fail(const Request& request, const std::string& why) {
  throw EncodeError(std::string(name_of(request.op)) + ": " + why);
}

constexpr int register_limits[] = {256, 16, 16, 32, 32, 32, 8, 256, 256, 256};  // by Kind

int register_limit(Kind kind) { return register_limits[static_cast<std::size_t>(kind)]; }

void check_memory(const Request& request, const Mem& memory) {
  if (memory.rip_relative) {
    if (memory.index >= 0) fail(request, "a RIP-relative address has no index");
    return;
  }
  if (memory.base >= 16) fail(request, "no such base register");
  const int scale = memory.scale;
  if (scale == 0 || (scale & (scale - 1)) != 0 || scale > 8)
    fail(request, "scale is 1, 2, 4 or 8, not " + std::to_string(memory.scale));
  if (memory.index >= register_limit(memory.index_kind)) fail(request, "no such index register");
  if (memory.index_kind == Kind::gpr64 && memory.index == 4)
    fail(request, "rsp cannot be an index");
  if (is_vector(memory.index_kind) && memory.index < 0) fail(request, "vector index missing");
}

// Checks what holds for every form; returns whether only EVEX can say it.
bool check_operands(const Request& request) {
  bool evex_wanted = request.masking.k != 0;
  for (const Operand& operand : request.operands) {
    if (operand.number >= register_limit(operand.kind)) fail(request, "no such register");
    if (operand.kind == Kind::mem) check_memory(request, operand.memory);
    evex_wanted |= wants_evex(operand);
  }
  if (request.masking.k >= 8) fail(request, "opmasks are k1 to k7");
  return evex_wanted;
}

// The processor faults when a gather's destination, index and vector mask are not distinct.
void check_gather(const Request& request, const Form& form) {
  if (form.count < 2 || (form.classes[1] != Class::GV && form.classes[1] != Class::GH)) return;
  const auto& operands = request.operands;
  const int destination = operands[0].number, index = operands[1].memory.index;
  if (destination == index) fail(request, "destination and index are one register");
  if (operands.size() == 3 && (operands[2].number == destination || operands[2].number == index))
    fail(request, "the mask must differ from destination and index");
}

std::string describe(const Operand& operand) {
  static constexpr const char* prefixes[] = {"?", "r64:", "r32:", "xmm", "ymm",
                                             "zmm", "k", "mem", "imm ", "label"};
  const std::string prefix = prefixes[static_cast<int>(operand.kind)];
  if (operand.kind == Kind::mem)
    return operand.memory.broadcast ? "mem{broadcast}" : is_vector(operand.memory.index_kind)
           ? "mem[vector index]" : "mem";
  if (operand.kind == Kind::imm) return prefix + std::to_string(operand.value);
  if (operand.kind == Kind::label) return prefix;
  return prefix + std::to_string(operand.number);
}

[[noreturn]] void fail_no_form(const Request& request) {
  std::string text = "no form takes (";
  for (std::size_t i = 0; i < request.operands.size(); ++i)
    text += (i ? ", " : "") + describe(request.operands[i]);
  text += ")";
  if (request.masking.k) text += " {k" + std::to_string(request.masking.k) + "}";
  if (request.masking.zero) text += "{z}";
  fail(request, text);
}

// --- Bytes ----------------------------------------------------------------------------------

// The operands sorted by where they go.
struct Fields {
  int reg = 0;
  int vvvv = 0;
  const Operand* rm = nullptr;
  const Operand* immediate = nullptr;
  Class immediate_class = Class::none;
  bool byte_register = false;  // spl, bpl, sil, dil need a REX prefix
};

bool needs_rex_for_byte(Class operand_class, const Operand& operand) {
  return (operand_class == Class::R8 || operand_class == Class::R8M) &&
         operand.kind == Kind::gpr32 && operand.number >= 4;
}

Fields fields_of(const Form& form, const Request& request) {
  Fields fields;
  if (form.digit >= 0) fields.reg = form.digit;
  for (std::size_t i = 0; i < form.count; ++i) {
    const Operand& operand = request.operands[i];
    fields.byte_register |= needs_rex_for_byte(form.classes[i], operand);
    switch (form.roles[i]) {
      case Role::reg: fields.reg = operand.number; break;
      case Role::vvvv: fields.vvvv = operand.number; break;
      case Role::rm: case Role::opcode: fields.rm = &operand; break;
      case Role::imm: case Role::is4:
        fields.immediate = &operand;
        fields.immediate_class = form.classes[i];
        break;
      default: break;
    }
  }
  return fields;
}

bool wide(const Form& form, Size size, Encodings encoding) {
  switch (form.w) {
    case W::w0: return false;
    case W::w1: return true;
    case W::wide_evex: return encoding == evex;
    case W::by_size: return size == Size::r64;
  }
  return false;
}

// Extension bits of the rm side: B extends the base or register, X the index or (EVEX) a vector
// register's bit 4, V2 the vector index's bit 4.
struct RmBits {
  std::uint8_t b = 0, x = 0, v2 = 0;
};

inline RmBits rm_bits(const Fields& fields) {
  if (!fields.rm) return {};
  const Operand& rm = *fields.rm;
  auto bit = [](int number, int n) { return static_cast<std::uint8_t>((number >> n) & 1); };
  if (rm.kind != Kind::mem) return {bit(rm.number, 3), bit(rm.number, 4), 0};
  if (rm.memory.rip_relative) return {};
  const int index = rm.memory.index < 0 ? 0 : rm.memory.index;
  return {bit(rm.memory.base, 3), bit(index, 3), bit(index, 4)};
}

void put(Encoded& out, int byte) { out.bytes[out.size++] = static_cast<std::uint8_t>(byte); }

void put_int(Encoded& out, std::int64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) put(out, static_cast<int>((value >> (8 * i)) & 0xFF));
}

constexpr int prefix_bytes[] = {0, 0x66, 0xF3, 0xF2};

void put_legacy(Encoded& out, const Form& form, const Fields& fields, bool w) {
  const int prefix = prefix_bytes[static_cast<int>(form.prefix)];
  if (prefix) put(out, prefix);
  const RmBits rm = rm_bits(fields);
  const int rex = (w ? 8 : 0) | ((fields.reg >> 3) << 2) | (rm.x << 1) | rm.b;
  if (rex || fields.byte_register) put(out, 0x40 | rex);
  if (form.map != Map::one_byte) put(out, 0x0F);
  const bool in_opcode = form.count > 0 && form.roles[0] == Role::opcode;
  put(out, form.opcode + (in_opcode ? fields.rm->number & 7 : 0));
}

void put_vex(Encoded& out, const Form& form, const Fields& fields, bool w, Size size) {
  const RmBits rm = rm_bits(fields);
  const int length = size == Size::b256 ? 1 : 0;
  const int last = ((~fields.vvvv & 15) << 3) | (length << 2) | static_cast<int>(form.prefix);
  const int r = (~fields.reg >> 3) & 1;
  if (rm.x == 0 && rm.b == 0 && !w && form.map == Map::m0F) {
    put(out, 0xC5);
    put(out, (r << 7) | last);
  } else {
    put(out, 0xC4);
    put(out, (r << 7) | ((rm.x ^ 1) << 6) | ((rm.b ^ 1) << 5) | static_cast<int>(form.map));
    put(out, ((w ? 1 : 0) << 7) | last);
  }
  put(out, form.opcode);
}

void put_evex(Encoded& out, const Form& form, const Fields& fields, bool w, Size size,
              const Masking& masking) {
  const RmBits rm = rm_bits(fields);
  const int r = (~fields.reg >> 3) & 1, r2 = (~fields.reg >> 4) & 1;
  const bool memory = fields.rm && fields.rm->kind == Kind::mem;
  const bool vector_index = memory && is_vector(fields.rm->memory.index_kind);
  const int v2 = vector_index ? rm.v2 : (fields.vvvv >> 4) & 1;
  const bool broadcast = memory && fields.rm->memory.broadcast;
  put(out, 0x62);
  put(out, (r << 7) | ((rm.x ^ 1) << 6) | ((rm.b ^ 1) << 5) | (r2 << 4) |
               static_cast<int>(form.map));
  put(out, ((w ? 1 : 0) << 7) | ((~fields.vvvv & 15) << 3) | 4 | static_cast<int>(form.prefix));
  put(out, ((masking.zero ? 1 : 0) << 7) | (static_cast<int>(size) << 5) |
               ((broadcast ? 1 : 0) << 4) | ((v2 ^ 1) << 3) | masking.k);
  put(out, form.opcode);
}

int immediate_bytes(Class operand_class) {
  switch (operand_class) {
    case Class::none: return 0;
    case Class::S32: case Class::U32: case Class::L32: return 4;
    case Class::I64: return 8;
    default: return 1;
  }
}

void put_rip_relative(Encoded& out, int reg, const Mem& memory, int trailing) {
  put(out, (reg << 3) | 5);
  out.fixup_at = out.size;
  out.label = memory.label;
  out.addend = memory.disp - 4 - trailing;  // relative to the end of the instruction
  put_int(out, 0, 4);
}

// mod 0: no displacement, 1: disp8 (in units of `unit`), 2: disp32. rbp and r13 have no mod 0.
int displacement_mode(const Mem& memory, int unit) {
  if (memory.disp == 0 && (memory.base & 7) != 5) return 0;
  return memory.disp % unit == 0 && within<std::int8_t>(memory.disp / unit) ? 1 : 2;
}

void put_memory(Encoded& out, int reg, const Mem& memory, int unit) {
  const int mode = displacement_mode(memory, unit);
  const bool sib = memory.index >= 0 || (memory.base & 7) == 4;
  put(out, (mode << 6) | (reg << 3) | (sib ? 4 : memory.base & 7));
  if (sib) {
    const int index = memory.index >= 0 ? memory.index & 7 : 4;
    put(out, (std::countr_zero(memory.scale) << 6) | (index << 3) | (memory.base & 7));
  }
  if (mode == 1) put(out, (memory.disp / unit) & 0xFF);
  if (mode == 2) put_int(out, memory.disp, 4);
}

// What disp8 counts in: EVEX scales it by the bytes the operand touches.
int displacement_unit(const Form& form, const Match& match, const Mem& memory) {
  if (match.encoding != evex) return 1;
  return memory.broadcast ? form.broadcast : memory_bytes(form, match.size);
}

void put_modrm(Encoded& out, const Form& form, const Match& match, const Fields& fields) {
  const int reg = fields.reg & 7;
  if (!fields.rm) {
    if (form.digit >= 0) put(out, modrm_register | (reg << 3));
  } else if (fields.rm->kind != Kind::mem) {
    put(out, modrm_register | (reg << 3) | (fields.rm->number & 7));
  } else if (fields.rm->memory.rip_relative) {
    put_rip_relative(out, reg, fields.rm->memory, immediate_bytes(fields.immediate_class));
  } else {
    put_memory(out, reg, fields.rm->memory, displacement_unit(form, match, fields.rm->memory));
  }
}

void put_label(Encoded& out, const Operand& target) {
  out.fixup_at = out.size;
  out.label = static_cast<std::uint32_t>(target.value);
  out.addend = -4;
  put_int(out, 0, 4);
}

void put_immediate(Encoded& out, const Request& request, const Fields& fields) {
  switch (fields.immediate_class) {
    case Class::none: break;
    case Class::L8: put(out, static_cast<int>(request.distance - 2) & 0xFF); break;
    case Class::L32: put_label(out, *fields.immediate); break;
    case Class::V: put(out, fields.immediate->number << 4); break;
    default:
      put_int(out, fields.immediate->value, immediate_bytes(fields.immediate_class));
  }
}

}  // namespace

Match match(const Request& request) {
  const bool evex_wanted = check_operands(request);
  Match found;
  for (const Form& form : forms_of(request.op))
    if (admits(form, request, evex_wanted, &found)) {
      check_gather(request, form);
      return found;
    }
  fail_no_form(request);
}

Encoded encode(const Request& request, const Match& match, std::uint8_t* to) {
  const Form& form = *match.form;
  const Fields fields = fields_of(form, request);
  const bool w = wide(form, match.size, match.encoding);
  Encoded out{.bytes = to};
  switch (match.encoding) {
    case legacy: put_legacy(out, form, fields, w); break;
    case vex: put_vex(out, form, fields, w, match.size); break;
    case evex: put_evex(out, form, fields, w, match.size, request.masking); break;
  }
  if (form.count == 0 || form.roles[0] != Role::opcode) put_modrm(out, form, match, fields);
  put_immediate(out, request, fields);
  return out;
}

}  // namespace loopnest::x86
