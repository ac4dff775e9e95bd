// The parts of the Python module; module.cpp calls each once.
#pragma once

#include <pybind11/pybind11.h>

#include "loopnest/code.hpp"

namespace loopnest::python {

void bind_compiler(pybind11::module_& module);  // Code, compile, NestError, TargetError
void bind_runtime(pybind11::module_& module);   // LoadedCode, load, run, time_runs, threads
void bind_machine(pybind11::module_& module);   // cpu_features, caches, peaks
void bind_encoder(pybind11::module_& module);   // the assembler, for tests

}  // namespace loopnest::python
