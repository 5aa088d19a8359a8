/*
 * values_number.c: numbers and booleans out of PostgreSQL's formats.
 *
 * Integers never pass through a double. A numeric in binary is digits to the base 10,000; it is
 * made text first, and whatever is text is read by the reader of JSON's numbers, whose grammar
 * PostgreSQL's output keeps to.
 */
#include "pg/values.h"

#include <math.h>

#include "core/arena.h"
#include "core/assert.h"
#include "json/number.h"
#include "pg/values_text.h"
#include "pg/wire.h"

#define SCRATCH 256

static bk_err mismatch(const struct bk__pg_value *value, const char *wanted)
{
    char name[BK__PG_TYPE_NAME];
    return bk_fail(BK_EINTERNAL, "%s is no %s", bk__pg_type_name(value->type, name), wanted);
}

static bk_err binary_i64(const struct bk__pg_value *value, int64_t *out)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);

    switch (value->type) {
    case BK__PG_INT2:
        *out = (int16_t)bk__pg_read_u16(&reader);
        break;
    case BK__PG_INT4:
        *out = (int32_t)bk__pg_read_u32(&reader);
        break;
    case BK__PG_OID:
        *out = bk__pg_read_u32(&reader);
        break;
    default:
        *out = (int64_t)bk__pg_read_u64(&reader);
        break;
    }
    return reader.bad || reader.at != reader.end ? bk__pg_damaged(value) : BK_OK;
}

static bk_err fraction(bk_str text, enum bk__number_fit fit)
{
    return bk_fail(BK_EINTERNAL, "%.*s %s", (int)(text.len < 40 ? text.len : 40), text.ptr,
                   fit == BK__FRACTION ? "has a fraction" : "does not fit in 64 bits");
}

static bk_err text_i64(const struct bk__pg_value *value, bk_str text, int64_t *out)
{
    struct bk__number number;
    const char *at = text.ptr, *end = text.ptr + text.len;

    if (bk_str_to_i64(text, out) == BK_OK)
        return BK_OK;
    if (!bk__number_scan(&at, end, &number) || at != end)
        return bk__pg_damaged(value);
    enum bk__number_fit fit = bk__number_i64(&number, out);
    return fit == BK__FITS ? BK_OK : fraction(text, fit);
}

/* NaN and the infinities. */
static bool special(bk_str text, double *out)
{
    if (bk_str_eq(text, BK_LIT("NaN")))
        *out = NAN;
    else if (bk_str_eq(text, BK_LIT("Infinity")))
        *out = INFINITY;
    else if (bk_str_eq(text, BK_LIT("-Infinity")))
        *out = -INFINITY;
    else
        return false;
    return true;
}

static bk_err text_f64(const struct bk__pg_value *value, bk_str text, double *out)
{
    struct bk__number number;
    const char *at = text.ptr, *end = text.ptr + text.len;

    if (special(text, out))
        return BK_OK;
    if (!bk__number_scan(&at, end, &number) || at != end)
        return bk__pg_damaged(value);
    if (bk__number_f64(&number, out) != BK__FITS)
        return bk_fail(BK_EINTERNAL, "a number that no double can hold");
    if (value->type == BK__PG_FLOAT4)
        *out = (double)(float)*out; /* as the binary format has it */
    return BK_OK;
}

static bk_err binary_f64(const struct bk__pg_value *value, double *out)
{
    struct bk__pg_reader reader = bk__pg_reader_of(value->bytes);

    if (value->type == BK__PG_FLOAT4) {
        uint32_t bits = bk__pg_read_u32(&reader);
        float narrow;
        memcpy(&narrow, &bits, 4);
        *out = (double)narrow;
    } else {
        uint64_t bits = bk__pg_read_u64(&reader);
        memcpy(out, &bits, 8);
    }
    return reader.bad || reader.at != reader.end ? bk__pg_damaged(value) : BK_OK;
}

/* Hands the text of a numeric, whose binary format came, to one of the readers of text. */
static bk_err binary_numeric(const struct bk__pg_value *value, int64_t *i64, double *f64)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    bk_arena scratch;
    bk_str text;

    bk__arena_init(&scratch, lent, sizeof(lent));
    bk_err err = bk__pg_numeric_text(value, &scratch, &text);
    if (err == BK_OK)
        err = i64 != NULL ? text_i64(value, text, i64) : text_f64(value, text, f64);
    bk__arena_fini(&scratch);
    return err;
}

bk_err bk__pg_to_i64(const struct bk__pg_value *value, int64_t *out)
{
    if (!bk__pg_is_integer(value->type) && value->type != BK__PG_NUMERIC)
        return mismatch(value, "integer");
    if (value->format == 0)
        return text_i64(value, value->bytes, out);
    if (value->type == BK__PG_NUMERIC)
        return binary_numeric(value, out, NULL);
    return binary_i64(value, out);
}

bk_err bk__pg_to_f64(const struct bk__pg_value *value, double *out)
{
    int64_t integer;

    if (!bk__pg_is_number(value->type))
        return mismatch(value, "number");
    if (value->format == 0)
        return text_f64(value, value->bytes, out);
    if (value->type == BK__PG_NUMERIC)
        return binary_numeric(value, NULL, out);
    if (bk__pg_is_float(value->type))
        return binary_f64(value, out);
    BK_TRY(binary_i64(value, &integer));
    *out = (double)integer;
    return BK_OK;
}

bk_err bk__pg_to_bool(const struct bk__pg_value *value, bool *out)
{
    char yes = value->format == 0 ? 't' : 1, no = value->format == 0 ? 'f' : 0;

    if (value->type != BK__PG_BOOL)
        return mismatch(value, "boolean");
    if (value->bytes.len != 1 || (value->bytes.ptr[0] != yes && value->bytes.ptr[0] != no))
        return bk__pg_damaged(value);
    *out = value->bytes.ptr[0] == yes;
    return BK_OK;
}
