/* grid_sample.h: GridSample as what each position reads: of every axis a few pixels, each with a weight. */
#ifndef OPS_GRID_SAMPLE_H
#define OPS_GRID_SAMPLE_H

#include "ops/op.h"

#define GRID_DIMS 3
#define GRID_MOST_TAPS 4

enum grid_mode { GRID_LINEAR, GRID_NEAREST, GRID_CUBIC };
enum grid_padding { GRID_ZEROS, GRID_BORDER, GRID_REFLECTION };

struct grid_sampling {
    enum grid_mode mode;
    enum grid_padding padding;
    bool corners, single; /* single: coordinates are float */
    int dims;
};

/* The pixels of one axis that a position reads; -1: none there. */
struct grid_taps {
    int count;
    int64_t from[GRID_MOST_TAPS];
    double weight[GRID_MOST_TAPS];
};

sl_status grid_read(const struct op_call *call, struct grid_sampling *s, sl_error *err);
/* Of an axis of `size` pixels at coordinate `x`, which lies in [-1, 1] where it is in the image. */
struct grid_taps grid_find_taps(const struct grid_sampling *s, double x, int64_t size);

#endif
