/* Tests of libbackend/crypto/hmac.c. Vectors are those of RFC 4231. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <backend/str.h>

#include "core/encode.h"
#include "crypto/hmac.h"

static void check_sum(struct bk__hmac *hmac, bk_str text, const char *want)
{
    unsigned char sum[BK__HMAC_MAX];
    char hex[2 * BK__HMAC_MAX + 1] = "";
    size_t len = bk__hmac_sum(hmac, &text, 1, sum);

    bk__hex(sum, len, hex);
    assert_string_equal(hex, want);
}

#define JEFE BK_LIT("Jefe")
#define WHAT BK_LIT("what do ya want for nothing?")

static void test_sums_are_those_of_the_standard(void **state)
{
    (void)state;
    const struct {
        const char *digest, *want;
    } vectors[] = {
        {"SHA256", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {"SHA384",
         "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c7"
         "8b3239ecfab21649"},
        {"SHA512",
         "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a"
         "6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
    };
    for (size_t i = 0; i < 3; i++) {
        struct bk__hmac *hmac = bk__hmac_new(vectors[i].digest, JEFE);
        check_sum(hmac, WHAT, vectors[i].want);
        bk__hmac_free(hmac);
    }
}

static void test_a_key_is_good_for_many_sums(void **state)
{
    (void)state;
    struct bk__hmac *hmac = bk__hmac_new("SHA256", JEFE);
    for (int i = 0; i < 3; i++) {
        check_sum(hmac, WHAT, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        check_sum(hmac, BK_LIT(""),
                  "923598ca6d64af2a5dba79dcd021a8a0fe5c5f557519adaaf0ad532d4506dd30");
    }
    bk__hmac_free(hmac);
}

static void test_parts_are_summed_as_one_text(void **state)
{
    (void)state;
    const bk_str parts[] = {BK_LIT("what do ya"), {NULL, 0}, BK_LIT(" want for nothing?")};
    const bk_str whole = WHAT;
    unsigned char a[BK__HMAC_MAX], b[BK__HMAC_MAX];
    struct bk__hmac *hmac = bk__hmac_new("SHA256", JEFE);
    assert_int_equal(bk__hmac_sum(hmac, parts, 3, a), BK__HMAC_SHA256);
    assert_int_equal(bk__hmac_sum(hmac, &whole, 1, b), BK__HMAC_SHA256);
    assert_true(bk__same_secret(a, b, BK__HMAC_SHA256));
    b[31] ^= 1;
    assert_false(bk__same_secret(a, b, BK__HMAC_SHA256));
    bk__hmac_free(hmac);
}

static void test_a_key_may_be_empty_or_long(void **state)
{
    (void)state;
    char key[131];
    memset(key, 0xaa, sizeof key);
    struct bk__hmac *hmac = bk__hmac_new("SHA256", bk_str_at(key, sizeof key));
    check_sum(hmac, BK_LIT("Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    bk__hmac_free(hmac);
    hmac = bk__hmac_new("SHA256", (bk_str){NULL, 0});
    check_sum(hmac, BK_LIT(""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    bk__hmac_free(hmac);
    bk__hmac_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_are_those_of_the_standard),
        cmocka_unit_test(test_a_key_is_good_for_many_sums),
        cmocka_unit_test(test_parts_are_summed_as_one_text),
        cmocka_unit_test(test_a_key_may_be_empty_or_long),
    };
    return cmocka_run_group_tests_name("crypto_hmac", tests, NULL, NULL);
}
