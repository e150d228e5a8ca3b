/* loop.c: Loop. The body gets the iteration's number, the condition (true, or it would not run) and the
 * carried values; it gives the next condition, the carried values, and a row for each gathered output. Small
 * loops whose trips are known when the plan is made are unrolled there; these are the others. */
#include <string.h>

#include "ops/control.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define OWN 2 /* inputs of node and body before the carried values */

struct loop_state {
    const struct attr *attr;
    struct op_prepared prepared;
    size_t carried;
    size_t in, out, tensors, number, again, spare, body; /* in the scratch of a run */
    size_t *buffers[2];                                  /* of each carried value, two that take turns */
};

static size_t count_carried(const struct attr *attr) {
    return attr->i > OWN ? (size_t)attr->i - OWN : 0;
}

/* One of the node's own inputs, or NULL. */
static const sl_tensor *own_in(const struct op_call *call, size_t i) {
    const struct attr *attr = op_attr(call, "body");
    return attr && (int64_t)i < attr->i && op_has_in(call, i) ? call->in[i] : NULL;
}

static sl_status loop_body_in(const struct op_call *call, const struct attr *attr, sl_tensor *in,
                              size_t count, sl_error *err) {
    static uint8_t yes = 1;
    size_t carried = count_carried(attr);
    if (count != OWN + carried)
        return error_set(err, SL_E_MODEL, "its graph has %zu inputs, expected %zu", count, OWN + carried);
    for (size_t i = 0; i < carried; i++)
        if (!op_has_in(call, OWN + i))
            return error_set(err, SL_E_MODEL, "input %zu is missing", OWN + i);
    in[0] = (sl_tensor){.dtype = SL_INT64};
    in[1] = (sl_tensor){.dtype = SL_BOOL, .data = &yes};
    control_shapes(call, OWN, in + OWN, carried);
    return SL_OK;
}

static uint64_t loop_trips(const struct op_call *call) {
    const sl_tensor *most = own_in(call, 0);
    int64_t count = most && most->data ? *(const int64_t *)most->data : INT64_MAX;
    return count == INT64_MAX ? UINT64_MAX : count > 0 ? (uint64_t)count : 0;
}

/* Nothing but the trip count ends it. */
static bool runs_through(const struct op_call *call, const struct op_body *body) {
    const sl_tensor *begin = own_in(call, 1);
    const uint8_t *next = body->out[0].data;
    return (!begin || (begin->data && *(const uint8_t *)begin->data)) && next && *next;
}

static bool never_runs(const struct op_call *call) {
    const sl_tensor *begin = own_in(call, 1);
    return begin && begin->data && !*(const uint8_t *)begin->data;
}

static sl_status infer_carried(const struct op_call *call, const struct op_body *body, size_t carried,
                               sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    for (size_t i = 0; i < carried; i++) {
        const sl_tensor *before = call->in[OWN + i], *after = &body->out[1 + i];
        if (!control_same(before, after))
            return error_set(err, SL_E_MODEL,
                             "carried value %zu is %s before an iteration and %s after it, and the loop is "
                             "not one that can be unrolled",
                             i, rule_text(one, before), rule_text(other, after));
        if (after->dtype == SL_STRING)
            return error_set(err, SL_E_MODEL, "carried value %zu is text", i);
        if (i < call->out_count && call->out[i])
            rule_set(call->out[i], after->dtype, after->rank, after->dims);
    }
    return SL_OK;
}

/* Outputs with a row for each iteration. */
static sl_status infer_gathered(const struct op_call *call, const struct op_body *body, size_t carried,
                                sl_error *err) {
    uint64_t trips = never_runs(call) ? 0 : loop_trips(call);
    for (size_t i = carried; i < call->out_count; i++) {
        const sl_tensor *slice = &body->out[1 + i];
        if (!call->out[i])
            continue;
        if (trips > INT64_MAX / 2)
            return error_set(err, SL_E_MODEL,
                             "output %zu has a row for each iteration, and nothing bounds their number", i);
        if (slice->dtype == SL_STRING)
            return error_set(err, SL_E_MODEL, "output %zu is text", i);
        sl_status st = control_stack(slice, 0, (int64_t)trips, call->out[i], err);
        if (st != SL_OK)
            return st;
        if (trips && !runs_through(call, body))
            rule_at_most(call, i, 0, 0);
    }
    return SL_OK;
}

static sl_status loop_infer(const struct op_call *call, sl_error *err) {
    const struct attr *attr = NULL;
    sl_status st = control_body(call, "body", &attr, err);
    if (st == SL_OK && attr->i > 0)
        st = control_single(call, 0, SL_INT64, err);
    if (st == SL_OK && attr->i > 1)
        st = control_single(call, 1, SL_BOOL, err);
    if (st != SL_OK)
        return st;
    const struct op_body *body = attr->body;
    size_t carried = count_carried(attr);
    if (body->out_count < 1 + carried || call->out_count > body->out_count - 1)
        return error_set(err, SL_E_MODEL,
                         "its graph has %zu outputs, the node %zu carried values and %zu outputs",
                         body->out_count, carried, call->out_count);
    if (body->out[0].dtype != SL_BOOL || rule_count(&body->out[0]) != 1)
        return error_set(err, SL_E_MODEL, "output 0 of its graph is not one bool");
    st = control_fixed(body, 0, err);
    if (st == SL_OK)
        st = infer_carried(call, body, carried, err);
    return st == SL_OK ? infer_gathered(call, body, carried, err) : st;
}

static sl_status loop_prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                              sl_error *err) {
    struct loop_state *s = arena_alloc(arena, 1, sizeof *s);
    size_t used = 0, spare = 0;
    if (!s)
        return error_set(err, SL_E_MEMORY, "out of memory for a node");
    sl_status st = control_body(call, "body", &s->attr, err);
    if (st == SL_OK)
        st = s->attr->body->prepare(s->attr->body, arena, &s->prepared, err);
    if (st != SL_OK)
        return st;
    const struct op_body *body = s->attr->body;
    s->carried = count_carried(s->attr);
    s->in = control_room(&used, body->in_count * sizeof(void *));
    s->out = control_room(&used, body->out_count * sizeof(void *));
    s->tensors = control_room(&used, (OWN + s->carried + body->out_count) * sizeof(sl_tensor));
    s->number = control_room(&used, sizeof(int64_t));
    s->again = control_room(&used, 1);
    for (int b = 0; b < 2; b++) {
        s->buffers[b] = arena_alloc(arena, s->carried, sizeof *s->buffers[b]);
        if (!s->buffers[b])
            return error_set(err, SL_E_MEMORY, "out of memory for a node");
        for (size_t i = 0; i < s->carried; i++)
            s->buffers[b][i] = control_room(&used, rule_nbytes(&body->out[1 + i]));
    }
    for (size_t i = 1 + s->carried; i < body->out_count; i++) /* one that nobody wants goes there */
        spare = rule_nbytes(&body->out[i]) > spare ? rule_nbytes(&body->out[i]) : spare;
    s->spare = control_room(&used, spare);
    s->body = control_room(&used, s->prepared.scratch_nbytes);
    *prepared = (struct op_prepared){.state = s, .scratch_nbytes = used};
    return SL_OK;
}

/* Where iteration `trip` puts its row of output i. */
static void *row_of(const struct op_call *call, size_t i, size_t nbytes, int64_t trip, char *spare) {
    bool wanted = i < call->out_count && call->out[i];
    return wanted ? (char *)call->out[i]->data + (size_t)trip * nbytes : spare;
}

/* Where the carried values are at the end: buffers 0 or 1, or -1 for the inputs; and after how many trips. */
struct loop_end {
    int at;
    int64_t trips;
};

/* Tensors of the body's own inputs and of its outputs, the inputs first; their data is set for each trip. */
static sl_tensor *set_tensors(const struct op_call *call, const struct loop_state *s, const sl_tensor **in,
                              sl_tensor **out) {
    const struct op_body *body = s->attr->body;
    sl_tensor *own = (sl_tensor *)(void *)((char *)call->scratch + s->tensors),
              *given = own + OWN + s->carried;
    for (size_t i = 0; i < OWN + s->carried; i++) {
        own[i] = body->in[i];
        in[i] = &own[i];
    }
    for (size_t i = 0; i < body->out_count; i++) {
        given[i] = body->out[i];
        out[i] = &given[i];
    }
    control_take(call, s->attr, in);
    own[0].data = (char *)call->scratch + s->number;
    own[1].data = given[0].data = (char *)call->scratch + s->again; /* true, which the body knows */
    for (size_t i = 0; i < s->carried; i++)
        own[OWN + i].data = call->in[OWN + i]->data;
    return own;
}

static struct loop_end iterate(const struct op_call *call, const struct loop_state *s, int64_t most) {
    const struct op_body *body = s->attr->body;
    char *scratch = call->scratch;
    const sl_tensor **in = (const sl_tensor **)(void *)(scratch + s->in);
    sl_tensor **out = (sl_tensor **)(void *)(scratch + s->out), *own = set_tensors(call, s, in, out);
    int64_t *number = (int64_t *)(void *)(scratch + s->number);
    uint8_t *again = (uint8_t *)scratch + s->again;
    const sl_tensor *begin = own_in(call, 1);
    struct loop_end end = {.at = -1};
    *again = begin ? *(const uint8_t *)begin->data : 1;
    for (; end.trips < most && *again; end.trips++) {
        end.at = end.at == 0;
        *number = end.trips;
        for (size_t i = 0; i < s->carried; i++)
            out[1 + i]->data = scratch + s->buffers[end.at][i];
        for (size_t i = 1 + s->carried; i < body->out_count; i++)
            out[i]->data = row_of(call, i - 1, rule_nbytes(&body->out[i]), end.trips, scratch + s->spare);
        if (!body->run(body, &s->prepared, in, out, scratch + s->body, call->failed))
            break;
        for (size_t i = 0; i < s->carried; i++)
            own[OWN + i].data = out[1 + i]->data;
    }
    return end;
}

static void loop_run(const struct op_call *call) {
    const struct loop_state *s = call->state;
    const sl_tensor *most = own_in(call, 0);
    struct loop_end end = iterate(call, s, most ? *(const int64_t *)most->data : INT64_MAX);
    for (size_t i = s->carried; i < call->out_count; i++)
        if (call->out[i])
            call->out[i]->dims[0] = end.trips; /* as planned, or less */
    for (size_t i = 0; i < s->carried && i < call->out_count; i++) {
        size_t nbytes = rule_nbytes(&s->attr->body->out[1 + i]);
        const void *from =
            end.at < 0 ? call->in[OWN + i]->data : (const char *)call->scratch + s->buffers[end.at][i];
        if (call->out[i] && nbytes)
            memcpy(call->out[i]->data, from, nbytes);
    }
}

const struct op op_loop = {.domain = "",
                           .name = "Loop",
                           .since = 1,
                           .min_in = 0,
                           .max_in = -1,
                           .min_out = 1,
                           .max_out = -1,
                           .attrs = "body",
                           .infer = loop_infer,
                           .prepare = loop_prepare,
                           .run = loop_run,
                           .body_in = loop_body_in,
                           .trips = loop_trips,
                           .bounded = true,
                           .any_size = true};
