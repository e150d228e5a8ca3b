/* format.c: the table of formats and what they share. */
#include "output/format.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "support/number.h"

const struct format_ops *const format_table[] = {&format_csv, &format_jsonl, &format_json, &format_npy, NULL};

const struct format_ops *format_by_accept(const char *accept) {
    size_t n = strcspn(accept, "; ");
    for (const struct format_ops *const *f = format_table; *f; f++)
        for (const char *const *name = (*f)->accepts; *name; name++)
            if (strlen(*name) == n && !strncasecmp(*name, accept, n))
                return *f;
    return NULL;
}

/* ---- bounds ---- */

size_t format_count(const sl_value *value) {
    int64_t count = 0;
    return sl_shape_count(value->tensor.rank, value->tensor.dims, &count) ? (size_t)count : 0;
}

size_t format_most(const sl_spec *spec) {
    int64_t count;
    if (sl_shape_count(spec->rank, spec->dims, &count))
        return (size_t)count;
    /* a dim that varies from record to record: the room for the data is the bound */
    size_t each = spec->kind == SL_KIND_RANKED ? sizeof(sl_ranked) : sl_dtype_nbits(spec->dtype) / 8;
    return each ? spec->max_nbytes / each : 0;
}

/* Nine digits identify a float and seventeen a double, but whole numbers are written out up to 1e16:
 * "-9999999000000000", "-2.2250738585072014e-308". */
size_t format_number_nbytes(sl_dtype dtype) {
    switch (dtype) {
    case SL_FLOAT:
    case SL_FLOAT16:
    case SL_BFLOAT16:
        return 17;
    case SL_DOUBLE:
        return 24;
    case SL_INT64:
    case SL_UINT64:
        return 20;
    case SL_INT32:
    case SL_UINT32:
        return 11;
    default:
        return 6; /* "-32768"; "false" */
    }
}

size_t format_label_nbytes(const sl_spec *spec) {
    size_t longest = 0;
    for (size_t i = 0; spec->labels && i < spec->label_count; i++)
        if (strlen(spec->labels[i]) > longest)
            longest = strlen(spec->labels[i]);
    return longest;
}

bool format_has_columns(const sl_spec *spec) {
    return spec->kind == SL_KIND_TENSOR && spec->labels &&
           (spec->dtype == SL_FLOAT || spec->dtype == SL_DOUBLE || spec->dtype == SL_FLOAT16 ||
            spec->dtype == SL_BFLOAT16);
}

const char *format_label(const sl_spec *spec, int64_t index) {
    return spec->labels && index >= 0 && (uint64_t)index < spec->label_count ? spec->labels[index] : NULL;
}

/* ---- numbers ---- */

/* IEEE half to float, exactly. */
static float half_to_f32(uint16_t h) {
    int exponent = h >> 10 & 31, fraction = h & 1023;
    float x = exponent == 0    ? ldexpf((float)fraction, -24)
              : exponent == 31 ? (fraction ? NAN : INFINITY)
                               : ldexpf((float)(fraction + 1024), exponent - 25);
    return h >> 15 ? -x : x;
}

static float bfloat_to_f32(uint16_t b) {
    uint32_t bits = (uint32_t)b << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

int64_t format_class(const sl_tensor *t, size_t i) {
    switch (t->dtype) {
    case SL_INT64:
        return ((const int64_t *)t->data)[i];
    case SL_INT32:
        return ((const int32_t *)t->data)[i];
    case SL_UINT32:
        return ((const uint32_t *)t->data)[i];
    case SL_UINT64: {
        uint64_t x = ((const uint64_t *)t->data)[i];
        return x > INT64_MAX ? -1 : (int64_t)x; /* no class has such a number */
    }
    case SL_INT16:
        return ((const int16_t *)t->data)[i];
    case SL_UINT16:
        return ((const uint16_t *)t->data)[i];
    case SL_INT8:
        return ((const int8_t *)t->data)[i];
    default:
        return ((const uint8_t *)t->data)[i]; /* uint8, bool */
    }
}

/* Where a number can be written without a copy: lines have that much room at their end. */
static char *room(struct buf *out, char spare[NUMBER_MAX_CHARS]) {
    return !out->failed && out->cap - out->size >= NUMBER_MAX_CHARS ? out->data + out->size : spare;
}

static void took(struct buf *out, const char *at, const char *spare, size_t nbytes) {
    if (at == spare)
        buf_append(out, spare, nbytes);
    else
        out->size += nbytes;
}

void format_i64(struct buf *out, int64_t x) {
    char spare[NUMBER_MAX_CHARS], *at = room(out, spare);
    took(out, at, spare, number_write_i64(at, x));
}

void format_f32(struct buf *out, float x, const char *nonfinite) {
    if (nonfinite && !isfinite(x)) {
        buf_puts(out, nonfinite);
        return;
    }
    char spare[NUMBER_MAX_CHARS], *at = room(out, spare);
    took(out, at, spare, number_write_f32(at, x));
}

static void put_f64(struct buf *out, double x, const char *nonfinite) {
    if (nonfinite && !isfinite(x)) {
        buf_puts(out, nonfinite);
        return;
    }
    char spare[NUMBER_MAX_CHARS], *at = room(out, spare);
    took(out, at, spare, number_write_f64(at, x));
}

static void put_element(struct buf *out, const sl_tensor *t, size_t i, const char *nonfinite) {
    switch (t->dtype) {
    case SL_FLOAT:
        format_f32(out, ((const float *)t->data)[i], nonfinite);
        break;
    case SL_FLOAT16:
        format_f32(out, half_to_f32(((const uint16_t *)t->data)[i]), nonfinite);
        break;
    case SL_BFLOAT16:
        format_f32(out, bfloat_to_f32(((const uint16_t *)t->data)[i]), nonfinite);
        break;
    case SL_DOUBLE:
        put_f64(out, ((const double *)t->data)[i], nonfinite);
        break;
    case SL_UINT64:
        buf_printf(out, "%" PRIu64, ((const uint64_t *)t->data)[i]);
        break;
    default:
        format_i64(out, format_class(t, i));
    }
}

void format_numbers(struct buf *out, const sl_tensor *t, size_t first, size_t count, const char *between,
                    const char *nonfinite) {
    size_t between_nbytes = strlen(between);
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append(out, between, between_nbytes);
        put_element(out, t, first + i, nonfinite);
    }
}
