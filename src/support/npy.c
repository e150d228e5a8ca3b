/* npy.c: see npy.h. The literal is {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } in any order
 * of its keys, padded with spaces, ended by a line feed. */
#include "support/npy.h"

#include <string.h>

#define MAGIC "\x93NUMPY"
#define MAGIC_NBYTES 6u

struct text {
    const char *at, *end;
};

bool npy_matches(const void *data, size_t nbytes) {
    return nbytes >= MAGIC_NBYTES && !memcmp(data, MAGIC, MAGIC_NBYTES);
}

size_t npy_header_nbytes(const void *data, size_t nbytes, const char **why) {
    const unsigned char *p = data;
    *why = NULL;
    if (nbytes >= MAGIC_NBYTES && !npy_matches(data, nbytes))
        *why = "it is not a NumPy array";
    else if (nbytes >= 8 && (p[6] < 1 || p[6] > 3 || p[7] != 0))
        *why = "it is a NumPy array of a version that is not known";
    if (*why || nbytes < 10 || (p[6] > 1 && nbytes < 12))
        return 0;
    size_t length = (size_t)p[8] | (size_t)p[9] << 8, head = 10;
    if (p[6] > 1) {
        length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
        head = 12;
    }
    if (length > NPY_MAX_HEADER - head) {
        *why = "its NumPy header is longer than 64 KiB";
        return 0;
    }
    return head + length;
}

/* ---- the literal
 * -------------------------------------------------------------------------------------------------- */

static void skip_blank(struct text *t) {
    while (t->at < t->end && (*t->at == ' ' || *t->at == '\n' || *t->at == '\t'))
        t->at++;
}

static bool take(struct text *t, char c) {
    skip_blank(t);
    if (t->at == t->end || *t->at != c)
        return false;
    t->at++;
    return true;
}

static bool take_word(struct text *t, const char *word) {
    size_t n = strlen(word);
    skip_blank(t);
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
        return false;
    t->at += n;
    return true;
}

/* 'text' or "text", without escapes. */
static bool take_string(struct text *t, const char **text, size_t *nbytes) {
    skip_blank(t);
    if (t->at == t->end || (*t->at != '\'' && *t->at != '"'))
        return false;
    char quote = *t->at++;
    const char *stop = memchr(t->at, quote, (size_t)(t->end - t->at));
    if (!stop || memchr(t->at, '\\', (size_t)(stop - t->at)))
        return false;
    *text = t->at;
    *nbytes = (size_t)(stop - t->at);
    t->at = stop + 1;
    return true;
}

static bool take_dim(struct text *t, int64_t *dim) {
    skip_blank(t);
    const char *first = t->at;
    for (*dim = 0; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++) {
        if (*dim > (INT64_MAX - 9) / 10)
            return false;
        *dim = *dim * 10 + (*t->at - '0');
    }
    if (t->at == first)
        return false;
    if (t->at < t->end && *t->at == 'L') /* Python 2 wrote long integers so */
        t->at++;
    return true;
}

static bool take_shape(struct text *t, struct npy_header *h, const char **why) {
    if (!take(t, '('))
        return false;
    for (h->rank = 0; !take(t, ')'); h->rank++) {
        if (h->rank == SL_MAX_RANK) {
            *why = "its NumPy array has more than 8 dimensions";
            return false;
        }
        if (!take_dim(t, &h->dims[h->rank]))
            return false;
        if (!take(t, ',') && (h->rank == 0 || !(skip_blank(t), t->at < t->end && *t->at == ')')))
            return false; /* (3) is no tuple */
    }
    return true;
}

static bool find_dtype(const char *text, size_t nbytes, struct npy_header *h, const char **why) {
    static const struct {
        char kind, size;
        sl_dtype dtype;
    } known[] = {{'b', '1', SL_BOOL},   {'i', '1', SL_INT8},    {'i', '2', SL_INT16},  {'i', '4', SL_INT32},
                 {'i', '8', SL_INT64},  {'u', '1', SL_UINT8},   {'u', '2', SL_UINT16}, {'u', '4', SL_UINT32},
                 {'u', '8', SL_UINT64}, {'f', '2', SL_FLOAT16}, {'f', '4', SL_FLOAT},  {'f', '8', SL_DOUBLE}};
    *why = "its NumPy dtype is not read: only bool, integers and floats of at most 8 bytes are";
    if ((nbytes >= 1 && text[0] == 'O') || (nbytes >= 2 && text[1] == 'O'))
        *why = "it holds Python objects (a pickle), which are never read";
    if (nbytes != 3 || !strchr("<>|=", text[0]) || !text[0])
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].kind == text[1] && known[i].size == text[2]) {
            h->dtype = known[i].dtype;
            h->big_endian = text[0] == '>' && known[i].size != '1';
            *why = NULL;
            return text[0] != '|' || known[i].size == '1';
        }
    return false;
}

static bool take_descr(struct text *t, struct npy_header *h, const char **why) {
    const char *text;
    size_t nbytes;
    skip_blank(t);
    if (t->at < t->end && *t->at == '[') {
        *why = "its NumPy dtype is structured: save each field as an array of its own";
        return false;
    }
    return take_string(t, &text, &nbytes) && find_dtype(text, nbytes, h, why);
}

static bool take_order(struct text *t, struct npy_header *h) {
    h->fortran = take_word(t, "True");
    return h->fortran || take_word(t, "False");
}

/* In which order the elements of one row, or one long line, are stored is no question. */
static void settle_order(struct npy_header *h) {
    int long_dims = 0;
    for (int d = 0; d < h->rank; d++)
        long_dims += h->dims[d] != 1;
    h->fortran = h->fortran && long_dims > 1;
}

bool npy_read_header(const void *data, size_t nbytes, struct npy_header *h, const char **why) {
    *h = (struct npy_header){.nbytes = npy_header_nbytes(data, nbytes, why)};
    if (*why || !h->nbytes || h->nbytes > nbytes) {
        *why = *why ? *why : "its NumPy header is cut off";
        return false;
    }
    size_t head = ((const unsigned char *)data)[6] > 1 ? 12 : 10;
    struct text t = {(const char *)data + head, (const char *)data + h->nbytes};
    unsigned seen = 0;
    bool ok = take(&t, '{');
    while (ok && !take(&t, '}')) {
        const char *key;
        size_t n;
        ok = take_string(&t, &key, &n) && take(&t, ':');
        unsigned bit = !ok                                            ? 0
                       : n == 5 && !memcmp(key, "descr", 5)           ? 1
                       : n == 13 && !memcmp(key, "fortran_order", 13) ? 2
                       : n == 5 && !memcmp(key, "shape", 5)           ? 4
                                                                      : 0;
        ok = bit && !(seen & bit) &&
             (bit == 1   ? take_descr(&t, h, why)
              : bit == 2 ? take_order(&t, h)
                         : take_shape(&t, h, why));
        seen |= bit;
        if (ok && !take(&t, ','))
            ok = (skip_blank(&t), t.at < t.end && *t.at == '}');
    }
    skip_blank(&t);
    if (ok && seen == 7 && t.at == t.end) {
        settle_order(h);
        return true;
    }
    *why = *why ? *why : "its NumPy header is malformed";
    return false;
}
