/* worker_ctx.c: reserving and giving back one worker's memory, and filling its rejects. */
#include "decode/worker_ctx.h"

#include <stdio.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "support/mem.h"
#include "support/text.h"

#define REASON_NBYTES sizeof(((struct chain_reject *)0)->reason)

sl_status reject_setv(struct sl_ctx *ctx, const char *stage, const char *code, const char *format,
                      va_list args) {
    char text[512];
    struct chain_reject *reject = ctx->reject;
    int nbytes = vsnprintf(text, sizeof text, format, args);
    if (nbytes < 0)
        nbytes = 0;
    if ((size_t)nbytes >= sizeof text)
        nbytes = (int)sizeof text - 1;
    reject->stage = stage;
    snprintf(reject->code, sizeof reject->code, "%s", code);
    text_escape(reject->reason, REASON_NBYTES, text, (size_t)nbytes);
    return SL_E_DATA;
}

sl_status reject_set(struct sl_ctx *ctx, const char *stage, const char *code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    sl_status status = reject_setv(ctx, stage, code, format, args);
    va_end(args);
    return status;
}

static size_t value_nbytes(const struct chain *chain, size_t step) {
    /* The last step writes to the caller's room; views into the input need none. */
    const sl_spec *spec = &chain->steps[step].out;
    bool stored = spec->kind == SL_KIND_TENSOR || spec->kind == SL_KIND_RANKED;
    bool own = step >= chain->shared_count;
    return own && step + 1 < chain->apply_count && stored ? spec->max_nbytes : 0;
}

static void *map_or_none(size_t nbytes, bool *ok) {
    void *p = nbytes ? mem_map(nbytes) : NULL;
    if (nbytes && !p)
        *ok = false;
    return p;
}

/* Scratch of a step, where this chain runs it itself. */
static size_t scratch_nbytes(const struct chain *chain, size_t step) {
    return step >= chain->shared_count ? chain->steps[step].scratch_nbytes : 0;
}

static bool room_open(struct worker_room *room, const struct chain *chain) {
    bool ok = true;
    room->chain = chain;
    room->made = mem_alloc(chain->apply_count + 1, sizeof *room->made);
    room->scratch = mem_alloc(chain->apply_count + 1, sizeof *room->scratch);
    room->values = mem_alloc(chain->apply_count + 1, sizeof *room->values);
    if (!room->scratch || !room->values || !room->made)
        return false;
    for (size_t i = 0; i < chain->apply_count; i++) {
        room->scratch[i] = map_or_none(scratch_nbytes(chain, i), &ok);
        room->values[i] = map_or_none(value_nbytes(chain, i), &ok);
    }
    return ok;
}

static void room_close(struct worker_room *room) {
    for (size_t i = 0; room->chain && i < room->chain->apply_count; i++) {
        if (room->scratch && room->scratch[i])
            mem_unmap(room->scratch[i], scratch_nbytes(room->chain, i));
        if (room->values && room->values[i])
            mem_unmap(room->values[i], value_nbytes(room->chain, i));
    }
    mem_free(room->scratch);
    mem_free(room->values);
    mem_free(room->made);
}

/* The largest record of a kind that any of the chains begins with. */
static size_t max_row_nbytes(struct chain *const *chains, size_t count, sl_kind kind) {
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        if (chains[i]->source.kind == kind && chains[i]->source.max_nbytes > most)
            most = chains[i]->source.max_nbytes;
    return most;
}

/* The room of a chain that stands before number `end`. */
static const struct worker_room *find_room(const struct worker_ctx *ctx, size_t end,
                                           const struct chain *chain) {
    for (size_t i = 0; i < end; i++)
        if (ctx->rooms[i].chain == chain)
            return &ctx->rooms[i];
    return NULL;
}

sl_status worker_ctx_open(struct worker_ctx **out, struct chain *const *chains, size_t count,
                          const struct chain_options *options, sl_error *err) {
    struct worker_ctx *ctx = mem_alloc(1, sizeof *ctx);
    sl_status status = SL_OK;
    if (!ctx)
        return error_set(err, SL_E_MEMORY, "cannot open a worker: out of memory");
    ctx->now.worker = ctx;
    ctx->rooms = mem_alloc(count + 1, sizeof *ctx->rooms);
    bool ok = ctx->rooms != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        ctx->room_count = i + 1;
        ok = room_open(&ctx->rooms[i], chains[i]);
    }
    if (!ok)
        status =
            error_set(err, SL_E_MEMORY, "cannot reserve a worker's room for its transforms: out of memory");
    for (size_t i = 0; status == SL_OK && i < count; i++)
        if (chains[i]->shared && !(ctx->rooms[i].shared = find_room(ctx, i, chains[i]->shared)))
            status = error_set(err, SL_E_INTERNAL, "a chain's sibling is not in the worker's set");
    if (status == SL_OK)
        status = csv_reader_open(&ctx->csv, options, max_row_nbytes(chains, count, SL_KIND_CSV), err);
    if (status == SL_OK)
        status = json_reader_open(&ctx->json, max_row_nbytes(chains, count, SL_KIND_JSON), err);
    if (status == SL_OK)
        status = image_decoder_open(&ctx->image, options->max_pixels, err);
    if (status != SL_OK) {
        worker_ctx_close(ctx);
        return status;
    }
    *out = ctx;
    return SL_OK;
}

void worker_ctx_close(struct worker_ctx *ctx) {
    if (!ctx)
        return;
    image_decoder_close(&ctx->image);
    json_reader_close(&ctx->json);
    csv_reader_close(&ctx->csv);
    for (size_t i = 0; i < ctx->room_count; i++)
        room_close(&ctx->rooms[i]);
    mem_free(ctx->rooms);
    mem_free(ctx);
}

bool swell_note(struct swell *swell, bool huge) {
    swell->quiet = huge ? 0 : swell->quiet + 1;
    swell->swollen = swell->swollen || huge;
    if (!swell->swollen || swell->quiet < WORKER_QUIET_RECORDS)
        return false;
    swell->swollen = false;
    return true;
}

/* What a rare huge record touched goes back. */
static void trim(struct worker_room *room) {
    for (size_t i = 0; i < room->chain->apply_count; i++) {
        size_t nbytes = value_nbytes(room->chain, i);
        if (nbytes > WORKER_KEEP_NBYTES)
            mem_trim(room->values[i], WORKER_KEEP_NBYTES, nbytes);
        nbytes = scratch_nbytes(room->chain, i);
        if (nbytes > WORKER_KEEP_NBYTES)
            mem_trim(room->scratch[i], WORKER_KEEP_NBYTES, nbytes);
    }
}

/* Kind, dtype and dims as the plan knows them; a step fills in what varies. */
static void prepare(sl_value *value, const sl_spec *spec, void *data) {
    *value = (sl_value){.kind = spec->kind};
    value->tensor.dtype = spec->dtype;
    value->tensor.rank = spec->rank;
    for (int d = 0; d < spec->rank; d++)
        value->tensor.dims[d] = spec->dims[d];
    value->tensor.data = data;
}

static bool is_huge(const sl_value *value) {
    size_t nbytes = 0;
    return value->kind == SL_KIND_TENSOR &&
           sl_shape_nbytes(value->tensor.dtype, value->tensor.rank, value->tensor.dims, &nbytes) &&
           nbytes > WORKER_KEEP_NBYTES;
}

/* A chain without steps hands its input on: tensors as a copy, the rest as a view. */
static sl_status pass_on(const struct chain *chain, const sl_value *in, sl_value *out) {
    size_t nbytes = 0;
    void *room = out->tensor.data;
    *out = *in;
    if (in->kind != SL_KIND_TENSOR && in->kind != SL_KIND_RANKED)
        return SL_OK;
    out->tensor.data = room;
    if (in->kind == SL_KIND_RANKED)
        nbytes = (size_t)in->tensor.dims[0] * sizeof(sl_ranked);
    else if (!sl_shape_nbytes(in->tensor.dtype, in->tensor.rank, in->tensor.dims, &nbytes))
        return SL_E_DATA;
    if (nbytes > chain->source.max_nbytes)
        return SL_E_DATA;
    memcpy(room, in->tensor.data, nbytes);
    return SL_OK;
}

void chain_set_inputs(struct worker_ctx *ctx, const void *const *rows) {
    ctx->now.inputs = rows;
}

sl_status chain_apply(struct worker_ctx *ctx, size_t index, const sl_value *in, sl_value *out,
                      struct chain_reject *reject) {
    struct worker_room *room = &ctx->rooms[index];
    const struct chain *chain = room->chain;
    const sl_value *now = in;
    sl_status status = SL_OK;
    bool huge = false;
    *reject = (struct chain_reject){.stage = NULL};
    if (index == 0)
        ctx->csv.is_split = false; /* the first chain of a record */
    ctx->now.chain = chain;
    ctx->now.reject = reject;
    if (room->shared)
        now = &room->shared->made[chain->shared_count - 1];
    for (size_t i = chain->shared_count; status == SL_OK && i < chain->apply_count; i++) {
        bool last = i + 1 == chain->apply_count;
        sl_value *next = last ? out : &room->made[i];
        prepare(next, &chain->steps[i].out, last ? out->tensor.data : room->values[i]);
        ctx->now.scratch = room->scratch[i];
        const struct chain_step *step = &chain->steps[i];
        status = step->transform->apply(step->state, &chain_host, &ctx->now, now, next);
        huge = huge || is_huge(next);
        now = next;
    }
    if (chain->apply_count == 0)
        status = pass_on(chain, in, out);
    if (swell_note(&room->swell, huge))
        trim(room);
    if (status == SL_OK)
        return SL_OK;
    if (!reject->stage)
        reject_set(&ctx->now, "transform", "transform-failed", "a transform failed without a reason");
    return SL_E_DATA;
}
