/* scan.c: Scan. Slices of its last inputs go into the body one after the other beside the states; what it
 * gives beyond the states is gathered again, each along an axis and in a direction of its own. Opset 8 does
 * so for each batch by itself, along axis 1, as far as its optional input 0 says. */
#include <string.h>

#include "ops/control.h"
#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* What the node's inputs and outputs are. Inputs: [lengths,] states, scans. Outputs: states, gathered. */
struct scan {
    const struct attr *attr;
    size_t first, states, scans; /* `first` is 1 where there are lengths */
    bool batched;
    int64_t batch, length;
};

struct scan_state {
    struct scan scan;
    struct op_prepared prepared;
    size_t in, out, tensors, body; /* in the scratch of a run */
    size_t *slices;                /* of each scan */
    size_t *buffers[2];            /* of each output of the body; only states need the second */
};

static int64_t list_item(const struct op_call *call, const char *name, size_t i) {
    const struct attr *attr = op_attr(call, name);
    return attr && attr->type == ATTR_INTS && i < attr->count ? attr->ints[i] : 0;
}

/* The axis of scan i, or of gathered output i: in the tensor without a batch. */
static sl_status axis_of(const struct op_call *call, const struct scan *s, const char *name, size_t i,
                         int rank, int *axis, sl_error *err) {
    *axis = 0;
    return s->batched ? SL_OK : rule_axis(list_item(call, name, i), rank, axis, err);
}

static bool is_backward(const struct op_call *call, const struct scan *s, size_t i, bool output) {
    const char *name = output       ? "scan_output_directions"
                       : s->batched ? "directions"
                                    : "scan_input_directions";
    return (!output || !s->batched) && list_item(call, name, i) == 1;
}

/* A tensor as one batch has it. */
static sl_tensor of_batch(const struct scan *s, const sl_tensor *t, int64_t at) {
    sl_tensor one = *t;
    if (!s->batched)
        return one;
    one.rank--;
    for (int d = 0; d < one.rank; d++)
        one.dims[d] = t->dims[d + 1];
    if (t->data)
        one.data = (char *)t->data + (size_t)at * rule_nbytes(&one);
    return one;
}

static sl_status read_scan(const struct op_call *call, const struct attr *attr, bool batched, struct scan *s,
                           sl_error *err) {
    int64_t scans = op_attr_int(call, "num_scan_inputs", -1);
    size_t own = (size_t)attr->i;
    *s = (struct scan){.attr = attr, .first = batched, .batched = batched, .batch = 1};
    if (scans < 1 || own < s->first || (uint64_t)scans > own - s->first)
        return error_set(err, SL_E_MODEL, "attribute 'num_scan_inputs' is %lld, of %zu inputs",
                         (long long)scans, own);
    s->scans = (size_t)scans;
    s->states = own - s->first - s->scans;
    for (size_t i = s->first; i < own; i++) {
        if (!op_has_in(call, i))
            return error_set(err, SL_E_MODEL, "input %zu is missing", i);
        if (batched && (call->in[i]->rank < 1 || call->in[i]->dims[0] != call->in[s->first]->dims[0]))
            return error_set(err, SL_E_MODEL, "input %zu has another batch than input %zu", i, s->first);
    }
    if (batched)
        s->batch = call->in[s->first]->dims[0];
    for (size_t i = 0; i < s->scans; i++) {
        int axis;
        sl_tensor t = of_batch(s, call->in[s->first + s->states + i], 0);
        sl_status st = axis_of(call, s, "scan_input_axes", i, t.rank, &axis, err);
        if (st == SL_OK && (t.rank < 1 || (i && t.dims[axis] != s->length)))
            st = error_set(err, SL_E_MODEL, "input %zu has another length than the first one to scan",
                           s->first + s->states + i);
        if (st == SL_OK && sl_dtype_nbits(t.dtype) % 8)
            st = error_set(err, SL_E_MODEL, "it scans %s, which is less than a byte", sl_dtype_name(t.dtype));
        if (st != SL_OK)
            return st;
        s->length = t.dims[axis];
    }
    return SL_OK;
}

static sl_status body_in(const struct op_call *call, const struct attr *attr, bool batched, sl_tensor *in,
                         size_t count, sl_error *err) {
    struct scan s = {0};
    sl_status st = read_scan(call, attr, batched, &s, err);
    if (st == SL_OK && count != s.states + s.scans)
        st = error_set(err, SL_E_MODEL, "its graph has %zu inputs, expected %zu", count, s.states + s.scans);
    for (size_t i = 0; st == SL_OK && i < count; i++) {
        sl_tensor t = of_batch(&s, call->in[s.first + i], 0);
        int axis = t.rank;
        if (i >= s.states)
            st = axis_of(call, &s, "scan_input_axes", i - s.states, t.rank, &axis, err);
        in[i] = t;
        in[i].data = NULL;
        in[i].rank = i < s.states ? t.rank : t.rank - 1;
        for (int d = axis; st == SL_OK && d < in[i].rank; d++)
            in[i].dims[d] = t.dims[d + 1];
    }
    return st;
}

static sl_status scan_body_in(const struct op_call *call, const struct attr *attr, sl_tensor *in,
                              size_t count, sl_error *err) {
    return body_in(call, attr, false, in, count, err);
}

static sl_status scan_8_body_in(const struct op_call *call, const struct attr *attr, sl_tensor *in,
                                size_t count, sl_error *err) {
    return body_in(call, attr, true, in, count, err);
}

static uint64_t scan_trips(const struct op_call *call) {
    const struct attr *attr = op_attr(call, "body");
    struct scan s = {0};
    if (!attr || read_scan(call, attr, false, &s, NULL) != SL_OK)
        return UINT64_MAX;
    return (uint64_t)s.length;
}

static uint64_t scan_8_trips(const struct op_call *call) {
    const struct attr *attr = op_attr(call, "body");
    struct scan s = {0};
    if (!attr || read_scan(call, attr, true, &s, NULL) != SL_OK)
        return UINT64_MAX;
    return (uint64_t)s.length * (uint64_t)s.batch;
}

/* Adds the batch in front. */
static sl_status add_batch(const struct scan *s, sl_tensor *t, sl_error *err) {
    sl_tensor one = *t;
    return s->batched ? control_stack(&one, 0, s->batch, t, err) : SL_OK;
}

static sl_status infer_output(const struct op_call *call, const struct scan *s, size_t i, sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    const sl_tensor *given = &s->attr->body->out[i];
    sl_status st = SL_OK;
    int axis;
    if (given->dtype == SL_STRING)
        return error_set(err, SL_E_MODEL, "output %zu is text", i);
    if (i < s->states) {
        sl_tensor before = of_batch(s, call->in[s->first + i], 0);
        if (!control_same(&before, given))
            return error_set(err, SL_E_MODEL, "state %zu is %s before a step and %s after it", i,
                             rule_text(one, &before), rule_text(other, given));
    }
    if (i >= call->out_count || !call->out[i])
        return SL_OK;
    if (i < s->states) {
        rule_set(call->out[i], given->dtype, given->rank, given->dims);
    } else {
        st = axis_of(call, s, "scan_output_axes", i - s->states, given->rank + 1, &axis, err);
        if (st == SL_OK)
            st = control_stack(given, axis, s->length, call->out[i], err);
    }
    return st == SL_OK ? add_batch(s, call->out[i], err) : st;
}

static sl_status infer(const struct op_call *call, bool batched, sl_error *err) {
    const struct attr *attr = NULL;
    struct scan s = {0};
    sl_status st = control_body(call, "body", &attr, err);
    if (st == SL_OK)
        st = read_scan(call, attr, batched, &s, err);
    if (st == SL_OK && batched && op_has_in(call, 0))
        st = rule_vector(call, 0, s.batch, err);
    if (st == SL_OK && batched && op_has_in(call, 0))
        st = rule_dtype(call, 0, OPS_BIT(SL_INT64), err);
    if (st == SL_OK && (attr->body->out_count < s.states || call->out_count > attr->body->out_count))
        st = error_set(err, SL_E_MODEL, "its graph has %zu outputs, the node %zu states and %zu outputs",
                       attr->body->out_count, s.states, call->out_count);
    if (st == SL_OK)
        st = control_fixed(attr->body, 0, err);
    for (size_t i = 0; st == SL_OK && i < attr->body->out_count; i++)
        st = infer_output(call, &s, i, err);
    return st;
}

static sl_status scan_infer(const struct op_call *call, sl_error *err) {
    return infer(call, false, err);
}

static sl_status scan_8_infer(const struct op_call *call, sl_error *err) {
    return infer(call, true, err);
}

static sl_status prepare(const struct op_call *call, bool batched, struct arena *arena,
                         struct op_prepared *prepared, sl_error *err) {
    struct scan_state *s = arena_alloc(arena, 1, sizeof *s);
    const struct attr *attr = NULL;
    size_t used = 0;
    if (!s)
        return error_set(err, SL_E_MEMORY, "out of memory for a node");
    sl_status st = control_body(call, "body", &attr, err);
    if (st == SL_OK)
        st = read_scan(call, attr, batched, &s->scan, err);
    if (st == SL_OK)
        st = attr->body->prepare(attr->body, arena, &s->prepared, err);
    if (st != SL_OK)
        return st;
    const struct op_body *body = attr->body;
    s->slices = arena_alloc(arena, s->scan.scans, sizeof *s->slices);
    s->buffers[0] = arena_alloc(arena, body->out_count, sizeof *s->buffers[0]);
    s->buffers[1] = arena_alloc(arena, body->out_count, sizeof *s->buffers[1]);
    if (!s->slices || !s->buffers[0] || !s->buffers[1])
        return error_set(err, SL_E_MEMORY, "out of memory for a node");
    s->in = control_room(&used, body->in_count * sizeof(void *));
    s->out = control_room(&used, body->out_count * sizeof(void *));
    s->tensors = control_room(&used, (body->in_count - attr->count + body->out_count) * sizeof(sl_tensor));
    for (size_t i = 0; i < s->scan.scans; i++)
        s->slices[i] = control_room(&used, rule_nbytes(&body->in[s->scan.states + i]));
    for (size_t i = 0; i < body->out_count; i++)
        for (int b = 0; b < (i < s->scan.states ? 2 : 1); b++)
            s->buffers[b][i] = control_room(&used, rule_nbytes(&body->out[i]));
    s->body = control_room(&used, s->prepared.scratch_nbytes);
    *prepared = (struct op_prepared){.state = s, .scratch_nbytes = used};
    return SL_OK;
}

static sl_status scan_prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                              sl_error *err) {
    return prepare(call, false, arena, prepared, err);
}

static sl_status scan_8_prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                                sl_error *err) {
    return prepare(call, true, arena, prepared, err);
}

/* Slices of step `at` of `length` into the scratch. */
static void take_slices(const struct op_call *call, const struct scan_state *state, int64_t batch, int64_t at,
                        int64_t length) {
    const struct scan *s = &state->scan;
    for (size_t i = 0; i < s->scans; i++) {
        sl_tensor t = of_batch(s, call->in[s->first + s->states + i], batch);
        int axis = 0;
        axis_of(call, s, "scan_input_axes", i, t.rank, &axis, NULL);
        control_slice_get(&t, axis, is_backward(call, s, i, false) ? length - 1 - at : at,
                          (char *)call->scratch + state->slices[i]);
    }
}

static void put_gathered(const struct op_call *call, const struct scan_state *state, int64_t batch,
                         int64_t at) {
    const struct scan *s = &state->scan;
    for (size_t i = s->states; i < call->out_count; i++) {
        int axis = 0;
        if (!call->out[i])
            continue;
        sl_tensor t = of_batch(s, call->out[i], batch);
        axis_of(call, s, "scan_output_axes", i - s->states, t.rank, &axis, NULL);
        control_slice_set(&t, axis, is_backward(call, s, i - s->states, true) ? s->length - 1 - at : at,
                          (const char *)call->scratch + state->buffers[0][i]);
    }
}

/* Tensors of the body's own inputs and of its outputs, the inputs first. */
static sl_tensor *set_tensors(const struct op_call *call, const struct scan_state *state, int64_t batch,
                              const sl_tensor **in, sl_tensor **out) {
    const struct scan *s = &state->scan;
    const struct op_body *body = s->attr->body;
    char *scratch = call->scratch;
    sl_tensor *own = (sl_tensor *)(void *)(scratch + state->tensors), *given = own + s->states + s->scans;
    for (size_t i = 0; i < s->states + s->scans; i++) {
        own[i] = body->in[i];
        own[i].data = i < s->states ? of_batch(s, call->in[s->first + i], batch).data
                                    : scratch + state->slices[i - s->states];
        in[i] = &own[i];
    }
    for (size_t i = 0; i < body->out_count; i++) {
        given[i] = body->out[i];
        given[i].data = scratch + state->buffers[0][i];
        out[i] = &given[i];
    }
    control_take(call, s->attr, in);
    return own;
}

static void run_batch(const struct op_call *call, const struct scan_state *state, int64_t batch,
                      int64_t length) {
    const struct scan *s = &state->scan;
    const struct op_body *body = s->attr->body;
    char *scratch = call->scratch;
    const sl_tensor **in = (const sl_tensor **)(void *)(scratch + state->in);
    sl_tensor **out = (sl_tensor **)(void *)(scratch + state->out);
    sl_tensor *own = set_tensors(call, state, batch, in, out);
    for (int64_t at = 0; at < length; at++) {
        take_slices(call, state, batch, at, length);
        for (size_t i = 0; i < s->states; i++)
            out[i]->data = scratch + state->buffers[at & 1][i];
        if (!body->run(body, &state->prepared, in, out, scratch + state->body, call->failed))
            return;
        put_gathered(call, state, batch, at);
        for (size_t i = 0; i < s->states; i++)
            own[i].data = out[i]->data;
    }
    for (size_t i = 0; i < s->states && i < call->out_count; i++) {
        size_t nbytes = rule_nbytes(&body->out[i]);
        if (call->out[i] && nbytes)
            memcpy(of_batch(s, call->out[i], batch).data, own[i].data, nbytes);
    }
}

static void scan_run(const struct op_call *call) {
    const struct scan_state *state = call->state;
    run_batch(call, state, 0, state->scan.length);
}

/* What lies behind a batch's length is undefined by the specification; here it is zero. */
static void scan_8_run(const struct op_call *call) {
    const struct scan_state *state = call->state;
    const struct scan *s = &state->scan;
    for (size_t i = s->states; i < call->out_count; i++)
        if (call->out[i])
            memset(call->out[i]->data, 0, rule_nbytes(call->out[i]));
    for (int64_t b = 0; b < s->batch; b++) {
        int64_t length = op_has_in(call, 0) ? ((const int64_t *)call->in[0]->data)[b] : s->length;
        run_batch(call, state, b, length < 0 ? 0 : length > s->length ? s->length : length);
    }
}

const struct op op_scan = {.domain = "",
                           .name = "Scan",
                           .since = 9,
                           .min_in = 1,
                           .max_in = -1,
                           .min_out = 1,
                           .max_out = -1,
                           .attrs =
                               "body num_scan_inputs scan_input_axes scan_input_directions scan_output_axes "
                               "scan_output_directions",
                           .infer = scan_infer,
                           .prepare = scan_prepare,
                           .run = scan_run,
                           .body_in = scan_body_in,
                           .trips = scan_trips,
                           .any_size = true};

const struct op op_scan_8 = {.domain = "",
                             .name = "Scan",
                             .since = 8,
                             .until = 8,
                             .min_in = 0, /* lengths may be left out */
                             .max_in = -1,
                             .min_out = 1,
                             .max_out = -1,
                             .attrs = "body num_scan_inputs directions",
                             .infer = scan_8_infer,
                             .prepare = scan_8_prepare,
                             .run = scan_8_run,
                             .body_in = scan_8_body_in,
                             .trips = scan_8_trips,
                             .any_size = true};
