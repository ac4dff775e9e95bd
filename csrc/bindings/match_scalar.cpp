#include <cmath>
#include <cstring>
#include <limits>

#include "bindings/match.hpp"

namespace loopnest::python {
namespace {

using runtime::DType;

template <typename T>
bool put(T value, std::int64_t* slot) {
  *slot = 0;
  std::memcpy(slot, &value, sizeof(T));
  return true;
}

// int, bool and NumPy integers; nothing that would round.
bool integer_value(PyObject* object, long long* value) {
  if (!PyLong_Check(object) && !PyArray_IsScalar(object, Integer)) return false;
  PyObject* const number = PyNumber_Index(object);
  if (number == nullptr) return PyErr_Clear(), false;
  int overflow = 0;
  *value = PyLong_AsLongLongAndOverflow(number, &overflow);
  Py_DECREF(number);
  return overflow == 0;
}

bool float_value(PyObject* object, double* value) {
  const bool real = PyFloat_Check(object) || PyLong_Check(object) ||
                    PyArray_IsScalar(object, Integer) || PyArray_IsScalar(object, Floating);
  if (!real) return false;
  *value = PyFloat_AsDouble(object);
  if (*value == -1.0 && PyErr_Occurred()) return PyErr_Clear(), false;
  return true;
}

template <typename T>
bool put_integer(PyObject* object, std::int64_t* slot) {
  long long value;
  if (!integer_value(object, &value)) return false;
  if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max()) return false;
  return put(static_cast<T>(value), slot);
}

// A finite double that f32 cannot hold is left to the slow path, which says so.
bool put_single(PyObject* object, std::int64_t* slot) {
  double value;
  if (!float_value(object, &value)) return false;
  if (std::isfinite(value) && std::fabs(value) > std::numeric_limits<float>::max()) return false;
  return put(static_cast<float>(value), slot);
}

bool put_double(PyObject* object, std::int64_t* slot) {
  double value;
  return float_value(object, &value) && put(value, slot);
}

bool put_bool(PyObject* object, std::int64_t* slot) {
  if (PyBool_Check(object)) return put<std::uint8_t>(object == Py_True, slot);
  if (!PyArray_IsScalar(object, Bool)) return false;
  return put<std::uint8_t>(PyObject_IsTrue(object) == 1, slot);
}

}  // namespace

bool match_scalar(PyObject* object, DType dtype, std::int64_t* slot) {
  switch (dtype) {
    case DType::f32: return put_single(object, slot);
    case DType::f64: return put_double(object, slot);
    case DType::i64: return put_integer<std::int64_t>(object, slot);
    case DType::i32: return put_integer<std::int32_t>(object, slot);
    case DType::i8: return put_integer<std::int8_t>(object, slot);
    case DType::u8: return put_integer<std::uint8_t>(object, slot);
    case DType::bool_: return put_bool(object, slot);
    case DType::f16:
    case DType::bf16: return false;  // refused when the signature is made
  }
  return false;
}

bool match_size(PyObject* object, std::int64_t value) {
  long long found;
  return !PyBool_Check(object) && integer_value(object, &found) && found == value;
}

}  // namespace loopnest::python
