/* completion.c: completion for bash, zsh and fish, from the option table. */
#include <ctype.h>
#include <string.h>

#include "cli/help.h"

size_t completion_value(const char **at, const char **value) {
    while (**at) {
        size_t whole = strcspn(*at, "|"), n = strcspn(*at, "|[=");
        bool word = false;
        *value = *at;
        for (size_t i = 0; i < n; i++)
            word |= islower((unsigned char)(*value)[i]) != 0;
        *at += whole;
        *at += **at == '|';
        if (word)
            return n;
    }
    return 0;
}

/* "auto cpu cuda" */
static bool put_values(FILE *out, const struct option_def *o, const char *before, const char *after) {
    const char *at = o->argument ? o->argument : "", *value;
    bool any = false;
    for (size_t n; (n = completion_value(&at, &value)) != 0; any = true)
        fprintf(out, "%s%.*s", any ? " " : before, (int)n, value);
    if (any)
        fputs(after, out);
    return any;
}

static void put_verb_names(FILE *out, const char *between) {
    for (const struct verb_def *v = verb_table; v->name; v++)
        fprintf(out, "%s%s", v == verb_table ? "" : between, v->name);
}

static void bash(FILE *out) {
    fputs("# completion of sluice for bash\n_sluice() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb= word\n"
          "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n        case $word in\n        ",
          out);
    put_verb_names(out, " | ");
    fputs(") verb=$word; break ;;\n        esac\n    done\n    COMPREPLY=()\n    case $prev in\n", out);
    for (const struct option_def *o = option_table; o->name; o++) {
        const char *at = o->argument ? o->argument : "", *value;
        if (o->hidden || *at == '=' || !completion_value(&at, &value))
            continue;
        fprintf(out, "    --%s) COMPREPLY=($(compgen -W '", o->name);
        put_values(out, o, "", "");
        fputs("' -- \"$cur\")); return ;;\n", out);
    }
    fputs("    esac\n    case $verb:$cur in\n", out);
    for (const struct verb_def *v = verb_table; v->name; v++) {
        fprintf(out, "    %s:-*) COMPREPLY=($(compgen -W '", v->name);
        for (const struct option_def *o = option_table; o->name; o++)
            if (!o->hidden && (o->verbs & v->verb))
                fprintf(out, "--%s ", o->name);
        fputs("' -- \"$cur\")) ;;\n", out);
    }
    fputs("    :-*) COMPREPLY=($(compgen -W '--help --version' -- \"$cur\")) ;;\n"
          "    :* | help:*) COMPREPLY=($(compgen -W '",
          out);
    put_verb_names(out, " ");
    fputs("' -- \"$cur\")) ;;\n    *) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n    esac\n}\n"
          "complete -o filenames -F _sluice sluice\n",
          out);
}

/* Text between single quotes; brackets end an explanation in zsh, so they are escaped there. */
static void put_quoted(FILE *out, const char *text, const char *quote, const char *escaped) {
    for (; *text; text++)
        if (*text == '\'')
            fputs(quote, out);
        else if (strchr(escaped, *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
}

static void zsh_option(FILE *out, const struct option_def *o) {
    const char *argument = o->argument && *o->argument != '=' ? o->argument : "";
    fputs(" \\\n  ", out);
    if (o->letter)
        fprintf(out, "{-%c,--%s}", o->letter, o->name);
    else
        fprintf(out, "--%s", o->name);
    fputs("'[", out);
    put_quoted(out, o->text, "'\\''", "[]:\\");
    fputc(']', out);
    if (*argument) {
        fputc(':', out);
        put_quoted(out, argument, "'\\''", "[]:\\");
        fputc(':', out);
        put_values(out, o, "(", ")");
    }
    fputc('\'', out);
}

static void zsh(FILE *out) {
    fputs("#compdef sluice\n_arguments -s \\\n  '1:verb:((", out);
    for (const struct verb_def *v = verb_table; v->name; v++) {
        fprintf(out, "%s\\:\"", v->name);
        put_quoted(out, v->text, "'\\''", "\"\\");
        fputs("\" ", out);
    }
    fputs("))' \\\n  '*:file:_files'", out);
    for (const struct option_def *o = option_table; o->name; o++)
        if (!o->hidden)
            zsh_option(out, o);
    fputc('\n', out);
}

static void fish(FILE *out) {
    fputs("# completion of sluice for fish\n", out);
    for (const struct verb_def *v = verb_table; v->name; v++) {
        fprintf(out, "complete -c sluice -n __fish_use_subcommand -f -a %s -d '", v->name);
        put_quoted(out, v->text, "\\'", "\\");
        fputs("'\n", out);
    }
    for (const struct option_def *o = option_table; o->name; o++) {
        if (o->hidden)
            continue;
        fputs("complete -c sluice", out);
        if (o->verbs != VERB_ANY) {
            fputs(" -n '__fish_seen_subcommand_from", out);
            for (const struct verb_def *v = verb_table; v->name; v++)
                if (o->verbs & v->verb)
                    fprintf(out, " %s", v->name);
            fputc('\'', out);
        }
        fprintf(out, " -l %s", o->name);
        if (o->letter)
            fprintf(out, " -s %c", o->letter);
        if (o->argument && *o->argument != '=') {
            fputs(" -x", out);
            put_values(out, o, " -a '", "'");
        }
        fputs(" -d '", out);
        put_quoted(out, o->text, "\\'", "\\");
        fputs("'\n", out);
    }
}

void completion_print(FILE *out, const char *shell) {
    if (!strcmp(shell, "bash"))
        bash(out);
    else if (!strcmp(shell, "zsh"))
        zsh(out);
    else
        fish(out);
}
