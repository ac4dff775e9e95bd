#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int matmul(int64_t m, int64_t k, int64_t n, const float A[restrict m][k], const float B[restrict k][n], float C[restrict m][n]) {
  for (int64_t i_m = 0; i_m < m; ++i_m) {
    for (int64_t i_n = 0; i_n < n; ++i_n) {
      C[i_m][i_n] = 0.0f;
      for (int64_t i_k = 0; i_k < k; ++i_k) {
        C[i_m][i_n] = C[i_m][i_n] + (A[i_m][i_k] * B[i_k][i_n]);
      }
    }
  }
  return 0;
}
