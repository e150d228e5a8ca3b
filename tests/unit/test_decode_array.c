/* tensor.decode: every dtype to every dtype, where a number that would change is a reject; shapes; arrays by
 * name; and .npy files as members of samples. */
#include <math.h>

#include "chain_rig.h"
#include "decode/decode_array.h"
#include "support/packed.h"

static sl_spec arrays_spec(void) {
    return chain_source_spec(SL_RECORD_ARRAYS, NULL, 0, RIG_MAX_RECORD);
}

/* A record of packed arrays. */
struct packed {
    char bytes[4096];
    size_t nbytes;
};

static void add(struct packed *p, const char *name, sl_dtype dtype, bool big_endian, int rank,
                const int64_t *dims, const void *data, size_t nbytes) {
    uint32_t count = 0;
    if (!p->nbytes)
        p->nbytes = sizeof count;
    memcpy(&count, p->bytes, sizeof count);
    count++;
    memcpy(p->bytes, &count, sizeof count);
    struct packed_head head = {.name_nbytes = (uint32_t)strlen(name),
                               .data_nbytes = (uint32_t)nbytes,
                               .dtype = (uint8_t)dtype,
                               .big_endian = big_endian,
                               .rank = (uint8_t)rank};
    memcpy(p->bytes + p->nbytes, &head, sizeof head);
    p->nbytes += sizeof head;
    memcpy(p->bytes + p->nbytes, dims, (size_t)rank * sizeof *dims);
    p->nbytes += (size_t)rank * sizeof *dims;
    memcpy(p->bytes + p->nbytes, name, strlen(name));
    p->nbytes += strlen(name);
    memcpy(p->bytes + p->nbytes, data, nbytes);
    p->nbytes += nbytes;
}

static sl_status apply(struct rig *rig, const struct packed *p) {
    sl_value in = {.kind = SL_KIND_ARRAYS, .bytes = {p->bytes, p->nbytes}, .encoding = ARRAYS_PACKED};
    return rig_apply(rig, &in);
}

static const sl_dtype dtypes[] = {SL_BOOL,  SL_UINT8,  SL_INT8,  SL_UINT16,  SL_INT16, SL_UINT32,
                                  SL_INT32, SL_UINT64, SL_INT64, SL_FLOAT16, SL_FLOAT, SL_DOUBLE};
#define DTYPES (sizeof dtypes / sizeof *dtypes)

/* x as a dtype, little endian; false when the dtype has no such number. Small whole numbers and limits only.
 */
static bool store(sl_dtype dtype, long double x, unsigned char out[8]) {
    static const struct {
        sl_dtype dtype;
        long double least, most;
    } limits[] = {{SL_BOOL, 0, 1},
                  {SL_UINT8, 0, 255},
                  {SL_INT8, -128, 127},
                  {SL_UINT16, 0, 65535},
                  {SL_INT16, -32768, 32767},
                  {SL_UINT32, 0, 4294967295.0L},
                  {SL_INT32, -2147483648.0L, 2147483647.0L},
                  {SL_UINT64, 0, 18446744073709551615.0L},
                  {SL_INT64, -9223372036854775808.0L, 9223372036854775807.0L}};
    memset(out, 0, 8);
    if (dtype == SL_DOUBLE) {
        double d = (double)x;
        memcpy(out, &d, 8);
        return (long double)d == x;
    }
    if (dtype == SL_FLOAT) {
        float f = (float)x;
        memcpy(out, &f, 4);
        return (long double)f == x;
    }
    if (dtype == SL_FLOAT16) {
        uint16_t h;
        float f = (float)x;
        if ((long double)f != x || !cast_to_half(f, &h))
            return false;
        memcpy(out, &h, 2);
        int exponent = (h >> 10 & 31) - 25;
        long double back = h & 0x7fff ? ldexpl((h & 1023) + 1024, exponent) : 0;
        return (h >> 15 ? -back : back) == x;
    }
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        if (limits[i].dtype == dtype && x >= limits[i].least && x <= limits[i].most && x == truncl(x)) {
            uint64_t bits = x < 0 ? (uint64_t)(int64_t)x : (uint64_t)x;
            memcpy(out, &bits, 8);
            return true;
        }
    return false;
}

START_TEST(every_dtype_to_every_dtype) {
    static const long double xs[] = {0,
                                     1,
                                     2,
                                     -1,
                                     127,
                                     128,
                                     -128,
                                     -129,
                                     255,
                                     256,
                                     2048,
                                     2049,
                                     32767,
                                     32768,
                                     65504,
                                     65535,
                                     65536,
                                     16777216,
                                     16777217,
                                     2147483647,
                                     2147483648.0L,
                                     0.5L,
                                     -2.25L,
                                     4294967295.0L,
                                     4294967296.0L,
                                     -2147483648.0L,
                                     -2147483649.0L,
                                     9007199254740992.0L,
                                     9007199254740993.0L,
                                     9223372036854775807.0L,
                                     -9223372036854775808.0L,
                                     18446744073709551615.0L};
    const int64_t one = 1;
    for (size_t f = 0; f < DTYPES; f++)
        for (size_t t = 0; t < DTYPES; t++) {
            struct rig rig;
            sl_spec target = rig_tensor(dtypes[t], 1, &one);
            RIG_OK(rig_open(&rig, "[]", arrays_spec(), &target));
            for (size_t i = 0; i < 2 * sizeof xs / sizeof *xs; i++) {
                unsigned char bits[8], want[8], swapped[8];
                size_t item = sl_dtype_nbits(dtypes[f]) / 8;
                bool big = i % 2;
                if (!store(dtypes[f], xs[i / 2], bits))
                    continue;
                for (size_t k = 0; k < item; k++)
                    swapped[k] = bits[item - 1 - k];
                struct packed p = {.nbytes = 0};
                add(&p, "a", dtypes[f], big, 1, &one, big ? swapped : bits, item);
                bool fits = store(dtypes[t], xs[i / 2], want);
                bool rounded = dtypes[f] == SL_DOUBLE || (dtypes[f] == SL_FLOAT && dtypes[t] == SL_FLOAT16);
                rounded = rounded && (dtypes[t] == SL_FLOAT || dtypes[t] == SL_FLOAT16);
                sl_status st = apply(&rig, &p);
                if (fits)
                    ck_assert_msg(st == SL_OK && !memcmp(rig.room, want, sl_dtype_nbits(dtypes[t]) / 8),
                                  "%s %Lg to %s: %s", sl_dtype_name(dtypes[f]), xs[i / 2],
                                  sl_dtype_name(dtypes[t]), rig.reject.reason);
                else if (!rounded)
                    ck_assert_msg(st != SL_OK && !strcmp(rig.reject.code, "inexact-number"), "%s %Lg to %s",
                                  sl_dtype_name(dtypes[f]), xs[i / 2], sl_dtype_name(dtypes[t]));
            }
            rig_close(&rig);
        }
}
END_TEST

START_TEST(doubles_are_rounded_to_floats) {
    const int64_t two = 2;
    struct rig rig;
    sl_spec target = rig_tensor(SL_FLOAT, 1, &two);
    RIG_OK(rig_open(&rig, "[]", arrays_spec(), &target));
    struct packed p = {.nbytes = 0}, q = {.nbytes = 0};
    add(&p, "", SL_DOUBLE, false, 1, &two, (double[]){0.1, (double)NAN}, 16);
    RIG_OK(apply(&rig, &p));
    ck_assert(rig_floats(&rig)[0] == 0.1f && isnan(rig_floats(&rig)[1]));
    add(&q, "", SL_DOUBLE, false, 1, &two, (double[]){1, 1e39}, 16);
    RIG_REJECT(apply(&rig, &q), "inexact-number", "element 1 is 9.9999999999999994e+38, which is no float");
    rig_close(&rig);
}
END_TEST

START_TEST(shapes_and_names) {
    struct rig rig;
    const int64_t want[] = {2, 1, 3}, flat = 6, same[] = {1, 2, 3}, turned[] = {3, 2};
    const float x[] = {1, 2, 3, 4, 5, 6};
    sl_spec target = rig_tensor(SL_FLOAT, 3, want);
    RIG_OK(rig_open(&rig, "[{\"tensor.decode\": {\"name\": \"b\"}}]", arrays_spec(), &target));
    struct packed p = {.nbytes = 0}, q = {.nbytes = 0}, r = {.nbytes = 0}, s = {.nbytes = 0},
                  t = {.nbytes = 0};
    add(&p, "a", SL_FLOAT, false, 1, &flat, (float[6]){0}, 24);
    add(&p, "b", SL_FLOAT, false, 1, &flat, x, 24);
    RIG_OK(apply(&rig, &p));
    ck_assert(!memcmp(rig.room, x, sizeof x));
    add(&q, "b", SL_FLOAT, false, 3, same, x, 24);
    RIG_OK(apply(&rig, &q));
    add(&r, "b", SL_FLOAT, false, 2, turned, x, 24);
    RIG_REJECT(apply(&rig, &r), "wrong-shape", "the array is [3,2], expected [2,1,3]");
    add(&s, "a", SL_FLOAT, false, 1, &flat, x, 24);
    RIG_REJECT(apply(&rig, &s), "missing-value", "the record has no 'b'");
    add(&t, "b", SL_FLOAT, false, 1, &flat, x, 24);
    add(&t, "b", SL_FLOAT, false, 1, &flat, x, 24);
    RIG_REJECT(apply(&rig, &t), "duplicate-key", "the record has 'b' twice");
    t.nbytes--;
    RIG_REJECT(apply(&rig, &t), "malformed-record", "the row is cut off");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[]", arrays_spec(), &target));
    RIG_REJECT(apply(&rig, &p), "several-arrays",
               "the record has 2 arrays, choose one with {\"field\": name}");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"field\": \"b\"}]", arrays_spec(), &target));
    RIG_OK(apply(&rig, &p));
    rig_close(&rig);
}
END_TEST

START_TEST(before_other_steps) {
    struct rig rig;
    const int64_t target_dims[] = {3, 2, 2}, dims[] = {2, 2, 3};
    sl_spec target = rig_tensor(SL_FLOAT, 3, target_dims);
    const char *steps =
        "[{\"tensor.decode\": {\"dtype\": \"uint8\", \"shape\": [2, 2, 3]}}, \"tensor.normalize\"]";
    RIG_OK(rig_open(&rig, steps, arrays_spec(), &target));
    struct packed p = {.nbytes = 0};
    add(&p, "", SL_UINT8, false, 3, dims, "abcdefghijkl", 12);
    RIG_OK(apply(&rig, &p));
    ck_assert(!memcmp(rig.room, "abcdefghijkl", 12)); /* normalised on the device */
    rig_close(&rig);
    ck_assert_int_eq(rig_open(&rig, "[\"tensor.decode\", \"tensor.normalize\"]", arrays_spec(), &target),
                     SL_E_MODEL);
    ck_assert_msg(strstr(rig.err.text, "give them"), "%s", rig.err.text);
}
END_TEST

START_TEST(members_of_samples) {
    struct rig rig;
    const int64_t two = 2;
    char npy[200] = "\x93NUMPY\x01\0\x46\0";
    snprintf(npy + 10, sizeof npy - 10, "%-69s\n",
             "{'descr': '>i2', 'fortran_order': False, 'shape': (2,), }");
    memcpy(npy + 80, "\1\2\0\3", 4);
    sl_field fields[] = {{{"cls", 3}, {"1", 1}}, {{"x.npy", 5}, {npy, 84}}, {{"npy", 3}, {npy, 83}}};
    sl_value in = {.kind = SL_KIND_FIELDS, .fields = fields, .field_count = 2};
    sl_spec target = rig_tensor(SL_FLOAT, 1, &two),
            sample = chain_source_spec(SL_RECORD_FIELDS, NULL, 0, 4096);
    RIG_OK(rig_open(&rig, "[\"tensor.decode\"]", sample, &target));
    RIG_OK(rig_apply(&rig, &in));
    ck_assert(rig_floats(&rig)[0] == 258 && rig_floats(&rig)[1] == 3);
    in.field_count = 3;
    RIG_REJECT(rig_apply(&rig, &in), "several-arrays",
               "the sample has several arrays, choose one with {\"field\": name}");
    in.field_count = 1;
    RIG_REJECT(rig_apply(&rig, &in), "missing-value", "the sample has no npy");
    rig_close(&rig);
    RIG_OK(rig_open(&rig, "[{\"field\": \"npy\"}, \"tensor.decode\"]", sample, &target));
    in.field_count = 3;
    RIG_REJECT(rig_apply(&rig, &in), "malformed-record", "the array is not as long as its shape says");
    rig_close(&rig);
}
END_TEST

START_TEST(texts) {
    struct rig rig;
    const int64_t one = 1;
    sl_spec target = rig_tensor(SL_STRING, 1, &one);
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_TEXT, NULL, 0, 4096), &target));
    RIG_OK(rig_line(&rig, SL_KIND_BYTES, "gr\xc3\xbc\xc3\x9f dich"));
    const sl_string *text = rig.room;
    ck_assert(text->nbytes == 11 && !memcmp(text->data, "gr\xc3\xbc\xc3\x9f dich", 11));
    RIG_REJECT(rig_line(&rig, SL_KIND_BYTES, "\xc3"), "not-utf8", "the text is not UTF-8");
    sl_value nul = {.kind = SL_KIND_BYTES, .bytes = {"a\0b", 3}};
    RIG_REJECT(rig_apply(&rig, &nul), "nul-byte", "the text holds a NUL byte");
    rig_close(&rig);
    sl_field fields[] = {{{"cls", 3}, {"1", 1}}, {{"txt", 3}, {"hello", 5}}, {{"text", 4}, {"x", 1}}};
    sl_value in = {.kind = SL_KIND_FIELDS, .fields = fields, .field_count = 2};
    RIG_OK(rig_open(&rig, "[]", chain_source_spec(SL_RECORD_FIELDS, NULL, 0, 4096), &target));
    RIG_OK(rig_apply(&rig, &in));
    text = rig.room;
    ck_assert(text->nbytes == 5 && !memcmp(text->data, "hello", 5));
    in.field_count = 3;
    RIG_REJECT(rig_apply(&rig, &in), "several-texts",
               "the sample has several texts, choose one with {\"field\": name}");
    in.field_count = 1;
    RIG_REJECT(rig_apply(&rig, &in), "missing-value", "the sample has no txt");
    rig_close(&rig);
    struct packed p = {.nbytes = 0};
    add(&p, "", SL_FLOAT, false, 1, &one, (float[]){1}, 4);
    RIG_OK(rig_open(&rig, "[]", arrays_spec(), &target));
    RIG_REJECT(apply(&rig, &p), "wrong-dtype", "the array has float elements, expected texts");
    rig_close(&rig);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("decode_array");
    TCase *tcase = tcase_create("array");
    tcase_add_test(tcase, every_dtype_to_every_dtype);
    tcase_add_test(tcase, doubles_are_rounded_to_floats);
    tcase_add_test(tcase, shapes_and_names);
    tcase_add_test(tcase, before_other_steps);
    tcase_add_test(tcase, members_of_samples);
    tcase_add_test(tcase, texts);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
