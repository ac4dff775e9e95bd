#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int lu(int64_t N, double A[restrict N][N]) {
  for (int64_t k = 0; k < N; ++k) {
    for (int64_t i = k + 1; i < N; ++i) {
      A[i][k] = A[i][k] / A[k][k];
    }
    for (int64_t i = k + 1; i < N; ++i) {
      for (int64_t j = k + 1; j < N; ++j) {
        A[i][j] = A[i][j] - (A[i][k] * A[k][j]);
      }
    }
  }
  return 0;
}
