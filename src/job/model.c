/* model.c: where the model is, and how its records are prepared: transform.json, or what follows from the
 * model. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "job/job.h"
#include "support/hash.h"
#include "support/json.h"
#include "support/text.h"

#define TEXT_NBYTES (16 << 10)     /* of a record's string inputs: most documents, and a batch of them fits */
#define TEXT_MOST_NBYTES (1 << 20) /* a csv field has no more */

bool job_is_file(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* MODEL is a .onnx file or a directory with model.onnx. */
static sl_status find_files(struct job_model *model, const char *path, sl_error *err) {
    struct stat st;
    if (stat(path, &st) != 0)
        return error_set(err, errno == EACCES ? SL_E_PERMISSION : SL_E_NOINPUT, "cannot open model '%s': %s",
                         text_quote(path), strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        snprintf(model->path, sizeof model->path, "%s", path);
        snprintf(model->dir, sizeof model->dir, "%s", path);
        char *slash = strrchr(model->dir, '/');
        if (slash)
            slash[slash == model->dir] = 0;
        else
            memcpy(model->dir, ".", 2);
        return SL_OK;
    }
    snprintf(model->dir, sizeof model->dir, "%s", path);
    static const char *const places[] = {"model.onnx",
                                         "onnx/model.onnx"}; /* Hugging Face's hub has the other */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        if (snprintf(model->path, sizeof model->path, "%s/%s", path, places[i]) >= (int)sizeof model->path)
            return error_set(err, SL_E_USAGE, "model path '%s' is too long", text_quote(path));
        if (job_is_file(model->path))
            return SL_OK;
    }
    if (!job_is_file(model->path))
        return error_set(err, SL_E_NOINPUT, "cannot find a model in '%s': it has no 'model.onnx'",
                         text_quote(path));
    return SL_OK;
}

/* transform.json's own keys. */
static sl_status read_csv_keys(struct job_model *model, const char *where, sl_error *err) {
    const json_t *csv = json_object_get(model->config, "csv"), *value;
    const char *key;
    if (csv && !json_is_object(csv))
        return error_set(err, SL_E_MODEL, "bad 'csv' in '%s': expected an object", where);
    json_object_foreach((json_t *)csv, key, value) {
        if (!strcmp(key, "header") && json_is_boolean(value))
            model->csv_header = json_is_true(value);
        else if (!strcmp(key, "nonfinite") && json_is_boolean(value))
            model->csv_nonfinite = json_is_true(value);
        else if (!strcmp(key, "empty_is_nan") && json_is_boolean(value))
            model->csv_empty_is_nan = json_is_true(value);
        else if (!strcmp(key, "delimiter") && json_is_string(value) && json_string_length(value) == 1)
            model->csv_delimiter = json_string_value(value)[0];
        else if (!strcmp(key, "comment") && json_is_string(value) && json_string_length(value) == 1)
            model->csv_comment = json_string_value(value)[0];
        else if (!strcmp(key, "quote") && json_is_string(value) && json_string_length(value) <= 1)
            model->csv_quote = json_string_length(value) ? json_string_value(value)[0] : CONTAINER_NO_QUOTE;
        else
            return error_set(
                err, SL_E_MODEL,
                "bad key '%s' in 'csv' of '%s': known are header (true or false), delimiter and comment (one "
                "character), quote (one character, or \"\" for none), nonfinite and empty_is_nan (true or "
                "false)",
                text_quote(key), where);
    }
    return SL_OK;
}

static sl_status read_text_keys(struct job_model *model, const char *where, sl_error *err) {
    const json_t *text = json_object_get(model->config, "text"), *value;
    const char *key;
    bool good = !text || json_is_object(text);
    model->text_nbytes = TEXT_NBYTES;
    json_object_foreach((json_t *)text, key, value) {
        const char *word = json_string_value(value);
        bool most = !strcmp(key, "max_bytes"), buckets = !strcmp(key, "buckets");
        if (most && json_integer_value(value) >= 1 && json_integer_value(value) <= TEXT_MOST_NBYTES)
            model->text_nbytes = (size_t)json_integer_value(value);
        else if (most || !buckets || !(json_is_array(value) || (word && !strcmp(word, "auto"))))
            good = false;
    }
    if (!good)
        return error_set(
            err, SL_E_MODEL,
            "bad 'text' in '%s': known are \"max_bytes\", 1 to %d, what a record's texts may have, and "
            "\"buckets\", \"auto\" or a list of lengths in tokens that the model is planned for",
            where, TEXT_MOST_NBYTES);
    return SL_OK;
}

static sl_status check_config(struct job_model *model, const char *where, sl_error *err) {
    static const char *const known[] = {"inputs", "outputs", "csv", "text", "batch", NULL};
    const char *key;
    json_t *value;
    if (!json_is_object(model->config))
        return error_set(err, SL_E_MODEL, "bad '%s': expected an object with 'inputs' and 'outputs'", where);
    json_object_foreach(model->config, key, value) {
        bool found = false;
        for (int i = 0; known[i]; i++)
            found = found || !strcmp(known[i], key);
        const char *near = found ? NULL : text_nearest(key, known);
        if (!found)
            return error_set(err, SL_E_MODEL, "unknown key '%s' in '%s'%s%s%s", text_quote(key), where,
                             near ? ": did you mean '" : "", near ? near : "", near ? "'?" : "");
    }
    const json_t *inputs = json_object_get(model->config, "inputs");
    if (inputs && !json_is_object(inputs))
        return error_set(err, SL_E_MODEL, "bad 'inputs' in '%s': expected an object of model inputs", where);
    json_object_foreach((json_t *)inputs, key, value) {
        bool found = false;
        for (size_t i = 0; i < model->graph->input_count; i++)
            found = found || !strcmp(model->graph->values[model->graph->inputs[i]].name, key);
        if (!found)
            return error_set(err, SL_E_MODEL, "'%s' prepares input '%s', which the model does not have",
                             where, text_quote(key));
    }
    const json_t *batch = json_object_get(model->config, "batch");
    if (batch && !json_is_boolean(batch))
        return error_set(err, SL_E_MODEL,
                         "bad 'batch' in '%s': false says that the model takes one record and has no batch "
                         "dimension, true that dimension 0 is the batch",
                         where);
    model->unbatched = json_is_false(batch);
    sl_status st = read_csv_keys(model, where, err);
    return st == SL_OK ? read_text_keys(model, where, err) : st;
}

/* Without transform.json: every input takes what its shape asks for, every output goes out as it is. */
static sl_status derive_config(struct job_model *model, sl_error *err) {
    json_t *inputs = json_object();
    model->config = json_pack("{s:o}", "inputs", inputs);
    if (!model->config)
        return error_set(err, SL_E_MEMORY, "out of memory for transform.json");
    model->derived = true;
    for (size_t i = 0; i < model->graph->input_count; i++)
        json_object_set_new(inputs, model->graph->values[model->graph->inputs[i]].name, json_array());
    sl_status st = derive_missing(model, err);
    if (st == SL_OK)
        st = derive_image(model, err);
    return st == SL_OK ? derive_text(model, err) : st;
}

sl_status job_model_open(struct job_model *model, const char *path, sl_error *err) {
    char config[PATH_MAX + 32];
    model->text_nbytes = TEXT_NBYTES;
    sl_status st = find_files(model, path, err);
    if (st == SL_OK)
        st = graph_load(&model->graph, model->path, err);
    if (st != SL_OK)
        return st;
    snprintf(config, sizeof config, "%s/transform.json", model->dir);
    if (!job_is_file(config))
        return derive_config(model, err);
    model->config = json_read_file(config, SL_E_MODEL, err);
    return model->config ? check_config(model, text_quote(config), err) : err->status;
}

/* Every file of the model directory that the config names (labels, vocabularies) belongs to the fingerprint.
 */
static sl_status hash_named_files(const struct job_model *model, const json_t *value, struct hash *hash,
                                  sl_error *err) {
    sl_status st = SL_OK;
    if (json_is_string(value)) {
        char path[2 * PATH_MAX], hex[HASH_HEX];
        snprintf(path, sizeof path, "%s/%s", model->dir, json_string_value(value));
        if (!json_string_length(value) || !job_is_file(path))
            return SL_OK;
        st = hash_file(path, hex, err);
        if (st == SL_OK)
            hash_add(hash, hex, strlen(hex));
        return st;
    }
    for (size_t i = 0; st == SL_OK && i < json_array_size(value); i++)
        st = hash_named_files(model, json_array_get(value, i), hash, err);
    if (json_is_object(value)) {
        const char *key;
        json_t *item;
        json_object_foreach((json_t *)value, key, item) {
            if (st == SL_OK)
                st = hash_named_files(model, item, hash, err);
        }
    }
    return st;
}

/* What a tokenizer reads without being told its name, or beside the file it is told. */
static sl_status hash_tokenizer(const struct job_model *model, struct hash *hash, sl_error *err) {
    static const char *const names[] = {
        "tokenizer.json",         "vocab.txt", "vocab.json", "merges.txt", "tokenizer_config.json",
        "special_tokens_map.json"};
    sl_status st = SL_OK;
    for (size_t i = 0; st == SL_OK && i < sizeof names / sizeof *names; i++) {
        json_t *name = json_string(names[i]);
        st = name ? hash_named_files(model, name, hash, err)
                  : error_set(err, SL_E_MEMORY, "out of memory for the fingerprint");
        json_decref(name);
    }
    return st;
}

sl_status job_model_hash(struct job_model *model, sl_error *err) {
    sl_status st = hash_file(model->path, model->sha256, err);
    if (st != SL_OK)
        return st;
    struct hash *hash = hash_open();
    char *text = json_dumps(model->config, JSON_COMPACT | JSON_SORT_KEYS);
    if (!hash || !text) {
        st = error_set(err, SL_E_MEMORY, "out of memory for the fingerprint");
    } else {
        hash_add(hash, text, strlen(text));
        st = hash_named_files(model, model->config, hash, err);
        if (st == SL_OK && strstr(text, "\"text."))
            st = hash_tokenizer(model, hash, err);
        hash_finish(hash, model->config_sha256);
    }
    json_free_t release;
    json_get_alloc_funcs(NULL, &release);
    release(text);
    if (hash)
        hash_close(hash);
    return st;
}

void job_model_close(struct job_model *model) {
    json_decref(model->config);
    if (model->graph)
        graph_close(model->graph);
    *model = (struct job_model){0};
}
