/* Tests of libbackend/cluster/control_path.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/control.h"

static char folder[] = "/tmp/control_path.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void test_the_users_own_folder_comes_first(void **state)
{
    (void)state;
    char path[BK__CONTROL_PATH], wanted[BK__CONTROL_PATH];

    setenv("XDG_RUNTIME_DIR", folder, 1);
    assert_int_equal(bk__control_path("shop", NULL, true, path), BK_OK);
    snprintf(wanted, sizeof wanted, "%s/shop.sock", folder);
    assert_string_equal(path, wanted);
}

static void test_one_that_others_may_enter_is_not_used(void **state)
{
    (void)state;
    char path[BK__CONTROL_PATH], own[BK__CONTROL_PATH];

    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(bk__control_path("control-path-test", NULL, true, path), BK_OK);
    snprintf(own, sizeof own, "/tmp/control-path-test-%u", (unsigned)geteuid());
    assert_memory_equal(path, own, strlen(own));
    assert_int_equal(chmod(own, 0777), 0);
    assert_int_equal(bk__control_path("control-path-test", NULL, true, path), BK_EFORBIDDEN);
    assert_int_equal(rmdir(own), 0);
    assert_int_equal(bk__control_path("control-path-test", NULL, false, path), BK_EFORBIDDEN);
    assert_int_equal(chmod(folder, 0700), 0);
}

static void test_a_path_that_fits_no_address_is_refused(void **state)
{
    (void)state;
    char path[BK__CONTROL_PATH], asked[BK__CONTROL_PATH + 1];

    memset(asked, 'x', sizeof asked - 1);
    asked[sizeof asked - 1] = '\0';
    assert_int_equal(bk__control_path("shop", asked, true, path), BK_EINVAL);
    assert_int_equal(bk__control_path("../shop", NULL, true, path), BK_EINVAL);
    assert_int_equal(bk__control_path("shop", "/run/here", true, path), BK_OK);
    assert_string_equal(path, "/run/here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_users_own_folder_comes_first),
        cmocka_unit_test(test_one_that_others_may_enter_is_not_used),
        cmocka_unit_test(test_a_path_that_fits_no_address_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
