/* string_normalize.c: StringNormalizer. Letters change case by Unicode's simple mapping (libc's C.UTF-8),
 * which is what the operator's `locale` comes to in practice; ASCII texts take a loop of their own. */
#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wctype.h>

#include "ops/lookup.h"
#include "ops/ops.h"
#include "ops/rules.h"
#include "ops/utf8.h"

enum change { KEEP, LOWER, UPPER };

static locale_t unicode;

static void open_locale(void) {
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t unicode_locale(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_locale);
    return unicode;
}

static sl_status read_change(const struct op_call *call, enum change *change, sl_error *err) {
    static const char *const names[] = {"NONE", "LOWER", "UPPER"};
    for (int i = 0; i < 3; i++)
        if (op_attr_is(call, "case_change_action", names[i], "NONE")) {
            *change = (enum change)i;
            if (i != KEEP && !unicode_locale())
                return error_set(err, SL_E_MODEL, "this system has no locale 'C.UTF-8' to change case with");
            return SL_OK;
        }
    return error_set(err, SL_E_MODEL, "attribute 'case_change_action' is none of NONE, LOWER, UPPER");
}

/* ASCII keeps its length; elsewhere a character of two bytes may come to have three. Returns the bytes. */
static size_t change_case(enum change change, sl_string text, char *out) {
    size_t used = 0;
    for (size_t at = 0; at < text.nbytes;) {
        unsigned char c = (unsigned char)text.data[at];
        if (c < 128) {
            bool turns = change == UPPER ? c >= 'a' && c <= 'z' : c >= 'A' && c <= 'Z';
            out[used++] = (char)(turns ? c ^ 32 : c);
            at++;
            continue;
        }
        size_t nbytes;
        uint32_t point = utf8_read(text.data + at, text.nbytes - at, &nbytes);
        if (point == UTF8_BAD) {
            memcpy(out + used, text.data + at, nbytes);
            used += nbytes;
        } else {
            wint_t to =
                change == UPPER ? towupper_l((wint_t)point, unicode) : towlower_l((wint_t)point, unicode);
            used += utf8_write(out + used, (uint32_t)to);
        }
        at += nbytes;
    }
    return used;
}

/* Case-insensitively both sides are compared in lower case, a character at a time. */
static bool same_folded(sl_string a, sl_string b) {
    size_t i = 0, j = 0, a_nbytes, b_nbytes;
    while (i < a.nbytes && j < b.nbytes) {
        uint32_t x = utf8_read(a.data + i, a.nbytes - i, &a_nbytes);
        uint32_t y = utf8_read(b.data + j, b.nbytes - j, &b_nbytes);
        bool same = x == UTF8_BAD || y == UTF8_BAD
                        ? x == y && a.data[i] == b.data[j]
                        : towlower_l((wint_t)x, unicode) == towlower_l((wint_t)y, unicode);
        if (!same)
            return false;
        i += a_nbytes;
        j += b_nbytes;
    }
    return i == a.nbytes && j == b.nbytes;
}

static bool is_stopword(const struct op_call *call, sl_string text) {
    const struct attr *stopwords = op_attr(call, "stopwords");
    bool exact = op_attr_int(call, "is_case_sensitive", 0) != 0 || !unicode_locale();
    for (size_t i = 0; stopwords && i < stopwords->count; i++)
        if (exact ? text_same(text, stopwords->strings[i]) : same_folded(text, stopwords->strings[i]))
            return true;
    return false;
}

static sl_status infer_normalizer(const struct op_call *call, sl_error *err) {
    const sl_tensor *x = call->in[0];
    const struct attr *stopwords = op_attr(call, "stopwords");
    enum change change;
    sl_status st = rule_dtype(call, 0, OPS_BIT(SL_STRING), err);
    if (st == SL_OK)
        st = read_change(call, &change, err);
    if (st == SL_OK && (x->rank < 1 || x->rank > 2))
        st = error_set(err, SL_E_MODEL, "input 0 has %d dims, expected 1 or 2", x->rank);
    if (st == SL_OK && stopwords && stopwords->type != ATTR_STRINGS)
        st = error_set(err, SL_E_MODEL, "attribute 'stopwords' is not a list of texts");
    if (st != SL_OK)
        return st;
    rule_like(call, 0);
    if (!stopwords || !stopwords->count)
        return SL_OK;
    if (!x->data)
        return error_set(err, SL_E_MODEL,
                         "with stopwords it would leave out records, and the others would change places");
    int64_t left = 0;
    for (int64_t i = 0; i < rule_count(x); i++)
        left += !is_stopword(call, ((const sl_string *)x->data)[i]);
    call->out[0]->dims[x->rank - 1] = left ? left : 1;
    return SL_OK;
}

static size_t text_normalizer(const struct op_call *call, const struct op_text *in, struct op_text *out) {
    enum change change = KEEP;
    if (read_change(call, &change, NULL) == SL_OK && change == KEEP) {
        *out = in[0];
        return 0;
    }
    out->longest = in[0].longest + in[0].longest / 2;
    out->total = in[0].total + in[0].total / 2;
    return out->total;
}

static void run_normalizer(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    const struct attr *stopwords = op_attr(call, "stopwords");
    sl_string *out = call->out[0]->data;
    char *text = call->text;
    enum change change = KEEP;
    if (read_change(call, &change, NULL) != SL_OK)
        return;
    if (rule_count(call->out[0]))
        out[0] = (sl_string){"", 0}; /* stays where nothing is left */
    for (int64_t i = 0, n = rule_count(x); i < n; i++) {
        sl_string from = ((const sl_string *)x->data)[i];
        if (stopwords && stopwords->count && is_stopword(call, from))
            continue;
        if (change == KEEP) {
            *out++ = from;
            continue;
        }
        size_t nbytes = change_case(change, from, text);
        *out++ = (sl_string){text, nbytes};
        text += nbytes;
    }
}

const struct op op_string_normalizer = {.domain = "",
                                        .name = "StringNormalizer",
                                        .since = 10,
                                        .min_in = 1,
                                        .max_in = 1,
                                        .min_out = 1,
                                        .max_out = 1,
                                        .attrs = "case_change_action is_case_sensitive locale stopwords",
                                        .infer = infer_normalizer,
                                        .run = run_normalizer,
                                        .text = text_normalizer};
