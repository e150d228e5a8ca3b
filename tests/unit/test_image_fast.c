/* test_image_fast.c: the cpu device's own image steps against the references, over random geometry: single
 * nodes, run once as the device chooses and once by references only. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "infer/device.h"
#include "model_rig.h"
#include "ops/rules.h"
#include "support/mem.h"

static int64_t pick(int64_t low, int64_t high) {
    return low + rand() % (high - low + 1);
}

static const char *pick_name(const char *const *names, size_t count) {
    return names[(size_t)rand() % count];
}

/* Runs the plan on the device; what took step 0 goes into `what`. The output is mem_free's. */
static char *run(const struct plan *plan, const void *input, bool reference, struct buf *what) {
    struct device_options options = {.precision = PRECISION_FP32, .threads = 1, .reference = reference};
    char *output = mem_alloc(plan->output_nbytes + 1, 1);
    void *in = mem_map(plan->input_nbytes), *out = mem_map(plan->output_nbytes);
    struct device_batch batch = {.input = in, .output = out, .row_count = plan->batch}, *done;
    struct device *device;
    struct program *program;
    sl_error err = {0};
    memcpy(in, input, plan->input_nbytes);
    ck_assert_msg(device_cpu.open(&device, 0, &options, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.load(device, plan, &program, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.submit(program, &batch, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(device_cpu.collect(program, &done, &err) == SL_OK, "%s", err.text);
    device_cpu.print_steps(program, what);
    memcpy(output, out, plan->output_nbytes);
    device_cpu.unload(program);
    device_cpu.close(device);
    mem_unmap(in, plan->input_nbytes);
    mem_unmap(out, plan->output_nbytes);
    return output;
}

/* Both ways over the model's one output, which may differ by `tolerance`; true when the device said `kernel`
 * of a step. */
static bool check_model(struct model *m, const char *kernel, float tolerance) {
    struct plan_options options = {.batch = 3};
    struct plan *plan;
    struct buf what;
    sl_error err = {0};
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    if (plan_make(&plan, graph, &options, &err) != SL_OK) { /* a window that does not fit, or the like */
        graph_close(graph);
        return false;
    }
    float *x = mem_alloc(plan->input_nbytes / sizeof(float) + 1, sizeof *x);
    for (size_t i = 0; i < plan->input_nbytes / sizeof(float); i++)
        x[i] = (float)(rand() % 2001 - 1000) / 500;
    buf_init(&what);
    char *fast = run(plan, x, false, &what);
    bool said = strstr(what.data, kernel) != NULL;
    char *want = run(plan, x, true, &what);
    const struct plan_value *y = &plan->values[plan->outputs[0].value];
    const float *a = (const float *)(void *)(fast + y->offset),
                *b = (const float *)(void *)(want + y->offset);
    for (int64_t i = 0, n = rule_count(&y->tensor); i < n; i++)
        ck_assert_msg(fabsf(a[i] - b[i]) <= tolerance, "element %lld is %.9g, expected %.9g (%s)",
                      (long long)i, (double)a[i], (double)b[i], what.data);
    buf_clear(&what);
    mem_free(x);
    mem_free(fast);
    mem_free(want);
    plan_close(plan);
    graph_close(graph);
    return said;
}

START_TEST(resize) {
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const places[] = {"half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"};
    size_t fast = 0;
    srand(3);
    for (int round = 0; round < 400; round++) {
        char text[64];
        int64_t channels = pick(1, 3), h = pick(1, 40), w = pick(1, 40);
        bool last = pick(0, 4) == 0; /* channels last: columns of several floats */
        float scale[2] = {(float)pick(1, 12) / 4, (float)pick(1, 12) / 4};
        if (pick(0, 2) == 0)
            scale[0] = 1;
        const float scales[] = {1, last ? scale[0] : 1, last ? scale[1] : scale[0], last ? 1 : scale[1]};
        const float roi[] = {0, 0, 0.25F, 0, 1, 1, pick(0, 1) ? 0.75F : 1.5F, 1};
        struct model m;
        model_begin(&m);
        if (last)
            snprintf(text, sizeof text, "n,%d,%d,%d", (int)h, (int)w, (int)channels);
        else
            snprintf(text, sizeof text, "n,%d,%d,%d", (int)channels, (int)h, (int)w);
        model_input(&m, "x", SL_FLOAT, text);
        model_floats(&m, "roi", "8", roi);
        model_floats(&m, "scales", "4", scales);
        model_node(&m, "Resize", "x,roi,scales", "y");
        model_attr_text(&m, "mode", pick_name(modes, 3));
        model_attr_text(&m, "coordinate_transformation_mode", pick_name(places, 4));
        model_output(&m, "y", SL_FLOAT, "n,a,b,c");
        fast += check_model(&m, "rows ", 4e-6F);
        model_end(&m);
    }
    ck_assert_uint_ge(fast, 150);
}
END_TEST

/* "n,3,7" and the like, the batch first. */
static void write_dims(char text[64], size_t count, const int64_t *dims) {
    size_t used = 1;
    strcpy(text, "n");
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, 64 - used, ",%d", (int)dims[i]);
}

static void random_floats(struct model *m, const char *name, const char *dims, int64_t count) {
    float *x = mem_alloc((size_t)count, sizeof *x);
    for (int64_t i = 0; i < count; i++)
        x[i] = (float)(rand() % 2001 - 1000) / 1000;
    model_floats(m, name, dims, x);
    mem_free(x);
}

/* Between two convolutions images lie with their channels last. */
START_TEST(resize_between_convolutions) {
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    size_t last = 0;
    srand(5);
    for (int round = 0; round < 60; round++) {
        char text[64];
        const float scales[] = {1, 1, (float)pick(2, 8) / 4, (float)pick(2, 8) / 4};
        struct model m;
        model_begin(&m);
        snprintf(text, sizeof text, "n,3,%d,%d", (int)pick(5, 20), (int)pick(5, 20));
        model_input(&m, "x", SL_FLOAT, text);
        random_floats(&m, "v", "16,3,3,3", 16 * 3 * 9);
        random_floats(&m, "w", "16,16,1,1", 16 * 16);
        model_floats(&m, "scales", "4", scales);
        model_node(&m, "Conv", "x,v", "a");
        model_node(&m, "Resize", "a,,scales", "b");
        model_attr_text(&m, "mode", pick_name(modes, 3));
        model_node(&m, "Conv", "b,w", "y");
        model_output(&m, "y", SL_FLOAT, "n,16,h,w");
        last += check_model(&m, "channels last", 1e-4F);
        model_end(&m);
    }
    ck_assert_uint_gt(last, 40);
}
END_TEST

START_TEST(conv_transpose) {
    size_t fast = 0;
    srand(4);
    for (int round = 0; round < 300; round++) {
        struct model m;
        char text[64];
        size_t n = (size_t)pick(1, 3);
        int64_t groups = pick(1, 3), in = pick(1, 4), out = pick(1, 5), x[4] = {groups * in}, w[4] = {out};
        int64_t strides[3], dilations[3], pads[6], more[3], weights = groups * in * out;
        for (size_t d = 0; d < n; d++) {
            x[d + 1] = pick(1, n == 3 ? 5 : 20);
            w[d + 1] = pick(1, 4);
            strides[d] = pick(1, 4);
            dilations[d] = pick(1, 2);
            pads[d] = pick(0, 2);
            pads[d + n] = pick(0, 2);
            more[d] = pick(0, strides[d] - 1);
            weights *= w[d + 1];
        }
        model_begin(&m);
        write_dims(text, n + 1, x);
        model_input(&m, "x", SL_FLOAT, text);
        char rest[64];
        write_dims(rest, n + 1, w);
        snprintf(text, sizeof text, "%d%s", (int)(groups * in), rest + 1);
        random_floats(&m, "w", text, weights);
        snprintf(text, sizeof text, "%d", (int)(groups * out));
        random_floats(&m, "b", text, groups * out);
        model_node(&m, "ConvTranspose", pick(0, 1) ? "x,w,b" : "x,w", "y");
        model_attr_int(&m, "group", groups);
        model_attr_ints(&m, "strides", n, strides);
        model_attr_ints(&m, "dilations", n, dilations);
        model_attr_ints(&m, "pads", 2 * n, pads);
        model_attr_ints(&m, "output_padding", n, more);
        model_output(&m, "y", SL_FLOAT, n == 1 ? "n,a,b" : n == 2 ? "n,a,b,c" : "n,a,b,c,d");
        fast += check_model(&m, "gemm, woven", 2e-5F);
        model_end(&m);
    }
    ck_assert_uint_ge(fast, 200);
}
END_TEST

/* Letters that the batch has no part in get sizes of their own in each round. */
START_TEST(einsum) {
    static const char *const equations[][3] = {
        {"nij,jk->nik", "n,%i,%j", "%j,%k"},          {"nij,kj->nki", "n,%i,%j", "%k,%j"},
        {"nji,jk->nik", "n,%j,%i", "%j,%k"},          {"nqhd,khd->nhqk", "n,%i,%h,%d", "%k,%h,%d"},
        {"nhqk,khd->nqhd", "n,%h,%i,%k", "%k,%h,%d"}, {"ncij,ijk->nck", "n,%h,%i,%j", "%i,%j,%k"},
        {"n...i,ik->n...k", "n,%h,%j,%i", "%i,%k"},   {"ni,jk->nijk", "n,%i", "%j,%k"},
        {"nij,jk->nk", "n,%i,%j", "%j,%k"},           {"nij,ij->ni", "n,%i,%j", "%i,%j"},
        {"nii,ij->nj", "n,%i,%i", "%i,%j"},           {"nij,nkj->nik", "n,%i,%j", NULL}};
    size_t fast = 0;
    srand(6);
    for (int round = 0; round < 240; round++) {
        const char *const *equation = equations[(size_t)round % (sizeof equations / sizeof *equations)];
        int64_t sizes[128] = {0}, count = 1;
        struct model m;
        char dims[2][64] = {"", ""};
        for (const char *c = "ijkhd"; *c; c++)
            sizes[(int)*c] = pick(1, 9);
        for (int k = 0; k < 2 && equation[k + 1]; k++)
            for (const char *c = equation[k + 1]; *c; c++) {
                size_t used = strlen(dims[k]);
                if (*c != '%') {
                    dims[k][used] = *c;
                    continue;
                }
                c++;
                snprintf(dims[k] + used, sizeof dims[k] - used, "%d", (int)sizes[(int)*c]);
                count *= k ? sizes[(int)*c] : 1;
            }
        model_begin(&m);
        model_input(&m, "x", SL_FLOAT, dims[0]);
        if (equation[2])
            random_floats(&m, "w", dims[1], count);
        model_node(&m, "Einsum", equation[2] ? "x,w" : "x,x", "y");
        model_attr_text(&m, "equation", equation[0]);
        model_output(&m, "y", SL_FLOAT, "?");
        fast += check_model(&m, "oneDNN gemm", 1e-4F);
        model_end(&m);
    }
    ck_assert_uint_ge(fast, 120);
}
END_TEST

/* Positions in and around the image; more of them than are taken at once now and then. */
START_TEST(grid_sample) {
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    size_t fast = 0;
    srand(8);
    for (int round = 0; round < 60; round++) {
        struct model m;
        char text[64];
        model_begin(&m);
        model_opset(&m, "", 20);
        snprintf(text, sizeof text, "n,%d,%d,%d", (int)pick(1, 3), (int)pick(1, 9), (int)pick(1, 9));
        model_input(&m, "x", SL_FLOAT, text);
        snprintf(text, sizeof text, "n,%d,%d,2", (int)pick(1, round % 10 ? 9 : 70), (int)pick(1, 60));
        model_input(&m, "grid", SL_FLOAT, text);
        model_node(&m, "GridSample", "x,grid", "y");
        model_attr_text(&m, "padding_mode", paddings[round % 3]);
        model_attr_int(&m, "align_corners", round / 3 % 2);
        model_output(&m, "y", SL_FLOAT, "n,a,b,c");
        fast += check_model(&m, "positions, then", 4e-6F);
        model_end(&m);
    }
    ck_assert_uint_eq(fast, 60);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("image_fast");
    TCase *t = tcase_create("image_fast");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, resize);
    tcase_add_test(t, resize_between_convolutions);
    tcase_add_test(t, conv_transpose);
    tcase_add_test(t, einsum);
    tcase_add_test(t, grid_sample);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
