/* join.c: rows of CSV side by side; of JSON the result as the member SageMakerOutput of the input, or beside
 * it as SageMakerInput where that is no object. */
#include "output/join.h"

#include <string.h>

#include "output/inference_id.h"
#include "support/json_scan.h"

static const char output_key[] = "SageMakerOutput";

/* Members of the input that give way to those of the result. */
static bool is_reserved(sl_slice key, bool escaped, bool ids) {
    return json_string_is(key, escaped, output_key, sizeof output_key - 1) ||
           (ids && (json_string_is(key, escaped, INFERENCE_ID_KEY, sizeof INFERENCE_ID_KEY - 1) ||
                    json_string_is(key, escaped, INFERENCE_TIME_KEY, sizeof INFERENCE_TIME_KEY - 1)));
}

static void put_value(struct buf *out, const char *from, size_t nbytes) {
    size_t at = out->size;
    if (!buf_append(out, from, nbytes))
        return;
    for (char *p = out->data + at, *end = p + nbytes; p < end; p++) /* a line stays a line */
        if (*p == '\n' || *p == '\r')
            *p = ' ';
}

static void put_members(struct json_scan *s, bool ids, struct buf *out) {
    bool first = true, escaped, any = false;
    sl_slice key;
    json_enter(s, '{');
    while (json_next(s, '}', &first) && json_take_key(s, &key, &escaped)) {
        json_peek(s);
        const char *value = s->p;
        if (!json_skip(s))
            return;
        if (is_reserved(key, escaped, ids))
            continue;
        if (any)
            buf_append(out, ", ", 2);
        buf_append(out, key.data - 1, key.nbytes + 2);
        buf_append(out, ": ", 2);
        put_value(out, value, (size_t)(s->p - value));
        any = true;
    }
    if (any)
        buf_append(out, ", ", 2);
}

static bool join_json(struct buf *out, bool ids, sl_slice input, sl_slice result,
                      struct json_path_miss *miss) {
    struct json_scan s = {.begin = input.data, .p = input.data, .end = input.data + input.nbytes};
    char open = json_peek(&s);
    buf_putc(out, '{');
    if (open == '{') {
        put_members(&s, ids, out);
    } else {
        const char *value = s.p;
        if (json_skip(&s)) {
            buf_puts(out, "\"SageMakerInput\": ");
            put_value(out, value, (size_t)(s.p - value));
            buf_append(out, ", ", 2);
        }
    }
    buf_printf(out, "\"%s\": ", output_key);
    buf_append(out, result.data, result.nbytes);
    buf_putc(out, '}');
    if (!s.code)
        json_at_end(&s);
    if (s.code)
        *miss = (struct json_path_miss){s.code, s.what};
    return !s.code;
}

static bool join_rows(struct buf *out, sl_slice input, sl_slice result, struct json_path_miss *miss) {
    static const struct json_path all = {.step_count = 0};
    if (!json_path_take_row(&all, input, ',', '"', out, miss))
        return false;
    buf_putc(out, ',');
    buf_append(out, result.data, result.nbytes);
    return true;
}

static bool too_long(struct json_path_miss *miss) {
    *miss = (struct json_path_miss){"result-too-long",
                                    "the joined record is longer than the room planned for its line"};
    return false;
}

bool join_line(struct joining *j, sl_slice input, sl_slice result, struct buf *out,
               struct json_path_miss *miss) {
    const struct json_path *filter = j->how->filter;
    sl_slice line = result;
    if (input.nbytes) {
        buf_reset(&j->room);
        if (!(j->json ? join_json(&j->room, j->how->ids, input, result, miss)
                      : join_rows(&j->room, input, result, miss)))
            return false;
        line = (sl_slice){j->room.data, j->room.size};
    }
    if (j->room.failed)
        return too_long(miss);
    if (!filter || !filter->step_count)
        buf_append(out, line.data, line.nbytes);
    else if (!(j->json ? json_path_take(filter, line, out, miss)
                       : json_path_take_row(filter, line, ',', '"', out, miss)))
        return false;
    if (!out->size)
        buf_puts(out, "\"\""); /* lest the line be blank */
    return buf_putc(out, '\n') || too_long(miss);
}
