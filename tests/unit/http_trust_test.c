#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/str.h>

#include "http/trust.h"
#include "text.h"

/* Whether the network @p network alone trusts @p address. */
static bool trusts(const char *network, const char *address)
{
    const char *const networks[] = {network, NULL}, *bad = NULL;
    struct bk__trust *trust = bk__trust_new(networks, &bad);
    if (trust == NULL)
        fail_msg("\"%s\" was refused", bad);
    bool has = bk__trust_has(trust, bk_str_of(address));
    bk__trust_free(trust);
    return has;
}

static bk_str canonical(const char *text, char out[BK__ADDRESS_TEXT])
{
    size_t len = bk__address_canonical(bk_str_of(text), out);
    return len > 0 ? bk_str_at(out, len) : (bk_str){0};
}

static void test_no_network_trusts_nobody(void **state)
{
    const char *const none[] = {NULL}, *bad;
    (void)state;
    struct bk__trust *empty = bk__trust_new(none, &bad), *absent = bk__trust_new(NULL, &bad);
    assert_false(bk__trust_has(empty, BK_LIT("127.0.0.1")));
    assert_false(bk__trust_has(empty, BK_LIT("unix")));
    assert_false(bk__trust_has(absent, BK_LIT("127.0.0.1")));
    assert_false(bk__trust_has(NULL, BK_LIT("127.0.0.1")));
    bk__trust_free(empty);
    bk__trust_free(absent);
    bk__trust_free(NULL);
}

static void test_a_network_holds_the_addresses_of_its_prefix(void **state)
{
    (void)state;
    assert_true(trusts("10.0.0.0/8", "10.255.255.255"));
    assert_false(trusts("10.0.0.0/8", "11.0.0.0"));
    assert_false(trusts("10.0.0.0/8", "9.255.255.255"));
    assert_true(trusts("192.168.4.0/22", "192.168.7.255"));
    assert_false(trusts("192.168.4.0/22", "192.168.8.0"));
    assert_false(trusts("192.168.4.0/22", "192.168.3.255"));
    assert_true(trusts("1.2.3.4", "1.2.3.4"));
    assert_false(trusts("1.2.3.4", "1.2.3.5"));
    assert_true(trusts("1.2.3.4/31", "1.2.3.5"));
    assert_false(trusts("1.2.3.4/32", "1.2.3.5"));
    assert_false(trusts("::1/128", "::2"));
    assert_true(trusts("0.0.0.0/0", "255.1.2.3"));
    assert_true(trusts("2001:db8::/32", "2001:db8:ffff::1"));
    assert_false(trusts("2001:db8::/32", "2001:db9::1"));
    assert_true(trusts("2001:db8:0:8000::/49", "2001:db8:0:ffff::"));
    assert_false(trusts("2001:db8:0:8000::/49", "2001:db8:0:7fff::"));
    assert_true(trusts("::1", "0:0::0:1"));
    assert_true(trusts("::/0", "fe80::1"));
}

static void test_families_do_not_mix_and_mapped_addresses_are_ipv4(void **state)
{
    (void)state;
    assert_false(trusts("0.0.0.0/0", "::1"));
    assert_false(trusts("::/0", "1.2.3.4"));
    assert_false(trusts("::/0", "::ffff:1.2.3.4"));
    assert_true(trusts("10.0.0.0/8", "::ffff:10.1.2.3"));
    assert_true(trusts("10.0.0.0/8", "::FFFF:a01:203"));
    assert_true(trusts("::ffff:10.0.0.0/104", "10.1.2.3"));
    assert_true(trusts("::ffff:0:0/96", "1.2.3.4"));
    assert_true(trusts("::ffff:10.0.0.1", "10.0.0.1"));
    assert_false(trusts("::ffff:10.0.0.1", "10.0.0.2"));
}

static void test_unix_is_trusted_only_by_its_name(void **state)
{
    (void)state;
    assert_true(trusts("unix", "unix"));
    assert_false(trusts("unix", "127.0.0.1"));
    assert_false(trusts("0.0.0.0/0", "unix"));
    assert_false(trusts("unix", "UNIX"));
}

static void test_what_is_no_address_is_not_trusted(void **state)
{
    static const char *const others[] = {
        "",
        "x",
        "1.2.3",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.4 ",
        "1.2.3.4:80",
        "256.1.1.1",
        "[::1]",
        "::1%lo",
        "1",
        "0x7f000001",
        "::ffff:1.2.3.4.5",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_false(trusts("0.0.0.0/0", others[i]));
        assert_false(trusts("::/0", others[i]));
    }
    const char *const networks[] = {"::/0", "0.0.0.0/0", NULL}, *bad;
    struct bk__trust *trust = bk__trust_new(networks, &bad);
    assert_false(bk__trust_has(trust, (bk_str){0}));
    assert_false(bk__trust_has(trust, bk_str_at("1.2.3.4\0x", 9)));
    bk__trust_free(trust);
}

static void test_a_wrong_network_is_named(void **state)
{
    static const char *const wrong[] = {
        "",
        "/",
        "/8",
        "localhost",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0.0/8 ",
        "10.0.0.1/8",
        "10.0.0.0/255.0.0.0",
        "::/129",
        "::1/64",
        "2001:db8::1%eth0",
        "::ffff:10.0.0.0/8",
        "::ffff:0:0/95",
        "10.0.0",
        "10.0.0.0/+8",
        "*",
        "10.0.0.0/99999999999999999999",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *const networks[] = {"10.0.0.0/8", wrong[i], "::1", NULL}, *bad = NULL;
        if (bk__trust_new(networks, &bad) != NULL)
            fail_msg("\"%s\" was taken", wrong[i]);
        assert_ptr_equal(bad, wrong[i]);
    }
}

static void test_all_networks_are_asked(void **state)
{
    const char *const networks[] = {"unix", "10.0.0.0/8", "::1", "192.168.0.0/16", NULL}, *bad;
    (void)state;
    struct bk__trust *trust = bk__trust_new(networks, &bad);
    assert_true(bk__trust_has(trust, BK_LIT("unix")));
    assert_true(bk__trust_has(trust, BK_LIT("10.1.1.1")));
    assert_true(bk__trust_has(trust, BK_LIT("::1")));
    assert_true(bk__trust_has(trust, BK_LIT("192.168.1.1")));
    assert_false(bk__trust_has(trust, BK_LIT("172.16.0.1")));
    bk__trust_free(trust);
}

static void test_an_address_has_one_text(void **state)
{
    char out[BK__ADDRESS_TEXT];
    (void)state;
    assert_text(canonical("1.2.3.4", out), "1.2.3.4");
    assert_text(canonical("::FFFF:1.2.3.4", out), "1.2.3.4");
    assert_text(canonical("2001:DB8:0:0:0::1", out), "2001:db8::1");
    assert_text(canonical("0::0", out), "::");
    assert_int_equal(strlen(out), 2);
    assert_text(canonical("1111:2222:3333:4444:5555:6666:7777:8888", out),
                "1111:2222:3333:4444:5555:6666:7777:8888");
    assert_absent(canonical("unix", out));
    assert_absent(canonical("1.2.3.4:80", out));
    assert_absent(canonical(NULL, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_network_trusts_nobody),
        cmocka_unit_test(test_a_network_holds_the_addresses_of_its_prefix),
        cmocka_unit_test(test_families_do_not_mix_and_mapped_addresses_are_ipv4),
        cmocka_unit_test(test_unix_is_trusted_only_by_its_name),
        cmocka_unit_test(test_what_is_no_address_is_not_trusted),
        cmocka_unit_test(test_a_wrong_network_is_named),
        cmocka_unit_test(test_all_networks_are_asked),
        cmocka_unit_test(test_an_address_has_one_text),
    };
    return cmocka_run_group_tests_name("http/trust", tests, NULL, NULL);
}
