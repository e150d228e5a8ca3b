/* options.h: the one table of options. Help, man page, completion and environment come from it. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "sluice/job.h"
#include "support/error.h"

enum verb {
    VERB_RUN = 1,
    VERB_PLAN = 2,
    VERB_INSPECT = 4,
    VERB_TRANSFORMS = 8,
    VERB_HELP = 16,
    VERB_ANY = 31
};

struct verb_def {
    const char *name;
    enum verb verb;
    const char *arguments, *text;
};
extern const struct verb_def verb_table[]; /* ended by a NULL name */

enum color { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };

/* What the command line came to. */
struct cli {
    const struct verb_def *verb;
    const char *arguments[4];
    int argument_count;
    sl_job_options job;
    const char *progress; /* auto, bar, plain, json, none */
    enum color color;
    bool json, help, version, man;
    int verbosity; /* -1 quiet, 0, 1, ... */
    const char *completion;
    char *dim_texts[16];
    const char *dim_names[16];
    int64_t dim_values[16];
};

struct option_def {
    const char *name;     /* long, without "--" */
    char letter;          /* or 0 */
    const char *argument; /* "SIZE", or NULL for a flag */
    const char *missing;  /* the default, for help; NULL: none */
    unsigned verbs;
    bool hidden;
    const char *text;
    sl_status (*set)(struct cli *cli, const char *value, sl_error *err);
};
extern const struct option_def option_table[]; /* ended by a NULL name */

/* Environment, then argv: a flag beats its SLUICE_NAME. SL_E_USAGE with a suggestion where one is near. */
sl_status options_parse(struct cli *cli, int argc, char **argv, sl_error *err);
void options_clear(struct cli *cli);
/* "SLUICE_BATCH_SIZE" for "batch-size". */
void options_env_name(const char *name, char *out, unsigned cap);

/* help.c: all to stdout. */
void help_print(const struct cli *cli); /* short, long, or of one verb, as the arguments say */
void help_man(void);
bool help_completion(const char *shell); /* false: unknown shell */
void help_exit_codes(void);
void help_version(bool verbose);

/* progress.c */
void progress_begin(const struct cli *cli);
void progress_show(void *ctx, const sl_job_progress *progress);
void progress_summary(const sl_job_result *result);
void progress_summary_json(const sl_job_result *result);

#endif
