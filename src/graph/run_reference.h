/* run_reference.h: running with the references alone: one node (constant folding), or a whole plan, which is
 * what tests compare devices with. */
#ifndef GRAPH_RUN_REFERENCE_H
#define GRAPH_RUN_REFERENCE_H

#include "graph/plan.h"

struct reference;

/* Prepares every step; the plan must outlive it. */
sl_status reference_open(struct reference **reference, const struct plan *plan, sl_error *err);
void reference_close(struct reference *reference);
/* Runs the plan on blocks of plan->input_nbytes and plan->output_nbytes, 64-byte aligned. One thread. Fails
 * only where a size depends on data (plan_size_step). */
sl_status reference_run(struct reference *reference, void *input, void *output, sl_error *err);

#endif
