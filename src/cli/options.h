/* options.h: the one table of options. Help, man page, completion and environment come from it. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sluice/job.h"
#include "support/error.h"

enum verb {
    VERB_RUN = 1,
    VERB_PLAN = 2,
    VERB_INSPECT = 4,
    VERB_TRANSFORMS = 8,
    VERB_HELP = 16,
    VERB_VERIFY = 32,
    VERB_ANY = 63
};

struct verb_def {
    const char *name;
    enum verb verb;
    const char *arguments, *text;
    const char *more;    /* the long form, for the verb's own help and the man page */
    const char *example; /* one command line */
};
extern const struct verb_def verb_table[]; /* ended by a NULL name */

enum { CLI_ARGUMENTS = 4, CLI_DIMS = 16, CLI_ROOTS = 16 };

/* What the command line came to. Texts belong to argv and the environment, but for the names of --dim. */
struct cli {
    const struct verb_def *verb;
    const char *arguments[CLI_ARGUMENTS];
    int argument_count;
    sl_job_options job;
    double tolerance;     /* verify; 0: by dtype and precision */
    const char *progress; /* auto, bar, plain, json, none */
    const char *color;    /* auto, always, never */
    bool json, version, man;
    int verbosity;    /* -1 quiet, 0, 1, ... */
    const char *help; /* NULL: not asked for; "" or a topic */
    const char *completion;
    char *dim_texts[CLI_DIMS]; /* owned; dim_names shows the library the same */
    const char *dim_names[CLI_DIMS];
    int64_t dim_values[CLI_DIMS];
    const char *s3_roots[CLI_ROOTS];
    const char *job_file;    /* --job */
    sl_job_request *request; /* owned */
};

struct option_def {
    const char *name;     /* long, without "--" */
    char letter;          /* or 0 */
    const char *argument; /* "SIZE"; "=TOPIC" when it may be left out; NULL for a flag */
    const char *missing;  /* the default, for help; NULL: none */
    unsigned verbs;
    const char *text; /* one line */
    const char *more; /* the long form, or NULL */
    sl_status (*set)(const struct option_def *o, struct cli *cli, const char *value, sl_error *err);
    size_t at;   /* of the field of struct cli that the shared setters fill */
    bool hidden; /* neither in help nor in the environment */
};
extern const struct option_def option_table[]; /* ended by a NULL name */

/* Environment, then argv: a flag beats its SLUICE_NAME. SL_E_USAGE with a suggestion where one is near. `cli`
 * is to be cleared in any case. */
sl_status options_parse(struct cli *cli, int argc, char **argv, sl_error *err);
void options_clear(struct cli *cli);

/* "SLUICE_BATCH_SIZE" for "batch-size". Returns `out`. */
char *options_env_name(const char *name, char *out, size_t cap);
const struct verb_def *options_verb(const char *name); /* or NULL */
/* SL_E_USAGE: "unknown verb 'rum': did you mean 'run'?" */
sl_status options_unknown_verb(const char *name, sl_error *err);

#endif
