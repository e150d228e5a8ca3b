/* log.h: one owner of stderr. Lines are whole (one write each), escaped where they carry text from outside.
 * stdout is for data and is not touched here. Any thread. */
#ifndef SUPPORT_LOG_H
#define SUPPORT_LOG_H

#include <stdbool.h>

enum log_level { LOG_QUIET = -1, LOG_ERROR = 0, LOG_WARN = 1, LOG_NOTE = 2, LOG_DETAIL = 3 };

void log_set_level(enum log_level level); /* at start, before threads; LOG_NOTE at first */
bool log_wants(enum log_level level);
/* "sluice: error: ...", "sluice: warning: ...", "sluice: ...". */
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text as it is, no prefix (progress, summaries); still one write. */
void log_raw(enum log_level level, const char *text);
/* A progress bar is on screen: log_line clears that row first, then calls `redraw`, which must not call the
 * log (it holds the lock). NULL to remove. */
void log_set_bar(void (*redraw)(void *ctx), void *ctx);

#endif
