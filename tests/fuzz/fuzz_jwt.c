/*
 * fuzz_jwt.c: the input is a token, and it is a line of a header and the claims of a token that we
 * sign: nothing but what is right by all rules is taken.
 */
#include <stdint.h>

#include <backend/json.h>
#include <backend/jwt.h>

#include "core/clock.h"
#include "core/encode.h"
#include "crypto/jwt_keys.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW (INT64_C(1700000000) * 1000000)

static bk_jwt_keys *keys;
static struct bk__clock stopped = {.now = NOW, .is_virtual = true};

static void start(void)
{
    keys = bk_jwt_keys_new(NULL);
    bk__clock_current = &stopped;
    bk_assert(bk_jwt_keys_add_secret(keys, BK_LIT("a secret of at least thirty-two bytes"), NULL) ==
              BK_OK);
}

/* The claims can be read in each way. */
static void read_claims(const bk_jwt *jwt)
{
    static const char *const names[] = {"exp", "sub", "a", "scope", ""};
    int64_t number;
    bk_time at;

    bk_assert(bk_json_check(jwt->claims, NULL) == BK_OK);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bk_str json = bk_jwt_json(jwt, names[i]);
        bk_assert(!bk_str_present(json) || bk_json_check(json, NULL) == BK_OK);
        bk_assert(!bk_str_present(bk_jwt_str(jwt, names[i])) || json.ptr[0] == '"');
        bk_assert(bk_jwt_i64(jwt, names[i], &number) != BK_OK ||
                  bk_str_to_f64(json, &(double){0}) == BK_OK);
        bk_assert(bk_jwt_time(jwt, names[i], &at) != BK_OK || bk_str_present(json));
        (void)bk_jwt_bool(jwt, names[i]);
        bk_assert(bk_jwt_words(jwt, names[i]) != NULL);
    }
}

static void try_token(bk_arena *arena, bk_str token)
{
    bk_jwt jwt = {.expires = 7};

    (void)bk_jwt_keys_misses(keys, token);
    if (bk_jwt_verify(keys, arena, token, NULL, &jwt) != BK_OK) {
        bk_assert(jwt.expires == 7 && bk_error_chain()->code == BK_EUNAUTHORIZED);
        bk_assert(memchr(bk_error_chain()->message.ptr, '"', bk_error_chain()->message.len) ==
                  NULL);
        bk_error_clear();
        return;
    }
    bk_assert(jwt.expires > NOW - 30000000 && jwt.issued <= NOW + 30000000);
    bk_assert(!bk_str_present(bk_jwt_json(&jwt, "aud")));
    read_claims(&jwt);
    bk_error_clear();
}

static bk_str sign(bk_arena *arena, bk_str header, bk_str claims)
{
    unsigned char signature[BK__JWS_SIGNATURE_MAX];
    bk_str head = bk__base64url(arena, header), body = bk__base64url(arena, claims);
    bk_str input = bk_arena_printf(arena, "%.*s.%.*s", BK_PRI(head), BK_PRI(body));
    size_t len = bk__jws_sign(&keys->items[0], input, signature);
    bk_str tail = bk__base64url(arena, bk_str_at((char *)signature, len));

    return bk_arena_printf(arena, "%.*s.%.*s", BK_PRI(input), BK_PRI(tail));
}

/* What we agree to sign we take, but for its times. */
static void try_claims(bk_arena *arena, bk_str claims)
{
    static const bk_jwt_rules rules = {.any_audience = true, .no_expiry = true};
    bk_str token;
    bk_jwt jwt;

    if (bk_jwt_sign(keys, arena, claims, NULL, &token) == BK_OK &&
        bk_jwt_verify(keys, arena, token, &rules, &jwt) == BK_OK)
        read_claims(&jwt);
    bk_error_clear();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bk_arena arena;
    bk_str claims = bk_str_at((const char *)data, size), header;

    if (keys == NULL)
        start();
    if (size == 0 || size > INPUT_MAX)
        return 0;
    bk__arena_init(&arena, arena_memory, sizeof arena_memory);
    try_token(&arena, claims);
    header = take_line(&claims);
    try_token(&arena, sign(&arena, header, claims));
    try_claims(&arena, claims);
    bk__arena_reset(&arena);
    return 0;
}
