/* derive_image.c: how a picture reaches a model whose directory says how it was trained: by the
 * preprocessor_config.json of a Hugging Face export, or timm's pretrained_cfg in config.json. What comes out
 * is a transform.json as a user would write it. What such a file asks for and we cannot do is refused by
 * name: a picture prepared nearly right gives scores that are nearly right, and nobody notices. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/json.h"
#include "support/text.h"

#define PREPROCESSOR "preprocessor_config.json"
#define CONFIG "config.json"

/* What the processors' classes do with a number for `size`, and with crop_pct. */
enum rule { EXACT, SHORTER, CONVNEXT, LEVIT, POOLFORMER };

static const struct {
    const char *name; /* of image_processor_type, without what follows it */
    enum rule rule;
} processors[] = {
    {"ConvNext", CONVNEXT},   {"Levit", LEVIT},         {"PoolFormer", POOLFORMER},
    {"CLIP", SHORTER},        {"ChineseCLIP", SHORTER}, {"Bit", SHORTER},
    {"MobileNetV1", SHORTER}, {"MobileNetV2", SHORTER}, {"MobileViT", SHORTER},
    {"VideoMAE", SHORTER},    {"Flava", EXACT},         {"ViT", EXACT},
    {"DeiT", EXACT},          {"Beit", EXACT},          {"Siglip", EXACT},
    {"Siglip2", EXACT},       {"EfficientNet", EXACT},  {"Segformer", EXACT},
    {"Pvt", EXACT},           {"DPT", EXACT},           {"Blip", EXACT},
    {"Perceiver", EXACT},     {"ImageGPT", EXACT},
};

struct image_config {
    const struct job_model *model;
    const json_t *root;
    const char *file;
    enum rule rule;
    json_t *steps;
};

static sl_status refuse(const struct image_config *c, const char *what, sl_error *err) {
    return error_set(err, SL_E_MODEL, "cannot prepare images as '%s/%s' says: %s; write a transform.json",
                     text_quote(c->model->dir), c->file, what);
}

static bool is_on(const json_t *root, const char *key, bool missing) {
    const json_t *value = json_object_get(root, key);
    return value ? json_is_true(value) : missing;
}

/* Takes the reference to `step`. */
static sl_status add(struct image_config *c, json_t *step, sl_error *err) {
    return step && json_array_append_new(c->steps, step) == 0
               ? SL_OK
               : error_set(err, SL_E_MEMORY, "out of memory for transform.json");
}

/* ---- sizes ---- */

struct size {
    int64_t h, w, shorter; /* 0: not said */
};

static int64_t whole(const json_t *value) {
    int64_t n = json_is_integer(value) ? json_integer_value(value)
                : json_is_real(value)  ? (int64_t)json_real_value(value)
                                       : 0;
    return n > 0 && n <= INT32_MAX ? n : 0;
}

/* A number, a pair, or an object; a number means what the class makes of it. */
static sl_status read_size(const struct image_config *c, const char *key, bool square, struct size *size,
                           sl_error *err) {
    const json_t *value = json_object_get(c->root, key);
    char text[64];
    *size = (struct size){0};
    if (json_is_array(value) && json_array_size(value) == 2) {
        size->h = whole(json_array_get(value, 0));
        size->w = whole(json_array_get(value, 1));
    } else if (json_is_object(value)) {
        size->h = whole(json_object_get(value, "height"));
        size->w = whole(json_object_get(value, "width"));
        size->shorter =
            json_object_get(value, "longest_edge") ? 0 : whole(json_object_get(value, "shortest_edge"));
    } else if (square) {
        size->h = size->w = whole(value);
    } else {
        size->shorter = whole(value);
    }
    snprintf(text, sizeof text, "'%s' is not understood", key);
    return (size->h && size->w) || size->shorter ? SL_OK : refuse(c, text, err);
}

/* ---- the steps ---- */

/* Pillow's numbers of its filters, and timm's names. */
static const char *filter_name(const json_t *value) {
    static const char *const names[] = {"nearest", "lanczos", "bilinear", "bicubic", "box"};
    if (!value)
        return "bilinear";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if ((json_is_integer(value) && json_integer_value(value) == (json_int_t)i) ||
            (json_is_string(value) && !strcmp(json_string_value(value), names[i])))
            return names[i];
    return NULL;
}

static sl_status add_resize(struct image_config *c, int64_t h, int64_t w, int64_t shorter, const char *filter,
                            sl_error *err) {
    if (!filter)
        return refuse(c, "the filter of its 'resample' is not one of ours", err);
    json_t *step = shorter ? json_pack("{s:{s:I, s:s}}", "image.resize", "shorter", (json_int_t)shorter,
                                       "filter", filter)
                           : json_pack("{s:{s:[I,I], s:s}}", "image.resize", "size", (json_int_t)h,
                                       (json_int_t)w, "filter", filter);
    return add(c, step, err);
}

static sl_status add_crop(struct image_config *c, int64_t h, int64_t w, bool down, sl_error *err) {
    json_t *step =
        down ? json_pack("{s:{s:[I,I], s:s}}", "image.center_crop", "size", (json_int_t)h, (json_int_t)w,
                         "offset", "down")
             : json_pack("{s:{s:[I,I]}}", "image.center_crop", "size", (json_int_t)h, (json_int_t)w);
    return add(c, step, err);
}

static sl_status resize_steps(struct image_config *c, sl_error *err) {
    const char *filter = filter_name(json_object_get(c->root, "resample"));
    const json_t *pct = json_object_get(c->root, "crop_pct");
    double crop_pct = json_is_number(pct) ? json_number_value(pct) : 0;
    struct size size;
    sl_status st = read_size(c, "size", c->rule == EXACT, &size, err);
    if (st != SL_OK)
        return st;
    if (c->rule == CONVNEXT && size.shorter >= 384)
        return add_resize(c, size.shorter, size.shorter, 0, filter, err);
    if (c->rule == CONVNEXT && size.shorter) {
        double wide = (double)size.shorter / (crop_pct > 0 ? crop_pct : 224.0 / 256);
        st = add_resize(c, 0, 0, (int64_t)wide, filter, err);
        return st == SL_OK ? add_crop(c, size.shorter, size.shorter, true, err) : st;
    }
    if (c->rule == LEVIT && size.shorter)
        size.shorter = (int64_t)(256.0 / 224 * (double)size.shorter);
    if (c->rule == POOLFORMER && size.shorter && crop_pct > 0)
        size.shorter = (int64_t)((double)size.shorter / crop_pct);
    return add_resize(c, size.h, size.w, size.shorter, filter, err);
}

/* `mean` and `std` as they stand in the file, one number for each channel. */
static sl_status add_normalize(struct image_config *c, double scale, const json_t *mean, const json_t *std,
                               bool nhwc, sl_error *err) {
    json_t *params = json_object(), *step = json_pack("{s:o}", "tensor.normalize", params);
    bool ok = step != NULL;
    if (fabs(scale * 255 - 1) > 1e-6)
        ok = ok && json_object_set_new(params, "scale", json_real(scale)) == 0;
    if (mean && std)
        ok = ok && json_object_set_new(params, "mean", json_deep_copy(mean)) == 0 &&
             json_object_set_new(params, "std", json_deep_copy(std)) == 0;
    if (nhwc)
        ok = ok && json_object_set_new(params, "layout", json_string("nhwc")) == 0;
    if (ok)
        return add(c, step, err);
    json_decref(step);
    return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
}

static sl_status read_processor(struct image_config *c, sl_error *err) {
    const char *type = json_string_value(json_object_get(c->root, "image_processor_type"));
    char text[128];
    if (!type)
        type = json_string_value(json_object_get(c->root, "feature_extractor_type"));
    for (size_t i = 0; type && i < sizeof processors / sizeof *processors; i++) {
        size_t nbytes = strlen(processors[i].name);
        const char *tail = type + nbytes;
        if (!strncmp(type, processors[i].name, nbytes) &&
            (!strncmp(tail, "ImageProcessor", 14) || !strncmp(tail, "FeatureExtractor", 16))) {
            c->rule = processors[i].rule;
            return SL_OK;
        }
    }
    snprintf(text, sizeof text, "image processor '%s' is not known", type ? text_quote(type) : "(none)");
    return refuse(c, text, err);
}

/* Switches that change pixels in ways we have no step for. */
static sl_status check_switches(const struct image_config *c, sl_error *err) {
    static const char *const keys[] = {"do_pad",
                                       "do_flip_channel_order",
                                       "do_thumbnail",
                                       "do_align_long_axis",
                                       "do_color_quantize",
                                       "do_reduce_labels",
                                       "do_grayscale",
                                       "rescale_offset",
                                       "keep_aspect_ratio",
                                       "do_image_splitting"};
    char text[64];
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (is_on(c->root, keys[i], false) && strcmp(keys[i], "do_reduce_labels") != 0) {
            snprintf(text, sizeof text, "there is no step for '%s'", keys[i]);
            return refuse(c, text, err);
        }
    return SL_OK;
}

/* EfficientNet's processor divides by the deviations once more where its head is kept. */
static json_t *squared(const json_t *numbers) {
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(numbers); i++) {
        double x = json_number_value(json_array_get(numbers, i));
        json_array_append_new(list, json_real(x * x));
    }
    return list;
}

static sl_status add_hf_normalize(struct image_config *c, bool nhwc, sl_error *err) {
    const json_t *factor = json_object_get(c->root, "rescale_factor");
    bool on = is_on(c->root, "do_normalize", true);
    double scale = !is_on(c->root, "do_rescale", true) ? 1
                   : json_is_number(factor)            ? json_number_value(factor)
                                                       : 1.0 / 255;
    json_t *mean = on ? json_incref(json_object_get(c->root, "image_mean")) : NULL;
    json_t *std = on ? json_incref(json_object_get(c->root, "image_std")) : NULL;
    if (std && is_on(c->root, "include_top", false)) {
        json_t *again = squared(std);
        json_decref(std);
        std = again;
    }
    sl_status st = add_normalize(c, scale, mean, std, nhwc, err);
    json_decref(mean);
    json_decref(std);
    return st;
}

static sl_status huggingface(struct image_config *c, bool nhwc, sl_error *err) {
    sl_status st = read_processor(c, err);
    if (st == SL_OK)
        st = check_switches(c, err);
    if (st == SL_OK && is_on(c->root, "do_resize", true) && json_object_get(c->root, "size"))
        st = resize_steps(c, err);
    /* ConvNext crops by its own rule */
    if (st == SL_OK && c->rule != CONVNEXT && is_on(c->root, "do_center_crop", false)) {
        struct size size;
        st = read_size(c, "crop_size", true, &size, err);
        if (st == SL_OK)
            st = add_crop(c, size.h, size.w, true, err);
    }
    return st == SL_OK ? add_hf_normalize(c, nhwc, err) : st;
}

/* timm's evaluation transform: the shorter side to the floor of size / crop_pct, the middle, mean and std. */
static sl_status timm(struct image_config *c, bool nhwc, sl_error *err) {
    const json_t *size = json_object_get(c->root, "test_input_size");
    size = size ? size : json_object_get(c->root, "input_size");
    const json_t *pct = json_object_get(c->root, "test_crop_pct"),
                 *mode = json_object_get(c->root, "crop_mode");
    pct = pct ? pct : json_object_get(c->root, "crop_pct");
    int64_t h = whole(json_array_get(size, 1)), w = whole(json_array_get(size, 2));
    double crop_pct = json_is_number(pct) ? json_number_value(pct) : 0.875;
    const char *filter = filter_name(json_object_get(c->root, "interpolation"));
    const char *how = json_is_string(mode) ? json_string_value(mode) : "center";
    if (!h || !w || crop_pct <= 0)
        return refuse(c, "'input_size' or 'crop_pct' is not understood", err);
    int64_t high = (int64_t)floor((double)h / crop_pct), wide = (int64_t)floor((double)w / crop_pct);
    if (strcmp(how, "center") != 0 && strcmp(how, "squash") != 0)
        return refuse(c, "there is no step for its 'crop_mode'", err);
    bool squash = !strcmp(how, "squash") || h != w;
    sl_status st = add_resize(c, high, wide, squash ? 0 : high, filter, err);
    if (st == SL_OK)
        st = add_crop(c, h, w, false, err);
    return st == SL_OK ? add_normalize(c, 1.0 / 255, json_object_get(c->root, "mean"),
                                       json_object_get(c->root, "std"), nhwc, err)
                       : st;
}

/* ---- the model ---- */

/* The only input that can be a picture: float of rank 4 with 3 channels first or last. GRAPH_NONE: none. */
static uint32_t image_input(const struct graph *graph, bool *nhwc) {
    uint32_t hit = GRAPH_NONE;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct graph_value *v = &graph->values[graph->inputs[i]];
        if (!v->has_shape || v->tensor.rank != 4)
            continue;
        if (hit != GRAPH_NONE)
            return GRAPH_NONE;
        hit = graph->inputs[i];
        *nhwc = v->tensor.dims[3] == 3 && v->tensor.dims[1] != 3;
    }
    return hit;
}

/* A classifier's scores go out as the best five with their labels, as Hugging Face's pipeline gives them. */
static sl_status add_result(struct job_model *model, const json_t *config, sl_error *err) {
    const json_t *labels = json_object_get(config, "id2label"),
                 *problem = json_object_get(config, "problem_type");
    const struct graph *graph = model->graph;
    size_t count = json_object_size(labels);
    for (size_t i = 0; count > 1 && i < graph->output_count; i++) {
        const struct graph_value *v = &graph->values[graph->outputs[i]];
        bool scores = !strcmp(v->name, "logits") && (!v->has_shape || v->tensor.rank == 2);
        if (!scores || (json_is_string(problem) &&
                        strcmp(json_string_value(problem), "single_label_classification") != 0))
            continue;
        json_t *list = json_pack("[{s:s}, s, {s:{s:I, s:s}}]", "from", v->name, "tensor.softmax",
                                 "tensor.top_k", "k", (json_int_t)(count < 5 ? count : 5), "labels", CONFIG);
        if (!list || json_object_set_new(model->config, "outputs", list) != 0)
            return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
        break;
    }
    return SL_OK;
}

static json_t *read_config(const struct job_model *model, const char *name, sl_status *st, sl_error *err) {
    char path[PATH_MAX + 32];
    snprintf(path, sizeof path, "%s/%s", model->dir, name);
    if (!job_is_file(path))
        return NULL;
    json_t *root = json_read_file(path, SL_E_MODEL, err);
    *st = root ? SL_OK : err->status;
    return root;
}

sl_status derive_image(struct job_model *model, sl_error *err) {
    bool nhwc = false;
    uint32_t input = image_input(model->graph, &nhwc);
    sl_status st = SL_OK;
    if (input == GRAPH_NONE)
        return SL_OK;
    json_t *config = read_config(model, CONFIG, &st, err);
    json_t *processor = st == SL_OK ? read_config(model, PREPROCESSOR, &st, err) : NULL;
    const json_t *cfg = json_object_get(config, "pretrained_cfg");
    struct image_config c = {.model = model,
                             .root = processor ? processor : cfg,
                             .file = processor ? PREPROCESSOR : CONFIG,
                             .steps = json_pack("[s]", "image.decode")};
    json_t *inputs = json_object_get(model->config, "inputs");
    if (st == SL_OK && c.root)
        st = !c.steps    ? error_set(err, SL_E_MEMORY, "out of memory for transform.json")
             : processor ? huggingface(&c, nhwc, err)
                         : timm(&c, nhwc, err);
    if (st == SL_OK && c.root && json_object_set(inputs, model->graph->values[input].name, c.steps) != 0)
        st = error_set(err, SL_E_MEMORY, "out of memory for transform.json");
    if (st == SL_OK && c.root)
        st = add_result(model, config, err);
    json_decref(c.steps);
    json_decref(processor);
    json_decref(config);
    return st;
}
