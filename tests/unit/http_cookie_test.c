#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "http/cookie.h"
#include "text.h"

#define SECRET BK_LIT("0123456789abcdef0123456789abcdef")

static int new_arena(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int free_arena(void **state)
{
    bk_arena_free(*state);
    bk_error_clear();
    return 0;
}

static bk_str find(const char *header, const char *name)
{
    return bk__cookie_find(bk_str_of(header), bk_str_of(name));
}

static void test_a_cookie_is_found_by_its_exact_name(void **state)
{
    (void)state;
    assert_text(find("a=1; b=2", "a"), "1");
    assert_text(find("a=1; b=2", "b"), "2");
    assert_text(find("a=1;b=2", "b"), "2");
    assert_text(find("a=1;\t b=2 ", "b"), "2");
    assert_text(find("a=b=c", "a"), "b=c");
    assert_text(find("a=", "a"), "");
    assert_absent(find("a=1; b=2", "A"));
    assert_absent(find("a=1; b=2", "c"));
    assert_absent(find("ab=1", "a"));
    assert_absent(find("ab=1", "b"));
    assert_absent(find("a=1", ""));
    assert_absent(find("", "a"));
    assert_absent(find(NULL, "a"));
}

static void test_the_first_of_equal_names_counts(void **state)
{
    (void)state;
    assert_text(find("a=1; a=2", "a"), "1");
    assert_text(find("a=; a=2", "a"), "");
}

static void test_quotes_are_taken_off_in_pairs(void **state)
{
    (void)state;
    assert_text(find("a=\"x y\"", "a"), "x y");
    assert_text(find("a=\"\"", "a"), "");
    assert_text(find("a=\"", "a"), "\"");
    assert_text(find("a=\"x", "a"), "\"x");
    assert_text(find("a=x\"", "a"), "x\"");
    assert_text(find("a=\"x;b=y\"", "a"), "\"x");
}

static void test_pieces_without_a_name_are_passed_over(void **state)
{
    (void)state;
    assert_text(find("junk; a=1", "a"), "1");
    assert_text(find(";;; =x; a=1", "a"), "1");
    assert_absent(find("a", "a"));
    assert_absent(find("=a", ""));
    assert_absent(find("a; b=a", "a"));
}

static void test_no_other_name_passes_for_a_prefixed_one(void **state)
{
    (void)state;
    assert_absent(find("__Host-id =evil", "__Host-id"));
    assert_absent(find("\xc2\xa0__Host-id=evil", "__Host-id"));
    assert_absent(find("\x0b__Host-id=evil", "__Host-id"));
    assert_absent(find("$__Host-id=evil", "__Host-id"));
    assert_absent(find("x,__Host-id=evil", "__Host-id"));
    assert_absent(find("__host-id=evil", "__Host-id"));
}

static bk_str format(bk_arena *arena, const char *name, const char *value, bk_cookie_opts opts)
{
    bk_str out = {0};
    if (bk__cookie_format(arena, bk_str_of(name), bk_str_of(value), &opts, &out) != BK_OK)
        fail_msg("%.*s", (int)bk_error_chain()->message.len, bk_error_chain()->message.ptr);
    return out;
}

static void assert_refused(bk_arena *arena, const char *name, const char *value,
                           bk_cookie_opts opts)
{
    bk_str out = BK_LIT("kept");
    if (bk__cookie_format(arena, bk_str_of(name), bk_str_of(value), &opts, &out) != BK_EINVAL)
        fail_msg("%s=%s was taken", name, value);
    assert_text(out, "kept");
}

static void test_the_defaults_are_the_safe_ones(void **state)
{
    bk_str out;
    assert_int_equal(bk__cookie_format(*state, BK_LIT("sid"), BK_LIT("abc"), NULL, &out), BK_OK);
    assert_text(out, "sid=abc; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_text(format(*state, "sid", "abc", (bk_cookie_opts){0}),
                "sid=abc; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_text(format(*state, "a", "", (bk_cookie_opts){0}),
                "a=; Path=/; Secure; HttpOnly; SameSite=Lax");
    assert_int_equal(bk__cookie_format(*state, BK_LIT("a"), (bk_str){0}, NULL, &out), BK_OK);
}

static void test_every_attribute_is_written(void **state)
{
    assert_text(
        format(*state, "a", "1",
               (bk_cookie_opts){.path = "/api",
                                .domain = "example.com",
                                .max_age_s = 60,
                                .same_site = BK_SAME_SITE_STRICT}),
        "a=1; Path=/api; Domain=example.com; Max-Age=60; Secure; HttpOnly; SameSite=Strict");
    assert_text(format(*state, "a", "1", (bk_cookie_opts){.insecure = true, .script_access = true}),
                "a=1; Path=/; SameSite=Lax");
    assert_text(format(*state, "a", "1", (bk_cookie_opts){.same_site = BK_SAME_SITE_NONE}),
                "a=1; Path=/; Secure; HttpOnly; SameSite=None");
    assert_text(format(*state, "a", "1", (bk_cookie_opts){.max_age_s = INT64_MAX}),
                "a=1; Path=/; Max-Age=9223372036854775807; Secure; HttpOnly; SameSite=Lax");
}

static void test_a_negative_age_deletes(void **state)
{
    assert_text(format(*state, "a", "", (bk_cookie_opts){.max_age_s = -1}),
                "a=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; "
                "SameSite=Lax");
}

static void test_bytes_that_a_cookie_cannot_hold_are_refused(void **state)
{
    const bk_cookie_opts none = {0};
    for (int c = 1; c < 256; c++) {
        char value[] = {'a', (char)c, '\0'};
        bool fits = c > 0x20 && c < 0x7f && strchr("\",;\\", c) == NULL;
        if (fits)
            format(*state, "n", value, none);
        else
            assert_refused(*state, "n", value, none);
    }
    bk_str out;
    assert_int_equal(bk__cookie_format(*state, BK_LIT("n"), bk_str_at("a\0b", 3), NULL, &out),
                     BK_EINVAL);
    assert_refused(*state, "", "x", none);
    assert_refused(*state, "a b", "x", none);
    assert_refused(*state, "a=b", "x", none);
    assert_refused(*state, "a;b", "x", none);
    assert_refused(*state, "a\r\nSet-Cookie: x", "x", none);
    assert_refused(*state, "\xc3\xa9", "x", none);
}

static void test_bad_paths_and_domains_are_refused(void **state)
{
    static const char *const paths[] = {"", "a", "a/b", "/;x", "/\n", "/\x7f", "/\xc3\xa9", "./"};
    static const char *const domains[] = {
        "",
        ".",
        ".example.com",
        "example.com.",
        "a..b",
        "-a.com",
        "a-.com",
        "a b",
        "a;b",
        "a/b",
        "a_b.com",
        "a:80",
        "\xc3\xa9.fr",
        "a\r\nb",
        "*.a.com",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.com", /* 64 */
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        assert_refused(*state, "a", "1", (bk_cookie_opts){.path = paths[i]});
    for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++)
        assert_refused(*state, "a", "1", (bk_cookie_opts){.domain = domains[i]});
    format(*state, "a", "1", (bk_cookie_opts){.path = "/a b", .domain = "a-b.9c.example"});
}

static void test_what_browsers_would_drop_is_refused(void **state)
{
    bk_cookie_opts insecure_none = {.same_site = BK_SAME_SITE_NONE, .insecure = true};
    assert_refused(*state, "a", "1", insecure_none);
    assert_refused(*state, "__Secure-a", "1", (bk_cookie_opts){.insecure = true});
    assert_refused(*state, "__host-a", "1", (bk_cookie_opts){.insecure = true});
    assert_refused(*state, "__Host-a", "1", (bk_cookie_opts){.domain = "example.com"});
    assert_refused(*state, "__Host-a", "1", (bk_cookie_opts){.path = "/api"});
    assert_refused(*state, "a", "1", (bk_cookie_opts){.same_site = (bk_same_site)3});
    assert_refused(*state, "a", "1", (bk_cookie_opts){.same_site = (bk_same_site)-1});
    format(*state, "__Host-a", "1", (bk_cookie_opts){.path = "/"});
    format(*state, "__Secure-a", "1", (bk_cookie_opts){.path = "/api", .domain = "example.com"});
}

static void test_4096_bytes_is_the_longest(void **state)
{
    static const char rest[] = "a=; Path=/; Secure; HttpOnly; SameSite=Lax";
    size_t room = 4096 - strlen(rest);
    char *value = malloc(9001);
    memset(value, 'x', 9000);
    value[9000] = '\0';
    assert_refused(*state, "a", value, (bk_cookie_opts){0});
    assert_refused(*state, value, "a", (bk_cookie_opts){0});
    value[room + 1] = '\0';
    assert_refused(*state, "a", value, (bk_cookie_opts){0});
    value[room] = '\0';
    assert_int_equal(format(*state, "a", value, (bk_cookie_opts){0}).len, 4096);
    free(value);
}

static void test_a_signature_is_hmac_sha256_of_name_and_value(void **state)
{
    assert_text(bk__cookie_sign(*state, SECRET, BK_LIT("sid"), BK_LIT("user-42")),
                "user-42.Rp1CgwWR6BlfdXZgf7Pg3s19YupYZ1lCHAZE-WvB5Q8");
}

static void test_a_signed_value_comes_back_as_it_was(void **state)
{
    static const char *const values[] = {"", ".", "a", "a.b.c", "a=b", "x.y."};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        bk_str text = bk__cookie_sign(*state, SECRET, BK_LIT("sid"), bk_str_of(values[i]));
        assert_text(bk__cookie_verify(SECRET, BK_LIT("sid"), text), values[i]);
    }
    bk_str text = bk__cookie_sign(*state, SECRET, BK_LIT("sid"), (bk_str){0});
    assert_text(bk__cookie_verify(SECRET, BK_LIT("sid"), text), "");
}

static void test_every_changed_byte_is_seen(void **state)
{
    bk_str text = bk__cookie_sign(*state, SECRET, BK_LIT("sid"), BK_LIT("user-42"));
    char copy[64];
    for (size_t i = 0; i < text.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            memcpy(copy, text.ptr, text.len);
            copy[i] = (char)(copy[i] ^ 1 << bit);
            assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), bk_str_at(copy, text.len)));
        }
    }
}

static void test_a_signature_is_for_one_name_and_one_secret(void **state)
{
    bk_str other = BK_LIT("0123456789abcdef0123456789abcdeF");
    bk_str text = bk__cookie_sign(*state, SECRET, BK_LIT("sid"), BK_LIT("1"));
    assert_absent(bk__cookie_verify(SECRET, BK_LIT("role"), text));
    assert_absent(bk__cookie_verify(other, BK_LIT("sid"), text));
    assert_text(bk__cookie_verify(SECRET, BK_LIT("sid"), text), "1");
}

static void test_what_is_no_signed_value_is_absent(void **state)
{
    bk_str text = bk__cookie_sign(*state, SECRET, BK_LIT("sid"), BK_LIT("1"));
    assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), (bk_str){0}));
    assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), BK_LIT("")));
    assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), BK_LIT("1")));
    assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), BK_LIT("1.")));
    for (size_t len = 0; len < text.len; len++)
        assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), bk_str_at(text.ptr, len)));
    bk_str longer = bk_arena_printf(*state, "%.*s=", (int)text.len, text.ptr);
    assert_absent(bk__cookie_verify(SECRET, BK_LIT("sid"), longer));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_cookie_is_found_by_its_exact_name),
        cmocka_unit_test(test_the_first_of_equal_names_counts),
        cmocka_unit_test(test_quotes_are_taken_off_in_pairs),
        cmocka_unit_test(test_pieces_without_a_name_are_passed_over),
        cmocka_unit_test(test_no_other_name_passes_for_a_prefixed_one),
        cmocka_unit_test(test_the_defaults_are_the_safe_ones),
        cmocka_unit_test(test_every_attribute_is_written),
        cmocka_unit_test(test_a_negative_age_deletes),
        cmocka_unit_test(test_bytes_that_a_cookie_cannot_hold_are_refused),
        cmocka_unit_test(test_bad_paths_and_domains_are_refused),
        cmocka_unit_test(test_what_browsers_would_drop_is_refused),
        cmocka_unit_test(test_4096_bytes_is_the_longest),
        cmocka_unit_test(test_a_signature_is_hmac_sha256_of_name_and_value),
        cmocka_unit_test(test_a_signed_value_comes_back_as_it_was),
        cmocka_unit_test(test_every_changed_byte_is_seen),
        cmocka_unit_test(test_a_signature_is_for_one_name_and_one_secret),
        cmocka_unit_test(test_what_is_no_signed_value_is_absent),
    };
    return cmocka_run_group_tests_name("http/cookie", tests, new_arena, free_arena);
}
