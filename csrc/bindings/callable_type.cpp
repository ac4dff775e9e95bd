// Construction, attributes and life time of _loopnest.Callable.
#include <new>
#include <stdexcept>

#include "bindings/callable_object.hpp"

namespace loopnest::python {

PyTypeObject* callable_type = nullptr;

namespace {

using runtime::Argument;
using runtime::Role;
using runtime::Signature;

// ---- reading the constructor's arguments --------------------------------------------------------
// A Python error is set whenever one of these returns false.

bool read_integers(PyObject* sequence, std::vector<std::int64_t>* values) {
  PyObject* const items = PySequence_Fast(sequence, "shape and strides must be sequences");
  if (items == nullptr) return false;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); ++i)
    values->push_back(PyLong_AsLongLong(PySequence_Fast_GET_ITEM(items, i)));
  Py_DECREF(items);
  return !PyErr_Occurred();
}

bool read_constant(PyObject* value, Argument* argument) {
  if (!PyArray_Check(value)) {
    PyErr_Format(PyExc_TypeError, "constant %s must be a NumPy array", argument->name.c_str());
    return false;
  }
  argument->constant = PyArray_DATA(reinterpret_cast<PyArrayObject*>(value));
  return true;
}

bool read_names(const char* dtype, const char* role, Argument* argument) {
  const auto dtype_found = runtime::dtype_from_name(dtype);
  const auto role_found = runtime::role_from_name(role);
  if (!dtype_found || !role_found) {
    PyErr_Format(PyExc_ValueError, "argument %s: unknown %s '%s'", argument->name.c_str(),
                 dtype_found ? "role" : "dtype", dtype_found ? role : dtype);
    return false;
  }
  argument->dtype = *dtype_found;
  argument->role = *role_found;
  return true;
}

// (name, dtype, role, shape, strides_bytes, value)
bool read_argument(PyObject* row, Argument* argument, ArgumentObjects* objects) {
  const char *name, *dtype, *role;
  PyObject *shape, *strides, *value;
  if (!PyTuple_Check(row)) return PyErr_SetString(PyExc_TypeError, "an argument is a tuple"), false;
  if (!PyArg_ParseTuple(row, "sssOOO", &name, &dtype, &role, &shape, &strides, &value))
    return false;
  argument->name = name;
  if (!read_names(dtype, role, argument) || !read_integers(shape, &argument->shape) ||
      !read_integers(strides, &argument->strides_bytes))
    return false;
  if (argument->role == Role::size) argument->size_value = PyLong_AsLongLong(value);
  if (argument->role == Role::constant && !read_constant(value, argument)) return false;
  if (PyErr_Occurred()) return false;
  objects->name = PyUnicode_InternFromString(name);
  objects->shape = PySequence_Tuple(shape);
  objects->constant = argument->role == Role::constant ? Py_NewRef(value) : nullptr;
  return objects->name != nullptr && objects->shape != nullptr;
}

bool read_integer_attribute(PyObject* object, const char* name, std::int64_t* value) {
  PyObject* const attribute = PyObject_GetAttrString(object, name);
  if (attribute == nullptr) return false;
  *value = PyLong_AsLongLong(attribute);
  Py_DECREF(attribute);
  return !(*value == -1 && PyErr_Occurred());
}

bool read_kernel(PyObject* loaded, runtime::KernelEntry* kernel) {
  std::int64_t address;
  if (!read_integer_attribute(loaded, "address", &address) ||
      !read_integer_attribute(loaded, "workspace_bytes", &kernel->workspace_bytes) ||
      !read_integer_attribute(loaded, "private_bytes", &kernel->private_bytes))
    return false;
  kernel->entry = reinterpret_cast<loopnest_kernel>(static_cast<std::intptr_t>(address));
  return true;
}

void drop(std::vector<ArgumentObjects>& objects) {
  for (ArgumentObjects& o : objects) {
    Py_CLEAR(o.name);
    Py_CLEAR(o.shape);
    Py_CLEAR(o.constant);
  }
}

CallPlan* plan_from(std::vector<Argument> arguments, std::vector<ArgumentObjects>* objects,
                    PyObject* loaded) {
  runtime::KernelEntry kernel;
  if (!read_kernel(loaded, &kernel)) return nullptr;
  try {
    return new CallPlan{Signature(std::move(arguments)), kernel, std::move(*objects)};
  } catch (const std::invalid_argument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
    return nullptr;
  }
}

CallPlan* make_plan(PyObject* loaded, PyObject* rows) {
  const Py_ssize_t count = PyTuple_GET_SIZE(rows);
  if (count > most_arguments) {
    PyErr_Format(PyExc_ValueError, "a kernel takes at most %d arguments, found %zd", most_arguments,
                 count);
    return nullptr;
  }
  std::vector<Argument> arguments(count);
  std::vector<ArgumentObjects> objects(count);
  CallPlan* plan = nullptr;
  bool good = true;
  for (Py_ssize_t i = 0; good && i < count; ++i)
    good = read_argument(PyTuple_GET_ITEM(rows, i), &arguments[i], &objects[i]);
  if (good) plan = plan_from(std::move(arguments), &objects, loaded);
  if (plan == nullptr) drop(objects);
  return plan;
}

// ---- the type -----------------------------------------------------------------------------------

PyObject* callable_new(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"loaded",      "arguments", "fallback", "threads",
                                "release_gil", "name",      nullptr};
  PyObject *loaded, *rows, *fallback, *name = nullptr;
  int threads = 1, release_gil = 1;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO|ipO:Callable", const_cast<char**>(names),
                                   &loaded, &rows, &fallback, &threads, &release_gil, &name))
    return nullptr;
  PyObject* const row_tuple = PySequence_Tuple(rows);
  CallPlan* const plan = row_tuple ? make_plan(loaded, row_tuple) : nullptr;
  PyObject* const object = plan ? type->tp_alloc(type, 0) : nullptr;
  if (object == nullptr) {
    Py_XDECREF(row_tuple);
    if (plan != nullptr) drop(plan->objects);
    delete plan;
    return nullptr;
  }
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  self->vectorcall = callable_vectorcall;
  self->plan = plan;
  self->threads = threads;
  self->release_gil = release_gil != 0;
  self->name = name ? Py_NewRef(name) : PyUnicode_FromString("kernel");
  self->loaded = Py_NewRef(loaded);
  self->fallback = Py_NewRef(fallback);
  self->arguments = row_tuple;
  return object;
}

// A subclass may take other arguments in __init__; __new__ has read ours.
int callable_init(PyObject*, PyObject*, PyObject*) { return 0; }

int callable_traverse(PyObject* object, visitproc visit, void* arg) {
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->name);
  Py_VISIT(self->loaded);
  Py_VISIT(self->fallback);
  Py_VISIT(self->arguments);
  return 0;
}

int callable_clear(PyObject* object) {
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  // A cleared object can still be called by a finaliser: it must not run unmapped code.
  self->vectorcall = nullptr;
  Py_CLEAR(self->name);
  Py_CLEAR(self->fallback);
  Py_CLEAR(self->arguments);
  Py_CLEAR(self->loaded);
  return 0;
}

void callable_dealloc(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  callable_clear(object);
  if (self->plan != nullptr) drop(self->plan->objects);
  delete self->plan;
  type->tp_free(object);
  Py_DECREF(type);
}

PyObject* callable_repr(PyObject* object) {
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  return PyUnicode_FromFormat("<%s %S, %d threads>", Py_TYPE(object)->tp_name, self->name,
                              self->threads);
}

bool read_addresses(PyObject* items, void** pointers) {
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items); ++i) {
    pointers[i] = PyLong_AsVoidPtr(PySequence_Fast_GET_ITEM(items, i));
    if (pointers[i] == nullptr && PyErr_Occurred()) return false;
  }
  return true;
}

PyObject* callable_invoke(PyObject* object, PyObject* addresses) {
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  PyObject* const items = PySequence_Fast(addresses, "addresses must be a sequence of integers");
  if (items == nullptr) return nullptr;
  void* pointers[most_arguments];
  const Py_ssize_t expected = self->plan->signature.slot_count();
  const Py_ssize_t found = PySequence_Fast_GET_SIZE(items);
  bool good = found == expected;
  if (!good) PyErr_Format(PyExc_ValueError, "expected %zd addresses, found %zd", expected, found);
  good = good && read_addresses(items, pointers) &&
         run_plan(*self->plan, pointers, self->threads, self->release_gil);
  Py_DECREF(items);
  if (!good) return nullptr;
  Py_RETURN_NONE;
}

PyMethodDef callable_methods[] = {
    {"invoke", callable_invoke, METH_O,
     "invoke(addresses)\n--\n\nRun on raw data addresses in nest order; nothing is checked."},
    {nullptr, nullptr, 0, nullptr}};

PyMemberDef callable_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(CallableObject, vectorcall), READONLY, nullptr},
    {"name", T_OBJECT, offsetof(CallableObject, name), READONLY, "the kernel's name"},
    {"threads", T_INT, offsetof(CallableObject, threads), READONLY, "most threads a call uses"},
    {"release_gil", T_BOOL, offsetof(CallableObject, release_gil), READONLY,
     "whether a call lets other Python threads run"},
    {"loaded", T_OBJECT, offsetof(CallableObject, loaded), READONLY, "the machine code"},
    {"fallback", T_OBJECT, offsetof(CallableObject, fallback), READONLY,
     "called as fallback(args, kwargs) when an argument does not fit exactly"},
    {"arguments", T_OBJECT, offsetof(CallableObject, arguments), READONLY, "the signature rows"},
    {nullptr, 0, 0, 0, nullptr}};

constexpr char callable_doc[] =
    "Callable(loaded, arguments, fallback, threads=1, release_gil=True, name='kernel')\n--\n\n"
    "Machine code and the signature it was compiled for.\n\n"
    "arguments: rows (name, dtype, role, shape, strides_bytes, value) in nest order; role is\n"
    "input, inout, scalar, size (value: the integer), output or constant (value: the array).\n"
    "A call whose arguments fit exactly runs at once; any other goes to fallback(args, kwargs).";

PyType_Slot callable_slots[] = {{Py_tp_doc, const_cast<char*>(callable_doc)},
                                {Py_tp_new, reinterpret_cast<void*>(callable_new)},
                                {Py_tp_init, reinterpret_cast<void*>(callable_init)},
                                {Py_tp_dealloc, reinterpret_cast<void*>(callable_dealloc)},
                                {Py_tp_traverse, reinterpret_cast<void*>(callable_traverse)},
                                {Py_tp_clear, reinterpret_cast<void*>(callable_clear)},
                                {Py_tp_repr, reinterpret_cast<void*>(callable_repr)},
                                {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                {Py_tp_methods, callable_methods},
                                {Py_tp_members, callable_members},
                                {0, nullptr}};

PyType_Spec callable_spec = {
    "loopstack._loopnest.Callable", sizeof(CallableObject), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    callable_slots};

// The floor every call pays: what a measurement of call overhead subtracts.
PyObject* empty_call(PyObject*, PyObject* const*, Py_ssize_t, PyObject*) { Py_RETURN_NONE; }

PyMethodDef functions[] = {
    {"empty_call", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(empty_call)),
     METH_FASTCALL | METH_KEYWORDS,
     "empty_call(*args, **kwargs)\n--\n\nDo nothing: the floor of any call from Python."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

int add_callable_types(PyObject* module) {
  callable_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&callable_spec));
  if (callable_type == nullptr) return -1;
  if (PyModule_AddObjectRef(module, "Callable", reinterpret_cast<PyObject*>(callable_type)) < 0)
    return -1;
  return PyModule_AddFunctions(module, functions) < 0 ? -1 : add_dispatcher_type(module);
}

}  // namespace loopnest::python
