/**
 * @file backend/args.h
 * @brief Values that go with an SQL statement or a Redis command. Included by pg.h and redis.h.
 *
 * `BK_ARGS(bk_text(name), bk_i64(price))` stands for `$1` and `$2`. Each is sent in the type that
 * the server expects at that place, so bk_i64() serves smallint, integer, bigint and numeric alike.
 */
#ifndef BACKEND_ARGS_H
#define BACKEND_ARGS_H

#include <backend/base.h>
#include <backend/describe.h>

/** What an argument holds. */
typedef enum bk_arg_kind {
    BK_ARG_NULL,  /**< bk_null() */
    BK_ARG_TEXT,  /**< bk_text() */
    BK_ARG_I64,   /**< bk_i64() */
    BK_ARG_F64,   /**< bk_f64() */
    BK_ARG_BOOL,  /**< bk_bool() */
    BK_ARG_TIME,  /**< bk_timestamp() */
    BK_ARG_BYTES, /**< bk_bytes() */
    BK_ARG_ARRAY  /**< bk_array_of() */
} bk_arg_kind;

/** One value. Made by the functions below, which borrow what they are given until the call that
 *  takes the argument returns. */
typedef struct bk_arg {
    bk_arg_kind   kind;      /**< What it holds. */
    bk_field_type item_type; /**< Of an array's items. */
    bk_str        text;      /**< Text, bytes. */
    bk_array      array;     /**< Items. */
    int64_t       i64;       /**< An integer, a boolean, a time. */
    double        f64;       /**< A number. */
} bk_arg;

/** The values of one statement. */
typedef struct bk_args {
    const bk_arg *items; /**< `$1` first. */
    size_t        count; /**< How many. */
} bk_args;

/** No values. */
#define BK_NO_ARGS bk__args_at(NULL, 0)

/** @def BK_ARGS
 *  The values of one statement, in order; at least one. */
#ifdef __cplusplus
#include <initializer_list>
static inline bk_args bk__args_of(std::initializer_list<bk_arg> items)
{
    bk_args args = {items.begin(), items.size()};
    return args;
}
#define BK_ARGS(...) bk__args_of({__VA_ARGS__})
#else
#define BK_ARGS(...)                                                                               \
    bk__args_at((const bk_arg[]){__VA_ARGS__},                                                     \
                sizeof((const bk_arg[]){__VA_ARGS__}) / sizeof(bk_arg))
#endif

BK_BEGIN_DECLS

/** What BK_ARGS() and BK_NO_ARGS are made of. */
static inline bk_args bk__args_at(const bk_arg *items, size_t count)
{
    bk_args args = {items, count};
    return args;
}

/** NULL. */
static inline bk_arg bk_null(void)
{
    bk_arg arg;
    memset(&arg, 0, sizeof arg);
    return arg;
}

/** Text in UTF-8 for text, varchar, uuid, numeric, json, jsonb, enums and whatever else PostgreSQL
 *  reads from text. NULL when @p value is absent. A NUL in it or wrong UTF-8 is BK_EINVAL. */
static inline bk_arg bk_text(bk_str value)
{
    bk_arg arg = bk_null();
    arg.kind = value.ptr != NULL ? BK_ARG_TEXT : BK_ARG_NULL;
    arg.text = value;
    return arg;
}

/** An integer; one that the column's type cannot hold is BK_EINVAL. */
static inline bk_arg bk_i64(int64_t value)
{
    bk_arg arg = bk_null();
    arg.kind = BK_ARG_I64;
    arg.i64 = value;
    return arg;
}

/** bk_i64(), or NULL where @p has is false: for members with BK_HAS(). */
static inline bk_arg bk_i64_if(bool has, int64_t value)
{
    return has ? bk_i64(value) : bk_null();
}

/** A number: double precision, real or numeric. */
static inline bk_arg bk_f64(double value)
{
    bk_arg arg = bk_null();
    arg.kind = BK_ARG_F64;
    arg.f64 = value;
    return arg;
}

/** A boolean. */
static inline bk_arg bk_bool(bool value)
{
    bk_arg arg = bk_null();
    arg.kind = BK_ARG_BOOL;
    arg.i64 = value ? 1 : 0;
    return arg;
}

/** A point in time: timestamptz, timestamp (as UTC) or date. */
static inline bk_arg bk_timestamp(bk_time value)
{
    bk_arg arg = bk_null();
    arg.kind = BK_ARG_TIME;
    arg.i64 = value;
    return arg;
}

/** Bytes for bytea. NULL when @p value is absent. */
static inline bk_arg bk_bytes(bk_str value)
{
    bk_arg arg = bk_null();
    arg.kind = value.ptr != NULL ? BK_ARG_BYTES : BK_ARG_NULL;
    arg.text = value;
    return arg;
}

/** A one-dimensional array, for `= ANY($1)` and unnest($1).
 *  @param item_type  BK_TYPE_STR (bk_str items), _I64, _I32, _F64, _BOOL or _TIME. An absent bk_str
 *                    is a NULL item. */
static inline bk_arg bk_array_of(bk_field_type item_type, const void *items, size_t count)
{
    bk_arg arg = bk_null();
    arg.kind = BK_ARG_ARRAY;
    arg.item_type = item_type;
    arg.array.items = (void *)(uintptr_t)items;
    arg.array.count = count;
    return arg;
}

BK_END_DECLS

#endif
