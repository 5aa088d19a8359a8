/*
 * rule.h: a JSON Schema, compiled.
 *
 * Each schema and subschema is one bk_schema: what it asks, in the form in which it is asked.
 * Keywords that are absent have values that let everything pass, so that checking needs no list of
 * which are there. All of it lies in the arena of bk_schema_parse() and never changes.
 */
#ifndef BK_JSON_RULE_H
#define BK_JSON_RULE_H

#include <backend/describe.h>
#include <backend/schema.h>

#include "json/pattern.h"

/* Kinds of value, as bits; an integer is a number as well. */
enum bk__kind {
    BK__KIND_NULL = 1 << 0,
    BK__KIND_BOOL = 1 << 1,
    BK__KIND_NUMBER = 1 << 2,
    BK__KIND_INTEGER = 1 << 3,
    BK__KIND_STRING = 1 << 4,
    BK__KIND_ARRAY = 1 << 5,
    BK__KIND_OBJECT = 1 << 6,
    BK__KIND_ANY = (1 << 7) - 1
};

/* What format asks beyond those of descriptions. */
enum bk__more_format {
    BK__MORE_NONE,
    BK__MORE_DATE_TIME,
    BK__MORE_INT32,
    BK__MORE_INT64
};

/* Bounds of a number. JSON's numbers all fit a long double: it has the 64 bits of an integer. */
struct bk__number_rules {
    const bk_json *min, *max, *above, *below; /* NULL: none */
    const bk_json *multiple_of;
};

/* Subschemas in a row. */
struct bk__schemas {
    bk_schema **items;
    size_t count;
};

/* A member of properties or patternProperties. */
struct bk__property {
    bk_str key;
    struct bk__pattern *pattern; /* NULL in properties */
    bk_schema *schema;
};

struct bk__properties {
    struct bk__property *items;
    size_t count;
};

struct bk_schema {
    const bk_json *node;                   /* where it was read from */
    unsigned kinds;                        /* those that may be; 0 for the schema `false` */
    const bk_json *one_of_these, *exactly; /* enum, const; NULL: any */
    struct bk__number_rules number;

    size_t min_len, max_len; /* of strings */
    struct bk__pattern *pattern;
    bk_format format;
    enum bk__more_format more_format;

    size_t min_items, max_items;
    bool unique;
    struct bk__schemas first; /* prefixItems */
    bk_schema *items;         /* of the others; NULL: any */

    size_t min_members, max_members;
    const bk_json *required, *dependent; /* as they were written; NULL: none */
    struct bk__properties properties, by_pattern;
    bk_schema *additional, *names; /* NULL: any */

    /* Schemas for the same value. */
    struct bk__schemas all, any, one;
    bk_schema *negated, *condition, *then, *otherwise;
    bk_schema *ref;

    bk_schema *next; /* while it is read: all of them */
    unsigned height; /* likewise: levels of schemas for the same value; 0: not yet known */
};

/* Schemas for one and the same value may lie so deep in each other. */
#define BK__SCHEMA_HEIGHT_MAX 32

#endif
