// What passes over vector IR need to know about one instruction.
#pragma once

#include "vector_ir/vector_ir.hpp"

namespace loopnest {

template <typename F>
void for_each_operand(const vir::Inst& i, F f) {
  for (vir::Reg r : {i.a, i.b, i.c, i.mask, i.addr.base, i.addr.index})
    if (r != 0) f(r);
}

inline bool is_load(vir::Op op) {
  return op == vir::Op::load || op == vir::Op::load_splat || op == vir::Op::load_strided;
}
inline bool is_store(vir::Op op) {
  return op == vir::Op::store || op == vir::Op::store_strided || op == vir::Op::store_stream;
}
inline bool is_control(vir::Op op) {
  switch (op) {
    case vir::Op::bind: case vir::Op::jump: case vir::Op::branch_if: case vir::Op::loop_begin:
    case vir::Op::loop_end: case vir::Op::parallel: case vir::Op::ret:
      return true;
    default:
      return false;
  }
}

// A counter or pointer that advances itself.
inline bool is_self_update(const vir::Inst& i) {
  return i.op == vir::Op::g_add && i.dst == i.a && i.b == 0;
}

}  // namespace loopnest
