/**
 * @file backend/describe.h
 * @brief A struct described once: bind, validate, write, print its schema.
 *
 * A description lists a struct's fields with their names and rules. It is a function, so it can be
 * static in a header and refer to others:
 *
 * @code
 * struct product { int64_t id; bk_str name; double price; bk_str note; bool ok, has_ok; };
 *
 * BK_DESCRIBE(product_desc, struct product,
 *     BK_I64(id, BK_READ_ONLY),
 *     BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
 *     BK_F64(price, BK_REQUIRED, BK_MIN(0)),
 *     BK_STR(note, BK_LEN(0, 1000)),
 *     BK_BOOL(ok, BK_HAS(has_ok)))
 *
 * struct product in;
 * BK_TRY(bk_req_bind(req, product_desc, &in));        // JSON or form body; 400 lists all errors
 * return bk_res_object(res, 201, product_desc, &in);  // written as JSON
 * @endcode
 *
 * Binding reads the bytes straight into the struct. Integers are exact to 64 bits. Strings are
 * checked for UTF-8 and point into the request where nothing had to be unescaped. All errors are
 * collected with their JSON pointers. The macros work in C11 and in C++17.
 */
#ifndef BACKEND_DESCRIBE_H
#define BACKEND_DESCRIBE_H

#include <backend/base.h>
#include <backend/errors.h>
#include <backend/str.h>

BK_BEGIN_DECLS

/** The type of a member, and so of its JSON value. */
typedef enum bk_field_type {
    BK_TYPE_STR,    /**< bk_str; a JSON string. */
    BK_TYPE_I64,    /**< int64_t; a JSON number without fraction, exact. */
    BK_TYPE_I32,    /**< int32_t; likewise. */
    BK_TYPE_F64,    /**< double; a JSON number. */
    BK_TYPE_BOOL,   /**< bool. */
    BK_TYPE_TIME,   /**< bk_time; a JSON string, RFC 3339. */
    BK_TYPE_ENUM,   /**< int: index into the names; a JSON string. */
    BK_TYPE_JSON,   /**< bk_str; any JSON value, kept as its text. */
    BK_TYPE_STRUCT, /**< A nested struct. */
    BK_TYPE_ARRAY   /**< bk_array of one of the above. */
} bk_field_type;

/** What a string must look like. */
typedef enum bk_format {
    BK_FORMAT_NONE,  /**< Anything. */
    BK_FORMAT_EMAIL, /**< One address as HTML's input type=email takes it. */
    BK_FORMAT_UUID,  /**< RFC 9562 text form. */
    BK_FORMAT_URI,   /**< RFC 3986, absolute. */
    BK_FORMAT_IPV4,  /**< Four decimal numbers. */
    BK_FORMAT_IPV6,  /**< RFC 4291, without a zone. */
    BK_FORMAT_DATE,  /**< RFC 3339 full-date. */
    BK_FORMAT_SLUG   /**< Lower-case letters and digits in runs joined by single hyphens. */
} bk_format;

/** What a number counts. Only settings (backend/config.h) ask. */
typedef enum bk_unit {
    BK_UNIT_NONE,  /**< Nothing: a plain number. */
    BK_UNIT_BYTES, /**< Bytes, written as 512, 64kb, 10mb or 1gb: powers of 1024. */
    BK_UNIT_MS     /**< Milliseconds, written as 500ms, 60s, 5m, 2h or 7d. */
} bk_unit;

/** An array member. Its items lie one after another in the arena. */
typedef struct bk_array {
    void  *items; /**< NULL when absent. */
    size_t count; /**< How many there are. */
} bk_array;

typedef struct bk_desc bk_desc; /**< A described struct; made by BK_DESCRIBE(). */

/** A description, by its function. */
typedef const bk_desc *(*bk_desc_fn)(void);

/** One field of a description. Made by the macros; zero means "no such rule". */
typedef struct bk_field {
    const char        *member; /**< The member's name, and the JSON key where there is no other. */
    const char        *key;    /**< The JSON key; NULL: the member's name. */
    size_t             offset; /**< Of the member. */
    size_t             has_offset; /**< Of a bool that says whether it was present; see has. */
    bk_field_type      type;       /**< Of the member. */
    bk_field_type      item_type;  /**< Of an array's items. */
    size_t             item_bytes; /**< Size of the member. */
    bk_desc_fn         of;         /**< Of a nested struct or of an array's items. */
    const char *const *names;      /**< Of an enum; ends with NULL. */
    bk_format          format;     /**< What a string must look like. */
    const char        *pattern;    /**< A PCRE2 pattern in UTF mode that must match somewhere. */
    const char        *doc;        /**< One sentence for the schema. */
    const char        *fallback;   /**< JSON text of the value when absent. */
    int64_t            min_i64;    /**< Least value of an integer. */
    int64_t            max_i64;    /**< Greatest value of an integer. */
    double             min_f64;    /**< Least value of a double. */
    double             max_f64;    /**< Greatest value of a double. */
    size_t             min_len;    /**< Of strings in code points, of arrays in items. */
    size_t             max_len;    /**< Likewise. */
    bool               required;   /**< BK_REQUIRED */
    bool               has;        /**< BK_HAS(): has_offset counts. */
    bool               has_min;    /**< BK_MIN() */
    bool               has_max;    /**< BK_MAX() */
    bool               has_len;    /**< BK_LEN() */
    bool               read_only;  /**< BK_READ_ONLY */
    bool               write_only; /**< BK_WRITE_ONLY */
    bk_unit            unit;       /**< BK_UNIT(), of settings. */
    bool               live;       /**< BK_LIVE, of settings. */
    size_t             checked;    /**< Only so that the compiler compares the member's type. */
    char               end;        /**< Always 0: closes the macros' lists. */
} bk_field;

/** A described struct. */
struct bk_desc {
    const char     *name;   /**< Of the struct, as the schema shows it. */
    size_t          bytes;  /**< sizeof the struct. */
    const bk_field *fields; /**< In the order in which they are written. */
    size_t          count;  /**< How many there are. */
};

/** What to do about keys that the description does not have. */
typedef enum bk_unknown_keys {
    BK_UNKNOWN_IGNORED,
    BK_UNKNOWN_REFUSED
} bk_unknown_keys;

/** How to bind. Zero means default. */
typedef struct bk_bind_opts {
    bk_unknown_keys unknown;   /**< Default: ignored. Duplicate keys are always refused. */
    size_t          max_depth; /**< Deepest nesting. Default 64, which is also the most. */
    size_t          max_nodes; /**< Values in all. Default 100,000. */
    bool numeric_time; /**< Times are numbers, seconds since 1970 (RFC 7519); JSON only, and not in
                          BK_DEFAULT(). */
    bool partial;      /**< As for PATCH: nothing is required (but null is refused where it
                            is otherwise), no default is filled in. */
} bk_bind_opts;

/**
 * Reads @p json into `*out`.
 *
 * The struct is zeroed first, then filled. On error the fiber's chain holds every field error found
 * (bk_error_fields()), and `*out` is zeroed.
 *
 * @param arena  Holds what had to be copied.
 * @param json   One JSON object (RFC 8259, UTF-8). Borrowed for as long as `*out` is used: strings
 *               without escapes point into it.
 * @param opts   May be NULL.
 * @return BK_OK; BK_EINVAL with details.
 */
BK_API BK_NODISCARD bk_err bk_bind_json(bk_arena *arena, bk_str json, bk_desc_fn desc,
                                        const bk_bind_opts *opts, void *out);

/**
 * Reads `a=1&b=2` (application/x-www-form-urlencoded, WHATWG) into `*out`. Values are turned into
 * the members' types: numbers as JSON writes them; true, 1, on and false, 0, off. A repeated key
 * fills an array and is an error elsewhere. An empty value is absent where the type is no text.
 * Nested structs cannot be bound from a form. The errors name the parameters.
 */
BK_API BK_NODISCARD bk_err bk_bind_form(bk_arena *arena, bk_str form, bk_desc_fn desc,
                                        const bk_bind_opts *opts, void *out);

/** Writes `*object` as JSON. Absent optional fields and BK_WRITE_ONLY fields are left out. */
BK_API void bk_write_json(bk_buf *buf, bk_desc_fn desc, const void *object);

/** Writes the JSON Schema (2020-12) of a description, nested ones under `$defs`. */
BK_API void bk_write_schema(bk_buf *buf, bk_desc_fn desc);

/** Checks a description: overlapping members, unknown default, bad bounds, duplicate names. An app
 *  does this at start for all it is given; a wrong one stops it. BK_EINVAL says what to mend. */
BK_API BK_NODISCARD bk_err bk_desc_check(bk_desc_fn desc);

BK_END_DECLS

#include <backend/describe_macros.h>

#endif
