// Torch tensors by duck typing: torch is looked up in sys.modules when the first object whose type
// is called "Tensor" comes by, and its type and dtypes are remembered for good.
#include <cstring>

#include "bindings/match.hpp"

namespace loopnest::python {
namespace {

using runtime::Argument;

// In the order of DType.
constexpr const char* torch_dtype_names[runtime::dtype_count] = {
    "bool", "int8", "uint8", "int32", "int64", "float16", "bfloat16", "float32", "float64"};

// Descriptors of torch.Tensor, called directly: no attribute look-up on each call.
enum Member { is_cpu, dtype, requires_grad, shape, stride, is_neg, data_ptr, member_count };
constexpr const char* member_names[member_count] = {"is_cpu", "dtype",  "requires_grad", "shape",
                                                    "stride", "is_neg", "data_ptr"};
constexpr bool is_method(Member member) { return member >= stride; }

// References are never dropped: torch stays loaded until the process ends.
struct Torch {
  PyTypeObject* tensor = nullptr;
  PyObject* members[member_count] = {};
  PyObject* dtypes[runtime::dtype_count] = {};
  PyObject* empty = nullptr;
  PyObject* cpu = nullptr;
  PyObject* empty_keywords = nullptr;

  bool fill(PyObject* module, PyTypeObject* type);
};
Torch torch;  // written once, under the GIL

bool Torch::fill(PyObject* module, PyTypeObject* type) {
  PyObject* const type_object = reinterpret_cast<PyObject*>(type);
  for (int m = 0; m < member_count; ++m)
    if ((members[m] = PyObject_GetAttrString(type_object, member_names[m])) == nullptr)
      return false;
  for (int d = 0; d < runtime::dtype_count; ++d)
    if ((dtypes[d] = PyObject_GetAttrString(module, torch_dtype_names[d])) == nullptr) return false;
  empty = PyObject_GetAttrString(module, "empty");
  cpu = PyObject_CallMethod(module, "device", "s", "cpu");
  empty_keywords = Py_BuildValue("(ss)", "dtype", "device");
  tensor = type;
  return empty != nullptr && cpu != nullptr && empty_keywords != nullptr;
}

// `type` is called "Tensor"; is it torch's?
bool remember_torch(PyTypeObject* type) {
  PyObject* const name = PyUnicode_FromString("torch");
  PyObject* const module = name ? PyImport_GetModule(name) : nullptr;
  PyObject* const tensor = module ? PyObject_GetAttrString(module, "Tensor") : nullptr;
  Torch found;
  const bool ours = tensor == reinterpret_cast<PyObject*>(type) && found.fill(module, type);
  Py_XDECREF(tensor);
  Py_XDECREF(module);
  Py_XDECREF(name);
  if (!ours) return PyErr_Clear(), false;
  torch = found;
  return true;
}

// A new reference, or nullptr with an error set.
PyObject* read(PyObject* tensor, Member member) {
  PyObject* const descriptor = torch.members[member];
  if (is_method(member)) return PyObject_Vectorcall(descriptor, &tensor, 1, nullptr);
  return Py_TYPE(descriptor)
      ->tp_descr_get(descriptor, tensor, reinterpret_cast<PyObject*>(torch.tensor));
}

bool member_is(PyObject* tensor, Member member, PyObject* expected) {
  PyObject* const value = read(tensor, member);
  Py_XDECREF(value);
  return value == expected;
}

bool integer_is(PyObject* object, std::int64_t expected) {
  return PyLong_Check(object) && PyLong_AsLongLong(object) == expected;
}

bool same_shape(PyObject* tensor, const Argument& argument) {
  PyObject* const extents = read(tensor, shape);
  if (extents == nullptr) return false;
  const auto rank = static_cast<Py_ssize_t>(argument.shape.size());
  bool same = PyTuple_Check(extents) && PyTuple_GET_SIZE(extents) == rank;
  for (Py_ssize_t d = 0; same && d < rank; ++d)
    same = integer_is(PyTuple_GET_ITEM(extents, d), argument.shape[d]);
  Py_DECREF(extents);
  return same;
}

bool same_strides(PyObject* tensor, const Argument& argument) {
  PyObject* const strides = read(tensor, stride);
  if (strides == nullptr) return false;
  const auto rank = static_cast<Py_ssize_t>(argument.shape.size());
  const std::int64_t item = item_bytes(argument.dtype);
  bool same = PyTuple_Check(strides) && PyTuple_GET_SIZE(strides) == rank;
  for (Py_ssize_t d = 0; same && d < rank; ++d) {
    if (argument.shape[d] <= 1 || argument.empty) continue;
    same = argument.strides_bytes[d] % item == 0 &&
           integer_is(PyTuple_GET_ITEM(strides, d), argument.strides_bytes[d] / item);
  }
  Py_DECREF(strides);
  return same;
}

void* data_of(PyObject* tensor) {
  PyObject* const address = read(tensor, data_ptr);
  if (address == nullptr) return nullptr;
  void* const data = PyLong_AsVoidPtr(address);
  Py_DECREF(address);
  return data;
}

// is_neg: an imaginary part may be stored negated (conjugate views).
bool plain_cpu_tensor(PyObject* tensor, const Argument& argument) {
  return member_is(tensor, dtype, torch.dtypes[static_cast<int>(argument.dtype)]) &&
         member_is(tensor, is_cpu, Py_True) && member_is(tensor, requires_grad, Py_False) &&
         member_is(tensor, is_neg, Py_False) && same_shape(tensor, argument) &&
         same_strides(tensor, argument);
}

}  // namespace

bool is_tensor(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  if (torch.tensor != nullptr) return type == torch.tensor;
  return std::strcmp(type->tp_name, "Tensor") == 0 && remember_torch(type);
}

void* match_tensor(PyObject* object, const Argument& argument) {
  static char nothing[64];
  void* data = nullptr;
  if (is_tensor(object) && plain_cpu_tensor(object, argument)) {
    data = data_of(object);
    if (data == nullptr && argument.empty) data = nothing;
    if (reinterpret_cast<std::uintptr_t>(data) % item_bytes(argument.dtype) != 0) data = nullptr;
  }
  if (PyErr_Occurred()) return PyErr_Clear(), nullptr;
  return data;
}

PyObject* allocate_tensor(const Argument& argument, PyObject* shape) {
  if (!(argument.row_major || argument.empty)) return nullptr;
  PyObject* const values[] = {shape, torch.dtypes[static_cast<int>(argument.dtype)], torch.cpu};
  return PyObject_Vectorcall(torch.empty, values, 1, torch.empty_keywords);
}

}  // namespace loopnest::python
