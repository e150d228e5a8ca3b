/* row_kernels.c: which of the row kernels this machine runs. */
#include "infer/cpu/row_kernels.h"

#include "support/machine.h"

const struct row_kernels *row_kernels(void) {
    struct machine machine;
    machine_read(&machine);
    return machine.avx512 ? &row_kernels_avx512 : machine.avx2 ? &row_kernels_avx2 : &row_kernels_portable;
}
