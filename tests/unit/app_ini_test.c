/* Tests of libbackend/app/ini.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include <backend/arena.h>

#include "app/ini.h"
#include "text.h"

struct bench {
    bk_arena *arena;
    struct bk__ini ini;
    struct bk__ini_entry entry;
};

static struct bench bench_open(const char *text, bool dotenv)
{
    struct bench it = {.arena = bk_arena_new()};

    bk__ini_init(&it.ini, it.arena, bk_str_of(text), dotenv);
    return it;
}

static void assert_entry(struct bench *it, const char *section, const char *name, const char *value)
{
    assert_int_equal(bk__ini_next(&it->ini, &it->entry), BK__INI_ENTRY);
    assert_text(it->entry.section, section);
    assert_text(it->entry.name, name);
    assert_text(it->entry.value, value);
}

static void assert_wrong(struct bench *it, int line)
{
    assert_int_equal(bk__ini_next(&it->ini, &it->entry), BK__INI_WRONG);
    assert_int_equal(it->ini.line, line);
    assert_non_null(it->ini.why);
}

static void assert_end(struct bench *it)
{
    assert_int_equal(bk__ini_next(&it->ini, &it->entry), BK__INI_END);
    assert_int_equal(bk__ini_next(&it->ini, &it->entry), BK__INI_END);
    bk_arena_free(it->arena);
}

static void test_a_value_goes_to_the_end_of_its_line(void **state)
{
    struct bench it = bench_open("\xef\xbb\xbf# a comment\r\n; another\r\n\n"
                                 " url =  postgres://a:b#c;d=e@h/x?y \r\n"
                                 "[ web ]\nport=1\nempty =",
                                 false);

    (void)state;
    assert_entry(&it, "", "url", "postgres://a:b#c;d=e@h/x?y");
    assert_int_equal(it.entry.line, 4);
    assert_entry(&it, "web", "port", "1");
    assert_int_equal(it.entry.line, 6);
    assert_entry(&it, "web", "empty", "");
    assert_end(&it);
}

static void test_quotes_keep_blanks_and_escapes(void **state)
{
    struct bench it = bench_open("a = \" x\\n\\t\\\"\\\\\"\nb = ' \\n '\nc = x\"y\"", false);

    (void)state;
    assert_entry(&it, "", "a", " x\n\t\"\\");
    assert_entry(&it, "", "b", " \\n ");
    assert_entry(&it, "", "c", "x\"y\"");
    assert_end(&it);
}

static void test_dotenv_has_export_and_comments_after_values(void **state)
{
    struct bench it = bench_open("export A=1 # one\nB=a#b\nC=\"x # y\" # z\nD=# nothing\n", true);

    (void)state;
    assert_entry(&it, "", "A", "1");
    assert_entry(&it, "", "B", "a#b");
    assert_entry(&it, "", "C", "x # y");
    assert_entry(&it, "", "D", "");
    assert_end(&it);
}

static void test_what_is_no_line_is_told_and_reading_goes_on(void **state)
{
    struct bench it = bench_open("word\n = 1\na b = 1\nc = \"open\nd = \"x\" y\ne = \"\\q\"\n"
                                 "[open\n[a b]\nf = \xff\ng = 1",
                                 false);

    (void)state;
    for (int line = 1; line <= 9; line++)
        assert_wrong(&it, line);
    assert_entry(&it, "", "g", "1");
    assert_end(&it);
}

static void test_an_empty_text_has_nothing(void **state)
{
    struct bench it = bench_open(NULL, false);

    (void)state;
    assert_end(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_value_goes_to_the_end_of_its_line),
        cmocka_unit_test(test_quotes_keep_blanks_and_escapes),
        cmocka_unit_test(test_dotenv_has_export_and_comments_after_values),
        cmocka_unit_test(test_what_is_no_line_is_told_and_reading_goes_on),
        cmocka_unit_test(test_an_empty_text_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
