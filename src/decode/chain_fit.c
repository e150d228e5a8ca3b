/* chain_fit.c: whether a chain ends in what the model takes, and what to change when it does not. No
 * arithmetic is ever put in silently: the message names the step that would do it. */
#include <string.h>

#include "decode/chain_steps.h"
#include "decode/worker_ctx.h"
#include "support/text.h"

/* --- words --- */

static void put_dims(struct buf *b, const sl_spec *spec) {
    buf_puts(b, "[");
    for (int d = 0; d < spec->rank; d++) {
        if (spec->dims[d] < 0)
            buf_printf(b, "%s?", d ? "," : "");
        else
            buf_printf(b, "%s%lld", d ? "," : "", (long long)spec->dims[d]);
    }
    buf_puts(b, "]");
}

char *spec_text(char *text, size_t cap, const sl_spec *spec) {
    static const char *const names[] = {
        [SL_KIND_BYTES] = "a file",    [SL_KIND_CSV] = "a csv row",  [SL_KIND_JSON] = "a json value",
        [SL_KIND_FIELDS] = "a sample", [SL_KIND_RANKED] = "ranked ", [SL_KIND_ARRAYS] = "arrays",
        [SL_KIND_ARRAY] = "an array",
    };
    struct buf b;
    buf_init_fixed(&b, text, cap);
    if (spec->kind == SL_KIND_TENSOR)
        buf_printf(&b, "%s ", sl_dtype_name(spec->dtype));
    else
        buf_puts(&b, names[spec->kind]);
    if (spec->kind == SL_KIND_TENSOR || spec->kind == SL_KIND_RANKED)
        put_dims(&b, spec);
    return text;
}

static int put_json(const char *text, size_t nbytes, void *out) {
    return buf_append(out, text, nbytes) ? 0 : -1;
}

void chain_print(const struct chain *chain, struct buf *out) {
    char text[128];
    buf_printf(out, "%s\n", spec_text(text, sizeof text, &chain->source));
    for (size_t i = 0; i < chain->step_count; i++) {
        const struct chain_step *step = &chain->steps[i];
        bool device = i >= chain->apply_count;
        buf_printf(out, "%-20s -> %s%s", step->params.name, spec_text(text, sizeof text, &step->out),
                   device ? "  (on the device)" : "");
        const json_t *params = step->params.value;
        if (params && !(json_is_object(params) && json_object_size(params) == 0)) {
            buf_puts(out, "  ");
            json_dump_callback(params, put_json, out, JSON_ENCODE_ANY | JSON_COMPACT);
        }
        buf_puts(out, "\n");
    }
}

/* --- fitting --- */

static bool same_dims(const sl_spec *spec, const sl_spec *target) {
    if (spec->rank != target->rank)
        return false;
    for (int d = 0; d < spec->rank; d++)
        if (target->dims[d] >= 0 && spec->dims[d] != target->dims[d])
            return false;
    return true;
}

static bool varies(const sl_spec *spec) {
    for (int d = 0; d < spec->rank; d++)
        if (spec->dims[d] < 0)
            return true;
    return false;
}

/* An image [h,w,c] against a model's [c,h,w]. */
static bool turned_dims(const sl_spec *spec, const sl_spec *target) {
    sl_spec turned = *spec;
    if (spec->rank != 3 || target->rank != 3)
        return false;
    turned.dims[0] = spec->dims[2];
    turned.dims[1] = spec->dims[0];
    turned.dims[2] = spec->dims[1];
    return same_dims(&turned, target);
}

/* The step that would help, as text for the end of the message; "" where we do not know. */
static void put_hint(struct buf *b, const struct chain *chain, const sl_spec *spec, const sl_spec *target) {
    bool image = spec->kind == SL_KIND_TENSOR && spec->dtype == SL_UINT8 && spec->rank == 3;
    bool row = chain->source.kind == SL_KIND_CSV || chain->source.kind == SL_KIND_JSON;
    if (spec->kind == SL_KIND_TENSOR && varies(spec)) {
        buf_puts(b, ": images keep their own sizes, add \"image.resize\" or \"image.center_crop\"");
    } else if (image && target->dtype == SL_FLOAT && turned_dims(spec, target)) {
        buf_puts(b, ": add \"tensor.normalize\"");
    } else if (image && target->dtype == SL_FLOAT && same_dims(spec, target)) {
        buf_puts(b, ": add {\"tensor.normalize\": {\"layout\": \"nhwc\"}}");
    } else if (spec->rank == 3 && target->rank == 3 && spec->kind == SL_KIND_TENSOR) {
        bool chw = spec->dtype == SL_FLOAT;
        int64_t have = chw ? spec->dims[0] : spec->dims[2];
        bool grey = have == 3 && (target->dims[0] == 1 || target->dims[2] == 1);
        bool color = have == 1 && (target->dims[0] == 3 || target->dims[2] == 3);
        if (grey)
            buf_puts(b, ": decode with {\"image.decode\": {\"mode\": \"L\"}}");
        else if (color)
            buf_puts(b, ": decode with {\"image.decode\": {\"mode\": \"RGB\"}}");
        else
            buf_puts(b, ": change the size in \"image.resize\" or \"image.center_crop\", or the layout");
    } else if (row && spec->kind == SL_KIND_TENSOR && spec->rank == 1 && target->rank == 1) {
        buf_puts(b, ": choose the columns with {\"columns\": [...]}");
    }
}

static sl_status misfit(const struct chain *chain, const sl_spec *target, const char *target_name,
                        sl_error *err) {
    char have[128], want[128], hint[200] = "";
    struct buf b;
    const sl_spec *last = chain_last(chain);
    buf_init_fixed(&b, hint, sizeof hint);
    put_hint(&b, chain, last, target);
    return error_set(err, SL_E_MODEL, "cannot feed '%s': it takes %s, its transforms give %s%s",
                     text_quote(target_name ? target_name : "the model"),
                     spec_text(want, sizeof want, target), spec_text(have, sizeof have, last), hint);
}

/* Values of a row that were chosen for the model, as many as it takes, have the model's shape. */
static void take_shape(struct chain *chain, const sl_spec *target) {
    int64_t have, want;
    struct chain_step *step = &chain->steps[0];
    if (chain->step_count != 1 || strcmp(step->transform->name, "columns") != 0 ||
        !sl_shape_count(step->out.rank, step->out.dims, &have) ||
        !sl_shape_count(target->rank, target->dims, &want) || have != want)
        return;
    step->out.rank = target->rank;
    memcpy(step->out.dims, target->dims, sizeof step->out.dims);
}

static sl_status add_cast(struct chain *chain, sl_dtype to, sl_error *err) {
    json_t *value = json_pack("{s:i}", "to", (int)to);
    if (!value || json_array_append_new(chain->json, value) != 0)
        return error_set(err, SL_E_MEMORY, "cannot open a chain of transforms: out of memory");
    sl_status status = chain_add(chain, &cast_transform, cast_transform.name, value, err);
    chain->apply_count = chain->step_count;
    return status;
}

/* Of a tensor with named rows the model takes the one with its input's name. */
static sl_status add_part(struct chain *chain, const char *name, sl_error *err) {
    json_t *value = json_string(name ? name : "");
    const sl_transform *part = transform_find("tensor.part");
    if (!part || !value || json_array_append_new(chain->json, value) != 0)
        return error_set(err, SL_E_MEMORY, "cannot open a chain of transforms: out of memory");
    sl_status status = chain_add(chain, part, part->name, value, err);
    chain->apply_count = chain->step_count;
    return status;
}

sl_status chain_fit(struct chain *chain, const sl_spec *target, const char *target_name, sl_error *err) {
    if (target->kind != SL_KIND_TENSOR)
        return chain_last(chain)->kind == target->kind ? SL_OK : misfit(chain, target, target_name, err);
    if (chain->step_count)
        take_shape(chain, target);
    if (chain_last(chain)->part_count && chain_last(chain)->rank == target->rank + 1) {
        sl_status status = add_part(chain, target_name, err);
        if (status != SL_OK)
            return status;
    }
    const sl_spec *last = chain_last(chain);
    if (last->kind != SL_KIND_TENSOR || varies(last) || !same_dims(last, target))
        return misfit(chain, target, target_name, err);
    if (last->dtype != target->dtype) {
        if (!cast_can(last->dtype, target->dtype))
            return misfit(chain, target, target_name, err);
        return add_cast(chain, target->dtype, err);
    }
    if (chain->step_count == 0)
        return SL_OK;
    const struct chain_step *step = &chain->steps[chain->step_count - 1];
    if (step->transform->lower && step->transform->lower(step->state, &chain->affine)) {
        chain->lowered = true;
        chain->apply_count = chain->step_count - 1;
    }
    return SL_OK;
}

size_t chain_nbytes(const struct chain *chain) {
    size_t total = 0;
    for (size_t i = 0; i < chain->apply_count; i++) {
        size_t parts[2] = {chain->steps[i].scratch_nbytes, 0};
        if (i < chain->shared_count)
            continue; /* its sibling's */
        const sl_spec *spec = &chain->steps[i].out;
        if (i + 1 < chain->apply_count && (spec->kind == SL_KIND_TENSOR || spec->kind == SL_KIND_RANKED))
            parts[1] = spec->max_nbytes;
        for (int p = 0; p < 2; p++)
            total += parts[p] < WORKER_KEEP_NBYTES ? parts[p] : WORKER_KEEP_NBYTES;
    }
    return total;
}
