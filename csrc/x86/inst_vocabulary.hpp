// The vocabulary the rows of inst_table.cpp are written in: short names for the manual's columns,
// compile-time parsing of operand patterns, and a macro per family. Included there only.
#pragma once

#include "x86/inst_table.hpp"

namespace loopnest::x86 {
namespace {

constexpr std::uint8_t V = vex, E = evex, VE = vex | evex, G = legacy;
constexpr Sizes none = size_bit(Size::none_);
constexpr Sizes s128 = size_bit(Size::b128), s256 = size_bit(Size::b256);
constexpr Sizes s512 = size_bit(Size::b512), sWide = s256 | s512, sVex = s128 | s256;
constexpr Sizes sAll = s128 | s256 | s512;
constexpr Sizes sR32 = size_bit(Size::r32), sR64 = size_bit(Size::r64), sR = sR32 | sR64;
constexpr Prefix NP = Prefix::np, P66 = Prefix::p66, PF3 = Prefix::pF3, PF2 = Prefix::pF2;
constexpr Map M1 = Map::one_byte, M0F = Map::m0F, M38 = Map::m0F38, M3A = Map::m0F3A;
constexpr W W0 = W::w0, W1 = W::w1, WE = W::wide_evex, WR = W::by_size;
constexpr Masks nomask = Masks::none, required = Masks::required;

struct ClassName {
  std::string_view name;
  Class value;
};
constexpr ClassName class_names[] = {
    {"V", Class::V},     {"VM", Class::VM},     {"H", Class::H},     {"HM", Class::HM},
    {"X", Class::X},     {"XM", Class::XM},     {"Y", Class::Y},     {"YM", Class::YM},
    {"Z", Class::Z},     {"K", Class::K},       {"KM", Class::KM},   {"M", Class::M},
    {"GV", Class::GV},   {"GH", Class::GH},     {"R", Class::R},     {"RM", Class::RM},
    {"R32", Class::R32}, {"R32M", Class::R32M}, {"R64", Class::R64}, {"R64M", Class::R64M},
    {"R8", Class::R8},   {"R8M", Class::R8M},   {"CL", Class::CL},   {"I8", Class::I8},
    {"S8", Class::S8},   {"S32", Class::S32},   {"U32", Class::U32}, {"I64", Class::I64},
    {"L8", Class::L8},   {"L32", Class::L32},
};

consteval Class class_from(std::string_view name) {
  for (const ClassName& entry : class_names)
    if (entry.name == name) return entry.value;
  throw "unknown operand class";  // fails the build
}

consteval Role role_from(char letter) {
  switch (letter) {
    case 'R': return Role::reg;
    case 'M': return Role::rm;
    case 'V': return Role::vvvv;
    case 'O': return Role::opcode;
    case 'I': return Role::imm;
    case '4': return Role::is4;
    case '-': return Role::implied;
    default: throw "unknown role";  // fails the build
  }
}

// The operand that says which Size an emission is: a register of the full width if the form has
// one, else what may be one, else a vector index.
consteval int sizer_of(const Form& form) {
  constexpr Class by_preference[] = {Class::V, Class::R, Class::VM, Class::RM, Class::GV};
  for (Class wanted : by_preference)
    for (int i = 0; i < form.count; ++i)
      if (form.classes[i] == wanted) return i;
  return -1;
}

consteval Form with_operands(Form form, std::string_view roles, std::string_view classes) {
  for (char letter : roles) form.roles[form.count++] = role_from(letter);
  int operand = 0;
  while (!classes.empty()) {
    const std::size_t end = classes.find(' ');
    form.classes[operand++] = class_from(classes.substr(0, end));
    classes = end == classes.npos ? std::string_view{} : classes.substr(end + 1);
  }
  if (operand != form.count) throw "roles and classes differ in number";
  form.sizer = static_cast<std::int8_t>(sizer_of(form));
  return form;
}

struct More {
  Bytes memory = Bytes::none;
  std::uint8_t broadcast = 0;
  Masks masks = Masks::allowed;
  std::int8_t digit = -1;
};

consteval Form row(Op op, std::uint8_t encodings, Sizes sizes, Prefix prefix, Map map, W w,
                   int opcode, std::string_view roles, std::string_view classes, More more = {}) {
  Form form{.op = op, .encodings = encodings, .sizes = sizes, .prefix = prefix, .map = map, .w = w,
            .opcode = static_cast<std::uint8_t>(opcode), .digit = more.digit,
            .memory = more.memory, .broadcast = more.broadcast,
            .masks = (encodings & evex) ? more.masks : Masks::none};
  return with_operands(form, roles, classes);
}

constexpr More full{Bytes::full}, full4{Bytes::full, 4}, full8{Bytes::full, 8};
constexpr More half{Bytes::half}, half4{Bytes::half, 4};
constexpr More quarter{Bytes::quarter}, eighth{Bytes::eighth};
constexpr More b4{Bytes::b4}, b8{Bytes::b8}, b16{Bytes::b16}, b32{Bytes::b32};
constexpr More plain{Bytes::none, 0, nomask};
constexpr More plain1{Bytes::b1, 0, nomask}, plain2{Bytes::b2, 0, nomask};
constexpr More plain4{Bytes::b4, 0, nomask}, plain8{Bytes::b8, 0, nomask};
constexpr More plain_full{Bytes::full, 0, nomask};
constexpr More gather4{Bytes::b4, 0, required}, gather8{Bytes::b8, 0, required};
constexpr More sized{Bytes::by_size};

consteval More digit(int value, More more = {}) {
  more.digit = static_cast<std::int8_t>(value);
  return more;
}

// --- Families -------------------------------------------------------------------------------

// ps and pd, VEX and EVEX, under the usual prefixes of map 0F.
#define PACKED(ps, pd, opcode, roles, classes)                              \
  row(Op::ps, VE, sAll, NP, M0F, W0, opcode, roles, classes, full4),        \
  row(Op::pd, VE, sAll, P66, M0F, WE, opcode, roles, classes, full8),

#define SCALAR(ss, sd, opcode)                                              \
  row(Op::ss, VE, s128, PF3, M0F, W0, opcode, "RVM", "X X XM", b4),         \
  row(Op::sd, VE, s128, PF2, M0F, WE, opcode, "RVM", "X X XM", b8),

#define ARITHMETIC(name, opcode)                                            \
  PACKED(name##ps, name##pd, opcode, "RVM", "V V VM")                       \
  SCALAR(name##ss, name##sd, opcode)

#define FMA(name, opcode)                                                                 \
  row(Op::name##ps, VE, sAll, P66, M38, W0, opcode, "RVM", "V V VM", full4),              \
  row(Op::name##pd, VE, sAll, P66, M38, W1, opcode, "RVM", "V V VM", full8),              \
  row(Op::name##ss, VE, s128, P66, M38, W0, (opcode) + 1, "RVM", "X X XM", b4),           \
  row(Op::name##sd, VE, s128, P66, M38, W1, (opcode) + 1, "RVM", "X X XM", b8),

#define FMA_ORDERS(name, opcode) \
  FMA(name##132, opcode) FMA(name##213, (opcode) + 0x10) FMA(name##231, (opcode) + 0x20)

// d and q elements of one EVEX operation: W tells them apart.
#define EVEX_DQ(d, q, map, opcode, roles, classes)                          \
  row(Op::d, E, sAll, P66, map, W0, opcode, roles, classes, full4),         \
  row(Op::q, E, sAll, P66, map, W1, opcode, roles, classes, full8),

#define EVEX_WIDE_DQ(d, q, map, opcode, roles, classes)                     \
  row(Op::d, E, sWide, P66, map, W0, opcode, roles, classes, full4),        \
  row(Op::q, E, sWide, P66, map, W1, opcode, roles, classes, full8),

// One integer operation, VEX and EVEX, 4- or 8-byte elements.
#define INTEGER4(name, map, opcode) \
  row(Op::name, VE, sAll, P66, map, W0, opcode, "RVM", "V V VM", full4),
#define INTEGER8(name, map, opcode) \
  row(Op::name, VE, sAll, P66, map, WE, opcode, "RVM", "V V VM", full8),

#define VEX_INTEGER(name, map, opcode) \
  row(Op::name, V, sVex, P66, map, W0, opcode, "RVM", "V V VM", full),

// Shift by an immediate: VEX shifts registers only, EVEX memory as well.
#define SHIFT(name, encodings, w, opcode, slash, more)                                    \
  row(Op::name, encodings, sAll, P66, M0F, w, opcode, "VMI", "V V I8", digit(slash)),     \
  row(Op::name, E, sAll, P66, M0F, w, opcode, "VMI", "V M I8", digit(slash, more)),

// Vector result under VEX, opmask result under EVEX.
#define COMPARE_INTEGER(name, map, w, opcode, more)                                       \
  row(Op::name, V, sVex, P66, map, W0, opcode, "RVM", "V V VM", full),                    \
  row(Op::name, E, sAll, P66, map, w, opcode, "RVM", "K V VM", more),

#define COMPARE_FLOAT(name, prefix, w, v, vm, sizes_vex, sizes_evex, more)                \
  row(Op::name, V, sizes_vex, prefix, M0F, W0, 0xC2, "RVMI", v " " v " " vm " I8", more), \
  row(Op::name, E, sizes_evex, prefix, M0F, w, 0xC2, "RVMI", "K " v " " vm " I8", more),

// Widening conversion from `more`-sized memory.
#define WIDEN(name, prefix, map, opcode, source, more) \
  row(Op::name, VE, sAll, prefix, map, W0, opcode, "RM", "V " source, more),

#define EXTRACT(name, encodings, sizes, w, opcode, part, whole, more) \
  row(Op::name, encodings, sizes, P66, M3A, w, opcode, "MRI", part " " whole " I8", more),
#define INSERT(name, encodings, sizes, w, opcode, part, whole, more)               \
  row(Op::name, encodings, sizes, P66, M3A, w, opcode, "RVMI",                     \
      whole " " whole " " part " I8", more),

// VEX takes a vector mask operand, EVEX an opmask.
#define GATHER(name, w, opcode, data, memory, vex_more, evex_more)                              \
  row(Op::name, V, sVex, P66, M38, w, opcode, "RMV", data " " memory " " data, vex_more),       \
  row(Op::name, E, sAll, P66, M38, w, opcode, "RM", data " " memory, evex_more),
#define SCATTER(name, w, opcode, data, memory, more) \
  row(Op::name, E, sAll, P66, M38, w, opcode, "MR", memory " " data, more),

#define OPMASK_MOVE(name, prefix, w, gpr_prefix, gpr_w, gpr, more)                        \
  row(Op::name, V, s128, prefix, M0F, w, 0x90, "RM", "K KM", more),                       \
  row(Op::name, V, s128, prefix, M0F, w, 0x91, "MR", "M K", more),                        \
  row(Op::name, V, s128, gpr_prefix, M0F, gpr_w, 0x92, "RM", "K " gpr),                   \
  row(Op::name, V, s128, gpr_prefix, M0F, gpr_w, 0x93, "RM", gpr " K"),

// Opmask operations in widths b w d q; sizes: VEX.L.
#define OPMASK_WIDTHS(name, sizes, opcode, roles, classes)                  \
  row(Op::name##b, V, sizes, P66, M0F, W0, opcode, roles, classes),         \
  row(Op::name##w, V, sizes, NP, M0F, W0, opcode, roles, classes),          \
  row(Op::name##d, V, sizes, P66, M0F, W1, opcode, roles, classes),         \
  row(Op::name##q, V, sizes, NP, M0F, W1, opcode, roles, classes),
#define OPMASK_SHIFT(name, opcode)                                                \
  row(Op::name##b, V, s128, P66, M3A, W0, opcode, "RMI", "K K I8"),               \
  row(Op::name##w, V, s128, P66, M3A, W1, opcode, "RMI", "K K I8"),               \
  row(Op::name##d, V, s128, P66, M3A, W0, (opcode) + 1, "RMI", "K K I8"),         \
  row(Op::name##q, V, s128, P66, M3A, W1, (opcode) + 1, "RMI", "K K I8"),

// The eight classic operations; `number` is both opcode / 8 and the immediate forms' digit.
#define ALU(name, number)                                                                 \
  row(Op::name, G, sR, NP, M1, WR, (number) * 8 + 3, "RM", "R RM", sized),                \
  row(Op::name, G, sR, NP, M1, WR, (number) * 8 + 1, "MR", "M R", sized),                 \
  row(Op::name, G, sR, NP, M1, WR, 0x83, "MI", "RM S8", digit(number, sized)),            \
  row(Op::name, G, sR, NP, M1, WR, 0x81, "MI", "RM S32", digit(number, sized)),
#define UNARY(name, opcode, slash) \
  row(Op::name, G, sR, NP, M1, WR, opcode, "M", "RM", digit(slash, sized)),
#define SHIFT_GPR(name, slash)                                                            \
  row(Op::name, G, sR, NP, M1, WR, 0xC1, "MI", "RM I8", digit(slash, sized)),             \
  row(Op::name, G, sR, NP, M1, WR, 0xD3, "M-", "RM CL", digit(slash, sized)),
#define LOAD_OP(name, prefix, opcode) \
  row(Op::name, G, sR, prefix, M0F, WR, opcode, "RM", "R RM", sized),
#define BMI_SHIFT(name, prefix, opcode) \
  row(Op::name, V, sR, prefix, M38, WR, opcode, "RMV", "R RM R", sized),
#define SET(name, condition) \
  row(Op::name, G, none, NP, M0F, W0, 0x90 + (condition), "M", "R8M", digit(0, plain1)),
#define JUMP_IF(name, condition)                                            \
  row(Op::name, G, none, NP, M1, W0, 0x70 + (condition), "I", "L8"),        \
  row(Op::name, G, none, NP, M0F, W0, 0x80 + (condition), "I", "L32"),
#define PREFETCH(name, opcode, slash) \
  row(Op::name, G, none, NP, M0F, W0, opcode, "M", "M", digit(slash, plain1)),
#define FIXED(name, prefix, map, opcode, more) \
  row(Op::name, G, none, prefix, map, W0, opcode, "", "", more),

}  // namespace
}  // namespace loopnest::x86
