/* Tests of libbackend/core/hash.c, by what CPython's hash of bytes gives, which is SipHash-1-3 too.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "core/hash.h"

static void test_known_values(void **state)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {
        {"a", UINT64_C(0x407448d2b89b1813)},
        {"abcdefg", UINT64_C(0x6db12aae9070f506)},
        {"abcdefgh", UINT64_C(0x3f7b849c0b8e35ea)},
        {"abcdefghi", UINT64_C(0xf89b34a3d11eb6e5)},
        {"the quick brown fox jumps", UINT64_C(0x00c98b97e4f70042)},
    };
    struct bk__seed zero = {{0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        assert_true(bk__hash_seeded(&zero, known[i].text, strlen(known[i].text)) == known[i].hash);
}

static void test_another_seed_gives_another_hash(void **state)
{
    struct bk__seed a = bk__seed_new(), b = bk__seed_new();

    (void)state;
    assert_memory_not_equal(&a, &b, sizeof a);
    assert_true(bk__hash_seeded(&a, "key", 3) != bk__hash_seeded(&b, "key", 3));
    assert_true(bk__hash_seeded(&a, "key", 3) == bk__hash_seeded(&a, "key", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_another_seed_gives_another_hash),
    };
    return cmocka_run_group_tests_name("core_hash", tests, NULL, NULL);
}
