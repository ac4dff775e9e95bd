// The walk behind expand(): its state, and what each source file adds to it.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "passes/evaluator.hpp"
#include "passes/expand.hpp"

namespace loopnest {

class Expander {
 public:
  // `cuts`: by array, how vector loops treat it if it is a register array.
  Expander(const nest::Nest& nest, const Target& target, const std::vector<Cut>& cuts,
           std::vector<std::string>* diagnostics);
  vir::Module run();

 private:
  using Body = std::function<void()>;

  // The iteration space of a loop at run time: `first`, and how many from there.
  struct Iterations {
    Linear first, end, extent;
    bool is_constant() const { return extent.is_constant(); }
    bool is_fixed() const { return first.is_constant() && extent.is_constant(); }
  };
  // A loop being emitted; its variable is in `slot`, `left` counts iterations down.
  struct Running {
    vir::Reg var = 0, left = 0;
    Slot slot = 0;
    std::vector<Pointers::Advancing> moving;
  };
  // What the walk asks about a loop each time it comes by.
  struct Plan {
    bool known = false;
    int width = 1;            // lanes; 1: not run in lanes
    bool registers = false;   // its variable selects elements of register arrays
    std::int64_t weight = 0;  // of the body
  };
  struct Mark {
    std::size_t scope, pointers;
  };

  // ---- expand.cpp: nodes, branches, parallel loops ----
  void nodes(const std::vector<nest::Node>& list);
  void node(const nest::Loop& loop, std::int32_t offset);
  void node(const nest::Branch& branch, std::int32_t offset);
  void node(const nest::Store& store, std::int32_t offset);
  void node(const nest::Prefetch& prefetch, std::int32_t offset);
  // False, or jumps to `otherwise` at run time, when a condition does not hold.
  bool test(const nest::Branch& branch, vir::Label otherwise, bool* at_run_time);
  void parallel_loop(const nest::Loop& loop);
  std::int64_t parallel_body(const nest::Loop& loop, std::vector<Slot>* captured);
  void body_of(const nest::Loop& loop);  // one iteration; register arrays of its scope are new
  void note(std::int32_t offset);
  Mark mark() const { return {scope_.mark(), function_->pointers.mark()}; }
  void leave(Mark mark) {
    scope_.leave(mark.scope);
    function_->pointers.leave(mark.pointers);
  }

  // ---- expand_loops.cpp: sequential and unrolled loops ----
  void seq_loop(const nest::Loop& loop);
  void unrolled(const nest::Loop& loop, const Iterations& space);
  void run_time_loop(const nest::Loop& loop, const Iterations& space, bool nonempty);
  void single_iteration(const nest::Loop& loop, const Iterations& space);
  Iterations iterations_of(const nest::Loop& loop);
  Linear combined(const std::vector<nest::Form>& bounds, bool greatest);
  void skip_if_empty(bool nonempty, const Iterations& space, vir::Label end);
  void skip_unless_positive(Linear form, vir::Label end);
  Running start(const nest::Loop& loop, const Iterations& space, vir::Reg first);
  void repeat(Running& running, const Iterations& space, std::int64_t step, const Body& body);
  void repeat_while(Running& running, std::int64_t step, const Body& body);
  void advance(const Running& running, std::int64_t step);
  void close_loop(std::size_t begin);  // after the branch back; improves the loop as a whole
  bool should_unroll(const nest::Loop& loop, const Iterations& space);
  bool must_test(const nest::Loop& loop);
  void unrolled_with_tests(const nest::Loop& loop);

  // ---- expand_vector.cpp: vector loops ----
  void vector_loop(const nest::Loop& loop);
  void chunks_unrolled(const nest::Loop& loop, const Iterations& space, int width);
  void chunks_masked(const nest::Loop& loop, const Iterations& space, int width);
  std::int64_t register_offset(const nest::Loop& loop);
  bool begins_a_block(const nest::Loop& loop, const Iterations& space, int width);
  bool has_small_box(const nest::Loop& loop);
  std::pair<std::int64_t, std::int64_t> values_in_registers(const nest::Loop& loop);
  void chunks_in_box(const nest::Loop& loop, const Iterations& space, int width);
  void chunks_repeated(const nest::Loop& loop, const Iterations& space, int width);
  void chunk_tail(const nest::Loop& loop, Running& running, int width);
  void chunk(const nest::Loop& loop, const Linear& base, const Lanes& lanes);
  void full_chunks(const nest::Loop& loop, const Linear& base, int width, std::int64_t count);
  int width_of(const nest::Loop& loop);
  const Plan& plan_of(const nest::Loop& loop);
  int piece_width(const nest::Loop& loop, std::int64_t live, std::int64_t extent, int width);
  std::int64_t chunks_per_iteration(const nest::Loop& loop, int width);
  bool touches_cut(const nest::Loop& loop, Cut cut) const;

  // ---- expand_facts.cpp: what the walk wants to know beforehand ----
  void find_ranges();
  void find_register_scopes();
  void find_widths();

  Emitter& emitter() { return function_->emitter; }

  const nest::Nest& nest_;
  const Target& target_;
  const std::vector<Cut>& cuts_;
  std::vector<std::string>* diagnostics_;
  Scope scope_;
  Evaluator evaluator_;
  FunctionState* function_ = nullptr;
  vir::Module module_;
  std::vector<std::vector<std::int32_t>> arrays_of_;  // by variable: register arrays that live in it
  std::deque<Plan> plans_;              // by loop number; references stay good
  std::vector<int> widest_;             // by register array: bytes of the widest statement on it
  std::vector<std::size_t> line_starts_;
  std::int32_t noted_ = -1;             // offset of the latest note
};

}  // namespace loopnest
