#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "../harness/aborts.h"

static int set_up(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    bk_arena_free(*state);
    return 0;
}

static void test_an_unused_buffer_is_empty_and_not_absent(void **state)
{
    bk_buf buf = {.arena = *state};
    assert_true(bk_str_present(bk_buf_str(&buf)));
    bk_buf_add(&buf, (bk_str){0});
    bk_buf_add(&buf, BK_LIT(""));
    assert_int_equal(bk_buf_str(&buf).len, 0);
}

static void test_what_is_added_stands_in_order(void **state)
{
    bk_buf buf = {.arena = *state};
    bk_buf_add(&buf, BK_LIT("id="));
    bk_buf_add_i64(&buf, -42);
    bk_buf_add_char(&buf, ';');
    bk_buf_add_f64(&buf, 0.25);
    bk_buf_printf(&buf, " %s/%d", "x", 7);
    assert_true(bk_str_eq(bk_buf_str(&buf), BK_LIT("id=-42;0.25 x/7")));
}

static void test_growing_keeps_the_content(void **state)
{
    bk_buf buf = {.arena = *state};
    for (int i = 0; i < 100000; i++)
        bk_buf_add_char(&buf, (char)('a' + i % 26));
    bk_str text = bk_buf_str(&buf);
    assert_int_equal(text.len, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(text.ptr[i], 'a' + i % 26);
}

static void test_two_buffers_in_one_arena_do_not_meet(void **state)
{
    bk_buf a = {.arena = *state}, b = {.arena = *state};
    for (int i = 0; i < 10000; i++) {
        bk_buf_add_char(&a, 'a');
        bk_buf_add_char(&b, 'b');
    }
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(a.ptr[i], 'a');
        assert_int_equal(b.ptr[i], 'b');
    }
}

static void test_alone_it_grows_where_it_lies(void **state)
{
    bk_buf buf = {.arena = *state};
    bk_buf_add_char(&buf, 'x');
    const char *start = buf.ptr;
    for (int i = 0; i < 4000; i++)
        bk_buf_add_char(&buf, 'x');
    assert_ptr_equal(buf.ptr, start);
}

static void test_reserve_makes_room_and_leaves_the_length(void **state)
{
    bk_buf buf = {.arena = *state};
    bk_buf_add(&buf, BK_LIT("head"));
    char *end = bk_buf_reserve(&buf, 5000);
    assert_ptr_equal(end, buf.ptr + 4);
    assert_int_equal(buf.len, 4);
    assert_true(buf.cap - buf.len >= 5000);
    memset(end, 'x', 5000);
    buf.len += 5000;
    assert_true(bk_str_starts(bk_buf_str(&buf), BK_LIT("headxxx")));
    assert_non_null(bk_buf_reserve(&buf, 0));
}

static void test_a_buffer_may_be_added_to_itself(void **state)
{
    bk_buf buf = {.arena = *state};
    bk_buf_add(&buf, BK_LIT("ab"));
    for (int i = 0; i < 12; i++)
        bk_buf_add(&buf, bk_buf_str(&buf));
    assert_int_equal(buf.len, 2 << 12);
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.ptr[i], i % 2 == 0 ? 'a' : 'b');
}

static void test_printf_fits_exactly_at_every_length(void **state)
{
    for (int width = 1; width < 200; width++) {
        bk_buf buf = {.arena = *state};
        bk_buf_printf(&buf, "%*d", width, 5);
        bk_buf_printf(&buf, "%*d", width, 6);
        assert_int_equal(buf.len, 2 * width);
        assert_int_equal(buf.ptr[width - 1], '5');
        assert_int_equal(buf.ptr[2 * width - 1], '6');
    }
}

static void reserve_the_impossible(void)
{
    bk_buf buf = {.arena = bk_arena_new()};
    bk_buf_reserve(&buf, SIZE_MAX - 4);
}

static void test_a_size_that_would_wrap_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(reserve_the_impossible));
}

#define BUF_TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BUF_TEST(test_an_unused_buffer_is_empty_and_not_absent),
        BUF_TEST(test_what_is_added_stands_in_order),
        BUF_TEST(test_growing_keeps_the_content),
        BUF_TEST(test_two_buffers_in_one_arena_do_not_meet),
        BUF_TEST(test_alone_it_grows_where_it_lies),
        BUF_TEST(test_reserve_makes_room_and_leaves_the_length),
        BUF_TEST(test_a_buffer_may_be_added_to_itself),
        BUF_TEST(test_printf_fits_exactly_at_every_length),
        BUF_TEST(test_a_size_that_would_wrap_stops_the_program),
    };
    return cmocka_run_group_tests_name("core/buf", tests, NULL, NULL);
}
