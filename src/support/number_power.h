/* number_power.h: powers of ten to 128 bits, for number_read.c and number_write.c alone. */
#ifndef SUPPORT_NUMBER_POWER_H
#define SUPPORT_NUMBER_POWER_H

#include <stdbool.h>
#include <stdint.h>

#define POWER_FIRST (-342)
#define POWER_LAST 324

/* 10^k = (high * 2^64 + low) * 2^s with the highest bit of `high` set; s = floor(log2(10^k)) - 127. Cut off,
 * not rounded; exact for 0 <= k <= 55. */
struct power {
    uint64_t high, low;
};

/* The power of k in [POWER_FIRST, POWER_LAST]. The first call computes all. Any thread. */
struct power power_of_ten(int k);

/* floor(log2(10^k)) for |k| <= 1233. */
static inline int power_log2(int k) {
    return (k * 1741647) >> 19;
}

#endif
