/*
 * Signatures: the examples of the RFCs, and that each key signs and verifies by its own algorithm
 * only.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "jwt_examples.h"
#include "text.h"

#define A1_INPUT     "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." JOE
#define A1_SIGNATURE "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
#define A2_INPUT     "eyJhbGciOiJSUzI1NiJ9." JOE
#define A2_SIGNATURE                                                                               \
    "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5" \
    "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb" \
    "1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QO" \
    "YEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
#define A3_INPUT "eyJhbGciOiJFUzI1NiJ9." JOE
#define A3_SIGNATURE                                                                               \
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
#define A4_INPUT "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"
#define A4_SIGNATURE                                                                               \
    "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8G" \
    "aSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"
#define ED_INPUT "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
#define ED_SIGNATURE                                                                               \
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"

static const struct example {
    const char *key, *alg, *input, *signature;
    bool always; /* the algorithm has one signature only */
} examples[] = {
    {A1_KEY, "HS256", A1_INPUT, A1_SIGNATURE, true},
    {A2_KEY, "RS256", A2_INPUT, A2_SIGNATURE, true},
    {A3_KEY, "ES256", A3_INPUT, A3_SIGNATURE, false},
    {A4_KEY, "ES512", A4_INPUT, A4_SIGNATURE, false},
    {ED_KEY, "EdDSA", ED_INPUT, ED_SIGNATURE, true},
};

#define EXAMPLES (sizeof examples / sizeof examples[0])

static struct bk__jws_key read_key(bk_arena *arena, const char *json, bk_jwt_alg alg)
{
    struct bk__jws_key key;
    enum bk__jwk_sort sort;

    assert_int_equal(
        bk__jwk_read(arena, bk_str_of(json), &(bk_jwt_key_opts){.alg = alg}, &key, &sort), BK_OK);
    return key;
}

static void test_the_examples_of_rfc_7515_and_rfc_8037_are_right(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();

    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *it = &examples[i];
        struct bk__jws_key key = read_key(arena, it->key, BK_JWT_BY_KEY);
        bk_str signature;
        assert_text(key.alg->name, it->alg);
        assert_int_equal(bk__base64url_decode(arena, bk_str_of(it->signature), &signature), BK_OK);
        assert_true(bk__jws_verify(&key, bk_str_of(it->input), signature));
        bk__jws_key_fini(&key);
    }
    bk_arena_free(arena);
}

static void test_the_examples_are_signed_alike(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    unsigned char out[BK__JWS_SIGNATURE_MAX];

    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *it = &examples[i];
        struct bk__jws_key key = read_key(arena, it->key, BK_JWT_BY_KEY);
        size_t len = bk__jws_sign(&key, bk_str_of(it->input), out);
        bk_str signature = bk_str_at((char *)out, len);
        assert_true(bk__jws_verify(&key, bk_str_of(it->input), signature));
        if (it->always)
            assert_text(bk__base64url(arena, signature), it->signature);
        bk__jws_key_fini(&key);
    }
    bk_arena_free(arena);
}

static void test_no_bit_of_a_signature_or_of_what_it_signs_can_change(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();

    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *it = &examples[i];
        struct bk__jws_key key = read_key(arena, it->key, BK_JWT_BY_KEY);
        bk_str signature;
        assert_int_equal(bk__base64url_decode(arena, bk_str_of(it->signature), &signature), BK_OK);
        char *bytes = memcpy(bk_arena_alloc(arena, signature.len), signature.ptr, signature.len);
        for (size_t at = 0; at < signature.len; at += 7) {
            bytes[at] ^= 1;
            assert_false(
                bk__jws_verify(&key, bk_str_of(it->input), bk_str_at(bytes, signature.len)));
            bytes[at] ^= 1;
        }
        assert_false(bk__jws_verify(&key, bk_str_of(it->input + 1), signature));
        for (size_t len = 0; len < signature.len; len += 31)
            assert_false(bk__jws_verify(&key, bk_str_of(it->input), bk_str_at(bytes, len)));
        bk__jws_key_fini(&key);
    }
    bk_arena_free(arena);
}

/* What a wrong key of the same kind, and one of another algorithm, say to a signature. */
static void test_an_rsa_key_has_one_algorithm_of_six(void **state)
{
    (void)state;
    bk_arena *arena = bk_arena_new();
    unsigned char out[BK__JWS_SIGNATURE_MAX];
    bk_str input = BK_LIT("e30.e30");

    for (int mine = BK_JWT_RS256; mine <= BK_JWT_PS512; mine++) {
        struct bk__jws_key signer = read_key(arena, A2_KEY, (bk_jwt_alg)mine);
        size_t len = bk__jws_sign(&signer, input, out);
        assert_int_equal(len, 256);
        for (int other = BK_JWT_RS256; other <= BK_JWT_PS512; other++) {
            struct bk__jws_key key = read_key(arena, A2_PUBLIC, (bk_jwt_alg)other);
            assert_false(key.can_sign);
            assert_int_equal(bk__jws_verify(&key, input, bk_str_at((char *)out, len)),
                             other == mine);
            bk__jws_key_fini(&key);
        }
        bk__jws_key_fini(&signer);
    }
    bk_arena_free(arena);
}

static void test_a_signature_of_zeros_is_none(void **state)
{
    (void)state;
    static const char zeros[256];
    bk_arena *arena = bk_arena_new();

    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *it = &examples[i];
        struct bk__jws_key key = read_key(arena, it->key, BK_JWT_BY_KEY);
        static const size_t lengths[] = {32, 48, 64, 96, 132, 256};
        for (size_t at = 0; at < sizeof lengths / sizeof lengths[0]; at++)
            assert_false(bk__jws_verify(&key, bk_str_of(it->input), bk_str_at(zeros, lengths[at])));
        bk__jws_key_fini(&key);
    }
    bk_arena_free(arena);
}

static void test_names_are_those_of_the_rfcs(void **state)
{
    (void)state;
    static const char *const names[] = {"HS256", "HS384", "HS512", "RS256", "RS384",
                                        "RS512", "PS256", "PS384", "PS512", "ES256",
                                        "ES384", "ES512", "EdDSA"};
    static const char *const none[] = {"none", "None", "hs256", "HS256 ", "ES256K", "", "RSA-OAEP"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(bk__jws_alg_named(bk_str_of(names[i]))->id, BK_JWT_HS256 + (int)i);
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(bk__jws_alg_named(bk_str_of(none[i])));
    assert_null(bk__jws_alg_named(bk_str_of(NULL)));
    assert_text(bk__jws_alg_named(BK_LIT("Ed25519"))->name, "EdDSA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_examples_of_rfc_7515_and_rfc_8037_are_right),
        cmocka_unit_test(test_the_examples_are_signed_alike),
        cmocka_unit_test(test_no_bit_of_a_signature_or_of_what_it_signs_can_change),
        cmocka_unit_test(test_an_rsa_key_has_one_algorithm_of_six),
        cmocka_unit_test(test_a_signature_of_zeros_is_none),
        cmocka_unit_test(test_names_are_those_of_the_rfcs),
    };
    return cmocka_run_group_tests_name("crypto_jws", tests, NULL, NULL);
}
