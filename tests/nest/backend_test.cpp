// The back end's test program: vector IR built by hand, generated for both x86 targets, run on the
// one this machine has. Prints what failed; the exit code says whether anything did.
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
void test_operators();
void test_memory();
void test_kernels();
void test_random_programs(int count);
}  // namespace backend_test

// An argument is the number of random programs.
int main(int argc, char** argv) {
  backend_test::test_operators();
  backend_test::test_memory();
  backend_test::test_kernels();
  backend_test::test_random_programs(argc > 1 ? std::atoi(argv[1]) : 1000);
  std::printf(backend_test::failures == 0 ? "ok\n" : "%d failures\n", backend_test::failures);
  return backend_test::failures != 0;
}
