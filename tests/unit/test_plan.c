/* test_plan.c: where values stand: nothing that lives at the same time overlaps, the arena is near the least
 * that is possible, and a record's result does not depend on its row. */
#include <stdlib.h>
#include <string.h>

#include "graph/work.h"
#include "harness.h"
#include "model_rig.h"
#include "support/mem.h"

static struct plan *plan_of(struct graph *graph, int64_t batch) {
    struct plan *plan;
    sl_error err = {0};
    ck_assert_msg(plan_make(&plan, graph, &(struct plan_options){.batch = batch}, &err) == SL_OK, "%s",
                  err.text);
    return plan;
}

static struct graph *load(struct model *m) {
    sl_error err;
    struct graph *graph = model_load(m, &err);
    ck_assert_msg(graph != NULL, "%s", err.text);
    return graph;
}

/* Blocks of random sizes and lives: what overlaps in time must not overlap in place. */
START_TEST(blocks_never_collide) {
    srand(7);
    for (int round = 0; round < 200; round++) {
        struct place_block blocks[60];
        size_t count = (size_t)(rand() % 60);
        for (size_t i = 0; i < count; i++) {
            uint32_t first = (uint32_t)(rand() % 40);
            blocks[i] = (struct place_block){.nbytes = (size_t)(rand() % 50) * PLAN_ALIGN,
                                             .offset = SIZE_MAX,
                                             .first = first,
                                             .last = first + (uint32_t)(rand() % 8)};
        }
        size_t total = place_blocks(blocks, count), peak = place_peak(blocks, count);
        ck_assert_uint_ge(total, peak);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(blocks[i].offset % PLAN_ALIGN, 0);
            ck_assert_uint_le(blocks[i].offset + blocks[i].nbytes, total);
            for (size_t k = 0; k < i; k++) {
                bool time = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last;
                bool space = blocks[i].offset < blocks[k].offset + blocks[k].nbytes &&
                             blocks[k].offset < blocks[i].offset + blocks[i].nbytes;
                ck_assert(!time || !space);
            }
        }
    }
}
END_TEST

/* The worst live bytes of a plan, counted from its steps alone; and that places do not collide. */
static size_t check_places(const struct plan *plan) {
    size_t n = plan->value_count, peak = 0;
    size_t *first = mem_alloc(n, sizeof *first), *last = mem_alloc(n, sizeof *last);
    for (size_t i = 0; i < n; i++)
        first[i] = SIZE_MAX;
    for (size_t s = 0; s < plan->step_count; s++)
        for (int side = 0; side < 2; side++) {
            const uint32_t *list = side ? plan->steps[s].out : plan->steps[s].in;
            for (size_t k = 0; k < (side ? plan->steps[s].out_count : plan->steps[s].in_count); k++)
                if (list[k] != PLAN_NONE) {
                    first[list[k]] = first[list[k]] == SIZE_MAX ? s : first[list[k]];
                    last[list[k]] = s;
                }
        }
    for (size_t s = 0; s < plan->step_count; s++) {
        size_t live = 0;
        for (size_t i = 0; i < n; i++) {
            const struct plan_value *a = &plan->values[i];
            if (a->place != PLAN_ARENA || first[i] == SIZE_MAX || first[i] > s || last[i] < s)
                continue;
            ck_assert_uint_eq(a->offset % PLAN_ALIGN, 0);
            ck_assert_uint_le(a->offset + a->nbytes, plan->arena_nbytes);
            bool shared = false;
            for (size_t k = 0; k < i; k++) {
                const struct plan_value *b = &plan->values[k];
                bool alive = b->place == PLAN_ARENA && first[k] != SIZE_MAX && first[k] <= s && last[k] >= s;
                bool same = b->offset == a->offset; /* a view, or overwritten in this step */
                ck_assert(!alive || same || a->offset >= b->offset + b->nbytes ||
                          b->offset >= a->offset + a->nbytes);
                shared = shared || (alive && same);
            }
            live += shared ? 0 : (a->nbytes + PLAN_ALIGN - 1) / PLAN_ALIGN * PLAN_ALIGN;
        }
        peak = live > peak ? live : peak;
    }
    mem_free(first);
    mem_free(last);
    return peak;
}

/* A residual network: branches that stay alive over others. */
static void residual(struct model *m, int blocks) {
    static float weights[16 * 16 * 9];
    char in[32], out[32], list[64];
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        weights[i] = (float)((int)(i * 2654435761u % 200) - 100) / 1000;
    model_begin(m);
    model_input(m, "x", SL_FLOAT, "n,3,16,16");
    model_floats(m, "w0", "16,3,3,3", weights);
    model_floats(m, "w", "16,16,3,3", weights);
    model_node(m, "Conv", "x,w0", "b0");
    model_attr_ints(m, "pads", 4, (int64_t[]){1, 1, 1, 1});
    for (int i = 0; i < blocks; i++) {
        snprintf(in, sizeof in, "b%d", i);
        snprintf(list, sizeof list, "b%d,w", i);
        snprintf(out, sizeof out, "c%d", i);
        model_node(m, "Conv", list, out);
        model_attr_ints(m, "pads", 4, (int64_t[]){1, 1, 1, 1});
        snprintf(list, sizeof list, "c%d", i);
        snprintf(out, sizeof out, "r%d", i);
        model_node(m, "Relu", list, out);
        snprintf(list, sizeof list, "r%d,b%d", i, i);
        snprintf(out, sizeof out, "b%d", i + 1);
        model_node(m, "Add", list, out);
    }
    snprintf(list, sizeof list, "b%d", blocks);
    model_node(m, "GlobalAveragePool", list, "pooled");
    model_node(m, "Flatten", "pooled", "y");
    model_output(m, "y", SL_FLOAT, "n,16");
}

START_TEST(the_arena_is_near_the_least) {
    for (int blocks = 0; blocks < 8; blocks++) {
        struct model m;
        residual(&m, blocks);
        struct graph *graph = load(&m);
        for (int64_t batch = 1; batch < 40; batch += 13) {
            struct plan *plan = plan_of(graph, batch);
            size_t live = check_places(plan);
            ck_assert_uint_eq(live, plan->peak_live_nbytes);
            ck_assert_uint_le(plan->arena_nbytes * 10, plan->peak_live_nbytes * 11);
            plan_close(plan);
        }
        graph_close(graph);
        model_end(&m);
    }
}
END_TEST

/* The samples' models, where the tests run from the tree. */
static const char *const samples[] = {"01-tabular-mlp", "02-tabular-trees", "03-digits-cnn",
                                      "04-photos-upright"};

static struct graph *load_sample(int i) {
    char path[512];
    const char *tests = getenv("SLUICE_TESTS_DIR");
    sl_error err = {0};
    struct graph *graph;
    snprintf(path, sizeof path, "%s/../samples/%s/model/model.onnx", tests ? tests : "tests", samples[i]);
    ck_assert_msg(graph_load(&graph, path, &err) == SL_OK, "%s", err.text);
    return graph;
}

START_TEST(samples_are_planned_tightly) {
    struct graph *graph = load_sample(_i);
    struct plan *plan = plan_of(graph, 64);
    ck_assert_uint_eq(check_places(plan), plan->peak_live_nbytes);
    ck_assert_uint_le(plan->arena_nbytes * 10, plan->peak_live_nbytes * 11);
    plan_close(plan);
    graph_close(graph);
}
END_TEST

/* 64 records, turned round through all rows of the batch: each one's outputs must keep every bit. */
START_TEST(a_records_score_is_the_same_in_any_row) {
    enum { ROWS = 64 };
    struct graph *graph = load_sample(_i);
    struct plan *plan = plan_of(graph, ROWS);
    size_t row = plan->inputs[0].row_nbytes / sizeof(float);
    float *records = mem_alloc(ROWS * row, sizeof *records), *turned = mem_alloc(ROWS * row, sizeof *records);
    void *first[4], *again[4];
    srand(11);
    for (size_t i = 0; i < ROWS * row; i++)
        records[i] = (float)(rand() % 2001 - 1000) / 300;
    rig_run(plan, (const void *[]){records}, first);
    for (size_t shift = 1; shift < ROWS; shift += 9) {
        for (size_t r = 0; r < ROWS; r++)
            memcpy(turned + (r + shift) % ROWS * row, records + r * row, row * sizeof *records);
        rig_run(plan, (const void *[]){turned}, again);
        for (size_t o = 0; o < plan->output_count; o++) {
            size_t nbytes = plan->outputs[o].row_nbytes;
            for (size_t r = 0; r < ROWS; r++)
                ck_assert_mem_eq((char *)again[o] + (r + shift) % ROWS * nbytes,
                                 (char *)first[o] + r * nbytes, nbytes);
            mem_free(again[o]);
        }
    }
    for (size_t o = 0; o < plan->output_count; o++)
        mem_free(first[o]);
    mem_free(records);
    mem_free(turned);
    plan_close(plan);
    graph_close(graph);
}
END_TEST

/* Elementwise steps overwrite what nobody reads afterwards, and never what somebody does. */
START_TEST(elementwise_steps_run_in_place) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,8");
    model_node(&m, "Exp", "x", "a");
    model_node(&m, "Neg", "a", "b");   /* over a? no: a is read again */
    model_node(&m, "Abs", "b", "c");   /* over b */
    model_node(&m, "Add", "a,c", "d"); /* over a */
    model_node(&m, "Mul", "d,d", "y"); /* not over d: it is there twice, and y is an output */
    model_output(&m, "y", SL_FLOAT, "n,8");
    struct graph *graph = load(&m);
    struct plan *plan = plan_of(graph, 2);
    size_t offsets[5] = {0};
    for (size_t i = 0; i < plan->step_count; i++)
        offsets[i] = plan->values[plan->steps[i].out[0]].offset;
    ck_assert_uint_ne(offsets[0], offsets[1]);
    ck_assert_uint_eq(offsets[1], offsets[2]);
    ck_assert_uint_eq(offsets[0], offsets[3]);
    ck_assert_uint_eq(plan->arena_nbytes, 2 * PLAN_ALIGN);
    void *out;
    const float x[16] = {0, 1, 2, -1};
    rig_run(plan, (const void *[]){x}, &out);
    ck_assert_float_eq(((float *)out)[0], 4);
    mem_free(out);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

/* A residual that nobody reads afterwards is added to where it lies; so is the second input of a sum. */
START_TEST(residuals_and_second_inputs_are_overwritten) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,16");
    model_floats(&m, "w", "16,16", (float[256]){1, 2, 3});
    model_node(&m, "Exp", "x", "side");
    model_node(&m, "Sin", "x", "a");
    model_node(&m, "MatMul", "a,w", "p");
    model_node(&m, "Add", "p,side", "s"); /* over side, in one step with the product */
    model_node(&m, "Cos", "x", "c");
    model_node(&m, "Sub", "s,c", "d");
    model_node(&m, "Sub", "s,d", "y2"); /* over d: s is read again */
    model_node(&m, "Sub", "s,y2", "y");
    model_output(&m, "y", SL_FLOAT, "n,16");
    struct graph *graph = load(&m);
    struct plan *plan = plan_of(graph, 2);
    size_t overs = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct plan_step *step = &plan->steps[i];
        size_t over = !strcmp(step->op->name, "Linear") ? 3 : 1;
        const struct plan_value *out = &plan->values[step->out[0]], *in;
        if (over >= step->in_count || step->in[over] == PLAN_NONE)
            continue;
        in = &plan->values[step->in[over]];
        overs += in->place == PLAN_ARENA && out->place == PLAN_ARENA && in->offset == out->offset;
    }
    ck_assert_uint_eq(overs, 2);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

/* An input, a constant-free copy of it, one value twice: each output has a block of its own. */
START_TEST(outputs_have_their_own_blocks) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "n,2");
    model_node(&m, "Identity", "x", "same");
    model_node(&m, "Neg", "x", "neg");
    model_node(&m, "Identity", "neg", "again");
    model_ints(&m, "wish", "2", (int64_t[]){-1, 1});
    model_node(&m, "Flatten", "neg", "flat");
    model_output(&m, "same", SL_FLOAT, "n,2");
    model_output(&m, "neg", SL_FLOAT, "n,2");
    model_output(&m, "again", SL_FLOAT, "n,2");
    model_output(&m, "flat", SL_FLOAT, "n,2");
    struct graph *graph = load(&m);
    struct plan *plan = plan_of(graph, 1);
    void *out[4];
    rig_run(plan, (const void *[]){(float[]){3, 4}}, out);
    ck_assert_uint_eq(plan->output_nbytes, 4 * PLAN_ALIGN);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(plan->values[plan->outputs[i].value].place, PLAN_OUTPUT);
        ck_assert_float_eq(((float *)out[i])[1], i ? -4 : 4);
        mem_free(out[i]);
    }
    ck_assert_str_eq(plan->outputs[2].name, "again");
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(constant_outputs_are_copied) {
    struct model m;
    model_begin(&m);
    model_input(&m, "x", SL_FLOAT, "1,2");
    model_floats(&m, "k", "1,3", (float[]){7, 8, 9});
    model_node(&m, "Neg", "k", "y");
    model_output(&m, "y", SL_FLOAT, "1,3");
    float *out = rig_run_model(&m, 1, (float[]){1, 2});
    ck_assert_float_eq(out[2], -9);
    mem_free(out);
    model_end(&m);
}
END_TEST

START_TEST(unused_inputs_keep_their_place) {
    struct model m;
    model_begin(&m);
    model_input(&m, "unused", SL_FLOAT, "n,5");
    model_input(&m, "x", SL_FLOAT, "n,2");
    model_node(&m, "Neg", "x", "y");
    model_output(&m, "y", SL_FLOAT, "n,2");
    struct graph *graph = load(&m);
    struct plan *plan = plan_of(graph, 3);
    ck_assert_uint_eq(plan->input_count, 2);
    ck_assert_str_eq(plan->inputs[0].name, "unused");
    ck_assert_uint_eq(plan->inputs[0].row_nbytes, 20);
    ck_assert_uint_eq(plan->values[plan->inputs[1].value].offset, PLAN_ALIGN);
    ck_assert_uint_eq(plan->input_nbytes, 2 * PLAN_ALIGN);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(steps_are_printed) {
    struct model m;
    struct buf out;
    buf_init(&out);
    residual(&m, 1);
    struct graph *graph = load(&m);
    struct plan *plan = plan_of(graph, 2);
    plan_print_steps(plan, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "operator"));
    ck_assert_ptr_nonnull(strstr(out.data, "float [2, 16, 16, 16]"));
    ck_assert_uint_eq(plan->flops, 2u * 2 * 16 * 256 * 27 + 2u * 2 * 16 * 256 * 144);
    plan_close(plan);
    graph_close(graph);
    model_end(&m);
    buf_clear(&out);
}
END_TEST

/* Every allocation of a plan may fail; what remains is an error, not a leak or a crash. */
START_TEST(out_of_memory_is_an_error) {
    struct model m;
    residual(&m, 2);
    struct graph *graph = load(&m);
    size_t n = 1;
    for (;; n++) {
        struct plan *plan = NULL;
        sl_error err = {0};
        mem_fail_nth(n, false);
        sl_status st = plan_make(&plan, graph, &(struct plan_options){.batch = 4}, &err);
        mem_fail_nth(0, false);
        if (st == SL_OK) {
            plan_close(plan);
            break;
        }
        ck_assert_int_eq(st, SL_E_MEMORY);
    }
    ck_assert_uint_gt(n, 5);
    graph_close(graph);
    model_end(&m);
}
END_TEST

START_TEST(out_of_memory_while_loading_is_an_error) {
    struct model m;
    struct buf bytes;
    struct graph *graph;
    residual(&m, 40);
    model_bytes(&m, &bytes);
    const char *path = model_write(bytes.data, bytes.size);
    size_t n = 1;
    for (;; n++) {
        sl_error err = {0};
        mem_fail_nth(n, false);
        sl_status st = graph_load(&graph, path, &err);
        mem_fail_nth(0, false);
        if (st == SL_OK)
            break;
        ck_assert_int_eq(st, SL_E_MEMORY);
    }
    ck_assert_uint_gt(n, 5);
    graph_close(graph);
    remove(path);
    buf_clear(&bytes);
    model_end(&m);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("plan");
    TCase *t = tcase_create("plan");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, blocks_never_collide);
    tcase_add_test(t, the_arena_is_near_the_least);
    tcase_add_loop_test(t, samples_are_planned_tightly, 0, 4);
    tcase_add_loop_test(t, a_records_score_is_the_same_in_any_row, 0, 4);
    tcase_add_test(t, elementwise_steps_run_in_place);
    tcase_add_test(t, residuals_and_second_inputs_are_overwritten);
    tcase_add_test(t, outputs_have_their_own_blocks);
    tcase_add_test(t, constant_outputs_are_copied);
    tcase_add_test(t, unused_inputs_keep_their_place);
    tcase_add_test(t, steps_are_printed);
    tcase_add_test(t, out_of_memory_is_an_error);
    tcase_add_test(t, out_of_memory_while_loading_is_an_error);
    suite_add_tcase(suite, t);
    return harness_run(suite);
}
