/* Tests of libbackend/http/peer.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "http/peer.h"

static struct bk__peer peer_of(const char *text)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};

    if (inet_pton(AF_INET, text, &four.sin_addr) == 1)
        return bk__peer_of((struct sockaddr *)&four, sizeof four);
    assert_int_equal(inet_pton(AF_INET6, text, &six.sin6_addr), 1);
    return bk__peer_of((struct sockaddr *)&six, sizeof six);
}

static void assert_text(struct bk__peer peer, const char *expected)
{
    char text[BK__PEER_TEXT];

    bk__peer_text(&peer, text);
    assert_string_equal(text, expected);
}

static void test_a_peer_has_a_text(void **state)
{
    struct sockaddr_un local = {.sun_family = AF_UNIX};

    (void)state;
    assert_text(peer_of("192.0.2.1"), "192.0.2.1");
    assert_text(peer_of("2001:db8::1"), "2001:db8::1");
    assert_text(bk__peer_of((struct sockaddr *)&local, sizeof(sa_family_t)), "unix");
}

static void test_one_peer_has_so_many_and_others_their_own(void **state)
{
    struct bk__peers peers = {0};
    struct bk__peer one = peer_of("192.0.2.1"), other = peer_of("192.0.2.2");

    (void)state;
    assert_true(bk__peers_enter(&peers, &one, 2));
    assert_true(bk__peers_enter(&peers, &one, 2));
    assert_false(bk__peers_enter(&peers, &one, 2));
    assert_true(bk__peers_enter(&peers, &other, 2));
    bk__peers_leave(&peers, &one);
    assert_true(bk__peers_enter(&peers, &one, 2));
    bk__peers_leave(&peers, &one);
    bk__peers_leave(&peers, &one);
    bk__peers_leave(&peers, &other);
    bk__peers_fini(&peers);
}

static void test_a_64_of_ipv6_is_one_client(void **state)
{
    struct bk__peers peers = {0};
    struct bk__peer here = peer_of("2001:db8:0:1::1"), there = peer_of("2001:db8:0:1:ffff::2"),
                    elsewhere = peer_of("2001:db8:0:2::1");

    (void)state;
    assert_true(bk__peers_enter(&peers, &here, 1));
    assert_false(bk__peers_enter(&peers, &there, 1));
    assert_true(bk__peers_enter(&peers, &elsewhere, 1));
    bk__peers_leave(&peers, &there);
    bk__peers_leave(&peers, &elsewhere);
    bk__peers_fini(&peers);
}

static void test_a_mapped_address_is_the_ipv4_one(void **state)
{
    struct bk__peers peers = {0};
    struct bk__peer four = peer_of("192.0.2.1"), mapped = peer_of("::ffff:192.0.2.1");

    (void)state;
    assert_true(bk__peers_enter(&peers, &four, 1));
    assert_false(bk__peers_enter(&peers, &mapped, 1));
    bk__peers_leave(&peers, &mapped);
    bk__peers_fini(&peers);
}

static void test_unix_sockets_are_not_counted(void **state)
{
    struct bk__peers peers = {0};
    struct bk__peer local = {.family = AF_UNIX};

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(bk__peers_enter(&peers, &local, 1));
    assert_int_equal(peers.used, 0);
    bk__peers_leave(&peers, &local);
    bk__peers_fini(&peers);
}

static struct bk__peer numbered(uint32_t number)
{
    struct bk__peer peer = {.family = AF_INET};

    memcpy(peer.address, &number, sizeof number);
    return peer;
}

static void test_thousands_are_kept_apart_and_forgotten(void **state)
{
    struct bk__peers peers = {0};

    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        struct bk__peer peer = numbered(i);
        assert_true(bk__peers_enter(&peers, &peer, 1));
    }
    assert_int_equal(peers.used, 5000);
    for (uint32_t i = 0; i < 5000; i++) {
        struct bk__peer peer = numbered(i);
        assert_false(bk__peers_enter(&peers, &peer, 1));
        bk__peers_leave(&peers, &peer);
    }
    bk__peers_fini(&peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_peer_has_a_text),
        cmocka_unit_test(test_one_peer_has_so_many_and_others_their_own),
        cmocka_unit_test(test_a_64_of_ipv6_is_one_client),
        cmocka_unit_test(test_a_mapped_address_is_the_ipv4_one),
        cmocka_unit_test(test_unix_sockets_are_not_counted),
        cmocka_unit_test(test_thousands_are_kept_apart_and_forgotten),
    };
    return cmocka_run_group_tests_name("http/peer", tests, NULL, NULL);
}
