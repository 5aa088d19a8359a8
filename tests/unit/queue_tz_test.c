/*
 * queue_tz_test.c: time zones, compared with what the C library says of the same files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <time.h>

#include <backend/str.h>

#include "queue/tz.h"

#define YEAR ((int64_t)31556952)

static struct bk__tz *open_zone(const char *name)
{
    struct bk__tz *tz = NULL;
    if (bk__tz_open(bk_str_of(name), &tz) != BK_OK)
        fail_msg("%.*s", BK_PRI(bk_error_chain()->message));
    return tz;
}

static long offset_by_libc(int64_t at)
{
    time_t time = (time_t)at;
    struct tm tm;
    localtime_r(&time, &tm);
    return tm.tm_gmtoff;
}

static void compare(const char *name)
{
    struct bk__tz *tz = open_zone(name);
    struct bk__tz_span span;

    setenv("TZ", name, 1);
    tzset();
    for (int64_t at = -70 * YEAR; at < 500 * YEAR; at = span.until) {
        bk__tz_span(tz, at, &span);
        assert_true(span.from <= at && at < span.until);
        if (span.offset != offset_by_libc(at))
            fail_msg("%s at %lld: %d, not %ld", name, (long long)at, span.offset,
                     offset_by_libc(at));
        if (span.from != INT64_MIN)
            assert_int_equal(span.before, offset_by_libc(span.from - 1));
        if (span.until == INT64_MAX)
            break;
        assert_int_equal(span.offset, offset_by_libc(span.until - 1));
        /* In between it may not change either. */
        for (int64_t i = at; i < span.until; i += 7 * 86400)
            assert_int_equal(span.offset, offset_by_libc(i));
    }
    bk__tz_free(tz);
}

static void test_offsets_are_those_of_the_c_library(void **state)
{
    static const char *const names[] = {
        "UTC",
        "Europe/Paris",
        "Europe/Dublin",
        "America/New_York",
        "Asia/Kathmandu",
        "Pacific/Apia",
        "Australia/Lord_Howe",
        "Africa/Casablanca",
        "Asia/Tehran",
        "America/Sao_Paulo",
        "Asia/Gaza",
        "America/Nuuk",
        "Etc/GMT+12",
        "EST5EDT",
        "Pacific/Kiritimati",
        "Africa/Monrovia",
        "Europe/Istanbul",
    };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        compare(names[i]);
    unsetenv("TZ");
    tzset();
}

static void test_names_cannot_leave_the_folder(void **state)
{
    static const char *const names[] = {
        "",
        "/etc/passwd",
        "../../../etc/passwd",
        "Europe/../UTC",
        "Europe//Paris",
        "Europe/",
        ".",
        "Europe/Paris\n",
        "posix/.",
        "Europe Paris",
        "Zürich",
        "Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    struct bk__tz *tz = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(bk__tz_open(bk_str_of(names[i]), &tz), BK_EINVAL);
    assert_int_equal(bk__tz_open(BK_LIT("UTC\0.txt"), &tz), BK_EINVAL);
    assert_null(tz);
}

static void test_what_is_no_zone_is_refused(void **state)
{
    struct bk__tz *tz = NULL;

    (void)state;
    assert_int_equal(bk__tz_open(BK_LIT("Europe/Atlantis"), &tz), BK_ENOTFOUND);
    assert_int_equal(bk__tz_open(BK_LIT("Europe"), &tz), BK_EIO); /* a folder */
    assert_int_equal(bk__tz_read(BK_LIT(""), &tz), BK_EINVAL);
    assert_int_equal(bk__tz_read(BK_LIT("TZif2"), &tz), BK_EINVAL);
    assert_null(tz);
    bk__tz_free(NULL);
}

/* --- Files made by hand --- */

/* A file of version 1 or 2 with one change: from offset 0 to 3600 at 1000. */
static size_t make_file(unsigned char *out, char version, const char *rule)
{
    static const unsigned char types[] = {0, 0, 0, 0, 0, 0, 0, 0, 0x0e, 0x10, 1, 0};
    unsigned char *at = out;

    for (int pass = version == 0 ? 1 : 0; pass < 2; pass++) {
        size_t width = pass == 1 && version != 0 ? 8 : 4;
        memset(at, 0, 44);
        memcpy(at, "TZif", 4);
        at[4] = (unsigned char)version;
        at[35] = 1; /* times */
        at[39] = 2; /* types */
        at[43] = 4; /* bytes of names */
        at += 44;
        memset(at, 0, width);
        at[width - 2] = 1000 >> 8;
        at[width - 1] = 1000 & 255;
        at += width;
        *at++ = 1;
        memcpy(at, types, sizeof types);
        at += sizeof types;
        memcpy(at, "ABC", 4);
        at += 4;
    }
    if (version != 0) {
        *at++ = '\n';
        memcpy(at, rule, strlen(rule));
        at += strlen(rule);
        *at++ = '\n';
    }
    return (size_t)(at - out);
}

static bk_err read_file(const unsigned char *bytes, size_t len, struct bk__tz **out)
{
    return bk__tz_read(bk_str_at((const char *)bytes, len), out);
}

static void test_both_versions_of_the_format_are_read(void **state)
{
    static const char versions[] = {0, '2', '3', '4'};
    unsigned char file[256];
    struct bk__tz *tz;
    struct bk__tz_span span;

    (void)state;
    for (size_t i = 0; i < sizeof versions; i++) {
        char version = versions[i];
        assert_int_equal(read_file(file, make_file(file, version, ""), &tz), BK_OK);
        bk__tz_span(tz, 999, &span);
        assert_int_equal(span.offset, 0);
        assert_int_equal(span.until, 1000);
        bk__tz_span(tz, 1000, &span);
        assert_int_equal(span.offset, 3600);
        assert_int_equal(span.before, 0);
        assert_int_equal(span.from, 1000);
        assert_true(span.until == INT64_MAX);
        bk__tz_free(tz);
    }
}

static void test_every_cut_of_a_file_is_refused(void **state)
{
    unsigned char file[256];
    struct bk__tz *tz = NULL;
    size_t len = make_file(file, '2', "ABC-1");

    (void)state;
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(read_file(file, cut, &tz), BK_EINVAL);
    assert_int_equal(read_file(file, len, &tz), BK_OK);
    bk__tz_free(tz);
}

static void test_files_that_contradict_themselves_are_refused(void **state)
{
    unsigned char file[256];
    struct bk__tz *tz = NULL;
    size_t len = make_file(file, 0, "");

    (void)state;
    file[48] = 2; /* a type that there is not */
    assert_int_equal(read_file(file, len, &tz), BK_EINVAL);
    make_file(file, 0, "");
    file[49 + 6] = 0x40; /* an offset of years */
    assert_int_equal(read_file(file, len, &tz), BK_EINVAL);
    make_file(file, 0, "");
    file[39] = 0; /* no type */
    assert_int_equal(read_file(file, len, &tz), BK_EINVAL);
    make_file(file, 0, "");
    file[32] = 0xff; /* more times than bytes */
    assert_int_equal(read_file(file, len, &tz), BK_EINVAL);
    len = make_file(file, '2', "nonsense");
    assert_int_equal(read_file(file, len, &tz), BK_EINVAL);
    assert_null(tz);
}

static void test_files_with_leap_seconds_are_refused(void **state)
{
    unsigned char file[256] = {0};
    struct bk__tz *tz = NULL;
    size_t len = make_file(file, 0, "");

    (void)state;
    file[31] = 1;
    assert_int_equal(read_file(file, len + 8, &tz), BK_EINVAL);
}

/* --- Rules --- */

static void test_rules_are_read(void **state)
{
    static const char *const good[] = {
        "UTC0",
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "<-03>3",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "EST5EDT,J60,J300/1:30:15",
        "XXX3YYY,0/0,J365/23",
        "EET-2EEST,M3.4.4/50,M10.4.4/50",
        "AAA0BBB,0/-167,365/167",
    };
    static const char *const bad[] = {
        "",
        "U0",
        "UTC",
        "UTC0 ",
        "UTC25",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J1",
        "CET-1CEST,366,1",
        "CET-1CEST,M3.5.0/168,M10.5.0",
        "<AB0",
        "<ABC>0>",
        "CET-1CEST,M3.5.0,M10.5.0/3,",
        "UTC99999999999",
        "A1C0",
    };
    struct bk__tz_rule rule;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!bk__tz_rule_parse(bk_str_of(good[i]), &rule))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (bk__tz_rule_parse(bk_str_of(bad[i]), &rule))
            fail_msg("%s", bad[i]);
}

static void test_rules_of_all_forms_agree_with_the_c_library(void **state)
{
    static const char *const rules[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,J60,J300/1:30:15",
        "EST5EDT,59/1,300",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "EET-2EEST,M3.4.4/50,M10.4.4/50",
    };
    struct bk__tz_rule rule;
    struct bk__tz_span span;

    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        assert_true(bk__tz_rule_parse(bk_str_of(rules[i]), &rule));
        setenv("TZ", rules[i], 1);
        tzset();
        for (int64_t at = 0; at < 150 * YEAR; at += 86400 / 2 + 7) {
            bk__tz_rule_span(&rule, at, &span);
            if (span.offset != offset_by_libc(at))
                fail_msg("%s at %lld: %d, not %ld", rules[i], (long long)at, span.offset,
                         offset_by_libc(at));
            assert_true(span.from <= at && at < span.until);
        }
    }
    unsetenv("TZ");
    tzset();
}

static void test_summer_all_year_has_no_winter(void **state)
{
    struct bk__tz_rule rule;
    struct bk__tz_span span;

    (void)state;
    assert_true(bk__tz_rule_parse(BK_LIT("XXX3YYY,0/0,J365/25"), &rule));
    for (int64_t at = 0; at < 10 * YEAR; at += 3600) {
        bk__tz_rule_span(&rule, at, &span);
        assert_int_equal(span.offset, -2 * 3600);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offsets_are_those_of_the_c_library),
        cmocka_unit_test(test_names_cannot_leave_the_folder),
        cmocka_unit_test(test_what_is_no_zone_is_refused),
        cmocka_unit_test(test_both_versions_of_the_format_are_read),
        cmocka_unit_test(test_every_cut_of_a_file_is_refused),
        cmocka_unit_test(test_files_that_contradict_themselves_are_refused),
        cmocka_unit_test(test_files_with_leap_seconds_are_refused),
        cmocka_unit_test(test_rules_are_read),
        cmocka_unit_test(test_rules_of_all_forms_agree_with_the_c_library),
        cmocka_unit_test(test_summer_all_year_has_no_winter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
