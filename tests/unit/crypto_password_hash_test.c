/* Tests of libbackend/crypto/password_hash.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <backend/str.h>

#include "crypto/password_hash.h"

#define KEY "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"

static bk_err parse(const char *text, struct bk__hash *out)
{
    return bk__hash_parse(bk_str_of(text), out);
}

static void test_what_is_told_is_read(void **state)
{
    struct bk__hash hash;
    (void)state;

    assert_int_equal(parse("$argon2id$v=19$m=65536,t=2,p=4$c29tZXNhbHQ$" KEY, &hash), BK_OK);
    assert_int_equal(hash.kind, BK__HASH_ARGON2ID);
    assert_int_equal(hash.costs[0], 65536);
    assert_int_equal(hash.costs[1], 2);
    assert_int_equal(hash.costs[2], 4);
    assert_int_equal(hash.salt_len, 8);
    assert_memory_equal(hash.salt, "somesalt", 8);
    assert_int_equal(hash.key_len, 32);
    assert_int_equal(parse("$scrypt$ln=15,r=8,p=1$c29tZXNhbHQ$" KEY, &hash), BK_OK);
    assert_int_equal(hash.kind, BK__HASH_SCRYPT);
    assert_int_equal(hash.costs[0], 15);
    assert_int_equal(parse("$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", &hash),
                     BK_OK);
    assert_int_equal(hash.kind, BK__HASH_BCRYPT);
    assert_int_equal(hash.costs[0], 12);
}

static void test_costs_that_would_stop_the_service_are_refused(void **state)
{
    static const char *const hashes[] = {
        "$argon2id$v=19$m=262145,t=2,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=4294967296,t=2,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=64,t=17,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=64,t=1,p=17$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=7,t=1,p=1$c29tZXNhbHQ$" KEY,
        "$scrypt$ln=21,r=1,p=1$c29tZXNhbHQ$" KEY,
        "$scrypt$ln=20,r=3,p=1$c29tZXNhbHQ$" KEY,
        "$scrypt$ln=10,r=33,p=1$c29tZXNhbHQ$" KEY,
        "$scrypt$ln=10,r=8,p=17$c29tZXNhbHQ$" KEY,
        "$2b$16$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    };
    struct bk__hash hash;
    (void)state;

    for (size_t i = 0; i < sizeof hashes / sizeof hashes[0]; i++)
        assert_int_equal(parse(hashes[i], &hash), BK_EINVAL);
}

static void test_what_is_no_hash_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "password",
        "$1$salt$ZZZZ",
        "$6$salt$ZZZZ",
        "$argon2id$m=64,t=1,p=1$c29tZXNhbHQ$" KEY, /* version 16 */
        "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$t=1,m=64,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=064,t=1,p=1$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=64,t=1,p=1,data=eA$c29tZXNhbHQ$" KEY,
        "$argon2id$v=19$m=64,t=1,p=1$c29tZQ$" KEY,          /* a salt of 4 bytes */
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXP", /* a key of 6 */
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHR$" KEY,     /* bits left over */
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ=$" KEY,
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" KEY "$",
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ",
        "$argon2ix$v=19$m=64,t=1,p=1$c29tZXNhbHQ$" KEY,
        "$2c$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$12$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
        "$2b$12$CCCCCCCCCCCCCCCCCCCCC:E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$1x$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
    };
    struct bk__hash hash;
    char large[BK__HASH_MAX + 2];
    (void)state;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(parse(texts[i], &hash), BK_EINVAL);
    memset(large, 'A', sizeof large);
    memcpy(large, "$argon2id", 9);
    large[sizeof large - 1] = '\0';
    assert_int_equal(parse(large, &hash), BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_told_is_read),
        cmocka_unit_test(test_costs_that_would_stop_the_service_are_refused),
        cmocka_unit_test(test_what_is_no_hash_is_refused),
    };
    return cmocka_run_group_tests_name("crypto_password_hash", tests, NULL, NULL);
}
