/* cuda_signals.c: DFT and STFT, by fourier.cu. */
#include <math.h>

#include "infer/cuda/cuda_bound.h"
#include "ops/fourier.h"
#include "ops/rules.h"

BOUND_LAUNCH(fourier)

#define AT(type, field) offsetof(struct type, field)

/* exp(-2 pi i k / length), conjugated for the inverse. */
static bool add_circle(struct cuda_match *m, struct cuda_bound *b, const struct fourier *f) {
    float *circle = bound_room(m, (size_t)f->length, 2 * sizeof *circle);
    for (int64_t k = 0; circle && k < f->length; k++) {
        double angle = 2 * 3.14159265358979323846 * (double)k / (double)f->length;
        circle[2 * k] = (float)cos(angle);
        circle[2 * k + 1] = (float)(f->inverse ? sin(angle) : -sin(angle));
    }
    return circle && bound_table(m, b, AT(k_fourier, circle), circle, (size_t)f->length * 2 * sizeof *circle);
}

static bool add_fourier(struct cuda_match *m, struct k_fourier *a, const struct fourier *f, int64_t lines) {
    a->type = bound_in_type(m, 0);
    if ((a->type != K_F32 && a->type != K_F16 && a->type != K_BF16) || bound_out_type(m, 0) != a->type)
        return bound_refuse(m, "a transform of this dtype");
    if (f->length > INT32_MAX / 2 || rule_count(m->call.in[0]) > INT32_MAX ||
        lines * ((f->out + 127) / 128) > INT32_MAX)
        return bound_refuse(m, "a transform of more than 2^31 numbers");
    a->lines = (int32_t)lines;
    a->length = (int32_t)f->length;
    a->out = (int32_t)f->out;
    a->out_parts = (int32_t)m->call.out[0]->dims[m->call.out[0]->rank - 1];
    struct cuda_bound *b = bound_add(m, launch_fourier, a, sizeof *a);
    return bound_in(m, b, AT(k_fourier, x), 0, 0) && bound_out(m, b, AT(k_fourier, y), 0, 0) &&
           add_circle(m, b, f);
}

static bool match_dft(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    struct fourier f;
    sl_error err = {0};
    (void)detail;
    if (fourier_read_dft(&m->call, &f, &err) != SL_OK)
        return bound_refuse(m, "%s", err.text);
    int64_t size = x->dims[f.axis], inner = rule_product(x, f.axis + 1, x->rank - 1);
    struct k_fourier a = {.frames = 1,
                          .inner = (int32_t)inner,
                          .size = (int32_t)size,
                          .parts = (int32_t)x->dims[x->rank - 1],
                          .x_signal = size * inner,
                          .mirrored = f.inverse && f.one_sided,
                          .scale = f.inverse ? (float)(1 / (double)f.length) : 1};
    return add_fourier(m, &a, &f, rule_product(x, 0, f.axis) * inner);
}

static bool match_stft(struct cuda_match *m, int detail) {
    const sl_tensor *x = m->call.in[0];
    struct frames s;
    sl_error err = {0};
    (void)detail;
    if (fourier_read_frames(&m->call, &s, &err) != SL_OK)
        return bound_refuse(m, "%s", err.text);
    struct k_fourier a = {.frames = (int32_t)s.count,
                          .inner = 1,
                          .size = (int32_t)s.f.length,
                          .parts = x->rank == 3 ? (int32_t)x->dims[2] : 1,
                          .x_signal = x->dims[1],
                          .x_frame = s.step,
                          .scale = 1};
    if (bound_has_in(m, 2) && bound_in_type(m, 2) != bound_in_type(m, 0))
        return bound_refuse(m, "a window of another dtype");
    return add_fourier(m, &a, &s.f, x->dims[0] * s.count) &&
           (!bound_has_in(m, 2) || bound_in(m, m->last, AT(k_fourier, window), 2, 0));
}

const struct bound_operator bound_signals[] = {
    {"", "DFT", match_dft, 0, false}, {"", "STFT", match_stft, 0, false}, {NULL, NULL, NULL, 0, false}};
