/*
 * Which paths are files, which are not and never will be, and what is said about those that are.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <backend/middleware/static.h>

#include "text.h"
#include "harness/http_app.h"
#include "harness/stops.h"

/* A directory with a site in it, and a secret beside that. */
static char home[64], site[80];

static void put(const char *name, const char *content)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", home, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    assert_int_equal(fclose(file), 0);
}

static void make_directory(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", home, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static int make_site(void **state)
{
    char link[256];
    (void)state;
    snprintf(home, sizeof home, "/tmp/bk_static_XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(site, sizeof site, "%s/site", home);
    make_directory("site");
    make_directory("site/docs");
    make_directory("site/empty");
    make_directory("site/.git");
    put("secret.txt", "secret");
    put("site/index.html", "<h1>home</h1>");
    put("site/app.js", "let a = 1;");
    put("site/app.js.br", "packed br");
    put("site/app.js.gz", "packed gz");
    put("site/style.css", "b{}");
    put("site/style.css.gz", "packed css");
    put("site/a b.txt", "blank");
    put("site/docs/index.html", "docs");
    put("site/.git/config", "hidden");
    put("site/.env", "hidden");
    snprintf(link, sizeof link, "%s/out.txt", site);
    assert_int_equal(symlink("../secret.txt", link), 0);
    return 0;
}

static int drop_site(void **state)
{
    char command[96];
    (void)state;
    snprintf(command, sizeof command, "rm -r %s", home);
    return system(command);
}

static bk_err show(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_text(res, 200, BK_LIT("a route"));
}

static struct http_app open_with(bk_mw_static_opts opts)
{
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_router *root = bk_app_router(it.app);

    opts.root = site;
    bk_use(root, bk_mw_static(it.app, &opts));
    bk_get(root, "/style.css", show);
    bk_get(root, "/api", show);
    bk_post(root, "/docs/form", show);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

static void test_a_file_is_sent_with_its_validators(void **state)
{
    char tag[64], date[64];
    (void)state;
    struct http_app it = open_with((bk_mw_static_opts){0});
    bk_test_res *res = bk_test_get(it.test, "/app.js");
    assert_answer(res, 200, "let a = 1;");
    assert_field(res, "Content-Type", "text/javascript; charset=utf-8");
    assert_field(res, "Cache-Control", "public, max-age=0");
    assert_false(bk_str_present(bk_test_header(res, "Vary")));
    snprintf(tag, sizeof tag, "%.*s", BK_PRI(bk_test_header(res, "ETag")));
    snprintf(date, sizeof date, "%.*s", BK_PRI(bk_test_header(res, "Last-Modified")));
    res = http_get(&it, "/app.js", "if-none-match", tag);
    assert_answer(res, 304, "");
    assert_field(res, "Cache-Control", "public, max-age=0");
    assert_answer(http_get(&it, "/app.js", "if-modified-since", date), 304, "");
    res = http_get(&it, "/app.js", "range", "bytes=4-6");
    assert_answer(res, 206, "a =");
    assert_answer(http_send(&it, "HEAD", "/app.js", NULL, NULL), 200, "");
    assert_answer(bk_test_get(it.test, "/a%20b.txt"), 200, "blank");
    http_app_close(&it);
}

static void test_routes_go_first_and_the_rest_is_404(void **state)
{
    (void)state;
    struct http_app it = open_with((bk_mw_static_opts){0});
    assert_answer(bk_test_get(it.test, "/style.css"), 200, "a route");
    bk_test_res *res = bk_test_get(it.test, "/nothing.js");
    assert_problem(res, 404, "no such resource");
    assert_false(bk_str_present(bk_test_header(res, "Cache-Control")));
    assert_status(http_send(&it, "POST", "/app.js", NULL, ""), 404);
    assert_status(bk_test_get(it.test, "/docs/form"), 405);
    http_app_close(&it);
}

static void test_directories_have_an_index_and_a_slash(void **state)
{
    (void)state;
    struct http_app it = open_with((bk_mw_static_opts){0});
    assert_answer(bk_test_get(it.test, "/"), 200, "<h1>home</h1>");
    assert_answer(bk_test_get(it.test, "/docs/"), 200, "docs");
    bk_test_res *res = bk_test_get(it.test, "/docs?a=1");
    assert_answer(res, 301, "");
    assert_field(res, "Location", "/docs/?a=1");
    assert_false(bk_str_present(bk_test_header(res, "Last-Modified")));
    assert_status(bk_test_get(it.test, "/empty"), 404);
    assert_status(bk_test_get(it.test, "/empty/"), 404);
    http_app_close(&it);
    it = open_with((bk_mw_static_opts){.index = "", .no_redirect = true});
    assert_status(bk_test_get(it.test, "/"), 404);
    assert_status(bk_test_get(it.test, "/docs"), 404);
    http_app_close(&it);
}

static void test_nothing_hidden_or_outside_is_sent(void **state)
{
    static const char *const targets[] = {
        "/.env",
        "/.git/config",
        "/%2egit/config",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/docs/../../secret.txt",
        "/..%2fsecret.txt",
        "/docs%2findex.html",
        "//secret.txt",
        "//docs",
        "/docs//index.html",
        "/out.txt",
        "/app.js%00.txt",
        "/app.js%00",
        "/..%5csecret.txt",
        "/%ff",
        "/app.js/",
        "/%2e/app.js",
        "/./app.js",
        "/%",
    };
    (void)state;
    struct http_app it = open_with((bk_mw_static_opts){.precompressed = true});
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_status(bk_test_get(it.test, targets[i]), 404);
    http_app_close(&it);
}

static void test_a_packed_file_goes_to_those_who_take_it(void **state)
{
    (void)state;
    struct http_app it = open_with((bk_mw_static_opts){
        .prefix = "/assets/", .precompressed = true, .max_age_s = 31536000, .immutable = true});
    bk_test_res *res = http_get(&it, "/assets/app.js", "accept-encoding", "gzip, br");
    assert_answer(res, 200, "packed br");
    assert_field(res, "Content-Encoding", "br");
    assert_field(res, "Content-Type", "text/javascript; charset=utf-8");
    assert_field(res, "Vary", "Accept-Encoding");
    assert_field(res, "Cache-Control", "public, max-age=31536000, immutable");
    res = http_get(&it, "/assets/app.js", "accept-encoding", "gzip");
    assert_answer(res, 200, "packed gz");
    assert_field(res, "Content-Encoding", "gzip");
    res = http_get(&it, "/assets/style.css", "accept-encoding", "gzip, br");
    assert_answer(res, 200, "packed css");
    assert_field(res, "Content-Encoding", "gzip");
    assert_field(res, "Vary", "Accept-Encoding");
    res = http_get(&it, "/assets/a%20b.txt", "accept-encoding", "gzip, br");
    assert_answer(res, 200, "blank");
    assert_false(bk_str_present(bk_test_header(res, "Content-Encoding")));
    res = bk_test_get(it.test, "/assets/app.js");
    assert_answer(res, 200, "let a = 1;");
    assert_field(res, "Vary", "Accept-Encoding");
    http_app_close(&it);
}

static void test_only_what_is_below_the_prefix_is_looked_at(void **state)
{
    (void)state;
    struct http_app it = open_with((bk_mw_static_opts){.prefix = "/assets"});
    assert_status(bk_test_get(it.test, "/app.js"), 404);
    assert_status(bk_test_get(it.test, "/assetsapp.js"), 404);
    assert_status(bk_test_get(it.test, "/assets"), 404);
    assert_answer(bk_test_get(it.test, "/assets/"), 200, "<h1>home</h1>");
    assert_answer(bk_test_get(it.test, "/assets/app.js"), 200, "let a = 1;");
    http_app_close(&it);
}

static void make_wrong(void)
{
    bk_middleware it = bk_mw_static(bk_app_new(NULL), &(bk_mw_static_opts){.prefix = "/x"});
    (void)it;
}

static void test_a_missing_root_stops_the_program(void **state)
{
    char words[512];
    (void)state;
    assert_true(stops(make_wrong, words, sizeof words));
    assert_non_null(strstr(words, "root"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_sent_with_its_validators),
        cmocka_unit_test(test_routes_go_first_and_the_rest_is_404),
        cmocka_unit_test(test_directories_have_an_index_and_a_slash),
        cmocka_unit_test(test_nothing_hidden_or_outside_is_sent),
        cmocka_unit_test(test_a_packed_file_goes_to_those_who_take_it),
        cmocka_unit_test(test_only_what_is_below_the_prefix_is_looked_at),
        cmocka_unit_test(test_a_missing_root_stops_the_program),
    };
    return cmocka_run_group_tests_name("middleware_static", tests, make_site, drop_site);
}
