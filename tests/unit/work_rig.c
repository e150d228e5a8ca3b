/* work_rig.c: see work_rig.h. */
#include "work_rig.h"

#include <check.h>
#include <string.h>

#include "ops/rules.h"

void work_rig_open(struct work_rig *r, struct model *m, int64_t batch) {
    work_rig_open_with(r, m, &(struct plan_options){.batch = batch});
}

void work_rig_open_with(struct work_rig *r, struct model *m, const struct plan_options *options) {
    sl_error err;
    *r = (struct work_rig){.options = *options};
    arena_init(&r->arena);
    r->graph = model_load(m, &err);
    ck_assert_msg(r->graph != NULL, "%s", err.text);
    ck_assert_msg(work_open(&r->work, r->graph, &r->options, &r->arena, &err) == SL_OK, "%s", err.text);
    ck_assert_msg(work_infer(&r->work, &err) == SL_OK, "%s", err.text);
}

void work_rig_close(struct work_rig *r) {
    graph_close(r->graph);
    arena_clear(&r->arena);
}

const char *work_rig_nodes(const struct work_rig *r) {
    static char text[512];
    text[0] = 0;
    for (size_t i = 0; i < r->work.node_count; i++) {
        if (r->work.nodes[i].dead)
            continue;
        if (*text)
            strcat(text, " ");
        strcat(text, r->work.nodes[i].op->name);
    }
    return text;
}

void work_rig_run(struct work_rig *r, const float *input, const float **outputs) {
    struct work *w = &r->work;
    sl_error err = {0};
    for (size_t i = 0; i < w->value_count; i++) {
        sl_tensor *t = &w->values[i].tensor;
        if (!w->values[i].constant && w->values[i].known)
            ck_assert_ptr_nonnull(t->data = arena_alloc(&r->arena, rule_nbytes(t) + 1, 1));
    }
    sl_tensor *in = &w->values[w->inputs[0]].tensor;
    memcpy(in->data, input, rule_nbytes(in));
    for (size_t i = 0; i < w->node_count; i++) {
        if (w->nodes[i].dead)
            continue;
        struct op_call call = work_call(w, &w->nodes[i]);
        ck_assert_msg(reference_run_node(&call, w->nodes[i].op, &err) == SL_OK, "%s", err.text);
    }
    for (size_t i = 0; i < r->graph->output_count; i++)
        outputs[i] = w->values[w->outputs[i]].tensor.data;
}
