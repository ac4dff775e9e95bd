// Does a Python object fit an argument exactly? These tests run on every call, so they convert
// nothing, import nothing and leave no Python error behind: "no" means the slow path decides.
#pragma once

#include "bindings/numpy_api.hpp"
#include "runtime/callable.hpp"

namespace loopnest::python {

// A NumPy array (not a subclass) of this dtype, shape and strides, native, aligned and, if the
// kernel writes it, writeable. Returns its data, or nullptr for "no"; an empty array gives a
// non-null pointer nobody reads.
void* match_array(PyObject* object, const runtime::Argument& argument);

// The same for a torch tensor on the CPU. Costs about 0.4 us; never imports torch.
void* match_tensor(PyObject* object, const runtime::Argument& argument);
bool is_tensor(PyObject* object);

// A Python or NumPy number that converts to the dtype without surprise (no float to an integer,
// no integer out of range). Fills the 8-byte slot.
bool match_scalar(PyObject* object, runtime::DType dtype, std::int64_t* slot);

// An integer equal to `value`.
bool match_size(PyObject* object, std::int64_t value);

// Fresh storage for an output; new references. nullptr without an error: cannot be allocated here
// (unusual strides, or a dtype the library lacks).
PyObject* allocate_array(const runtime::Argument& argument);
PyObject* allocate_tensor(const runtime::Argument& argument, PyObject* shape);

}  // namespace loopnest::python
