/* test_ops_spatial.c: references of the spatial, signal and algebra operators against what defines them:
 * ConvTranspose is Conv's adjoint, Resize keeps constants and ramps, GridSample on the image's own grid is
 * the image, DFT is its sum and its inverse undoes it, Einsum is its loops; and attributes that make no sense
 * are refused. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

static int64_t pick(int64_t low, int64_t high) {
    return low + rand() % (high - low + 1);
}

static float *random_data(int64_t count) {
    float *data = mem_alloc((size_t)count + 1, sizeof *data);
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(rand() % 2001 - 1000) / 500;
    return data;
}

static const char *dims_text(char text[64], const char *form, const int64_t *v) {
    snprintf(text, 64, form, (int)v[0], (int)v[1], (int)v[2], (int)v[3]);
    return text;
}

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* <conv(x), y> = <x, transposed(y)> for all x and y, whatever the geometry. */
START_TEST(conv_transpose_is_the_adjoint) {
    srand(1);
    for (int round = 0; round < 150;) {
        int64_t g = pick(1, 2), from = pick(1, 3), to = pick(1, 3), in[2], out[2], k[2], s[2], d[2], p[4],
                more[2];
        bool fits = true;
        for (int i = 0; i < 2; i++) {
            in[i] = pick(1, 8);
            k[i] = pick(1, 3);
            s[i] = pick(1, 3);
            d[i] = pick(1, 2);
            p[i] = pick(0, 2);
            p[i + 2] = pick(0, 2);
            int64_t room = in[i] + p[i] + p[i + 2] - (k[i] - 1) * d[i] - 1;
            fits = fits && room >= 0;
            out[i] = room / s[i] + 1;
            more[i] = room % s[i];
        }
        if (!fits)
            continue;
        round++;
        char text[64];
        int64_t x_count = g * from * in[0] * in[1], y_count = g * to * out[0] * out[1];
        float *x = random_data(x_count), *y = random_data(y_count);
        float *w = random_data(g * to * from * k[0] * k[1]), *result[2];
        for (int transposed = 0; transposed < 2; transposed++) {
            struct model m;
            model_begin(&m);
            model_input(&m, "x", SL_FLOAT,
                        transposed ? dims_text(text, "n,%d,%d,%d", (int64_t[]){g * to, out[0], out[1], 0})
                                   : dims_text(text, "n,%d,%d,%d", (int64_t[]){g * from, in[0], in[1], 0}));
            model_floats(&m, "w", dims_text(text, "%d,%d,%d,%d", (int64_t[]){g * to, from, k[0], k[1]}), w);
            model_node(&m, transposed ? "ConvTranspose" : "Conv", "x,w", "y");
            model_attr_int(&m, "group", g);
            model_attr_ints(&m, "strides", 2, s);
            model_attr_ints(&m, "dilations", 2, d);
            model_attr_ints(&m, "pads", 4, p);
            if (transposed)
                model_attr_ints(&m, "output_padding", 2, more);
            model_output(&m, "y", SL_FLOAT, "n,c,h,w");
            result[transposed] = rig_run_model(&m, 1, transposed ? y : x);
            model_end(&m);
        }
        double one = dot(result[0], y, y_count), other = dot(x, result[1], x_count);
        ck_assert_msg(fabs(one - other) <= 1e-4 * (1 + fabs(one)), "%.9g and %.9g in round %d", one, other,
                      round);
        mem_free(x);
        mem_free(y);
        mem_free(w);
        mem_free(result[0]);
        mem_free(result[1]);
    }
}
END_TEST

/* Resizes [1,h,w] to [1,oh,ow]; mem_free the result. */
static float *resize(const float *x, const int64_t in[2], const int64_t out[2], const char *mode,
                     const char *place, bool antialias) {
    char text[64];
    struct model m;
    model_begin(&m);
    model_opset(&m, "", 18);
    model_input(&m, "x", SL_FLOAT, dims_text(text, "n,%d,%d", (int64_t[]){in[0], in[1], 0, 0}));
    model_ints(&m, "sizes", "2", out);
    model_node(&m, "Resize", "x,,,sizes", "y");
    model_attr_ints(&m, "axes", 2, (int64_t[]){1, 2});
    model_attr_text(&m, "mode", mode);
    model_attr_text(&m, "coordinate_transformation_mode", place);
    model_attr_int(&m, "antialias", antialias);
    model_output(&m, "y", SL_FLOAT, "n,h,w");
    float *y = rig_run_model(&m, 1, x);
    model_end(&m);
    return y;
}

START_TEST(resize_keeps_constants_and_ramps) {
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric",
                                         "half_pixel_symmetric"};
    srand(2);
    for (int round = 0; round < 200; round++) {
        const int64_t in[2] = {pick(2, 9), pick(2, 9)}, out[2] = {pick(2, 20), pick(2, 20)};
        float x[81];
        for (int64_t i = 0; i < 81; i++)
            x[i] = 2.5F;
        float *y = resize(x, in, out, modes[round % 3], places[round % 5], round % 3 && round % 2);
        for (int64_t i = 0; i < out[0] * out[1]; i++)
            ck_assert_float_eq_tol(y[i], 2.5F, 1e-5F);
        mem_free(y);
        for (int64_t i = 0; i < in[0] * in[1]; i++)
            x[i] = (float)(3 * (i / in[1])) - 2 * (float)(i % in[1]);
        y = resize(x, in, out, "linear", "align_corners", false);
        for (int64_t i = 0; i < out[0] * out[1]; i++) {
            double v = (double)(i / out[1] * (in[0] - 1)) / (double)(out[0] - 1);
            double h = (double)(i % out[1] * (in[1] - 1)) / (double)(out[1] - 1);
            ck_assert_double_eq_tol((double)y[i], 3 * v - 2 * h, 1e-5);
        }
        mem_free(y);
    }
}
END_TEST

START_TEST(a_grid_of_its_own_gives_the_image) {
    static const char *const modes[] = {"linear", "nearest", "cubic"};
    const float identity[] = {1, 0, 0, 0, 1, 0};
    const int64_t size[] = {1, 2, 5, 7};
    for (int corners = 0; corners < 2; corners++)
        for (int mode = 0; mode < 3; mode++) {
            struct model m;
            float *x = random_data(70);
            model_begin(&m);
            model_opset(&m, "", 20);
            model_input(&m, "x", SL_FLOAT, "n,2,5,7");
            model_floats(&m, "theta", "1,2,3", identity);
            model_ints(&m, "size", "4", size);
            model_node(&m, "AffineGrid", "theta,size", "grid");
            model_attr_int(&m, "align_corners", corners);
            model_node(&m, "GridSample", "x,grid", "y");
            model_attr_int(&m, "align_corners", corners);
            model_attr_text(&m, "mode", modes[mode]);
            model_output(&m, "y", SL_FLOAT, "n,2,5,7");
            float *y = rig_run_model(&m, 1, x);
            for (int i = 0; i < 70; i++)
                ck_assert_float_eq_tol(y[i], x[i], 1e-5F);
            mem_free(y);
            mem_free(x);
            model_end(&m);
        }
}
END_TEST

/* [n, length, 2] there, and there and back. */
static float *transform(const float *x, int64_t length, bool back) {
    char text[64];
    struct model m;
    model_begin(&m);
    model_opset(&m, "", 17);
    model_input(&m, "x", SL_FLOAT, dims_text(text, "n,%d,2", (int64_t[]){length, 0, 0, 0}));
    model_node(&m, "DFT", "x", back ? "a" : "y");
    if (back) {
        model_node(&m, "DFT", "a", "y");
        model_attr_int(&m, "inverse", 1);
    }
    model_output(&m, "y", SL_FLOAT, "n,l,2");
    float *y = rig_run_model(&m, 1, x);
    model_end(&m);
    return y;
}

START_TEST(dft_is_its_sum) {
    srand(3);
    for (int64_t n = 1; n <= 48; n++) {
        float *x = random_data(2 * n), *y = transform(x, n, false), *same = transform(x, n, true);
        for (int64_t k = 0; k < n; k++) {
            double re = 0, im = 0;
            for (int64_t i = 0; i < n; i++) {
                double angle = -2 * acos(-1) * (double)(i * k % n) / (double)n;
                re += (double)x[2 * i] * cos(angle) - (double)x[2 * i + 1] * sin(angle);
                im += (double)x[2 * i] * sin(angle) + (double)x[2 * i + 1] * cos(angle);
            }
            ck_assert_double_eq_tol((double)y[2 * k], re, 2e-5);
            ck_assert_double_eq_tol((double)y[2 * k + 1], im, 2e-5);
        }
        for (int64_t i = 0; i < 2 * n; i++)
            ck_assert_float_eq_tol(same[i], x[i], 1e-5F);
        mem_free(x);
        mem_free(y);
        mem_free(same);
    }
}
END_TEST

START_TEST(einsum_is_its_loops) {
    enum { B = 2, I = 3, J = 4, K = 5 };
    struct model m;
    float *x = random_data(B * I * J), *w = random_data(J * K);
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,3,4");
    model_floats(&m, "w", "4,5", w);
    model_node(&m, "Einsum", "x,w", "y");
    model_attr_text(&m, "equation", "...ij, jk");
    model_output(&m, "y", SL_FLOAT, "n,3,5");
    float *y = rig_run_model(&m, B, x);
    model_end(&m);
    for (int at = 0; at < B * I * K; at++) {
        double sum = 0;
        for (int j = 0; j < J; j++)
            sum += (double)x[at / K * J + j] * (double)w[j * K + at % K];
        ck_assert_double_eq_tol((double)y[at], sum, 1e-6);
    }
    mem_free(x);
    mem_free(w);
    mem_free(y);
}
END_TEST

/* A node over x [n,3,4,5] with one more input; true when a plan is made. */
static bool plans(const char *op, const char *attr, const char *text, const int64_t *values, size_t count,
                  const int64_t *second, size_t second_count) {
    struct model m;
    struct plan_options options = {.batch = 1};
    struct plan *plan = NULL;
    sl_error err = {0};
    char dims[16];
    model_begin(&m);
    model_opset(&m, "", 20);
    model_input(&m, "x", SL_FLOAT, "n,3,4,5");
    snprintf(dims, sizeof dims, "%d", (int)second_count);
    if (second)
        model_ints(&m, "s", dims, second);
    float w[3 * 2 * 2 * 2] = {0};
    model_floats(&m, "w", "3,2,2,2", w);
    bool resizes = !strcmp(op, "Resize");
    model_node(&m, op, resizes ? "x,,,s" : second ? "x,s" : !strcmp(op, "ConvTranspose") ? "x,w" : "x", "y");
    if (text)
        model_attr_text(&m, attr, text);
    else if (attr)
        model_attr_ints(&m, attr, count, values);
    model_output(&m, "y", SL_FLOAT, "?");
    struct graph *graph = model_load(&m, &err);
    bool planned = graph && plan_make(&plan, graph, &options, &err) == SL_OK;
    ck_assert(planned || err.text[0]);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
    return planned;
}

START_TEST(nonsense_is_refused) {
    static const char *const equations[] = {
        "",         "a",         "abcde",    "ab..cd", "abcd->e",       "abcd->aa",
        "...abcde", "a...b...c", "abcd,->a", "a1cd",   "abcd-> a->b",   "abcd,a",
        "abcd->.",  ".",         "->",       "aabc",   "abcd->abcd...."};
    for (size_t i = 0; i < sizeof equations / sizeof *equations; i++)
        ck_assert_msg(!plans("Einsum", "equation", equations[i], NULL, 0, NULL, 0), "'%s'", equations[i]);
    ck_assert(plans("Einsum", "equation", "a b...d->a...", NULL, 0, NULL, 0));
    ck_assert(plans("Resize", NULL, NULL, NULL, 0, (int64_t[]){1, 3, 8, 9}, 4));
    ck_assert(!plans("Resize", NULL, NULL, NULL, 0, (int64_t[]){1, 3, -8, 9}, 4));
    ck_assert(!plans("Resize", NULL, NULL, NULL, 0, (int64_t[]){1, 3, INT64_MAX, 9}, 4));
    ck_assert(!plans("Resize", NULL, NULL, NULL, 0, (int64_t[]){1, 3, 8}, 3));
    ck_assert(!plans("Resize", "mode", "area", NULL, 0, (int64_t[]){1, 3, 8, 9}, 4));
    ck_assert(!plans("Resize", "axes", NULL, (int64_t[]){2, 2, 1, 0}, 4, (int64_t[]){8, 8, 8, 8}, 4));
    ck_assert(plans("ConvTranspose", "strides", NULL, (int64_t[]){2, 2}, 2, NULL, 0));
    ck_assert(!plans("ConvTranspose", "strides", NULL, (int64_t[]){0, 2}, 2, NULL, 0));
    ck_assert(!plans("ConvTranspose", "strides", NULL, (int64_t[]){INT64_MAX, 2}, 2, NULL, 0));
    ck_assert(!plans("ConvTranspose", "pads", NULL, (int64_t[]){9, 9, 9, 9}, 4, NULL, 0));
    ck_assert(!plans("ConvTranspose", "output_shape", NULL, (int64_t[]){-1, 5}, 2, NULL, 0));
    ck_assert(!plans("ConvTranspose", "output_shape", NULL, (int64_t[]){INT64_MAX, INT64_MAX}, 2, NULL, 0));
    ck_assert(!plans("CenterCropPad", NULL, NULL, NULL, 0, (int64_t[]){1, 3, -1, 5}, 4));
    ck_assert(!plans("MaxUnpool", "kernel_shape", NULL, (int64_t[]){INT64_MAX, 2}, 2, (int64_t[]){0, 0}, 2));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ops_spatial");
    TCase *t = tcase_create("ops_spatial");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, conv_transpose_is_the_adjoint);
    tcase_add_test(t, resize_keeps_constants_and_ramps);
    tcase_add_test(t, a_grid_of_its_own_gives_the_image);
    tcase_add_test(t, dft_is_its_sum);
    tcase_add_test(t, einsum_is_its_loops);
    tcase_add_test(t, nonsense_is_refused);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
