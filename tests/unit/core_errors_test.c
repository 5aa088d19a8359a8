#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/errors.h>
#include <backend/str.h>

#include "../harness/aborts.h"
#include "core/task.h"

static int clear(void **state)
{
    (void)state;
    bk_error_clear();
    return 0;
}

static void test_every_code_has_its_status_slug_and_words(void **state)
{
    (void)state;
#define CHECK(name, number, status, slug, text)                                                    \
    assert_int_equal(name, number);                                                                \
    assert_int_equal(bk_err_status(name), status);                                                 \
    assert_string_equal(bk_err_slug(name), slug);                                                  \
    assert_string_equal(bk_err_text(name), text);
    BK_ERRORS(CHECK)
#undef CHECK
}

static void test_a_number_that_is_no_code_is_taken_as_a_500(void **state)
{
    (void)state;
    assert_int_equal(bk_err_status((bk_err)-12345), 500);
    assert_non_null(bk_err_slug((bk_err)-12345));
    assert_non_null(bk_err_text((bk_err)-12345));
}

static void test_fail_starts_a_chain_with_its_place(void **state)
{
    (void)state;
    int line = __LINE__ + 1;
    assert_int_equal(bk_fail(BK_ECONFLICT, "only %d left", 3), BK_ECONFLICT);
    const bk_error_link *link = bk_error_chain();
    assert_int_equal(link->code, BK_ECONFLICT);
    assert_true(bk_str_eq(link->message, BK_LIT("only 3 left")));
    assert_string_equal(link->file, __FILE__);
    assert_int_equal(link->line, line);
    assert_null(link->cause);
}

static void test_context_adds_and_overwrites_nothing(void **state)
{
    (void)state;
    bk_fail(BK_ENOTFOUND, "no row");
    assert_int_equal(bk_context(BK_ENOTFOUND, "loading user %d", 7), BK_ENOTFOUND);
    const bk_error_link *link = bk_error_chain();
    assert_true(bk_str_eq(link->message, BK_LIT("loading user 7")));
    assert_true(bk_str_eq(link->cause->message, BK_LIT("no row")));
    assert_null(link->cause->cause);
}

static void test_context_of_ok_records_nothing(void **state)
{
    (void)state;
    assert_int_equal(bk_context(BK_OK, "all went well"), BK_OK);
    assert_null(bk_error_chain());
}

static void test_context_without_a_chain_starts_one(void **state)
{
    (void)state;
    assert_int_equal(bk_context(BK_EIO, "reading"), BK_EIO);
    assert_int_equal(bk_error_chain()->code, BK_EIO);
}

static void test_fail_forgets_what_was_before(void **state)
{
    (void)state;
    size_t count;
    bk_fail(BK_EIO, "first");
    bk_context(BK_EIO, "more");
    bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("type"), BK_LIT("x"));
    bk_fail(BK_ECLOSED, "second");
    assert_true(bk_str_eq(bk_error_chain()->message, BK_LIT("second")));
    assert_null(bk_error_chain()->cause);
    assert_null(bk_error_fields(&count));
    assert_int_equal(count, 0);
}

static void test_fail_may_quote_the_chain_that_it_replaces(void **state)
{
    (void)state;
    char expected[700];
    bk_fail(BK_EIO, "%0600d", 7);
    bk_str old = bk_error_chain()->message;
    bk_fail(BK_EINTERNAL, "was: %.*s", (int)old.len, old.ptr);
    snprintf(expected, sizeof(expected), "was: %0600d", 7);
    assert_true(bk_str_eq(bk_error_chain()->message, bk_str_of(expected)));
}

static void test_a_chain_has_an_end_and_keeps_its_beginning(void **state)
{
    (void)state;
    int links = 0;
    bk_fail(BK_EIO, "the cause");
    for (int i = 0; i < 1000; i++)
        bk_context(BK_EIO, "and again");
    const bk_error_link *link = bk_error_chain();
    for (; link->cause != NULL; link = link->cause)
        links++;
    assert_true(links < 100);
    assert_true(bk_str_eq(link->message, BK_LIT("the cause")));
}

static void test_field_errors_keep_their_order_and_are_copied(void **state)
{
    (void)state;
    size_t count;
    for (int i = 0; i < 20; i++) {
        char pointer[32];
        snprintf(pointer, sizeof(pointer), "/items/%d", i);
        bk_err err = bk_fail_field(BK_EINVAL, bk_str_of(pointer), BK_LIT("minimum"), BK_LIT("low"));
        assert_int_equal(err, BK_EINVAL);
    }
    const bk_field_error *fields = bk_error_fields(&count);
    assert_int_equal(count, 20);
    assert_true(bk_str_eq(fields[0].pointer, BK_LIT("/items/0")));
    assert_true(bk_str_eq(fields[19].pointer, BK_LIT("/items/19")));
    assert_true(bk_str_eq(fields[19].code, BK_LIT("minimum")));
    assert_true(bk_str_eq(fields[19].detail, BK_LIT("low")));
}

static void test_many_field_errors_of_one_code_are_one_link(void **state)
{
    (void)state;
    bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("type"), BK_LIT("x"));
    bk_fail_field(BK_EINVAL, BK_LIT("/b"), BK_LIT("type"), BK_LIT("x"));
    assert_int_equal(bk_error_chain()->code, BK_EINVAL);
    assert_null(bk_error_chain()->cause);
    bk_fail_field(BK_ECONFLICT, BK_LIT("/c"), BK_LIT("unique"), BK_LIT("x"));
    assert_int_equal(bk_error_chain()->code, BK_ECONFLICT);
    assert_int_equal(bk_error_chain()->cause->code, BK_EINVAL);
}

static void test_a_field_error_joins_the_chain_of_its_code(void **state)
{
    (void)state;
    size_t count;
    bk_fail(BK_EINVAL, "the order cannot be placed");
    bk_fail_field(BK_EINVAL, BK_LIT("/qty"), BK_LIT("maximum"), BK_LIT("too many"));
    assert_true(bk_str_eq(bk_error_chain()->message, BK_LIT("the order cannot be placed")));
    assert_int_equal((bk_error_fields(&count), count), 1);
}

static void test_field_errors_stop_at_their_limit(void **state)
{
    (void)state;
    size_t count;
    for (int i = 0; i < 3 * BK__FIELD_ERRORS_MAX; i++)
        bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("type"), BK_LIT("x"));
    assert_non_null(bk_error_fields(&count));
    assert_int_equal(count, BK__FIELD_ERRORS_MAX);
}

static void test_clear_forgets_all(void **state)
{
    (void)state;
    size_t count;
    bk_fail(BK_EINVAL, "x");
    bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("type"), BK_LIT("x"));
    bk_error_clear();
    assert_null(bk_error_chain());
    assert_null(bk_error_fields(&count));
    assert_int_equal(count, 0);
}

static bk_err next(int *calls, bk_err err)
{
    ++*calls;
    return err;
}

static bk_err try_two(int *calls, bk_err first)
{
    BK_TRY(next(calls, first));
    BK_TRY(next(calls, BK_OK));
    return BK_OK;
}

static void test_try_returns_at_the_first_error(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(try_two(&calls, BK_EGONE), BK_EGONE);
    assert_int_equal(calls, 1);
    assert_int_equal(try_two(&calls, BK_OK), BK_OK);
    assert_int_equal(calls, 3);
}

static void fail_with_ok(void)
{
    bk_fail(BK_OK, "what?");
}

static void test_failing_with_ok_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(fail_with_ok));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_every_code_has_its_status_slug_and_words, clear),
        cmocka_unit_test_teardown(test_a_number_that_is_no_code_is_taken_as_a_500, clear),
        cmocka_unit_test_teardown(test_fail_starts_a_chain_with_its_place, clear),
        cmocka_unit_test_teardown(test_context_adds_and_overwrites_nothing, clear),
        cmocka_unit_test_teardown(test_context_of_ok_records_nothing, clear),
        cmocka_unit_test_teardown(test_context_without_a_chain_starts_one, clear),
        cmocka_unit_test_teardown(test_fail_forgets_what_was_before, clear),
        cmocka_unit_test_teardown(test_fail_may_quote_the_chain_that_it_replaces, clear),
        cmocka_unit_test_teardown(test_a_chain_has_an_end_and_keeps_its_beginning, clear),
        cmocka_unit_test_teardown(test_field_errors_keep_their_order_and_are_copied, clear),
        cmocka_unit_test_teardown(test_many_field_errors_of_one_code_are_one_link, clear),
        cmocka_unit_test_teardown(test_a_field_error_joins_the_chain_of_its_code, clear),
        cmocka_unit_test_teardown(test_field_errors_stop_at_their_limit, clear),
        cmocka_unit_test_teardown(test_clear_forgets_all, clear),
        cmocka_unit_test_teardown(test_try_returns_at_the_first_error, clear),
        cmocka_unit_test_teardown(test_failing_with_ok_stops_the_program, clear),
    };
    return cmocka_run_group_tests_name("core/errors", tests, NULL, NULL);
}
