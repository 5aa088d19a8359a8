/* Tests of libbackend/cache/l1.c. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/str.h>

#include "cache/l1.h"

static const struct bk__lifetime forever = {0, UINT64_MAX, UINT64_MAX, UINT64_MAX};
static const struct bk__dependency dependency = {1, 2};

static bk_str key_of(char text[16], int number)
{
    return (bk_str){text, (size_t)snprintf(text, 16, "key:%d", number)};
}

static struct bk__l1_item *put(struct bk__l1 *l1, int number, size_t bytes)
{
    static const char value[4096];
    char text[16];

    return bk__l1_put(l1, key_of(text, number), (bk_str){value, bytes}, false, &forever,
                      &dependency, 1);
}

static struct bk__l1_item *find(struct bk__l1 *l1, int number)
{
    char text[16];

    return bk__l1_find(l1, key_of(text, number));
}

static void test_what_was_put_is_found_until_it_is_replaced(void **state)
{
    struct bk__l1 l1;

    (void)state;
    bk__l1_init(&l1, 1 << 20);
    assert_null(find(&l1, 1));
    const struct bk__l1_item *item = put(&l1, 1, 10);
    assert_ptr_equal(find(&l1, 1), item);
    assert_int_equal(item->value_len, 10);
    assert_int_equal(item->dependencies[0].slot, 2);
    assert_non_null(put(&l1, 1, 20));
    assert_int_equal(find(&l1, 1)->value_len, 20);
    assert_int_equal(l1.count, 1);
    bk__l1_drop(&l1, find(&l1, 1));
    assert_null(find(&l1, 1));
    assert_int_equal(l1.count, 0);
    assert_int_equal(l1.bytes, 0);
    bk__l1_fini(&l1);
}

static void test_its_bytes_are_bounded(void **state)
{
    struct bk__l1 l1;

    (void)state;
    bk__l1_init(&l1, 100000);
    for (int i = 0; i < 10000; i++) {
        assert_non_null(put(&l1, i, (size_t)i % 500));
        assert_true(l1.bytes <= 100000);
    }
    assert_true(l1.count > 100);
    assert_int_equal(l1.evicted, 10000 - l1.count);
    assert_non_null(find(&l1, 9999));
    assert_null(find(&l1, 0));
    bk__l1_fini(&l1);
}

static void test_what_is_asked_for_stays(void **state)
{
    struct bk__l1 l1;

    (void)state;
    bk__l1_init(&l1, 20000);
    put(&l1, 0, 100);
    for (int i = 1; i < 1000; i++) {
        assert_non_null(find(&l1, 0));
        put(&l1, i, 100);
    }
    assert_non_null(find(&l1, 0));
    assert_null(find(&l1, 1));
    bk__l1_fini(&l1);
}

static void test_one_value_does_not_push_out_all_others(void **state)
{
    struct bk__l1 l1;

    (void)state;
    bk__l1_init(&l1, 8000);
    put(&l1, 1, 100);
    assert_null(put(&l1, 2, 2000));
    assert_non_null(find(&l1, 1));
    assert_null(find(&l1, 2));
    bk__l1_fini(&l1);
}

static void test_what_is_pinned_outlives_its_eviction(void **state)
{
    struct bk__l1 l1;

    (void)state;
    bk__l1_init(&l1, 5000);
    struct bk__l1_item *item = put(&l1, 1, 100);
    bk__l1_pin(item);
    bk__l1_pin(item);
    for (int i = 2; i < 100; i++)
        put(&l1, i, 100);
    assert_null(find(&l1, 1));
    assert_int_equal(item->value_len, 100);
    bk__l1_unpin(item);
    assert_memory_equal(item->key, "key:1", 5);
    bk__l1_unpin(item); /* freed: the sanitizers see whether */
    bk__l1_fini(&l1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_found_until_it_is_replaced),
        cmocka_unit_test(test_its_bytes_are_bounded),
        cmocka_unit_test(test_what_is_asked_for_stays),
        cmocka_unit_test(test_one_value_does_not_push_out_all_others),
        cmocka_unit_test(test_what_is_pinned_outlives_its_eviction),
    };
    return cmocka_run_group_tests_name("cache_l1", tests, NULL, NULL);
}
