/* resize.h: Resize as tables: every output position of an axis reads a few input positions, each with a
 * weight. Axes are independent of each other, so the tables of all axes are the whole operator. */
#ifndef OPS_RESIZE_H
#define OPS_RESIZE_H

#include "ops/op.h"

enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR, RESIZE_CUBIC };

enum resize_place { /* coordinate_transformation_mode */
                    PLACE_HALF_PIXEL,
                    PLACE_HALF_PIXEL_SYMMETRIC,
                    PLACE_PYTORCH_HALF_PIXEL,
                    PLACE_ALIGN_CORNERS,
                    PLACE_ASYMMETRIC,
                    PLACE_TF_CROP,
                    PLACES
};

enum resize_round { /* nearest_mode; the last is what opsets before 11 did */
                    ROUND_PREFER_FLOOR,
                    ROUND_PREFER_CEIL,
                    ROUND_FLOOR,
                    ROUND_CEIL,
                    ROUND_OLD,
                    ROUNDS
};

/* What a node asks for. */
struct resize_request {
    enum resize_mode mode;
    enum resize_place place;
    enum resize_round round;
    bool antialias, exclude_outside;
    double cubic_a, outside;
    double scale[SL_MAX_RANK];
    double roi[2][SL_MAX_RANK]; /* start and end, of tf_crop_and_resize */
    int64_t out[SL_MAX_RANK];
};

struct resize_axis {
    int64_t in, out;
    int taps;             /* input positions that an output position reads */
    const int64_t *from;  /* [out * taps], inside; -1 where the output lies outside the region */
    const double *weight; /* [out * taps] */
};

struct resize_tables {
    int rank;
    bool plain;     /* one tap everywhere and nothing outside: elements are only moved */
    double outside; /* the value of outputs outside the region */
    struct resize_axis axis[SL_MAX_RANK];
};

/* resize_read.c: SL_E_MODEL when the node is not one we can plan. */
sl_status resize_read(const struct op_call *call, struct resize_request *r, sl_error *err);

#endif
