// Many threads call parallel kernels at once, nest them, stop the team and fork, while every slice
// is counted. Built with the tsan and asan presets; exits with 0 when each count is right.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "runtime/frame.hpp"
#include "runtime/team.hpp"

namespace {

using namespace loopnest::runtime;

constexpr std::int64_t outer_count = 37, inner_count = 11;

void expect(bool good, const char* what) {
  if (good) return;
  std::fprintf(stderr, "team_stress: %s\n", what);
  std::_Exit(1);
}

void inner_body(loopnest_frame* frame, const std::int64_t* captures, std::int64_t begin,
                std::int64_t end, std::int64_t thread) {
  expect(thread >= 0 && thread < frame->threads, "thread number out of range");
  auto* row = reinterpret_cast<std::int64_t*>(captures[0]);
  for (std::int64_t i = begin; i < end; ++i) ++row[i];
}

void outer_body(loopnest_frame* frame, const std::int64_t* captures, std::int64_t begin,
                std::int64_t end, std::int64_t thread) {
  auto* mine = frame->private_workspace + thread * frame->private_stride;
  *reinterpret_cast<std::int64_t*>(mine) = thread;
  auto* counts = reinterpret_cast<std::int64_t*>(captures[0]);
  for (std::int64_t o = begin; o < end; ++o) {
    const std::int64_t row = reinterpret_cast<std::int64_t>(counts + o * inner_count);
    frame->parallel_for(frame, inner_body, &row, 0, inner_count);
  }
  expect(*reinterpret_cast<std::int64_t*>(mine) == thread, "private workspace is shared");
}

void kernel(loopnest_frame* frame) {
  const std::int64_t captures[] = {reinterpret_cast<std::int64_t>(frame->arguments[0])};
  for (int step = 0; step < 3; ++step)
    frame->parallel_for(frame, outer_body, captures, 0, outer_count);
}

void call_many(int calls, int threads) {
  std::vector<std::int64_t> counts(outer_count * inner_count);
  void* const arguments[] = {counts.data()};
  for (int call = 0; call < calls; ++call)
    call_kernel({kernel, 128, 8 + 5000 * (call % 2)}, arguments, threads);
  for (const std::int64_t count : counts) expect(count == 3 * calls, "an iteration ran not once");
}

void call_from_many_threads() {
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([caller] { call_many(200, 2 + caller); });
  for (int i = 0; i < 20; ++i) stop_team();
  for (std::thread& caller : callers) caller.join();
}

[[maybe_unused]] void call_in_a_child() {
  const pid_t child = fork();
  if (child == 0) {
    expect(team_workers() == 0, "a child inherited workers");
    call_many(10, 3);
    expect(team_workers() > 0, "a child started no workers");
    stop_team();
    std::_Exit(0);
  }
  int status = 1;
  expect(waitpid(child, &status, 0) == child && status == 0, "the child failed");
}

}  // namespace

int main() {
  set_thread_limit(6);
  call_many(200, 4);
  call_from_many_threads();
  call_many(5, 3);
#if !defined(__SANITIZE_THREAD__)  // which refuses new threads after a fork
  call_in_a_child();
#endif
  call_many(5, 3);
  stop_team();
  expect(team_workers() == 0, "workers outlive stop_team");
  return 0;
}
