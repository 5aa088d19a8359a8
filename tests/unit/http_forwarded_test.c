#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "http/forwarded.h"
#include "text.h"

struct fixture {
    bk_arena *arena;
    struct bk__trust *trust; /* 10.0.0.0/8, fd00::/8, unix */
};

static int set_up(void **state)
{
    static const char *const networks[] = {"10.0.0.0/8", "fd00::/8", "unix", NULL};
    const char *bad;
    struct fixture *f = malloc(sizeof(*f));
    f->arena = bk_arena_new();
    f->trust = bk__trust_new(networks, &bad);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bk_arena_free(f->arena);
    bk__trust_free(f->trust);
    free(f);
    return 0;
}

static struct bk__forwarded resolve(void *state, const char *peer, const char *forwarded,
                                    const char *x_for, const char *x_proto, const char *x_host)
{
    struct fixture *f = state;
    struct bk__forwarded out;
    bk__forwarded_resolve(f->arena, f->trust, bk_str_of(peer), bk_str_of(forwarded),
                          bk_str_of(x_for), bk_str_of(x_proto), bk_str_of(x_host), &out);
    return out;
}

/* The client that a trusted peer's header tells. */
static bk_str by_forwarded(void *state, const char *forwarded)
{
    return resolve(state, "10.0.0.1", forwarded, NULL, NULL, NULL).client;
}

static bk_str by_x_for(void *state, const char *x_for)
{
    return resolve(state, "10.0.0.1", NULL, x_for, NULL, NULL).client;
}

static void test_a_peer_that_is_not_trusted_is_the_client(void **state)
{
    struct bk__forwarded out =
        resolve(*state, "203.0.113.9", "for=1.1.1.1;proto=https;host=x", "1.1.1.1", "https", "x");
    assert_text(out.client, "203.0.113.9");
    assert_absent(out.scheme);
    assert_absent(out.host);
    assert_text(resolve(*state, "::1", NULL, "1.1.1.1", NULL, NULL).client, "::1");
}

static void test_a_trusted_peer_that_says_nothing_is_the_client(void **state)
{
    struct bk__forwarded out = resolve(*state, "unix", NULL, NULL, NULL, NULL);
    assert_text(out.client, "unix");
    assert_absent(out.scheme);
    assert_absent(out.host);
    assert_text(by_x_for(*state, ""), "10.0.0.1");
    assert_text(by_forwarded(*state, ""), "10.0.0.1");
}

static void test_the_first_untrusted_address_from_the_right_is_the_client(void **state)
{
    assert_text(by_x_for(*state, "203.0.113.7"), "203.0.113.7");
    assert_text(by_x_for(*state, "1.1.1.1, 203.0.113.7"), "203.0.113.7");
    assert_text(by_x_for(*state, "1.1.1.1, 203.0.113.7, 10.2.2.2"), "203.0.113.7");
    assert_text(by_x_for(*state, "10.9.9.9,203.0.113.7,10.2.2.2,fd00::1"), "203.0.113.7");
    assert_text(by_forwarded(*state, "for=1.1.1.1, for=203.0.113.7, for=10.2.2.2"), "203.0.113.7");
    assert_text(resolve(*state, "unix", NULL, "203.0.113.7", NULL, NULL).client, "203.0.113.7");
}

static void test_where_all_are_trusted_the_leftmost_is_the_client(void **state)
{
    assert_text(by_x_for(*state, "10.3.3.3, 10.2.2.2"), "10.3.3.3");
    assert_text(by_forwarded(*state, "for=10.3.3.3, for=10.2.2.2"), "10.3.3.3");
}

static void test_the_walk_ends_at_the_last_good_address(void **state)
{
    assert_text(by_x_for(*state, "1.1.1.1, unknown"), "10.0.0.1");
    assert_text(by_x_for(*state, "1.1.1.1, unknown, 10.2.2.2"), "10.2.2.2");
    assert_text(by_x_for(*state, "unix"), "10.0.0.1");
    assert_text(by_x_for(*state, "1.1.1.1 2.2.2.2"), "10.0.0.1");
    assert_text(by_x_for(*state, "for=1.1.1.1"), "10.0.0.1");
    assert_text(by_forwarded(*state, "for=1.1.1.1, for=unknown"), "10.0.0.1");
    assert_text(by_forwarded(*state, "for=1.1.1.1, for=_hidden, for=10.2.2.2"), "10.2.2.2");
    assert_text(by_forwarded(*state, "for=1.1.1.1, proto=https"), "10.0.0.1");
    assert_text(by_forwarded(*state, "1.1.1.1"), "10.0.0.1");
    assert_text(by_forwarded(*state, "for=1.1.1.1;for=2.2.2.2"), "10.0.0.1");
    assert_text(by_forwarded(*state, "for=1.1.1.1;bad"), "10.0.0.1");
}

static void test_ports_and_brackets_are_taken_off(void **state)
{
    assert_text(by_x_for(*state, "203.0.113.7:1234"), "203.0.113.7");
    assert_text(by_x_for(*state, "2001:DB8::1"), "2001:db8::1");
    assert_text(by_x_for(*state, "[2001:db8::1]"), "2001:db8::1");
    assert_text(by_x_for(*state, "[2001:db8::1]:443"), "2001:db8::1");
    assert_text(by_x_for(*state, "::ffff:203.0.113.7"), "203.0.113.7");
    assert_text(by_forwarded(*state, "For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
    assert_text(by_forwarded(*state, "for=\"203.0.113.7:80\";by=x"), "203.0.113.7");
    assert_text(by_forwarded(*state, "for=203.0.113.7"), "203.0.113.7");
}

static void test_malformed_addresses_are_none(void **state)
{
    static const char *const bad[] = {
        "[2001:db8::1",  "2001:db8::1]",  "[1.2.3.4]",    "[]",          "[",
        "[::1]x",        "[::1]:",        "[::1]:x",      "[::1]:65536", "1.2.3.4:",
        "1.2.3.4:-1",    "1.2.3.4:65536", "1.2.3.4:080",  ":80",         "1.2.3",
        "1.2.3.4:80:80", "::1:x",         "fe80::1%eth0", "\"1.2.3.4\"", "example.com",
        "1.2.3.4;x",     "1.2.3.4\x01",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_text(by_x_for(*state, bad[i]), "10.0.0.1");
}

static void test_a_quote_that_the_client_left_open_hides_nothing(void **state)
{
    assert_text(by_forwarded(*state, "for=\"1.1.1.1, for=203.0.113.7"), "203.0.113.7");
    assert_text(by_forwarded(*state, "for=\", for=\"203.0.113.7:1\""), "203.0.113.7");
    assert_text(by_forwarded(*state, "for=\"1.1.1.1\\, for=\"[fd00::1]\", for=10.2.2.2"),
                "fd00::1");
    assert_text(by_x_for(*state, "\"1.1.1.1, 203.0.113.7"), "203.0.113.7");
    assert_text(by_forwarded(*state, "for=203.0.113.7;host=\"a,\\\",b\""), "203.0.113.7");
    assert_text(by_forwarded(*state, "for=1.1.1.1, for=203.0.113.7;host=\"\\\\\""), "203.0.113.7");
}

static void test_scheme_and_host_are_those_of_the_nearest_proxy_that_tells(void **state)
{
    struct bk__forwarded out = resolve(*state, "10.0.0.1", NULL, "203.0.113.7", "http, HTTPS",
                                       "a.example, b.example:8443");
    assert_text(out.scheme, "https");
    assert_text(out.host, "b.example:8443");

    out = resolve(*state, "10.0.0.1",
                  "for=203.0.113.7;proto=https;host=\"shop.example:8443\", for=10.2.2.2", NULL,
                  NULL, NULL);
    assert_text(out.scheme, "https");
    assert_text(out.host, "shop.example:8443");

    out = resolve(*state, "10.0.0.1",
                  "for=1.1.1.1;proto=https;host=evil, for=203.0.113.7;proto=http;host=a", NULL,
                  NULL, NULL);
    assert_text(out.client, "203.0.113.7");
    assert_text(out.scheme, "http");
    assert_text(out.host, "a");

    out = resolve(*state, "10.0.0.1", "for=1.1.1.1;proto=https;host=evil, for=203.0.113.7", NULL,
                  NULL, NULL);
    assert_absent(out.scheme);
    assert_absent(out.host);
}

static void test_an_obfuscated_element_may_still_tell_the_scheme(void **state)
{
    struct bk__forwarded out =
        resolve(*state, "10.0.0.1", "for=_x;proto=https;host=[::1]:80", NULL, NULL, NULL);
    assert_text(out.client, "10.0.0.1");
    assert_text(out.scheme, "https");
    assert_text(out.host, "[::1]:80");
}

static void test_odd_schemes_and_hosts_are_absent(void **state)
{
    static const char *const hosts[] = {
        "", "a/b", "a@b", "a b", "a\\b", "a?b", "a,b c", "<a>", "\x7f", "\xc3\xa9.example",
    };
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
        assert_absent(resolve(*state, "10.0.0.1", NULL, NULL, NULL, hosts[i]).host);
    assert_absent(resolve(*state, "10.0.0.1", NULL, NULL, "ftp", NULL).scheme);
    assert_absent(resolve(*state, "10.0.0.1", NULL, NULL, "https, wss", NULL).scheme);
    assert_absent(resolve(*state, "10.0.0.1", "proto=ftp;host=\"a/b\"", NULL, NULL, NULL).scheme);

    char longest[257];
    memset(longest, 'a', 256);
    longest[256] = '\0';
    assert_absent(resolve(*state, "10.0.0.1", NULL, NULL, NULL, longest).host);
    assert_text(resolve(*state, "10.0.0.1", NULL, NULL, NULL, longest + 1).host, longest + 1);
}

static void test_forwarded_counts_where_both_are_sent(void **state)
{
    struct bk__forwarded out =
        resolve(*state, "10.0.0.1", "for=203.0.113.7", "1.1.1.1", "https", "x");
    assert_text(out.client, "203.0.113.7");
    assert_absent(out.scheme);
    assert_absent(out.host);
}

static void test_a_long_list_takes_linear_time(void **state)
{
    enum {
        LENGTH = 1 << 20
    };
    char *list = malloc(LENGTH + 1);
    for (size_t i = 0; i < LENGTH; i++)
        list[i] = "\"\\\\\\,"[i * 2654435761u % 5];
    list[LENGTH] = '\0';
    assert_text(by_forwarded(*state, list), "10.0.0.1");
    memset(list, '\\', LENGTH);
    list[LENGTH - 1] = '"';
    assert_text(by_forwarded(*state, list), "10.0.0.1");
    memset(list, ',', LENGTH);
    assert_text(by_forwarded(*state, list), "10.0.0.1");
    assert_text(by_x_for(*state, list), "10.0.0.1");
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_peer_that_is_not_trusted_is_the_client),
        cmocka_unit_test(test_a_trusted_peer_that_says_nothing_is_the_client),
        cmocka_unit_test(test_the_first_untrusted_address_from_the_right_is_the_client),
        cmocka_unit_test(test_where_all_are_trusted_the_leftmost_is_the_client),
        cmocka_unit_test(test_the_walk_ends_at_the_last_good_address),
        cmocka_unit_test(test_ports_and_brackets_are_taken_off),
        cmocka_unit_test(test_malformed_addresses_are_none),
        cmocka_unit_test(test_a_quote_that_the_client_left_open_hides_nothing),
        cmocka_unit_test(test_scheme_and_host_are_those_of_the_nearest_proxy_that_tells),
        cmocka_unit_test(test_an_obfuscated_element_may_still_tell_the_scheme),
        cmocka_unit_test(test_odd_schemes_and_hosts_are_absent),
        cmocka_unit_test(test_forwarded_counts_where_both_are_sent),
        cmocka_unit_test(test_a_long_list_takes_linear_time),
    };
    return cmocka_run_group_tests_name("http/forwarded", tests, set_up, tear_down);
}
