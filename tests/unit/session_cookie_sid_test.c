/* Tests of libbackend/session/cookie_sid.c. What is called Node's was made by
 * cookie-signature 1.0.7 and encodeURIComponent(), as express-session 1.19.0 uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "session/cookie_sid.h"

static const struct {
    const char *secret, *id, *cookie;
} node[] = {
    {"keyboard cat", "abc", "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU"},
    {"luna", "tobi", "s%3Atobi.nYcwgSi0D4RQd1cAGDja%2FueD8mzjX1HasRcbhlXSvJs"},
    {"0123456789abcdef0123456789abcdef", "h0sAbLT2mVeZ_kW3wJqp-uB8xYdN4c1R",
     "s%3Ah0sAbLT2mVeZ_kW3wJqp-uB8xYdN4c1R.20J1UTrNMHThlK4%2Bgy09RRrg2SmZxHUSHp19IyXZp9s"},
    {"keyboard cat", "a.b.c", "s%3Aa.b.c.G8ReS2HiYVtvMBGFvZUGp5RaCauWFLUTjnnTm%2FEQ2aE"},
    {"schlüssel", "with space/é",
     "s%3Awith%20space%2F%C3%A9.gDzZ703MHgLvhhTM69D8JLR2MfHoP3nzDUSB1ImPGEU"},
};
enum {
    NODE = sizeof node / sizeof node[0]
};

/* Keys of some secrets, and an arena; one test's at a time. */
struct bench {
    struct bk__sid_keys keys;
    bk_arena *arena;
};

static struct bench bench_open(const char *const *secrets)
{
    struct bench it = {.arena = bk_arena_new()};

    bk__sid_keys_init(&it.keys, secrets);
    return it;
}

static void bench_close(struct bench *it)
{
    bk__sid_keys_fini(&it->keys);
    bk_arena_free(it->arena);
}

#define SECRETS(...) ((const char *const[]){__VA_ARGS__, NULL})

static bk_str read_id(struct bench *it, const char *cookie)
{
    return bk__sid_read(&it->keys, it->arena, bk_str_of(cookie));
}

static void assert_text(bk_str got, const char *want)
{
    assert_true(bk_str_present(got));
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void test_cookies_of_node_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODE; i++) {
        struct bench it = bench_open(SECRETS(node[i].secret));
        assert_text(read_id(&it, node[i].cookie), node[i].id);
        bench_close(&it);
    }
}

static void test_cookies_are_written_as_node_writes_them(void **state)
{
    (void)state;
    for (size_t i = 0; i < NODE; i++) {
        struct bench it = bench_open(SECRETS(node[i].secret));
        assert_text(bk__sid_write(&it.keys, it.arena, bk_str_of(node[i].id)), node[i].cookie);
        bench_close(&it);
    }
}

static void test_a_cookie_that_is_not_encoded_is_read_as_node_reads_it(void **state)
{
    (void)state;
    struct bench it = bench_open(SECRETS("keyboard cat"));
    assert_text(read_id(&it, "s:abc.BpxCrWRpvZMh/wk/djl34N+m+VQEU7K/5WenLwJCgFU"), "abc");
    bench_close(&it);
}

static void test_the_first_secret_signs_and_all_verify(void **state)
{
    (void)state;
    struct bench it = bench_open(SECRETS("a new one", "keyboard cat", "luna"));
    assert_text(read_id(&it, node[0].cookie), "abc");
    assert_text(read_id(&it, node[1].cookie), "tobi");
    bk_str ours = bk__sid_write(&it.keys, it.arena, BK_LIT("abc"));
    assert_int_not_equal(
        ours.len == strlen(node[0].cookie) && memcmp(ours.ptr, node[0].cookie, ours.len) == 0, 1);
    assert_text(bk__sid_read(&it.keys, it.arena, ours), "abc");
    bench_close(&it);
}

static void test_a_secret_that_was_taken_away_verifies_nothing(void **state)
{
    (void)state;
    struct bench it = bench_open(SECRETS("luna"));
    assert_false(bk_str_present(read_id(&it, node[0].cookie)));
    assert_true(bk_str_present(read_id(&it, node[1].cookie)));
    bench_close(&it);
}

static void test_what_is_not_ours_is_no_id(void **state)
{
    (void)state;
    struct bench it = bench_open(SECRETS("keyboard cat"));
    static const char *const wrong[] = {
        "",
        "s",
        "s:",
        "s%3A",
        "abc",
        "s%3Aabc",
        "s%3Aabc.",
        /* no signature to begin with, another prefix, an id of nothing that Node would have signed
         */
        "abc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU",
        "j%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU",
        "s%3A.aJcKKTu8Uv0mRiw7LTI435t%2BpOa%2BgiU%2FWLAuLCKGEFc",
        /* another id, another signature, one cut short, one with its padding, in base64url */
        "s%3Aabd.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU",
        "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFV",
        "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgF",
        "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU%3D",
        "s%3Aabc.BpxCrWRpvZMh_wk_djl34N-m-VQEU7K_5WenLwJCgFU",
        /* escapes that are none */
        "s%3",
        "s%",
        "s%zzabc",
        "s%3Aabc%",
        "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgF%",
        "s%3Aabc.BpxCrWRpvZMh%2Fwk%2Fdjl34N%2Bm%2BVQEU7K%2F5WenLwJCgFU%00",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (bk_str_present(read_id(&it, wrong[i])))
            fail_msg("taken for ours: %s", wrong[i]);
    assert_false(bk_str_present(bk__sid_read(&it.keys, it.arena, (bk_str){NULL, 0})));
    bench_close(&it);
}

static void test_a_changed_bit_is_found_wherever_it_is(void **state)
{
    (void)state;
    struct bench it = bench_open(SECRETS("keyboard cat"));
    char cookie[] = "s:abc.BpxCrWRpvZMh/wk/djl34N+m+VQEU7K/5WenLwJCgFU";
    for (size_t i = 0; i < strlen(cookie); i++) {
        for (int bit = 0; bit < 8; bit++) {
            cookie[i] ^= (char)(1 << bit);
            if (bk_str_present(
                    bk__sid_read(&it.keys, it.arena, bk_str_at(cookie, sizeof cookie - 1))))
                fail_msg("bit %d of byte %zu", bit, i);
            cookie[i] ^= (char)(1 << bit);
        }
    }
    assert_text(read_id(&it, cookie), "abc");
    bench_close(&it);
}

static void test_an_id_that_is_too_long_is_none_even_if_it_is_signed(void **state)
{
    (void)state;
    char id[BK__SID_MAX + 1];
    struct bench it = bench_open(SECRETS("keyboard cat"));
    memset(id, 'x', sizeof id);
    bk_str fits = bk__sid_write(&it.keys, it.arena, bk_str_at(id, BK__SID_MAX));
    bk_str over = bk__sid_write(&it.keys, it.arena, bk_str_at(id, BK__SID_MAX + 1));
    assert_int_equal(bk__sid_read(&it.keys, it.arena, fits).len, BK__SID_MAX);
    assert_false(bk_str_present(bk__sid_read(&it.keys, it.arena, over)));
    bench_close(&it);
}

static void test_new_ids_look_like_nodes_and_differ(void **state)
{
    (void)state;
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    struct bench it = bench_open(SECRETS("keyboard cat"));
    bk_str one = bk__sid_new(it.arena), other = bk__sid_new(it.arena);
    assert_int_equal(one.len, BK__SID_LEN);
    assert_int_equal(strspn(bk_arena_cstr(it.arena, one), digits), BK__SID_LEN);
    assert_false(bk_str_eq(one, other));
    bench_close(&it);
}

static void test_a_name_tells_sessions_apart_and_holds_nothing_of_the_id(void **state)
{
    (void)state;
    struct bench it = bench_open(SECRETS("keyboard cat"));
    bk_str one = bk__sid_name(&it.keys, it.arena, BK_LIT("abc"));
    assert_true(bk_str_eq(one, bk__sid_name(&it.keys, it.arena, BK_LIT("abc"))));
    assert_false(bk_str_eq(one, bk__sid_name(&it.keys, it.arena, BK_LIT("abd"))));
    /* It must not be the beginning of the signature, which would help to forge one. */
    assert_null(strstr(bk_arena_cstr(it.arena, one), "BpxCrWRp"));
    bench_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cookies_of_node_are_read),
        cmocka_unit_test(test_cookies_are_written_as_node_writes_them),
        cmocka_unit_test(test_a_cookie_that_is_not_encoded_is_read_as_node_reads_it),
        cmocka_unit_test(test_the_first_secret_signs_and_all_verify),
        cmocka_unit_test(test_a_secret_that_was_taken_away_verifies_nothing),
        cmocka_unit_test(test_what_is_not_ours_is_no_id),
        cmocka_unit_test(test_a_changed_bit_is_found_wherever_it_is),
        cmocka_unit_test(test_an_id_that_is_too_long_is_none_even_if_it_is_signed),
        cmocka_unit_test(test_new_ids_look_like_nodes_and_differ),
        cmocka_unit_test(test_a_name_tells_sessions_apart_and_holds_nothing_of_the_id),
    };
    return cmocka_run_group_tests_name("session_cookie_sid", tests, NULL, NULL);
}
