/*
 * number.h: a JSON number, taken apart while it is read.
 *
 * Its value is mantissa * 10^exponent. Nearly every number fits that exactly, so an int64 or a
 * double is had without reading the text again; the rest goes the long way over the text.
 */
#ifndef BK_JSON_NUMBER_H
#define BK_JSON_NUMBER_H

#include <backend/errors.h>
#include <backend/str.h>

struct bk__number {
    bk_str text;
    uint64_t mantissa; /* the leading 19 digits, or 20 */
    int32_t exponent;  /* of ten */
    bool negative;
    bool cut; /* digits other than 0 did not fit into the mantissa */
};

/* Reads the number at @p at (RFC 8259, 6) and moves it behind; false when there is none: @p at is
 * then where the grammar was left. */
bool bk__number_scan(const char **at, const char *end, struct bk__number *out);

/* What came of a conversion. */
enum bk__number_fit {
    BK__FITS,
    BK__FRACTION,
    BK__OUT_OF_RANGE
};

/* The exact value of a number without fraction ("1.0" and "1e2" have none). */
enum bk__number_fit bk__number_i64(const struct bk__number *number, int64_t *out);

/* The nearest double; out of range when that is infinite. */
enum bk__number_fit bk__number_f64(const struct bk__number *number, double *out);

/* Seconds since 1970, with or without a fraction, as a time; finer than a microsecond is cut. */
enum bk__number_fit bk__number_seconds(const struct bk__number *number, bk_time *out);

/* True when the nearest double would be infinite. */
bool bk__number_is_huge(const struct bk__number *number);

#endif
