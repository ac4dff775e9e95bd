// Runs one nest text three ways and compares: the nest interpreter (oracle), the vector IR
// interpreter for every target, and machine code where the host can run it.
//
// Directives in the text's comments:
//   # tolerance 1e-5 1e-12  largest relative difference of f32, f64 (default 2e-6, 1e-14; one
//                           number is for both)
//   # inputs random|special floats in [0.5, 1.5) and small integers, or also inf, nan, denormals,
//                           huge values
//   # threads 3             threads of the frame
//   # error 7:5 TEXT        reading or compiling fails there with TEXT in the message
#pragma once

#include <string>

namespace nest_test {

// Empty when all is well, else what went wrong.
std::string check(const std::string& text);

}  // namespace nest_test
