/**
 * @file backend/json.h
 * @brief JSON whose shape is not known ahead, and a writer for JSON made piece by piece.
 *
 * For shapes that are known, describe the struct (backend/describe.h): that is quicker and checks
 * more. A bk_json is a value parsed or built in an arena. It is read by path and by key; integers
 * keep all 64 bits.
 */
#ifndef BACKEND_JSON_H
#define BACKEND_JSON_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/str.h>

BK_BEGIN_DECLS

/** A JSON value. Borrowed from its arena; never freed by itself. */
typedef struct bk_json bk_json;

/** Kinds of value. */
typedef enum bk_json_type {
    BK_JSON_NULL,
    BK_JSON_BOOL,
    BK_JSON_NUMBER,
    BK_JSON_STRING,
    BK_JSON_ARRAY,
    BK_JSON_OBJECT
} bk_json_type;

/** Bounds of what is parsed. Zero means default. */
typedef struct bk_json_limits {
    size_t max_depth; /**< Default 64, which is also the most. */
    size_t max_nodes; /**< Default 100,000. */
} bk_json_limits;

/**
 * Checks @p text: one JSON value by RFC 8259 in UTF-8, no duplicate keys in an object, no NUL in
 * strings, numbers within the range of double, within the limits.
 *
 * @param limits  May be NULL.
 * @return BK_OK; BK_EINVAL whose message names the byte offset and what is wrong there; BK_ETOOBIG
 *         over a limit.
 */
BK_API BK_NODISCARD bk_err bk_json_check(bk_str text, const bk_json_limits *limits);

/** Checks and parses @p text, which is copied, into @p arena. Errors as bk_json_check(); @p out is
 *  untouched then. */
BK_API BK_NODISCARD bk_err bk_json_parse(bk_arena *arena, bk_str text, const bk_json_limits *limits,
                                         bk_json **out);

/** What kind @p value is; BK_JSON_NULL for NULL, so that look-ups can be chained. */
BK_API bk_json_type bk_json_type_of(const bk_json *value);

/** The member @p key of an object; NULL when it is none or has no such key. */
BK_API const bk_json *bk_json_get(const bk_json *object, bk_str key);

/** The value at an RFC 6901 pointer ("/items/0/name"); NULL when there is none. */
BK_API const bk_json *bk_json_at(const bk_json *value, bk_str pointer);

/** Items of an array or members of an object; 0 otherwise. */
BK_API size_t bk_json_len(const bk_json *value);

/** The first item or member; NULL when there is none. */
BK_API const bk_json *bk_json_first(const bk_json *value);

/** The one after @p item; NULL after the last. */
BK_API const bk_json *bk_json_next(const bk_json *item);

/** The key under which @p member stands in its object; absent in arrays. */
BK_API bk_str bk_json_key(const bk_json *member);

/** A string's text; absent when @p value is no string. */
BK_API bk_str bk_json_str(const bk_json *value);

/** An integer, exact. BK_EINVAL when @p value is no number, has a fraction or does not fit. */
BK_API BK_NODISCARD bk_err bk_json_i64(const bk_json *value, int64_t *out);

/** A number. BK_EINVAL when @p value is none. */
BK_API BK_NODISCARD bk_err bk_json_f64(const bk_json *value, double *out);

/** true only for JSON's true. */
BK_API bool bk_json_bool(const bk_json *value);

/* Building: values in @p arena. */

/** An object without members. */
BK_API BK_NODISCARD bk_json *bk_json_new_object(bk_arena *arena);

/** An array without items. */
BK_API BK_NODISCARD bk_json *bk_json_new_array(bk_arena *arena);

/** JSON's null. */
BK_API BK_NODISCARD bk_json *bk_json_new_null(bk_arena *arena);

/** A string. @param text  Copied; UTF-8. */
BK_API BK_NODISCARD bk_json *bk_json_new_str(bk_arena *arena, bk_str text);

/** An integer, exact. */
BK_API BK_NODISCARD bk_json *bk_json_new_i64(bk_arena *arena, int64_t value);

/** A number. @param value  Finite. */
BK_API BK_NODISCARD bk_json *bk_json_new_f64(bk_arena *arena, double value);

/** true or false. */
BK_API BK_NODISCARD bk_json *bk_json_new_bool(bk_arena *arena, bool value);

/** Puts @p value, which is taken, under @p key at the end of @p object; the key must be new. */
BK_API void bk_json_set(bk_json *object, bk_str key, bk_json *value);

/** Puts @p value, which is taken, at the end of @p array. */
BK_API void bk_json_append(bk_json *array, bk_json *value);

/** Writes @p value without white space. NULL is written as null. */
BK_API void bk_json_print(bk_buf *buf, const bk_json *value);

/**
 * Writes JSON piece by piece. Commas are put by the writer; a call at a wrong place (a value
 * without a key, an end that does not match) is a bug and stops the program.
 *
 * @code
 * bk_json_writer w = {.buf = &buf};
 * bk_json_begin_object(&w);
 * bk_json_write_key(&w, BK_LIT("message"));
 * bk_json_write_str(&w, BK_LIT("Hello, World!"));
 * bk_json_end_object(&w);
 * @endcode
 */
typedef struct bk_json_writer {
    bk_buf  *buf;          /**< Where it goes. */
    uint64_t objects;      /**< Not yours: a bit for each open level, set where it is an object. */
    uint8_t  depth;        /**< Not yours: open levels, at most 64. */
    uint8_t  state;        /**< Not yours: what may come next. */
    bool     numeric_time; /**< Write times as numbers: seconds since 1970. */
} bk_json_writer;

BK_API void bk_json_begin_object(bk_json_writer *writer); /**< `{` */
BK_API void bk_json_end_object(bk_json_writer *writer);   /**< `}` */
BK_API void bk_json_begin_array(bk_json_writer *writer);  /**< `[` */
BK_API void bk_json_end_array(bk_json_writer *writer);    /**< `]` */

/** The key of the next value of an object. That it is new is for the caller to see to. */
BK_API void bk_json_write_key(bk_json_writer *writer, bk_str key);

/** A string; null when @p text is absent. Bytes that are no UTF-8 become U+FFFD. */
BK_API void bk_json_write_str(bk_json_writer *writer, bk_str text);

/** An integer, with all its digits. */
BK_API void bk_json_write_i64(bk_json_writer *writer, int64_t value);

/** A number, in its shortest form that reads back the same; null for NaN and infinity. */
BK_API void bk_json_write_f64(bk_json_writer *writer, double value);

/** true or false. */
BK_API void bk_json_write_bool(bk_json_writer *writer, bool value);

/** null. */
BK_API void bk_json_write_null(bk_json_writer *writer);

/** A time as a string, RFC 3339, or as bk_json_writer.numeric_time says. */
BK_API void bk_json_write_time(bk_json_writer *writer, bk_time value);

/** A value that is JSON already, as it is. */
BK_API void bk_json_write_raw(bk_json_writer *writer, bk_str json);

BK_END_DECLS

#endif
