/*
 * jwt.c: tokens verified. See <backend/jwt.h>.
 *
 * The order is: how long it is, which keys may have signed it, whether one has, and only then what
 * it says. A header is a few bytes that are the same in all tokens of an issuer, so each key
 * remembers the last one that was right, and a token that begins with the same bytes has its key
 * without any reading.
 */
#include <backend/jwt.h>

#include <string.h>

#include <backend/clock.h>
#include <backend/str.h>

#include "core/arena.h"
#include "core/assert.h"
#include "core/encode.h"
#include "crypto/jwt_claims.h"
#include "crypto/jwt_keys.h"
#include "json/keys.h"
#include "json/scan.h"

enum {
    BYTES_DEFAULT = 8192,
    SKEW_DEFAULT_S = 30,
    HEADER_MAX = 2048, /* of it as text */
    HEADER_NODES = 100,
    SCRATCH = 1024,
    MICROSECONDS = 1000000
};

struct parts {
    bk_str header, claims, signature; /* as text */
    bk_str input;                     /* the first two with their dot: what is signed */
};

struct header {
    bk_str alg, typ, kid; /* absent: not there */
};

static bk_err refuse(const char *why)
{
    return bk_fail(BK_EUNAUTHORIZED, "%s", why);
}

/* --- its parts -------------------------------------------------------------------------------- */

/* A further dot is no base64url, so it is refused with the signature. */
static bool cut(bk_str token, struct parts *out)
{
    if (token.len == 0)
        return false;
    const char *end = token.ptr + token.len;
    const char *first = memchr(token.ptr, '.', token.len);
    const char *second = first != NULL ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
    if (second == NULL)
        return false;
    out->header = bk_str_at(token.ptr, (size_t)(first - token.ptr));
    out->claims = bk_str_at(first + 1, (size_t)(second - first - 1));
    out->signature = bk_str_at(second + 1, (size_t)(end - second - 1));
    out->input = bk_str_at(token.ptr, (size_t)(second - token.ptr));
    return true;
}

/* --- its header ------------------------------------------------------------------------------- */

static const char *read_member(struct bk__scan *scan, bk_arena *arena, struct bk__keys *keys,
                               struct header *out)
{
    bk_str name = bk__scan_text(scan, keys->arena), *slot = NULL;

    bk__keys_push(keys, name, 0, scan->depth);
    if (bk_str_eq(name, BK_LIT("crit")))
        return "the token needs an extension that is not known here";
    if (bk_str_eq(name, BK_LIT("alg")))
        slot = &out->alg;
    else if (bk_str_eq(name, BK_LIT("typ")))
        slot = &out->typ;
    else if (bk_str_eq(name, BK_LIT("kid")))
        slot = &out->kid;
    enum bk__token token = bk__scan_next(scan);
    if (slot == NULL)
        return bk__keys_check_value(keys, scan, token) ? NULL : "the header is no JSON";
    if (token != BK__TOKEN_STRING)
        return "the header has something else than a string where one is needed";
    *slot = bk__scan_text(scan, arena);
    return NULL;
}

static const char *read_members(bk_arena *arena, struct bk__keys *keys, struct bk__scan *scan,
                                struct header *out)
{
    enum bk__token token = bk__scan_next(scan);
    struct bk__key twice;

    if (token != BK__TOKEN_BEGIN_OBJECT)
        return "the header is no JSON object";
    while ((token = bk__scan_next(scan)) == BK__TOKEN_KEY) {
        const char *why = read_member(scan, arena, keys, out);
        if (why != NULL)
            return why;
    }
    if (token != BK__TOKEN_END_OBJECT || bk__keys_pop(keys, scan->depth + 1, &twice) ||
        bk__scan_next(scan) != BK__TOKEN_END)
        return "the header is no JSON, or says something twice";
    return bk_str_present(out->alg) ? NULL : "the header names no algorithm";
}

/* Returns NULL, or what is wrong. */
static const char *read_header(bk_arena *arena, bk_str text, struct header *out)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    bk_arena scratch;
    struct bk__keys keys;
    struct bk__scan scan;
    bk_str json;

    *out = (struct header){.alg = {NULL, 0}};
    if (text.len > HEADER_MAX || bk__base64url_decode(arena, text, &json) != BK_OK)
        return "the header is no base64url";
    bk__arena_init(&scratch, lent, sizeof lent);
    bk__keys_init(&keys, &scratch);
    bk__scan_init(&scan, json, 0, HEADER_NODES);
    const char *why = read_members(arena, &keys, &scan, out);
    bk__arena_fini(&scratch);
    return why;
}

/* "application/jwt" is "JWT" (RFC 7515, 4.1.9). */
static bool is_typ(bk_str typ, const char *wanted)
{
    static const bk_str prefix = {"application/", 12};

    if (!bk_str_present(typ))
        return wanted == NULL;
    if (typ.len > prefix.len && bk_str_ieq(bk_str_at(typ.ptr, prefix.len), prefix))
        typ = bk_str_at(typ.ptr + prefix.len, typ.len - prefix.len);
    return bk_str_ieq(typ, wanted != NULL ? bk_str_of(wanted) : BK_LIT("JWT"));
}

/* --- its key ---------------------------------------------------------------------------------- */

static struct bk__jws_key *key_that_saw(const bk_jwt_keys *keys, bk_str header)
{
    for (size_t i = 0; i < keys->count; i++) {
        struct bk__jws_key *key = &keys->items[i];
        if (key->seen.len != 0 && bk_str_eq(bk_str_at(key->seen.text, key->seen.len), header))
            return key;
    }
    return NULL;
}

static void remember(struct bk__jws_key *key, bk_str text, bk_str typ)
{
    struct bk__jws_seen *seen = &key->seen;

    if (text.len > sizeof seen->text || typ.len > sizeof seen->typ)
        return;
    memcpy(seen->text, text.ptr, text.len);
    seen->len = text.len;
    seen->has_typ = bk_str_present(typ);
    if (seen->has_typ)
        memcpy(seen->typ, typ.ptr, typ.len);
    seen->typ_len = typ.len;
}

static bool may_be_of(const struct bk__jws_key *key, const struct header *header)
{
    if (bk_str_present(header->kid) && bk_str_present(key->kid) &&
        !bk_str_eq(header->kid, key->kid))
        return false;
    return bk__jws_alg_named(header->alg) == key->alg;
}

/* Tries the keys that may have signed it. @p tried: one that has not. */
static bk_err try_keys(bk_jwt_keys *keys, const struct parts *parts, const struct header *header,
                       bk_str signature, const struct bk__jws_key *tried)
{
    bool any = false;

    for (size_t i = 0; i < keys->count; i++) {
        struct bk__jws_key *key = &keys->items[i];
        if (!may_be_of(key, header))
            continue;
        any = true;
        if (key == tried || !bk__jws_verify(key, parts->input, signature))
            continue;
        remember(key, parts->header, header->typ);
        return BK_OK;
    }
    return refuse(any ? "the token's signature is wrong"
                      : "no key is known for the token's algorithm and key id");
}

/* Finds the key and verifies; @p typ receives the header's. */
static bk_err verify_signature(bk_jwt_keys *keys, bk_arena *arena, const struct parts *parts,
                               bk_str *typ)
{
    struct bk__jws_key *key = key_that_saw(keys, parts->header);
    struct header header;
    bk_str signature;

    if (bk__base64url_decode(arena, parts->signature, &signature) != BK_OK)
        return refuse("the token's signature is no base64url");
    if (key != NULL && bk__jws_verify(key, parts->input, signature)) {
        *typ = key->seen.has_typ ? bk_str_at(key->seen.typ, key->seen.typ_len) : bk_str_of(NULL);
        return BK_OK;
    }
    const char *why = read_header(arena, parts->header, &header);
    if (why != NULL)
        return refuse(why);
    *typ = header.typ;
    return try_keys(keys, parts, &header, signature, key);
}

bool bk_jwt_keys_misses(const bk_jwt_keys *keys, bk_str token)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    struct header header;
    struct parts parts;
    bk_arena arena;

    bk__arena_init(&arena, lent, sizeof lent);
    bool misses = token.len <= BYTES_DEFAULT && cut(token, &parts) &&
                  read_header(&arena, parts.header, &header) == NULL && bk_str_present(header.kid);
    for (size_t i = 0; i < keys->count && misses; i++)
        misses = !bk_str_present(keys->items[i].kid) || !bk_str_eq(keys->items[i].kid, header.kid);
    bk__arena_fini(&arena);
    return misses;
}

/* --- what it says ----------------------------------------------------------------------------- */

static const char *check_times(const struct bk__jwt_claims *claims, const bk_jwt_rules *rules)
{
    bk_time now = bk_time_now();
    bk_time skew = rules->skew_s == BK_JWT_NO_SKEW ? 0
                   : rules->skew_s == 0            ? (bk_time)SKEW_DEFAULT_S * MICROSECONDS
                                                   : (bk_time)rules->skew_s * MICROSECONDS;
    bk_time oldest = now - skew - (bk_time)rules->max_age_s * MICROSECONDS;

    if (!claims->has_expires && !rules->no_expiry)
        return "the token never expires";
    if (claims->has_expires && claims->expires <= now - skew)
        return "the token has expired";
    if (claims->has_not_before && claims->not_before > now + skew)
        return "the token is not valid yet";
    if (claims->has_issued && claims->issued > now + skew)
        return "the token was issued in the future";
    if (rules->max_age_s != 0 && (!claims->has_issued || claims->issued < oldest))
        return "the token is too old";
    return NULL;
}

static const char *check_parties(const struct bk__jwt_claims *claims, const bk_jwt_rules *rules)
{
    if (rules->issuer != NULL &&
        (!bk_str_present(claims->issuer) || !bk_str_eq(claims->issuer, bk_str_of(rules->issuer))))
        return "the token is of another issuer";
    if (rules->any_audience)
        return NULL;
    if (rules->audience != NULL ? !claims->for_audience : claims->has_audience)
        return "the token is for another audience";
    return NULL;
}

static bk_err check_claims(bk_arena *arena, bk_str text, const bk_jwt_rules *rules, bk_jwt *out)
{
    struct bk__jwt_claims claims;
    bk_str json;

    if (bk__base64url_decode(arena, text, &json) != BK_OK)
        return refuse("the claims are no base64url");
    const char *why = bk__jwt_claims_read(arena, json, bk_str_of(rules->audience), &claims);
    if (why == NULL)
        why = check_times(&claims, rules);
    if (why == NULL)
        why = check_parties(&claims, rules);
    if (why != NULL)
        return refuse(why);
    *out = (bk_jwt){
        .subject = claims.subject,
        .issuer = claims.issuer,
        .id = claims.id,
        .expires = claims.expires,
        .issued = claims.issued,
        .claims = json,
        .arena = arena,
    };
    return BK_OK;
}

bk_err bk_jwt_verify(bk_jwt_keys *keys, bk_arena *arena, bk_str token, const bk_jwt_rules *rules,
                     bk_jwt *out)
{
    static const bk_jwt_rules defaults;
    bk_str typ = bk_str_of(NULL);
    struct parts parts;

    if (rules == NULL)
        rules = &defaults;
    if (token.len > (rules->max_bytes != 0 ? rules->max_bytes : BYTES_DEFAULT))
        return refuse("the token is too long");
    if (!cut(token, &parts))
        return refuse("this is no token");
    BK_TRY(verify_signature(keys, arena, &parts, &typ));
    if (!is_typ(typ, rules->typ))
        return refuse("the token is of another type");
    return check_claims(arena, parts.claims, rules, out);
}
