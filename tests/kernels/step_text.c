/* step_text.c: an operator written as text, as a plan of one step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ops/element.h"
#include "ops/rules.h"
#include "step_rig.h"

enum { MOST_IN = 17, MOST_OUT = 4, MOST_ATTRS = 16, MOST_LIST = 24 };

struct text_step {
    struct attr attrs[MOST_ATTRS];
    sl_string strings[MOST_ATTRS][MOST_LIST];
    char names[MOST_ATTRS][40], texts[MOST_ATTRS][200];
    float floats[MOST_ATTRS][MOST_LIST];
    int64_t ints[MOST_ATTRS][MOST_LIST];
    struct plan_value values[MOST_IN + MOST_OUT];
    uint32_t in[MOST_IN], out[MOST_OUT];
    void *data[MOST_IN + MOST_OUT];
    struct plan_step step;
    struct plan plan;
    size_t outs;
    bool rows, single, last; /* #rows, #f32, #last */
};

/* Outside a test too (gpu_bench): says what is wrong and ends the process. */
static void demand(bool right, const char *what, const char *where) {
    if (right)
        return;
    fprintf(stderr, "step_text: %s: %s\n", where, what);
    abort();
}

static uint32_t random_bits = 1;
static uint32_t next_random(void) {
    random_bits = random_bits * 1664525u + 1013904223u;
    return random_bits >> 8;
}

/* ---- attributes: name=3 name=0.5f name='text' name=[1,2] name=['a','b'] ---- */

static void read_value(struct text_step *t, struct attr *a, size_t k, const char *text) {
    if (*text == '\'') {
        snprintf(t->texts[k], sizeof t->texts[k], "%.*s", (int)strcspn(text + 1, "'"), text + 1);
        a->type = ATTR_STRING;
        a->s = (sl_string){t->texts[k], strlen(t->texts[k])};
        return;
    }
    if (!strncmp(text, "['", 2)) { /* ['a','b'] */
        snprintf(t->texts[k], sizeof t->texts[k], "%s", text + 2);
        a->type = ATTR_STRINGS;
        a->strings = t->strings[k];
        for (char *word = t->texts[k]; *word && *word != ']' && a->count < MOST_LIST;) {
            size_t n = strcspn(word, "'");
            t->strings[k][a->count++] = (sl_string){word, n};
            word += n + strspn(word + n, "',");
        }
        return;
    }
    bool list = *text == '[', real = strchr(text, 'f') != NULL;
    for (text += list; *text && *text != ']' && a->count < MOST_LIST; text += *text == ',') {
        char *end;
        double x = strtod(text, &end);
        t->floats[k][a->count] = (float)x;
        t->ints[k][a->count++] = (int64_t)x;
        text = end + (*end == 'f');
    }
    a->type = list ? (real ? ATTR_FLOATS : ATTR_INTS) : real ? ATTR_FLOAT : ATTR_INT;
    a->f = t->floats[k][0];
    a->i = t->ints[k][0];
    a->floats = t->floats[k];
    a->ints = t->ints[k];
}

static void read_attrs(struct text_step *t, const char *text) {
    char copy[1024], *rest = copy;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *word; (word = strsep(&rest, " "));) {
        char *value = strchr(word, '=');
        if (!strcmp(word, "#rows"))
            t->rows = true;
        if (!strcmp(word, "#f32"))
            t->single = true;
        if (!strcmp(word, "#last"))
            t->last = true;
        if (!value)
            continue;
        *value++ = 0;
        if (!strcmp(word, "#out")) {
            t->outs = (size_t)atoi(value);
            continue;
        }
        size_t k = t->step.attr_count++;
        demand(k < MOST_ATTRS, "too many attributes", word);
        snprintf(t->names[k], sizeof t->names[k], "%s", word);
        t->attrs[k] = (struct attr){.name = t->names[k]};
        read_value(t, &t->attrs[k], k, value);
    }
}

/* ---- inputs ---- */

static sl_dtype read_dtype(const char *text) {
    static const struct {
        const char *name;
        sl_dtype dtype;
    } names[] = {{"f", SL_FLOAT},   {"d", SL_DOUBLE},   {"h", SL_FLOAT16}, {"b", SL_BOOL},
                 {"i8", SL_INT8},   {"u8", SL_UINT8},   {"i16", SL_INT16}, {"u16", SL_UINT16},
                 {"i32", SL_INT32}, {"u32", SL_UINT32}, {"i64", SL_INT64}, {"u64", SL_UINT64}};
    size_t n = strcspn(text, ":{");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i].name) == n && !strncmp(names[i].name, text, n))
            return names[i].dtype;
    demand(false, "no such dtype", text);
    return SL_FLOAT;
}

static void fill(sl_tensor *x, int64_t most, bool positive, bool rows) {
    int64_t n = rule_count(x), row = rows && x->rank && x->dims[0] ? n / x->dims[0] : n;
    for (int64_t i = 0; i < n; i++) {
        double u = (double)next_random() / 0x1p24;
        if (i >= row)
            memcpy((char *)x->data + (size_t)i * (sl_dtype_nbits(x->dtype) / 8),
                   (char *)x->data + (size_t)(i % row) * (sl_dtype_nbits(x->dtype) / 8),
                   sl_dtype_nbits(x->dtype) / 8);
        else if (element_kind(x->dtype) == ELEMENT_REAL)
            element_set_real(x->dtype, x->data, i, positive ? 0.1 + 2 * u : 4 * u - 2);
        else if (most || x->dtype == SL_BOOL)
            element_set_unsigned(x->dtype, x->data, i, next_random() % (uint64_t)(most ? most : 2));
        else
            element_set_signed(x->dtype, x->data, i, (int64_t)(next_random() % 200) - 100);
    }
}

static void read_list(sl_tensor *x, const char *text) {
    x->rank = 1;
    x->data = calloc(MOST_LIST, 8);
    for (text++; *text && *text != '}'; text += *text == ',') {
        char *end;
        double value = strtod(text, &end);
        demand(end != text && x->dims[0] < MOST_LIST, "not a list", text);
        if (element_kind(x->dtype) == ELEMENT_REAL)
            element_set_real(x->dtype, x->data, x->dims[0]++, value);
        else
            element_set_signed(x->dtype, x->data, x->dims[0]++, (int64_t)value);
        text = end;
    }
}

static void read_input(struct text_step *t, const char *word) {
    size_t i = t->step.in_count++;
    struct plan_value *v = &t->values[i];
    demand(i < MOST_IN, "too many inputs", word);
    t->in[i] = PLAN_NONE;
    if (*word == '-')
        return;
    t->in[i] = (uint32_t)i;
    v->place = *word == 'c' ? PLAN_CONST : PLAN_ARENA;
    word += *word == 'c';
    v->tensor.dtype = read_dtype(word);
    word += strcspn(word, ":{");
    if (*word == '{') {
        v->place = PLAN_CONST;
        read_list(&v->tensor, word);
    } else {
        for (word += *word == ':'; *word >= '0' && *word <= '9'; word += *word == ',')
            v->tensor.dims[v->tensor.rank++] = strtoll(word, (char **)&word, 10);
        v->tensor.data = calloc((size_t)rule_count(&v->tensor) + 2, 8);
        fill(&v->tensor, *word == '%' ? atoll(word + 1) : 0, *word == '+', t->rows && v->place != PLAN_CONST);
    }
    t->data[i] = v->tensor.data;
    if (v->place != PLAN_CONST)
        v->tensor.data = NULL;
}

/* ---- the step ---- */

static void find_op(struct text_step *t, const char *text) {
    char domain[32] = "", name[64];
    const char *colon = strchr(text, ':'), *at = strchr(text, '@');
    if (colon)
        snprintf(domain, sizeof domain, "%.*s", (int)(colon - text), text);
    text = colon ? colon + 1 : text;
    snprintf(name, sizeof name, "%.*s", (int)strcspn(text, "@"), text);
    t->step.opset = at ? atoi(at + 1) : !*domain ? 24 : !strcmp(domain, "ai.onnx.ml") ? 3 : 1;
    t->step.op = op_find(domain, name, t->step.opset);
    demand(t->step.op != NULL, "no such operator", text);
    t->step.name = t->step.op->name;
}

static void infer(struct text_step *t) {
    const sl_tensor *in[MOST_IN];
    sl_tensor *out[MOST_OUT], outs[MOST_OUT] = {0};
    sl_error err = {0};
    for (size_t i = 0; i < t->step.in_count; i++)
        in[i] = t->in[i] == PLAN_NONE ? NULL : &t->values[i].tensor;
    for (size_t i = 0; i < t->outs; i++)
        out[i] = &outs[i];
    struct op_call call = {.attrs = t->attrs,
                           .attr_count = t->step.attr_count,
                           .opset = t->step.opset,
                           .in = in,
                           .in_count = t->step.in_count,
                           .out = out,
                           .out_count = t->outs};
    sl_status st = t->step.op->infer(&call, &err);
    demand(st == SL_OK, err.text, t->step.name);
    for (size_t i = 0; i < t->outs; i++) {
        t->out[i] = (uint32_t)(MOST_IN + i);
        t->values[MOST_IN + i] = (struct plan_value){.tensor = outs[i], .place = PLAN_ARENA};
        t->data[MOST_IN + i] = calloc(1, rule_nbytes(&outs[i]) + 1);
    }
}

struct text_step *step_read(const char *op, const char *attrs, const char *inputs) {
    struct text_step *t = calloc(1, sizeof *t);
    char copy[512], *rest = copy;
    t->outs = 1;
    find_op(t, op);
    read_attrs(t, attrs);
    snprintf(copy, sizeof copy, "%s", inputs);
    for (char *word; (word = strsep(&rest, " "));)
        if (*word)
            read_input(t, word);
    infer(t);
    t->step.attrs = t->attrs;
    t->step.in = t->in;
    t->step.out = t->out;
    t->step.out_count = t->outs;
    t->plan = (struct plan){.values = t->values,
                            .value_count = MOST_IN + MOST_OUT,
                            .steps = &t->step,
                            .step_count = 1,
                            .batch = 1};
    return t;
}

void step_clear(struct text_step *t) {
    for (size_t i = 0; i < MOST_IN + MOST_OUT; i++)
        free(t->data[i]);
    free(t);
}

const struct plan *step_plan(const struct text_step *t) {
    return &t->plan;
}

void **step_data(struct text_step *t) {
    return t->data;
}

static enum step_result check(struct text_step *t, enum k_type real, char *why, size_t why_nbytes) {
    return step_check(&t->plan, 0, t->data, real, t->rows, t->last, why, why_nbytes);
}

void step_text(const char *op, const char *attrs, const char *inputs) {
    static const enum k_type reals[] = {K_F32, K_F16, K_BF16};
    struct text_step *t = step_read(op, attrs, inputs);
    for (int i = 0; i < (t->single ? 1 : 3); i++) {
        char why[512] = "";
        enum step_result result = check(t, reals[i], why, sizeof why);
        ck_assert_msg(result == STEP_SAME, "%s (%s) of %s, type %d: %s", op, attrs, inputs, (int)reals[i],
                      why);
    }
    step_clear(t);
}

void step_text_refused(const char *op, const char *attrs, const char *inputs, const char *text) {
    struct text_step *t = step_read(op, attrs, inputs);
    char why[512] = "";
    ck_assert_int_eq(check(t, K_F32, why, sizeof why), STEP_REFUSED);
    ck_assert_msg(strstr(why, text) != NULL, "%s: '%s'", op, why);
    step_clear(t);
}
