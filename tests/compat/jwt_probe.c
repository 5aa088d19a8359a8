/*
 * jwt_probe.c: signs and verifies what jwt_node_test.py asks for: a JSON command on each line, a
 * JSON answer on each line. node/jwt_peer.js takes the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>

struct command {
    bk_str verb; /* sign, verify, public */
    bk_str alg;  /* absent: as the key is */
    bk_str secret, pem, jwk;
    bk_str kid, claims, token, issuer, audience;
};

/* clang-format off */
BK_DESCRIBE(command_desc, struct command,
            BK_STR(verb, BK_KEY("do"), BK_REQUIRED), BK_STR(alg),
            BK_STR(secret), BK_STR(pem), BK_JSON(jwk),
            BK_STR(kid), BK_JSON(claims), BK_STR(token), BK_STR(issuer), BK_STR(audience))
/* clang-format on */

static bk_jwt_alg alg_of(bk_str name)
{
    static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                        "RS512", "PS256", "PS384", "PS512", "ES256",
                                        "ES384", "ES512", "EdDSA"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bk_str_eq(name, bk_str_of(names[i])))
            return (bk_jwt_alg)(BK_JWT_HS256 + i);
    return BK_JWT_BY_KEY;
}

static bk_err add_key(bk_jwt_keys *keys, const struct command *it)
{
    bk_jwt_key_opts opts = {.alg = alg_of(it->alg), .kid = it->kid};

    if (bk_str_present(it->secret))
        return bk_jwt_keys_add_secret(keys, it->secret, &opts);
    if (bk_str_present(it->pem))
        return bk_jwt_keys_add_pem(keys, it->pem, &opts);
    return bk_jwt_keys_add_jwk(keys, it->jwk, &opts);
}

static bk_err verify(bk_jwt_keys *keys, bk_arena *arena, const struct command *it, bk_str *out)
{
    bk_jwt_rules rules = {
        .issuer = bk_str_present(it->issuer) ? bk_arena_cstr(arena, it->issuer) : NULL,
        .audience = bk_str_present(it->audience) ? bk_arena_cstr(arena, it->audience) : NULL,
    };
    bk_jwt jwt;

    BK_TRY(bk_jwt_verify(keys, arena, it->token, &rules, &jwt));
    *out = jwt.claims;
    return BK_OK;
}

static bk_err publish(bk_jwt_keys *keys, bk_arena *arena, bk_str *out)
{
    bk_buf buf = {.arena = arena};

    bk_jwt_keys_public(keys, &buf);
    *out = bk_buf_str(&buf);
    return BK_OK;
}

static bk_err sign(bk_jwt_keys *keys, bk_arena *arena, const struct command *it, bk_str *out)
{
    bk_str token;

    BK_TRY(bk_jwt_sign(keys, arena, it->claims, NULL, &token));
    *out = bk_arena_printf(arena, "\"%.*s\"", BK_PRI(token));
    return BK_OK;
}

/* @p out: JSON. */
static bk_err obey(bk_jwt_keys *keys, bk_arena *arena, bk_str line, bk_str *out)
{
    struct command it;

    BK_TRY(bk_bind_json(arena, line, command_desc, NULL, &it));
    BK_TRY(add_key(keys, &it));
    if (bk_str_eq(it.verb, BK_LIT("sign")))
        return sign(keys, arena, &it, out);
    if (bk_str_eq(it.verb, BK_LIT("verify")))
        return verify(keys, arena, &it, out);
    return publish(keys, arena, out);
}

static void answer(bk_arena *arena, bk_err err, bk_str result)
{
    bk_buf buf = {.arena = arena};
    bk_json_writer w = {.buf = &buf};

    bk_json_begin_object(&w);
    bk_json_write_key(&w, err == BK_OK ? BK_LIT("result") : BK_LIT("error"));
    if (err == BK_OK)
        bk_json_write_raw(&w, result);
    else
        bk_json_write_str(&w, bk_error_chain()->message);
    bk_json_end_object(&w);
    printf("%.*s\n", BK_PRI(bk_buf_str(&buf)));
    fflush(stdout);
    bk_error_clear();
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;

    while ((len = getline(&line, &size, stdin)) > 0) {
        bk_arena *arena = bk_arena_new();
        bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
        bk_str result = bk_str_of(NULL);
        bk_err err = obey(keys, arena, bk_str_at(line, (size_t)len), &result);
        answer(arena, err, result);
        bk_jwt_keys_free(keys);
        bk_arena_free(arena);
    }
    free(line);
    return 0;
}
