// The thread team: a few persistent workers behind loopnest_parallel_for.
//
//   caller (thread 0)          worker 1 .. n-1
//   publish job, ring bells -> spin, then sleep on the own bell
//   run slice 0                run slice t, then pieces of others' slices
//   spin, then sleep       <-  last one out counts `running` down to zero
//
// Invariants
// * One team per process, created on the first parallel call, never for calls with one thread.
// * One call owns the team at a time. A second caller does not wait: it runs serially. So does a
//   parallel loop inside a parallel loop. Iterations are independent: results are the same bits.
// * Thread t of T runs the t-th of T equal slices, piece by piece from its front: the same thread
//   touches the same memory in every loop. A thread that is done takes pieces from the ends of other
//   slices, so that triangles and interrupted threads do not keep the others waiting.
// * Workers adopt the caller's floating-point mode (rounding, denormals) for each job.
// * A forked child starts with no workers and makes its own when it needs them.
#pragma once

#include <cstdint>

#include "loopnest/abi.hpp"

namespace loopnest::runtime {

// The most threads any call may use. 0 restores the default, available_cpus() at that moment.
void set_thread_limit(int limit);
int thread_limit();

// Workers alive now (0 before the first parallel call and in a fresh child).
int team_workers();

// Joins every worker; the next parallel call starts new ones. Does nothing while a call runs.
void stop_team();

// Owns the team for one kernel call when more than one thread is wanted and the team is free.
class TeamLease {
 public:
  explicit TeamLease(int wanted_threads);
  ~TeamLease();
  TeamLease(const TeamLease&) = delete;
  TeamLease& operator=(const TeamLease&) = delete;

  // 1 when the call must run serially.
  int threads() const { return threads_; }
  // The value of loopnest_frame::parallel_for for this call.
  loopnest_parallel_for parallel_for() const;

 private:
  int threads_;
};

}  // namespace loopnest::runtime
