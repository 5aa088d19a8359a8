/*
 * Mail, handed to real SMTP servers (aiosmtpd), which take it apart with Python's parser; and mail
 * as files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "../unit/text.h"
#include "app/app.h"
#include "core/fault.h"
#include "harness/patient_run.h"
#include "harness/script.h"

enum {
    PLAIN,
    STARTTLS,
    TLS
};

static struct script server;
static char folder[] = "/tmp/mail-test-XXXXXX";
static int mails; /* that the servers have got */

static int set_up(void **state)
{
    char command[512];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout %s/key.pem "
             "-out %s/cert.pem 2>/dev/null; mkdir %s/outbox",
             folder, folder, folder);
    assert_int_equal(system(command), 0);
    server = script_start("smtp_server.py", folder);
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    (void)state;
    script_stop(&server);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    return 0;
}

struct post {
    bk_mailer *mailer;
    bk_err (*fn)(bk_mailer *mailer);
};

static bk_err run_post(void *data)
{
    const struct post *post = data;

    return post->fn(post->mailer);
}

/* Runs @p fn on a fiber of an app with a mailer. */
static void run(const char *url, bk_err (*fn)(bk_mailer *mailer))
{
    if (bk__loop_current != NULL)
        fail_msg("a test that failed has left its app open");
    bk_app *app = bk_app_new(NULL);
    struct post post = {
        .mailer = bk_mailer_new(
            app, &(bk_mailer_opts){.url = bk_str_of(url),
                                   .from = {BK_LIT("shop@example.com"), BK_LIT("The Shop")}}),
        .fn = fn};
    bk_test *test = bk_test_new(app, NULL);

    assert_int_equal(patient_run(test, run_post, &post), BK_OK);
    bk_test_settle(test);
    assert_int_equal(app->loop->fiber_count, 0);
    bk_test_free(test);
    bk_app_free(app);
}

/* "scheme://BEFORE" "localhost:PORT" "AFTER"; until the next call. */
static const char *url_of(const char *before, int which, const char *after)
{
    static char url[256];

    snprintf(url, sizeof url, "%slocalhost:%d/%s", before, server.ports[which], after);
    return url;
}

/* With the servers' certificate trusted. */
static const char *secure_url(const char *before, int which)
{
    char after[96];

    snprintf(after, sizeof after, "?ca=%s/cert.pem", folder);
    return url_of(before, which, after);
}

/* The next mail that came. Request-owned. */
static const bk_json *next_mail(void)
{
    char path[96];
    bk_arena *arena = bk_fiber_arena();
    char *text = bk_arena_alloc(arena, 1 << 20);
    bk_json *mail;

    snprintf(path, sizeof path, "%s/%d.json", folder, ++mails);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail_msg("no %s", path);
    size_t len = fread(text, 1, 1 << 20, file);
    fclose(file);
    assert_int_equal(bk_json_parse(arena, bk_str_at(text, len), NULL, &mail), BK_OK);
    assert_int_equal(bk_json_len(bk_json_get(mail, BK_LIT("defects"))), 0);
    assert_true(bk_json_bool(bk_json_get(mail, BK_LIT("ascii"))));
    assert_false(bk_json_bool(bk_json_get(mail, BK_LIT("bare"))));
    return mail;
}

#define assert_at(mail, pointer, want)                                                             \
    assert_text(bk_json_str(bk_json_at(mail, BK_LIT(pointer))), want)

static const bk_mail_address ann = {{"ann@example.com", 15}, {NULL, 0}};

#define HELLO .to = &ann, .to_count = 1, .subject = BK_LIT("Hello"), .text = BK_LIT("Hi there.\n")

/* --- what arrives ----------------------------------------------------------------------------- */

static bk_err simple(bk_mailer *mailer)
{
    bk_str id;

    BK_TRY(bk_mail_send(mailer, &(bk_mail){HELLO}, &id));
    const bk_json *mail = next_mail();
    assert_at(mail, "/sender", "shop@example.com");
    assert_at(mail, "/recipients/0", "ann@example.com");
    assert_at(mail, "/from/0/0", "The Shop");
    assert_at(mail, "/from/0/1", "shop@example.com");
    assert_at(mail, "/to/0/0", "");
    assert_at(mail, "/to/0/1", "ann@example.com");
    assert_at(mail, "/subject", "Hello");
    assert_at(mail, "/type", "text/plain");
    assert_at(mail, "/plain", "Hi there.\n");
    assert_at(mail, "/id", bk_arena_printf(bk_fiber_arena(), "<%.*s>", BK_PRI(id)).ptr);
    bk_time date;
    BK_TRY(bk_time_parse(bk_json_str(bk_json_get(mail, BK_LIT("date"))), &date));
    assert_in_range(bk_time_now() - date, 0, 60000000);
    return BK_OK;
}

static void test_a_mail_arrives_without_tls_where_that_is_allowed(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, "?tls=never"), simple);
    run(url_of("smtp://", PLAIN, "?tls=optional"), simple);
}

static bk_err rich(bk_mailer *mailer)
{
    const bk_mail_address to[] = {
        {BK_LIT("anna@example.com"), BK_LIT("Änna Größe, Анна 語")},
        {BK_LIT("bob@example.com"), BK_LIT("Bob \"B\\o\" <x@y>, Jr.")},
    };
    const bk_mail_address cc = {.email = BK_LIT("cc@example.com")};
    const bk_mail_address bcc = {.email = BK_LIT("bcc@example.com")};
    const bk_mail_file files[] = {
        {.name = BK_LIT("report 1.csv"),
         .type = BK_LIT("application/csv"),
         .content = BK_LIT("a,b")},
        {.name = BK_LIT("Отчёт за ноябрь, очень длинное имя файла.pdf"),
         .content = BK_LIT("\0\1\2\xff")},
        {.name = BK_LIT("empty")},
    };
    const bk_mail_header headers[] = {
        {BK_LIT("List-Unsubscribe"),
         BK_LIT("<https://example.com/unsubscribe?token=0123456789abcdef"
                "0123456789abcdef0123456789abcdef>")},
        {{NULL, 0}, {NULL, 0}}};
    const char *subject = "Ваш заказ № 7 отправлен, и это довольно длинная тема письма 🎉🎉🎉";

    BK_TRY(bk_mail_send(mailer,
                        &(bk_mail){.from = {BK_LIT("sales@example.org"), BK_LIT("Sales")},
                                   .reply_to = {.email = BK_LIT("support@example.org")},
                                   .to = to,
                                   .to_count = 2,
                                   .cc = &cc,
                                   .cc_count = 1,
                                   .bcc = &bcc,
                                   .bcc_count = 1,
                                   .subject = bk_str_of(subject),
                                   .text = BK_LIT("Привет,\r\n.\n..dots\nмир. \n"),
                                   .html = BK_LIT("<p>Hi = there</p>\n.\n"),
                                   .files = files,
                                   .file_count = 3,
                                   .headers = headers},
                        NULL));
    const bk_json *mail = next_mail();
    assert_at(mail, "/sender", "sales@example.org");
    assert_int_equal(bk_json_len(bk_json_get(mail, BK_LIT("recipients"))), 4);
    assert_at(mail, "/recipients/3", "bcc@example.com");
    assert_at(mail, "/to/0/0", to[0].name.ptr);
    assert_at(mail, "/to/1/0", to[1].name.ptr);
    assert_at(mail, "/to/1/1", "bob@example.com");
    assert_at(mail, "/cc/0/1", "cc@example.com");
    assert_int_equal(bk_json_len(bk_json_get(mail, BK_LIT("bcc"))), 0);
    assert_at(mail, "/reply_to/0/1", "support@example.org");
    assert_at(mail, "/subject", subject);
    assert_at(mail, "/list", headers[0].value.ptr);
    assert_at(mail, "/type", "multipart/mixed");
    assert_at(mail, "/plain", "Привет,\n.\n..dots\nмир. \n");
    assert_at(mail, "/html", "<p>Hi = there</p>\n.\n");
    assert_at(mail, "/files/0/0", "report 1.csv");
    assert_at(mail, "/files/0/1", "application/csv");
    assert_at(mail, "/files/0/2", "612c62");
    assert_at(mail, "/files/1/0", files[1].name.ptr);
    assert_at(mail, "/files/1/1", "application/octet-stream");
    assert_at(mail, "/files/1/2", "000102ff");
    assert_at(mail, "/files/2/2", "");
    int64_t longest;
    BK_TRY(bk_json_i64(bk_json_get(mail, BK_LIT("longest")), &longest));
    assert_in_range(longest, 60, 110);
    return BK_OK;
}

static void test_languages_both_texts_and_files_arrive_as_they_were(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, "?tls=never"), rich);
}

/* --- security --------------------------------------------------------------------------------- */

static bk_err logged_in(bk_mailer *mailer)
{
    BK_TRY(bk_mail_send(mailer, &(bk_mail){HELLO}, NULL));
    const bk_json *mail = next_mail();
    assert_true(bk_json_bool(bk_json_get(mail, BK_LIT("tls"))));
    assert_true(bk_json_bool(bk_json_get(mail, BK_LIT("login"))));
    return BK_OK;
}

static bk_err by_tls(bk_mailer *mailer)
{
    BK_TRY(bk_mail_send(mailer, &(bk_mail){HELLO}, NULL));
    assert_non_null(bk_json_get(next_mail(), BK_LIT("sender")));
    return BK_OK;
}

static void test_starttls_with_a_login_and_tls_from_the_start(void **state)
{
    (void)state;
    run(secure_url("smtp://ann:pa%3Ass@", STARTTLS), logged_in);
    run(secure_url("smtps://", TLS), by_tls);
}

/* Sending a mail of these fields fails with @p want, in words that hold @p words. */
#define assert_fails(mailer, want, words, ...)                                                     \
    check_fails(mailer, &(bk_mail){__VA_ARGS__}, want, words, __FILE__, __LINE__)

BK_YIELDS static void check_fails(bk_mailer *mailer, const bk_mail *mail, bk_err want,
                                  const char *words, const char *file, int line)
{
    bk_buf text = {.arena = bk_fiber_arena()};
    bk_err err = bk_mail_send(mailer, mail, NULL);

    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause)
        bk_buf_printf(&text, "%.*s\n", BK_PRI(link->message));
    if (err != want || text.ptr == NULL ||
        memmem(text.ptr, text.len, words, strlen(words)) == NULL) {
        print_error("%s, not %s with \"%s\":\n%.*s\n", bk_err_slug(err), bk_err_slug(want), words,
                    (int)text.len, text.ptr);
        _fail(file, line);
    }
    bk_error_clear();
}

static bk_err no_tls_there(bk_mailer *mailer)
{
    assert_fails(mailer, BK_EUPSTREAM, "STARTTLS", HELLO);
    return BK_OK;
}

static bk_err bad_certificate(bk_mailer *mailer)
{
    assert_fails(mailer, BK_EUPSTREAM, "certificate", HELLO);
    return BK_OK;
}

static bk_err bad_login(bk_mailer *mailer)
{
    assert_fails(mailer, BK_EUPSTREAM, "535", HELLO);
    return BK_OK;
}

static bk_err no_server(bk_mailer *mailer)
{
    assert_fails(mailer, BK_EUNAVAILABLE, "mail to smtp://localhost:1", HELLO);
    return BK_OK;
}

static void test_no_mail_goes_where_security_fails(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, ""), no_tls_there);
    run(url_of("smtp://ann:pa%3Ass@", STARTTLS, ""), bad_certificate);
    run(secure_url("smtp://ann:wrong@", STARTTLS), bad_login);
    run("smtp://localhost:1", no_server);
}

/* --- refusals --------------------------------------------------------------------------------- */

static bk_err refused(bk_mailer *mailer)
{
    const bk_mail_address nobody[] = {ann, {.email = BK_LIT("no-one@example.com")}};
    const bk_mail_address later = {.email = BK_LIT("later@example.com")};

    assert_fails(mailer, BK_EUPSTREAM, "550", .to = nobody, .to_count = 2, .text = BK_LIT("x"));
    assert_fails(mailer, BK_EUNAVAILABLE, "451", .to = &later, .to_count = 1, .text = BK_LIT("x"));
    return simple(mailer); /* and neither has come */
}

static void test_a_refused_recipient_is_an_error_that_says_whether_to_try_again(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, "?tls=never"), refused);
}

static bk_err late(bk_mailer *mailer)
{
    const bk_mail_address slow = {.email = BK_LIT("slow@example.com")};
    bk_deadline before = bk_deadline_push(200);

    assert_fails(mailer, BK_ETIMEDOUT, "mail to smtp:", .to = &slow, .to_count = 1,
                 .text = BK_LIT("x"));
    bk_deadline_pop(before);
    return simple(mailer);
}

static void test_a_slow_server_ends_with_the_fibers_deadline(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, "?tls=never"), late);
}

static bk_err wrong_mails(bk_mailer *mailer)
{
    const bk_mail_address bad = {.email = BK_LIT("ann@example.com>\r\nRCPT TO:<eve@example.com")};
    const bk_mail_address name = {BK_LIT("ann@example.com"), BK_LIT("Ann\r\nBcc: eve@example.com")};

    assert_fails(mailer, BK_EINVAL, "to nobody", .text = BK_LIT("x"));
    assert_fails(mailer, BK_EINVAL, "neither text nor html", .to = &ann, .to_count = 1);
    assert_fails(mailer, BK_EINVAL, "no address", .to = &bad, .to_count = 1, .text = BK_LIT("x"));
    assert_fails(mailer, BK_EINVAL, "no line of UTF-8", .to = &name, .to_count = 1,
                 .text = BK_LIT("x"));
    assert_fails(mailer, BK_EINVAL, "subject", .to = &ann, .to_count = 1, .text = BK_LIT("x"),
                 .subject = BK_LIT("a\nBcc: eve@example.com"));
    return BK_OK;
}

static void test_line_breaks_never_reach_heads_or_commands(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, "?tls=never"), wrong_mails);
}

/* --- many ------------------------------------------------------------------------------------- */

static bk_err one_of_many(void *mailer)
{
    for (int i = 0; i < 5; i++)
        BK_TRY(bk_mail_send(mailer, &(bk_mail){HELLO}, NULL));
    return BK_OK;
}

static bk_err many(bk_mailer *mailer)
{
    bk_group *group = bk_group_open();
    int64_t peers[8];
    size_t count = 0;

    for (int i = 0; i < 20; i++)
        bk_group_spawn(group, "mail", one_of_many, mailer);
    BK_TRY(bk_group_wait(group));
    for (int i = 0; i < 100; i++) {
        int64_t peer;
        size_t at = 0;
        BK_TRY(bk_json_i64(bk_json_get(next_mail(), BK_LIT("peer")), &peer));
        while (at < count && peers[at] != peer)
            at++;
        assert_in_range(at, 0, 3); /* connections */
        peers[at] = peer;
        count += at == count;
    }
    return BK_OK;
}

static void test_mails_share_a_few_connections(void **state)
{
    (void)state;
    run(url_of("smtp://", PLAIN, "?tls=never"), many);
}

static bk_err big(bk_mailer *mailer)
{
    size_t size = 8 << 20;
    char *bytes = bk_arena_alloc(bk_fiber_arena(), 30 << 20);

    memset(bytes, 'x', 30 << 20);
    const bk_mail_file file = {.name = BK_LIT("big"), .content = bk_str_at(bytes, size)};
    const bk_mail_file huge = {.name = BK_LIT("huge"), .content = bk_str_at(bytes, 30 << 20)};
    const bk_mail_file swelling = {.name = BK_LIT("swelling"),
                                   .content = bk_str_at(bytes, 20 << 20)};

    assert_fails(mailer, BK_ETOOBIG, "larger than", HELLO, .files = &huge, .file_count = 1);
    assert_fails(mailer, BK_ETOOBIG, "larger than", HELLO, .files = &swelling, .file_count = 1);
    return bk_mail_send(mailer, &(bk_mail){HELLO, .files = &file, .file_count = 1}, NULL);
}

/* --- files ------------------------------------------------------------------------------------ */

/* How many files the outbox has; `path` is one of them. */
static size_t list_outbox(char path[512])
{
    char name[96];
    size_t count = 0;

    snprintf(name, sizeof name, "%s/outbox", folder);
    DIR *outbox = opendir(name);
    assert_non_null(outbox);
    for (struct dirent *entry; (entry = readdir(outbox)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        snprintf(path, 512, "%s/%s", name, entry->d_name);
    }
    closedir(outbox);
    return count;
}

static bk_err to_file(bk_mailer *mailer)
{
    char path[512], text[2048];
    bk_str id;

    assert_int_equal(list_outbox(path), 0);
#ifdef BK_FAULT_INJECTION
    bk__fault_arm("mail.write", 1, 1);
    assert_fails(mailer, BK_EIO, "No space", HELLO);
    assert_int_equal(list_outbox(path), 0);
#endif
    BK_TRY(bk_mail_send(mailer, &(bk_mail){HELLO}, &id));
    assert_int_equal(list_outbox(path), 1);
    assert_string_equal(strrchr(path, '.'), ".eml");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    bk_str mail = bk_str_at(text, fread(text, 1, sizeof text, file));
    fclose(file);
    assert_true(bk_str_starts(mail, BK_LIT("Date: ")));
    assert_non_null(memmem(mail.ptr, mail.len, "Hi there.\r\n", 11));
    assert_non_null(memmem(mail.ptr, mail.len, id.ptr, id.len));
    unlink(path);
    BK_TRY(big(mailer));
    assert_int_equal(list_outbox(path), 1);
    unlink(path);
    return BK_OK;
}

static void test_a_mailer_of_files_writes_whole_ones_or_none(void **state)
{
    char url[96];

    (void)state;
    snprintf(url, sizeof url, "file://%s/outbox", folder);
    run(url, to_file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_mail_arrives_without_tls_where_that_is_allowed),
        cmocka_unit_test(test_languages_both_texts_and_files_arrive_as_they_were),
        cmocka_unit_test(test_starttls_with_a_login_and_tls_from_the_start),
        cmocka_unit_test(test_no_mail_goes_where_security_fails),
        cmocka_unit_test(test_a_refused_recipient_is_an_error_that_says_whether_to_try_again),
        cmocka_unit_test(test_a_slow_server_ends_with_the_fibers_deadline),
        cmocka_unit_test(test_line_breaks_never_reach_heads_or_commands),
        cmocka_unit_test(test_mails_share_a_few_connections),
        cmocka_unit_test(test_a_mailer_of_files_writes_whole_ones_or_none),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
