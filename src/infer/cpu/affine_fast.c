/* affine_fast.c: sluice.Affine for what chains leave in slots: u8 pixels and f32 columns. The same product
 * and sum as the reference, element by element, so the same bits; only the order of the loops is made for the
 * cache. */
#include <string.h>

#include "infer/cpu/cpu_step.h"

struct coefficients {
    const float *scale, *offset;
    size_t step; /* 1, or 0 when one pair serves all channels */
};

/* u8 [n, p, c] -> f32 [n, c, p] */
static void pixels_to_planes(const uint8_t *x, float *y, int64_t rows, int64_t pixels, int64_t channels,
                             struct coefficients k) {
    for (int64_t n = 0; n < rows; n++)
        for (int64_t c = 0; c < channels; c++) {
            const uint8_t *from = x + n * pixels * channels + c;
            float *to = y + (n * channels + c) * pixels;
            float scale = k.scale[(size_t)c * k.step], offset = k.offset[(size_t)c * k.step];
            for (int64_t i = 0; i < pixels; i++)
                to[i] = (float)from[i * channels] * scale + offset;
        }
}

/* f32 [n, c] -> f32 [n, c] */
static void columns(const float *x, float *y, int64_t rows, int64_t channels, struct coefficients k) {
    for (int64_t n = 0; n < rows; n++, x += channels, y += channels)
        for (int64_t c = 0; c < channels; c++)
            y[c] = x[c] * k.scale[(size_t)c * k.step] + k.offset[(size_t)c * k.step];
}

static struct coefficients coefficients_of(const struct op_call *call) {
    const struct attr *scale = op_attr(call, "scale"), *offset = op_attr(call, "offset");
    return (struct coefficients){scale->floats, offset->floats, scale->count != 1};
}

static int64_t product(const sl_tensor *t, int from, int to) {
    int64_t n = 1;
    for (int i = from; i < to; i++)
        n *= t->dims[i];
    return n;
}

static void run_pixels(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    const sl_tensor *x = call->in[0];
    pixels_to_planes(x->data, call->out[0]->data, x->dims[0], product(x, 1, x->rank - 1),
                     x->dims[x->rank - 1], coefficients_of(call));
}

static void run_columns(const struct cpu_step *step, struct cpu_frame *frame) {
    const struct op_call *call = &frame->calls[step->index];
    const sl_tensor *x = call->in[0];
    columns(x->data, call->out[0]->data, product(x, 0, x->rank - 1), x->dims[x->rank - 1],
            coefficients_of(call));
}

bool affine_take(struct cpu_program *program, size_t index) {
    const struct plan_step *s = &program->plan->steps[index];
    if (strcmp(s->op->domain, "sluice") || strcmp(s->op->name, "Affine"))
        return false;
    const sl_tensor *x = &program->plan->values[s->in[0]].tensor;
    const sl_tensor *y = &program->plan->values[s->out[0]].tensor;
    struct op_call call = {.attrs = s->attrs, .attr_count = s->attr_count};
    bool chw = op_attr_int(&call, "chw", 0) != 0;
    struct cpu_step *step = &program->steps[index];
    if (y->dtype == SL_FLOAT && x->dtype == SL_UINT8 && chw) {
        step->run = run_pixels;
        step->what = "u8 pixels to planes";
    } else if (y->dtype == SL_FLOAT && x->dtype == SL_FLOAT && !chw) {
        step->run = run_columns;
        step->what = "f32 columns";
    } else {
        return false;
    }
    return true;
}
