/* gpu_bench.c: every kernel's time on the card at hand, and its share of what the card can do.
 *
 *     gpu_bench [--json FILE] [--only TEXT]
 *     gpu_bench --card        the card, its driver and the runtime; ends with 69 where there is none
 *     gpu_bench --list        no GPU needed: which cases the matchers take
 *
 * A case is one operator as the matchers take it, written as in the kernels' tests; its launches are captured
 * in a graph and replayed over as many sets of buffers as do not fit the L2 cache. The floor of a case is the
 * larger of bytes / measured copy rate and FLOPs / measured rate of cuBLAS in the same type; `share` is that
 * floor over the median. Products stand beside cuBLAS on the same shape. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu_time.h"
#include "graph/work.h"
#include "infer/cuda/cuda_bound.h"
#include "ops/half.h"
#include "ops/rules.h"
#include "tests/kernels/step_rig.h"

enum { MOST_SETS = 64, MOST_VALUES = 16, ROUNDS = 8 };
#define SETS_NBYTES ((size_t)256 << 20) /* of all sets together: beyond any L2 cache of today */

static const struct bench_case {
    const char *name, *op, *attrs, *inputs;
    const char *types;          /* 'f' f32, 't' f32 with tf32 allowed, 'h' f16, 'b' bf16 */
    int blas_m, blas_n, blas_k; /* of a product: the same through cuBLAS */
    bool last;                  /* images lie channels-last */
} cases[] = {
#include "gpu_bench_cases.h"
};

static bool only_list;

struct bench {
    const struct bench_case *c;
    char type;
    const struct plan *plan;
    void **data;
    struct arena arena;
    void *sets[MOST_SETS][MOST_VALUES]; /* device addresses of the plan's values */
    void *constants[MOST_VALUES], *tables[64], *scratch;
    size_t table_count, scratch_nbytes;
    unsigned set_count;
    bool lies_last[MOST_VALUES];
    const struct cuda_bound *chain;
};

struct bench_result {
    double us, least_us, bytes, flops, blas_us;
    char why[300];
};

/* ---- a program of one step ---- */

static enum k_type type_of(const struct bench *b, sl_dtype dtype) {
    static const enum k_type types[SL_DTYPE_END] = {
        [SL_FLOAT16] = K_F16, [SL_BFLOAT16] = K_BF16, [SL_DOUBLE] = K_F64, [SL_UINT8] = K_U8,
        [SL_INT8] = K_I8,     [SL_UINT16] = K_U16,    [SL_INT16] = K_I16,  [SL_UINT32] = K_U32,
        [SL_INT32] = K_I32,   [SL_UINT64] = K_U64,    [SL_INT64] = K_I64,  [SL_BOOL] = K_BOOL};
    if (dtype != SL_FLOAT)
        return types[dtype];
    return b->type == 'h' ? K_F16 : b->type == 'b' ? K_BF16 : K_F32;
}

static enum k_type host_type(void *self, uint32_t value) {
    const struct bench *b = self;
    return type_of(b, b->plan->values[value].tensor.dtype);
}

static bool host_is_last(void *self, uint32_t value) {
    return ((const struct bench *)self)->lies_last[value];
}

static bool host_make_last(void *self, uint32_t value) {
    struct bench *b = self;
    return b->lies_last[value] = b->c->last && b->plan->values[value].tensor.rank >= 3;
}

static const void *host_table(void *self, const void *table, size_t nbytes) {
    struct bench *b = self;
    void *copy = NULL;
    if (only_list)
        return table;
    if (b->table_count == sizeof b->tables / sizeof *b->tables ||
        cudaMalloc(&copy, nbytes ? nbytes : 1) != cudaSuccess)
        return NULL;
    b->tables[b->table_count++] = copy;
    return cudaMemcpy(copy, table, nbytes, cudaMemcpyHostToDevice) == cudaSuccess ? copy : NULL;
}

static void host_scratch(void *self, size_t nbytes) {
    struct bench *b = self;
    b->scratch_nbytes = nbytes > b->scratch_nbytes ? nbytes : b->scratch_nbytes;
}

struct frame {
    const struct bench *b;
    unsigned set;
};

static const void *address(const void *frame, uint32_t value) {
    const struct frame *f = frame;
    return value == BOUND_SCRATCH ? f->b->scratch : f->b->sets[f->set][value];
}

static int run_round(void *ctx, unsigned round, cudaStream_t stream) {
    const struct bench *b = ctx;
    struct frame frame = {b, round % b->set_count};
    return bound_run(b->chain, address, &frame, stream);
}

static size_t value_nbytes(const struct bench *b, uint32_t v) {
    const sl_tensor *t = &b->plan->values[v].tensor;
    return (size_t)rule_count(t) * bound_type_nbytes(type_of(b, t->dtype));
}

/* The host's numbers on the device, in the program's type. */
static void *upload(const struct bench *b, uint32_t v) {
    const sl_tensor *t = &b->plan->values[v].tensor;
    size_t nbytes = value_nbytes(b, v), count = (size_t)rule_count(t);
    enum k_type type = type_of(b, t->dtype);
    bool halves = t->dtype == SL_FLOAT && type != K_F32;
    uint16_t *copy = halves ? malloc(nbytes + 1) : NULL;
    void *device = NULL;
    for (size_t i = 0; copy && i < count; i++) {
        float x = ((const float *)b->data[v])[i];
        copy[i] = type == K_F16 ? half_from_float(x) : bfloat_from_float(x);
    }
    if (cudaMalloc(&device, nbytes ? nbytes : 1) == cudaSuccess &&
        cudaMemcpy(device, halves ? (void *)copy : b->data[v], nbytes, cudaMemcpyHostToDevice) !=
            cudaSuccess) {
        cudaFree(device);
        device = NULL;
    }
    free(copy);
    return device;
}

static bool make_sets(struct bench *b, double *bytes) {
    const struct plan_step *s = b->plan->steps;
    size_t moved = 0, constant = 0;
    for (size_t i = 0; i < s->in_count + s->out_count; i++) {
        uint32_t v = i < s->in_count ? s->in[i] : s->out[i - s->in_count];
        if (v == PLAN_NONE)
            continue;
        bool fixed = b->plan->values[v].place == PLAN_CONST;
        *(fixed ? &constant : &moved) += value_nbytes(b, v);
        if (fixed && !(b->constants[v] = upload(b, v)))
            return false;
    }
    *bytes = (double)(moved + constant);
    b->set_count = (unsigned)(SETS_NBYTES / (moved ? moved : 1)) + 1;
    b->set_count = b->set_count > MOST_SETS ? MOST_SETS : b->set_count;
    for (unsigned k = 0; k < b->set_count; k++)
        for (size_t i = 0; i < s->in_count + s->out_count; i++) {
            uint32_t v = i < s->in_count ? s->in[i] : s->out[i - s->in_count];
            if (v == PLAN_NONE || b->sets[k][v])
                continue;
            if (!(b->sets[k][v] = b->constants[v] ? b->constants[v] : upload(b, v)))
                return false;
        }
    return !b->scratch_nbytes || cudaMalloc(&b->scratch, b->scratch_nbytes) == cudaSuccess;
}

static void clear(struct bench *b) {
    for (unsigned k = 0; k < b->set_count; k++)
        for (size_t v = 0; v < MOST_VALUES; v++)
            if (b->sets[k][v] != b->constants[v])
                cudaFree(b->sets[k][v]);
    for (size_t v = 0; v < MOST_VALUES; v++)
        cudaFree(b->constants[v]);
    for (size_t i = 0; i < b->table_count; i++)
        cudaFree(b->tables[i]);
    cudaFree(b->scratch);
    arena_clear(&b->arena);
}

/* ---- a case ---- */

static uint64_t flops_of(const struct plan *plan) {
    const struct plan_step *s = plan->steps;
    const sl_tensor *in[MOST_VALUES];
    sl_tensor *out[MOST_VALUES];
    for (size_t i = 0; i < s->in_count; i++)
        in[i] = s->in[i] == PLAN_NONE ? NULL : &plan->values[s->in[i]].tensor;
    for (size_t i = 0; i < s->out_count; i++)
        out[i] = s->out[i] == PLAN_NONE ? NULL : &plan->values[s->out[i]].tensor;
    struct op_call call = {.attrs = s->attrs,
                           .attr_count = s->attr_count,
                           .opset = s->opset,
                           .in = in,
                           .in_count = s->in_count,
                           .out = out,
                           .out_count = s->out_count};
    return work_flops(s->op, &call);
}

static void run_case(struct bench *b, unsigned arch, struct bench_result *r) {
    struct bound_host host = {.self = b,
                              .type = host_type,
                              .is_last = host_is_last,
                              .make_last = host_make_last,
                              .arena = &b->arena,
                              .room = &b->arena,
                              .table = host_table,
                              .scratch = host_scratch,
                              .arch = arch,
                              .tf32 = b->type == 't'};
    struct cuda_bound *chain = NULL;
    const char *kernel;
    const struct plan_step *s = b->plan->steps;
    arena_init(&b->arena);
    for (size_t i = 0; b->c->last && i < s->in_count; i++)
        if (s->in[i] != PLAN_NONE && b->plan->values[s->in[i]].place != PLAN_CONST)
            (void)host_make_last(b, s->in[i]);
    if (!bound_step(&host, b->plan, 0, &chain, &kernel, r->why, sizeof r->why))
        return;
    b->chain = chain;
    if (only_list)
        return;
    if (!make_sets(b, &r->bytes)) {
        snprintf(r->why, sizeof r->why, "out of device memory");
        return;
    }
    struct time_result t = time_rounds(run_round, b, b->set_count > ROUNDS ? b->set_count : ROUNDS);
    if (t.err != cudaSuccess)
        snprintf(r->why, sizeof r->why, "%s", cudaGetErrorString(t.err));
    r->us = t.err == cudaSuccess ? t.median_us : 0;
    r->least_us = t.least_us;
    r->flops = (double)flops_of(b->plan);
    if (b->c->blas_m && r->us > 0)
        r->blas_us = cublas_us(b->type, b->c->blas_m, b->c->blas_n, b->c->blas_k);
}

static double rate_of(const struct peak *peak, char type) {
    return type == 'h' ? peak->f16 : type == 'b' ? peak->bf16 : type == 't' ? peak->tf32 : peak->f32;
}

static const char *type_name(char type) {
    return type == 'h' ? "fp16" : type == 'b' ? "bf16" : type == 't' ? "tf32" : "fp32";
}

static void report(FILE *json, const struct bench *b, const struct bench_result *r, const struct peak *peak,
                   bool *first) {
    double rate = rate_of(peak, b->type), memory_us = r->bytes / peak->copy_bytes_per_s * 1e6,
           compute_us = rate > 0 ? r->flops / rate * 1e6 : 0, floor_us = fmax(memory_us, compute_us);
    if (*r->why || only_list) {
        printf("%-26s %-4s  %s\n", b->c->name, type_name(b->type), *r->why ? r->why : "taken");
    } else {
        printf("%-26s %-4s %10.1f %9.0f %9.2f  %-7s %5.0f %%", b->c->name, type_name(b->type), r->us,
               r->bytes / r->us / 1e3, r->flops / r->us / 1e6, memory_us > compute_us ? "bytes" : "FLOPs",
               100 * floor_us / r->us);
        if (r->blas_us > 0)
            printf("   %.0f %% of cuBLAS", 100 * r->blas_us / r->us);
        printf("\n");
    }
    fflush(stdout);
    if (!json)
        return;
    fprintf(
        json,
        "%s\n  {\"case\": \"%s\", \"type\": \"%s\", \"inputs\": \"%s\", \"us\": %.3f, \"least_us\": %.3f, "
        "\"bytes\": %.0f, \"flops\": %.0f, \"share\": %.4f, \"cublas_us\": %.3f, \"why\": \"%s\"}",
        *first ? "" : ",", b->c->name, type_name(b->type), b->c->inputs, r->us, r->least_us, r->bytes,
        r->flops, r->us > 0 ? floor_us / r->us : 0, r->blas_us, r->why);
    *first = false;
}

static void print_peak(FILE *json, const char *card, int driver, int runtime, const struct peak *p) {
    printf("%s, driver %d.%d, runtime %d.%d\n", card, driver / 1000, driver % 1000 / 10, runtime / 1000,
           runtime % 1000 / 10);
    printf("measured: copy %.0f GB/s, host to device %.1f GB/s, back %.1f GB/s; cuBLAS fp16 %.0f, bf16 %.0f, "
           "tf32 "
           "%.0f, fp32 %.0f TFLOP/s\n",
           p->copy_bytes_per_s / 1e9, p->h2d_bytes_per_s / 1e9, p->d2h_bytes_per_s / 1e9, p->f16 / 1e12,
           p->bf16 / 1e12, p->tf32 / 1e12, p->f32 / 1e12);
    printf("%-26s %-4s %10s %9s %9s  %-7s %7s\n", "kernel", "type", "us", "GB/s", "TFLOP/s", "bound",
           "share");
    if (json)
        fprintf(
            json,
            "{\"card\": \"%s\", \"driver\": %d, \"runtime\": %d, \"copy_bytes_per_s\": %.4g, "
            "\"h2d_bytes_per_s\": %.4g, \"d2h_bytes_per_s\": %.4g, \"cublas_fp16\": %.4g, \"cublas_bf16\": "
            "%.4g, \"cublas_tf32\": %.4g, \"cublas_fp32\": %.4g, \"cases\": [",
            card, driver, runtime, p->copy_bytes_per_s, p->h2d_bytes_per_s, p->d2h_bytes_per_s, p->f16,
            p->bf16, p->tf32, p->f32);
}

static int run_all(FILE *json, const char *only, unsigned arch, const struct peak *peak) {
    bool first = true;
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const char *type = cases[i].types; *type; type++) {
            if (only && !strstr(cases[i].name, only))
                continue;
            if (arch < 80 && (*type == 'b' || *type == 't'))
                continue;
            struct text_step *step = step_read(cases[i].op, cases[i].attrs, cases[i].inputs);
            struct bench b = {
                .c = &cases[i], .type = *type, .plan = step_plan(step), .data = step_data(step)};
            struct bench_result r = {0};
            run_case(&b, arch, &r);
            report(json, &b, &r, peak, &first);
            failed += *r.why != 0;
            clear(&b);
            step_clear(step);
        }
    return failed;
}

int main(int argc, char **argv) {
    struct cudaDeviceProp card;
    int driver = 0, runtime = 0;
    const char *file = NULL, *only = NULL;
    for (int i = 1; i + 1 < argc; i += 2)
        *(strcmp(argv[i], "--json") ? &only : &file) = argv[i + 1];
    only_list = argc == 2 && !strcmp(argv[1], "--list");
    if (only_list)
        return run_all(NULL, NULL, 90, &(struct peak){0});
    cudaError_t err = cudaGetDeviceProperties(&card, 0);
    if (err != cudaSuccess) {
        fprintf(stderr, "gpu_bench: no GPU: %s\n", cudaGetErrorString(err));
        return 69;
    }
    cudaDriverGetVersion(&driver);
    cudaRuntimeGetVersion(&runtime);
    if (argc == 2 && !strcmp(argv[1], "--card")) {
        printf("%s, CUDA driver %d.%d, runtime %d.%d\n", card.name, driver / 1000, driver % 1000 / 10,
               runtime / 1000, runtime % 1000 / 10);
        return 0;
    }
    FILE *json = file ? fopen(file, "w") : NULL;
    struct peak peak = peak_measure();
    print_peak(json, card.name, driver, runtime, &peak);
    int failed = run_all(json, only, (unsigned)(card.major * 10 + card.minor), &peak);
    if (json) {
        fprintf(json, "\n]}\n");
        fclose(json);
    }
    return failed ? 1 : 0;
}
