/* cuda_convolve_transposed.c: ConvTranspose, in one of two ways.
 *
 * Output position o is reached by the taps k for which o + pad - k * dilation is a multiple of the stride:
 * where o and o' are alike modulo the stride, by the same ones, from places that are as far apart as
 * o and o'. So the positions of one such kind are a convolution with stride 1 and the kernel's taps of that
 * kind, last one first: conv.cu, once for each kind. 2 x 2 strides make four convolutions, which have
 * together as many products as the whole.
 *
 *      stride 2, 3 taps, one line:   even o:  x[o / 2] * w1                    (pad 1)
 *                                    odd o:   x[(o - 1) / 2] * w2 + x[(o + 1) / 2] * w0
 *
 * With many kinds (strides of vocoders) each would be small: then one product by gemm.cu, each input position
 * times all weights, gathered by conv_transposed.cu. */
#include "infer/cuda/cuda_convolve.h"
#include "ops/rules.h"

BOUND_LAUNCH(conv)
BOUND_LAUNCH(gather_transposed)
BOUND_LAUNCH(gemm)

#define AT(type, field) offsetof(struct type, field)
#define AT_OUT(type, field) (offsetof(struct type, out) + offsetof(struct k_epilogue, field))

enum { MOST_KINDS = 16 };

/* ---- one convolution for each kind of position ---- */

/* The taps of one dim that reach positions of a kind: k0, k0 + step, ...; the last of them reads position
 * j - pad for the j-th such output, the one before `apart` further. */
struct reach {
    int64_t count, k0, step, pad, apart;
};

static struct reach reach_of(const struct window *w, int d, int64_t first) {
    struct reach r = {.step = 1, .apart = 1};
    int64_t last_from = 0;
    for (int64_t k = 0; k < w->kernel[d]; k++) {
        int64_t at = first + w->pad[d] - k * w->dilation[d];
        if (at % w->stride[d])
            continue;
        int64_t from = at / w->stride[d];
        if (!r.count)
            r.k0 = k;
        if (r.count == 1) {
            r.step = k - r.k0;
            r.apart = last_from - from;
        }
        last_from = from;
        r.count++;
    }
    r.pad = -last_from;
    return r;
}

/* [groups * filters][taps of the kind][channels, padded]. */
static bool add_kind_weights(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c,
                             const struct reach *r, int64_t padded) {
    const struct window *win = &c->w;
    int64_t taps = r[0].count * r[1].count * r[2].count, filters = c->groups * c->filters,
            line = taps * padded;
    size_t count = (size_t)(filters * line) + (size_t)c->each;
    void *packed = bound_room(m, count, c->nbytes);
    const float *w = m->call.in[1]->data;
    if (!packed)
        return false;
    for (int64_t t = 0; !m->host->rehearsal && t < taps; t++) {
        int64_t back[] = {r[0].count - 1 - t / r[2].count / r[1].count,
                          r[1].count - 1 - t / r[2].count % r[1].count, r[2].count - 1 - t % r[2].count};
        int64_t from = 0;
        for (int d = 0; d < WINDOW_DIMS; d++)
            from = from * win->kernel[d] + r[d].k0 + back[d] * r[d].step;
        for (int64_t f = 0; f < filters; f++)
            for (int64_t k = 0; k < c->channels; k++)
                convolve_put(
                    c, packed, f * line + t * padded + k,
                    w[((f / c->filters * c->channels + k) * c->filters + f % c->filters) * c->taps + from]);
    }
    return bound_table(m, b, AT(k_conv, w), packed, count * c->nbytes);
}

static bool add_kind(struct cuda_match *m, const struct convolution *c, const struct image *x,
                     const struct image *y, int64_t padded, const int64_t *first) {
    struct reach r[WINDOW_DIMS];
    int64_t step = padded * c->groups, rows = c->images;
    struct k_conv k = {.out = convolve_epilogue(c),
                       .type = c->type,
                       .tf32 = m->host->tf32 && m->host->arch >= 80,
                       .groups = (int32_t)c->groups,
                       .filters = (int32_t)c->filters,
                       .channels = (int32_t)padded,
                       .taps = 1,
                       .chunks = k_divide_by((uint32_t)(padded / c->each)),
                       .spread = true};
    for (int d = WINDOW_DIMS - 1; d >= 0; d--) {
        int64_t positions = (c->w.out[d] - first[d] + c->w.stride[d] - 1) / c->w.stride[d];
        r[d] = reach_of(&c->w, d, first[d]);
        rows *= positions;
        k.taps *= (int32_t)r[d].count;
        k.positions[d] = k_divide_by((uint32_t)positions);
        k.kernel[d] = k_divide_by((uint32_t)(r[d].count ? r[d].count : 1));
        k.in[d] = (int32_t)c->w.in[d];
        k.stride[d] = 1;
        k.dilation[d] = (int32_t)r[d].apart;
        k.pad[d] = (int32_t)r[d].pad;
        k.step[d] = (int32_t)step;
        step *= c->w.in[d];
        k.y_dims[d] = (int32_t)c->w.out[d];
        k.first[d] = (int32_t)first[d];
        k.apart[d] = (int32_t)c->w.stride[d];
    }
    k.image = (int32_t)step;
    k.rows = (int32_t)rows;
    struct cuda_bound *b = bound_add(m, launch_conv, &k, sizeof k);
    return image_point_in(m, b, AT(k_conv, x), x) && add_kind_weights(m, b, c, r, padded) &&
           convolve_bias(m, b, AT_OUT(k_conv, bias), 2) && image_point_out(m, b, AT_OUT(k_conv, y), y);
}

static bool match_kinds(struct cuda_match *m, const struct convolution *c) {
    struct image x, y;
    int64_t padded = (c->channels + c->each - 1) / c->each * c->each, first[WINDOW_DIMS];
    if (padded != c->channels ? !image_widened(m, c, NULL, c->groups, padded, c->w.in[2], &x)
                              : !image_in(m, c, 0, c->channels * c->groups, c->in_positions, &x))
        return false;
    image_out(m, c, &y);
    bool ok = true;
    for (first[0] = 0; first[0] < c->w.stride[0] && first[0] < c->w.out[0]; first[0]++)
        for (first[1] = 0; first[1] < c->w.stride[1] && first[1] < c->w.out[1]; first[1]++)
            for (first[2] = 0; ok && first[2] < c->w.stride[2] && first[2] < c->w.out[2]; first[2]++)
                ok = add_kind(m, c, &x, &y, padded, first);
    return ok && image_finish(m, c, &y);
}

/* ---- products, gathered ---- */

/* [groups][taps * filters][channels, padded]: from [channels of all groups][filters][taps]. */
static bool add_transposed(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c,
                           int64_t padded) {
    int64_t lines = c->taps * c->filters;
    void *packed = bound_room(m, (size_t)(c->groups * lines * padded), c->nbytes);
    const float *w = m->call.in[1]->data;
    if (!packed)
        return false;
    for (int64_t g = 0; !m->host->rehearsal && g < c->groups; g++)
        for (int64_t l = 0; l < lines; l++)
            for (int64_t k = 0; k < c->channels; k++)
                convolve_put(
                    c, packed, (g * lines + l) * padded + k,
                    w[((g * c->channels + k) * c->filters + l % c->filters) * c->taps + l / c->filters]);
    return bound_table(m, b, AT(k_gemm, b), packed, (size_t)(c->groups * lines * padded) * c->nbytes);
}

static bool add_products(struct cuda_match *m, const struct convolution *c, const struct image *x,
                         size_t products) {
    int64_t each = c->each, padded = (c->channels + each - 1) / each * each, lines = c->taps * c->filters;
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
    return image_point_in(m, b, AT(k_gemm, a), x) && add_transposed(m, b, c, padded) &&
           bound_scratch_at(m, b, AT_OUT(k_gemm, y), products);
}

static bool match_gathered(struct cuda_match *m, const struct convolution *c) {
    struct image x, y;
    if (!image_in(m, c, 0, c->channels * c->groups, c->in_positions, &x))
        return false;
    size_t products = bound_scratch(
        m, (size_t)(c->images * c->in_positions * c->groups * c->taps * c->filters) * c->nbytes);
    image_out(m, c, &y);
    struct k_gather_transposed g = {.type = c->type,
                                    .total = (uint32_t)rule_count(m->call.out[0]),
                                    .filters = (int32_t)c->filters,
                                    .taps = (int32_t)c->taps,
                                    .channels = k_divide_by((uint32_t)(c->filters * c->groups)),
                                    .by_filters = k_divide_by((uint32_t)c->filters)};
    for (int i = 0; i < WINDOW_DIMS; i++) {
        g.positions[i] = k_divide_by((uint32_t)c->w.out[i]);
        g.in[i] = (int32_t)c->w.in[i];
        g.kernel[i] = (int32_t)c->w.kernel[i];
        g.stride[i] = (int32_t)c->w.stride[i];
        g.dilation[i] = (int32_t)c->w.dilation[i];
        g.pad[i] = (int32_t)c->w.pad[i];
    }
    if (!add_products(m, c, &x, products))
        return false;
    struct cuda_bound *b = bound_add(m, launch_gather_transposed, &g, sizeof g);
    return bound_scratch_at(m, b, AT(k_gather_transposed, products), products) &&
           convolve_bias(m, b, AT(k_gather_transposed, bias), 2) &&
           image_point_out(m, b, AT(k_gather_transposed, y), &y) && image_finish(m, c, &y);
}

/* ---- ConvTranspose ---- */

bool convolve_match_transposed(struct cuda_match *m, int detail) {
    const sl_tensor *w = m->call.in[1];
    struct convolution c = {0};
    (void)detail;
    if (!convolve_read(m, &c, 2, 3))
        return false;
    if (window_read_transposed(&m->call, w->dims + 2, &c.w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    c.channels = w->dims[0] / c.groups;
    c.filters = w->dims[1];
    if (!rule_count(m->call.out[0]))
        return true;
    return c.w.stride[0] * c.w.stride[1] * c.w.stride[2] <= MOST_KINDS ? match_kinds(m, &c)
                                                                       : match_gathered(m, &c);
}
