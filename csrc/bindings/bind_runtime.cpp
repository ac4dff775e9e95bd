// Loaded code, running it on raw addresses, timing it, and the thread team.
#include <pybind11/stl.h>

#include <cmath>
#include <tuple>

#include "bindings/bindings.hpp"
#include "bindings/loaded_code.hpp"
#include "runtime/cpu_count.hpp"
#include "runtime/exec_memory.hpp"
#include "runtime/overlap.hpp"
#include "runtime/team.hpp"
#include "runtime/timing.hpp"

namespace py = pybind11;

namespace loopnest::python {
namespace {

using runtime::Restore;
using runtime::TimingPlan;

using Addresses = std::vector<std::uintptr_t>;
using MemoryRow =
    std::tuple<std::intptr_t, std::vector<std::int64_t>, std::vector<std::int64_t>, std::int64_t>;
using RestoreRow = std::tuple<std::uintptr_t, std::uintptr_t, std::size_t>;

void* pointer_from(std::uintptr_t address) { return reinterpret_cast<void*>(address); }

std::vector<void*> pointers_from(const Addresses& addresses) {
  std::vector<void*> pointers;
  for (const std::uintptr_t a : addresses) pointers.push_back(pointer_from(a));
  return pointers;
}

std::vector<Restore> restores_from(const std::vector<RestoreRow>& rows) {
  std::vector<Restore> restores;
  for (const auto& [destination, source, bytes] : rows)
    restores.push_back({pointer_from(destination), pointer_from(source), bytes});
  return restores;
}

bool may_share(const MemoryRow& a, const MemoryRow& b) {
  const auto memory = [](const MemoryRow& row) {
    const auto& [address, shape, strides, item] = row;
    if (shape.size() != strides.size()) throw py::value_error("shape and strides differ in length");
    return runtime::StridedMemory{address, shape, strides, item};
  };
  return runtime::may_share(memory(a), memory(b));
}

void run(const LoadedCode& loaded, const Addresses& addresses, int threads) {
  const std::vector<void*> pointers = pointers_from(addresses);
  const py::gil_scoped_release released;
  runtime::call_kernel(loaded.kernel, pointers.data(), threads);
}

std::vector<double> time_loaded(const LoadedCode& loaded, const Addresses& addresses, int threads,
                                std::int64_t samples, std::int64_t inner_repeats,
                                const std::vector<RestoreRow>& restore, double max_seconds) {
  if (samples < 1 || inner_repeats < 1)
    throw py::value_error("samples and inner_repeats must be at least 1");
  const std::vector<void*> pointers = pointers_from(addresses);
  const std::vector<Restore> restores = restores_from(restore);
  const TimingPlan plan{threads, samples, inner_repeats, max_seconds};
  const py::gil_scoped_release released;
  return runtime::time_runs(loaded.kernel, pointers.data(), plan, restores);
}

py::dict team_info() {
  py::dict info;
  info["limit"] = runtime::thread_limit();
  info["workers"] = runtime::team_workers();
  info["available"] = runtime::available_cpus();
  return info;
}

void set_code_memory_limit(std::size_t limit_bytes) {
  runtime::ExecutableMemory::process().set_limit_bytes(limit_bytes);
}

py::dict code_memory() {
  const runtime::ExecutableMemory& memory = runtime::ExecutableMemory::process();
  py::dict info;
  info["limit"] = memory.limit_bytes();
  info["mapped"] = memory.mapped_bytes();
  info["used"] = memory.used_bytes();
  return info;
}

void bind_memory(py::module_& module) {
  py::register_local_exception<runtime::ExecutableMemoryError>(module, "CodeMemoryError",
                                                               PyExc_MemoryError);
  module.def("set_code_memory_limit", &set_code_memory_limit, py::arg("limit_bytes"),
             "Bound the memory mapped for machine code from now on.");
  module.def("code_memory", &code_memory, "Bytes of machine code: limit, mapped, used.");
  module.def("may_share", &may_share, py::arg("a"), py::arg("b"),
             "Whether two arrays (address, shape, strides_bytes, item_bytes) can share a byte.");
}

void bind_threads(py::module_& module) {
  module.def("available_cpus", &runtime::available_cpus,
             "CPUs this process may use: affinity mask, capped by the cgroup's quota.");
  module.def("cpus_in_cgroup_quota", &runtime::cpus_in_cgroup_quota, py::arg("groups_file"),
             py::arg("mount"), "The quota's CPUs, rounded up; 0 without a quota.");
  module.def("set_threads", &runtime::set_thread_limit, py::arg("limit"),
             "Bound the threads of every call; 0 restores the default.");
  module.def("team_info", &team_info, "limit, workers alive, and CPUs available.");
  module.def("stop_team", &runtime::stop_team, py::call_guard<py::gil_scoped_release>(),
             "Join the workers; the next parallel call starts new ones.");
}

}  // namespace

LoadedCode load(const Code& code) {
  LoadedCode loaded;
  loaded.memory = runtime::ExecutableMemory::process().hold(code.bytes);
  const char* const entry = static_cast<const char*>(loaded.memory.get()) + code.entry_offset;
  loaded.kernel.entry = reinterpret_cast<loopnest_kernel>(reinterpret_cast<std::uintptr_t>(entry));
  loaded.kernel.workspace_bytes = code.workspace_bytes;
  loaded.kernel.private_bytes = code.private_bytes;
  loaded.size_bytes = code.bytes.size();
  return loaded;
}

void bind_runtime(py::module_& module) {
  py::class_<LoadedCode>(module, "LoadedCode", "Machine code mapped executable.")
      .def_property_readonly("address", &LoadedCode::address, "Address of the entry point.")
      .def_readonly("size", &LoadedCode::size_bytes, "Bytes of code and constants.")
      .def_property_readonly("workspace_bytes",
                             [](const LoadedCode& l) { return l.kernel.workspace_bytes; })
      .def_property_readonly("private_bytes",
                             [](const LoadedCode& l) { return l.kernel.private_bytes; });
  module.def("load", &load, py::arg("code"), "Map code executable; it stays while referred to.");
  module.def("run", &run, py::arg("loaded"), py::arg("addresses"), py::arg("threads") = 1,
             "Run once on data addresses in nest order; nothing is checked.");
  module.def("time_runs", &time_loaded, py::arg("loaded"), py::arg("addresses"), py::arg("threads"),
             py::arg("samples"), py::arg("inner_repeats"),
             py::arg("restore") = std::vector<RestoreRow>{}, py::arg("max_seconds") = 0.0,
             "Nanoseconds per call, one value a sample; `restore` rows (destination, source,\n"
             "bytes) are copied before each run, outside the timer.");
  bind_memory(module);
  bind_threads(module);
}

}  // namespace loopnest::python
