#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <backend/str.h>

#include "core/encode.h"

static int set_up(void **state)
{
    *state = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    bk_arena_free(*state);
    return 0;
}

static void test_base64url_follows_the_vectors_of_rfc_4648(void **state)
{
    static const char *const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xbf", "-_-_"},
    };
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        bk_str bytes = bk_str_of(vectors[i][0]), text = bk_str_of(vectors[i][1]);
        bk_str decoded;
        assert_true(bk_str_eq(bk__base64url(*state, bytes), text));
        assert_int_equal(bk__base64url_decode(*state, text, &decoded), BK_OK);
        assert_true(bk_str_eq(decoded, bytes));
        assert_true(bk_str_present(decoded));
    }
}

static void test_base64url_comes_back_at_every_length(void **state)
{
    unsigned char bytes[256];
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(i * 31 + len);
        bk_str in = bk_str_at((const char *)bytes, len), out;
        bk_str text = bk__base64url(*state, in);
        assert_int_equal(text.len, strlen(text.ptr));
        assert_int_equal(bk__base64url_decode(*state, text, &out), BK_OK);
        assert_true(bk_str_eq(in, out));
    }
}

static void test_base64url_refuses_all_but_the_one_spelling(void **state)
{
    static const char *const bad[] = {
        "Z",     /* no whole byte */
        "Zg==",  /* padding */
        "Zh",    /* left-over bits */
        "Zm9",   /* left-over bits */
        "Zm9vY", /* no whole byte */
        "+/+/",  /* the other alphabet */
        "Zm 9v", "Zm9v\n", "Zm9v.", "\xc3\xbc\xc3\xbc",
    };
    bk_str out = BK_LIT("untouched");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(bk__base64url_decode(*state, bk_str_of(bad[i]), &out), BK_EINVAL);
    assert_true(bk_str_eq(out, BK_LIT("untouched")));
}

static void test_hex_is_in_lower_case(void **state)
{
    (void)state;
    char out[9] = "........";
    bk__hex("\x00\x7f\xab\xff", 4, out);
    assert_string_equal(out, "007fabff");
}

static bk_str decode(bk_arena *arena, const char *text, bool plus)
{
    bk_str out = {0};
    assert_int_equal(bk__percent_decode(arena, bk_str_of(text), plus, &out), BK_OK);
    return out;
}

static void test_percent_decoding_follows_rfc_3986(void **state)
{
    assert_true(bk_str_eq(decode(*state, "a%20b%2Fc%2fd", false), BK_LIT("a b/c/d")));
    assert_true(bk_str_eq(decode(*state, "%C3%BC%00", false), bk_str_at("\xc3\xbc\0", 3)));
    assert_true(bk_str_eq(decode(*state, "%2525", false), BK_LIT("%25")));
    assert_true(bk_str_eq(decode(*state, "a+b", false), BK_LIT("a+b")));
    assert_true(bk_str_eq(decode(*state, "a+b%2B", true), BK_LIT("a b+")));
}

static void test_what_has_nothing_encoded_is_not_copied(void **state)
{
    bk_str text = BK_LIT("plain+text"), out;
    assert_int_equal(bk__percent_decode(*state, text, false, &out), BK_OK);
    assert_ptr_equal(out.ptr, text.ptr);
    assert_int_equal(bk__percent_decode(*state, text, true, &out), BK_OK);
    assert_ptr_not_equal(out.ptr, text.ptr);
    assert_int_equal(bk__percent_decode(*state, (bk_str){0}, true, &out), BK_OK);
    assert_false(bk_str_present(out));
}

static void test_a_broken_percent_sign_is_refused(void **state)
{
    static const char *const bad[] = {"%", "a%", "%2", "%2g", "%g2", "%%20", "%-1", "100%", "% 2"};
    bk_str out = BK_LIT("untouched");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(bk__percent_decode(*state, bk_str_of(bad[i]), true, &out), BK_EINVAL);
    assert_true(bk_str_eq(out, BK_LIT("untouched")));
    assert_int_equal(bk__percent_decode(*state, bk_str_at("%20", 2), true, &out), BK_EINVAL);
}

static void test_percent_encoding_leaves_only_the_unreserved(void **state)
{
    bk_str text = bk__percent_encode(*state, BK_LIT("AZaz09-._~ /?+%\xc3\xbc"));
    assert_true(bk_str_eq(text, BK_LIT("AZaz09-._~%20%2F%3F%2B%25%C3%BC")));
    assert_int_equal(bk__percent_encode(*state, BK_LIT("")).len, 0);
}

static void test_the_hash_depends_on_every_bit_and_on_the_length(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        char bytes[40] = {0};
        uint64_t hash = bk__hash64(bytes, len);
        assert_true(hash == bk__hash64(bytes, len));
        if (len > 0)
            assert_true(hash != bk__hash64(bytes, len - 1));
        for (size_t bit = 0; bit < 8 * len; bit++) {
            bytes[bit / 8] = (char)(1 << bit % 8);
            uint64_t other = bk__hash64(bytes, len);
            int changed = __builtin_popcountll(hash ^ other);
            if (changed < 8 || changed > 56)
                fail_msg("bit %zu of %zu bytes changes %d bits", bit, len, changed);
            bytes[bit / 8] = 0;
        }
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_like_texts_do_not_collide(void **state)
{
    static uint64_t hashes[100000];
    bk_buf buf = {.arena = *state};
    for (int i = 0; i < 100000; i++) {
        buf.len = 0;
        bk_buf_printf(&buf, "{\"id\":%d,\"name\":\"user%d\"}", i, i % 7);
        hashes[i] = bk__hash64(buf.ptr, buf.len);
    }
    qsort(hashes, 100000, sizeof(hashes[0]), by_value);
    for (int i = 1; i < 100000; i++)
        assert_true(hashes[i - 1] != hashes[i]);
}

#define ENCODE_TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENCODE_TEST(test_base64url_follows_the_vectors_of_rfc_4648),
        ENCODE_TEST(test_base64url_comes_back_at_every_length),
        ENCODE_TEST(test_base64url_refuses_all_but_the_one_spelling),
        ENCODE_TEST(test_hex_is_in_lower_case),
        ENCODE_TEST(test_percent_decoding_follows_rfc_3986),
        ENCODE_TEST(test_what_has_nothing_encoded_is_not_copied),
        ENCODE_TEST(test_a_broken_percent_sign_is_refused),
        ENCODE_TEST(test_percent_encoding_leaves_only_the_unreserved),
        ENCODE_TEST(test_the_hash_depends_on_every_bit_and_on_the_length),
        ENCODE_TEST(test_like_texts_do_not_collide),
    };
    return cmocka_run_group_tests_name("core/encode", tests, NULL, NULL);
}
