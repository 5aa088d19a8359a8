#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/arena.h>

#include "client/mail_text.h"
#include "client/mime_mail.h"
#include "text.h"

static bk_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = bk_arena_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk_arena_free(arena);
    return 0;
}

static const bk_mail_address ann = {{"ann@example.com", 15}, {NULL, 0}};

static bk_str write_mail(const bk_mail *mail)
{
    const struct bk__mail_stamp stamp = {.at = 784111777000000, .unique = "0123"};
    bk_buf out = {.arena = arena};

    assert_int_equal(bk__mail_check(mail), BK_OK);
    bk__mail_write(&out, mail, &stamp);
    return bk_buf_str(&out);
}

static void test_a_text_is_a_message_of_one_part(void **state)
{
    (void)state;
    bk_mail mail = {.from = {BK_LIT("shop@example.org"), BK_LIT("Shop \"1\"")},
                    .to = &ann,
                    .to_count = 1,
                    .subject = BK_LIT("Hello"),
                    .text = BK_LIT("Hi \n= there")};

    assert_text(write_mail(&mail), "Date: Sun, 06 Nov 1994 08:49:37 +0000\r\n"
                                   "Message-ID: <0123@example.org>\r\n"
                                   "From:\r\n \"Shop \\\"1\\\"\"\r\n <shop@example.org>\r\n"
                                   "To:\r\n <ann@example.com>\r\n"
                                   "Subject: Hello\r\n"
                                   "MIME-Version: 1.0\r\n"
                                   "Content-Type: text/plain; charset=utf-8\r\n"
                                   "Content-Transfer-Encoding: quoted-printable\r\n"
                                   "\r\n"
                                   "Hi=20\r\n=3D there\r\n");
}

static void test_text_and_html_are_alternatives(void **state)
{
    (void)state;
    bk_mail mail = {.from = ann,
                    .to = &ann,
                    .to_count = 1,
                    .text = BK_LIT("a"),
                    .html = BK_LIT("<p>\xd0\xb0\xd0\xb1\xd0\xb2\n")};
    bk_str text = write_mail(&mail);

    const char *at = memmem(text.ptr, text.len, "MIME", 4);
    assert_non_null(at);
    text = bk_str_at(at, text.len - (size_t)(at - text.ptr));
    assert_text(text, "MIME-Version: 1.0\r\n"
                      "Content-Type: multipart/alternative;\r\n boundary=\"=_0123_a\"\r\n"
                      "\r\n--=_0123_a\r\n"
                      "Content-Type: text/plain; charset=utf-8\r\n"
                      "Content-Transfer-Encoding: quoted-printable\r\n"
                      "\r\na"
                      "\r\n--=_0123_a\r\n"
                      "Content-Type: text/html; charset=utf-8\r\n"
                      "Content-Transfer-Encoding: base64\r\n"
                      "\r\nPHA+0LDQsdCyDQo=\r\n"
                      "\r\n--=_0123_a--\r\n");
}

static bk_str quoted(const char *text)
{
    bk_buf out = {.arena = arena};

    bk__mail_quoted(&out, bk_str_of(text));
    return bk_buf_str(&out);
}

static void test_quoted_printable_keeps_lines_short_and_ends_them_with_crlf(void **state)
{
    (void)state;
    assert_text(quoted(""), "");
    assert_text(quoted("a\nb\r\nc\rd"), "a\r\nb\r\nc\r\nd");
    assert_text(quoted("a \nb\t"), "a=20\r\nb=09");
    assert_text(quoted("1=2\x7f"), "1=3D2=7F");
    char line[201], want[256];
    memset(line, 'x', 200);
    line[200] = '\0';
    snprintf(want, sizeof want, "%.75s=\r\n%.75s=\r\n%.50s", line, line, line);
    assert_text(quoted(line), want);
    memset(line, '=', 26); /* each three bytes: 25 fit */
    line[26] = '\0';
    snprintf(want, sizeof want, "%s=\r\n=3D",
             "=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D=3D");
    assert_text(quoted(line), want);
}

static void test_base64_has_lines_of_76(void **state)
{
    bk_buf out = {.arena = arena};
    char bytes[58];

    (void)state;
    bk__mail_base64(&out, BK_LIT(""));
    bk__mail_base64(&out, BK_LIT("f"));
    bk__mail_base64(&out, BK_LIT("fo"));
    bk__mail_base64(&out, BK_LIT("foo"));
    assert_text(bk_buf_str(&out), "Zg==\r\nZm8=\r\nZm9v\r\n");
    memset(bytes, 0, sizeof bytes);
    out.len = 0;
    bk__mail_base64(&out, bk_str_at(bytes, sizeof bytes));
    assert_int_equal(out.len, 76 + 2 + 4 + 2);
    assert_memory_equal(out.ptr + 76, "\r\nAA==\r\n", 8);
}

static bk_str header(const char *value)
{
    bk_buf out = {.arena = arena};

    bk__mail_header(&out, BK_LIT("Subject"), bk_str_of(value));
    return bk_buf_str(&out);
}

static void test_headers_are_folded_at_blanks_or_encoded(void **state)
{
    (void)state;
    assert_text(header(""), "Subject:\r\n");
    assert_text(header("a b"), "Subject: a b\r\n");
    assert_text(header("1234567890 1234567890 1234567890 1234567890 1234567890 1234567890 123"),
                "Subject: 1234567890 1234567890 1234567890 1234567890 1234567890 1234567890\r\n"
                " 123\r\n");
    assert_text(header("gr\xc3\xbc\xc3\x9f"), "Subject: =?UTF-8?B?Z3LDvMOf?=\r\n");
    assert_text(header("=?x?="), "Subject: =?UTF-8?B?PT94Pz0=?=\r\n");
    assert_text(header(" a"), "Subject: =?UTF-8?B?IGE=?=\r\n");
    assert_text(header("a  b"), "Subject: =?UTF-8?B?YSAgYg==?=\r\n");
}

static void test_encoded_words_end_between_characters(void **state)
{
    /* 40 euro signs of three bytes. */
    char text[121] = "";
    bk_str rest, line;

    (void)state;
    for (int i = 0; i < 40; i++)
        memcpy(text + 3 * i, "\xe2\x82\xac", 3);
    rest = header(text);
    rest.len -= 2;
    size_t lines = 0;
    while (bk_str_split(&rest, '\n', &line)) {
        lines++;
        assert_in_range(line.len, 10, 78);
        /* No padding: each is of whole groups of three bytes, and so of whole characters. */
        assert_null(memmem(line.ptr, line.len, "=?=", 3));
    }
    assert_int_equal(lines, 3);
}

static void test_only_plain_addresses_are_taken(void **state)
{
    static const char *const good[] = {"a@b",
                                       "ann.b+c@mail.example.com",
                                       "o'neil@example.com",
                                       "x_y-z@sub-domain.example",
                                       "1@2.3",
                                       NULL};
    static const char *const bad[] = {
        "",      "a",     "@b",     "a@",      "a@b@c", "a b@c",        "a@b c",         "a..b@c",
        ".a@b",  "a.@b",  "a@b..c", "a@.b",    "a@b.",  "\"a\"@b",      "a@[1.2.3.4]",   "a@b\r\nc",
        "a\n@b", "<a@b>", "a,b@c",  "a@b,c@d", "a@b>",  "gr\xc3\xbc@b", "a@\xc3\xbc.de", "a\t@b",
        NULL};
    char local[80];

    (void)state;
    for (size_t i = 0; good[i] != NULL; i++)
        if (!bk__mail_is_email(bk_str_of(good[i])))
            fail_msg("%s is good", good[i]);
    for (size_t i = 0; bad[i] != NULL; i++)
        if (bk__mail_is_email(bk_str_of(bad[i])))
            fail_msg("%s is bad", bad[i]);
    snprintf(local, sizeof local, "%064d@b", 0);
    assert_true(bk__mail_is_email(bk_str_of(local)));
    snprintf(local, sizeof local, "%065d@b", 0);
    assert_false(bk__mail_is_email(bk_str_of(local)));
}

static void test_what_could_break_a_head_is_refused(void **state)
{
    (void)state;
    const bk_mail fine = {.from = ann, .to = &ann, .to_count = 1, .text = BK_LIT("x")};
    const bk_mail_header headers[][2] = {
        {{BK_LIT("X A"), BK_LIT("b")}},  {{BK_LIT("Subject"), BK_LIT("b")}},
        {{BK_LIT("bcc"), BK_LIT("b")}},  {{BK_LIT("Content-Type"), BK_LIT("b")}},
        {{BK_LIT("X"), BK_LIT("a\nb")}}, {{BK_LIT("X"), BK_LIT("\xff")}},
    };
    const bk_mail_file files[] = {
        {.name = BK_LIT("")},
        {.name = BK_LIT("a/b")},
        {.name = BK_LIT("a\nb")},
        {.name = BK_LIT("a"), .type = BK_LIT("text")},
        {.name = BK_LIT("a"), .type = BK_LIT("text/a\r\nX: y")},
    };
    bk_mail mail = fine;

    assert_int_equal(bk__mail_check(&mail), BK_OK);
    mail.subject = BK_LIT("a\r\nb");
    assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    mail.subject = BK_LIT("a\0b");
    assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    mail = fine;
    mail.text = BK_LIT("\xff");
    assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    mail = fine;
    mail.to_count = 0;
    assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    mail = fine;
    mail.reply_to.email = BK_LIT("x");
    assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    mail = fine;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        mail.headers = headers[i];
        assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    }
    mail = fine;
    mail.file_count = 1;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        mail.files = &files[i];
        assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
    }
}

static void test_no_more_recipients_than_a_server_takes(void **state)
{
    bk_mail_address all[BK__MAIL_RECIPIENTS + 1];
    bk_mail mail = {.from = ann, .to = all, .to_count = BK__MAIL_RECIPIENTS, .text = BK_LIT("x")};

    (void)state;
    for (size_t i = 0; i < BK__MAIL_RECIPIENTS + 1; i++)
        all[i] = ann;
    assert_int_equal(bk__mail_check(&mail), BK_OK);
    mail.bcc = all;
    mail.bcc_count = 1;
    assert_int_equal(bk__mail_check(&mail), BK_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_text_is_a_message_of_one_part, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_text_and_html_are_alternatives, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_quoted_printable_keeps_lines_short_and_ends_them_with_crlf, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_base64_has_lines_of_76, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_headers_are_folded_at_blanks_or_encoded, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_encoded_words_end_between_characters, set_up,
                                        tear_down),
        cmocka_unit_test(test_only_plain_addresses_are_taken),
        cmocka_unit_test(test_what_could_break_a_head_is_refused),
        cmocka_unit_test(test_no_more_recipients_than_a_server_takes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
