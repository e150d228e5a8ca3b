/* manual.c: the man page, from the option table. */
#include <string.h>

#include "cli/help.h"

/* Text in which troff would find commands, made harmless. */
static void put_text(FILE *out, const char *text) {
    for (; *text; text++)
        if (*text == '-')
            fputs("\\-", out);
        else if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '\'')
            fputs("\\(aq", out);
        else
            fputc(*text, out);
}

static void put_line(FILE *out, const char *macro, const char *text) {
    fprintf(out, "%s", macro);
    put_text(out, text);
    fputc('\n', out);
}

static void put_option(FILE *out, const struct option_def *o) {
    char name[64];
    const char *argument = o->argument ? o->argument : "";
    bool may = *argument == '=';
    fprintf(out, ".TP\n\\fB");
    if (o->letter)
        fprintf(out, "\\-%c\\fR, \\fB", o->letter);
    fprintf(out, "\\-\\-");
    put_text(out, o->name);
    fprintf(out, "\\fR%s\\fI", may ? "[" : *argument ? " " : "");
    put_text(out, argument);
    fprintf(out, "\\fR%s\n", may ? "]" : "");
    put_text(out, o->text);
    if (o->missing) {
        fputs(" [", out);
        put_text(out, o->missing);
        fputc(']', out);
    }
    fputs(".\n", out);
    if (o->more)
        put_line(out, "", o->more);
    if (strcmp(o->name, "help") && strcmp(o->name, "version"))
        fprintf(out, "Environment: %s.\n", options_env_name(o->name, name, sizeof name));
}

void manual_print(FILE *out) {
    fprintf(out, ".TH SLUICE 1 \"\" \"sluice %s\" \"User Commands\"\n.SH NAME\n", sl_version());
    fprintf(out, "sluice \\- score files with an ONNX model, in order, resumable\n.SH SYNOPSIS\n.nf\n");
    for (const struct verb_def *v = verb_table; v->name; v++)
        fprintf(out, "\\fBsluice %s\\fR %s [OPTION]...\n", v->name, v->arguments);
    fprintf(out, ".fi\n.SH DESCRIPTION\n");
    put_line(out, "",
             "sluice scores a directory of input files with a model and writes one output file for "
             "each. Before the first record is read it knows every shape and every byte of memory "
             "and has reserved all of it; a job that cannot run says so at once.");
    fprintf(out, ".SH VERBS\n");
    for (const struct verb_def *v = verb_table; v->name; v++) {
        fprintf(out, ".TP\n\\fB%s\\fR %s\n", v->name, v->arguments);
        put_text(out, v->text);
        fputs(".\n", out);
        put_line(out, "", v->more);
    }
    fprintf(out, ".SH OPTIONS\nDefaults in brackets. A flag beats its variable in the environment.\n");
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            put_option(out, o);
    fprintf(out, ".SH FILES\n.TP\n.I OUTPUT/<input>.out\nOne line for each record, in order; a rejected one "
                 "keeps its place.\n.TP\n.I OUTPUT/_sluice/\nThe journal, rejects.jsonl and summary.json.\n"
                 ".TP\n.I OUTPUT/_SUCCESS\nWritten last, when every input is finished.\n"
                 ".SH ENVIRONMENT\nBeside a variable for each option:\n.TP\n.B SLUICE_CUDA_GRAPHS=0\n"
                 "Kernels are launched one by one instead of as a graph; a fault of the GPU then names its "
                 "step.\n.SH EXIT STATUS\n.nf\n");
    help_exit_codes(out);
    fprintf(out, ".fi\n.SH EXAMPLES\n.nf\n");
    for (const struct verb_def *v = verb_table; v->name; v++)
        put_line(out, "", v->example);
    fprintf(out, ".fi\n");
}
