#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int lu(int64_t N, double *restrict A) {
  for (int64_t k = 0; k < N; ++k) {
    for (int64_t i = k + 1; i < N; ++i) {
      A[i * N + k] = A[i * N + k] / A[k * N + k];
    }
    for (int64_t i = k + 1; i < N; ++i) {
      for (int64_t j = k + 1; j < N; ++j) {
        A[i * N + j] = A[i * N + j] - (A[i * N + k] * A[k * N + j]);
      }
    }
  }
  return 0;
}
