// The back end's test program: vector IR built by hand, generated for both x86 targets, run on the
// one this machine has. Prints what failed; the exit code says whether anything did.
#include <unistd.h>

#include "backend_support.hpp"

asm(R"(
  .intel_syntax noprefix
  .text
  .globl backend_test_call
backend_test_call:
  push rbp
  push rbx
  push r12
  push r13
  push r14
  push r15
  sub rsp, 8
  mov rax, rdi
  mov rdi, rsi
  mov ebx, 0x1111
  mov ebp, 0x2222
  mov r12d, 0x3333
  mov r13d, 0x4444
  mov r14d, 0x5555
  mov r15, rsp
  call rax
  xor eax, eax
  mov edx, 1
  cmp rbx, 0x1111
  cmovne eax, edx
  cmp rbp, 0x2222
  cmovne eax, edx
  cmp r12, 0x3333
  cmovne eax, edx
  cmp r13, 0x4444
  cmovne eax, edx
  cmp r14, 0x5555
  cmovne eax, edx
  cmp r15, rsp
  cmovne eax, edx
  add rsp, 8
  pop r15
  pop r14
  pop r13
  pop r12
  pop rbx
  pop rbp
  ret
  .att_syntax
)");

namespace backend_test {
namespace {

// The emulator's process: requests to its standard input, answers from its standard output.
std::FILE *requests = nullptr, *answers = nullptr;

bool processor_runs(const Target& t) {
  if (t.isa == Isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

void start_emulator(const char* command) {
  int to[2], from[2];
  if (pipe(to) != 0 || pipe(from) != 0) std::abort();
  if (fork() == 0) {
    dup2(to[0], 0), dup2(from[1], 1);
    for (const int fd : {to[0], to[1], from[0], from[1]}) close(fd);
    execl("/bin/sh", "sh", "-c", command, nullptr);
    _exit(127);
  }
  close(to[0]), close(from[1]);
  requests = fdopen(to[1], "wb");
  answers = fdopen(from[0], "rb");
}

void send(std::uint64_t value) { std::fwrite(&value, 8, 1, requests); }
void send_address(const void* p) { send(reinterpret_cast<std::uintptr_t>(p)); }

void receive(void* to, std::size_t size) {
  if (size != 0 && std::fread(to, size, 1, answers) != 1) {
    std::printf("the emulator died\n");
    std::exit(1);
  }
}

}  // namespace

bool is_emulated(const Target& t) { return !processor_runs(t) && requests != nullptr; }
bool host_runs(const Target& t) { return processor_runs(t) || is_emulated(t); }

void run_emulated(loopnest_kernel entry, loopnest_frame* frame) {
  send_address(reinterpret_cast<const void*>(entry));
  send_address(frame);
  send_address(reinterpret_cast<const void*>(frame->parallel_for));
  send(visible.size());
  for (const Region& r : visible) {
    send_address(r.address), send(r.size);
    std::fwrite(r.address, 1, r.size, requests);
  }
  std::fflush(requests);
  std::uint64_t failed = 0;
  receive(&failed, 8);
  if (failed != 0) {
    std::string message(failed, ' ');
    receive(message.data(), failed);
    return check(false, "emulator: " + message);
  }
  for (const Region& r : visible) {
    std::vector<char> now(r.size);
    receive(now.data(), r.size);
    if (std::memcmp(now.data(), r.address, r.size) != 0) {
      std::memcpy(const_cast<void*>(r.address), now.data(), r.size);
    }
  }
}

void test_operators();
void test_memory();
void test_kernels();
void test_random_programs(int count);
}  // namespace backend_test

// Arguments: the number of random programs; a command that runs the emulator, for targets this
// processor lacks (python -m emulator.serve).
int main(int argc, char** argv) {
  if (argc > 2) backend_test::start_emulator(argv[2]);
  backend_test::test_operators();
  backend_test::test_memory();
  backend_test::test_kernels();
  backend_test::test_random_programs(argc > 1 ? std::atoi(argv[1]) : 1000);
  std::printf(backend_test::failures == 0 ? "ok\n" : "%d failures\n", backend_test::failures);
  return backend_test::failures != 0;
}
