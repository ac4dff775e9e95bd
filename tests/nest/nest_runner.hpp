// Runs one nest text three ways and compares: the nest interpreter (oracle), the vector IR
// interpreter for every target, and machine code where the host can run it.
//
// Directives in the text's comments:
//   # roundings 18          floats may differ by so many units in the last place (default: equal)
//   # inputs random|special floats in [0.5, 1.5) and small integers, or also inf, nan, denormals,
//                           huge values
#pragma once

#include <string>

namespace nest_test {

// Empty when all is well, else what went wrong.
std::string check(const std::string& text);

}  // namespace nest_test
