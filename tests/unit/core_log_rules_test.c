/*
 * Levels by event, and the paths of fields that do not show.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include <backend/str.h>

#include "core/log_rules.h"
#include "text.h"

static struct bk__log_levels levels;

static int level_of(const char *event)
{
    return bk__log_levels_of(&levels, event, BK_LOG_WARN);
}

static void test_the_longest_prefix_counts(void **state)
{
    (void)state;
    assert_int_equal(bk__log_levels_read(
                         "info, pg=debug ,pg.pool=off,redis=ERROR,pg.pool.open = trace", &levels),
                     BK_OK);
    assert_int_equal(levels.level, BK_LOG_INFO);
    assert_int_equal(levels.lowest, BK_LOG_TRACE);
    assert_int_equal(level_of("pg"), BK_LOG_DEBUG);
    assert_int_equal(level_of("pg.slow"), BK_LOG_DEBUG);
    assert_int_equal(level_of("pgx.slow"), BK_LOG_WARN);
    assert_int_equal(level_of("p"), BK_LOG_WARN);
    assert_int_equal(level_of("pg.pool"), BK_LOG_OFF);
    assert_int_equal(level_of("pg.pool.wait"), BK_LOG_OFF);
    assert_int_equal(level_of("pg.pool.open.fast"), BK_LOG_TRACE);
    assert_int_equal(level_of("redis.down"), BK_LOG_ERROR);
    assert_int_equal(level_of("app.ready"), BK_LOG_WARN);
}

static void test_nothing_said_is_no_rule(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, ""};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(bk__log_levels_read(texts[i], &levels), BK_OK);
        assert_int_equal(levels.level, 0);
        assert_int_equal(levels.count, 0);
        assert_int_equal(levels.lowest, BK_LOG_OFF);
    }
    assert_int_equal(bk__log_levels_read("warn,debug", &levels), BK_OK); /* the last one counts */
    assert_int_equal(levels.level, BK_LOG_DEBUG);
}

static void test_what_is_no_level_is_refused_by_name(void **state)
{
    (void)state;
    static const char *const bad[] = {"loud",  "info,",  ",info",         "pg=", "pg=loud",
                                      "=info", " =info", "pg=debug=info", "30"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (bk__log_levels_read(bad[i], &levels) != BK_EINVAL)
            fail_msg("taken: %s", bad[i]);
        bk_error_clear();
    }
    assert_int_equal(bk__log_levels_read("info,pg=loud", &levels), BK_EINVAL);
    assert_text(bk_error_chain()->message,
                "\"pg=loud\" is no level: trace, debug, info, warn, error, fatal or off");
    bk_error_clear();
}

static void test_rules_are_bounded(void **state)
{
    (void)state;
    char text[512] = "";
    size_t len = 0;

    for (int i = 0; i < BK__LOG_RULES_MAX; i++)
        len += (size_t)sprintf(text + len, "%sa%d=info", i == 0 ? "" : ",", i);
    assert_int_equal(bk__log_levels_read(text, &levels), BK_OK);
    strcpy(text + len, ",b=info");
    assert_int_equal(bk__log_levels_read(text, &levels), BK_EINVAL);
    bk_error_clear();
}

static void test_levels_have_pinos_names(void **state)
{
    (void)state;
    assert_int_equal(bk__log_level_named(BK_LIT("trace")), 10);
    assert_int_equal(bk__log_level_named(BK_LIT("Warn")), 40);
    assert_int_equal(bk__log_level_named(BK_LIT("silent")), BK_LOG_OFF);
    assert_int_equal(bk__log_level_named(BK_LIT("off")), BK_LOG_OFF);
    assert_int_equal(bk__log_level_named(BK_LIT("")), 0);
}

static void test_a_path_hides_what_it_names(void **state)
{
    (void)state;
    static const char *const paths[] = {"password", "req.headers.referer", "*.token", "req.*.x",
                                        NULL};
    static const char *const req[] = {"req", "headers"}, *const user[] = {"user"};
    struct bk__log_redact redact;

    assert_int_equal(bk__log_redact_read(paths, &redact), BK_OK);
    assert_true(bk__log_redact_hides(&redact, req, 0, "password"));
    assert_false(bk__log_redact_hides(&redact, user, 1, "password"));
    assert_false(bk__log_redact_hides(&redact, req, 0, "passwords"));
    assert_true(bk__log_redact_hides(&redact, req, 2, "referer"));
    assert_false(bk__log_redact_hides(&redact, req, 1, "referer"));
    assert_true(bk__log_redact_hides(&redact, req, 1, "token"));
    assert_true(bk__log_redact_hides(&redact, user, 1, "token"));
    assert_false(bk__log_redact_hides(&redact, user, 0, "token"));
    assert_true(bk__log_redact_hides(&redact, req, 2, "x"));
    assert_false(bk__log_redact_hides(&redact, user, 1, "x"));

    assert_int_equal(bk__log_redact_read(NULL, &redact), BK_OK);
    assert_false(bk__log_redact_hides(&redact, req, 0, "password"));
}

static void test_what_is_no_path_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".a", "a.", "a..b", "a.b.c.d"};
    const char *many[BK__LOG_RULES_MAX + 2] = {NULL};
    struct bk__log_redact redact;

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *const list[] = {bad[i], NULL};
        if (bk__log_redact_read(list, &redact) != BK_EINVAL)
            fail_msg("taken: %s", bad[i]);
        bk_error_clear();
    }
    for (int i = 0; i <= BK__LOG_RULES_MAX; i++)
        many[i] = "a";
    assert_int_equal(bk__log_redact_read(many, &redact), BK_EINVAL);
    bk_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_longest_prefix_counts),
        cmocka_unit_test(test_nothing_said_is_no_rule),
        cmocka_unit_test(test_what_is_no_level_is_refused_by_name),
        cmocka_unit_test(test_rules_are_bounded),
        cmocka_unit_test(test_levels_have_pinos_names),
        cmocka_unit_test(test_a_path_hides_what_it_names),
        cmocka_unit_test(test_what_is_no_path_is_refused),
    };
    return cmocka_run_group_tests_name("core/log_rules", tests, NULL, NULL);
}
