/*
 * scan.h: the one reader of JSON text (RFC 8259), token by token.
 *
 * What checks, parses or binds JSON asks here for the next token, so there is one opinion on what
 * JSON is. A token comes out only where the grammar has a place for it: a caller that sees an
 * object begin gets keys, each followed by a value, until the object ends. Strings are UTF-8
 * without NUL, escapes are complete. Nothing is allocated and nothing recurses: open levels are
 * bits of a word.
 */
#ifndef BK_JSON_SCAN_H
#define BK_JSON_SCAN_H

#include <backend/errors.h>
#include <backend/str.h>

#include "json/number.h"

#define BK__JSON_DEPTH_MAX     64
#define BK__JSON_NODES_DEFAULT 100000

enum bk__token {
    BK__TOKEN_ERROR, /* and ever after; see bk__scan_fail() */
    BK__TOKEN_END,   /* the value is complete, and only white space followed */
    BK__TOKEN_BEGIN_OBJECT,
    BK__TOKEN_END_OBJECT,
    BK__TOKEN_BEGIN_ARRAY,
    BK__TOKEN_END_ARRAY,
    BK__TOKEN_KEY,
    BK__TOKEN_STRING,
    BK__TOKEN_NUMBER,
    BK__TOKEN_TRUE,
    BK__TOKEN_FALSE,
    BK__TOKEN_NULL
};

struct bk__scan {
    const char *at, *end, *begin;
    uint64_t objects; /* a bit for each open level, set where it is an object */
    unsigned depth, max_depth;
    size_t nodes_left;
    uint8_t expect; /* see scan.c */

    /* Of the last token: */
    const char *start; /* its first byte */
    bk_str text;       /* of a key or string: what stands between the quotes */
    bool escaped;      /* there are escapes in it */
    struct bk__number number;

    /* After BK__TOKEN_ERROR: */
    bk_err err;
    const char *why; /* what is wrong at `at` */
};

/* Zero limits mean the defaults; the depth is never more than BK__JSON_DEPTH_MAX. @p text is
 * borrowed for as long as tokens are used. */
void bk__scan_init(struct bk__scan *scan, bk_str text, size_t max_depth, size_t max_nodes);

enum bk__token bk__scan_next(struct bk__scan *scan);

/* Records the error, naming the byte; returns its code. */
bk_err bk__scan_fail(const struct bk__scan *scan);

/* Stops the scan: its user found something wrong at @p at. @p why is static. */
void bk__scan_refuse(struct bk__scan *scan, const char *at, const char *why);

/* Resolves the escapes of a scanned string into @p out, which has room for raw.len bytes and may be
 * raw.ptr itself; returns the length. */
size_t bk__scan_unescape(bk_str raw, char *out);

/* The last key's or string's value: borrowed from the input, or copied into @p arena where it had
 * escapes. */
bk_str bk__scan_text(const struct bk__scan *scan, bk_arena *arena);

#endif
