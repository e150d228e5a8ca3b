/* boxes_nms.c: what a detector's last layer gives as boxes: decoded, thinned out by their scores, and by
 * non-maximum suppression as torchvision's batched_nms has it: the best box stays, those of its class that
 * overlap it by more than `iou` go, and so on. Equal scores stay in the model's order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/transform.h"

extern const sl_transform transform_boxes_nms;

enum format { BOX_CENTER, BOX_CORNERS, BOX_CORNERS_YX };
enum activation { ACT_NONE, ACT_SIGMOID, ACT_SOFTMAX };
enum { ROW = 6 }; /* left, top, right, bottom, score, class */

struct anchor {
    float x, y, w, h;
};

struct boxes {
    size_t count, classes, most;
    size_t box_step, value_step; /* in the output: from box to box, from number to number of a box */
    bool has_objectness, other;  /* other: the scores are another output, [count, classes] */
    size_t scores;               /* its number for host->input_row */
    size_t first_score;          /* else: the first score among a box's numbers */
    enum format format;
    enum activation activation;
    int64_t background; /* the class that means nothing, or -1 */
    float score, iou, scale_x, scale_y, variance[2];
    bool all; /* boxes of different classes suppress each other, too */
    struct anchor *anchors;
};

struct candidate {
    float box[4], score;
    int32_t class_index;
};

static sl_status refuse(const sl_host *host, sl_error *err, const char *what) {
    return host->fail(err, SL_E_MODEL, "cannot use transform 'boxes.nms': %s", what);
}

/* ---- plan time ---- */

/* One of a few words; `value` keeps its number where the key is absent. */
static sl_status read_word(const sl_host *host, const sl_params *params, const char *key,
                           const char *const *words, int *value, sl_error *err) {
    const char *word = NULL;
    sl_status status = host->param_text(params, key, &word, err);
    if (status != SL_OK || !word)
        return status;
    for (int i = 0; words[i]; i++)
        if (strcmp(word, words[i]) == 0) {
            *value = i;
            return SL_OK;
        }
    return host->fail(err, SL_E_MODEL, "cannot use transform 'boxes.nms': unknown %s '%.40s'", key, word);
}

/* A line a box: center x, center y, width, height, separated by commas or spaces. */
static sl_status read_anchors(const sl_host *host, const sl_params *params, struct boxes *b, sl_error *err) {
    const char *path = NULL, *const * lines;
    size_t count;
    sl_status status = host->param_text(params, "anchors", &path, err);
    if (status != SL_OK || !path)
        return status;
    status = host->read_lines(params, path, &lines, &count, err);
    if (status != SL_OK)
        return status;
    if (count != b->count)
        return host->fail(err, SL_E_MODEL,
                          "cannot use transform 'boxes.nms': '%s' has %zu anchors, expected %zu", path, count,
                          b->count);
    b->anchors = host->alloc(count * sizeof *b->anchors);
    if (!b->anchors)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'boxes.nms': out of memory");
    for (size_t i = 0; i < count; i++) {
        float *to[4] = {&b->anchors[i].x, &b->anchors[i].y, &b->anchors[i].w, &b->anchors[i].h};
        char *at = (char *)(uintptr_t)lines[i], *end = at;
        for (int k = 0; k < 4; k++, at = end + (*end == ',')) {
            *to[k] = strtof(at, &end);
            if (end == at)
                return host->fail(err, SL_E_MODEL,
                                  "cannot use transform 'boxes.nms': line %zu of '%s' is no anchor", i + 1,
                                  path);
        }
    }
    return SL_OK;
}

static sl_status read_shape(const sl_host *host, const sl_params *params, const sl_spec *in, struct boxes *b,
                            sl_error *err) {
    static const char *const layouts[] = {"rows", "columns", NULL};
    int layout = 0;
    const char *name = NULL;
    int64_t objectness = 0;
    sl_spec scores;
    sl_status status = read_word(host, params, "layout", layouts, &layout, err);
    if (status == SL_OK)
        status = host->param_int(params, "objectness", &objectness, err);
    if (status == SL_OK)
        status = host->param_text(params, "scores", &name, err);
    if (status == SL_OK && name)
        status = host->input_find(params, name, &scores, &b->scores, err);
    if (status != SL_OK)
        return status;
    size_t values = (size_t)in->dims[layout ? 0 : 1];
    b->count = (size_t)in->dims[layout ? 1 : 0];
    b->box_step = layout ? 1 : values;
    b->value_step = layout ? b->count : 1;
    b->has_objectness = objectness != 0;
    b->other = name != NULL;
    b->first_score = b->has_objectness ? 5 : 4;
    if (b->other && (scores.kind != SL_KIND_TENSOR || scores.dtype != SL_FLOAT || scores.rank != 2 ||
                     scores.dims[0] != (int64_t)b->count || values != 4 || b->has_objectness))
        return refuse(host, err, "boxes are [n,4] and their scores, another output, [n,classes]");
    if (!b->other && values <= b->first_score)
        return refuse(host, err, "a box has four numbers and a score for each class");
    b->classes = b->other ? (size_t)scores.dims[1] : values - b->first_score;
    return SL_OK;
}

static sl_status read_numbers(const sl_host *host, const sl_params *params, struct boxes *b, sl_error *err) {
    double score = 0.25, iou = 0.45;
    const double *scale = NULL, *variances = NULL;
    size_t scales = 0, variance_count = 0;
    int64_t most = 300;
    b->background = -1;
    sl_status status = host->param_number(params, "score", &score, err);
    if (status == SL_OK)
        status = host->param_number(params, "iou", &iou, err);
    if (status == SL_OK)
        status = host->param_int(params, "max", &most, err);
    if (status == SL_OK)
        status = host->param_int(params, "background", &b->background, err);
    if (status == SL_OK)
        status = host->param_numbers(params, "scale", &scale, &scales, err);
    if (status == SL_OK)
        status = host->param_numbers(params, "variances", &variances, &variance_count, err);
    if (status != SL_OK)
        return status;
    if (most < 1 || most > 100000 || scales > 2 || (variance_count && variance_count != 2))
        return refuse(host, err, "'max' is 1 to 100000, 'scale' one number or two, 'variances' two");
    b->score = (float)score;
    b->iou = (float)iou;
    b->most = (size_t)most;
    b->scale_x = scales ? (float)scale[0] : 1;
    b->scale_y = scales ? (float)scale[scales - 1] : 1;
    b->variance[0] = variances ? (float)variances[0] : 0.1f;
    b->variance[1] = variances ? (float)variances[1] : 0.2f;
    return SL_OK;
}

static void boxes_close(const sl_host *host, void *state) {
    struct boxes *b = state;
    if (b)
        host->free(b->anchors);
    host->free(b);
}

static sl_status boxes_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                            void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"format",     "layout",    "objectness", "scores", "activation",
                                       "background", "score",     "iou",        "max",    "scale",
                                       "anchors",    "variances", "across",     NULL};
    static const char *const formats[] = {"cxcywh", "xyxy", "yxyx", NULL},
                             *const activations[] = {"none", "sigmoid", "softmax", NULL},
                             *const across[] = {"no", "yes", NULL};
    int format = 0, activation = 0, all = 0;
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank != 2 || in->dims[0] < 1 ||
        in->dims[1] < 1)
        return refuse(host, err, "it takes a tensor of float, [boxes,numbers] or [numbers,boxes]");
    struct boxes *b = host->alloc(sizeof *b);
    if (!b)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'boxes.nms': out of memory");
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = read_word(host, params, "format", formats, &format, err);
    if (status == SL_OK)
        status = read_word(host, params, "activation", activations, &activation, err);
    if (status == SL_OK)
        status = read_word(host, params, "across", across, &all, err);
    if (status == SL_OK)
        status = read_shape(host, params, in, b, err);
    if (status == SL_OK)
        status = read_numbers(host, params, b, err);
    if (status == SL_OK)
        status = read_anchors(host, params, b, err);
    if (status != SL_OK) {
        boxes_close(host, b);
        return status;
    }
    b->format = (enum format)format;
    b->activation = (enum activation)activation;
    b->all = all != 0;
    *out = (sl_spec){.kind = SL_KIND_TENSOR,
                     .dtype = SL_FLOAT,
                     .rank = 2,
                     .dims = {-1, ROW},
                     .max_nbytes = b->most * ROW * sizeof(float)};
    *state = b;
    *scratch_nbytes = b->count * sizeof(struct candidate);
    return SL_OK;
}

/* ---- a record ---- */

/* The best class of a box and its score. */
static float best_class(const struct boxes *b, const float *scores, size_t step, float objectness,
                        int32_t *best) {
    float most = -INFINITY, sum = 0, top = -INFINITY;
    *best = -1;
    for (size_t c = 0; c < b->classes; c++) {
        float x = scores[c * step];
        top = x > top ? x : top;
        if ((int64_t)c == b->background || !(x > most))
            continue;
        most = x;
        *best = (int32_t)c;
    }
    if (b->activation == ACT_SIGMOID)
        return objectness / (1 + expf(-most));
    if (b->activation == ACT_NONE)
        return objectness * most;
    for (size_t c = 0; c < b->classes; c++)
        sum += expf(scores[c * step] - top);
    return objectness * expf(most - top) / sum;
}

static void decode(const struct boxes *b, size_t i, const float *at, float *box) {
    float v[4];
    for (int k = 0; k < 4; k++)
        v[k] = at[(size_t)k * b->value_step];
    if (b->anchors) { /* as SSD: offsets in units of the anchor, sizes as logarithms */
        const struct anchor *a = &b->anchors[i];
        v[0] = a->x + v[0] * b->variance[0] * a->w;
        v[1] = a->y + v[1] * b->variance[0] * a->h;
        v[2] = a->w * expf(v[2] * b->variance[1]);
        v[3] = a->h * expf(v[3] * b->variance[1]);
    }
    bool center = b->anchors || b->format == BOX_CENTER, yx = !center && b->format == BOX_CORNERS_YX;
    box[0] = b->scale_x * (center ? v[0] - v[2] / 2 : v[yx]);
    box[1] = b->scale_y * (center ? v[1] - v[3] / 2 : v[!yx]);
    box[2] = b->scale_x * (center ? v[0] + v[2] / 2 : v[2 + yx]);
    box[3] = b->scale_y * (center ? v[1] + v[3] / 2 : v[2 + !yx]);
}

static float overlap(const float *a, const float *b) {
    float w = fminf(a[2], b[2]) - fmaxf(a[0], b[0]), h = fminf(a[3], b[3]) - fmaxf(a[1], b[1]);
    float both = w > 0 && h > 0 ? w * h : 0;
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

static size_t collect(const struct boxes *b, const float *x, const float *others,
                      struct candidate *candidates) {
    size_t count = 0;
    for (size_t i = 0; i < b->count; i++) {
        const float *at = x + i * b->box_step;
        const float *scores = others ? others + i * b->classes : at + b->first_score * b->value_step;
        float objectness = b->has_objectness ? at[4 * b->value_step] : 1;
        struct candidate *c = &candidates[count];
        if (b->has_objectness && b->activation == ACT_SIGMOID)
            objectness = 1 / (1 + expf(-objectness));
        c->score = best_class(b, scores, others ? 1 : b->value_step, objectness, &c->class_index);
        if (c->class_index < 0 || !(c->score > b->score))
            continue;
        decode(b, i, at, c->box);
        count++;
    }
    return count;
}

/* The best that is left, and out go those it suppresses; candidates keep their order. */
static size_t thin_out(const struct boxes *b, struct candidate *candidates, size_t count, float *out) {
    size_t kept = 0;
    while (count && kept < b->most) {
        size_t best = 0, left = 0;
        for (size_t i = 1; i < count; i++)
            if (candidates[i].score > candidates[best].score)
                best = i;
        struct candidate c = candidates[best];
        float *row = out + ROW * kept++;
        memcpy(row, c.box, sizeof c.box);
        row[4] = c.score;
        row[5] = (float)c.class_index;
        for (size_t i = 0; i < count; i++)
            if (i != best && ((!b->all && candidates[i].class_index != c.class_index) ||
                              !(overlap(candidates[i].box, c.box) > b->iou)))
                candidates[left++] = candidates[i];
        count = left;
    }
    return kept;
}

static sl_status boxes_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                             sl_value *out) {
    const struct boxes *b = state;
    struct candidate *candidates = host->scratch(ctx);
    const float *others = b->other ? host->input_row(ctx, b->scores) : NULL;
    size_t count = collect(b, in->tensor.data, others, candidates);
    out->tensor.dims[0] = (int64_t)thin_out(b, candidates, count, out->tensor.data);
    out->tensor.dims[1] = ROW;
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"format", "\"cxcywh\", \"xyxy\", \"yxyx\"", "\"cxcywh\"", "what a box's four numbers are"},
    {"layout", "\"rows\", \"columns\"", "\"rows\"",
     "[boxes,numbers] as YOLOv5, or [numbers,boxes] as YOLOv8"},
    {"objectness", "1", "0", "the number behind the box, by which scores are multiplied (YOLOv5)"},
    {"scores", "name of an output", "behind the box",
     "the scores, where they are an output of their own: [boxes,classes]"},
    {"activation", "\"none\", \"sigmoid\", \"softmax\"", "\"none\"",
     "what makes probabilities of the scores"},
    {"background", "integer", "no such class", "the class that means nothing: 0 (SSD), the last (DETR)"},
    {"score", "number", "0.25", "a better box is kept"},
    {"iou", "number", "0.45", "intersection over union from which on the worse box goes; 1: none goes"},
    {"across", "\"no\", \"yes\"", "\"no\"", "whether boxes of different classes suppress each other"},
    {"max", "integer", "300", "boxes a record, at most"},
    {"scale", "number or two", "1",
     "by which boxes are multiplied: [width, height] where they are parts of the image"},
    {"anchors", "file in the model directory", "none",
     "a line a box: center x, center y, width, height (SSD)"},
    {"variances", "two numbers", "[0.1, 0.2]", "of anchors: by which offsets and sizes are multiplied"},
    {NULL, NULL, NULL, NULL},
};

const sl_transform transform_boxes_nms = {
    .abi = SL_TRANSFORM_ABI,
    .nbytes = sizeof(sl_transform),
    .name = "boxes.nms",
    .summary = "the boxes of a detector: decoded, and those that overlap better ones left out",
    .shapes = "float [n,4 or more] -> float [boxes,6]: left, top, right, bottom, score, class",
    .params = docs,
    .open = boxes_open,
    .close = boxes_close,
    .apply = boxes_apply,
};
