/* help.c: help in two sizes, the man page and shell completion, all from the option table. */
#include <jansson.h>
#include <png.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include <archive.h>
#include <openssl/crypto.h>

#include "cli/options.h"
#include "infer/device.h"
#include "support/machine.h"

static void print_option(const struct option_def *o) {
    char left[64];
    snprintf(left, sizeof left, "%c%c%s --%s%s%s", o->letter ? '-' : ' ', o->letter ? o->letter : ' ',
             o->letter ? "," : " ", o->name, o->argument ? " " : "", o->argument ? o->argument : "");
    printf("  %-42s %s%s%s%s\n", left, o->text, o->missing ? " [" : "", o->missing ? o->missing : "",
           o->missing ? "]" : "");
}

static void print_verbs(void) {
    for (const struct verb_def *v = verb_table; v->name; v++) {
        char left[64];
        snprintf(left, sizeof left, "sluice %s %s", v->name, v->arguments);
        printf("  %-34s %s\n", left, v->text);
    }
}

static void print_short(void) {
    printf("sluice scores files with an ONNX model: every record once, in order, resumable.\n\n"
           "  sluice run MODEL INPUT OUTPUT      the job: one OUTPUT/<file>.out for each file of INPUT\n"
           "  sluice plan MODEL INPUT            what it would do and how much memory it would take\n\n"
           "Verbs\n");
    print_verbs();
    printf("\nThe options most often used\n");
    static const char *const often[] = {"device",      "batch-size", "workers", "accept", "csv-header",
                                        "max-rejects", "overwrite",  "json",    "quiet"};
    for (size_t i = 0; i < sizeof often / sizeof *often; i++)
        for (const struct option_def *o = option_table; o->name; o++)
            if (!strcmp(o->name, often[i]))
                print_option(o);
    printf("\n'sluice help' tells everything, 'sluice help exit-codes' what the exit status means.\n");
}

static void print_options(unsigned verbs) {
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden && (o->verbs & verbs))
            print_option(o);
}

static void print_long(void) {
    printf("sluice scores files with an ONNX model: every record once, in order, resumable.\n\nVerbs\n");
    print_verbs();
    printf("\nOptions, with defaults in brackets; each also as SLUICE_NAME in the environment (a flag beats "
           "it)\n");
    print_options(VERB_ANY);
    printf("\nExit status\n");
    help_exit_codes();
    printf("\nFiles\n"
           "  MODEL                     a .onnx file, or a directory with model.onnx and transform.json\n"
           "  OUTPUT/<input>.out        one line for each record, in order; ERROR or {\"error\": ...} for a "
           "reject\n"
           "  OUTPUT/_sluice/           journal, rejects.jsonl, summary.json\n"
           "  OUTPUT/_SUCCESS           written last, when every input is finished\n");
}

void help_exit_codes(void) {
    static const sl_status all[] = {SL_OK,        SL_REJECTS,  SL_E_USAGE,       SL_E_DATA,
                                    SL_E_NOINPUT, SL_E_DEVICE, SL_E_INTERNAL,    SL_E_MEMORY,
                                    SL_E_OUTPUT,  SL_E_IO,     SL_E_INTERRUPTED, SL_E_PERMISSION,
                                    SL_E_MODEL,   SL_E_GPU,    SL_E_STALL};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        printf("  %2d  %s\n", (int)all[i], sl_status_meaning(all[i]));
}

void help_print(const struct cli *cli) {
    const char *topic = cli->argument_count ? cli->arguments[0] : NULL;
    bool long_form = cli->verb && cli->verb->verb == VERB_HELP;
    const struct verb_def *of = cli->verb && !long_form ? cli->verb : NULL;
    for (const struct verb_def *v = verb_table; long_form && topic && v->name; v++)
        if (!strcmp(v->name, topic))
            of = v;
    if (long_form && topic && !strcmp(topic, "exit-codes")) {
        help_exit_codes();
    } else if (of) {
        printf("sluice %s %s\n  %s\n\n", of->name, of->arguments, of->text);
        print_options(of->verb);
    } else if (long_form) {
        print_long();
    } else {
        print_short();
    }
}

/* A text with what troff would take for a command made harmless. */
static void man_text(const char *text) {
    for (; *text; text++)
        if (*text == '-')
            printf("\\-");
        else if (*text == '\\')
            printf("\\e");
        else
            putchar(*text);
}

void help_man(void) {
    char name[64];
    printf(".TH SLUICE 1 \"\" \"sluice %s\" \"User Commands\"\n.SH NAME\nsluice \\- batch inference job "
           "processor\n",
           sl_version());
    printf(".SH SYNOPSIS\n");
    for (const struct verb_def *v = verb_table; v->name; v++)
        printf(".B sluice %s\n%s\n.br\n", v->name, v->arguments);
    printf(".SH DESCRIPTION\nScores files with an ONNX model: every record once, in order, resumable. The "
           "same command "
           "starts a job, resumes it, or finds it finished.\n.SH OPTIONS\n");
    for (const struct option_def *o = option_table; o->name; o++) {
        if (o->hidden)
            continue;
        printf(".TP\n.B ");
        if (o->letter)
            printf("\\-%c, ", o->letter);
        printf("\\-\\-");
        man_text(o->name);
        printf(o->argument ? " \\fI" : "");
        man_text(o->argument ? o->argument : "");
        printf("%s\n", o->argument ? "\\fR" : "");
        man_text(o->text);
        if (o->missing) {
            printf(" [");
            man_text(o->missing);
            printf("]");
        }
        options_env_name(o->name, name, sizeof name);
        printf(".\n");
    }
    printf(".SH ENVIRONMENT\nEvery option also as SLUICE_NAME (SLUICE_BATCH_SIZE for \\-\\-batch\\-size); a "
           "flag beats "
           "it. NO_COLOR and TERM are heeded.\n.SH EXIT STATUS\n.nf\n");
    help_exit_codes();
    printf(".fi\n");
}

static void complete_bash(void) {
    printf("_sluice() {\n    local cur=${COMP_WORDS[COMP_CWORD]}\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    for (const struct verb_def *v = verb_table; v->name; v++)
        printf("%s ", v->name);
    printf("' -- \"$cur\"))\n    elif [ \"${cur#-}\" != \"$cur\" ]; then\n        COMPREPLY=($(compgen -W '");
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            printf("--%s ", o->name);
    printf("' -- \"$cur\"))\n    else\n        COMPREPLY=($(compgen -f -- \"$cur\"))\n    fi\n}\n"
           "complete -o filenames -F _sluice sluice\n");
}

static void complete_zsh(void) {
    printf("#compdef sluice\n_arguments '1:verb:(");
    for (const struct verb_def *v = verb_table; v->name; v++)
        printf("%s ", v->name);
    printf(")' '*:file:_files'");
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            printf(" \\\n  '--%s%s'", o->name, o->argument ? "=" : "");
    printf("\n");
}

static void complete_fish(void) {
    for (const struct verb_def *v = verb_table; v->name; v++)
        printf("complete -c sluice -n __fish_use_subcommand -a %s -d \"%s\"\n", v->name, v->text);
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            printf("complete -c sluice -l %s%s\n", o->name, o->argument ? " -r" : "");
}

bool help_completion(const char *shell) {
    if (!strcmp(shell, "bash"))
        complete_bash();
    else if (!strcmp(shell, "zsh"))
        complete_zsh();
    else if (!strcmp(shell, "fish"))
        complete_fish();
    else
        return false;
    return true;
}

void help_version(bool verbose) {
    struct machine m;
    char why[200] = "";
    printf("sluice %s\n", sl_version());
    if (!verbose)
        return;
    machine_read(&m);
    printf("libarchive  %s\nzlib        %s\nzstd        %s\njansson     %s\nlibpng      %s\nlibcrypto   %s\n",
           archive_version_string(), zlibVersion(), ZSTD_versionString(), jansson_version_str(),
           png_get_libpng_ver(NULL), OpenSSL_version(OPENSSL_VERSION));
    printf("cpu         %u cores%s%s%s (cgroup %s)\n", m.cores, m.avx2 ? ", avx2" : "",
           m.avx512 ? ", avx512" : "", m.avx512_bf16 ? ", avx512_bf16" : "", m.cgroup);
    printf("cuda        %s\n", device_cuda.count(why, sizeof why) ? "available" : why);
}
