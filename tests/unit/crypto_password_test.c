/* Tests of libbackend/crypto/password.c. Hashes are of the reference implementation of argon2, of
 * bcrypt's published vectors, of RFC 7914, and of Node's crypto.scrypt(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <backend/arena.h>
#include <backend/password.h>
#include <backend/str.h>

#include "../harness/fiber_run.h"

#define ARGON2ID                                                                                   \
    "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
#define ARGON2I                                                                                    \
    "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"
#define BCRYPT_A "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" /* U*U */
#define SCRYPT                                                                                     \
    "$scrypt$ln=10,r=8,p=1$MDEyMzQ1Njc4OWFiY2RlZg$o3zBilPc86r0aNumivxDqGJbs1CVkVYyLfGzVSIFS0U"

static const bk_password_opts cheap = {.memory_kib = 64, .passes = 1};

static bk_err verify(const char *password, const char *hash)
{
    return bk_password_verify(bk_str_of(password), bk_str_of(hash), &cheap, NULL);
}

static bk_err test_a_hash_is_of_its_password_only(void *data)
{
    bk_str hash, again;
    bool old = true;
    bk_arena *arena = bk_fiber_arena();
    (void)data;

    BK_TRY(bk_password_hash(arena, BK_LIT("open sesame"), &cheap, &hash));
    BK_TRY(bk_password_hash(arena, BK_LIT("open sesame"), &cheap, &again));
    assert_false(bk_str_eq(hash, again)); /* another salt */
    BK_TRY(bk_password_verify(BK_LIT("open sesame"), hash, &cheap, &old));
    assert_false(old);
    assert_int_equal(bk_password_verify(BK_LIT("open sesame "), hash, &cheap, &old),
                     BK_EUNAUTHORIZED);
    assert_int_equal(bk_password_verify(BK_LIT(""), hash, &cheap, &old), BK_EUNAUTHORIZED);
    assert_int_equal(bk_password_verify(BK_LIT("open sesame\0"), hash, &cheap, &old),
                     BK_EUNAUTHORIZED);
    return BK_OK;
}

static bk_err test_the_default_costs_are_owasps(void *data)
{
    bk_str hash;
    bool old;
    (void)data;

    BK_TRY(bk_password_hash(bk_fiber_arena(), BK_LIT("x"), NULL, &hash));
    assert_memory_equal(hash.ptr, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
    assert_int_equal(hash.len, 97);
    BK_TRY(bk_password_verify(BK_LIT("x"), hash, NULL, &old));
    assert_false(old);
    BK_TRY(bk_password_verify(BK_LIT("x"), hash, &cheap, &old));
    assert_true(old);
    return BK_OK;
}

static bk_err test_hashes_that_others_left_are_checked(void *data)
{
    static const struct {
        const char *hash, *right, *wrong;
    } cases[] = {
        {ARGON2ID, "password", "Password"},
        {ARGON2I, "password", "passwor"},
        {BCRYPT_A, "U*U", "U*V"},
        {SCRYPT, "pleaseletmein", "pleaseletmeout"},
    };
    bool old;
    (void)data;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        old = false;
        BK_TRY(bk_password_verify(bk_str_of(cases[i].right), bk_str_of(cases[i].hash), NULL, &old));
        assert_true(old);
        assert_int_equal(verify(cases[i].wrong, cases[i].hash), BK_EUNAUTHORIZED);
    }
    return BK_OK;
}

static bk_err test_bcrypts_later_names_and_zero_bytes(void *data)
{
    char hash[] = BCRYPT_A;
    (void)data;

    for (const char *name = "by"; *name != '\0'; name++) {
        hash[2] = *name;
        BK_TRY(verify("U*U", hash));
    }
    assert_int_equal(bk_password_verify(BK_LIT("U*U\0x"), bk_str_of(hash), &cheap, NULL),
                     BK_EUNAUTHORIZED); /* bcrypt would read three bytes of it */
    return BK_OK;
}

static bk_err test_what_nodes_scrypt_made_is_checked(void *data)
{
    static const unsigned char rfc[] = {
        0xfd, 0xba, 0xbe, 0x1c, 0x9d, 0x34, 0x72, 0x00, 0x78, 0x56, 0xe7, 0x19, 0x0d,
        0x01, 0xe9, 0xfe, 0x7c, 0x6a, 0xd7, 0xcb, 0xc8, 0x23, 0x78, 0x30, 0xe7, 0x73,
        0x76, 0x63, 0x4b, 0x37, 0x31, 0x62, 0x2e, 0xaf, 0x30, 0xd9, 0x2e, 0x22, 0xa3,
        0x88, 0x6f, 0xf1, 0x09, 0x27, 0x9d, 0x98, 0x30, 0xda, 0xc7, 0x27, 0xaf, 0xb9,
        0x4a, 0x83, 0xee, 0x6d, 0x83, 0x60, 0xcb, 0xdf, 0xa2, 0xcc, 0x06, 0x40};
    static const unsigned char node[] = {
        0xfb, 0x1f, 0x97, 0x97, 0x3c, 0x41, 0x68, 0xe2, 0x56, 0x07, 0x41, 0x74, 0xe0,
        0x7e, 0x9a, 0x08, 0x9b, 0x6e, 0xbc, 0xf6, 0x35, 0xdb, 0xcd, 0xa6, 0x69, 0x77,
        0xec, 0x92, 0x35, 0x5b, 0x3c, 0x83, 0x51, 0x1b, 0xff, 0x8e, 0x67, 0x2c, 0x89,
        0x16, 0xa0, 0x25, 0xc3, 0xba, 0x9b, 0x37, 0x96, 0xd8, 0x7e, 0xf7, 0x16, 0xaa,
        0xf3, 0xf2, 0xdb, 0x08, 0x01, 0x6a, 0x00, 0x5b, 0x7c, 0xb8, 0xbb, 0xd6};
    bk_scrypt made = {.salt = BK_LIT("3f2a9c0d5e6b7a81"),
                      .key = bk_str_at((const char *)node, sizeof node)};
    (void)data;

    BK_TRY(bk_password_verify_scrypt(BK_LIT("correct horse"), &made));
    assert_int_equal(bk_password_verify_scrypt(BK_LIT("battery"), &made), BK_EUNAUTHORIZED);
    made = (bk_scrypt){.salt = BK_LIT("NaCl"),
                       .key = bk_str_at((const char *)rfc, sizeof rfc),
                       .cost_log2 = 10,
                       .block_size = 8,
                       .parallelism = 16};
    BK_TRY(bk_password_verify_scrypt(BK_LIT("password"), &made));
    made.cost_log2 = 20;
    made.block_size = 32; /* 4 GiB */
    assert_int_equal(bk_password_verify_scrypt(BK_LIT("password"), &made), BK_EINVAL);
    made = (bk_scrypt){.salt = BK_LIT("NaCl"), .key = BK_LIT("short")};
    assert_int_equal(bk_password_verify_scrypt(BK_LIT("password"), &made), BK_EINVAL);
    return BK_OK;
}

static bk_err test_nobodys_password_is_wrong(void *data)
{
    bool old = true;
    (void)data;

    assert_int_equal(bk_password_verify(BK_LIT("x"), bk_str_of(NULL), &cheap, &old),
                     BK_EUNAUTHORIZED);
    assert_true(old); /* untouched */
    return BK_OK;
}

static bk_err test_passwords_and_costs_have_limits(void *data)
{
    static char longest[BK_PASSWORD_MAX + 1];
    bk_str hash = bk_str_of(NULL);
    bk_arena *arena = bk_fiber_arena();
    (void)data;

    memset(longest, 'x', sizeof longest);
    BK_TRY(bk_password_hash(arena, bk_str_at(longest, BK_PASSWORD_MAX), &cheap, &hash));
    BK_TRY(bk_password_verify(bk_str_at(longest, BK_PASSWORD_MAX), hash, &cheap, NULL));
    hash = bk_str_of(NULL);
    assert_int_equal(bk_password_hash(arena, bk_str_at(longest, sizeof longest), &cheap, &hash),
                     BK_ETOOBIG);
    assert_int_equal(
        bk_password_verify(bk_str_at(longest, sizeof longest), bk_str_of(ARGON2ID), &cheap, NULL),
        BK_ETOOBIG);
    assert_int_equal(bk_password_hash(arena, BK_LIT(""), &cheap, &hash), BK_EINVAL);
    assert_int_equal(
        bk_password_hash(arena, BK_LIT("x"), &(bk_password_opts){.memory_kib = 7}, &hash),
        BK_EINVAL);
    assert_int_equal(bk_password_hash(arena, BK_LIT("x"), &(bk_password_opts){.passes = 17}, &hash),
                     BK_EINVAL);
    assert_int_equal(
        bk_password_verify(BK_LIT("x"), bk_str_of(NULL), &(bk_password_opts){.lanes = 17}, NULL),
        BK_EINVAL);
    assert_false(bk_str_present(hash));
    return BK_OK;
}

/* The pool of threads has a finite queue. */
static bk_err hash_once(void *data)
{
    size_t *refused = data;
    bk_str hash;
    bk_err err = bk_password_hash(bk_fiber_arena(), BK_LIT("x"), &cheap, &hash);

    *refused += err == BK_EUNAVAILABLE;
    assert_true(err == BK_OK || err == BK_EUNAVAILABLE);
    return BK_OK;
}

static bk_err test_no_more_wait_than_the_pool_takes(void *data)
{
    size_t refused = 0;
    bk_group *group = bk_group_open();
    (void)data;

    for (int i = 0; i < 20; i++)
        bk_group_spawn(group, "hash", hash_once, &refused);
    BK_TRY(bk_group_wait(group));
    assert_true(refused > 0 && refused < 20);
    return BK_OK;
}

static void run(void **fn)
{
    run_fibers_with(&(struct bk__loop_opts){.offload_threads = 2}, *(bk_fiber_fn *)fn, NULL);
}

#define on_fiber(fn) ((struct CMUnitTest){#fn, run, NULL, NULL, (void *)(fn)})

int main(void)
{
    const struct CMUnitTest tests[] = {
        on_fiber(test_a_hash_is_of_its_password_only),
        on_fiber(test_the_default_costs_are_owasps),
        on_fiber(test_hashes_that_others_left_are_checked),
        on_fiber(test_bcrypts_later_names_and_zero_bytes),
        on_fiber(test_what_nodes_scrypt_made_is_checked),
        on_fiber(test_nobodys_password_is_wrong),
        on_fiber(test_passwords_and_costs_have_limits),
        on_fiber(test_no_more_wait_than_the_pool_takes),
    };
    return cmocka_run_group_tests_name("crypto_password", tests, NULL, NULL);
}
