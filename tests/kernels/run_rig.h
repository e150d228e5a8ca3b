/* run_rig.h: a run of steps, written as texts, through matchers and kernels on the model of a GPU, beside
 * their references: for launches that do several steps' work. */
#ifndef TESTS_RUN_RIG_H
#define TESTS_RUN_RIG_H

#include "infer/cuda/cuda_bound.h"
#include "step_rig.h"

enum { RUN_VALUES = 160, RUN_STEPS = 12, RUN_INPUTS = 8, RUN_TABLES = 24 };

/* One step as step_text takes it; a first input of "." is what the step before it made. A line without an
 * operator ends a run. */
struct run_line {
    const char *op, *attrs, *inputs;
};
#define RUN_END                                                                                              \
    { NULL, NULL, NULL }

struct run {
    struct plan plan;
    struct plan_value values[RUN_VALUES];
    struct plan_step steps[RUN_STEPS];
    uint32_t in[RUN_STEPS][RUN_INPUTS], out[RUN_STEPS];
    struct text_step *texts[RUN_STEPS];
    struct cuda_bound *chains[RUN_STEPS];
    void *data[RUN_VALUES], *device[RUN_VALUES], *tables[RUN_TABLES]; /* data: on the host, of the texts */
    size_t table_count;
    bool lies_last[RUN_VALUES], last; /* channels-last; whether what is made may be */
    enum k_type real;                 /* of the program's floats */
    size_t nbytes;                    /* of memory, so far */
    struct arena arena;               /* chains, and what the references prepare */
};

/* The plan, whose values have memory of their own; the run's input is the first step's first. */
void run_begin(struct run *r, const struct run_line *lines, enum k_type real);
void run_end(struct run *r);
/* data[] becomes what the references make of the input. */
void run_references(struct run *r);
/* Every step through its matcher; the number of steps that still launch something. */
unsigned run_match(struct run *r);
/* The launches, in all orders of threads; the largest difference of the result, in units of its largest
 * number (of 1 where that is smaller). */
double run_launch(struct run *r);

/* All of it in f32, f16 and bf16; so many launches are left, and the result is near. `last`: the input lies
 * channels-last, and so may what is made of it. */
void run_check(const struct run_line *lines, unsigned launches, bool last);
/* In f32 alone: where bytes are made on the way, halves would round some of them the other way. */
void run_check_floats(const struct run_line *lines, unsigned launches);

#endif
