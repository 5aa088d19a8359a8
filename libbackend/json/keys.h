/*
 * keys.h: has an object a key twice?
 *
 * The keys of all open objects lie on one stack, each with its object's depth. When an object ends
 * its keys are on top; they are compared and taken off. A few are compared with each other, many
 * are sorted first, so an object of 100,000 keys made by an enemy costs no more than any other.
 */
#ifndef BK_JSON_KEYS_H
#define BK_JSON_KEYS_H

#include <backend/str.h>

#include "json/scan.h"

struct bk__key {
    bk_str text;
    size_t at; /* where it stands in the input */
    unsigned depth;
};

struct bk__keys {
    bk_arena *arena; /* for the stack, and for keys that had escapes */
    struct bk__key *items;
    size_t count, cap;
};

static inline void bk__keys_init(struct bk__keys *keys, bk_arena *arena)
{
    *keys = (struct bk__keys){.arena = arena};
}

/* Puts a key of the object at @p depth on the stack. @p text is borrowed until that object ends. */
void bk__keys_push(struct bk__keys *keys, bk_str text, size_t at, unsigned depth);

/* The object at @p depth ended: takes its keys off. Where one was there twice, tells the second. */
bool bk__keys_pop(struct bk__keys *keys, unsigned depth, struct bk__key *twice);

/* Reads the rest of the value that began with @p token; duplicate keys and numbers beyond a
 * double are refused. False when the scan has failed. */
bool bk__keys_check_value(struct bk__keys *keys, struct bk__scan *scan, enum bk__token token);

#endif
