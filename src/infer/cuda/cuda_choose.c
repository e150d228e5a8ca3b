/* cuda_choose.c: our launches or cuDNN's, for each step that both have. Both are timed where they will run:
 * with the weights, the memory and the sizes of the job's batches, before the first of them. */
#include "infer/cuda/cuda_program.h"

#include "support/text.h"

enum { PARTS = 3, ROUNDS = 5 };
/* cuDNN has to be better by this much: what is measured wavers, and ours need nothing installed. */
#define BETTER 0.95f

/* Milliseconds of ROUNDS rounds, the least of PARTS; *error is set where they fail. */
static float time_chain(struct program *p, const struct cuda_bound *chain, cudaError_t *error) {
    const struct cuda_slot *slot = &p->slots[0];
    float least = 0;
    for (int part = 0; part <= PARTS && *error == cudaSuccess; part++) { /* the first is for warming up */
        float ms = 0;
        *error = cudaEventRecord(slot->began, p->compute);
        for (int i = 0; i < ROUNDS && *error == cudaSuccess; i++)
            *error = cuda_run(p, slot, chain);
        if (*error == cudaSuccess)
            *error = cudaEventRecord(slot->computed, p->compute);
        if (*error == cudaSuccess)
            *error = cudaEventSynchronize(slot->computed);
        if (*error == cudaSuccess)
            *error = cudaEventElapsedTime(&ms, slot->began, slot->computed);
        if (part == 1 || (part > 1 && ms < least))
            least = ms;
    }
    return least;
}

sl_status cuda_choose(struct program *p, sl_error *err) {
    for (size_t i = 0; i < p->code.plan->step_count; i++) {
        struct cuda_step *step = &p->code.steps[i];
        cudaError_t error = cudaSuccess;
        if (!step->other)
            continue;
        bool better = p->device->options.kernels == KERNELS_CUDNN;
        if (!better) {
            float ours = time_chain(p, step->chain, &error), theirs = time_chain(p, step->other, &error);
            better = theirs < BETTER * ours;
        }
        if (error != cudaSuccess)
            return cuda_say(err, error, "measure step '%s' on GPU %d",
                            text_quote(p->code.plan->steps[i].name), p->device->index);
        if (better) {
            step->chain = step->other;
            step->what = "cuDNN";
        }
    }
    return SL_OK;
}
