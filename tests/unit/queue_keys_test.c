/* Names of queues, ids and connections: libbackend/queue/keys.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <backend/str.h>

#include "queue/queue.h"

static void test_an_id_is_refused_that_bullmq_refuses(void **state)
{
    static const char *const bad[] = {"42", "-1", "0", "a:b", "a:b:c:d", "0:x:y", "\xff"};
    static const char *const good[] = {"custom-1", "042", "4.2", "a:b:c",
                                       "1e3",      "-",   "00",  "\xc3\xa9"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(bk__job_id_check(bk_str_of(bad[i])), BK_EINVAL);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_int_equal(bk__job_id_check(bk_str_of(good[i])), BK_OK);
}

static void test_a_queue_has_a_name_without_colons(void **state)
{
    (void)state;
    assert_int_equal(bk__queue_name_check("mails"), BK_OK);
    assert_int_equal(bk__queue_name_check(""), BK_EINVAL);
    assert_int_equal(bk__queue_name_check(NULL), BK_EINVAL);
    assert_int_equal(bk__queue_name_check("a:b"), BK_EINVAL);
    assert_int_equal(bk__queue_name_check("\xff"), BK_EINVAL);
}

static void check_client_name(const char *queue, const char *tail, const char *expected)
{
    bk_queue it = {.name = (char *)(uintptr_t)queue, .prefix = (char *)(uintptr_t) "bull"};
    char *name = bk__queue_client_name(&it, tail);

    assert_string_equal(name, expected);
    free(name);
}

static void test_connections_are_named_as_dashboards_look_for_them(void **state)
{
    (void)state;
    check_client_name("demo", ":w:wrk", "bull:ZGVtbw==:w:wrk");
    check_client_name("demo", ":qe", "bull:ZGVtbw==:qe");
    check_client_name("abc", "", "bull:YWJj");
    check_client_name("ab", "", "bull:YWI=");
    check_client_name("\xfb\xff", "", "bull:+/8=");
}

static void test_a_key_begins_with_the_base(void **state)
{
    bk_arena *arena = bk_arena_new();
    bk_queue it = {.base = BK_LIT("bull:demo:")};

    (void)state;
    assert_true(bk_str_eq(bk__queue_key(arena, &it, BK_LIT("meta")), BK_LIT("bull:demo:meta")));
    assert_true(bk_str_eq(bk__queue_key(arena, &it, BK_LIT("")), BK_LIT("bull:demo:")));
    bk_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_is_refused_that_bullmq_refuses),
        cmocka_unit_test(test_a_queue_has_a_name_without_colons),
        cmocka_unit_test(test_connections_are_named_as_dashboards_look_for_them),
        cmocka_unit_test(test_a_key_begins_with_the_base),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
