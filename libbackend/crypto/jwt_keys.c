/* jwt_keys.c: sets of keys. See <backend/jwt.h>. */
#include "crypto/jwt_keys.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <backend/json.h>
#include <backend/loop.h>

#include "core/assert.h"
#include "crypto/jwk.h"

static void free_set(void *data)
{
    bk_jwt_keys *keys = data;

    for (size_t i = 0; i < keys->count; i++)
        bk__jws_key_fini(&keys->items[i]);
    free(keys->items);
    free(keys);
}

static const bk_part_type part = {.name = "jwt keys", .free = free_set};

bk_jwt_keys *bk_jwt_keys_new(bk_app *app)
{
    bk_jwt_keys *keys = calloc(1, sizeof *keys);

    bk_assert(keys != NULL);
    keys->owned = app != NULL;
    if (app != NULL)
        bk_app_part(app, &part, keys);
    return keys;
}

void bk_jwt_keys_free(bk_jwt_keys *keys)
{
    if (keys == NULL)
        return;
    bk_assert(!keys->owned);
    free_set(keys);
}

void bk_jwt_keys_replace(bk_jwt_keys *keys, bk_jwt_keys *fresh)
{
    struct bk__jws_key *items = keys->items;
    size_t count = keys->count;

    bk_assert(fresh != keys && !fresh->owned);
    keys->items = fresh->items;
    keys->count = fresh->count;
    fresh->items = items;
    fresh->count = count;
    free_set(fresh);
}

size_t bk_jwt_keys_count(const bk_jwt_keys *keys)
{
    return keys->count;
}

/* Takes @p key. */
static bk_err add(bk_jwt_keys *keys, struct bk__jws_key *key)
{
    if (keys->count == BK_JWT_KEYS_MAX) {
        bk__jws_key_fini(key);
        return bk_fail(BK_EINVAL, "a set has at most %d keys", BK_JWT_KEYS_MAX);
    }
    keys->items = realloc(keys->items, (keys->count + 1) * sizeof *keys->items);
    bk_assert(keys->items != NULL);
    keys->items[keys->count++] = *key;
    return BK_OK;
}

static bk_err add_named(bk_jwt_keys *keys, struct bk__jws_key *key, const bk_jwt_key_opts *opts)
{
    if (opts != NULL)
        bk__jws_key_name(key, opts->kid);
    return add(keys, key);
}

static bk_jwt_alg alg_of(const bk_jwt_key_opts *opts)
{
    return opts != NULL ? opts->alg : BK_JWT_BY_KEY;
}

/* --- secrets and PEM -------------------------------------------------------------------------- */

bk_err bk_jwt_keys_add_secret(bk_jwt_keys *keys, bk_str secret, const bk_jwt_key_opts *opts)
{
    static const bk_str pem = {"-----BEGIN ", 11};
    struct bk__jws_key key;

    if (secret.len > pem.len && memmem(secret.ptr, secret.len, pem.ptr, pem.len) != NULL)
        return bk_fail(BK_EINVAL, "a key in PEM is no secret");
    BK_TRY(bk__jws_key_secret(&key, alg_of(opts), secret));
    return add_named(keys, &key, opts);
}

/* Asked for the password of an encrypted key: there is none, and nobody at a terminal. */
static int no_password(char *out, int size, int writing, void *data)
{
    (void)out, (void)size, (void)writing, (void)data;
    return -1;
}

bk_err bk_jwt_keys_add_pem(bk_jwt_keys *keys, bk_str pem, const bk_jwt_key_opts *opts)
{
    struct bk__jws_key key;

    if (pem.len == 0 || pem.len > 1 << 16)
        return bk_fail(BK_EINVAL, "no key in PEM");
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    bk_assert(bio != NULL);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    bool is_private = pkey != NULL;
    if (!is_private) {
        (void)BIO_reset(bio);
        pkey = PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL);
    }
    BIO_free(bio);
    ERR_clear_error();
    if (pkey == NULL)
        return bk_fail(BK_EINVAL, "no key in PEM, or an encrypted one");
    BK_TRY(bk__jws_key_pkey(&key, alg_of(opts), pkey, is_private));
    return add_named(keys, &key, opts);
}

/* --- JSON ------------------------------------------------------------------------------------- */

struct jwks {
    bk_array keys;
    bk_str kty; /* there: it is one key */
};

BK_DESCRIBE(jwks_desc, struct jwks, BK_ARRAY(keys, BK_TYPE_JSON), BK_JSON(kty))

static bk_err add_all(bk_jwt_keys *fresh, bk_arena *arena, const bk_array *items)
{
    const bk_str *texts = items->items;
    enum bk__jwk_sort sort;
    struct bk__jws_key key;

    for (size_t i = 0; i < items->count; i++) {
        bk_err err = bk__jwk_read(arena, texts[i], NULL, &key, &sort);
        if (err == BK_OK)
            err = add(fresh, &key);
        else if (sort == BK__JWK_FOREIGN)
            err = BK_OK;
        BK_TRY(bk_context(err, "key %zu of the set", i));
    }
    bk_error_clear();
    return fresh->count != 0 ? BK_OK : bk_fail(BK_EINVAL, "JWK: no key of this set can be used");
}

/* Reads into a set of its own, so that nothing is added when one is wrong. */
static bk_err read_json(bk_jwt_keys *fresh, bk_arena *arena, bk_str json,
                        const bk_jwt_key_opts *opts)
{
    struct jwks set;
    enum bk__jwk_sort sort;
    struct bk__jws_key key;

    if (bk_bind_json(arena, json, jwks_desc, NULL, &set) != BK_OK)
        return bk_fail(BK_EINVAL, "JWK: this is no JSON object, or says something twice");
    if (set.keys.items != NULL && !bk_str_present(set.kty))
        return add_all(fresh, arena, &set.keys);
    BK_TRY(bk__jwk_read(arena, json, opts, &key, &sort));
    return add(fresh, &key);
}

bk_err bk_jwt_keys_add_jwk(bk_jwt_keys *keys, bk_str json, const bk_jwt_key_opts *opts)
{
    bk_jwt_keys *fresh = bk_jwt_keys_new(NULL);
    bk_arena *arena = bk_arena_new();
    bk_err err = read_json(fresh, arena, json, opts);

    if (err == BK_OK && keys->count + fresh->count > BK_JWT_KEYS_MAX)
        err = bk_fail(BK_EINVAL, "a set has at most %d keys", BK_JWT_KEYS_MAX);
    while (err == BK_OK && fresh->count != 0) {
        err = add(keys, &fresh->items[0]);
        memmove(fresh->items, fresh->items + 1, --fresh->count * sizeof *fresh->items);
    }
    bk_jwt_keys_free(fresh);
    bk_arena_free(arena);
    return err;
}

void bk_jwt_keys_public(const bk_jwt_keys *keys, bk_buf *buf)
{
    bk_json_writer writer = {.buf = buf};

    bk_json_begin_object(&writer);
    bk_json_write_key(&writer, BK_LIT("keys"));
    bk_json_begin_array(&writer);
    for (size_t i = 0; i < keys->count; i++)
        bk__jwk_write(&keys->items[i], &writer);
    bk_json_end_array(&writer);
    bk_json_end_object(&writer);
}
