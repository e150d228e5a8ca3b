/* request.c: a CreateTransformJob request as options of a job. Every key that the service knows stands in one
 * table: what it may be worth, and what becomes of it here. The words about wrong values are the service's.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sluice/job.h"
#include "support/buf.h"
#include "support/error.h"
#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"

struct sl_job_request {
    json_t *root;       /* keeps the texts */
    struct buf ignored; /* "A.B, C" */
};

enum kind { OBJECT, TEXT, NUMBER, TRUTH, TEXTS /* an object of texts */, LIST };

/* What a key is and does. */
struct key {
    const char *path; /* "TransformInput.ContentType" */
    enum kind kind;
    bool required, ignored;
    long long least, most;    /* of a number, or of a text's length; most 0: any */
    const char *const *words; /* a text is one of these; NULL: any */
    size_t text_at;           /* of the option that a text becomes; 0: another way, or none */
};

#define OPTION(field) offsetof(sl_job_options, field)
static const char *const strategies[] = {"MultiRecord", "SingleRecord", NULL};
static const char *const compressions[] = {"None", "Gzip", NULL};
static const char *const splits[] = {"None", "Line", "RecordIO", "TFRecord", NULL};
static const char *const assemblies[] = {"None", "Line", NULL};
static const char *const data_types[] = {"ManifestFile", "S3Prefix", "AugmentedManifestFile", NULL};
static const char *const joins[] = {"Input", "None", NULL};

static const struct key keys[] = {
    {"TransformJobName", TEXT, true, true, 1, 63, NULL, 0},
    {"ModelName", TEXT, true, false, 1, 63, NULL, OPTION(model)},
    {"MaxConcurrentTransforms", NUMBER, false, true, 0, INT32_MAX, NULL, 0},
    {"ModelClientConfig", OBJECT, false, false, 0, 0, NULL, 0},
    {"ModelClientConfig.InvocationsTimeoutInSeconds", NUMBER, false, true, 1, 3600, NULL, 0},
    {"ModelClientConfig.InvocationsMaxRetries", NUMBER, false, true, 0, 3, NULL, 0},
    {"MaxPayloadInMB", NUMBER, false, false, 0, 100, NULL, 0},
    {"BatchStrategy", TEXT, false, false, 0, 0, strategies, OPTION(batch_strategy)},
    {"Environment", TEXTS, false, false, 0, 16, NULL, 0},
    {"TransformInput", OBJECT, true, false, 0, 0, NULL, 0},
    {"TransformInput.DataSource", OBJECT, true, false, 0, 0, NULL, 0},
    {"TransformInput.DataSource.S3DataSource", OBJECT, true, false, 0, 0, NULL, 0},
    {"TransformInput.DataSource.S3DataSource.S3DataType", TEXT, true, false, 0, 0, data_types,
     OPTION(s3_data_type)},
    {"TransformInput.DataSource.S3DataSource.S3Uri", TEXT, true, false, 0, 1024, NULL, OPTION(input)},
    {"TransformInput.ContentType", TEXT, false, false, 0, 256, NULL, OPTION(content_type)},
    {"TransformInput.CompressionType", TEXT, false, false, 0, 0, compressions, OPTION(compression_type)},
    {"TransformInput.SplitType", TEXT, false, false, 0, 0, splits, OPTION(split_type)},
    {"TransformOutput", OBJECT, true, false, 0, 0, NULL, 0},
    {"TransformOutput.S3OutputPath", TEXT, true, false, 0, 1024, NULL, OPTION(output)},
    {"TransformOutput.Accept", TEXT, false, false, 0, 256, NULL, OPTION(accept)},
    {"TransformOutput.AssembleWith", TEXT, false, false, 0, 0, assemblies, OPTION(assemble_with)},
    {"TransformOutput.KmsKeyId", TEXT, false, true, 0, 2048, NULL, 0},
    {"DataCaptureConfig", OBJECT, false, false, 0, 0, NULL, 0},
    {"DataCaptureConfig.DestinationS3Uri", TEXT, true, true, 0, 512, NULL, 0},
    {"DataCaptureConfig.KmsKeyId", TEXT, false, true, 0, 2048, NULL, 0},
    {"DataCaptureConfig.GenerateInferenceId", TRUTH, false, false, 0, 0, NULL, 0},
    {"TransformResources", OBJECT, true, false, 0, 0, NULL, 0},
    {"TransformResources.InstanceType", TEXT, true, true, 0, 0, NULL, 0},
    {"TransformResources.InstanceCount", NUMBER, true, true, 1, 100, NULL, 0},
    {"TransformResources.VolumeKmsKeyId", TEXT, false, true, 0, 2048, NULL, 0},
    {"TransformResources.TransformAmiVersion", TEXT, false, true, 1, 63, NULL, 0},
    {"DataProcessing", OBJECT, false, false, 0, 0, NULL, 0},
    {"DataProcessing.InputFilter", TEXT, false, false, 0, 63, NULL, OPTION(input_filter)},
    {"DataProcessing.OutputFilter", TEXT, false, false, 0, 63, NULL, OPTION(output_filter)},
    {"DataProcessing.JoinSource", TEXT, false, false, 0, 0, joins, OPTION(join_source)},
    {"Tags", LIST, false, true, 0, 50, NULL, 0},
    {"ExperimentConfig", OBJECT, false, false, 0, 0, NULL, 0},
    {"ExperimentConfig.ExperimentName", TEXT, false, true, 1, 120, NULL, 0},
    {"ExperimentConfig.TrialName", TEXT, false, true, 1, 120, NULL, 0},
    {"ExperimentConfig.TrialComponentDisplayName", TEXT, false, true, 1, 120, NULL, 0},
    {"ExperimentConfig.RunName", TEXT, false, true, 1, 120, NULL, 0},
};
#define KEYS (sizeof keys / sizeof *keys)

struct reading {
    sl_job_request *request;
    sl_job_options *options;
    const char *file;
    sl_error *err;
};

static sl_status refuse(const struct reading *r, const char *format, ...) {
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(r->err, SL_E_MODEL, "job file '%s': %s", text_quote(r->file), text);
}

/* ---- values ---- */

static sl_status wrong(const struct reading *r, const struct key *key, const char *value, const char *must) {
    return refuse(r, "value '%s' at '%s' failed to satisfy constraint: member must %s", value, key->path,
                  must);
}

static sl_status take_text(struct reading *r, const struct key *key, const json_t *value) {
    const char *text = json_string_value(value);
    char must[160] = "satisfy enum value set: [";
    bool known = !key->words;
    if (key->most && strlen(text) > (size_t)key->most) {
        snprintf(must, sizeof must, "have length less than or equal to %lld", key->most);
        return wrong(r, key, text_quote(text), must);
    }
    if (strlen(text) < (size_t)key->least) {
        snprintf(must, sizeof must, "have length greater than or equal to %lld", key->least);
        return wrong(r, key, text_quote(text), must);
    }
    for (const char *const *word = key->words; word && *word; word++) {
        size_t n = strlen(must);
        known = known || !strcmp(*word, text);
        snprintf(must + n, sizeof must - n, "%s%s%s", word == key->words ? "" : ", ", *word,
                 word[1] ? "" : "]");
    }
    if (!known)
        return wrong(r, key, text_quote(text), must);
    if (key->words == data_types && !strcmp(text, "AugmentedManifestFile"))
        return refuse(r, "S3DataType AugmentedManifestFile is not compatible with transform jobs");
    if (key->text_at)
        *(const char **)((char *)r->options + key->text_at) = text;
    return SL_OK;
}

static sl_status take_number(struct reading *r, const struct key *key, const json_t *value) {
    long long x = json_integer_value(value);
    char text[32], must[64];
    snprintf(text, sizeof text, "%lld", x);
    snprintf(must, sizeof must, "have value %s than or equal to %lld", x < key->least ? "greater" : "less",
             x < key->least ? key->least : key->most);
    if (x < key->least || x > key->most)
        return wrong(r, key, text, must);
    if (!strcmp(key->path, "MaxPayloadInMB")) /* 0: the service does not bound it */
        r->options->max_record_nbytes = x ? (uint64_t)x << 20 : (uint64_t)1 << 30;
    return SL_OK;
}

/* SLUICE_NAME in Environment stands for --name, unless the process has it already. */
static sl_status take_environment(struct reading *r, const struct key *key, json_t *value) {
    const char *name;
    json_t *text;
    char must[64];
    if (json_object_size(value) > (size_t)key->most) {
        snprintf(must, sizeof must, "have length less than or equal to %lld", key->most);
        return wrong(r, key, "{...}", must);
    }
    json_object_foreach(value, name, text) {
        if (!json_is_string(text))
            return refuse(r, "bad value at 'Environment.%s': expected a text", text_quote(name));
        if (strncmp(name, "SLUICE_", 7))
            buf_printf(&r->request->ignored, "%sEnvironment.%s", r->request->ignored.size ? ", " : "",
                       text_quote(name));
        else if (setenv(name, json_string_value(text), 0) != 0)
            return refuse(r, "cannot set 'Environment.%s'", text_quote(name));
    }
    return SL_OK;
}

static sl_status take_value(struct reading *r, const struct key *key, json_t *value) {
    static const char *const names[] = {"an object",     "a text",    "a whole number",
                                        "true or false", "an object", "a list"};
    const bool fits[] = {json_is_object(value),  json_is_string(value), json_is_integer(value),
                         json_is_boolean(value), json_is_object(value), json_is_array(value)};
    if (!fits[key->kind])
        return refuse(r, "bad value at '%s': expected %s", key->path, names[key->kind]);
    if (key->kind == TRUTH)
        r->options->inference_ids = json_is_true(value);
    if (key->ignored)
        buf_printf(&r->request->ignored, "%s%s", r->request->ignored.size ? ", " : "", key->path);
    switch (key->kind) {
    case TEXT:
        return take_text(r, key, value);
    case NUMBER:
        return take_number(r, key, value);
    case TEXTS:
        return take_environment(r, key, value);
    default:
        return SL_OK;
    }
}

/* ---- keys ---- */

static sl_status unknown(const struct reading *r, const char *path, const char *name) {
    const char *near_names[KEYS + 1];
    size_t n = 0, length = strlen(path);
    for (size_t i = 0; i < KEYS; i++)
        if (!strncmp(keys[i].path, path, length) && !strchr(keys[i].path + length, '.'))
            near_names[n++] = keys[i].path + length;
    near_names[n] = NULL;
    const char *near = text_nearest(name, near_names);
    return refuse(r, "unknown key '%s%s'%s%s%s", path, text_quote(name), near ? ": did you mean '" : "",
                  near ? near : "", near ? "'?" : "");
}

/* `path` ends in '.', or is empty for the request itself. */
static sl_status take_object(struct reading *r, const char *path, json_t *object) {
    const char *name;
    json_t *value;
    size_t length = strlen(path);
    for (size_t i = 0; i < KEYS; i++)
        if (keys[i].required && !strncmp(keys[i].path, path, length) && !strchr(keys[i].path + length, '.') &&
            !json_object_get(object, keys[i].path + length))
            return refuse(r, "value null at '%s' failed to satisfy constraint: member must not be null",
                          keys[i].path);
    json_object_foreach(object, name, value) {
        char full[256];
        const struct key *key = NULL;
        if (snprintf(full, sizeof full - 1, "%s%s", path, name) < (int)sizeof full - 1)
            for (size_t i = 0; !key && i < KEYS; i++)
                key = strcmp(keys[i].path, full) ? NULL : &keys[i];
        sl_status st = key ? take_value(r, key, value) : unknown(r, path, name);
        if (st == SL_OK && key->kind == OBJECT) {
            strcat(full, ".");
            st = take_object(r, full, value);
        }
        if (st != SL_OK)
            return st;
    }
    return SL_OK;
}

/* What no key can say alone. */
static sl_status check_together(const struct reading *r) {
    const json_t *root = r->request->root;
    long long payload = json_integer_value(json_object_get(root, "MaxPayloadInMB"));
    long long concurrent = json_integer_value(json_object_get(root, "MaxConcurrentTransforms"));
    if (payload && concurrent && payload * concurrent > 100)
        return refuse(r, "MaxConcurrentTransforms * MaxPayloadInMB is %lld MB, the service allows 100",
                      payload * concurrent);
    return SL_OK;
}

sl_status sl_job_request_open(sl_job_request **out, const char *path, sl_job_options *options,
                              sl_error *err) {
    sl_job_request *request = mem_alloc(1, sizeof *request);
    if (!request)
        return error_set(err, SL_E_MEMORY, "out of memory for the job file");
    struct reading r = {.request = request, .options = options, .file = path, .err = err};
    sl_error below = {0};
    buf_init(&request->ignored);
    request->root = json_read_file(path, SL_E_MODEL, &below);
    sl_status st = request->root ? SL_OK : error_set(err, below.status, "%s", below.text);
    if (st == SL_OK && !json_is_object(request->root))
        st = refuse(&r, "expected a CreateTransformJob request, an object");
    if (st == SL_OK)
        st = take_object(&r, "", request->root);
    if (st == SL_OK)
        st = check_together(&r);
    if (st == SL_OK && request->ignored.failed)
        st = error_set(err, SL_E_MEMORY, "out of memory for the job file");
    if (st != SL_OK) {
        sl_job_request_close(request);
        return st;
    }
    *out = request;
    return SL_OK;
}

const char *sl_job_request_ignored(const sl_job_request *request) {
    return request->ignored.data ? request->ignored.data : "";
}

void sl_job_request_close(sl_job_request *request) {
    if (!request)
        return;
    json_decref(request->root);
    buf_clear(&request->ignored);
    mem_free(request);
}
