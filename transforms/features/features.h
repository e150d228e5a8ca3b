/* features.h: what the files of the transform `features` share. It makes one row of floats of a table's row,
 * each column in its own way:
 *
 *   features.c         the transform: opening, one record
 *   features_read.c    a column's parameters
 *   features_encode.c  a text as numbers: scaled, one-hot, ordinal, hashed, in buckets
 *   features_date.c    a date and its parts */
#ifndef TRANSFORMS_FEATURES_H
#define TRANSFORMS_FEATURES_H

#include "sluice/transform.h"

enum feature_kind {
    FEATURE_NUMBER,
    FEATURE_ONE_HOT,
    FEATURE_ORDINAL,
    FEATURE_HASH,
    FEATURE_BUCKET,
    FEATURE_DATE
};

enum date_part {
    DATE_YEAR,
    DATE_MONTH,       /* 1 ... 12 */
    DATE_DAY,         /* 1 ... 31 */
    DATE_WEEKDAY,     /* Monday is 0 */
    DATE_DAY_OF_YEAR, /* 1 ... 366 */
    DATE_HOUR,
    DATE_MINUTE,
    DATE_SECOND, /* with its fraction */
    DATE_DAYS,   /* since 1970-01-01, with the time as a fraction */
    DATE_PARTS
};

/* Where a category stands: sorted by its bytes, to be found. */
struct category {
    sl_string text;
    uint32_t index;
};

struct feature {
    enum feature_kind kind;
    const char *name; /* for messages: the column's name, or its number as text */
    const char *json; /* the member of a json object */
    uint32_t column;  /* of a csv row */
    size_t width;     /* numbers that it makes */
    bool imputes;     /* a missing value becomes `impute`; else it rejects the record */
    bool indicates;   /* one more number: 1 where the value was missing */
    double impute;
    sl_string impute_text; /* of categories: encoded like a value that is there; NULL: zeros */
    double offset, scale;  /* FEATURE_NUMBER: (x - offset) / scale */
    const struct category *categories;
    size_t category_count;
    bool unknown_rejects;
    double unknown;          /* ordinal: what an unknown category becomes */
    const char *hash_prefix; /* "name=" */
    size_t hash_prefix_nbytes;
    const double *edges; /* ascending */
    size_t edge_count;
    bool right, one_hot; /* bucket: an edge belongs to the bucket below it; buckets as one-hot */
    const char *format;  /* date */
    enum date_part parts[DATE_PARTS];
    size_t part_count;
};

/* features_read.c: one column's parameters; its text values live as long as the chain. */
sl_status feature_read(const sl_host *host, const sl_params *params, const sl_spec *in,
                       struct feature *feature, sl_error *err);
void feature_clear(const sl_host *host, struct feature *feature);

/* features_encode.c: the numbers of one value that is there; rejects the record where it is none. */
sl_status feature_encode(const struct feature *feature, const sl_host *host, sl_ctx *ctx, sl_string text,
                         float *out);
/* The numbers of one that is missing. */
sl_status feature_missing(const struct feature *feature, const sl_host *host, sl_ctx *ctx, float *out);
/* As scikit-learn's FeatureHasher has it: MurmurHash3 of 32 bits, seed 0. */
int32_t feature_hash(const char *prefix, size_t prefix_nbytes, sl_string text);

/* features_date.c: false when the text is no date in the format. NULL: ISO 8601, with or without the time. */
bool date_parse(const char *format, sl_string text, double parts[DATE_PARTS]);
/* Whether a format has only what date_parse knows: %Y %m %d %H %M %S %f %y %z %% and plain text. */
bool date_knows(const char *format);

#endif
