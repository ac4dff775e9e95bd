// _loopnest.Callable and _loopnest.Dispatcher: the two hand-written types on the hot call path.
//
//   Dispatcher(args) -> the first Callable that matches exactly -> machine code
//                    \-> fallback(args, kwargs): the slow path, in Python
#pragma once

#include <vector>

#include "bindings/numpy_api.hpp"
#include "runtime/callable.hpp"
#include "runtime/frame.hpp"

namespace loopnest::python {

inline constexpr int most_arguments = 256;

// The Python side of one argument; the references are owned.
struct ArgumentObjects {
  PyObject* name = nullptr;      // interned
  PyObject* shape = nullptr;     // tuple of int
  PyObject* constant = nullptr;  // the bound array of a constant
};

struct CallPlan {
  runtime::Signature signature;
  runtime::KernelEntry kernel;
  std::vector<ArgumentObjects> objects;
};

struct CallableObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  CallPlan* plan;
  int threads;
  bool release_gil;
  PyObject* name;
  PyObject* loaded;  // keeps the machine code mapped
  PyObject* fallback;
  PyObject* arguments;  // as given to the constructor
};

// Runs the kernel when every argument fits. Returns a new reference, or nullptr: with an error set
// when the call failed, without one when something does not fit.
PyObject* try_call(CallableObject* self, PyObject* const* args, Py_ssize_t count,
                   PyObject* keyword_names);

// fallback(args, kwargs)
PyObject* call_fallback(PyObject* fallback, PyObject* const* args, Py_ssize_t count,
                        PyObject* keyword_names);

PyObject* callable_vectorcall(PyObject* self, PyObject* const* args, size_t count_and_flags,
                              PyObject* keyword_names);

// Runs the kernel on raw pointers; false with an error set when memory runs out.
bool run_plan(const CallPlan& plan, void* const* pointers, int threads, bool release_gil);

extern PyTypeObject* callable_type;  // set by add_callable_types

// Adds Callable, Dispatcher and empty_call to the module; -1 with an error set on failure.
int add_callable_types(PyObject* module);
int add_dispatcher_type(PyObject* module);

}  // namespace loopnest::python
