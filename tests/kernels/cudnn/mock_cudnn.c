/* mock_cudnn.c: as much of cuDNN as cuda_cudnn.c calls, as a library of its own that is opened with dlopen: a
 * convolution by definition, put on the stream as a kernel. It checks what cuDNN would: descriptors that are
 * set, workspace as large as asked for, everything given back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/half.h"
#include "tests/kernels/simt/simt.h"

enum { FLOATS = 0, HALVES = 2, BFLOATS = 9, NHWC = 1 };

struct tensor {
    int format, type, n, c, h, w; /* a filter: n filters of c channels */
};
struct how {
    int pad[2], stride[2], dilation[2], groups;
};

/* A kernel's arguments: everything by value, as it runs later. */
struct job {
    struct tensor x, w, y;
    struct how how;
    int relu;
    const void *from, *weights, *residual, *bias;
    void *to;
};

static int alive;

static int64_t at(const struct tensor *t, int n, int c, int h, int w) {
    return t->format == NHWC ? (((int64_t)n * t->h + h) * t->w + w) * t->c + c
                             : (((int64_t)n * t->c + c) * t->h + h) * t->w + w;
}

static float load(const struct tensor *t, const void *p, int64_t i) {
    return t->type == FLOATS   ? ((const float *)p)[i]
           : t->type == HALVES ? half_to_float(((const uint16_t *)p)[i])
                               : bfloat_to_float(((const uint16_t *)p)[i]);
}

static void store(const struct tensor *t, void *p, int64_t i, float x) {
    if (t->type == FLOATS)
        ((float *)p)[i] = x;
    else
        ((uint16_t *)p)[i] = t->type == HALVES ? half_from_float(x) : bfloat_from_float(x);
}

static float sum_of(const struct job *j, int n, int filter, int h, int w) {
    int first = filter / (j->y.c / j->how.groups) * j->w.c;
    double sum = 0;
    for (int c = 0; c < j->w.c; c++)
        for (int kh = 0; kh < j->w.h; kh++)
            for (int kw = 0; kw < j->w.w; kw++) {
                int y = h * j->how.stride[0] - j->how.pad[0] + kh * j->how.dilation[0];
                int x = w * j->how.stride[1] - j->how.pad[1] + kw * j->how.dilation[1];
                if (y >= 0 && y < j->x.h && x >= 0 && x < j->x.w)
                    sum += (double)load(&j->x, j->from, at(&j->x, n, first + c, y, x)) *
                           (double)load(&j->w, j->weights, at(&j->w, filter, c, kh, kw));
            }
    return (float)sum;
}

static void convolve(const void *args) {
    const struct job *j = args;
    for (int n = 0; n < j->y.n; n++)
        for (int f = 0; f < j->y.c; f++)
            for (int h = 0; h < j->y.h; h++)
                for (int w = 0; w < j->y.w; w++) {
                    int64_t i = at(&j->y, n, f, h, w);
                    float v = sum_of(j, n, f, h, w) + load(&j->y, j->bias, f);
                    v += j->residual ? load(&j->y, j->residual, i) : 0;
                    store(&j->y, j->to, i, j->relu && v < 0 ? 0 : v);
                }
}

/* ---- what cuda_cudnn.c looks for ---- */

#define MAKE(name, size)                                                                                     \
    int cudnnCreate##name(void **it);                                                                        \
    int cudnnCreate##name(void **it) {                                                                       \
        *it = calloc(1, size);                                                                               \
        alive += *it != NULL;                                                                                \
        return *it == NULL;                                                                                  \
    }                                                                                                        \
    int cudnnDestroy##name(void *it);                                                                        \
    int cudnnDestroy##name(void *it) {                                                                       \
        free(it);                                                                                            \
        alive--;                                                                                             \
        return 0;                                                                                            \
    }
MAKE(, sizeof(void *))
MAKE(TensorDescriptor, sizeof(struct tensor))
MAKE(FilterDescriptor, sizeof(struct tensor))
MAKE(ConvolutionDescriptor, sizeof(struct how))
MAKE(ActivationDescriptor, sizeof(int))

int mock_cudnn_alive(void);
int mock_cudnn_alive(void) {
    return alive;
}

size_t cudnnGetVersion(void);
size_t cudnnGetVersion(void) {
    return 90100;
}

int cudnnSetStream(void **handle, struct CUstream_st *stream);
int cudnnSetStream(void **handle, struct CUstream_st *stream) {
    *handle = stream;
    return 0;
}

int cudnnSetTensor4dDescriptor(struct tensor *t, int format, int type, int n, int c, int h, int w);
int cudnnSetTensor4dDescriptor(struct tensor *t, int format, int type, int n, int c, int h, int w) {
    *t = (struct tensor){format, type, n, c, h, w};
    return n < 1 || c < 1 || h < 1 || w < 1;
}

int cudnnSetFilter4dDescriptor(struct tensor *t, int type, int format, int n, int c, int h, int w);
int cudnnSetFilter4dDescriptor(struct tensor *t, int type, int format, int n, int c, int h, int w) {
    *t = (struct tensor){format, type, n, c, h, w};
    return 0;
}

int cudnnSetConvolution2dDescriptor(struct how *how, int ph, int pw, int sh, int sw, int dh, int dw, int mode,
                                    int type);
int cudnnSetConvolution2dDescriptor(struct how *how, int ph, int pw, int sh, int sw, int dh, int dw, int mode,
                                    int type) {
    *how = (struct how){{ph, pw}, {sh, sw}, {dh, dw}, 1};
    return mode != 1 || type != FLOATS;
}

int cudnnSetConvolutionGroupCount(struct how *how, int groups);
int cudnnSetConvolutionGroupCount(struct how *how, int groups) {
    how->groups = groups;
    return 0;
}

int cudnnSetConvolutionMathType(struct how *how, int math);
int cudnnSetConvolutionMathType(struct how *how, int math) {
    return how == NULL || math < 0 || math > 3;
}

int cudnnSetActivationDescriptor(int *act, int mode, int nan, double coefficient);
int cudnnSetActivationDescriptor(int *act, int mode, int nan, double coefficient) {
    *act = mode;
    return (mode != 1 && mode != 5) || nan != 1 || coefficient != 0;
}

enum { WORKSPACE = 1000 };

int cudnnGetConvolutionForwardWorkspaceSize(void *handle, const struct tensor *x, const struct tensor *w,
                                            const struct how *how, const struct tensor *y, int algorithm,
                                            size_t *nbytes);
int cudnnGetConvolutionForwardWorkspaceSize(void *handle, const struct tensor *x, const struct tensor *w,
                                            const struct how *how, const struct tensor *y, int algorithm,
                                            size_t *nbytes) {
    (void)handle;
    *nbytes = WORKSPACE;
    return algorithm != 1 || x->c != w->c * how->groups || y->c != w->n || x->n != y->n;
}

int cudnnConvolutionBiasActivationForward(void **handle, const float *one, const struct tensor *xt,
                                          const void *x, const struct tensor *wt, const void *w,
                                          const struct how *how, int algorithm, void *workspace,
                                          size_t workspace_nbytes, const float *more, const struct tensor *zt,
                                          const void *z, const struct tensor *bt, const void *bias,
                                          const int *act, const struct tensor *yt, void *y);
int cudnnConvolutionBiasActivationForward(void **handle, const float *one, const struct tensor *xt,
                                          const void *x, const struct tensor *wt, const void *w,
                                          const struct how *how, int algorithm, void *workspace,
                                          size_t workspace_nbytes, const float *more, const struct tensor *zt,
                                          const void *z, const struct tensor *bt, const void *bias,
                                          const int *act, const struct tensor *yt, void *y) {
    struct job job = {.x = *xt,
                      .w = *wt,
                      .y = *yt,
                      .how = *how,
                      .relu = *act == 1,
                      .from = x,
                      .weights = w,
                      .residual = *more != 0 ? z : NULL,
                      .bias = bias,
                      .to = y};
    struct simt_launch launch = {.kernel = "cudnn convolution",
                                 .grid = {1, 1, 1},
                                 .block = {1, 1, 1},
                                 .body = convolve,
                                 .args = &job,
                                 .args_nbytes = sizeof job};
    if (*one != 1 || algorithm != 1 || workspace_nbytes != WORKSPACE || !simt_inside(workspace, WORKSPACE) ||
        bt->c != yt->c || memcmp(zt, yt, sizeof *zt) != 0)
        return 1;
    return simt_launch(&launch, *handle);
}
