/* cast_text.c: numbers from texts and texts from numbers. ONNX leaves open what a text without a number
 * becomes. */
#include "ops/cast_text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ops/element.h"
#include "ops/rules.h"
#include "support/number.h"

static bool is_blank(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static sl_string trim(sl_string s) {
    while (s.nbytes && is_blank(*s.data)) {
        s.data++;
        s.nbytes--;
    }
    while (s.nbytes && is_blank(s.data[s.nbytes - 1]))
        s.nbytes--;
    return s;
}

/* "+.5", "5." and "007" are numbers here, which the reader's grammar does not know: gives them the digits it
 * misses and takes those it does not want. A text that does not fit stays as it is. */
static sl_string regular(sl_string s, char buf[CAST_TEXT_MOST * 2]) {
    size_t n = 0, i = 0;
    if (s.nbytes + 2 > CAST_TEXT_MOST * 2)
        return s;
    if (i < s.nbytes && (s.data[i] == '-' || s.data[i] == '+'))
        buf[n++] = s.data[i++];
    while (i + 1 < s.nbytes && s.data[i] == '0' && s.data[i + 1] >= '0' && s.data[i + 1] <= '9')
        i++;
    if (i + 1 < s.nbytes && s.data[i] == '.')
        buf[n++] = '0';
    while (i < s.nbytes && s.data[i] != '.')
        buf[n++] = s.data[i++];
    bool ends = i + 1 == s.nbytes || (i + 1 < s.nbytes && (s.data[i + 1] == 'e' || s.data[i + 1] == 'E'));
    for (i += ends; i < s.nbytes; i++)
        buf[n++] = s.data[i];
    return (sl_string){buf, n};
}

/* "1e400" is infinite, as with strtod. */
static double read_real(sl_string s) {
    double x;
    enum number_error e = number_read_f64(s.data, s.nbytes, true, &x);
    if (e == NUMBER_NONFINITE)
        return *s.data == '-' ? -(double)INFINITY : (double)INFINITY;
    return e == NUMBER_OK ? x : (double)NAN;
}

void cast_from_text(const struct op_call *call) {
    const sl_string *x = call->in[0]->data;
    const sl_tensor *y = call->out[0];
    bool real = element_kind(y->dtype) == ELEMENT_REAL;
    for (int64_t i = 0, n = rule_count(y); i < n; i++) {
        char buf[CAST_TEXT_MOST * 2];
        sl_string s = regular(trim(x[i]), buf);
        int64_t whole;
        float narrow;
        if (y->dtype == SL_FLOAT && number_read_f32(s.data, s.nbytes, true, &narrow) == NUMBER_OK)
            ((float *)y->data)[i] = narrow; /* rounded once */
        else if (!real && number_read_i64(s.data, s.nbytes, &whole) == NUMBER_OK)
            element_set_signed(y->dtype, y->data, i, whole);
        else
            element_set_real(y->dtype, y->data, i, read_real(s));
    }
}

static int write_real(char *text, double x) {
    if (isnan(x))
        return sprintf(text, "NaN");
    if (isinf(x))
        return sprintf(text, x < 0 ? "-INF" : "INF");
    return snprintf(text, CAST_TEXT_MOST, "%.8g", x);
}

void cast_to_text(const struct op_call *call) {
    const sl_tensor *x = call->in[0];
    sl_string *y = call->out[0]->data;
    char *text = call->text, number[CAST_TEXT_MOST];
    for (int64_t i = 0, n = rule_count(call->out[0]); i < n; i++) {
        int length;
        if (element_kind(x->dtype) == ELEMENT_REAL)
            length = write_real(number, element_real(x->dtype, x->data, i));
        else if (element_kind(x->dtype) == ELEMENT_SIGNED)
            length = sprintf(number, "%lld", (long long)element_signed(x->dtype, x->data, i));
        else
            length = sprintf(number, "%llu", (unsigned long long)element_unsigned(x->dtype, x->data, i));
        memcpy(text, number, (size_t)length);
        y[i] = (sl_string){text, (size_t)length};
        text += length;
    }
}
