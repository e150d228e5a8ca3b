/* kernel_rig.h: the harness of the kernels' tests: buffers on the "device", a launch in every order the model
 * knows, and the comparison with the references of src/ops.
 *
 *     rig_random(host, K_F16, n, 4);                 numbers
 *     void *x = rig_put(host, n * 2), *y = rig_room(n * 2);
 *     struct k_some args = {...};
 *     RIG_RUN(k_some_launch, &args, y, n * 2);       the same bits in every order, or the test fails
 *     rig_close("some", K_F16, y, want, n, 1e-3, 1e-3);
 *
 * Device memory is exactly as large as asked for and uninitialised, so what a kernel reads or writes beyond
 * its tensors is seen. rig_clear ends a test. */
#ifndef TESTS_KERNEL_RIG_H
#define TESTS_KERNEL_RIG_H

#include "infer/cuda/kernels/k_types.h"
#include "ops/op.h"
#include "unit/harness.h"

#include "simt.h"

size_t rig_size(enum k_type type);
double rig_get(enum k_type type, const void *p, size_t i);
void rig_set(enum k_type type, void *p, size_t i, double value); /* rounded to the type */
sl_dtype rig_dtype(enum k_type type);

/* The same numbers in every run; rig_seed begins again. */
void rig_seed(uint64_t seed);
double rig_uniform(double low, double high);
/* n numbers of the type between -scale and scale; integers are whole. */
void rig_random(void *p, enum k_type type, size_t n, double scale);

/* On the device; freed by rig_clear. */
void *rig_put(const void *host, size_t nbytes);
void *rig_room(size_t nbytes);
void rig_fetch(void *host, const void *device, size_t nbytes);
void rig_clear(void);

/* Orders: forward, reverse with eager copies, then random ones (2, or as many as SIMT_SEEDS says). */
bool rig_order(int i); /* sets the i-th; false: there is none */
void rig_before(void *y, const void *begin, size_t nbytes);
void rig_after(const char *what, int order, int err, const void *y, size_t nbytes);

/* Launches in every order; y is poisoned before each, or set to what the host has at `begin` (kernels that
 * work in place or add to what is there). */
#define RIG_RUN_OVER(launch, args, y, begin, nbytes)                                                         \
    do {                                                                                                     \
        for (int order_ = 0; rig_order(order_); order_++) {                                                  \
            rig_before(y, begin, nbytes);                                                                    \
            int err_ = launch(args, NULL);                                                                   \
            rig_after(#launch, order_, err_, y, nbytes);                                                     \
        }                                                                                                    \
    } while (0)
#define RIG_RUN(launch, args, y, nbytes) RIG_RUN_OVER(launch, args, y, NULL, nbytes)

/* Launches once more and counts bank conflicts: the worst ldmatrix and the worst other access of a warp may
 * cost that many passes over the banks more than one. Builds that do not see plain accesses count ldmatrix,
 * cp.async and the 16-byte wrappers alone. */
#define RIG_CONFLICTS(launch, args, ldmatrix, access)                                                        \
    do {                                                                                                     \
        rig_count_conflicts();                                                                               \
        int err_ = launch(args, NULL);                                                                       \
        rig_conflicts(#launch, err_, ldmatrix, access);                                                      \
    } while (0)
void rig_count_conflicts(void);
void rig_conflicts(const char *what, int err, unsigned ldmatrix, unsigned access);

/* |got - want| <= absolute + relative * |want| for each of n elements; NaN matches NaN. got is the device's,
 * want the host's, both of the type. */
void rig_close(const char *what, enum k_type type, const void *got, const void *want, size_t n,
               double absolute, double relative);

/* Runs the operator's reference. The outputs' shapes are set by the caller. */
void rig_reference(const char *domain, const char *name, int64_t opset, const struct attr *attrs,
                   size_t attr_count, const sl_tensor *const *in, size_t in_count, sl_tensor *const *out,
                   size_t out_count);
/* A tensor over the host's memory. */
sl_tensor rig_tensor(enum k_type type, void *data, int rank, const int64_t *dims);

#endif
