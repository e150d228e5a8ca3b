/* device_fake.h: a device that computes a plan with the references, slowly and in one thread, and fails when
 * told to. For the executor's tests, without hardware. */
#ifndef TESTS_DEVICE_FAKE_H
#define TESTS_DEVICE_FAKE_H

#include "infer/device.h"

/* Read by the fake at every batch; set before load. */
struct fake_settings {
    unsigned depth;        /* batches in flight, at least 1 */
    unsigned delay_us;     /* up to that long a batch, at random */
    uint64_t fail_batch;   /* the n-th batch (from 1) comes back with an error; 0: none */
    uint64_t fail_submit;  /* the n-th submit is refused; 0: none */
    uint64_t fail_collect; /* the n-th collect fails; 0: none */
    bool identity;         /* outputs are not computed but copied from the input block */
};
extern struct fake_settings fake_settings;
extern const struct device_ops device_fake;

#endif
