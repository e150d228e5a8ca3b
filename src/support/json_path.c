/* json_path.c: reading a path. See json_path.h for the grammar. */
#include "support/json_path.h"

#include <string.h>

#include "support/text.h"

struct reading {
    struct json_path *path;
    const char *p;
    const char *wrong; /* static; the first thing that is */
};

static bool refuse(struct reading *r, const char *why) {
    if (!r->wrong)
        r->wrong = why;
    return false;
}

static void skip_spaces(struct reading *r) {
    while (*r->p == ' ')
        r->p++;
}

static bool add_name(struct reading *r, const char *from, size_t nbytes) {
    struct json_path *path = r->path;
    if (!nbytes || path->name_count == JSON_PATH_PARTS)
        return refuse(r, nbytes ? "it has too many names" : "a name is empty");
    path->names[path->name_count].at = (unsigned)(from - path->text);
    path->names[path->name_count++].nbytes = (unsigned)nbytes;
    return true;
}

static bool add_number(struct reading *r, int64_t x) {
    if (r->path->number_count == JSON_PATH_PARTS)
        return refuse(r, "it has too many indexes");
    r->path->numbers[r->path->number_count++] = x;
    return true;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Digits, perhaps behind a minus; at most nine, which is more than any array has here. */
static bool read_number(struct reading *r, int64_t *x) {
    bool negative = *r->p == '-';
    const char *digits = r->p + negative;
    size_t n = 0;
    *x = 0;
    for (; is_digit(digits[n]); n++) {
        if (n == 9)
            return refuse(r, "an index is too large");
        *x = *x * 10 + (digits[n] - '0');
    }
    if (!n)
        return refuse(r, "an index is missing");
    *x = negative ? -*x : *x;
    r->p = digits + n;
    return true;
}

/* 'a', or "a"; no quote can stand in a name. */
static bool read_quoted(struct reading *r) {
    char quote = *r->p;
    if (quote != '\'' && quote != '"')
        return refuse(r, "a quoted name is missing");
    const char *from = r->p + 1, *to = strchr(from, quote);
    if (!to)
        return refuse(r, "a quote is not closed");
    if (memchr(from, '\\', (size_t)(to - from)))
        return refuse(r, "a name has an escape");
    r->p = to + 1;
    return add_name(r, from, (size_t)(to - from));
}

/* Behind a part of a list: true where another one follows. */
static bool more(struct reading *r) {
    skip_spaces(r);
    if (*r->p == ']' || r->wrong)
        return false;
    if (*r->p != ',')
        return refuse(r, "',' or ']' is missing");
    r->p++;
    skip_spaces(r);
    return true;
}

static void read_names(struct reading *r, struct json_path_step *step) {
    step->kind = PATH_NAMES;
    step->first = r->path->name_count;
    do {
        if (!read_quoted(r))
            return;
        step->count++;
    } while (more(r));
}

static const char one_range[] = "only single range filters of format (eg: [1:5]) are supported";

static void read_slice(struct reading *r, struct json_path_step *step, bool has_start, int64_t start) {
    int64_t end = 0;
    step->kind = PATH_SLICE;
    step->from_start = !has_start;
    r->p++;
    skip_spaces(r);
    step->to_end = *r->p == ']';
    if (!step->to_end && !read_number(r, &end))
        return;
    skip_spaces(r);
    if (*r->p == ',' || *r->p == ':')
        refuse(r, one_range);
    step->first = r->path->number_count;
    if (add_number(r, start))
        add_number(r, end);
}

static void read_indexes(struct reading *r, struct json_path_step *step) {
    int64_t x = 0;
    if (*r->p == ':') {
        read_slice(r, step, false, 0);
        return;
    }
    step->kind = PATH_INDEXES;
    step->first = r->path->number_count;
    do {
        if (!read_number(r, &x))
            return;
        skip_spaces(r);
        if (*r->p == ':') {
            if (step->count)
                refuse(r, one_range);
            else
                read_slice(r, step, true, x);
            return;
        }
        if (!add_number(r, x))
            return;
        step->count++;
    } while (more(r));
}

static void read_bracket(struct reading *r, struct json_path_step *step) {
    r->p++;
    skip_spaces(r);
    if (*r->p == '*') {
        step->kind = PATH_ALL;
        r->p++;
    } else if (*r->p == '\'' || *r->p == '"') {
        read_names(r, step);
    } else {
        read_indexes(r, step);
    }
    skip_spaces(r);
    if (!r->wrong && *r->p != ']')
        refuse(r, "']' is missing");
    r->p += !r->wrong;
}

static void read_step(struct reading *r) {
    struct json_path_step *step = &r->path->steps[r->path->step_count];
    if (r->path->step_count == JSON_PATH_PARTS) {
        refuse(r, "it has too many steps");
        return;
    }
    r->path->step_count++;
    bool dot = *r->p == '.';
    r->p += dot;
    if (*r->p == '[') {
        read_bracket(r, step);
    } else if (dot && *r->p == '*') {
        step->kind = PATH_ALL;
        r->p++;
    } else if (dot && *r->p != '.') {
        size_t n = strcspn(r->p, ".[]()?@*,:'\" ");
        step->kind = PATH_NAMES;
        step->first = r->path->name_count;
        step->count = 1;
        if (add_name(r, r->p, n))
            r->p += n;
    } else {
        refuse(r, "'.' or '[' is missing");
    }
}

sl_status json_path_parse(struct json_path *path, const char *text, const char *what, sl_error *err) {
    *path = (struct json_path){.step_count = 0};
    size_t n = strlen(text);
    if (n > JSON_PATH_NBYTES)
        return error_set(err, SL_E_USAGE,
                         "value '%s' at '%s' failed to satisfy constraint: member must have length less than "
                         "or equal to %d",
                         text_quote(text), what, JSON_PATH_NBYTES);
    memcpy(path->text, text, n + 1);
    struct reading r = {.path = path, .p = path->text};
    if (!text_is_utf8(text, n))
        refuse(&r, "it is not UTF-8");
    else if (*r.p != '$')
        refuse(&r, "'$' is missing at its beginning");
    else
        r.p++;
    while (!r.wrong && *r.p)
        read_step(&r);
    if (r.wrong)
        return error_set(err, SL_E_USAGE, "bad %s '%s' at character %zu: %s", what, text_quote(text),
                         (size_t)(r.p - path->text) + 1, r.wrong);
    return SL_OK;
}

bool json_path_fits_rows(const struct json_path *path) {
    return path->step_count == 0 || (path->step_count == 1 && path->steps[0].kind != PATH_NAMES);
}
