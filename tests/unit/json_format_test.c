#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "json/format.h"

/* A NULL ends each list. */
static const struct {
    bk_format format;
    const char *good[24], *bad[40];
} cases[] = {
    {BK_FORMAT_NONE, {"", "anything"}, {NULL}},
    {BK_FORMAT_EMAIL,
     {"a@b", "first.last+tag@example.co.uk", ".odd.@x-y.z", "!#$%&'*+/=?^_`{|}~-@a",
      "a@123456789012345678901234567890123456789012345678901234567890123"},
     {"", "a", "@b", "a@", "a@b@c", "a b@c", "a@b..c", "a@-b", "a@b-", "a@.b", "a@b.", "a\"@b",
      "a@b_c", "\xc3\xa9@b", "a@\xc3\xa9", "a(b)@c",
      "a@1234567890123456789012345678901234567890123456789012345678901234"}},
    {BK_FORMAT_UUID,
     {"018f8f2e-7b3a-7c1d-9a2b-0123456789ab", "00000000-0000-0000-0000-000000000000",
      "FFFFFFFF-ffff-FFFF-ffff-FFFFFFFFFFFF"},
     {"", "018f8f2e7b3a7c1d9a2b0123456789ab", "018f8f2e-7b3a-7c1d-9a2b-0123456789a",
      "018f8f2e-7b3a-7c1d-9a2b-0123456789abc", "g18f8f2e-7b3a-7c1d-9a2b-0123456789ab",
      "018f8f2e-7b3a-7c1d-9a2b00123456789ab", "{18f8f2e-7b3a-7c1d-9a2b-0123456789a}"}},
    {BK_FORMAT_URI,
     {"http://example.com", "https://user:pw@example.com:8080/a/b;c=1?q=%41&r=/?#frag/?",
      "mailto:a@b.c", "urn:isbn:0451450523", "file:///etc/passwd", "http://[2001:db8::1]:80/",
      "http://[v1.fe80::a]/", "a:", "x+y-z.1:/p", "http://", "http://h:", "http://%41",
      "http://192.0.2.1/", "tel:+1-816-555-1212"},
     {"",
      "example.com",
      "/path",
      "//host/path",
      "1a:b",
      ":x",
      "http//x",
      "http://a b",
      "a:%4",
      "a:%zz",
      "http://[::1",
      "http://[1.2.3.4]/",
      "http://[]",
      "http://[v1]/",
      "http://[v.x]/",
      "http://[v1.]/",
      "http://a@b@c/",
      "http://h:8x/",
      "http://h:80:81/",
      "http://[::1]x/",
      "a:b\\c",
      "a:{b}",
      "a:b#c#d",
      "a:\xc3\xa9",
      "http://h|x/",
      "a:b^",
      "h\xc3\xa9:x"}},
    {BK_FORMAT_IPV4,
     {"0.0.0.0", "255.255.255.255", "192.0.2.1"},
     {"", "1.2.3", "1.2.3.4.5", "256.1.1.1", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "1..2.3",
      "0x1.2.3.4", "1.2.3.a", "::1", "1.2.3.4/8",
      "1.2.3.4.1.2.3.4.1.2.3.4.1.2.3.4.1.2.3.4.1.2.3.4.1.2.3.4"}},
    {BK_FORMAT_IPV6,
     {"::", "::1", "2001:db8::8:800:200C:417A", "1:2:3:4:5:6:7:8", "::ffff:192.0.2.1"},
     {"", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "[::1]",
      "fe80::1%eth0", "192.0.2.1", "::1/64", "::ffff:192.0.2.256"}},
    {BK_FORMAT_DATE,
     {"2026-11-23", "2024-02-29", "2000-02-29", "0000-01-01", "9999-12-31"},
     {"", "2026-11-23T", "2026-11-2", "26-11-23", "2026-13-01", "2026-00-01", "2026-01-00",
      "2026-01-32", "2026-04-31", "2023-02-29", "1900-02-29", "2026/11/23", "2026-1-023",
      "2026-11-2a", "+026-11-23"}},
    {BK_FORMAT_SLUG,
     {"a", "a-b", "a1-2b-3", "0"},
     {"", "-", "-a", "a-", "a--b", "A", "a_b", "a b", "\xc3\xa9", "a.b"}},
};

/* Judges a copy of its own, so that a sanitizer sees a look past the end. */
static bool match(bk_format format, const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy + 1, text, len);
    bool good = bk__format_match(format, bk_str_at(copy + 1, len));
    free(copy);
    return good;
}

static void test_each_format_takes_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t j = 0; cases[i].good[j] != NULL; j++) {
            if (!match(cases[i].format, cases[i].good[j]))
                fail_msg("%s refused as %s", cases[i].good[j], bk__format_words(cases[i].format));
        }
    }
}

static void test_each_format_refuses_the_rest(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (size_t j = 0; cases[i].bad[j] != NULL; j++) {
            if (match(cases[i].format, cases[i].bad[j]))
                fail_msg("%s taken as %s", cases[i].bad[j], bk__format_words(cases[i].format));
        }
    }
}

static void test_nul_is_no_way_round(void **state)
{
    (void)state;
    assert_false(bk__format_match(BK_FORMAT_IPV4, bk_str_at("1.2.3.4\0x", 9)));
    assert_false(bk__format_match(BK_FORMAT_EMAIL, bk_str_at("a\0@b", 4)));
    assert_false(bk__format_match(BK_FORMAT_URI, bk_str_at("a:\0", 3)));
}

static void test_schema_names_are_those_of_json_schema(void **state)
{
    (void)state;
    assert_string_equal(bk__format_schema(BK_FORMAT_EMAIL), "email");
    assert_string_equal(bk__format_schema(BK_FORMAT_DATE), "date");
    assert_null(bk__format_schema(BK_FORMAT_NONE));
    assert_null(bk__format_schema(BK_FORMAT_SLUG));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_format_takes_its_own),
        cmocka_unit_test(test_each_format_refuses_the_rest),
        cmocka_unit_test(test_nul_is_no_way_round),
        cmocka_unit_test(test_schema_names_are_those_of_json_schema),
    };
    return cmocka_run_group_tests_name("json/format", tests, NULL, NULL);
}
