/* regex_compile.c: a pattern into steps, by recursive descent. Jumps are relative, so that a piece can be
 * moved to make room for the split in front of it; a counted piece is compiled as often as it is counted. */
#include <string.h>

#include "ops/regex_parse.h"

#define MOST_STEPS 20000
#define MOST_ATOMS 100000 /* compiled in all, copies included */
#define MOST_DEPTH 100
#define MOST_COUNT 1000 /* in {n,m}, as in RE2 */

bool regex_fail(struct regex_compiler *c, const char *fault) {
    if (!c->fault)
        c->fault = fault;
    return false;
}

bool regex_at_end(const struct regex_compiler *c) {
    return c->at == c->pattern.nbytes;
}

bool regex_next_is(const struct regex_compiler *c, char x) {
    return !regex_at_end(c) && c->pattern.data[c->at] == x;
}

bool regex_take(struct regex_compiler *c, const char *text) {
    size_t n = strlen(text);
    if (c->pattern.nbytes - c->at < n || memcmp(c->pattern.data + c->at, text, n) != 0)
        return false;
    c->at += n;
    return true;
}

/* ---- steps ---- */

static bool reserve_step(struct regex_compiler *c) {
    if (c->step_count == MOST_STEPS)
        return regex_fail(c, "it is too large");
    if (c->step_count < c->step_cap)
        return true;
    size_t cap = c->step_cap * 2 + 64;
    struct regex_step *steps = arena_alloc(c->arena, cap, sizeof *steps);
    if (!steps)
        return regex_fail(c, "out of memory");
    if (c->step_count)
        memcpy(steps, c->steps, c->step_count * sizeof *steps);
    c->steps = steps;
    c->step_cap = cap;
    return true;
}

bool regex_emit(struct regex_compiler *c, enum regex_kind kind, int32_t x, int32_t y) {
    if (!reserve_step(c))
        return false;
    c->steps[c->step_count++] = (struct regex_step){.kind = (uint8_t)kind, .x = x, .y = y};
    return true;
}

/* Puts a split in front of everything from `start` on. */
static bool emit_split_at(struct regex_compiler *c, size_t start, int32_t x, int32_t y) {
    if (!reserve_step(c))
        return false;
    memmove(c->steps + start + 1, c->steps + start, (c->step_count - start) * sizeof *c->steps);
    c->steps[start] = (struct regex_step){.kind = REGEX_SPLIT, .x = x, .y = y};
    c->step_count++;
    return true;
}

/* ---- pieces ---- */

static bool take_alternatives(struct regex_compiler *c);

static bool take_escape(struct regex_compiler *c) {
    static const struct {
        const char *name;
        enum regex_assertion what;
    } assertions[] = {
        {"A", REGEX_TEXT_BEGIN}, {"z", REGEX_TEXT_END}, {"b", REGEX_BOUNDARY}, {"B", REGEX_NO_BOUNDARY}};
    for (size_t i = 0; i < sizeof assertions / sizeof *assertions; i++)
        if (regex_take(c, assertions[i].name))
            return regex_emit(c, REGEX_ASSERT, (int32_t)assertions[i].what, 0);
    if (!regex_at_end(c) && regex_class(c->pattern.data[c->at])) {
        char name = c->pattern.data[c->at++];
        struct regex_set set;
        memset(&set, 0, sizeof set);
        return regex_add_named(c, &set, regex_class(name), name < 'a') && regex_emit_set(c, &set);
    }
    uint32_t x;
    return regex_take_char(c, true, &x) && regex_emit_char(c, x, x, false);
}

/* Flags after "(?": "i)", "is:", "-s)". Sets *group when a group begins. */
static bool take_flags(struct regex_compiler *c, bool *group) {
    bool on = true;
    for (; !regex_at_end(c); c->at++) {
        char x = c->pattern.data[c->at];
        if (x == '-')
            on = false;
        else if (x == 'i')
            c->fold = on;
        else if (x == 's')
            c->dot_all = on;
        else if (x == 'm')
            c->multi_line = on;
        else if (x != 'U' && x != 'u') /* greed does not matter to the longest match; UTF-8 it always is */
            break;
    }
    *group = regex_next_is(c, ':');
    if (!regex_take(c, ":") && !regex_take(c, ")"))
        return regex_fail(c, "a (? is not known here");
    return true;
}

static bool take_group(struct regex_compiler *c) {
    bool fold = c->fold, dot_all = c->dot_all, multi_line = c->multi_line, group = true;
    if (regex_take(c, "?P<") || regex_take(c, "?<")) {
        if (regex_next_is(c, '=') || regex_next_is(c, '!'))
            return regex_fail(c, "it looks behind, which is not regular");
        while (!regex_at_end(c) && !regex_next_is(c, '>'))
            c->at++;
        if (!regex_take(c, ">"))
            return regex_fail(c, "a group's name is not closed");
    } else if (regex_take(c, "?") && !take_flags(c, &group)) {
        return false;
    }
    if (!group)
        return true; /* flags for what follows */
    if (++c->depth > MOST_DEPTH)
        return regex_fail(c, "groups are nested too deeply");
    if (!take_alternatives(c))
        return false;
    c->depth--;
    c->fold = fold;
    c->dot_all = dot_all;
    c->multi_line = multi_line;
    return regex_take(c, ")") || regex_fail(c, "a ( is not closed");
}

static bool take_atom(struct regex_compiler *c) {
    uint32_t x;
    if (++c->atoms > MOST_ATOMS)
        return regex_fail(c, "it is too large");
    if (regex_take(c, "("))
        return take_group(c);
    if (regex_take(c, "["))
        return regex_take_set(c);
    if (regex_take(c, "\\"))
        return take_escape(c);
    if (regex_take(c, "."))
        return c->dot_all ? regex_emit_char(c, 0, 0x10ffff, false) : regex_emit_char(c, '\n', '\n', true);
    if (regex_take(c, "^"))
        return regex_emit(c, REGEX_ASSERT, c->multi_line ? REGEX_LINE_BEGIN : REGEX_TEXT_BEGIN, 0);
    if (regex_take(c, "$"))
        return regex_emit(c, REGEX_ASSERT, c->multi_line ? REGEX_LINE_END : REGEX_TEXT_END, 0);
    if (regex_next_is(c, '*') || regex_next_is(c, '+') || regex_next_is(c, '?'))
        return regex_fail(c, "there is nothing to repeat");
    return regex_take_char(c, false, &x) && regex_emit_char(c, x, x, false);
}

static bool take_number(struct regex_compiler *c, int *x) {
    size_t start = c->at;
    for (*x = 0; !regex_at_end(c) && c->pattern.data[c->at] >= '0' && c->pattern.data[c->at] <= '9'; c->at++)
        *x = *x > MOST_COUNT ? *x : *x * 10 + (c->pattern.data[c->at] - '0');
    return c->at > start;
}

/* {n}, {n,} or {n,m}; anything else in braces is itself. most -1: no end. */
static bool take_counts(struct regex_compiler *c, int *least, int *most) {
    size_t before = c->at;
    if (regex_take(c, "{") && take_number(c, least)) {
        *most = *least;
        if (regex_take(c, ",") && !take_number(c, most))
            *most = -1;
        if (regex_take(c, "}"))
            return true;
    }
    c->at = before;
    return false;
}

static int32_t length_from(const struct regex_compiler *c, size_t start) {
    return (int32_t)(c->step_count - start);
}

static bool repeat_any(struct regex_compiler *c, size_t start) {
    return emit_split_at(c, start, 1, length_from(c, start) + 2) &&
           regex_emit(c, REGEX_JUMP, -length_from(c, start), 0);
}

static bool repeat_counted(struct regex_compiler *c, size_t atom, size_t start, int least, int most) {
    size_t after = c->at;
    if (least > MOST_COUNT || most > MOST_COUNT || (most >= 0 && most < least))
        return regex_fail(c, "a {n,m} is out of range");
    c->step_count = start;
    for (int i = 0; i < (most < 0 ? least + 1 : most); i++) {
        size_t copy = c->step_count;
        c->at = atom;
        if (!take_atom(c))
            return false;
        if (most < 0 && i == least) {
            if (!repeat_any(c, copy))
                return false;
        } else if (i >= least && !emit_split_at(c, copy, 1, length_from(c, copy) + 1)) {
            return false;
        }
    }
    c->at = after;
    return true;
}

static bool take_piece(struct regex_compiler *c) {
    size_t start = c->step_count, atom = c->at;
    int least = 0, most = 0;
    bool ok = take_atom(c);
    if (!ok)
        return false;
    if (regex_take(c, "*"))
        ok = repeat_any(c, start);
    else if (regex_take(c, "+"))
        ok = regex_emit(c, REGEX_SPLIT, -length_from(c, start), 1);
    else if (regex_take(c, "?"))
        ok = emit_split_at(c, start, 1, length_from(c, start) + 1);
    else if (take_counts(c, &least, &most))
        ok = repeat_counted(c, atom, start, least, most);
    else
        return true;
    regex_take(c, "?"); /* lazy: of no account where the longest match counts */
    if (ok && (regex_next_is(c, '*') || regex_next_is(c, '+')))
        return regex_fail(c, "a repetition is repeated");
    return ok;
}

static bool take_sequence(struct regex_compiler *c) {
    while (!regex_at_end(c) && !regex_next_is(c, '|') && !regex_next_is(c, ')'))
        if (!take_piece(c))
            return false;
    return true;
}

static bool take_alternatives(struct regex_compiler *c) {
    size_t start = c->step_count;
    if (!take_sequence(c))
        return false;
    while (regex_take(c, "|")) { /* what came before is the first way, the next sequence the second */
        if (!emit_split_at(c, start, 1, length_from(c, start) + 2))
            return false;
        size_t jump = c->step_count;
        if (!regex_emit(c, REGEX_JUMP, 0, 0) || !take_sequence(c))
            return false;
        c->steps[jump].x = length_from(c, jump);
    }
    return true;
}

/* ---- the whole ---- */

/* Bytes that a match can begin with: a walk over the steps that read nothing. */
static void find_first(struct regex *r, const bool *seen) {
    for (size_t i = 0; i < r->step_count; i++) {
        if (!seen[i])
            continue;
        r->may_be_empty = r->may_be_empty || r->steps[i].kind == REGEX_END;
        for (uint32_t b = 0; r->steps[i].kind == REGEX_SET && b < 256; b++)
            if (b >= 128 || regex_set_has(&r->sets[r->steps[i].x], b))
                r->first[b] = true;
    }
}

static bool reach(const struct regex *r, struct arena *arena, bool **seen_out) {
    bool *seen = arena_alloc(arena, r->step_count, 1);
    uint32_t *stack = arena_alloc(arena, 2 * r->step_count + 2, sizeof *stack);
    size_t depth = 0;
    if (!seen || !stack)
        return false;
    stack[depth++] = 0;
    while (depth) {
        uint32_t at = stack[--depth];
        const struct regex_step *step = &r->steps[at];
        if (seen[at])
            continue;
        seen[at] = true;
        if (step->kind == REGEX_SPLIT || step->kind == REGEX_JUMP)
            stack[depth++] = (uint32_t)((int64_t)at + step->x);
        if (step->kind == REGEX_SPLIT)
            stack[depth++] = (uint32_t)((int64_t)at + step->y);
        if (step->kind == REGEX_ASSERT)
            stack[depth++] = at + 1;
    }
    *seen_out = seen;
    return true;
}

sl_status regex_compile(struct regex *regex, struct arena *arena, sl_string pattern, sl_error *err) {
    struct regex_compiler c = {.pattern = pattern, .arena = arena};
    bool *seen = NULL;
    bool ok = take_alternatives(&c);
    if (ok && !regex_at_end(&c))
        ok = regex_fail(&c, "a ) was never opened");
    ok = ok && regex_emit(&c, REGEX_END, 0, 0);
    if (!ok)
        return error_set(err, SL_E_MODEL, "the regular expression does not work here: %s, at byte %zu",
                         c.fault, c.at);
    *regex = (struct regex){
        .steps = c.steps, .sets = c.sets, .step_count = c.step_count, .set_count = c.set_count, .run_of = -1};
    if (c.step_count == 3 && c.steps[0].kind == REGEX_SET && c.steps[1].kind == REGEX_SPLIT &&
        c.steps[1].x == -1)
        regex->run_of = c.steps[0].x;
    if (!reach(regex, arena, &seen))
        return error_set(err, SL_E_MEMORY, "out of memory for a regular expression");
    find_first(regex, seen);
    return SL_OK;
}
