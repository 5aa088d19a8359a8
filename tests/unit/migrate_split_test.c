#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "migrate/split.h"

/* What @p sql is cut into, as "LINE:text|LINE:text|", or "!" and the words of the error. */
static const char *cut(const char *sql)
{
    static char shown[4096];
    struct bk__sql_statement statement;
    struct bk__sql_split split;
    size_t len = 0;
    bool more;
    bk_err err;

    shown[0] = '\0';
    bk__sql_split_init(&split, bk_str_of(sql));
    while ((err = bk__sql_split_next(&split, &statement, &more)) == BK_OK && more)
        len += (size_t)snprintf(shown + len, sizeof shown - len, "%d:%.*s|", statement.line,
                                BK_PRI(statement.text));
    if (err != BK_OK)
        snprintf(shown, sizeof shown, "!%.*s", BK_PRI(bk_error_chain()->message));
    bk_error_clear();
    return shown;
}

static void test_semicolons_end_statements(void **state)
{
    (void)state;
    assert_string_equal(cut("SELECT 1;SELECT 2"), "1:SELECT 1|1:SELECT 2|");
    assert_string_equal(cut("\n\nSELECT 1 ;\n ;; \nSELECT\n2\n;\n"), "3:SELECT 1|5:SELECT\n2|");
    assert_string_equal(cut(""), "");
    assert_string_equal(cut(" ;; -- nothing"), "");
    assert_string_equal(cut("\xef\xbb\xbfSELECT 1"), "1:SELECT 1|");
}

static void test_comments_between_statements_belong_to_none(void **state)
{
    (void)state;
    assert_string_equal(cut("-- a; b\n/* c; /* d; */ e; */ SELECT 1 -- f;\n; -- g"), "2:SELECT 1|");
    assert_string_equal(cut("SELECT 1 -- a;\n + 2;"), "1:SELECT 1 -- a;\n + 2|");
    assert_string_equal(cut("SELECT 1 - - 2 / 3;x"), "1:SELECT 1 - - 2 / 3|1:x|");
}

static void test_quotes_hide_semicolons(void **state)
{
    (void)state;
    assert_string_equal(cut("SELECT 'a;''b;';x"), "1:SELECT 'a;''b;'|1:x|");
    assert_string_equal(cut("SELECT \"a;\"\"b;\";x"), "1:SELECT \"a;\"\"b;\"|1:x|");
    assert_string_equal(cut("SELECT 'a\\';x"), "1:SELECT 'a\\'|1:x|");
    assert_string_equal(cut("SELECT N'\\';x"), "1:SELECT N'\\'|1:x|");
    assert_string_equal(cut("SELECT '--';x"), "1:SELECT '--'|1:x|");
}

static void test_backslashes_escape_in_e_strings_only(void **state)
{
    (void)state;
    assert_string_equal(cut("SELECT E'a\\';b';x"), "1:SELECT E'a\\';b'|1:x|");
    assert_string_equal(cut("SELECT e'a\\\\';x"), "1:SELECT e'a\\\\'|1:x|");
    assert_string_equal(cut("SELECT e 'a\\';x"), "1:SELECT e 'a\\'|1:x|");
    assert_string_equal(cut("SELECT some'a\\';x"), "1:SELECT some'a\\'|1:x|");
    assert_string_equal(cut("SELECT E'a' -- c\n 'b\\';c';x"), "1:SELECT E'a' -- c\n 'b\\';c'|2:x|");
    assert_string_equal(cut("SELECT E'a' 'b\\';x"), "1:SELECT E'a' 'b\\'|1:x|");
}

static void test_dollar_quotes_end_at_their_own_tag(void **state)
{
    (void)state;
    assert_string_equal(cut("DO $$a;b$$;x"), "1:DO $$a;b$$|1:x|");
    assert_string_equal(cut("DO $f$a;$$b;$g$c;$f$;x"), "1:DO $f$a;$$b;$g$c;$f$|1:x|");
    assert_string_equal(cut("SELECT a$b$;x$b$"), "1:SELECT a$b$|1:x$b$|");
    assert_string_equal(cut("SELECT $1$;x"), "1:SELECT $1$|1:x|");
    assert_string_equal(cut("DO $$\n;\n$$;\nx"), "1:DO $$\n;\n$$|4:x|");
}

static void test_parentheses_hold_semicolons(void **state)
{
    (void)state;
    assert_string_equal(cut("CREATE RULE r AS ON INSERT TO t DO (DELETE FROM u; SELECT 1);x"),
                        "1:CREATE RULE r AS ON INSERT TO t DO (DELETE FROM u; SELECT 1)|1:x|");
    assert_string_equal(cut("SELECT 1);x"), "1:SELECT 1)|1:x|");
}

static void test_the_body_of_a_function_holds_semicolons(void **state)
{
    const char *body = "CREATE or replace FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; "
                       "SELECT CASE WHEN true THEN 1 END; END";
    char sql[256], wanted[256];

    (void)state;
    snprintf(sql, sizeof sql, "%s; x;", body);
    snprintf(wanted, sizeof wanted, "1:%s|1:x|", body);
    assert_string_equal(cut(sql), wanted);
    assert_string_equal(cut("BEGIN; SELECT 1; END"), "1:BEGIN|1:SELECT 1|1:END|");
    assert_string_equal(cut("CREATE TABLE f (begin int); atomic;"),
                        "1:CREATE TABLE f (begin int)|1:atomic|");
}

static void test_what_is_not_closed_is_named_with_its_line(void **state)
{
    (void)state;
    assert_string_equal(cut("a;\nSELECT 'b\n"), "!line 2: a string is not closed");
    assert_string_equal(cut("\"b"), "!line 1: a quoted name is not closed");
    assert_string_equal(cut("a\n/* /* */"), "!line 2: a comment is not closed");
    assert_string_equal(cut("\n$x$ $y$"), "!line 2: a dollar-quoted string is not closed");
    assert_string_equal(cut("f(\n(1;\n"), "!line 1: a parenthesis is not closed");
    assert_string_equal(cut("E'\\"), "!line 1: a string is not closed");
    assert_string_equal(cut("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;"),
                        "!line 1: the BEGIN ATOMIC of this statement is not closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_semicolons_end_statements),
        cmocka_unit_test(test_comments_between_statements_belong_to_none),
        cmocka_unit_test(test_quotes_hide_semicolons),
        cmocka_unit_test(test_backslashes_escape_in_e_strings_only),
        cmocka_unit_test(test_dollar_quotes_end_at_their_own_tag),
        cmocka_unit_test(test_parentheses_hold_semicolons),
        cmocka_unit_test(test_the_body_of_a_function_holds_semicolons),
        cmocka_unit_test(test_what_is_not_closed_is_named_with_its_line),
    };
    return cmocka_run_group_tests_name("migrate_split", tests, NULL, NULL);
}
