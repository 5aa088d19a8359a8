/*
 * value.h: a bk_json from the inside.
 *
 * A bk_json is a cJSON node with what cJSON has no place for: the arena, lengths, and integers that
 * a double cannot hold. The nodes, the keys and the strings all lie in the arena (cJSON links nodes
 * it did not allocate as well), so nothing is ever freed and its global allocator hooks are not
 * involved. The tree is built from our scanner's tokens and not by cJSON_Parse(), which takes what
 * is no JSON, turns every number into a double by the locale's rules, and recurses.
 */
#ifndef BK_JSON_VALUE_H
#define BK_JSON_VALUE_H

#include <cjson/cJSON.h>

#include <backend/json.h>

#include "json/number.h"

struct bk_json {
    cJSON node;      /* the first member, so that a node's address is its bk_json's */
    bk_arena *arena; /* where children's keys are copied to */
    size_t key_len;  /* of node.string */
    union {
        size_t len;      /* bytes of a string; children of an array or object */
        int64_t integer; /* of a number, when exact */
    };
    bool exact; /* a number that is an int64_t; node.valuedouble is only near it */
};

/* The bk_json around @p node, which may be NULL. */
static inline bk_json *bk__json_of(cJSON *node)
{
    return (bk_json *)node;
}

/* A number as it was scanned; it is known to fit a double. */
bk_json *bk__json_new_number(bk_arena *arena, const struct bk__number *number);

/* A string whose @p text is in @p arena already, NUL behind it. */
bk_json *bk__json_new_text(bk_arena *arena, char *text, size_t len);

/* Puts @p value under @p key, which is in the arena already, NUL behind it. */
void bk__json_link(bk_json *object, const char *key, size_t key_len, bk_json *value);

#endif
