#include "bindings/aligned_memory.hpp"
#include "bindings/match.hpp"

namespace loopnest::python {
namespace {

using runtime::Argument;
using runtime::DType;

// In the order of DType. NumPy has no bf16 of its own.
constexpr int numpy_types[runtime::dtype_count] = {NPY_BOOL,   NPY_INT8,  NPY_UINT8,
                                                   NPY_INT32,  NPY_INT64, NPY_HALF,
                                                   NPY_NOTYPE, NPY_FLOAT, NPY_DOUBLE};

int numpy_type(DType dtype) { return numpy_types[static_cast<int>(dtype)]; }

bool same_layout(PyArrayObject* array, const Argument& argument) {
  const int rank = PyArray_NDIM(array);
  if (rank != static_cast<int>(argument.shape.size())) return false;
  const npy_intp* const shape = PyArray_DIMS(array);
  const npy_intp* const strides = PyArray_STRIDES(array);
  for (int d = 0; d < rank; ++d) {
    if (shape[d] != argument.shape[d]) return false;
    // The stride of an extent of 1 is never used, and NumPy leaves anything there.
    if (strides[d] != argument.strides_bytes[d] && shape[d] > 1 && !argument.empty) return false;
  }
  return true;
}

}  // namespace

void* match_array(PyObject* object, const Argument& argument) {
  if (!PyArray_CheckExact(object)) return nullptr;
  PyArrayObject* const array = reinterpret_cast<PyArrayObject*>(object);
  if (PyArray_TYPE(array) != numpy_type(argument.dtype)) return nullptr;
  const int flags = NPY_ARRAY_ALIGNED | (argument.written() ? NPY_ARRAY_WRITEABLE : 0);
  if (!PyArray_CHKFLAGS(array, flags) || !PyArray_ISNOTSWAPPED(array)) return nullptr;
  return same_layout(array, argument) ? PyArray_DATA(array) : nullptr;
}

PyObject* allocate_array(const Argument& argument) {
  const int type = numpy_type(argument.dtype);
  if (type == NPY_NOTYPE || !(argument.row_major || argument.empty)) return nullptr;
  npy_intp shape[NPY_MAXDIMS];
  const int rank = static_cast<int>(argument.shape.size());
  if (rank > NPY_MAXDIMS) return nullptr;
  for (int d = 0; d < rank; ++d) shape[d] = argument.shape[d];
  const bool align = argument.high_bytes - argument.low_bytes >= aligned_from_bytes;
  const AlignedAllocation aligned(align);
  return aligned.failed() ? nullptr : PyArray_SimpleNew(rank, shape, type);
}

}  // namespace loopnest::python
