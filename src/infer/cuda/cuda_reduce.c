/* cuda_reduce.c: who puts elements of one or several axes together: Reduce*, the global pools, Softmax and
 * its kin over any axis, ArgMax, ArgMin, TopK, CumSum, CumProd, LpNormalization. */
#include "infer/cuda/cuda_bound.h"
#include "ops/reduce.h"
#include "ops/rules.h"

BOUND_LAUNCH(reduce)
BOUND_LAUNCH(softmax)
BOUND_LAUNCH(softmax_line)
BOUND_LAUNCH(arg)
BOUND_LAUNCH(top)
BOUND_LAUNCH(cumulate)
BOUND_LAUNCH(lp_norm)

#define AT(type, field) offsetof(struct type, field)

/* ---- reductions ---- */

static bool add_reduce(struct cuda_match *m, enum k_reduction how, const bool *gone) {
    const sl_tensor *x = m->call.in[0];
    struct walk_plan stay = {.operands = 2}, go = {.operands = 1};
    struct k_reduce r = {.x_type = bound_in_type(m, 0), .y_type = bound_out_type(m, 0), .how = how};
    int64_t y_step = rule_count(m->call.out[0]);
    for (int d = 0; d < x->rank; d++) {
        int64_t step = walk_step(bound_in_value(m, 0), d);
        if (gone[d]) {
            walk_add(&go, x->dims[d], &step);
        } else {
            y_step /= x->dims[d];
            walk_add(&stay, x->dims[d], (int64_t[]){y_step, step});
        }
    }
    if (!bound_walk(m, &stay, &r.stay) || !bound_walk(m, &go, &r.gone))
        return false;
    struct cuda_bound *b = bound_add(m, launch_reduce, &r, sizeof r);
    return bound_in(m, b, AT(k_reduce, x), 0, 0) && bound_out(m, b, AT(k_reduce, y), 0, 0);
}

static bool match_reduce(struct cuda_match *m, int how) {
    struct reduced r;
    if (reduce_read_axes(&m->call, &r, NULL) != SL_OK)
        return bound_refuse(m, "axes that are not known when the model is loaded");
    return add_reduce(m, (enum k_reduction)how, r.gone);
}

static bool match_global(struct cuda_match *m, int how) {
    bool gone[SL_MAX_RANK] = {false};
    for (int d = 2; d < m->call.in[0]->rank; d++)
        gone[d] = true;
    if (how == K_REDUCE_L2 && op_attr_int(&m->call, "p", 2) != 2) {
        if (op_attr_int(&m->call, "p", 2) != 1)
            return bound_refuse(m, "a norm of p %lld", (long long)op_attr_int(&m->call, "p", 2));
        how = K_REDUCE_L1;
    }
    return add_reduce(m, (enum k_reduction)how, gone);
}

/* ---- lines ---- */

/* Lines of dims [from, to), taken as one. */
static bool read_line(struct cuda_match *m, int from, int to, struct k_line *l) {
    const sl_tensor *x = m->call.in[0];
    int64_t n = rule_product(x, from, to), step = rule_product(x, to, x->rank), count = rule_count(x);
    if (count > INT32_MAX)
        return bound_refuse(m, "a value of %lld elements", (long long)count);
    *l = (struct k_line){.x_type = bound_in_type(m, 0),
                         .lines = (uint32_t)(n ? count / n : 0),
                         .n = (int32_t)n,
                         .step = k_divide_by((uint32_t)(step ? step : 1))};
    if (bound_has_out(m, 0))
        l->y_type = bound_out_type(m, 0);
    return true;
}

static int read_axis(const struct cuda_match *m, int64_t fallback) {
    int axis = 0;
    (void)rule_axis(op_attr_int(&m->call, "axis", fallback), m->call.in[0]->rank, &axis, NULL);
    return axis;
}

static bool match_softmax(struct cuda_match *m, int form) {
    struct k_softmax_line s = {.form = (enum k_soft)form};
    int rank = m->call.in[0]->rank;
    bool matrix = m->call.opset < 13; /* rows are the dims before the axis */
    int64_t axis = op_attr_int(&m->call, "axis", matrix ? 1 : -1);
    int from = (int)(axis < 0 ? axis + rank : axis);
    if (!read_line(m, from, matrix ? rank : from + 1, &s.line))
        return false;
    bool common = s.line.x_type == K_F32 || s.line.x_type == K_F16 || s.line.x_type == K_BF16;
    if (form == K_SOFT_MAX && s.line.step.by == 1 && s.line.y_type == s.line.x_type && common) {
        struct k_softmax rows = {.rows = s.line.lines, .n = s.line.n, .type = s.line.x_type};
        struct cuda_bound *b = bound_add(m, launch_softmax, &rows, sizeof rows);
        return bound_in(m, b, AT(k_softmax, x), 0, 0) && bound_out(m, b, AT(k_softmax, y), 0, 0);
    }
    struct cuda_bound *b = bound_add(m, launch_softmax_line, &s, sizeof s);
    return bound_in(m, b, AT(k_softmax_line, line.x), 0, 0) &&
           bound_out(m, b, AT(k_softmax_line, line.y), 0, 0);
}

static bool match_lp_norm(struct cuda_match *m, int detail) {
    struct k_lp_norm s = {.p = op_attr_int(&m->call, "p", 2) == 2 ? 2 : 1};
    int axis = read_axis(m, -1);
    (void)detail;
    if (!read_line(m, axis, axis + 1, &s.line))
        return false;
    struct cuda_bound *b = bound_add(m, launch_lp_norm, &s, sizeof s);
    return bound_in(m, b, AT(k_lp_norm, line.x), 0, 0) && bound_out(m, b, AT(k_lp_norm, line.y), 0, 0);
}

static bool match_arg(struct cuda_match *m, int most) {
    struct k_arg a = {.most = most != 0, .last = op_attr_int(&m->call, "select_last_index", 0) != 0};
    int axis = read_axis(m, 0);
    if (!read_line(m, axis, axis + 1, &a.line))
        return false;
    struct cuda_bound *b = bound_add(m, launch_arg, &a, sizeof a);
    return bound_in(m, b, AT(k_arg, line.x), 0, 0) && bound_out(m, b, AT(k_arg, line.y), 0, 0);
}

static bool match_top(struct cuda_match *m, int detail) {
    const struct op_call *call = &m->call;
    int axis = read_axis(m, -1);
    struct k_top t = {.largest = call->opset < 11 || op_attr_int(call, "largest", 1) != 0};
    const sl_tensor *y = bound_has_out(m, 0) ? call->out[0] : call->out[1];
    (void)detail;
    t.k = (int32_t)y->dims[axis];
    if (!read_line(m, axis, axis + 1, &t.line))
        return false;
    struct cuda_bound *b = bound_add(m, launch_top, &t, sizeof t);
    return bound_in(m, b, AT(k_top, line.x), 0, 0) &&
           (!bound_has_out(m, 0) || bound_out(m, b, AT(k_top, line.y), 0, 0)) &&
           (!bound_has_out(m, 1) || bound_out(m, b, AT(k_top, places), 1, 0));
}

static bool match_cumulate(struct cuda_match *m, int product) {
    struct k_cumulate c = {.product = product != 0,
                           .exclusive = op_attr_int(&m->call, "exclusive", 0) != 0,
                           .reverse = op_attr_int(&m->call, "reverse", 0) != 0};
    const sl_tensor *given = bound_const(m, 1);
    int axis = 0;
    if (!given)
        return bound_refuse(m, "an axis that is not known when the model is loaded");
    (void)rule_axis(given->dtype == SL_INT32 ? *(const int32_t *)given->data : *(const int64_t *)given->data,
                    m->call.in[0]->rank, &axis, NULL);
    if (!read_line(m, axis, axis + 1, &c.line))
        return false;
    struct cuda_bound *b = bound_add(m, launch_cumulate, &c, sizeof c);
    return bound_in(m, b, AT(k_cumulate, line.x), 0, 0) && bound_out(m, b, AT(k_cumulate, line.y), 0, 0);
}

const struct bound_operator bound_reduce[] = {
    {"", "ReduceSum", match_reduce, K_REDUCE_SUM, true},
    {"", "ReduceMean", match_reduce, K_REDUCE_MEAN, true},
    {"", "ReduceMax", match_reduce, K_REDUCE_MAX, true},
    {"", "ReduceMin", match_reduce, K_REDUCE_MIN, true},
    {"", "ReduceProd", match_reduce, K_REDUCE_PROD, true},
    {"", "ReduceL1", match_reduce, K_REDUCE_L1, true},
    {"", "ReduceL2", match_reduce, K_REDUCE_L2, true},
    {"", "ReduceLogSum", match_reduce, K_REDUCE_LOG_SUM, true},
    {"", "ReduceLogSumExp", match_reduce, K_REDUCE_LOG_SUM_EXP, true},
    {"", "ReduceSumSquare", match_reduce, K_REDUCE_SUM_SQUARE, true},
    {"com.microsoft", "ReduceSumInteger", match_reduce, K_REDUCE_SUM, true},
    {"", "GlobalAveragePool", match_global, K_REDUCE_MEAN, true},
    {"", "GlobalMaxPool", match_global, K_REDUCE_MAX, true},
    {"", "GlobalLpPool", match_global, K_REDUCE_L2, true},
    {"", "Softmax", match_softmax, K_SOFT_MAX, false},
    {"", "LogSoftmax", match_softmax, K_SOFT_LOG, false},
    {"", "Hardmax", match_softmax, K_SOFT_HARD, false},
    {"", "LpNormalization", match_lp_norm, 0, false},
    {"", "ArgMax", match_arg, 1, false},
    {"", "ArgMin", match_arg, 0, false},
    {"", "TopK", match_top, 0, false},
    {"", "CumSum", match_cumulate, 0, false},
    {"", "CumProd", match_cumulate, 1, false},
    {NULL, NULL, NULL, 0, false}};
