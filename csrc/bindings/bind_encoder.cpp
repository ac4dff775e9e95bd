// The assembler as Python sees it: the instruction table as dictionaries, one instruction to bytes.
// Both exist for the decode tests. An operand is a tuple ("ymm", 3), ("imm", 5), ("label",
// distance) or ("mem", {"base": 0, "index": 1, "scale": 4, "disp": 8, "index_kind": "r64",
// "broadcast": False}).
#include <pybind11/stl.h>

#include <bit>
#include <string>
#include <unordered_map>
#include <vector>

#include "bindings/bindings.hpp"
#include "x86/assembler.hpp"
#include "x86/inst_table.hpp"

namespace py = pybind11;

namespace loopnest::x86 {
namespace {

constexpr const char* kind_names[] = {"none", "r64", "r32", "xmm", "ymm",
                                      "zmm",  "k",   "mem", "imm", "label"};
constexpr int kind_count = 10;

Kind kind_from(const std::string& name) {
  for (int i = 0; i < kind_count; ++i)
    if (name == kind_names[i]) return static_cast<Kind>(i);
  throw EncodeError("no operand kind " + name);
}

Op op_from(const std::string& name) {
  static const auto ops = [] {
    std::unordered_map<std::string, Op> map;
    for (int i = 0; i < static_cast<int>(Op::count_); ++i)
      map.emplace(name_of(static_cast<Op>(i)), static_cast<Op>(i));
    return map;
  }();
  const auto found = ops.find(name);
  if (found == ops.end()) throw EncodeError("no mnemonic " + name);
  return found->second;
}

template <typename T>
T field(const py::dict& dict, const char* key, T otherwise) {
  return dict.contains(key) ? dict[key].cast<T>() : otherwise;
}

Mem mem_from(const py::dict& dict) {
  Mem memory;
  memory.base = field<std::uint8_t>(dict, "base", 0);
  memory.index = field<std::int8_t>(dict, "index", -1);
  memory.scale = field<std::uint8_t>(dict, "scale", 1);
  memory.index_kind = kind_from(field<std::string>(dict, "index_kind", "r64"));
  memory.broadcast = field(dict, "broadcast", false);
  memory.rip_relative = field(dict, "rip_relative", false);
  memory.disp = field<std::int32_t>(dict, "disp", 0);
  return memory;
}

Operand operand_from(const py::tuple& tuple) {
  const Kind kind = kind_from(tuple[0].cast<std::string>());
  if (kind == Kind::mem) return mem(mem_from(tuple[1].cast<py::dict>()));
  if (kind == Kind::imm || kind == Kind::label)
    return {.kind = kind, .value = tuple[1].cast<std::int64_t>()};
  return {.kind = kind, .number = tuple[1].cast<std::uint8_t>()};
}

// A label operand's value is its distance in bytes: negative ones are bound that far before the
// instruction, others that far after its end. RIP-relative memory refers to the end.
struct Labels {
  Assembler& assembler;
  std::uint32_t end = 0;
  std::size_t begin = 0;
  std::int64_t after = 0;

  void prepare(std::vector<Operand>& operands) {
    end = assembler.new_label();
    for (Operand& operand : operands) {
      if (operand.kind == Kind::mem) operand.memory.label = end;
      if (operand.kind == Kind::label) place(operand);
    }
  }

  void place(Operand& operand) {
    if (operand.value < 0) {
      const std::uint32_t target = assembler.new_label();
      assembler.bind(target);
      assembler.data(std::vector<std::uint8_t>(static_cast<std::size_t>(-operand.value), 0x90));
      begin = assembler.size();
      operand.value = target;
    } else {
      after = operand.value;
      operand.value = end;
    }
  }

  void finish() {
    assembler.data(std::vector<std::uint8_t>(static_cast<std::size_t>(after), 0x90));
    assembler.bind(end);
  }
};

py::bytes encode_one(const std::string& mnemonic, const std::vector<py::tuple>& tuples, int k,
                     bool zero) {
  std::vector<Operand> operands;
  for (const py::tuple& tuple : tuples) operands.push_back(operand_from(tuple));
  Assembler assembler;
  Labels labels{assembler};
  labels.prepare(operands);
  assembler.emit(op_from(mnemonic), operands, {static_cast<std::uint8_t>(k), zero});
  const std::size_t end = assembler.size();
  labels.finish();
  const auto bytes = assembler.finish();
  return {reinterpret_cast<const char*>(bytes.data()) + labels.begin, end - labels.begin};
}

const char* name_of(Class operand_class) {
  static constexpr const char* names[] = {"none", "V",   "VM",   "H",   "HM",   "X",  "XM",  "Y",
                                          "YM",   "Z",   "K",    "KM",  "M",    "GV", "GH",  "R",
                                          "RM",   "R32", "R32M", "R64", "R64M", "R8", "R8M", "CL",
                                          "I8",   "S8",  "S32",  "U32", "I64",  "L8", "L32"};
  static_assert(std::size(names) == static_cast<std::size_t>(Class::count_));
  return names[static_cast<std::size_t>(operand_class)];
}

py::list kinds_list(Class operand_class, Size size) {
  py::list list;
  const auto kinds = kinds_of(operand_class, size);
  for (int i = 0; i < kind_count; ++i)
    if ((kinds >> i) & 1) list.append(kind_names[i]);
  return list;
}

const char* index_kind(Class operand_class, Size size) {
  const Class index = operand_class == Class::GV ? Class::V : Class::H;
  return kind_names[std::countr_zero(kinds_of(index, size))];
}

py::list operand_list(const Form& form, Size size) {
  py::list list;
  for (int i = 0; i < form.count; ++i) {
    const Class operand_class = form.classes[static_cast<std::size_t>(i)];
    py::dict operand;
    operand["class"] = name_of(operand_class);
    operand["kinds"] = kinds_list(operand_class, size);
    if (operand_class == Class::GV || operand_class == Class::GH)
      operand["index_kind"] = index_kind(operand_class, size);
    list.append(operand);
  }
  return list;
}

py::dict row_of(const Form& form, Size size, Encodings encoding) {
  static constexpr const char* masks[] = {"none", "allowed", "required"};
  static constexpr int bits[] = {128, 256, 512, 32, 64, 0};
  py::dict row;
  row["mnemonic"] = std::string(name_of(form.op));
  row["encoding"] = encoding == legacy ? "legacy" : encoding == vex ? "vex" : "evex";
  row["size_bits"] = bits[static_cast<int>(size)];
  row["operands"] = operand_list(form, size);
  row["memory_bytes"] = memory_bytes(form, size);
  row["broadcast_bytes"] = encoding == evex ? form.broadcast : 0;
  row["masks"] = encoding == evex ? masks[static_cast<int>(form.masks)] : "none";
  return row;
}

// One row per form, operand size and encoding.
py::list instruction_forms() {
  py::list rows;
  for (const Form& form : all_forms())
    for (int s = 0; s <= static_cast<int>(Size::none_); ++s) {
      const Size size = static_cast<Size>(s);
      if (!(form.sizes & size_bit(size))) continue;
      for (const Encodings encoding : {legacy, vex, evex}) {
        const bool exists = (form.encodings & encoding) && !(encoding == vex && size == Size::b512);
        if (exists) rows.append(row_of(form, size, encoding));
      }
    }
  return rows;
}

}  // namespace
}  // namespace loopnest::x86

namespace loopnest::python {

void bind_encoder(py::module_& module) {
  using namespace x86;
  py::register_exception<EncodeError>(module, "EncodeError", PyExc_ValueError);
  module.def("instruction_forms", &instruction_forms,
             "List every instruction form, per operand size and encoding, as dictionaries.");
  module.def("encode", &encode_one, py::arg("mnemonic"), py::arg("operands"), py::arg("k") = 0,
             py::arg("zero") = false, "Encode one instruction and return its bytes.");
}

}  // namespace loopnest::python
