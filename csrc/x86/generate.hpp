// From vector IR to x86-64 machine code: select -> allocate registers -> emit.
#pragma once

#include "loopnest/code.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest::x86 {

Code generate(const vir::Module& module, const Target& target);

}  // namespace loopnest::x86
