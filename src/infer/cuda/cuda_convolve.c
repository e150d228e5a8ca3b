/* cuda_convolve.c: Conv and sluice.Conv: by depthwise.cu where every channel goes alone, by gemm.cu where the
 * kernel is a single position, else by conv.cu. Weights are repacked when the model is loaded, and so is the
 * convolution itself:
 *
 *   merged   groups of a few filters each leave most of a tile of 64 columns empty. Several of them become
 *            one group whose weights are zero between what were different groups: as many multiplications,
 *            with whole lines read and written. (An infinity in one of them becomes NaN in its neighbours.)
 *   widened  channels that are no multiple of 16 bytes are filled up with zeros: stem.cu
 *   pairs    up to 4 channels of halves and an even stride along w: two pixels count as one of 8 channels */
#include "infer/cuda/cuda_convolve.h"

#include "ops/half.h"
#include "ops/rules.h"

BOUND_LAUNCH(conv)
BOUND_LAUNCH(depthwise)
BOUND_LAUNCH(gemm)

#define AT(type, field) offsetof(struct type, field)
#define AT_OUT(type, field) (offsetof(struct type, out) + offsetof(struct k_epilogue, field))

enum { W = 2 }; /* of a window */
enum { TILE_COLUMNS = 64, PAIR_CHANNELS = 4 };

/* ---- what there is ---- */

static bool is_constant(const struct cuda_match *m, size_t i) {
    return bound_const(m, i) && m->call.in[i]->dtype == SL_FLOAT;
}

bool convolve_read(struct cuda_match *m, struct convolution *c, size_t bias, size_t more) {
    const sl_tensor *x = m->call.in[0], *y = m->call.out[0], *w = m->call.in[1];
    c->type = bound_in_type(m, 0);
    if (c->type != K_F32 && c->type != K_F16 && c->type != K_BF16)
        return bound_refuse(m, "a convolution of dtype '%s'", sl_dtype_name(x->dtype));
    if (!is_constant(m, 1) || (bound_has_in(m, bias) && !is_constant(m, bias)))
        return bound_refuse(m, "weights that are not known when the model is loaded");
    if (c->type == K_BF16 && m->host->arch < 80)
        return bound_refuse(m, "bf16 on compute capability %u.%u", m->host->arch / 10, m->host->arch % 10);
    if (bound_out_type(m, 0) != c->type || (bound_has_in(m, more) && bound_in_type(m, more) != c->type))
        return bound_refuse(m, "different dtypes");
    if (rule_count(x) > INT32_MAX || rule_count(y) > INT32_MAX)
        return bound_refuse(m, "an image of more than 2^31 elements");
    c->nbytes = bound_type_nbytes(c->type);
    c->each = 16 / (int64_t)c->nbytes;
    c->images = x->dims[0];
    c->groups = op_attr_int(&m->call, "group", 1);
    c->in_positions = rule_product(x, 2, x->rank);
    c->out_positions = rule_product(y, 2, y->rank);
    c->taps = rule_product(w, 2, w->rank);
    return true;
}

static bool read_conv(struct cuda_match *m, struct convolution *c) {
    const sl_tensor *w = m->call.in[1];
    if (!convolve_read(m, c, 2, 3))
        return false;
    if (window_read(&m->call, w->dims + 2, false, &c->w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    if (fuse_read(&m->call, &c->fuse, NULL) != SL_OK)
        return bound_refuse(m, "its activation");
    c->channels = w->dims[1];
    c->filters = w->dims[0] / c->groups;
    return true;
}

struct k_epilogue convolve_epilogue(const struct convolution *c) {
    return (struct k_epilogue){.ld = c->filters * c->groups,
                               .scale = 1,
                               .act = (enum k_activation)c->fuse.activation,
                               .a = c->fuse.alpha,
                               .b = c->fuse.beta};
}

bool convolve_bias(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t bias) {
    const sl_tensor *t = bound_const(m, bias);
    return !t || bound_table(m, b, at, t->data, rule_nbytes(t));
}

void convolve_put(const struct convolution *c, void *to, int64_t i, float x) {
    if (c->type == K_F32)
        ((float *)to)[i] = x;
    else
        ((uint16_t *)to)[i] = c->type == K_F16 ? half_from_float(x) : bfloat_from_float(x);
}

/* ---- every channel alone ---- */

static bool is_depthwise(const struct convolution *c) {
    return c->channels == 1 && c->filters == 1 && c->groups > 1;
}

static float rounded(enum k_type type, float x) {
    return type == K_F32   ? x
           : type == K_F16 ? half_to_float(half_from_float(x))
                           : bfloat_to_float(bfloat_from_float(x));
}

/* [taps][channels] of f32: from [channels][1][taps]. */
static bool add_taps(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c) {
    float *packed = bound_room(m, (size_t)(c->groups * c->taps), sizeof *packed);
    const float *w = m->call.in[1]->data;
    for (int64_t t = 0; packed && t < c->taps; t++)
        for (int64_t k = 0; k < c->groups; k++)
            packed[t * c->groups + k] = rounded(c->type, w[k * c->taps + t]);
    return packed &&
           bound_table(m, b, AT(k_depthwise, w), packed, (size_t)(c->groups * c->taps) * sizeof *packed);
}

static bool add_depthwise(struct cuda_match *m, const struct convolution *c, const struct image *x,
                          const struct image *residual, const struct image *y) {
    int64_t each = c->groups % c->each == 0 ? c->each : 1;
    bool wide = each > 1 && k_depthwise_has_strips(c->w.kernel[W], c->w.stride[W], c->w.dilation[W]);
    int64_t strip = wide ? K_STRIP : 1, strips = (c->w.out[W] + strip - 1) / strip;
    struct k_depthwise d = {
        .out = convolve_epilogue(c),
        .type = c->type,
        .total = (uint32_t)(c->images * c->w.out[0] * c->w.out[1] * strips * (c->groups / each)),
        .channel_groups = k_divide_by((uint32_t)(c->groups / each)),
        .lines = {k_divide_by((uint32_t)c->w.out[0]), k_divide_by((uint32_t)c->w.out[1])},
        .strips = k_divide_by((uint32_t)strips),
        .each = (int32_t)each,
        .strip = (int32_t)strip,
        .width = (int32_t)c->w.out[W],
        .channels = (int32_t)c->groups};
    for (int i = 0; i < WINDOW_DIMS; i++) {
        d.in[i] = (int32_t)c->w.in[i];
        d.kernel[i] = (int32_t)c->w.kernel[i];
        d.stride[i] = (int32_t)c->w.stride[i];
        d.dilation[i] = (int32_t)c->w.dilation[i];
        d.pad[i] = (int32_t)c->w.pad[i];
    }
    struct cuda_bound *b = bound_add(m, launch_depthwise, &d, sizeof d);
    return image_point_in(m, b, AT(k_depthwise, x), x) && add_taps(m, b, c) &&
           convolve_bias(m, b, AT_OUT(k_depthwise, bias), 2) &&
           image_point_out(m, b, AT_OUT(k_depthwise, y), y) &&
           (!residual || image_point_in(m, b, AT_OUT(k_depthwise, residual), residual));
}

/* ---- as a product ---- */

/* The convolution as conv.cu gets it. */
struct product {
    struct window w;
    int64_t merged;                /* groups of the model in one */
    int64_t groups, filters, taps; /* after merging, in pairs */
    int64_t channels, padded;      /* of such a group: what there is, and filled up */
    bool pairs;                    /* two pixels as one: `padded` is 8 */
    int64_t lead;                  /* of a pair: zero pixels before tap 0 */
    bool widened;
};

/* As many groups as fit a tile's columns; otherwise one. */
static int64_t merge_groups(const struct convolution *c) {
    int64_t merged = 1;
    for (int64_t n = 2; n <= c->groups && n * c->filters <= TILE_COLUMNS; n++)
        if (c->groups % n == 0)
            merged = n;
    return merged;
}

static struct product product_of(const struct convolution *c) {
    struct product p = {.w = c->w, .merged = merge_groups(c), .taps = c->taps};
    p.groups = c->groups / p.merged;
    p.filters = c->filters * p.merged;
    p.channels = c->channels * p.merged;
    p.padded = (p.channels + c->each - 1) / c->each * c->each;
    p.widened = p.padded != p.channels;
    if (c->each == 2 * PAIR_CHANNELS && p.groups == 1 && p.channels <= PAIR_CHANNELS &&
        c->w.stride[W] % 2 == 0 && c->w.dilation[W] == 1) {
        p.pairs = true;
        p.w.in[W] = (c->w.in[W] + 1) / 2;
        p.w.stride[W] = c->w.stride[W] / 2;
        p.w.pad[W] = (c->w.pad[W] + 1) / 2;
        p.lead = 2 * p.w.pad[W] - c->w.pad[W];
        p.w.kernel[W] = (c->w.kernel[W] + p.lead + 1) / 2;
        p.taps = p.w.kernel[0] * p.w.kernel[1] * p.w.kernel[W];
    }
    return p;
}

/* Where channel 0 of tap t of the model lies in a filter of the product. */
static int64_t tap_place(const struct convolution *c, const struct product *p, int64_t t) {
    if (!p->pairs)
        return t * p->padded;
    int64_t line = t / c->w.kernel[W], at = t % c->w.kernel[W] + p->lead;
    return (line * p->w.kernel[W] + at / 2) * p->padded + at % 2 * PAIR_CHANNELS;
}

/* [filters of all groups][taps][channels]: from [filters][channels of its group][taps]. */
static bool add_filters(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct convolution *c,
                        const struct product *p) {
    int64_t filters = c->filters * c->groups, line = p->taps * p->padded;
    void *packed = bound_room(m, (size_t)(filters * line), c->nbytes);
    const float *w = m->call.in[1]->data;
    if (!packed)
        return false;
    for (int64_t f = 0; !m->host->rehearsal && f < filters; f++) {
        int64_t first = f * line + f / c->filters % p->merged * c->channels;
        for (int64_t t = 0; t < c->taps; t++)
            for (int64_t k = 0; k < c->channels; k++)
                convolve_put(c, packed, first + tap_place(c, p, t) + k,
                             w[(f * c->channels + k) * c->taps + t]);
    }
    return bound_table(m, b, at, packed, (size_t)(filters * line) * c->nbytes);
}

static bool is_tf32(const struct cuda_match *m) {
    return m->host->tf32 && m->host->arch >= 80;
}

static bool add_conv(struct cuda_match *m, const struct convolution *c, const struct product *p,
                     const struct image *x, const struct image *residual, const struct image *y) {
    int64_t step = p->padded * p->groups;
    struct k_conv k = {.out = convolve_epilogue(c),
                       .type = c->type,
                       .tf32 = is_tf32(m),
                       .rows = (int32_t)(c->images * c->out_positions),
                       .groups = (int32_t)p->groups,
                       .filters = (int32_t)p->filters,
                       .channels = (int32_t)p->padded,
                       .taps = (int32_t)p->taps,
                       .chunks = k_divide_by((uint32_t)(p->padded / c->each))};
    for (int i = WINDOW_DIMS - 1; i >= 0; i--) {
        k.positions[i] = k_divide_by((uint32_t)p->w.out[i]);
        k.kernel[i] = k_divide_by((uint32_t)p->w.kernel[i]);
        k.in[i] = (int32_t)p->w.in[i];
        k.stride[i] = (int32_t)p->w.stride[i];
        k.dilation[i] = (int32_t)p->w.dilation[i];
        k.pad[i] = (int32_t)p->w.pad[i];
        k.step[i] = (int32_t)step;
        step *= p->w.in[i];
    }
    k.image = (int32_t)step;
    struct cuda_bound *b = bound_add(m, launch_conv, &k, sizeof k);
    return image_point_in(m, b, AT(k_conv, x), x) && add_filters(m, b, AT(k_conv, w), c, p) &&
           convolve_bias(m, b, AT_OUT(k_conv, bias), 2) && image_point_out(m, b, AT_OUT(k_conv, y), y) &&
           (!residual || image_point_in(m, b, AT_OUT(k_conv, residual), residual));
}

/* One position, taken everywhere: rows are pixels. */
static bool is_pointwise(const struct product *p) {
    bool is = p->groups == 1 && p->taps == 1;
    for (int d = 0; d < WINDOW_DIMS; d++)
        is = is && p->w.stride[d] == 1 && p->w.pad[d] == 0 && p->w.in[d] == p->w.out[d];
    return is;
}

static bool add_pointwise(struct cuda_match *m, const struct convolution *c, const struct product *p,
                          const struct image *x, const struct image *residual, const struct image *y) {
    struct k_gemm g = {.out = convolve_epilogue(c),
                       .type = c->type,
                       .tf32 = is_tf32(m),
                       .b_padded = true,
                       .m = (int32_t)(c->images * c->out_positions),
                       .n = (int32_t)p->filters,
                       .k = (int32_t)p->padded,
                       .a_row = p->padded,
                       .a_k = 1,
                       .b_k = 1,
                       .b_column = p->padded,
                       .batches = 1};
    struct cuda_bound *b = bound_add(m, launch_gemm, &g, sizeof g);
    return image_point_in(m, b, AT(k_gemm, a), x) && add_filters(m, b, AT(k_gemm, b), c, p) &&
           convolve_bias(m, b, AT_OUT(k_gemm, bias), 2) && image_point_out(m, b, AT_OUT(k_gemm, y), y) &&
           (!residual || image_point_in(m, b, AT_OUT(k_gemm, residual), residual));
}

static bool match_conv(struct cuda_match *m, int detail) {
    struct convolution c = {0};
    struct image x, y, residual;
    (void)detail;
    if (!read_conv(m, &c))
        return false;
    struct product p = product_of(&c);
    bool alone = is_depthwise(&c), more = bound_has_in(m, 3), widened = p.widened && !alone;
    int64_t filters = c.filters * c.groups, weights = filters * p.taps * p.padded;
    if (weights > INT32_MAX)
        return bound_refuse(m, "weights of more than 2^31 elements");
    if (widened ? !image_widened(m, &c, bound_taken(m, 0), p.groups, p.pairs ? PAIR_CHANNELS : p.padded,
                                 p.pairs ? 2 * p.w.in[W] : c.w.in[W], &x)
                : !image_in(m, &c, 0, c.channels * c.groups, c.in_positions, &x))
        return false;
    image_out(m, &c, &y);
    if (more && !image_in(m, &c, 3, filters, c.out_positions, &residual))
        return false;
    const struct image *plus = more ? &residual : NULL;
    return (alone              ? add_depthwise(m, &c, &x, plus, &y)
            : is_pointwise(&p) ? add_pointwise(m, &c, &p, &x, plus, &y)
                               : add_conv(m, &c, &p, &x, plus, &y)) &&
           image_finish(m, &c, &y);
}

/* Pixels are scaled on the way into an image that has to be widened anyway. */
static bool take_affine(struct cuda_match *m, const struct plan_step *affine) {
    const struct op_call call = {.attrs = affine->attrs, .attr_count = affine->attr_count};
    struct convolution c = {0};
    return op_attr_int(&call, "chw", 0) && read_conv(m, &c) && !is_depthwise(&c) && product_of(&c).widened;
}

const struct bound_operator bound_convolve[] = {{"sluice", "Conv", match_conv, 0, true},
                                                {"", "Conv", match_conv, 0, true},
                                                {"", "ConvTranspose", convolve_match_transposed, 0, true},
                                                {"", "DeformConv", convolve_match_deformed, 0, true},
                                                {"", "ConvInteger", convolve_match_levels, 0, false},
                                                {"", "QLinearConv", convolve_match_levels, 1, false},
                                                {NULL, NULL, NULL, 0, false}};

const struct bound_taker bound_takers[] = {{"sluice", "Conv", "sluice", "Affine", take_affine},
                                           {"", "Conv", "sluice", "Affine", take_affine},
                                           {NULL, NULL, NULL, NULL, NULL}};
