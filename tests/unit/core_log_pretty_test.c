/*
 * Log lines for people.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <backend/str.h>

#include "core/log_pretty.h"
#include "text.h"

static char text[BK__LOG_PRETTY_MAX(1024)];

static bk_str pretty(const char *line, bool colors)
{
    return bk_str_at(text, bk__log_pretty(bk_str_of(line), colors, text));
}

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    return 0;
}

static void test_time_level_and_event_come_first(void **state)
{
    (void)state;
    assert_text(pretty("{\"level\":30,\"time\":1795458600123,\"pid\":7,\"hostname\":\"web\","
                       "\"msg\":\"stock.low\",\"reqId\":\"r-1\",\"product\":42,\"hot\":true}\n",
                       false),
                "18:30:00.123 INFO  stock.low reqId=r-1 product=42 hot=true\n");
}

static void test_each_level_has_a_name(void **state)
{
    (void)state;
    static const char *const names[] = {"TRACE", "DEBUG", "INFO ", "WARN ", "ERROR", "FATAL"};
    char line[64], want[64];

    for (int i = 0; i < 6; i++) {
        snprintf(line, sizeof line, "{\"level\":%d0,\"time\":0,\"msg\":\"x\"}\n", i + 1);
        snprintf(want, sizeof want, "00:00:00.000 %s x\n", names[i]);
        assert_text(pretty(line, false), want);
    }
}

static void test_what_is_no_word_stays_json(void **state)
{
    (void)state;
    assert_text(
        pretty("{\"level\":40,\"time\":0,\"msg\":\"x\",\"a\":\"two words\",\"b\":\"q\\\"q\","
               "\"c\":\"\",\"d\":null,\"e\":\"\\u001b[31m\",\"f\":1.5}\n",
               false),
        "00:00:00.000 WARN  x a=\"two words\" b=\"q\\\"q\" c=\"\" d=null "
        "e=\"\\u001b[31m\" f=1.5\n");
}

static void test_a_request_is_told_in_words(void **state)
{
    (void)state;
    static const char line[] =
        "{\"level\":30,\"time\":0,\"msg\":\"request.completed\",\"reqId\":\"r-1\",\"trace_id\":\"a\","
        "\"span_id\":\"b\",\"req\":{\"id\":\"r-1\",\"method\":\"GET\",\"url\":\"/a?b=\\\"\"},"
        "\"res\":{\"statusCode\":404,\"bytes\":7},\"responseTime\":0.213,\"user\":7}\n";

    assert_text(
        pretty(line, false),
        "00:00:00.000 INFO  request.completed GET /a?b=\\\" 404 0.213 ms reqId=r-1 user=7\n");
    assert_text(pretty(line, true),
                "\033[90m00:00:00.000\033[0m \033[32mINFO \033[0m request.completed GET /a?b=\\\" "
                "\033[33m404\033[0m 0.213 ms\033[36m reqId=r-1 user=7\033[0m\n");
}

/* As of one that was aborted before there was an answer. */
static void test_a_request_without_an_answer_has_none(void **state)
{
    (void)state;
    assert_text(
        pretty(
            "{\"level\":30,\"time\":0,\"msg\":\"x\",\"req\":{\"method\":\"PUT\",\"url\":\"/\"}}\n",
            false),
        "00:00:00.000 INFO  x PUT /\n");
}

static void test_objects_are_shown_whole(void **state)
{
    (void)state;
    assert_text(
        pretty(
            "{\"level\":30,\"time\":0,\"msg\":\"x\",\"job\":{\"name\":\"/a,}\\\"\",\"h\":{\"a\":1}}"
            ",\"responseTime\":0.213}\n",
            false),
        "00:00:00.000 INFO  x job={\"name\":\"/a,}\\\"\",\"h\":{\"a\":1}} responseTime=0.213\n");
}

static void test_colors_are_closed_again(void **state)
{
    (void)state;
    assert_text(pretty("{\"level\":50,\"time\":0,\"msg\":\"x\",\"a\":1}\n", true),
                "\033[90m00:00:00.000\033[0m \033[31mERROR\033[0m x\033[36m a=1\033[0m\n");
}

/* Whatever is cut off, it ends, and within its room. */
static void test_half_a_line_does_no_harm(void **state)
{
    (void)state;
    static const char line[] = "{\"level\":30,\"time\":0,\"msg\":\"x\",\"req\":{\"url\":\"b\\\"\"},"
                               "\"res\":{\"statusCode\":200},\"c\":[1,{}],\"d\":\"e\"}\n";

    for (size_t len = 0; len < sizeof line; len++) {
        char *part = malloc(len + 1);
        memcpy(part, line, len);
        size_t made = bk__log_pretty(bk_str_at(part, len), true, text);
        assert_in_range(made, 1, BK__LOG_PRETTY_MAX(len));
        free(part);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_time_level_and_event_come_first),
        cmocka_unit_test(test_each_level_has_a_name),
        cmocka_unit_test(test_what_is_no_word_stays_json),
        cmocka_unit_test(test_a_request_is_told_in_words),
        cmocka_unit_test(test_a_request_without_an_answer_has_none),
        cmocka_unit_test(test_objects_are_shown_whole),
        cmocka_unit_test(test_colors_are_closed_again),
        cmocka_unit_test(test_half_a_line_does_no_harm),
    };
    return cmocka_run_group_tests_name("core/log_pretty", tests, set_up, NULL);
}
