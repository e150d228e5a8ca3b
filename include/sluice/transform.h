/* sluice/transform.h: the ABI of a transform, built in or loaded from a user's .so.
 *
 * A transform turns one value into another. At plan time `open` gets its parameters and what comes in, and
 * says what goes out; everything that can be refused is refused there. `apply` then runs once per record, on
 * many threads at once, allocates nothing, and touches only its arguments, its const state and the worker's
 * scratch. Everything a transform needs from the program comes through `sl_host`, so a .so links against
 * nothing.
 *
 * A .so exports `const sl_transform *sluice_transform(void)`. */
#ifndef SLUICE_TRANSFORM_H
#define SLUICE_TRANSFORM_H

#include <stdarg.h>

#include "sluice/record.h"
#include "sluice/status.h"
#include "sluice/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SL_TRANSFORM_ABI 1u

typedef enum sl_kind {
    SL_KIND_TENSOR = 1, /* dense numbers */
    SL_KIND_BYTES,      /* an encoded file or text */
    SL_KIND_CSV,        /* one CSV row: read it with host->csv_* */
    SL_KIND_JSON,       /* the text of one JSON value: read it with host->json_* */
    SL_KIND_FIELDS,     /* named parts (a tar sample) */
    SL_KIND_RANKED,     /* result only: k pairs of class and score, best first */
    SL_KIND_ARRAYS,     /* named arrays of numbers or texts: find one with host->array_find */
    SL_KIND_ARRAY       /* one of them: read it with host->array_read */
} sl_kind;

/* One entry of an SL_KIND_RANKED value. */
typedef struct sl_ranked {
    int32_t index;
    float score;
} sl_ranked;

/* What a value is, known when the plan is made. Pointers live as long as the chain. */
typedef struct sl_spec {
    sl_kind kind;
    sl_dtype dtype; /* tensor; of a record: what the model wants of it (SL_STRING; of a csv row also SL_INT64,
                       SL_INT32, SL_DOUBLE; of a file, a sample or arrays anything, with rank and dims), else
                       SL_UNDEFINED */
    int rank;
    int64_t dims[SL_MAX_RANK];  /* -1: varies from record to record */
    size_t max_nbytes;          /* bound of the value's data: the room that is reserved for it */
    const char *const *columns; /* csv with a header: its names; else NULL */
    size_t column_count;
    const char *const
        *labels; /* ranked, or a tensor of class numbers: what the numbers are called; else NULL */
    size_t label_count;
    size_t text_nbytes;       /* tensor of SL_STRING in a result: the longest text */
    const char *const *parts; /* tensor: names of the rows of its first dim, of which a model's input takes
                                 the one that is called like it; else NULL */
    size_t part_count;
} sl_spec;

/* A value on its way. The caller owns all memory. For an output, tensor.data is room for spec.max_nbytes
 * bytes, and dtype, rank and dims are set from the spec where they do not vary. Texts of an SL_STRING tensor
 * are parts of the input or of the worker's memory: whoever called copies them before the next call. */
typedef struct sl_value {
    sl_kind kind;
    sl_tensor tensor;       /* tensor; ranked: data is sl_ranked[dims[0]] */
    sl_slice bytes;         /* bytes, csv, json */
    const sl_field *fields; /* fields */
    size_t field_count;
    uint32_t encoding; /* arrays: how bytes hold them, which is the host's business */
} sl_value;

typedef struct sl_params sl_params; /* the parameters of one step, as transform.json has them */
typedef struct sl_ctx sl_ctx;       /* one worker at one record */

/* Pixel formats host->image_decode can be asked for. */
typedef enum sl_pixels { SL_PIXELS_L = 1, SL_PIXELS_RGB = 3 } sl_pixels;

/* What the program offers. `err` texts follow the grammar of messages. */
typedef struct sl_host {
    uint32_t abi;

    /* Plan time only. */
    sl_status (*fail)(sl_error *err, sl_status status, const char *format, ...);
    void *(*alloc)(size_t nbytes); /* zeroed; NULL when there is none */
    void (*free)(void *p);
    /* Parameters: SL_E_MODEL, naming transform and key, when present with another type. Where the key is
     * absent the out argument keeps its value. The empty key "" names the value itself when the step is
     * {"name": value}. */
    bool (*param_has)(const sl_params *params, const char *key);
    sl_status (*param_int)(const sl_params *params, const char *key, int64_t *value, sl_error *err);
    sl_status (*param_number)(const sl_params *params, const char *key, double *value, sl_error *err);
    sl_status (*param_text)(const sl_params *params, const char *key, const char **value, sl_error *err);
    /* A number or a list of numbers. *values is host memory that lives as long as the chain. */
    sl_status (*param_numbers)(const sl_params *params, const char *key, const double **values, size_t *count,
                               sl_error *err);
    /* Element i of a list: a text (*text set) or an integer (*text NULL). SL_E_MODEL past the end. */
    size_t (*param_count)(const sl_params *params, const char *key);
    sl_status (*param_item)(const sl_params *params, const char *key, size_t i, const char **text,
                            int64_t *number, sl_error *err);
    /* Refuses any key that is not in the NULL-ended list, with a suggestion. */
    sl_status (*param_only)(const sl_params *params, const char *const *keys, sl_error *err);
    /* The lines of a file in the model directory, kept as long as the chain; of a .json file the labels of
     * its "id2label", by number. */
    sl_status (*read_lines)(const sl_params *params, const char *path, const char *const **lines,
                            size_t *count, sl_error *err);
    uint64_t (*max_pixels)(const sl_params *params); /* cap on one decoded image */

    /* Per record. Each returns SL_OK, or rejects the record (as `reject` does) and returns SL_E_DATA. */
    sl_status (*reject)(sl_ctx *ctx, const char *code, const char *format,
                        ...); /* always returns SL_E_DATA */
    /* This worker's scratch of this step, 64-byte aligned. Zeroed at first, and kept from record to record,
     * but pages of it past the first may read as zeros again. */
    void *(*scratch)(sl_ctx *ctx);
    /* Fields of a csv row as floats, in the order of `columns` (0-based, ascending or not). Also checks that
     * the row has `column_count` fields when that is not 0. */
    sl_status (*csv_floats)(sl_ctx *ctx, const sl_value *row, size_t column_count, const uint32_t *columns,
                            size_t count, float *out);
    sl_status (*csv_field)(sl_ctx *ctx, const sl_value *row, uint32_t column, sl_slice *field);
    /* Exactly `count` numbers of the row, all of it, whatever the names. */
    sl_status (*csv_all_floats)(sl_ctx *ctx, const sl_value *row, size_t count, float *out);
    /* A member of an object by key, or a number of its members as floats, or a (nested) array of exactly
     * `count` numbers in row-major order. */
    sl_status (*json_member)(sl_ctx *ctx, const sl_value *json, const char *key, sl_value *member);
    sl_status (*json_members_floats)(sl_ctx *ctx, const sl_value *json, const char *const *keys, size_t count,
                                     float *out);
    sl_status (*json_floats)(sl_ctx *ctx, const sl_value *json, size_t count, float *out);
    /* JPEG, PNG or WebP by content, as Pillow's convert() to the mode would give it: u8 [h, w, channels] into
     * out->tensor, of at most `room` bytes. */
    sl_status (*image_decode)(sl_ctx *ctx, sl_slice encoded, sl_pixels pixels, size_t room, sl_value *out);
    /* As csv_floats, json_members_floats and json_floats, as texts. `columns` NULL: all fields, which must be
     * `count`. A JSON number is its own text; null and the rest reject the record. */
    sl_status (*csv_texts)(sl_ctx *ctx, const sl_value *row, size_t column_count, const uint32_t *columns,
                           size_t count, sl_string *out);
    /* The same as SL_INT64, SL_INT32 or SL_DOUBLE, exactly. */
    sl_status (*csv_numbers)(sl_ctx *ctx, const sl_value *row, size_t column_count, const uint32_t *columns,
                             size_t count, sl_dtype dtype, void *out);
    sl_status (*json_members_texts)(sl_ctx *ctx, const sl_value *json, const char *const *keys, size_t count,
                                    sl_string *out);
    sl_status (*json_texts)(sl_ctx *ctx, const sl_value *json, size_t count, sl_string *out);
    /* One of several arrays, by name, or the only one when name is NULL; with `only` the only one will do
     * whatever its name. */
    sl_status (*array_find)(sl_ctx *ctx, const sl_value *arrays, const char *name, bool only,
                            sl_value *array);
    /* The numbers of an array, or of bytes that are a .npy file, in the dtype and shape of `want`: no number
     * changes, but that a double may be rounded to a float. An array of one dimension has any shape of as
     * many elements. */
    sl_status (*array_read)(sl_ctx *ctx, const sl_value *array, const sl_spec *want, void *out);
    /* An array of texts, or one text as bytes: UTF-8 without NUL. They are parts of the array. */
    sl_status (*array_texts)(sl_ctx *ctx, const sl_value *array, size_t count, sl_string *out);

    /* Plan time only. A whole file in the model directory, in memory of `alloc` that is the caller's, with
     * one more byte behind; SL_E_NOINPUT where there is none. */
    sl_status (*read_file)(const sl_params *params, const char *path, char **bytes, size_t *nbytes,
                           sl_error *err);
    /* What the chain must end in; false when that is anything. Dims that are open are -1. */
    bool (*target)(const sl_params *params, sl_spec *target);
    /* In a result's chain: an input or output of the model by name, as its rows reach or leave the model. */
    sl_status (*input_find)(const sl_params *params, const char *name, sl_spec *spec, size_t *index,
                            sl_error *err);
    /* Per record: that input's row. */
    const void *(*input_row)(sl_ctx *ctx, size_t index);

    /* Plan time only. Element i of a list as parameters of their own: an object, or a single value under the
     * empty key. They live as long as the chain. */
    sl_status (*param_child)(const sl_params *params, const char *key, size_t i, const sl_params **child,
                             sl_error *err);
    /* As image_decode; but a JPEG comes out at 1/2, 1/4 or 1/8 of its size, the least at which its shorter
     * side still has `least` pixels. */
    sl_status (*image_decode_scaled)(sl_ctx *ctx, sl_slice encoded, sl_pixels pixels, uint32_t least,
                                     size_t room, sl_value *out);
} sl_host;

/* One parameter, for `sluice transforms NAME`. */
typedef struct sl_param_doc {
    const char *name;    /* "" is the value itself */
    const char *type;    /* "integer", "number or list", "text", ... */
    const char *missing; /* the default as text; NULL when required */
    const char *text;
} sl_param_doc;

/* y[c] = x[c] * scale[c] + offset[c] over the channels (or the columns of a rank-1 tensor), float32; chw says
 * that an [h,w,c] input becomes [c,h,w]. The arrays belong to the transform's state. */
typedef struct sl_affine {
    const float *scale;
    const float *offset;
    size_t count; /* channels, or 1 for all */
    bool chw;
} sl_affine;

typedef struct sl_transform {
    uint32_t abi;     /* SL_TRANSFORM_ABI */
    uint32_t nbytes;  /* sizeof(sl_transform) */
    const char *name; /* "image.resize" */
    const char *summary;
    const char *shapes;         /* "u8 [h,w,c] -> u8 [h',w',c]" */
    const sl_param_doc *params; /* ended by a NULL name */

    /* Plan time, one thread. On success *state may be set and *scratch_nbytes asked for; on failure nothing
     * is left to close. SL_E_MODEL for parameters or an input that do not fit. */
    sl_status (*open)(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                      void **state, size_t *scratch_nbytes, sl_error *err);
    void (*close)(const sl_host *host, void *state);

    /* Per record, any thread. in->...data and out->tensor.data never overlap. A transform whose output is a
     * part of its input (field, columns of text) may point out->bytes into the input. */
    sl_status (*apply)(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                       sl_value *out);

    /* When the step is affine per channel it can run as the first kernel on the device instead. NULL: it
     * cannot. */
    bool (*lower)(const void *state, sl_affine *affine);
} sl_transform;

/* The built-in ones, ended by NULL (transforms/table.c). */
extern const sl_transform *const sl_transforms[];

typedef const sl_transform *(*sl_transform_entry)(void); /* of a .so: "sluice_transform" */

/* At the end of a transform's file: what a shared object needs, and nothing where the file is built in. */
#ifdef SLUICE_BUILT_IN
#define SL_EXPORT_TRANSFORM(transform)
#else
#define SL_EXPORT_TRANSFORM(transform)                                                                       \
    SL_EXTERN_C const sl_transform *sluice_transform(void);                                                  \
    const sl_transform *sluice_transform(void) {                                                             \
        return &(transform);                                                                                 \
    }
#endif
#ifdef __cplusplus
#define SL_EXTERN_C extern "C"
#else
#define SL_EXTERN_C
#endif

#ifdef __cplusplus
}
#endif
#endif
