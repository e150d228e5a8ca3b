/* chain.h: RECORDS INTO TENSORS. A chain is a list of transforms with everything they need, opened once;
 * workers run it on records. The same chains, on the other end, turn model outputs into results
 * (output/postprocess.c). Decode's public header. */
#ifndef DECODE_CHAIN_H
#define DECODE_CHAIN_H

#include <jansson.h>

#include "sluice/transform.h"
#include "support/buf.h"
#include "support/error.h"

struct chain;
struct worker_ctx; /* one worker's private things: scratch, decoder handles, the reject at hand */

/* Why a record cannot be scored. Texts are static or live in the struct. */
struct chain_reject {
    const char *stage; /* "decode" or "transform" */
    char code[32];     /* "truncated-jpeg", "not-a-number", ... */
    char reason[200];  /* escaped, one line */
};

/* A model's input, whose rows chains of results may look at. */
struct chain_input {
    const char *name;
    sl_spec spec;
};

struct chain_options {
    const char *model_dir;         /* where labels and other files are looked up */
    uint64_t max_pixels;           /* cap on one decoded image */
    char csv_delimiter, csv_quote; /* 0: ',' and '"' */
    bool csv_nonfinite;            /* nan and inf are numbers */
    bool csv_empty_is_nan;         /* an empty field where a number is wanted is nan */
    /* Chains of the same records that were opened before. Where one begins with the same steps, those are
     * opened and run once. They must outlive this one, and stand before it in the worker's set. */
    struct chain *const *siblings;
    size_t sibling_count;
    const struct chain_input *inputs; /* for chains of results */
    size_t input_count;
    int64_t libsvm_base; /* the first index: 0 or 1 */
    bool libsvm_missing_is_nan;
};

/* Opens the steps (a JSON array of "name" or {"name": params}; may be empty or NULL) on `in`. `target` is
 * what the chain must end in (dtype, rank, dims without the batch dim; NULL: anything): a chain that ends in
 * another shape is SL_E_MODEL naming both sides, with `target_name` as the other side. When target is a
 * tensor and the steps do not begin with a source step, the obvious one is put in front: all columns of a csv
 * row, the numbers of a JSON array, the image of a sample or file. With a target, the trailing step is left
 * to the device when it can be lowered (transform.h: lower) and no change of dtype follows: chain_spec is
 * then what reaches the slot, chain_affine what is left to do. */
sl_status chain_open(struct chain **chain, const json_t *steps, const sl_spec *in, const sl_spec *target,
                     const char *target_name, const struct chain_options *options, sl_error *err);
void chain_close(struct chain *chain);

const sl_spec *chain_spec(const struct chain *chain);            /* what chain_apply writes */
bool chain_affine(const struct chain *chain, sl_affine *affine); /* false: nothing is left to the device */
size_t chain_nbytes(const struct chain *chain); /* per worker: scratch and intermediate values, usual case */
void chain_print(const struct chain *chain, struct buf *out); /* one line a step, with shapes */

/* One worker's things for a set of chains (every input's chain, or every output's). */
sl_status worker_ctx_open(struct worker_ctx **ctx, struct chain *const *chains, size_t count,
                          const struct chain_options *options, sl_error *err);
void worker_ctx_close(struct worker_ctx *ctx);

/* The record as the value a chain begins with. */
void chain_source(const sl_record *record, sl_value *value);

/* The rows of the options' inputs that belong to the record at hand. */
void chain_set_inputs(struct worker_ctx *ctx, const void *const *rows);

/* Runs chain number `index` of the ctx's set. `out->tensor.data` is where the last value goes (chain_spec's
 * max_nbytes of room); the value's kind and dims are filled in. The chains of a record are run in their
 * order, from 0 on. SL_OK, or SL_E_DATA with *reject filled. */
sl_status chain_apply(struct worker_ctx *ctx, size_t index, const sl_value *in, sl_value *out,
                      struct chain_reject *reject);

/* What a chain begins with for records of a kind. */
sl_spec chain_source_spec(sl_record_kind kind, const char *const *columns, size_t column_count,
                          size_t max_record_nbytes);

/* Finds a transform: a built-in name, or a path to a .so in the model directory. */
const sl_transform *transform_find(const char *name);

#endif
