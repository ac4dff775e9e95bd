// Separates full from partial tiles, so that vector and unroll loops get constant extents.
//
//   for o = 0 .. 3 {                          for o = 0 .. 2 { for v = 0 .. 8 vector { A } }
//     for v = 0 .. min(8, 20 - 8*o) vector -> for o = 2 .. 3 { for v = 0 .. 4 vector { A } }
//
// In: a verified nest. Out: the same meaning, with
//   - no bound or condition that the loops around it already imply, and no loop that never runs;
//   - vector and unroll loops of constant extent wherever a split of the innermost loop their
//     bounds depend on makes it so. What stays dynamic is the expansion's to handle;
//   - the facts of Loop filled in (nonempty, single_trip, var_min, ...).
#pragma once

#include "nest/nest.hpp"

namespace loopnest {

void separate(nest::Nest& nest);

}  // namespace loopnest
