/* cuda_convolve_deformed.c: DeformConv: conv_deformed.cu writes down what every position reads, one product
 * for each group makes the rest. */
#include "infer/cuda/cuda_convolve.h"
#include "ops/rules.h"

BOUND_LAUNCH(deformed)
BOUND_LAUNCH(gemm)

#define AT(type, field) offsetof(struct type, field)
#define AT_OUT(type, field) (offsetof(struct type, out) + offsetof(struct k_epilogue, field))

enum { X, WEIGHTS, OFFSET, BIAS, MASK };

/* How an input [n, channels, h, w] lies. */
static struct k_map map_of(const struct cuda_match *m, size_t i) {
    if (!bound_has_in(m, i))
        return (struct k_map){0};
    const sl_tensor *t = m->call.in[i];
    int32_t channels = (int32_t)t->dims[1], positions = (int32_t)rule_product(t, 2, t->rank);
    bool last = bound_in_value(m, i).last;
    return (struct k_map){channels * positions, last ? 1 : positions, last ? channels : 1};
}

static bool add_columns(struct cuda_match *m, const struct convolution *c, const struct image *x,
                        int64_t padded, size_t columns) {
    int64_t offset_groups = op_attr_int(&m->call, "offset_group", 1), channels = c->channels * c->groups;
    struct k_deformed d = {.type = c->type,
                           .total = (uint32_t)(c->images * c->out_positions * c->groups * c->taps * padded),
                           .padded = k_divide_by((uint32_t)padded),
                           .taps = k_divide_by((uint32_t)c->taps),
                           .groups = k_divide_by((uint32_t)c->groups),
                           .positions = k_divide_by((uint32_t)c->out_positions),
                           .out_w = k_divide_by((uint32_t)c->w.out[2]),
                           .kernel_w = k_divide_by((uint32_t)c->w.kernel[2]),
                           .per_offset = k_divide_by((uint32_t)(channels / offset_groups)),
                           .depth = (int32_t)c->channels,
                           .channels = (int32_t)channels,
                           .of_offset = map_of(m, OFFSET),
                           .of_mask = map_of(m, MASK)};
    for (int i = 0; i < 2; i++) {
        d.in[i] = (int32_t)c->w.in[i + 1];
        d.stride[i] = (int32_t)c->w.stride[i + 1];
        d.dilation[i] = (int32_t)c->w.dilation[i + 1];
        d.pad[i] = (int32_t)c->w.pad[i + 1];
    }
    struct cuda_bound *b = bound_add(m, launch_deformed, &d, sizeof d);
    return image_point_in(m, b, AT(k_deformed, x), x) && bound_in(m, b, AT(k_deformed, offset), OFFSET, 0) &&
           (!bound_has_in(m, MASK) || bound_in(m, b, AT(k_deformed, mask), MASK, 0)) &&
           bound_scratch_at(m, b, AT(k_deformed, y), columns);
}

/* [filters][taps][channels, padded] of one group: from [filters][channels][taps]. */
static bool add_filters(struct cuda_match *m, struct cuda_bound *b, const struct convolution *c,
                        int64_t padded, int64_t group) {
    int64_t line = c->taps * padded;
    const float *w = (const float *)m->call.in[WEIGHTS]->data + group * c->filters * c->channels * c->taps;
    void *packed = bound_room(m, (size_t)(c->filters * line), c->nbytes);
    if (!packed)
        return false;
    for (int64_t f = 0; !m->host->rehearsal && f < c->filters; f++)
        for (int64_t t = 0; t < c->taps; t++)
            for (int64_t k = 0; k < c->channels; k++)
                convolve_put(c, packed, f * line + t * padded + k, w[(f * c->channels + k) * c->taps + t]);
    return bound_table(m, b, AT(k_gemm, b), packed, (size_t)(c->filters * line) * c->nbytes);
}

static bool add_product(struct cuda_match *m, const struct convolution *c, int64_t padded, size_t columns,
                        const struct image *y, int64_t group) {
    int64_t line = c->taps * padded, first = group * c->filters;
    const sl_tensor *bias = bound_const(m, BIAS);
    struct k_gemm g = {.out = {.scale = 1, .ld = c->filters * c->groups},
                       .type = c->type,
                       .tf32 = m->host->tf32 && m->host->arch >= 80,
                       .b_padded = true,
                       .m = (int32_t)(c->images * c->out_positions),
                       .n = (int32_t)c->filters,
                       .k = (int32_t)line,
                       .a_row = c->groups * line,
                       .a_k = 1,
                       .b_k = 1,
                       .b_column = line,
                       .batches = 1};
    struct cuda_bound *b = bound_add(m, launch_gemm, &g, sizeof g);
    size_t y_offset = (size_t)first * c->nbytes;
    return bound_scratch_at(m, b, AT(k_gemm, a), columns + (size_t)(group * line) * c->nbytes) &&
           add_filters(m, b, c, padded, group) &&
           (!bias || bound_table(m, b, AT_OUT(k_gemm, bias), (const float *)bias->data + first,
                                 (size_t)c->filters * sizeof(float))) &&
           (y->in_scratch ? bound_scratch_at(m, b, AT_OUT(k_gemm, y), y->scratch + y_offset)
                          : bound_out(m, b, AT_OUT(k_gemm, y), 0, (int64_t)y_offset));
}

bool convolve_match_deformed(struct cuda_match *m, int detail) {
    const sl_tensor *w = m->call.in[WEIGHTS];
    struct convolution c = {0};
    struct image x, y;
    (void)detail;
    if (!convolve_read(m, &c, BIAS, MASK))
        return false;
    if (bound_in_type(m, OFFSET) != c.type)
        return bound_refuse(m, "different dtypes");
    if (window_read(&m->call, w->dims + 2, false, &c.w, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    c.channels = w->dims[1];
    c.filters = w->dims[0] / c.groups;
    int64_t padded = (c.channels + c.each - 1) / c.each * c.each,
            count = c.images * c.out_positions * c.groups * c.taps * padded;
    if (count > INT32_MAX || rule_count(m->call.in[OFFSET]) > INT32_MAX)
        return bound_refuse(m, "%lld numbers to be written down", (long long)count);
    if (!image_in(m, &c, X, c.channels * c.groups, c.in_positions, &x))
        return false;
    size_t columns = bound_scratch(m, (size_t)count * c.nbytes);
    image_out(m, &c, &y);
    bool ok = add_columns(m, &c, &x, padded, columns);
    for (int64_t g = 0; ok && g < c.groups; g++)
        ok = add_product(m, &c, padded, columns, &y, g);
    return ok && image_finish(m, &c, &y);
}
