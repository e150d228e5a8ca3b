/* verbs.c: the verbs. Data goes to stdout, words to stderr; the status of the library is the exit status. */
#include "cli/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/log.h"
#include "support/text.h"

/* The first signal asks the job to stop, resumable; the second one means it. */
static void on_signal(int number) {
    static volatile sig_atomic_t seen;
    if (seen++)
        _exit(number == SIGINT ? 130 : (int)SL_E_INTERRUPTED);
    sl_job_stop();
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL); /* what schedulers send before a time limit */
    signal(SIGPIPE, SIG_IGN);
}

/* Many small inputs keep some descriptors open until they are committed together. */
static void raise_file_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int failed(const sl_error *err) {
    log_line(LOG_ERROR, "%s", err->text);
    return (int)err->status;
}

static int wrong_arguments(const struct verb_def *verb) {
    log_line(LOG_ERROR, "usage: sluice %s %s ('sluice help %s' tells more)", verb->name, verb->arguments,
             verb->name);
    return SL_E_USAGE;
}

static void note(void *ctx, const char *line) {
    (void)ctx;
    log_line(LOG_NOTE, "%s", line);
}

static int run(struct cli *cli) {
    sl_job_result result;
    sl_error err = {0};
    if (cli->argument_count != 3)
        return wrong_arguments(cli->verb);
    cli->job.model = cli->arguments[0];
    cli->job.input = cli->arguments[1];
    cli->job.output = cli->arguments[2];
    cli->job.on_progress = progress_show;
    cli->job.on_note = note;
    catch_signals();
    raise_file_limit();
    progress_begin(cli);
    sl_status st = sl_job_run(&cli->job, &result, &err);
    if (result.seconds > 0 || result.already_finished)
        progress_summary(&result);
    if (cli->json)
        progress_summary_json(&result);
    return st == SL_OK || st == SL_REJECTS ? (int)st : failed(&err);
}

static int show(char *text) {
    bool whole = fputs(text, stdout) >= 0 && fflush(stdout) == 0;
    sl_text_free(text);
    return whole ? SL_OK : SL_E_IO;
}

static int plan(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    if (cli->argument_count < 1 || cli->argument_count > 2)
        return wrong_arguments(cli->verb);
    cli->job.model = cli->arguments[0];
    cli->job.input = cli->arguments[1];
    return sl_job_plan(&cli->job, cli->json, &text, &err) == SL_OK ? show(text) : failed(&err);
}

static int inspect(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    if (cli->argument_count != 1)
        return wrong_arguments(cli->verb);
    return sl_model_inspect(cli->arguments[0], cli->json, &text, &err) == SL_OK ? show(text) : failed(&err);
}

static int transforms(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    if (cli->argument_count > 1)
        return wrong_arguments(cli->verb);
    return sl_transforms_text(cli->arguments[0], cli->json, &text, &err) == SL_OK ? show(text) : failed(&err);
}

static int help(struct cli *cli) {
    if (cli->man)
        help_man();
    else if (cli->completion && !help_completion(cli->completion)) {
        log_line(LOG_ERROR, "unknown shell '%s': known are bash, zsh, fish", text_quote(cli->completion));
        return SL_E_USAGE;
    } else if (!cli->completion)
        help_print(cli);
    return SL_OK;
}

int verbs_run(struct cli *cli) {
    log_set_level(cli->verbosity < 0 ? LOG_ERROR : cli->verbosity ? LOG_DETAIL : LOG_NOTE);
    if (cli->version) {
        help_version(cli->verbosity > 0);
        return SL_OK;
    }
    if (cli->help || !cli->verb) {
        help_print(cli);
        return cli->help ? SL_OK : SL_E_USAGE;
    }
    switch (cli->verb->verb) {
    case VERB_RUN:
        return run(cli);
    case VERB_PLAN:
        return plan(cli);
    case VERB_INSPECT:
        return inspect(cli);
    case VERB_TRANSFORMS:
        return transforms(cli);
    default:
        return help(cli);
    }
}
