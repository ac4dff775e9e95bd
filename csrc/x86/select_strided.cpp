// Selection of strided loads and stores. Stride -1 is one access and a permutation; otherwise lanes
// move one by one, as many as a constant mask has. Under a run-time mask AVX-512 gathers and
// scatters; AVX2, and strides an index cannot hold, branch around each lane.
#include <array>
#include <cstring>
#include <limits>

#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

constexpr int quarter_bytes = 16;

int quarters_in(vir::Type t) { return (bytes_of(t) + quarter_bytes - 1) / quarter_bytes; }

std::vector<std::uint8_t> offsets_table(int lanes, std::int64_t stride) {
  std::vector<std::uint8_t> bytes(4 * lanes);
  for (int l = 0; l < lanes; ++l) {
    const auto offset = static_cast<std::int32_t>(l * stride);
    std::memcpy(&bytes[4 * l], &offset, 4);
  }
  return bytes;
}

bool offsets_fit(int lanes, std::int64_t stride) {
  return std::abs(stride) <= std::numeric_limits<std::int32_t>::max() / lanes;
}

}  // namespace

// Lanes 0 .. count - 1 move; or, where count is -1, those whose bit is set in `bits`.
Selector::ActiveLanes Selector::active_lanes(const vir::Inst& i, vir::Type t) {
  const int count = known_count(i.mask, t);
  return {count, count < 0 ? lane_bits(memory_mask(i.mask, t), t) : 0};
}

template <class F>
void Selector::for_lane(const ActiveLanes& active, int lane, F move) {
  if (active.bits == 0) {
    if (lane < active.count) move();
    return;
  }
  const std::uint32_t skip = fresh_label();
  emit(Op::test, in(active.bits, Kind::gpr32), imm(std::int64_t{1} << lane));
  jump(Op::je, skip);
  move();
  bind(skip);
}

void Selector::load_strided(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  const int size = size_of(t.elem), per_quarter = quarter_bytes / size;
  if (t.lanes == 1 || i.imm == size) return load(i);
  if (i.imm == 0) return load_splat(i);
  if (is_reversed(i, t) && (i.mask == 0 || !wide())) return load_reversed(i, t);
  if (known_count(i.mask, t) < 0 && gather_or_scatter(i, i.dst)) return;
  const ActiveLanes active = active_lanes(i, t);
  std::array<VReg, 4> quarters{};
  for (int q = 0; q < quarters_in(t); ++q) {
    quarters[q] = temp_vector(quarter_bytes);
    const bool starts_empty = active.bits != 0 || q * per_quarter >= active.count;
    if (starts_empty) constant_into(quarters[q], pool_.splat(0, 4, quarter_bytes));
    for (int l = 0; l < std::min<int>(t.lanes, per_quarter); ++l) {
      const int lane = q * per_quarter + l;
      for_lane(active, lane, [&] {
        insert_lane(quarters[q], l * size, size, address(i.addr, lane * i.imm));
      });
    }
  }
  copy(i.dst, join_quarters(quarters.data(), bytes_of(t)));
}

void Selector::store_strided(const vir::Inst& i) {
  const vir::Type t = type(i.a);
  const int size = size_of(t.elem), per_quarter = quarter_bytes / size;
  if (t.lanes == 1 || i.imm == size) return store(i);
  if (is_reversed(i, t) && i.mask == 0) return store_reversed(i, t);
  if (known_count(i.mask, t) < 0 && gather_or_scatter(i, i.a)) return;
  const ActiveLanes active = active_lanes(i, t);
  for (int q = 0; q < quarters_in(t); ++q) {
    if (active.bits == 0 && q * per_quarter >= active.count) return;
    const VReg quarter = quarter_of(i.a, bytes_of(t), q);
    for (int l = 0; l < std::min<int>(t.lanes, per_quarter); ++l) {
      const int lane = q * per_quarter + l;
      for_lane(active, lane, [&] {
        extract_lane(address(i.addr, lane * i.imm), quarter, l * size, size);
      });
    }
  }
}

// AVX-512 only. Offsets are 32-bit lanes of an index vector; the instruction consumes its opmask.
bool Selector::gather_or_scatter(const vir::Inst& i, VReg data) {
  const vir::Type t = type(data);
  if (!wide() || !offsets_fit(t.lanes, i.imm)) return false;
  const VReg mask = memory_mask(i.mask, t), consumed = temp_mask();
  const VReg offsets = table_constant(offsets_table(t.lanes, i.imm), 4 * t.lanes);
  MachineMemory m = address(i.addr);
  if (m.index != 0) {
    const VReg base = temp_general();
    emit(Op::lea, out(base), at(m));
    m = {.base = base};
  }
  m.index = offsets;
  m.index_kind = kind_of(offsets);
  copy(consumed, mask);
  if (i.op == VOp::load_strided) {
    // Masked lanes keep the destination, and it must differ from the index.
    const VReg gathered = temp_vector(bytes_of(t));
    constant_into(gathered, pool_.splat(0, 4, 16));
    emit(by_size(t.elem, Op::vgatherdps, Op::vgatherdpd), inout(gathered), at(m), masked(consumed));
    copy(data, gathered);
  } else {
    emit(by_size(t.elem, Op::vscatterdps, Op::vscatterdpd), at(m), in(data), masked(consumed));
  }
  return true;
}

// ---- stride -1: one contiguous access, its lanes in the opposite order ----

bool Selector::is_reversed(const vir::Inst& i, vir::Type t) const {
  return i.imm == -size_of(t.elem) && bytes_of(t) >= quarter_bytes;
}

void Selector::load_reversed(const vir::Inst& i, vir::Type t) {
  const VReg ascending = temp_vector(bytes_of(t));
  const MachineMemory m = address(i.addr, (t.lanes - 1) * i.imm);
  if (i.mask == 0) plain_load(ascending, t, m);
  else load_masked(ascending, t, m, reversed(memory_mask(i.mask, t), t));
  copy(i.dst, reversed(ascending, t));
}

void Selector::store_reversed(const vir::Inst& i, vir::Type t) {
  plain_store(address(i.addr, (t.lanes - 1) * i.imm), reversed(i.a, t), t);
}

// Quarters first, then the lanes of each.
VReg Selector::reversed(VReg v, vir::Type t) {
  const int bytes = bytes_of(t);
  const bool is_double = size_of(t.elem) == 8;
  const VReg result = temp_vector(bytes);
  if (bytes == 32 && is_double) {
    emit(Op::vpermpd, out(result), in(v, Kind::ymm), imm(0x1b));
    return result;
  }
  VReg swapped = v;
  if (bytes > quarter_bytes) swapped = temp_vector(bytes);
  if (bytes == 32) emit(Op::vpermpd, out(swapped), in(v, Kind::ymm), imm(0x4e));
  if (bytes == 64) {
    emit(Op::vshuff64x2, out(swapped), in(v, Kind::zmm), rm(v), imm(0x1b));
  }
  const Op lanes = is_double ? Op::vpermilpd : Op::vpermilps;
  emit(lanes, out(result), in(swapped, vector_kind(bytes)), imm(is_double ? 0x55 : 0x1b));
  return result;
}

// Lanes arrive lowest first, into a quarter that is undefined or zero: the lowest may clear the
// rest.
void Selector::insert_lane(VReg quarter, int byte, int size, const MachineMemory& m) {
  if (byte == 0) {
    emit(size == 4 ? Op::vmovss : Op::vmovsd, out(quarter), at(m));
  } else if (size == 4) {
    emit(Op::vinsertps, out(quarter), in(quarter), at(m), imm(byte / 4 << 4));
  } else {
    emit(Op::vmovhpd, out(quarter), in(quarter), at(m));
  }
}

void Selector::extract_lane(const MachineMemory& m, VReg quarter, int byte, int size) {
  if (byte == 0) {
    emit(size == 4 ? Op::vmovss : Op::vmovsd, at(m), in(quarter, Kind::xmm));
  } else if (size == 4) {
    emit(Op::vextractps, at(m), in(quarter, Kind::xmm), imm(byte / 4));
  } else {
    emit(Op::vmovhpd, at(m), in(quarter, Kind::xmm));
  }
}

VReg Selector::join_quarters(const VReg* quarters, int bytes) {
  if (bytes <= 16) return quarters[0];
  const auto pair = [&](VReg low, VReg high) {
    const VReg joined = temp_vector(32);
    emit(wide() ? Op::vinsertf32x4 : Op::vinsertf128,
         out(joined), in(low, Kind::ymm), rm(high), imm(1));
    return joined;
  };
  const VReg low = pair(quarters[0], quarters[1]);
  if (bytes == 32) return low;
  const VReg high = pair(quarters[2], quarters[3]), all = temp_vector(64);
  emit(Op::vinsertf64x4, out(all), in(low, Kind::zmm), rm(high), imm(1));
  return all;
}

VReg Selector::quarter_of(VReg v, int bytes, int index) {
  if (index == 0) return v;
  const VReg quarter = temp_vector(quarter_bytes);
  emit(wide() ? Op::vextractf32x4 : Op::vextractf128,
       out(quarter), in(v, vector_kind(bytes)), imm(index));
  return quarter;
}

// One bit per lane in a general register.
VReg Selector::lane_bits(VReg mask, vir::Type t) {
  const VReg bits = temp_general();
  if (wide()) {
    emit(Op::kmovw, out(bits, Kind::gpr32), in(mask));
  } else {
    emit(by_size(t.elem, Op::vmovmskps, Op::vmovmskpd), out(bits, Kind::gpr32), in(mask));
  }
  return bits;
}

}  // namespace loopnest::x86
