/* TFRecord and RecordIO: records by their slices, checksums, parts, padding; cut off at every byte, resumed
 * at every record. */
#include "archive_rig.h"
#include "support/crc32c.h"

static const struct container_options plain = {.max_record_nbytes = 64};

static void put(struct buf *out, uint64_t x, int nbytes) {
    for (int i = 0; i < nbytes; i++)
        buf_putc(out, (char)(x >> 8 * i));
}

static uint32_t masked(const void *data, size_t nbytes) {
    uint32_t crc = crc32c_portable(0, data, nbytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_tfrecord(struct buf *out, const char *text) {
    size_t at = out->size, nbytes = strlen(text);
    put(out, nbytes, 8);
    put(out, masked(out->data + at, 8), 4);
    buf_puts(out, text);
    put(out, masked(text, nbytes), 4);
}

static void put_recordio(struct buf *out, unsigned part, const char *data, size_t nbytes) {
    put(out, 0xced7230a, 4);
    put(out, part << 29 | nbytes, 4);
    buf_append(out, data, nbytes);
    put(out, 0x5555555555555555, (int)(-nbytes & 3));
}

static void cut(struct rig_cuts *cuts, const struct container_ops *ops, const void *data, size_t nbytes,
                const struct container_options *options, uint64_t skip, bool small) {
    struct rig_stream stream = rig_stream(data, nbytes);
    if (small) {
        stream.most = 0;
        stream.stream.read_at = NULL;
    }
    rig_cut_stream(cuts, ops, options, small ? (struct rig_shape){10, 2, 64} : (struct rig_shape){0}, &stream,
                   skip);
}

static void expect(const struct container_ops *ops, const struct buf *file, const char *said,
                   const char *const *expected) {
    size_t count = 0;
    while (expected[count])
        count++;
    for (size_t skip = 0; skip <= count; skip++)
        for (int small = 0; small < 2; small++) {
            struct rig_cuts cuts;
            cut(&cuts, ops, file->data, file->size, &plain, skip, small);
            if (said)
                ck_assert_msg(cuts.status == SL_E_DATA && strstr(cuts.err.text, said), "%s", cuts.err.text);
            else
                ck_assert_msg(cuts.status == SL_OK, "%s", cuts.err.text);
            rig_expect(&cuts, expected + skip);
            rig_cuts_clear(&cuts);
        }
}

#define EXPECT(ops, file, said, ...)                                                                         \
    do {                                                                                                     \
        static const char *const expected[] = {__VA_ARGS__};                                                 \
        expect(ops, file, said, expected);                                                                   \
    } while (0)

static const char long_text[] = "0123456789012345678901234567890123456789012345678901234567890123+";

START_TEST(tfrecords) {
    struct buf file;
    buf_init(&file);
    EXPECT(&container_tfrecord, &file, NULL, NULL);
    put_tfrecord(&file, "first");
    put_tfrecord(&file, "");
    put_tfrecord(&file, long_text);
    put_tfrecord(&file, "spoilt");
    file.data[file.size - 6] ^= 1;
    put_tfrecord(&file, "last");
    EXPECT(&container_tfrecord, &file, NULL, "first", "", "!too-long", "!bad-checksum", "last", NULL);
    struct rig_cuts cuts;
    cut(&cuts, &container_tfrecord, file.data, file.size, &plain, 0, false);
    ck_assert(cuts.items[0].offset == 12 && cuts.items[0].length == 5);
    ck_assert(!memcmp(file.data + cuts.items[4].offset, "last", 4));
    rig_cuts_clear(&cuts);
    ck_assert(container_tfrecord.matches((const unsigned char *)file.data, file.size));
    size_t at = file.size;
    put_tfrecord(&file, "x");
    file.data[at + 1] ^= 1;
    EXPECT(&container_tfrecord, &file, "the checksum of a length is wrong", "first", "", "!too-long",
           "!bad-checksum", "last", NULL);
    buf_reset(&file);
    put(&file, UINT64_MAX - 2, 8); /* honest about its length, which no file has */
    put(&file, masked(file.data, 8), 4);
    EXPECT(&container_tfrecord, &file, "cut off at byte 12", NULL);
    buf_clear(&file);
}
END_TEST

START_TEST(recordios) {
    const struct container_ops *ops = &container_recordio;
    struct buf file;
    buf_init(&file);
    put_recordio(&file, 0, "first", 5);
    put_recordio(&file, 0, "", 0);
    put_recordio(&file, 1, "abcd", 4);
    put_recordio(&file, 2, "", 0);
    put_recordio(&file, 3, "efg", 3);
    put_recordio(&file, 0, long_text, sizeof long_text - 1);
    put_recordio(&file, 0, "last", 4);
    EXPECT(ops, &file, NULL, "first", "",
           "abcd\x0a\x23\xd7\xce\x0a\x23\xd7\xce"
           "efg",
           "!too-long", "last", NULL);
    struct rig_cuts cuts;
    cut(&cuts, ops, file.data, file.size, &plain, 0, false);
    ck_assert(cuts.items[0].offset == 8 && cuts.items[0].length == 5);
    ck_assert(!memcmp(file.data + cuts.items[2].offset, "abcd", 4));
    ck_assert_uint_eq(cuts.items[2].length, 4 + 8 + 8 + 3);
    rig_cuts_clear(&cuts);
    buf_reset(&file);
    put_recordio(&file, 0, "first", 5);
    put_recordio(&file, 2, "ab", 2);
    EXPECT(ops, &file, "parts of a record are out of order", "first", NULL);
    buf_reset(&file);
    put_recordio(&file, 1, "first", 5);
    put_recordio(&file, 0, "ab", 2);
    EXPECT(ops, &file, "parts of a record are out of order", NULL);
    buf_reset(&file);
    put_recordio(&file, 0, "first", 5);
    buf_puts(&file, "no record");
    EXPECT(ops, &file, "no record begins there", "first", NULL);
    buf_reset(&file);
    put_recordio(&file, 0, "\x0a\x04", 2);
    ck_assert(container_recordio_protobuf.matches((const unsigned char *)file.data, file.size));
    buf_clear(&file);
}
END_TEST

START_TEST(cut_at_every_byte) {
    for (int kind = 0; kind < 2; kind++) {
        const struct container_ops *ops = kind ? &container_recordio : &container_tfrecord;
        struct container_options truncated = plain;
        struct buf file;
        size_t ends[3] = {0};
        truncated.allow_truncated = true;
        buf_init(&file);
        for (int i = 0; i < 2; i++) {
            if (kind) {
                put_recordio(&file, 1, "ab", 2);
                put_recordio(&file, 3, "cdefg", 5);
            } else {
                put_tfrecord(&file, "abcdefg");
            }
            ends[i + 1] = file.size;
        }
        for (size_t n = 0; n <= file.size; n++) {
            char *less = malloc(n + 1);
            struct rig_cuts cuts;
            memcpy(less, file.data, n);
            size_t whole = (n >= ends[1]) + (n >= ends[2]);
            bool torn = n != ends[whole];
            cut(&cuts, ops, less, n, &plain, 0, n % 2);
            ck_assert_int_eq(cuts.status, torn ? SL_E_DATA : SL_OK);
            ck_assert_uint_eq(cuts.count, whole);
            rig_cuts_clear(&cuts);
            cut(&cuts, ops, less, n, &truncated, 0, n % 2);
            ck_assert_int_eq(cuts.status, SL_OK);
            ck_assert_uint_eq(cuts.count, whole + torn);
            if (torn)
                ck_assert_str_eq(cuts.items[whole].code, "truncated");
            rig_cuts_clear(&cuts);
            free(less);
        }
        buf_clear(&file);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_tfrecord");
    TCase *tcase = tcase_create("records");
    tcase_add_test(tcase, tfrecords);
    tcase_add_test(tcase, recordios);
    tcase_add_test(tcase, cut_at_every_byte);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
