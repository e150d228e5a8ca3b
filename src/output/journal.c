/* journal.c: OUTPUT/_sluice/journal.
 *
 * Format. Lines of text, each ended by " CRC\n": CRC is eight hex digits of the CRC-32C of the line before
 * that space, started from the CRC of the line above (0 for the first). Words are separated by one space;
 * bytes up to 0x20, 0x7f and '%' of a name or value are written as %XX.
 *
 *   sluice-journal 1
 *   fact KEY VALUE                      what must be the same when the job goes on
 *   begin                               end of the head
 *   checkpoint RECORDS SCORED REJECTED OUT REJ IN MTIME - SHARD
 *   done       RECORDS SCORED REJECTED OUT REJ IN MTIME SHA256 SHARD
 *   broken     0 0 0 0 0 IN MTIME - SHARD
 *
 * Valid is the longest run of lines from the start whose CRCs hold. What comes after it was torn by a crash
 * or damaged later, and is cut off before anything is added: the shards it spoke of are scored again from the
 * entry before, so the outcome is the same bytes. A checkpoint is written only after the part files it speaks
 * of are durable, and a done line only after the output stands under its final name and its directory is
 * durable. Later lines of a shard replace earlier ones. */
#include "output/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/buf.h"
#include "support/file.h"
#include "support/log.h"
#include "support/mem.h"
#include "support/text.h"

#define LINE_NBYTES (3 * 4096 + 512)
#define PENDING_NBYTES (1u << 20)

struct journal {
    int fd;
    uint32_t crc; /* of the last line */
    struct buf pending;
};

static void put_escaped(struct buf *out, const char *text) {
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p <= 0x20 || *p == 0x7f || *p == '%')
            buf_printf(out, "%%%02X", *p);
        else
            buf_putc(out, (char)*p);
}

static void unescape(char *text) {
    char *out = text;
    for (const char *p = text; *p; p++) {
        unsigned byte;
        if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1) {
            *out++ = (char)byte;
            p += 2;
        } else {
            *out++ = *p;
        }
    }
    *out = 0;
}

/* Ends a line that was appended from `start` on: its CRC and '\n'. */
static void end_line(struct journal *j, struct buf *out, size_t start) {
    j->crc = crc32c(j->crc, out->data + start, out->size - start);
    buf_printf(out, " %08" PRIx32 "\n", j->crc);
}

/* ---- reading
 * -------------------------------------------------------------------------------------------------- */

struct cursor {
    char *text;
    size_t nbytes, at;
    uint32_t crc;
    unsigned line;
};

/* The next valid line, NUL-ended, its CRC checked and taken off; NULL at the end of what is valid. */
static char *next_line(struct cursor *c) {
    char *line = c->text + c->at, *end = memchr(line, '\n', c->nbytes - c->at);
    if (!end || end - line < 9 || end[-9] != ' ')
        return NULL;
    char *stop;
    uint32_t want = (uint32_t)strtoul(end - 8, &stop, 16);
    uint32_t crc = crc32c(c->crc, line, (size_t)(end - 9 - line));
    if (stop != end || crc != want || memchr(line, 0, (size_t)(end - line)))
        return NULL;
    end[-9] = 0;
    c->crc = crc;
    c->at = (size_t)(end + 1 - c->text);
    c->line++;
    return line;
}

static sl_status check_fact(char *line, const struct output_fact *facts, size_t fact_count, size_t *seen,
                            sl_error *err) {
    char *key = line + 5, *value = strchr(key, ' ');
    if (!value)
        return SL_OK;
    *value++ = 0;
    unescape(value);
    for (size_t i = 0; i < fact_count; i++) {
        if (strcmp(facts[i].key, key))
            continue;
        ++*seen;
        if (strcmp(facts[i].value, value))
            return error_set(
                err, SL_E_MODEL,
                "cannot resume: '%s' was '%s' when the journal began and is '%s' now; use another output "
                "directory, or --overwrite to begin anew",
                key, text_quote(value), text_quote(facts[i].value));
        return SL_OK;
    }
    return SL_OK;
}

/* False when the head is not whole: then there is no journal. */
static sl_status read_head(struct cursor *c, const struct output_fact *facts, size_t fact_count, bool *whole,
                           sl_error *err) {
    size_t seen = 0;
    char *line = next_line(c);
    *whole = false;
    if (!line)
        return SL_OK;
    if (strcmp(line, "sluice-journal 1"))
        return error_set(err, SL_E_MODEL, "cannot resume: the journal is of another version ('%s')",
                         text_quote(line));
    while ((line = next_line(c)) != NULL) {
        if (!strncmp(line, "fact ", 5)) {
            sl_status st = check_fact(line, facts, fact_count, &seen, err);
            if (st != SL_OK)
                return st;
        } else if (!strcmp(line, "begin")) {
            *whole = seen == fact_count;
            return SL_OK;
        }
    }
    return SL_OK;
}

static bool parse_entry(char *line, struct journal_entry *e) {
    static const char *const words[] = {"checkpoint", "done", "broken"};
    char word[16], name[3 * 4096];
    int n = sscanf(line,
                   "%15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64
                   " %64s %12287s",
                   word, &e->records, &e->scored, &e->rejected, &e->out_nbytes, &e->reject_nbytes,
                   &e->in_nbytes, &e->in_mtime_ns, e->sha256, name);
    if (n != 10)
        return false;
    unescape(name);
    if (strlen(name) >= sizeof e->shard)
        return false;
    memcpy(e->shard, name, strlen(name) + 1);
    for (int i = 0; i < 3; i++)
        if (!strcmp(word, words[i])) {
            e->kind = (enum journal_kind)i;
            return true;
        }
    return false;
}

static sl_status read_entries(struct cursor *c, journal_visit *visit, void *ctx, sl_error *err) {
    struct journal_entry *entry = mem_alloc(1, sizeof *entry);
    sl_status st = entry ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for the journal");
    for (char *line; st == SL_OK && (line = next_line(c)) != NULL;)
        if (parse_entry(line, entry))
            st = visit(ctx, entry, err);
    mem_free(entry);
    if (st == SL_OK && c->at < c->nbytes)
        log_line(LOG_NOTE, "journal: %zu bytes after line %u are torn; going on from there",
                 c->nbytes - c->at, c->line);
    return st;
}

/* ---- opening
 * -------------------------------------------------------------------------------------------------- */

static sl_status io_failed(sl_error *err) {
    return error_errno(err, errno == ENOSPC || errno == EDQUOT ? SL_E_OUTPUT : SL_E_IO, errno,
                       "cannot write the journal");
}

/* A new head under another name first: a crash leaves either no journal or a whole head. */
static sl_status write_head(struct journal *j, int dir_fd, const struct output_fact *facts, size_t fact_count,
                            sl_error *err) {
    buf_reset(&j->pending);
    j->crc = 0;
    buf_puts(&j->pending, "sluice-journal 1");
    end_line(j, &j->pending, 0);
    for (size_t i = 0; i < fact_count; i++) {
        size_t start = j->pending.size;
        buf_printf(&j->pending, "fact %s ", facts[i].key);
        put_escaped(&j->pending, facts[i].value);
        end_line(j, &j->pending, start);
    }
    size_t start = j->pending.size;
    buf_puts(&j->pending, "begin");
    end_line(j, &j->pending, start);
    sl_status st = file_replace(dir_fd, "_sluice/journal", j->pending.data, j->pending.size, err);
    buf_reset(&j->pending);
    if (st != SL_OK)
        return st;
    j->fd = openat(dir_fd, "_sluice/journal", O_RDWR | O_APPEND | O_CLOEXEC);
    return j->fd >= 0 ? SL_OK : io_failed(err);
}

static sl_status read_journal(struct journal *j, char *text, size_t nbytes, const struct output_fact *facts,
                              size_t fact_count, journal_visit *visit, void *ctx, bool *found,
                              sl_error *err) {
    struct cursor cursor = {.text = text, .nbytes = nbytes};
    sl_status st = read_head(&cursor, facts, fact_count, found, err);
    if (st == SL_OK && *found)
        st = read_entries(&cursor, visit, ctx, err);
    if (st == SL_OK && *found && cursor.at < nbytes &&
        (ftruncate(j->fd, (off_t)cursor.at) != 0 || fdatasync(j->fd) != 0))
        st = io_failed(err);
    j->crc = cursor.crc;
    return st;
}

sl_status journal_open(struct journal **out, int dir_fd, const struct output_fact *facts, size_t fact_count,
                       journal_visit *visit, void *ctx, bool *found, sl_error *err) {
    struct stat st;
    sl_status status = SL_OK;
    struct journal *j = mem_alloc(1, sizeof *j);
    if (!j)
        return error_set(err, SL_E_MEMORY, "out of memory for the journal");
    *found = false;
    buf_init(&j->pending);
    j->fd = openat(dir_fd, "_sluice/journal", O_RDWR | O_APPEND | O_CLOEXEC);
    if (!buf_reserve(&j->pending, PENDING_NBYTES)) {
        status = error_set(err, SL_E_MEMORY, "out of memory for the journal");
    } else if (j->fd >= 0) {
        char *text = NULL;
        if (fstat(j->fd, &st) != 0)
            status = io_failed(err);
        else if (!(text = mem_alloc((size_t)st.st_size + 1, 1)))
            status = error_set(err, SL_E_MEMORY, "out of memory to read the journal");
        else if (file_pread(j->fd, text, (size_t)st.st_size, 0) != st.st_size)
            status = error_errno(err, SL_E_IO, errno, "cannot read the journal");
        else
            status = read_journal(j, text, (size_t)st.st_size, facts, fact_count, visit, ctx, found, err);
        mem_free(text);
    } else if (errno != ENOENT) {
        status = error_errno(err, SL_E_IO, errno, "cannot open the journal");
    }
    if (status == SL_OK && !*found) {
        if (j->fd >= 0)
            close(j->fd);
        status = write_head(j, dir_fd, facts, fact_count, err);
    }
    if (status != SL_OK) {
        journal_close(j);
        return status;
    }
    *out = j;
    return SL_OK;
}

/* ---- writing
 * -------------------------------------------------------------------------------------------------- */

sl_status journal_add(struct journal *j, const struct journal_entry *e, sl_error *err) {
    static const char *const words[] = {"checkpoint", "done", "broken"};
    if (j->pending.cap - j->pending.size < LINE_NBYTES) {
        sl_status st = journal_sync(j, err);
        if (st != SL_OK)
            return st;
    }
    size_t start = j->pending.size;
    buf_printf(&j->pending,
               "%s %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %s ",
               words[e->kind], e->records, e->scored, e->rejected, e->out_nbytes, e->reject_nbytes,
               e->in_nbytes, e->in_mtime_ns, e->kind == JOURNAL_DONE ? e->sha256 : "-");
    put_escaped(&j->pending, e->shard);
    end_line(j, &j->pending, start);
    return SL_OK;
}

sl_status journal_sync(struct journal *j, sl_error *err) {
    if (!j->pending.size)
        return SL_OK;
    if (file_write_all(j->fd, j->pending.data, j->pending.size) != 0 || fdatasync(j->fd) != 0)
        return io_failed(err);
    buf_reset(&j->pending);
    return SL_OK;
}

void journal_close(struct journal *j) {
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    buf_clear(&j->pending);
    mem_free(j);
}
