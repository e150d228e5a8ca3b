/* host.c: the table of what the program offers to transforms. Built-in ones get no more than a user's. */
#include <stdio.h>
#include <string.h>

#include "decode/chain_steps.h"
#include "decode/decode_array.h"
#include "decode/worker_ctx.h"
#include "support/error.h"
#include "support/file.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

#define MAX_LINES_NBYTES ((size_t)16 << 20)
#define MAX_FILE_NBYTES ((size_t)256 << 20)

/* --- plan time --- */

static sl_status host_fail(sl_error *err, sl_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static sl_status host_fail(sl_error *err, sl_status status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    error_setv(err, status, format, args);
    va_end(args);
    return status;
}

static void *host_alloc(size_t nbytes) {
    return mem_alloc(nbytes ? nbytes : 1, 1);
}

static void host_free(void *p) {
    mem_free(p);
}

bool path_is_below(const char *path) {
    if (path[0] == '/' || path[0] == '\0')
        return false;
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
            return false;
    }
    return true;
}

/* Keeps a copy of the lines in the chain's memory: the file may change or vanish later. */
static bool keep_lines(struct arena *memory, const char *data, size_t nbytes, const char *const **lines,
                       size_t *count) {
    const char *end = data + nbytes;
    size_t n = 0;
    for (const char *p = data; p < end; n++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        p = stop ? stop + 1 : end;
    }
    const char **kept = arena_alloc(memory, n + 1, sizeof *kept);
    if (!kept)
        return false;
    const char *p = data;
    for (size_t i = 0; i < n; i++) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        const char *next = stop ? stop + 1 : end;
        if (!stop)
            stop = end;
        if (stop > p && stop[-1] == '\r')
            stop--;
        kept[i] = arena_strndup(memory, p, (size_t)(stop - p));
        if (!kept[i])
            return false;
        p = next;
    }
    *lines = kept;
    *count = n;
    return true;
}

/* The labels of a Hugging Face config.json: "id2label": {"0": "cat", "1": "dog"}. */
static sl_status keep_labels(struct arena *memory, const char *data, size_t nbytes, const char *path,
                             const char *const **lines, size_t *count, sl_error *err) {
    json_t *root = json_read_text(data, nbytes, path, SL_E_MODEL, err);
    if (!root)
        return err->status;
    const json_t *labels = json_object_get(root, "id2label");
    size_t n = json_object_size(labels);
    const char **kept = arena_alloc(memory, n + 1, sizeof *kept);
    sl_status status = kept ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for labels");
    if (status == SL_OK && !n)
        status = error_set(err, SL_E_MODEL, "'%s' has no 'id2label'", text_quote(path));
    for (size_t i = 0; status == SL_OK && i < n; i++) {
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        const char *label = json_string_value(json_object_get(labels, key));
        if (!label)
            status = error_set(err, SL_E_MODEL, "'id2label' of '%s' has %zu labels, but none for \"%s\"",
                               text_quote(path), n, key);
        else if (!(kept[i] = arena_strdup(memory, label)))
            status = error_set(err, SL_E_MEMORY, "out of memory for labels");
    }
    json_decref(root);
    *lines = kept;
    *count = n;
    return status;
}

static sl_status host_read_lines(const sl_params *params, const char *path, const char *const **lines,
                                 size_t *count, sl_error *err) {
    const char *dir = params->chain->options.model_dir;
    const char *name = text_quote(params->name);
    if (!path_is_below(path))
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': '%s' is not inside the model directory",
                         name, text_quote(path));
    char *full = arena_printf(&params->chain->memory, "%s/%s", dir ? dir : ".", path);
    const void *data;
    size_t nbytes;
    if (!full)
        return error_set(err, SL_E_MEMORY, "cannot read '%s': out of memory", text_quote(path));
    sl_error why = {.status = SL_OK};
    if (file_map(full, &data, &nbytes, &why) != SL_OK)
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': %s", name, why.text);
    sl_status status = SL_OK;
    if (nbytes > MAX_LINES_NBYTES)
        status = error_set(err, SL_E_MODEL, "cannot use transform '%s': '%s' has more than 16 MiB", name,
                           text_quote(path));
    else if (text_ends_with(path, ".json"))
        status = keep_labels(&params->chain->memory, data, nbytes, path, lines, count, err);
    else if (!keep_lines(&params->chain->memory, data, nbytes, lines, count))
        status = error_set(err, SL_E_MEMORY, "cannot read '%s': out of memory", text_quote(path));
    file_unmap(data, nbytes);
    return status;
}

static sl_status host_read_file(const sl_params *params, const char *path, char **bytes, size_t *nbytes,
                                sl_error *err) {
    const char *dir = params->chain->options.model_dir;
    char full[4096];
    const void *data;
    *bytes = NULL;
    if (!path_is_below(path))
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': '%s' is not inside the model directory",
                         text_quote(params->name), text_quote(path));
    int length = snprintf(full, sizeof full, "%s/%s", dir ? dir : ".", path);
    if (length < 0 || (size_t)length >= sizeof full)
        return error_set(err, SL_E_MODEL, "cannot read '%s': its path is too long", text_quote(path));
    sl_status status = file_map(full, &data, nbytes, err);
    if (status != SL_OK)
        return status;
    if (*nbytes > MAX_FILE_NBYTES)
        status = error_set(err, SL_E_MODEL, "cannot use '%s': it has more than 256 MiB", text_quote(path));
    else if (!(*bytes = mem_alloc(*nbytes + 1, 1)))
        status = error_set(err, SL_E_MEMORY, "cannot read '%s': out of memory", text_quote(path));
    else if (*nbytes)
        memcpy(*bytes, data, *nbytes);
    file_unmap(data, *nbytes);
    return status;
}

static bool host_target(const sl_params *params, sl_spec *target) {
    *target = params->chain->target;
    return params->chain->has_target;
}

static sl_status host_input_find(const sl_params *params, const char *name, sl_spec *spec, size_t *index,
                                 sl_error *err) {
    const struct chain_options *options = &params->chain->options;
    for (size_t i = 0; i < options->input_count; i++)
        if (strcmp(options->inputs[i].name, name) == 0) {
            *spec = options->inputs[i].spec;
            *index = i;
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "cannot use transform '%s': the model has no input or output '%s'",
                     text_quote(params->name), text_quote(name));
}

static uint64_t host_max_pixels(const sl_params *params) {
    return params->chain->options.max_pixels;
}

/* --- per record --- */

static sl_status host_reject(sl_ctx *ctx, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static sl_status host_reject(sl_ctx *ctx, const char *code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    reject_setv(ctx, "transform", code, format, args);
    va_end(args);
    return SL_E_DATA;
}

static void *host_scratch(sl_ctx *ctx) {
    return ctx->scratch;
}

static sl_status host_csv_floats(sl_ctx *ctx, const sl_value *row, size_t column_count,
                                 const uint32_t *columns, size_t count, float *out) {
    return csv_read_floats(ctx, row->bytes, column_count, columns, count, out);
}

static sl_status host_csv_field(sl_ctx *ctx, const sl_value *row, uint32_t column, sl_slice *field) {
    return csv_read_field(ctx, row->bytes, column, field);
}

static sl_status host_csv_all_floats(sl_ctx *ctx, const sl_value *row, size_t count, float *out) {
    return csv_read_all_floats(ctx, row->bytes, count, out);
}

static sl_status host_json_member(sl_ctx *ctx, const sl_value *json, const char *key, sl_value *member) {
    *member = (sl_value){.kind = SL_KIND_JSON};
    return json_read_member(ctx, json->bytes, key, &member->bytes);
}

static sl_status host_json_members_floats(sl_ctx *ctx, const sl_value *json, const char *const *keys,
                                          size_t count, float *out) {
    return json_read_members_floats(ctx, json->bytes, keys, count, out);
}

static sl_status host_json_floats(sl_ctx *ctx, const sl_value *json, size_t count, float *out) {
    return json_read_floats(ctx, json->bytes, count, out);
}

static sl_status host_csv_texts(sl_ctx *ctx, const sl_value *row, size_t column_count,
                                const uint32_t *columns, size_t count, sl_string *out) {
    return csv_read_texts(ctx, row->bytes, column_count, columns, count, out);
}

static sl_status host_csv_numbers(sl_ctx *ctx, const sl_value *row, size_t column_count,
                                  const uint32_t *columns, size_t count, sl_dtype dtype, void *out) {
    return csv_read_numbers(ctx, row->bytes, column_count, columns, count, dtype, out);
}

static sl_status host_json_members_texts(sl_ctx *ctx, const sl_value *json, const char *const *keys,
                                         size_t count, sl_string *out) {
    return json_read_members_texts(ctx, json->bytes, keys, count, out);
}

static sl_status host_json_texts(sl_ctx *ctx, const sl_value *json, size_t count, sl_string *out) {
    return json_read_texts(ctx, json->bytes, count, out);
}

static const void *host_input_row(sl_ctx *ctx, size_t index) {
    return ctx->inputs[index];
}

const sl_host chain_host = {
    .abi = SL_TRANSFORM_ABI,
    .fail = host_fail,
    .alloc = host_alloc,
    .free = host_free,
    .param_has = params_has,
    .param_int = params_int,
    .param_number = params_number,
    .param_text = params_text,
    .param_numbers = params_numbers,
    .param_count = params_count,
    .param_item = params_item,
    .param_child = params_child,
    .param_only = params_only,
    .read_lines = host_read_lines,
    .max_pixels = host_max_pixels,
    .reject = host_reject,
    .scratch = host_scratch,
    .csv_floats = host_csv_floats,
    .csv_field = host_csv_field,
    .csv_all_floats = host_csv_all_floats,
    .json_member = host_json_member,
    .json_members_floats = host_json_members_floats,
    .json_floats = host_json_floats,
    .image_decode = image_read,
    .csv_texts = host_csv_texts,
    .csv_numbers = host_csv_numbers,
    .json_members_texts = host_json_members_texts,
    .json_texts = host_json_texts,
    .array_find = array_find,
    .array_read = array_read,
    .array_texts = array_texts,
    .read_file = host_read_file,
    .target = host_target,
    .input_find = host_input_find,
    .input_row = host_input_row,
    .image_decode_scaled = image_read_scaled,
};
