/* log.c: one owner of stderr. */
#include "support/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/file.h"

static enum log_level level = LOG_NOTE; /* set before threads */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void (*bar_redraw)(void *ctx); /* under mutex */
static void *bar_ctx;

void log_set_level(enum log_level wanted) {
    level = wanted;
}

bool log_wants(enum log_level wanted) {
    return wanted <= level;
}

void log_set_bar(void (*redraw)(void *ctx), void *ctx) {
    pthread_mutex_lock(&mutex);
    bar_redraw = redraw;
    bar_ctx = ctx;
    pthread_mutex_unlock(&mutex);
}

/* The result of writing to stderr is nobody's business: there is nowhere left to say it. */
static void put(const char *text, size_t nbytes) {
    if (file_write_all(STDERR_FILENO, text, nbytes) != 0)
        return;
}

void log_line(enum log_level wanted, const char *format, ...) {
    static const char clear_row[] = "\r\033[K"; /* the bar's row, where there is one */
    enum { CLEAR = sizeof clear_row - 1 };
    char room[CLEAR + 4096], *line = room + CLEAR;
    if (!log_wants(wanted))
        return;
    int n = snprintf(line, 4096, "sluice: %s",
                     wanted == LOG_ERROR  ? "error: "
                     : wanted == LOG_WARN ? "warning: "
                                          : "");
    va_list args;
    va_start(args, format);
    vsnprintf(line + n, 4096 - (size_t)n - 1, format, args);
    va_end(args);
    size_t size = strlen(line);
    line[size++] = '\n';
    memcpy(room, clear_row, CLEAR);
    pthread_mutex_lock(&mutex);
    if (bar_redraw)
        put(room, CLEAR + size);
    else
        put(line, size);
    if (bar_redraw)
        bar_redraw(bar_ctx);
    pthread_mutex_unlock(&mutex);
}

void log_raw(enum log_level wanted, const char *text) {
    if (!log_wants(wanted))
        return;
    pthread_mutex_lock(&mutex);
    put(text, strlen(text));
    pthread_mutex_unlock(&mutex);
}
