// Tree clean-up before separation: conditions that do not change inside a loop leave it.
//
//   for v .. { if c { A } else { B } }   ->   if c { for v .. { A } } else { for v .. { B } }
//
// Done for loops whose body is that `if` alone, and for innermost loops where the other nodes are
// few enough to write twice.
#pragma once

#include "nest/nest.hpp"

namespace loopnest {

void hoist_conditions(nest::Nest& nest);

}  // namespace loopnest
