/* mock_cudart.h: A CUDA RUNTIME WITHOUT A GPU: what src/infer/cuda calls, with streams that are threads,
 * memory and kernels that are the SIMT model's (tests/kernels/simt). It runs what the device does in the
 * orders that CUDA allows, the unkind ones among them, and refuses what CUDA refuses. tests/device/README.md
 * says what it shows and what it cannot.
 *
 * Late copies: a copy waits until somebody waits for it (an event behind it, its stream), or some
 * milliseconds have passed. Who reads before, or writes over its source, gets what was there. */
#ifndef TESTS_MOCK_CUDART_H
#define TESTS_MOCK_CUDART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mock_options {
    int devices;          /* 0 ... 8 */
    int arch;             /* compute capability of all of them, times ten */
    int images;           /* the newest capability that kernels were built for; older than arch: error 209 */
    int driver, runtime;  /* 13000 is CUDA 13.0; driver 0: none is installed */
    size_t memory_nbytes; /* of each device */
    size_t pinned_nbytes; /* of the host, that can be pinned */
    uint64_t seed;        /* of delays */
    unsigned delay_us;    /* operations wait up to this long */
    bool eager;           /* copies happen at once instead of late */
    long fail_call;       /* the Nth call (of `fail_name`, or of any) fails with fail_error; 0: none */
    char fail_name[40];
    int fail_error;
    /* The Nth kernel of fault_device faults: fault_error from then on; or does not end before mock_release.
     * 0: none. */
    long fault_launch, hang_launch;
    int fault_device, fault_error;
    /* At the end of the process: what is left and what was misused on stderr, and 99 as its status; with
     * `report` how much there was to do, too. */
    bool strict, report;
};

/* Defaults: one device 9.0 with 1 GiB, driver and runtime 13.0, late copies. */
struct mock_options mock_defaults(void);
/* Everything anew. A process starts with the defaults, but for what the environment has, by the names above
 * (without units): SLUICE_MOCK="devices=2 arch=80 memory=100000 fail_call=3 fail_name=cudaMalloc". */
void mock_reset(const struct mock_options *options);
/* What still exists: 0 when everything was given back. */
size_t mock_leaks(void);
long mock_calls(void);         /* since mock_reset */
const char *mock_failed(void); /* the name of the call that fail_call made fail, or NULL */
long mock_launches(void);      /* kernels that ran, on all devices */
void mock_release(void);       /* lets a hanging kernel end */
/* The first call that CUDA would not have allowed, or NULL: wrong device, illegal while capturing, memory
 * that is none, a stream destroyed with work. */
const char *mock_misuse(void);

#endif
