/* recurrent_read.c: the attributes and shapes of LSTM, GRU and RNN, and their activation functions. Names of
 * activations are matched without regard to case, as ONNX Runtime does; activation_alpha and _beta are
 * consumed in order by the functions that have such a parameter. */
#include "ops/recurrent.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "ops/rules.h"

static const struct {
    const char *name;
    enum recurrent_curve curve;
    bool has_alpha, has_beta;
    double alpha, beta; /* where none is given */
} curves[] = {{"Sigmoid", CURVE_SIGMOID, false, false, 0, 0},
              {"Tanh", CURVE_TANH, false, false, 0, 0},
              {"Relu", CURVE_RELU, false, false, 0, 0},
              {"Affine", CURVE_AFFINE, true, true, 1, 0},
              {"LeakyRelu", CURVE_LEAKY_RELU, true, false, (double)0.01f, 0},
              {"ThresholdedRelu", CURVE_THRESHOLDED_RELU, true, false, 1, 0},
              {"ScaledTanh", CURVE_SCALED_TANH, true, true, 1, 1},
              {"HardSigmoid", CURVE_HARD_SIGMOID, true, true, (double)0.2f, 0.5},
              {"Elu", CURVE_ELU, true, false, 1, 0},
              {"Softsign", CURVE_SOFTSIGN, false, false, 0, 0},
              {"Softplus", CURVE_SOFTPLUS, false, false, 0, 0}};

double recurrent_activate(const struct recurrent_activation *a, double x) {
    switch (a->curve) {
    case CURVE_SIGMOID:
        return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
    case CURVE_TANH:
        return tanh(x);
    case CURVE_RELU:
        return x < 0 ? 0 : x;
    case CURVE_AFFINE:
        return a->alpha * x + a->beta;
    case CURVE_LEAKY_RELU:
        return x < 0 ? a->alpha * x : x;
    case CURVE_THRESHOLDED_RELU:
        return x < a->alpha ? 0 : x;
    case CURVE_SCALED_TANH:
        return a->alpha * tanh(a->beta * x);
    case CURVE_HARD_SIGMOID:
        x = a->alpha * x + a->beta;
        return x < 0 ? 0 : x > 1 ? 1 : x;
    case CURVE_ELU:
        return x < 0 ? a->alpha * expm1(x) : x;
    case CURVE_SOFTSIGN:
        return x / (1 + fabs(x));
    case CURVE_SOFTPLUS:
        return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    default:
        return x;
    }
}

static const struct attr *list_of(const struct op_call *call, const char *name, enum attr_type type) {
    const struct attr *attr = op_attr(call, name);
    return attr && attr->type == type ? attr : NULL;
}

static size_t find_curve(const sl_string *name) {
    size_t i = 0, count = sizeof curves / sizeof *curves;
    while (i < count && (strlen(curves[i].name) != name->nbytes ||
                         strncasecmp(curves[i].name, name->data, name->nbytes) != 0))
        i++;
    return i;
}

static sl_status read_activations(const struct op_call *call, struct recurrent *r, sl_error *err) {
    static const sl_string defaults[] = {{"Sigmoid", 7}, {"Tanh", 4}, {"Tanh", 4}};
    const struct attr *names = list_of(call, "activations", ATTR_STRINGS);
    const struct attr *alphas = list_of(call, "activation_alpha", ATTR_FLOATS);
    const struct attr *betas = list_of(call, "activation_beta", ATTR_FLOATS);
    int each = r->cell == CELL_LSTM ? 3 : r->cell == CELL_GRU ? 2 : 1;
    size_t alpha = 0, beta = 0;
    if (names && names->count != (size_t)(each * r->directions) &&
        !(r->cell == CELL_RNN && names->count == 2 && r->directions == 1)) /* the default says it twice */
        return error_set(err, SL_E_MODEL, "attribute 'activations' has %zu names, expected %d", names->count,
                         each * (int)r->directions);
    for (int i = 0; i < each * (int)r->directions; i++) {
        const sl_string *name = names                 ? &names->strings[i]
                                : r->cell == CELL_RNN ? &defaults[1]
                                                      : &defaults[i % each];
        size_t at = find_curve(name);
        if (at == sizeof curves / sizeof *curves)
            return error_set(err, SL_E_MODEL, "attribute 'activations' has the unknown name '%.*s'",
                             (int)(name->nbytes < 40 ? name->nbytes : 40), name->data);
        struct recurrent_activation *a = &r->activations[i / each][i % each];
        *a = (struct recurrent_activation){curves[at].curve, curves[at].alpha, curves[at].beta};
        if (curves[at].has_alpha && alphas && alpha < alphas->count)
            a->alpha = (double)alphas->floats[alpha++];
        if (curves[at].has_beta && betas && beta < betas->count)
            a->beta = (double)betas->floats[beta++];
    }
    return SL_OK;
}

static sl_status read_direction(const struct op_call *call, struct recurrent *r, sl_error *err) {
    bool both = op_attr_is(call, "direction", "bidirectional", "forward");
    r->first_reverse = op_attr_is(call, "direction", "reverse", "forward");
    r->directions = both ? 2 : 1;
    if (!both && !r->first_reverse && !op_attr_is(call, "direction", "forward", "forward"))
        return error_set(err, SL_E_MODEL, "attribute 'direction' is none of forward, reverse, bidirectional");
    return SL_OK;
}

/* Input i, where there is one, has these dims. */
static sl_status expect(const struct op_call *call, size_t i, int rank, const int64_t *dims, sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    if (!op_has_in(call, i))
        return SL_OK;
    sl_tensor want = {.dtype = i == RECURRENT_LENS ? SL_INT32 : call->in[0]->dtype, .rank = rank};
    bool same = call->in[i]->rank == rank && call->in[i]->dtype == want.dtype;
    for (int d = 0; d < rank; d++) {
        want.dims[d] = dims[d];
        same = same && call->in[i]->dims[d] == dims[d];
    }
    return same ? SL_OK
                : error_set(err, SL_E_MODEL, "input %zu is %s, expected %s", i, rule_text(one, call->in[i]),
                            rule_text(other, &want));
}

#define MOST_HIDDEN (1 << 24)

static sl_status check_shapes(const struct op_call *call, struct recurrent *r, sl_error *err) {
    const sl_tensor *x = call->in[RECURRENT_X];
    int64_t gates = (int64_t)r->cell, n = r->directions, h = r->hidden;
    r->steps = x->dims[r->batch_first ? 1 : 0];
    r->batch = x->dims[r->batch_first ? 0 : 1];
    r->input = x->dims[2];
    if (h < 1 || h > MOST_HIDDEN)
        return error_set(err, SL_E_MODEL, "a hidden size of %lld", (long long)h);
    int64_t state[3] = {r->batch_first ? r->batch : n, r->batch_first ? n : r->batch, h};
    sl_status st = expect(call, RECURRENT_W, 3, (int64_t[]){n, gates * h, r->input}, err);
    if (st == SL_OK)
        st = expect(call, RECURRENT_R, 3, (int64_t[]){n, gates * h, h}, err);
    if (st == SL_OK)
        st = expect(call, RECURRENT_B, 2, (int64_t[]){n, 2 * gates * h}, err);
    if (st == SL_OK)
        st = expect(call, RECURRENT_LENS, 1, &r->batch, err);
    if (st == SL_OK)
        st = expect(call, RECURRENT_H, 3, state, err);
    if (st == SL_OK && r->cell == CELL_LSTM)
        st = expect(call, RECURRENT_C, 3, state, err);
    if (st == SL_OK && r->cell == CELL_LSTM)
        st = expect(call, RECURRENT_P, 2, (int64_t[]){n, 3 * h}, err);
    return st;
}

sl_status recurrent_read(const struct op_call *call, enum recurrent_cell cell, struct recurrent *r,
                         sl_error *err) {
    *r = (struct recurrent){.cell = cell};
    r->batch_first = op_attr_int(call, "layout", 0) != 0;
    r->couple = op_attr_int(call, "input_forget", 0) != 0;
    r->linear_before_reset = op_attr_int(call, "linear_before_reset", 0) != 0;
    double clip = (double)op_attr_float(call, "clip", 0);
    r->clip = clip > 0 ? clip : (double)INFINITY;
    sl_status st = rule_dtype(call, 0, OPS_REALS, err);
    for (size_t i = 0; st == SL_OK && i < 3; i++)
        st = rule_rank(call, i, 3, err);
    if (st == SL_OK)
        st = read_direction(call, r, err);
    if (st == SL_OK)
        st = read_activations(call, r, err);
    if (st != SL_OK)
        return st;
    r->hidden = op_attr_int(call, "hidden_size", call->in[RECURRENT_R]->dims[2]);
    return check_shapes(call, r, err);
}
