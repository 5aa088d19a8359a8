#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "client/address.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return bk__address_is_public((const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return bk__address_is_public((const struct sockaddr *)&v6);
}

static void check_all(const char *const *texts, bool want)
{
    for (; *texts != NULL; texts++)
        if (is_public(*texts) != want)
            fail_msg("%s is %s", *texts, want ? "public" : "not public");
}

static void test_set_apart_ipv4_addresses_are_not_public_up_to_their_bounds(void **state)
{
    static const char *const apart[] = {
        "0.0.0.0",         "0.255.255.255",   "10.0.0.0",        "10.255.255.255",  "100.64.0.0",
        "100.127.255.255", "127.0.0.1",       "127.255.255.255", "169.254.169.254", "172.16.0.0",
        "172.31.255.255",  "192.0.0.1",       "192.0.2.1",       "192.88.99.1",     "192.168.0.0",
        "192.168.255.255", "198.18.0.0",      "198.19.255.255",  "198.51.100.7",    "203.0.113.7",
        "224.0.0.1",       "239.255.255.255", "240.0.0.1",       "255.255.255.255", NULL};
    static const char *const fine[] = {
        "1.0.0.0",        "9.255.255.255", "11.0.0.0",        "100.63.255.255",  "100.128.0.0",
        "126.0.0.1",      "128.0.0.0",     "169.253.255.255", "169.255.0.0",     "172.15.255.255",
        "172.32.0.0",     "192.0.1.0",     "192.0.3.0",       "192.167.255.255", "192.169.0.0",
        "198.17.255.255", "198.20.0.0",    "203.0.114.0",     "223.255.255.255", NULL};

    (void)state;
    check_all(apart, false);
    check_all(fine, true);
}

static void test_set_apart_ipv6_addresses_are_not_public(void **state)
{
    static const char *const apart[] = {
        "::",          "::1",         "::7f00:1", "64:ff9b:1::1", "100::1",  "2001::1",
        "2001:1ff::1", "2001:db8::1", "3fff::1",  "5f00::1",      "fc00::1", "fdff::1",
        "fe80::1",     "febf::1",     "fec0::1",  "ff02::1",      NULL};
    static const char *const fine[] = {
        "2001:200::1", "2001:4860:4860::8888", "2606:4700::1111", "2a00::1", "3ffe::1", NULL};

    (void)state;
    check_all(apart, false);
    check_all(fine, true);
}

static void test_ipv6_that_carries_ipv4_is_what_it_carries(void **state)
{
    static const char *const apart[] = {"::ffff:127.0.0.1",
                                        "::ffff:10.0.0.1",
                                        "64:ff9b::127.0.0.1",
                                        "64:ff9b::169.254.169.254",
                                        "2002:7f00:1::",
                                        "2002:c0a8:1::1",
                                        NULL};
    static const char *const fine[] = {"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1",
                                       NULL};

    (void)state;
    check_all(apart, false);
    check_all(fine, true);
}

static void test_other_families_are_not_public(void **state)
{
    (void)state;
    assert_false(bk__address_is_public(&(struct sockaddr){.sa_family = AF_UNIX}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_apart_ipv4_addresses_are_not_public_up_to_their_bounds),
        cmocka_unit_test(test_set_apart_ipv6_addresses_are_not_public),
        cmocka_unit_test(test_ipv6_that_carries_ipv4_is_what_it_carries),
        cmocka_unit_test(test_other_families_are_not_public),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
