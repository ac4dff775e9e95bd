// The contract between generated code and its caller. Plain C layout: exported kernels use it too.
#pragma once

#include <cstdint>

extern "C" {

struct loopnest_frame;

// One slice [begin, end) of a parallel loop. `captures` are 8-byte slots filled by the parent.
typedef void (*loopnest_body)(struct loopnest_frame* frame, const int64_t* captures,
                              int64_t begin, int64_t end, int64_t thread);

// Runs `body` over [begin, end) on up to frame->threads threads; returns when all are done.
typedef void (*loopnest_parallel_for)(struct loopnest_frame* frame, loopnest_body body,
                                      const int64_t* captures, int64_t begin, int64_t end);

// One per call, built by the caller. Field order is fixed: generated code reads it by offset.
struct loopnest_frame {
  void* const* arguments;              //  0: data pointer of each argument array, in nest order
  char* workspace;                     //  8: buffers shared by all threads, 64-byte aligned
  char* private_workspace;             // 16: thread t owns [t * private_stride, + private_bytes)
  int64_t private_stride;              // 24: bytes, a multiple of 4096
  loopnest_parallel_for parallel_for;  // 32
  int64_t threads;                     // 40: >= 1
  void* team;                          // 48: opaque to generated code
};

// A compiled kernel. Returns nothing, keeps no state, obeys the System V calling convention.
typedef void (*loopnest_kernel)(struct loopnest_frame* frame);

}  // extern "C"
