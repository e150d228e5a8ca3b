/* test_json_path.c: SageMaker's part of JSONPath: what its documentation shows, what it refuses, and what no
 * document or row may do to it. */
#include <stdlib.h>
#include <string.h>

#include "support/json_path.h"
#include "tests/unit/harness.h"

#define DOC                                                                                                  \
    "{\"id\": 7, \"tags\": [\"a\", \"b\", {\"c\": [1, 2]}], \"f\": {\"x\": 1.50, \"y\": null}, "             \
    "\"e\\u0301\": 1}"

/* What a path takes of a document; NULL: why not. Of a row where it begins with none of {["0. */
struct example {
    const char *path, *in, *out, *why;
};

static const struct example documented[] = {
    /* the operators' table of the guide "Associate Prediction Results with Input Records" */
    {"$", DOC, DOC, NULL},
    {"$.id", DOC, "7", NULL},
    {"$.f.*", DOC, "[1.50,null]", NULL},
    {"$['id']", DOC, "7", NULL},
    {"$['id','f']", DOC, "{\"id\":7,\"f\":{\"x\": 1.50, \"y\": null}}", NULL},
    {"$[1]", "[10, 20, 30]", "20", NULL},
    {"$[-1]", "[10, 20, 30]", "30", NULL},
    {"$[0,-1]", "[10, 20, 30]", "[10,30]", NULL},
    {"$[1:2]", "[10, 20, 30]", "[20]", NULL},
    {"$[1:]", "[10, 20, 30]", "[20,30]", NULL},
    {"$[:2]", "[10, 20, 30]", "[10,20]", NULL},
    {"$.tags.[0,1]", DOC, "[\"a\",\"b\"]", NULL},
    {"$.f.['x','y']", DOC, "{\"x\":1.50,\"y\":null}", NULL},
    {"$['id','SageMakerOutput']", "{\"id\":1,\"v\":[2],\"SageMakerOutput\":{\"s\":3}}",
     "{\"id\":1,\"SageMakerOutput\":{\"s\":3}}", NULL},
    {"$[1:]", "id,1,2", "1,2", NULL},
    {"$[0,-1]", "id,1,2,0.5", "id,0.5", NULL},
    {"$[1:4]", "a,b,c,d,e", "b,c,d", NULL},
    {"$[-2:]", "a,b,c", "b,c", NULL},
    {"$[2]", "a,b,c", "c", NULL},
    {"$[*]", "a,b", "a,b", NULL},
    {"$", "a,b", "a,b", NULL},
};

static const struct example others[] = {
    {"$[*].a", "[{\"a\":1},{\"b\":2},{\"a\":3}]", "[1,3]", NULL},
    {"$[0,1][0]", "[[1,2],[3]]", "[1,3]", NULL},
    {"$.tags[2].c[-1]", DOC, "2", NULL},
    {"$[ 0 , 1 ]", "[1,2]", "[1,2]", NULL},
    {"$[\"id\"]", DOC, "7", NULL},
    {"$.e\u0301", "{\"e\\u0301\": 1}", "1", NULL},
    {"$.tags", "{\"tags\":\n[1,\r\n2]}", "[1,  2]", NULL},
    {"$[5:9]", "[1,2]", "[]", NULL},
    {"$[1:0]", "[1,2]", "[]", NULL},
    {"$['id','none']", DOC, "{\"id\":7}", NULL},
    {"$['none'][0,1]", DOC, NULL, "no results for path: a member is missing"},
    {"$['none','tags'][0]", DOC, "[\"a\"]", NULL},
    {"$.none", DOC, NULL, "no results for path: a member is missing"},
    {"$.id.x", DOC, NULL, "no results for path: a member is asked of what is no object"},
    {"$[0]", "{\"a\":1}", NULL, "no results for path: an index is asked of what is no array"},
    {"$[3]", "[1,2,3]", NULL, "an index is outside of what there is"},
    {"$[-4]", "[1,2,3]", NULL, "an index is outside of what there is"},
    {"$.a", "{\"a\":1,\"a\":2}", NULL, "a member that the filter names is there twice"},
    {"$.a", "{\"a\":1", NULL, "the text ends too early"},
    {"$.a", "{\"a\":1} x", NULL, "something stands after the value"},
    {"$.a", "{\"a\":01}", NULL, "a number is malformed or does not fit"},
    {"$.a", "", NULL, "the text ends too early"},
    {"$[1]", "\"x,y\",\"a\"\"b\",c", "\"a\"\"b\"", NULL},
    {"$[0]", "a,b", "a", NULL},
    {"$[0]", ",b", "", NULL},
    {"$[9]", "a,b", NULL, "an index is outside of what there is"},
    {"$[0]", "\"a", NULL, "a quote stands where RFC 4180 allows none"},
    {"$[0]", "\"a\"b,c", NULL, "a quote stands where RFC 4180 allows none"},
    {"$[0]", "a\"b,c", NULL, "a quote stands where RFC 4180 allows none"},
};

static void check(const struct example *e) {
    struct json_path path;
    struct json_path_miss miss = {NULL, NULL};
    sl_error err = {0};
    struct buf out;
    buf_init(&out);
    ck_assert_msg(json_path_parse(&path, e->path, "InputFilter", &err) == SL_OK, "%s: %s", e->path, err.text);
    size_t n = strlen(e->in);
    char *copy = malloc(n ? n : 1); /* of the exact size, so that a read past it is seen */
    memcpy(copy, e->in, n);
    sl_slice in = {copy, n};
    bool json = !n || strchr("{[", e->in[0]);
    bool taken =
        json ? json_path_take(&path, in, &out, &miss) : json_path_take_row(&path, in, ',', '"', &out, &miss);
    ck_assert_msg(taken == (e->out != NULL), "%s of %s: %s", e->path, e->in,
                  miss.reason ? miss.reason : "taken");
    if (taken)
        ck_assert_msg(out.size == strlen(e->out) && !memcmp(out.data ? out.data : "", e->out, out.size),
                      "%s of %s: '%.*s'", e->path, e->in, (int)out.size, out.data);
    else
        ck_assert_str_eq(miss.reason, e->why);
    free(copy);
    buf_clear(&out);
}

START_TEST(takes) {
    for (size_t i = 0; i < sizeof documented / sizeof *documented; i++)
        check(&documented[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check(&others[i]);
}
END_TEST

START_TEST(refuses) {
    static const char *const bad[][2] = {
        {"", "bad InputFilter '' at character 1: '$' is missing at its beginning"},
        {"id", "bad InputFilter 'id' at character 1: '$' is missing at its beginning"},
        {"$[0,5:]", "bad InputFilter '$[0,5:]' at character 6: only single range filters of format (eg: "
                    "[1:5]) are supported"},
        {"$[1:2,4]", "bad InputFilter '$[1:2,4]' at character 6: only single range filters of format (eg: "
                     "[1:5]) are supported"},
        {"$[0:4:2]", "bad InputFilter '$[0:4:2]' at character 6: only single range filters of format (eg: "
                     "[1:5]) are supported"},
        {"$..a", "bad InputFilter '$..a' at character 3: '.' or '[' is missing"},
        {"$[?(@.a)]", "bad InputFilter '$[?(@.a)]' at character 3: an index is missing"},
        {"$[a]", "bad InputFilter '$[a]' at character 3: an index is missing"},
        {"$['a", "bad InputFilter '$['a' at character 3: a quote is not closed"},
        {"$['a',1]", "bad InputFilter '$['a',1]' at character 7: a quoted name is missing"},
        {"$[]", "bad InputFilter '$[]' at character 3: an index is missing"},
        {"$[1", "bad InputFilter '$[1' at character 4: ',' or ']' is missing"},
        {"$.", "bad InputFilter '$.' at character 3: a name is empty"},
        {"$x", "bad InputFilter '$x' at character 2: '.' or '[' is missing"},
        {"$[12345678901]", "bad InputFilter '$[12345678901]' at character 3: an index is too large"},
        {"$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a.b.c.d.e.f",
         "value '$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a.b.c.d.e.f' at 'InputFilter' failed "
         "to "
         "satisfy constraint: member must have length less than or equal to 63"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct json_path path;
        sl_error err = {0};
        ck_assert_msg(json_path_parse(&path, bad[i][0], "InputFilter", &err) == SL_E_USAGE, "%s", bad[i][0]);
        ck_assert_str_eq(err.text, bad[i][1]);
    }
}
END_TEST

/* A result that grows past its room, and nesting deeper than the scanner goes, are refused in words. */
START_TEST(bounds) {
    struct json_path path;
    struct json_path_miss miss = {NULL, NULL};
    char room[16], deep[2048];
    struct buf out;
    ck_assert(json_path_parse(&path, "$[0,0,0,0]", "OutputFilter", NULL) == SL_OK);
    buf_init_fixed(&out, room, sizeof room);
    ck_assert(!json_path_take(&path, (sl_slice){"[\"12345\"]", 9}, &out, &miss));
    ck_assert_str_eq(miss.code, "too-long");
    memset(deep, '[', sizeof deep);
    ck_assert(json_path_parse(&path, "$[0]", "OutputFilter", NULL) == SL_OK);
    buf_reset(&out);
    ck_assert(!json_path_take(&path, (sl_slice){deep, sizeof deep}, &out, &miss));
    ck_assert_str_eq(miss.reason, "it is nested deeper than 64");
}
END_TEST

START_TEST(columns) {
    struct json_path path;
    uint32_t picked[8];
    size_t n;
    ck_assert(json_path_parse(&path, "$[-1,0]", "InputFilter", NULL) == SL_OK);
    ck_assert(json_path_fits_rows(&path) && json_path_pick(&path, 5, picked, 8, &n));
    ck_assert(n == 2 && picked[0] == 4 && picked[1] == 0);
    ck_assert(json_path_parse(&path, "$[1:]", "InputFilter", NULL) == SL_OK);
    ck_assert(json_path_pick(&path, 4, picked, 8, &n) && n == 3 && picked[2] == 3);
    ck_assert(!json_path_pick(&path, 40, picked, 8, &n));
    ck_assert(json_path_parse(&path, "$.a", "InputFilter", NULL) == SL_OK && !json_path_fits_rows(&path));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json_path");
    TCase *cases = tcase_create("json_path");
    tcase_add_test(cases, takes);
    tcase_add_test(cases, refuses);
    tcase_add_test(cases, bounds);
    tcase_add_test(cases, columns);
    suite_add_tcase(suite, cases);
    return harness_run(suite);
}
