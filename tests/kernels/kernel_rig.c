/* kernel_rig.c: see kernel_rig.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel_rig.h"
#include "ops/element.h"
#include "support/arena.h"

/* ---- numbers ---- */

static const struct {
    sl_dtype dtype;
    size_t size;
} types[] = {
    [K_F32] = {SL_FLOAT, 4},  [K_F16] = {SL_FLOAT16, 2}, [K_BF16] = {SL_BFLOAT16, 2},
    [K_F64] = {SL_DOUBLE, 8}, [K_U8] = {SL_UINT8, 1},    [K_I8] = {SL_INT8, 1},
    [K_U16] = {SL_UINT16, 2}, [K_I16] = {SL_INT16, 2},   [K_U32] = {SL_UINT32, 4},
    [K_I32] = {SL_INT32, 4},  [K_U64] = {SL_UINT64, 8},  [K_I64] = {SL_INT64, 8},
    [K_BOOL] = {SL_BOOL, 1},
};

static uint64_t random_state = 1;

size_t rig_size(enum k_type type) {
    return types[type].size;
}

sl_dtype rig_dtype(enum k_type type) {
    return types[type].dtype;
}

double rig_get(enum k_type type, const void *p, size_t i) {
    return element_number(types[type].dtype, p, (int64_t)i);
}

void rig_set(enum k_type type, void *p, size_t i, double value) {
    sl_dtype dtype = types[type].dtype;
    if (element_kind(dtype) == ELEMENT_REAL)
        element_set_real(dtype, p, (int64_t)i, value);
    else if (element_kind(dtype) == ELEMENT_SIGNED)
        element_set_signed(dtype, p, (int64_t)i, (int64_t)value);
    else
        element_set_unsigned(dtype, p, (int64_t)i, (uint64_t)fabs(value));
}

void rig_seed(uint64_t seed) {
    random_state = seed;
}

double rig_uniform(double low, double high) {
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * (double)(random_state >> 11) * 0x1p-53;
}

void rig_random(void *p, enum k_type type, size_t n, double scale) {
    for (size_t i = 0; i < n; i++)
        rig_set(type, p, i, type == K_BOOL ? (double)(rig_uniform(0, 1) < 0.5) : rig_uniform(-scale, scale));
}

/* ---- buffers ---- */

enum { BUFFERS = 64 };
static void *buffers[BUFFERS];
static size_t buffer_count;
static unsigned char *first_result; /* of the first order */

void *rig_room(size_t nbytes) {
    ck_assert(buffer_count < BUFFERS);
    void *p = simt_alloc(nbytes);
    ck_assert_ptr_nonnull(p);
    return buffers[buffer_count++] = p;
}

void *rig_put(const void *host, size_t nbytes) {
    void *p = rig_room(nbytes);
    memcpy(p, host, nbytes);
    simt_written(p, nbytes);
    return p;
}

void rig_fetch(void *host, const void *device, size_t nbytes) {
    memcpy(host, device, nbytes);
}

void rig_clear(void) {
    while (buffer_count)
        simt_free(buffers[--buffer_count]);
    free(first_result);
    first_result = NULL;
    simt_options = (struct simt_options){0};
}

/* ---- launches ---- */

bool rig_order(int i) {
    const char *seeds = getenv("SIMT_SEEDS");
    int random = seeds ? atoi(seeds) : 2;
    simt_options.order = i == 0 ? SIMT_FORWARD : i == 1 ? SIMT_REVERSE : SIMT_RANDOM;
    simt_options.eager = i == 1;
    simt_options.seed = (uint64_t)i;
    return i < 2 + random;
}

void rig_before(void *y, const void *begin, size_t nbytes) {
    if (begin) {
        memcpy(y, begin, nbytes);
        simt_written(y, nbytes);
    } else {
        simt_poison(y, nbytes);
    }
}

void rig_after(const char *what, int order, int err, const void *y, size_t nbytes) {
    ck_assert_msg(err == 0, "%s, order %d: error %d: %s", what, order, err,
                  simt_failure() ? simt_failure() : "");
    if (order == 0) {
        free(first_result);
        first_result = malloc(nbytes + 1);
        memcpy(first_result, y, nbytes);
        return;
    }
    for (size_t i = 0; i < nbytes; i++)
        ck_assert_msg(first_result[i] == ((const unsigned char *)y)[i],
                      "%s: byte %zu of %zu depends on the order of threads (order %d)", what, i, nbytes,
                      order);
}

void rig_count_conflicts(void) {
    simt_options = (struct simt_options){.count_conflicts = true};
    simt_counts_clear();
}

void rig_conflicts(const char *what, int err, unsigned ldmatrix, unsigned access) {
    struct simt_counts counts = simt_counts();
    ck_assert_msg(err == 0, "%s: error %d", what, err);
    ck_assert_msg(counts.ldmatrix_conflict <= ldmatrix, "%s: ldmatrix at %s takes %u passes more than one",
                  what, counts.ldmatrix_site, counts.ldmatrix_conflict);
    ck_assert_msg(counts.access_conflict <= access, "%s: the access at %s takes %u passes more than one",
                  what, counts.access_site, counts.access_conflict);
    simt_options = (struct simt_options){0};
}

/* ---- comparing ---- */

void rig_close(const char *what, enum k_type type, const void *got, const void *want, size_t n,
               double absolute, double relative) {
    for (size_t i = 0; i < n; i++) {
        double g = rig_get(type, got, i), w = rig_get(type, want, i);
        bool same = g == w || (isnan(g) && isnan(w)) || fabs(g - w) <= absolute + relative * fabs(w);
        ck_assert_msg(same, "%s: element %zu of %zu is %.9g, the reference has %.9g", what, i, n, g, w);
    }
}

sl_tensor rig_tensor(enum k_type type, void *data, int rank, const int64_t *dims) {
    sl_tensor t = {.dtype = types[type].dtype, .rank = rank, .data = data};
    memcpy(t.dims, dims, (size_t)rank * sizeof *dims);
    return t;
}

void rig_reference(const char *domain, const char *name, int64_t opset, const struct attr *attrs,
                   size_t attr_count, const sl_tensor *const *in, size_t in_count, sl_tensor *const *out,
                   size_t out_count) {
    struct op_call call = {.attrs = attrs,
                           .attr_count = attr_count,
                           .opset = opset,
                           .in = in,
                           .in_count = in_count,
                           .out = out,
                           .out_count = out_count};
    struct op_prepared prepared = {0};
    struct arena arena;
    sl_error err = {0};
    const struct op *op = op_find(domain, name, opset);
    ck_assert_msg(op != NULL, "there is no operator '%s'", name);
    arena_init(&arena);
    if (op->prepare)
        ck_assert_msg(op->prepare(&call, &arena, &prepared, &err) == SL_OK, "%s: %s", name, err.text);
    call.state = prepared.state;
    call.scratch =
        prepared.scratch_nbytes ? aligned_alloc(64, (prepared.scratch_nbytes + 63) / 64 * 64) : NULL;
    op->run(&call);
    free(call.scratch);
    arena_clear(&arena);
}
