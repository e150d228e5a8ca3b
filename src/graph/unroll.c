/* unroll.c: graphs inside nodes that need not stay there. An If whose condition is known becomes its branch;
 * a Loop or Scan whose trips are known and few becomes its iterations, so that the passes and the devices see
 * them like any other nodes, and carried values may change their shapes. The others are left to body.c. */
#include <string.h>

#include "graph/unroll.h"
#include "ops/rules.h"
#include "support/mem.h"

#define MANY_FLOPS 100000u /* of a body: where a device's products are better by more than they cost */
#define MOST_TRIPS 1024
#define MOST_ADDED 4096                   /* nodes of a plan that come from inside others */
#define MOST_TRIED 250000u                /* nodes that are inferred only to see how often they would run */
#define MOST_WEIGHTS ((uint64_t)64 << 20) /* bytes that iterations read: devices pack them each time */

const struct attr *unroll_graph(const struct work_node *node, const char *name) {
    for (size_t i = 0; i < node->attr_count; i++)
        if (node->attrs[i].type == ATTR_GRAPH && !strcmp(node->attrs[i].name, name))
            return &node->attrs[i];
    return NULL;
}

bool unroll_begin(struct unroll *u, const struct attr *attr, size_t trips, size_t gathered) {
    u->attr = attr;
    u->body = attr->graph;
    u->own = u->body->input_count - u->body->taken_count;
    u->trips = trips;
    u->gathered_count = gathered;
    u->in = mem_alloc(u->body->input_count + 1, sizeof *u->in);
    u->out = mem_alloc(u->body->output_count + 1, sizeof *u->out);
    u->gathered = mem_alloc(gathered * trips + 1, sizeof *u->gathered);
    if (!u->in || !u->out || !u->gathered)
        return false;
    for (size_t i = 0; i < u->body->taken_count; i++)
        u->in[u->own + i] = u->node.in[(size_t)attr->i + i];
    return true;
}

static void end(struct unroll *u) {
    mem_free(u->in);
    mem_free(u->out);
    mem_free(u->gathered);
}

sl_status unroll_give(struct unroll *u, size_t output, uint32_t from, sl_error *err) {
    struct work *w = u->w;
    size_t first = w->node_count;
    if (output >= u->node.out_count || u->node.out[output] == GRAPH_NONE)
        return SL_OK;
    struct work_node *copy = work_add_node(w, op_find("", "Identity", 1), u->node.name, 1, 1);
    if (!copy)
        return work_out_of_memory(err);
    copy->opset = 1;
    copy->in[0] = from;
    copy->out[0] = u->node.out[output];
    w->budget->added_count++;
    return work_infer_from(w, first, err);
}

uint32_t unroll_constant(struct work *w, sl_dtype dtype, int rank, int64_t x) {
    uint32_t value = work_add_value(w, "");
    void *data = arena_alloc(w->arena, 1, sizeof x);
    if (value == GRAPH_NONE || !data)
        return GRAPH_NONE;
    if (dtype == SL_BOOL)
        *(uint8_t *)data = x != 0;
    else
        *(int64_t *)data = x;
    w->values[value].tensor = (sl_tensor){.dtype = dtype, .rank = rank, .dims = {1}, .data = data};
    w->values[value].known = w->values[value].constant = true;
    return value;
}

const struct attr *unroll_ints(struct work *w, const char *name, bool list, int64_t x) {
    struct attr *attr = arena_alloc(w->arena, 1, sizeof *attr);
    int64_t *item = arena_alloc(w->arena, 1, sizeof *item);
    if (!attr || !item)
        return NULL;
    *item = x;
    *attr = (struct attr){.name = name, .type = list ? ATTR_INTS : ATTR_INT, .i = x};
    attr->ints = item;
    attr->count = list;
    return attr;
}

sl_status unroll_gather(struct unroll *u, size_t at, size_t output, int64_t axis, bool backward,
                        sl_error *err) {
    struct work *w = u->w;
    uint32_t *parts = u->gathered + at * u->trips;
    if (output >= u->node.out_count || u->node.out[output] == GRAPH_NONE)
        return SL_OK;
    const struct attr *axes = unroll_ints(w, "axes", true, axis),
                      *along = unroll_ints(w, "axis", false, axis);
    if (!axes || !along)
        return work_out_of_memory(err);
    for (size_t t = 0; t < u->trips; t++) {
        parts[t] = work_add_step(w, "Unsqueeze", 11, u->node.name, axes, 1, &parts[t], 1, err);
        if (parts[t] == GRAPH_NONE)
            return err->status;
    }
    for (size_t t = 0; backward && t < u->trips / 2; t++) {
        uint32_t other = parts[t];
        parts[t] = parts[u->trips - 1 - t];
        parts[u->trips - 1 - t] = other;
    }
    uint32_t all = parts[0];
    if (u->trips > 1)
        all = work_add_step(w, "Concat", 11, u->node.name, along, 1, parts, u->trips, err);
    return all == GRAPH_NONE ? err->status : unroll_give(u, output, all, err);
}

/* ---- If
 * -------------------------------------------------------------------------------------------------- */

static const sl_tensor *constant_input(const struct unroll *u, size_t i) {
    const struct work *w = u->w;
    bool known = i < u->node.in_count && u->node.in[i] != GRAPH_NONE && w->values[u->node.in[i]].constant;
    return known ? &w->values[u->node.in[i]].tensor : NULL;
}

static sl_status take_branch(struct unroll *u, bool *done, sl_error *err) {
    const sl_tensor *condition = constant_input(u, 0);
    if (!condition || condition->dtype != SL_BOOL || rule_count(condition) != 1)
        return SL_OK;
    const struct attr *attr =
        unroll_graph(&u->node, *(const uint8_t *)condition->data ? "then_branch" : "else_branch");
    const struct graph *g = attr ? attr->graph : NULL;
    if (!g || g->input_count != g->taken_count || g->output_count != u->node.out_count)
        return SL_OK; /* the rule says what is wrong */
    if (!unroll_begin(u, attr, 0, 0))
        return work_out_of_memory(err);
    sl_status st = work_inline(u->w, g, u->node.name, u->in, u->out, err);
    for (size_t i = 0; st == SL_OK && i < g->output_count; i++)
        st = unroll_give(u, i, u->out[i], err);
    *done = true;
    return st;
}

/* ---- Loop and Scan
 * -------------------------------------------------------------------------------------------------- */

static size_t count_nodes(const struct graph *g) {
    size_t count = g->node_count + 1;
    for (size_t i = 0; i < g->node_count; i++)
        for (size_t k = 0; k < g->nodes[i].attr_count; k++)
            if (g->nodes[i].attrs[k].type == ATTR_GRAPH)
                count += count_nodes(g->nodes[i].attrs[k].graph);
    return count;
}

/* Bytes of constants that an iteration reads. */
static uint64_t count_weights(const struct unroll *u, const struct graph *g) {
    uint64_t nbytes = 0;
    for (size_t i = 0; i < g->value_count; i++)
        if (g->values[i].constant)
            nbytes += rule_nbytes(&g->values[i].tensor);
    for (size_t i = 0; i < g->taken_count; i++) {
        const struct work_value *value = &u->w->values[u->node.in[(size_t)u->attr->i + i]];
        nbytes += value->constant ? rule_nbytes(&value->tensor) : 0;
    }
    return nbytes;
}

bool unroll_is_small(const struct unroll *u, const struct graph *g, uint64_t trips) {
    return !u->w->options->no_passes && trips <= MOST_TRIPS && u->w->budget->tried_count <= MOST_TRIED &&
           u->w->budget->added_count + trips * count_nodes(g) <= MOST_ADDED &&
           trips * count_weights(u, g) <= MOST_WEIGHTS;
}

/* One step does it, at sizes that are known, and nothing in it is worth more. The node has its bodies then.
 */
bool unroll_is_good_as_step(struct unroll *u, size_t at) {
    struct work *w = u->w;
    sl_error ignored = {0};
    w->budget->tried_count += count_nodes(u->attr->graph);
    if (w->budget->tried_count > MOST_TRIED)
        return true; /* so it will have to do */
    bool good = work_make_bodies(w, at, &ignored) == SL_OK;
    struct work_node *node = &w->nodes[at];
    struct op_call call = work_call(w, node);
    call.least = w->call_least;
    for (size_t i = 0; i < node->out_count; i++)
        call.least[i].bounds = 0;
    good = good && node->op->infer(&call, &ignored) == SL_OK;
    for (size_t i = 0; good && i < node->out_count; i++)
        good = !call.least[i].bounds;
    for (size_t i = 0; good && i < node->attr_count; i++)
        good = !node->attrs[i].body || plan_of_body(node->attrs[i].body)->flops < MANY_FLOPS;
    if (!good)
        node->attrs = u->node.attrs;
    return good;
}

/* What was put in cannot stay: it was only looked at. */
static void abandon(struct work *w, size_t first, size_t added) {
    w->budget->tried_count += w->budget->added_count - added;
    w->budget->added_count = added;
    w->node_count = first;
}

const char *unroll_trip_name(struct unroll *u, size_t trip) {
    return arena_printf(u->w->arena, "%s[%zu]", u->node.name, trip);
}

/* One iteration of a Loop; *next gets its condition: 1 or 0, or -1 when it is not known. */
static sl_status add_trip(struct unroll *u, size_t trip, size_t carried, int *next, sl_error *err) {
    struct work *w = u->w;
    int ranks[2] = {0, 0};
    for (size_t i = 0; i < 2; i++) { /* one number may be declared as a list */
        const struct graph_value *value = &u->body->values[u->body->inputs[i]];
        ranks[i] = value->has_shape && value->tensor.rank == 1;
    }
    const char *name = unroll_trip_name(u, trip);
    u->in[0] = unroll_constant(w, SL_INT64, ranks[0], (int64_t)trip);
    u->in[1] = unroll_constant(w, SL_BOOL, ranks[1], 1);
    if (!name || u->in[0] == GRAPH_NONE || u->in[1] == GRAPH_NONE)
        return work_out_of_memory(err);
    sl_status st = work_inline(w, u->body, name, u->in, u->out, err);
    if (st != SL_OK)
        return st;
    const struct work_value *condition = &w->values[u->out[0]];
    bool known =
        condition->constant && condition->tensor.dtype == SL_BOOL && rule_count(&condition->tensor) == 1;
    *next = known ? *(const uint8_t *)condition->tensor.data != 0 : -1;
    for (size_t i = 0; i < carried; i++)
        u->in[2 + i] = u->out[1 + i];
    return SL_OK;
}

/* How often a Loop goes round whose condition is known all along, but which is too large to stay unrolled: a
 * counter, as TensorFlow's while loops have it. That becomes its trip count, which bounds what it gathers.
 * The trips are inferred one after the other, and only what they carry is kept. */
static sl_status count_trips(struct unroll *u, size_t at, size_t carried, sl_error *err) {
    struct work *w = u->w;
    size_t first = w->node_count, added = w->budget->added_count, trips = 0;
    int next = 1;
    sl_status st = SL_OK;
    for (size_t i = 0; i < carried; i++)
        u->in[2 + i] = u->node.in[2 + i];
    for (; st == SL_OK && next == 1 && trips < MOST_TRIPS; trips++) {
        w->budget->tried_count += count_nodes(u->body); /* those of loops in it count for themselves */
        if (w->budget->tried_count > MOST_TRIED)
            return SL_OK;
        st = add_trip(u, trips, carried, &next, err);
        w->node_count = first;
        w->budget->added_count = added;
    }
    if (st != SL_OK || next != 0 || u->attr->i < 1)
        return st;
    uint32_t count = unroll_constant(w, SL_INT64, 0, (int64_t)trips);
    if (count == GRAPH_NONE)
        return work_out_of_memory(err);
    w->nodes[at].in[0] = count;
    return SL_OK;
}

/* `most`: the trip count, or how many may be tried where the condition alone ends it. */
static sl_status unroll_loop(struct unroll *u, size_t at, size_t carried, size_t most, bool counted,
                             bool *done, sl_error *err) {
    size_t first = u->w->node_count, added = u->w->budget->added_count;
    size_t trips = 0, gathered = u->body->output_count - 1 - carried;
    int next = 1;
    sl_status st = SL_OK;
    while (st == SL_OK && next == 1 && trips < most && unroll_is_small(u, u->body, 1)) {
        st = add_trip(u, trips, carried, &next, err);
        for (size_t i = 0; st == SL_OK && i < gathered; i++)
            u->gathered[i * most + trips] = u->out[1 + carried + i];
        trips++;
    }
    if (st != SL_OK)
        return st;
    if (next < 0 || (next == 1 && !(counted && trips == most))) {
        abandon(u->w, first, added);
        return next == 1 && !counted ? count_trips(u, at, carried, err) : SL_OK;
    }
    for (size_t i = 0; i < gathered; i++) /* closer together, as there are fewer trips than there might be */
        memmove(u->gathered + i * trips, u->gathered + i * most, trips * sizeof *u->gathered);
    u->trips = trips;
    for (size_t i = 0; st == SL_OK && i < carried; i++)
        st = unroll_give(u, i, u->in[2 + i], err);
    for (size_t i = 0; st == SL_OK && i < gathered; i++)
        st = unroll_gather(u, i, carried + i, 0, false, err);
    *done = true;
    return st;
}

static sl_status try_loop(struct unroll *u, size_t at, bool *done, sl_error *err) {
    const struct attr *attr = unroll_graph(&u->node, "body");
    const struct graph *g = attr ? attr->graph : NULL;
    if (!g)
        return SL_OK;
    size_t own = (size_t)attr->i, carried = own > 2 ? own - 2 : 0;
    bool given[2] = {own > 0 && u->node.in[0] != GRAPH_NONE, own > 1 && u->node.in[1] != GRAPH_NONE};
    const sl_tensor *count = given[0] ? constant_input(u, 0) : NULL;
    const sl_tensor *condition = given[1] ? constant_input(u, 1) : NULL;
    u->attr = attr;
    if (g->input_count - g->taken_count != 2 + carried || g->output_count < 1 + carried ||
        (given[0] && (!count || count->dtype != SL_INT64 || rule_count(count) != 1)) ||
        (given[1] && (!condition || condition->dtype != SL_BOOL || rule_count(condition) != 1 ||
                      !*(const uint8_t *)condition->data)))
        return SL_OK;
    int64_t most = count ? *(const int64_t *)count->data : INT64_MAX;
    bool counted = most <= MOST_TRIPS;
    if (most < 1 || (counted && !unroll_is_small(u, g, (uint64_t)most)))
        return SL_OK;
    most = counted ? most : MOST_TRIPS;
    for (size_t i = 0; i < carried; i++)
        if (u->node.in[2 + i] == GRAPH_NONE)
            return SL_OK;
    if (most > UNROLL_FEW_TRIPS && unroll_is_good_as_step(u, at))
        return SL_OK;
    if (!unroll_begin(u, attr, (size_t)most, g->output_count - 1 - carried))
        return work_out_of_memory(err);
    for (size_t i = 0; i < carried; i++)
        u->in[2 + i] = u->node.in[2 + i];
    if (!unroll_is_small(u, g, 1))
        return count_trips(u, at, carried, err);
    return unroll_loop(u, at, carried, (size_t)most, counted, done, err);
}

sl_status work_unroll(struct work *w, size_t at, sl_error *err) {
    struct unroll u = {.w = w, .node = w->nodes[at]};
    const char *name = u.node.op->name;
    bool done = false;
    sl_status st = !strcmp(name, "If")     ? take_branch(&u, &done, err)
                   : !strcmp(name, "Loop") ? try_loop(&u, at, &done, err)
                                           : unroll_scan(&u, at, &done, err);
    end(&u);
    if (done)
        w->nodes[at].dead = true;
    return st;
}
