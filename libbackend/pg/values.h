/*
 * values.h: one value between PostgreSQL's formats and C.
 *
 * The binary formats are those of the server's send functions; the text formats those of its output
 * functions with DateStyle ISO and any time zone. Both are read for all types below. What is
 * read comes from the server, which is trusted no further than any other bytes: a value that does
 * not fit its format is an error with words, never more.
 */
#ifndef BK_PG_VALUES_H
#define BK_PG_VALUES_H

#include <backend/describe.h>
#include <backend/json.h>

/* Object ids of types (pg_type.dat): name, id, id of its array. */
#define BK__PG_TYPES(X)                                                                            \
    X(BOOL, 16, 1000)                                                                              \
    X(BYTEA, 17, 1001)                                                                             \
    X(NAME, 19, 1003)                                                                              \
    X(INT8, 20, 1016)                                                                              \
    X(INT2, 21, 1005)                                                                              \
    X(INT4, 23, 1007)                                                                              \
    X(TEXT, 25, 1009)                                                                              \
    X(OID, 26, 1028)                                                                               \
    X(JSON, 114, 199)                                                                              \
    X(FLOAT4, 700, 1021)                                                                           \
    X(FLOAT8, 701, 1022)                                                                           \
    X(UNKNOWN, 705, 0)                                                                             \
    X(BPCHAR, 1042, 1014)                                                                          \
    X(VARCHAR, 1043, 1015)                                                                         \
    X(DATE, 1082, 1182)                                                                            \
    X(TIMESTAMP, 1114, 1115)                                                                       \
    X(TIMESTAMPTZ, 1184, 1185)                                                                     \
    X(NUMERIC, 1700, 1231)                                                                         \
    X(UUID, 2950, 2951)                                                                            \
    X(JSONB, 3802, 3807)

enum bk__pg_type {
#define BK__PG_TYPE(name, id, array) BK__PG_##name = id, BK__PG_##name##_ARRAY = array,
    BK__PG_TYPES(BK__PG_TYPE)
#undef BK__PG_TYPE
};

/* A value as it came. */
struct bk__pg_value {
    uint32_t type;  /* OID */
    uint8_t format; /* 0 text, 1 binary */
    bool null;
    bk_str bytes; /* borrowed from the input */
};

/* 2000-01-01, from which PostgreSQL counts, and a day. */
#define BK__PG_EPOCH_US ((int64_t)946684800000000)
#define BK__PG_DAY_US   ((int64_t)86400000000)

/* True for the types whose both formats are their text. */
static inline bool bk__pg_is_text(uint32_t type)
{
    return type == BK__PG_TEXT || type == BK__PG_VARCHAR || type == BK__PG_BPCHAR ||
           type == BK__PG_NAME || type == BK__PG_UNKNOWN;
}

/* int2, int4, int8 and oid; float4 and float8; both of these and numeric. */
static inline bool bk__pg_is_integer(uint32_t type)
{
    return type == BK__PG_INT4 || type == BK__PG_INT8 || type == BK__PG_INT2 || type == BK__PG_OID;
}

static inline bool bk__pg_is_float(uint32_t type)
{
    return type == BK__PG_FLOAT8 || type == BK__PG_FLOAT4;
}

static inline bool bk__pg_is_number(uint32_t type)
{
    return bk__pg_is_integer(type) || bk__pg_is_float(type) || type == BK__PG_NUMERIC;
}

/* Timestamps and dates. */
static inline bool bk__pg_is_time(uint32_t type)
{
    return type == BK__PG_TIMESTAMPTZ || type == BK__PG_TIMESTAMP || type == BK__PG_DATE;
}

/* The type of an array's items; 0 when @p type is none of the arrays above. */
uint32_t bk__pg_element(uint32_t type);

/* For words: "INT4", "type 12345". */
#define BK__PG_TYPE_NAME 24
const char *bk__pg_type_name(uint32_t type, char room[BK__PG_TYPE_NAME]);

/* Which format is best for reading a column of @p type into a member of @p field: 1 where the
 * binary one is understood by bk__pg_to_field() (which then needs no parsing), else 0. */
uint8_t bk__pg_format_for_field(uint32_t type, const bk_field *field);

/* The same for bk_rows and for JSON, which take any type. */
uint8_t bk__pg_format_for_rows(uint32_t type);
uint8_t bk__pg_format_for_json(uint32_t type);

/* False when a column of @p type can never fill a member of @p field, whatever it holds: text into
 * BK_TYPE_I64, say. BK_TYPE_STR takes every type, as text; bytea as its bytes. Integers fill
 * BK_TYPE_F64, and numeric all number types where it has no fraction that would be lost.
 * BK_TYPE_TIME takes timestamptz, timestamp (as UTC) and date; BK_TYPE_ENUM text, varchar, enums
 * (any unknown type), by name, and integers; BK_TYPE_JSON json, jsonb, BK_TYPE_STRUCT and arrays of
 * structs json and jsonb, bound without the rules for clients; arrays of scalars arrays of such. */
bool bk__pg_fits(uint32_t type, const bk_field *field);

/* Reads @p value, which is not NULL, into the member at @p slot. What it points to goes into @p
 * arena. BK_EINTERNAL with words for what does not fit: out of the member's range, no such enum
 * name, damaged bytes, infinity as a time. Sets no BK_HAS member. */
bk_err bk__pg_to_field(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                       void *slot);

/* The quickest function that does what bk__pg_to_field() does for values of that type and format,
 * which must fit the field. */
typedef bk_err (*bk__pg_decode_fn)(const struct bk__pg_value *value, const bk_field *field,
                                   bk_arena *arena, void *slot);
bk__pg_decode_fn bk__pg_decoder(uint32_t type, uint8_t format, const bk_field *field);

/* The parts of the above that bk_rows uses too. */
bk_err bk__pg_to_i64(const struct bk__pg_value *value, int64_t *out);
bk_err bk__pg_to_f64(const struct bk__pg_value *value, double *out);
bk_err bk__pg_to_bool(const struct bk__pg_value *value, bool *out);
bk_err bk__pg_to_time(const struct bk__pg_value *value, bk_time *out);
bk_err bk__pg_to_text(const struct bk__pg_value *value, bk_arena *arena, bk_str *out);
/* Of a field that is an array of scalars. */
bk_err bk__pg_to_items(const struct bk__pg_value *value, const bk_field *field, bk_arena *arena,
                       bk_array *out);
bk_err bk__pg_to_array(const struct bk__pg_value *value, bk_field_type item_type, bk_arena *arena,
                       bk_array *out);

/* True for a time or date that is infinity or -infinity. */
bool bk__pg_is_infinite(const struct bk__pg_value *value);

/* Records that the value is none of its type; returns BK_EINTERNAL. */
bk_err bk__pg_damaged(const struct bk__pg_value *value);

/* The text of a json or jsonb value; never empty. Borrowed from the value. */
bk_err bk__pg_json_text(const struct bk__pg_value *value, bk_str *out);

/* Writes it as JSON; null for NULL, NaN and infinities. */
bk_err bk__pg_to_json(const struct bk__pg_value *value, bk_json_writer *writer);

#endif
