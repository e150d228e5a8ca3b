/* array_rows.c: see array_rows.h. */
#include "archive/array_rows.h"

#include <string.h>

#include "support/mem.h"
#include "support/packed.h"
#include "support/text.h"

sl_status array_rows_open(struct array_rows *a, const struct container_options *options, size_t part_max,
                          sl_error *err) {
    *a = (struct array_rows){.options = *options, .part_max = part_max};
    a->parts = mem_alloc(part_max, sizeof *a->parts);
    a->gather = mem_map(ARRAY_GATHER_NBYTES);
    bool ok = a->parts && a->gather;
    sl_status st = SL_OK;
    for (size_t i = 0; ok && st == SL_OK && i < part_max; i++) {
        struct array_part *p = &a->parts[i];
        p->prefix = mem_map(PACKED_MAX_PREFIX);
        p->window = mem_map(ARRAY_WINDOW_NBYTES);
        ok = p->prefix && p->window;
        if (ok)
            st = unzip_open(&p->from, p->window, ARRAY_WINDOW_NBYTES, err);
    }
    if (ok && st == SL_OK)
        return SL_OK;
    array_rows_close(a);
    return ok ? st : error_set(err, SL_E_MEMORY, "out of memory for the rows of arrays");
}

void array_rows_close(struct array_rows *a) {
    for (size_t i = 0; a->parts && i < a->part_max; i++) {
        unzip_close(&a->parts[i].from);
        mem_unmap(a->parts[i].prefix, PACKED_MAX_PREFIX);
        mem_unmap(a->parts[i].window, ARRAY_WINDOW_NBYTES);
    }
    mem_free(a->parts);
    mem_unmap(a->gather, ARRAY_GATHER_NBYTES);
    *a = (struct array_rows){0};
}

void array_rows_begin(struct array_rows *a, struct stream *stream) {
    a->stream = stream;
    a->part_count = a->gathered_count = a->record_nbytes = 0;
    a->row_count = a->row = a->held_first = a->held_count = a->held_most = 0;
    a->at_end = false;
    a->damage.status = SL_OK;
}

struct array_part *array_rows_next_part(struct array_rows *a) {
    return a->part_count < a->part_max ? &a->parts[a->part_count] : NULL;
}

/* ---- headers
 * -------------------------------------------------------------------------------------------------- */

static sl_status read_header(struct array_part *p, sl_error *err) {
    unsigned char *data = p->prefix; /* is filled with something else afterwards */
    const char *why;
    _Static_assert(PACKED_MAX_PREFIX >= 12, "the beginning of a header fits");
    ssize_t n = unzip_read(&p->from, data, 10, err);
    if (n == 10 && data[6] > 1 && data[6] <= 3)
        n = unzip_read(&p->from, data + 10, 2, err) == 2 ? 12 : -1;
    if (n < 0)
        return err->status;
    size_t whole = npy_header_nbytes(data, (size_t)n, &why);
    if (why || !whole)
        return error_set(err, SL_E_DATA, "%s", why ? why : "its NumPy header is cut off");
    unsigned char header[NPY_MAX_HEADER];
    memcpy(header, data, (size_t)n);
    ssize_t rest = unzip_read(&p->from, header + n, whole - (size_t)n, err);
    if (rest < 0)
        return err->status;
    return npy_read_header(header, (size_t)(n + rest), &p->head, &why) ? SL_OK
                                                                       : error_set(err, SL_E_DATA, "%s", why);
}

/* head, dims and name: the same in front of every row. */
static void make_prefix(struct array_part *p, const char *name, size_t name_nbytes) {
    struct packed_head head = {.name_nbytes = (uint32_t)name_nbytes,
                               .data_nbytes = (uint32_t)p->row_nbytes,
                               .dtype = (uint8_t)p->head.dtype,
                               .big_endian = p->head.big_endian,
                               .rank = (uint8_t)(p->head.rank - 1)};
    size_t dims_nbytes = head.rank * sizeof *p->head.dims;
    memcpy(p->prefix, &head, sizeof head);
    memcpy(p->prefix + sizeof head, p->head.dims + 1, dims_nbytes);
    memcpy(p->prefix + sizeof head + dims_nbytes, name, name_nbytes);
    p->name_nbytes = name_nbytes;
    p->prefix_nbytes = sizeof head + dims_nbytes + name_nbytes;
}

/* Where the elements are, and that there are as many as the shape says. */
static sl_status check_size(const struct array_rows *a, struct array_part *p, sl_error *err) {
    uint64_t due, have = p->from.left, rows = (uint64_t)p->head.dims[0];
    if (__builtin_mul_overflow(rows, p->row_nbytes, &due))
        return error_set(err, SL_E_DATA, "its shape is larger than any file");
    p->elements_at = range_position(&p->from.range);
    p->slice_nbytes = p->row_nbytes;
    if (p->from.deflated) {
        p->slice_nbytes = p->from.range.end - p->elements_at;
    } else if (!p->from.checked) {
        if (!a->stream->read_at)
            return p->gathered
                       ? error_set(err, SL_E_DATA,
                                   "it is in Fortran order and compressed: unpack it, or save it in C order")
                       : SL_OK; /* how long it is shows at its end */
        have = p->from.range.end - p->elements_at;
    }
    if (have > due)
        return error_set(err, SL_E_DATA, "it has %llu bytes behind its last row",
                         (unsigned long long)(have - due));
    if (have < due && (!a->options.allow_truncated || p->from.checked || p->gathered))
        return error_set(err, SL_E_DATA, "it is cut off: its shape needs %llu bytes, there are %llu",
                         (unsigned long long)due, (unsigned long long)have);
    if (p->gathered && p->from.deflated)
        return error_set(err, SL_E_DATA, "it is in Fortran order and compressed: save it in C order");
    if (p->gathered)
        p->slice_nbytes = p->item_nbytes;
    return SL_OK;
}

sl_status array_rows_add(struct array_rows *a, const char *name, size_t name_nbytes, sl_error *err) {
    struct array_part *p = &a->parts[a->part_count];
    sl_status st = read_header(p, err);
    if (st != SL_OK)
        return st;
    const struct npy_header *h = &p->head;
    if (h->rank == 0)
        return error_set(err, SL_E_DATA, "it is a single number, not rows of them");
    int64_t items;
    p->item_nbytes = sl_dtype_nbits(h->dtype) / 8;
    if (!sl_shape_count(h->rank - 1, h->dims + 1, &items) || !items ||
        (uint64_t)items > a->options.max_record_nbytes / p->item_nbytes)
        return error_set(err, SL_E_DATA, "a row of it has %s (--max-record-size)",
                         items ? "more bytes than are allowed" : "no elements");
    p->row_nbytes = (size_t)items * p->item_nbytes;
    p->gathered = h->fortran;
    st = check_size(a, p, err);
    if (st != SL_OK)
        return st;
    make_prefix(p, name, name_nbytes);
    a->gathered_count += p->gathered;
    a->part_count++;
    return SL_OK;
}

/* ---- rows
 * -------------------------------------------------------------------------------------------------- */

/* Passes over whole rows of one part. */
static sl_status skip_rows(struct array_part *p, uint64_t rows, sl_error *err) {
    const uint64_t most = SIZE_MAX / 4;
    for (uint64_t left = rows * p->row_nbytes; left && !p->gathered;) {
        ssize_t n = unzip_read(&p->from, NULL, (size_t)(left < most ? left : most), err);
        if (n < 0)
            return err->status;
        if (n == 0)
            return error_set(err, SL_E_DATA, "it is cut off at byte %llu",
                             (unsigned long long)range_position(&p->from.range));
        left -= (uint64_t)n;
    }
    return SL_OK;
}

sl_status array_rows_settle(struct array_rows *a, uint64_t skip, sl_error *err) {
    sl_status st = SL_OK;
    a->row_count = a->part_count ? (uint64_t)a->parts[0].head.dims[0] : 0;
    a->record_nbytes = sizeof(uint32_t);
    a->held_most = UINT64_MAX;
    for (size_t i = 0; i < a->part_count; i++) {
        struct array_part *p = &a->parts[i];
        if ((uint64_t)p->head.dims[0] != a->row_count)
            return error_set(err, SL_E_DATA, "its arrays differ in length: %llu and %lld rows",
                             (unsigned long long)a->row_count, (long long)p->head.dims[0]);
        a->record_nbytes += p->prefix_nbytes + p->row_nbytes;
        if (!p->gathered)
            continue;
        size_t share = ARRAY_GATHER_NBYTES / a->gathered_count;
        if (p->row_nbytes > share)
            return error_set(err, SL_E_DATA, "its rows are too long to be gathered from Fortran order");
        a->held_most = a->held_most < share / p->row_nbytes ? a->held_most : share / p->row_nbytes;
        if (p->from.checked && (st = unzip_finish(&p->from, err)) != SL_OK)
            return st;
    }
    if (a->part_count && a->record_nbytes > a->options.max_record_nbytes)
        return error_set(err, SL_E_DATA,
                         "a row of its arrays has more bytes than are allowed (--max-record-size)");
    a->row = skip < a->row_count ? skip : a->row_count;
    for (size_t i = 0; st == SL_OK && i < a->part_count; i++)
        st = skip_rows(&a->parts[i], a->row, err);
    unsigned char *columns = a->gather;
    for (size_t i = 0; i < a->part_count; i++)
        if (a->parts[i].gathered) {
            a->parts[i].columns = columns;
            columns += a->held_most * a->parts[i].row_nbytes;
        }
    return st;
}

/* The next rows of the parts in Fortran order: of each column a run. */
static bool gather(struct array_rows *a) {
    uint64_t left = a->row_count - a->row;
    a->held_first = a->row;
    a->held_count = left < a->held_most ? left : a->held_most;
    for (size_t i = 0; i < a->part_count; i++) {
        struct array_part *p = &a->parts[i];
        if (!p->gathered)
            continue;
        const size_t columns = p->row_nbytes / p->item_nbytes, run = (size_t)a->held_count * p->item_nbytes;
        for (size_t c = 0; c < columns; c++) {
            uint64_t at = p->elements_at + (c * a->row_count + a->row) * p->item_nbytes;
            for (size_t done = 0; done < run;) {
                ssize_t n = a->stream->read_at(a->stream, at + done, p->columns + c * run + done, run - done,
                                               &a->damage);
                if (n == 0)
                    error_set(&a->damage, SL_E_DATA, "it is cut off at byte %llu",
                              (unsigned long long)(at + done));
                if (n <= 0)
                    return false;
                done += (size_t)n;
            }
        }
    }
    return true;
}

/* Columns come in Fortran order, the first index of a row the fastest; a record's elements are in C order. */
static void put_gathered(const struct array_rows *a, const struct array_part *p, char *out) {
    const size_t item = p->item_nbytes, run = (size_t)a->held_count * item;
    const size_t columns = p->row_nbytes / item;
    const unsigned char *from = p->columns + (a->row - a->held_first) * item;
    const int64_t *dims = p->head.dims + 1;
    const int rank = p->head.rank - 1;
    int64_t index[SL_MAX_RANK] = {0};
    for (size_t c = 0; c < columns; c++) {
        size_t to = 0;
        for (int d = 0; d < rank; d++)
            to = to * (size_t)dims[d] + (size_t)index[d];
        memcpy(out + to * item, from + c * run, item);
        for (int d = 0; d < rank && ++index[d] == dims[d]; d++)
            index[d] = 0;
    }
}

/* Bytes of a record are laid out behind `at`. 1: whole; 0: the end came first (*torn: inside the row); -1:
 * damage. */
static int put_row(struct array_rows *a, char *at, bool *torn) {
    const uint32_t count = (uint32_t)a->part_count;
    memcpy(at, &count, sizeof count);
    at += sizeof count;
    for (size_t i = 0; i < a->part_count; i++) {
        struct array_part *p = &a->parts[i];
        memcpy(at, p->prefix, p->prefix_nbytes);
        at += p->prefix_nbytes;
        if (p->gathered) {
            put_gathered(a, p, at);
        } else {
            ssize_t n = unzip_read(&p->from, at, p->row_nbytes, &a->damage);
            if (n < 0)
                return -1;
            *torn = n > 0;
            if ((size_t)n < p->row_nbytes)
                return 0;
        }
        at += p->row_nbytes;
    }
    return 1;
}

static void put_cut(struct array_rows *a, struct block *block, size_t start) {
    const struct array_part *p = &a->parts[0];
    struct cut cut = {.offset = p->elements_at + (p->from.deflated ? 0 : a->row * p->slice_nbytes),
                      .length = p->slice_nbytes,
                      .start = (uint32_t)start,
                      .nbytes = (uint32_t)a->record_nbytes};
    block->cuts[block->cut_count++] = cut;
    block->size = start + a->record_nbytes;
}

/* A file that ends too early: what is there of its last row keeps its place. */
static void end_early(struct array_rows *a, struct block *block, size_t start, bool torn) {
    const struct array_part *p = &a->parts[0];
    uint64_t end = range_position(&p->from.range);
    bool wanted =
        a->options.allow_truncated && !p->from.checked && (a->damage.status == SL_OK || a->stream->cut_off);
    if (!wanted) {
        if (a->damage.status == SL_OK)
            error_set(&a->damage, SL_E_DATA, "it is cut off at byte %llu: row %llu of %llu is not whole",
                      (unsigned long long)end, (unsigned long long)a->row, (unsigned long long)a->row_count);
        return;
    }
    a->damage.status = SL_OK;
    a->at_end = true;
    uint64_t offset = p->elements_at + a->row * p->row_nbytes;
    if (torn || end > offset)
        block->cuts[block->cut_count++] =
            (struct cut){.offset = offset,
                         .length = end - offset,
                         .start = (uint32_t)start,
                         .reject_code = "truncated",
                         .reject_reason = "the shard is cut off inside this record"};
}

/* Behind the last row nothing may follow, and what has a checksum must have the right one. */
static void finish(struct array_rows *a) {
    a->at_end = true;
    for (size_t i = 0; i < a->part_count && a->damage.status == SL_OK; i++) {
        struct array_part *p = &a->parts[i];
        char more;
        if (p->from.checked)
            (void)unzip_finish(&p->from, &a->damage);
        else if (!p->gathered && unzip_read(&p->from, &more, 1, &a->damage) > 0)
            error_set(&a->damage, SL_E_DATA, "bytes follow its last row");
    }
}

static bool has_room(const struct array_rows *a, const struct block *block) {
    return !block->cut_count || (block->cut_count < block->max_cuts && block->size < block->target &&
                                 block->cap - block->size >= a->record_nbytes);
}

sl_status array_rows_next(struct array_rows *a, struct block *block, sl_error *err) {
    if (a->record_nbytes > block->cap)
        return error_set(err, SL_E_INTERNAL, "a block of %zu bytes is too small", block->cap);
    while (!a->at_end && a->damage.status == SL_OK && has_room(a, block)) {
        bool torn = false;
        size_t start = block->size;
        if (a->row == a->row_count) {
            finish(a);
            break;
        }
        if (a->gathered_count && a->row >= a->held_first + a->held_count && !gather(a))
            break;
        if (put_row(a, block->data + start, &torn) != 1) {
            end_early(a, block, start, torn);
            break;
        }
        put_cut(a, block, start);
        a->row++;
    }
    if (block->cut_count || a->damage.status == SL_OK)
        return SL_OK;
    if (err)
        *err = a->damage;
    return a->damage.status;
}
