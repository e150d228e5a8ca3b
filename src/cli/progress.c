/* progress.c: a bar on a terminal, lines elsewhere. All of it goes to stderr. */
#include "cli/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "support/file.h"
#include "support/log.h"
#include "support/text.h"

enum style { STYLE_NONE, STYLE_BAR, STYLE_PLAIN, STYLE_JSON };
enum { ROW = 400, BAR_CELLS = 20, LINE_EVERY_SECONDS = 30 };

static struct {
    enum style style; /* set once, by progress_begin */
    bool color;
    bool drawn; /* these three: the conducting thread's */
    double last_seconds;
    int last_decile;
    pthread_mutex_t mutex;
    char row[ROW]; /* under mutex: a log line of any thread draws the bar again after itself */
} view = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static bool is_terminal(void) {
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb"));
}

void progress_begin(const struct cli *cli) {
    const char *no_color = getenv("NO_COLOR");
    bool automatic = !strcmp(cli->progress, "auto");
    view.color = !strcmp(cli->color, "always") ||
                 (!strcmp(cli->color, "auto") && is_terminal() && !(no_color && *no_color));
    if (!strcmp(cli->progress, "none") || cli->verbosity < 0)
        view.style = STYLE_NONE;
    else if (!strcmp(cli->progress, "json"))
        view.style = STYLE_JSON;
    else if (!strcmp(cli->progress, "bar") || (automatic && is_terminal()))
        view.style = STYLE_BAR;
    else
        view.style = STYLE_PLAIN;
}

/* By stored bytes of input: the only total known before the end. */
static double fraction(const sl_job_progress *p) {
    return p->total_nbytes ? (double)p->nbytes / (double)p->total_nbytes : 0;
}

/* What earlier runs did took none of this run's time. */
static double bytes_per_second(const sl_job_progress *p) {
    return p->seconds > 0 ? (double)(p->nbytes - p->nbytes_resumed) / p->seconds : 0;
}

static double records_per_second(const sl_job_progress *p) {
    return p->seconds > 0 ? (double)(p->records - p->records_resumed) / p->seconds : 0;
}

/* Negative when nothing can be said yet. */
static double seconds_left(const sl_job_progress *p) {
    double rate = bytes_per_second(p);
    return rate > 0 ? (double)(p->total_nbytes - p->nbytes) / rate : -1;
}

/* Adds a part to the row when it still fits; colours take no columns. */
static void add_part(char *out, size_t cap, unsigned *columns, unsigned width, const char *color,
                     const char *part) {
    size_t at = strlen(out);
    unsigned n = (unsigned)strlen(part);
    if (*columns + n >= width) /* the last column stays free: some terminals wrap there */
        return;
    snprintf(out + at, cap - at, "%s%s%s", color, part, *color ? "\033[0m" : "");
    *columns += n;
}

void progress_bar(char *out, size_t cap, const sl_job_progress *p, unsigned width, bool color) {
    char part[96], number[32], cells[BAR_CELLS + 1];
    unsigned columns = 0;
    int full = (int)(BAR_CELLS * fraction(p));
    for (int i = 0; i < BAR_CELLS; i++)
        cells[i] = i < full ? '#' : '.';
    cells[BAR_CELLS] = 0;
    *out = 0;
    snprintf(part, sizeof part, "%3.0f %%", 100 * fraction(p));
    add_part(out, cap, &columns, width, "", part);
    snprintf(part, sizeof part, " [%s]", cells);
    add_part(out, cap, &columns, width, "", part);
    snprintf(part, sizeof part, "  %s records", text_count(number, sizeof number, p->records));
    add_part(out, cap, &columns, width, "", part);
    if (p->rejected) {
        snprintf(part, sizeof part, "  %s rejected", text_count(number, sizeof number, p->rejected));
        add_part(out, cap, &columns, width, color ? "\033[33m" : "", part);
    }
    if (seconds_left(p) >= 0) {
        snprintf(part, sizeof part, "  %s left", text_seconds(number, sizeof number, seconds_left(p)));
        add_part(out, cap, &columns, width, "", part);
    }
    snprintf(part, sizeof part, "  %s/s", text_count(number, sizeof number, (uint64_t)records_per_second(p)));
    add_part(out, cap, &columns, width, "", part);
    snprintf(part, sizeof part, "  %.1f MB/s", bytes_per_second(p) / 1e6);
    add_part(out, cap, &columns, width, "", part);
    snprintf(part, sizeof part, "  ring %u/%u", p->slots_full, p->slot_count);
    add_part(out, cap, &columns, width, "", part);
}

void progress_line(char *out, size_t cap, const sl_job_progress *p, bool json) {
    const struct {
        const char *key;
        double value;
        int digits;
    } parts[] = {{"seconds", p->seconds, 1},
                 {"percent", 100 * fraction(p), 1},
                 {"records", (double)p->records, 0},
                 {"scored", (double)p->scored, 0},
                 {"rejected", (double)p->rejected, 0},
                 {"records_per_second", records_per_second(p), 0},
                 {"bytes_per_second", bytes_per_second(p), 0},
                 {"seconds_left", seconds_left(p), 0},
                 {"shards", (double)p->shards, 0},
                 {"shards_total", (double)p->total_shards, 0},
                 {"ring_full", (double)p->slots_full, 0},
                 {"ring_slots", (double)p->slot_count, 0},
                 {"workers", (double)p->workers, 0}};
    struct buf line;
    buf_init_fixed(&line, out, cap);
    buf_puts(&line, json ? "{" : "progress");
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].value < 0) /* not known yet */
            continue;
        buf_printf(&line, json ? "%s\"%s\": %.*f" : "%s%s=%.*f",
                   !json ? " "
                   : i   ? ", "
                         : "",
                   parts[i].key, parts[i].digits, parts[i].value);
    }
    buf_puts(&line, json ? "}\n" : "\n");
}

bool progress_is_due(const sl_job_progress *p, double last_seconds, int last_decile) {
    return p->last || p->seconds - last_seconds >= LINE_EVERY_SECONDS ||
           (p->seconds >= 1 && (int)(10 * fraction(p)) > last_decile);
}

static unsigned terminal_width(void) {
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void redraw(void *ctx) {
    (void)ctx;
    pthread_mutex_lock(&view.mutex);
    if (file_write_all(STDERR_FILENO, view.row, strlen(view.row)) != 0)
        view.row[0] = 0; /* nobody looks any more */
    pthread_mutex_unlock(&view.mutex);
}

static void draw(const sl_job_progress *p) {
    static const char clear_row[] = "\r\033[K";
    char row[ROW];
    memcpy(row, clear_row, sizeof clear_row);
    progress_bar(row + sizeof clear_row - 1, sizeof row - sizeof clear_row, p, terminal_width(), view.color);
    pthread_mutex_lock(&view.mutex);
    memcpy(view.row, row, sizeof row);
    pthread_mutex_unlock(&view.mutex);
    if (!view.drawn)
        log_set_bar(redraw, NULL);
    view.drawn = true;
    log_raw(LOG_NOTE, row);
}

void progress_show(void *ctx, const sl_job_progress *p) {
    char line[ROW];
    (void)ctx;
    if (view.style == STYLE_BAR && !p->last && p->seconds >= 1) {
        draw(p);
    } else if (view.style == STYLE_BAR && p->last && view.drawn) {
        log_set_bar(NULL, NULL);
        log_raw(LOG_NOTE, "\r\033[K");
    }
    if (view.style != STYLE_PLAIN && view.style != STYLE_JSON)
        return;
    if (!progress_is_due(p, view.last_seconds, view.last_decile))
        return;
    view.last_seconds = p->seconds;
    view.last_decile = (int)(10 * fraction(p));
    progress_line(line, sizeof line, p, view.style == STYLE_JSON);
    log_raw(LOG_NOTE, line);
}
