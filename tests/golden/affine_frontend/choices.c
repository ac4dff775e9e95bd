#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static inline int64_t floor_div(int64_t a, int64_t d) {
  return a >= 0 ? a / d : -((d - 1 - a) / d);
}

static inline int64_t max_of(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static inline int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}

int choices(int64_t N, int64_t M, const float alpha, float A[restrict N][M + 1], float x[restrict N + 1]) {
  float total;
  float *restrict copy = malloc((size_t)(N) * sizeof(float) + 1);
  if (!copy) { return 1; }
  total = 0.0f;
  for (int64_t i = 0; i < floor_div(N + 1, 2); ++i) {
    {
      const float t1 = x[N - 2 * i - 1] > alpha || x[N - 2 * i - 1] != x[N - 2 * i - 1] ? x[N - 2 * i - 1] : alpha;
      copy[N - 2 * i - 1] = t1 > 0.0f || t1 != t1 ? t1 : 0.0f;
    }
    for (int64_t j = max_of(N - 2 * i - 4, 0); j < min_of(N - 2 * i - 1, M); ++j) {
      if (-j + 2 * floor_div(j, 2) >= 0) {
        A[N - 2 * i - 1][j] = (A[N - 2 * i - 1][j] > 0.5f) ? A[N - 2 * i - 1][j + 1] : ((float)((int64_t)(N - 2 * i - 1)) * 0.5f);
      }
      if (j - 2 * floor_div(j, 2) - 1 >= 0 && -N + 2 * i + j + 2 >= 0) {
        A[N - 2 * i - 1][j] = (A[N - 2 * i - 1][j] > 0.5f) ? A[N - 2 * i - 1][j + 1] : ((float)((int64_t)(N - 2 * i - 1)) * 0.5f);
      }
      if (j - 2 * floor_div(j, 2) - 1 >= 0 && N - 2 * i - j - 3 >= 0) {
        total = total + (A[N - 2 * i - 1][j] * copy[N - 2 * i - 1]);
      }
    }
  }
  x[0] = total;
  free(copy);
  return 0;
}
