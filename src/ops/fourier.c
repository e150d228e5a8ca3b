/* fourier.c: DFT and STFT. Any length: the transform is split by the smallest prime factor each time, so a
 * power of two costs n log n and a prime n squared. All in double, with a table of the unit circle made when
 * the model is loaded. */
#include "ops/fourier.h"

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

static struct complex times(struct complex a, struct complex b) {
    return (struct complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

static int64_t smallest_factor(int64_t n) {
    for (int64_t p = 2; p * p <= n; p++)
        if (n % p == 0)
            return p;
    return n;
}

/* y[n] from every `stride`-th of x; `room` has n places. */
static void transform(const struct fourier *f, const struct complex *x, int64_t stride, struct complex *y,
                      int64_t n, struct complex *room) {
    if (n == 1) {
        y[0] = x[0];
        return;
    }
    int64_t p = smallest_factor(n), m = n / p, turn = f->length / n;
    for (int64_t r = 0; r < p; r++)
        transform(f, x + r * stride, stride * p, y + r * m, m, room);
    for (int64_t k = 0; k < m; k++) {
        for (int64_t r = 0; r < p; r++)
            room[r] = y[r * m + k];
        for (int64_t q = k; q < n; q += m) {
            struct complex sum = room[0];
            int64_t at = 0;
            for (int64_t r = 1; r < p; r++) {
                at = (at + q) % n;
                struct complex part = times(room[r], f->circle[at * turn]);
                sum.re += part.re;
                sum.im += part.im;
            }
            y[q] = sum;
        }
    }
}

/* One number, known when the model is loaded. */
static sl_status read_scalar(const struct op_call *call, size_t in, int64_t fallback, int64_t *value,
                             sl_error *err) {
    int count;
    sl_status st = rule_ints(call, in, NULL, value, 1, &count, err);
    if (st == SL_OK && count < 0)
        *value = fallback;
    else if (st == SL_OK && count != 1)
        st = error_set(err, SL_E_MODEL, "input %zu must be one number", in);
    return st;
}

sl_status fourier_read_dft(const struct op_call *call, struct fourier *f, sl_error *err) {
    const sl_tensor *x = call->in[0];
    bool old = call->opset < 20;
    int64_t axis = op_attr_int(call, "axis", 1);
    *f = (struct fourier){.inverse = op_attr_int(call, "inverse", 0) != 0,
                          .one_sided = op_attr_int(call, "onesided", 0) != 0};
    sl_status st = old ? SL_OK : read_scalar(call, 2, -2, &axis, err);
    if (st == SL_OK)
        st = rule_axis(axis, x->rank, &f->axis, err);
    if (st == SL_OK && f->axis == x->rank - 1)
        st = error_set(err, SL_E_MODEL, "the last axis holds real and imaginary parts");
    if (st == SL_OK) {
        int64_t size = x->dims[f->axis];
        st = read_scalar(call, 1, f->inverse && f->one_sided ? 2 * (size - 1) : size, &f->length, err);
    }
    if (st == SL_OK && (f->length < 1 || f->length > INT32_MAX))
        st = error_set(err, SL_E_MODEL, "the transform has a length of %lld", (long long)f->length);
    f->out = f->one_sided && !f->inverse ? f->length / 2 + 1 : f->length;
    return st;
}

/* The last dim is 1 (real) or 2. */
static sl_status check_signal(const struct op_call *call, const struct fourier *f, sl_error *err) {
    const sl_tensor *x = call->in[0];
    int64_t parts = x->dims[x->rank - 1];
    if (parts != 1 && parts != 2)
        return error_set(err, SL_E_MODEL, "the last dim of the signal is %lld, expected 1 or 2",
                         (long long)parts);
    if (f->one_sided && f->inverse == (parts == 1))
        return error_set(err, SL_E_MODEL, "a one-sided transform of a %s signal has no meaning",
                         parts == 1 ? "real" : "complex");
    return SL_OK;
}

static sl_status infer_dft(const struct op_call *call, sl_error *err) {
    struct fourier f;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK)
        st = rule_min_rank(call, 0, 2, err);
    if (st == SL_OK)
        st = fourier_read_dft(call, &f, err);
    if (st == SL_OK)
        st = check_signal(call, &f, err);
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    call->out[0]->dims[f.axis] = f.out;
    call->out[0]->dims[call->out[0]->rank - 1] = f.one_sided && f.inverse ? 1 : 2;
    return SL_OK;
}

/* The state is the circle, the scratch three lines. */
static sl_status prepare_circle(const struct fourier *f, struct arena *arena, struct op_prepared *prepared,
                                sl_error *err) {
    struct complex *circle = arena_alloc(arena, (size_t)f->length, sizeof *circle);
    if (!circle)
        return error_set(err, SL_E_MEMORY, "out of memory for a transform of %lld", (long long)f->length);
    for (int64_t k = 0; k < f->length; k++) {
        double angle = 2 * 3.14159265358979323846 * (double)k / (double)f->length;
        circle[k] = (struct complex){cos(angle), f->inverse ? sin(angle) : -sin(angle)};
    }
    prepared->state = circle;
    prepared->scratch_nbytes = 3 * (size_t)f->length * sizeof *circle;
    return SL_OK;
}

static sl_status prepare_dft(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                             sl_error *err) {
    struct fourier f;
    sl_status st = fourier_read_dft(call, &f, err);
    return st == SL_OK ? prepare_circle(&f, arena, prepared, err) : st;
}

/* A line of `count` values, `stride` apart, with zeros after them. */
static void load_line(const sl_tensor *x, bool is_complex, int64_t first, int64_t stride, int64_t count,
                      int64_t length, struct complex *line) {
    for (int64_t k = 0; k < length; k++) {
        int64_t at = first + k * stride;
        line[k] = (struct complex){0, 0};
        if (k < count)
            line[k].re = element_real(x->dtype, x->data, at);
        if (k < count && is_complex)
            line[k].im = element_real(x->dtype, x->data, at + 1);
    }
}

/* The half of the spectrum that a real signal's other half mirrors. */
static void mirror(struct complex *line, int64_t length) {
    for (int64_t k = length / 2 + 1; k < length; k++)
        line[k] = (struct complex){line[length - k].re, -line[length - k].im};
}

static void run_dft(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    struct fourier f;
    if (fourier_read_dft(call, &f, NULL) != SL_OK)
        return;
    f.circle = call->state;
    struct complex *line = call->scratch, *result = line + f.length, *room = result + f.length;
    int64_t size = x->dims[f.axis], inner = rule_product(x, f.axis + 1, x->rank - 1);
    int64_t parts = x->dims[x->rank - 1], out_parts = y->dims[y->rank - 1];
    double scale = f.inverse ? 1 / (double)f.length : 1;
    for (int64_t i = 0, lines = rule_product(x, 0, f.axis) * inner; i < lines; i++) {
        int64_t outer = i / inner, at = i % inner;
        load_line(x, parts == 2, (outer * size * inner + at) * parts, inner * parts, size, f.length, line);
        if (f.one_sided && f.inverse)
            mirror(line, f.length);
        transform(&f, line, 1, result, f.length, room);
        for (int64_t k = 0; k < f.out; k++) {
            int64_t to = ((outer * f.out + k) * inner + at) * out_parts;
            element_set_real(y->dtype, y->data, to, result[k].re * scale);
            if (out_parts == 2)
                element_set_real(y->dtype, y->data, to + 1, result[k].im * scale);
        }
    }
}

#define DFT(id, op_since, op_until, in_most, op_attrs)                                                       \
    const struct op op_##id = {.domain = "",                                                                 \
                               .name = "DFT",                                                                \
                               .since = op_since,                                                            \
                               .until = op_until,                                                            \
                               .min_in = 1,                                                                  \
                               .max_in = in_most,                                                            \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer_dft,                                                           \
                               .prepare = prepare_dft,                                                       \
                               .run = run_dft};

DFT(dft_17, 17, 19, 2, "axis inverse onesided")
DFT(dft, 20, 0, 3, "inverse onesided")

/* ---- STFT ---- */

sl_status fourier_read_frames(const struct op_call *call, struct frames *s, sl_error *err) {
    const sl_tensor *x = call->in[0];
    bool window = op_has_in(call, 2);
    int64_t fallback = window && call->in[2]->rank == 1 ? call->in[2]->dims[0] : x->dims[1];
    *s = (struct frames){.f = {.axis = 1, .one_sided = op_attr_int(call, "onesided", 1) != 0}};
    sl_status st = read_scalar(call, 1, 0, &s->step, err);
    if (st == SL_OK)
        st = read_scalar(call, 3, fallback, &s->f.length, err);
    if (st == SL_OK && (s->step < 1 || s->f.length < 1 || s->f.length > x->dims[1]))
        st = error_set(err, SL_E_MODEL, "frames of %lld every %lld do not fit a signal of %lld",
                       (long long)s->f.length, (long long)s->step, (long long)x->dims[1]);
    if (st == SL_OK && window)
        st = rule_vector(call, 2, s->f.length, err);
    if (st != SL_OK)
        return st;
    s->f.out = s->f.one_sided ? s->f.length / 2 + 1 : s->f.length;
    s->count = (x->dims[1] - s->f.length) / s->step + 1;
    return SL_OK;
}

static sl_status infer_stft(const struct op_call *call, sl_error *err) {
    struct frames s;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    if (st == SL_OK && call->in[0]->rank != 2) /* torch leaves the last dim of a real signal out */
        st = rule_rank(call, 0, 3, err);
    if (st == SL_OK && op_has_in(call, 2))
        st = rule_same_dtype(call, 0, 2, err);
    if (st == SL_OK)
        st = fourier_read_frames(call, &s, err);
    if (st == SL_OK && call->in[0]->rank == 3)
        st = check_signal(call, &s.f, err);
    if (st == SL_OK)
        rule_set(call->out[0], call->in[0]->dtype, 4, (int64_t[]){call->in[0]->dims[0], s.count, s.f.out, 2});
    return st;
}

static sl_status prepare_stft(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                              sl_error *err) {
    struct frames s;
    sl_status st = fourier_read_frames(call, &s, err);
    return st == SL_OK ? prepare_circle(&s.f, arena, prepared, err) : st;
}

static void run_stft(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_tensor *y = call->out[0];
    struct frames s;
    if (fourier_read_frames(call, &s, NULL) != SL_OK)
        return;
    s.f.circle = call->state;
    struct complex *line = call->scratch, *result = line + s.f.length, *room = result + s.f.length;
    int64_t parts = x->rank == 3 ? x->dims[2] : 1;
    for (int64_t i = 0; i < x->dims[0] * s.count; i++) {
        int64_t first = i / s.count * x->dims[1] + i % s.count * s.step;
        load_line(x, parts == 2, first * parts, parts, s.f.length, s.f.length, line);
        for (int64_t k = 0; op_has_in(call, 2) && k < s.f.length; k++) {
            double weight = element_real(call->in[2]->dtype, call->in[2]->data, k);
            line[k] = (struct complex){line[k].re * weight, line[k].im * weight};
        }
        transform(&s.f, line, 1, result, s.f.length, room);
        for (int64_t k = 0; k < s.f.out; k++) {
            element_set_real(y->dtype, y->data, (i * s.f.out + k) * 2, result[k].re);
            element_set_real(y->dtype, y->data, (i * s.f.out + k) * 2 + 1, result[k].im);
        }
    }
}

const struct op op_stft = {.domain = "",
                           .name = "STFT",
                           .since = 17,
                           .min_in = 2,
                           .max_in = 4,
                           .min_out = 1,
                           .max_out = 1,
                           .attrs = "onesided",
                           .infer = infer_stft,
                           .prepare = prepare_stft,
                           .run = run_stft};
