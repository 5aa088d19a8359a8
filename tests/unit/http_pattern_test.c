#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/str.h>

#include "http/pattern.h"
#include "text.h"

static bk_str normal(const char *segment, char out[BK__SEGMENT_MAX])
{
    return bk_str_at(out, bk__segment_normalize(bk_str_of(segment), out));
}

static void test_a_pattern_comes_apart_in_order(void **state)
{
    struct bk__pattern pattern;
    char why[BK__WHY_MAX];
    (void)state;
    assert_true(bk__pattern_read(BK_LIT("/a%2Fb/{id}/{rest*}"), &pattern, why));
    assert_int_equal(pattern.count, 3);
    assert_int_equal(pattern.pieces[0].kind, BK__PIECE_STATIC);
    assert_text(pattern.pieces[0].text, "a%2Fb");
    assert_int_equal(pattern.pieces[1].kind, BK__PIECE_PARAM);
    assert_text(pattern.pieces[1].text, "id");
    assert_int_equal(pattern.pieces[2].kind, BK__PIECE_WILDCARD);
    assert_text(pattern.pieces[2].text, "rest");

    assert_true(bk__pattern_read(BK_LIT("/"), &pattern, why));
    assert_int_equal(pattern.count, 0);
    assert_true(bk__pattern_read(BK_LIT("/a/"), &pattern, why));
    assert_int_equal(pattern.count, 1);
}

static void test_all_of_rfc_3986_pchar_may_stand_in_a_pattern(void **state)
{
    struct bk__pattern pattern;
    char why[BK__WHY_MAX];
    (void)state;
    assert_true(bk__pattern_read(BK_LIT("/aZ09-._~!$&'()*+,;=:@"), &pattern, why));
}

static void test_words_name_the_segment_and_are_cut_to_fit(void **state)
{
    struct bk__pattern pattern;
    char why[BK__WHY_MAX], segment[1000];
    (void)state;
    assert_false(bk__pattern_read(BK_LIT("/api/v{n}/x"), &pattern, why));
    assert_non_null(strstr(why, "\"v{n}\""));
    assert_false(bk__pattern_read(BK_LIT("/api//x"), &pattern, why));
    assert_non_null(strstr(why, "\"/api//x\""));

    memset(segment, '{', sizeof(segment));
    bk__pattern_explain(why, bk_str_at(segment, sizeof(segment)), "is wrong");
    assert_int_equal(strlen(why), 80 + strlen("\"\": is wrong"));
}

static void test_the_normal_form_undoes_needless_escapes_only(void **state)
{
    char out[BK__SEGMENT_MAX];
    (void)state;
    assert_text(normal("plain", out), "plain");
    assert_text(normal("%70roducts", out), "products");
    assert_text(normal("%41%5a%39%2d%2e%5f%7e", out), "AZ9-._~");
    assert_text(normal("a%2fb%c3%a9%3a", out), "a%2Fb%C3%A9%3A");
    assert_text(normal("%2570", out), "%2570");
    assert_text(normal("%", out), "%");
    assert_text(normal("%7", out), "%7");
    assert_text(normal("%7g%70", out), "%7gp");
    assert_text(normal("%%70", out), "%p");
}

static void test_the_normal_form_does_not_leave_its_room(void **state)
{
    char text[3 * BK__SEGMENT_MAX + 3], out[BK__SEGMENT_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(text); i += 3)
        memcpy(text + i, "%61", 3);
    assert_int_equal(bk__segment_normalize(bk_str_at(text, 3 * BK__SEGMENT_MAX), out),
                     BK__SEGMENT_MAX);
    assert_int_equal(bk__segment_normalize(bk_str_at(text, sizeof(text)), out), 0);
    for (size_t i = 0; i < sizeof(text); i += 3)
        memcpy(text + i, "%2f", 3);
    assert_int_equal(bk__segment_normalize(bk_str_at(text, BK__SEGMENT_MAX), out), BK__SEGMENT_MAX);
    assert_int_equal(bk__segment_normalize(bk_str_at(text, BK__SEGMENT_MAX + 3), out), 0);
}

static void test_dots_are_seen_however_they_are_written(void **state)
{
    static const char *const dots[] = {".", "..", "%2e", "%2E", "%2e.", ".%2E", "%2E%2e"};
    static const char *const others[] = {"", "...", "%2e%2e%2e", ".a", "a.", "%2", ".%2", "%252e"};
    (void)state;
    for (size_t i = 0; i < sizeof(dots) / sizeof(dots[0]); i++)
        assert_true(bk__segment_is_dots(bk_str_of(dots[i])));
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(bk__segment_is_dots(bk_str_of(others[i])));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_pattern_comes_apart_in_order),
        cmocka_unit_test(test_all_of_rfc_3986_pchar_may_stand_in_a_pattern),
        cmocka_unit_test(test_words_name_the_segment_and_are_cut_to_fit),
        cmocka_unit_test(test_the_normal_form_undoes_needless_escapes_only),
        cmocka_unit_test(test_the_normal_form_does_not_leave_its_room),
        cmocka_unit_test(test_dots_are_seen_however_they_are_written),
    };
    return cmocka_run_group_tests_name("http/pattern", tests, NULL, NULL);
}
