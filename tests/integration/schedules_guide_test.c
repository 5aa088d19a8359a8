/*
 * What docs/guide/schedules.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../examples/guide/schedules.h"
#include "harness/queue_case.h"

static bk_err print_a_book(void *data)
{
    return print_book(data);
}

static void test_the_guide_does_what_it_says(void **state)
{
    struct redis server = redis_start("--loglevel", "warning");
    struct press press = {0};
    struct queue_case it = {
        .server = &server,
        .app = bk_app_new(&(bk_app_opts){.on_worker_start = press_start, .data = &press}),
    };
    bk_time lunch;

    (void)state;
    it.redis = bk_redis_new(it.app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    press_declare(it.app, &press, it.redis);
    queue_case_start(&it, 0);
    queue_case_until(&it, &press.chores_done, 1); /* the first poll is at once */
    assert_string_equal(redis_cli(&server, "ZCARD", "bull:chores:repeat"), "2");
    assert_string_equal(redis_cli(&server, "HGET", "bull:chores:repeat:clean-up", "tz"),
                        "Europe/Paris");
    queue_case_run(&it, print_a_book, &press);
    queue_case_until(&it, &press.books_bound, 1);
    queue_case_end(&it);

    assert_int_equal(next_lunch(INT64_C(1796040000000000), &lunch), BK_OK); /* Monday, 12:00 UTC */
    assert_true(lunch == INT64_C(1796058000000000));
    redis_stop(&server);
}

/* The table of what happens where clocks are changed. */
static void test_the_table_of_clock_changes_is_right(void **state)
{
    static const struct {
        const char *text, *after, *times;
    } rows[] = {
        {"30 2 * * *", "2026-03-28T23:30:00Z", "01:00"},
        {"*/15 2 * * *", "2026-03-28T23:30:00Z", "01:00"},
        {"0 2,3 * * *", "2026-03-28T23:30:00Z", "01:00"},
        {"0 */2 * * *", "2026-03-28T22:30:00Z", "23:00 01:00 02:00"},
        {"*/30 * * * *", "2026-03-29T00:20:00Z", "00:30 01:00"},
        {"30 2 * * *", "2026-10-24T22:30:00Z", "00:30"},
        {"*/15 2 * * *", "2026-10-24T22:30:00Z", "00:00 00:15 00:30 00:45"},
        {"0 2,3 * * *", "2026-10-24T22:30:00Z", "00:00 02:00"},
        {"0 */2 * * *", "2026-10-24T21:30:00Z", "22:00 00:00 03:00"},
        {"*/30 * * * *", "2026-10-24T23:50:00Z", "00:00 00:30 01:00 01:30 02:00"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bk_str rest = bk_str_of(rows[i].times), want;
        bk_cron *cron;
        bk_time at;
        assert_int_equal(bk_time_parse(bk_str_of(rows[i].after), &at), BK_OK);
        assert_int_equal(bk_cron_parse(bk_str_of(rows[i].text), BK_LIT("Europe/Paris"), &cron),
                         BK_OK);
        while (bk_str_split(&rest, ' ', &want)) {
            char text[BK_TIME_TEXT];
            assert_int_equal(bk_cron_next(cron, at, &at), BK_OK);
            bk_time_format(at, text);
            if (!bk_str_eq(bk_str_at(text + 11, 5), want))
                fail_msg("%s: %s, not %.*s", rows[i].text, text, BK_PRI(want));
        }
        bk_cron_free(cron);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
        cmocka_unit_test(test_the_table_of_clock_changes_is_right),
    };
    return cmocka_run_group_tests_name("schedules_guide", tests, NULL, NULL);
}
