/* .npy and .npz: headers by the letter, rows of any order of bytes and dimensions, what is refused and how it
 * is said, cut off and resumed anywhere; and the zip directory underneath, each of its lies. */
#include "archive/zip.h"
#include "archive_rig.h"
#include "support/npy.h"
#include "support/packed.h"
#include "zip_rig.h"

static const struct container_options plain = {.max_record_nbytes = 4096};

/* A header as NumPy writes it, padded to 64 bytes. */
static void put_header(struct buf *out, int version, const char *literal) {
    size_t head = version > 1 ? 12 : 10, length = (head + strlen(literal) + 1 + 63) / 64 * 64 - head;
    buf_append(out, "\x93NUMPY", 6);
    buf_putc(out, (char)version);
    buf_putc(out, 0);
    buf_putc(out, (char)(length & 255));
    buf_putc(out, (char)(length >> 8));
    if (version > 1)
        buf_append(out, "\0\0", 2);
    buf_puts(out, literal);
    for (size_t i = strlen(literal); i + 1 < length; i++)
        buf_putc(out, ' ');
    buf_putc(out, '\n');
}

static const char *read_literal(const char *literal, struct npy_header *h) {
    struct buf file;
    const char *why = NULL;
    buf_init(&file);
    put_header(&file, 1, literal);
    bool ok = npy_read_header(file.data, file.size, h, &why);
    ck_assert(ok == (why == NULL));
    for (size_t n = 0; n < file.size; n++) { /* no byte is missed, none is read that is not there */
        struct npy_header less;
        const char *less_why = NULL;
        char *exact = malloc(n + 1);
        memcpy(exact, file.data, n);
        ck_assert(!npy_read_header(exact, n, &less, &less_why));
        ck_assert_ptr_nonnull(less_why);
        free(exact);
    }
    buf_clear(&file);
    return why;
}

START_TEST(headers) {
    struct npy_header h;
    ck_assert_ptr_null(read_literal("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }", &h));
    ck_assert_int_eq(h.dtype, SL_FLOAT);
    ck_assert(!h.big_endian && !h.fortran && h.rank == 2 && h.dims[0] == 3 && h.dims[1] == 4);
    ck_assert_ptr_null(read_literal("{'shape':(5L,),\"descr\":'>i8','fortran_order':True}", &h));
    ck_assert(h.big_endian && !h.fortran && h.rank == 1 && h.dims[0] == 5); /* one line has no order */
    ck_assert_ptr_null(read_literal("{'descr': '|b1', 'fortran_order': True, 'shape': (2, 1, 3)}", &h));
    ck_assert(h.fortran && h.dtype == SL_BOOL);
    ck_assert_ptr_null(read_literal("{'descr': '|u1', 'fortran_order': False, 'shape': ()}", &h));
    ck_assert_int_eq(h.rank, 0);
    static const struct {
        const char *literal, *why;
    } refused[] = {
        {"{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "Python objects"},
        {"{'descr': 'O', 'fortran_order': False, 'shape': (3,)}", "Python objects"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,)}", "structured"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", "dtype"},
        {"{'descr': '<U3', 'fortran_order': False, 'shape': (3,)}", "dtype"},
        {"{'descr': '|f4', 'fortran_order': False, 'shape': (3,)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}", "8 dimensions"},
        {"{'descr': '<f4', 'fortran_order': 0, 'shape': (3,)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False}", "malformed"},
        {"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3,)}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), 'more': 1}", "malformed"},
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (3,)} + open('x')", "malformed"},
        {"", "malformed"},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        const char *why = read_literal(refused[i].literal, &h);
        ck_assert_msg(why && strstr(why, refused[i].why), "%s: %s", refused[i].literal, why ? why : "taken");
    }
    const char *why;
    ck_assert_uint_eq(npy_header_nbytes("\x93NUMPY\x04\0\0\0\0\0", 12, &why), 0);
    ck_assert_ptr_nonnull(why);
    ck_assert_uint_eq(npy_header_nbytes("\x93NUMPY\x03\0\0\0\1\0", 12, &why), 0); /* 64 KiB and more */
    ck_assert_ptr_nonnull(why);
}
END_TEST

/* Rows 0.. of `rows`, each of `width` bytes that count on. */
static void put_array(struct buf *out, const char *descr, bool fortran, int rows, int width) {
    char literal[200];
    snprintf(literal, sizeof literal, "{'descr': '%s', 'fortran_order': %s, 'shape': (%d, %d), }", descr,
             fortran ? "True" : "False", rows, width);
    put_header(out, 1 + rows % 3, literal);
    for (int i = 0; i < rows * width; i++) {
        int row = fortran ? i % rows : i / width, column = fortran ? i / rows : i % width;
        buf_putc(out, (char)(row * width + column));
    }
}

static void cut(struct rig_cuts *cuts, const struct container_ops *ops, const struct buf *file,
                const struct container_options *options, uint64_t skip, bool small) {
    struct container *container = NULL;
    struct block block;
    struct rig_stream stream = rig_stream(file->data, file->size);
    *cuts = (struct rig_cuts){0};
    stream.most = small ? 0 : 1u << 30;
    buf_init(&cuts->text);
    rig_block_open(&block, small ? (struct rig_shape){10, 2, 64} : (struct rig_shape){0},
                   options->max_record_nbytes);
    ck_assert(ops->open(&container, options, &cuts->err) == SL_OK);
    cuts->status = ops->start(container, &stream.stream, "shard", skip, &cuts->err);
    while (cuts->status == SL_OK) {
        block_reset(&block);
        block.kind = ops->kind;
        cuts->status = ops->next(container, &block, &cuts->err);
        if (cuts->status != SL_OK || !block.cut_count)
            break;
        rig_add_block(cuts, &block);
    }
    ops->close(container);
    block_close(&block);
}

static void refuse(const struct container_ops *ops, const struct buf *file, const char *said) {
    struct rig_cuts cuts;
    cut(&cuts, ops, file, &plain, 0, false);
    ck_assert_int_eq(cuts.status, SL_E_DATA);
    ck_assert_msg(strstr(cuts.err.text, said), "%s", cuts.err.text);
    rig_cuts_clear(&cuts);
}

/* The last bytes of a record are those of its row. */
static void expect_rows(const struct rig_cuts *cuts, int rows, int width, int first) {
    ck_assert_msg(cuts->status == SL_OK, "%s", cuts->err.text);
    ck_assert_int_eq((int)cuts->count, rows - first);
    for (int r = first; r < rows; r++) {
        const struct rig_cut *c = &cuts->items[r - first];
        ck_assert_str_eq(c->code, "");
        const char *row = cuts->text.data + c->start + c->nbytes - width;
        for (int k = 0; k < width; k++)
            ck_assert_int_eq(row[k], (char)(r * width + k));
    }
}

START_TEST(rows_of_an_array) {
    for (int fortran = 0; fortran < 2; fortran++)
        for (int count = 0; count < 9; count++)
            for (uint64_t skip = 0; skip <= (uint64_t)count; skip++) {
                struct buf file;
                struct rig_cuts cuts;
                buf_init(&file);
                put_array(&file, "|u1", fortran, count, 6);
                cut(&cuts, &container_npy, &file, &plain, skip, count % 2);
                expect_rows(&cuts, count, 6, (int)skip);
                for (size_t i = 0; !fortran && i < cuts.count; i++) { /* slices are the rows */
                    ck_assert_uint_eq(cuts.items[i].length, 6);
                    ck_assert_int_eq(file.data[cuts.items[i].offset], (char)((i + skip) * 6));
                }
                rig_cuts_clear(&cuts);
                buf_clear(&file);
            }
}
END_TEST

START_TEST(npy_refused) {
    struct buf file;
    struct rig_cuts cuts;
    buf_init(&file);
    put_array(&file, "|u1", false, 4, 6);
    file.size--;
    refuse(&container_npy, &file, "cut off: its shape needs 24 bytes, there are 23");
    struct container_options truncated = plain;
    truncated.allow_truncated = true;
    cut(&cuts, &container_npy, &file, &truncated, 0, true);
    ck_assert_uint_eq(cuts.count, 4);
    ck_assert_str_eq(cuts.items[3].code, "truncated");
    ck_assert_uint_eq(cuts.items[3].length, 5);
    rig_cuts_clear(&cuts);
    file.size++;
    buf_puts(&file, "xy");
    refuse(&container_npy, &file, "2 bytes behind its last row");
    buf_reset(&file);
    put_array(&file, "|u1", false, 1, 4097);
    refuse(&container_npy, &file, "--max-record-size");
    buf_reset(&file);
    put_header(&file, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 0)}");
    refuse(&container_npy, &file, "no elements");
    buf_reset(&file);
    put_header(&file, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000000, 3)}");
    refuse(&container_npy, &file, "larger than any file");
    buf_reset(&file);
    put_header(&file, 1, "{'descr': '<f8', 'fortran_order': False, 'shape': ()}");
    refuse(&container_npy, &file, "a single number");
    buf_reset(&file);
    buf_puts(&file, "\x93NUM");
    refuse(&container_npy, &file, "cut off");
    buf_clear(&file);
}
END_TEST

/* ---- zip
 * -------------------------------------------------------------------------------------------------- */

static struct rig_entry array_entry(const char *name, bool deflated, bool fortran, int rows, int width) {
    struct rig_entry e = {.name = name, .deflated = deflated};
    buf_init(&e.data);
    put_array(&e.data, "|u1", fortran, rows, width);
    return e;
}

START_TEST(npz_rows) {
    struct buf file;
    buf_init(&file);
    for (int kind = 0; kind < 8; kind++) {
        struct rig_entry e[3] = {array_entry("a.npy", kind & 1, !(kind & 1) && kind & 4, 7, 3),
                                 {.name = "notes.txt"},
                                 array_entry("b.npy", kind & 2, false, 7, 5)};
        buf_init(&e[1].data);
        rig_zip(&file, e, 3, kind & 4);
        for (uint64_t skip = 0; skip < 8; skip++) {
            struct rig_cuts cuts;
            cut(&cuts, &container_npz, &file, &plain, skip, kind & 1);
            expect_rows(&cuts, 7, 5, (int)skip);
            rig_cuts_clear(&cuts);
        }
        for (int i = 0; i < 3; i++)
            buf_clear(&e[i].data);
    }
    buf_clear(&file);
}
END_TEST

static void refuse_entry(struct rig_entry e, const char *said) {
    struct buf file;
    struct rig_entry both[2] = {array_entry("first.npy", false, false, 7, 3), e};
    buf_init(&file);
    rig_zip(&file, both, 2, false);
    refuse(&container_npz, &file, said);
    buf_clear(&both[0].data);
    buf_clear(&both[1].data);
    buf_clear(&file);
}

START_TEST(npz_refused) {
    struct rig_entry e;
    refuse_entry(array_entry("b.npy", true, false, 8, 3), "differ in length: 7 and 8 rows");
    refuse_entry(array_entry("b.npy", true, true, 7, 3), "Fortran order and compressed");
    refuse_entry(array_entry("first.npy", true, false, 7, 3), "two of that name");
    e = array_entry("b.npy", true, false, 7, 3);
    e.flags = 1;
    refuse_entry(e, "'b.npy': a member is encrypted");
    e = array_entry("b.npy", true, false, 7, 3);
    e.method_plus = 4;
    refuse_entry(e, "a method that is not read");
    e = array_entry("b.npy", true, false, 7, 3);
    e.local_name_plus = 1;
    refuse_entry(e, "not what the directory says");
    e = array_entry("b.npy", true, false, 7, 3);
    e.offset_plus = -3;
    refuse_entry(e, "lies over another");
    e = array_entry("b.npy", true, false, 7, 3);
    e.nbytes_plus = 4;
    refuse_entry(e, "4 bytes behind its last row");
    e = array_entry("b.npy", true, false, 7, 3);
    e.nbytes_plus = -4;
    refuse_entry(e, "cut off");
    e = array_entry("b.npy", false, false, 7, 3);
    e.nbytes_plus = 1;
    refuse_entry(e, "not what the directory says");
    for (int deflated = 0; deflated < 2; deflated++) {
        e = array_entry("b.npy", deflated, false, 7, 3);
        e.crc_plus = 1;
        struct buf file;
        struct rig_cuts cuts;
        buf_init(&file);
        rig_zip(&file, &e, 1, false);
        cut(&cuts, &container_npz, &file, &plain, 0, true);
        ck_assert_int_eq(cuts.status, SL_E_DATA);
        ck_assert_uint_eq(cuts.count, 7); /* it shows at the end: the shard is not published */
        ck_assert_msg(strstr(cuts.err.text, "checksum"), "%s", cuts.err.text);
        rig_cuts_clear(&cuts);
        buf_clear(&e.data);
        buf_clear(&file);
    }
}
END_TEST

/* No length of a zip is whole but its own, and none is read beyond. */
START_TEST(zip_cut_off) {
    struct rig_entry e = array_entry("a.npy", true, false, 7, 3);
    struct buf file;
    buf_init(&file);
    rig_zip(&file, &e, 1, true);
    for (size_t n = 0; n < file.size; n++) {
        struct buf less = file;
        less.data = malloc(n + 1);
        memcpy(less.data, file.data, n);
        less.size = n;
        struct rig_cuts cuts;
        cut(&cuts, &container_npz, &less, &plain, 0, false);
        ck_assert_int_eq(cuts.status, SL_E_DATA);
        rig_cuts_clear(&cuts);
        free(less.data);
    }
    buf_puts(&file, "more");
    refuse(&container_npz, &file, "no directory at its end");
    buf_clear(&file);
    buf_clear(&e.data);
}
END_TEST

START_TEST(behind_a_filter) {
    struct buf file, packed;
    struct rig_cuts cuts;
    struct reader_options options = {.container = plain};
    rig_make_dir();
    for (int fortran = 0; fortran < 2; fortran++) {
        buf_init(&file);
        buf_init(&packed);
        put_array(&file, "|u1", fortran, 9, 6);
        rig_gzip(&packed, file.data, file.size);
        rig_write("a.npy.gz", packed.data, packed.size);
        for (uint64_t skip = 0; skip < 9; skip++) {
            rig_read_shard(&cuts, rig_path("a.npy.gz"), &options, &container_npy, skip);
            if (fortran)
                ck_assert_msg(strstr(cuts.err.text, "Fortran order and compressed"), "%s", cuts.err.text);
            else
                expect_rows(&cuts, 9, 6, (int)skip);
            rig_cuts_clear(&cuts);
        }
        buf_clear(&file);
        buf_clear(&packed);
    }
    rig_remove_dir();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("container_npy");
    TCase *tcase = tcase_create("npy");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, headers);
    tcase_add_test(tcase, rows_of_an_array);
    tcase_add_test(tcase, npy_refused);
    tcase_add_test(tcase, npz_rows);
    tcase_add_test(tcase, npz_refused);
    tcase_add_test(tcase, zip_cut_off);
    tcase_add_test(tcase, behind_a_filter);
    suite_add_tcase(suite, tcase);
    return harness_run(suite);
}
