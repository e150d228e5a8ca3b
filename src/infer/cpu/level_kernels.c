/* level_kernels.c: which of the level kernels this machine runs. */
#include "infer/cpu/level_kernels.h"

#include "support/machine.h"

const struct level_kernels *level_kernels(void) {
    struct machine machine;
    machine_read(&machine);
    return machine.avx512 ? &level_kernels_avx512
           : machine.avx2 ? &level_kernels_avx2
                          : &level_kernels_portable;
}
