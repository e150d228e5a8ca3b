/* format.c: the table of formats and what they share. */
#include "output/format.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "support/number.h"

const struct format_ops *const format_table[] = {&format_csv, &format_jsonl, NULL};

const struct format_ops *format_by_accept(const char *accept) {
    size_t n = strcspn(accept, "; ");
    for (const struct format_ops *const *f = format_table; *f; f++)
        for (const char *const *name = (*f)->accepts; *name; name++)
            if (strlen(*name) == n && !strncasecmp(*name, accept, n))
                return *f;
    return NULL;
}

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

int64_t format_class(const sl_tensor *t, int64_t i) {
    switch (t->dtype) {
    case SL_INT64:
        return ((const int64_t *)t->data)[i];
    case SL_INT32:
        return ((const int32_t *)t->data)[i];
    case SL_UINT32:
        return ((const uint32_t *)t->data)[i];
    case SL_UINT64:
        return (int64_t)((const uint64_t *)t->data)[i];
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

size_t format_element(char *out, const sl_tensor *t, int64_t i, const char *nonfinite) {
    float x;
    switch (t->dtype) {
    case SL_FLOAT:
        x = ((const float *)t->data)[i];
        break;
    case SL_FLOAT16:
        x = half_to_f32(((const uint16_t *)t->data)[i]);
        break;
    case SL_BFLOAT16:
        x = bfloat_to_f32(((const uint16_t *)t->data)[i]);
        break;
    case SL_DOUBLE: {
        double wide = ((const double *)t->data)[i];
        if (nonfinite && !isfinite(wide)) {
            memcpy(out, nonfinite, strlen(nonfinite));
            return strlen(nonfinite);
        }
        return number_write_f64(out, wide);
    }
    default:
        return number_write_i64(out, format_class(t, i));
    }
    if (nonfinite && !isfinite(x)) {
        memcpy(out, nonfinite, strlen(nonfinite));
        return strlen(nonfinite);
    }
    return number_write_f32(out, x);
}

const char *format_label(const sl_spec *spec, int64_t index) {
    return spec->labels && index >= 0 && (uint64_t)index < spec->label_count ? spec->labels[index] : NULL;
}

size_t format_longest_label(const sl_spec *spec) {
    size_t longest = 0;
    for (size_t i = 0; i < spec->label_count; i++)
        if (strlen(spec->labels[i]) > longest)
            longest = strlen(spec->labels[i]);
    return longest;
}
