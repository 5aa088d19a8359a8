/*
 * jwt_claims.c: what a token says, all of it or one by one. See jwt_claims.h and <backend/jwt.h>.
 *
 * The first reading checks everything: after it the claims are JSON without a key twice, and
 * looking one up is a walk over their tokens.
 */
#include "crypto/jwt_claims.h"

#include <string.h>

#include <backend/str.h>

#include "core/arena.h"
#include "json/keys.h"
#include "json/scan.h"

enum {
    SCRATCH = 1024,
    NODES_MAX = 10000
};

struct reader {
    bk_arena *arena;
    struct bk__scan scan;
    struct bk__keys keys; /* of open objects */
    bk_str audience;
    struct bk__jwt_claims *out;
};

/* --- the registered ones ---------------------------------------------------------------------- */

static bool skip(struct reader *it, enum bk__token token)
{
    return bk__keys_check_value(&it->keys, &it->scan, token);
}

static const char *read_str(struct reader *it, enum bk__token token, bk_str *out, const char *why)
{
    if (token != BK__TOKEN_STRING)
        return why;
    *out = bk__scan_text(&it->scan, it->arena);
    return NULL;
}

static const char *read_time(struct reader *it, enum bk__token token, bk_time *out, bool *has)
{
    *has = true;
    if (token != BK__TOKEN_NUMBER || bk__number_seconds(&it->scan.number, out) != BK__FITS)
        return "a time of the token is no number of seconds";
    return NULL;
}

/* Node services put numbers there, which stand for their digits. */
static const char *read_subject(struct reader *it, enum bk__token token)
{
    int64_t number;

    if (token != BK__TOKEN_NUMBER)
        return read_str(it, token, &it->out->subject, "the subject is no string");
    if (bk__number_i64(&it->scan.number, &number) != BK__FITS)
        return "the subject is no string";
    it->out->subject = it->scan.number.text;
    return NULL;
}

static bool is_meant(struct reader *it)
{
    return bk_str_present(it->audience) &&
           bk_str_eq(bk__scan_text(&it->scan, it->arena), it->audience);
}

/* One string, or an array of them (RFC 7519, 4.1.3). */
static const char *read_audience(struct reader *it, enum bk__token token)
{
    static const char why[] = "the audience is no string and no array of strings";
    struct bk__jwt_claims *out = it->out;

    out->has_audience = true;
    if (token == BK__TOKEN_STRING) {
        out->for_audience = is_meant(it);
        return NULL;
    }
    if (token != BK__TOKEN_BEGIN_ARRAY)
        return why;
    while ((token = bk__scan_next(&it->scan)) == BK__TOKEN_STRING)
        out->for_audience |= is_meant(it);
    return token == BK__TOKEN_END_ARRAY ? NULL : why;
}

static const char *read_value(struct reader *it, bk_str name, enum bk__token token)
{
    struct bk__jwt_claims *out = it->out;

    if (bk_str_eq(name, BK_LIT("exp")))
        return read_time(it, token, &out->expires, &out->has_expires);
    if (bk_str_eq(name, BK_LIT("nbf")))
        return read_time(it, token, &out->not_before, &out->has_not_before);
    if (bk_str_eq(name, BK_LIT("iat")))
        return read_time(it, token, &out->issued, &out->has_issued);
    if (bk_str_eq(name, BK_LIT("sub")))
        return read_subject(it, token);
    if (bk_str_eq(name, BK_LIT("iss")))
        return read_str(it, token, &out->issuer, "the issuer is no string");
    if (bk_str_eq(name, BK_LIT("aud")))
        return read_audience(it, token);
    if (bk_str_eq(name, BK_LIT("jti")))
        return read_str(it, token, &out->id, "the id of the token is no string");
    return skip(it, token) ? NULL : "the claims are no JSON, or say something twice";
}

static const char *read_all(struct reader *it)
{
    static const char no_json[] = "the claims are no JSON, or say something twice";
    enum bk__token token = bk__scan_next(&it->scan);
    struct bk__key twice;

    if (token != BK__TOKEN_BEGIN_OBJECT)
        return "the claims are no JSON object";
    while ((token = bk__scan_next(&it->scan)) == BK__TOKEN_KEY) {
        bk_str name = bk__scan_text(&it->scan, it->keys.arena);
        bk__keys_push(&it->keys, name, 0, it->scan.depth);
        token = bk__scan_next(&it->scan);
        const char *why = token == BK__TOKEN_ERROR ? no_json : read_value(it, name, token);
        if (why != NULL)
            return why;
    }
    if (token != BK__TOKEN_END_OBJECT || bk__keys_pop(&it->keys, it->scan.depth + 1, &twice) ||
        bk__scan_next(&it->scan) != BK__TOKEN_END)
        return no_json;
    return NULL;
}

const char *bk__jwt_claims_read(bk_arena *arena, bk_str json, bk_str audience,
                                struct bk__jwt_claims *out)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    struct reader it = {.arena = arena, .audience = audience, .out = out};
    bk_arena scratch;

    *out = (struct bk__jwt_claims){0};
    bk__arena_init(&scratch, lent, sizeof lent);
    bk__keys_init(&it.keys, &scratch);
    bk__scan_init(&it.scan, json, 0, NODES_MAX);
    const char *why = read_all(&it);
    bk__arena_fini(&scratch);
    return why;
}

/* --- one by one ------------------------------------------------------------------------------- */

/* Passes over the rest of the value that began with @p token. */
static void pass(struct bk__scan *scan, enum bk__token token)
{
    unsigned outside = scan->depth;

    if (token == BK__TOKEN_BEGIN_OBJECT || token == BK__TOKEN_BEGIN_ARRAY)
        outside--;
    while (token != BK__TOKEN_ERROR && scan->depth != outside)
        token = bk__scan_next(scan);
}

/* The first token of the claim's value; BK__TOKEN_END: there is no such claim. */
static enum bk__token find(const bk_jwt *jwt, const char *name, struct bk__scan *scan)
{
    bk_str wanted = bk_str_of(name);

    bk__scan_init(scan, jwt->claims, 0, NODES_MAX);
    (void)bk__scan_next(scan);
    while (bk__scan_next(scan) == BK__TOKEN_KEY) {
        bool found = bk_str_eq(bk__scan_text(scan, jwt->arena), wanted);
        enum bk__token token = bk__scan_next(scan);
        if (found)
            return token;
        pass(scan, token);
    }
    return BK__TOKEN_END;
}

bk_str bk_jwt_json(const bk_jwt *jwt, const char *name)
{
    struct bk__scan scan;
    enum bk__token token = find(jwt, name, &scan);
    const char *begin = scan.start;

    if (token == BK__TOKEN_END)
        return bk_str_of(NULL);
    pass(&scan, token);
    return bk_str_at(begin, (size_t)(scan.at - begin));
}

bk_str bk_jwt_str(const bk_jwt *jwt, const char *name)
{
    struct bk__scan scan;

    if (find(jwt, name, &scan) != BK__TOKEN_STRING)
        return bk_str_of(NULL);
    return bk__scan_text(&scan, jwt->arena);
}

bk_err bk_jwt_i64(const bk_jwt *jwt, const char *name, int64_t *out)
{
    struct bk__scan scan;

    if (find(jwt, name, &scan) != BK__TOKEN_NUMBER || bk__number_i64(&scan.number, out) != BK__FITS)
        return bk_fail(BK_EUNAUTHORIZED, "the token's claim %s is no integer", name);
    return BK_OK;
}

bk_err bk_jwt_time(const bk_jwt *jwt, const char *name, bk_time *out)
{
    struct bk__scan scan;

    if (find(jwt, name, &scan) != BK__TOKEN_NUMBER ||
        bk__number_seconds(&scan.number, out) != BK__FITS)
        return bk_fail(BK_EUNAUTHORIZED, "the token's claim %s is no time", name);
    return BK_OK;
}

bool bk_jwt_bool(const bk_jwt *jwt, const char *name)
{
    struct bk__scan scan;

    return find(jwt, name, &scan) == BK__TOKEN_TRUE;
}

/* --- words ------------------------------------------------------------------------------------ */

static void append(bk_arena *arena, struct bk__jwt_words *words, bk_str text)
{
    if (words->count + 1 >= words->cap) {
        size_t cap = words->cap != 0 ? 2 * words->cap : 4;
        const char **items = bk_arena_alloc(arena, cap * sizeof *items);
        if (words->count != 0)
            memcpy(items, words->items, words->count * sizeof *items);
        words->items = items;
        words->cap = cap;
    }
    words->items[words->count++] = bk_arena_cstr(arena, text);
    words->items[words->count] = NULL;
}

/* The parts of a text between blanks. */
static void split(bk_arena *arena, struct bk__jwt_words *words, bk_str text)
{
    bk_str part;

    while (bk_str_split(&text, ' ', &part))
        if (part.len != 0)
            append(arena, words, part);
}

/* Takes the words of the value that begins with @p token. Of an array, what is no string is passed
 * over. */
static void take(bk_arena *arena, struct bk__jwt_words *words, struct bk__scan scan,
                 enum bk__token token)
{
    if (token == BK__TOKEN_STRING && words->whole)
        append(arena, words, bk__scan_text(&scan, arena));
    else if (token == BK__TOKEN_STRING)
        split(arena, words, bk__scan_text(&scan, arena));
    if (token != BK__TOKEN_BEGIN_ARRAY)
        return;
    while ((token = bk__scan_next(&scan)) != BK__TOKEN_END_ARRAY && token != BK__TOKEN_ERROR) {
        if (token == BK__TOKEN_STRING)
            append(arena, words, bk__scan_text(&scan, arena));
        else
            pass(&scan, token);
    }
}

static bool has(const char *const *names, bk_str name)
{
    for (; *names != NULL; names++)
        if (bk_str_eq(name, bk_str_of(*names)))
            return true;
    return false;
}

void bk__jwt_words_read(const bk_jwt *jwt, struct bk__jwt_words *lists, size_t count)
{
    struct bk__scan scan;

    bk__scan_init(&scan, jwt->claims, 0, NODES_MAX);
    (void)bk__scan_next(&scan);
    while (bk__scan_next(&scan) == BK__TOKEN_KEY) {
        bk_str name = bk__scan_text(&scan, jwt->arena);
        enum bk__token token = bk__scan_next(&scan);
        for (size_t i = 0; i < count; i++)
            if (has(lists[i].claims, name))
                take(jwt->arena, &lists[i], scan, token);
        pass(&scan, token);
    }
}

const char *const *bk_jwt_words(const bk_jwt *jwt, const char *name)
{
    static const char *const none[] = {NULL};
    const char *const claims[] = {name, NULL};
    struct bk__jwt_words words = {.claims = claims};

    bk__jwt_words_read(jwt, &words, 1);
    return words.items != NULL ? words.items : none;
}

/* --- bound ------------------------------------------------------------------------------------ */

bk_err bk_jwt_bind(const bk_jwt *jwt, bk_desc_fn desc, void *out)
{
    static const bk_bind_opts opts = {.numeric_time = true};

    if (bk_bind_json(jwt->arena, jwt->claims, desc, &opts, out) == BK_OK)
        return BK_OK;
    return bk_fail(BK_EUNAUTHORIZED, "the token's claims are not those that are needed here");
}
