/* quantiles.c: a transform of our own: each number becomes its place among the quantiles of its column, 0 to
 * 1, as scikit-learn's QuantileTransformer gives it (output_distribution="uniform").
 *
 * All it needs is this one header. As a shared object, named in transform.json by its path in the model
 * directory:
 *
 *     cc -O2 -shared -fPIC -I include -o samples/05-own-transform/model/quantiles.so
 * samples/05-own-transform/quantiles.c
 *     {"quantiles.so": {"table": "quantiles.csv"}}
 *
 * or built in, under its name:
 *
 *     make USER_TRANSFORMS=samples/05-own-transform/quantiles.c
 *     {"tabular.quantiles": {"table": "quantiles.csv"}}
 *
 * The table has a line of ascending numbers for each column, as many in each: the smallest value of the
 * training data, the quantiles in equal steps, the largest. NaN stays NaN. */
#include <math.h>
#include <stdlib.h>

#include "sluice/transform.h"

struct quantiles {
    size_t columns, count; /* count: numbers of a line */
    double *table;         /* [columns][count] */
};

static void quantiles_close(const sl_host *host, void *state) {
    struct quantiles *q = (struct quantiles *)state;
    if (!q)
        return;
    host->free(q->table);
    host->free(q);
}

static size_t commas(const char *line) {
    size_t count = 0;
    for (; *line; line++)
        count += *line == ',';
    return count;
}

/* A line's numbers, which must ascend; false: it has others, or fewer or more than `count`. */
static bool read_line(const char *line, size_t count, double *out) {
    for (size_t i = 0; i < count; i++) {
        char *end;
        out[i] = strtod(line, &end);
        if (end == line || !(i ? out[i] >= out[i - 1] : isfinite(out[i])) ||
            *end != (i + 1 < count ? ',' : 0))
            return false;
        line = end + 1;
    }
    return isfinite(out[count - 1]);
}

static sl_status read_table(const sl_host *host, const char *path, const char *const *lines,
                            struct quantiles *q, sl_error *err) {
    q->count = commas(lines[0]) + 1;
    q->table = (double *)host->alloc(q->columns * q->count * sizeof *q->table);
    if (!q->table)
        return host->fail(err, SL_E_MEMORY, "cannot read '%s': out of memory", path);
    for (size_t c = 0; c < q->columns; c++)
        if (q->count < 2 || !read_line(lines[c], q->count, q->table + c * q->count))
            return host->fail(err, SL_E_MODEL,
                              "cannot read '%s': line %zu is not %zu ascending numbers, two at least", path,
                              c + 1, q->count);
    return SL_OK;
}

static sl_status quantiles_open(const sl_host *host, const sl_params *params, const sl_spec *in, sl_spec *out,
                                void **state, size_t *scratch_nbytes, sl_error *err) {
    static const char *const keys[] = {"table", NULL};
    const char *path = "quantiles.csv";
    const char *const *lines;
    size_t columns = 0;
    sl_status status = host->param_only(params, keys, err);
    if (status == SL_OK)
        status = host->param_text(params, "table", &path, err);
    if (status == SL_OK)
        status = host->read_lines(params, path, &lines, &columns, err);
    if (status != SL_OK)
        return status;
    if (in->kind != SL_KIND_TENSOR || in->dtype != SL_FLOAT || in->rank != 1 || !columns ||
        in->dims[0] != (int64_t)columns)
        return host->fail(
            err, SL_E_MODEL,
            "cannot use transform 'tabular.quantiles': it takes float [%zu], one number for each line "
            "of '%s'",
            columns, path);
    struct quantiles *q = (struct quantiles *)host->alloc(sizeof *q);
    if (!q)
        return host->fail(err, SL_E_MEMORY, "cannot open transform 'tabular.quantiles': out of memory");
    q->columns = columns;
    status = read_table(host, path, lines, q, err);
    if (status != SL_OK) {
        quantiles_close(host, q);
        return status;
    }
    *out = *in;
    *state = q;
    *scratch_nbytes = 0;
    return SL_OK;
}

/* Between the first quantile that is not below x and the last that is not above it; where several are equal
 * to x, the middle of them. */
static double place(const double *quantile, size_t count, double x) {
    size_t first = 0, after = 0;
    if (x <= quantile[0])
        return 0;
    if (x >= quantile[count - 1])
        return 1;
    while (quantile[first] < x)
        first++;
    for (after = first; quantile[after] <= x;)
        after++;
    double steps = (double)(count - 1), below = (double)first - 1;
    if (after > first)
        return ((double)first + (double)(after - 1)) / 2 / steps;
    return (below + (x - quantile[first - 1]) / (quantile[first] - quantile[first - 1])) / steps;
}

static sl_status quantiles_apply(const void *state, const sl_host *host, sl_ctx *ctx, const sl_value *in,
                                 sl_value *out) {
    const struct quantiles *q = (const struct quantiles *)state;
    const float *x = (const float *)in->tensor.data;
    float *y = (float *)out->tensor.data;
    (void)host;
    (void)ctx;
    for (size_t c = 0; c < q->columns; c++)
        y[c] = isnan(x[c]) ? x[c] : (float)place(q->table + c * q->count, q->count, x[c]);
    return SL_OK;
}

static const sl_param_doc docs[] = {
    {"table", "file in the model directory", "\"quantiles.csv\"",
     "a line of ascending numbers for each column"},
    {NULL, NULL, NULL, NULL},
};

/* In the order of the struct, so that C++ compiles it too. */
extern const sl_transform transform_quantiles;
const sl_transform transform_quantiles = {
    SL_TRANSFORM_ABI,         sizeof(sl_transform),
    "tabular.quantiles",      "each number's place among the quantiles of its column",
    "float [n] -> float [n]", docs,
    quantiles_open,           quantiles_close,
    quantiles_apply,          NULL, /* nothing of it can be left to the device */
};

SL_EXPORT_TRANSFORM(transform_quantiles)
