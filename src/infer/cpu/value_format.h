/* value_format.h: how a value lies in memory on the cpu device, and getting it from one way to another.
 *
 * What the library taught: with channels last, oneDNN's convolutions run 1.5 times as fast as on planes in
 * f32, and only so does it use AMX in bf16; its blocked layout is no faster, but the Winograd convolutions
 * need it. Channels-last takes exactly the bytes that planes take, so the plan's places hold for it. */
#ifndef INFER_CPU_VALUE_FORMAT_H
#define INFER_CPU_VALUE_FORMAT_H

#include "graph/plan.h"

enum cpu_layout {
    LAYOUT_PLAIN,  /* row-major, as ONNX has it: [n, c, points] */
    LAYOUT_LAST,   /* [n, points, c] */
    LAYOUT_BLOCKED /* [n, c / 16, points, 16]; only between conversions, c a multiple of 16 */
};

struct cpu_format {
    enum cpu_layout layout;
    sl_dtype dtype; /* the value's own, or bfloat16 for a float */
};

/* One value from one format to the other. */
struct cpu_convert {
    uint32_t value;
    struct cpu_format from, to;
    size_t offset; /* in the frame's scratch */
    int64_t images, channels, points;
};

bool format_same(struct cpu_format a, struct cpu_format b);
/* Bytes of a value in a format. */
size_t format_nbytes(const sl_tensor *tensor, struct cpu_format format);
/* Its three sizes; a tensor of less than three dims is one image of one channel. */
void format_sizes(const sl_tensor *tensor, int64_t *images, int64_t *channels, int64_t *points);
void format_convert(const struct cpu_convert *c, const void *from, void *to);

#endif
