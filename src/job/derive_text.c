/* derive_text.c: how a text reaches a model of language, and what comes of its outputs, by what stands beside
 * the model: a tokenizer's files, and sentence-transformers' modules.json or a classifier's config.json. What
 * comes out is a transform.json as a user would write it: what the library's own pipeline does. */
#include <stdio.h>
#include <string.h>

#include "job/job.h"
#include "support/json.h"
#include "support/text.h"

#define MOST_LENGTH 65536 /* tokenizer_config.json says 1e30 where there is no limit */

static const char *const input_names[] = {"input_ids", "attention_mask", "token_type_ids", "position_ids"};
#define INPUT_NAMES (sizeof input_names / sizeof *input_names)

struct text_config {
    const struct job_model *model;
    json_t *config, *tokenizer, *sentence, *modules, *prompts; /* may be NULL */
};

static sl_status no_memory(sl_error *err) {
    return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
}

static bool is_there(const struct job_model *model, const char *name) {
    char path[PATH_MAX + 64];
    return snprintf(path, sizeof path, "%s/%s", model->dir, name) < (int)sizeof path && job_is_file(path);
}

static json_t *read_beside(const struct job_model *model, const char *name, sl_status *st, sl_error *err) {
    char path[PATH_MAX + 64];
    if (*st != SL_OK || !is_there(model, name) ||
        snprintf(path, sizeof path, "%s/%s", model->dir, name) >= (int)sizeof path)
        return NULL;
    json_t *root = json_read_file(path, SL_E_MODEL, err);
    *st = root ? SL_OK : err->status;
    return root;
}

/* ---- inputs ---- */

static const char *tokenizer_file(const struct job_model *model) {
    if (is_there(model, "tokenizer.json"))
        return "tokenizer.json";
    if (is_there(model, "vocab.txt"))
        return "vocab.txt";
    return is_there(model, "vocab.json") && is_there(model, "merges.txt") ? "vocab.json" : NULL;
}

/* Whether every input is one that a tokenizer gives, and the numbers of the tokens among them. */
static bool takes_tokens(const struct graph *graph) {
    bool ids = false;
    for (size_t i = 0; i < graph->input_count; i++) {
        const struct graph_value *v = &graph->values[graph->inputs[i]];
        bool known = false;
        for (size_t k = 0; k < INPUT_NAMES; k++)
            known = known || !strcmp(v->name, input_names[k]);
        if (!known || !v->has_shape || v->tensor.rank != 2)
            return false;
        ids = ids || !strcmp(v->name, input_names[0]);
    }
    return ids;
}

static int64_t length_of(const json_t *root, const char *key) {
    double n = json_number_value(json_object_get(root, key));
    return n >= 1 && n <= MOST_LENGTH ? (int64_t)n : 0;
}

/* As many tokens as sentence-transformers, the tokenizer or the model itself allow; 0: nobody says. */
static int64_t max_length(const struct text_config *c) {
    int64_t length = length_of(c->sentence, "max_seq_length");
    const char *type = json_string_value(json_object_get(c->config, "model_type"));
    int64_t places = length_of(c->config, "max_position_embeddings");
    if (places > 2 && type && strstr("roberta xlm-roberta camembert mpnet longformer", type))
        places -= 2; /* their positions begin behind the padding's */
    if (!length)
        length = length_of(c->tokenizer, "model_max_length");
    return length && (!places || length < places) ? length : places;
}

static sl_status add_inputs(struct job_model *model, const struct text_config *c, const char *file,
                            sl_error *err) {
    json_t *inputs = json_object_get(model->config, "inputs");
    int64_t length = max_length(c);
    const char *side = json_string_value(json_object_get(c->tokenizer, "truncation_side"));
    const char *pad = json_string_value(json_object_get(c->tokenizer, "padding_side"));
    for (size_t i = 0; i < model->graph->input_count; i++) {
        json_t *params = json_pack("{s:s}", "tokenizer", file);
        json_t *steps = json_pack("[{s:o}]", "text.tokenize", params);
        bool ok = steps != NULL;
        if (ok && length)
            ok = json_object_set_new(params, "max_length", json_integer((json_int_t)length)) == 0;
        if (ok && side && !strcmp(side, "left"))
            ok = json_object_set_new(params, "truncation_side", json_string(side)) == 0;
        if (ok && pad && !strcmp(pad, "left"))
            ok = json_object_set_new(params, "padding_side", json_string(pad)) == 0;
        const char *name = model->graph->values[model->graph->inputs[i]].name;
        if (!ok || json_object_set_new(inputs, name, steps) != 0) {
            if (!ok)
                json_decref(steps);
            return no_memory(err);
        }
    }
    return SL_OK;
}

/* ---- outputs ---- */

static const struct graph_value *find_output(const struct graph *graph, const char *name) {
    for (size_t i = 0; i < graph->output_count; i++)
        if (!strcmp(graph->values[graph->outputs[i]].name, name))
            return &graph->values[graph->outputs[i]];
    return NULL;
}

/* What of 1_Pooling/config.json is on; NULL when nothing that we have, or more than one. */
static const char *pooling_mode(const json_t *pooling) {
    static const char *const modes[][2] = {
        {"pooling_mode_cls_token", "first"}, {"pooling_mode_mean_tokens", "mean"},
        {"pooling_mode_max_tokens", "max"},  {"pooling_mode_mean_sqrt_len_tokens", "mean_sqrt"},
        {"pooling_mode_lasttoken", "last"},  {"pooling_mode_weightedmean_tokens", NULL}};
    const char *mode = NULL, *word = json_string_value(json_object_get(pooling, "pooling_mode"));
    unsigned count = 0;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (json_is_true(json_object_get(pooling, modes[i][0]))) {
            mode = modes[i][1];
            count++;
        }
    if (!count && word) /* sentence-transformers 5 names it */
        return !strcmp(word, "cls")                            ? "first"
               : !strcmp(word, "lasttoken")                    ? "last"
               : !strcmp(word, "mean") || !strcmp(word, "max") ? word
               : !strcmp(word, "mean_sqrt_len_tokens")         ? "mean_sqrt"
                                                               : NULL;
    return count == 1 ? mode : NULL;
}

static sl_status refuse(const struct text_config *c, const char *what, sl_error *err) {
    return error_set(err, SL_E_MODEL, "cannot derive a transform.json from '%s/modules.json': %s; write one",
                     text_quote(c->model->dir), what);
}

static sl_status add_pooling(const struct text_config *c, const json_t *module, json_t *steps,
                             sl_error *err) {
    char path[PATH_MAX + 64];
    sl_status st = SL_OK;
    const char *dir = json_string_value(json_object_get(module, "path"));
    int nbytes = snprintf(path, sizeof path, "%s/config.json", dir ? dir : "1_Pooling");
    json_t *pooling = nbytes < (int)sizeof path ? read_beside(c->model, path, &st, err) : NULL;
    const char *mode = pooling_mode(pooling);
    if (st == SL_OK && !mode)
        st = refuse(c, "its pooling is not one of cls, mean, max, mean_sqrt and last token", err);
    if (st == SL_OK) {
        json_t *step = json_pack("{s:{s:s, s:s}}", "tensor.pool", "mode", mode, "mask", "attention_mask");
        if (!step || json_array_append_new(steps, step) != 0)
            st = no_memory(err);
    }
    json_decref(pooling);
    return st;
}

/* What encode() does to texts before the tokenizer has them, and no step of ours. */
static sl_status check_texts(const struct text_config *c, sl_error *err) {
    const char *name = json_string_value(json_object_get(c->prompts, "default_prompt_name"));
    const json_t *prompts = json_object_get(c->prompts, "prompts");
    if (name && json_string_length(json_object_get(prompts, name)))
        return refuse(
            c, "every text gets the prompt of its 'default_prompt_name', for which there is no step", err);
    if (json_is_true(json_object_get(c->sentence, "do_lower_case")) &&
        !json_is_true(json_object_get(c->tokenizer, "do_lower_case")))
        return refuse(c, "its 'do_lower_case' is not the tokenizer's own", err);
    return SL_OK;
}

/* sentence-transformers: the transformer, then Pooling, then Normalize. */
static sl_status add_modules(struct job_model *model, const struct text_config *c, sl_error *err) {
    const struct graph_value *whole = find_output(model->graph, "sentence_embedding");
    const struct graph_value *tokens = find_output(model->graph, "last_hidden_state");
    if (!tokens)
        tokens = find_output(model->graph, "token_embeddings");
    if (!whole && !tokens)
        tokens = &model->graph->values[model->graph->outputs[0]];
    json_t *steps = json_pack("[{s:s}]", "from", whole ? whole->name : tokens->name);
    sl_status st = steps ? check_texts(c, err) : no_memory(err);
    for (size_t i = 0; st == SL_OK && !whole && i < json_array_size(c->modules); i++) {
        const json_t *module = json_array_get(c->modules, i);
        const char *type = json_string_value(json_object_get(module, "type"));
        const char *dot = type ? strrchr(type, '.') : NULL, *class = dot ? dot + 1 : type ? type : "";
        if (!strcmp(class, "Transformer"))
            continue;
        if (!strcmp(class, "Pooling"))
            st = add_pooling(c, module, steps, err);
        else if (strcmp(class, "Normalize") != 0)
            st = refuse(c, class, err);
        else if (json_array_append_new(steps, json_string("tensor.normalize_l2")) != 0)
            st = no_memory(err);
    }
    if (st == SL_OK && json_object_set(model->config, "outputs", steps) != 0)
        st = no_memory(err);
    json_decref(steps);
    return st;
}

/* A classifier: the best label with its probability, as the pipeline of its library. */
static sl_status add_labels(struct job_model *model, const struct text_config *c, sl_error *err) {
    const char *problem = json_string_value(json_object_get(c->config, "problem_type"));
    size_t count = json_object_size(json_object_get(c->config, "id2label"));
    const struct graph_value *logits = find_output(model->graph, "logits");
    if (!count || !logits || (logits->has_shape && logits->tensor.rank != 2) ||
        (problem && !strcmp(problem, "regression")))
        return SL_OK;
    bool each = count == 1 || (problem && !strcmp(problem, "multi_label_classification"));
    json_t *steps =
        json_pack("[{s:s}, s, {s:{s:i, s:s}}]", "from", "logits", each ? "tensor.sigmoid" : "tensor.softmax",
                  "tensor.top_k", "k", 1, "labels", "config.json");
    return steps && json_object_set_new(model->config, "outputs", steps) == 0 ? SL_OK : no_memory(err);
}

sl_status derive_text(struct job_model *model, sl_error *err) {
    const char *file = takes_tokens(model->graph) ? tokenizer_file(model) : NULL;
    sl_status st = SL_OK;
    if (!file)
        return SL_OK;
    struct text_config c = {.model = model};
    c.config = read_beside(model, "config.json", &st, err);
    c.tokenizer = read_beside(model, "tokenizer_config.json", &st, err);
    c.sentence = read_beside(model, "sentence_bert_config.json", &st, err);
    c.modules = read_beside(model, "modules.json", &st, err);
    c.prompts = read_beside(model, "config_sentence_transformers.json", &st, err);
    if (st == SL_OK)
        st = add_inputs(model, &c, file, err);
    if (st == SL_OK)
        st = c.modules ? add_modules(model, &c, err) : add_labels(model, &c, err);
    if (st == SL_OK && json_object_set_new(model->config, "text", json_pack("{s:s}", "buckets", "auto")) != 0)
        st = no_memory(err);
    model->tokenised = st == SL_OK;
    json_decref(c.config);
    json_decref(c.tokenizer);
    json_decref(c.sentence);
    json_decref(c.modules);
    json_decref(c.prompts);
    return st;
}
