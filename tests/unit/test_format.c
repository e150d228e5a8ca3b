/* test_format.c: model outputs through result chains into lines of csv and JSON Lines. The plan is made up:
 * what matters of it here is where the outputs stand and what they are. */
#include <float.h>
#include <math.h>

#include "graph/plan.h"
#include "output/format.h"
#include "output/output.h"
#include "support/json.h"
#include "support/number.h"
#include "tests/unit/output_rig.h"

#define ROWS 4
#define MAX_OUTPUTS 70

struct rig {
    struct plan plan;
    struct plan_value values[MAX_OUTPUTS];
    struct plan_port ports[MAX_OUTPUTS];
    char data[1 << 16];
    struct formatter *formatter;
    struct format_worker *worker;
    struct slot slot;
    struct row rows[ROWS];
    struct row_reject rejects[ROWS];
    sl_error err;
};

static struct rig rig;
static char dir[256];
static struct chain_options options;

static void setup(void) {
    memset(&rig, 0, sizeof rig);
    rig_temp_dir(dir);
    options = (struct chain_options){.model_dir = dir, .max_pixels = 1000, .csv_delimiter = ','};
    rig.plan = (struct plan){.batch = ROWS, .values = rig.values, .outputs = rig.ports};
    rig.slot = (struct slot){.output = rig.data, .rows = rig.rows, .rejects = rig.rejects, .row_cap = ROWS};
    rig.slot.row_count = ROWS;
    for (int r = 0; r < ROWS; r++)
        rig.rows[r].state = ROW_GOOD;
}

static void teardown(void) {
    format_worker_close(rig.worker);
    formatter_close(rig.formatter);
    free(rig.slot.text);
    rig_remove(dir);
}

/* Another model output: rows of `dims`. Returns where its rows stand. */
static void *add_output(const char *name, sl_dtype dtype, int rank, const int64_t *dims) {
    size_t i = rig.plan.output_count++, offset = i ? rig.values[i - 1].offset + rig.values[i - 1].nbytes : 0;
    struct plan_value *value = &rig.values[i];
    *value = (struct plan_value){.name = name, .place = PLAN_OUTPUT, .offset = (offset + 63) / 64 * 64};
    value->tensor = (sl_tensor){.dtype = dtype, .rank = rank + 1, .dims = {ROWS}};
    for (int d = 0; d < rank; d++)
        value->tensor.dims[d + 1] = dims[d];
    ck_assert(sl_shape_nbytes(dtype, rank + 1, value->tensor.dims, &value->nbytes));
    ck_assert_uint_le(value->offset + value->nbytes, sizeof rig.data);
    rig.ports[i] = (struct plan_port){.name = name, .value = (uint32_t)i, .row_nbytes = value->nbytes / ROWS};
    return rig.data + value->offset;
}

static void *add_floats(const char *name, int64_t count) {
    return add_output(name, SL_FLOAT, 1, &count);
}

static sl_status open_with(const char *outputs, const char *accept) {
    json_t *json = outputs ? json_loads(outputs, JSON_DECODE_ANY, NULL) : NULL;
    ck_assert(!outputs || json);
    sl_status st = formatter_open(&rig.formatter, json, &rig.plan, accept, &options, &rig.err);
    json_decref(json);
    if (st != SL_OK) {
        ck_assert_int_eq(rig.err.status, st);
        return st;
    }
    ck_assert_int_eq(format_worker_open(&rig.worker, rig.formatter, &rig.err), SL_OK);
    rig.slot.text_row_nbytes = formatter_row_nbytes(rig.formatter);
    rig.slot.text = malloc(ROWS * rig.slot.text_row_nbytes + 1);
    memset(rig.slot.text, '~', ROWS * rig.slot.text_row_nbytes + 1);
    return SL_OK;
}

static void open_ok(const char *outputs, const char *accept) {
    sl_status st = open_with(outputs, accept);
    ck_assert_msg(st == SL_OK, "%s", rig.err.text);
}

/* The line of a row, as a text. */
static const char *line(uint32_t row) {
    static char text[1 << 16];
    format_rows(rig.worker, &rig.slot, row, 1);
    size_t n = rig.rows[row].text_nbytes;
    ck_assert_uint_le(n, rig.slot.text_row_nbytes);
    memcpy(text, rig.slot.text + row * rig.slot.text_row_nbytes, n);
    text[n] = 0;
    ck_assert_uint_gt(n, 0);
    ck_assert_int_eq(text[n - 1], '\n');
    ck_assert_ptr_eq(strchr(text, '\n'), text + n - 1);
    return text;
}

static void close_again(void) {
    format_worker_close(rig.worker);
    formatter_close(rig.formatter);
    free(rig.slot.text);
    rig.worker = NULL;
    rig.formatter = NULL;
    rig.slot.text = NULL;
}

/* ---- what goes into a line ---- */

START_TEST(every_output_as_it_is) {
    float *a = add_floats("a", 2);
    int64_t *b = add_output("b", SL_INT64, 0, NULL);
    for (int r = 0; r < ROWS; r++) {
        a[2 * r] = (float)r + 0.1f;
        a[2 * r + 1] = -1e-7f;
        b[r] = INT64_MIN + r;
    }
    open_ok(NULL, NULL);
    ck_assert_str_eq(formatter_content_type(rig.formatter), "text/csv");
    ck_assert_str_eq(line(0), "0.1,-1e-07,-9223372036854775808\n");
    ck_assert_str_eq(line(3), "3.1,-1e-07,-9223372036854775805\n");
    close_again();
    open_ok(NULL, "application/jsonlines");
    ck_assert_str_eq(line(1), "{\"a\": [1.1, -1e-07], \"b\": -9223372036854775807}\n");
}
END_TEST

START_TEST(rows_of_npy) {
    float *x = add_floats("x", 2);
    x[0] = 1;
    x[1] = -2.5f;
    rig.rows[1].state = ROW_REJECTED;
    open_ok(NULL, "application/x-npy");
    format_rows(rig.worker, &rig.slot, 0, 2);
    ck_assert(rig.rows[0].text_nbytes == 8 && rig.rows[1].text_nbytes == 8);
    ck_assert(!memcmp(rig.slot.text, x, 8));
    float rejected[2];
    memcpy(rejected, rig.slot.text + rig.slot.text_row_nbytes, 8);
    ck_assert(isnan(rejected[0]) && isnan(rejected[1]));
    const struct output_frame *frame = formatter_frame(rig.formatter);
    static const char literal[] =
        "{'descr': '<f4', 'fortran_order': False, 'shape': (                   0, 2,), }";
    ck_assert(frame->begin_nbytes == 128 && frame->begin[127] == '\n' && !frame->between && !frame->end);
    ck_assert(!memcmp(frame->begin, "\x93NUMPY\x01\0\x76\0", 10));
    ck_assert(!memcmp(frame->begin + 10, literal, sizeof literal - 1));
    for (size_t i = 10 + sizeof literal - 1; i < 127; i++)
        ck_assert_int_eq(frame->begin[i], ' ');
    ck_assert(frame->count_nbytes == 20 &&
              !memcmp(frame->begin + frame->count_at, "                   0,", 21));
    close_again();
    rig.rows[1].state = ROW_GOOD;
    add_floats("more", 1);
    ck_assert_int_eq(open_with(NULL, "application/x-npy"), SL_E_MODEL);
    ck_assert_msg(strstr(rig.err.text, "choose one"), "%s", rig.err.text);
    open_ok(NULL, "application/json");
    frame = formatter_frame(rig.formatter);
    ck_assert(frame->begin_nbytes == 1 && frame->begin[0] == '[' && !strcmp(frame->between, ",") &&
              !strcmp(frame->end, "]\n"));
    ck_assert_str_eq(line(0), "{\"x\": [1, -2.5], \"more\": 0}\n");
    close_again();
    open_ok(NULL, "text/csv");
    ck_assert_ptr_null(formatter_frame(rig.formatter));
}
END_TEST

START_TEST(one_result_through_a_chain) {
    float *x = add_floats("logits", 3);
    memcpy(x, (float[]){0, 0, 0, 1e30f, 0, -1e30f}, 6 * sizeof *x);
    rig_write(dir, "labels.txt", "cat\ndog, big\na \"cow\"\n", 21);
    const char *outputs = "[{\"from\": \"logits\"}, \"tensor.softmax\", {\"tensor.top_k\": {\"k\": 2, "
                          "\"labels\": \"labels.txt\"}}]";
    open_ok(outputs, "text/csv; charset=utf-8");
    ck_assert_str_eq(line(1), "cat,1,\"dog, big\",0\n");
    close_again();
    x[3] = 0;
    x[4] = 1e30f;
    x[5] = 2e30f;
    open_ok(outputs, "Application/JSONLines");
    ck_assert_str_eq(line(1), "{\"logits\": [{\"label\": \"a \\\"cow\\\"\", \"score\": 1}, "
                              "{\"label\": \"cat\", \"score\": 0}]}\n");
    close_again();
    open_ok(outputs, "text/csv");
    ck_assert_str_eq(line(1), "\"a \"\"cow\"\"\",1,cat,0\n");
}
END_TEST

START_TEST(ranked_without_labels) {
    float *x = add_floats("p", 3);
    memcpy(x, (float[]){0.25f, NAN, 0.5f}, 3 * sizeof *x);
    const char *outputs = "[{\"tensor.top_k\": {\"k\": 3}}]"; /* without "from": the first output */
    open_ok(outputs, NULL);
    ck_assert_str_eq(line(0), "2,0.5,0,0.25,1,nan\n");
    close_again();
    open_ok(outputs, "application/jsonlines");
    ck_assert_str_eq(line(0), "{\"p\": [{\"label\": 2, \"score\": 0.5}, {\"label\": 0, \"score\": 0.25}, "
                              "{\"label\": 1, \"score\": null}]}\n");
}
END_TEST

START_TEST(several_results_in_their_order) {
    float *x = add_floats("x", 2);
    int32_t *n = add_output("n", SL_INT32, 0, NULL);
    memcpy(x, (float[]){3, 4}, 2 * sizeof *x);
    n[0] = -7;
    const char *outputs =
        "{\"zeta\": [{\"from\": \"n\"}], \"alpha\": [{\"from\": \"x\"}], \"again\": [{\"from\": \"n\"}]}";
    open_ok(outputs, NULL);
    ck_assert_str_eq(line(0), "-7,3,4,-7\n");
    close_again();
    open_ok(outputs, "application/jsonlines");
    ck_assert_str_eq(line(0), "{\"zeta\": -7, \"alpha\": [3, 4], \"again\": -7}\n");
}
END_TEST

START_TEST(class_numbers_as_labels) {
    float *x = add_floats("x", 3);
    memcpy(x, (float[]){1, 3, 2, 9, 8, 7}, 6 * sizeof *x);
    rig_write(dir, "labels.txt", "a\nb\nc\n", 6);
    const char *outputs = "[{\"tensor.argmax\": {\"labels\": \"labels.txt\"}}]";
    open_ok(outputs, NULL);
    ck_assert_str_eq(line(0), "b\n");
    ck_assert_str_eq(line(1), "a\n");
    close_again();
    open_ok(outputs, "application/jsonlines");
    ck_assert_str_eq(line(0), "{\"x\": \"b\"}\n");
}
END_TEST

START_TEST(shapes_of_json) {
    int32_t *n = add_output("n", SL_INT32, 3, (int64_t[]){1, 2, 3});
    int32_t *one = add_output("one", SL_INT32, 2, (int64_t[]){1, 1});
    add_output("none", SL_INT32, 1, (int64_t[]){0});
    int32_t *deep = add_output("deep", SL_INT32, 2, (int64_t[]){2, 1});
    for (int i = 0; i < 6; i++)
        n[i] = i;
    one[0] = 5;
    deep[0] = 8;
    deep[1] = 9;
    open_ok(NULL, "application/jsonlines");
    ck_assert_str_eq(line(0),
                     "{\"n\": [[[0, 1, 2], [3, 4, 5]]], \"one\": 5, \"none\": [], \"deep\": [[8], [9]]}\n");
}
END_TEST

START_TEST(what_is_not_finite) {
    float *x = add_floats("x", 3);
    double *d = add_output("d", SL_DOUBLE, 1, (int64_t[]){2});
    uint16_t *h = add_output("h", SL_FLOAT16, 1, (int64_t[]){2});
    memcpy(x, (float[]){INFINITY, -INFINITY, NAN}, 3 * sizeof *x);
    memcpy(d, (double[]){-INFINITY, 0.1}, 2 * sizeof *d);
    h[0] = 0x7c00;
    h[1] = 0x7e00;
    open_ok(NULL, NULL);
    ck_assert_str_eq(line(0), "inf,-inf,nan,-inf,0.1,inf,nan\n");
    close_again();
    open_ok(NULL, "application/jsonlines");
    ck_assert_str_eq(line(0), "{\"x\": [null, null, null], \"d\": [null, 0.1], \"h\": [null, null]}\n");
}
END_TEST

START_TEST(every_dtype) {
    int64_t two = 2;
    uint16_t *h = add_output("h", SL_FLOAT16, 1, &two), *bf = add_output("bf", SL_BFLOAT16, 1, &two);
    uint64_t *u64 = add_output("u64", SL_UINT64, 1, &two);
    uint32_t *u32 = add_output("u32", SL_UINT32, 1, &two);
    int16_t *i16 = add_output("i16", SL_INT16, 1, &two);
    uint16_t *u16 = add_output("u16", SL_UINT16, 1, &two);
    int8_t *i8 = add_output("i8", SL_INT8, 1, &two);
    uint8_t *u8 = add_output("u8", SL_UINT8, 1, &two), *flag = add_output("flag", SL_BOOL, 1, &two);
    h[0] = 0x3555; /* 0.333251953125 */
    h[1] = 0x8001; /* the least subnormal, negative */
    bf[0] = 0x3f80;
    bf[1] = 0xc049;
    memcpy(u64, (uint64_t[]){UINT64_MAX, 0}, 16);
    memcpy(u32, (uint32_t[]){UINT32_MAX, 1}, 8);
    memcpy(i16, (int16_t[]){INT16_MIN, 2}, 4);
    memcpy(u16, (uint16_t[]){UINT16_MAX, 3}, 4);
    memcpy(i8, (int8_t[]){INT8_MIN, 4}, 2);
    memcpy(u8, (uint8_t[]){UINT8_MAX, 5}, 2);
    flag[0] = 1;
    open_ok(NULL, NULL);
    ck_assert_str_eq(line(0),
                     "0.33325195,-5.9604645e-08,1,-3.140625,18446744073709551615,0,4294967295,1,-32768,2,"
                     "65535,3,-128,4,255,5,1,0\n");
    close_again();
    open_ok(NULL, "application/jsonlines");
    ck_assert_ptr_nonnull(strstr(line(0), "\"u64\": [18446744073709551615, 0]"));
    ck_assert_ptr_nonnull(strstr(line(0), "\"flag\": [true, false]}"));
}
END_TEST

/* ---- labels, by the formats alone ---- */

static void format_to(struct buf *out, const struct format_ops *ops, const struct result *result) {
    static char text[4096];
    size_t most = ops->line_nbytes(result, 1);
    ck_assert_uint_le(most, sizeof text);
    buf_init_fixed(out, text, most);
    ops->line(out, result, 1);
    ck_assert(!out->failed);
    text[out->size] = 0;
}

START_TEST(labels_quoted) {
    static const char *const labels[] = {"plain", "", "a,b", "\"", "cr\r", "\303\244 \\ \t", "\xff"};
    static const char *const csv[] = {"plain\n",    "\"\"\n",           "\"a,b\"\n", "\"\"\"\"\n",
                                      "\"cr\r\"\n", "\303\244 \\ \t\n", "\xff\n"};
    static const char *const json[] = {"\"plain\"",       "\"\"",          "\"a,b\"",
                                       "\"\\\"\"",        "\"cr\\u000d\"", "\"\303\244 \\\\ \\t\"",
                                       "\"\357\277\275\""};
    sl_spec spec = {
        .kind = SL_KIND_TENSOR, .dtype = SL_INT64, .max_nbytes = 8, .labels = labels, .label_count = 7};
    int64_t class;
    struct result result = {
        "x", &spec, {.kind = SL_KIND_TENSOR, .tensor = {.dtype = SL_INT64, .data = &class}}};
    char want[128];
    struct buf out;
    for (class = 0; class < 7; class ++) {
        format_to(&out, &format_csv, &result);
        ck_assert_str_eq(out.data, csv[class]);
        format_to(&out, &format_jsonl, &result);
        snprintf(want, sizeof want, "{\"x\": %s}\n", json[class]);
        ck_assert_str_eq(out.data, want);
    }
    class = 7; /* no such label */
    format_to(&out, &format_csv, &result);
    ck_assert_str_eq(out.data, "7\n");
    class = -1;
    format_to(&out, &format_jsonl, &result);
    ck_assert_str_eq(out.data, "{\"x\": -1}\n");
}
END_TEST

/* ---- room ---- */

/* The longest lines there can be fit, and nothing is written beside them. */
START_TEST(longest_lines_fit) {
    static const float floats[] = {-9999999827968000.f, -1.17549435e-38f, -FLT_MAX, -0.00012345679f,
                                   -1.00000001e-45f};
    static const double doubles[] = {-2.2250738585072014e-308, -DBL_MAX, -0.00012345678901234567,
                                     -9007199254740993.0};
    for (size_t k = 0; k < 5; k++)
        for (int accept = 0; accept < 2; accept++) {
            setup();
            float *f = add_output("f\n\"", SL_FLOAT, 2, (int64_t[]){7, 1});
            double *d = add_output("d", SL_DOUBLE, 3, (int64_t[]){5, 1, 1});
            uint64_t *u = add_output("u", SL_UINT64, 1, (int64_t[]){3});
            int64_t *i = add_output("i", SL_INT64, 0, NULL);
            uint32_t *w = add_output("w", SL_UINT32, 1, (int64_t[]){9});
            int32_t *n = add_output("n", SL_INT32, 1, (int64_t[]){9});
            int16_t *s = add_output("s", SL_INT16, 1, (int64_t[]){9});
            uint8_t *b = add_output("b", SL_BOOL, 1, (int64_t[]){9});
            for (int r = 0; r < 9 * ROWS; r++) {
                f[r % (7 * ROWS)] = floats[k % 5];
                d[r % (5 * ROWS)] = doubles[k % 4];
                u[r % (3 * ROWS)] = UINT64_MAX;
                i[r % ROWS] = INT64_MIN;
                w[r] = UINT32_MAX;
                n[r] = INT32_MIN;
                s[r] = INT16_MIN;
                b[r] = 0;
            }
            open_ok(NULL, accept ? "application/jsonlines" : NULL);
            for (uint32_t r = 0; r < ROWS; r++)
                ck_assert_uint_gt(strlen(line(r)), 200);
            ck_assert_int_eq(rig.slot.text[ROWS * rig.slot.text_row_nbytes], '~');
            for (int r = 0; r < ROWS; r++)
                ck_assert_int_eq(rig.rows[r].state, ROW_GOOD);
            teardown();
        }
    setup(); /* for the fixture's teardown */
}
END_TEST

START_TEST(longest_labels_fit) {
    char label[200];
    const char *labels[] = {label};
    sl_ranked ranked[5];
    memset(label, '"', sizeof label - 1);
    label[sizeof label - 1] = 0;
    for (int i = 0; i < 5; i++)
        ranked[i] = (sl_ranked){0, -1.17549435e-38f};
    sl_spec spec = {
        .kind = SL_KIND_RANKED, .rank = 1, .dims = {5}, .max_nbytes = sizeof ranked, .labels = labels};
    spec.label_count = 1;
    struct result result = {
        "x", &spec, {.kind = SL_KIND_RANKED, .tensor = {.rank = 1, .dims = {5}, .data = ranked}}};
    struct buf out;
    format_to(&out, &format_csv, &result);
    label[0] = 1; /* six bytes in JSON */
    memset(label, 1, sizeof label - 1);
    static char text[1 << 16];
    buf_init_fixed(&out, text, format_jsonl.line_nbytes(&result, 1));
    format_jsonl.line(&out, &result, 1);
    ck_assert(!out.failed);
}
END_TEST

/* A dim that varies: the room follows from max_nbytes. What does not fit all the same is marked. */
START_TEST(dims_that_vary) {
    float x[64];
    for (int i = 0; i < 64; i++)
        x[i] = -1.17549435e-38f;
    sl_spec spec = {
        .kind = SL_KIND_TENSOR, .dtype = SL_FLOAT, .rank = 1, .dims = {-1}, .max_nbytes = sizeof x};
    struct result result = {"x", &spec, {.tensor = {.dtype = SL_FLOAT, .rank = 1, .dims = {64}, .data = x}}};
    struct buf out;
    format_to(&out, &format_csv, &result);
    format_to(&out, &format_jsonl, &result);
    result.value.tensor.dims[0] = 1; /* still a list: its length varies */
    format_to(&out, &format_jsonl, &result);
    ck_assert_str_eq(out.data, "{\"x\": [-1.1754944e-38]}\n");
    char little[20];
    buf_init_fixed(&out, little, sizeof little);
    result.value.tensor.dims[0] = 3;
    format_csv.line(&out, &result, 1);
    ck_assert(out.failed);
}
END_TEST

/* ---- rejects ---- */

static void reject(uint32_t row, const char *reason) {
    rig.rows[row].state = ROW_REJECTED;
    rig.rejects[row] = (struct row_reject){.stage = "decode", .code = "truncated-jpeg"};
    snprintf(rig.rejects[row].reason, sizeof rig.rejects[row].reason, "%s", reason);
}

START_TEST(placeholders) {
    char longest[200];
    add_floats("x", 1);
    open_ok(NULL, NULL);
    reject(1, "truncated JPEG at byte 1187");
    ck_assert_str_eq(line(1), "ERROR\n");
    ck_assert_str_eq(line(0), "0\n");
    close_again();
    open_ok(NULL, "application/jsonlines");
    ck_assert_str_eq(line(1), "{\"error\": \"truncated JPEG at byte 1187\"}\n");
    reject(1, "field '\\x01\"'");
    ck_assert_str_eq(line(1), "{\"error\": \"field '\\\\x01\\\"'\"}\n");
    memset(longest, 'x', sizeof longest);
    longest[199] = 0;
    reject(1, longest);
    ck_assert_uint_eq(strlen(line(1)), 199 + strlen("{\"error\": \"\"}\n"));
    memset(longest, 1, 199); /* cannot come from us, but from a transform of a user */
    reject(1, longest);
    ck_assert_str_eq(line(1), "{\"error\": \"truncated-jpeg\"}\n");
}
END_TEST

START_TEST(rows_apart) {
    float *x = add_floats("x", 2);
    for (int i = 0; i < 2 * ROWS; i++)
        x[i] = (float)i;
    open_ok(NULL, NULL);
    reject(2, "bad");
    format_rows(rig.worker, &rig.slot, 1, 2);
    ck_assert_uint_eq(rig.rows[0].text_nbytes, 0);
    ck_assert_uint_eq(rig.rows[3].text_nbytes, 0);
    ck_assert_int_eq(rig.slot.text[0], '~');
    ck_assert_int_eq(rig.slot.text[3 * rig.slot.text_row_nbytes], '~');
    ck_assert_int_eq(memcmp(rig.slot.text + rig.slot.text_row_nbytes, "2,3\n", 4), 0);
    ck_assert_int_eq(memcmp(rig.slot.text + 2 * rig.slot.text_row_nbytes, "ERROR\n", 6), 0);
    format_rows(rig.worker, &rig.slot, 0, ROWS);
    ck_assert_int_eq(memcmp(rig.slot.text, "0,1\n", 4), 0);
    ck_assert_int_eq(memcmp(rig.slot.text + 3 * rig.slot.text_row_nbytes, "6,7\n", 4), 0);
    format_rows(rig.worker, &rig.slot, ROWS, 0);
}
END_TEST

/* ---- what is refused ---- */

static void refused(const char *outputs, const char *accept, sl_status want, const char *word) {
    rig.err = (sl_error){0};
    ck_assert_int_eq(open_with(outputs, accept), want);
    ck_assert_msg(strstr(rig.err.text, word) != NULL, "'%s' does not say '%s'", rig.err.text, word);
    ck_assert_ptr_null(rig.formatter);
}

START_TEST(refusals) {
    add_floats("logits", 3);
    add_floats("embedding", 2);
    refused("[{\"from\": \"logit\"}]", NULL, SL_E_MODEL, "did you mean 'logits'");
    refused("[{\"from\": \"zzzzzzzzzz\"}]", NULL, SL_E_MODEL, "its first is 'logits'");
    refused("[{\"from\": 3}]", NULL, SL_E_MODEL, "bad 'from'");
    refused("[{\"from\": \"logits\", \"form\": 1}]", NULL, SL_E_MODEL, "bad 'from'");
    refused("[\"tensor.nosuch\"]", NULL, SL_E_MODEL, "tensor.nosuch");
    refused("[{\"tensor.top_k\": {\"k\": 4}}]", NULL, SL_E_MODEL, "top_k");
    refused("{}", NULL, SL_E_MODEL, "names no result");
    refused("\"logits\"", NULL, SL_E_MODEL, "bad 'outputs'");
    refused("{\"a\": 1}", NULL, SL_E_MODEL, "'a'");
    refused(NULL, "text/html", SL_E_USAGE, "'text/html'");
    refused(NULL, "text/csvx", SL_E_USAGE, "text/csv, application/jsonlines");
}
END_TEST

static void set_text(sl_string *cell, const char *text) {
    *cell = (sl_string){text, strlen(text)};
}

static void begins_with(const char *want) {
    const char *have = line(0);
    ck_assert_msg(!strncmp(have, want, strlen(want)), "%s", have);
}

/* What ZipMap says of its columns: names in JSON, nothing in csv. */
START_TEST(columns_with_names) {
    static const sl_string names[] = {{"ja", 2}, {"nein, \"nie\"", 11}};
    static const int64_t numbers[] = {-7, INT64_MIN};
    const struct attr texts = {.type = ATTR_STRINGS, .count = 2, .strings = names};
    const struct attr ints = {.type = ATTR_INTS, .count = 2, .ints = numbers};
    float *x = add_floats("p", 2);
    for (int i = 0; i < 2 * ROWS; i++)
        x[i] = i ? -FLT_MAX : 0.5F;
    rig.ports[0].labels = &texts;
    open_ok(NULL, NULL);
    begins_with("0.5,-3.4");
    close_again();
    open_ok(NULL, "application/jsonlines");
    begins_with("{\"p\": {\"ja\": 0.5, \"nein, \\\"nie\\\"\": -3.4");
    ck_assert_int_eq(rig.rows[1].state, ROW_GOOD);
    close_again();
    rig.ports[0].labels = &ints;
    open_ok(NULL, "application/jsonlines");
    begins_with("{\"p\": {\"-7\": 0.5, \"-9223372036854775808\": -3.4");
    close_again();
    rig.ports[0].labels = &(const struct attr){.type = ATTR_INTS, .count = 3, .ints = numbers};
    open_ok(NULL, "application/jsonlines"); /* three names for two columns: none */
    begins_with("{\"p\": [0.5, -3.4");
}
END_TEST

START_TEST(texts) {
    sl_string *words = add_output("words", SL_STRING, 1, (int64_t[]){2});
    int64_t *n = add_output("n", SL_INT64, 0, NULL);
    rig.ports[0].text_longest = 12;
    static const char *const pairs[ROWS][2] = {{"ja", "K\xc3\xb6ln"},
                                               {"", "a,b"},
                                               {"say \"no\"", " x "},
                                               {"\"\"\"\"\"\"\"\"\"\"\"\"", "\x01\x01\x01"}};
    for (int r = 0; r < ROWS; r++) {
        set_text(&words[2 * r], pairs[r][0]);
        set_text(&words[2 * r + 1], pairs[r][1]);
        n[r] = r;
    }
    words[2] = (sl_string){NULL, 0}; /* an empty text may have no address */
    open_ok(NULL, NULL);
    ck_assert_str_eq(line(0), "ja,K\xc3\xb6ln,0\n");
    ck_assert_str_eq(line(1), "\"\",\"a,b\",1\n");
    ck_assert_str_eq(line(2), "\"say \"\"no\"\"\", x ,2\n");
    ck_assert_uint_eq(strlen(line(3)), 2 + 24 + 1 + 3 + 3); /* every byte of the first doubled */
    close_again();
    open_ok(NULL, "application/jsonlines");
    ck_assert_str_eq(line(0), "{\"words\": [\"ja\", \"K\xc3\xb6ln\"], \"n\": 0}\n");
    ck_assert_str_eq(line(1), "{\"words\": [\"\", \"a,b\"], \"n\": 1}\n");
    ck_assert_str_eq(line(2), "{\"words\": [\"say \\\"no\\\"\", \" x \"], \"n\": 2}\n");
    ck_assert_ptr_nonnull(strstr(line(3), "\\u0001"));
    for (int r = 0; r < ROWS; r++)
        ck_assert_int_eq(rig.rows[r].state, ROW_GOOD);
}
END_TEST

START_TEST(too_many_results) {
    static char names[MAX_OUTPUTS][8];
    for (int i = 0; i < 65; i++) {
        snprintf(names[i], 8, "o%d", i);
        add_floats(names[i], 1);
        if (i == 63) {
            open_ok(NULL, NULL);
            close_again();
        }
    }
    refused(NULL, NULL, SL_E_MODEL, "more than 64");
}
END_TEST

START_TEST(prints_itself) {
    add_floats("logits", 3);
    open_ok("{\"top\": [\"tensor.softmax\", {\"tensor.top_k\": {\"k\": 1}}]}", NULL);
    struct buf out;
    buf_init(&out);
    formatter_print(rig.formatter, &out);
    ck_assert_ptr_nonnull(strstr(out.data, "'top' from output 'logits'"));
    ck_assert_ptr_nonnull(strstr(out.data, "tensor.softmax"));
    ck_assert_uint_gt(formatter_worker_nbytes(rig.formatter), 0);
    buf_clear(&out);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("format");
    TCase *c = tcase_create("format");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, every_output_as_it_is);
    tcase_add_test(c, rows_of_npy);
    tcase_add_test(c, one_result_through_a_chain);
    tcase_add_test(c, ranked_without_labels);
    tcase_add_test(c, several_results_in_their_order);
    tcase_add_test(c, class_numbers_as_labels);
    tcase_add_test(c, shapes_of_json);
    tcase_add_test(c, what_is_not_finite);
    tcase_add_test(c, every_dtype);
    tcase_add_test(c, labels_quoted);
    tcase_add_test(c, longest_lines_fit);
    tcase_add_test(c, longest_labels_fit);
    tcase_add_test(c, dims_that_vary);
    tcase_add_test(c, placeholders);
    tcase_add_test(c, rows_apart);
    tcase_add_test(c, refusals);
    tcase_add_test(c, columns_with_names);
    tcase_add_test(c, texts);
    tcase_add_test(c, too_many_results);
    tcase_add_test(c, prints_itself);
    suite_add_tcase(suite, c);
    return harness_run(suite);
}
