/*
 * bind.h: what binding from JSON and from forms have in common.
 *
 * A binder counts errors and goes on, so that an answer can list them all. Whoever takes a value
 * checks it by the field's rules, stores it, or records what is wrong at its place in the input.
 */
#ifndef BK_JSON_BIND_H
#define BK_JSON_BIND_H

#include <backend/describe.h>

#include "json/field.h"
#include "json/number.h"

/* A string in an array may be that long: rules of length are the array's. */
#define BK__ITEM_STR_MAX ((size_t)64 << 10)

struct bk__bind {
    bk_arena *arena;
    bool refuse_unknown;
    bool partial;
    bool numeric_time;      /* times are seconds since 1970 */
    bool stored;            /* see bk__bind_stored() */
    bool form;              /* places are parameters' names, not JSON pointers */
    unsigned open_defaults; /* how deep in defaults of defaults we are */
    unsigned errors;
};

/* Where in the input a value stands. Lives on the stack of those who read it. */
struct bk__place {
    const struct bk__place *up; /* what it is in; NULL: the whole input */
    bk_str key;                 /* absent in an array */
    size_t index;               /* in an array */
};

/* Its JSON pointer (RFC 6901). */
bk_str bk__place_pointer(bk_arena *arena, const struct bk__place *place);

/* A set of a description's fields. */
struct bk__field_set {
    uint64_t words[BK__FIELDS_MAX / 64];
};

static inline bool bk__field_set_has(const struct bk__field_set *set, size_t field)
{
    return (set->words[field / 64] >> (field % 64) & 1) != 0;
}

static inline void bk__field_set_add(struct bk__field_set *set, size_t field)
{
    set->words[field / 64] |= (uint64_t)1 << (field % 64);
}

/* @p opts may be NULL. */
void bk__bind_init(struct bk__bind *bind, bk_arena *arena, const bk_bind_opts *opts);

/* Records that what is at @p place (NULL: the whole input) breaks the rule @p code. Returns
 * false. */
bool bk__bind_error(struct bk__bind *bind, const struct bk__place *place, const char *code,
                    const char *format, ...) BK_PRINTF(4, 5);

/* Checks and stores a value of the field, or an item of it: of a number type, or of one that is
 * text (a string, a time, an enum). False: an error was recorded. */
bool bk__bind_number(struct bk__bind *bind, const bk_field *field, const struct bk__number *number,
                     void *slot, const struct bk__place *place);
bool bk__bind_text(struct bk__bind *bind, const bk_field *field, bk_str text, void *slot,
                   const struct bk__place *place);

/* Room for one more item, zeroed. */
void *bk__bind_item(struct bk__bind *bind, bk_array *array, size_t item_bytes);

/* Checks the number of items and makes an empty array one that is present. */
bool bk__bind_count(struct bk__bind *bind, const bk_field *field, bk_array *array, size_t count,
                    const struct bk__place *place);

/* The field came with a null, or not at all: it is missed, or gets its default. */
void bk__bind_null(struct bk__bind *bind, const bk_field *field, void *slot,
                   const struct bk__place *place);
void bk__bind_absent(struct bk__bind *bind, const bk_desc *desc, void *object,
                     const struct bk__field_set *seen, const struct bk__place *up);

/* Reads @p json, which the program's own store kept, into the member at @p slot, which is zeroed
 * first. The rules are for what clients send: no bounds, lengths, formats and patterns hold here,
 * nothing is required, and read-only members are filled. Types still must match: BK_EINTERNAL with
 * words where they do not, and the slot is zeroed. @p json is borrowed as by bk_bind_json(). */
bk_err bk__bind_stored(bk_arena *arena, bk_str json, const bk_field *field, void *slot);

/* Reads the field's default. False: it breaks the field's own rules; errors were recorded. */
bool bk__bind_default(struct bk__bind *bind, const bk_field *field, void *slot,
                      const struct bk__place *place);

#endif
