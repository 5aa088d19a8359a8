/* token.c: random words and their hashes. See <backend/token.h>. */
#include <backend/token.h>

#include <string.h>

#include <openssl/evp.h>

#include "core/assert.h"
#include "core/encode.h"
#include "core/random.h"
#include "crypto/hmac.h"

enum {
    TOKEN_BYTES = 32,
    SHA256_BYTES = 32,
    ID_LEN = 12,
    SECRET_LEN = 40, /* of 62 characters each: 238 bits */
    PREFIX_MAX = 16
};

static const char base62[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

static void hash_of(bk_str token, char out[BK_TOKEN_HASH])
{
    unsigned char sum[SHA256_BYTES];

    int done = EVP_Digest(token.ptr, token.len, sum, NULL, EVP_sha256(), NULL);
    bk_assert(done == 1);
    bk__hex(sum, sizeof sum, out);
}

bk_str bk_token_new(bk_arena *arena)
{
    char bytes[TOKEN_BYTES];

    bk__random(bytes, sizeof bytes);
    return bk__base64url(arena, bk_str_at(bytes, sizeof bytes));
}

bk_str bk_token_hash(bk_arena *arena, bk_str token)
{
    char *hash = bk_arena_alloc(arena, BK_TOKEN_HASH);

    hash_of(token, hash);
    return bk_str_at(hash, BK_TOKEN_HASH);
}

bool bk_token_matches(bk_str token, bk_str hash)
{
    char ours[BK_TOKEN_HASH];

    hash_of(token, ours);
    return hash.len == BK_TOKEN_HASH && bk__same_secret(ours, hash.ptr, BK_TOKEN_HASH);
}

/* --- API keys --------------------------------------------------------------------------------- */

static bool is_base62(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\0' || strchr(base62, text[i]) == NULL)
            return false;
    return true;
}

/* Each character is as likely as any other: what is beyond a multiple of 62 is thrown away. */
static void random_base62(char *out, size_t len)
{
    unsigned char byte;

    for (size_t i = 0; i < len;) {
        bk__random(&byte, 1);
        if (byte < 256 / 62 * 62)
            out[i++] = base62[byte % 62];
    }
}

void bk_api_key_new(bk_arena *arena, const char *prefix, bk_api_key *out)
{
    char id[ID_LEN], secret[SECRET_LEN];
    size_t len = strlen(prefix);

    bk_assert(len >= 1 && len <= PREFIX_MAX && is_base62(prefix, len));
    random_base62(id, sizeof id);
    random_base62(secret, sizeof secret);
    out->text = bk_arena_printf(arena, "%s_%.*s_%.*s", prefix, ID_LEN, id, SECRET_LEN, secret);
    out->id = bk_str_at(out->text.ptr + len + 1, ID_LEN);
    out->hash = bk_token_hash(arena, out->text);
}

bk_str bk_api_key_id(bk_str text, const char *prefix)
{
    size_t len = strlen(prefix);

    if (text.len != len + 1 + ID_LEN + 1 + SECRET_LEN || memcmp(text.ptr, prefix, len) != 0)
        return bk_str_of(NULL);
    const char *id = text.ptr + len + 1, *secret = id + ID_LEN + 1;
    if (id[-1] != '_' || secret[-1] != '_' || !is_base62(id, ID_LEN) ||
        !is_base62(secret, SECRET_LEN))
        return bk_str_of(NULL);
    return bk_str_at(id, ID_LEN);
}
