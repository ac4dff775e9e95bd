// select -> allocate registers -> emit, for each function of a module; then the constants.
#include "x86/generate.hpp"

#include <chrono>

#include "passes/register_allocation.hpp"
#include "x86/emit.hpp"
#include "x86/select.hpp"

namespace loopnest::x86 {
namespace {

class Stopwatch {
 public:
  // Nanoseconds since the last lap.
  std::int64_t lap() {
    const auto now = std::chrono::steady_clock::now();
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now - last_).count();
    last_ = now;
    return ns;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

struct Times {
  std::int64_t select = 0, allocate = 0, emit = 0;
};

// Values, not constants, that move to and from the stack inside a loop.
int vector_spills_in_loops(const MachineFunction& f, const passes::Allocation& a) {
  int count = 0;
  for (std::size_t r = 1; r < f.registers.size(); ++r) {
    count += a.spilled[r] && a.depth[r] > 0 && f.registers[r].cls == vector_class &&
             f.registers[r].pool < 0;
  }
  return count;
}

std::string spill_diagnostic(int count, const Target& target, std::size_t function) {
  std::string where = function == 0 ? "the kernel" : "parallel body " + std::to_string(function);
  return std::to_string(count) + " vector values of " + where +
         " spill inside loops: they do not fit " + std::to_string(target.vector_registers()) +
         " registers";
}

class Generator {
 public:
  Generator(const vir::Module& module, const Target& target) : module_(module), target_(target) {}

  Code run() {
    Stopwatch watch;
    for (std::size_t k = 0; k < module_.functions.size(); ++k) labels_.push_back(out_.new_label());
    for (std::size_t k = 0; k < module_.functions.size(); ++k) function(k);
    code_.text_size_bytes = out_.size();
    watch.lap();
    pool_.write(out_);
    code_.bytes = out_.finish();
    times_.emit += watch.lap();
    code_.workspace_bytes = module_.workspace_bytes;
    code_.private_bytes = module_.private_bytes;
    code_.times = {{"select", times_.select},
                   {"allocate registers", times_.allocate},
                   {"emit", times_.emit}};
    return std::move(code_);
  }

 private:
  void function(std::size_t k) {
    Stopwatch watch;
    const vir::Function& source = module_.functions[k];
    const MachineFunction machine = select(module_, source, target_, pool_);
    times_.select += watch.lap();
    const passes::Allocation allocation = passes::allocate_registers(machine.allocation);
    times_.allocate += watch.lap();
    const NoteOffsets notes = emit_function(machine, allocation, labels_[k], labels_, pool_, out_);
    for (const auto& [offset, note] : notes) {
      code_.notes.emplace_back(offset, source.notes[note].second);
    }
    if (const int spills = vector_spills_in_loops(machine, allocation); spills > 0) {
      code_.diagnostics.push_back(spill_diagnostic(spills, target_, k));
    }
    times_.emit += watch.lap();
  }

  const vir::Module& module_;
  const Target& target_;
  ConstantPool pool_;
  Assembler out_;
  FunctionLabels labels_;
  Times times_;
  Code code_;
};

}  // namespace

Code generate(const vir::Module& module, const Target& target) {
  if (target.isa != Isa::avx2 && target.isa != Isa::avx512) {
    throw TargetError("x86-64 code generation has no target named " +
                      std::string(name_of(target.isa)));
  }
  return Generator(module, target).run();
}

}  // namespace loopnest::x86
