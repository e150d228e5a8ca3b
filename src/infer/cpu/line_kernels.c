/* line_kernels.c: which of the line kernels this machine runs. */
#include "infer/cpu/line_kernels.h"

#include "support/machine.h"

const struct line_kernels *line_kernels(void) {
    struct machine machine;
    machine_read(&machine);
    return machine.avx512 ? &line_kernels_avx512 : machine.avx2 ? &line_kernels_avx2 : &line_kernels_portable;
}
