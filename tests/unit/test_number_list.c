/* Lists of numbers: both ways give what number_scan_f32 gives, number by number, to the bit, on texts of
 * every form, and end where it ends; never a byte is read beyond. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "support/number_list.h"

static uint64_t state = 7;

static uint32_t next(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static int put_number(char *out) {
    static const char *const odd[] = {"0",
                                      "-0",
                                      "00",
                                      "01",
                                      "1.",
                                      ".5",
                                      "1e5",
                                      "-1E-3",
                                      "1e999",
                                      "+1",
                                      "nan",
                                      "-",
                                      "",
                                      "1x",
                                      "123456789012345",
                                      "1234567890123456",
                                      "0.123456789012345",
                                      "16777217",
                                      "8388608.5",
                                      "16777219.0",
                                      "0.1",
                                      "-0.0",
                                      "1.00000005960464477539",
                                      "3.4028235e38",
                                      "9.5.5"};
    switch (next() % 9) {
    case 8:
        if (next() % 8)
            break;
        return sprintf(out, "%s", odd[next() % (sizeof odd / sizeof *odd)]);
    case 1:
        return sprintf(out, "%d", (int)next() >> next() % 31);
    case 2: { /* between two floats, or next to it */
        uint32_t bits = (next() & 0x7fffffu) | (127 + next() % 12) << 23;
        float f;
        memcpy(&f, &bits, sizeof f);
        return sprintf(out, "%.*f", 9 + (int)(next() % 5), ((double)f + (double)nextafterf(f, INFINITY)) / 2);
    }
    default:
        break;
    }
    return sprintf(out, "%s%.*f", next() % 3 ? "" : "-", (int)(next() % 10),
                   (double)next() / (1 + next() % 100000));
}

static void compare(const char *text, size_t nbytes, char delimiter, bool json) {
    float want[64], have[64];
    char *exact = malloc(nbytes + 1); /* so that a read past the end is seen */
    memcpy(exact, text, nbytes);
    for (size_t room = 0; room < 64; room += 21) {
        const char *end = exact + nbytes, *stop = exact, *at = exact;
        size_t count = number_list_portable(&stop, end, delimiter, json, want, room);
        size_t n = number_list_avx2(&at, end, delimiter, json, have, room);
        ck_assert_msg(n == count && at == stop, "%.*s: %zu and %zu", (int)nbytes, text, n, count);
        ck_assert_msg(!memcmp(want, have, n * sizeof *have), "%.*s", (int)nbytes, text);
        const char *p = exact;
        for (size_t i = 0; i < n; i++) {
            float x;
            while (json && number_list_blank(*p))
                p++;
            p = number_scan_f32(p, end, &x);
            ck_assert(p && !memcmp(&x, &have[i], sizeof x));
            while (json && i + 1 < n && *p != delimiter)
                p++;
            p += i + 1 < n;
        }
        ck_assert(!n || p == at);
    }
    free(exact);
}

static bool has_simd(void) {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
#else
    return true; /* both are the portable one */
#endif
}

START_TEST(two_ways) {
    if (!has_simd())
        return;
    for (int round = 0; round < 60000; round++) {
        char text[4096];
        int used = 0, count = (int)(next() % 40);
        bool json = next() % 2;
        for (int i = 0; i < count; i++) {
            if (i)
                used += sprintf(text + used, "%s,%s", json && next() % 4 == 0 ? " " : "",
                                json && next() % 2 ? " " : "");
            used += put_number(text + used);
        }
        used += sprintf(text + used, "%s", next() % 2 ? "]" : "");
        compare(text, (size_t)used, ',', json);
    }
}
END_TEST

/* What four at a time are made for, and what breaks into it: short fields with signs, leading zeros, points
 * at both ends, nothing, blanks and carriage returns, texts that end anywhere in a block. */
static int put_short(char *out, uint32_t odd) {
    static const char characters[] = "0123456789001.-+ e\r,";
    int used = 0, length = (int)(next() % 10);
    if (next() % odd) {
        int places = (int)(next() % 5);
        uint32_t limit = 1;
        for (int i = (int)(next() % 7); i > 0; i--)
            limit *= 10;
        return sprintf(out, "%s%.*f", next() % 3 ? "" : "-", places, (double)(next() % limit) / 10000);
    }
    for (int i = 0; i < length; i++)
        out[used++] = characters[next() % (sizeof characters - 1)];
    return used;
}

START_TEST(short_fields) {
    static const uint32_t odds[] = {2, 20, 500, 100000};
    static const char delimiters[] = ",,;\t|.- 5";
    if (!has_simd())
        return;
    for (int round = 0; round < 40000; round++) {
        char text[1024];
        int used = 0, count = (int)(next() % 63);
        uint32_t odd = odds[next() % 4];
        bool json = next() % 2;
        char delimiter = json ? ',' : delimiters[next() % (sizeof delimiters - 1)];
        for (int i = 0; i < count; i++) {
            if (i)
                used += sprintf(text + used, "%c%.*s", delimiter, json ? (int)(next() % 3) : 0, "  ");
            used += put_short(text + used, odd);
        }
        compare(text, (size_t)used, delimiter, json);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("number_list");
    TCase *tcase = tcase_create("list");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, two_ways);
    tcase_add_test(tcase, short_fields);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
