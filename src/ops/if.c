/* if.c: If. Here the condition comes from the records: where it is known when the plan is made, the branch
 * takes the node's place before anybody runs it. Both branches give the same shapes. */
#include "ops/control.h"
#include "ops/ops.h"
#include "ops/rules.h"

static const char *const branches[] = {"then_branch", "else_branch"};

struct branch {
    const struct attr *attr;
    struct op_prepared prepared;
};

/* Where things stand in the scratch of a run. */
struct if_state {
    struct branch branch[2];
    size_t in, out, unwanted, spare, body;
};

static sl_status if_body_in(const struct op_call *call, const struct attr *attr, sl_tensor *in, size_t count,
                            sl_error *err) {
    (void)call;
    (void)in;
    if (count)
        return error_set(err, SL_E_MODEL, "its graph '%s' has %zu inputs, expected none", attr->name, count);
    return SL_OK;
}

static uint64_t if_trips(const struct op_call *call) {
    (void)call;
    return 1;
}

/* From the least of both to the most of both. */
static sl_status infer_output(const struct op_call *call, const struct op_body *yes, const struct op_body *no,
                              size_t i, sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    const sl_tensor *a = &yes->out[i], *b = &no->out[i];
    sl_tensor *out = call->out[i];
    if (a->dtype != b->dtype || a->rank != b->rank)
        return error_set(err, SL_E_MODEL,
                         "output %zu is %s in one branch and %s in the other, and which one is taken is "
                         "known only when it runs",
                         i, rule_text(one, a), rule_text(other, b));
    if (a->dtype == SL_STRING)
        return error_set(err, SL_E_MODEL,
                         "output %zu is text, and which branch is taken is known only when it runs", i);
    rule_set(out, a->dtype, a->rank, a->dims);
    for (int d = 0; d < a->rank; d++) {
        int64_t x = yes->least[i] ? yes->least[i][d] : a->dims[d],
                y = no->least[i] ? no->least[i][d] : b->dims[d];
        out->dims[d] = a->dims[d] > b->dims[d] ? a->dims[d] : b->dims[d];
        if ((x < y ? x : y) < out->dims[d])
            rule_at_most(call, i, d, x < y ? x : y);
    }
    return SL_OK;
}

static sl_status if_infer(const struct op_call *call, sl_error *err) {
    const struct attr *attr[2] = {NULL, NULL};
    sl_status st = control_single(call, 0, SL_BOOL, err);
    for (int b = 0; st == SL_OK && b < 2; b++) {
        st = control_body(call, branches[b], &attr[b], err);
        if (st == SL_OK && attr[b]->body->out_count != call->out_count)
            st = error_set(err, SL_E_MODEL, "its graph '%s' has %zu outputs, the node %zu", branches[b],
                           attr[b]->body->out_count, call->out_count);
    }
    for (size_t i = 0; st == SL_OK && i < call->out_count; i++)
        if (call->out[i])
            st = infer_output(call, attr[0]->body, attr[1]->body, i, err);
    return st;
}

static sl_status if_prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                            sl_error *err) {
    struct if_state *s = arena_alloc(arena, 1, sizeof *s);
    size_t used = 0, inputs = 0, spare = 0, body = 0;
    if (!s)
        return error_set(err, SL_E_MEMORY, "out of memory for a node");
    for (int b = 0; b < 2; b++) {
        sl_status st = control_body(call, branches[b], &s->branch[b].attr, err);
        const struct op_body *own = st == SL_OK ? s->branch[b].attr->body : NULL;
        if (st == SL_OK)
            st = own->prepare(own, arena, &s->branch[b].prepared, err);
        if (st != SL_OK)
            return st;
        inputs = own->in_count > inputs ? own->in_count : inputs;
        body = s->branch[b].prepared.scratch_nbytes > body ? s->branch[b].prepared.scratch_nbytes : body;
        for (size_t i = 0; i < own->out_count; i++) /* one that nobody wants goes there */
            if (!call->out[i] && rule_nbytes(&own->out[i]) > spare)
                spare = rule_nbytes(&own->out[i]);
    }
    s->in = control_room(&used, inputs * sizeof(void *));
    s->out = control_room(&used, call->out_count * sizeof(void *));
    s->unwanted = control_room(&used, sizeof(sl_tensor));
    s->spare = control_room(&used, spare);
    s->body = control_room(&used, body);
    *prepared = (struct op_prepared){.state = s, .scratch_nbytes = used};
    return SL_OK;
}

static void if_run(const struct op_call *call) {
    const struct if_state *s = call->state;
    char *scratch = call->scratch;
    const struct branch *branch = &s->branch[*(const uint8_t *)call->in[0]->data ? 0 : 1];
    const sl_tensor **in = (const sl_tensor **)(void *)(scratch + s->in);
    sl_tensor **out = (sl_tensor **)(void *)(scratch + s->out);
    sl_tensor *unwanted = (sl_tensor *)(void *)(scratch + s->unwanted);
    unwanted->data = scratch + s->spare;
    control_take(call, branch->attr, in);
    for (size_t i = 0; i < call->out_count; i++)
        out[i] = call->out[i] ? call->out[i] : unwanted;
    branch->attr->body->run(branch->attr->body, &branch->prepared, in, out, scratch + s->body, call->failed);
}

const struct op op_if = {.domain = "",
                         .name = "If",
                         .since = 1,
                         .min_in = 1,
                         .max_in = 1,
                         .min_out = 1,
                         .max_out = -1,
                         .attrs = "then_branch else_branch",
                         .infer = if_infer,
                         .prepare = if_prepare,
                         .run = if_run,
                         .body_in = if_body_in,
                         .trips = if_trips,
                         .bounded = true,
                         .any_size = true};
