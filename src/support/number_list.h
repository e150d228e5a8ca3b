/* number_list.h: the two ways through a list of numbers, for number_list.c, number_list_avx2.c and their
 * test. */
#ifndef SUPPORT_NUMBER_LIST_H
#define SUPPORT_NUMBER_LIST_H

#include "support/number.h"

/* As number_scan_list_f32. The second needs a CPU with AVX2 and BMI1. */
size_t number_list_portable(const char **at, const char *end, char delimiter, bool json, float *out,
                            size_t room);
size_t number_list_avx2(const char **at, const char *end, char delimiter, bool json, float *out, size_t room);

static inline bool number_list_blank(char c) {
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Whether a number may end before p. */
static inline bool number_list_ends(const char *p, const char *end, char delimiter, bool json) {
    return p == end || *p == delimiter || (json && (*p == ']' || *p == '}' || number_list_blank(*p)));
}

/* One number and the byte after it; NULL when there is none that ends properly. */
static inline const char *number_list_one(const char *p, const char *end, char delimiter, bool json,
                                          float *x) {
    if (json && p < end && *p == '+')
        return NULL;
    p = number_scan_f32(p, end, x);
    return p && number_list_ends(p, end, delimiter, json) ? p : NULL;
}

/* Over a delimiter, and in JSON over blanks on both sides; NULL when there is none. */
static inline const char *number_list_step(const char *p, const char *end, char delimiter, bool json) {
    while (json && p < end && number_list_blank(*p))
        p++;
    if (p == end || *p != delimiter)
        return NULL;
    p++;
    while (json && p < end && number_list_blank(*p))
        p++;
    return p;
}

#endif
