/* journal.c: OUTPUT/_sluice/journal.
 *
 * Format. Lines of text; words separated by one space; bytes up to 0x20, 0x7f and '%' of a name or value are
 * written as %XX. Each line ends with " CRC\n": eight hex digits of the CRC-32C of the line before that
 * space, started from SALT (from 0 in the first line). N is the number of the line, from 1; B is the number
 * of the first line of the batch that the line was written and synced with.
 *
 *   sluice-journal 2 SALT                 SALT: eight hex digits, different in every journal
 *   job N B ID BEGUN                      a random UUID; when the job began, UTC
 *   fact N B KEY VALUE                    what must be the same when the job goes on
 *   begin N B                             end of the head
 *   checkpoint N B RECORDS SCORED REJECTED OUT REJ IN MTIME - SHARD
 *   done       N B RECORDS SCORED REJECTED OUT REJ IN MTIME SHA256 SHARD
 *   broken     N B 0 0 0 0 0 IN MTIME - SHARD
 *
 * OUT and REJ are bytes of the shard's lines and of its rejects, IN and MTIME (ns) what its input was when it
 * was listed. A later line of a shard replaces an earlier one. A checkpoint is written only after the part
 * files it speaks of are durable, and a done line only after the output stands under its final name and its
 * directory is durable.
 *
 * Valid is the longest run of lines from the start whose CRCs hold and whose numbers count up. The head is
 * put in place whole, by a rename; if it is not valid, the journal is damaged. After the head, a batch is
 * written only when the one before is durable. So what follows the valid lines was either torn by a crash,
 * which can only be the last batch: it is cut off, and the shards it spoke of are scored again from their
 * line before. Or it was damaged later: then a line further on with a good CRC tells that its batch began
 * after the damaged line. That is refused, because storage that loses what it had kept cannot be trusted with
 * the rest. */
#include "output/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "output/fresh.h"
#include "support/buf.h"
#include "support/clock.h"
#include "support/crc32c.h"
#include "support/file.h"
#include "support/log.h"
#include "support/mem.h"
#include "support/text.h"

#define LINE_NBYTES (3 * 4096 + 512)
#define ADVICE "use another output directory, or --overwrite to begin anew"

struct journal {
    int fd;
    uint32_t salt;
    struct output_identity identity;
    uint64_t line;      /* number of the last line, pending ones included */
    uint64_t batch;     /* number of the first pending line */
    struct buf pending; /* what journal_sync will write */
};

static const char *const words[] = {"checkpoint", "done", "broken"};

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

/* ---- reading ---- */

struct cursor {
    char *text;
    size_t nbytes, at; /* at: the first byte that is not known to be valid */
    uint32_t salt;
    uint64_t line, batch; /* of the last valid line */
};

/* A line taken apart. */
struct line {
    char *text, *rest; /* rest: behind WORD N B and a space, or at the end */
    char *end;         /* its '\n' */
    uint64_t number, batch;
};

/* Whether the text up to `end` is a line whose CRC holds. */
static bool crc_holds(const char *text, const char *end, uint32_t start) {
    char want[10];
    if (end - text < 10)
        return false;
    snprintf(want, sizeof want, " %08" PRIx32, crc32c(start, text, (size_t)(end - 9 - text)));
    return !memcmp(want, end - 9, 9) && !memchr(text, 0, (size_t)(end - text));
}

/* The line at `at`; false when it is not valid by itself. */
static bool take_line(const struct cursor *c, size_t at, struct line *line) {
    char *text = c->text + at, *end = memchr(text, '\n', c->nbytes - at);
    int used = 0;
    if (!end || !crc_holds(text, end, c->salt))
        return false;
    *line = (struct line){.text = text, .end = end};
    end[-9] = 0; /* sscanf measures the text first: without it, all of the journal for each line */
    int n = sscanf(text, "%*15s %" SCNu64 " %" SCNu64 "%n", &line->number, &line->batch, &used);
    end[-9] = ' ';
    if (n != 2)
        return false;
    line->rest = text + used + (text[used] == ' ');
    return true;
}

/* The next valid line, ended by NUL before its CRC; false at the end of what is valid. */
static bool next_line(struct cursor *c, struct line *line) {
    if (!take_line(c, c->at, line) || line->number != c->line + 1 ||
        (line->batch != c->batch && line->batch != line->number))
        return false;
    line->end[-9] = 0;
    c->at = (size_t)(line->end + 1 - c->text);
    c->line = line->number;
    c->batch = line->batch;
    return true;
}

static sl_status damaged(uint64_t line, sl_error *err) {
    return error_set(err, SL_E_MODEL,
                     "cannot resume: line %" PRIu64 " of the journal is damaged though it had been written "
                     "whole; " ADVICE,
                     line);
}

static sl_status read_first(struct cursor *c, sl_error *err) {
    static const char magic[] = "sluice-journal ";
    char *end = memchr(c->text, '\n', c->nbytes);
    if (!end || strncmp(c->text, magic, sizeof magic - 1))
        return damaged(1, err);
    if (strncmp(c->text + sizeof magic - 1, "2 ", 2))
        return error_set(err, SL_E_MODEL, "cannot resume: the journal is of another version ('%s'); " ADVICE,
                         text_quote_n(c->text, (size_t)(end - c->text)));
    if (!crc_holds(c->text, end, 0) || sscanf(c->text + sizeof magic + 1, "%8" SCNx32, &c->salt) != 1)
        return damaged(1, err);
    c->at = (size_t)(end + 1 - c->text);
    c->line = c->batch = 1;
    return SL_OK;
}

static sl_status check_fact(char *rest, const struct output_fact *facts, size_t fact_count, size_t *seen,
                            sl_error *err) {
    char *value = strchr(rest, ' ');
    size_t i = 0;
    if (value)
        *value++ = 0;
    else
        value = rest + strlen(rest);
    unescape(value);
    while (i < fact_count && strcmp(facts[i].key, rest))
        i++;
    ++*seen;
    if (i < fact_count && !strcmp(facts[i].value, value))
        return SL_OK;
    return error_set(err, SL_E_MODEL,
                     "cannot resume: '%s' was '%s' when the journal began and is '%s' now; " ADVICE,
                     text_quote(rest), text_quote(value), i < fact_count ? text_quote(facts[i].value) : "");
}

static sl_status read_identity(struct cursor *c, struct output_identity *identity, sl_error *err) {
    struct line line;
    if (next_line(c, &line) && !strncmp(line.text, "job ", 4) &&
        sscanf(line.rest, "%36s %20s", identity->id, identity->begun) == 2)
        return SL_OK;
    return damaged(2, err);
}

static sl_status read_head(struct cursor *c, struct output_identity *identity,
                           const struct output_fact *facts, size_t fact_count, sl_error *err) {
    struct line line;
    size_t seen = 0;
    sl_status st = read_first(c, err);
    if (st == SL_OK)
        st = read_identity(c, identity, err);
    while (st == SL_OK && next_line(c, &line)) {
        if (!strncmp(line.text, "begin ", 6))
            return seen == fact_count
                       ? SL_OK
                       : error_set(err, SL_E_MODEL,
                                   "cannot resume: the journal knows %zu of %zu facts about the job; " ADVICE,
                                   seen, fact_count);
        st = strncmp(line.text, "fact ", 5) ? damaged(c->line, err)
                                            : check_fact(line.rest, facts, fact_count, &seen, err);
    }
    return st == SL_OK ? damaged(c->line + 1, err) : st;
}

static bool parse_entry(const struct line *line, char name[LINE_NBYTES], struct journal_entry *e) {
    int n = sscanf(line->rest,
                   "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64
                   " %64s %12799s",
                   &e->records, &e->scored, &e->rejected, &e->out_nbytes, &e->reject_nbytes, &e->in_nbytes,
                   &e->in_mtime_ns, e->sha256, name);
    _Static_assert(LINE_NBYTES == 12800, "the width of the last word");
    if (n != 9)
        return false;
    unescape(name);
    if (strlen(name) >= sizeof e->shard)
        return false;
    memcpy(e->shard, name, strlen(name) + 1);
    for (int i = 0; i < 3; i++)
        if (!strncmp(line->text, words[i], strlen(words[i])) && line->text[strlen(words[i])] == ' ') {
            e->kind = (enum journal_kind)i;
            return e->kind != JOURNAL_DONE || strlen(e->sha256) == HASH_HEX - 1;
        }
    return false;
}

/* Whether a line that was written after line `number` was durable stands behind it. */
static bool is_proven(const struct cursor *c, uint64_t number) {
    struct line line;
    for (size_t at = c->at; at < c->nbytes;) {
        if (take_line(c, at, &line) && line.batch > number)
            return true;
        const char *end = memchr(c->text + at, '\n', c->nbytes - at);
        at = end ? (size_t)(end + 1 - c->text) : c->nbytes;
    }
    return false;
}

static sl_status read_entries(struct cursor *c, journal_visit *visit, void *ctx, sl_error *err) {
    struct line line;
    struct journal_entry *entry = mem_alloc(1, sizeof *entry);
    char *name = mem_alloc(LINE_NBYTES, 1);
    sl_status st = entry && name ? SL_OK : error_set(err, SL_E_MEMORY, "out of memory for the journal");
    while (st == SL_OK && next_line(c, &line))
        st = parse_entry(&line, name, entry) ? visit(ctx, entry, err) : damaged(c->line, err);
    mem_free(entry);
    mem_free(name);
    if (st == SL_OK && c->at < c->nbytes) {
        if (is_proven(c, c->line + 1))
            return damaged(c->line + 1, err);
        log_line(LOG_NOTE, "journal: torn after line %" PRIu64 ", going on from there", c->line);
    }
    return st;
}

/* ---- opening ---- */

static sl_status io_failed(const char *what, sl_error *err) {
    return error_errno(err, fresh_status(errno), errno, "cannot %s the journal", what);
}

static sl_status read_text(struct journal *j, struct cursor *c, const struct output_fact *facts,
                           size_t fact_count, journal_visit *visit, void *ctx, sl_error *err) {
    sl_status st = read_head(c, &j->identity, facts, fact_count, err);
    if (st == SL_OK)
        st = read_entries(c, visit, ctx, err);
    if (st == SL_OK && c->at < c->nbytes && (ftruncate(j->fd, (off_t)c->at) != 0 || fdatasync(j->fd) != 0))
        st = io_failed("cut back", err);
    j->salt = c->salt;
    j->line = c->line;
    return st;
}

static sl_status read_file(struct journal *j, const struct output_fact *facts, size_t fact_count,
                           journal_visit *visit, void *ctx, sl_error *err) {
    struct stat info;
    struct cursor c = {0};
    if (fstat(j->fd, &info) != 0)
        return io_failed("read", err);
    c.nbytes = (size_t)info.st_size;
    c.text = mem_alloc(c.nbytes + 1, 1);
    if (!c.text)
        return error_set(err, SL_E_MEMORY, "out of memory for a journal of %zu bytes", c.nbytes);
    errno = EIO; /* shorter than it was a moment ago */
    sl_status st = file_pread(j->fd, c.text, c.nbytes, 0) == (ssize_t)c.nbytes
                       ? read_text(j, &c, facts, fact_count, visit, ctx, err)
                       : io_failed("read", err);
    mem_free(c.text);
    return st;
}

sl_status journal_open(struct journal **out, int dir_fd, const struct output_fact *facts, size_t fact_count,
                       journal_visit *visit, void *ctx, bool *found, sl_error *err) {
    struct journal *j = mem_alloc(1, sizeof *j);
    if (!j)
        return error_set(err, SL_E_MEMORY, "out of memory for the journal");
    buf_init(&j->pending);
    j->fd = openat(dir_fd, JOURNAL_PATH, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    *found = j->fd >= 0;
    sl_status st = SL_OK;
    if (!*found && errno != ENOENT)
        st = io_failed("open", err);
    if (st == SL_OK && !buf_reserve(&j->pending, JOURNAL_NBYTES))
        st = error_set(err, SL_E_MEMORY, "out of memory for the journal");
    if (st == SL_OK && *found)
        st = read_file(j, facts, fact_count, visit, ctx, err);
    if (st != SL_OK) {
        journal_close(j);
        return st;
    }
    *out = j;
    return SL_OK;
}

/* ---- writing ---- */

/* Begins a line: its word and its numbers. Returns where it begins. */
static size_t begin_line(struct journal *j, const char *word) {
    size_t start = j->pending.size;
    j->line++;
    if (!start)
        j->batch = j->line;
    buf_printf(&j->pending, "%s %" PRIu64 " %" PRIu64, word, j->line, j->batch);
    return start;
}

static void end_line(struct journal *j, size_t start, uint32_t from) {
    uint32_t crc = crc32c(from, j->pending.data + start, j->pending.size - start);
    buf_printf(&j->pending, " %08" PRIx32 "\n", crc);
}

/* So that lines of another journal that once stood on the same blocks never pass for ours. */
static uint32_t new_salt(void) {
    uint64_t seed[3] = {clock_ns(), (uint64_t)time(NULL), (uint64_t)getpid()};
    return crc32c(0, seed, sizeof seed);
}

/* RFC 9562, version 4. */
static sl_status new_identity(struct output_identity *identity, sl_error *err) {
    unsigned char b[16];
    char now[32];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return error_errno(err, SL_E_IO, errno, "cannot draw random numbers for the journal");
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(identity->id, sizeof identity->id,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
             b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    clock_utc(now);
    snprintf(identity->begun, sizeof identity->begun, "%.20s", now);
    return SL_OK;
}

sl_status journal_begin(struct journal *j, int dir_fd, const struct output_fact *facts, size_t fact_count,
                        sl_error *err) {
    struct fresh f;
    if (j->fd >= 0)
        close(j->fd);
    j->fd = -1;
    j->salt = new_salt();
    j->line = j->batch = 1;
    sl_status st = new_identity(&j->identity, err);
    if (st == SL_OK)
        st = fresh_open(&f, dir_fd, JOURNAL_PATH, &j->pending, err);
    if (st != SL_OK)
        return st;
    buf_printf(&j->pending, "sluice-journal 2 %08" PRIx32, j->salt);
    end_line(j, 0, 0);
    size_t job = begin_line(j, "job");
    buf_printf(&j->pending, " %s %s", j->identity.id, j->identity.begun);
    end_line(j, job, j->salt);
    for (size_t i = 0; i < fact_count; i++) {
        size_t start = begin_line(j, "fact");
        buf_printf(&j->pending, " %s ", facts[i].key);
        put_escaped(&j->pending, facts[i].value);
        end_line(j, start, j->salt);
    }
    end_line(j, begin_line(j, "begin"), j->salt);
    st = fresh_close(&f, st, err);
    if (st != SL_OK)
        return st;
    j->fd = openat(dir_fd, JOURNAL_PATH, O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    return j->fd >= 0 ? SL_OK : io_failed("open", err);
}

sl_status journal_add(struct journal *j, const struct journal_entry *e, sl_error *err) {
    if (j->pending.cap - j->pending.size < LINE_NBYTES) {
        sl_status st = journal_sync(j, err);
        if (st != SL_OK)
            return st;
    }
    size_t start = begin_line(j, words[e->kind]);
    buf_printf(&j->pending,
               " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %s ",
               e->records, e->scored, e->rejected, e->out_nbytes, e->reject_nbytes, e->in_nbytes,
               e->in_mtime_ns, e->kind == JOURNAL_DONE ? e->sha256 : "-");
    put_escaped(&j->pending, e->shard);
    end_line(j, start, j->salt);
    return SL_OK;
}

sl_status journal_sync(struct journal *j, sl_error *err) {
    if (!j->pending.size)
        return SL_OK;
    if (file_write_all(j->fd, j->pending.data, j->pending.size) != 0 || fdatasync(j->fd) != 0)
        return io_failed("write", err);
    buf_reset(&j->pending);
    return SL_OK;
}

const struct output_identity *journal_identity(const struct journal *j) {
    return &j->identity;
}

void journal_close(struct journal *j) {
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    buf_clear(&j->pending);
    mem_free(j);
}
