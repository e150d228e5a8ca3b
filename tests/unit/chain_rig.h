/* chain_rig.h: a chain with one worker and room for its result, for tests. */
#ifndef TESTS_CHAIN_RIG_H
#define TESTS_CHAIN_RIG_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "decode/chain_steps.h"
#include "decode/worker_ctx.h"
#include "support/json.h"
#include "support/mem.h"
#include "tests/unit/harness.h"

#define RIG_MAX_PIXELS 4000000u
#define RIG_MAX_RECORD ((size_t)1 << 22)

struct rig {
    struct chain *chain;
    struct worker_ctx *ctx;
    struct chain_options options;
    struct chain_reject reject;
    sl_error err;
    sl_value out;
    void *room;
    size_t room_nbytes;
};

static inline sl_spec rig_tensor(sl_dtype dtype, int rank, const int64_t *dims) {
    sl_spec spec = {.kind = SL_KIND_TENSOR, .dtype = dtype, .rank = rank};
    size_t nbytes = 0;
    for (int d = 0; d < rank; d++)
        spec.dims[d] = dims[d];
    sl_shape_nbytes(dtype, rank, dims, &nbytes);
    spec.max_nbytes = nbytes;
    return spec;
}

static inline struct chain_options rig_options(void) {
    return (struct chain_options){.model_dir = ".", .max_pixels = RIG_MAX_PIXELS, .csv_delimiter = ','};
}

/* Opens the chain and its worker; the status of chain_open. */
static inline sl_status rig_open_with(struct rig *rig, const char *steps, sl_spec in, const sl_spec *target,
                                      const struct chain_options *options) {
    *rig = (struct rig){.options = *options};
    json_error_t why;
    json_t *json = json_loads(steps, 0, &why);
    ck_assert_msg(json != NULL, "test's own JSON: %s", why.text);
    sl_status status = chain_open(&rig->chain, json, &in, target, target ? "x" : NULL, options, &rig->err);
    json_decref(json);
    if (status != SL_OK) {
        ck_assert_int_eq(rig->err.status, status);
        ck_assert_ptr_null(rig->chain);
        return status;
    }
    ck_assert_int_eq(worker_ctx_open(&rig->ctx, &rig->chain, 1, options, &rig->err), SL_OK);
    rig->room_nbytes = chain_spec(rig->chain)->max_nbytes;
    rig->room = mem_map(rig->room_nbytes + 64);
    ck_assert_ptr_nonnull(rig->room);
    return SL_OK;
}

static inline sl_status rig_open(struct rig *rig, const char *steps, sl_spec in, const sl_spec *target) {
    struct chain_options options = rig_options();
    return rig_open_with(rig, steps, in, target, &options);
}

static inline void rig_close(struct rig *rig) {
    worker_ctx_close(rig->ctx);
    chain_close(rig->chain);
    if (rig->room)
        mem_unmap(rig->room, rig->room_nbytes + 64);
    *rig = (struct rig){.chain = NULL};
}

static inline sl_status rig_apply(struct rig *rig, const sl_value *in) {
    rig->out = (sl_value){.tensor.data = rig->room};
    return chain_apply(rig->ctx, 0, in, &rig->out, &rig->reject);
}

static inline sl_value rig_text(sl_kind kind, const char *text) {
    return (sl_value){.kind = kind, .bytes = {text, strlen(text)}};
}

static inline sl_status rig_line(struct rig *rig, sl_kind kind, const char *text) {
    sl_value in = rig_text(kind, text);
    return rig_apply(rig, &in);
}

static inline sl_value rig_value(const sl_spec *spec, void *data) {
    sl_value value = {.kind = spec->kind};
    value.tensor = (sl_tensor){.dtype = spec->dtype, .rank = spec->rank, .data = data};
    for (int d = 0; d < spec->rank; d++)
        value.tensor.dims[d] = spec->dims[d];
    return value;
}

static inline const float *rig_floats(const struct rig *rig) {
    return rig->out.tensor.data;
}

static inline uint32_t rig_crc(const struct rig *rig) {
    size_t nbytes = 0;
    ck_assert(sl_shape_nbytes(rig->out.tensor.dtype, rig->out.tensor.rank, rig->out.tensor.dims, &nbytes));
    return (uint32_t)crc32(0, rig->out.tensor.data, (uInt)nbytes);
}

/* A file below tests/golden/images, found from the root of the tree or below it. Freed by the caller. */
static inline char *rig_file(const char *name, size_t *nbytes) {
    static const char *const roots[] = {"tests/golden/images", "../tests/golden/images",
                                        "../../tests/golden/images"};
    char path[4096];
    FILE *f = NULL;
    const char *set = getenv("SLUICE_GOLDEN_IMAGES");
    for (size_t i = 0; !f && i < sizeof roots / sizeof *roots; i++) {
        snprintf(path, sizeof path, "%s/%s", set ? set : roots[i], name);
        f = fopen(path, "rb");
    }
    ck_assert_msg(f != NULL, "no golden image '%s'", name);
    char *data = malloc((size_t)1 << 20);
    *nbytes = fread(data, 1, (size_t)1 << 20, f);
    fclose(f);
    return realloc(data, *nbytes + 1);
}

/* A small reproducible source of numbers. */
static inline uint32_t rig_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

#define RIG_OK(call) ck_assert_msg((call) == SL_OK, "%s: %s %s", #call, rig.err.text, rig.reject.reason)
#define RIG_REJECT(call, want_code, want_reason)                                                             \
    do {                                                                                                     \
        ck_assert_int_eq((call), SL_E_DATA);                                                                 \
        ck_assert_str_eq(rig.reject.code, (want_code));                                                      \
        ck_assert_str_eq(rig.reject.reason, (want_reason));                                                  \
    } while (0)
#define RIG_REFUSED(call, want_text)                                                                         \
    do {                                                                                                     \
        ck_assert_int_eq((call), SL_E_MODEL);                                                                \
        ck_assert_str_eq(rig.err.text, (want_text));                                                         \
    } while (0)

#endif
