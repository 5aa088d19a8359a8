/**
 * @file backend/describe_macros.h
 * @brief The words in which a struct is described. Included by describe.h.
 *
 * A field is `BK_<TYPE>(member, rules...)`; its JSON key is the member's name unless BK_KEY() says
 * otherwise. A member of another C type than the macro's is refused by the compiler.
 */
#ifndef BACKEND_DESCRIBE_MACROS_H
#define BACKEND_DESCRIBE_MACROS_H

#ifndef BACKEND_DESCRIBE_H
#error "include <backend/describe.h>"
#endif

/** Defines `fn` as the description of `type`: BK_DESCRIBE(product_desc, struct product, fields...).
 */
#define BK_DESCRIBE(fn, type, ...)                                                                 \
    static inline const bk_desc *fn(void)                                                          \
    {                                                                                              \
        typedef type          bk__self;                                                            \
        static const bk_field fields[] = {__VA_ARGS__};                                            \
        static const bk_desc  desc = {#type, sizeof(type), fields,                                 \
                                      sizeof fields / sizeof fields[0]};                           \
        return &desc;                                                                              \
    }

/* Fields: the member, then its rules. */
/** A bk_str: a string. */
#define BK_STR(...) BK__FIELD(BK_TYPE_STR, bk_str, __VA_ARGS__, BK__END)
/** An int64_t: a number without fraction, exact. */
#define BK_I64(...) BK__FIELD(BK_TYPE_I64, int64_t, __VA_ARGS__, BK__END)
/** An int32_t, likewise. */
#define BK_I32(...) BK__FIELD(BK_TYPE_I32, int32_t, __VA_ARGS__, BK__END)
/** A double: a number. */
#define BK_F64(...) BK__FIELD(BK_TYPE_F64, double, __VA_ARGS__, BK__END)
/** A bool: true or false. */
#define BK_BOOL(...) BK__FIELD(BK_TYPE_BOOL, bool, __VA_ARGS__, BK__END)
/** A bk_time: a string, RFC 3339. */
#define BK_TIME(...) BK__FIELD(BK_TYPE_TIME, bk_time, __VA_ARGS__, BK__END)
/** A bk_str that keeps any JSON value as its text. */
#define BK_JSON(...) BK__FIELD(BK_TYPE_JSON, bk_str, __VA_ARGS__, BK__END)

/** An int that indexes `values`, an array of strings that ends with NULL. */
#define BK_ENUM(slot, ...) BK__FIELD_ENUM(slot, __VA_ARGS__, BK__END)

/** A nested struct: BK_STRUCT(address, address_desc). It is zeroed when absent. */
#define BK_STRUCT(slot, ...) BK__FIELD_STRUCT(slot, __VA_ARGS__, BK__END)

/** A bk_array of scalars: BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(0, 10)). */
#define BK_ARRAY(slot, ...) BK__FIELD_ARRAY(slot, __VA_ARGS__, BK__END)

/** A bk_array of structs: BK_ARRAY_OF(lines, line_desc, BK_LEN(1, 100)). */
#define BK_ARRAY_OF(slot, ...) BK__FIELD_ARRAY_OF(slot, __VA_ARGS__, BK__END)

/* Rules. */
#define BK_REQUIRED      BK__RULE(required, true)   /**< Must be there and not null. */
#define BK_READ_ONLY     BK__RULE(read_only, true)  /**< Written, never bound: an id. */
#define BK_WRITE_ONLY    BK__RULE(write_only, true) /**< Bound, never written: a password. */
#define BK_KEY(text)     BK__RULE(key, text) /**< The JSON key, where it is not the member's name. */
#define BK_FORMAT(kind)  BK__RULE(format, kind)   /**< One of bk_format. */
#define BK_PATTERN(re)   BK__RULE(pattern, re)    /**< PCRE2; linear limits, anchors are yours. */
#define BK_DOC(text)     BK__RULE(doc, text)      /**< For the schema and the API docs. */
#define BK_DEFAULT(json) BK__RULE(fallback, json) /**< JSON text used when absent: "20". */

/** @def BK_MIN
 *  Least value of a number.
 *  @def BK_MAX
 *  Greatest value of a number.
 *  @def BK_LEN
 *  Bounds of a length: a string's in code points, an array's in items.
 *  @def BK_HAS
 *  Names a bool member that says whether the field was there (and not null). */
#ifdef __cplusplus

#define BK__END             [](bk_field &) {}
#define BK__RULE(what, val) [](bk_field &f) { f.what = val; }

#define BK_MIN(n)                                                                                  \
    [](bk_field &f) {                                                                              \
        f.has_min = true;                                                                          \
        f.min_i64 = (int64_t)(n);                                                                  \
        f.min_f64 = (double)(n);                                                                   \
    }
#define BK_MAX(n)                                                                                  \
    [](bk_field &f) {                                                                              \
        f.has_max = true;                                                                          \
        f.max_i64 = (int64_t)(n);                                                                  \
        f.max_f64 = (double)(n);                                                                   \
    }
#define BK_LEN(least, most)                                                                        \
    [](bk_field &f) {                                                                              \
        f.has_len = true;                                                                          \
        f.min_len = (least);                                                                       \
        f.max_len = (most);                                                                        \
    }
#define BK_HAS(slot)                                                                               \
    [](bk_field &f) {                                                                              \
        f.has = true;                                                                              \
        f.has_offset = offsetof(bk__self, slot);                                                   \
    }

template <typename Expected, typename Actual, typename... Rules>
inline bk_field bk_field_make(const char *name, size_t offset, bk_field_type type, Rules... rules)
{
    static_assert(sizeof(Actual) == sizeof(Expected), "the member has another type");
    Expected *same_type = static_cast<Actual *>(nullptr);
    (void)same_type;
    bk_field field = {};
    field.member = name;
    field.offset = offset;
    field.type = type;
    field.item_bytes = sizeof(Expected);
    (rules(field), ...);
    return field;
}

#define BK__FIELD(kind, ctype, slot, ...)                                                          \
    bk_field_make<ctype, decltype(bk__self::slot)>(#slot, offsetof(bk__self, slot), kind,          \
                                                   __VA_ARGS__)
#define BK__FIELD_ENUM(slot, values, ...)                                                          \
    BK__FIELD(BK_TYPE_ENUM, int, slot, BK__RULE(names, values), __VA_ARGS__)
#define BK__FIELD_STRUCT(slot, desc, ...)                                                          \
    BK__FIELD(BK_TYPE_STRUCT, decltype(bk__self::slot), slot, BK__RULE(of, desc), __VA_ARGS__)
#define BK__FIELD_ARRAY(slot, item, ...)                                                           \
    BK__FIELD(BK_TYPE_ARRAY, bk_array, slot, BK__RULE(item_type, item), __VA_ARGS__)
#define BK__FIELD_ARRAY_OF(slot, desc, ...)                                                        \
    BK__FIELD(BK_TYPE_ARRAY, bk_array, slot, BK__RULE(item_type, BK_TYPE_STRUCT),                  \
              BK__RULE(of, desc), __VA_ARGS__)

#else

#define BK__END                    .end = 0
#define BK__RULE(what, val)        .what = val
#define BK_MIN(n)                  .has_min = true, .min_i64 = (int64_t)(n), .min_f64 = (double)(n)
#define BK_MAX(n)                  .has_max = true, .max_i64 = (int64_t)(n), .max_f64 = (double)(n)
#define BK_LEN(least, most)        .has_len = true, .min_len = (least), .max_len = (most)
#define BK_HAS(slot)               .has = true, .has_offset = offsetof(bk__self, slot) * BK__SAME_TYPE(slot, bool)

/* 1, or an error of the compiler when the member is of another type. */
#define BK__SAME_TYPE(slot, ctype) sizeof(char[_Generic(((bk__self *)0)->slot, ctype : 1)])

#define BK__FIELD(kind, ctype, slot, ...)                                                          \
    {                                                                                              \
        .member = #slot, .offset = offsetof(bk__self, slot), .type = kind,                         \
        .item_bytes = sizeof(((bk__self *)0)->slot), .checked = BK__SAME_TYPE(slot, ctype),        \
        __VA_ARGS__                                                                                \
    }
#define BK__FIELD_ENUM(slot, values, ...)                                                          \
    BK__FIELD(BK_TYPE_ENUM, int, slot, .names = values, __VA_ARGS__)
#define BK__FIELD_STRUCT(slot, desc, ...)                                                          \
    {                                                                                              \
        .member = #slot, .offset = offsetof(bk__self, slot), .type = BK_TYPE_STRUCT,               \
        .item_bytes = sizeof(((bk__self *)0)->slot), .of = desc, __VA_ARGS__                       \
    }
#define BK__FIELD_ARRAY(slot, item, ...)                                                           \
    BK__FIELD(BK_TYPE_ARRAY, bk_array, slot, .item_type = item, __VA_ARGS__)
#define BK__FIELD_ARRAY_OF(slot, desc, ...)                                                        \
    BK__FIELD(BK_TYPE_ARRAY, bk_array, slot, .item_type = BK_TYPE_STRUCT, .of = desc, __VA_ARGS__)

#endif

#endif
