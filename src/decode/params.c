/* params.c: typed, named access to the parameters of a step. Every refusal names the transform and the key,
 * so that whoever wrote transform.json finds the place. */
#include "decode/params.h"

#include <string.h>

#include "decode/chain_steps.h"
#include "support/error.h"
#include "support/text.h"

/* The value under a key; the empty key is the step's value itself when that is no object. */
static const json_t *find(const sl_params *params, const char *key) {
    if (json_is_object(params->value))
        return key[0] ? json_object_get(params->value, key) : NULL;
    return key[0] ? NULL : params->value;
}

static const char *type_name(const json_t *value) {
    switch (value ? json_typeof(value) : JSON_NULL) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    case JSON_NULL:
        break;
    }
    return "null";
}

static sl_status wrong_type(const sl_params *params, const char *key, const json_t *value,
                            const char *expected, sl_error *err) {
    const char *name = text_quote(params->name);
    if (!key[0])
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': its value is %s, expected %s", name,
                         type_name(value), expected);
    return error_set(err, SL_E_MODEL, "cannot use transform '%s': '%s' is %s, expected %s", name,
                     text_quote(key), type_name(value), expected);
}

bool params_has(const sl_params *params, const char *key) {
    return find(params, key) != NULL;
}

sl_status params_int(const sl_params *params, const char *key, int64_t *value, sl_error *err) {
    const json_t *found = find(params, key);
    if (!found)
        return SL_OK;
    if (!json_is_integer(found))
        return wrong_type(params, key, found, "an integer", err);
    *value = json_integer_value(found);
    return SL_OK;
}

sl_status params_number(const sl_params *params, const char *key, double *value, sl_error *err) {
    const json_t *found = find(params, key);
    if (!found)
        return SL_OK;
    if (!json_is_number(found))
        return wrong_type(params, key, found, "a number", err);
    *value = json_number_value(found);
    return SL_OK;
}

sl_status params_text(const sl_params *params, const char *key, const char **value, sl_error *err) {
    const json_t *found = find(params, key);
    if (!found)
        return SL_OK;
    if (!json_is_string(found))
        return wrong_type(params, key, found, "a text", err);
    *value = json_string_value(found);
    return SL_OK;
}

sl_status params_numbers(const sl_params *params, const char *key, const double **values, size_t *count,
                         sl_error *err) {
    const json_t *found = find(params, key);
    if (!found)
        return SL_OK;
    size_t n = json_is_array(found) ? json_array_size(found) : 1;
    double *list = arena_alloc(&params->chain->memory, n ? n : 1, sizeof *list);
    if (!list)
        return error_set(err, SL_E_MEMORY, "cannot keep the parameters of transform '%s': out of memory",
                         text_quote(params->name));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_is_array(found) ? json_array_get(found, i) : found;
        if (!json_is_number(item))
            return wrong_type(params, key, item, "a number or a list of numbers", err);
        list[i] = json_number_value(item);
    }
    *values = list;
    *count = n;
    return SL_OK;
}

size_t params_count(const sl_params *params, const char *key) {
    const json_t *found = find(params, key);
    return json_is_array(found) ? json_array_size(found) : 0;
}

sl_status params_item(const sl_params *params, const char *key, size_t i, const char **text, int64_t *number,
                      sl_error *err) {
    const json_t *found = find(params, key);
    const json_t *item = json_is_array(found) ? json_array_get(found, i) : NULL;
    if (!item)
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': '%s' has no element %zu",
                         text_quote(params->name), text_quote(key), i);
    if (json_is_string(item)) {
        *text = json_string_value(item);
        return SL_OK;
    }
    if (!json_is_integer(item))
        return wrong_type(params, key, item, "a list of texts and integers", err);
    *text = NULL;
    *number = json_integer_value(item);
    return SL_OK;
}

sl_status params_child(const sl_params *params, const char *key, size_t i, const sl_params **child,
                       sl_error *err) {
    const json_t *found = find(params, key);
    const json_t *item = json_is_array(found) ? json_array_get(found, i) : NULL;
    if (!item)
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': '%s' has no element %zu",
                         text_quote(params->name), text_quote(key), i);
    sl_params *own = arena_alloc(&params->chain->memory, 1, sizeof *own);
    if (!own)
        return error_set(err, SL_E_MEMORY, "cannot keep the parameters of transform '%s': out of memory",
                         text_quote(params->name));
    *own = (sl_params){.chain = params->chain, .name = params->name, .value = item};
    *child = own;
    return SL_OK;
}

static bool listed(const char *key, const char *const *keys) {
    for (; *keys; keys++)
        if (strcmp(key, *keys) == 0)
            return true;
    return false;
}

sl_status params_only(const sl_params *params, const char *const *keys, sl_error *err) {
    const char *name = text_quote(params->name);
    if (!params->value)
        return SL_OK;
    if (!json_is_object(params->value))
        return listed("", keys) ? SL_OK
                                : wrong_type(params, "", params->value, "an object of parameters", err);
    /* jansson's iterators take a pointer to non-const, and change nothing. */
    json_t *object = (json_t *)(uintptr_t)params->value;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        if (key[0] && listed(key, keys))
            continue;
        const char *nearest = text_nearest(key, keys);
        if (nearest && nearest[0])
            return error_set(err, SL_E_MODEL,
                             "cannot use transform '%s': it has no parameter '%s', did you mean '%s'?", name,
                             text_quote(key), nearest);
        return error_set(err, SL_E_MODEL, "cannot use transform '%s': it has no parameter '%s'", name,
                         text_quote(key));
    }
    return SL_OK;
}
