/* k_move.h: kernels that move elements without looking at them: move.cu (copies by strides, transpose),
 * pad.cu, gather.cu, scatter.cu. Elements are of 1, 2, 4, 8 or 16 bytes; `unit_nbytes` says which. */
#ifndef INFER_CUDA_K_MOVE_H
#define INFER_CUDA_K_MOVE_H

#include <stdbool.h>

#include "infer/cuda/kernels/k_types.h"
#include "infer/cuda/kernels/k_walk.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y[steps 0] = x[steps 1] for every position of the walk; x and y point at the first unit that is moved. */
struct k_copy {
    const void *x;
    void *y;
    int32_t unit_nbytes;
    struct k_walk walk;
};
int k_copy_launch(const struct k_copy *args, k_stream stream);

/* x [images, rows, columns] to y [images, columns, rows]. */
struct k_transpose {
    const void *x;
    void *y;
    int32_t unit_nbytes;
    uint32_t images, rows, columns;
};
int k_transpose_launch(const struct k_transpose *args, k_stream stream);

enum k_fill { K_FILL_CONSTANT, K_FILL_EDGE, K_FILL_REFLECT, K_FILL_WRAP };

/* y [dims of the walk]; in dim d position i of y is position i - begin[d] of the size[d] of x. The constant
 * is one unit. */
struct k_pad {
    const void *x;
    void *y;
    int32_t unit_nbytes;
    enum k_fill fill;
    struct k_walk walk; /* the dims are y's; steps of operand 0 are y's, of operand 1 x's */
    int32_t begin[K_WALK_RANK], size[K_WALK_RANK];
    uint64_t constant[2];
};
int k_pad_launch(const struct k_pad *args, k_stream stream);

/* Gather: y [outer, count, inner] = x [outer, size, inner] at indices [count]. In units. */
struct k_gather {
    const void *x, *indices;
    void *y;
    enum k_type index_type; /* K_I32 or K_I64 */
    int32_t unit_nbytes, size;
    bool clamped;   /* negative indices are brought to 0, else they count from the end */
    uint32_t total; /* outer * count * inner */
    struct k_divide inner, count;
};
int k_gather_launch(const struct k_gather *args, k_stream stream);

/* GatherElements: y and indices have the walk's dims (operand 0); operand 1: steps in x, 0 along the axis. */
struct k_gather_elements {
    const void *x, *indices;
    void *y;
    enum k_type index_type;
    int32_t unit_nbytes, size, axis_step;
    struct k_walk walk;
};
int k_gather_elements_launch(const struct k_gather_elements *args, k_stream stream);

/* GatherND: y [positions, inner] = x [batches, sizes..., inner] at indices [positions, depth]. */
#define K_ND_DEPTH 8
struct k_gather_nd {
    const void *x, *indices;
    void *y;
    enum k_type index_type;
    int32_t unit_nbytes, depth;
    int32_t sizes[K_ND_DEPTH];
    uint32_t total; /* positions * inner */
    struct k_divide inner, per_batch;
};
int k_gather_nd_launch(const struct k_gather_nd *args, k_stream stream);

/* ScatterND and ScatterElements: y is a copy of the data already. Of several updates at one place the last
 * one counts, or they are put together in their order. */
enum k_scatter { K_SCATTER_SET, K_SCATTER_ADD, K_SCATTER_MUL, K_SCATTER_MIN, K_SCATTER_MAX };
struct k_scatter_nd {
    const void *indices, *updates;
    void *y;
    enum k_type index_type, type;
    enum k_scatter how;
    int32_t depth;
    int32_t sizes[K_ND_DEPTH];
    uint32_t positions;
    struct k_divide inner;
};
int k_scatter_nd_launch(const struct k_scatter_nd *args, k_stream stream);

struct k_scatter_elements {
    const void *indices, *updates;
    void *y;
    enum k_type index_type, type;
    enum k_scatter how;
    int32_t length, index_step; /* of the axis in the indices: elements, and from one to the next */
    int32_t size, axis_step;    /* of the axis in y */
    struct k_walk walk;         /* over the indices without their axis; operand 0: indices, operand 1: y */
};
int k_scatter_elements_launch(const struct k_scatter_elements *args, k_stream stream);

#ifdef __cplusplus
}
#endif
#endif
