// The generator's table of contents: nest text -> machine code.
//
//   read, verify        text -> Nest                          csrc/nest
//   hoist, separate     Nest -> Nest with constant tiles      passes/simplify, passes/separate
//   expand              Nest -> vector IR                     passes/expand
//   generate            vector IR -> machine code             x86/generate
#include <chrono>

#include "loopnest/code.hpp"
#include "nest/nest.hpp"
#include "passes/expand.hpp"
#include "passes/separate.hpp"
#include "passes/simplify.hpp"
#include "x86/generate.hpp"

namespace loopnest {
namespace {

class Stopwatch {
 public:
  void lap(const char* pass) {
    auto now = Clock::now();
    times.push_back({pass, std::chrono::duration_cast<std::chrono::nanoseconds>(now - last_).count()});
    last_ = now;
  }
  std::vector<PassTime> times;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

void require_back_end(const Target& target) {
  if (target.isa != Isa::avx2 && target.isa != Isa::avx512)
    throw TargetError("no code generator for " + std::string(name_of(target.isa)) + " in this build");
}

}  // namespace

Code compile(std::string_view nest_text, const Target& target) {
  require_back_end(target);
  Stopwatch watch;
  nest::Nest nest = nest::read(nest_text);
  watch.lap("read");
  nest::verify(nest);
  watch.lap("verify");
  hoist_conditions(nest);
  separate(nest);
  watch.lap("separate");
  std::vector<std::string> diagnostics;
  vir::Module module = expand(nest, target, &diagnostics);
  watch.lap("expand");
#ifndef NDEBUG
  vir::verify(module, target);
  watch.lap("verify vector IR");
#endif
  Code code = x86::generate(module, target);
  std::vector<PassTime> inner = std::move(code.times);
  if (inner.empty()) watch.lap("generate");
  watch.times.insert(watch.times.end(), inner.begin(), inner.end());
  code.workspace_bytes = nest.shared_bytes;
  code.private_bytes = nest.private_bytes;
  code.diagnostics.insert(code.diagnostics.begin(), diagnostics.begin(), diagnostics.end());
  code.times = std::move(watch.times);
  return code;
}

}  // namespace loopnest
