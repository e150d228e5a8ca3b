/* cuda_convolve_transposed.c: ConvTranspose: a product by gemm.cu, gathered by conv_transposed.cu. */
#include "infer/cuda/cuda_convolve.h"
#include "ops/rules.h"

BOUND_LAUNCH(gather_transposed)
BOUND_LAUNCH(gemm)

#define AT(type, field) offsetof(struct type, field)
#define AT_OUT(type, field) (offsetof(struct type, out) + offsetof(struct k_epilogue, field))

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

bool convolve_match_transposed(struct cuda_match *m, int detail) {
    const sl_tensor *w = m->call.in[1];
    struct convolution c = {0};
    struct image x, y;
    (void)detail;
    if (!convolve_read(m, &c, 2, 3))
        return false;
    if (window_read_transposed(&m->call, w->dims + 2, &c.w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    c.channels = w->dims[0] / c.groups;
    c.filters = w->dims[1];
    if (!rule_count(m->call.out[0]))
        return true;
    if (!image_in(m, &c, 0, c.channels * c.groups, c.in_positions, &x))
        return false;
    size_t products =
        bound_scratch(m, (size_t)(c.images * c.in_positions * c.groups * c.taps * c.filters) * c.nbytes);
    image_out(m, &c, &y);
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
           convolve_bias(m, b, AT(k_gather_transposed, bias), 2) &&
           image_point_out(m, b, AT(k_gather_transposed, y), &y) && image_finish(m, &c, &y);
}
