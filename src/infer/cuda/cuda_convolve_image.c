/* cuda_convolve_image.c: images on their way into convolutions and out of them. */
#include "infer/cuda/cuda_convolve.h"
#include "ops/rules.h"

BOUND_LAUNCH(transpose)
BOUND_LAUNCH(widen)

#define AT(type, field) offsetof(struct type, field)

/* Whether the order of channels and positions shows in memory at all. */
static bool has_order(int64_t channels, int64_t positions) {
    return channels > 1 && positions > 1;
}

bool image_in(struct cuda_match *m, const struct convolution *c, size_t i, int64_t channels,
              int64_t positions, struct image *image) {
    *image = (struct image){.io = i};
    if (bound_in_value(m, i).last || !has_order(channels, positions))
        return true;
    image->in_scratch = true;
    image->scratch = bound_scratch(m, (size_t)(c->images * channels * positions) * c->nbytes);
    struct k_transpose t = {.unit_nbytes = (int32_t)c->nbytes,
                            .images = (uint32_t)c->images,
                            .rows = (uint32_t)channels,
                            .columns = (uint32_t)positions};
    struct cuda_bound *b = bound_add(m, launch_transpose, &t, sizeof t);
    return bound_in(m, b, AT(k_transpose, x), i, 0) &&
           bound_scratch_at(m, b, AT(k_transpose, y), image->scratch);
}

/* ---- pixels ---- */

/* Where scale and offset come from, and that x lies as they found it: [n, ..., c]. */
static bool add_affine(struct cuda_match *m, struct cuda_bound *b, const struct plan_step *affine) {
    const struct op_call call = {.attrs = affine->attrs, .attr_count = affine->attr_count};
    const struct attr *scale = op_attr(&call, "scale"), *offset = op_attr(&call, "offset");
    return bound_in_of(m, b, AT(k_widen, x), affine, 0) &&
           bound_table(m, b, AT(k_widen, scale), scale->floats, scale->count * sizeof(float)) &&
           bound_table(m, b, AT(k_widen, offset), offset->floats, offset->count * sizeof(float));
}

static bool is_single(const struct plan_step *affine) {
    const struct op_call call = {.attrs = affine->attrs, .attr_count = affine->attr_count};
    return op_attr(&call, "scale")->count == 1;
}

bool image_widened(struct cuda_match *m, const struct convolution *c, const struct plan_step *affine,
                   int64_t groups, int64_t padded, int64_t width, struct image *image) {
    const sl_tensor *x = m->call.in[0];
    int64_t channels = x->dims[1], in_w = x->rank > 2 ? x->dims[x->rank - 1] : 1,
            lines = c->in_positions / in_w, count = c->images * lines * width * groups * padded;
    bool last = affine || bound_in_value(m, 0).last;
    if (count > INT32_MAX)
        return bound_refuse(m, "an image of more than 2^31 elements");
    *image = (struct image){.in_scratch = true, .scratch = bound_scratch(m, (size_t)count * c->nbytes)};
    struct k_widen w = {.x_type = affine ? m->host->type(m->host->self, affine->in[0]) : bound_in_type(m, 0),
                        .y_type = c->type,
                        .one = affine && is_single(affine),
                        .total = (uint32_t)(count / c->each),
                        .pieces = k_divide_by((uint32_t)(width * groups * padded / c->each)),
                        .lines = k_divide_by((uint32_t)lines),
                        .pixel = k_divide_by((uint32_t)(groups * padded)),
                        .group = k_divide_by((uint32_t)padded),
                        .width = (int32_t)in_w,
                        .channels = (int32_t)(channels / groups),
                        .image = (int32_t)(channels * c->in_positions),
                        .line = (int32_t)(in_w * (last ? channels : 1)),
                        .column = (int32_t)(last ? channels : 1),
                        .step_c = (int32_t)(last ? 1 : c->in_positions)};
    struct cuda_bound *b = bound_add(m, launch_widen, &w, sizeof w);
    return (affine ? add_affine(m, b, affine) : bound_in(m, b, AT(k_widen, x), 0, 0)) &&
           bound_scratch_at(m, b, AT(k_widen, y), image->scratch);
}

/* ---- results ---- */

void image_out(struct cuda_match *m, const struct convolution *c, struct image *image) {
    int64_t channels = c->filters * c->groups;
    *image = (struct image){.io = 0};
    if (m->host->make_last && has_order(channels, c->out_positions))
        (void)m->host->make_last(m->host->self, m->step->out[0]);
    if (bound_out_value(m, 0).last || !has_order(channels, c->out_positions))
        return;
    image->in_scratch = true;
    image->scratch = bound_scratch(m, (size_t)(c->images * channels * c->out_positions) * c->nbytes);
}

bool image_finish(struct cuda_match *m, const struct convolution *c, const struct image *image) {
    if (!image->in_scratch)
        return true;
    struct k_transpose t = {.unit_nbytes = (int32_t)c->nbytes,
                            .images = (uint32_t)c->images,
                            .rows = (uint32_t)c->out_positions,
                            .columns = (uint32_t)(c->filters * c->groups)};
    struct cuda_bound *b = bound_add(m, launch_transpose, &t, sizeof t);
    return bound_scratch_at(m, b, AT(k_transpose, x), image->scratch) &&
           bound_out(m, b, AT(k_transpose, y), 0, 0);
}

bool image_point_in(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct image *image) {
    return image->in_scratch ? bound_scratch_at(m, b, at, image->scratch) : bound_in(m, b, at, image->io, 0);
}

bool image_point_out(struct cuda_match *m, struct cuda_bound *b, size_t at, const struct image *image) {
    return image->in_scratch ? bound_scratch_at(m, b, at, image->scratch) : bound_out(m, b, at, image->io, 0);
}
