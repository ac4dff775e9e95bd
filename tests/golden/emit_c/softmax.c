#include <math.h>
#include <stdint.h>
#include <stdlib.h>

int softmax(int64_t i, int64_t j, const float x[restrict i][j], float out[restrict i][j]) {
  float *restrict most = malloc((size_t)(i) * sizeof(float) + 1);
  if (!most) { return 1; }
  float (*restrict e)[j] = malloc((size_t)(i * j) * sizeof(float) + 1);
  if (!e) { free(most); return 1; }
  float *restrict total = malloc((size_t)(i) * sizeof(float) + 1);
  if (!total) { free(most); free(e); return 1; }
  for (int64_t i_i = 0; i_i < i; ++i_i) {
    most[i_i] = (-INFINITY);
    for (int64_t i_j = 0; i_j < j; ++i_j) {
      most[i_i] = most[i_i] > x[i_i][i_j] || most[i_i] != most[i_i] ? most[i_i] : x[i_i][i_j];
    }
  }
  for (int64_t i_i = 0; i_i < i; ++i_i) {
    for (int64_t i_j = 0; i_j < j; ++i_j) {
      e[i_i][i_j] = expf((x[i_i][i_j] - most[i_i]));
    }
  }
  for (int64_t i_i = 0; i_i < i; ++i_i) {
    total[i_i] = 0.0f;
    for (int64_t i_j = 0; i_j < j; ++i_j) {
      total[i_i] = total[i_i] + e[i_i][i_j];
    }
  }
  for (int64_t i_i = 0; i_i < i; ++i_i) {
    for (int64_t i_j = 0; i_j < j; ++i_j) {
      out[i_i][i_j] = e[i_i][i_j] / total[i_i];
    }
  }
  free(total);
  free(e);
  free(most);
  return 0;
}
