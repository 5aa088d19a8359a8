/*
 * number.c: JSON numbers, exact where they can be.
 *
 * Ids and money must not pass through a double, so the digits are gathered into an integer as they
 * are read. A double comes from the same integer where one multiplication or division by a power of
 * ten is exact (both operands below 2^53 and 10^22: the result is then correctly rounded), which is
 * nearly always; elsewhere the text is read again by bk_str_to_f64().
 */
#include "json/number.h"

#include <stddef.h>

/* Beyond it a mantissa has no room for one more digit. */
#define MANTISSA_FULL ((UINT64_MAX - 9) / 10)

/* More than any text that fits into memory can make up for by its zeros. */
#define EXPONENT_MAX 100000000

/* Doubles hold integers exactly up to here. */
#define F64_EXACT ((uint64_t)1 << 53)

#define POWERS 22

static const double powers_of_ten[POWERS + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool is_digit(const char *at, const char *end)
{
    return at < end && (unsigned char)(*at - '0') < 10;
}

static const char *scan_integer(const char *at, const char *end, struct bk__number *out)
{
    for (; is_digit(at, end); at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (out->mantissa <= MANTISSA_FULL) {
            out->mantissa = out->mantissa * 10 + digit;
        } else {
            out->exponent += out->exponent < EXPONENT_MAX;
            out->cut |= digit != 0;
        }
    }
    return at;
}

static const char *scan_fraction(const char *at, const char *end, struct bk__number *out)
{
    for (; is_digit(at, end); at++) {
        unsigned digit = (unsigned)(*at - '0');
        if (out->mantissa <= MANTISSA_FULL && out->exponent > -EXPONENT_MAX) {
            out->mantissa = out->mantissa * 10 + digit;
            out->exponent--;
        } else {
            out->cut |= digit != 0;
        }
    }
    return at;
}

static const char *scan_exponent(const char *at, const char *end, struct bk__number *out)
{
    bool negative = at < end && *at == '-';
    int32_t exponent = 0;

    if (at < end && (*at == '-' || *at == '+'))
        at++;
    if (!is_digit(at, end))
        return NULL;
    for (; is_digit(at, end); at++) {
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*at - '0');
    }
    out->exponent += negative ? -exponent : exponent;
    return at;
}

bool bk__number_scan(const char **at, const char *end, struct bk__number *out)
{
    const char *start = *at, *here = start;

    *out = (struct bk__number){.negative = here < end && *here == '-'};
    here += out->negative;
    if (!is_digit(here, end)) {
        *at = here;
        return false;
    }
    here = *here == '0' ? here + 1 : scan_integer(here, end, out);
    if (here < end && *here == '.') {
        const char *digits = here + 1;
        here = scan_fraction(digits, end, out);
        if (here == digits) {
            *at = here;
            return false;
        }
    }
    if (here < end && (*here | 0x20) == 'e') {
        const char *after = scan_exponent(here + 1, end, out);
        if (after == NULL) {
            *at = here + 1;
            return false;
        }
        here = after;
    }
    out->text = bk_str_at(start, (size_t)(here - start));
    *at = here;
    return true;
}

enum bk__number_fit bk__number_i64(const struct bk__number *number, int64_t *out)
{
    uint64_t value = number->mantissa;
    int32_t exponent = value != 0 ? number->exponent : 0;

    for (; exponent < 0; exponent++) {
        if (value % 10 != 0)
            return BK__FRACTION;
        value /= 10;
    }
    for (; exponent > 0; exponent--) {
        if (value > MANTISSA_FULL)
            return BK__OUT_OF_RANGE;
        value *= 10;
    }
    if (number->cut)
        return BK__FRACTION; /* a full mantissa times ten or more is refused above */
    if (value > (uint64_t)INT64_MAX + number->negative)
        return BK__OUT_OF_RANGE;
    *out = (int64_t)(number->negative ? -value : value);
    return BK__FITS;
}

enum bk__number_fit bk__number_f64(const struct bk__number *number, double *out)
{
    int32_t exponent = number->exponent;

    if (number->mantissa <= F64_EXACT && !number->cut && exponent >= -POWERS &&
        exponent <= POWERS) {
        double value = (double)number->mantissa;
        value = exponent < 0 ? value / powers_of_ten[-exponent] : value * powers_of_ten[exponent];
        *out = number->negative ? -value : value;
        return BK__FITS;
    }
    return bk_str_to_f64(number->text, out) == BK_OK ? BK__FITS : BK__OUT_OF_RANGE;
}

enum bk__number_fit bk__number_seconds(const struct bk__number *number, bk_time *out)
{
    const int64_t most = INT64_MAX / 1000000 - 1;
    int64_t whole;
    double value;

    if (bk__number_i64(number, &whole) == BK__FITS) {
        if (whole > most || whole < -most)
            return BK__OUT_OF_RANGE;
        *out = whole * 1000000;
        return BK__FITS;
    }
    if (bk__number_f64(number, &value) != BK__FITS || value > (double)most || value < (double)-most)
        return BK__OUT_OF_RANGE;
    *out = (bk_time)(value * 1e6);
    return BK__FITS;
}

bool bk__number_is_huge(const struct bk__number *number)
{
    double value;

    /* A mantissa is below 10^20, so nearly all are seen to be small at a glance. */
    if (number->exponent < 280 || number->mantissa == 0)
        return false;
    return bk__number_f64(number, &value) != BK__FITS;
}
