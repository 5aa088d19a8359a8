/*
 * Which tokens are taken, by their keys and their form. Each attack of RFC 8725, and each that is
 * known from other libraries, is a claim here or in crypto_jwt_claims_test.c.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "jwt_bench.h"

/* --- right ones ------------------------------------------------------------------------------- */

static void test_the_example_of_rfc_7519_is_taken(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *keys = keys_of_jwk(A1_KEY, BK_JWT_BY_KEY);
    bk_str token = BK_LIT("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
                          ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    bk_jwt jwt;

    stand_at(&it->clock, JOE_EXPIRES - 1);
    assert_int_equal(bk_jwt_verify(keys, it->arena, token, &(bk_jwt_rules){.issuer = "joe"}, &jwt),
                     BK_OK);
    assert_text(jwt.issuer, "joe");
    assert_absent(jwt.subject);
    assert_int_equal(jwt.expires, (bk_time)JOE_EXPIRES * 1000000);
    assert_true(bk_jwt_bool(&jwt, "http://example.com/is_root"));
    stand_at(&it->clock, JOE_EXPIRES + 30);
    check_refused(keys, it->arena, token, NULL, "the token has expired", __FILE__, __LINE__);
    bk_jwt_keys_free(keys);
}

static void test_the_unsecured_example_of_rfc_7519_is_refused(void **state)
{
    struct bench *it = *state;
    bk_str token = BK_LIT("eyJhbGciOiJub25lIn0." JOE ".");

    stand_at(&it->clock, JOE_EXPIRES - 1);
    assert_refused(it, token, NULL, "no key is known for the token's algorithm and key id");
}

static void test_what_was_signed_is_read_again(void **state)
{
    struct bench *it = *state;
    bk_jwt_sign_opts about = {.subject = BK_LIT("ann"),
                              .issuer = BK_LIT("https://shop.example"),
                              .audience = BK_LIT("shop"),
                              .id = BK_LIT("no. 1"),
                              .lifetime_s = 60};
    bk_jwt_rules rules = {.issuer = "https://shop.example", .audience = "shop"};
    bk_str token;
    bk_jwt jwt;

    assert_int_equal(bk_jwt_sign(it->keys, it->arena, BK_LIT("{\"level\":3}"), &about, &token),
                     BK_OK);
    assert_int_equal(bk_jwt_verify(it->keys, it->arena, token, &rules, &jwt), BK_OK);
    assert_text(jwt.subject, "ann");
    assert_text(jwt.issuer, "https://shop.example");
    assert_text(jwt.id, "no. 1");
    assert_int_equal(jwt.issued, (bk_time)NOW * 1000000);
    assert_int_equal(jwt.expires, (bk_time)(NOW + 60) * 1000000);
    assert_text(jwt.claims, "{\"level\":3,\"sub\":\"ann\",\"iss\":\"https://shop.example\","
                            "\"aud\":\"shop\",\"jti\":\"no. 1\",\"iat\":1700000000,"
                            "\"exp\":1700000060}");
}

static void test_every_algorithm_signs_and_verifies(void **state)
{
    struct bench *it = *state;
    static const char k[] =
        "{\"kty\":\"oct\",\"k\":"
        "\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcg"
        "UuTwjAzZr1Z9CAow\"}";

    for (int alg = BK_JWT_HS256; alg <= BK_JWT_EDDSA; alg++) {
        const char *jwk = alg <= BK_JWT_HS512   ? k
                          : alg <= BK_JWT_PS512 ? A2_KEY
                          : alg == BK_JWT_ES256 ? A3_KEY
                          : alg == BK_JWT_ES512 ? A4_KEY
                                                : ED_KEY;
        if (alg == BK_JWT_ES384) /* the RFC has no such key; see crypto_jwk_test.c */
            continue;
        bk_jwt_keys *keys = keys_of_jwk(jwk, (bk_jwt_alg)alg);
        bk_str token;
        bk_jwt jwt;
        assert_int_equal(bk_jwt_sign(keys, it->arena, BK_LIT("{\"sub\":\"ann\"}"), NULL, &token),
                         BK_OK);
        for (int again = 0; again < 2; again++) /* and with the header that was seen */
            assert_int_equal(bk_jwt_verify(keys, it->arena, token, NULL, &jwt), BK_OK);
        assert_text(jwt.subject, "ann");
        bk_jwt_keys_free(keys);
    }
}

static void test_ed25519_has_two_names(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *keys = keys_of_jwk("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
                                    "\"alg\":\"Ed25519\",\"x\":\"" ED_X "\"}," ED_KEY "]}",
                                    BK_JWT_BY_KEY);
    bk_jwt jwt;

    for (const char *const *header =
             (const char *const[]){"{\"alg\":\"EdDSA\"}", "{\"alg\":\"Ed25519\"}", NULL};
         *header != NULL; header++)
        assert_int_equal(bk_jwt_verify(keys, it->arena,
                                       forge(it->arena, &keys->items[1], *header, GOOD), NULL,
                                       &jwt),
                         BK_OK);
    check_refused(keys, it->arena, forge(it->arena, &keys->items[1], "{\"alg\":\"Ed448\"}", GOOD),
                  NULL, "no key is known for the token's algorithm and key id", __FILE__, __LINE__);
    bk_jwt_keys_free(keys);
}

/* --- algorithms and keys ---------------------------------------------------------------------- */

static void test_no_spelling_of_none_is_taken(void **state)
{
    struct bench *it = *state;
    static const char *const names[] = {"none", "None",  "NONE",        "nOnE",
                                        "",     "hs256", "HS256\\u0020"};
    char header[64];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", names[i]);
        assert_refused(it, forge(it->arena, NULL, header, GOOD), NULL,
                       "no key is known for the token's algorithm and key id");
        assert_refused(it, sign(it, header, GOOD), NULL,
                       "no key is known for the token's algorithm and key id");
    }
    assert_refused(it, sign(it, "{\"typ\":\"JWT\"}", GOOD), NULL, "the header names no algorithm");
}

/* Takes the public key, as everybody has it, for a secret (RFC 8725, 2.1). */
static void test_a_public_key_is_no_secret(void **state)
{
    struct bench *it = *state;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    bk_jwt_keys *keys = keys_of_jwk(A2_PUBLIC, BK_JWT_BY_KEY);
    struct bk__jws_key secret;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, keys->items[0].pkey), 1);
    long len = BIO_get_mem_data(bio, &text);
    assert_int_equal(bk__jws_key_secret(&secret, BK_JWT_HS256, bk_str_at(text, (size_t)len)),
                     BK_OK);
    check_refused(keys, it->arena, forge(it->arena, &secret, HEAD, GOOD), NULL,
                  "no key is known for the token's algorithm and key id", __FILE__, __LINE__);
    /* and with the header that is right */
    check_refused(keys, it->arena, forge(it->arena, &secret, "{\"alg\":\"RS256\"}", GOOD), NULL,
                  "the token's signature is wrong", __FILE__, __LINE__);
    bk__jws_key_fini(&secret);
    BIO_free(bio);
    bk_jwt_keys_free(keys);
}

static void test_a_key_of_one_algorithm_takes_no_other_of_its_kind(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *ours = keys_of_jwk(A2_PUBLIC, BK_JWT_PS256);
    bk_jwt_keys *theirs = keys_of_jwk(A2_KEY, BK_JWT_RS256);
    bk_str token;

    assert_int_equal(bk_jwt_sign(theirs, it->arena, bk_str_of(NULL), NULL, &token), BK_OK);
    check_refused(ours, it->arena, token, NULL,
                  "no key is known for the token's algorithm and key id", __FILE__, __LINE__);
    bk_jwt_keys_free(ours);
    bk_jwt_keys_free(theirs);
}

/* A key that comes with the token is never used (CVE-2018-0114), nor is one fetched from where the
 * token says. */
static void test_keys_in_a_header_are_not_used(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *ours = keys_of_jwk(A3_PUBLIC, BK_JWT_BY_KEY);
    bk_jwt_keys *theirs = keys_of_jwk(ED_KEY, BK_JWT_BY_KEY);
    static const char *const headers[] = {
        "{\"alg\":\"EdDSA\",\"jwk\":" ED_PUBLIC "}",
        "{\"alg\":\"EdDSA\",\"jku\":\"http://127.0.0.1:1/keys\"}",
        "{\"alg\":\"EdDSA\",\"x5u\":\"http://127.0.0.1:1/keys\"}",
        "{\"alg\":\"EdDSA\",\"x5c\":[\"AAAA\"]}",
    };

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        check_refused(ours, it->arena, forge(it->arena, &theirs->items[0], headers[i], GOOD), NULL,
                      "no key is known for the token's algorithm and key id", __FILE__, __LINE__);
    bk_jwt_keys_free(ours);
    bk_jwt_keys_free(theirs);
    /* Beside a signature of ours they do not matter. */
    assert_taken(it, sign(it, "{\"alg\":\"HS256\",\"jwk\":" ED_PUBLIC ",\"jku\":\"x\"}", GOOD),
                 NULL);
}

static void test_extensions_that_must_be_known_are_refused(void **state)
{
    struct bench *it = *state;
    static const char *const headers[] = {
        "{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
        "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}",
        "{\"alg\":\"HS256\",\"crit\":[]}",
        "{\"alg\":\"HS256\",\"crit\":null}",
        "{\"alg\":\"HS256\",\"cr\\u0069t\":[\"x\"]}",
    };

    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        assert_refused(it, sign(it, headers[i], GOOD), NULL,
                       "the token needs an extension that is not known here");
}

static void test_an_empty_set_takes_nothing(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
    bk_str token;

    check_refused(keys, it->arena, sign(it, HEAD, GOOD), NULL,
                  "no key is known for the token's algorithm and key id", __FILE__, __LINE__);
    assert_int_equal(bk_jwt_sign(keys, it->arena, bk_str_of(NULL), NULL, &token), BK_EINTERNAL);
    bk_jwt_keys_free(keys);
}

/* --- rotation --------------------------------------------------------------------------------- */

static void test_the_first_key_signs_and_all_verify(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *before = keys_of_secret(OTHER_SECRET, NULL);
    bk_str old, new;

    assert_int_equal(bk_jwt_keys_add_secret(it->keys, BK_LIT(OTHER_SECRET), NULL), BK_OK);
    assert_int_equal(bk_jwt_sign(before, it->arena, bk_str_of(NULL), NULL, &old), BK_OK);
    assert_int_equal(bk_jwt_sign(it->keys, it->arena, bk_str_of(NULL), NULL, &new), BK_OK);
    for (int again = 0; again < 2; again++) {
        assert_taken(it, old, NULL);
        assert_taken(it, new, NULL);
        check_refused(before, it->arena, new, NULL, "the token's signature is wrong", __FILE__,
                      __LINE__);
    }
    bk_jwt_keys_free(before);
}

static void test_a_key_id_says_which_key_it_is(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, "one");
    bk_str token;

    assert_int_equal(bk_jwt_keys_add_secret(keys, BK_LIT(OTHER_SECRET),
                                            &(bk_jwt_key_opts){.kid = BK_LIT("two")}),
                     BK_OK);
    assert_int_equal(bk_jwt_sign(keys, it->arena, bk_str_of(NULL), NULL, &token), BK_OK);
    assert_false(bk_jwt_keys_misses(keys, token));
    bk_jwt jwt;
    assert_int_equal(bk_jwt_verify(keys, it->arena, token, NULL, &jwt), BK_OK);
    token = forge(it->arena, &keys->items[0], "{\"alg\":\"HS256\",\"kid\":\"two\"}", GOOD);
    check_refused(keys, it->arena, token, NULL, "the token's signature is wrong", __FILE__,
                  __LINE__);
    token = forge(it->arena, &keys->items[0], "{\"alg\":\"HS256\",\"kid\":\"three\"}", GOOD);
    check_refused(keys, it->arena, token, NULL,
                  "no key is known for the token's algorithm and key id", __FILE__, __LINE__);
    assert_true(bk_jwt_keys_misses(keys, token));
    assert_false(bk_jwt_keys_misses(keys, BK_LIT("no token")));
    token = forge(it->arena, &keys->items[0], "{\"alg\":\"HS256\"}", GOOD); /* of none */
    assert_false(bk_jwt_keys_misses(keys, token));
    assert_int_equal(bk_jwt_verify(keys, it->arena, token, NULL, &jwt), BK_OK);
    bk_jwt_keys_free(keys);
}

static void test_a_set_is_replaced_at_once(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *fresh = keys_of_secret(OTHER_SECRET, "two");
    bk_str old, new;

    assert_int_equal(bk_jwt_sign(it->keys, it->arena, bk_str_of(NULL), NULL, &old), BK_OK);
    assert_taken(it, old, NULL); /* its header is known now */
    assert_int_equal(bk_jwt_sign(fresh, it->arena, bk_str_of(NULL), NULL, &new), BK_OK);
    bk_jwt_keys_replace(it->keys, fresh);
    assert_taken(it, new, NULL);
    assert_refused(it, old, NULL, "the token's signature is wrong");
}

/* --- form ------------------------------------------------------------------------------------- */

static void test_what_has_not_three_parts_is_refused(void **state)
{
    struct bench *it = *state;

    assert_refused(it, bk_str_of(NULL), NULL, "this is no token");
    assert_refused(it, BK_LIT("a"), NULL, "this is no token");
    assert_refused(it, BK_LIT("a.b"), NULL, "this is no token");
    assert_refused(it, BK_LIT(".."), NULL, "the header is no JSON object");
    bk_str token = sign(it, HEAD, GOOD);
    assert_refused(it, bk_arena_printf(it->arena, "%.*s.x", BK_PRI(token)), NULL,
                   "the token's signature is no base64url");
    assert_refused(it, BK_LIT("{\"payload\":\"e30\",\"signatures\":[]}"), NULL, "this is no token");
    /* five parts: an encrypted token */
    assert_refused(it, BK_LIT("eyJhbGciOiJkaXIifQ..a.b.c"), NULL,
                   "the token's signature is no base64url");
}

static void test_each_token_has_one_spelling(void **state)
{
    struct bench *it = *state;
    bk_str token = sign(it, HEAD, GOOD);
    char *text = bk_arena_alloc(it->arena, token.len + 8);
    size_t last = token.len - 1;

    assert_taken(it, token, NULL);
    /* 43 characters for 32 bytes leave two bits, which must be zero */
    memcpy(text, token.ptr, token.len);
    text[last] = (char)(token.ptr[last] + 1);
    assert_refused(it, bk_str_at(text, token.len), NULL, "the token's signature is no base64url");
    /* padding, white space, base64's other digits */
    for (const char *const *tail = (const char *const[]){"=", " ", "\n", "+", "/", "\0", NULL};
         *tail != NULL; tail++) {
        memcpy(text, token.ptr, token.len);
        text[token.len] = **tail;
        assert_refused(it, bk_str_at(text, token.len + 1), NULL,
                       "the token's signature is no base64url");
    }
}

static void test_a_token_of_more_than_8192_bytes_is_refused(void **state)
{
    struct bench *it = *state;
    char claims[8192];

    snprintf(claims, sizeof claims, "{\"exp\":1700003600,\"x\":\"%06000d\"}", 0);
    bk_str token = sign(it, HEAD, claims);
    assert_taken(it, token, NULL);
    assert_refused(it, token, &(bk_jwt_rules){.max_bytes = (uint32_t)token.len - 1},
                   "the token is too long");
    snprintf(claims, sizeof claims, "{\"exp\":1700003600,\"x\":\"%06200d\"}", 0);
    assert_refused(it, sign(it, HEAD, claims), NULL, "the token is too long");
}

static void test_a_header_that_is_no_sound_json_is_refused(void **state)
{
    struct bench *it = *state;
    static const struct {
        const char *header, *why;
    } rows[] = {
        {"", "the header is no JSON object"},
        {"[]", "the header is no JSON object"},
        {"{\"alg\":\"HS256\"", "the header is no JSON, or says something twice"},
        {"{\"alg\":\"HS256\"} x", "the header is no JSON, or says something twice"},
        {"{\"alg\":\"none\",\"alg\":\"HS256\"}", "the header is no JSON, or says something twice"},
        {"{\"alg\":\"HS256\",\"x\":1,\"x\":2}", "the header is no JSON, or says something twice"},
        {"{\"alg\":\"HS256\",\"x\":{\"a\":1,\"a\":2}}", "the header is no JSON"},
        {"{\"alg\":[\"HS256\"]}",
         "the header has something else than a string where one is needed"},
        {"{\"alg\":\"HS256\",\"kid\":7}",
         "the header has something else than a string where one is needed"},
        {"{\"alg\":\"HS256\",\"typ\":null}",
         "the header has something else than a string where one is needed"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(it, sign(it, rows[i].header, GOOD), NULL, rows[i].why);
}

static void test_claims_that_are_no_sound_json_are_refused(void **state)
{
    struct bench *it = *state;
    static const char twice[] = "the claims are no JSON, or say something twice";
    static const struct {
        const char *claims, *why;
    } rows[] = {
        {"", "the claims are no JSON object"},
        {"7", "the claims are no JSON object"},
        {"{\"exp\":1700003600", twice},
        {"{\"exp\":1700003600}}", twice},
        {"{\"exp\":1,\"exp\":1700003600}", twice},
        {"{\"exp\":1700003600,\"e\\u0078p\":1}", twice},
        {"{\"exp\":1700003600,\"role\":\"user\",\"role\":\"admin\"}", twice},
        {"{\"exp\":1700003600,\"x\":[{\"a\":1,\"a\":1}]}", twice},
        {"{\"exp\":1700003600,\"x\":\"\xff\"}", twice},
        {"{\"exp\":\"1700003600\"}", "a time of the token is no number of seconds"},
        {"{\"exp\":null}", "a time of the token is no number of seconds"},
        {"{\"exp\":1e300}", "a time of the token is no number of seconds"},
        {"{\"exp\":1700003600,\"nbf\":\"0\"}", "a time of the token is no number of seconds"},
        {"{\"exp\":1700003600,\"iat\":true}", "a time of the token is no number of seconds"},
        {"{\"exp\":1700003600,\"sub\":{}}", "the subject is no string"},
        {"{\"exp\":1700003600,\"sub\":1.5}", "the subject is no string"},
        {"{\"exp\":1700003600,\"iss\":7}", "the issuer is no string"},
        {"{\"exp\":1700003600,\"jti\":7}", "the id of the token is no string"},
        {"{\"exp\":1700003600,\"aud\":7}", "the audience is no string and no array of strings"},
        {"{\"exp\":1700003600,\"aud\":[7]}", "the audience is no string and no array of strings"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(it, sign(it, HEAD, rows[i].claims), NULL, rows[i].why);
}

/* What stands in a reason goes to a client's header: it must be ours. */
static void test_a_wrong_signature_is_said_before_anything_is_read(void **state)
{
    struct bench *it = *state;
    bk_jwt_keys *theirs = keys_of_secret(OTHER_SECRET, NULL);

    assert_refused(it, forge(it->arena, &theirs->items[0], HEAD, "no json"), NULL,
                   "the token's signature is wrong");
    bk_jwt_keys_free(theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(test_the_example_of_rfc_7519_is_taken),
        test(test_the_unsecured_example_of_rfc_7519_is_refused),
        test(test_what_was_signed_is_read_again),
        test(test_every_algorithm_signs_and_verifies),
        test(test_ed25519_has_two_names),
        test(test_no_spelling_of_none_is_taken),
        test(test_a_public_key_is_no_secret),
        test(test_a_key_of_one_algorithm_takes_no_other_of_its_kind),
        test(test_keys_in_a_header_are_not_used),
        test(test_extensions_that_must_be_known_are_refused),
        test(test_an_empty_set_takes_nothing),
        test(test_the_first_key_signs_and_all_verify),
        test(test_a_key_id_says_which_key_it_is),
        test(test_a_set_is_replaced_at_once),
        test(test_what_has_not_three_parts_is_refused),
        test(test_each_token_has_one_spelling),
        test(test_a_token_of_more_than_8192_bytes_is_refused),
        test(test_a_header_that_is_no_sound_json_is_refused),
        test(test_claims_that_are_no_sound_json_are_refused),
        test(test_a_wrong_signature_is_said_before_anything_is_read),
    };
    return cmocka_run_group_tests_name("crypto_jwt", tests, NULL, NULL);
}
