// Selection of strided loads and stores. Without a mask, and for strides a gather cannot hold, lanes
// move one by one; with a mask AVX-512 gathers and scatters, and AVX2 branches around each lane.
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

void Selector::load_strided(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  const int size = size_of(t.elem), per_quarter = quarter_bytes / size;
  if (t.lanes == 1 || i.imm == size) return load(i);
  if (i.imm == 0) return load_splat(i);
  if (i.mask != 0 && gather_or_scatter(i, i.dst)) return;
  const VReg bits = i.mask == 0 ? 0 : lane_bits(memory_mask(i.mask, t), t);
  std::array<VReg, 4> quarters{};
  for (int q = 0; q < quarters_in(t); ++q) {
    quarters[q] = temp_vector(quarter_bytes);
    if (bits != 0) constant_into(quarters[q], pool_.splat(0, 4, quarter_bytes));
    for (int l = q * per_quarter; l < std::min<int>(t.lanes, (q + 1) * per_quarter); ++l) {
      const std::uint32_t skip = bits != 0 ? fresh_label() : 0;
      const MachineMemory m = address(i.addr, l * i.imm);
      if (bits != 0) {
        emit(Op::test, in(bits, Kind::gpr32), imm(std::int64_t{1} << l));
        jump(Op::je, skip);
      }
      const int byte = (l % per_quarter) * size;
      insert_lane(quarters[q], byte, size, m);
      if (bits != 0) bind(skip);
    }
  }
  copy(i.dst, join_quarters(quarters.data(), bytes_of(t)));
}

void Selector::store_strided(const vir::Inst& i) {
  const vir::Type t = type(i.a);
  const int size = size_of(t.elem), per_quarter = quarter_bytes / size;
  if (t.lanes == 1 || i.imm == size) return store(i);
  if (i.mask != 0 && gather_or_scatter(i, i.a)) return;
  const VReg bits = i.mask == 0 ? 0 : lane_bits(memory_mask(i.mask, t), t);
  for (int q = 0; q < quarters_in(t); ++q) {
    const VReg quarter = quarter_of(i.a, bytes_of(t), q);
    for (int l = q * per_quarter; l < std::min<int>(t.lanes, (q + 1) * per_quarter); ++l) {
      const std::uint32_t skip = bits != 0 ? fresh_label() : 0;
      const MachineMemory m = address(i.addr, l * i.imm);
      if (bits != 0) {
        emit(Op::test, in(bits, Kind::gpr32), imm(std::int64_t{1} << l));
        jump(Op::je, skip);
      }
      extract_lane(m, quarter, (l % per_quarter) * size, size);
      if (bits != 0) bind(skip);
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

// Lanes arrive lowest first, into a quarter that is undefined or zero: the lowest may clear the rest.
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
