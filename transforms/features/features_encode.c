/* features_encode.c: one column's value as numbers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "transforms/features/features.h"

#define MOST_DIGITS 63 /* of a number's text */

static int show(sl_string text) {
    return text.nbytes < 40 ? (int)text.nbytes : 40;
}

/* ---- numbers ---- */

/* JSON's grammar and a leading '+', spaces around it; no hexadecimal, no names. */
static bool read_number(sl_string text, double *value) {
    char copy[MOST_DIGITS + 1], *end;
    while (text.nbytes && (*text.data == ' ' || *text.data == '\t')) {
        text.data++;
        text.nbytes--;
    }
    while (text.nbytes && (text.data[text.nbytes - 1] == ' ' || text.data[text.nbytes - 1] == '\t'))
        text.nbytes--;
    if (!text.nbytes || text.nbytes > MOST_DIGITS)
        return false;
    for (size_t i = 0; i < text.nbytes; i++)
        if (!strchr("0123456789+-.eE", text.data[i]) || !text.data[i])
            return false;
    memcpy(copy, text.data, text.nbytes);
    copy[text.nbytes] = 0;
    *value = strtod(copy, &end);
    return *end == 0 && isfinite(*value);
}

static sl_status need_number(const struct feature *f, const sl_host *host, sl_ctx *ctx, sl_string text,
                             double *value) {
    if (read_number(text, value))
        return SL_OK;
    return host->reject(ctx, "bad-number", "column '%s': '%.*s' is no number", f->name, show(text),
                        text.data);
}

/* ---- categories ---- */

static int compare(sl_string a, sl_string b) {
    size_t n = a.nbytes < b.nbytes ? a.nbytes : b.nbytes;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.nbytes > b.nbytes) - (a.nbytes < b.nbytes);
}

/* The category's number, or category_count. */
static size_t find_category(const struct feature *f, sl_string text) {
    size_t low = 0, high = f->category_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare(text, f->categories[middle].text);
        if (order == 0)
            return f->categories[middle].index;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return f->category_count;
}

static sl_status encode_category(const struct feature *f, const sl_host *host, sl_ctx *ctx, sl_string text,
                                 float *out) {
    size_t index = find_category(f, text);
    if (index == f->category_count && f->unknown_rejects)
        return host->reject(ctx, "unknown-category", "column '%s': '%.*s' is none of its %zu categories",
                            f->name, show(text), text.data, f->category_count);
    if (f->kind == FEATURE_ORDINAL)
        *out = index == f->category_count ? (float)f->unknown : (float)index;
    else if (index < f->category_count)
        out[index] = 1;
    return SL_OK;
}

/* ---- hashes ---- */

static uint32_t turn(uint32_t x, int by) {
    return x << by | x >> (32 - by);
}

static uint32_t mix(uint32_t k) {
    return turn(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* Byte i of prefix and text, one behind the other. */
static uint32_t byte_at(const char *prefix, size_t prefix_nbytes, sl_string text, size_t i) {
    return (unsigned char)(i < prefix_nbytes ? prefix[i] : text.data[i - prefix_nbytes]);
}

int32_t feature_hash(const char *prefix, size_t prefix_nbytes, sl_string text) {
    size_t n = prefix_nbytes + text.nbytes, whole = n / 4 * 4;
    uint32_t h = 0, k = 0;
    for (size_t i = 0; i < whole; i += 4) {
        k = 0;
        for (size_t b = 0; b < 4; b++)
            k |= byte_at(prefix, prefix_nbytes, text, i + b) << (8 * b);
        h = turn(h ^ mix(k), 13) * 5 + 0xe6546b64u;
    }
    k = 0;
    for (size_t i = whole; i < n; i++)
        k |= byte_at(prefix, prefix_nbytes, text, i) << (8 * (i - whole));
    h ^= n > whole ? mix(k) : 0;
    h ^= (uint32_t)n;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    h ^= h >> 16;
    return h <= INT32_MAX ? (int32_t)h : (int32_t)(h - 0x80000000u) + INT32_MIN;
}

/* The least number has no opposite: FeatureHasher takes 2^31 - (n - 1) of the largest for it. */
static void encode_hash(const struct feature *f, sl_string text, float *out) {
    int32_t h = feature_hash(f->hash_prefix, f->hash_prefix_nbytes, text);
    size_t index = h == INT32_MIN
                       ? ((size_t)INT32_MAX - (f->width - f->indicates - 1)) % (f->width - f->indicates)
                       : (size_t)(h < 0 ? -h : h) % (f->width - f->indicates);
    out[index] = h >= 0 ? 1 : -1;
}

/* ---- buckets ---- */

static void encode_bucket(const struct feature *f, double x, float *out) {
    size_t bucket = 0;
    while (bucket < f->edge_count && (f->right ? x > f->edges[bucket] : x >= f->edges[bucket]))
        bucket++;
    if (f->one_hot)
        out[bucket] = 1;
    else
        *out = (float)bucket;
}

/* ---- a value ---- */

static sl_status encode_date(const struct feature *f, const sl_host *host, sl_ctx *ctx, sl_string text,
                             float *out) {
    double parts[DATE_PARTS];
    if (!date_parse(f->format, text, parts))
        return host->reject(ctx, "bad-date", "column '%s': '%.*s' is no date as '%s' has it", f->name,
                            show(text), text.data, f->format ? f->format : "YYYY-MM-DD");
    for (size_t i = 0; i < f->part_count; i++)
        out[i] = (float)parts[f->parts[i]];
    return SL_OK;
}

static void encode_number(const struct feature *f, double x, float *out) {
    if (f->kind == FEATURE_BUCKET)
        encode_bucket(f, x, out);
    else
        *out = (float)((x - f->offset) / f->scale);
}

static sl_status encode_text(const struct feature *f, const sl_host *host, sl_ctx *ctx, sl_string text,
                             float *out) {
    double x = 0;
    sl_status status = SL_OK;
    switch (f->kind) {
    case FEATURE_NUMBER:
    case FEATURE_BUCKET:
        status = need_number(f, host, ctx, text, &x);
        if (status == SL_OK)
            encode_number(f, x, out);
        return status;
    case FEATURE_ONE_HOT:
    case FEATURE_ORDINAL:
        return encode_category(f, host, ctx, text, out);
    case FEATURE_HASH:
        encode_hash(f, text, out);
        return SL_OK;
    case FEATURE_DATE:
        return encode_date(f, host, ctx, text, out);
    }
    return SL_OK;
}

sl_status feature_encode(const struct feature *f, const sl_host *host, sl_ctx *ctx, sl_string text,
                         float *out) {
    memset(out, 0, f->width * sizeof *out);
    return encode_text(f, host, ctx, text, out);
}

sl_status feature_missing(const struct feature *f, const sl_host *host, sl_ctx *ctx, float *out) {
    memset(out, 0, f->width * sizeof *out);
    if (f->indicates)
        out[f->width - 1] = 1;
    if (!f->imputes)
        return host->reject(ctx, "missing-value", "column '%s' has no value, and nothing to impute", f->name);
    if (f->impute_text.data)
        return encode_text(f, host, ctx, f->impute_text, out);
    if (f->kind == FEATURE_NUMBER || f->kind == FEATURE_BUCKET)
        encode_number(f, f->impute, out);
    else if (f->kind == FEATURE_ORDINAL)
        *out = (float)f->impute;
    else if (f->kind == FEATURE_DATE)
        for (size_t i = 0; i < f->part_count; i++)
            out[i] = (float)f->impute;
    return SL_OK;
}
