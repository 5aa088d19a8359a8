/*
 * Files as answers: which are found, what of them is sent, and what a client may ask about them.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text.h"
#include "harness/http_app.h"

#include "core/fault.h"
#include "http/exchange.h"
#include "http/file_open.h"

#define LARGE    (1000 * 1000) /* streamed */
#define OLD_DATE "Tue, 14 Nov 2023 22:13:20 GMT"
#define OLD      1700000000

struct files {
    struct http_app it;
    char dir[64]; /* "root" is in it, and what lies beside */
    char root[80];
};

/* Which root the routes serve; there is one fixture at a time. */
static const char *root_dir;

static bk_err below_root(bk_req *req, bk_res *res)
{
    const char *path = bk_arena_cstr(bk_req_arena(req), bk_req_param(req, "path"));
    bk_str type = bk_req_query_str(req, "type"), download = bk_req_query_str(req, "download");
    bk_file_opts opts = {.root = root_dir};

    if (bk_str_present(type))
        opts.type = bk_arena_cstr(bk_req_arena(req), type);
    if (bk_str_present(download))
        opts.download = bk_arena_cstr(bk_req_arena(req), download);
    if (bk_str_present(bk_req_query_str(req, "no-etag")))
        bk_res_no_etag(res);
    if (bk_str_present(bk_req_query_str(req, "etag")))
        BK_TRY(bk_res_etag(res, bk_req_query_str(req, "etag")));
    return bk_res_file(res, path, &opts);
}

/* The path is in the query, and may be anything. */
static bk_err any_path(bk_req *req, bk_res *res)
{
    const char *path = bk_arena_cstr(bk_req_arena(req), bk_req_query_str(req, "path"));
    bk_file_opts opts = {.root = root_dir};
    bool rooted = bk_str_present(bk_req_query_str(req, "rooted"));

    return bk_res_file(res, path, rooted ? &opts : NULL);
}

static bk_err no_root(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_file(res, "a.txt", &(bk_file_opts){.root = "/nonexistent"});
}

static void routes(bk_router *root)
{
    bk_get(root, "/f/{path*}", below_root);
    bk_post(root, "/f/{path*}", below_root);
    bk_get(root, "/any", any_path);
    bk_get(root, "/hasty", any_path, &(bk_route_opts){.timeout_ms = 300});
    bk_get(root, "/no-root", no_root);
}

/* Old enough for its time to tell states apart. */
static void make_file(const char *dir, const char *name, const char *text, size_t len)
{
    const struct timespec times[2] = {{OLD, 5000}, {OLD, 5000}};
    char path[256];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    assert_int_equal(futimens(fd, times), 0);
    close(fd);
}

static char *large_text(void)
{
    char *text = malloc(LARGE);

    for (size_t i = 0; i < LARGE; i++)
        text[i] = (char)('a' + (i * 7 + i / 1000) % 26);
    return text;
}

static int open_files(void **state)
{
    static struct files files;
    char path[256];

    strcpy(files.dir, "/tmp/http_file_test.XXXXXX");
    assert_non_null(mkdtemp(files.dir));
    snprintf(files.root, sizeof files.root, "%s/root", files.dir);
    assert_int_equal(mkdir(files.root, 0755), 0);
    make_file(files.dir, "secret.txt", "secret", 6);
    make_file(files.root, "a.txt", "0123456789", 10);
    make_file(files.root, "empty", "", 0);
    make_file(files.root, ".hidden", "x", 1);
    char *large = large_text();
    make_file(files.root, "large.bin", large, LARGE);
    free(large);
    snprintf(path, sizeof path, "%s/sub", files.root);
    assert_int_equal(mkdir(path, 0755), 0);
    make_file(path, "b.html", "<b>", 3);
    snprintf(path, sizeof path, "%s/fifo", files.root);
    assert_int_equal(mkfifo(path, 0644), 0);
    snprintf(path, sizeof path, "%s/out", files.root);
    assert_int_equal(symlink("../secret.txt", path), 0);
    snprintf(path, sizeof path, "%s/out-dir", files.root);
    assert_int_equal(symlink("..", path), 0);
    snprintf(path, sizeof path, "%s/in", files.root);
    assert_int_equal(symlink("sub/b.html", path), 0);
    snprintf(path, sizeof path, "%s/loop", files.root);
    assert_int_equal(symlink("loop", path), 0);
    root_dir = files.root;
    files.it = http_app_open(routes, NULL, NULL);
    *state = &files;
    return 0;
}

static int close_files(void **state)
{
    struct files *files = *state;
    char command[128];

    http_app_close(&files->it);
#ifdef BK_FAULT_INJECTION
    bk__fault_disarm_all();
#endif
    snprintf(command, sizeof command, "rm -r %s", files->dir);
    return system(command);
}

/* --- which files ------------------------------------------------------------------------------ */

static void test_a_file_is_sent_with_what_is_known_of_it(void **state)
{
    struct files *files = *state;
    bk_test_res *res = bk_test_get(files->it.test, "/f/a.txt");

    assert_answer(res, 200, "0123456789");
    assert_field(res, "Content-Type", "text/plain; charset=utf-8");
    assert_field(res, "Content-Length", "10");
    assert_field(res, "Last-Modified", OLD_DATE);
    assert_field(res, "ETag", "\"a-6553f100.1388\"");
    assert_field(res, "Accept-Ranges", "bytes");
    assert_field(res, "Content-Disposition", NULL);
    res = bk_test_get(files->it.test, "/f/sub/b.html");
    assert_answer(res, 200, "<b>");
    assert_field(res, "Content-Type", "text/html; charset=utf-8");
    res = bk_test_get(files->it.test, "/f/empty");
    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "0");
    assert_field(res, "Content-Type", "application/octet-stream");
}

static void test_a_large_file_arrives_whole(void **state)
{
    struct files *files = *state;
    bk_test_res *res = bk_test_get(files->it.test, "/f/large.bin");
    char *large = large_text();

    assert_status(res, 200);
    assert_true(bk_test_done(res));
    assert_field(res, "Content-Length", "1000000");
    assert_true(bk_str_eq(bk_test_body(res), bk_str_at(large, LARGE)));
    free(large);
}

static void test_links_within_the_root_are_followed(void **state)
{
    struct files *files = *state;

    assert_answer(bk_test_get(files->it.test, "/f/in"), 200, "<b>");
}

/* What is not there, what is no file, what is hidden, and what would lead out. */
static void check_all_that_is_refused(const struct files *files)
{
    static const char *const paths[] = {"nothing",
                                        "a.txt/",
                                        "a.txt/b",
                                        "sub",
                                        "fifo",
                                        ".hidden",
                                        "sub/.hidden",
                                        "loop",
                                        "out",
                                        "out-dir/secret.txt",
                                        "../secret.txt",
                                        "sub/../a.txt",
                                        "./a.txt",
                                        "sub/./b.html",
                                        "/etc/passwd",
                                        "..",
                                        ".",
                                        "",
                                        "sub//../../secret.txt"};

    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char target[128];
        snprintf(target, sizeof target, "/any?rooted&path=%s", paths[i]);
        bk_test_res *res = bk_test_get(files->it.test, target);
        if (bk_test_status(res) != 404)
            fail_msg("%s: %d", paths[i], bk_test_status(res));
        assert_problem(res, 404, "\"detail\":\"there is no such file\"");
        assert_field(res, "Last-Modified", NULL);
    }
}

static void test_nothing_leads_out_of_the_root(void **state)
{
    const struct files *files = *state;

    check_all_that_is_refused(files);
    /* Not even where it leads in again. */
    assert_problem(bk_test_get(files->it.test, "/any?rooted&path=out-dir/root/a.txt"), 404, "no");
}

#ifdef BK_FAULT_INJECTION
static void test_nothing_leads_out_on_old_kernels(void **state)
{
    struct files *files = *state;

    bk__fault_arm("file.openat2", 1, UINT32_MAX);
    check_all_that_is_refused(files);
    assert_answer(bk_test_get(files->it.test, "/f/a.txt"), 200, "0123456789");
    assert_answer(bk_test_get(files->it.test, "/f/in"), 200, "<b>");
    assert_answer(bk_test_get(files->it.test, "/f/sub/b.html"), 200, "<b>");
}
#endif

static void test_without_a_root_any_path_is_served_but_hidden_ones(void **state)
{
    struct files *files = *state;
    char target[256];

    snprintf(target, sizeof target, "/any?path=%s/root/../secret.txt", files->dir);
    assert_answer(bk_test_get(files->it.test, target), 200, "secret");
    snprintf(target, sizeof target, "/any?path=%s/out", files->root);
    assert_answer(bk_test_get(files->it.test, target), 200, "secret");
    snprintf(target, sizeof target, "/any?path=%s/.hidden", files->root);
    assert_problem(bk_test_get(files->it.test, target), 404, "no such file");
    assert_problem(bk_test_get(files->it.test, "/any?path="), 404, "no such file");
}

static void test_a_root_that_is_not_there_is_our_fault(void **state)
{
    struct files *files = *state;

    assert_problem(bk_test_get(files->it.test, "/no-root"), 500, "Internal");
    assert_holds(bk_test_logs(files->it.test), "cannot read the file a.txt");
}

/* --- what is said of them --------------------------------------------------------------------- */

static void test_type_and_name_can_be_given(void **state)
{
    struct files *files = *state;
    bk_test_res *res = bk_test_get(files->it.test, "/f/a.txt?type=text/x&download=report.txt");

    assert_answer(res, 200, "0123456789");
    assert_field(res, "Content-Type", "text/x");
    assert_field(res, "Content-Disposition", "attachment; filename=\"report.txt\"");
    res = bk_test_get(files->it.test, "/f/a.txt?download=%C3%A4%22%5C%25/%0D%0A%20x");
    assert_field(res, "Content-Disposition",
                 "attachment; filename=\"________ x\"; "
                 "filename*=UTF-8''%C3%A4%22%5C%25%2F%0D%0A%20x");
}

static void test_the_etag_is_the_handlers_to_choose(void **state)
{
    struct files *files = *state;

    assert_field(bk_test_get(files->it.test, "/f/a.txt?etag=\"v1\""), "ETag", "\"v1\"");
    assert_field(bk_test_get(files->it.test, "/f/large.bin?no-etag"), "ETag", NULL);
    assert_answer(http_get(&files->it, "/f/a.txt?etag=\"v1\"", "if-none-match", "\"v1\""), 304, "");
}

static void test_the_etag_of_a_fresh_file_is_weak(void **state)
{
    struct files *files = *state;
    char path[256];

    snprintf(path, sizeof path, "%s/a.txt", files->root);
    assert_int_equal(utimensat(AT_FDCWD, path, NULL, 0), 0);
    assert_int_equal(
        strncmp(bk_test_header(bk_test_get(files->it.test, "/f/a.txt"), "ETag").ptr, "W/\"a-", 5),
        0);
}

static void test_head_sends_no_byte(void **state)
{
    struct files *files = *state;
    bk_test_res *res = http_send(&files->it, "HEAD", "/f/large.bin", NULL, NULL);

    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "1000000");
    assert_field(res, "Accept-Ranges", "bytes");
    res = http_send(&files->it, "HEAD", "/f/a.txt", FIELDS("range", "bytes=0-1"), NULL);
    assert_answer(res, 200, "");
    assert_field(res, "Content-Length", "10");
    assert_field(res, "ETag", "\"a-6553f100.1388\"");
}

/* --- conditions ------------------------------------------------------------------------------- */

#define TAG   "\"a-6553f100.1388\""
#define EARLY "Tue, 14 Nov 2023 22:13:19 GMT"

static void test_what_the_client_has_is_not_sent_again(void **state)
{
    struct files *files = *state;
    bk_test_res *res = http_get(&files->it, "/f/a.txt", "if-none-match", "\"x\", W/" TAG);

    assert_answer(res, 304, "");
    assert_field(res, "ETag", TAG);
    assert_field(res, "Last-Modified", OLD_DATE);
    assert_field(res, "Content-Type", NULL);
    assert_field(res, "Content-Length", NULL);
    assert_answer(http_get(&files->it, "/f/a.txt", "if-modified-since", OLD_DATE), 304, "");
    assert_answer(http_get(&files->it, "/f/a.txt", "if-modified-since", EARLY), 200, "0123456789");
    assert_answer(http_get(&files->it, "/f/a.txt", "if-modified-since", "never"), 200,
                  "0123456789");
    /* If-None-Match counts where both are there. */
    assert_answer(
        http_get(&files->it, "/f/a.txt", "if-none-match", "\"x\"", "if-modified-since", OLD_DATE),
        200, "0123456789");
    assert_answer(http_send(&files->it, "HEAD", "/f/a.txt", FIELDS("if-none-match", TAG), NULL),
                  304, "");
    assert_answer(http_send(&files->it, "POST", "/f/a.txt", FIELDS("if-none-match", TAG), NULL),
                  200, "0123456789");
}

static void test_what_has_changed_is_refused_where_that_matters(void **state)
{
    struct files *files = *state;

    assert_answer(http_get(&files->it, "/f/a.txt", "if-match", "\"x\", " TAG), 200, "0123456789");
    assert_answer(http_get(&files->it, "/f/a.txt", "if-match", "*"), 200, "0123456789");
    bk_test_res *res = http_get(&files->it, "/f/a.txt", "if-match", "W/" TAG);
    assert_problem(res, 412, "Precondition Failed");
    assert_field(res, "Last-Modified", NULL);
    assert_answer(http_get(&files->it, "/f/a.txt", "if-unmodified-since", OLD_DATE), 200,
                  "0123456789");
    assert_problem(http_get(&files->it, "/f/a.txt", "if-unmodified-since", EARLY), 412, "Failed");
    assert_answer(http_get(&files->it, "/f/a.txt", "if-match", TAG, "if-unmodified-since", EARLY),
                  200, "0123456789");
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void test_a_range_is_206(void **state)
{
    struct files *files = *state;
    bk_test_res *res = http_get(&files->it, "/f/a.txt", "range", "bytes=2-4");

    assert_answer(res, 206, "234");
    assert_field(res, "Content-Range", "bytes 2-4/10");
    assert_field(res, "Content-Length", "3");
    assert_field(res, "ETag", TAG);
    assert_field(res, "Content-Type", "text/plain; charset=utf-8");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=-3"), 206, "789");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=8-"), 206, "89");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=0-99"), 206, "0123456789");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "lines=1"), 200, "0123456789");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=x"), 200, "0123456789");
    assert_answer(http_send(&files->it, "POST", "/f/a.txt", FIELDS("range", "bytes=0-1"), NULL),
                  200, "0123456789");
}

static void test_a_large_range_is_streamed(void **state)
{
    struct files *files = *state;
    bk_test_res *res = http_get(&files->it, "/f/large.bin", "range", "bytes=100000-899999");
    char *large = large_text();

    assert_status(res, 206);
    assert_field(res, "Content-Range", "bytes 100000-899999/1000000");
    assert_field(res, "Content-Length", "800000");
    assert_true(bk_str_eq(bk_test_body(res), bk_str_at(large + 100000, 800000)));
    free(large);
}

static void test_a_range_beyond_the_end_is_416(void **state)
{
    struct files *files = *state;
    bk_test_res *res = http_get(&files->it, "/f/a.txt", "range", "bytes=10-");

    assert_problem(res, 416, "Range Not Satisfiable");
    assert_field(res, "Content-Range", "bytes */10");
    assert_field(res, "ETag", NULL);
}

static void test_several_ranges_come_in_parts(void **state)
{
    struct files *files = *state;
    bk_test_res *res = http_get(&files->it, "/f/a.txt", "range", "bytes=0-1, 4-4, -1");
    bk_str type = bk_test_header(res, "Content-Type");
    const char *begin = "multipart/byteranges; boundary=";
    char boundary[64], want[1024], part[256];

    assert_status(res, 206);
    assert_true(bk_test_done(res));
    assert_true(bk_str_starts(type, bk_str_of(begin)));
    snprintf(boundary, sizeof boundary, "%.*s", (int)(type.len - strlen(begin)),
             type.ptr + strlen(begin));
    assert_int_equal(strlen(boundary), 32);
    snprintf(part, sizeof part, "\r\n--%s\r\nContent-Type: text/plain; charset=utf-8\r\n",
             boundary);
    snprintf(want, sizeof want,
             "%sContent-Range: bytes 0-1/10\r\n\r\n01%sContent-Range: bytes 4-4/10\r\n\r\n4"
             "%sContent-Range: bytes 9-9/10\r\n\r\n9\r\n--%s--\r\n",
             part, part, part, boundary);
    assert_text(bk_test_body(res), want);
    snprintf(part, sizeof part, "%zu", strlen(want));
    assert_field(res, "Content-Length", part);
    assert_field(res, "Content-Range", NULL);
}

static void test_a_range_is_of_what_the_client_has_or_all(void **state)
{
    struct files *files = *state;
    const char *const whole = "0123456789";

    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=0-1", "if-range", TAG), 206,
                  "01");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=0-1", "if-range", "W/" TAG), 200,
                  whole);
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=0-1", "if-range", "\"x\""), 200,
                  whole);
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=0-1", "if-range", OLD_DATE), 206,
                  "01");
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=0-1", "if-range", EARLY), 200,
                  whole);
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=99-", "if-range", "\"x\""), 200,
                  whole);
    assert_answer(http_get(&files->it, "/f/a.txt", "range", "bytes=99-", "if-none-match", TAG), 304,
                  "");
}

/* --- while it is sent ------------------------------------------------------------------------- */

/* Until the only request has something for its client. */
static void await_first_piece(const struct files *files)
{
    const struct bk__link *first = files->it.app->server.requests.anchor.next;
    const bk_req *req = bk__container_of(first, bk_req, link);

    while (!req->res.started)
        bk_test_settle(files->it.test);
}

static void test_a_file_that_shrinks_breaks_the_answer_off(void **state)
{
    struct files *files = *state;
    bk_test_res *res = bk_test_begin(files->it.test, &(bk_test_req){.target = "/f/large.bin"});
    char path[256];

    bk_test_stall(files->it.test, res);
    await_first_piece(files);
    snprintf(path, sizeof path, "%s/large.bin", files->root);
    assert_int_equal(truncate(path, 1000), 0);
    bk_test_resume(files->it.test, res);
    bk_test_finish(files->it.test, res);
    assert_false(bk_test_done(res));
    assert_holds(bk_test_logs(files->it.test), "cannot read the file");
}

static void test_a_slow_client_may_take_longer_than_the_handler(void **state)
{
    struct files *files = *state;
    char target[256];

    snprintf(target, sizeof target, "/hasty?path=%s/large.bin", files->root);
    bk_test_res *res = bk_test_begin(files->it.test, &(bk_test_req){.target = target});
    bk_test_stall(files->it.test, res);
    await_first_piece(files);
    usleep(400000);
    bk_test_settle(files->it.test);
    bk_test_resume(files->it.test, res);
    bk_test_finish(files->it.test, res);
    assert_true(bk_test_done(res));
    assert_int_equal(bk_test_body(res).len, LARGE);
}

static void test_one_that_goes_away_leaves_no_descriptor(void **state)
{
    struct files *files = *state;
    int before = dup(0);

    close(before);
    for (int i = 0; i < 20; i++) {
        bk_test_res *res = bk_test_begin(files->it.test, &(bk_test_req){.target = "/f/large.bin"});
        bk_test_stall(files->it.test, res);
        for (int turns = i % 4; turns > 0; turns--) {
            usleep(1000);
            bk_test_settle(files->it.test);
        }
        bk_test_reset(files->it.test, res);
        while (files->it.app->server.request_count != 0)
            bk_test_settle(files->it.test); /* what the disk has begun it ends */
    }
    assert_answer(bk_test_get(files->it.test, "/f/a.txt"), 200, "0123456789");
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

/* --- the lower half by itself ----------------------------------------------------------------- */

static void test_errors_are_told_apart(void **state)
{
    struct files *files = *state;
    struct bk__file file;
    char byte[2];

    assert_int_equal(bk__file_open(files->root, "a.txt", &file), BK_OK);
    assert_int_equal(file.size, 10);
    assert_int_equal(file.mtime_s, OLD);
    assert_int_equal(bk__file_read(file.fd, 9, byte, 1), BK_OK);
    assert_int_equal(byte[0], '9');
    assert_int_equal(bk__file_read(file.fd, 9, byte, 2), BK_EIO);
    close(file.fd);
    assert_int_equal(bk__file_read(-1, 0, byte, 1), BK_EIO);
    assert_int_equal(bk__file_open(NULL, "/dev/null", &file), BK_ENOTFOUND);
    assert_int_equal(bk__file_open("/nonexistent", "a", &file), BK_EIO);
}

#define with_files(test) cmocka_unit_test_setup_teardown(test, open_files, close_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_files(test_a_file_is_sent_with_what_is_known_of_it),
        with_files(test_a_large_file_arrives_whole),
        with_files(test_links_within_the_root_are_followed),
        with_files(test_nothing_leads_out_of_the_root),
#ifdef BK_FAULT_INJECTION
        with_files(test_nothing_leads_out_on_old_kernels),
#endif
        with_files(test_without_a_root_any_path_is_served_but_hidden_ones),
        with_files(test_a_root_that_is_not_there_is_our_fault),
        with_files(test_type_and_name_can_be_given),
        with_files(test_the_etag_is_the_handlers_to_choose),
        with_files(test_the_etag_of_a_fresh_file_is_weak),
        with_files(test_head_sends_no_byte),
        with_files(test_what_the_client_has_is_not_sent_again),
        with_files(test_what_has_changed_is_refused_where_that_matters),
        with_files(test_a_range_is_206),
        with_files(test_a_large_range_is_streamed),
        with_files(test_a_range_beyond_the_end_is_416),
        with_files(test_several_ranges_come_in_parts),
        with_files(test_a_range_is_of_what_the_client_has_or_all),
        with_files(test_a_file_that_shrinks_breaks_the_answer_off),
        with_files(test_a_slow_client_may_take_longer_than_the_handler),
        with_files(test_one_that_goes_away_leaves_no_descriptor),
        with_files(test_errors_are_told_apart),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
