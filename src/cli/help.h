/* help.h: what the program says of itself, all of it from the option table. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/options.h"

enum { HELP_WIDTH = 80 };

void help_short(FILE *out);
void help_all(FILE *out);
void help_verb(FILE *out, const struct verb_def *verb);
void help_exit_codes(FILE *out);
/* "" (short), a verb, "all" or "exit-codes"; SL_E_USAGE for anything else. */
sl_status help_topic(FILE *out, const char *topic, sl_error *err);
void help_version(FILE *out, bool verbose);

void manual_print(FILE *out);                        /* the man page, troff */
void completion_print(FILE *out, const char *shell); /* "bash", "zsh" or "fish" */
/* The next value that can be completed from "auto|cpu|cuda[:N,...]": its length, 0 at the end. Placeholders
 * (N, SIZE, P%) are passed over. *at moves on. */
size_t completion_value(const char **at, const char **value);

#endif
