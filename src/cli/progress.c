/* progress.c: what a person or a log sees while a job runs, and the ten lines at its end. stderr only; with
 * --json the result is on stdout. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/options.h"
#include "support/buf.h"
#include "support/json.h"
#include "support/log.h"
#include "support/text.h"

enum style { STYLE_NONE, STYLE_BAR, STYLE_PLAIN, STYLE_JSON };

/* The conducting thread's; a log line of another thread redraws the bar under the log's mutex. */
static struct {
    enum style style;
    bool color, drawn;
    double last_line; /* seconds into the job of the last plain line */
    int last_decile;
    char row[256];
} view;

static bool wants_color(const struct cli *cli) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    if (cli->color != COLOR_AUTO)
        return cli->color == COLOR_ALWAYS;
    return isatty(STDERR_FILENO) && !(no && *no) && !(term && !strcmp(term, "dumb"));
}

static void redraw(void *ctx) {
    (void)ctx;
    if (write(STDERR_FILENO, view.row, strlen(view.row)) < 0)
        return;
}

void progress_begin(const struct cli *cli) {
    const char *term = getenv("TERM");
    bool terminal = isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
    view.color = wants_color(cli);
    if (!strcmp(cli->progress, "none") || cli->verbosity < 0)
        view.style = STYLE_NONE;
    else if (!strcmp(cli->progress, "json"))
        view.style = STYLE_JSON;
    else if (!strcmp(cli->progress, "bar") || (!strcmp(cli->progress, "auto") && terminal))
        view.style = STYLE_BAR;
    else
        view.style = STYLE_PLAIN;
}

static double fraction(const sl_job_progress *p) {
    return p->total_nbytes ? (double)p->nbytes / (double)p->total_nbytes : 0;
}

/* Seconds left by the bytes of input; negative when nothing can be said yet. */
static double time_left(const sl_job_progress *p) {
    double done = (double)(p->nbytes - p->nbytes_resumed);
    return done > 0 && p->seconds > 0 ? (double)(p->total_nbytes - p->nbytes) * p->seconds / done : -1;
}

static double rate(const sl_job_progress *p) {
    return p->seconds > 0 ? (double)(p->records - p->records_resumed) / p->seconds : 0;
}

static void draw_bar(const sl_job_progress *p) {
    char records[32], rejects[32], per_second[32], left[32] = "?", cells[21], more[80] = "";
    int full = (int)(20 * fraction(p));
    for (int i = 0; i < 20; i++)
        cells[i] = i < full ? '#' : '.';
    cells[20] = 0;
    text_count(records, sizeof records, p->records);
    text_count(rejects, sizeof rejects, p->rejected);
    text_count(per_second, sizeof per_second, (uint64_t)rate(p));
    if (time_left(p) >= 0)
        text_seconds(left, sizeof left, time_left(p));
    if (p->rejected)
        snprintf(more, sizeof more, "%s  %s rejected%s", view.color ? "\033[33m" : "", rejects,
                 view.color ? "\033[0m" : "");
    snprintf(view.row, sizeof view.row,
             "\r\033[K[%s] %3.0f%%  %s records  %s/s  %.1f MB/s  ring %u/%u  left %s%s", cells,
             100 * fraction(p), records, per_second,
             p->seconds > 0 ? (double)(p->nbytes - p->nbytes_resumed) / p->seconds / 1e6 : 0, p->slots_full,
             p->slot_count, left, more);
    if (!view.drawn)
        log_set_bar(redraw, NULL);
    view.drawn = true;
    log_raw(LOG_NOTE, view.row);
}

static void print_line(const sl_job_progress *p) {
    char line[512];
    const char *form = view.style == STYLE_JSON
                           ? "{\"seconds\": %.1f, \"percent\": %.1f, \"records\": %llu, \"scored\": %llu, "
                             "\"rejected\": %llu, "
                             "\"records_per_second\": %.0f, \"shards\": %llu, \"shards_total\": %llu, "
                             "\"seconds_left\": %.0f, "
                             "\"workers\": %u}\n"
                           : "progress seconds=%.1f percent=%.1f records=%llu scored=%llu rejected=%llu "
                             "records_per_second=%.0f "
                             "shards=%llu shards_total=%llu seconds_left=%.0f workers=%u\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(line, sizeof line, form, p->seconds, 100 * fraction(p), (unsigned long long)p->records,
             (unsigned long long)p->scored, (unsigned long long)p->rejected, rate(p),
             (unsigned long long)p->shards, (unsigned long long)p->total_shards,
             time_left(p) < 0 ? 0 : time_left(p), p->workers);
#pragma GCC diagnostic pop
    log_raw(LOG_NOTE, line);
}

void progress_show(void *ctx, const sl_job_progress *p) {
    (void)ctx;
    if (view.style == STYLE_BAR) {
        if (p->last && view.drawn) {
            log_set_bar(NULL, NULL);
            log_raw(LOG_NOTE, "\r\033[K");
        } else if (!p->last && p->seconds >= 1) {
            draw_bar(p);
        }
        return;
    }
    int decile = (int)(10 * fraction(p));
    bool due = p->seconds - view.last_line >= 30 || (decile > view.last_decile && p->seconds >= 1) || p->last;
    if (view.style == STYLE_NONE || !due)
        return;
    view.last_line = p->seconds;
    view.last_decile = decile;
    print_line(p);
}

/* ---- the end
 * -------------------------------------------------------------------------------------------------- */

static void put_stages(const sl_job_result *r, struct buf *out) {
    double cpu = 0;
    for (int i = 0; i < SL_STAGE_COUNT; i++)
        cpu += r->stages[i].cpu_seconds;
    buf_puts(out, "  cpu time    ");
    for (int i = 0; i < SL_STAGE_COUNT; i++)
        buf_printf(out, "%s%s %.2f s (%.0f %%)", i ? ", " : "", r->stages[i].name, r->stages[i].cpu_seconds,
                   cpu > 0 ? 100 * r->stages[i].cpu_seconds / cpu : 0);
    buf_puts(out, "\n");
}

void progress_summary(const sl_job_result *r) {
    struct buf out;
    char a[32], b[32], c[32], d[32];
    buf_init(&out);
    if (r->already_finished) {
        buf_printf(&out, "already finished: %s records in '%s', nothing to do\n",
                   text_count(a, sizeof a, r->records), text_quote(r->output));
    } else {
        buf_printf(&out, "  records     %s = %s scored + %s rejected", text_count(a, sizeof a, r->records),
                   text_count(b, sizeof b, r->scored), text_count(c, sizeof c, r->rejected));
        buf_printf(&out, r->records_resumed ? " (%s of them by earlier runs)\n" : "\n",
                   text_count(d, sizeof d, r->records_resumed));
        buf_printf(&out, "  shards      %s of %s done%s%s\n", text_count(a, sizeof a, r->shards_done),
                   text_count(b, sizeof b, r->shard_count), r->shards_broken ? ", broken: " : "",
                   r->shards_broken ? text_count(c, sizeof c, r->shards_broken) : "");
        buf_printf(&out, "  time        %s, after %s to load; %s records/s\n",
                   text_seconds(a, sizeof a, r->seconds), text_seconds(b, sizeof b, r->load_seconds),
                   text_count(c, sizeof c,
                              r->seconds > 0
                                  ? (uint64_t)((double)(r->records - r->records_resumed) / r->seconds)
                                  : 0));
        put_stages(r, &out);
        buf_printf(&out, "  bottleneck  %s\n", r->bottleneck);
        buf_printf(&out, "  workers     %u: %s\n", r->workers, r->workers_reason);
        buf_printf(&out, "  device      %s, batch size %lld\n", r->device, (long long)r->batch_size);
        buf_printf(&out, "  memory      %s at most, %s planned\n", text_nbytes(a, sizeof a, r->memory_peak),
                   text_nbytes(b, sizeof b, r->memory_planned));
        buf_printf(&out, "  output      %s (%s)\n", text_quote(r->output),
                   text_nbytes(a, sizeof a, r->out_nbytes));
        buf_printf(&out, "  status      %d: %s\n", (int)r->status, sl_status_meaning(r->status));
    }
    if (out.data)
        log_raw(LOG_NOTE, out.data);
    buf_clear(&out);
}

void progress_summary_json(const sl_job_result *r) {
    struct buf out;
    buf_init(&out);
    buf_printf(
        &out,
        "{\"status\": %d, \"already_finished\": %s, \"records\": %llu, \"scored\": %llu, \"rejected\": %llu, "
        "\"records_resumed\": %llu, \"shards\": %llu, \"shards_done\": %llu, \"shards_broken\": %llu, "
        "\"seconds\": %.6f, \"load_seconds\": %.6f, \"batch_size\": %lld, \"workers\": %u, "
        "\"memory_peak_bytes\": %llu, \"memory_planned_bytes\": %llu, \"stages\": {",
        (int)r->status, r->already_finished ? "true" : "false", (unsigned long long)r->records,
        (unsigned long long)r->scored, (unsigned long long)r->rejected,
        (unsigned long long)r->records_resumed, (unsigned long long)r->shard_count,
        (unsigned long long)r->shards_done, (unsigned long long)r->shards_broken, r->seconds, r->load_seconds,
        (long long)r->batch_size, r->workers, (unsigned long long)r->memory_peak,
        (unsigned long long)r->memory_planned);
    for (int i = 0; i < SL_STAGE_COUNT && r->stages[i].name; i++)
        buf_printf(&out, "%s\"%s\": {\"cpu_seconds\": %.6f, \"busy_seconds\": %.6f}", i ? ", " : "",
                   r->stages[i].name, r->stages[i].cpu_seconds, r->stages[i].busy_seconds);
    buf_puts(&out, "}, \"bottleneck\": ");
    json_put_string(&out, r->bottleneck, strlen(r->bottleneck));
    buf_puts(&out, ", \"workers_reason\": ");
    json_put_string(&out, r->workers_reason, strlen(r->workers_reason));
    buf_puts(&out, ", \"device\": ");
    json_put_string(&out, r->device, strlen(r->device));
    buf_puts(&out, ", \"output\": ");
    json_put_string(&out, r->output, strlen(r->output));
    buf_puts(&out, "}\n");
    if (out.data)
        fputs(out.data, stdout);
    buf_clear(&out);
}
