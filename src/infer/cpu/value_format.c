/* value_format.c: conversions between formats: tiles of 16 by 16 so that both sides are read and written in
 * whole lines. */
#include "infer/cpu/value_format.h"

#include <string.h>

#define TILE 16

bool format_same(struct cpu_format a, struct cpu_format b) {
    return a.layout == b.layout && a.dtype == b.dtype;
}

void format_sizes(const sl_tensor *t, int64_t *images, int64_t *channels, int64_t *points) {
    *images = t->rank > 2 ? t->dims[0] : 1;
    *channels = t->rank > 2 ? t->dims[1] : 1;
    *points = 1;
    for (int i = t->rank > 2 ? 2 : 0; i < t->rank; i++)
        *points *= t->dims[i];
}

size_t format_nbytes(const sl_tensor *t, struct cpu_format format) {
    int64_t images, channels, points;
    format_sizes(t, &images, &channels, &points);
    return (size_t)(images * channels * points) * (sl_dtype_nbits(format.dtype) / 8);
}

/* ---- elements ---- */

static uint16_t to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 64u); /* a NaN that stays one */
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

static float from_bf16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

static void narrow(const float *from, uint16_t *to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] = to_bf16(from[i]);
}

static void widen(const uint16_t *from, float *to, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        to[i] = from_bf16(from[i]);
}

/* ---- places: element (c, p) of an image ---- */

struct strides {
    int64_t channel, point, block; /* block: of 16 channels, 0 where channels are evenly apart */
};

static struct strides strides_of(const struct cpu_convert *c, enum cpu_layout layout) {
    switch (layout) {
    case LAYOUT_LAST:
        return (struct strides){1, c->channels, 0};
    case LAYOUT_BLOCKED:
        return (struct strides){1, TILE, TILE * c->points};
    default:
        return (struct strides){c->points, 1, 0};
    }
}

static int64_t place(struct strides s, int64_t channel, int64_t point) {
    if (s.block)
        return channel / TILE * s.block + channel % TILE + point * s.point;
    return channel * s.channel + point * s.point;
}

/* One tile: channels [c0, c1), points [p0, p1). */
#define MOVE_TILE(FROM, TO, VALUE)                                                                           \
    for (int64_t p = p0; p < p1; p++)                                                                        \
        for (int64_t k = c0; k < c1; k++) {                                                                  \
            FROM x = ((const FROM *)from)[place(a, k, p)];                                                   \
            ((TO *)to)[place(b, k, p)] = VALUE;                                                              \
        }

static void move_image(const struct cpu_convert *c, const void *from, void *to) {
    struct strides a = strides_of(c, c->from.layout), b = strides_of(c, c->to.layout);
    bool wide = c->from.dtype != SL_BFLOAT16, to_wide = c->to.dtype != SL_BFLOAT16;
    for (int64_t c0 = 0; c0 < c->channels; c0 += TILE)
        for (int64_t p0 = 0; p0 < c->points; p0 += TILE) {
            int64_t c1 = c0 + TILE < c->channels ? c0 + TILE : c->channels;
            int64_t p1 = p0 + TILE < c->points ? p0 + TILE : c->points;
            if (sl_dtype_nbits(c->from.dtype) == 8) {
                MOVE_TILE(uint8_t, uint8_t, x)
            } else if (wide && to_wide) {
                MOVE_TILE(float, float, x)
            } else if (wide) {
                MOVE_TILE(float, uint16_t, to_bf16(x))
            } else if (to_wide) {
                MOVE_TILE(uint16_t, float, from_bf16(x))
            } else {
                MOVE_TILE(uint16_t, uint16_t, x)
            }
        }
}

/* Between channels-last and blocked: whole lines of 16 floats. */
static void move_blocks(const struct cpu_convert *c, const float *from, float *to) {
    bool gather = c->to.layout == LAYOUT_BLOCKED;
    for (int64_t i = 0; i < c->images; i++)
        for (int64_t block = 0; block < c->channels / TILE; block++)
            for (int64_t p = 0; p < c->points; p++) {
                int64_t last = (i * c->points + p) * c->channels + block * TILE;
                int64_t blocked = (i * c->channels / TILE + block) * c->points * TILE + p * TILE;
                memcpy(to + (gather ? blocked : last), from + (gather ? last : blocked), TILE * sizeof *to);
            }
}

void format_convert(const struct cpu_convert *c, const void *from, void *to) {
    size_t element = sl_dtype_nbits(c->from.dtype) / 8, to_element = sl_dtype_nbits(c->to.dtype) / 8;
    int64_t count = c->channels * c->points;
    if (c->from.layout == c->to.layout) {
        if (c->from.dtype == c->to.dtype)
            memcpy(to, from, (size_t)(c->images * count) * element);
        else if (c->to.dtype == SL_BFLOAT16)
            narrow(from, to, c->images * count);
        else
            widen(from, to, c->images * count);
        return;
    }
    if (c->from.layout != LAYOUT_PLAIN && c->to.layout != LAYOUT_PLAIN && element == sizeof(float) &&
        to_element == element) {
        move_blocks(c, from, to);
        return;
    }
    for (int64_t i = 0; i < c->images; i++)
        move_image(c, (const char *)from + (size_t)(i * count) * element,
                   (char *)to + (size_t)(i * count) * to_element);
}
