#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static inline int64_t min_of(int64_t a, int64_t b) {
  return a < b ? a : b;
}

static void matmul_nest(void *const *arguments, char *shared, char *private) {
  (void)private;
  float *restrict A = arguments[0];
  (void)A;
  float *restrict B = arguments[1];
  (void)B;
  float *restrict C = arguments[2];
  (void)C;
  float *restrict Bp = (void *)(shared + 0);
  (void)Bp;
  float C_acc[4];
  for (int64_t C_no = 0; C_no < 2; ++C_no) {
    for (int64_t Bp_k = 0; Bp_k < 5; ++Bp_k) {
      for (int64_t Bp_ni = 0; Bp_ni < min_of(4, 6 - 4 * C_no); ++Bp_ni) {
        Bp[4 * Bp_k + Bp_ni] = B[6 * Bp_k + Bp_ni + 4 * C_no];
      }
    }
    for (int64_t C_m = 0; C_m < 3; ++C_m) {
      for (int64_t C_ni = 0; C_ni < 4; ++C_ni) {
        C_acc[C_ni] = 0.0f;
      }
      for (int64_t C_k = 0; C_k < 5; ++C_k) {
        for (int64_t C_ni = 0; C_ni < min_of(4, 6 - 4 * C_no); ++C_ni) {
          C_acc[C_ni] = C_acc[C_ni] + (A[C_k + 5 * C_m] * Bp[4 * C_k + C_ni]);
        }
      }
      for (int64_t C_ni = 0; C_ni < min_of(4, 6 - 4 * C_no); ++C_ni) {
        C[6 * C_m + C_ni + 4 * C_no] = C_acc[C_ni];
      }
    }
  }
}

int matmul(const float A[restrict 3][5], const float B[restrict 5][6], float C[restrict 3][6]) {
  void *const arguments[] = {(void *)A, (void *)B, (void *)C};
  char *workspace = malloc(128);
  if (!workspace) { return 1; }
  matmul_nest(arguments, workspace, workspace + 128);
  free(workspace);
  return 0;
}
