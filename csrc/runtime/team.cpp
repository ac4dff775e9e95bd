#include "runtime/team.hpp"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <new>
#include <system_error>
#include <thread>

#include "runtime/cpu_count.hpp"
#include "runtime/float_mode.hpp"
#include "runtime/spin.hpp"

namespace loopnest::runtime {
namespace {

// More than any machine this is for; bounds what a typing mistake can start.
constexpr int most_threads = 512;
// Enough to even out the iterations of a triangle to a few per cent.
constexpr std::int64_t most_pieces = 8;

struct Job {
  loopnest_frame* frame = nullptr;
  loopnest_body body = nullptr;
  const std::int64_t* captures = nullptr;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  int slices = 0;  // one a thread
  int pieces = 0;  // of every slice
  FloatMode float_mode{};
};

struct alignas(64) Worker {
  std::atomic<std::uint32_t> bell{0};  // rung once per job
  std::thread thread;
};

// The pieces of a job that one thread has not begun: [first, end) in one word. The owner takes the
// first, thieves take the last.
class alignas(64) Share {
 public:
  void reset(std::uint32_t first, std::uint32_t end) {
    left_.store(pack(first, end), std::memory_order_relaxed);
  }
  bool take_first(std::uint32_t* piece) { return take(piece, true); }
  bool take_last(std::uint32_t* piece) { return take(piece, false); }

 private:
  static std::uint64_t pack(std::uint32_t first, std::uint32_t end) {
    return std::uint64_t{first} << 32 | end;
  }
  bool take(std::uint32_t* piece, bool front) {
    std::uint64_t left = left_.load(std::memory_order_relaxed);
    for (;;) {
      const auto first = static_cast<std::uint32_t>(left >> 32), end = static_cast<std::uint32_t>(left);
      if (first >= end) return false;
      *piece = front ? first : end - 1;
      const std::uint64_t rest = front ? pack(first + 1, end) : pack(first, end - 1);
      if (left_.compare_exchange_weak(left, rest, std::memory_order_relaxed)) return true;
    }
  }

  std::atomic<std::uint64_t> left_{0};
};

// What the thread that runs now is in the running job; a nested loop keeps the outer loop's
// thread number because the number selects the private workspace.
struct Place {
  bool inside_job = false;
  int thread = 0;
};
thread_local Place place;

void run_piece(const Job& job, std::uint32_t piece, int thread) {
  const std::int64_t count = job.end - job.begin;
  const auto total = static_cast<std::int64_t>(job.slices) * job.pieces;
  const std::int64_t part = count / total, rest = count % total, p = piece;
  const std::int64_t begin = job.begin + part * p + std::min(p, rest);
  job.body(job.frame, job.captures, begin, begin + part + (p < rest ? 1 : 0), thread);
}

class Team {
 public:
  bool try_acquire() {
    return !owned_.load(std::memory_order_relaxed) &&
           !owned_.exchange(true, std::memory_order_acquire);
  }
  void release() { owned_.store(false, std::memory_order_release); }

  // The methods below are for the owner only.
  int grow(int threads);
  void run(const Job& job);
  void stop();
  void forget_workers();

  int workers() const { return alive_.load(std::memory_order_relaxed); }

 private:
  void serve(int thread);
  void run_slice(int thread);
  void ring(Worker& worker);
  void wait_for_workers();
  int spin_us() const;

  std::atomic<bool> owned_{false};
  std::atomic<int> alive_{0};
  std::atomic<bool> stopping_{false};
  Job job_;  // written by the owner while no worker runs
  // Worker w is thread w + 1. All slots exist from the start, so that growing moves nothing.
  const std::unique_ptr<Worker[]> workers_{new Worker[most_threads]};
  const std::unique_ptr<Share[]> shares_{new Share[most_threads]};
  alignas(64) std::atomic<std::uint32_t> running_{0};
  std::atomic<int> cpus_{1};
};

// Never destroyed: workers may outlive static destructors when the process exits abruptly.
Team& team() {
  static Team* const instance = new Team;
  return *instance;
}

// Waiting hot pays only while every thread of the team can have its own CPU.
int Team::spin_us() const { return workers() < cpus_.load(std::memory_order_relaxed) ? 50 : 0; }

void Team::ring(Worker& worker) {
  worker.bell.fetch_add(1, std::memory_order_release);
  worker.bell.notify_one();
}

void Team::serve(int thread) {
  Worker& self = workers_[thread - 1];
  std::uint32_t bell = 0;
  for (;;) {
    bell = spin_then_sleep(self.bell, bell, spin_us());
    if (stopping_.load(std::memory_order_relaxed)) return;
    apply_float_mode(job_.float_mode);
    run_slice(thread);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

// Signals belong to the program's own threads, so workers start with all of them blocked.
class BlockSignals {
 public:
  BlockSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

int Team::grow(int threads) {
  const int wanted = std::min(threads, most_threads) - 1;
  if (workers() >= wanted) return wanted + 1;
  cpus_.store(available_cpus(), std::memory_order_relaxed);
  const BlockSignals blocked;
  while (workers() < wanted) {
    const int next = workers();
    Worker& worker = workers_[next];
    worker.bell.store(0, std::memory_order_relaxed);
    try {
      worker.thread = std::thread([this, next] { serve(next + 1); });
    } catch (const std::system_error&) {
      break;  // the system refuses more threads: go on with those we have
    }
    alive_.store(next + 1, std::memory_order_relaxed);
  }
  return workers() + 1;
}

void Team::wait_for_workers() {
  std::uint32_t left;
  while ((left = running_.load(std::memory_order_acquire)) != 0)
    spin_then_sleep(running_, left, spin_us());
}

// The own slice from its front, then what others have left from their ends.
void Team::run_slice(int thread) {
  const Place outer = place;
  place = {true, thread};
  std::uint32_t piece;
  while (shares_[thread].take_first(&piece)) run_piece(job_, piece, thread);
  for (int t = 1; t < job_.slices; ++t) {
    Share& other = shares_[(thread + t) % job_.slices];
    while (other.take_last(&piece)) run_piece(job_, piece, thread);
  }
  place = outer;
}

void Team::run(const Job& job) {
  job_ = job;
  const auto pieces = static_cast<std::uint32_t>(job.pieces);
  for (std::uint32_t t = 0; t < static_cast<std::uint32_t>(job.slices); ++t)
    shares_[t].reset(t * pieces, (t + 1) * pieces);
  running_.store(static_cast<std::uint32_t>(job.slices - 1), std::memory_order_relaxed);
  for (int w = 0; w < job.slices - 1; ++w) ring(workers_[w]);
  run_slice(0);
  wait_for_workers();
}

void Team::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  for (int w = 0; w < workers(); ++w) ring(workers_[w]);
  for (int w = 0; w < workers(); ++w) workers_[w].thread.join();
  alive_.store(0, std::memory_order_relaxed);
  stopping_.store(false, std::memory_order_relaxed);
}

// In a forked child: the threads are gone, their handles must not be joined.
void Team::forget_workers() {
  for (int w = 0; w < most_threads; ++w)
    new (&workers_[w].thread) std::thread();  // drops the stale handle without a destructor
  alive_.store(0, std::memory_order_relaxed);
  running_.store(0, std::memory_order_relaxed);
  owned_.store(false, std::memory_order_relaxed);
}

void serial_for(loopnest_frame* frame, loopnest_body body, const std::int64_t* captures,
                std::int64_t begin, std::int64_t end) {
  if (begin < end) body(frame, captures, begin, end, place.thread);
}

void team_for(loopnest_frame* frame, loopnest_body body, const std::int64_t* captures,
              std::int64_t begin, std::int64_t end) {
  const std::int64_t slices = std::min(frame->threads, end - begin);
  if (slices <= 1 || place.inside_job) return serial_for(frame, body, captures, begin, end);
  const std::int64_t pieces = std::min(most_pieces, (end - begin) / slices);
  team().run({frame, body, captures, begin, end, static_cast<int>(slices),
              static_cast<int>(pieces), current_float_mode()});
}

std::atomic<int> limit{0};  // 0: not decided yet

void after_fork_in_child() {
  place = {};
  team().forget_workers();
}

// The handler stays installed for good; it is registered before the first worker exists.
void register_fork_handler() {
  static const int once = pthread_atfork(nullptr, nullptr, after_fork_in_child);
  (void)once;
}

}  // namespace

void set_thread_limit(int new_limit) {
  const int value = new_limit > 0 ? new_limit : available_cpus();
  limit.store(std::min(value, most_threads), std::memory_order_relaxed);
}

int thread_limit() {
  if (limit.load(std::memory_order_relaxed) == 0) set_thread_limit(0);
  return limit.load(std::memory_order_relaxed);
}

int team_workers() { return team().workers(); }

void stop_team() {
  if (!team().try_acquire()) return;
  team().stop();
  team().release();
}

TeamLease::TeamLease(int wanted_threads) : threads_(1) {
  if (wanted_threads <= 1 || place.inside_job) return;
  const int wanted = std::min(wanted_threads, thread_limit());
  if (wanted <= 1 || !team().try_acquire()) return;
  register_fork_handler();
  threads_ = std::min(wanted, team().grow(wanted));
  if (threads_ == 1) team().release();
}

TeamLease::~TeamLease() {
  if (threads_ > 1) team().release();
}

loopnest_parallel_for TeamLease::parallel_for() const {
  return threads_ > 1 ? team_for : serial_for;
}

}  // namespace loopnest::runtime
