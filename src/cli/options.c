/* options.c: the option table, and reading the command line with it. */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mem.h"
#include "support/text.h"

const struct verb_def verb_table[] = {
    {"run", VERB_RUN, "MODEL INPUT OUTPUT",
     "score INPUT (a directory or a file) with MODEL into OUTPUT; resumes"},
    {"plan", VERB_PLAN, "MODEL [INPUT]",
     "dry run: steps, shapes, batch size and why, memory; writes nothing"},
    {"inspect", VERB_INSPECT, "MODEL", "inputs, outputs, operators, parameters"},
    {"transforms", VERB_TRANSFORMS, "[NAME]", "the transforms there are, with parameters and shapes"},
    {"help", VERB_HELP, "[VERB | exit-codes]", "all options, with defaults"},
    {NULL, 0, NULL, NULL}};

static sl_status bad(sl_error *err, const char *name, const char *value, const char *expected) {
    return error_set(err, SL_E_USAGE, "bad --%s '%s': expected %s", name, text_quote(value), expected);
}

static sl_status set_device(struct cli *c, const char *v, sl_error *err) {
    (void)err;
    c->job.device = v;
    return SL_OK;
}

static sl_status set_precision(struct cli *c, const char *v, sl_error *err) {
    (void)err;
    c->job.precision = v;
    return SL_OK;
}

static sl_status set_batch_size(struct cli *c, const char *v, sl_error *err) {
    uint64_t n = 0;
    if (strcmp(v, "auto") && (!text_parse_u64(v, &n) || n < 1 || n > 1u << 20))
        return bad(err, "batch-size", v, "auto, or rows from 1 to 1048576");
    c->job.batch_size = (int64_t)n;
    return SL_OK;
}

static sl_status set_workers(struct cli *c, const char *v, sl_error *err) {
    uint64_t n = 0;
    if (strcmp(v, "auto") && (!text_parse_u64(v, &n) || n < 1 || n > 4096))
        return bad(err, "workers", v, "auto, or a number from 1 to 4096");
    c->job.workers = (unsigned)n;
    return SL_OK;
}

static sl_status set_nbytes(uint64_t *out, const char *name, const char *v, sl_error *err) {
    return text_parse_nbytes(v, out) && *out ? SL_OK : bad(err, name, v, "a size such as 512M or 4GiB");
}

static sl_status set_memory_limit(struct cli *c, const char *v, sl_error *err) {
    return set_nbytes(&c->job.memory_limit, "memory-limit", v, err);
}

static sl_status set_max_record_size(struct cli *c, const char *v, sl_error *err) {
    return set_nbytes(&c->job.max_record_nbytes, "max-record-size", v, err);
}

static sl_status set_max_pixels(struct cli *c, const char *v, sl_error *err) {
    return text_parse_u64(v, &c->job.max_pixels) && c->job.max_pixels
               ? SL_OK
               : bad(err, "max-pixels", v, "a number of pixels");
}

static sl_status set_content_type(struct cli *c, const char *v, sl_error *err) {
    (void)err;
    c->job.content_type = v;
    return SL_OK;
}

static sl_status set_compression_type(struct cli *c, const char *v, sl_error *err) {
    (void)err;
    c->job.compression_type = v;
    return SL_OK;
}

static sl_status set_accept(struct cli *c, const char *v, sl_error *err) {
    (void)err;
    c->job.accept = v;
    return SL_OK;
}

static sl_status set_csv_header(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->job.csv_header = 1;
    return SL_OK;
}

static sl_status set_csv_delimiter(struct cli *c, const char *v, sl_error *err) {
    if (!strcmp(v, "tab") || !strcmp(v, "\\t"))
        v = "\t";
    if (strlen(v) != 1 || strchr("\"\r\n", *v))
        return bad(err, "csv-delimiter", v, "one character, or tab");
    c->job.csv_delimiter = *v;
    return SL_OK;
}

static sl_status set_dim(struct cli *c, const char *v, sl_error *err) {
    const char *equals = strchr(v, '=');
    uint64_t value;
    if (!equals || equals == v || !text_parse_u64(equals + 1, &value) || value > INT32_MAX)
        return bad(err, "dim", v, "NAME=VALUE");
    if (c->job.dim_count == 16)
        return error_set(err, SL_E_USAGE, "more than 16 of --dim");
    size_t i = c->job.dim_count;
    c->dim_texts[i] = mem_strndup(v, (size_t)(equals - v));
    if (!c->dim_texts[i])
        return error_set(err, SL_E_MEMORY, "out of memory for the command line");
    c->dim_names[i] = c->dim_texts[i];
    c->dim_values[i] = (int64_t)value;
    c->job.dim_names = c->dim_names;
    c->job.dim_values = c->dim_values;
    c->job.dim_count++;
    return SL_OK;
}

static sl_status set_overwrite(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->job.overwrite = true;
    return SL_OK;
}

static sl_status set_allow_truncated(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->job.allow_truncated = true;
    return SL_OK;
}

static sl_status set_rejects_ok(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->job.rejects_ok = true;
    return SL_OK;
}

/* A number of records, or a percentage. */
static sl_status set_max_rejects(struct cli *c, const char *v, sl_error *err) {
    char *end;
    size_t n = strlen(v);
    if (n && v[n - 1] == '%') {
        double percent = strtod(v, &end);
        if (end != v + n - 1 || !(percent >= 0 && percent <= 100) || *v == '-')
            return bad(err, "max-rejects", v, "a number of records, or 0% to 100%");
        c->job.max_rejects_percent = percent;
        c->job.max_rejects = UINT64_MAX;
        return SL_OK;
    }
    if (!text_parse_u64(v, &c->job.max_rejects))
        return bad(err, "max-rejects", v, "a number of records, or 0% to 100%");
    c->job.max_rejects_percent = -1;
    return SL_OK;
}

static sl_status set_limit(struct cli *c, const char *v, sl_error *err) {
    return text_parse_u64(v, &c->job.limit) && c->job.limit ? SL_OK
                                                            : bad(err, "limit", v, "a number of records");
}

static sl_status set_checkpoint(struct cli *c, const char *v, sl_error *err) {
    char *end;
    c->job.checkpoint_seconds = strtod(v, &end);
    return *v && !*end && c->job.checkpoint_seconds > 0 && c->job.checkpoint_seconds <= 3600
               ? SL_OK
               : bad(err, "checkpoint", v, "seconds, at most 3600");
}

static sl_status set_progress(struct cli *c, const char *v, sl_error *err) {
    static const char *const known[] = {"auto", "bar", "plain", "json", "none", NULL};
    for (int i = 0; known[i]; i++)
        if (!strcmp(v, known[i])) {
            c->progress = known[i];
            return SL_OK;
        }
    return bad(err, "progress", v, "auto, bar, plain, json or none");
}

static sl_status set_color(struct cli *c, const char *v, sl_error *err) {
    static const char *const known[] = {"auto", "always", "never"};
    for (int i = 0; i < 3; i++)
        if (!strcmp(v, known[i])) {
            c->color = (enum color)i;
            return SL_OK;
        }
    return bad(err, "color", v, "auto, always or never");
}

static sl_status set_json(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->json = true;
    return SL_OK;
}

static sl_status set_quiet(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->verbosity = -1;
    return SL_OK;
}

static sl_status set_verbose(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->verbosity = c->verbosity < 0 ? 1 : c->verbosity + 1;
    return SL_OK;
}

static sl_status set_help(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->help = true;
    return SL_OK;
}

static sl_status set_version(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->version = true;
    return SL_OK;
}

static sl_status set_man(struct cli *c, const char *v, sl_error *err) {
    (void)v;
    (void)err;
    c->man = true;
    return SL_OK;
}

static sl_status set_completion(struct cli *c, const char *v, sl_error *err) {
    (void)err;
    c->completion = v;
    return SL_OK;
}

#define JOB (VERB_RUN | VERB_PLAN)

const struct option_def option_table[] = {
    {"device", 0, "auto|cpu|cuda[:N,...]", "auto", JOB, false, "what computes; cuda never falls back",
     set_device},
    {"precision", 0, "fp32", "fp32", JOB, false, "arithmetic of the model", set_precision},
    {"batch-size", 'b', "N|auto", "auto", JOB, false, "rows that go through the model together",
     set_batch_size},
    {"workers", 'j', "N|auto", "auto", JOB, false, "threads that decode and format", set_workers},
    {"memory-limit", 0, "SIZE", "what the machine and its cgroup leave", JOB, false,
     "resident memory; a job that would need more does not start", set_memory_limit},
    {"content-type", 0, "TYPE", "by name and content", JOB, false,
     "text/csv, application/jsonlines, application/x-tar, application/x-image", set_content_type},
    {"compression-type", 0, "None|Gzip|Zstd", "by content", JOB, false, "of the input files",
     set_compression_type},
    {"accept", 0, "TYPE", "text/csv", JOB, false, "of the output: text/csv or application/jsonlines",
     set_accept},
    {"csv-header", 0, NULL, NULL, JOB, false, "the first row of every CSV input names the columns",
     set_csv_header},
    {"csv-delimiter", 0, "CHAR", ",", JOB, false, "between fields; \"tab\" for a tab", set_csv_delimiter},
    {"dim", 0, "NAME=VALUE", NULL, JOB, false, "binds a symbolic dimension of the model; may be repeated",
     set_dim},
    {"max-record-size", 0, "SIZE", "16M", JOB, false, "a longer record is rejected", set_max_record_size},
    {"max-pixels", 0, "N", "100000000", JOB, false, "an image of more is rejected before it is decoded",
     set_max_pixels},
    {"allow-truncated", 0, NULL, NULL, VERB_RUN, false,
     "publish what a cut-off input holds; its torn record is rejected", set_allow_truncated},
    {"max-rejects", 0, "N|P%", "5%", VERB_RUN, false,
     "more rejects end the job (looked at from the 1,000th record on, and at the end)", set_max_rejects},
    {"rejects-ok", 0, NULL, NULL, VERB_RUN, false, "a finished job with rejects exits with 0, not 3",
     set_rejects_ok},
    {"limit", 'n', "N", "all", VERB_RUN, false,
     "score the first N records; inputs after them get empty outputs", set_limit},
    {"overwrite", 0, NULL, NULL, VERB_RUN, false, "begin anew, whatever OUTPUT holds", set_overwrite},
    {"checkpoint", 0, "SECONDS", "5", VERB_RUN, false, "at most this much work is done again after a crash",
     set_checkpoint},
    {"progress", 0, "auto|bar|plain|json|none", "auto", VERB_RUN, false,
     "a bar on a terminal, else a line every 30 s and 10 %", set_progress},
    {"color", 0, "auto|always|never", "auto", VERB_RUN, false, "also NO_COLOR and TERM=dumb are heeded",
     set_color},
    {"json", 0, NULL, NULL, VERB_ANY, false, "the result as JSON on stdout", set_json},
    {"quiet", 'q', NULL, NULL, VERB_ANY, false, "only errors", set_quiet},
    {"verbose", 'v', NULL, NULL, VERB_ANY, false, "more words", set_verbose},
    {"help", 'h', NULL, NULL, VERB_ANY, false, "this text; 'sluice help' tells everything", set_help},
    {"version", 'V', NULL, NULL, VERB_ANY, false, "with --verbose: libraries and CPU features", set_version},
    {"man", 0, NULL, NULL, VERB_HELP, true, "the man page", set_man},
    {"completion", 0, "SHELL", NULL, VERB_HELP, true, "completion for bash, zsh or fish", set_completion},
    {NULL, 0, NULL, NULL, 0, false, NULL, NULL}};

void options_env_name(const char *name, char *out, unsigned cap) {
    unsigned n = (unsigned)snprintf(out, cap, "SLUICE_%s", name);
    for (unsigned i = 0; i < n && i + 1 < cap; i++)
        out[i] = out[i] == '-' ? '_' : out[i] >= 'a' && out[i] <= 'z' ? (char)(out[i] - 32) : out[i];
}

/* SLUICE_NAME stands for --name; for a flag, anything but "", "0" and "false" sets it. */
static sl_status read_environment(struct cli *cli, sl_error *err) {
    for (const struct option_def *o = option_table; o->name; o++) {
        char name[64];
        if (o->hidden || !strcmp(o->name, "help") || !strcmp(o->name, "version"))
            continue;
        options_env_name(o->name, name, sizeof name);
        const char *value = getenv(name);
        if (!value || !*value || (!o->argument && (!strcmp(value, "0") || !strcmp(value, "false"))))
            continue;
        sl_status st = o->set(cli, value, err);
        if (st != SL_OK) {
            error_append(err, " (from %s in the environment)", name);
            return st;
        }
    }
    return SL_OK;
}

static const struct option_def *find_long(const char *name, size_t nbytes) {
    for (const struct option_def *o = option_table; o->name; o++)
        if (strlen(o->name) == nbytes && !memcmp(o->name, name, nbytes))
            return o;
    return NULL;
}

static sl_status unknown_option(const char *text, size_t nbytes, sl_error *err) {
    const char *names[64];
    char word[64];
    int n = 0;
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            names[n++] = o->name;
    names[n] = NULL;
    snprintf(word, sizeof word, "%.*s", nbytes < 60 ? (int)nbytes : 60, text);
    const char *near = text_nearest(word, names);
    return error_set(err, SL_E_USAGE, "unknown option '--%s'%s%s%s", text_quote(word),
                     near ? ": did you mean '--" : "", near ? near : "", near ? "'?" : "");
}

/* One "--name[=value]"; *used says whether argv's next word was its value. */
static sl_status parse_long(struct cli *cli, const char *word, const char *next, bool *used, sl_error *err) {
    size_t nbytes = strcspn(word, "=");
    const struct option_def *o = find_long(word, nbytes);
    const char *value = word[nbytes] ? word + nbytes + 1 : NULL;
    if (!o)
        return unknown_option(word, nbytes, err);
    if (!o->argument && value)
        return error_set(err, SL_E_USAGE, "option '--%s' takes no value", o->name);
    if (o->argument && !value) {
        value = next;
        *used = true;
    }
    if (o->argument && !value)
        return error_set(err, SL_E_USAGE, "option '--%s' needs a value: %s", o->name, o->argument);
    return o->set(cli, value, err);
}

static sl_status parse_short(struct cli *cli, const char *word, const char *next, bool *used, sl_error *err) {
    for (; *word; word++) {
        const struct option_def *o = option_table;
        while (o->name && o->letter != *word)
            o++;
        if (!o->name)
            return error_set(err, SL_E_USAGE, "unknown option '-%s'", text_quote_n(word, 1));
        const char *value = word[1] ? word + 1 : next;
        if (o->argument && !value)
            return error_set(err, SL_E_USAGE, "option '-%c' needs a value: %s", o->letter, o->argument);
        sl_status st = o->set(cli, value, err);
        if (st != SL_OK)
            return st;
        if (o->argument) {
            *used = !word[1];
            return SL_OK;
        }
    }
    return SL_OK;
}

static sl_status take_word(struct cli *cli, const char *word, sl_error *err) {
    if (cli->verb) {
        if (cli->argument_count == 4)
            return error_set(err, SL_E_USAGE, "too many arguments: '%s'", text_quote(word));
        cli->arguments[cli->argument_count++] = word;
        return SL_OK;
    }
    const char *names[16];
    int n = 0;
    for (const struct verb_def *v = verb_table; v->name; v++) {
        names[n++] = v->name;
        if (!strcmp(v->name, word))
            cli->verb = v;
    }
    names[n] = NULL;
    if (cli->verb)
        return SL_OK;
    const char *near = text_nearest(word, names);
    return error_set(err, SL_E_USAGE, "unknown verb '%s'%s%s%s", text_quote(word),
                     near ? ": did you mean '" : "", near ? near : "; 'sluice --help' lists them",
                     near ? "'?" : "");
}

sl_status options_parse(struct cli *cli, int argc, char **argv, sl_error *err) {
    bool words_only = false;
    *cli = (struct cli){.progress = "auto"};
    sl_job_defaults(&cli->job);
    sl_status st = read_environment(cli, err);
    for (int i = 1; st == SL_OK && i < argc; i++) {
        bool used = false;
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (words_only || argv[i][0] != '-' || !argv[i][1])
            st = take_word(cli, argv[i], err);
        else if (!strcmp(argv[i], "--"))
            words_only = true;
        else if (argv[i][1] == '-')
            st = parse_long(cli, argv[i] + 2, next, &used, err);
        else
            st = parse_short(cli, argv[i] + 1, next, &used, err);
        i += used;
    }
    return st;
}

void options_clear(struct cli *cli) {
    for (size_t i = 0; i < cli->job.dim_count; i++)
        mem_free(cli->dim_texts[i]);
}
