// What a compiled kernel expects of a call: its arguments and where each one goes in the frame.
// Nothing here knows Python; csrc/bindings matches objects against it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace loopnest::runtime {

enum class DType : std::uint8_t { bool_, i8, u8, i32, i64, f16, bf16, f32, f64 };
inline constexpr int dtype_count = 9;

std::optional<DType> dtype_from_name(std::string_view name);
std::string_view name_of(DType dtype);
int item_bytes(DType dtype);

enum class Role : std::uint8_t {
  input,     // an array the kernel reads
  inout,     // an array it updates in place
  scalar,    // a number, passed in an 8-byte slot
  size,      // an integer that must have one value; the code has it built in
  output,    // an array it writes: allocated, or given as out=
  constant,  // an array bound when the kernel was made; not part of a call
};

std::optional<Role> role_from_name(std::string_view name);

struct Argument {
  std::string name;
  DType dtype = DType::f32;
  Role role = Role::input;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides_bytes;
  std::int64_t size_value = 0;     // role size
  const void* constant = nullptr;  // role constant
  // Derived by Signature:
  int slot = -1;  // index into loopnest_frame::arguments; -1: none
  bool is_array = false;
  bool empty = false;          // some extent is 0: touches no memory
  bool row_major = false;      // strides are those of a fresh C-order array
  std::int64_t low_bytes = 0;  // the memory touched is [data + low, data + high)
  std::int64_t high_bytes = 0;

  bool written() const { return role == Role::output || role == Role::inout; }
};

class Signature {
 public:
  // Arguments in nest order (sizes anywhere). Throws std::invalid_argument.
  explicit Signature(std::vector<Argument> arguments);

  const std::vector<Argument>& arguments() const { return arguments_; }
  // Indices into arguments(): what a call passes by position, and what it returns.
  const std::vector<int>& parameters() const { return parameters_; }
  const std::vector<int>& outputs() const { return outputs_; }
  int slot_count() const { return slot_count_; }

  // True when memory written through one argument may be touched through another one.
  // `fresh_outputs`: outputs were just allocated.
  bool overlap(void* const* pointers, bool fresh_outputs) const;

 private:
  std::vector<Argument> arguments_;
  std::vector<int> parameters_;
  std::vector<int> outputs_;
  std::vector<int> arrays_;
  int slot_count_ = 0;
};

}  // namespace loopnest::runtime
