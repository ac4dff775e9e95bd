// Random nests: copies, small contractions, triangles and row reductions with random sizes, splits,
// loop kinds and element types.
#pragma once

#include <string>

namespace nest_test {

std::string random_nest(unsigned seed);

}  // namespace nest_test
