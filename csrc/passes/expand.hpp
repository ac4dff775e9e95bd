// A separated nest to vector IR: unrolls, vectorises and strength-reduces while walking the tree
// once. What the parts are:
//
//   expander.hpp, expand*.cpp   the walk: loops, branches, parallel bodies, chunks of vector loops
//   scope, linear               what loop variables are; subscripts over run-time slots
//   pointers                    addresses
//   evaluator                   statements: expressions, memory and register arrays
//   emitter, value_table        instructions, each value once
//   cleanup                     loop-invariant code, dead code, undefined registers
#pragma once

#include <string>
#include <vector>

#include "loopnest/target.hpp"
#include "nest/nest.hpp"
#include "vector_ir/vector_ir.hpp"

namespace loopnest {

// Throws NestError for what cannot be expanded (a register subscript that stays dynamic).
vir::Module expand(const nest::Nest& nest, const Target& target,
                   std::vector<std::string>* diagnostics);

}  // namespace loopnest
