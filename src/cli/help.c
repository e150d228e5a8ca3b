/* help.c: help in two sizes and the version. */
#include "cli/help.h"

#include <archive.h>
#include <csv.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <png.h>
#include <string.h>
#include <webp/decode.h>
#include <zlib.h>
#include <zstd.h>

#include "infer/device.h"
#include "support/machine.h"
#include "support/text.h"

#ifndef SLUICE_COMMIT
#define SLUICE_COMMIT "unknown"
#endif

static const char about[] = "sluice scores files with an ONNX model: every record once, in order, resumable.";

enum { INDENT = 30 };

/* Words up to the width; `at` is where the first line stands already. */
static void put_wrapped(FILE *out, int at, int indent, const char *text) {
    bool fresh = true;
    while (*text) {
        int n = (int)strcspn(text, " ");
        if (!fresh && at + 1 + n > HELP_WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            fresh = true;
        }
        fprintf(out, "%s%.*s", fresh ? "" : " ", n, text);
        at += n + !fresh;
        fresh = false;
        text += n;
        text += *text == ' ';
    }
    fputc('\n', out);
}

/* The left column, then the text beside it, or below where the left column is too long. */
static void put_row(FILE *out, const char *left, const char *text) {
    int n = (int)strlen(left);
    fputs(left, out);
    if (n > INDENT - 2) {
        fputc('\n', out);
        n = 0;
    }
    fprintf(out, "%*s", INDENT - n, "");
    put_wrapped(out, INDENT, INDENT, text);
}

static void put_option(FILE *out, const struct option_def *o, bool long_form) {
    char left[80], text[512], letter[8] = "   ";
    const char *argument = o->argument ? o->argument : "";
    bool may = *argument == '=';
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c,", o->letter);
    snprintf(left, sizeof left, "  %s --%s%s%s%s", letter, o->name,
             may         ? "["
             : *argument ? " "
                         : "",
             argument, may ? "]" : "");
    snprintf(text, sizeof text, "%s%s%s%s%s%s", o->text, o->missing ? " [" : "", o->missing ? o->missing : "",
             o->missing ? "]" : "", long_form && o->more ? ". " : "", long_form && o->more ? o->more : "");
    put_row(out, left, text);
}

static void put_options(FILE *out, unsigned verbs, bool long_form) {
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden && (o->verbs & verbs))
            put_option(out, o, long_form);
}

static void put_verbs(FILE *out) {
    for (const struct verb_def *v = verb_table; v->name; v++) {
        char left[80];
        snprintf(left, sizeof left, "  %s %s", v->name, v->arguments);
        put_row(out, left, v->text);
    }
}

void help_short(FILE *out) {
    static const char *const often[] = {"device",      "batch-size", "accept", "csv-header",
                                        "max-rejects", "overwrite",  "json",   "quiet"};
    fprintf(out, "%s\n\nUsage: sluice VERB ... [OPTION]...\n\nExamples:\n", about);
    for (const struct verb_def *v = verb_table; v->name; v++)
        fprintf(out, "  %s\n", v->example);
    fprintf(out, "\nVerbs:\n");
    put_verbs(out);
    fprintf(out, "\nMost used options, defaults in brackets:\n");
    for (size_t i = 0; i < sizeof often / sizeof *often; i++)
        for (const struct option_def *o = option_table; o->name; o++)
            if (!strcmp(o->name, often[i]))
                put_option(out, o, false);
    fprintf(out, "\n'sluice help all' tells of every option, 'sluice help VERB' of one verb.\n");
}

void help_all(FILE *out) {
    fprintf(out, "%s\n\nUsage: sluice VERB ... [OPTION]...\n\nVerbs:\n", about);
    put_verbs(out);
    fprintf(out, "\nOptions, defaults in brackets; each also as SLUICE_NAME in the environment\n"
                 "(SLUICE_BATCH_SIZE=64); a flag beats it:\n");
    put_options(out, VERB_ANY, true);
    fprintf(out, "\nFiles:\n");
    put_row(out, "  MODEL", "a .onnx file, or a directory with model.onnx and transform.json");
    put_row(out, "  OUTPUT/<input>.out",
            "one line for each record, in order; ERROR or {\"error\": ...} for a reject");
    put_row(out, "  OUTPUT/_sluice/", "journal, rejects.jsonl, summary.json");
    put_row(out, "  OUTPUT/_SUCCESS", "written last, when every input is finished");
    fprintf(out, "\nExit status:\n");
    help_exit_codes(out);
}

void help_verb(FILE *out, const struct verb_def *verb) {
    fprintf(out, "Usage: sluice %s %s [OPTION]...\n\n", verb->name, verb->arguments);
    put_wrapped(out, 0, 0, verb->text);
    put_wrapped(out, 0, 0, verb->more);
    fprintf(out, "\nExample:\n  %s\n\nOptions, defaults in brackets:\n", verb->example);
    put_options(out, verb->verb, true);
}

void help_exit_codes(FILE *out) {
    static const sl_status all[] = {SL_OK,        SL_REJECTS,  SL_E_USAGE,       SL_E_DATA,
                                    SL_E_NOINPUT, SL_E_DEVICE, SL_E_INTERNAL,    SL_E_MEMORY,
                                    SL_E_OUTPUT,  SL_E_IO,     SL_E_INTERRUPTED, SL_E_PERMISSION,
                                    SL_E_MODEL,   SL_E_GPU,    SL_E_STALL};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        fprintf(out, "  %2d  ", (int)all[i]);
        put_wrapped(out, 6, 6, sl_status_meaning(all[i]));
    }
}

sl_status help_topic(FILE *out, const char *topic, sl_error *err) {
    const struct verb_def *verb = options_verb(topic);
    if (!*topic)
        help_short(out);
    else if (verb)
        help_verb(out, verb);
    else if (!strcmp(topic, "all"))
        help_all(out);
    else if (!strcmp(topic, "exit-codes"))
        help_exit_codes(out);
    else
        return options_unknown_verb(topic, err);
    return SL_OK;
}

void help_version(FILE *out, bool verbose) {
    struct machine m;
    struct device *cpu = NULL;
    char text[200] = "";
    fprintf(out, "sluice %s\n", sl_version());
    if (!verbose)
        return;
    machine_read(&m);
    fprintf(out, "commit      %s\n", SLUICE_COMMIT);
    fprintf(out,
            "libraries   %s, zlib %s, zstd %s, libcsv %d.%d.%d, jansson %s, libpng %s, libwebp %d.%d.%d\n",
            archive_version_string(), zlibVersion(), ZSTD_versionString(), CSV_MAJOR, CSV_MINOR, CSV_RELEASE,
            jansson_version_str(), png_get_libpng_ver(NULL), WebPGetDecoderVersion() >> 16,
            WebPGetDecoderVersion() >> 8 & 255, WebPGetDecoderVersion() & 255);
    fprintf(out, "            %s\n", OpenSSL_version(OPENSSL_VERSION));
    fprintf(out, "machine     %u of %u cores%s%s%s, cgroup %s, %s free\n", m.cores, m.online,
            m.avx2 ? ", avx2" : "", m.avx512 ? ", avx512" : "", m.avx512_bf16 ? ", avx512_bf16" : "",
            m.cgroup, text_nbytes(text, sizeof text, m.memory_nbytes));
    const struct device_options options = {.precision = PRECISION_FP32, .threads = m.cores};
    if (device_cpu.open(&cpu, 0, &options, NULL) == SL_OK) {
        device_cpu.describe(cpu, text, sizeof text);
        device_cpu.close(cpu);
        fprintf(out, "device      %s\n", text);
    }
    text[0] = 0;
    if (!device_cuda.count(text, sizeof text))
        fprintf(out, "no cuda     %s\n", text);
}
