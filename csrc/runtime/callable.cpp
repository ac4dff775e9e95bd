#include "runtime/callable.hpp"

#include <array>
#include <stdexcept>

#include "runtime/overlap.hpp"

namespace loopnest::runtime {
namespace {

struct DTypeRow {
  std::string_view name;
  int item_bytes;
};
// In the order of DType.
constexpr std::array<DTypeRow, dtype_count> dtype_rows{{{"bool_", 1},
                                                        {"i8", 1},
                                                        {"u8", 1},
                                                        {"i32", 4},
                                                        {"i64", 8},
                                                        {"f16", 2},
                                                        {"bf16", 2},
                                                        {"f32", 4},
                                                        {"f64", 8}}};

// In the order of Role.
constexpr std::array<std::string_view, 6> role_names{"input", "inout",  "scalar",
                                                     "size",  "output", "constant"};

bool is_row_major(const Argument& a) {
  std::int64_t expected = item_bytes(a.dtype);
  for (std::size_t d = a.shape.size(); d-- > 0;) {
    if (a.shape[d] != 1 && a.strides_bytes[d] != expected) return false;
    expected *= a.shape[d];
  }
  return true;
}

void derive_extent(Argument& a) {
  a.high_bytes = item_bytes(a.dtype);
  for (std::size_t d = 0; d < a.shape.size(); ++d) {
    if (a.shape[d] == 0) a.empty = true;
    const std::int64_t reach = (a.shape[d] - 1) * a.strides_bytes[d];
    (reach < 0 ? a.low_bytes : a.high_bytes) += reach;
  }
}

void check(const Argument& a) {
  if (a.shape.size() != a.strides_bytes.size())
    throw std::invalid_argument("argument " + a.name + ": shape and strides differ in length");
  for (const std::int64_t extent : a.shape)
    if (extent < 0) throw std::invalid_argument("argument " + a.name + ": negative extent");
  if (a.role == Role::scalar && (a.dtype == DType::f16 || a.dtype == DType::bf16))
    throw std::invalid_argument("argument " + a.name + ": a 16-bit float scalar is not supported");
}

StridedMemory memory_of(const Argument& a, const void* data) {
  return {reinterpret_cast<std::intptr_t>(data), a.shape, a.strides_bytes, item_bytes(a.dtype)};
}

// The ranges are compared first: they settle nearly every call.
bool touch(const Argument& a, const void* a_data, const Argument& b, const void* b_data) {
  const auto a_at = reinterpret_cast<std::intptr_t>(a_data);
  const auto b_at = reinterpret_cast<std::intptr_t>(b_data);
  if (a_at + a.high_bytes <= b_at + b.low_bytes || b_at + b.high_bytes <= a_at + a.low_bytes)
    return false;
  return may_share(memory_of(a, a_data), memory_of(b, b_data));
}

}  // namespace

std::optional<DType> dtype_from_name(std::string_view name) {
  for (int i = 0; i < dtype_count; ++i)
    if (dtype_rows[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

std::string_view name_of(DType dtype) { return dtype_rows[static_cast<int>(dtype)].name; }

int item_bytes(DType dtype) { return dtype_rows[static_cast<int>(dtype)].item_bytes; }

std::optional<Role> role_from_name(std::string_view name) {
  for (std::size_t i = 0; i < role_names.size(); ++i)
    if (role_names[i] == name) return static_cast<Role>(i);
  return std::nullopt;
}

Signature::Signature(std::vector<Argument> arguments) : arguments_(std::move(arguments)) {
  for (int i = 0; i < static_cast<int>(arguments_.size()); ++i) {
    Argument& a = arguments_[i];
    check(a);
    a.is_array = a.role != Role::scalar && a.role != Role::size;
    if (a.role != Role::size) a.slot = slot_count_++;
    if (a.role == Role::output) outputs_.push_back(i);
    if (a.role != Role::output && a.role != Role::constant) parameters_.push_back(i);
    if (!a.is_array) continue;
    derive_extent(a);
    a.row_major = is_row_major(a);
    if (!a.empty) arrays_.push_back(i);
  }
}

bool Signature::overlap(void* const* pointers, bool fresh_outputs) const {
  for (const int w : arrays_) {
    const Argument& written = arguments_[w];
    if (!written.written() || (fresh_outputs && written.role == Role::output)) continue;
    for (const int o : arrays_) {
      const Argument& other = arguments_[o];
      if (o == w || (fresh_outputs && other.role == Role::output)) continue;
      if (touch(written, pointers[written.slot], other, pointers[other.slot])) return true;
    }
  }
  return false;
}

}  // namespace loopnest::runtime
