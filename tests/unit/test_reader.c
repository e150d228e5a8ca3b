/* Readers, from files to records: filter and container by name and content, resume, headers, and clear words
 * for files that are not what they should be. */
#include "archive_rig.h"

static struct reader_options plain_options(void) {
    return (struct reader_options){.container = {.csv_delimiter = ',', .max_record_nbytes = 1u << 20}};
}

/* ---- whole shards
 * -------------------------------------------------------------------------------------------------- */

static void expect_shard(const char *name, const struct reader_options *options, sl_status ends,
                         const char *said, const char *const *expected) {
    struct shard_list list;
    const struct container_ops *ops;
    const char *filter;
    struct rig_cuts all, cuts;
    sl_error err = {0};
    ck_assert(shard_list_open(&list, rig_path(name), &err) == SL_OK);
    ck_assert_msg(archive_probe(&list, 0, options, &ops, &filter, &err) == SL_OK, "%s", err.text);
    shard_list_close(&list);
    rig_read_shard(&all, rig_path(name), options, ops, 0);
    ck_assert_msg(all.status == ends, "ends with %d: %s", all.status, all.err.text);
    ck_assert_msg(!said || strstr(all.err.text, said), "'%s' does not say '%s'", all.err.text, said);
    rig_expect(&all, expected);
    for (uint64_t skip = 1; skip <= all.count; skip++) {
        rig_read_shard(&cuts, rig_path(name), options, ops, skip);
        rig_expect_same(&cuts, &all, skip);
        rig_cuts_clear(&cuts);
    }
    rig_cuts_clear(&all);
}

#define EXPECT(name, options, ends, said, ...)                                                               \
    do {                                                                                                     \
        static const char *const expected_[] = {__VA_ARGS__};                                                \
        expect_shard(name, options, ends, said, expected_);                                                  \
    } while (0)

static void write_all_ways(const char *stem, const void *data, size_t nbytes) {
    char name[64];
    struct buf stored;
    buf_init(&stored);
    rig_write(stem, data, nbytes);
    rig_gzip(&stored, data, nbytes);
    snprintf(name, sizeof name, "%s.gz", stem);
    rig_write(name, stored.data, stored.size);
    buf_reset(&stored);
    rig_zstd(&stored, data, nbytes);
    snprintf(name, sizeof name, "%s.zst", stem);
    rig_write(name, stored.data, stored.size);
    buf_clear(&stored);
}

static const char *const ways[] = {"", ".gz", ".zst"};

START_TEST(every_container_through_every_filter) {
    struct reader_options options = plain_options();
    struct buf tar;
    buf_init(&tar);
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "b.jpg", "B");
    rig_tar_end(&tar);
    write_all_ways("x.csv", "1,2\n3,4\n", 8);
    write_all_ways("x.jsonl", "{}\n[]\n", 6);
    write_all_ways("x.tar", tar.data, tar.size);
    write_all_ways("x.png", "no image, but one record", 24);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "x.csv%s", ways[i]);
        EXPECT(name, &options, SL_OK, NULL, "1,2", "3,4", NULL);
        snprintf(name, sizeof name, "x.jsonl%s", ways[i]);
        EXPECT(name, &options, SL_OK, NULL, "{}", "[]", NULL);
        snprintf(name, sizeof name, "x.tar%s", ways[i]);
        EXPECT(name, &options, SL_OK, NULL, "jpg=A;", "jpg=B;", NULL);
        snprintf(name, sizeof name, "x.png%s", ways[i]);
        EXPECT(name, &options, SL_OK, NULL, "no image, but one record", NULL);
    }
    /* the filter is chosen by content, whatever the name says */
    rig_write("plain.csv.gz", "1,2\n", 4);
    EXPECT("plain.csv.gz", &options, SL_OK, NULL, "1,2", NULL);
    ck_assert_int_eq(rename(rig_path("x.csv.gz"), rig_path("y.csv")), 0);
    EXPECT("y.csv", &options, SL_OK, NULL, "1,2", "3,4", NULL);
    ck_assert_int_eq(rename(rig_path("x.tar.gz"), rig_path("y.TGZ")), 0);
    EXPECT("y.TGZ", &options, SL_OK, NULL, "jpg=A;", "jpg=B;", NULL);
    buf_clear(&tar);
}
END_TEST

START_TEST(empty_shards) {
    struct reader_options options = plain_options();
    static const char *const names[] = {"e.csv", "e.csv.gz", "e.jsonl", "e.tar", "e.tar.zst"};
    for (size_t i = 0; i < 5; i++) {
        rig_write(names[i], "", 0);
        EXPECT(names[i], &options, SL_OK, NULL, NULL);
    }
    options.compression_type = "Gzip";
    EXPECT("e.csv", &options, SL_OK, NULL, NULL);
    options.compression_type = NULL;
    options.container.csv_header = true;
    EXPECT("e.csv", &options, SL_OK, NULL, NULL);
    rig_write("e.png", "", 0);
    EXPECT("e.png", &options, SL_OK, NULL, "!empty", NULL);
    struct buf stored;
    buf_init(&stored);
    rig_gzip(&stored, "", 0);
    rig_write("z.csv.gz", stored.data, stored.size);
    EXPECT("z.csv.gz", &options, SL_OK, NULL, NULL);
    buf_clear(&stored);
}
END_TEST

START_TEST(one_file_is_one_record) {
    struct reader_options options = plain_options();
    struct rig_cuts cuts;
    char big[3000];
    memset(big, 'x', sizeof big);
    options.container.max_record_nbytes = 2000;
    mkdir(rig_path("d"), 0777);
    rig_write("d/i.jpg", big, 2000);
    rig_read_shard(&cuts, rig_path("d"), &options, &container_file, 0);
    ck_assert_uint_eq(cuts.count, 1);
    ck_assert(rig_key_is(&cuts, 0, "i.jpg"));
    ck_assert_uint_eq(cuts.items[0].nbytes, 2000);
    ck_assert_uint_eq(cuts.items[0].offset, 0);
    ck_assert_uint_eq(cuts.items[0].length, 2000);
    rig_cuts_clear(&cuts);
    rig_write("d/i.jpg", big, 2001);
    rig_read_shard(&cuts, rig_path("d"), &options, &container_file, 0);
    ck_assert_str_eq(cuts.items[0].code, "too-long");
    ck_assert_uint_eq(cuts.items[0].length, 2001);
    ck_assert(rig_key_is(&cuts, 0, "i.jpg"));
    rig_cuts_clear(&cuts);
}
END_TEST

START_TEST(many_blocks) {
    struct reader_options options = plain_options();
    struct buf text;
    struct rig_cuts cuts;
    buf_init(&text);
    for (int i = 0; i < 60000; i++)
        buf_printf(&text, "%d,%d\n", i, i % 7);
    write_all_ways("m.csv", text.data, text.size);
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "m.csv%s", ways[i]);
        for (uint64_t skip = 0; skip < 60000; skip += 29999) {
            rig_read_shard(&cuts, rig_path(name), &options, &container_csv, skip);
            ck_assert_int_eq(cuts.status, SL_OK);
            ck_assert_uint_eq(cuts.count, 60000 - skip);
            ck_assert_uint_gt(cuts.blocks, skip < 50000 ? 1 : 0);
            for (uint64_t k = 0; k < cuts.count; k += 97) {
                char row[32];
                snprintf(row, sizeof row, "%d,%d", (int)(skip + k), (int)(skip + k) % 7);
                ck_assert(rig_is(&cuts, k, row));
                ck_assert(!memcmp(text.data + cuts.items[k].offset, row, strlen(row)));
            }
            rig_cuts_clear(&cuts);
        }
    }
    buf_clear(&text);
}
END_TEST

/* ---- damage
 * -------------------------------------------------------------------------------------------------- */

START_TEST(truncated_gzip) {
    struct reader_options options = plain_options();
    struct buf text, stored;
    struct rig_cuts cuts;
    buf_init(&text);
    buf_init(&stored);
    for (int i = 0; i < 5000; i++)
        buf_printf(&text, "%d,%d\n", i, i * 7919 % 1000);
    rig_gzip(&stored, text.data, text.size);
    rig_write("t.csv.gz", stored.data, stored.size / 2);
    rig_read_shard(&cuts, rig_path("t.csv.gz"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    char said[128];
    snprintf(said, sizeof said, "cannot read shard 't.csv.gz': gzip stream is cut off at byte %zu",
             stored.size / 2);
    ck_assert_str_eq(cuts.err.text, said);
    ck_assert_uint_gt(cuts.count, 1500);
    for (size_t i = 0; i < cuts.count; i++) {
        char row[32];
        snprintf(row, sizeof row, "%zu,%zu", i, i * 7919 % 1000);
        ck_assert(rig_is(&cuts, i, row)); /* no torn row among them */
    }
    size_t good = cuts.count;
    rig_cuts_clear(&cuts);
    options.container.allow_truncated = true;
    rig_read_shard(&cuts, rig_path("t.csv.gz"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_OK);
    ck_assert_uint_eq(cuts.count, good + 1);
    ck_assert_str_eq(cuts.items[good].code, "truncated");
    rig_cuts_clear(&cuts);
    stored.data[stored.size - 6] ^= 1; /* the checksum: allowing a missing end does not allow this */
    rig_write("t.csv.gz", stored.data, stored.size);
    rig_read_shard(&cuts, rig_path("t.csv.gz"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    ck_assert_msg(strstr(cuts.err.text, "gzip stream is damaged at byte"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
    buf_clear(&text);
    buf_clear(&stored);
}
END_TEST

START_TEST(truncated_others) {
    struct reader_options options = plain_options();
    struct buf tar, stored;
    buf_init(&tar);
    buf_init(&stored);
    rig_tar_file(&tar, "a.jpg", "A");
    rig_tar_file(&tar, "b.jpg", "B");
    rig_write("t.tar", tar.data, tar.size - 100);
    EXPECT("t.tar", &options, SL_E_DATA, "cannot read shard 't.tar': tar is cut off at byte 1948", "jpg=A;",
           NULL);
    rig_gzip(&stored, "an image that is not whole", 26);
    rig_write("t.png.gz", stored.data, stored.size - 8);
    EXPECT("t.png.gz", &options, SL_E_DATA, "cut off", NULL);
    options.container.allow_truncated = true;
    EXPECT("t.tar", &options, SL_OK, NULL, "jpg=A;", "!truncated", NULL);
    EXPECT("t.png.gz", &options, SL_OK, NULL, "!truncated", NULL);
    buf_clear(&tar);
    buf_clear(&stored);
}
END_TEST

START_TEST(compression_type) {
    struct reader_options options = plain_options();
    struct rig_cuts cuts;
    write_all_ways("c.csv", "1,2\n", 4);
    options.compression_type = "Gzip";
    EXPECT("c.csv.gz", &options, SL_OK, NULL, "1,2", NULL);
    rig_read_shard(&cuts, rig_path("c.csv"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    ck_assert_msg(strstr(cuts.err.text, "gzip stream is damaged at byte"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
    options.compression_type = "zstd";
    EXPECT("c.csv.zst", &options, SL_OK, NULL, "1,2", NULL);
    ck_assert_uint_gt(reader_nbytes(&options, NULL), 8u << 20);
    options.compression_type = "None";
    rig_read_shard(&cuts, rig_path("c.csv.gz"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA); /* gzip bytes are no text */
    rig_cuts_clear(&cuts);
    options.compression_type = "Brotli";
    rig_read_shard(&cuts, rig_path("c.csv"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_E_USAGE);
    ck_assert_msg(strstr(cuts.err.text, "Brotli"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
}
END_TEST

START_TEST(bombs) {
    struct reader_options options = plain_options();
    struct rig_cuts cuts;
    struct buf packed;
    char *zeros = mem_alloc(11u << 20, 1);
    buf_init(&packed);
    memset(zeros, '1', 11u << 20);
    rig_gzip(&packed, zeros, 11u << 20);
    rig_write("bomb.csv.gz", packed.data, packed.size);
    options.container.max_record_nbytes = 12u << 20;
    options.container.max_expansion = 200;
    rig_read_shard(&cuts, rig_path("bomb.csv.gz"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    ck_assert_msg(strstr(cuts.err.text, "more than 200 times its size"), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
    options.container.max_expansion = 0;
    rig_read_shard(&cuts, rig_path("bomb.csv.gz"), &options, &container_csv, 0);
    ck_assert_int_eq(cuts.status, SL_OK);
    ck_assert_uint_eq(cuts.count, 1);
    rig_cuts_clear(&cuts);
    buf_clear(&packed);
    mem_free(zeros);
}
END_TEST

/* ---- what a shard is
 * -------------------------------------------------------------------------------------------------- */

static void probe(const char *name, const char *data, size_t nbytes, const char *content_type,
                  const char *container, const char *filter, const char *said) {
    struct reader_options options = plain_options();
    const struct container_ops *ops;
    const char *filter_name;
    struct shard_list list;
    sl_error err = {0};
    options.content_type = content_type;
    rig_write(name, data, nbytes);
    ck_assert(shard_list_open(&list, rig_path(name), &err) == SL_OK);
    sl_status st = archive_probe(&list, 0, &options, &ops, &filter_name, &err);
    if (container) {
        ck_assert_msg(st == SL_OK, "%s: %s", name, err.text);
        ck_assert_str_eq(ops->name, container);
        ck_assert_str_eq(filter_name, filter);
    } else {
        ck_assert_msg(st == SL_E_DATA || st == SL_E_USAGE, "%s is %d", name, st);
        ck_assert_msg(strstr(err.text, said), "%s: '%s' does not say '%s'", name, err.text, said);
        ck_assert_msg(st == SL_E_USAGE || strstr(err.text, name), "'%s' does not name '%s'", err.text, name);
    }
    shard_list_close(&list);
}

#define GOOD(name, data, container, filter) probe(name, data, sizeof(data) - 1, NULL, container, filter, NULL)
#define BAD(name, data, said) probe(name, data, sizeof(data) - 1, NULL, NULL, NULL, said)

START_TEST(known_by_name) {
    GOOD("a.csv", "1,2\n", "csv", "none");
    GOOD("a.CSV", "1,2\n", "csv", "none");
    GOOD("a.jsonl", "{}", "jsonlines", "none");
    GOOD("a.b.ndjson", "", "jsonlines", "none");
    GOOD("a.json", "{\n  \"a\": 1\n}\n", "json", "none");
    GOOD("document", "{\n  \"a\": 1\n}\n", "json", "none");
    GOOD("a.tar", "", "tar", "none");
    GOOD("a.npy", "", "npy", "none");
    GOOD("a.NPZ", "", "npz", "none");
    GOOD("a.zip", "", "zip", "none");
    GOOD("a.svm", "", "libsvm", "none");
    GOOD("rows", "+1 1:0.5 7:1\n", "libsvm", "none");
    GOOD("a.tfrecord", "", "tfrecord", "none");
    GOOD("a.pbr", "", "recordio-protobuf", "none");
    GOOD("records", "\x0a\x23\xd7\xce\x02\0\0\0\x0a\0\0\0", "recordio-protobuf", "none");
    GOOD("images", "\x0a\x23\xd7\xce\x02\0\0\0\xff\xd8\0\0", "recordio", "none");
    GOOD("archive", "PK\x03\x04 and so on", "zip", "none");
    GOOD("array", "\x93NUMPY\x01", "npy", "none");
    GOOD("arrays", "PK\3\4....................\0\0\5\0\0\0x.npy", "npz", "none");
    GOOD("a.jpeg", "broken, but an image by name", "file", "none");
    GOOD("a.csv.gz", "\x1f\x8b\x08rest", "csv", "gzip");
    GOOD("a.csv.zst", "\x28\xb5\x2f\xfdrest", "csv", "zstd");
    probe("a.bin", "1,2\n", 4, "text/csv; charset=utf-8", "csv", "none", NULL);
    probe("a.csv", "1,2\n", 4, "APPLICATION/JSONLINES", "jsonlines", "none", NULL);
    probe("a.csv", "1,2\n", 4, "text/cs", NULL, NULL, "unknown content type 'text/cs'");
    ck_assert_ptr_eq(container_by_name("tar"), &container_tar);
    ck_assert_ptr_null(container_by_name("rar"));
}
END_TEST

START_TEST(known_by_content) {
    struct buf data;
    GOOD("part-0", "1.5,2,3\n4,5,6\n", "csv", "none");
    GOOD("part-1", "17\n18\n", "csv", "none");
    GOOD("part-2", "{\"a\": 1}\n{\"a\": 2}\n", "jsonlines", "none");
    GOOD("part-3", "\xff\xd8\xff\xe0 a photo", "file", "none");
    GOOD("part-4", "\x89PNG\r\n\x1a\n a picture", "file", "none");
    buf_init(&data);
    rig_tar_file(&data, "a", "A");
    probe("part-5", data.data, data.size, NULL, "tar", "none", NULL);
    buf_reset(&data);
    rig_gzip(&data, "1,2\n3,4\n", 8);
    probe("part-6", data.data, data.size, NULL, "csv", "gzip", NULL);
    data.size = 5;
    probe("part-7", data.data, data.size, NULL, NULL, NULL, "gzip stream is cut off at byte 5");
    buf_clear(&data);
}
END_TEST

START_TEST(not_read_and_why) {
    BAD("a.xz",
        "\xfd"
        "7zXZ\0 and so on",
        "xz stream is");
    BAD("a.bz2", "BZh91AY&SY and so on", "bzip2 stream is");
    BAD("a.csv.lz", "LZIP\x01 and so on", "compressed with lzip");
    BAD("zip.csv", "PK\x03\x04 and so on", "a zip archive");
    BAD("a.lz4", "\x04\x22\x4d\x18 and so on", "lz4 stream is");
    BAD("a.7z", "7z\xbc\xaf\x27\x1c and so on", "a 7z archive");
    BAD("a.parquet", "PAR1\x15 and so on", "a Parquet file");
    BAD("numpy.csv", "\x93NUMPY\x01 and so on", "a NumPy array");
    BAD("a.onnx", "\x08\x07\x12\x07pytorch and so on", "an ONNX model");
    BAD("a.csv", "version https://git-lfs.github.com/spec/v1\noid\n", "git lfs pull");
    BAD("a.webp", "RIFF1234WEBPVP8 and so on", "a WebP image");
    BAD("a.gif", "GIF89a and so on", "a GIF image");
    BAD("a.txt",
        "\xff\xfe"
        "1\0,\0",
        "UTF-16");
    BAD("a.html", "<!DOCTYPE html>", "HTML");
    BAD("a.weird", "\x01\x02\x03\x04", "binary of a kind");
    BAD("a.md", "Some words\nand more\n", "--content-type");
    BAD("nothing", "", "empty");
}
END_TEST

/* ---- files that change, go or were never files
 * -------------------------------------------------------------------------------------------------- */

static sl_status start_after(void (*change)(void), sl_error *err) {
    struct shard_list list;
    struct reader *reader;
    struct reader_options options = plain_options();
    rig_write("s.csv", "1,2\n3,4\n", 8);
    ck_assert(shard_list_open(&list, rig_dir, err) == SL_OK);
    ck_assert(reader_open(&reader, &list, &container_csv, &options, err) == SL_OK);
    change();
    sl_status st = reader_start(reader, 0, 0, err);
    reader_close(reader);
    shard_list_close(&list);
    unlink(rig_path("s.csv"));
    ck_assert_msg(st == SL_OK || strstr(err->text, "s.csv"), "%s", err->text);
    return st;
}

static void nothing(void) {
}
static void grow(void) {
    rig_write("s.csv", "1,2\n3,4\n5,6\n", 12);
}
static void go(void) {
    unlink(rig_path("s.csv"));
}
static void become_link(void) {
    rename(rig_path("s.csv"), rig_path(".real"));
    ck_assert_int_eq(symlink(".real", rig_path("s.csv")), 0);
}
static void become_fifo(void) {
    unlink(rig_path("s.csv"));
    ck_assert_int_eq(mkfifo(rig_path("s.csv"), 0666), 0);
}

START_TEST(shards_that_change) {
    sl_error err = {0};
    ck_assert_int_eq(start_after(nothing, &err), SL_OK);
    ck_assert_int_eq(start_after(grow, &err), SL_E_DATA);
    ck_assert_ptr_nonnull(strstr(err.text, "changed"));
    ck_assert_int_eq(start_after(go, &err), SL_E_NOINPUT);
    ck_assert_int_eq(start_after(become_link, &err), SL_E_NOINPUT);
    ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
    ck_assert_int_eq(start_after(become_fifo, &err), SL_E_NOINPUT);
}
END_TEST

START_TEST(shard_that_changes_while_it_is_read) {
    struct shard_list list;
    struct reader *reader;
    struct reader_options options = plain_options();
    struct block block;
    sl_error err = {0};
    rig_write("s.csv", "1,2\n3,4\n", 8);
    rig_block_open(&block, (struct rig_shape){.max_cuts = 1}, 1u << 20);
    ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
    ck_assert(reader_open(&reader, &list, &container_csv, &options, &err) == SL_OK);
    ck_assert(reader_start(reader, 0, 0, &err) == SL_OK);
    ck_assert(reader_next(reader, &block, &err) == SL_OK && block.cut_count == 1);
    FILE *f = fopen(rig_path("s.csv"), "ab");
    fputs("5,6\n", f);
    fclose(f);
    ck_assert(reader_next(reader, &block, &err) == SL_OK && block.cut_count == 1);
    ck_assert_uint_eq(block.first_record, 1);
    sl_status st = SL_OK;
    while (st == SL_OK && (st = reader_next(reader, &block, &err)) == SL_OK)
        ck_assert_uint_gt(block.cut_count, 0);
    ck_assert_int_eq(st, SL_E_DATA);
    ck_assert_ptr_nonnull(strstr(err.text, "changed while it was read"));
    ck_assert_int_eq(reader_next(reader, &block, &err), SL_E_INTERNAL); /* until it is started again */
    reader_close(reader);
    shard_list_close(&list);
    block_close(&block);
}
END_TEST

/* One reader, shard after shard, allocates nothing of ours, and what the last shard left is gone. */
START_TEST(one_reader_many_shards) {
    struct shard_list list;
    struct reader *reader;
    struct reader_options options = plain_options();
    struct block block;
    struct buf tar;
    sl_error err = {0};
    buf_init(&tar);
    rig_tar_file(&tar, "a.txt", "A");
    rig_tar_member(&tar, "pipe", '6', NULL, 0);
    rig_tar_file(&tar, "b.txt", "B");
    rig_write("1.tar", tar.data, tar.size); /* has no end */
    rig_tar_end(&tar);
    write_all_ways("2.tar", tar.data, tar.size);
    rig_write("4.csv", "1\n", 2);
    rig_write("5.tar", "", 0);
    rig_block_open(&block, (struct rig_shape){0}, 1u << 20);
    ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
    ck_assert_uint_eq(list.count, 6);
    ck_assert(reader_open(&reader, &list, &container_tar, &options, &err) == SL_OK);
    mem_freeze();
    for (int round = 0; round < 3; round++) {
        static const uint64_t records[] = {1, 2, 2, 2, 0, 0};
        static const sl_status ends[] = {SL_E_DATA, SL_OK, SL_OK, SL_OK, SL_E_DATA, SL_OK};
        for (size_t i = 0; i < 6; i++) {
            uint64_t count = 0;
            sl_status st = reader_start(reader, i, 0, &err);
            while (st == SL_OK && (st = reader_next(reader, &block, &err)) == SL_OK && block.cut_count) {
                ck_assert_uint_eq(block.shard, i);
                ck_assert_uint_eq(block.first_record, count);
                count += block.cut_count;
            }
            ck_assert_int_eq(st, ends[i]);
            ck_assert_uint_eq(count, records[i]);
            if (st == SL_OK)
                ck_assert_uint_eq(reader_stored_offset(reader), list.items[i].nbytes);
        }
    }
    mem_thaw();
    ck_assert_uint_eq(mem_frozen_calls(), 0);
    ck_assert_uint_eq(reader_left_out(reader), 3 * 4);
    reader_close(reader);
    shard_list_close(&list);
    block_close(&block);
    buf_clear(&tar);
}
END_TEST

/* ---- headers
 * -------------------------------------------------------------------------------------------------- */

static void names_of(const char *text, size_t nbytes, const char *const *expected) {
    struct reader_options options = plain_options();
    struct shard_list list;
    char **names;
    size_t count, i = 0;
    sl_error err = {0};
    options.container.csv_header = true;
    write_all_ways("h.csv", text, nbytes);
    for (int way = 0; way < 3; way++) {
        ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
        ck_assert_msg(archive_csv_header(&list, (size_t)way, &options, &names, &count, &err) == SL_OK, "%s",
                      err.text);
        for (i = 0; expected[i]; i++) {
            ck_assert_uint_lt(i, count);
            ck_assert_str_eq(names[i], expected[i]);
        }
        ck_assert_uint_eq(count, i);
        ck_assert(names || !count);
        mem_free(names);
        shard_list_close(&list);
    }
}

#define NAMES(text, ...)                                                                                     \
    do {                                                                                                     \
        static const char *const expected_[] = {__VA_ARGS__};                                                \
        names_of(text, sizeof(text) - 1, expected_);                                                         \
    } while (0)

START_TEST(header_names_are_split) {
    NAMES("", NULL);
    NAMES("\n\r\n", NULL);
    NAMES("a,b,c\n1,2,3\n", "a", "b", "c", NULL);
    NAMES("a,b,c", "a", "b", "c", NULL);
    NAMES("\xef\xbb\xbf\"mean, radius\",\"say \"\"hi\"\"\",\"two\nlines\"\r\n1,2,3\r\n", "mean, radius",
          "say \"hi\"", "two\nlines", NULL);
    NAMES(" a ,,\"\",\n", " a ", "", "", "", NULL);
}
END_TEST

START_TEST(bad_header) {
    struct reader_options options = plain_options();
    struct shard_list list;
    char **names;
    size_t count;
    sl_error err = {0};
    options.container.csv_header = true;
    rig_write("h.csv", "a,\"b\"c\n", 7);
    ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
    ck_assert_int_eq(archive_csv_header(&list, 0, &options, &names, &count, &err), SL_E_DATA);
    ck_assert_msg(strstr(err.text, "'h.csv'") && strstr(err.text, "quote"), "%s", err.text);
    ck_assert_ptr_null(names);
    shard_list_close(&list);
}
END_TEST

static void compare_header(const char *text, const char *said) {
    static const char *const names[] = {"age", "two\nlines", ""};
    struct shard_list list;
    struct reader *reader;
    struct reader_options options = plain_options();
    struct block block;
    sl_error err = {0};
    options.container.csv_header = true;
    rig_write("h.csv", text, strlen(text));
    rig_block_open(&block, (struct rig_shape){0}, 1u << 20);
    ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
    ck_assert(reader_open(&reader, &list, &container_csv, &options, &err) == SL_OK);
    reader_expect_header(reader, names, 3);
    ck_assert(reader_start(reader, 0, 0, &err) == SL_OK);
    sl_status st = reader_next(reader, &block, &err);
    ck_assert_int_eq(st, said ? SL_E_DATA : SL_OK);
    ck_assert_uint_eq(block.cut_count, said ? 0 : 1);
    ck_assert_msg(!said || strstr(err.text, said), "'%s' does not say '%s'", err.text, said);
    reader_close(reader);
    shard_list_close(&list);
    block_close(&block);
}

START_TEST(headers_are_compared) {
    compare_header("age,\"two\nlines\",\n1,2,3\n", NULL);
    compare_header("\"age\",\"two\nlines\",\"\"\r\n1,2,3\r\n", NULL);
    compare_header("age,\"two\nlines\"\n1,2\n", "2 columns, the first shard's has 3");
    compare_header("age,\"two\nlines\",,\n1,2,3,4\n", "4 columns");
    compare_header("age,\"two\",\n1,2,3\n", "column 2 'two'");
    compare_header("ages,\"two\",x\n1,2,3\n", "column 1 'ages'"); /* the first that differs */
    compare_header("ages,\"two\nlines\",\n1,2,3\n", "column 1 'ages', the first shard's names it 'age'");
}
END_TEST

START_TEST(headers_of_every_shard_are_compared) {
    static const char *const names[] = {"a", "b"};
    struct shard_list list;
    struct reader *reader;
    struct reader_options options = plain_options();
    struct block block;
    sl_error err = {0};
    options.container.csv_header = true;
    rig_write("1.csv", "a,b\n1,2\n", 8);
    rig_write("2.csv", "a,c\n1,2\n", 8);
    rig_write("3.csv", "\n", 1); /* no row, no header, no fault */
    rig_block_open(&block, (struct rig_shape){0}, 1u << 20);
    ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
    ck_assert(reader_open(&reader, &list, &container_csv, &options, &err) == SL_OK);
    reader_expect_header(reader, names, 2);
    static const sl_status ends[] = {SL_OK, SL_E_DATA, SL_OK};
    static const uint32_t records[] = {1, 0, 0};
    for (size_t i = 0; i < 3; i++) {
        ck_assert(reader_start(reader, i, 0, &err) == SL_OK);
        ck_assert_int_eq(reader_next(reader, &block, &err), ends[i]);
        ck_assert_uint_eq(block.cut_count, records[i]);
    }
    ck_assert_msg(strstr(err.text, "'2.csv'"), "%s", err.text);
    reader_close(reader);
    shard_list_close(&list);
    block_close(&block);
}
END_TEST

START_TEST(no_memory) {
    struct reader_options options = plain_options();
    struct shard_list list;
    sl_error err = {0};
    rig_write("a.csv", "1\n", 2);
    ck_assert(shard_list_open(&list, rig_dir, &err) == SL_OK);
    for (size_t i = 0; container_table[i]; i++)
        for (size_t n = 1;; n++) {
            struct reader *reader = NULL;
            mem_fail_nth(n, false);
            sl_status st = reader_open(&reader, &list, container_table[i], &options, &err);
            mem_fail_nth(0, false);
            if (st == SL_OK) {
                ck_assert_uint_gt(n, 6);
                reader_close(reader);
                break;
            }
            ck_assert_int_eq(st, SL_E_MEMORY);
        }
    shard_list_close(&list);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("reader");
    TCase *tcase = tcase_create("reader");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, rig_make_dir, rig_remove_dir);
    tcase_add_test(tcase, every_container_through_every_filter);
    tcase_add_test(tcase, empty_shards);
    tcase_add_test(tcase, one_file_is_one_record);
    tcase_add_test(tcase, many_blocks);
    tcase_add_test(tcase, truncated_gzip);
    tcase_add_test(tcase, truncated_others);
    tcase_add_test(tcase, compression_type);
    tcase_add_test(tcase, known_by_name);
    tcase_add_test(tcase, known_by_content);
    tcase_add_test(tcase, not_read_and_why);
    tcase_add_test(tcase, bombs);
    tcase_add_test(tcase, shards_that_change);
    tcase_add_test(tcase, shard_that_changes_while_it_is_read);
    tcase_add_test(tcase, one_reader_many_shards);
    tcase_add_test(tcase, header_names_are_split);
    tcase_add_test(tcase, bad_header);
    tcase_add_test(tcase, headers_are_compared);
    tcase_add_test(tcase, headers_of_every_shard_are_compared);
    tcase_add_test(tcase, no_memory);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
