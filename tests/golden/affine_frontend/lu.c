#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int lu(int64_t N, double A[restrict N][N]) {
  for (int64_t i = 0; i < N; ++i) {
    for (int64_t j = 0; j < i; ++j) {
      for (int64_t k = 0; k < j; ++k) {
        A[i][j] = A[i][j] - (A[i][k] * A[k][j]);
      }
      A[i][j] = A[i][j] / A[j][j];
    }
    for (int64_t j = i; j < N; ++j) {
      for (int64_t k = 0; k < i; ++k) {
        A[i][j] = A[i][j] - (A[i][k] * A[k][j]);
      }
    }
  }
  return 0;
}
