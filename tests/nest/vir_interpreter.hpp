// Runs vector IR on any host: the meaning of each operator as vector_ir.hpp states it, one lane at
// a time. Every memory access is checked against the regions.
#pragma once

#include "loopnest/abi.hpp"
#include "loopnest/target.hpp"
#include "memory.hpp"
#include "vector_ir/vector_ir.hpp"

namespace nest_test {

// Parallel loops run their slices one after another, frame->threads of them.
void interpret(const loopnest::vir::Module& module, const loopnest_frame& frame,
               const Regions& regions);

}  // namespace nest_test
