/* text_added.c: cutting added tokens out of a text, and everything from a record's text to its numbers. */
#include <string.h>

#include "transforms/text/text_tokenizer.h"

static unsigned flags_at(const struct text_run *run, uint32_t c) {
    return unicode_flags(&run->t->unicode, c);
}

/* The longest token of the set that begins at `at`, or NULL. They are in the order of their first characters,
 * the longest of each first. */
static const struct text_added *token_at(const struct text_added_set *set, const uint32_t *c, size_t at,
                                         size_t count) {
    if (!set->filter[c[at] & 0xff])
        return NULL;
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (set->tokens[middle].text[0] < c[at])
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < set->count && set->tokens[low].text[0] == c[at]; low++) {
        const struct text_added *token = &set->tokens[low];
        if (token->count <= count - at && memcmp(token->text, c + at, token->count * sizeof *c) == 0)
            return token;
    }
    return NULL;
}

static bool is_single_word(const struct text_run *run, const uint32_t *c, size_t begin, size_t end,
                           size_t count) {
    return (begin == 0 || !(flags_at(run, c[begin - 1]) & UNI_WORD)) &&
           (end == count || !(flags_at(run, c[end]) & UNI_WORD));
}

typedef void part_function(struct text_run *run, const uint32_t *c, size_t count, bool at_start);

/* Hands the parts between the tokens of the set on, and puts the tokens' numbers between. */
static void cut_tokens(struct text_run *run, const struct text_added_set *set, const uint32_t *c,
                       size_t count, bool at_start, part_function *part) {
    size_t gap = 0;
    for (size_t i = 0; set->count && i < count && !run->done;) {
        const struct text_added *token = token_at(set, c, i, count);
        if (!token) {
            i++;
            continue;
        }
        size_t begin = i, end = i + token->count;
        i = end;
        if (token->single_word && !is_single_word(run, c, begin, end, count))
            continue;
        while (token->lstrip && begin > gap && (flags_at(run, c[begin - 1]) & UNI_SPACE))
            begin--;
        while (token->rstrip && end < count && (flags_at(run, c[end]) & UNI_SPACE))
            end++;
        if (begin > gap)
            part(run, c + gap, begin - gap, at_start && gap == 0);
        if (!run->done)
            text_put(run, token->id);
        gap = end;
        i = end > i ? end : i;
    }
    if (gap < count && !run->done)
        part(run, c + gap, count - gap, at_start && gap == 0);
}

static void split_part(struct text_run *run, const uint32_t *c, size_t count, bool at_start) {
    text_split_from(run, 0, c, count, at_start);
}

static void normal_part(struct text_run *run, const uint32_t *c, size_t count, bool at_start) {
    uint32_t *at = (uint32_t *)(uintptr_t)c; /* read only: steps write to room.a and room.b */
    if (!text_normalize(run, &at, &count)) {
        run->overflow = run->done = true;
        return;
    }
    cut_tokens(run, &run->t->added_normal, at, count, at_start && !run->lost_start, split_part);
}

bool text_encode(struct text_run *run, const char *text, size_t nbytes, struct text_ids *out,
                 size_t *bad_at) {
    const unsigned char *p = (const unsigned char *)text, *end = p + nbytes;
    uint32_t *raw = run->room.raw;
    size_t n = 0;
    run->out = out;
    run->done = run->overflow = false;
    run->tries = TEXT_REGEX_TRIES;
    out->count = 0;
    while (p < end) {
        if (*p < 0x80) {
            raw[n++] = *p++;
            continue;
        }
        unsigned more = text_utf8_read(p, end, &raw[n]);
        if (!more) {
            *bad_at = (size_t)(p - (const unsigned char *)text);
            return false;
        }
        p += more;
        n++;
    }
    cut_tokens(run, &run->t->added, raw, n, true, normal_part);
    *bad_at = SIZE_MAX;
    return !run->overflow && run->tries;
}

bool text_truncate(enum text_strategy strategy, size_t most, bool pair, size_t *first, size_t *second) {
    size_t total = *first + (pair ? *second : 0);
    if (total <= most)
        return true;
    if (strategy == TRUNCATE_NONE)
        return false;
    if (strategy == TRUNCATE_LONGEST && !pair) {
        *first = most;
        return true;
    }
    if (strategy == TRUNCATE_LONGEST) {
        size_t *shorter = *first > *second ? second : first, *longer = *first > *second ? first : second;
        *longer = *shorter > most ? *shorter : most - *shorter > *shorter ? most - *shorter : *shorter;
        if (*shorter + *longer > most) {
            *shorter = most / 2;
            *longer = *shorter + most % 2;
        }
        return true;
    }
    size_t *target = strategy == TRUNCATE_FIRST ? first : second;
    if ((strategy == TRUNCATE_SECOND && !pair) || *target <= total - most)
        return false;
    *target -= total - most;
    return true;
}

/* --- a worker's room --- */

static size_t room_cap(size_t max_nbytes) {
    return 2 * max_nbytes + 1024;
}

/* The next `count` elements of the memory; without memory only counted. */
static void *lay(char *memory, size_t *used, size_t count, size_t size) {
    void *here = memory ? memory + *used : NULL;
    *used += (count * size + 63) / 64 * 64;
    return here;
}

static size_t lay_all(struct text_room *room, const struct text_tokenizer *t, size_t max_nbytes,
                      char *memory) {
    size_t used = 0, cap = room->cap = room_cap(max_nbytes);
    bool whole = t->model.kind == MODEL_WORDLEVEL;
    size_t symbols = t->model.kind == MODEL_WORDPIECE || whole ? 0 : cap + 1;
    room->buffers = lay(memory, &used, t->split_buffers + 1, sizeof *room->buffers);
    room->raw = lay(memory, &used, cap, sizeof *room->raw);
    room->a = lay(memory, &used, cap, sizeof *room->a);
    room->b = lay(memory, &used, cap, sizeof *room->b);
    for (size_t i = 0; i < t->split_buffers; i++) {
        uint32_t *buffer = lay(memory, &used, cap, sizeof *buffer);
        if (memory)
            room->buffers[i] = buffer;
    }
    room->bytes = lay(memory, &used, whole ? cap : symbols, 1);
    room->symbols = lay(memory, &used, symbols, sizeof *room->symbols);
    room->heap = lay(memory, &used, t->model.kind == MODEL_BPE ? 3 * cap : 0, sizeof *room->heap);
    return used;
}

size_t text_room_nbytes(const struct text_tokenizer *t, size_t max_nbytes) {
    struct text_room room;
    return lay_all(&room, t, max_nbytes, NULL);
}

void text_room_lay(struct text_room *room, const struct text_tokenizer *t, size_t max_nbytes, void *memory) {
    lay_all(room, t, max_nbytes, memory);
}
