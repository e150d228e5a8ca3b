/* cuda_convolve_levels.c: ConvInteger and QLinearConv, by conv_levels.cu. */
#include "infer/cuda/cuda_convolve.h"
#include "ops/rules.h"

BOUND_LAUNCH(level_conv)

#define AT(type, field) offsetof(struct type, field)

/* Inputs of QLinearConv and of ConvInteger; 99 is none. */
enum { NONE = 99 };
static const struct places {
    size_t x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias;
} places[] = {{NONE, 2, 1, NONE, 3, NONE, NONE, NONE}, {1, 2, 3, 4, 5, 6, 7, 8}};

/* The longest sum of products of two levels less their zeros that stays below 2^31. */
enum { MOST_TERMS = INT32_MAX / (255 * 255) };

static bool read_window(struct cuda_match *m, const sl_tensor *w, struct k_level_conv *c) {
    struct window window;
    if (window_read(&m->call, w->dims + 2, false, &window, NULL) != SL_OK)
        return bound_refuse(m, "its window");
    for (int d = 0; d < WINDOW_DIMS; d++) {
        c->positions[d] = k_divide_by((uint32_t)window.out[d]);
        c->in[d] = (int32_t)window.in[d];
        c->kernel[d] = (int32_t)window.kernel[d];
        c->stride[d] = (int32_t)window.stride[d];
        c->dilation[d] = (int32_t)window.dilation[d];
        c->pad[d] = (int32_t)window.pad[d];
    }
    return true;
}

/* One for each filter, as far as the kernel can: *many. */
static bool is_grain(struct cuda_match *m, size_t i, int64_t filters, bool *many) {
    if (!bound_has_in(m, i))
        return true;
    int64_t count = rule_count(m->call.in[i]);
    *many = count != 1;
    return count == 1 || count == filters || bound_refuse(m, "%lld zeros or scales", (long long)count);
}

static bool point(struct cuda_match *m, struct cuda_bound *b, size_t at, size_t i) {
    return !bound_has_in(m, i) || bound_in(m, b, at, i, 0);
}

bool convolve_match_levels(struct cuda_match *m, int linear) {
    const struct places *p = &places[linear];
    const sl_tensor *x = m->call.in[0], *w = m->call.in[p->w], *y = m->call.out[0];
    int64_t groups = op_attr_int(&m->call, "group", 1), filters = w->dims[0];
    if (rule_count(x) > INT32_MAX || rule_count(y) > INT32_MAX || rule_count(w) > INT32_MAX)
        return bound_refuse(m, "a value of more than 2^31 elements");
    if (rule_product(w, 1, w->rank) > MOST_TERMS)
        return bound_refuse(m, "sums of %lld products in 32 bits", (long long)rule_product(w, 1, w->rank));
    struct k_level_conv c = {.x_type = bound_in_type(m, 0),
                             .w_type = bound_in_type(m, p->w),
                             .y_type = bound_out_type(m, 0),
                             .total = (uint32_t)rule_count(y),
                             .channels = k_divide_by((uint32_t)filters),
                             .filters = k_divide_by((uint32_t)(filters / groups)),
                             .depth = (int32_t)w->dims[1],
                             .groups = (int32_t)groups};
    if (!read_window(m, w, &c) || !is_grain(m, p->w_zero, filters, &c.w_zeros) ||
        !is_grain(m, p->w_scale, filters, &c.w_scales))
        return false;
    const size_t scales[] = {p->x_scale, p->w_scale, p->y_scale};
    for (size_t i = 0; linear && i < 3; i++)
        c.scale_type[i] = bound_in_type(m, scales[i]);
    struct cuda_bound *b = bound_add(m, launch_level_conv, &c, sizeof c);
    return bound_in(m, b, AT(k_level_conv, x), 0, 0) && bound_in(m, b, AT(k_level_conv, w), p->w, 0) &&
           bound_out(m, b, AT(k_level_conv, y), 0, 0) && point(m, b, AT(k_level_conv, x_zero), p->x_zero) &&
           point(m, b, AT(k_level_conv, w_zero), p->w_zero) &&
           point(m, b, AT(k_level_conv, y_zero), p->y_zero) &&
           point(m, b, AT(k_level_conv, x_scale), p->x_scale) &&
           point(m, b, AT(k_level_conv, w_scale), p->w_scale) &&
           point(m, b, AT(k_level_conv, y_scale), p->y_scale) && point(m, b, AT(k_level_conv, bias), p->bias);
}
