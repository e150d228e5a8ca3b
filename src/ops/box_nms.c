/* box_nms.c: NonMaxSuppression: of boxes that overlap, those with the best scores, for each image and class.
 * Boxes come out by image, class, and falling score; of equal scores the first box wins. Overlaps are
 * reckoned in float, where they may stand exactly at the threshold. */
#include <string.h>

#include "ops/element.h"
#include "ops/ops.h"
#include "ops/rules.h"

/* A number that is an optional input; false when it is not known. */
static bool read_number(const struct op_call *call, size_t in, double *value) {
    *value = 0;
    if (!op_has_in(call, in))
        return true;
    if (call->in[in]->data)
        *value = element_number(call->in[in]->dtype, call->in[in]->data, 0);
    return call->in[in]->data != NULL;
}

/* The most boxes of one class: none unless asked for. */
static int64_t most_boxes(const struct op_call *call) {
    int64_t most = 0, boxes = call->in[0]->dims[1];
    if (op_has_in(call, 2))
        most = call->in[2]->data ? element_index(SL_INT64, call->in[2]->data, 0) : boxes;
    return most < 0 ? 0 : most > boxes ? boxes : most;
}

static sl_status check_inputs(const struct op_call *call, sl_error *err) {
    char one[RULE_TEXT], other[RULE_TEXT];
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < call->in_count; i++) {
        if (i >= 2 && !op_has_in(call, i))
            continue;
        st = rule_dtype(call, i, OPS_BIT(i == 2 ? SL_INT64 : SL_FLOAT), err);
        if (st == SL_OK && i < 2)
            st = rule_rank(call, i, 3, err);
        else if (st == SL_OK && rule_count(call->in[i]) != 1)
            st = error_set(err, SL_E_MODEL, "input %zu must be one number", i);
    }
    if (st != SL_OK)
        return st;
    const sl_tensor *boxes = call->in[0], *scores = call->in[1];
    if (boxes->dims[2] != 4 || boxes->dims[0] != scores->dims[0] || boxes->dims[1] != scores->dims[2])
        return error_set(err, SL_E_MODEL,
                         "boxes are %s and their scores %s, expected [n, boxes, 4] and [n, classes, boxes]",
                         rule_text(one, boxes), rule_text(other, scores));
    return SL_OK;
}

static sl_status infer(const struct op_call *call, sl_error *err) {
    double threshold;
    int64_t count;
    int64_t center = op_attr_int(call, "center_point_box", 0);
    sl_status st = check_inputs(call, err);
    if (st == SL_OK && read_number(call, 3, &threshold) && !(threshold >= 0 && threshold <= 1))
        st = error_set(err, SL_E_MODEL, "the overlap threshold is %g, expected 0 to 1", threshold);
    if (st == SL_OK && center != 0 && center != 1)
        st = error_set(err, SL_E_MODEL, "attribute 'center_point_box' is %lld", (long long)center);
    if (st == SL_OK && (__builtin_mul_overflow(call->in[1]->dims[0], call->in[1]->dims[1], &count) ||
                        __builtin_mul_overflow(count, most_boxes(call), &count)))
        st = error_set(err, SL_E_MODEL, "output 0 would be too large");
    if (st != SL_OK)
        return st;
    rule_set(call->out[0], SL_INT64, 2, (int64_t[]){count, 3});
    rule_at_most(call, 0, 0, 0);
    return SL_OK;
}

static sl_status prepare(const struct op_call *call, struct arena *arena, struct op_prepared *prepared,
                         sl_error *err) {
    (void)arena, (void)err;
    prepared->scratch_nbytes = (size_t)call->in[0]->dims[1] * sizeof(int64_t);
    return SL_OK;
}

struct box {
    float left, top, right, bottom;
};

static struct box read_box(const float *p, bool center) {
    if (center) /* x, y, width, height */
        return (struct box){p[0] - p[2] / 2, p[1] - p[3] / 2, p[0] + p[2] / 2, p[1] + p[3] / 2};
    bool y = p[0] < p[2], x = p[1] < p[3]; /* two corners, any of the diagonals */
    return (struct box){x ? p[1] : p[3], y ? p[0] : p[2], x ? p[3] : p[1], y ? p[2] : p[0]};
}

static bool overlap(struct box a, struct box b, float threshold) {
    float left = a.left > b.left ? a.left : b.left, right = a.right < b.right ? a.right : b.right;
    float top = a.top > b.top ? a.top : b.top, bottom = a.bottom < b.bottom ? a.bottom : b.bottom;
    if (right <= left || bottom <= top)
        return false;
    float both = (right - left) * (bottom - top);
    float one = (a.right - a.left) * (a.bottom - a.top), two = (b.right - b.left) * (b.bottom - b.top);
    float either = one + two - both;
    return both > 0 && one > 0 && two > 0 && either > 0 && both / either > threshold;
}

/* Boxes of one image and class that are still to be looked at: a heap, the best on top. */
struct candidates {
    const float *scores;
    int64_t *places, count;
};

static bool better(const struct candidates *c, int64_t a, int64_t b) {
    float one = c->scores[a], two = c->scores[b];
    if (isnan(one) || isnan(two))
        return isnan(one) ? isnan(two) && a < b : true;
    return one > two || (one == two && a < b);
}

/* `place` sinks from the top to where it belongs. */
static void sink(struct candidates *c, int64_t at, int64_t place) {
    for (int64_t child; (child = 2 * at + 1) < c->count; at = child) {
        if (child + 1 < c->count && better(c, c->places[child + 1], c->places[child]))
            child++;
        if (better(c, place, c->places[child]))
            break;
        c->places[at] = c->places[child];
    }
    c->places[at] = place;
}

static void gather(struct candidates *c, int64_t boxes, bool filter, float least) {
    c->count = 0;
    for (int64_t i = 0; i < boxes; i++)
        if (!filter || c->scores[i] > least)
            c->places[c->count++] = i;
    for (int64_t i = c->count / 2; i-- > 0;)
        sink(c, i, c->places[i]);
}

static int64_t take_best(struct candidates *c) {
    int64_t best = c->places[0], last = c->places[--c->count];
    if (c->count)
        sink(c, 0, last);
    return best;
}

/* Writes [image, class, box] for those that are kept; returns how many. */
static int64_t choose(const struct op_call *call, struct candidates *c, int64_t image, int64_t class,
                      float threshold, int64_t *out) {
    int64_t boxes = call->in[0]->dims[1], most = most_boxes(call), kept = 0;
    const float *corners = (const float *)call->in[0]->data + image * boxes * 4;
    bool center = op_attr_int(call, "center_point_box", 0) != 0;
    while (c->count && kept < most) {
        int64_t place = take_best(c);
        struct box box = read_box(corners + place * 4, center);
        bool hidden = false;
        for (int64_t k = 0; !hidden && k < kept; k++)
            hidden = overlap(box, read_box(corners + out[3 * k + 2] * 4, center), threshold);
        if (hidden)
            continue;
        out[3 * kept] = image;
        out[3 * kept + 1] = class;
        out[3 * kept + 2] = place;
        kept++;
    }
    return kept;
}

static void run(const struct op_call *call) {
    int64_t images = call->in[1]->dims[0], classes = call->in[1]->dims[1], boxes = call->in[0]->dims[1];
    int64_t count = 0;
    double threshold, least;
    struct candidates c = {.places = call->scratch};
    (void)read_number(call, 3, &threshold);
    (void)read_number(call, 4, &least);
    for (int64_t i = 0; i < images; i++)
        for (int64_t k = 0; most_boxes(call) && k < classes; k++) {
            c.scores = (const float *)call->in[1]->data + (i * classes + k) * boxes;
            gather(&c, boxes, op_has_in(call, 4), (float)least);
            count += choose(call, &c, i, k, (float)threshold, (int64_t *)call->out[0]->data + 3 * count);
        }
    call->out[0]->dims[0] = count;
}

const struct op op_box_nms = {.domain = "",
                              .name = "NonMaxSuppression",
                              .since = 10,
                              .min_in = 2,
                              .max_in = 5,
                              .min_out = 1,
                              .max_out = 1,
                              .attrs = "center_point_box",
                              .infer = infer,
                              .prepare = prepare,
                              .run = run,
                              .bounded = true,
                              .sized = 1u << 2,
                              .grows = 1u << 2};
