/* Tests of libbackend/core/log_tail.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/log.h>
#include <backend/str.h>

#include "core/log_tail.h"

static struct bk__log_tail tail;
static char out[BK__LOG_TAIL_BYTES + 1];

static int clear(void **state)
{
    (void)state;
    memset(&tail, 0, sizeof tail);
    bk__log_tail_use(&tail);
    return 0;
}

static const char *read_all(void)
{
    out[bk__log_tail_read(&tail, out)] = '\0';
    return out;
}

static void test_lines_come_back_in_their_order(void **state)
{
    (void)state;
    assert_string_equal(read_all(), "");
    bk__log_tail_add(BK_LIT("one\n"));
    bk__log_tail_add(BK_LIT("two\n"));
    assert_string_equal(read_all(), "one\ntwo\n");
}

static void test_what_is_too_old_goes_by_whole_lines(void **state)
{
    (void)state;
    char line[64];

    for (int i = 0; i < 5000; i++) {
        int len = snprintf(line, sizeof line, "this is line number %d\n", i);
        bk__log_tail_add(bk_str_at(line, (size_t)len));
    }
    const char *text = read_all();
    int first = -1, count = 0;
    assert_int_equal(sscanf(text, "this is line number %d\n", &first), 1);
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        count++;
    assert_int_equal(first + count, 5000);
    assert_in_range(strlen(text), BK__LOG_TAIL_BYTES - 64, BK__LOG_TAIL_BYTES);
}

static void test_a_line_that_fills_it_is_kept_and_a_longer_one_is_not(void **state)
{
    (void)state;
    static char line[BK__LOG_TAIL_BYTES + 2];

    memset(line, 'x', sizeof line);
    line[BK__LOG_TAIL_BYTES - 1] = '\n';
    bk__log_tail_add(bk_str_at(line, BK__LOG_TAIL_BYTES));
    assert_int_equal(strlen(read_all()), BK__LOG_TAIL_BYTES);
    bk__log_tail_add(bk_str_at(line, BK__LOG_TAIL_BYTES + 1));
    assert_int_equal(strlen(read_all()), BK__LOG_TAIL_BYTES);
}

static void test_what_is_logged_is_there_until_it_is_told_to_end(void **state)
{
    (void)state;
    bk_warn("tail.here", bk_kv_i64("n", 1));
    bk__log_tail_use(NULL);
    bk_warn("tail.gone", bk_kv_i64("n", 2));
    assert_non_null(strstr(read_all(), "tail.here"));
    assert_null(strstr(read_all(), "tail.gone"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_lines_come_back_in_their_order, clear),
        cmocka_unit_test_setup(test_what_is_too_old_goes_by_whole_lines, clear),
        cmocka_unit_test_setup(test_a_line_that_fills_it_is_kept_and_a_longer_one_is_not, clear),
        cmocka_unit_test_setup(test_what_is_logged_is_there_until_it_is_told_to_end, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
