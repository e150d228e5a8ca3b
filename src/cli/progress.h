/* progress.h: what a person or a log sees of a job while it runs and when it ends. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/options.h"
#include "support/buf.h"

/* Chooses the style from the options and the terminal; before sl_job_run. */
void progress_begin(const struct cli *cli);
/* sl_job_options.on_progress. */
void progress_show(void *ctx, const sl_job_progress *progress);

/* The bar, without a line's end, in at most `width` columns: what does not fit is left out, the least
 * important first. */
void progress_bar(char *out, size_t cap, const sl_job_progress *p, unsigned width, bool color);
/* One whole line: key=value, or a JSON object. */
void progress_line(char *out, size_t cap, const sl_job_progress *p, bool json);
/* Whether a line is due at `p`, when the last one was `last_seconds` into the job and at the tenth
 * `last_decile`. */
bool progress_is_due(const sl_job_progress *p, double last_seconds, int last_decile);

/* result.c: the ten lines at the end, and the same as JSON with the keys of summary.json; `error` is NULL
 * where the job ended well. */
void result_text(struct buf *out, const sl_job_result *result);
void result_json(struct buf *out, const sl_job_result *result, const char *error);

#endif
