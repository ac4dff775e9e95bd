// The extension module loopstack._loopnest.
#define LOOPNEST_IMPORTS_NUMPY
#include "bindings/bindings.hpp"
#include "bindings/callable_object.hpp"
#include "bindings/numpy_api.hpp"

namespace py = pybind11;

namespace {

int import_numpy() {
  import_array1(-1);
  return 0;
}

}  // namespace

PYBIND11_MODULE(_loopnest, module) {
  using namespace loopnest::python;
  module.doc() = "The LoopNest code generator and its runtime.";
  if (import_numpy() < 0) throw py::error_already_set();
  bind_compiler(module);
  bind_runtime(module);
  bind_machine(module);
  bind_encoder(module);
  if (add_callable_types(module.ptr()) < 0) throw py::error_already_set();
}
