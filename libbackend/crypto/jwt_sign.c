/*
 * jwt_sign.c: tokens made. See <backend/jwt.h>.
 *
 * What is signed passes the checks of what is verified: a token that we would refuse is not made.
 */
#include <backend/jwt.h>

#include <backend/clock.h>
#include <backend/json.h>
#include <backend/str.h>

#include "core/encode.h"
#include "crypto/jwt_claims.h"
#include "crypto/jwt_keys.h"
#include "json/field.h"

enum {
    TOKEN_MAX = 8192,
    LIFETIME_DEFAULT_S = 3600,
    MICROSECONDS = 1000000
};

static void write_member(bk_json_writer *writer, const char *name, bk_str text)
{
    if (!bk_str_present(text))
        return;
    bk_json_write_key(writer, bk_str_of(name));
    bk_json_write_str(writer, text);
}

static void write_seconds(bk_json_writer *writer, const char *name, int64_t seconds)
{
    bk_json_write_key(writer, bk_str_of(name));
    bk_json_write_i64(writer, seconds);
}

/* What is added to the caller's claims. */
static bk_str own_claims(bk_arena *arena, const struct bk__jwt_claims *said,
                         const bk_jwt_sign_opts *opts)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};
    int64_t now = bk_time_now() / MICROSECONDS;
    uint32_t lifetime = opts->lifetime_s != 0 ? opts->lifetime_s : LIFETIME_DEFAULT_S;

    bk_json_begin_object(&writer);
    write_member(&writer, "sub", opts->subject);
    write_member(&writer, "iss", opts->issuer);
    write_member(&writer, "aud", opts->audience);
    write_member(&writer, "jti", opts->id);
    if (!said->has_issued)
        write_seconds(&writer, "iat", now);
    if (!said->has_expires && lifetime != BK_UNLIMITED)
        write_seconds(&writer, "exp", now + lifetime);
    bk_json_end_object(&writer);
    return bk_buf_str(&buf);
}

/* The members of both objects in one. */
static bk_str join(bk_arena *arena, bk_str one, bk_str other)
{
    bk_buf buf = {.arena = arena};

    one = bk_str_at(one.ptr, one.len - 1);
    other = bk_str_at(other.ptr + 1, other.len - 1);
    bk_buf_add(&buf, one);
    if (bk_str_trim(one).len > 1 && other.len > 1)
        bk_buf_add_char(&buf, ',');
    bk_buf_add(&buf, other);
    return bk_buf_str(&buf);
}

static bk_err complete(bk_arena *arena, bk_str claims, const bk_jwt_sign_opts *opts, bk_str *out)
{
    struct bk__jwt_claims said;

    while (claims.len > 0 && claims.ptr[claims.len - 1] != '}')
        claims.len--; /* white space, or the check below fails */
    const char *why = bk__jwt_claims_read(arena, claims, bk_str_of(NULL), &said);
    if (why == NULL) {
        *out = join(arena, claims, own_claims(arena, &said, opts));
        why = bk__jwt_claims_read(arena, *out, bk_str_of(NULL), &said);
    }
    return why == NULL ? BK_OK : bk_fail(BK_EINTERNAL, "no token: %s", why);
}

static bk_str header_of(bk_arena *arena, const struct bk__jws_key *key, const char *typ)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf};

    bk_json_begin_object(&writer);
    write_member(&writer, "alg", key->alg->name);
    write_member(&writer, "typ", typ != NULL ? bk_str_of(typ) : BK_LIT("JWT"));
    write_member(&writer, "kid", key->kid);
    bk_json_end_object(&writer);
    return bk_buf_str(&buf);
}

static bk_err seal(const struct bk__jws_key *key, bk_arena *arena, bk_str header, bk_str claims,
                   bk_str *token)
{
    unsigned char signature[BK__JWS_SIGNATURE_MAX];
    bk_buf buf = {.arena = arena};

    bk_buf_add(&buf, bk__base64url(arena, header));
    bk_buf_add_char(&buf, '.');
    bk_buf_add(&buf, bk__base64url(arena, claims));
    size_t len = bk__jws_sign(key, bk_buf_str(&buf), signature);
    if (len == 0)
        return bk_fail(BK_EINTERNAL, "no token: OpenSSL could not sign it");
    bk_buf_add_char(&buf, '.');
    bk_buf_add(&buf, bk__base64url(arena, bk_str_at((char *)signature, len)));
    if (buf.len > TOKEN_MAX)
        return bk_fail(BK_EINTERNAL, "no token: it would have %zu bytes", buf.len);
    *token = bk_buf_str(&buf);
    return BK_OK;
}

bk_err bk_jwt_sign(bk_jwt_keys *keys, bk_arena *arena, bk_str claims, const bk_jwt_sign_opts *opts,
                   bk_str *token)
{
    static const bk_jwt_sign_opts defaults;
    const struct bk__jws_key *key = keys->count != 0 ? &keys->items[0] : NULL;
    bk_str whole = bk_str_of(NULL);

    if (opts == NULL)
        opts = &defaults;
    if (key == NULL || !key->can_sign)
        return bk_fail(BK_EINTERNAL, "no token: the first key cannot sign");
    BK_TRY(complete(arena, bk_str_present(claims) ? claims : BK_LIT("{}"), opts, &whole));
    return seal(key, arena, header_of(arena, key, opts->typ), whole, token);
}

bk_err bk_jwt_sign_object(bk_jwt_keys *keys, bk_arena *arena, bk_desc_fn desc, const void *claims,
                          const bk_jwt_sign_opts *opts, bk_str *token)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer writer = {.buf = &buf, .numeric_time = true};

    bk__write_object(&writer, desc, claims);
    return bk_jwt_sign(keys, arena, bk_buf_str(&buf), opts, token);
}
