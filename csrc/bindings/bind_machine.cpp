// What this machine is and what it reaches.
#include <pybind11/stl.h>

#include "bindings/bindings.hpp"
#include "runtime/cpu_features.hpp"
#include "runtime/peaks.hpp"

namespace py = pybind11;

namespace loopnest::python {
namespace {

py::dict cpu_features() {
  const runtime::CpuFeatures& features = runtime::cpu_features();
  py::list isas;
  for (const Isa isa : features.isas) isas.append(std::string(name_of(isa)));
  py::dict found;
  found["vendor"] = features.vendor;
  found["brand"] = features.brand;
  found["isas"] = isas;
  found["flags"] = features.flags;
  return found;
}

py::dict caches() {
  const runtime::CacheSizes& sizes = runtime::cpu_features().caches;
  py::dict found;
  found["l1_bytes"] = sizes.l1_data_bytes;
  found["l2_bytes"] = sizes.l2_bytes;
  found["l3_bytes"] = sizes.l3_bytes;
  found["line_bytes"] = sizes.line_bytes;
  return found;
}

double fma_peak(const std::string& isa, const std::string& dtype, int threads, double seconds) {
  Target target;
  if (!target_from_name(isa, &target)) throw TargetError("unknown instruction set '" + isa + "'");
  if (dtype != "f32" && dtype != "f64")
    throw py::value_error("dtype must be f32 or f64, found '" + dtype + "'");
  const py::gil_scoped_release released;
  return 1e9 * runtime::fma_peak_gflops(target.isa, dtype == "f64", threads, seconds);
}

double copy_bandwidth(std::size_t size_bytes, int threads, double seconds) {
  const py::gil_scoped_release released;
  return 1e9 * runtime::copy_bandwidth_gbs(size_bytes, threads, seconds);
}

}  // namespace

void bind_machine(py::module_& module) {
  module.def("cpu_features", &cpu_features, "vendor, brand, usable isas, flags.");
  module.def("caches", &caches, "Sizes in bytes: l1_bytes (data), l2_bytes, l3_bytes, line_bytes.");
  module.def("fma_peak", &fma_peak, py::arg("isa"), py::arg("dtype"), py::arg("threads"),
             py::arg("seconds"), "Measured floating-point operations per second.");
  module.def("copy_bandwidth", &copy_bandwidth, py::arg("size_bytes"), py::arg("threads"),
             py::arg("seconds"), "Measured bytes per second of a copy, reads plus writes.");
}

}  // namespace loopnest::python
