/*
 * Which keys are taken: secrets, PEM, JWK and JWK Sets.
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

#include <backend/app.h>
#include <backend/json.h>
#include <backend/str.h>

#include "jwt_examples.h"
#include "text.h"
#include "harness/aborts.h"

/* 1024 bits, made for this test. */
#define WEAK_RSA                                                                                                     \
    "{\"kty\":\"RSA\",\"n\":\"5mjrJhwLHQfHLrU81vNBwBQIdkNL0G_CI1SGnQmIttuzO8ikw-mrC7E5YqTmE3IsUuvOtPcUyxrZDiI5BvKud" \
    "kxNhawWgowbKF8FchlKzi9zI0Oq45t5SpAITcaSw1RODL2D7u9ED5mUtzCiK8r0avItVjsIVcHn2u-IyPoqoB0\",\"e\":\"AQAB\"}"

static const char *why(void)
{
    static char text[256];

    snprintf(text, sizeof text, "%.*s", BK_PRI(bk_error_chain()->message));
    return text;
}

#define assert_refused(err, part)                                                                  \
    do {                                                                                           \
        assert_int_equal(err, BK_EINVAL);                                                          \
        if (strstr(why(), part) == NULL)                                                           \
            fail_msg("\"%s\" is not in \"%s\"", part, why());                                      \
    } while (0)

static bk_err add_jwk(const char *json, bk_jwt_alg alg)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
    bk_err err = bk_jwt_keys_add_jwk(keys, bk_str_of(json), &(bk_jwt_key_opts){.alg = alg});

    assert_int_equal(bk_jwt_keys_count(keys), err == BK_OK);
    bk_jwt_keys_free(keys);
    return err;
}

static bk_err add_secret(const char *secret, bk_jwt_alg alg)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
    bk_err err = bk_jwt_keys_add_secret(keys, bk_str_of(secret), &(bk_jwt_key_opts){.alg = alg});

    assert_int_equal(bk_jwt_keys_count(keys), err == BK_OK);
    bk_jwt_keys_free(keys);
    return err;
}

static bk_err add_pem(const char *pem, bk_jwt_alg alg)
{
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);
    bk_err err = bk_jwt_keys_add_pem(keys, bk_str_of(pem), &(bk_jwt_key_opts){.alg = alg});

    assert_int_equal(bk_jwt_keys_count(keys), err == BK_OK);
    bk_jwt_keys_free(keys);
    return err;
}

/* --- secrets ---------------------------------------------------------------------------------- */

static void test_a_secret_has_as_many_bytes_as_its_hash(void **state)
{
    (void)state;
    static const char long_one[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    static const struct {
        bk_jwt_alg alg;
        size_t least;
    } rows[] = {{BK_JWT_BY_KEY, 32}, {BK_JWT_HS256, 32}, {BK_JWT_HS384, 48}, {BK_JWT_HS512, 64}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(add_secret(long_one + 64 - rows[i].least, rows[i].alg), BK_OK);
        assert_refused(add_secret(long_one + 65 - rows[i].least, rows[i].alg), "at least");
    }
    assert_refused(add_secret("", BK_JWT_BY_KEY), "this one has 0");
}

static void test_a_secret_is_no_key_for_other_algorithms(void **state)
{
    (void)state;
    for (int alg = BK_JWT_RS256; alg <= BK_JWT_EDDSA; alg++)
        assert_refused(add_secret(SECRET, (bk_jwt_alg)alg), "a secret cannot be a key for");
    assert_refused(add_jwk("{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":"
                           "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"}",
                           BK_JWT_BY_KEY),
                   "a secret cannot be a key for RS256");
}

/* Whoever takes a public key for a secret signs with what everybody knows. */
static void test_a_pem_text_is_no_secret(void **state)
{
    (void)state;
    assert_refused(
        add_secret("\n-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOC\n", BK_JWT_BY_KEY),
        "a key in PEM is no secret");
}

/* --- PEM -------------------------------------------------------------------------------------- */

/* The key of @p name ("RSA", "EC", ...) as PEM, private or public; encrypted with a password. */
static bk_str make_pem(bk_arena *arena, EVP_PKEY *pkey, bool is_private, const char *password)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    if (is_private)
        assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey,
                                                  password != NULL ? EVP_aes_128_cbc() : NULL, NULL,
                                                  0, NULL, (void *)(uintptr_t)password),
                         1);
    else
        assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
    long len = BIO_get_mem_data(bio, &text);
    bk_str pem = bk_arena_dup(arena, bk_str_at(text, (size_t)len));
    BIO_free(bio);
    EVP_PKEY_free(pkey);
    return pem;
}

static void test_each_kind_of_key_is_read_from_pem(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    static const struct {
        const char *kind, *curve, *alg;
    } rows[] = {{"RSA", NULL, "RS256"},
                {"EC", "P-256", "ES256"},
                {"EC", "P-384", "ES384"},
                {"EC", "P-521", "ES512"},
                {"ED25519", NULL, "EdDSA"}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EVP_PKEY *pkey =
            strcmp(rows[i].kind, "RSA") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
            : rows[i].curve != NULL          ? EVP_PKEY_Q_keygen(NULL, NULL, "EC", rows[i].curve)
                                             : EVP_PKEY_Q_keygen(NULL, NULL, rows[i].kind);
        assert_non_null(pkey);
        EVP_PKEY_up_ref(pkey);
        bk_str private_pem = make_pem(arena, pkey, true, NULL);
        bk_str public_pem = make_pem(arena, pkey, false, NULL), token;
        bk_jwt_keys *ours = bk_jwt_keys_new(NULL), *theirs = bk_jwt_keys_new(NULL);
        bk_buf jwks = {.arena = arena};
        bk_jwt jwt;
        assert_int_equal(bk_jwt_keys_add_pem(ours, private_pem, NULL), BK_OK);
        assert_int_equal(bk_jwt_keys_add_pem(theirs, public_pem, NULL), BK_OK);
        assert_int_equal(bk_jwt_sign(ours, arena, bk_str_of(NULL), NULL, &token), BK_OK);
        assert_int_equal(bk_jwt_verify(ours, arena, token, NULL, &jwt), BK_OK);
        assert_int_equal(bk_jwt_verify(theirs, arena, token, NULL, &jwt), BK_OK);
        assert_int_equal(bk_jwt_sign(theirs, arena, bk_str_of(NULL), NULL, &token), BK_EINTERNAL);
        bk_jwt_keys_public(ours, &jwks);
        assert_non_null(memmem(jwks.ptr, jwks.len, rows[i].alg, 5));
        bk_jwt_keys_free(ours);
        bk_jwt_keys_free(theirs);
    }
    bk_arena_free(arena);
}

static void test_keys_that_are_not_ours_are_refused(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_str small = make_pem(arena, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024), false, NULL);
    bk_str k1 = make_pem(arena, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1"), true, NULL);
    bk_str p224 = make_pem(arena, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-224"), false, NULL);
    bk_str ed448 = make_pem(arena, EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), true, NULL);
    bk_str x25519 = make_pem(arena, EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), false, NULL);
    bk_str locked = make_pem(arena, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), true, "password");

    assert_refused(add_pem(small.ptr, BK_JWT_BY_KEY), "from 2048 to 8192 bits, this one 1024");
    assert_refused(add_pem(k1.ptr, BK_JWT_BY_KEY), "a key is RSA, on P-256");
    assert_refused(add_pem(p224.ptr, BK_JWT_BY_KEY), "a key is RSA, on P-256");
    assert_refused(add_pem(ed448.ptr, BK_JWT_BY_KEY), "or Ed25519");
    assert_refused(add_pem(x25519.ptr, BK_JWT_BY_KEY), "or Ed25519");
    assert_refused(add_pem(locked.ptr, BK_JWT_BY_KEY), "or an encrypted one"); /* and asks nobody */
    assert_refused(
        add_pem("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", BK_JWT_BY_KEY),
        "no key in PEM");
    assert_refused(add_pem("", BK_JWT_BY_KEY), "no key in PEM");
    bk_arena_free(arena);
}

static void test_a_curve_has_one_algorithm(void **state)
{
    (void)state;
    for (int alg = BK_JWT_HS256; alg <= BK_JWT_EDDSA; alg++) {
        if (alg != BK_JWT_ES256)
            assert_refused(add_jwk(A3_KEY, (bk_jwt_alg)alg), "no key for");
        if (alg != BK_JWT_EDDSA)
            assert_refused(add_jwk(ED_KEY, (bk_jwt_alg)alg), "no key for");
        if (alg < BK_JWT_RS256 || alg > BK_JWT_PS512)
            assert_refused(add_jwk(A2_KEY, (bk_jwt_alg)alg), "no key for");
    }
}

/* --- JWK -------------------------------------------------------------------------------------- */

static void test_numbers_that_make_no_key_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *json, *part;
    } rows[] = {
        {WEAK_RSA, "bits"},
        {"{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQ\"}", "do not make one"}, /* e = 1 */
        {"{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"Ag\"}", "do not make one"}, /* even */
        {"{\"kty\":\"RSA\",\"n\":\"" A2_N "\"}", "\"e\" is missing"},
        {"{\"kty\":\"RSA\",\"n\":\"!\",\"e\":\"AQAB\"}", "\"n\" is missing or no base64url"},
        {"{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\",\"d\":\"" A2_D "\"}", "\"p\""},
        {"{\"kty\":\"RSA\",\"n\":\"" A2_N "\",\"e\":\"AQAB\",\"d\":\"" A2_D "\",\"oth\":[]}",
         "two primes"},
        /* a point that is not on the curve, one that is too short, the other half's key */
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_X "\"}",
         "do not make one"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQAB\",\"y\":\"" A3_Y "\"}", "32 bytes"},
        {"{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}", "48 bytes"},
        {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\",\"d\":\"AQAB\"}",
         "do not make one"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" A3_X "\",\"d\":\"" ED_X "\"}",
         "is not what \"d\" makes"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}", "32 bytes"},
        {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\",\"d\":\"AQAB\"}", "32 bytes"},
        {"{\"kty\":\"oct\",\"k\":\"AQAB\"}", "at least 32"},
        {"{\"kty\":\"oct\"}", "\"k\" is missing"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_refused(add_jwk(rows[i].json, BK_JWT_BY_KEY), rows[i].part);
}

static void test_what_is_no_jwk_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{}",
        "[]",
        "null",
        "{\"keys\":[]}",
        "{\"kty\":\"RSA\"",
        "{\"kty\":7}",
        "{\"kty\":\"oct\",\"kty\":\"RSA\"}",
        "{\"kty\":\"DH\"}",
        "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"" ED_X "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"use\":\"enc\",\"x\":\"" ED_X "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[],\"x\":\"" ED_X "\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"none\",\"x\":\"" ED_X "\"}",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_refused(add_jwk(texts[i], BK_JWT_BY_KEY), "");
}

static void test_what_a_key_says_of_itself_holds(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_jwt_keys *keys =
        keys_of_jwk("{\"kty\":\"RSA\",\"alg\":\"PS384\",\"kid\":\"one\",\"use\":\"sig\","
                    "\"key_ops\":[\"verify\"],\"n\":\"" A2_N "\",\"e\":\"AQAB\"}",
                    BK_JWT_BY_KEY);
    bk_buf buf = {.arena = arena};

    bk_jwt_keys_public(keys, &buf);
    assert_text(bk_buf_str(&buf),
                "{\"keys\":[{\"kty\":\"RSA\",\"use\":\"sig\",\"alg\":\"PS384\",\"kid\":\"one\","
                "\"n\":\"" A2_N "\",\"e\":\"AQAB\"}]}");
    assert_refused(bk_jwt_keys_add_jwk(keys,
                                       BK_LIT("{\"kty\":\"RSA\",\"alg\":\"PS384\",\"n\":\"" A2_N
                                              "\",\"e\":\"AQAB\"}"),
                                       &(bk_jwt_key_opts){.alg = BK_JWT_RS256}),
                   "this is a key for PS384");
    bk_jwt_keys_free(keys);
    bk_arena_free(arena);
}

static void test_a_private_key_that_may_only_verify_does_not_sign(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_jwt_keys *keys =
        keys_of_jwk("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"key_ops\":[\"verify\"],\"x\":\"" ED_X
                    "\",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}",
                    BK_JWT_BY_KEY);
    bk_str token;

    assert_int_equal(bk_jwt_sign(keys, arena, bk_str_of(NULL), NULL, &token), BK_EINTERNAL);
    bk_jwt_keys_free(keys);
    bk_arena_free(arena);
}

/* --- sets ------------------------------------------------------------------------------------- */

#define FOREIGN                                                                                    \
    "{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"" A3_X "\",\"y\":\"" A3_Y                       \
    "\"},{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"x\"},"                                   \
    "{\"kty\":\"RSA\",\"use\":\"enc\",\"n\":\"" A2_N "\",\"e\":\"AQAB\"}"

static void test_a_set_passes_over_keys_that_are_not_ours(void **state)
{
    (void)state;
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);

    assert_int_equal(
        bk_jwt_keys_add_jwk(
            keys, BK_LIT("{\"keys\":[" FOREIGN "," A3_PUBLIC "," ED_PUBLIC "],\"x\":1}"), NULL),
        BK_OK);
    assert_int_equal(bk_jwt_keys_count(keys), 2);
    assert_refused(bk_jwt_keys_add_jwk(keys, BK_LIT("{\"keys\":[" FOREIGN "]}"), NULL),
                   "no key of this set can be used");
    assert_int_equal(bk_jwt_keys_count(keys), 2);
    bk_jwt_keys_free(keys);
}

static void test_a_set_with_a_wrong_key_adds_nothing(void **state)
{
    (void)state;
    bk_jwt_keys *keys = keys_of_secret(SECRET, NULL);

    assert_refused(
        bk_jwt_keys_add_jwk(keys, BK_LIT("{\"keys\":[" ED_PUBLIC "," WEAK_RSA "]}"), NULL),
        "key 1 of the set");
    assert_int_equal(bk_jwt_keys_count(keys), 1);
    bk_jwt_keys_free(keys);
}

static void test_a_set_has_64_keys_at_most(void **state)
{
    (void)state;
    bk_jwt_keys *keys = bk_jwt_keys_new(NULL);

    for (int i = 0; i < BK_JWT_KEYS_MAX; i++)
        assert_int_equal(bk_jwt_keys_add_secret(keys, BK_LIT(SECRET), NULL), BK_OK);
    assert_refused(bk_jwt_keys_add_secret(keys, BK_LIT(SECRET), NULL), "at most 64 keys");
    assert_refused(bk_jwt_keys_add_jwk(keys, BK_LIT(ED_PUBLIC), NULL), "at most 64 keys");
    bk_jwt_keys_free(keys);
}

/* What is published verifies what the private keys sign, and gives nothing away. */
static void test_the_public_set_has_no_secret_in_it(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    bk_jwt_keys *ours = keys_of_jwk(
        "{\"keys\":[" A4_KEY "," A2_KEY "," A3_KEY "," ED_KEY "," A1_KEY "]}", BK_JWT_BY_KEY);
    bk_jwt_keys *theirs = bk_jwt_keys_new(NULL);
    bk_buf buf = {.arena = arena};
    bk_json *set;
    bk_str token;
    bk_jwt jwt;

    bk_jwt_keys_public(ours, &buf);
    assert_int_equal(bk_json_parse(arena, bk_buf_str(&buf), NULL, &set), BK_OK);
    const bk_json *list = bk_json_get(set, BK_LIT("keys"));
    assert_int_equal(bk_json_len(list), 4);
    for (const bk_json *it = bk_json_first(list); it != NULL; it = bk_json_next(it))
        for (const char *const *name = (const char *const[]){"d", "p", "q", "dp", "k", NULL};
             *name != NULL; name++)
            assert_null(bk_json_get(it, bk_str_of(*name)));
    assert_int_equal(bk_jwt_keys_add_jwk(theirs, bk_buf_str(&buf), NULL), BK_OK);
    assert_int_equal(bk_jwt_sign(ours, arena, bk_str_of(NULL), NULL, &token), BK_OK);
    assert_int_equal(bk_jwt_verify(theirs, arena, token, NULL, &jwt), BK_OK);
    bk_jwt_keys_free(ours);
    bk_jwt_keys_free(theirs);
    bk_arena_free(arena);
}

static void free_what_an_app_has(void)
{
    bk_app *app = bk_app_new(NULL);
    bk_jwt_keys_free(bk_jwt_keys_new(app));
}

static void test_a_set_of_an_app_is_freed_with_it(void **state)
{
    (void)state;
    bk_app *app = bk_app_new(NULL);
    bk_jwt_keys *keys = bk_jwt_keys_new(app);

    assert_int_equal(bk_jwt_keys_add_secret(keys, BK_LIT(SECRET), NULL), BK_OK);
    bk_app_free(app);
    bk_jwt_keys_free(NULL);
    assert_true(aborts(free_what_an_app_has));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_secret_has_as_many_bytes_as_its_hash),
        cmocka_unit_test(test_a_secret_is_no_key_for_other_algorithms),
        cmocka_unit_test(test_a_pem_text_is_no_secret),
        cmocka_unit_test(test_each_kind_of_key_is_read_from_pem),
        cmocka_unit_test(test_keys_that_are_not_ours_are_refused),
        cmocka_unit_test(test_a_curve_has_one_algorithm),
        cmocka_unit_test(test_numbers_that_make_no_key_are_refused),
        cmocka_unit_test(test_what_is_no_jwk_is_refused),
        cmocka_unit_test(test_what_a_key_says_of_itself_holds),
        cmocka_unit_test(test_a_private_key_that_may_only_verify_does_not_sign),
        cmocka_unit_test(test_a_set_passes_over_keys_that_are_not_ours),
        cmocka_unit_test(test_a_set_with_a_wrong_key_adds_nothing),
        cmocka_unit_test(test_a_set_has_64_keys_at_most),
        cmocka_unit_test(test_the_public_set_has_no_secret_in_it),
        cmocka_unit_test(test_a_set_of_an_app_is_freed_with_it),
    };
    return cmocka_run_group_tests_name("crypto_jwk", tests, NULL, NULL);
}
