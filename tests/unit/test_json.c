/* Small documents in, strings and numbers out: every refusal names its place, every string reads back. */
#include <math.h>

#include "support/json.h"
#include "support/mem.h"
#include "support/text.h"
#include "support_rig.h"

static void refuses(const char *text, const char *part) {
    sl_error err = {0};
    json_t *value = json_read_text(text, strlen(text), "t.json", SL_E_MODEL, &err);
    ck_assert_msg(value == NULL, "'%s' was read", text);
    ck_assert_int_eq(err.status, SL_E_MODEL);
    ck_assert_msg(strstr(err.text, "'t.json'") && strstr(err.text, part), "'%s': %s", text, err.text);
}

START_TEST(reads) {
    sl_error err = {0};
    static const char text[] = "{\"a\": [1, 2.5, \"\\u00fc\"]}";
    json_t *value = json_read_text(text, sizeof text - 1, "t.json", SL_E_MODEL, &err);
    ck_assert_msg(value != NULL, "%s", err.text);
    ck_assert_str_eq(json_string_value(json_array_get(json_object_get(value, "a"), 2)), "\xc3\xbc");
    json_decref(value);
    value = json_read_text("7 ", 2, "t.json", SL_E_MODEL, &err);
    ck_assert_int_eq(json_integer_value(value), 7);
    json_decref(value);
}
END_TEST

START_TEST(refuses_with_the_place) {
    char deep[10001];
    refuses("", "line 1");
    refuses("{\n \"a\": 1,\n}", "line 3");
    refuses("{\"a\": 1, \"a\": 2}", "duplicate");
    refuses("{} x", "line 1, column");
    refuses("{\"a\": \"\xff\"}", "line 1");
    refuses("{\"a\": 01}", "line 1");
    refuses("{'a': 1}", "line 1");
    refuses("[1, 2", "line 1");
    refuses("[1e999]", "line 1");
    refuses("[\"\\u0000\"]", "line 1");
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    refuses(deep, "line 1");
    ck_assert_ptr_null(json_read_text("[", 1, "x", SL_E_USAGE, NULL));
}
END_TEST

START_TEST(files) {
    sl_error err = {0};
    json_t *value = json_read_file(rig_puts("a.json", "{\"x\": true}\n"), SL_E_MODEL, &err);
    ck_assert_msg(json_is_true(json_object_get(value, "x")), "%s", err.text);
    json_decref(value);
    ck_assert_ptr_null(json_read_file(rig_puts("bad\n.json", "{\n  oops"), SL_E_MODEL, &err));
    ck_assert_int_eq(err.status, SL_E_MODEL);
    ck_assert_msg(strstr(err.text, "bad\\x0a.json") && strstr(err.text, "line 2"), "%s", err.text);
    ck_assert_ptr_null(json_read_file(rig_puts("empty.json", ""), SL_E_MODEL, &err));
    ck_assert_int_eq(err.status, SL_E_MODEL);
    ck_assert_ptr_null(json_read_file(rig_path("none.json"), SL_E_MODEL, &err));
    ck_assert_int_eq(err.status, SL_E_MODEL);
    ck_assert_ptr_nonnull(strstr(err.text, "none.json"));
    ck_assert_ptr_null(json_read_file(rig_dir, SL_E_MODEL, &err));
    ck_assert_int_eq(err.status, SL_E_MODEL);
    /* exactly the most, and one more */
    size_t most = 16u << 20;
    char *big = mem_alloc(most + 1, 1);
    memset(big, ' ', most + 1);
    big[0] = '1';
    value = json_read_file(rig_write("most.json", big, most), SL_E_MODEL, &err);
    ck_assert_msg(json_is_integer(value), "%s", err.text);
    json_decref(value);
    ck_assert_ptr_null(json_read_file(rig_write("more.json", big, most + 1), SL_E_MODEL, &err));
    ck_assert_ptr_nonnull(strstr(err.text, "16 MiB"));
    mem_free(big);
}
END_TEST

static const char *put(struct buf *b, const char *text, size_t nbytes) {
    buf_reset(b);
    ck_assert(json_put_string(b, text, nbytes));
    return b->data;
}

START_TEST(writes_strings) {
    struct buf b;
    buf_init(&b);
    ck_assert_str_eq(put(&b, "", 0), "\"\"");
    ck_assert_str_eq(put(&b, "a\"b\\c/", 6), "\"a\\\"b\\\\c/\"");
    ck_assert_str_eq(put(&b, "\n\t\r\0\x1f\x7f", 6), "\"\\n\\t\\u000d\\u0000\\u001f\\u007f\"");
    ck_assert_str_eq(put(&b, "\xc3\xbc\xf0\x9f\x98\x80", 6), "\"\xc3\xbc\xf0\x9f\x98\x80\"");
    ck_assert_str_eq(put(&b, "a\xff\xc3", 3), "\"a\xef\xbf\xbd\xef\xbf\xbd\"");
    ck_assert_str_eq(put(&b, "\xed\xa0\x80", 3), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    buf_clear(&b);
}
END_TEST

/* Any bytes: what is written is JSON and, where they were UTF-8 without NUL, the same bytes. */
START_TEST(strings_read_back) {
    struct buf b;
    uint64_t state = 1;
    buf_init(&b);
    for (int i = 0; i < 20000; i++) {
        char text[24];
        size_t n = (size_t)i % sizeof text;
        for (size_t j = 0; j < n; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            text[j] = (char)(state >> 33 & (i & 1 ? 0x7f : 0xff));
            if (!text[j])
                text[j] = 'x';
        }
        put(&b, text, n);
        sl_error err = {0};
        json_t *value = json_read_text(b.data, b.size, "t", SL_E_DATA, &err);
        ck_assert_msg(value != NULL, "%s: %s", b.data, err.text);
        if (text_is_utf8(text, n)) {
            ck_assert_uint_eq(json_string_length(value), n);
            ck_assert_mem_eq(json_string_value(value), text, n);
        }
        json_decref(value);
    }
    buf_clear(&b);
}
END_TEST

START_TEST(writes_numbers) {
    struct buf b;
    buf_init(&b);
    json_put_key(&b, "k");
    json_put_f64(&b, 0.1);
    buf_putc(&b, ' ');
    json_put_f64(&b, NAN);
    buf_putc(&b, ' ');
    json_put_f64(&b, -INFINITY);
    buf_putc(&b, ' ');
    json_put_u64(&b, UINT64_MAX);
    ck_assert_str_eq(b.data, "\"k\": 0.1 null null 18446744073709551615");
    buf_clear(&b);
    char room[4];
    buf_init_fixed(&b, room, sizeof room);
    ck_assert(!json_put_string(&b, "abc", 3));
    ck_assert(b.failed);
    buf_init_fixed(&b, room, sizeof room);
    ck_assert(json_put_string(&b, "ab", 2));
    ck_assert_mem_eq(room, "\"ab\"", 4);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("json");
    TCase *tc = tcase_create("json");
    tcase_add_checked_fixture(tc, rig_make_dir, rig_remove_dir);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, reads);
    tcase_add_test(tc, refuses_with_the_place);
    tcase_add_test(tc, files);
    tcase_add_test(tc, writes_strings);
    tcase_add_test(tc, strings_read_back);
    tcase_add_test(tc, writes_numbers);
    suite_add_tcase(suite, tc);
    return harness_run(suite);
}
