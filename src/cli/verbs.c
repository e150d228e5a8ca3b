/* verbs.c: the verbs. Data goes to stdout, words to stderr; the status of the library is the exit status. */
#include "cli/verbs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/progress.h"
#include "support/log.h"

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
    log_line(LOG_ERROR, "wrong number of arguments for '%s': expected %s ('sluice help %s' tells more)",
             verb->name, verb->arguments, verb->name);
    return SL_E_USAGE;
}

static void note(void *ctx, const char *line) {
    (void)ctx;
    log_line(LOG_NOTE, "%s", line);
}

/* stdout is data: what does not arrive whole is an error. */
static int finish_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return SL_OK;
    log_line(LOG_ERROR, "cannot write to stdout: %s", strerror(errno));
    return SL_E_IO;
}

/* MODEL [INPUT [OUTPUT]]. A job file says what is not there: nothing, or all but the model. */
static bool take_places(struct cli *cli, int most) {
    const char **places[] = {&cli->job.model, &cli->job.input, &cli->job.output};
    for (int i = 0; i < cli->argument_count && i < most; i++)
        *places[i] = cli->arguments[i];
    if (cli->request && *sl_job_request_ignored(cli->request))
        log_line(LOG_NOTE, "job file: without a meaning here, ignored: %s",
                 sl_job_request_ignored(cli->request));
    return cli->argument_count <= most &&
           (cli->request ? cli->argument_count != 2 || most == 2 : cli->argument_count >= 1);
}

static int run(struct cli *cli) {
    sl_job_result result = {0};
    sl_error err = {0};
    struct buf text;
    if (!take_places(cli, 3) || !cli->job.output)
        return wrong_arguments(cli->verb);
    cli->job.on_progress = progress_show;
    cli->job.on_note = note;
    catch_signals();
    raise_file_limit();
    progress_begin(cli);
    sl_status st = sl_job_run(&cli->job, &result, &err);
    bool well = st == SL_OK || st == SL_REJECTS;
    buf_init(&text);
    if (result.seconds > 0 || result.already_finished) {
        result_text(&text, &result);
        log_raw(LOG_NOTE, text.data ? text.data : "");
    }
    if (!well)
        log_line(LOG_ERROR, "%s", err.text);
    if (cli->json) {
        buf_reset(&text);
        result.status = st;
        result_json(&text, &result, well ? NULL : err.text);
        fputs(text.data ? text.data : "", stdout);
    }
    buf_clear(&text);
    int written = finish_output();
    return well && written != SL_OK ? written : (int)st;
}

static int show(char *text) {
    fputs(text, stdout);
    sl_text_free(text);
    return finish_output();
}

static int plan(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    if (!take_places(cli, 2))
        return wrong_arguments(cli->verb);
    return sl_job_plan(&cli->job, cli->json, &text, &err) == SL_OK ? show(text) : failed(&err);
}

static int verify(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    bool within;
    sl_verify_options how = {.tolerance = cli->tolerance, .json = cli->json};
    if (cli->argument_count < 1 || cli->argument_count > 2)
        return wrong_arguments(cli->verb);
    cli->job.model = cli->arguments[0];
    how.dir = cli->arguments[1];
    if (sl_model_verify(&cli->job, &how, &text, &within, &err) != SL_OK)
        return failed(&err);
    int shown = show(text);
    return shown != SL_OK ? shown : within ? SL_OK : SL_E_DATA;
}

static int inspect(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    if (cli->argument_count != 1)
        return wrong_arguments(cli->verb);
    cli->job.model = cli->arguments[0];
    return sl_model_inspect(&cli->job, cli->json, &text, &err) == SL_OK ? show(text) : failed(&err);
}

static int transforms(struct cli *cli) {
    sl_error err = {0};
    char *text = NULL;
    if (cli->argument_count > 1)
        return wrong_arguments(cli->verb);
    return sl_transforms_text(cli->arguments[0], cli->json, &text, &err) == SL_OK ? show(text) : failed(&err);
}

/* The help that was asked for, by "help TOPIC", "VERB --help" or "--help=TOPIC". */
static int help(const struct cli *cli) {
    sl_error err = {0};
    const char *topic = cli->help ? cli->help : "";
    if (cli->argument_count > 1 && cli->verb->verb == VERB_HELP)
        return wrong_arguments(cli->verb);
    if (!*topic && cli->verb && cli->verb->verb != VERB_HELP)
        topic = cli->verb->name;
    else if (!*topic && cli->argument_count)
        topic = cli->arguments[0];
    return help_topic(stdout, topic, &err) == SL_OK ? finish_output() : failed(&err);
}

int verbs_run(struct cli *cli) {
    log_set_level(cli->verbosity < 0 ? LOG_ERROR : cli->verbosity ? LOG_DETAIL : LOG_NOTE);
    if (cli->man)
        manual_print(stdout);
    else if (cli->completion)
        completion_print(stdout, cli->completion);
    else if (cli->version)
        help_version(stdout, cli->verbosity > 0);
    if (cli->man || cli->completion || cli->version)
        return finish_output();
    if (cli->help)
        return help(cli);
    if (!cli->verb) {
        help_short(stderr);
        return SL_E_USAGE;
    }
    switch (cli->verb->verb) {
    case VERB_RUN:
        return run(cli);
    case VERB_PLAN:
        return plan(cli);
    case VERB_VERIFY:
        return verify(cli);
    case VERB_INSPECT:
        return inspect(cli);
    case VERB_TRANSFORMS:
        return transforms(cli);
    default:
        return help(cli);
    }
}
