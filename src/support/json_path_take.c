/* json_path_take.c: what a path takes. A container is walked twice where its length has to be known first;
 * its values are skipped by the scanner that reads records, so what is no JSON is refused here in the same
 * words. */
#include <string.h>

#include "support/json_path.h"
#include "support/json_scan.h"

/* One taking. */
struct taking {
    const struct json_path *path;
    struct buf *out;
    bool list, any; /* what is found goes into one array; something is in it */
    struct json_path_miss *miss;
};

static bool fail(struct taking *t, const char *code, const char *reason) {
    *t->miss = (struct json_path_miss){code, reason};
    return false;
}

static const char not_found[] = "no results for path: a member is missing";
static const char out_of_bounds[] = "an index is outside of what there is";

/* ---- indexes ---- */

static int64_t clip(int64_t x, int64_t count) {
    x = x < 0 ? x + count : x;
    return x < 0 ? 0 : x > count ? count : x;
}

/* Of `count` things, what a slice takes as [start, end); any other step all. */
static void bounds(const struct json_path *path, const struct json_path_step *step, int64_t count,
                   int64_t *start, int64_t *end) {
    *start = 0;
    *end = count;
    if (step->kind != PATH_SLICE)
        return;
    *start = step->from_start ? 0 : clip(path->numbers[step->first], count);
    *end = step->to_end ? count : clip(path->numbers[step->first + 1], count);
}

static int64_t index_of(const struct json_path *path, const struct json_path_step *step, unsigned i,
                        int64_t count) {
    int64_t x = path->numbers[step->first + i];
    x = x < 0 ? x + count : x;
    return x < count ? x : -1;
}

bool json_path_pick(const struct json_path *path, size_t count, uint32_t *picked, size_t cap, size_t *taken) {
    static const struct json_path_step all = {.kind = PATH_ALL};
    const struct json_path_step *step = path->step_count ? &path->steps[0] : &all;
    int64_t start, end, many = (int64_t)count;
    *taken = 0;
    for (unsigned i = 0; step->kind == PATH_INDEXES && i < step->count; i++) {
        int64_t x = index_of(path, step, i, many);
        if (x < 0 || *taken == cap)
            return false;
        picked[(*taken)++] = (uint32_t)x;
    }
    bounds(path, step, many, &start, &end);
    for (; step->kind != PATH_INDEXES && start < end; start++) {
        if (*taken == cap)
            return false;
        picked[(*taken)++] = (uint32_t)start;
    }
    return true;
}

/* ---- JSON ---- */

/* Whether more than one value can come of the first `count` steps. Behind such a step what is not there is
 * left out; before it, it is an error. */
static bool is_list(const struct json_path *path, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        const struct json_path_step *step = &path->steps[i];
        bool leaf = step->kind == PATH_NAMES && i + 1 == path->step_count;
        if (step->kind == PATH_SLICE || step->kind == PATH_ALL || (step->count > 1 && !leaf))
            return true;
    }
    return false;
}

static bool take_step(struct taking *t, sl_slice value, unsigned number);

static bool put(struct taking *t, const char *text, size_t nbytes) {
    return buf_append(t->out, text, nbytes) || fail(t, "too-long", "it takes more than there is room for");
}

/* A value that was found; line ends between its parts become blanks, so that a line stays a line. */
static bool found(struct taking *t, sl_slice value) {
    if (t->list && t->any && !put(t, ",", 1))
        return false;
    t->any = true;
    size_t at = t->out->size;
    if (!put(t, value.data, value.nbytes))
        return false;
    for (char *p = t->out->data + at, *end = p + value.nbytes; p < end; p++)
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    return true;
}

static sl_slice next_value(struct json_scan *s) {
    json_peek(s);
    const char *from = s->p;
    json_skip(s);
    return (sl_slice){from, (size_t)(s->p - from)};
}

static bool scan_failed(struct taking *t, const struct json_scan *s) {
    return fail(t, s->code, s->what);
}

/* The member that is called so. A name twice could be read in two ways. */
static bool find_member(struct taking *t, sl_slice object, unsigned name, sl_slice *key, sl_slice *value,
                        bool *there) {
    struct json_scan s = {.begin = object.data, .p = object.data, .end = object.data + object.nbytes};
    bool first = true, escaped;
    *there = false;
    json_enter(&s, '{');
    while (json_next(&s, '}', &first)) {
        sl_slice k, v;
        if (!json_take_key(&s, &k, &escaped))
            break;
        v = next_value(&s);
        if (s.code)
            break;
        if (!json_string_is(k, escaped, t->path->text + t->path->names[name].at, t->path->names[name].nbytes))
            continue;
        if (*there)
            return fail(t, "duplicate-key", "a member that the filter names is there twice");
        *there = true;
        *key = (sl_slice){k.data - 1, k.nbytes + 2};
        *value = v;
    }
    return s.code ? scan_failed(t, &s) : true;
}

static bool count_elements(struct taking *t, sl_slice array, int64_t *count) {
    struct json_scan s = {.begin = array.data, .p = array.data, .end = array.data + array.nbytes};
    bool first = true;
    json_enter(&s, '[');
    for (*count = 0; json_next(&s, ']', &first) && json_skip(&s);)
        ++*count;
    return s.code ? scan_failed(t, &s) : true;
}

static bool take_elements(struct taking *t, sl_slice array, int64_t start, int64_t end, unsigned number) {
    struct json_scan s = {.begin = array.data, .p = array.data, .end = array.data + array.nbytes};
    bool first = true;
    json_enter(&s, '[');
    for (int64_t i = 0; i < end && json_next(&s, ']', &first); i++) {
        sl_slice value = next_value(&s);
        if (i >= start && !take_step(t, value, number + 1))
            return false;
    }
    return true;
}

static bool take_members(struct taking *t, sl_slice object, unsigned number) {
    struct json_scan s = {.begin = object.data, .p = object.data, .end = object.data + object.nbytes};
    bool first = true, escaped;
    sl_slice key;
    json_enter(&s, '{');
    while (json_next(&s, '}', &first)) {
        if (!json_take_key(&s, &key, &escaped))
            return scan_failed(t, &s);
        sl_slice value = next_value(&s);
        if (s.code)
            return scan_failed(t, &s);
        if (!take_step(t, value, number + 1))
            return false;
    }
    return s.code ? scan_failed(t, &s) : true;
}

/* ['a','b'] at the end of a path: an object of those that are there. */
static bool take_object(struct taking *t, sl_slice object, const struct json_path_step *step) {
    bool first = true;
    if (t->list && t->any && !put(t, ",", 1))
        return false;
    t->any = true;
    if (!put(t, "{", 1))
        return false;
    for (unsigned i = 0; i < step->count; i++) {
        sl_slice key, value;
        bool there, list = t->list;
        if (!find_member(t, object, step->first + i, &key, &value, &there))
            return false;
        if (!there)
            continue;
        if ((!first && !put(t, ",", 1)) || !put(t, key.data, key.nbytes) || !put(t, ":", 1))
            return false;
        t->list = false;
        bool well = found(t, value);
        t->list = list;
        if (!well)
            return false;
        first = false;
    }
    return put(t, "}", 1);
}

static bool take_names(struct taking *t, sl_slice value, const struct json_path_step *step, unsigned number) {
    bool last = number + 1 == t->path->step_count, lax = is_list(t->path, number);
    if (value.data[0] != '{')
        return lax ? true : fail(t, "filter", "no results for path: a member is asked of what is no object");
    if (step->count > 1 && last)
        return take_object(t, value, step);
    for (unsigned i = 0; i < step->count; i++) {
        sl_slice key, member;
        bool there;
        if (!find_member(t, value, step->first + i, &key, &member, &there))
            return false;
        if (!there && !lax && step->count == 1)
            return fail(t, "filter", not_found);
        if (there && !take_step(t, member, number + 1))
            return false;
    }
    return true;
}

static bool take_numbers(struct taking *t, sl_slice value, const struct json_path_step *step,
                         unsigned number) {
    int64_t count, start, end;
    if (value.data[0] != '[')
        return is_list(t->path, number)
                   ? true
                   : fail(t, "filter", "no results for path: an index is asked of what is no array");
    if (!count_elements(t, value, &count))
        return false;
    if (step->kind == PATH_SLICE) {
        bounds(t->path, step, count, &start, &end);
        return take_elements(t, value, start, end, number);
    }
    for (unsigned i = 0; i < step->count; i++) {
        int64_t x = index_of(t->path, step, i, count);
        if (x < 0)
            return fail(t, "filter", out_of_bounds);
        if (!take_elements(t, value, x, x + 1, number))
            return false;
    }
    return true;
}

static bool take_step(struct taking *t, sl_slice value, unsigned number) {
    if (number == t->path->step_count)
        return found(t, value);
    const struct json_path_step *step = &t->path->steps[number];
    if (step->kind == PATH_NAMES)
        return take_names(t, value, step, number);
    if (step->kind != PATH_ALL)
        return take_numbers(t, value, step, number);
    if (value.data[0] == '{')
        return take_members(t, value, number);
    return value.data[0] != '[' || take_elements(t, value, 0, INT64_MAX, number);
}

bool json_path_take(const struct json_path *path, sl_slice json, struct buf *out,
                    struct json_path_miss *miss) {
    struct taking t = {.path = path, .out = out, .list = is_list(path, path->step_count), .miss = miss};
    struct json_scan s = {.begin = json.data, .p = json.data, .end = json.data + json.nbytes};
    sl_slice root = next_value(&s);
    if (s.code || !json_at_end(&s))
        return scan_failed(&t, &s);
    if (t.list && !put(&t, "[", 1))
        return false;
    return take_step(&t, root, 0) && (!t.list || put(&t, "]", 1));
}

/* ---- rows ---- */

/* Past one field; NULL where its quotes are wrong. The delimiter is left, or the end reached. */
static const char *past_field(const char *p, const char *end, char delimiter, char quote) {
    if (p < end && *p == quote) {
        for (p++;; p += 2) {
            p = p < end ? memchr(p, quote, (size_t)(end - p)) : NULL;
            if (!p)
                return NULL;
            if (p + 1 == end || p[1] == delimiter)
                return p + 1;
            if (p[1] != quote)
                return NULL;
        }
    }
    const char *stop = memchr(p, delimiter, (size_t)(end - p));
    stop = stop ? stop : end;
    return memchr(p, quote, (size_t)(stop - p)) ? NULL : stop;
}

static bool count_fields(sl_slice row, char delimiter, char quote, int64_t *count) {
    const char *p = row.data, *end = p + row.nbytes;
    for (*count = 1;; ++*count, p++) {
        p = past_field(p, end, delimiter, quote);
        if (!p || p == end)
            return p != NULL;
    }
}

/* Fields [start, end) as they stand. */
static bool take_fields(struct taking *t, sl_slice row, char delimiter, char quote, int64_t start,
                        int64_t end) {
    const char *p = row.data, *stop = p + row.nbytes, *from = p;
    if (start >= end)
        return true;
    for (int64_t i = 0; i < end; i++) {
        if (i)
            p++;
        if (i == start)
            from = p;
        p = past_field(p, stop, delimiter, quote);
    }
    return (!t->any || put(t, &delimiter, 1)) && (t->any = true, put(t, from, (size_t)(p - from)));
}

bool json_path_take_row(const struct json_path *path, sl_slice row, char delimiter, char quote,
                        struct buf *out, struct json_path_miss *miss) {
    static const struct json_path_step all = {.kind = PATH_ALL};
    const struct json_path_step *step = path->step_count ? &path->steps[0] : &all;
    struct taking t = {.path = path, .out = out, .miss = miss};
    int64_t count, start, end;
    if (!count_fields(row, delimiter, quote, &count))
        return fail(&t, "bad-csv", "a quote stands where RFC 4180 allows none");
    if (step->kind != PATH_INDEXES) {
        bounds(path, step, count, &start, &end);
        return take_fields(&t, row, delimiter, quote, start, end);
    }
    for (unsigned i = 0; i < step->count; i++) {
        int64_t x = index_of(path, step, i, count);
        if (x < 0)
            return fail(&t, "filter", out_of_bounds);
        if (!take_fields(&t, row, delimiter, quote, x, x + 1))
            return false;
    }
    return true;
}
