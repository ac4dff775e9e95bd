// One call of a Callable: bind -> match -> outputs -> overlap -> run. No step converts or copies.
#include <new>

#include "bindings/callable_object.hpp"
#include "bindings/match.hpp"

namespace loopnest::python {
namespace {

using runtime::Argument;
using runtime::Role;
using runtime::Signature;

// What one call has found so far. Uninitialised on purpose: only the used part is written.
struct Call {
  PyObject* bound[most_arguments];       // by argument index; borrowed
  void* pointers[most_arguments];        // by slot
  std::int64_t scalars[most_arguments];  // by slot
  PyObject* out = nullptr;               // out=, borrowed
  bool arrays = false, tensors = false;  // kinds of array argument seen
};

bool same_name(PyObject* a, PyObject* b) { return a == b || PyUnicode_Compare(a, b) == 0; }

PyObject* out_keyword() {
  static PyObject* const name = PyUnicode_InternFromString("out");
  return name;
}

bool bind_keyword(const CallPlan& plan, Call& call, PyObject* name, PyObject* value) {
  if (same_name(name, out_keyword())) {
    call.out = value == Py_None ? nullptr : value;
    return true;
  }
  for (const int p : plan.signature.parameters()) {
    if (!same_name(name, plan.objects[p].name)) continue;
    if (call.bound[p] != nullptr) return false;
    call.bound[p] = value;
    return true;
  }
  return false;
}

bool bind(const CallPlan& plan, Call& call, PyObject* const* args, Py_ssize_t count,
          PyObject* keyword_names) {
  const std::vector<int>& parameters = plan.signature.parameters();
  const auto expected = static_cast<Py_ssize_t>(parameters.size());
  if (count > expected) return false;
  for (Py_ssize_t i = 0; i < expected; ++i)
    call.bound[parameters[i]] = i < count ? args[i] : nullptr;
  const Py_ssize_t keywords = keyword_names == nullptr ? 0 : PyTuple_GET_SIZE(keyword_names);
  for (Py_ssize_t i = 0; i < keywords; ++i)
    if (!bind_keyword(plan, call, PyTuple_GET_ITEM(keyword_names, i), args[count + i]))
      return false;
  for (Py_ssize_t i = count; i < expected; ++i)
    if (call.bound[parameters[i]] == nullptr) return false;
  return true;
}

bool place_array(Call& call, PyObject* object, const Argument& argument) {
  void* data = match_array(object, argument);
  if (data != nullptr) {
    call.arrays = true;
  } else {
    data = match_tensor(object, argument);
    call.tensors = true;
  }
  call.pointers[argument.slot] = data;
  return data != nullptr;
}

bool place_argument(const CallPlan& plan, Call& call, int index) {
  const Argument& argument = plan.signature.arguments()[index];
  PyObject* const object = call.bound[index];
  switch (argument.role) {
    case Role::input:
    case Role::inout: return place_array(call, object, argument);
    case Role::size: return match_size(object, argument.size_value);
    case Role::scalar:
      call.pointers[argument.slot] = &call.scalars[argument.slot];
      return match_scalar(object, argument.dtype, &call.scalars[argument.slot]);
    case Role::output:
    case Role::constant: break;  // not parameters
  }
  return false;
}

bool place_arguments(const CallPlan& plan, Call& call) {
  for (const int p : plan.signature.parameters())
    if (!place_argument(plan, call, p)) return false;
  return !(call.arrays && call.tensors);
}

void place_constants(const CallPlan& plan, Call& call) {
  for (const Argument& a : plan.signature.arguments())
    if (a.role == Role::constant) call.pointers[a.slot] = const_cast<void*>(a.constant);
}

// out=C for one output, out=(C, D) for several.
bool place_given_outputs(const CallPlan& plan, Call& call) {
  const std::vector<int>& outputs = plan.signature.outputs();
  const std::vector<Argument>& arguments = plan.signature.arguments();
  if (outputs.size() == 1) return place_array(call, call.out, arguments[outputs[0]]);
  if (!PyTuple_Check(call.out)) return false;
  if (PyTuple_GET_SIZE(call.out) != static_cast<Py_ssize_t>(outputs.size())) return false;
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (!place_array(call, PyTuple_GET_ITEM(call.out, i), arguments[outputs[i]])) return false;
  return true;
}

PyObject* fresh_output(const CallPlan& plan, Call& call, int index) {
  const Argument& argument = plan.signature.arguments()[index];
  PyObject* const result = call.tensors ? allocate_tensor(argument, plan.objects[index].shape)
                                        : allocate_array(argument);
  if (result == nullptr) return nullptr;
  void* const data = call.tensors ? match_tensor(result, argument) : match_array(result, argument);
  if (data == nullptr) return Py_DECREF(result), nullptr;
  call.pointers[argument.slot] = data;
  return result;
}

// The new outputs as the call returns them: an object, a tuple, or None when there are none.
PyObject* fresh_outputs(const CallPlan& plan, Call& call) {
  const std::vector<int>& outputs = plan.signature.outputs();
  if (outputs.empty()) Py_RETURN_NONE;
  if (outputs.size() == 1) return fresh_output(plan, call, outputs[0]);
  PyObject* const all = PyTuple_New(static_cast<Py_ssize_t>(outputs.size()));
  if (all == nullptr) return nullptr;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    PyObject* const one = fresh_output(plan, call, outputs[i]);
    if (one == nullptr) return Py_DECREF(all), nullptr;
    PyTuple_SET_ITEM(all, i, one);
  }
  return all;
}

PyObject* place_outputs(const CallPlan& plan, Call& call) {
  if (call.out == nullptr) return fresh_outputs(plan, call);
  if (plan.signature.outputs().empty() || !place_given_outputs(plan, call)) return nullptr;
  return call.arrays && call.tensors ? nullptr : Py_NewRef(call.out);
}

class GilRelease {
 public:
  explicit GilRelease(bool wanted) : state_(wanted ? PyEval_SaveThread() : nullptr) {}
  ~GilRelease() {
    if (state_ != nullptr) PyEval_RestoreThread(state_);
  }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  PyThreadState* state_;
};

PyObject* keyword_dict(PyObject* const* values, PyObject* names) {
  PyObject* const dict = PyDict_New();
  const Py_ssize_t count = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
  for (Py_ssize_t i = 0; dict != nullptr && i < count; ++i)
    if (PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i), values[i]) < 0)
      return Py_DECREF(dict), nullptr;
  return dict;
}

PyObject* argument_tuple(PyObject* const* args, Py_ssize_t count) {
  PyObject* const tuple = PyTuple_New(count);
  for (Py_ssize_t i = 0; tuple != nullptr && i < count; ++i)
    PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
  return tuple;
}

}  // namespace

bool run_plan(const CallPlan& plan, void* const* pointers, int threads, bool release_gil) {
  try {
    const GilRelease released(release_gil);
    runtime::call_kernel(plan.kernel, pointers, threads);
    return true;
  } catch (const std::bad_alloc&) {
    PyErr_Format(PyExc_MemoryError, "no memory for the workspace: %lld bytes shared, %lld a thread",
                 static_cast<long long>(plan.kernel.workspace_bytes),
                 static_cast<long long>(plan.kernel.private_bytes));
    return false;
  }
}

PyObject* try_call(CallableObject* self, PyObject* const* args, Py_ssize_t count,
                   PyObject* keyword_names) {
  const CallPlan& plan = *self->plan;
  Call call;
  if (!bind(plan, call, args, count, keyword_names) || !place_arguments(plan, call)) return nullptr;
  place_constants(plan, call);
  PyObject* const result = place_outputs(plan, call);
  if (result == nullptr) return nullptr;
  const bool aliased = plan.signature.overlap(call.pointers, call.out == nullptr);
  if (aliased || !run_plan(plan, call.pointers, self->threads, self->release_gil))
    return Py_DECREF(result), nullptr;
  return result;
}

PyObject* call_fallback(PyObject* fallback, PyObject* const* args, Py_ssize_t count,
                        PyObject* keyword_names) {
  PyObject* const positional = argument_tuple(args, count);
  PyObject* const keywords = positional ? keyword_dict(args + count, keyword_names) : nullptr;
  PyObject* result = nullptr;
  if (keywords != nullptr) {
    PyObject* const both[] = {positional, keywords};
    result = PyObject_Vectorcall(fallback, both, 2, nullptr);
  }
  Py_XDECREF(positional);
  Py_XDECREF(keywords);
  return result;
}

PyObject* callable_vectorcall(PyObject* object, PyObject* const* args, size_t count_and_flags,
                              PyObject* keyword_names) {
  CallableObject* const self = reinterpret_cast<CallableObject*>(object);
  const Py_ssize_t count = PyVectorcall_NARGS(count_and_flags);
  PyObject* const result = try_call(self, args, count, keyword_names);
  if (result != nullptr || PyErr_Occurred()) return result;
  return call_fallback(self->fallback, args, count, keyword_names);
}

}  // namespace loopnest::python
