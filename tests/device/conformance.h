/* conformance.h: what every device must do, whatever computes: the same suite runs on the CPU, on a fake that
 * is slow and fails on demand, and later on CUDA. */
#ifndef TESTS_CONFORMANCE_H
#define TESTS_CONFORMANCE_H

#include <check.h>

#include "infer/device.h"

/* A device under test. */
struct subject {
    const struct device_ops *ops;
    struct device_options options;
    double tolerance; /* against the references, relative to the largest output of a row */
    bool slow;        /* a model of a device: fewer rounds of the same */
    /* Around each test, or NULL. */
    void (*begin)(void), (*end)(void);
};

/* Adds the suite's tests for the subject (which must outlive the run). */
void conformance_add(Suite *suite, const struct subject *subject);

/* A model of the tests or samples, planned for a batch size: "golden/bench/mlp28" or
 * "../samples/03-digits-cnn/model", relative to the tests' directory. */
struct loaded {
    struct graph *graph;
    struct plan *plan;
};
void conformance_plan(struct loaded *loaded, const char *model, int64_t batch);
void conformance_unplan(struct loaded *loaded);

/* Fills a block with floats of a fixed pattern that depends on `record` only, row by row: row r holds record
 * first + r. */
void conformance_fill(const struct plan *plan, void *input, int64_t first);

#endif
