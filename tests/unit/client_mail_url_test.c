#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "client/mailer.h"

static void check_string(const char *got, const char *want)
{
    if (want == NULL)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void test_a_url_names_server_login_and_security(void **state)
{
    static const struct {
        const char *url, *curl, *user, *password, *ca;
        enum bk__mail_tls tls;
    } cases[] = {
        {"smtp://host", "smtp://host:587", NULL, NULL, NULL, BK__MAIL_TLS_REQUIRED},
        {"smtps://host", "smtps://host:465", NULL, NULL, NULL, BK__MAIL_TLS_REQUIRED},
        {"smtp://ann:p%40%3ass@host:25/", "smtp://host:25", "ann", "p@:ss", NULL,
         BK__MAIL_TLS_REQUIRED},
        {"smtp://[::1]:2525?tls=never", "smtp://[::1]:2525", NULL, NULL, NULL, BK__MAIL_TLS_NEVER},
        {"SMTP://host?tls=optional&ca=/a/b.pem", "smtp://host:587", NULL, NULL, "/a/b.pem",
         BK__MAIL_TLS_OPTIONAL},
        {"smtps://ann:x@host?tls=required", "smtps://host:465", "ann", "x", NULL,
         BK__MAIL_TLS_REQUIRED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bk__mail_target target;
        assert_int_equal(bk__mail_target_parse(bk_str_of(cases[i].url), &target), BK_OK);
        assert_null(target.folder);
        check_string(target.url, cases[i].curl);
        check_string(target.user, cases[i].user);
        check_string(target.password, cases[i].password);
        check_string(target.ca_file, cases[i].ca);
        assert_int_equal(target.tls, cases[i].tls);
        bk__mail_target_fini(&target);
    }
}

static void test_a_url_may_name_a_folder(void **state)
{
    struct bk__mail_target target;

    (void)state;
    assert_int_equal(bk__mail_target_parse(BK_LIT("file:///var/a%20b"), &target), BK_OK);
    assert_string_equal(target.folder, "/var/a b");
    assert_null(target.url);
    bk__mail_target_fini(&target);
}

static void test_wrong_urls_are_refused_without_showing_a_password(void **state)
{
    static const char *const bad[] = {
        "",
        "host",
        "http://host",
        "imap://host",
        "smtp://",
        "smtp://host:99999",
        "smtp://host?tls=maybe",
        "smtp://host?verify=none",
        "smtps://host?tls=never",
        "smtp://ann:geheim@host?tls=never",
        "smtp://ann:geheim@host?tls=optional",
        "smtp://ann:geheim@host:x",
        NULL,
    };

    (void)state;
    for (size_t i = 0; bad[i] != NULL; i++) {
        struct bk__mail_target target;
        if (bk__mail_target_parse(bk_str_of(bad[i]), &target) != BK_EINVAL)
            fail_msg("%s is taken", bad[i]);
        bk_str words = bk_error_chain()->message;
        assert_null(memmem(words.ptr, words.len, "geheim", 6));
        assert_null(target.url);
    }
    bk_error_clear();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_url_names_server_login_and_security),
        cmocka_unit_test(test_a_url_may_name_a_folder),
        cmocka_unit_test(test_wrong_urls_are_refused_without_showing_a_password),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
