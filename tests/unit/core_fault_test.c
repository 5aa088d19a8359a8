#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/fault.h"

#ifdef BK_FAULT_INJECTION

static int disarm(void **state)
{
    (void)state;
    bk__fault_disarm_all();
    return 0;
}

static void test_a_point_nobody_armed_never_fails(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++)
        assert_false(BK__FAULT("test.a"));
}

static void test_the_nth_hit_fails_and_as_many_after_it_as_asked(void **state)
{
    (void)state;
    bk__fault_arm("test.a", 3, 2);
    assert_false(BK__FAULT("test.a"));
    assert_false(BK__FAULT("test.a"));
    assert_true(BK__FAULT("test.a"));
    assert_true(BK__FAULT("test.a"));
    assert_false(BK__FAULT("test.a"));
}

static void test_points_count_by_themselves(void **state)
{
    (void)state;
    bk__fault_arm("test.a", 1, 1);
    bk__fault_arm("test.b", 2, 1);
    assert_false(BK__FAULT("test.b"));
    assert_true(BK__FAULT("test.a"));
    assert_true(BK__FAULT("test.b"));
}

static void test_arming_again_starts_anew(void **state)
{
    (void)state;
    bk__fault_arm("test.a", 1, 100);
    bk__fault_arm("test.a", 2, 1);
    assert_false(BK__FAULT("test.a"));
    assert_true(BK__FAULT("test.a"));
    assert_false(BK__FAULT("test.a"));
}

static void test_disarming_ends_all(void **state)
{
    (void)state;
    bk__fault_arm("test.a", 1, 100);
    bk__fault_arm("test.b", 1, 100);
    bk__fault_disarm_all();
    assert_false(BK__FAULT("test.a"));
    assert_false(BK__FAULT("test.b"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_point_nobody_armed_never_fails, disarm),
        cmocka_unit_test_teardown(test_the_nth_hit_fails_and_as_many_after_it_as_asked, disarm),
        cmocka_unit_test_teardown(test_points_count_by_themselves, disarm),
        cmocka_unit_test_teardown(test_arming_again_starts_anew, disarm),
        cmocka_unit_test_teardown(test_disarming_ends_all, disarm),
    };
    return cmocka_run_group_tests_name("core/fault", tests, NULL, NULL);
}

#else

static void test_without_injection_a_point_is_false(void **state)
{
    (void)state;
    assert_false(BK__FAULT("test.a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_injection_a_point_is_false),
    };
    return cmocka_run_group_tests_name("core/fault", tests, NULL, NULL);
}

#endif
