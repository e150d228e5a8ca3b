/* cuda_convolve.c: convolutions: Conv and sluice.Conv by conv.cu, or depthwise.cu where every channel goes
 * alone; ConvTranspose by gemm.cu and conv_transposed.cu. All want images channels-last; where one lies
 * otherwise it is turned through scratch. */
#include <string.h>

#include "infer/cuda/cuda_bound.h"
#include "ops/fuse.h"
#include "ops/half.h"
#include "ops/rules.h"
#include "ops/window.h"

BOUND_LAUNCH(conv)
BOUND_LAUNCH(depthwise)
BOUND_LAUNCH(gather_transposed)
BOUND_LAUNCH(gemm)
BOUND_LAUNCH(transpose)

#define AT(type, field) offsetof(struct type, field)
#define AT_OUT(type, field) (offsetof(struct type, out) + offsetof(struct k_epilogue, field))

/* A convolution as it was read. */
struct convolution {
    struct window w;
    struct fuse fuse;
    enum k_type type;
    size_t each;                               /* bytes of an element */
    int64_t images, channels, filters, groups; /* channels and filters of a group */
    int64_t in_positions, out_positions, taps;
};

static bool read_common(struct cuda_match *m, struct convolution *c) {
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0], *w = bound_const(m, 1);
    if (!w || w->dtype != SL_FLOAT ||
        (bound_has_in(m, 2) && (!bound_const(m, 2) || m->call.in[2]->dtype != SL_FLOAT)))
        return bound_refuse(m, "weights that are not known when the model is loaded");
    c->type = bound_in_type(m, 0);
    if (c->type != K_F32 && c->type != K_F16 && c->type != K_BF16)
        return bound_refuse(m, "a convolution of this dtype");
    if (c->type == K_BF16 && m->host->arch < 80)
        return bound_refuse(m, "bf16 on compute capability %u.%u", m->host->arch / 10, m->host->arch % 10);
    if (bound_out_type(m, 0) != c->type || (bound_has_in(m, 3) && bound_in_type(m, 3) != c->type))
        return bound_refuse(m, "different dtypes");
    if (rule_count(x) > INT32_MAX || rule_count(y) > INT32_MAX)
        return bound_refuse(m, "an image of more than 2^31 elements");
    c->each = bound_type_nbytes(c->type);
    c->images = x->dims[0];
    c->groups = op_attr_int(&m->call, "group", 1);
    c->in_positions = rule_product(x, 2, x->rank);
    c->out_positions = rule_product(y, 2, y->rank);
    c->taps = rule_product(w, 2, w->rank);
    return true;
}

/* ---- layouts ---- */

/* An image in memory: value `io` of the step, or scratch. */
struct image {
    size_t io;      /* input or output */
    bool turned;    /* in scratch, channels-last */
    size_t scratch; /* there */
};

static bool add_turn(struct cuda_match *m, const struct k_transpose *t, size_t in, bool from_scratch,
                     size_t scratch, size_t out) {
    struct cuda_bound *b = bound_add(m, launch_transpose, t, sizeof *t);
    if (from_scratch)
        return bound_scratch_at(m, b, AT(k_transpose, x), scratch) &&
               bound_out(m, b, AT(k_transpose, y), out, 0);
    return bound_in(m, b, AT(k_transpose, x), in, 0) && bound_scratch_at(m, b, AT(k_transpose, y), scratch);
}

/* Whether the order of channels and positions shows in memory at all. */
static bool has_order(int64_t channels, int64_t positions) {
    return channels > 1 && positions > 1;
}

/* Input i channels-last, by way of scratch where it is not. */
static bool input_last(struct cuda_match *m, const struct convolution *c, size_t i, int64_t channels,
                       int64_t positions, struct image *image) {
    *image = (struct image){.io = i};
    if (bound_in_value(m, i).last || !has_order(channels, positions))
        return true;
    image->turned = true;
    image->scratch = bound_scratch(m, (size_t)(c->images * channels * positions) * c->each);
    struct k_transpose t = {.unit_nbytes = (int32_t)c->each,
                            .images = (uint32_t)c->images,
                            .rows = (uint32_t)channels,
                            .columns = (uint32_t)positions};
    return add_turn(m, &t, i, false, image->scratch, 0);
}

/* Where the output goes, channels-last; `finish_output` turns it afterwards where it may not stay so. */
static void output_last(struct cuda_match *m, const struct convolution *c, struct image *image) {
    int64_t channels = c->filters * c->groups;
    *image = (struct image){.io = 0};
    if (m->host->make_last && has_order(channels, c->out_positions))
        (void)m->host->make_last(m->host->self, m->step->out[0]);
    if (bound_out_value(m, 0).last || !has_order(channels, c->out_positions))
        return;
    image->turned = true;
    image->scratch = bound_scratch(m, (size_t)(c->images * channels * c->out_positions) * c->each);
}

static bool finish_output(struct cuda_match *m, const struct convolution *c, const struct image *image) {
    struct k_transpose t = {.unit_nbytes = (int32_t)c->each,
                            .images = (uint32_t)c->images,
                            .rows = (uint32_t)c->out_positions,
                            .columns = (uint32_t)(c->filters * c->groups)};
    return !image->turned || add_turn(m, &t, 0, true, image->scratch, 0);
}

static bool point_in(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct image *image) {
    return image->turned ? bound_scratch_at(m, b, at, image->scratch) : bound_in(m, b, at, image->io, 0);
}

static bool point_out(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct image *image) {
    return image->turned ? bound_scratch_at(m, b, at, image->scratch) : bound_out(m, b, at, image->io, 0);
}

/* ---- weights ---- */

static void put_weight(const struct convolution *c, void *to, int64_t i, float x) {
    if (c->type == K_F32)
        ((float *)to)[i] = x;
    else
        ((uint16_t *)to)[i] = c->type == K_F16 ? half_from_float(x) : bfloat_from_float(x);
}

/* [filters of all groups][taps * channels, padded]: from [filters][channels][taps]. */
static bool add_filters(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c,
                        int64_t padded) {
    int64_t filters = c->filters * c->groups;
    void *packed = bound_room(m, (size_t)(filters * padded), c->each);
    const float *w = m->call.in[1]->data;
    if (!packed)
        return false;
    for (int64_t f = 0; !m->host->rehearsal && f < filters; f++)
        for (int64_t t = 0; t < c->taps; t++)
            for (int64_t k = 0; k < c->channels; k++)
                put_weight(c, packed, f * padded + t * c->channels + k,
                           w[(f * c->channels + k) * c->taps + t]);
    return bound_table(m, b, AT(k_conv, w), packed, (size_t)(filters * padded) * c->each);
}

/* [taps][channels]: from [channels][1][taps]. */
static bool add_taps(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c) {
    void *packed = bound_room(m, (size_t)(c->groups * c->taps), c->each);
    const float *w = m->call.in[1]->data;
    for (int64_t t = 0; packed && t < c->taps; t++)
        for (int64_t k = 0; k < c->groups; k++)
            put_weight(c, packed, t * c->groups + k, w[k * c->taps + t]);
    return packed && bound_table(m, b, AT(k_depthwise, w), packed, (size_t)(c->groups * c->taps) * c->each);
}

static bool add_bias(struct cuda_match *m, struct cuda_bound *b, size_t at) {
    const sl_tensor *bias = bound_const(m, 2);
    return !bias || bound_table(m, b, at, bias->data, rule_nbytes(bias));
}

static struct k_epilogue epilogue_of(const struct convolution *c) {
    return (struct k_epilogue){.ld = c->filters * c->groups,
                               .scale = 1,
                               .act = (enum k_activation)c->fuse.activation,
                               .a = c->fuse.alpha,
                               .b = c->fuse.beta};
}

/* ---- Conv ---- */

static bool add_depthwise(struct cuda_match *m, const struct convolution *c, const struct image *x,
                          const struct image *residual, const struct image *y) {
    int64_t most = 16 / (int64_t)c->each, each = c->groups % most == 0 ? most : 1;
    struct k_depthwise d = {.out = epilogue_of(c),
                            .type = c->type,
                            .total = (uint32_t)(c->images * c->out_positions * (c->groups / each)),
                            .channel_groups = k_divide_by((uint32_t)(c->groups / each)),
                            .each = (int32_t)each,
                            .channels = (int32_t)c->groups};
    for (int i = 0; i < WINDOW_DIMS; i++) {
        d.positions[i] = k_divide_by((uint32_t)c->w.out[i]);
        d.in[i] = (int32_t)c->w.in[i];
        d.kernel[i] = (int32_t)c->w.kernel[i];
        d.stride[i] = (int32_t)c->w.stride[i];
        d.dilation[i] = (int32_t)c->w.dilation[i];
        d.pad[i] = (int32_t)c->w.pad[i];
    }
    struct cuda_bound *b = bound_add(m, launch_depthwise, &d, sizeof d);
    return point_in(m, b, AT(k_depthwise, x), x) && add_taps(m, b, c) &&
           add_bias(m, b, AT_OUT(k_depthwise, bias)) && point_out(m, b, AT_OUT(k_depthwise, y), y) &&
           (!residual || point_in(m, b, AT_OUT(k_depthwise, residual), residual));
}

/* x lies channels-last, in its place or in scratch; or, with few channels, as it is. */
static void find_steps(const struct convolution *c, bool last, struct k_conv *k) {
    int64_t channels = c->channels * c->groups, step = last ? channels : 1;
    k->image = channels * c->in_positions;
    k->channel = last ? 1 : c->in_positions;
    for (int i = WINDOW_DIMS - 1; i >= 0; i--) {
        k->step[i] = step;
        step *= c->w.in[i];
    }
}

static bool add_conv(struct cuda_match *m, const struct convolution *c, const struct image *x, bool last,
                     const struct image *residual, const struct image *y) {
    int64_t each = 16 / (int64_t)c->each, depth = c->taps * c->channels;
    struct k_conv k = {.out = epilogue_of(c),
                       .type = c->type,
                       .tf32 = m->host->tf32 && m->host->arch >= 80,
                       .rows = (int32_t)(c->images * c->out_positions),
                       .groups = (int32_t)c->groups,
                       .filters = (int32_t)c->filters,
                       .channels = (int32_t)c->channels,
                       .taps = (int32_t)c->taps,
                       .k_padded = (int32_t)((depth + each - 1) / each * each),
                       .by_channels = k_divide_by((uint32_t)c->channels)};
    for (int i = 0; i < WINDOW_DIMS; i++) {
        k.positions[i] = k_divide_by((uint32_t)c->w.out[i]);
        k.kernel[i] = k_divide_by((uint32_t)c->w.kernel[i]);
        k.in[i] = (int32_t)c->w.in[i];
        k.stride[i] = (int32_t)c->w.stride[i];
        k.dilation[i] = (int32_t)c->w.dilation[i];
        k.pad[i] = (int32_t)c->w.pad[i];
    }
    find_steps(c, last, &k);
    struct cuda_bound *b = bound_add(m, launch_conv, &k, sizeof k);
    return point_in(m, b, AT(k_conv, x), x) && add_filters(m, b, c, k.k_padded) &&
           add_bias(m, b, AT_OUT(k_conv, bias)) && point_out(m, b, AT_OUT(k_conv, y), y) &&
           (!residual || point_in(m, b, AT_OUT(k_conv, residual), residual));
}

static bool match_conv(struct cuda_match *m, int detail) {
    const sl_tensor *w = m->call.in[1];
    struct convolution c = {0};
    struct image x = {.io = 0}, y, residual;
    (void)detail;
    if (!read_common(m, &c))
        return false;
    if (window_read(&m->call, w->dims + 2, false, &c.w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    if (fuse_read(&m->call, &c.fuse, NULL) != SL_OK)
        return bound_refuse(m, "its activation");
    c.channels = w->dims[1];
    c.filters = w->dims[0] / c.groups;
    if (!rule_count(m->call.out[0]))
        return true;
    int64_t channels = c.channels * c.groups, each = 16 / (int64_t)c.each;
    bool alone = c.channels == 1 && c.filters == 1 && c.groups > 1, last = bound_in_value(m, 0).last;
    if (alone || c.channels % each == 0) { /* worth its turning */
        if (!input_last(m, &c, 0, channels, c.in_positions, &x))
            return false;
        last = true;
    }
    bool more = bound_has_in(m, 3);
    output_last(m, &c, &y);
    if (more && !input_last(m, &c, 3, c.filters * c.groups, c.out_positions, &residual))
        return false;
    return (alone ? add_depthwise(m, &c, &x, more ? &residual : NULL, &y)
                  : add_conv(m, &c, &x, last, more ? &residual : NULL, &y)) &&
           finish_output(m, &c, &y);
}

/* ---- ConvTranspose ---- */

/* [groups][taps * filters][channels, padded]: from [channels of all groups][filters][taps]. */
static bool add_transposed(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c,
                           int64_t padded) {
    int64_t lines = c->taps * c->filters;
    void *packed = bound_room(m, (size_t)(c->groups * lines * padded), c->each);
    const float *w = m->call.in[1]->data;
    if (!packed)
        return false;
    for (int64_t g = 0; !m->host->rehearsal && g < c->groups; g++)
        for (int64_t l = 0; l < lines; l++)
            for (int64_t k = 0; k < c->channels; k++)
                put_weight(
                    c, packed, (g * lines + l) * padded + k,
                    w[((g * c->channels + k) * c->filters + l % c->filters) * c->taps + l / c->filters]);
    return bound_table(m, b, AT(k_gemm, b), packed, (size_t)(c->groups * lines * padded) * c->each);
}

static bool add_products(struct cuda_match *m, const struct convolution *c, const struct image *x,
                         size_t products) {
    int64_t each = 16 / (int64_t)c->each, padded = (c->channels + each - 1) / each * each,
            lines = c->taps * c->filters;
    struct walk_plan w = {.operands = 3};
    struct k_gemm g = {.out = {.scale = 1, .ld = c->groups * lines},
                       .type = c->type,
                       .tf32 = m->host->tf32 && m->host->arch >= 80,
                       .b_padded = true,
                       .m = (int32_t)(c->images * c->in_positions),
                       .n = (int32_t)lines,
                       .k = (int32_t)c->channels,
                       .a_row = c->channels * c->groups,
                       .a_k = 1,
                       .b_k = 1,
                       .b_column = padded,
                       .batches = (uint32_t)c->groups};
    if (c->images * c->in_positions * c->groups * lines > INT32_MAX)
        return bound_refuse(m, "products of more than 2^31 elements");
    walk_add(&w, c->groups, (int64_t[]){lines, c->channels, lines * padded});
    if (!bound_walk(m, &w, &g.batch))
        return false;
    struct cuda_bound *b = bound_add(m, launch_gemm, &g, sizeof g);
    return point_in(m, b, AT(k_gemm, a), x) && add_transposed(m, b, c, padded) &&
           bound_scratch_at(m, b, AT_OUT(k_gemm, y), products);
}

static bool match_transposed(struct cuda_match *m, int detail) {
    const sl_tensor *w = m->call.in[1];
    struct convolution c = {0};
    struct image x, y;
    (void)detail;
    if (!read_common(m, &c))
        return false;
    if (window_read_transposed(&m->call, w->dims + 2, &c.w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    c.channels = w->dims[0] / c.groups;
    c.filters = w->dims[1];
    if (!rule_count(m->call.out[0]))
        return true;
    if (!input_last(m, &c, 0, c.channels * c.groups, c.in_positions, &x))
        return false;
    size_t products =
        bound_scratch(m, (size_t)(c.images * c.in_positions * c.groups * c.taps * c.filters) * c.each);
    output_last(m, &c, &y);
    struct k_gather_transposed g = {.type = c.type,
                                    .total = (uint32_t)rule_count(m->call.out[0]),
                                    .filters = (int32_t)c.filters,
                                    .taps = (int32_t)c.taps,
                                    .channels = k_divide_by((uint32_t)(c.filters * c.groups)),
                                    .by_filters = k_divide_by((uint32_t)c.filters)};
    for (int i = 0; i < WINDOW_DIMS; i++) {
        g.positions[i] = k_divide_by((uint32_t)c.w.out[i]);
        g.in[i] = (int32_t)c.w.in[i];
        g.kernel[i] = (int32_t)c.w.kernel[i];
        g.stride[i] = (int32_t)c.w.stride[i];
        g.dilation[i] = (int32_t)c.w.dilation[i];
        g.pad[i] = (int32_t)c.w.pad[i];
    }
    if (!add_products(m, &c, &x, products))
        return false;
    struct cuda_bound *b = bound_add(m, launch_gather_transposed, &g, sizeof g);
    return bound_scratch_at(m, b, AT(k_gather_transposed, products), products) &&
           add_bias(m, b, AT(k_gather_transposed, bias)) && point_out(m, b, AT(k_gather_transposed, y), &y) &&
           finish_output(m, &c, &y);
}

const struct bound_operator bound_convolve[] = {{"sluice", "Conv", match_conv, 0, true},
                                                {"", "Conv", match_conv, 0, true},
                                                {"", "ConvTranspose", match_transposed, 0, true},
                                                {NULL, NULL, NULL, 0, false}};
