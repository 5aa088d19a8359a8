/*
 * number.c: numbers to text and back, whatever the locale.
 *
 * A double read from text must be the nearest one. With at most 15 digits and a power of ten up to
 * 22 both are exact as doubles, and IEEE 754 rounds the one product or quotient correctly; that
 * covers nearly all numbers seen in practice. The others go to strtod as plain digits and an
 * exponent: without a decimal point there is nothing for a locale to change.
 *
 * Writing turns this round: the shortest text is the first that reads back the same.
 */
#include "core/number.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/assert.h"

_Static_assert(FLT_EVAL_METHOD == 0, "doubles are rounded to double at each step");

#define EXACT_DIGITS 15
#define EXACT_POWER  22

/* More significant digits than these never change which double is the nearest, save that one must
 * know whether all the rest are zero. */
#define DIGITS_MAX 800

/* Beyond these every number with DIGITS_MAX digits is zero or infinite. */
#define EXPONENT_LIMIT 5000

/* Numbers from 10^-6 on and below 10^21 are written plainly, others with an exponent, as ECMAScript
 * has it. */
#define PLAIN_FROM       1e-6
#define PLAIN_FROM_POWER (-6)
#define PLAIN_END_POWER  21

static const double powers_of_ten[EXACT_POWER + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

static const char two_digits[] = "00010203040506070809"
                                 "10111213141516171819"
                                 "20212223242526272829"
                                 "30313233343536373839"
                                 "40414243444546474849"
                                 "50515253545556575859"
                                 "60616263646566676869"
                                 "70717273747576777879"
                                 "80818283848586878889"
                                 "90919293949596979899";

static bool digit(char c)
{
    return c >= '0' && c <= '9';
}

bk_err bk_str_to_i64(bk_str text, int64_t *out)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = negative ? 1 : 0;
    size_t digits = text.len - at;
    if (digits == 0 || digits > 19 || (digits > 1 && text.ptr[at] == '0'))
        return BK_EINVAL;
    uint64_t value = 0; /* 19 digits always fit */
    for (; at < text.len; at++) {
        if (!digit(text.ptr[at]))
            return BK_EINVAL;
        value = value * 10 + (uint64_t)(text.ptr[at] - '0');
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return BK_EINVAL;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return BK_OK;
}

/* A JSON number, taken apart: [whole][.fraction] times ten to the exponent. */
struct parts {
    bool negative;
    bk_str whole, fraction;
    int64_t exponent;
};

static bk_str take_digits(bk_str *rest)
{
    bk_str run = {rest->ptr, 0};
    while (run.len < rest->len && digit(rest->ptr[run.len]))
        run.len++;
    rest->ptr += run.len;
    rest->len -= run.len;
    return run;
}

static bool take(bk_str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    rest->ptr++;
    rest->len--;
    return true;
}

/* The exponent saturates far out: only whether it is huge matters then. */
static bool take_exponent(bk_str *rest, int64_t *exponent)
{
    bool negative = take(rest, '-');
    if (!negative)
        (void)take(rest, '+');
    bk_str digits = take_digits(rest);
    int64_t value = 0;
    for (size_t i = 0; i < digits.len && value < INT64_MAX / 100; i++)
        value = value * 10 + (digits.ptr[i] - '0');
    *exponent = negative ? -value : value;
    return digits.len > 0;
}

static bool take_apart(bk_str text, struct parts *parts)
{
    bk_str rest = text;
    *parts = (struct parts){0};
    if (text.len == 0)
        return false;
    parts->negative = take(&rest, '-');
    parts->whole = take_digits(&rest);
    if (parts->whole.len == 0 || (parts->whole.len > 1 && parts->whole.ptr[0] == '0'))
        return false;
    if (take(&rest, '.')) {
        parts->fraction = take_digits(&rest);
        if (parts->fraction.len == 0)
            return false;
    }
    if (take(&rest, 'e') || take(&rest, 'E')) {
        if (!take_exponent(&rest, &parts->exponent))
            return false;
    }
    return rest.len == 0;
}

static uint64_t append_digits(uint64_t value, bk_str digits)
{
    for (size_t i = 0; i < digits.len; i++)
        value = value * 10 + (uint64_t)(digits.ptr[i] - '0');
    return value;
}

static bool exact(const struct parts *parts, double *out)
{
    if (parts->whole.len + parts->fraction.len > EXACT_DIGITS)
        return false;
    int64_t power = parts->exponent - (int64_t)parts->fraction.len;
    if (power < -EXACT_POWER || power > EXACT_POWER)
        return false;
    double digits = (double)append_digits(append_digits(0, parts->whole), parts->fraction);
    *out = power < 0 ? digits / powers_of_ten[-power] : digits * powers_of_ten[power];
    return true;
}

/* Digits without leading zeros; what does not fit is only remembered as zero or not. */
struct digits {
    char text[DIGITS_MAX + 32]; /* and the exponent behind them */
    size_t count;
    size_t dropped;
    bool dropped_nonzero;
};

static void collect(struct digits *digits, bk_str run)
{
    for (size_t i = 0; i < run.len; i++) {
        if (digits->count == 0 && run.ptr[i] == '0')
            continue;
        if (digits->count < DIGITS_MAX) {
            digits->text[digits->count++] = run.ptr[i];
        } else {
            digits->dropped++;
            digits->dropped_nonzero |= run.ptr[i] != '0';
        }
    }
}

static double nearest(const struct parts *parts)
{
    struct digits digits;
    digits.count = digits.dropped = 0;
    digits.dropped_nonzero = false;
    collect(&digits, parts->whole);
    collect(&digits, parts->fraction);
    if (digits.count == 0)
        return 0;

    int64_t power = parts->exponent - (int64_t)parts->fraction.len + (int64_t)digits.dropped;
    if (digits.dropped_nonzero) {
        digits.text[digits.count++] = '1';
        power--;
    }
    if (power > EXPONENT_LIMIT)
        power = EXPONENT_LIMIT;
    if (power < -EXPONENT_LIMIT)
        power = -EXPONENT_LIMIT;
    snprintf(digits.text + digits.count, sizeof(digits.text) - digits.count, "e%d", (int)power);
    return strtod(digits.text, NULL);
}

bk_err bk_str_to_f64(bk_str text, double *out)
{
    struct parts parts;
    double value;
    if (!take_apart(text, &parts))
        return BK_EINVAL;
    if (!exact(&parts, &value))
        value = nearest(&parts);
    if (!isfinite(value))
        return BK_EINVAL;
    *out = parts.negative ? -value : value;
    return BK_OK;
}

static size_t u64_text(uint64_t value, char *out)
{
    char reversed[20];
    char *at = reversed + sizeof(reversed);
    while (value >= 100) {
        at -= 2;
        memcpy(at, two_digits + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, two_digits + 2 * value, 2);
    } else {
        *--at = (char)('0' + value);
    }
    size_t len = (size_t)(reversed + sizeof(reversed) - at);
    memcpy(out, at, len);
    return len;
}

size_t bk__i64_text(int64_t value, char out[BK__I64_TEXT])
{
    if (value >= 0)
        return u64_text((uint64_t)value, out);
    out[0] = '-';
    return 1 + u64_text(0 - (uint64_t)value, out + 1);
}

/* Writes a number below 10^15 with @p decimals digits behind the point. */
static size_t fixed_text(uint64_t digits, int decimals, char *out)
{
    char text[20];
    if (decimals == 0)
        return u64_text(digits, out);
    size_t len = u64_text(digits, text);
    char *at = out;
    if (len <= (size_t)decimals) {
        *at++ = '0';
        *at++ = '.';
        memset(at, '0', (size_t)decimals - len);
        at += (size_t)decimals - len;
        memcpy(at, text, len);
        return (size_t)(at + len - out);
    }
    size_t whole = len - (size_t)decimals;
    memcpy(at, text, whole);
    at[whole] = '.';
    memcpy(at + whole + 1, text + whole, (size_t)decimals);
    return len + 1;
}

/* Prices, percentages, measures: a few decimals. Scaling may round, so a guess counts only when
 * reading it would give the value, by the same quotient of two exact doubles. */
static size_t few_decimals(double value, char *out)
{
    if (value < PLAIN_FROM && value != 0)
        return 0;
    for (int decimals = 0; decimals <= 9; decimals++) {
        double scaled = value * powers_of_ten[decimals];
        if (!(scaled < 1e15))
            return 0;
        uint64_t digits = (uint64_t)(scaled + 0.5);
        if ((double)digits / powers_of_ten[decimals] == value)
            return fixed_text(digits, decimals, out);
    }
    return 0;
}

/* Writes d.ddd times ten to @p exponent. */
static size_t place_point(const char *digits, int count, int exponent, char *out)
{
    char *at = out;
    if (exponent >= PLAIN_FROM_POWER && exponent < 0) {
        *at++ = '0';
        *at++ = '.';
        memset(at, '0', (size_t)(-exponent - 1));
        at += -exponent - 1;
        memcpy(at, digits, (size_t)count);
        return (size_t)(at + count - out);
    }
    bool plain = exponent >= 0 && exponent < PLAIN_END_POWER;
    int whole = plain ? exponent + 1 : 1;
    for (int i = 0; i < whole || i < count; i++) {
        if (i == whole)
            *at++ = '.';
        *at++ = i < count ? digits[i] : '0';
    }
    if (!plain) {
        *at++ = 'e';
        *at++ = exponent < 0 ? '-' : '+';
        at += u64_text((uint64_t)(exponent < 0 ? -exponent : exponent), at);
    }
    return (size_t)(at - out);
}

/* Rounds to @p precision digits: "d.ddde[+-]x", with a locale's point. Returns their count without
 * trailing zeros. */
static int round_to(double value, int precision, char digits[17], int *exponent)
{
    char text[48];
    int count = 0;
    snprintf(text, sizeof(text), "%.*e", precision - 1, value);
    const char *at = text;
    for (; *at != 'e'; at++) {
        if (digit(*at))
            digits[count++] = *at;
    }
    *exponent = (int)strtol(at + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0')
        count--;
    return count;
}

static bool reads_back(const char *digits, int count, int exponent, double value)
{
    struct parts parts = {
        .whole = {digits, (size_t)count},
        .exponent = exponent - (count - 1),
    };
    double read;
    if (!exact(&parts, &read))
        read = nearest(&parts);
    return read == value;
}

size_t bk__f64_text(double value, char out[BK__F64_TEXT])
{
    bk_assert(isfinite(value));
    char *at = out;
    if (signbit(value)) {
        *at++ = '-';
        value = -value;
    }
    size_t len = few_decimals(value, at);
    if (len > 0)
        return (size_t)(at - out) + len;

    /* If a text of up to 15 digits reads back, rounding to 15 finds it. Of subnormal numbers, which
     * have fewer digits, many such texts read back, and the shortest is wanted. */
    char digits[17];
    int count, exponent;
    int precision = value < DBL_MIN ? 1 : EXACT_DIGITS;
    do {
        count = round_to(value, precision, digits, &exponent);
    } while (precision++ < 17 && !reads_back(digits, count, exponent, value));
    return (size_t)(at - out) + place_point(digits, count, exponent, at);
}
