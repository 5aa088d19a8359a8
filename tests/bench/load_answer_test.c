/*
 * Which bytes are an answer, and whose latency is which percentile.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "load_answer.h"
#include "load_tally.h"

static struct answer answer;

static enum answer_state answer_of(const char *text)
{
    return answer_read(text, strlen(text), &answer);
}

static void an_answer_has_status_fields_and_body(void **state)
{
    const char *text =
        "HTTP/1.1 201 Created\r\nlocation: /api/products/7\r\nContent-Type: text/plain\r\n"
        "Content-Length: 5\r\n\r\nhello";

    (void)state;
    assert_int_equal(answer_of(text), ANSWER_WHOLE);
    assert_int_equal(answer.status, 201);
    assert_int_equal(answer.size, strlen(text));
    assert_memory_equal(answer.location, "/api/products/7", answer.location_len);
    assert_int_equal(answer.location_len, 15);
    assert_true(answer_has(&answer, "ell", 3));
    assert_true(answer_has(&answer, "", 0));
    assert_false(answer_has(&answer, "201", 3));
    assert_false(answer.closes);
    assert_false(answer.problem);
}

static void each_beginning_of_an_answer_wants_more(void **state)
{
    const char *text =
        "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
        "Content-Type: application/problem+json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}";
    size_t len = strlen(text);

    (void)state;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(answer_read(text, i, &answer), ANSWER_MORE);
    assert_int_equal(answer_read(text, len, &answer), ANSWER_WHOLE);
    assert_true(answer.closes);
    assert_true(answer.problem);
}

static void answers_without_a_body_end_with_the_head(void **state)
{
    (void)state;
    assert_int_equal(answer_of("HTTP/1.1 204 No Content\r\n\r\n"), ANSWER_WHOLE);
    assert_int_equal(answer.body_len, 0);
    assert_int_equal(answer_of("HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n"),
                     ANSWER_WHOLE);
    assert_int_equal(answer.body_len, 0);
}

static void what_has_no_length_or_is_no_http_cannot_be_read(void **state)
{
    static const char *const texts[] = {
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 2000\r\n\r\n",
        "HTTP/1.1\r\n\r\n",
        "\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(answer_of(texts[i]), ANSWER_UNREADABLE);
}

static void percentiles_are_near_what_was_added(void **state)
{
    static struct histogram histogram;

    (void)state;
    assert_int_equal(histogram_at(&histogram, 0.99), 0);
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&histogram, us);
    for (int percent = 1; percent < 100; percent++) {
        double wanted = percent * 1000.0, found = (double)histogram_at(&histogram, percent / 100.0);
        assert_true(found >= wanted && found <= wanted * 1.017 + 1);
    }
    assert_int_equal(histogram_at(&histogram, 1), 100000);
    assert_int_equal(histogram.max, 100000);
    histogram_add(&histogram, UINT64_MAX / 2);
    assert_int_equal(histogram_at(&histogram, 1), UINT64_MAX / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_status_fields_and_body),
        cmocka_unit_test(each_beginning_of_an_answer_wants_more),
        cmocka_unit_test(answers_without_a_body_end_with_the_head),
        cmocka_unit_test(what_has_no_length_or_is_no_http_cannot_be_read),
        cmocka_unit_test(percentiles_are_near_what_was_added),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
