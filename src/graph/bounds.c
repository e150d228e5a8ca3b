/* bounds.c: sizes that depend on data. NonZero and its like say how much comes out only when they have run;
 * their rules give the most it can be, and memory is planned for that. Here the bounds go on from node to
 * node: every rule is asked twice, with the most and with the least of its inputs. A dim that is the same
 * both times is what it is (no rule's dim first grows and then shrinks with its input's); where the least
 * cannot be asked for (a rule that refuses an empty tensor), nothing is taken as known.
 *
 * Exporters write shapes of such tensors as numbers, and reckon with them before Reshape, Expand or TopK get
 * them. So the elements of small tensors have bounds too, and those that turn out to be one number are
 * constants like any other. */
#include <string.h>

#include "graph/work.h"
#include "ops/element.h"
#include "ops/rules.h"

#define MOST_ELEMENTS 64 /* of a tensor whose elements are looked at */

static const struct work_bound *bound_of(const struct work *w, uint32_t value) {
    return value == GRAPH_NONE ? NULL : w->values[value].bound;
}

static bool grows_with(const struct work_node *node, size_t in) {
    return in < 32 && (node->op->grows >> in & 1u);
}

/* ---- shapes
 * -------------------------------------------------------------------------------------------------- */

/* The inputs as large (or as small, but dims at least `floor`) as they can be, in the work's room behind the
 * outputs' copies. */
static void copy_inputs(struct work *w, const struct work_node *node, bool most, int64_t floor) {
    sl_tensor *room = w->call_room + node->out_count;
    for (size_t i = 0; i < node->in_count; i++) {
        const struct work_bound *b = bound_of(w, node->in[i]);
        if (!b)
            continue;
        room[i] = w->values[node->in[i]].tensor;
        for (int d = 0; b->dynamic && !most && d < room[i].rank; d++)
            if (b->least[d] < room[i].dims[d])
                room[i].dims[d] = b->least[d] < floor ? floor : b->least[d];
        if (b->high && grows_with(node, i))
            room[i].data = (void *)(uintptr_t)(most ? b->high : b->low);
        w->call_in[i] = &room[i];
    }
}

/* What the rule says for the least inputs: false when it refuses, or says what cannot be below the most. */
static bool ask_least(struct work *w, const struct work_node *node, int64_t floor, struct op_least *least) {
    struct op_call call = work_call(w, node);
    sl_error ignored = {0};
    for (size_t i = 0; i < node->out_count; i++) {
        least[i].bounds = 0;
        w->call_room[i] = (sl_tensor){0};
        if (call.out[i])
            w->call_out[i] = &w->call_room[i];
    }
    call.least = least;
    call.loose = true;
    copy_inputs(w, node, false, floor);
    if (node->op->infer(&call, &ignored) != SL_OK)
        return false;
    for (size_t i = 0; i < node->out_count; i++) {
        const sl_tensor *most = node->out[i] == GRAPH_NONE ? NULL : &w->values[node->out[i]].tensor;
        if (most && most->rank != w->call_room[i].rank)
            return false;
        for (int d = 0; most && d < most->rank; d++) {
            if (!(least[i].bounds >> d & 1u))
                least[i].dims[d] = w->call_room[i].dims[d];
            if (least[i].dims[d] < 0)
                return false;
        }
    }
    return true;
}

/* A dim that is larger for smaller inputs has no bound here: Range that counts down. */
static sl_status check_least(const sl_tensor *most, const struct op_least *least, size_t out, sl_error *err) {
    for (int d = 0; d < most->rank; d++)
        if (least->dims[d] > most->dims[d])
            return error_set(err, SL_E_MODEL, "dim %d of output %zu depends on the records and has no bound",
                             d, out);
    return SL_OK;
}

static sl_status set_bound(struct work *w, uint32_t value, const struct op_least *least, sl_error *err) {
    const sl_tensor *most = &w->values[value].tensor;
    bool dynamic = false;
    for (int d = 0; d < most->rank; d++)
        dynamic = dynamic || least->dims[d] < most->dims[d];
    w->values[value].bound = NULL;
    if (!dynamic)
        return SL_OK;
    struct work_bound *bound = arena_alloc(w->arena, 1, sizeof *bound);
    if (!bound)
        return work_out_of_memory(err);
    bound->dynamic = true;
    memcpy(bound->least, least->dims, sizeof bound->least);
    w->values[value].bound = bound;
    return SL_OK;
}

/* Whether anything that the node's shapes are made of is a bound. */
static bool has_bounds(const struct work *w, const struct work_node *node) {
    for (size_t i = 0; i < node->in_count; i++) {
        const struct work_bound *b = bound_of(w, node->in[i]);
        if (b && (b->dynamic || (b->high && grows_with(node, i))))
            return true;
    }
    return false;
}

/* Whether all hangs on one dim of one input: where the rule takes one but not nothing, there is one at least
 * when the node runs. */
static bool has_one_bound(const struct work *w, const struct work_node *node) {
    int count = 0;
    for (size_t i = 0; i < node->in_count; i++) {
        const struct work_bound *b = bound_of(w, node->in[i]);
        for (int d = 0; b && b->dynamic && d < w->values[node->in[i]].tensor.rank; d++)
            count += b->least[d] < w->values[node->in[i]].tensor.dims[d];
        count += b && b->high && grows_with(node, i) ? 2 : 0;
    }
    return count == 1;
}

static sl_status infer_shapes(struct work *w, struct work_node *node, sl_error *err) {
    struct op_least *least = w->call_least;
    struct op_call call = work_call(w, node);
    bool bounds = has_bounds(w, node), any = bounds;
    for (size_t i = 0; i < node->out_count; i++)
        least[i].bounds = 0;
    call.least = least;
    call.loose = bounds;
    if (bounds)
        copy_inputs(w, node, true, 0);
    sl_status st = node->op->infer(&call, err);
    for (size_t i = 0; i < node->out_count; i++) {
        if (!call.out[i])
            continue;
        any = any || least[i].bounds;
        call.out[i]->data = NULL;
        if (st == SL_OK)
            st = work_check_shape(call.out[i], i, err);
    }
    if (st != SL_OK || !any) {
        for (size_t i = 0; i < node->out_count; i++)
            if (node->out[i] != GRAPH_NONE)
                w->values[node->out[i]].bound = NULL;
        return st;
    }
    bool known = ask_least(w, node, 0, least) || (has_one_bound(w, node) && ask_least(w, node, 1, least));
    for (size_t i = 0; st == SL_OK && i < node->out_count; i++) {
        if (node->out[i] == GRAPH_NONE)
            continue;
        if (!known)
            memset(least[i].dims, 0, sizeof least[i].dims);
        st = check_least(&w->values[node->out[i]].tensor, &least[i], i, err);
        if (st == SL_OK)
            st = set_bound(w, node->out[i], &least[i], err);
    }
    return st;
}

/* ---- elements
 * -------------------------------------------------------------------------------------------------- */

enum kind {
    KIND_NONE,
    KIND_UP,       /* more in, more out */
    KIND_POSITIVE, /* likewise where nothing is negative */
    KIND_LESS,     /* more of input 0, more out; more of input 1, less */
    KIND_MORE,     /* the other way round */
    KIND_QUOTIENT, /* KIND_LESS where nothing is negative and input 1 not zero */
    KIND_EQUAL
};

static enum kind kind_of(const struct work_node *node, unsigned *inputs) {
    static const struct {
        const char *names;
        unsigned inputs; /* those that may have bounds; the others are constants */
        enum kind kind;
    } table[] = {
        {" Identity Cast Gather Unsqueeze Squeeze Reshape Slice Transpose Flatten Expand Tile ReduceMin "
         "ReduceMax ReduceSum Ceil Floor Relu ",
         1, KIND_UP},
        {" Concat Add Sum Min Max ", ~0u, KIND_UP},
        {" Where ", 6, KIND_UP},
        {" Mul ", 3, KIND_POSITIVE},
        {" ReduceProd ", 1, KIND_POSITIVE},
        {" Sub Greater GreaterOrEqual ", 3, KIND_LESS},
        {" Less LessOrEqual ", 3, KIND_MORE},
        {" Div ", 3, KIND_QUOTIENT},
        {" Equal ", 3, KIND_EQUAL},
    };
    size_t nbytes = strlen(node->op->name);
    for (size_t i = 0; !*node->op->domain && i < sizeof table / sizeof *table; i++) {
        const char *at = strstr(table[i].names, node->op->name);
        if (!at || at[-1] != ' ' || at[nbytes] != ' ')
            continue;
        *inputs = table[i].inputs;
        return table[i].kind;
    }
    return KIND_NONE;
}

/* Every input has its elements or their bounds, as far as the table lets it; `positive`: none below zero,
 * `whole`: nor is one of input 1 zero. */
static bool has_elements(const struct work *w, const struct work_node *node, unsigned inputs,
                         enum kind kind) {
    bool any = false;
    for (size_t i = 0; i < node->in_count; i++) {
        const struct work_value *value = node->in[i] == GRAPH_NONE ? NULL : &w->values[node->in[i]];
        const struct work_bound *b = value ? value->bound : NULL;
        if (!value)
            continue;
        if (!value->constant && (!b || !b->high || b->dynamic || i >= 32 || !(inputs >> i & 1u)))
            return false;
        any = any || !value->constant;
        if (kind != KIND_POSITIVE && kind != KIND_QUOTIENT)
            continue;
        int64_t n = rule_count(&value->tensor);
        for (int64_t k = 0; k < n && (i == 0 || inputs >> i & 1u); k++) {
            double low = element_number(value->tensor.dtype, b ? b->low : value->tensor.data, k);
            if (n > MOST_ELEMENTS || low < 0 || (kind == KIND_QUOTIENT && i == 1 && !(low > 0)))
                return false;
        }
    }
    return any;
}

/* The node's result for the low (0) or high (1) elements of input 0 and of the others. */
static sl_status run_ends(struct work *w, const struct work_node *node, bool first, bool others, void *data,
                          sl_error *err) {
    struct op_call call = work_call(w, node);
    sl_tensor *room = w->call_room + node->out_count;
    for (size_t i = 0; i < node->in_count; i++) {
        const struct work_bound *b = bound_of(w, node->in[i]);
        if (!b)
            continue;
        room[i] = w->values[node->in[i]].tensor;
        room[i].data = (void *)(uintptr_t)((i ? others : first) ? b->high : b->low);
        w->call_in[i] = &room[i];
    }
    w->call_room[0] = *w->call_out[0];
    w->call_room[0].data = data;
    w->call_out[0] = &w->call_room[0];
    return reference_run_node(&call, node->op, err);
}

/* Equal by the bounds of both sides: they are equal, they may be, they cannot be. */
static bool compare_ends(const struct work *w, const struct work_node *node, bool *low, bool *high) {
    const struct work_value *a = &w->values[node->in[0]], *b = &w->values[node->in[1]];
    int64_t an = rule_count(&a->tensor), bn = rule_count(&b->tensor);
    int64_t n = rule_count(&w->values[node->out[0]].tensor);
    if ((an != n && an != 1) || (bn != n && bn != 1))
        return false;
    for (int64_t i = 0; i < n; i++) {
        double al = element_number(a->tensor.dtype, a->bound ? a->bound->low : a->tensor.data, i % an);
        double ah = element_number(a->tensor.dtype, a->bound ? a->bound->high : a->tensor.data, i % an);
        double bl = element_number(b->tensor.dtype, b->bound ? b->bound->low : b->tensor.data, i % bn);
        double bh = element_number(b->tensor.dtype, b->bound ? b->bound->high : b->tensor.data, i % bn);
        low[i] = al == ah && bl == bh && al == bl;
        high[i] = al <= bh && bl <= ah;
    }
    return true;
}

/* Shape and Size of what has bounds. */
static bool count_ends(const struct work *w, const struct work_node *node, void *low, void *high) {
    const struct work_value *in = &w->values[node->in[0]];
    sl_tensor from = in->tensor, to = w->values[node->out[0]].tensor;
    struct op_call call = {.attrs = node->attrs,
                           .attr_count = node->attr_count,
                           .opset = node->opset,
                           .in = (const sl_tensor *[]){&from},
                           .in_count = 1,
                           .out = (sl_tensor *[]){&to},
                           .out_count = 1};
    to.data = high;
    node->op->run(&call);
    memcpy(from.dims, in->bound->least, sizeof from.dims);
    to.data = low;
    node->op->run(&call);
    return true;
}

static sl_status find_ends(struct work *w, const struct work_node *node, enum kind kind, void *low,
                           void *high, bool *found, sl_error *err) {
    *found = true;
    if (kind == KIND_NONE)
        *found = count_ends(w, node, low, high);
    else if (kind == KIND_EQUAL)
        *found = compare_ends(w, node, low, high);
    if (kind == KIND_NONE || kind == KIND_EQUAL)
        return SL_OK;
    bool less = kind == KIND_LESS || kind == KIND_QUOTIENT, more = kind == KIND_MORE;
    sl_status st = run_ends(w, node, more, less, low, err);
    return st == SL_OK ? run_ends(w, node, !more, !less, high, err) : st;
}

/* Bounds of the elements of a node's output; one whose elements are all known is a constant. */
static sl_status infer_elements(struct work *w, struct work_node *node, sl_error *err) {
    const struct op *op = node->op;
    unsigned inputs = 0;
    bool found, counts = !*op->domain && (!strcmp(op->name, "Shape") || !strcmp(op->name, "Size"));
    enum kind kind = counts ? KIND_NONE : kind_of(node, &inputs);
    if (node->out_count != 1 || node->out[0] == GRAPH_NONE || (!counts && kind == KIND_NONE))
        return SL_OK;
    struct work_value *value = &w->values[node->out[0]];
    const struct work_bound *b = bound_of(w, node->in[0]);
    if (rule_count(&value->tensor) > MOST_ELEMENTS || (value->bound && value->bound->dynamic) ||
        value->tensor.dtype == SL_STRING || sl_dtype_nbits(value->tensor.dtype) < 8 ||
        (counts ? !b || !b->dynamic : !has_elements(w, node, inputs, kind)))
        return SL_OK;
    size_t nbytes = rule_nbytes(&value->tensor);
    void *low = arena_alloc(w->arena, nbytes + 1, 1), *high = arena_alloc(w->arena, nbytes + 1, 1);
    struct work_bound *bound = arena_alloc(w->arena, 1, sizeof *bound);
    if (!low || !high || !bound)
        return work_out_of_memory(err);
    sl_status st = find_ends(w, node, kind, low, high, &found, err);
    if (st != SL_OK || !found)
        return st;
    if (!memcmp(low, high, nbytes)) {
        value->tensor.data = low;
        value->constant = node->dead = true;
        return SL_OK;
    }
    *bound = (struct work_bound){.low = low, .high = high};
    value->bound = bound;
    return SL_OK;
}

sl_status bounds_infer(struct work *w, struct work_node *node, sl_error *err) {
    sl_status st = infer_shapes(w, node, err);
    for (size_t i = 0; st == SL_OK && i < node->in_count; i++)
        if (bound_of(w, node->in[i]))
            return infer_elements(w, node, err);
    return st;
}

/* ---- passes
 * -------------------------------------------------------------------------------------------------- */

static bool is_dynamic(const struct work *w, const struct work_node *node) {
    for (size_t i = 0; i < node->in_count + node->out_count; i++) {
        const struct work_bound *b =
            bound_of(w, i < node->in_count ? node->in[i] : node->out[i - node->in_count]);
        if (b && b->dynamic)
            return true;
    }
    return false;
}

sl_status bounds_hide(struct work *w, sl_error *err) {
    for (size_t i = 0; i < w->node_count; i++) {
        struct work_node *node = &w->nodes[i];
        if (node->dead || !is_dynamic(w, node))
            continue;
        struct op *op = arena_alloc(w->arena, 1, sizeof *op);
        if (!op)
            return work_out_of_memory(err);
        *op = *node->op;
        op->domain = "sluice";
        op->name = "dynamic";
        op->elementwise = op->view = false;
        op->over = 0;
        node->hidden = node->op;
        node->op = op;
    }
    return SL_OK;
}

void bounds_show(struct work *w) {
    for (size_t i = 0; i < w->node_count; i++) {
        if (w->nodes[i].hidden)
            w->nodes[i].op = w->nodes[i].hidden;
        w->nodes[i].hidden = NULL;
    }
}
