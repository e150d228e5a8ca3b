/* level_steps.c: what stands between convolutions over levels: QuantizeLinear, QLinearAdd,
 * QLinearGlobalAveragePool, by the level kernels. Scales and zeros are multiplied out beforehand, so a sum or
 * mean that ends on a tie may be one level off the reference; a QuantizeLinear never is. */
#include <math.h>
#include <string.h>

#include "infer/cpu/cpu_step.h"
#include "infer/cpu/level_kernels.h"

struct level_step {
    const struct level_kernels *kernels;
    struct level_sum sum; /* of a sum; is_signed of all */
    float scale, zero;    /* of a QuantizeLinear; of a mean: what its sum is multiplied with, added to it */
    int64_t images, channels, points;
    bool last; /* channels-last */
};

static bool is_byte(const sl_tensor *t) {
    return t->dtype == SL_INT8 || t->dtype == SL_UINT8;
}

/* A constant's only number. */
static bool number(const struct plan *plan, const struct plan_step *step, size_t i, float *x) {
    const struct plan_value *v =
        i < step->in_count && step->in[i] != PLAN_NONE ? &plan->values[step->in[i]] : NULL;
    int64_t count;
    *x = 0;
    if (!v) /* a zero may be left out */
        return true;
    if (v->place != PLAN_CONST || !sl_shape_count(v->tensor.rank, v->tensor.dims, &count) || count != 1)
        return false;
    const void *data = v->tensor.data;
    if (v->tensor.dtype == SL_FLOAT)
        *x = *(const float *)data;
    else if (is_byte(&v->tensor))
        *x = v->tensor.dtype == SL_INT8 ? *(const int8_t *)data : *(const uint8_t *)data;
    return v->tensor.dtype == SL_FLOAT || is_byte(&v->tensor);
}

static bool same_shape(const sl_tensor *a, const sl_tensor *b) {
    return a->dtype == b->dtype && a->rank == b->rank &&
           (!a->rank || !memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims));
}

static size_t count_of(const sl_tensor *t) {
    int64_t n = 0;
    return sl_shape_count(t->rank, t->dims, &n) ? (size_t)n : 0;
}

/* ---- QuantizeLinear ---- */

static void run_quantize(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct level_step *s = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    s->kernels->quantize(call->in[0]->data, call->out[0]->data, count_of(call->out[0]), s->sum.is_signed,
                         s->scale, s->zero);
}

static bool match_quantize(const struct plan *plan, const struct plan_step *step, struct level_step *s) {
    return !*step->op->domain && !strcmp(step->op->name, "QuantizeLinear") &&
           plan->values[step->in[0]].tensor.dtype == SL_FLOAT &&
           is_byte(&plan->values[step->out[0]].tensor) && number(plan, step, 1, &s->scale) &&
           number(plan, step, 2, &s->zero);
}

/* ---- QLinearAdd ---- */

static void run_add(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct level_step *s = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    s->kernels->add(call->in[0]->data, call->in[3]->data, call->out[0]->data, count_of(call->out[0]),
                    &s->sum);
}

static bool match_add(const struct plan *plan, const struct plan_step *step, struct level_step *s) {
    float as, az, bs, bz, ys, yz;
    if (strcmp(step->op->name, "QLinearAdd") != 0 ||
        !same_shape(&plan->values[step->in[0]].tensor, &plan->values[step->in[3]].tensor) ||
        !same_shape(&plan->values[step->in[0]].tensor, &plan->values[step->out[0]].tensor) ||
        !number(plan, step, 1, &as) || !number(plan, step, 2, &az) || !number(plan, step, 4, &bs) ||
        !number(plan, step, 5, &bz) || !number(plan, step, 6, &ys) || !number(plan, step, 7, &yz))
        return false;
    s->sum.scale[0] = as / ys;
    s->sum.scale[1] = bs / ys;
    s->sum.offset = yz - (s->sum.scale[0] * az + s->sum.scale[1] * bz);
    return true;
}

/* ---- QLinearGlobalAveragePool ---- */

static int8_t to_level(const struct level_step *s, int32_t sum) {
    float low = s->sum.is_signed ? -128 : 0, high = s->sum.is_signed ? 127 : 255;
    float x = rintf((float)sum * s->scale) + s->zero;
    return (int8_t)(int)(x < low ? low : x > high ? high : x);
}

static void run_mean(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct level_step *s = step->provider;
    const struct op_call *call = &frame->calls[step->index];
    const char *x = call->in[0]->data;
    int8_t *y = call->out[0]->data;
    int32_t *sums = frame->scratch;
    for (int64_t image = 0; image < s->images; image++) {
        for (int64_t c = 0; c < s->channels; c++)
            sums[c] = -(int32_t)s->sum.offset * (int32_t)s->points;
        for (int64_t p = 0; s->last && p < s->points; p++)
            s->kernels->gather(x + (image * s->points + p) * s->channels, sums, (size_t)s->channels,
                               s->sum.is_signed);
        for (int64_t i = 0; !s->last && i < s->channels * s->points; i++)
            s->kernels->gather(x + image * s->channels * s->points + i, sums + i / s->points, 1,
                               s->sum.is_signed);
        for (int64_t c = 0; c < s->channels; c++)
            y[image * s->channels + c] = to_level(s, sums[c]);
    }
}

static bool match_mean(struct cpu_program *program, const struct plan_step *step, struct level_step *s) {
    const struct plan *plan = program->plan;
    const sl_tensor *x = &plan->values[step->in[0]].tensor;
    struct op_call call = {.attrs = step->attrs, .attr_count = step->attr_count};
    float xs, ys;
    if (strcmp(step->op->name, "QLinearGlobalAveragePool") != 0 || op_attr_int(&call, "channels_last", 0) ||
        x->dtype != plan->values[step->out[0]].tensor.dtype || !number(plan, step, 1, &xs) ||
        !number(plan, step, 2, &s->sum.offset) || !number(plan, step, 3, &ys) ||
        !number(plan, step, 4, &s->zero))
        return false;
    format_sizes(x, &s->images, &s->channels, &s->points);
    s->scale = xs / (ys * (float)s->points);
    s->last = program->formats[step->in[0]].layout == LAYOUT_LAST;
    return s->points < (1 << 22);
}

/* ---- all ---- */

/* Both sides of a sum as the first lies, or as the second, where that is channels-last. */
static sl_status want_formats(struct cpu_program *program, size_t index, sl_error *err) {
    const struct plan_step *step = &program->plan->steps[index];
    struct cpu_format want = program->formats[step->in[0]];
    if (want.layout != LAYOUT_LAST)
        want = program->formats[step->in[3]];
    if (want.layout == LAYOUT_LAST && levels_may_format(program, step->out[0]))
        program->formats[step->out[0]] = want;
    sl_status st = step_wants(program, index, step->in[0], false, want, err);
    if (st == SL_OK)
        st = step_wants(program, index, step->in[3], false, want, err);
    return st == SL_OK ? step_wants(program, index, step->out[0], true, want, err) : st;
}

sl_status levels_take(struct cpu_program *program, size_t index, bool *taken, sl_error *err) {
    const struct plan_step *plan_step = &program->plan->steps[index];
    struct cpu_step *step = &program->steps[index];
    if (!plan_step->in_count || plan_step->in[0] == PLAN_NONE || plan_step->out[0] == PLAN_NONE)
        return SL_OK;
    const sl_tensor *y = &program->plan->values[plan_step->out[0]].tensor;
    struct level_step s = {.kernels = level_kernels(), .sum = {.is_signed = y->dtype == SL_INT8}};
    bool quantize = match_quantize(program->plan, plan_step, &s);
    bool add = !quantize && match_add(program->plan, plan_step, &s);
    bool mean = !quantize && !add && match_mean(program, plan_step, &s);
    if (!quantize && !add && !mean)
        return SL_OK;
    struct level_step *kept = arena_alloc(&program->memory, 1, sizeof *kept);
    if (!kept)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    *kept = s;
    step->provider = kept;
    step->run = quantize ? run_quantize : add ? run_add : run_mean;
    step->scratch_nbytes = mean ? (size_t)s.channels * sizeof(int32_t) : 0;
    step->what = s.kernels->name;
    step->formatted = add || mean; /* a QuantizeLinear's sides are made plain */
    *taken = true;
    return add ? want_formats(program, index, err) : SL_OK;
}
