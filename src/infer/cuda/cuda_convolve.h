/* cuda_convolve.h: what the matchers of convolutions share.
 *
 *   cuda_convolve.c             Conv and sluice.Conv
 *   cuda_convolve_image.c       how images lie, and how they come to lie channels-last
 *   cuda_convolve_transposed.c  ConvTranspose
 *   cuda_convolve_deformed.c    DeformConv
 *   cuda_convolve_levels.c      QLinearConv and ConvInteger
 *
 * All kernels but those over levels want channels innermost. Where an image lies otherwise it goes through
 * scratch. */
#ifndef INFER_CUDA_CONVOLVE_H
#define INFER_CUDA_CONVOLVE_H

#include "infer/cuda/cuda_bound.h"
#include "ops/fuse.h"
#include "ops/window.h"

/* A convolution as it was read. */
struct convolution {
    struct window w;
    struct fuse fuse;
    enum k_type type;
    size_t nbytes;                             /* of an element */
    int64_t each;                              /* elements in 16 bytes */
    int64_t images, channels, filters, groups; /* channels and filters of a group */
    int64_t in_positions, out_positions, taps;
};

/* An image in memory: value `io` of the step, or scratch. */
struct image {
    size_t io;       /* input or output */
    bool in_scratch; /* channels-last */
    size_t scratch;  /* there */
};

/* Types and sizes; `w`, `bias` and `more` are the inputs that are weights, bias and residual. */
bool convolve_read(struct cuda_match *m, struct convolution *c, size_t bias, size_t more);
/* What all kernels have as their epilogue. */
struct k_epilogue convolve_epilogue(const struct convolution *c);
/* The step's bias as the argument at `at`; none: it stays NULL. */
bool convolve_bias(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t bias);
/* Element i of a table of the convolution's type. */
void convolve_put(const struct convolution *c, void *to, int64_t i, float x);

/* cuda_convolve_image.c */

/* Input i channels-last, by way of scratch where it is not. */
bool image_in(struct cuda_match *m, const struct convolution *c, size_t i, int64_t channels,
              int64_t positions, struct image *image);
/* Input 0 into scratch for stem.cu: `channels` of each of `groups`, filled up to `padded`, lines of
 * `width` pixels. `affine`: the step before, whose work this is too, or NULL. */
bool image_widened(struct cuda_match *m, const struct convolution *c, const struct plan_step *affine,
                   int64_t groups, int64_t padded, int64_t width, struct image *image);
/* Where the output goes, channels-last; image_finish turns it afterwards where it may not stay so. */
void image_out(struct cuda_match *m, const struct convolution *c, struct image *image);
bool image_finish(struct cuda_match *m, const struct convolution *c, const struct image *image);
/* Points the argument at `at` there. */
bool image_point_in(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct image *image);
bool image_point_out(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct image *image);

/* One of each in the files of their names; for levels `detail` is 1 for QLinearConv, 0 for ConvInteger. */
bool convolve_match_transposed(struct cuda_match *m, int detail);
bool convolve_match_deformed(struct cuda_match *m, int detail);
bool convolve_match_levels(struct cuda_match *m, int detail);

#endif
