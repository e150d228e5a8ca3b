/* cuda_match.c: a plan as launches. Every step is matched in the plan's order; each matcher is told how its
 * inputs lie and may choose channels-last for its output. Where that turns out wrong for a reader, the value
 * must lie row-major, and matching begins anew: at most once for each value. */
#include "infer/cuda/cuda_program.h"

#include <string.h>

#include "ops/rules.h"
#include "support/mem.h"
#include "support/text.h"

static size_t align(size_t nbytes) {
    return (nbytes + CUDA_ALIGN - 1) / CUDA_ALIGN * CUDA_ALIGN;
}

/* ---- types and regions ---- */

/* Thresholds of trees and scores of linear models decide on the last bit: no halves there. */
static bool is_classical(const struct plan *plan) {
    for (size_t i = 0; i < plan->step_count; i++)
        if (!strcmp(plan->steps[i].op->domain, "ai.onnx.ml"))
            return true;
    return false;
}

static enum k_type real_of(const struct cuda_code *code) {
    enum precision precision = code->device->options.precision;
    if (is_classical(code->plan))
        return K_F32;
    return precision == PRECISION_FP16 ? K_F16 : precision == PRECISION_BF16 ? K_BF16 : K_F32;
}

static enum k_type type_of(const struct cuda_code *code, sl_dtype dtype) {
    static const enum k_type types[SL_DTYPE_END] = {
        [SL_FLOAT16] = K_F16, [SL_BFLOAT16] = K_BF16, [SL_DOUBLE] = K_F64, [SL_UINT8] = K_U8,
        [SL_INT8] = K_I8,     [SL_UINT16] = K_U16,    [SL_INT16] = K_I16,  [SL_UINT32] = K_U32,
        [SL_INT32] = K_I32,   [SL_UINT64] = K_U64,    [SL_INT64] = K_I64,  [SL_BOOL] = K_BOOL};
    return dtype == SL_FLOAT ? code->real : types[dtype];
}

static void place(struct cuda_code *code, uint32_t i) {
    static const enum cuda_region regions[] = {[PLAN_CONST] = REGION_CONST,
                                               [PLAN_INPUT] = REGION_INPUT,
                                               [PLAN_OUTPUT] = REGION_OUTPUT,
                                               [PLAN_ARENA] = REGION_ARENA};
    const struct plan_value *v = &code->plan->values[i];
    struct cuda_value *value = &code->values[i];
    bool half = v->tensor.dtype == SL_FLOAT && code->real != K_F32;
    value->region = regions[v->place];
    value->type = type_of(code, v->tensor.dtype);
    value->offset = v->offset;
    if (v->place == PLAN_CONST) {
        value->floats_narrowed = half;
        return;
    }
    if (half) {
        value->region += REGION_HALF_INPUT - REGION_INPUT;
        value->offset /= 2;
    }
    size_t end = value->offset + (half ? v->nbytes / 2 : v->nbytes);
    if (end > code->region_nbytes[value->region])
        code->region_nbytes[value->region] = end;
    value->plain = value->plain || v->place != PLAN_ARENA || v->viewed || v->tensor.rank < 3;
}

/* ---- what matchers ask ---- */

static enum k_type host_type(void *self, uint32_t value) {
    return ((const struct cuda_code *)self)->values[value].type;
}

static bool host_is_last(void *self, uint32_t value) {
    return ((const struct cuda_code *)self)->values[value].last;
}

/* Of one channel, or of one position, both orders are the same bytes. */
static bool has_order(const struct cuda_code *code, uint32_t value) {
    const sl_tensor *t = &code->plan->values[value].tensor;
    return t->rank < 3 || (t->dims[1] != 1 && rule_product(t, 2, t->rank) != 1);
}

static bool host_make_last(void *self, uint32_t value) {
    struct cuda_code *code = self;
    struct cuda_value *v = &code->values[value];
    v->last = !v->never && (!v->plain || !has_order(code, value));
    return v->last;
}

static const void *host_table(void *self, const void *table, size_t nbytes) {
    struct cuda_code *code = self;
    char *at = (char *)CUDA_ALIGN;
    code->weights_nbytes += align(nbytes ? nbytes : 1);
    if (!code->rehearsal && code->failed == cudaSuccess)
        code->failed = share_put(code->share, &code->refs, table, nbytes, SHARE_AS_IT_IS, &at);
    return at;
}

static void host_scratch(void *self, size_t nbytes) {
    struct cuda_code *code = self;
    code->scratch_nbytes = nbytes > code->scratch_nbytes ? nbytes : code->scratch_nbytes;
}

static const struct cuda_bound *host_chain(void *self, size_t step) {
    return ((const struct cuda_code *)self)->steps[step].chain;
}

static void host_take(void *self, size_t step) {
    ((struct cuda_code *)self)->steps[step].chain = NULL;
}

static struct bound_host host_of(struct cuda_code *code) {
    return (struct bound_host){.self = code,
                               .type = host_type,
                               .is_last = host_is_last,
                               .make_last = host_make_last,
                               .arena = &code->memory,
                               .room = &code->room,
                               .table = host_table,
                               .scratch = host_scratch,
                               .rehearsal = code->rehearsal,
                               .arch = code->device->arch,
                               .tf32 = code->device->options.precision == PRECISION_TF32};
}

/* ---- matching ---- */

/* One of the step's values that lies channels-last, so that it can be told not to. */
static bool make_plain(struct cuda_code *code, const struct plan_step *s) {
    bool any = false;
    for (size_t i = 0; i < s->in_count + s->out_count; i++) {
        uint32_t v = i < s->in_count ? s->in[i] : s->out[i - s->in_count];
        if (v == PLAN_NONE || !code->values[v].last)
            continue;
        code->values[v].never = any = true;
    }
    return any;
}

/* A result that takes its input's memory has to lie as that does. */
static bool overlap_turns(const struct cuda_code *code, const struct plan_step *s) {
    for (size_t k = 0; k < s->out_count; k++)
        for (size_t i = 0; i < s->in_count; i++) {
            if (s->in[i] == PLAN_NONE || s->out[k] == PLAN_NONE)
                continue;
            const struct cuda_value *in = &code->values[s->in[i]], *out = &code->values[s->out[k]];
            if (in->region == out->region && in->offset == out->offset && in->last != out->last)
                return true;
        }
    return false;
}

static void begin(struct cuda_code *code) {
    for (uint32_t i = 0; i < code->plan->value_count; i++) {
        code->values[i].last = false;
        code->values[i].wanted = false;
    }
    arena_clear(&code->memory);
    arena_init(&code->memory);
    code->weights_nbytes = 0;
    code->scratch_nbytes = 0;
    code->steps = arena_alloc(&code->memory, code->plan->step_count + 1, sizeof *code->steps);
}

/* Every step once; *again: some value has become row-major since it was matched. */
static sl_status match_all(struct cuda_code *code, bool *again, sl_error *err) {
    struct bound_host host = host_of(code);
    char why[300] = "";
    host.chain = host_chain;
    host.take = host_take;
    *again = false;
    begin(code);
    if (!code->steps)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    for (size_t i = 0; i < code->plan->step_count; i++) {
        const struct plan_step *s = &code->plan->steps[i];
        struct cuda_bound *chain = NULL;
        arena_clear(&code->room);
        arena_init(&code->room);
        bool taken = bound_step(&host, code->plan, i, &chain, &code->steps[i].what, why, sizeof why);
        code->steps[i].chain = chain;
        if ((!taken || overlap_turns(code, s)) && make_plain(code, s)) {
            *again = true;
            return SL_OK;
        }
        if (!taken)
            return error_set(err, SL_E_MODEL, "device 'cuda' cannot run step '%s' (%s): %s",
                             text_quote(s->name), s->op->name, why);
        if (code->failed != cudaSuccess)
            return cuda_say(err, code->failed, "copy the weights of step '%s' to the GPU",
                            text_quote(s->name));
    }
    return SL_OK;
}

/* The same step by cuDNN, as far as it takes it: our own matcher has decided how values lie. */
static void match_other(struct cuda_code *code, size_t i) {
    struct bound_host host = host_of(code);
    struct cuda_bound *chain = NULL;
    const char *kernel;
    char why[300];
    host.cudnn = code->device->cudnn;
    if (host.cudnn && code->steps[i].chain &&
        bound_step(&host, code->plan, i, &chain, &kernel, why, sizeof why))
        code->steps[i].other = chain;
}

static void want_constant(void *self, uint32_t value) {
    struct cuda_code *code = self;
    struct cuda_value *v = &code->values[value];
    const struct plan_value *p = &code->plan->values[value];
    if (v->region != REGION_CONST || v->wanted)
        return;
    v->wanted = true;
    code->weights_nbytes += align(v->floats_narrowed ? p->nbytes / 2 : p->nbytes ? p->nbytes : 1);
}

sl_status cuda_match_plan(struct cuda_code *code, sl_error *err) {
    const struct plan *plan = code->plan;
    bool again = true;
    code->real = real_of(code);
    if (!code->values)
        code->values = mem_alloc(plan->value_count + 1, sizeof *code->values);
    if (!code->values)
        return error_set(err, SL_E_MEMORY, "out of memory for the program");
    memset(code->region_nbytes, 0, sizeof code->region_nbytes);
    for (uint32_t i = 0; i < plan->value_count; i++)
        place(code, i);
    while (again) {
        sl_status st = match_all(code, &again, err);
        if (st != SL_OK)
            return st;
    }
    for (size_t i = 0; i < plan->step_count; i++)
        match_other(code, i);
    if (code->failed != cudaSuccess)
        return cuda_say(err, code->failed, "copy the weights to GPU %d", code->device->index);
    for (size_t i = 0; i < plan->step_count; i++) {
        bound_values(code->steps[i].chain, want_constant, code);
        bound_values(code->steps[i].other, want_constant, code);
    }
    code->weights_nbytes += align((plan->step_count + 1) * sizeof(uint32_t));
    arena_clear(&code->room);
    arena_init(&code->room);
    return cuda_place_arena(code, err);
}

void cuda_code_clear(struct cuda_code *code) {
    arena_clear(&code->memory);
    arena_clear(&code->room);
    mem_free(code->values);
    code->values = NULL;
}

/* ---- one step alone ---- */

bool cuda_match_one(const struct device *device, const struct plan *plan, size_t step, char *why,
                    size_t why_nbytes) {
    struct cuda_code code = {.device = device, .plan = plan, .rehearsal = true};
    struct cuda_bound *chain;
    const char *kernel;
    code.values = mem_alloc(plan->value_count + 1, sizeof *code.values);
    arena_init(&code.memory);
    arena_init(&code.room);
    code.real = real_of(&code);
    for (uint32_t i = 0; code.values && i < plan->value_count; i++) {
        place(&code, i);
        code.values[i].never = true;
    }
    struct bound_host host = host_of(&code);
    bool taken = code.values && bound_step(&host, plan, step, &chain, &kernel, why, why_nbytes);
    cuda_code_clear(&code);
    return taken;
}
