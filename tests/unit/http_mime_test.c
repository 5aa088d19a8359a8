#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/str.h>

#include "http/header.h"
#include "http/mime.h"

static const char *type(const char *name)
{
    return bk__mime_by_name(bk_str_of(name));
}

static void test_known_endings_have_their_type(void **state)
{
    (void)state;
    assert_string_equal(type("index.html"), "text/html; charset=utf-8");
    assert_string_equal(type("app.js"), "text/javascript; charset=utf-8");
    assert_string_equal(type("app.mjs"), "text/javascript; charset=utf-8");
    assert_string_equal(type("style.css"), "text/css; charset=utf-8");
    assert_string_equal(type("a.json"), "application/json");
    assert_string_equal(type("a.png"), "image/png");
    assert_string_equal(type("a.svg"), "image/svg+xml");
    assert_string_equal(type("a.wasm"), "application/wasm");
    assert_string_equal(type("a.woff2"), "font/woff2");
    assert_string_equal(type("a.webmanifest"), "application/manifest+json");
    assert_string_equal(type("a.7z"), "application/x-7z-compressed");
    assert_string_equal(type("a.zst"), "application/zstd");
}

static void test_every_ending_of_the_table_is_found(void **state)
{
    static const char *const endings[] = {
        "aac",  "apng", "atom", "avi",  "avif", "bmp",         "bz2",  "cjs",    "css",   "csv",
        "doc",  "docx", "eot",  "epub", "flac", "geojson",     "gif",  "gz",     "heic",  "htm",
        "html", "ico",  "ics",  "jpeg", "jpg",  "js",          "json", "jsonld", "jxl",   "m4a",
        "m4v",  "map",  "md",   "mid",  "mjs",  "mov",         "mp3",  "mp4",    "mpeg",  "oga",
        "ogg",  "ogv",  "opus", "otf",  "pdf",  "png",         "ppt",  "pptx",   "rss",   "rtf",
        "sql",  "svg",  "tar",  "tif",  "tiff", "toml",        "ts",   "tsv",    "ttf",   "txt",
        "vtt",  "wasm", "wav",  "weba", "webm", "webmanifest", "webp", "woff",   "woff2", "xhtml",
        "xls",  "xlsx", "xml",  "xz",   "yaml", "yml",         "zip",  "zst",
    };
    char name[32] = "a.";
    (void)state;
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        strcpy(name + 2, endings[i]);
        if (strcmp(type(name), "application/octet-stream") == 0)
            fail_msg("%s is not found", name);
        assert_true(bk__header_is_value(bk_str_of(type(name))));
    }
}

static void test_text_types_come_with_a_charset(void **state)
{
    static const char *const names[] = {"a.txt", "a.csv", "a.md", "a.vtt", "a.ics", "a.tsv"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_non_null(strstr(type(names[i]), "; charset=utf-8"));
}

static void test_the_last_ending_counts_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(type("PHOTO.JPG"), "image/jpeg");
    assert_string_equal(type("a.tar.gz"), "application/gzip");
    assert_string_equal(type("/var/www/a.b/c.Css"), "text/css; charset=utf-8");
    assert_string_equal(type(".html"), "text/html; charset=utf-8");
}

static void test_other_names_are_bytes(void **state)
{
    static const char *const names[] = {
        "",
        "html",
        ".",
        "a.",
        "a.htmlx",
        "a.ht",
        "a.html.",
        "a.html~",
        "a/b.x/html",
        "a.html/",
        "a. html",
        "a.webmanifests",
        "a.reallyquitelongending",
        "README",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_string_equal(type(names[i]), "application/octet-stream");
    assert_string_equal(bk__mime_by_name((bk_str){0}), "application/octet-stream");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_endings_have_their_type),
        cmocka_unit_test(test_every_ending_of_the_table_is_found),
        cmocka_unit_test(test_text_types_come_with_a_charset),
        cmocka_unit_test(test_the_last_ending_counts_in_any_case),
        cmocka_unit_test(test_other_names_are_bytes),
    };
    return cmocka_run_group_tests_name("http/mime", tests, NULL, NULL);
}
