/* step_rig.c: a step beside its reference. */
#include "step_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/cuda/cuda_bound.h"
#include "ops/difference.h"
#include "ops/element.h"
#include "ops/rules.h"
#include "tests/kernels/simt/simt.h"

struct rig {
    const struct plan *plan;
    struct arena arena;
    enum k_type real;
    bool last, *lies_last; /* [value_count] */
    bool rows;             /* all rows of an output must be the same */
    void **values;         /* on the host */
    void **device, **want; /* [value_count]: of the step's values; what the reference made of its outputs */
    void *tables[64];
    size_t table_count;
    void *scratch; /* fresh for every order, as nothing in it may be taken for written */
    size_t scratch_nbytes;
};

unsigned step_arch = 90;
bool step_tf32;
struct cudnn *step_cudnn;

static enum k_type type_of(const struct rig *r, sl_dtype dtype) {
    static const enum k_type types[SL_DTYPE_END] = {
        [SL_FLOAT16] = K_F16, [SL_BFLOAT16] = K_BF16, [SL_DOUBLE] = K_F64, [SL_UINT8] = K_U8,
        [SL_INT8] = K_I8,     [SL_UINT16] = K_U16,    [SL_INT16] = K_I16,  [SL_UINT32] = K_U32,
        [SL_INT32] = K_I32,   [SL_UINT64] = K_U64,    [SL_INT64] = K_I64,  [SL_BOOL] = K_BOOL};
    return dtype == SL_FLOAT ? r->real : types[dtype];
}

static enum k_type rig_type(void *self, uint32_t value) {
    const struct rig *r = self;
    return type_of(r, r->plan->values[value].tensor.dtype);
}

static bool rig_is_last(void *self, uint32_t value) {
    const struct rig *r = self;
    return r->lies_last[value];
}

static bool rig_make_last(void *self, uint32_t value) {
    struct rig *r = self;
    return r->lies_last[value] = r->last && r->plan->values[value].tensor.rank >= 3;
}

static const void *rig_table(void *self, const void *table, size_t nbytes) {
    struct rig *r = self;
    void *copy = r->table_count < sizeof r->tables / sizeof *r->tables ? simt_alloc(nbytes) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, table, nbytes);
    simt_written(copy, nbytes);
    return r->tables[r->table_count++] = copy;
}

static void rig_scratch(void *self, size_t nbytes) {
    struct rig *r = self;
    r->scratch_nbytes = nbytes > r->scratch_nbytes ? nbytes : r->scratch_nbytes;
}

static const void *rig_address(const void *frame, uint32_t value) {
    const struct rig *r = frame;
    return value == BOUND_SCRATCH ? r->scratch : r->device[value];
}

/* Floats of the host in the program's type; `back`: the other way. Whatever else is there is copied. */
static void convert(enum k_type real, const sl_tensor *t, void *host, void *device, bool back) {
    sl_dtype dtype = t->dtype != SL_FLOAT || real == K_F32 ? t->dtype
                     : real == K_F16                       ? SL_FLOAT16
                                                           : SL_BFLOAT16;
    if (dtype == t->dtype) {
        memcpy(back ? host : device, back ? device : host, rule_nbytes(t));
        return;
    }
    for (int64_t i = 0, n = rule_count(t); i < n; i++)
        if (back)
            ((float *)host)[i] = (float)element_real(dtype, device, i);
        else
            element_set_real(dtype, device, i, (double)((float *)host)[i]);
}

static size_t device_nbytes(const struct rig *r, const sl_tensor *t) {
    return t->dtype == SL_FLOAT && r->real != K_F32 ? rule_nbytes(t) / 2 : rule_nbytes(t);
}

/* Turns a value on the device between row-major and channels-last. */
static void turn(const struct rig *r, uint32_t v, void *device, bool to_last) {
    const sl_tensor *t = &r->plan->values[v].tensor;
    int64_t channels = r->lies_last[v] ? t->dims[1] : 1,
            points = r->lies_last[v] ? rule_product(t, 2, t->rank) : 1;
    int64_t count = rule_count(t);
    size_t nbytes = count ? device_nbytes(r, t) / (size_t)count : 0;
    char *copy = malloc(device_nbytes(r, t) + 1);
    memcpy(copy, device, device_nbytes(r, t));
    for (int64_t i = 0; r->lies_last[v] && i < count; i++) {
        int64_t c = i / points % channels, at = (i / points / channels * points + i % points) * channels + c;
        memcpy((char *)device + (size_t)(to_last ? at : i) * nbytes,
               copy + (size_t)(to_last ? i : at) * nbytes, nbytes);
    }
    free(copy);
}

/* The step as the reference sees it; inputs are rounded to the program's type first. */
static void run_reference(struct rig *r, const struct plan_step *s, void **values) {
    const sl_tensor **in = arena_alloc(&r->arena, s->in_count + 1, sizeof *in);
    sl_tensor **out = arena_alloc(&r->arena, s->out_count + 1, sizeof *out);
    sl_tensor *tensors = arena_alloc(&r->arena, s->in_count + s->out_count + 1, sizeof *tensors);
    struct op_call call = {.attrs = s->attrs,
                           .attr_count = s->attr_count,
                           .opset = s->opset,
                           .in = in,
                           .in_count = s->in_count,
                           .out = out,
                           .out_count = s->out_count};
    struct op_prepared prepared = {0};
    for (size_t i = 0; i < s->in_count + s->out_count; i++) {
        uint32_t v = i < s->in_count ? s->in[i] : s->out[i - s->in_count];
        if (v == PLAN_NONE)
            continue;
        sl_tensor *t = &tensors[i];
        *t = r->plan->values[v].tensor;
        t->data = arena_alloc(&r->arena, 1, rule_nbytes(t) + 16);
        if (i < s->in_count) {
            memcpy(t->data, values[v], rule_nbytes(t));
            void *rounded = arena_alloc(&r->arena, 1, rule_nbytes(t) + 16);
            convert(r->real, t, t->data, rounded, false);
            convert(r->real, t, t->data, rounded, true);
            in[i] = t;
        } else {
            r->want[v] = t->data;
            out[i - s->in_count] = t;
        }
    }
    if (s->op->prepare && s->op->prepare(&call, &r->arena, &prepared, NULL) != SL_OK)
        return;
    call.state = prepared.state;
    call.scratch =
        (void *)(((uintptr_t)arena_alloc(&r->arena, 1, prepared.scratch_nbytes + 64) + 63) / 64 * 64);
    s->op->run(&call);
}

static void place_value(struct rig *r, uint32_t v, bool filled) {
    const sl_tensor *t = &r->plan->values[v].tensor;
    size_t nbytes = device_nbytes(r, t);
    r->device[v] = simt_alloc(nbytes ? nbytes : 1);
    if (!filled)
        return;
    convert(r->real, t, r->values[v], r->device[v], false);
    turn(r, v, r->device[v], true);
    simt_written(r->device[v], nbytes);
}

/* What a launch reads of a step whose work it does too. */
static void place_taken(void *self, uint32_t v) {
    struct rig *r = self;
    if (!r->device[v])
        place_value(r, v, true);
}

static void fill_device(struct rig *r, const struct plan_step *s, const struct cuda_bound *chain) {
    for (size_t i = 0; i < s->in_count + s->out_count; i++) {
        uint32_t v = i < s->in_count ? s->in[i] : s->out[i - s->in_count];
        if (v != PLAN_NONE && !r->device[v])
            place_value(r, v, i < s->in_count);
    }
    bound_values(chain, place_taken, r);
}

static double tolerance_of(const struct rig *r, sl_dtype dtype) {
    if (dtype == SL_FLOAT) /* sums in float in another order; one rounding of f16 and bf16, some twice */
        return r->real == K_F32 ? (step_tf32 ? 1e-3 : 2e-6) : r->real == K_F16 ? 1.5e-3 : 1.2e-2;
    return difference_tolerance(dtype);
}

static bool same_rows(const struct rig *r, const sl_tensor *t, const char *device) {
    int64_t rows = t->rank ? t->dims[0] : 1;
    size_t nbytes = rows ? device_nbytes(r, t) / (size_t)rows : 0;
    for (int64_t row = 1; row < rows; row++)
        if (memcmp(device, device + (size_t)row * nbytes, nbytes) != 0)
            return false;
    return true;
}

static bool compare(struct rig *r, const struct plan_step *s, char *why, size_t why_nbytes) {
    for (size_t i = 0; i < s->out_count; i++) {
        if (s->out[i] == PLAN_NONE)
            continue;
        sl_tensor want = r->plan->values[s->out[i]].tensor, got = want;
        struct difference d;
        want.data = r->want[s->out[i]];
        got.data = arena_alloc(&r->arena, 1, rule_nbytes(&got) + 16);
        turn(r, s->out[i], r->device[s->out[i]], false);
        convert(r->real, &got, got.data, r->device[s->out[i]], true);
        difference_measure(&got, &want, tolerance_of(r, got.dtype), &d);
        if (r->rows && !same_rows(r, &got, r->device[s->out[i]])) {
            snprintf(why, why_nbytes, "%s output %zu: rows of the same numbers differ", s->op->name, i);
            return false;
        }
        if (d.outside) {
            snprintf(why, why_nbytes,
                     "%s output %zu: %lld of %lld differ, element %lld is %.9g, expected %.9g", s->op->name,
                     i, (long long)d.outside, (long long)d.count, (long long)d.first, d.got, d.want);
            return false;
        }
    }
    return true;
}

static void free_device(struct rig *r) {
    for (size_t v = 0; v < r->plan->value_count; v++) {
        simt_free(r->device[v]);
        r->device[v] = NULL;
    }
}

static enum step_result run_order(struct rig *r, const struct plan_step *s, const struct cuda_bound *chain,
                                  enum simt_order order, char *why, size_t why_nbytes) {
    simt_options.order = order;
    simt_options.seed++;
    simt_failure_clear();
    fill_device(r, s, chain);
    r->scratch = r->scratch_nbytes ? simt_alloc(r->scratch_nbytes) : NULL;
    int status = bound_run(chain, rig_address, r, NULL);
    simt_free(r->scratch);
    bool same = status == 0 && compare(r, s, why, why_nbytes);
    if (status != 0)
        snprintf(why, why_nbytes, "%s: launch failed with %d: %s", s->op->name, status,
                 simt_failure() ? simt_failure() : "no text");
    free_device(r);
    return same ? STEP_SAME : STEP_DIFFERS;
}

enum step_result step_check(const struct plan *plan, size_t index, void **values, enum k_type real, bool rows,
                            bool last, char *why, size_t why_nbytes) {
    static const enum simt_order orders[] = {SIMT_FORWARD, SIMT_REVERSE, SIMT_RANDOM};
    const struct plan_step *s = &plan->steps[index];
    struct rig *r = calloc(1, sizeof *r);
    struct bound_host host = {.self = r,
                              .type = rig_type,
                              .table = rig_table,
                              .scratch = rig_scratch,
                              .is_last = rig_is_last,
                              .make_last = rig_make_last,
                              .arch = step_arch,
                              .cudnn = step_cudnn,
                              .tf32 = step_tf32};
    struct cuda_bound *chain;
    const char *kernel;
    enum step_result result = STEP_REFUSED;
    *r = (struct rig){.plan = plan,
                      .values = values,
                      .real = real,
                      .rows = rows,
                      .last = last,
                      .lies_last = calloc(plan->value_count + 1, sizeof *r->lies_last),
                      .device = calloc(plan->value_count + 1, sizeof *r->device),
                      .want = calloc(plan->value_count + 1, sizeof *r->want)};
    arena_init(&r->arena);
    host.arena = host.room = &r->arena;
    run_reference(r, s, values);
    for (size_t i = 0; last && bound_knows_last(s->op) && i < s->in_count; i++)
        if (s->in[i] != PLAN_NONE && plan->values[s->in[i]].place != PLAN_CONST)
            (void)rig_make_last(r, s->in[i]);
    if (bound_step(&host, plan, index, &chain, &kernel, why, why_nbytes)) {
        result = STEP_SAME;
        for (int i = 0; i < 3 && result == STEP_SAME; i++)
            result = run_order(r, s, chain, orders[i], why, why_nbytes);
    }
    for (size_t i = 0; i < s->out_count; i++)
        if (s->out[i] != PLAN_NONE)
            memcpy(values[s->out[i]], r->want[s->out[i]], rule_nbytes(&plan->values[s->out[i]].tensor));
    for (size_t i = 0; i < r->table_count; i++)
        simt_free(r->tables[i]);
    arena_clear(&r->arena);
    free(r->device);
    free(r->want);
    free(r->lies_last);
    free(r);
    return result;
}
