/* regex_match.c: runs a compiled regular expression by following all its ways at once (Thompson), and the
 * operator RegexFullMatch. */
#include <string.h>

#include "ops/ops.h"
#include "ops/regex_steps.h"
#include "ops/rules.h"
#include "ops/utf8.h"

/* The ways that are open at one place of the text. */
struct ways {
    uint32_t *steps; /* that read a character, or the end */
    size_t count;
};

/* A place in the text, with the characters around it; UTF8_BAD where there is none. */
struct place {
    bool begin, end;
    uint32_t before, after;
};

struct matcher {
    const struct regex *regex;
    struct ways now, next;
    uint32_t *stack;
    uint32_t *seen; /* per step: the last place it was opened at */
    uint32_t round;
};

size_t regex_scratch_nbytes(const struct regex *regex) {
    return regex->step_count * 5 * sizeof(uint32_t) + 2 * sizeof(uint32_t);
}

static bool is_word(uint32_t c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool asserts(int32_t what, const struct place *p) {
    bool before = !p->begin && is_word(p->before), after = !p->end && is_word(p->after);
    switch ((enum regex_assertion)what) {
    case REGEX_TEXT_BEGIN:
        return p->begin;
    case REGEX_TEXT_END:
        return p->end;
    case REGEX_LINE_BEGIN:
        return p->begin || p->before == '\n';
    case REGEX_LINE_END:
        return p->end || p->after == '\n';
    case REGEX_BOUNDARY:
        return before != after;
    case REGEX_NO_BOUNDARY:
        return before == after;
    }
    return false;
}

/* Opens a step and all that follow without reading. */
static void open_way(struct matcher *m, struct ways *ways, uint32_t first, const struct place *place) {
    size_t depth = 0;
    m->stack[depth++] = first;
    while (depth) {
        uint32_t at = m->stack[--depth];
        const struct regex_step *step = &m->regex->steps[at];
        if (m->seen[at] == m->round)
            continue;
        m->seen[at] = m->round;
        switch ((enum regex_kind)step->kind) {
        case REGEX_SPLIT:
            m->stack[depth++] = (uint32_t)((int64_t)at + step->y);
            m->stack[depth++] = (uint32_t)((int64_t)at + step->x);
            break;
        case REGEX_JUMP:
            m->stack[depth++] = (uint32_t)((int64_t)at + step->x);
            break;
        case REGEX_ASSERT:
            if (asserts(step->x, place))
                m->stack[depth++] = at + 1;
            break;
        case REGEX_SET:
        case REGEX_END:
            ways->steps[ways->count++] = at;
            break;
        }
    }
}

static void begin(struct matcher *m, const struct regex *regex, void *scratch) {
    size_t n = regex->step_count;
    uint32_t *room = scratch;
    *m = (struct matcher){.regex = regex,
                          .now = {.steps = room},
                          .next = {.steps = room + n},
                          .seen = room + 2 * n,
                          .stack = room + 3 * n};
    memset(m->seen, 0, n * sizeof *m->seen);
}

/* The character before `at`: up to three bytes back. */
static uint32_t char_before(sl_string text, size_t at) {
    size_t start = at, used;
    do
        start--;
    while (start > 0 && at - start < 4 && ((unsigned char)text.data[start] & 0xc0) == 0x80);
    uint32_t c = utf8_read(text.data + start, at - start, &used);
    return start + used == at ? c : UTF8_BAD;
}

static int64_t match_run(const struct regex_set *set, sl_string text, size_t at) {
    size_t start = at, used;
    for (; at < text.nbytes; at += used)
        if (!regex_set_has(set, utf8_read(text.data + at, text.nbytes - at, &used)))
            break;
    return at > start ? (int64_t)(at - start) : -1;
}

int64_t regex_match(const struct regex *regex, void *scratch, sl_string text, size_t at) {
    struct matcher m;
    int64_t longest = -1;
    bool ended = at >= text.nbytes;
    if (!regex->may_be_empty && (ended || !regex->first[(unsigned char)text.data[at]]))
        return -1;
    if (regex->run_of >= 0)
        return match_run(&regex->sets[regex->run_of], text, at);
    begin(&m, regex, scratch);
    struct place place = {.begin = at == 0, .before = at ? char_before(text, at) : UTF8_BAD};
    for (size_t here = at;;) {
        size_t used = 0;
        place.end = here >= text.nbytes;
        place.after = place.end ? UTF8_BAD : utf8_read(text.data + here, text.nbytes - here, &used);
        m.round++;
        struct ways ways = m.next;
        ways.count = 0;
        if (here == at)
            open_way(&m, &ways, 0, &place);
        for (size_t i = 0; i < m.now.count; i++) /* these read the character before `here` */
            open_way(&m, &ways, m.now.steps[i] + 1, &place);
        m.next = m.now;
        m.now = ways;
        size_t kept = 0;
        for (size_t i = 0; i < m.now.count; i++) {
            const struct regex_step *step = &regex->steps[m.now.steps[i]];
            if (step->kind == REGEX_END)
                longest = (int64_t)(here - at);
            else if (!place.end && regex_set_has(&regex->sets[step->x], place.after))
                m.now.steps[kept++] = m.now.steps[i];
        }
        m.now.count = kept;
        if (!kept)
            return longest;
        here += used;
        place.begin = false;
        place.before = place.after;
    }
}

/* RegexFullMatch: the longest match from the beginning is all of the text. */
static sl_status infer_full_match(const struct op_call *call, sl_error *err) {
    const struct attr *pattern = op_attr(call, "pattern");
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_STRING), err);
    if (st == SL_OK && (!pattern || pattern->type != ATTR_STRING))
        st = error_set(err, SL_E_MODEL, "attribute 'pattern' is missing");
    if (st == SL_OK)
        rule_set(call->out[0], SL_BOOL, call->in[0]->rank, call->in[0]->dims);
    return st;
}

static sl_status prepare_full_match(const struct op_call *call, struct arena *arena,
                                    struct op_prepared *prepared, sl_error *err) {
    struct regex *regex = arena_alloc(arena, 1, sizeof *regex);
    if (!regex)
        return error_set(err, SL_E_MEMORY, "out of memory for a regular expression");
    sl_status st = regex_compile(regex, arena, op_attr(call, "pattern")->s, err);
    prepared->state = regex;
    prepared->scratch_nbytes = st == SL_OK ? regex_scratch_nbytes(regex) : 0;
    return st;
}

static void run_full_match(const struct op_call *call) {
    const sl_string *x = call->in[0]->data;
    for (int64_t i = 0, n = rule_count(call->in[0]); i < n; i++)
        ((uint8_t *)call->out[0]->data)[i] =
            regex_match(call->state, call->scratch, x[i], 0) == (int64_t)x[i].nbytes;
}

const struct op op_regex_full_match = {.domain = "",
                                       .name = "RegexFullMatch",
                                       .since = 20,
                                       .min_in = 1,
                                       .max_in = 1,
                                       .min_out = 1,
                                       .max_out = 1,
                                       .attrs = "pattern",
                                       .infer = infer_full_match,
                                       .prepare = prepare_full_match,
                                       .any_size = true,
                                       .run = run_full_match};
