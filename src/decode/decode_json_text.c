/* decode_json_text.c: texts out of a JSON record. Strings without escapes are parts of the record; the others
 * are put together in the worker's room. */
#include <string.h>

#include "decode/decode_json.h"
#include "decode/worker_ctx.h"
#include "support/text.h"

/* One value as text. `used`: bytes of the worker's room that hold texts of this record. */
static sl_status take_text(sl_ctx *ctx, struct json_scan *s, const char *what, size_t *used, sl_string *out) {
    struct json_reader *reader = &ctx->worker->json;
    char c = json_peek(s);
    const char *start = s->p;
    sl_slice text;
    bool escaped;
    if (c != '"') {
        if (!json_skip(s))
            return json_reject_scan(ctx, s);
        if (c == 'n')
            return reject_set(ctx, "decode", "missing-value", "%s is null", what);
        if (json_one_of(c, "{[tf"))
            return reject_set(ctx, "decode", "not-a-text", "%s is %s, expected a text", what,
                              json_value_name(c));
        *out = (sl_string){start, (size_t)(s->p - start)};
        return SL_OK;
    }
    if (!json_take_string(s, &text, &escaped))
        return json_reject_scan(ctx, s);
    *out = (sl_string){text.data, text.nbytes};
    if (!escaped)
        return SL_OK;
    if (text.nbytes > reader->text_nbytes - *used)
        return reject_set(ctx, "decode", "text-too-long", "%s has %zu bytes, at most %zu are allowed", what,
                          text.nbytes, reader->text_nbytes);
    *out = (sl_string){reader->text + *used, json_unescape(text, reader->text + *used)};
    *used += out->nbytes;
    return SL_OK;
}

static sl_status take_member(sl_ctx *ctx, struct json_scan *s, const char *key, size_t *used,
                             sl_string *out) {
    char what[96];
    if (out->data)
        return reject_set(ctx, "decode", "duplicate-key", "'%s' appears twice", text_quote(key));
    struct buf b;
    buf_init_fixed(&b, what, sizeof what);
    buf_printf(&b, "'%.80s'", text_quote(key));
    return take_text(ctx, s, what, used, out);
}

sl_status json_read_members_texts(sl_ctx *ctx, sl_slice json, const char *const *keys, size_t count,
                                  sl_string *out) {
    sl_status status = json_expect(ctx, json, '{', "an object");
    if (status != SL_OK)
        return status;
    struct json_scan s = {.begin = json.data, .p = json.data, .end = json.data + json.nbytes};
    size_t guess = 0, used = 0;
    bool escaped, first = true;
    sl_slice name;
    memset(out, 0, count * sizeof *out);
    if (!json_enter(&s, '{'))
        return json_reject_scan(ctx, &s);
    while (json_next(&s, '}', &first)) {
        if (!json_take_key(&s, &name, &escaped))
            return json_reject_scan(ctx, &s);
        size_t k = json_find_key(name, escaped, keys, count, guess);
        if (k == count) {
            if (!json_skip(&s))
                return json_reject_scan(ctx, &s);
            continue;
        }
        status = take_member(ctx, &s, keys[k], &used, &out[k]);
        if (status != SL_OK)
            return status;
        guess = k + 1 < count ? k + 1 : 0;
    }
    if (s.code || !json_at_end(&s))
        return json_reject_scan(ctx, &s);
    for (size_t k = 0; k < count; k++)
        if (!out[k].data)
            return reject_set(ctx, "decode", "missing-value", "the object has no '%s'", text_quote(keys[k]));
    return SL_OK;
}

sl_status json_read_texts(sl_ctx *ctx, sl_slice json, size_t count, sl_string *out) {
    struct json_scan s = {.begin = json.data, .p = json.data, .end = json.data + json.nbytes};
    size_t have = 0, used = 0;
    bool first = true;
    sl_status status = SL_OK;
    if (json_peek(&s) != '[') {
        status = take_text(ctx, &s, "the value", &used, &out[0]);
        have = 1;
    } else if (!json_enter(&s, '[')) {
        return json_reject_scan(ctx, &s);
    } else {
        while (status == SL_OK && json_next(&s, ']', &first)) {
            sl_string spare;
            status = take_text(ctx, &s, "an element", &used, have < count ? &out[have] : &spare);
            have++;
        }
    }
    if (status != SL_OK)
        return status;
    if (s.code || !json_at_end(&s))
        return json_reject_scan(ctx, &s);
    if (have != count)
        return reject_set(ctx, "decode", "ragged-row", "array has %zu text%s, expected %zu", have,
                          have == 1 ? "" : "s", count);
    return SL_OK;
}
