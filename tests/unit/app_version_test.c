#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/backend.h>

static void test_the_library_is_of_the_version_of_these_headers(void **state)
{
    (void)state;
    assert_string_equal(bk_version(), BK_VERSION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_library_is_of_the_version_of_these_headers),
    };
    return cmocka_run_group_tests_name("app/version", tests, NULL, NULL);
}
