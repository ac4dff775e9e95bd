// Selection of loads, stores and prefetches. Values narrower than an xmm register move by 4 or 8
// bytes, so nothing outside a value's lanes is touched.
#include <algorithm>
#include <limits>

#include "loopnest/code.hpp"
#include "x86/select.hpp"

namespace loopnest::x86 {

void Selector::memory(const vir::Inst& i) {
  switch (i.op) {
    case VOp::load: return load(i);
    case VOp::load_splat: return load_splat(i);
    case VOp::load_strided: return load_strided(i);
    case VOp::store: return store(i);
    case VOp::store_strided: return store_strided(i);
    case VOp::store_stream: return store_stream(i);
    default: return prefetch(i);
  }
}

MachineMemory Selector::address(const vir::Address& a, std::int64_t extra) {
  const std::int64_t disp = a.disp + extra;
  if (disp >= std::numeric_limits<std::int32_t>::min() &&
      disp <= std::numeric_limits<std::int32_t>::max()) {
    return {.base = a.base, .index = a.index, .disp = static_cast<std::int32_t>(disp),
            .scale = a.scale};
  }
  const VReg far = temp_general();
  general_const(far, disp);
  emit(Op::add, or_memory(inout(far)), rm(a.base));
  return {.base = far, .index = a.index, .scale = a.scale};
}

MachineMemory Selector::constant_memory(std::uint32_t entry) const {
  return {.pool = entry, .where = Base::pool};
}

// ---- loads ----

void Selector::plain_load(VReg dst, vir::Type t, const MachineMemory& m) {
  const int bytes = bytes_of(t);
  const Op op = bytes == 4 ? Op::vmovss : bytes == 8 ? Op::vmovsd : Op::vmovups;
  emit(op, out(dst, vector_kind(bytes)), at(m));
}

void Selector::load(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (i.mask == 0) return plain_load(i.dst, t, address(i.addr));
  const VReg mask = memory_mask(i.mask, t);
  load_masked(i.dst, t, address(i.addr), mask);
}

void Selector::load_masked(VReg dst, vir::Type t, const MachineMemory& m, VReg mask) {
  if (wide()) {
    emit(by_size(t.elem, Op::vmovups, Op::vmovupd), out(dst), at(m), masked(mask, true));
  } else {
    emit(by_size(t.elem, Op::vmaskmovps, Op::vmaskmovpd), out(dst), in(mask), at(m));
  }
}

void Selector::load_splat(const vir::Inst& i) {
  const vir::Type t = type(i.dst);
  if (i.mask == 0) return splat_from(i.dst, t, address(i.addr));
  const VReg mask = memory_mask(i.mask, t);
  if (t.lanes == 1) return load_masked(i.dst, t, address(i.addr), mask);
  const MachineMemory m = address(i.addr);
  if (wide()) {
    const Op op = by_size(t.elem, Op::vbroadcastss, Op::vpbroadcastq);
    emit(op, out(i.dst), at(m), masked(mask, true));
    return;
  }
  // The element may be read only when some lane wants it.
  const std::uint32_t done = fresh_label();
  const VReg bits = lane_bits(mask, t), all = temp_vector(bytes_of(t));
  constant_into(i.dst, pool_.splat(0, 4, 16));
  emit(Op::test, in(bits), in(bits));
  jump(Op::je, done);
  splat_from(all, t, m);
  emit(Op::vandps, out(i.dst), in(all), rm(mask));
  bind(done);
}

void Selector::splat_from(VReg dst, vir::Type t, const MachineMemory& m) {
  if (t.lanes == 1) return plain_load(dst, t, m);
  const Op eight = bytes_of(t) == 16 ? Op::vmovddup : Op::vbroadcastsd;
  emit(by_size(t.elem, Op::vbroadcastss, eight), out(dst), at(m));
}

// ---- stores ----

void Selector::plain_store(const MachineMemory& m, VReg src, vir::Type t) {
  const int bytes = bytes_of(t);
  const Op op = bytes == 4 ? Op::vmovss : bytes == 8 ? Op::vmovsd : Op::vmovups;
  emit(op, at(m), in(src, vector_kind(bytes)));
}

void Selector::store(const vir::Inst& i) {
  const vir::Type t = type(i.a);
  if (i.mask == 0) return plain_store(address(i.addr), i.a, t);
  // A masked store takes AMD's AVX2 processors longer than a few plain ones.
  if (const int count = known_count(i.mask, t); count >= 0 && !wide()) {
    return store_first(i.addr, i.a, t, count);
  }
  const VReg mask = memory_mask(i.mask, t);
  const MachineMemory m = address(i.addr);
  if (wide()) {
    emit(by_size(t.elem, Op::vmovups, Op::vmovupd), at(m), in(i.a), masked(mask));
  } else {
    emit(by_size(t.elem, Op::vmaskmovps, Op::vmaskmovpd), at(m), in(mask), in(i.a));
  }
}

// The first `count` lanes, in the largest pieces that fit.
void Selector::store_first(const vir::Address& to, VReg src, vir::Type t, int count) {
  const int total = count * size_of(t.elem);
  if (total == bytes_of(t)) return plain_store(address(to), src, t);
  for (int at = 0; at < total;) {
    const VReg quarter = quarter_of(src, bytes_of(t), at / 16);
    const int left = std::min(total - at, 16), in_quarter = at % 16;
    const int piece = in_quarter == 8 ? 4 : left >= 16 ? 16 : left >= 8 ? 8 : 4;
    const MachineMemory m = address(to, at);
    if (piece == 16) emit(Op::vmovups, Selector::at(m), in(quarter, Kind::xmm));
    else extract_lane(m, quarter, in_quarter, piece);
    at += piece;
  }
}

void Selector::store_stream(const vir::Inst& i) {
  const vir::Type t = type(i.a);
  const MachineMemory m = address(i.addr);
  if (bytes_of(t) < 16) return plain_store(m, i.a, t);
  emit(Op::vmovntps, at(m), in(i.a));
}

void Selector::prefetch(const vir::Inst& i) {
  const Op op = i.imm == 0 ? Op::prefetcht0 : i.imm == 1 ? Op::prefetchw : Op::prefetcht1;
  emit(op, at(address(i.addr)));
}

}  // namespace loopnest::x86
