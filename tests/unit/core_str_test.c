#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <backend/str.h>

#include "core/utf8.h"

static void test_absent_and_empty_are_equal_but_not_the_same(void **state)
{
    (void)state;
    assert_true(bk_str_eq((bk_str){0}, BK_LIT("")));
    assert_false(bk_str_present((bk_str){0}));
    assert_true(bk_str_present(BK_LIT("")));
    assert_false(bk_str_present(bk_str_of(NULL)));
    assert_int_equal(bk_str_of("abc").len, 3);
    assert_true(bk_str_eq(bk_str_at("abcdef", 3), BK_LIT("abc")));
}

static void test_ieq_takes_ascii_letters_in_either_case_and_nothing_else(void **state)
{
    (void)state;
    assert_true(bk_str_ieq(BK_LIT("Content-TYPE"), BK_LIT("content-type")));
    assert_true(bk_str_ieq((bk_str){0}, BK_LIT("")));
    assert_false(bk_str_ieq(BK_LIT("a"), BK_LIT("ab")));
    assert_false(bk_str_ieq(BK_LIT("a"), BK_LIT("b")));
    /* 32 apart and no letters. */
    assert_false(bk_str_ieq(BK_LIT("@"), BK_LIT("`")));
    assert_false(bk_str_ieq(BK_LIT("["), BK_LIT("{")));
    assert_false(bk_str_ieq(BK_LIT("\xc4"), BK_LIT("\xe4")));
}

static void test_starts_looks_at_the_front_only(void **state)
{
    (void)state;
    assert_true(bk_str_starts(BK_LIT("/api/users"), BK_LIT("/api")));
    assert_true(bk_str_starts(BK_LIT("/api"), BK_LIT("/api")));
    assert_true(bk_str_starts((bk_str){0}, BK_LIT("")));
    assert_false(bk_str_starts(BK_LIT("/ap"), BK_LIT("/api")));
    assert_false(bk_str_starts((bk_str){0}, BK_LIT("x")));
}

static void test_trim_takes_blanks_and_tabs_at_both_ends(void **state)
{
    (void)state;
    assert_true(bk_str_eq(bk_str_trim(BK_LIT(" \t a b \t")), BK_LIT("a b")));
    assert_true(bk_str_eq(bk_str_trim(BK_LIT("\na\n")), BK_LIT("\na\n")));
    assert_int_equal(bk_str_trim(BK_LIT(" \t ")).len, 0);
    assert_true(bk_str_present(bk_str_trim(BK_LIT("  "))));
    assert_false(bk_str_present(bk_str_trim((bk_str){0})));
}

static void test_split_gives_every_part_also_the_empty_ones(void **state)
{
    (void)state;
    bk_str rest = BK_LIT("a,,b,");
    bk_str part;
    const char *expected[] = {"a", "", "b", ""};
    for (int i = 0; i < 4; i++) {
        assert_true(bk_str_split(&rest, ',', &part));
        assert_true(bk_str_present(part));
        assert_true(bk_str_eq(part, bk_str_of(expected[i])));
    }
    assert_false(bk_str_present(rest));
    assert_false(bk_str_split(&rest, ',', &part));
}

static void test_split_of_an_empty_text_is_one_part_and_of_an_absent_one_none(void **state)
{
    (void)state;
    bk_str rest = BK_LIT("");
    bk_str part = BK_LIT("x");
    assert_true(bk_str_split(&rest, ',', &part));
    assert_int_equal(part.len, 0);
    assert_false(bk_str_split(&rest, ',', &part));
    rest = (bk_str){0};
    assert_false(bk_str_split(&rest, ',', &part));
}

/* The same at every offset from an eight-byte step, and in memory of its own size. */
static void assert_utf8(bool expected, bk_str piece)
{
    for (size_t before = 0; before < 17; before++) {
        size_t len = before + piece.len;
        char *text = malloc(len + 1);
        memset(text, 'a', before);
        memcpy(text + before, piece.ptr, piece.len);
        assert_int_equal(bk_str_utf8(bk_str_at(text, len)), expected);
        free(text);
    }
}

static void test_well_formed_utf8_is_accepted(void **state)
{
    (void)state;
    assert_true(bk_str_utf8((bk_str){0}));
    assert_utf8(true, BK_LIT(""));
    assert_utf8(true, BK_LIT("plain ascii, of more than eight bytes\x7f"));
    assert_utf8(true, BK_LIT("gr\xc3\xbc\xc3\x9f"));
    assert_utf8(true, BK_LIT("\xc2\x80\xdf\xbf"));
    assert_utf8(true, BK_LIT("\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"));
    assert_utf8(true, BK_LIT("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    assert_utf8(true, BK_LIT("\xf0\x9f\x98\x80 and more text behind it"));
}

static void test_ill_formed_utf8_and_nul_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",             /* a continuation alone */
        "\xbf",             /* the same */
        "\xc3",             /* cut short */
        "\xe2\x82",         /* cut short */
        "\xf0\x9f\x98",     /* cut short */
        "\xc3g",            /* no continuation */
        "\xe2g\x82",        /* no continuation */
        "\xe2\x82g",        /* no continuation */
        "\xf0\x9f\x98g",    /* no continuation */
        "\xc0\x80",         /* overlong */
        "\xc1\xbf",         /* overlong */
        "\xe0\x9f\xbf",     /* overlong */
        "\xf0\x8f\xbf\xbf", /* overlong */
        "\xed\xa0\x80",     /* a surrogate */
        "\xed\xbf\xbf",     /* a surrogate */
        "\xf4\x90\x80\x80", /* beyond U+10FFFF */
        "\xf5\x80\x80\x80", /* beyond U+10FFFF */
        "\xff",             /* never */
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_utf8(false, bk_str_of(bad[i]));
        assert_int_equal(bk__utf8_char(bad[i], strlen(bad[i])), 0);
    }
    assert_utf8(false, BK_LIT("\0"));
    assert_utf8(false, BK_LIT("\0abcdefghijk"));
    assert_utf8(false, BK_LIT("\x01\0\x01\x01\x01\x01\x01\x01"));
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(leads[len] | code);
    return len;
}

static void test_every_code_point_but_surrogates_is_a_character(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x110000; code++) {
        char text[4];
        size_t len = encode(code, text);
        bool valid = code < 0x110000 && !(code >= 0xd800 && code <= 0xdfff);
        if (bk__utf8_char(text, len) != (valid ? len : 0))
            fail_msg("U+%04X", code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_absent_and_empty_are_equal_but_not_the_same),
        cmocka_unit_test(test_ieq_takes_ascii_letters_in_either_case_and_nothing_else),
        cmocka_unit_test(test_starts_looks_at_the_front_only),
        cmocka_unit_test(test_trim_takes_blanks_and_tabs_at_both_ends),
        cmocka_unit_test(test_split_gives_every_part_also_the_empty_ones),
        cmocka_unit_test(test_split_of_an_empty_text_is_one_part_and_of_an_absent_one_none),
        cmocka_unit_test(test_well_formed_utf8_is_accepted),
        cmocka_unit_test(test_ill_formed_utf8_and_nul_are_refused),
        cmocka_unit_test(test_every_code_point_but_surrogates_is_a_character),
    };
    return cmocka_run_group_tests_name("core/str", tests, NULL, NULL);
}
