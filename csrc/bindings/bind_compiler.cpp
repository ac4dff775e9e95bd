// Code, compile() and the two errors of the code generator.
#include <pybind11/stl.h>

#include "bindings/bindings.hpp"
#include "nest/nest.hpp"

namespace py = pybind11;

namespace loopnest::python {
namespace {

PyObject* nest_error = nullptr;
PyObject* target_error = nullptr;

void raise_nest_error(const NestError& error) {
  const py::object raised = py::reinterpret_borrow<py::object>(nest_error)(error.what());
  raised.attr("line") = error.line;
  raised.attr("column") = error.column;
  PyErr_SetObject(nest_error, raised.ptr());
}

void translate(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const NestError& error) {
    raise_nest_error(error);
  } catch (const TargetError& error) {
    PyErr_SetString(target_error, error.what());
  }
}

PyObject* new_error(py::module_& module, const char* name, const char* doc) {
  const std::string qualified = std::string("loopstack._loopnest.") + name;
  PyObject* const type =
      PyErr_NewExceptionWithDoc(qualified.c_str(), doc, PyExc_RuntimeError, nullptr);
  if (type == nullptr) throw py::error_already_set();
  module.add_object(name, py::reinterpret_borrow<py::object>(type));
  return type;  // kept for good
}

Code compile_for(const std::string& nest_text, const std::string& isa) {
  Target target;
  if (!target_from_name(isa, &target)) throw TargetError("unknown instruction set '" + isa + "'");
  const py::gil_scoped_release released;
  return compile(nest_text, target);
}

std::string print_nest(const std::string& nest_text) {
  const nest::Nest nest = nest::read(nest_text);
  nest::verify(nest);
  return nest::print(nest);
}

Code code_from_bytes(const py::bytes& bytes, std::size_t entry_offset, std::int64_t workspace_bytes,
                     std::int64_t private_bytes) {
  const std::string_view view = bytes;
  if (entry_offset >= view.size()) throw py::value_error("entry_offset is outside the code");
  Code code;
  code.bytes.assign(view.begin(), view.end());
  code.entry_offset = entry_offset;
  code.text_size_bytes = view.size();
  code.workspace_bytes = workspace_bytes;
  code.private_bytes = private_bytes;
  return code;
}

py::bytes bytes_of(const Code& code) {
  return py::bytes(reinterpret_cast<const char*>(code.bytes.data()), code.bytes.size());
}

std::vector<std::pair<std::string, std::int64_t>> times_of(const Code& code) {
  std::vector<std::pair<std::string, std::int64_t>> times;
  for (const PassTime& t : code.times) times.emplace_back(t.pass, t.time_ns);
  return times;
}

}  // namespace

void bind_compiler(py::module_& module) {
  nest_error = new_error(module, "NestError", "A nest that does not parse or is not well formed.");
  target_error = new_error(module, "TargetError", "A nest the target has no instructions for.");
  py::register_local_exception_translator(translate);

  py::class_<Code>(module, "Code", "Position-independent machine code of one nest.")
      .def(py::init(&code_from_bytes), py::arg("bytes"), py::arg("entry_offset") = 0,
           py::arg("workspace_bytes") = 0, py::arg("private_bytes") = 0)
      .def_property_readonly("bytes", &bytes_of)
      .def_readonly("entry_offset", &Code::entry_offset)
      .def_readonly("text_size_bytes", &Code::text_size_bytes)
      .def_readonly("workspace_bytes", &Code::workspace_bytes)
      .def_readonly("private_bytes", &Code::private_bytes)
      .def_readonly("notes", &Code::notes)
      .def_readonly("diagnostics", &Code::diagnostics)
      .def_property_readonly("times", &times_of);

  module.def("compile", &compile_for, py::arg("nest_text"), py::arg("isa"),
             "Generate machine code for a nest; raises NestError (line, column) or TargetError.");
  module.def("print_nest", &print_nest, py::arg("nest_text"),
             "Parse and check a nest and print it anew; raises NestError (line, column).");
}

}  // namespace loopnest::python
