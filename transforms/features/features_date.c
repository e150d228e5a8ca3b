/* features_date.c: dates by a format of strptime's letters, or ISO 8601. The calendar is the proleptic
 * Gregorian one; days are counted as in Howard Hinnant's chrono-Compatible Low-Level Date Algorithms. */
#include "transforms/features/features.h"

struct moment {
    int64_t year, month, day, hour, minute, second;
    double fraction; /* of a second */
    int64_t east;    /* minutes */
};

struct scan {
    const char *p, *end;
};

static bool take(struct scan *s, char c) {
    if (s->p == s->end || *s->p != c)
        return false;
    s->p++;
    return true;
}

static bool is_digit(const struct scan *s) {
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* `least` to `most` digits. */
static bool number(struct scan *s, int least, int most, int64_t *value) {
    int n = 0;
    for (*value = 0; n < most && is_digit(s); n++)
        *value = *value * 10 + (*s->p++ - '0');
    return n >= least;
}

static bool fraction(struct scan *s, double *value) {
    double unit = 0.1;
    bool any = is_digit(s);
    for (*value = 0; is_digit(s); unit /= 10)
        *value += (*s->p++ - '0') * unit;
    return any;
}

/* Z, +02, +0200, +02:00 */
static bool zone(struct scan *s, int64_t *east) {
    int64_t hours, minutes = 0;
    if (take(s, 'Z') || take(s, 'z'))
        return true;
    bool west = s->p < s->end && *s->p == '-';
    if (!take(s, '+') && !take(s, '-'))
        return false;
    if (!number(s, 2, 2, &hours))
        return false;
    (void)take(s, ':');
    if (is_digit(s) && !number(s, 2, 2, &minutes))
        return false;
    *east = (hours * 60 + minutes) * (west ? -1 : 1);
    return hours < 24 && minutes < 60;
}

static bool by_letter(struct scan *s, char letter, struct moment *m) {
    bool right;
    switch (letter) {
    case 'Y':
        return number(s, 4, 4, &m->year);
    case 'y':
        right = number(s, 2, 2, &m->year);
        m->year += m->year < 69 ? 2000 : 1900;
        return right;
    case 'm':
        return number(s, 1, 2, &m->month);
    case 'd':
        return number(s, 1, 2, &m->day);
    case 'H':
        return number(s, 1, 2, &m->hour);
    case 'M':
        return number(s, 1, 2, &m->minute);
    case 'S':
        return number(s, 1, 2, &m->second);
    case 'f':
        return fraction(s, &m->fraction);
    case 'z':
        return zone(s, &m->east);
    default:
        return take(s, letter); /* %% */
    }
}

static bool by_format(struct scan *s, const char *format, struct moment *m) {
    for (; *format; format++)
        if (*format == '%' ? !by_letter(s, *++format, m) : !take(s, *format))
            return false;
    return s->p == s->end;
}

/* 2024-02-29, then perhaps T or a space, 10:30 or 10:30:15.5, then perhaps a zone. */
static bool by_iso(struct scan *s, struct moment *m) {
    if (!number(s, 4, 4, &m->year) || !take(s, '-') || !number(s, 2, 2, &m->month) || !take(s, '-') ||
        !number(s, 2, 2, &m->day))
        return false;
    if (s->p == s->end)
        return true;
    if ((!take(s, 'T') && !take(s, ' ')) || !number(s, 2, 2, &m->hour) || !take(s, ':') ||
        !number(s, 2, 2, &m->minute))
        return false;
    if (take(s, ':') && (!number(s, 2, 2, &m->second) || (take(s, '.') && !fraction(s, &m->fraction))))
        return false;
    return s->p == s->end || (zone(s, &m->east) && s->p == s->end);
}

static bool leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool is_possible(const struct moment *m) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return m->month >= 1 && m->month <= 12 && m->day >= 1 &&
           m->day <= days[m->month - 1] + (m->month == 2 && leap(m->year)) && m->hour < 24 &&
           m->minute < 60 && m->second < 60;
}

/* Days since 1970-01-01. */
static int64_t days_of(const struct moment *m) {
    int64_t year = m->year - (m->month <= 2), era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400,
            of_year = (153 * (m->month + (m->month > 2 ? -3 : 9)) + 2) / 5 + m->day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool date_parse(const char *format, sl_string text, double parts[DATE_PARTS]) {
    struct moment m = {.year = 1900, .month = 1, .day = 1};
    struct scan s = {text.data, text.data + text.nbytes};
    if (!(format ? by_format(&s, format, &m) : by_iso(&s, &m)) || !is_possible(&m))
        return false;
    int64_t days = days_of(&m);
    struct moment first = {.year = m.year, .month = 1, .day = 1};
    double second = (double)m.second + m.fraction;
    parts[DATE_YEAR] = (double)m.year;
    parts[DATE_MONTH] = (double)m.month;
    parts[DATE_DAY] = (double)m.day;
    parts[DATE_WEEKDAY] = (double)(((days + 3) % 7 + 7) % 7); /* 1970-01-01 was a Thursday */
    parts[DATE_DAY_OF_YEAR] = (double)(days - days_of(&first) + 1);
    parts[DATE_HOUR] = (double)m.hour;
    parts[DATE_MINUTE] = (double)m.minute;
    parts[DATE_SECOND] = second;
    parts[DATE_DAYS] =
        (double)days + ((double)(m.hour * 3600 + m.minute * 60 - m.east * 60) + second) / 86400;
    return true;
}

bool date_knows(const char *format) {
    for (; *format; format++) {
        if (*format != '%')
            continue;
        format++;
        const char *known = "YymdHMSfz%";
        while (*known && *known != *format)
            known++;
        if (!*known || !*format)
            return false;
    }
    return true;
}
