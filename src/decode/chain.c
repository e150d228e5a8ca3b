/* chain.c: opening a chain. Everything that can be refused is refused here: names, parameters, shapes. What
 * runs per record stands in worker_ctx.c. */
#include "decode/chain.h"

#include <string.h>

#include "decode/chain_steps.h"
#include "decode/decode_array.h"
#include "support/mem.h"
#include "support/text.h"

#define EXTRA_STEPS 3 /* a source step that nobody wrote, a part and a cast at the end */

const sl_spec *chain_last(const struct chain *chain) {
    return chain->step_count ? &chain->steps[chain->step_count - 1].out : &chain->source;
}

sl_status chain_add(struct chain *chain, const sl_transform *transform, const char *name, const json_t *value,
                    sl_error *err) {
    struct chain_step *step = &chain->steps[chain->step_count];
    const sl_spec *in = chain_last(chain);
    *step = (struct chain_step){.transform = transform};
    step->params = (struct sl_params){.chain = chain, .name = name, .value = value};
    sl_status status =
        transform->open(&chain_host, &step->params, in, &step->out, &step->state, &step->scratch_nbytes, err);
    if (status != SL_OK) {
        char text[128];
        error_append(err, " (step %zu, which gets %s)", chain->step_count + 1,
                     spec_text(text, sizeof text, in));
        return status;
    }
    chain->step_count++;
    return SL_OK;
}

static bool is_name(const sl_transform *transform, const char *name) {
    return strcmp(transform->name, name) == 0;
}

static bool is_decoder(const sl_transform *transform) {
    return is_name(transform, "image.decode") || is_name(transform, "tensor.decode") ||
           is_name(transform, "text.decode");
}

static bool is_tokenizer(const char *name) {
    return !strcmp(name, "text.tokenize") || !strcmp(name, "text.wordpiece") || !strcmp(name, "text.bpe");
}

/* Whether a step can begin with what a record is. A user's transform is asked by opening it. */
static bool takes_source(const sl_transform *transform, sl_kind kind) {
    switch (kind) {
    case SL_KIND_CSV:
    case SL_KIND_JSON:
        return is_name(transform, "columns") || is_name(transform, "field") ||
               is_name(transform, "features") || is_tokenizer(transform->name);
    case SL_KIND_BYTES:
    case SL_KIND_FIELDS:
    case SL_KIND_ARRAYS:
    case SL_KIND_ARRAY:
        return is_decoder(transform) || is_name(transform, "field") || is_tokenizer(transform->name);
    case SL_KIND_TENSOR:
    case SL_KIND_RANKED:
        break;
    }
    return true;
}

static bool is_source_kind(sl_kind kind) {
    return kind != SL_KIND_TENSOR && kind != SL_KIND_RANKED;
}

/* Puts the obvious step where records meet tensors: all numbers of a row or list, the image of a sample. */
static sl_status add_source(struct chain *chain, sl_error *err) {
    sl_kind kind = chain_last(chain)->kind;
    bool numbers = kind == SL_KIND_CSV || kind == SL_KIND_JSON;
    bool arrays = kind == SL_KIND_ARRAYS || kind == SL_KIND_ARRAY;
    const char *name = numbers                                 ? "columns"
                       : chain_last(chain)->dtype == SL_STRING ? "text.decode"
                       : arrays                                ? "tensor.decode"
                                                               : "image.decode";
    const sl_transform *transform = transform_find(name);
    json_t *value = numbers ? json_string("all") : json_object();
    /* The list of steps owns it from here on, so that it lives as long as the chain. */
    if (!transform || !value || json_array_append_new(chain->json, value) != 0)
        return error_set(err, SL_E_MEMORY, "cannot open a chain of transforms: out of memory");
    chain->implicit = true;
    return chain_add(chain, transform, name, value, err);
}

static bool is_builtin(const sl_transform *transform) {
    for (const sl_transform *const *t = sl_transforms; *t; t++)
        if (*t == transform)
            return true;
    return false;
}

static sl_status add_step(struct chain *chain, const char *name, const json_t *value, bool to_tensor,
                          sl_error *err) {
    const sl_transform *transform = NULL;
    sl_status status = transform_load(&transform, name, chain->options.model_dir, err);
    if (status != SL_OK)
        return status;
    sl_kind kind = chain_last(chain)->kind;
    if (!to_tensor || chain->implicit || !is_source_kind(kind))
        return chain_add(chain, transform, name, value, err);
    if (is_builtin(transform)) {
        if (!takes_source(transform, kind) && (status = add_source(chain, err)) != SL_OK)
            return status;
        return chain_add(chain, transform, name, value, err);
    }
    sl_error refused = {.status = SL_OK};
    if (chain_add(chain, transform, name, value, &refused) == SL_OK)
        return SL_OK;
    sl_error second = {.status = SL_OK};
    if (add_source(chain, &second) == SL_OK && chain_add(chain, transform, name, value, &second) == SL_OK)
        return SL_OK;
    return error_set(err, refused.status, "%s", refused.text);
}

/* One element of the list: "name" or {"name": parameters}. */
static sl_status add_element(struct chain *chain, size_t i, const json_t *element, bool to_tensor,
                             sl_error *err) {
    if (json_is_string(element))
        return add_step(chain, json_string_value(element), NULL, to_tensor, err);
    if (json_is_object(element) && json_object_size(element) == 1) {
        json_t *object = (json_t *)(uintptr_t)element; /* iterators of jansson take non-const */
        void *it = json_object_iter(object);
        return add_step(chain, json_object_iter_key(it), json_object_iter_value(it), to_tensor, err);
    }
    return error_set(
        err, SL_E_MODEL,
        "cannot use transform number %zu of the list: expected \"name\" or {\"name\": parameters}", i + 1);
}

/* ---- what a chain shares with one of the same records ---- */

static bool same_dims(const sl_spec *a, const sl_spec *b) {
    bool same = a->rank == b->rank;
    for (int d = 0; same && d < a->rank; d++)
        same = a->dims[d] == b->dims[d];
    return same;
}

static bool same_source(const struct chain *a, const struct chain *b) {
    const sl_spec *x = &a->source, *y = &b->source;
    return x->kind == y->kind && x->dtype == y->dtype && x->max_nbytes == y->max_nbytes &&
           x->columns == y->columns && x->column_count == y->column_count && same_dims(x, y) &&
           a->has_target == b->has_target && same_dims(&a->target, &b->target);
}

/* How many steps both begin with. The sibling's last one writes to the slot, so that is its own. */
static size_t shared_steps(const struct chain *chain, const struct chain *sibling) {
    size_t count = json_array_size(chain->json), n = 0;
    if (sibling->implicit || !same_source(chain, sibling))
        return 0;
    while (n < count && n + 1 < sibling->apply_count && n < sibling->given_count &&
           json_equal(json_array_get(chain->json, n), json_array_get(sibling->json, n)))
        n++;
    /* Columns alone take the shape of what they feed. */
    return n == 1 && is_name(sibling->steps[0].transform, "columns") ? 0 : n;
}

static void share_steps(struct chain *chain) {
    for (size_t i = 0; i < chain->options.sibling_count; i++) {
        const struct chain *sibling = chain->options.siblings[i];
        size_t n = shared_steps(chain, sibling);
        if (n > chain->shared_count) { /* of equals the first: the others share it as well */
            chain->shared = sibling;
            chain->shared_count = n;
        }
    }
    for (size_t i = 0; i < chain->shared_count; i++)
        chain->steps[i] = chain->shared->steps[i];
    chain->step_count = chain->shared_count;
}

static sl_status add_all(struct chain *chain, const sl_spec *target, const char *target_name, sl_error *err) {
    size_t count = chain->given_count = json_array_size(chain->json);
    bool to_tensor = target && target->kind == SL_KIND_TENSOR;
    share_steps(chain);
    for (size_t i = chain->shared_count; i < count; i++) {
        sl_status status = add_element(chain, i, json_array_get(chain->json, i), to_tensor, err);
        if (status != SL_OK)
            return status;
    }
    if (to_tensor && is_source_kind(chain_last(chain)->kind) && !chain->implicit) {
        sl_status status = add_source(chain, err);
        if (status != SL_OK)
            return status;
    }
    chain->apply_count = chain->step_count;
    return target ? chain_fit(chain, target, target_name, err) : SL_OK;
}

static bool is_known(const sl_spec *spec, int64_t *count) {
    return spec && spec->kind == SL_KIND_TENSOR && sl_shape_count(spec->rank, spec->dims, count) &&
           *count > 0;
}

/* Whether nothing but the choice of a part and its decoding stands in the chain. */
static bool decodes_only(const json_t *steps) {
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        const char *name = json_string_value(step);
        if (!(name && (!strcmp(name, "tensor.decode") || !strcmp(name, "text.decode"))) &&
            !json_object_get(step, "tensor.decode") && !json_object_get(step, "text.decode") &&
            !json_object_get(step, "field"))
            return false;
    }
    return true;
}

/* Whether the texts of a row go through one of the tokenizers. */
static bool takes_text(const json_t *steps) {
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        json_t *object = (json_t *)(uintptr_t)step;
        const char *name =
            json_is_object(step) ? json_object_iter_key(json_object_iter(object)) : json_string_value(step);
        if (name && is_tokenizer(name))
            return true;
    }
    return false;
}

/* What "columns" shall take of a record: what the model wants, where that is not made of floats on the way.
 */
static sl_dtype wanted_dtype(const json_t *steps, const sl_spec *in, const sl_spec *target) {
    if (in->kind == SL_KIND_TENSOR || in->kind == SL_KIND_RANKED)
        return in->dtype;
    if (!target || target->kind != SL_KIND_TENSOR)
        return SL_UNDEFINED;
    if (in->kind != SL_KIND_CSV && in->kind != SL_KIND_JSON)
        return decodes_only(steps) || target->dtype == SL_STRING ? target->dtype : SL_UNDEFINED;
    if (takes_text(steps))
        return SL_STRING;
    bool columns_only = json_array_size(steps) == 0 ||
                        (json_array_size(steps) == 1 && json_object_get(json_array_get(steps, 0), "columns"));
    bool exact = target->dtype == SL_INT64 || target->dtype == SL_INT32 || target->dtype == SL_DOUBLE;
    bool exactly = exact && in->kind == SL_KIND_CSV && columns_only;
    return target->dtype == SL_STRING || exactly ? target->dtype : SL_UNDEFINED;
}

static sl_status make(struct chain **out, const json_t *steps, const sl_spec *in, const sl_spec *target,
                      const struct chain_options *options, sl_error *err) {
    if (steps && !json_is_array(steps))
        return error_set(err, SL_E_MODEL, "cannot use a chain of transforms: expected a list of steps");
    struct chain *chain = mem_alloc(1, sizeof *chain);
    if (!chain)
        return error_set(err, SL_E_MEMORY, "cannot open a chain of transforms: out of memory");
    arena_init(&chain->memory);
    chain->json = steps ? json_deep_copy(steps) : json_array();
    chain->steps = mem_alloc(json_array_size(chain->json) + EXTRA_STEPS, sizeof *chain->steps);
    chain->options = *options;
    chain->options.model_dir = arena_strdup(&chain->memory, options->model_dir ? options->model_dir : ".");
    chain->source = *in;
    chain->has_target = target != NULL;
    if (target)
        chain->target = *target;
    chain->source.dtype = wanted_dtype(chain->json, in, target);
    if (chain->source.dtype && is_source_kind(in->kind) && !takes_text(steps)) {
        chain->source.rank = target->rank;
        memcpy(chain->source.dims, target->dims, sizeof target->dims);
    }
    /* Rows without names: "all" then means as many as the model takes. */
    int64_t count;
    if (!in->columns && in->column_count == 0 && is_known(target, &count))
        chain->source.column_count = (size_t)count;
    if (!chain->json || !chain->steps || !chain->options.model_dir) {
        chain_close(chain);
        return error_set(err, SL_E_MEMORY, "cannot open a chain of transforms: out of memory");
    }
    *out = chain;
    return SL_OK;
}

sl_status chain_open(struct chain **out, const json_t *steps, const sl_spec *in, const sl_spec *target,
                     const char *target_name, const struct chain_options *options, sl_error *err) {
    struct chain *chain = NULL;
    sl_status status = make(&chain, steps, in, target, options, err);
    if (status != SL_OK)
        return status;
    status = add_all(chain, target, target_name, err);
    if (status != SL_OK) {
        if (target_name)
            error_append(err, " (transforms of '%s')", text_quote(target_name));
        chain_close(chain);
        return status;
    }
    *out = chain;
    return SL_OK;
}

void chain_close(struct chain *chain) {
    if (!chain)
        return;
    for (size_t i = chain->step_count; i-- > chain->shared_count;)
        if (chain->steps[i].transform->close)
            chain->steps[i].transform->close(&chain_host, chain->steps[i].state);
    mem_free(chain->steps);
    json_decref(chain->json);
    arena_clear(&chain->memory);
    mem_free(chain);
}

const sl_spec *chain_spec(const struct chain *chain) {
    return chain->apply_count ? &chain->steps[chain->apply_count - 1].out : &chain->source;
}

bool chain_affine(const struct chain *chain, sl_affine *affine) {
    if (chain->lowered)
        *affine = chain->affine;
    return chain->lowered;
}

void chain_source(const sl_record *record, sl_value *value) {
    *value = (sl_value){.kind = SL_KIND_BYTES, .bytes = record->bytes};
    switch (record->kind) {
    case SL_RECORD_CSV:
        value->kind = SL_KIND_CSV;
        break;
    case SL_RECORD_JSON:
        value->kind = SL_KIND_JSON;
        break;
    case SL_RECORD_BYTES:
    case SL_RECORD_TEXT:
        break;
    case SL_RECORD_FIELDS:
        value->kind = SL_KIND_FIELDS;
        value->fields = record->fields;
        value->field_count = record->field_count;
        break;
    case SL_RECORD_ARRAYS:
        value->kind = SL_KIND_ARRAYS;
        value->encoding = ARRAYS_PACKED;
        break;
    case SL_RECORD_EXAMPLE:
        value->kind = SL_KIND_ARRAYS;
        value->encoding = ARRAYS_EXAMPLE;
        break;
    case SL_RECORD_LIBSVM:
        value->kind = SL_KIND_ARRAYS;
        value->encoding = ARRAYS_LIBSVM;
        break;
    case SL_RECORD_PROTOBUF:
        value->kind = SL_KIND_ARRAYS;
        value->encoding = ARRAYS_PROTOBUF;
        break;
    }
}

sl_spec chain_source_spec(sl_record_kind kind, const char *const *columns, size_t column_count,
                          size_t max_record_nbytes) {
    sl_value value;
    sl_record record = {.kind = kind};
    chain_source(&record, &value);
    return (sl_spec){.kind = value.kind,
                     .max_nbytes = max_record_nbytes,
                     .columns = columns,
                     .column_count = columns ? column_count : 0};
}
