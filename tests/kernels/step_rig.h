/* step_rig.h: one step of a plan through its matcher and its kernels on the model of a GPU, beside the
 * operator's reference on the same numbers. What the device will do, without the device: floats lie in the
 * program's type (f32, f16, bf16), everything in memory of its exact size. */
#ifndef TESTS_STEP_RIG_H
#define TESTS_STEP_RIG_H

#include "graph/plan.h"
#include "infer/cuda/kernels/k_types.h"

/* What one step gave. */
enum step_result { STEP_SAME, STEP_DIFFERS, STEP_REFUSED };

/* What the matchers are told of the GPU: its target, 90 unless set, and whether f32 products may round to
 * tf32.
 */
extern unsigned step_arch;
extern bool step_tf32;
/* Not NULL: steps are matched by cuDNN. */
extern struct cudnn *step_cudnn;

/* Runs step `index` of the plan in all orders of lanes; values[v] is where
 * value v lies on the host, in its own dtype: the step's inputs are there, and after the call its outputs, as
 * the reference computed them. `real`: the type of the program's floats. `rows`: all rows of its inputs are
 * the same, and so must be all rows of its outputs, bit for bit. `last`: images lie channels-last where
 * the operator knows of it. `why` says what differs, or why it was
 * refused. */
enum step_result step_check(const struct plan *plan, size_t index, void **values, enum k_type real, bool rows,
                            bool last, char *why, size_t why_nbytes);

/* An operator written as text, in f32, f16 and bf16, or the test fails:
 *
 *   "com.microsoft:Name@opset", "axis=1 epsilon=0.5f mode='edge' pads=[0,1] #out=2 #rows", "f:2,3 cf:3 -
 * i64{1,2}"
 *
 * Inputs: dtype and dims, a `c` before those known when the model is loaded, "%n" behind integers for 0 ...
 * n-1, "+" behind floats for positive ones, a list in braces for a constant, - for one left out. "#out" says
 * how many outputs there are, "#rows" that all rows of the inputs are the same and so must be all rows of the
 * outputs, bit for bit, "#f32" that f16 and bf16 are left out, "#last" that images lie channels-last. */
void step_text(const char *op, const char *attrs, const char *inputs);
/* The same, which must be refused, with `text` in the reason. */
void step_text_refused(const char *op, const char *attrs, const char *inputs, const char *text);

/* The plan of one step that such a text means, and the numbers of its values. */
struct text_step;
struct text_step *step_read(const char *op, const char *attrs, const char *inputs);
const struct plan *step_plan(const struct text_step *t);
void **step_data(struct text_step *t);
void step_clear(struct text_step *t);

#endif
