/* ml_category.c: categories into numbers and back: LabelEncoder, CategoryMapper, OneHotEncoder of ai.onnx.ml.
 */
#include <string.h>

#include "ops/element.h"
#include "ops/lookup.h"
#include "ops/ops.h"
#include "ops/rules.h"

#define WHOLE (OPS_BIT(SL_INT64) | OPS_BIT(SL_INT32) | OPS_BIT(SL_INT16))
#define KEYS (OPS_BIT(SL_STRING) | OPS_BIT(SL_FLOAT) | OPS_BIT(SL_DOUBLE) | WHOLE)

/* One element of any dtype a mapping gives. */
union element {
    float f;
    double d;
    int64_t i;
    int32_t i32;
    int16_t i16;
    sl_string s;
};

/* Keys to values; what is no key gets the fallback. */
struct mapping {
    sl_tensor keys, values;
    struct lookup lookup;
    bool to_place; /* the value is the number of the key */
    union element fallback;
};

static sl_dtype value_dtype(const struct mapping *m) {
    return m->to_place ? SL_INT64 : m->values.dtype;
}

static sl_status check_mapping(const struct op_call *call, const struct mapping *m, sl_error *err) {
    const sl_tensor *x = call->in[0];
    if (!(KEYS & OPS_BIT(m->keys.dtype)) || (!m->to_place && !(KEYS & OPS_BIT(m->values.dtype))))
        return error_set(err, SL_E_MODEL, "cannot map %s to %s", sl_dtype_name(m->keys.dtype),
                         sl_dtype_name(value_dtype(m)));
    if (element_kind(x->dtype) != element_kind(m->keys.dtype))
        return error_set(err, SL_E_MODEL, "input 0 is %s, the keys are %s", sl_dtype_name(x->dtype),
                         sl_dtype_name(m->keys.dtype));
    if (!m->to_place && rule_count(&m->keys) != rule_count(&m->values))
        return error_set(err, SL_E_MODEL, "%lld keys for %lld values", (long long)rule_count(&m->keys),
                         (long long)rule_count(&m->values));
    return SL_OK;
}

static sl_status find_list(const struct op_call *call, const char *const *names, const char *what,
                           sl_tensor *list, sl_error *err) {
    bool found = false;
    for (; *names; names++) {
        sl_tensor one;
        if (!lookup_list(call, *names, &one))
            continue;
        if (found)
            return error_set(err, SL_E_MODEL, "it has %s of two dtypes", what);
        *list = one;
        found = true;
    }
    return found ? SL_OK : error_set(err, SL_E_MODEL, "it has no %s", what);
}

static sl_string text_attr(const struct op_call *call, const char *name, const char *fallback) {
    const struct attr *attr = op_attr(call, name);
    return attr && attr->type == ATTR_STRING ? attr->s : (sl_string){fallback, strlen(fallback)};
}

static sl_status read_fallback(const struct op_call *call, struct mapping *m, sl_error *err) {
    sl_tensor given;
    sl_dtype dtype = value_dtype(m);
    size_t nbytes = sl_dtype_nbits(dtype) / 8;
    if (lookup_list(call, "default_tensor", &given)) {
        if (given.dtype != dtype)
            return error_set(err, SL_E_MODEL, "'default_tensor' is %s, the values are %s",
                             sl_dtype_name(given.dtype), sl_dtype_name(dtype));
        memcpy(&m->fallback, given.data, nbytes);
        return SL_OK;
    }
    if (dtype == SL_STRING)
        m->fallback.s = text_attr(call, "default_string", "_Unused");
    else if (element_kind(dtype) == ELEMENT_REAL)
        element_set_real(dtype, &m->fallback, 0, (double)op_attr_float(call, "default_float", -0.0f));
    else
        element_set_signed(dtype, &m->fallback, 0, op_attr_int(call, "default_int64", -1));
    return SL_OK;
}

static sl_status read_encoder(const struct op_call *call, struct mapping *m, sl_error *err) {
    static const char *const keys[] = {"keys_strings", "keys_int64s", "keys_floats", "keys_tensor", NULL};
    static const char *const values[] = {"values_strings", "values_int64s", "values_floats", "values_tensor",
                                         NULL};
    sl_status st = SL_OK;
    *m = (struct mapping){.to_place = false};
    if (call->opset < 2) {
        sl_tensor classes;
        if (!lookup_list(call, "classes_strings", &classes) || classes.dtype != SL_STRING)
            return error_set(err, SL_E_MODEL, "attribute 'classes_strings' is not a list of texts");
        m->to_place = call->in[0]->dtype == SL_STRING;
        m->keys = m->values = classes;
        if (!m->to_place) /* the number of a class to its text: no table */
            m->keys = (sl_tensor){.dtype = SL_INT64, .rank = 1, .dims = {classes.dims[0]}};
    } else {
        st = find_list(call, keys, "keys", &m->keys, err);
        if (st == SL_OK)
            st = find_list(call, values, "values", &m->values, err);
    }
    if (st == SL_OK)
        st = check_mapping(call, m, err);
    return st == SL_OK ? read_fallback(call, m, err) : st;
}

/* CategoryMapper goes from text to number or back, by its input. */
static sl_status read_mapper(const struct op_call *call, struct mapping *m, sl_error *err) {
    sl_tensor texts, numbers;
    *m = (struct mapping){.to_place = false};
    if (!lookup_list(call, "cats_strings", &texts) || !lookup_list(call, "cats_int64s", &numbers) ||
        texts.dtype != SL_STRING || numbers.dtype != SL_INT64)
        return error_set(err, SL_E_MODEL, "attributes 'cats_strings' and 'cats_int64s' are not both there");
    bool from_text = call->in[0]->dtype == SL_STRING;
    m->keys = from_text ? texts : numbers;
    m->values = from_text ? numbers : texts;
    sl_status st = check_mapping(call, m, err);
    return st == SL_OK ? read_fallback(call, m, err) : st;
}

static bool is_mapper(const struct op_call *call) {
    return op_attr(call, "cats_strings") || op_attr(call, "cats_int64s");
}

static sl_status read_mapping(const struct op_call *call, struct mapping *m, sl_error *err) {
    sl_status st = rule_dtype(call, 0, KEYS, err);
    if (st != SL_OK)
        return st;
    return is_mapper(call) ? read_mapper(call, m, err) : read_encoder(call, m, err);
}

static sl_status infer_mapping(const struct op_call *call, sl_error *err) {
    struct mapping m;
    sl_status st = read_mapping(call, &m, err);
    if (st == SL_OK)
        rule_set(call->out[0], value_dtype(&m), call->in[0]->rank, call->in[0]->dims);
    return st;
}

static sl_status prepare_mapping(const struct op_call *call, struct arena *arena,
                                 struct op_prepared *prepared, sl_error *err) {
    struct mapping *m = arena_alloc(arena, 1, sizeof *m);
    if (!m)
        return error_set(err, SL_E_MEMORY, "out of memory for a mapping");
    sl_status st = read_mapping(call, m, err);
    if (st == SL_OK && m->keys.data)
        st = lookup_make(&m->lookup, arena, &m->keys, err);
    prepared->state = m;
    return st;
}

static int64_t find_key(const struct mapping *m, const sl_tensor *x, int64_t i) {
    if (m->keys.data)
        return lookup_find(&m->lookup, x, i);
    int64_t place = element_index(x->dtype, x->data, i);
    return place >= 0 && place < m->keys.dims[0] ? place : -1;
}

static void run_mapping(const struct op_call *call) {
    const struct mapping *m = call->state;
    const sl_tensor *x = call->in[0];
    size_t nbytes = sl_dtype_nbits(value_dtype(m)) / 8;
    char *out = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(x); i < n; i++, out += nbytes) {
        int64_t key = find_key(m, x, i);
        if (key < 0)
            memcpy(out, &m->fallback, nbytes);
        else if (m->to_place)
            memcpy(out, &key, nbytes);
        else
            memcpy(out, (const char *)m->values.data + (size_t)key * nbytes, nbytes);
    }
}

#define MAPPING(id, op_name, first, op_attrs)                                                                \
    const struct op op_##id = {.domain = "ai.onnx.ml",                                                       \
                               .name = op_name,                                                              \
                               .since = first,                                                               \
                               .min_in = 1,                                                                  \
                               .max_in = 1,                                                                  \
                               .min_out = 1,                                                                 \
                               .max_out = 1,                                                                 \
                               .attrs = op_attrs,                                                            \
                               .infer = infer_mapping,                                                       \
                               .prepare = prepare_mapping,                                                   \
                               .any_size = true,                                                             \
                               .run = run_mapping};

MAPPING(label_encoder, "LabelEncoder", 1,
        "classes_strings keys_strings keys_int64s keys_floats keys_tensor values_strings values_int64s "
        "values_floats values_tensor default_string default_int64 default_float default_tensor")
MAPPING(category_mapper, "CategoryMapper", 1, "cats_int64s cats_strings default_int64 default_string")

/* OneHotEncoder: one more dim, with a 1 at the category's place. Numbers are cut to whole ones first. With
 * zeros = 0 the specification leaves an unknown category open, where ONNX Runtime ends the run; here such a
 * row's features are NaN, so that it cannot pass for another. */
static sl_status read_categories(const struct op_call *call, sl_tensor *categories, sl_error *err) {
    sl_status st = rule_dtype(call, 0, KEYS, err);
    if (st != SL_OK)
        return st;
    bool text = call->in[0]->dtype == SL_STRING;
    const char *name = text ? "cats_strings" : "cats_int64s";
    if (!lookup_list(call, name, categories) || categories->dtype != (text ? SL_STRING : SL_INT64))
        return error_set(err, SL_E_MODEL, "input 0 is %s, but there is no '%s'",
                         sl_dtype_name(call->in[0]->dtype), name);
    return SL_OK;
}

static sl_status infer_one_hot(const struct op_call *call, sl_error *err) {
    sl_tensor categories;
    const sl_tensor *x = call->in[0];
    sl_status st = read_categories(call, &categories, err);
    if (st == SL_OK && x->rank == SL_MAX_RANK)
        st = error_set(err, SL_E_MODEL, "the output would have more than %d dims", SL_MAX_RANK);
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], SL_FLOAT, x->rank, x->dims);
    call->out[0]->dims[call->out[0]->rank++] = categories.dims[0];
    return SL_OK;
}

static sl_status prepare_one_hot(const struct op_call *call, struct arena *arena,
                                 struct op_prepared *prepared, sl_error *err) {
    sl_tensor categories;
    struct lookup *lookup = arena_alloc(arena, 1, sizeof *lookup);
    if (!lookup)
        return error_set(err, SL_E_MEMORY, "out of memory for categories");
    prepared->state = lookup;
    sl_status st = read_categories(call, &categories, err);
    return st == SL_OK ? lookup_make(lookup, arena, &categories, err) : st;
}

static void run_one_hot(const struct op_call *call) {
    const struct lookup *lookup = call->state;
    const sl_tensor *x = call->in[0];
    int64_t width = lookup->keys.dims[0];
    float other = op_attr_int(call, "zeros", 1) ? 0 : NAN, *out = call->out[0]->data;
    for (int64_t i = 0, n = rule_count(x); i < n; i++, out += width) {
        int64_t whole = 0, key;
        sl_tensor cut = {.dtype = SL_INT64, .data = &whole};
        if (element_kind(x->dtype) == ELEMENT_REAL) {
            whole = element_truncate(element_real(x->dtype, x->data, i));
            key = lookup_find(lookup, &cut, 0);
        } else {
            key = lookup_find(lookup, x, i);
        }
        for (int64_t k = 0; k < width; k++)
            out[k] = key < 0 ? other : k == key ? 1.0f : 0.0f;
    }
}

const struct op op_one_hot_encoder = {.domain = "ai.onnx.ml",
                                      .name = "OneHotEncoder",
                                      .since = 1,
                                      .min_in = 1,
                                      .max_in = 1,
                                      .min_out = 1,
                                      .max_out = 1,
                                      .attrs = "cats_int64s cats_strings zeros",
                                      .infer = infer_one_hot,
                                      .prepare = prepare_one_hot,
                                      .any_size = true,
                                      .run = run_one_hot};
