/* number_list.c: numbers one behind another, the hot loop of rows of CSV and of JSON arrays.
 * number_list_avx2.c is the same with 16 digits at a step. */
#include "support/number_list.h"
#include "support/number.h"

size_t number_list_portable(const char **at, const char *end, char delimiter, bool json, float *out,
                            size_t room) {
    const char *p = *at;
    size_t n = 0;
    while (n < room) {
        const char *next = number_list_one(p, end, delimiter, json, &out[n]);
        if (!next)
            break;
        n++;
        *at = next;
        p = number_list_step(next, end, delimiter, json);
        if (!p)
            break;
    }
    return n;
}

size_t number_scan_list_f32(const char **at, const char *end, char delimiter, bool json, float *out,
                            size_t room) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi"))
        return number_list_avx2(at, end, delimiter, json, out, room);
#endif
    return number_list_portable(at, end, delimiter, json, out, room);
}
