/* strided.c: the strided copy of strided.h, an odometer over the dims. */
#include "ops/strided.h"

#include <string.h>

void strided_copy(size_t nbytes, int rank, const int64_t *dims, const char *x, const int64_t *x_strides,
                  char *y, const int64_t *y_strides) {
    int64_t at[SL_MAX_RANK] = {0}, xi = 0, yi = 0, count = 1;
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    for (int64_t n = 0; n < count; n++) {
        memcpy(y + yi * (int64_t)nbytes, x + xi * (int64_t)nbytes, nbytes);
        for (int d = rank - 1; d >= 0; d--) {
            xi += x_strides[d];
            yi += y_strides[d];
            if (++at[d] < dims[d])
                break;
            xi -= x_strides[d] * dims[d];
            yi -= y_strides[d] * dims[d];
            at[d] = 0;
        }
    }
}

void strided_dense(const sl_tensor *t, int64_t *strides) {
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        strides[i] = step;
        step *= t->dims[i];
    }
}

size_t strided_nbytes(const sl_tensor *t) {
    return sl_dtype_nbits(t->dtype) / 8;
}
