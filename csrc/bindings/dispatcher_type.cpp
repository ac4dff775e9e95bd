// _loopnest.Dispatcher: the call path of a kernel function over all its specialisations.
//
// Entries are tried in order; the one that matched last comes first. A dispatcher is only trusted
// while the knobs that affect code are what they were when its first entry was added: any change
// (set_knob_state) sends calls to the fallback, which knows the full key.
#include <algorithm>
#include <vector>

#include "bindings/callable_object.hpp"

namespace loopnest::python {
namespace {

// Read and written under the GIL.
long long knob_generation = 0;
int knob_scopes = 0;

constexpr std::size_t most_entries = 8;  // beyond these a dictionary, the fallback's, is faster

struct DispatcherObject {
  PyObject_HEAD vectorcallfunc vectorcall;
  std::vector<CallableObject*>* entries;
  long long generation;
  PyObject* fallback;
};

DispatcherObject* self_of(PyObject* object) { return reinterpret_cast<DispatcherObject*>(object); }

bool trusted(const DispatcherObject* self) {
  return knob_scopes == 0 && self->generation == knob_generation;
}

void drop_entries(DispatcherObject* self) {
  std::vector<CallableObject*> dropped;
  dropped.swap(*self->entries);  // a destructor may call back into this object
  for (CallableObject* entry : dropped) Py_DECREF(reinterpret_cast<PyObject*>(entry));
}

// The entry that ran moves to the front, unless running it changed the list.
void move_to_front(DispatcherObject* self, std::size_t index, const CallableObject* entry) {
  auto& entries = *self->entries;
  if (index == 0 || index >= entries.size() || entries[index] != entry) return;
  std::rotate(entries.begin(), entries.begin() + index, entries.begin() + index + 1);
}

PyObject* dispatch(DispatcherObject* self, PyObject* const* args, Py_ssize_t count,
                   PyObject* keyword_names) {
  for (std::size_t i = 0; i < self->entries->size(); ++i) {
    CallableObject* const entry = (*self->entries)[i];
    PyObject* const owned = Py_NewRef(reinterpret_cast<PyObject*>(entry));
    PyObject* const result = try_call(entry, args, count, keyword_names);
    if (result != nullptr) move_to_front(self, i, entry);
    Py_DECREF(owned);
    if (result != nullptr || PyErr_Occurred()) return result;
  }
  return nullptr;
}

PyObject* dispatcher_vectorcall(PyObject* object, PyObject* const* args, size_t count_and_flags,
                                PyObject* keyword_names) {
  DispatcherObject* const self = self_of(object);
  const Py_ssize_t count = PyVectorcall_NARGS(count_and_flags);
  if (trusted(self)) {
    PyObject* const result = dispatch(self, args, count, keyword_names);
    if (result != nullptr || PyErr_Occurred()) return result;
  }
  return call_fallback(self->fallback, args, count, keyword_names);
}

PyObject* dispatcher_new(PyTypeObject* type, PyObject* args, PyObject* keywords) {
  static const char* names[] = {"fallback", nullptr};
  PyObject* fallback;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O:Dispatcher", const_cast<char**>(names),
                                   &fallback))
    return nullptr;
  PyObject* const object = type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  DispatcherObject* const self = self_of(object);
  self->vectorcall = dispatcher_vectorcall;
  self->entries = new std::vector<CallableObject*>();
  self->generation = knob_generation;
  self->fallback = Py_NewRef(fallback);
  return object;
}

int dispatcher_init(PyObject*, PyObject*, PyObject*) { return 0; }

int dispatcher_traverse(PyObject* object, visitproc visit, void* arg) {
  DispatcherObject* const self = self_of(object);
  Py_VISIT(Py_TYPE(object));
  Py_VISIT(self->fallback);
  for (CallableObject* entry : *self->entries) Py_VISIT(reinterpret_cast<PyObject*>(entry));
  return 0;
}

int dispatcher_clear(PyObject* object) {
  DispatcherObject* const self = self_of(object);
  drop_entries(self);
  self->vectorcall = nullptr;
  Py_CLEAR(self->fallback);
  return 0;
}

void dispatcher_dealloc(PyObject* object) {
  PyTypeObject* const type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  dispatcher_clear(object);
  delete self_of(object)->entries;
  type->tp_free(object);
  Py_DECREF(type);
}

PyObject* dispatcher_add(PyObject* object, PyObject* entry) {
  DispatcherObject* const self = self_of(object);
  if (!PyObject_TypeCheck(entry, callable_type))
    return PyErr_SetString(PyExc_TypeError, "expected a Callable"), nullptr;
  if (knob_scopes != 0) Py_RETURN_FALSE;  // made under settings that end with the scope
  if (!trusted(self)) drop_entries(self);
  self->generation = knob_generation;
  if (self->entries->size() == most_entries) {
    PyObject* const last = reinterpret_cast<PyObject*>(self->entries->back());
    self->entries->pop_back();
    Py_DECREF(last);
  }
  self->entries->insert(self->entries->begin(),
                        reinterpret_cast<CallableObject*>(Py_NewRef(entry)));
  Py_RETURN_TRUE;
}

PyObject* dispatcher_drop(PyObject* object, PyObject*) {
  drop_entries(self_of(object));
  Py_RETURN_NONE;
}

Py_ssize_t dispatcher_length(PyObject* object) {
  return static_cast<Py_ssize_t>(self_of(object)->entries->size());
}

PyMethodDef dispatcher_methods[] = {
    {"add", dispatcher_add, METH_O,
     "add(callable)\n--\n\nTry this Callable first from now on; False (and no change) inside a "
     "knob scope."},
    {"clear", dispatcher_drop, METH_NOARGS,
     "clear()\n--\n\nDrop every entry, so that the next call goes to the fallback."},
    {nullptr, nullptr, 0, nullptr}};

PyMemberDef dispatcher_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(DispatcherObject, vectorcall), READONLY, nullptr},
    {"fallback", T_OBJECT, offsetof(DispatcherObject, fallback), READONLY,
     "called as fallback(args, kwargs) when no entry fits"},
    {nullptr, 0, 0, 0, nullptr}};

constexpr char dispatcher_doc[] =
    "Dispatcher(fallback)\n--\n\n"
    "Calls the first of its Callables whose signature fits, else fallback(args, kwargs).";

PyType_Slot dispatcher_slots[] = {{Py_tp_doc, const_cast<char*>(dispatcher_doc)},
                                  {Py_tp_new, reinterpret_cast<void*>(dispatcher_new)},
                                  {Py_tp_init, reinterpret_cast<void*>(dispatcher_init)},
                                  {Py_tp_dealloc, reinterpret_cast<void*>(dispatcher_dealloc)},
                                  {Py_tp_traverse, reinterpret_cast<void*>(dispatcher_traverse)},
                                  {Py_tp_clear, reinterpret_cast<void*>(dispatcher_clear)},
                                  {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
                                  {Py_sq_length, reinterpret_cast<void*>(dispatcher_length)},
                                  {Py_tp_methods, dispatcher_methods},
                                  {Py_tp_members, dispatcher_members},
                                  {0, nullptr}};

PyType_Spec dispatcher_spec = {
    "loopstack._loopnest.Dispatcher", sizeof(DispatcherObject), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL,
    dispatcher_slots};

PyObject* set_knob_state(PyObject*, PyObject* args) {
  if (!PyArg_ParseTuple(args, "Li:set_knob_state", &knob_generation, &knob_scopes)) return nullptr;
  Py_RETURN_NONE;
}

// CPython before 3.12 gives the flag to no subclass written in Python, whose calls then go through a
// tuple and a dict. The subclass has inherited the offset and the slot, so the flag is sound.
PyObject* call_directly(PyObject*, PyObject* object) {
  if (!PyType_Check(object)) return PyErr_SetString(PyExc_TypeError, "expected a class"), nullptr;
  PyTypeObject* const type = reinterpret_cast<PyTypeObject*>(object);
  if (type->tp_vectorcall_offset != offsetof(DispatcherObject, vectorcall) ||
      type->tp_call != PyVectorcall_Call)
    return PyErr_SetString(PyExc_TypeError, "expected a Dispatcher with no __call__ of its own"),
           nullptr;
  type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
  PyType_Modified(type);
  return Py_NewRef(object);
}

PyMethodDef functions[] = {
    {"call_directly", call_directly, METH_O,
     "call_directly(cls)\n--\n\nLet calls of a Python subclass of Dispatcher skip the argument tuple "
     "(a decorator)."},
    {"set_knob_state", set_knob_state, METH_VARARGS,
     "set_knob_state(generation, open_scopes)\n--\n\nTell dispatchers that knobs changed."},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

int add_dispatcher_type(PyObject* module) {
  PyObject* const type = PyType_FromSpec(&dispatcher_spec);
  if (type == nullptr) return -1;
  const int added = PyModule_AddObjectRef(module, "Dispatcher", type);
  Py_DECREF(type);
  return added < 0 ? -1 : PyModule_AddFunctions(module, functions);
}

}  // namespace loopnest::python
