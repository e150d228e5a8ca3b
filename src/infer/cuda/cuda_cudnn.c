/* cuda_cudnn.c: convolutions by cuDNN: its one call for convolution, bias, residual and ReLU, which versions
 * 8 and 9 have. Names and numbers are those of cudnn_graph.h, cudnn_ops.h and cudnn_cnn.h; the library is
 * opened with dlopen, so none of its headers is needed. */
#include "infer/cuda/cuda_cudnn.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "infer/cuda/cuda_bound.h"
#include "ops/fuse.h"
#include "ops/rules.h"
#include "ops/window.h"
#include "support/mem.h"

#define AT(type, field) offsetof(struct type, field)

enum { DATA_FLOAT = 0, DATA_HALF = 2, DATA_BFLOAT16 = 9 };
enum { FORMAT_NCHW = 0, FORMAT_NHWC = 1 };
enum { MATH_DEFAULT = 0, MATH_TENSOR_OP = 1, MATH_FMA = 3 };
enum { ACTIVATION_RELU = 1, ACTIVATION_IDENTITY = 5 };
enum { CROSS_CORRELATION = 1, PROPAGATE_NAN = 1 };
/* The only algorithm that takes ACTIVATION_IDENTITY; and, being always the same, it keeps answers the same.
 */
enum { IMPLICIT_PRECOMP_GEMM = 1 };

#define FUNCTIONS(DO)                                                                                        \
    DO(cudnnCreate, (void **))                                                                               \
    DO(cudnnDestroy, (void *))                                                                               \
    DO(cudnnSetStream, (void *, k_stream))                                                                   \
    DO(cudnnCreateTensorDescriptor, (void **))                                                               \
    DO(cudnnDestroyTensorDescriptor, (void *))                                                               \
    DO(cudnnSetTensor4dDescriptor, (void *, int, int, int, int, int, int))                                   \
    DO(cudnnCreateFilterDescriptor, (void **))                                                               \
    DO(cudnnDestroyFilterDescriptor, (void *))                                                               \
    DO(cudnnSetFilter4dDescriptor, (void *, int, int, int, int, int, int))                                   \
    DO(cudnnCreateConvolutionDescriptor, (void **))                                                          \
    DO(cudnnDestroyConvolutionDescriptor, (void *))                                                          \
    DO(cudnnSetConvolution2dDescriptor, (void *, int, int, int, int, int, int, int, int))                    \
    DO(cudnnSetConvolutionGroupCount, (void *, int))                                                         \
    DO(cudnnSetConvolutionMathType, (void *, int))                                                           \
    DO(cudnnCreateActivationDescriptor, (void **))                                                           \
    DO(cudnnDestroyActivationDescriptor, (void *))                                                           \
    DO(cudnnSetActivationDescriptor, (void *, int, int, double))                                             \
    DO(cudnnGetConvolutionForwardWorkspaceSize, (void *, void *, void *, void *, void *, int, size_t *))     \
    DO(cudnnConvolutionBiasActivationForward,                                                                \
       (void *, const void *, void *, const void *, void *, const void *, void *, int, void *, size_t,       \
        const void *, void *, const void *, void *, const void *, void *, void *, void *))

enum { DESCRIPTOR_TENSOR, DESCRIPTOR_FILTER, DESCRIPTOR_CONVOLUTION, DESCRIPTOR_ACTIVATION };

/* One of cuDNN's objects, to be given back at the end. */
struct descriptor {
    int kind;
    void *it;
    struct descriptor *next;
};

struct cudnn {
    void *library, *handle;
    size_t version;
    struct descriptor *descriptors;
#define DECLARE(name, parameters) int(*name) parameters;
    FUNCTIONS(DECLARE)
#undef DECLARE
};

/* ---- the library ---- */

static bool find_functions(struct cudnn *c, char *why, size_t why_nbytes) {
    size_t (*version)(void);
    *(void **)&version = dlsym(c->library, "cudnnGetVersion");
#define FIND(name, parameters)                                                                               \
    *(void **)&c->name = dlsym(c->library, #name);                                                           \
    if (!c->name) {                                                                                          \
        snprintf(why, why_nbytes, "the cuDNN here has no '%s'", #name);                                      \
        return false;                                                                                        \
    }
    FUNCTIONS(FIND)
#undef FIND
    c->version = version ? version() : 0;
    return true;
}

bool cudnn_open(struct cudnn **out, char *why, size_t why_nbytes) {
    static const char *const names[] = {"libcudnn.so.9", "libcudnn.so.8"};
    const char *given = getenv("SLUICE_CUDNN");
    struct cudnn *c = mem_alloc(1, sizeof *c);
    *out = NULL;
    snprintf(why, why_nbytes, "out of memory");
    if (!c)
        return false;
    if (given && *given)
        c->library = dlopen(given, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; !given && !c->library && i < sizeof names / sizeof *names; i++)
        c->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (!c->library)
        snprintf(why, why_nbytes, "there is no cuDNN here (libcudnn.so.9 or libcudnn.so.8)");
    bool ready = c->library && find_functions(c, why, why_nbytes);
    if (ready && c->cudnnCreate(&c->handle) != 0) {
        snprintf(why, why_nbytes, "cuDNN does not start on this GPU");
        c->handle = NULL;
        ready = false;
    }
    if (!ready) {
        cudnn_close(c);
        return false;
    }
    *out = c;
    return true;
}

void cudnn_close(struct cudnn *c) {
    if (!c)
        return;
    while (c->descriptors) {
        struct descriptor *d = c->descriptors;
        c->descriptors = d->next;
        (void)(d->kind == DESCRIPTOR_TENSOR        ? c->cudnnDestroyTensorDescriptor
               : d->kind == DESCRIPTOR_FILTER      ? c->cudnnDestroyFilterDescriptor
               : d->kind == DESCRIPTOR_CONVOLUTION ? c->cudnnDestroyConvolutionDescriptor
                                                   : c->cudnnDestroyActivationDescriptor)(d->it);
        mem_free(d);
    }
    if (c->handle)
        (void)c->cudnnDestroy(c->handle);
    if (c->library)
        dlclose(c->library);
    mem_free(c);
}

void cudnn_describe(const struct cudnn *c, char *text, size_t text_nbytes) {
    size_t v = c->version, major = v >= 90000 ? v / 10000 : v / 1000,
           minor = (v >= 90000 ? v / 100 : v / 100) % 100;
    snprintf(text, text_nbytes, "cuDNN %zu.%zu.%zu", major, v >= 90000 ? minor : v / 100 % 10, v % 100);
}

static void *make(struct cudnn *c, int kind) {
    struct descriptor *d = mem_alloc(1, sizeof *d);
    int (*create)(void **) = kind == DESCRIPTOR_TENSOR        ? c->cudnnCreateTensorDescriptor
                             : kind == DESCRIPTOR_FILTER      ? c->cudnnCreateFilterDescriptor
                             : kind == DESCRIPTOR_CONVOLUTION ? c->cudnnCreateConvolutionDescriptor
                                                              : c->cudnnCreateActivationDescriptor;
    if (!d || create(&d->it) != 0) {
        mem_free(d);
        return NULL;
    }
    d->kind = kind;
    d->next = c->descriptors;
    c->descriptors = d;
    return d->it;
}

/* ---- a convolution ---- */

struct convolution {
    struct cudnn *cudnn;
    void *x_as, *w_as, *y_as, *bias_as, *how, *act;
    const void *x, *w, *bias, *residual;
    void *y, *workspace;
    size_t workspace_nbytes;
};

/* cuDNN's own errors become the runtime's for "something else". */
static int launch_convolution(const void *args, k_stream stream) {
    const struct convolution *v = args;
    struct cudnn *c = v->cudnn;
    const float one = 1, zero = 0;
    int status = c->cudnnSetStream(c->handle, stream);
    if (status == 0)
        status = c->cudnnConvolutionBiasActivationForward(
            c->handle, &one, v->x_as, v->x, v->w_as, v->w, v->how, IMPLICIT_PRECOMP_GEMM, v->workspace,
            v->workspace_nbytes, v->residual ? &one : &zero, v->y_as, v->residual ? v->residual : v->y,
            v->bias_as, v->bias, v->act, v->y_as, v->y);
    return status == 0 ? 0 : 999;
}

static bool refuse(struct cuda_match *m, const char *what) {
    return bound_refuse(m, "cuDNN: %s", what);
}

static bool set_descriptors(struct cuda_match *m, struct convolution *v, const struct window *w, bool last,
                            bool relu) {
    struct cudnn *c = v->cudnn;
    const sl_tensor *x = m->call.in[0], *f = m->call.in[1], *y = m->call.out[0];
    enum k_type type = bound_in_type(m, 0);
    int data = type == K_F16 ? DATA_HALF : type == K_BF16 ? DATA_BFLOAT16 : DATA_FLOAT;
    int format = last ? FORMAT_NHWC : FORMAT_NCHW, channels = (int)y->dims[1];
    int math = type != K_F32 ? MATH_TENSOR_OP : m->host->tf32 ? MATH_DEFAULT : MATH_FMA;
    v->x_as = make(c, DESCRIPTOR_TENSOR);
    v->y_as = make(c, DESCRIPTOR_TENSOR);
    v->bias_as = make(c, DESCRIPTOR_TENSOR);
    v->w_as = make(c, DESCRIPTOR_FILTER);
    v->how = make(c, DESCRIPTOR_CONVOLUTION);
    v->act = make(c, DESCRIPTOR_ACTIVATION);
    return (v->x_as && v->y_as && v->bias_as && v->w_as && v->how && v->act &&
            c->cudnnSetTensor4dDescriptor(v->x_as, format, data, (int)x->dims[0], (int)x->dims[1],
                                          (int)x->dims[2], (int)x->dims[3]) == 0 &&
            c->cudnnSetTensor4dDescriptor(v->y_as, format, data, (int)y->dims[0], channels, (int)y->dims[2],
                                          (int)y->dims[3]) == 0 &&
            c->cudnnSetTensor4dDescriptor(v->bias_as, format, data, 1, channels, 1, 1) == 0 &&
            c->cudnnSetFilter4dDescriptor(v->w_as, data, format, channels, (int)f->dims[1], (int)f->dims[2],
                                          (int)f->dims[3]) == 0 &&
            c->cudnnSetConvolution2dDescriptor(v->how, (int)w->pad[1], (int)w->pad[2], (int)w->stride[1],
                                               (int)w->stride[2], (int)w->dilation[1], (int)w->dilation[2],
                                               CROSS_CORRELATION, DATA_FLOAT) == 0 &&
            c->cudnnSetConvolutionGroupCount(v->how, (int)op_attr_int(&m->call, "group", 1)) == 0 &&
            c->cudnnSetConvolutionMathType(v->how, math) == 0 &&
            c->cudnnSetActivationDescriptor(v->act, relu ? ACTIVATION_RELU : ACTIVATION_IDENTITY,
                                            PROPAGATE_NAN, 0) == 0) ||
           refuse(m, "it does not take these shapes");
}

/* Filters as they lie in the model, or with the channels innermost, as x has them. */
static bool add_filters(struct cuda_match *m, struct cuda_bound *b, bool last) {
    const sl_tensor *w = m->call.in[1];
    int64_t channels = w->dims[1], taps = w->dims[2] * w->dims[3], count = rule_count(w);
    const float *from = w->data;
    float *turned = bound_room(m, (size_t)count, sizeof *turned);
    for (int64_t i = 0; turned && i < count; i++)
        turned[last ? (i / (taps * channels) * taps + i % taps) * channels + i / taps % channels : i] =
            from[i];
    return turned && bound_floats(m, b, AT(convolution, w), turned, (size_t)count, bound_in_type(m, 0));
}

/* There is always a bias; zeros where the model has none. */
static bool add_bias(struct cuda_match *m, struct cuda_bound *b) {
    const sl_tensor *bias = bound_const(m, 2);
    int64_t filters = m->call.in[1]->dims[0];
    float *values = bound_room(m, (size_t)filters, sizeof *values);
    if (values && bias)
        memcpy(values, bias->data, (size_t)filters * sizeof *values);
    return values && bound_floats(m, b, AT(convolution, bias), values, (size_t)filters, bound_in_type(m, 0));
}

/* Of one channel, or of one position, both orders are the same bytes. */
static bool lies_as(const struct cuda_match *m, size_t i, bool last) {
    const sl_tensor *t = m->call.in[i];
    return bound_in_value(m, i).last == last || t->dims[1] == 1 || rule_product(t, 2, t->rank) == 1;
}

static bool check_convolution(struct cuda_match *m, const struct fuse *fuse, const struct window *w) {
    bool same = lies_as(m, 0, bound_out_value(m, 0).last) &&
                (!bound_has_in(m, 3) || lies_as(m, 3, bound_out_value(m, 0).last));
    enum k_type type = bound_in_type(m, 0);
    if (m->call.in[0]->rank != 4)
        return refuse(m, "images of other than two dims");
    if (fuse->activation != FUSE_NONE && fuse->activation != FUSE_RELU)
        return refuse(m, "another activation than ReLU");
    if (w->pad[1] != w->pad_end[1] || w->pad[2] != w->pad_end[2])
        return refuse(m, "other padding at the end than at the beginning");
    if (!same)
        return refuse(m, "images that lie differently");
    if ((type != K_F32 && type != K_F16 && type != K_BF16) || bound_out_type(m, 0) != type)
        return refuse(m, "this dtype");
    const sl_tensor *weights = bound_const(m, 1);
    if (!weights || weights->dtype != SL_FLOAT || (bound_has_in(m, 2) && !bound_const(m, 2)))
        return refuse(m, "weights that are not known when the model is loaded");
    return true;
}

static bool match_convolution(struct cuda_match *m, int detail) {
    struct convolution v = {.cudnn = m->host->cudnn};
    struct fuse fuse;
    struct window w;
    (void)detail;
    if (fuse_read(&m->call, &fuse, NULL) != SL_OK ||
        window_read(&m->call, m->call.in[1]->dims + 2, false, &w, NULL) != SL_OK)
        return refuse(m, "its attributes");
    bound_follow(m, 0, 0);
    if (!check_convolution(m, &fuse, &w))
        return false;
    bool last = bound_out_value(m, 0).last;
    if (!set_descriptors(m, &v, &w, last, fuse.activation == FUSE_RELU))
        return false;
    if (v.cudnn->cudnnGetConvolutionForwardWorkspaceSize(v.cudnn->handle, v.x_as, v.w_as, v.how, v.y_as,
                                                         IMPLICIT_PRECOMP_GEMM, &v.workspace_nbytes) != 0)
        return refuse(m, "it does not take this convolution");
    size_t workspace = bound_scratch(m, v.workspace_nbytes);
    struct cuda_bound *b = bound_add(m, launch_convolution, &v, sizeof v);
    return bound_in(m, b, AT(convolution, x), 0, 0) && add_filters(m, b, last) && add_bias(m, b) &&
           bound_out(m, b, AT(convolution, y), 0, 0) &&
           (!bound_has_in(m, 3) || bound_in(m, b, AT(convolution, residual), 3, 0)) &&
           bound_scratch_at(m, b, AT(convolution, workspace), workspace);
}

const struct bound_operator bound_cudnn[] = {{"sluice", "Conv", match_convolution, 0, true},
                                             {"", "Conv", match_convolution, 0, true},
                                             {NULL, NULL, NULL, 0, false}};
