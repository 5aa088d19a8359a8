#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <cjson/cJSON.h>

#include <backend/str.h>

#include "core/log_line.h"
#include "core/log_rules.h"

/* A name that is not ready. */
#define RUNTIME(name) (&(struct bk__log_name){.text = (name)})

static struct bk__log_line line;

static int set_up(void **state)
{
    (void)state;
    bk__log_line_init(&line, BK_LIT("{\"level\":30"), NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk__log_line_fini(&line);
    return 0;
}

static void assert_line(const char *expected)
{
    bk_str text = bk__log_line_end(&line);
    if (!bk_str_eq(text, bk_str_of(expected)))
        fail_msg("%.*s", (int)text.len, text.ptr);
}

/* Ends the line, looks at its form, and reads it by another parser. */
static cJSON *read_line(void)
{
    bk_str text = bk__log_line_end(&line);
    assert_true(text.len <= BK__LOG_LINE_MAX);
    assert_int_equal(text.ptr[text.len - 1], '\n');
    assert_null(memchr(text.ptr, '\n', text.len - 1));
    assert_true(bk_str_utf8(text));
    cJSON *json = cJSON_ParseWithLength(text.ptr, text.len);
    assert_non_null(json);
    return json;
}

static void test_an_empty_line_is_its_start(void **state)
{
    (void)state;
    assert_line("{\"level\":30}\n");
}

static void test_each_type_has_its_json(void **state)
{
    (void)state;
    bk__log_line_str(&line, BK__LOG_NAME("s"), BK_LIT("text"));
    bk__log_line_str(&line, BK__LOG_NAME("none"), (bk_str){0});
    bk__log_line_str(&line, BK__LOG_NAME("empty"), BK_LIT(""));
    bk__log_line_i64(&line, BK__LOG_NAME("i"), INT64_MIN);
    bk__log_line_f64(&line, BK__LOG_NAME("f"), 0.5);
    bk__log_line_f64(&line, BK__LOG_NAME("nan"), NAN);
    bk__log_line_f64(&line, BK__LOG_NAME("inf"), -INFINITY);
    bk__log_line_bool(&line, BK__LOG_NAME("t"), true);
    bk__log_line_bool(&line, BK__LOG_NAME("b"), false);
    bk__log_line_raw(&line, BK_LIT(",\"raw\":[1]"));
    assert_line(
        "{\"level\":30,\"s\":\"text\",\"none\":null,\"empty\":\"\",\"i\":-9223372036854775808,"
        "\"f\":0.5,\"nan\":null,\"inf\":null,\"t\":true,\"b\":false,\"raw\":[1]}\n");
}

static void test_quotes_and_control_characters_are_escaped(void **state)
{
    (void)state;
    bk__log_line_str(&line, RUNTIME("a\"b"), BK_LIT("\"\\\n\r\t\b\x1b[2J\x7f\0/"));
    assert_line(
        "{\"level\":30,\"a\\\"b\":\"\\\"\\\\\\n\\r\\t\\u0008\\u001b[2J\\u007f\\u0000/\"}\n");
}

static void test_utf8_passes_and_what_is_none_is_replaced(void **state)
{
    (void)state;
    bk__log_line_str(&line, BK__LOG_NAME("s"),
                     BK_LIT("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \xff\xc3"));
    assert_line(
        "{\"level\":30,\"s\":\"gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80 \xef\xbf\xbd\xef\xbf\xbd\"}\n");
}

static void test_a_long_text_is_cut_and_the_rest_is_still_there(void **state)
{
    (void)state;
    static char text[100000];
    memset(text, 'x', sizeof(text));
    bk__log_line_str(&line, BK__LOG_NAME("long"), bk_str_at(text, sizeof(text)));
    bk__log_line_i64(&line, BK__LOG_NAME("after"), 7);
    cJSON *json = read_line();
    assert_int_equal(strlen(cJSON_GetObjectItem(json, "long")->valuestring), 4096);
    assert_int_equal(cJSON_GetObjectItem(json, "after")->valueint, 7);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "truncated")));
    cJSON_Delete(json);
}

static void test_a_text_that_just_fits_is_not_cut(void **state)
{
    (void)state;
    static char text[4096];
    memset(text, 'x', sizeof(text));
    bk__log_line_str(&line, BK__LOG_NAME("long"), bk_str_at(text, sizeof(text)));
    cJSON *json = read_line();
    assert_null(cJSON_GetObjectItem(json, "truncated"));
    cJSON_Delete(json);
}

static void test_a_cut_never_falls_within_a_character(void **state)
{
    (void)state;
    for (size_t before = 0; before < 8; before++) {
        static char text[8192];
        bk__log_line_fini(&line);
        bk__log_line_init(&line, BK_LIT("{\"level\":30"), NULL);
        memset(text, 'x', before);
        for (size_t i = before; i + 4 <= sizeof(text); i += 4)
            memcpy(text + i, "\xf0\x9f\x98\x80", 4);
        bk__log_line_str(&line, BK__LOG_NAME("long"), bk_str_at(text, sizeof(text) / 4 * 3));
        cJSON *json = read_line();
        assert_null(strstr(cJSON_GetObjectItem(json, "long")->valuestring, "\xef\xbf\xbd"));
        cJSON_Delete(json);
    }
}

static void test_a_line_never_exceeds_its_limit(void **state)
{
    (void)state;
    static char quotes[3000];
    memset(quotes, 1, sizeof(quotes)); /* six bytes each when written */
    for (size_t size = 1; size < sizeof(quotes); size += 97) {
        bk__log_line_fini(&line);
        bk__log_line_init(&line, BK_LIT("{\"level\":30"), NULL);
        for (int i = 0; i < 1000; i++) {
            char name[32];
            snprintf(name, sizeof(name), "field%d", i);
            bk__log_line_str(&line, RUNTIME(name), bk_str_at(quotes, size));
            bk__log_line_i64(&line, RUNTIME(name), INT64_MIN);
        }
        cJSON *json = read_line();
        assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "truncated")));
        cJSON_Delete(json);
    }
}

static void test_a_long_name_is_cut_too(void **state)
{
    (void)state;
    char name[1000];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    bk__log_line_i64(&line, RUNTIME(name), 1);
    cJSON *json = read_line();
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "truncated")));
    cJSON_Delete(json);
}

#define LINE_TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

static void test_fields_may_stand_in_objects(void **state)
{
    (void)state;
    bk__log_line_i64(&line, BK__LOG_NAME("a"), 1);
    bk__log_line_open(&line, BK__LOG_NAME("req"));
    bk__log_line_str(&line, BK__LOG_NAME("id"), BK_LIT("r"));
    bk__log_line_open(&line, BK__LOG_NAME("headers"));
    bk__log_line_close(&line);
    bk__log_line_json(&line, BK__LOG_NAME("n"), BK_LIT("0.5"));
    bk__log_line_close(&line);
    bk__log_line_bool(&line, BK__LOG_NAME("b"), true);
    assert_line(
        "{\"level\":30,\"a\":1,\"req\":{\"id\":\"r\",\"headers\":{},\"n\":0.5},\"b\":true}\n");
}

static void test_an_object_that_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    static char much[4096];
    char name[] = "a0";

    memset(much, 'x', sizeof much);
    for (; name[1] < '4'; name[1]++)
        bk__log_line_str(&line, RUNTIME(name), bk_str_at(much, 4000));
    bk__log_line_str(&line, BK__LOG_NAME("b"), bk_str_at(much, 200));
    bk__log_line_open(&line, BK__LOG_NAME("req"));
    bk__log_line_open(&line, BK__LOG_NAME("headers"));
    bk__log_line_i64(&line, BK__LOG_NAME("n"), 1);
    bk__log_line_close(&line);
    bk__log_line_close(&line);
    cJSON *json = read_line();
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "truncated")));
    cJSON_Delete(json);
}

static void test_hidden_fields_are_hidden_in_objects_too(void **state)
{
    (void)state;
    static const char *const paths[] = {"req.headers.cookie", NULL};
    struct bk__log_redact redact;

    assert_int_equal(bk__log_redact_read(paths, &redact), BK_OK);
    bk__log_line_init(&line, BK_LIT("{\"level\":30"), &redact);
    bk__log_line_str(&line, BK__LOG_NAME("cookie"), BK_LIT("a"));
    bk__log_line_open(&line, BK__LOG_NAME("req"));
    bk__log_line_open(&line, BK__LOG_NAME("headers"));
    bk__log_line_str(&line, BK__LOG_NAME("cookie"), BK_LIT("b"));
    bk__log_line_close(&line);
    bk__log_line_close(&line);
    assert_line("{\"level\":30,\"cookie\":\"a\",\"req\":{\"headers\":{\"cookie\":\"***\"}}}\n");
}

static void test_a_whole_object_can_be_hidden(void **state)
{
    (void)state;
    static const char *const paths[] = {"req", NULL};
    struct bk__log_redact redact;

    assert_int_equal(bk__log_redact_read(paths, &redact), BK_OK);
    bk__log_line_init(&line, BK_LIT("{\"level\":30"), &redact);
    bk__log_line_open(&line, BK__LOG_NAME("req"));
    bk__log_line_str(&line, BK__LOG_NAME("id"), BK_LIT("a"));
    bk__log_line_close(&line);
    bk__log_line_i64(&line, BK__LOG_NAME("n"), 1);
    assert_line("{\"level\":30,\"req\":\"***\",\"n\":1}\n");
}

static void one_odd_byte(int byte, size_t place, size_t len)
{
    char text[25];

    memset(text, 'x', len);
    text[len] = '\0';
    text[place] = (char)byte;
    bk__log_line_init(&line, BK_LIT("{\"level\":30"), NULL);
    bk__log_line_str(&line, BK__LOG_NAME("s"), bk_str_at(text, len));
    cJSON *json = read_line();
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "s")), text);
    cJSON_Delete(json);
    bk__log_line_fini(&line);
}

/* Eight bytes are looked at at a time, the last eight again: each place, and each byte. */
static void test_every_byte_is_written_right_wherever_it_stands(void **state)
{
    static const size_t lengths[] = {1, 7, 8, 13, 24};
    (void)state;

    for (int byte = 1; byte < 128; byte++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            for (size_t place = 0; place < lengths[i]; place++)
                one_odd_byte(byte, place, lengths[i]);
    bk__log_line_init(&line, BK_LIT("{\"level\":30"), NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LINE_TEST(test_an_empty_line_is_its_start),
        LINE_TEST(test_each_type_has_its_json),
        LINE_TEST(test_quotes_and_control_characters_are_escaped),
        LINE_TEST(test_utf8_passes_and_what_is_none_is_replaced),
        LINE_TEST(test_a_long_text_is_cut_and_the_rest_is_still_there),
        LINE_TEST(test_a_text_that_just_fits_is_not_cut),
        LINE_TEST(test_a_cut_never_falls_within_a_character),
        LINE_TEST(test_a_line_never_exceeds_its_limit),
        LINE_TEST(test_a_long_name_is_cut_too),
        LINE_TEST(test_fields_may_stand_in_objects),
        LINE_TEST(test_an_object_that_does_not_fit_is_left_out_whole),
        LINE_TEST(test_hidden_fields_are_hidden_in_objects_too),
        LINE_TEST(test_a_whole_object_can_be_hidden),
        LINE_TEST(test_every_byte_is_written_right_wherever_it_stands),
    };
    return cmocka_run_group_tests_name("core/log_line", tests, NULL, NULL);
}
