/* test_ops_convolve.c: Conv and the pools over random geometry against the definition written out: one loop
 * an index, padding by asking whether a position is inside. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ops/op.h"
#include "support/mem.h"

struct shape {
    int64_t rows, groups, group_in, group_out, in[3], kernel[3], stride[3], dilation[3], pad[6], out[3];
    int spatial;
};

static int64_t pick(int64_t low, int64_t high) {
    return low + rand() % (high - low + 1);
}

static bool random_shape(struct shape *s) {
    *s = (struct shape){
        .rows = pick(1, 2), .groups = pick(1, 3), .group_in = pick(1, 3), .group_out = pick(1, 3)};
    s->spatial = (int)pick(1, 3);
    for (int d = 0; d < 3; d++) {
        bool there = d >= 3 - s->spatial;
        s->in[d] = there ? pick(1, 7) : 1;
        s->kernel[d] = there ? pick(1, 4) : 1;
        s->stride[d] = there ? pick(1, 3) : 1;
        s->dilation[d] = there ? pick(1, 2) : 1;
        s->pad[d] = there ? pick(0, 3) : 0;
        s->pad[d + 3] = there ? pick(0, 3) : 0;
        int64_t room = s->in[d] + s->pad[d] + s->pad[d + 3] - ((s->kernel[d] - 1) * s->dilation[d] + 1);
        if (room < 0)
            return false;
        s->out[d] = room / s->stride[d] + 1;
    }
    return true;
}

/* Calls visit for each kernel position of an output, with the input index or -1 in the padding. */
static double window_sum(const struct shape *s, const int64_t at[3], const float *x, const float *w, int pool,
                         int64_t *inside) {
    double sum = pool == 1 ? -INFINITY : 0;
    *inside = 0;
    for (int64_t kz = 0; kz < s->kernel[0]; kz++)
        for (int64_t ky = 0; ky < s->kernel[1]; ky++)
            for (int64_t kx = 0; kx < s->kernel[2]; kx++) {
                int64_t k[] = {kz, ky, kx}, i = 0;
                bool in = true;
                for (int d = 0; d < 3; d++) {
                    int64_t p = at[d] * s->stride[d] + k[d] * s->dilation[d] - s->pad[d];
                    in = in && p >= 0 && p < s->in[d];
                    i = i * s->in[d] + p;
                }
                if (!in)
                    continue;
                (*inside)++;
                double v = (double)x[i];
                if (w)
                    v *= (double)w[(kz * s->kernel[1] + ky) * s->kernel[2] + kx];
                sum = pool == 1 ? fmax(sum, v) : sum + v;
            }
    return sum;
}

static float *random_data(int64_t count) {
    float *data = mem_alloc((size_t)count, sizeof *data);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(rand() % 2001 - 1000) / 500;
    return data;
}

static int64_t volume(const int64_t dims[3]) {
    return dims[0] * dims[1] * dims[2];
}

/* Runs an operator on a data tensor (and weights), returns the output's data; dims are checked. */
static float *run_op(const struct shape *s, const char *name, float *x, float *w, float *b,
                     int64_t channels_in, int64_t channels_out) {
    const struct op *op = op_find("", name, 17);
    int64_t strides[3], dilations[3], pads[6], kernel[3];
    for (int i = 0; i < s->spatial; i++) {
        int d = i + 3 - s->spatial;
        strides[i] = s->stride[d];
        dilations[i] = s->dilation[d];
        kernel[i] = s->kernel[d];
        pads[i] = s->pad[d];
        pads[i + s->spatial] = s->pad[d + 3];
    }
    size_t n = (size_t)s->spatial;
    struct attr attrs[] = {{.name = "strides", .type = ATTR_INTS, .count = n, .ints = strides},
                           {.name = "dilations", .type = ATTR_INTS, .count = n, .ints = dilations},
                           {.name = "kernel_shape", .type = ATTR_INTS, .count = n, .ints = kernel},
                           {.name = "pads", .type = ATTR_INTS, .count = 2 * n, .ints = pads},
                           {.name = "group", .type = ATTR_INT, .i = s->groups}};
    sl_tensor tx = {.dtype = SL_FLOAT, .rank = s->spatial + 2, .dims = {s->rows, channels_in}, .data = x};
    sl_tensor tw = {
        .dtype = SL_FLOAT, .rank = s->spatial + 2, .dims = {channels_out, s->group_in}, .data = w};
    sl_tensor tb = {.dtype = SL_FLOAT, .rank = 1, .dims = {channels_out}, .data = b}, ty = {0}, *out = &ty;
    for (int i = 0; i < s->spatial; i++) {
        tx.dims[i + 2] = s->in[i + 3 - s->spatial];
        tw.dims[i + 2] = kernel[i];
    }
    const sl_tensor *in[] = {&tx, &tw, &tb};
    struct op_call call = {.attrs = attrs,
                           .attr_count = 5,
                           .opset = 17,
                           .in = in,
                           .in_count = w ? 3 : 1,
                           .out = &out,
                           .out_count = 1};
    sl_error err = {0};
    ck_assert_msg(op->infer(&call, &err) == SL_OK, "%s", err.text);
    ck_assert_int_eq(ty.dims[1], channels_out);
    for (int i = 0; i < s->spatial; i++)
        ck_assert_int_eq(ty.dims[i + 2], s->out[i + 3 - s->spatial]);
    struct arena arena;
    struct op_prepared prepared = {0};
    arena_init(&arena);
    if (op->prepare)
        ck_assert_int_eq(op->prepare(&call, &arena, &prepared, &err), SL_OK);
    ty.data = mem_alloc((size_t)(s->rows * channels_out * volume(s->out)), sizeof(float));
    call.scratch = mem_map(prepared.scratch_nbytes);
    op->run(&call);
    mem_unmap(call.scratch, prepared.scratch_nbytes);
    arena_clear(&arena);
    return ty.data;
}

START_TEST(convolutions_are_their_definition) {
    srand(1);
    for (int round = 0; round < 300;) {
        struct shape s;
        if (!random_shape(&s))
            continue;
        round++;
        int64_t in = s.groups * s.group_in, out = s.groups * s.group_out, inside;
        float *x = random_data(s.rows * in * volume(s.in)), *b = random_data(out);
        float *w = random_data(out * s.group_in * volume(s.kernel));
        float *y = run_op(&s, "Conv", x, w, b, in, out), *at_y = y;
        for (int64_t r = 0; r < s.rows; r++)
            for (int64_t c = 0; c < out; c++)
                for (int64_t i = 0; i < volume(s.out); i++, at_y++) {
                    int64_t at[] = {i / (s.out[1] * s.out[2]), i / s.out[2] % s.out[1], i % s.out[2]};
                    double sum = (double)b[c];
                    for (int64_t k = 0; k < s.group_in; k++)
                        sum +=
                            window_sum(&s, at, x + (r * in + c / s.group_out * s.group_in + k) * volume(s.in),
                                       w + (c * s.group_in + k) * volume(s.kernel), 0, &inside);
                    ck_assert_double_le(fabs(sum - (double)*at_y), 1e-5);
                }
        mem_free(x);
        mem_free(w);
        mem_free(b);
        mem_free(y);
    }
}
END_TEST

static void check_pool(const char *name, int pool) {
    srand(2);
    for (int round = 0; round < 300;) {
        struct shape s;
        if (!random_shape(&s))
            continue;
        bool padded = false; /* a window in nothing but padding has no value */
        for (int d = 0; d < 3; d++)
            padded = padded || s.pad[d] >= s.kernel[d] || s.pad[d + 3] >= s.kernel[d];
        if (padded)
            continue;
        round++;
        s.groups = 1;
        int64_t channels = s.group_in, inside;
        float *x = random_data(s.rows * channels * volume(s.in));
        float *y = run_op(&s, name, x, NULL, NULL, channels, channels), *at_y = y;
        for (int64_t c = 0; c < s.rows * channels; c++)
            for (int64_t i = 0; i < volume(s.out); i++, at_y++) {
                int64_t at[] = {i / (s.out[1] * s.out[2]), i / s.out[2] % s.out[1], i % s.out[2]};
                double want = window_sum(&s, at, x + c * volume(s.in), NULL, pool, &inside);
                if (!inside)
                    continue;
                ck_assert_double_le(fabs((pool == 1 ? want : want / (double)inside) - (double)*at_y), 1e-6);
            }
        mem_free(x);
        mem_free(y);
    }
}

START_TEST(pools_are_their_definition) {
    check_pool("MaxPool", 1);
    check_pool("AveragePool", 2);
}
END_TEST

/* Attributes that would overflow, divide by zero or read elsewhere. */
START_TEST(hostile_windows_are_refused) {
    static const struct {
        const char *name;
        int64_t values[4];
        size_t count;
    } wrong[] = {
        {"strides", {0, 1}, 2},
        {"strides", {-1, 1}, 2},
        {"strides", {1}, 1},
        {"strides", {INT64_MAX, 1}, 2},
        {"dilations", {0, 1}, 2},
        {"dilations", {INT64_MAX, 1}, 2},
        {"pads", {-1, 0, 0, 0}, 4},
        {"pads", {0, 0}, 2},
        {"pads", {INT64_MAX, 0, 0, 0}, 4},
        {"kernel_shape", {0, 1}, 2},
        {"kernel_shape", {-3, 1}, 2},
        {"kernel_shape", {1}, 1},
        {"kernel_shape", {100, 1}, 2},
        {"kernel_shape", {INT64_MAX, 1}, 2},
    };
    sl_tensor x = {.dtype = SL_FLOAT, .rank = 4, .dims = {1, 1, 4, 4}}, y = {0}, *out = &y;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct attr attrs[] = {
            {.name = wrong[i].name, .type = ATTR_INTS, .count = wrong[i].count, .ints = wrong[i].values},
            {.name = "kernel_shape", .type = ATTR_INTS, .count = 2, .ints = (int64_t[]){2, 2}}};
        struct op_call call = {.attrs = attrs,
                               .attr_count = 2,
                               .opset = 17,
                               .in = (const sl_tensor *[]){&x},
                               .in_count = 1,
                               .out = &out,
                               .out_count = 1};
        sl_error err = {0};
        ck_assert_msg(op_find("", "MaxPool", 17)->infer(&call, &err) == SL_E_MODEL && *err.text, "case %zu",
                      i);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_convolve");
    TCase *t = tcase_create("convolve");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, convolutions_are_their_definition);
    tcase_add_test(t, pools_are_their_definition);
    tcase_add_test(t, hostile_windows_are_refused);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
