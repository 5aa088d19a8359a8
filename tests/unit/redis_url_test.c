/* Redis URLs: what each part means, and what is refused. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include <backend/str.h>

#include "harness/fiber_run.h"
#include "redis/url.h"

static struct bk__redis_target *parse(const char *url)
{
    struct bk__redis_target *target = NULL;

    if (bk__redis_target_parse(bk_str_of(url), &target) != BK_OK)
        fail_msg("%s: %.*s", url, BK_PRI(bk_error_chain()->message));
    return target;
}

static bk_err test_a_url_names_user_password_host_port_and_database(void *data)
{
    struct bk__redis_target *target = parse("rediss://an%40na:p%3Aw@db.example:7000/3");

    (void)data;
    assert_int_equal(target->kind, BK__REDIS_SINGLE);
    assert_true(target->tls);
    assert_string_equal(target->user, "an@na");
    assert_string_equal(target->password, "p:w");
    assert_int_equal(target->host_count, 1);
    assert_string_equal(target->hosts[0].name, "db.example");
    assert_int_equal(target->hosts[0].port, 7000);
    assert_int_equal(target->db, 3);
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_what_is_not_said_has_its_default(void *data)
{
    struct bk__redis_target *target = parse("redis://");

    (void)data;
    assert_string_equal(target->hosts[0].name, "127.0.0.1");
    assert_int_equal(target->hosts[0].port, 6379);
    assert_int_equal(target->db, 0);
    assert_false(target->tls);
    assert_null(target->user);
    assert_null(target->password);
    assert_null(target->unix_path);
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_a_password_needs_no_user(void *data)
{
    struct bk__redis_target *target = parse("redis://:a@b@[::1]:6380");

    (void)data;
    assert_null(target->user);
    assert_string_equal(target->password, "a@b");
    assert_string_equal(target->hosts[0].name, "::1");
    assert_int_equal(target->hosts[0].port, 6380);
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_a_unix_socket_has_its_database_as_a_parameter(void *data)
{
    struct bk__redis_target *target = parse("unix://u:p@/run/redis/r.sock?db=2&name=jobs");

    (void)data;
    assert_string_equal(target->unix_path, "/run/redis/r.sock");
    assert_int_equal(target->host_count, 0);
    assert_int_equal(target->db, 2);
    assert_string_equal(target->name, "jobs");
    assert_string_equal(target->user, "u");
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_sentinels_have_a_service_and_logins_of_their_own(void *data)
{
    struct bk__redis_target *target = parse("redis+sentinel://u:p@a,b:1/main/4?sentinel_user=s&"
                                            "sentinel_password=t");

    (void)data;
    assert_int_equal(target->kind, BK__REDIS_SENTINEL);
    assert_int_equal(target->host_count, 2);
    assert_int_equal(target->hosts[0].port, 26379);
    assert_int_equal(target->hosts[1].port, 1);
    assert_string_equal(target->service, "main");
    assert_int_equal(target->db, 4);
    assert_string_equal(target->sentinel_user, "s");
    assert_string_equal(target->sentinel_password, "t");
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_parameters_set_times_and_tls(void *data)
{
    struct bk__redis_target *target = parse("rediss+cluster://a:1,b:2?connect_ms=5&command_ms=6&"
                                            "ca=/c%20a&cert=/c&key=/k&server_name=n&verify=none");

    (void)data;
    assert_int_equal(target->kind, BK__REDIS_CLUSTER);
    assert_true(target->tls);
    assert_int_equal(target->connect_ms, 5);
    assert_int_equal(target->command_ms, 6);
    assert_string_equal(target->ca, "/c a");
    assert_string_equal(target->cert, "/c");
    assert_string_equal(target->key, "/k");
    assert_string_equal(target->server_name, "n");
    assert_true(target->no_verify);
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_memory_is_a_url_of_its_own(void *data)
{
    struct bk__redis_target *target = parse("memory://");

    (void)data;
    assert_int_equal(target->kind, BK__REDIS_MEMORY);
    bk__redis_target_unref(target);
    return BK_OK;
}

static bk_err test_a_wrong_url_is_refused_without_its_password(void *data)
{
    static const char *const urls[] = {
        "",
        "redis",
        "redis:",
        "http://:hush@host",
        "redis://:hush@host:99999",
        "redis://:hush@host:x",
        "redis://:hush@host/one",
        "redis://:hush@host/-1",
        "redis://:hush%4@host",
        "redis://:hush%00@host",
        "redis://hush@host",
        "redis://:hush@a,b",
        "redis://:hush@:1",
        "redis://:hush@[::1",
        "redis://:hush@[::1]x",
        "redis://:hush@host?no=1",
        "redis://:hush@host?verify=maybe",
        "redis://:hush@host?command_ms=-1",
        "redis+sentinel://:hush@host",
        "redis+cluster://:hush@host/1",
        "redis+cluster://:hush@1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        "unix://:hush@relative",
        "unix://",
        "memory://:hush",
    };

    (void)data;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        struct bk__redis_target *target = NULL;
        if (bk__redis_target_parse(bk_str_of(urls[i]), &target) != BK_EINVAL)
            fail_msg("%s is taken", urls[i]);
        assert_null(target);
        bk_str words = bk_error_chain()->message;
        assert_true(words.len > 10);
        assert_null(memmem(words.ptr, words.len, "hush", 4));
        bk_error_clear();
    }
    return BK_OK;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fiber_unit_test(test_a_url_names_user_password_host_port_and_database),
        fiber_unit_test(test_what_is_not_said_has_its_default),
        fiber_unit_test(test_a_password_needs_no_user),
        fiber_unit_test(test_a_unix_socket_has_its_database_as_a_parameter),
        fiber_unit_test(test_sentinels_have_a_service_and_logins_of_their_own),
        fiber_unit_test(test_parameters_set_times_and_tls),
        fiber_unit_test(test_memory_is_a_url_of_its_own),
        fiber_unit_test(test_a_wrong_url_is_refused_without_its_password),
    };

    return cmocka_run_group_tests_name("redis_url", tests, NULL, NULL);
}
