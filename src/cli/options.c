/* options.c: reading the environment and the command line by the option table. */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mem.h"
#include "support/text.h"

/* Where the reading stands. */
struct parse {
    struct cli *cli;
    const struct option_def *seen[64]; /* given as flags; checked against the verb when that is known */
    size_t seen_count;
};

char *options_env_name(const char *name, char *out, size_t cap) {
    snprintf(out, cap, "SLUICE_%s", name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
    return out;
}

/* SLUICE_NAME stands for --name; for a flag anything but "", "0" and "false" sets it. Here an option that the
 * verb does not have is not wrong: the environment is for every verb. */
static sl_status read_environment(struct cli *cli, sl_error *err) {
    for (const struct option_def *o = option_table; o->name; o++) {
        char name[64];
        const char *value = getenv(options_env_name(o->name, name, sizeof name));
        if (o->hidden || !strcmp(o->name, "help") || !strcmp(o->name, "version"))
            continue;
        if (!value || !*value || (!o->argument && (!strcmp(value, "0") || !strcmp(value, "false"))))
            continue;
        sl_status st = o->set(o, cli, value, err);
        if (st != SL_OK) {
            error_append(err, " (from %s in the environment)", name);
            return st;
        }
    }
    return SL_OK;
}

static sl_status unknown_option(const char *text, size_t nbytes, sl_error *err) {
    const char *names[64];
    char word[64];
    size_t n = 0;
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            names[n++] = o->name;
    names[n] = NULL;
    snprintf(word, sizeof word, "%.*s", nbytes < 60 ? (int)nbytes : 60, text);
    const char *near = text_nearest(word, names);
    return error_set(err, SL_E_USAGE, "unknown option '--%s'%s%s%s", text_quote(word),
                     near ? ": did you mean '--" : "; 'sluice help all' lists them", near ? near : "",
                     near ? "'?" : "");
}

static sl_status set(struct parse *p, const struct option_def *o, const char *value, sl_error *err) {
    if (p->seen_count < sizeof p->seen / sizeof *p->seen)
        p->seen[p->seen_count++] = o;
    return o->set(o, p->cli, value, err);
}

static sl_status needs_value(const struct option_def *o, const char *dashes, const char *name,
                             sl_error *err) {
    return error_set(err, SL_E_USAGE, "option '%s%s' needs a value: %s", dashes, name, o->argument);
}

/* One "--name[=value]"; *used says whether argv's next word was its value. */
static sl_status parse_long(struct parse *p, const char *word, const char *next, bool *used, sl_error *err) {
    size_t nbytes = strcspn(word, "=");
    const struct option_def *o = option_table;
    const char *value = word[nbytes] ? word + nbytes + 1 : NULL;
    while (o->name && (strlen(o->name) != nbytes || memcmp(o->name, word, nbytes)))
        o++;
    if (!o->name)
        return unknown_option(word, nbytes, err);
    if (!o->argument && value)
        return error_set(err, SL_E_USAGE, "option '--%s' takes no value", o->name);
    if (o->argument && *o->argument != '=' && !value) {
        value = next;
        *used = true;
        if (!value)
            return needs_value(o, "--", o->name, err);
    }
    return set(p, o, value, err);
}

/* "-qv", "-b 64", "-b64". */
static sl_status parse_short(struct parse *p, const char *word, const char *next, bool *used, sl_error *err) {
    for (; *word; word++) {
        const struct option_def *o = option_table;
        while (o->name && o->letter != *word)
            o++;
        if (!o->name)
            return error_set(err, SL_E_USAGE, "unknown option '-%s'; 'sluice help all' lists them",
                             text_quote_n(word, 1));
        if (!o->argument || *o->argument == '=') {
            sl_status st = set(p, o, NULL, err);
            if (st != SL_OK)
                return st;
            continue;
        }
        *used = !word[1];
        const char *value = word[1] ? word + 1 : next, letter[2] = {o->letter, 0};
        return value ? set(p, o, value, err) : needs_value(o, "-", letter, err);
    }
    return SL_OK;
}

const struct verb_def *options_verb(const char *name) {
    for (const struct verb_def *v = verb_table; v->name; v++)
        if (!strcmp(v->name, name))
            return v;
    return NULL;
}

sl_status options_unknown_verb(const char *name, sl_error *err) {
    const char *names[16];
    size_t n = 0;
    for (const struct verb_def *v = verb_table; v->name; v++)
        names[n++] = v->name;
    names[n] = NULL;
    const char *near = text_nearest(name, names);
    return error_set(err, SL_E_USAGE, "unknown verb '%s'%s%s%s", text_quote(name),
                     near ? ": did you mean '" : "; 'sluice --help' lists them", near ? near : "",
                     near ? "'?" : "");
}

/* A word that is no option: the verb, then its arguments. */
static sl_status take_word(struct cli *cli, const char *word, sl_error *err) {
    if (!cli->verb) {
        cli->verb = options_verb(word);
        return cli->verb ? SL_OK : options_unknown_verb(word, err);
    }
    if (cli->argument_count == CLI_ARGUMENTS)
        return error_set(err, SL_E_USAGE, "too many arguments: '%s'", text_quote(word));
    cli->arguments[cli->argument_count++] = word;
    return SL_OK;
}

/* A flag that its verb would ignore is a mistake worth a word. */
static sl_status check_verb(const struct parse *p, sl_error *err) {
    const struct verb_def *verb = p->cli->verb;
    for (size_t i = 0; verb && !p->cli->help && i < p->seen_count; i++) {
        char where[128] = "";
        if (p->seen[i]->verbs & verb->verb)
            continue;
        for (const struct verb_def *v = verb_table; v->name; v++)
            if (p->seen[i]->verbs & v->verb)
                snprintf(where + strlen(where), sizeof where - strlen(where), "%s'%s'", *where ? ", " : "",
                         v->name);
        return error_set(err, SL_E_USAGE, "option '--%s' is not for '%s': it belongs to %s", p->seen[i]->name,
                         verb->name, where);
    }
    return SL_OK;
}

/* The job file stands below the environment, so it is read first, wherever it is named. */
static const char *find_job_file(int argc, char **argv) {
    const char *file = getenv("SLUICE_JOB");
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
        if (!strcmp(argv[i], "--job") && i + 1 < argc)
            file = argv[i + 1];
        else if (!strncmp(argv[i], "--job=", 6))
            file = argv[i] + 6;
    }
    return file && *file ? file : NULL;
}

sl_status options_parse(struct cli *cli, int argc, char **argv, sl_error *err) {
    struct parse p = {.cli = cli};
    bool words_only = false;
    *cli = (struct cli){.progress = "auto", .color = "auto"};
    sl_job_defaults(&cli->job);
    const char *job_file = find_job_file(argc, argv);
    sl_status st = job_file ? sl_job_request_open(&cli->request, job_file, &cli->job, err) : SL_OK;
    if (st == SL_OK)
        st = read_environment(cli, err);
    for (int i = 1; st == SL_OK && i < argc; i++) {
        bool used = false;
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (words_only || argv[i][0] != '-' || !argv[i][1])
            st = take_word(cli, argv[i], err);
        else if (!strcmp(argv[i], "--"))
            words_only = true;
        else if (argv[i][1] == '-')
            st = parse_long(&p, argv[i] + 2, next, &used, err);
        else
            st = parse_short(&p, argv[i] + 1, next, &used, err);
        i += used;
    }
    cli->job.dim_names = cli->dim_names;
    cli->job.dim_values = cli->dim_values;
    cli->job.s3_roots = cli->s3_roots;
    return st == SL_OK ? check_verb(&p, err) : st;
}

void options_clear(struct cli *cli) {
    for (size_t i = 0; i < cli->job.dim_count; i++)
        mem_free(cli->dim_texts[i]);
    cli->job.dim_count = 0;
    sl_job_request_close(cli->request);
    cli->request = NULL;
}
