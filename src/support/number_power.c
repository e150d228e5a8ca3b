/* number_power.c: powers of ten to 128 bits, computed once at first use (25 us) instead of 667 lines of
 * constants.
 *
 * 10^k and 5^k have the same leading bits. Up: 5 times the one before, in integers wide enough for 5^324.
 * Down: 2^1024 divided by five again and again; cutting off after each division is the same as cutting off
 * once, so the leading 128 bits are exact as long as the quotient keeps more than that: 1024 - 342 * log2(5)
 * = 229. */
#include "support/number_power.h"

#include <pthread.h>

#define WORDS 17

__extension__ typedef unsigned __int128 wide;

static struct power table[POWER_LAST - POWER_FIRST + 1];

/* The leading 128 bits of an integer of WORDS words, lowest first; it is not zero. */
static struct power leading(const uint64_t *x) {
    int top = WORDS - 1;
    while (!x[top])
        top--;
    uint64_t w[3] = {x[top], top > 0 ? x[top - 1] : 0, top > 1 ? x[top - 2] : 0};
    int shift = __builtin_clzll(w[0]);
    if (!shift)
        return (struct power){w[0], w[1]};
    return (struct power){w[0] << shift | w[1] >> (64 - shift), w[1] << shift | w[2] >> (64 - shift)};
}

static void fill(void) {
    uint64_t x[WORDS] = {1};
    for (int k = 0; k <= POWER_LAST; k++) {
        table[k - POWER_FIRST] = leading(x);
        uint64_t carry = 0;
        for (int i = 0; i < WORDS; i++) {
            wide p = (wide)x[i] * 5 + carry;
            x[i] = (uint64_t)p;
            carry = (uint64_t)(p >> 64);
        }
    }
    for (int i = 0; i < WORDS; i++)
        x[i] = i == WORDS - 1; /* 2^1024 */
    for (int k = -1; k >= POWER_FIRST; k--) {
        uint64_t rest = 0;
        for (int i = WORDS - 1; i >= 0; i--) {
            wide p = (wide)rest << 64 | x[i];
            x[i] = (uint64_t)(p / 5);
            rest = (uint64_t)(p % 5);
        }
        table[k - POWER_FIRST] = leading(x);
    }
}

struct power power_of_ten(int k) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill);
    return table[k - POWER_FIRST];
}
