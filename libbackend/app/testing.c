/*
 * testing.c: an app run by a test, call by call. See <backend/testing.h>.
 *
 * The app's loop turns only inside the functions below, on the test's thread. Nothing waits for
 * ever: what is not there after PATIENCE_MS of real time ends the program with words, for a test
 * that hangs says nothing at all.
 */
#include <stdio.h>

#include <backend/arena.h>
#include <backend/log.h>
#include <backend/str.h>
#include <backend/testing.h>

#include "app/app.h"
#include "core/assert.h"
#include "core/fault.h"
#include "fiber/fiber.h"
#include "http/transport_test.h"

#define PATIENCE_MS 10000

struct bk_test {
    bk_app *app;
    bk_arena *arena; /* holds this and the logs */
    bk_buf logs;
    bool show_logs;
    struct bk__list results; /* bk_test_res.link: all of them, they live until the end */
};

struct bk_test_res {
    struct bk__link link;
    struct bk__test_call call;
    const char *title; /* "GET /products" */
};

/* --- turning the loop ------------------------------------------------------------------------- */

static struct bk_loop *loop_of(const bk_test *test)
{
    bk_assert(test->app->loop->current == NULL); /* not from within the app */
    return test->app->loop;
}

BK_NORETURN static void give_up(const bk_test *test, const char *what)
{
    const struct bk_loop *loop = test->app->loop;
    bk_buf waiting = {.arena = test->arena};

    bk__list_each(it, &loop->fibers) {
        const bk_fiber *fiber = bk__container_of(it, bk_fiber, member_link);
        bk_buf_printf(&waiting, "%s%s", waiting.len != 0 ? ", " : "", fiber->task.name);
    }
    bk_buf_add_char(&waiting, '\0');
    bk__setup_error(__FILE__, __LINE__, "%s: nothing came of it in %d s; fibers that wait: %s%s",
                    what, PATIENCE_MS / 1000, waiting.ptr,
                    loop->clock.is_virtual ? "; time moves by bk_test_advance() only" : "");
}

static bool is_late(uint64_t since_ns)
{
    return BK__FAULT("testing.patience") ||
           bk_now_ns() - since_ns > (uint64_t)PATIENCE_MS * 1000000;
}

static void turn_until(bk_test *test, const bool *done, const char *what)
{
    enum {
        LOOK_EVERY_MS = 100
    };
    struct bk_loop *loop = loop_of(test);
    uint64_t start = bk_now_ns();

    while (!*done) {
        bk__loop_turn(loop, LOOK_EVERY_MS);
        if (is_late(start) && !*done)
            give_up(test, what);
    }
}

static bool has_posts(struct bk_loop *loop)
{
    pthread_mutex_lock(&loop->post_lock);
    bool any = loop->post_first != NULL;
    pthread_mutex_unlock(&loop->post_lock);
    return any;
}

static bool has_work(struct bk_loop *loop)
{
    const struct bk__heap_node *first = bk__heap_first(&loop->timers);

    return !bk__list_empty(&loop->ready) || !bk__list_empty(&loop->put_off) ||
           (first != NULL && first->at <= loop->clock.now_ms) || has_posts(loop);
}

void bk_test_settle(bk_test *test)
{
    struct bk_loop *loop = loop_of(test);
    uint64_t start = bk_now_ns();

    do {
        bk__loop_turn(loop, 0);
        if (is_late(start))
            give_up(test, "bk_test_settle");
    } while (has_work(loop));
}

void bk_test_advance(bk_test *test, uint64_t ms)
{
    struct bk_loop *loop = loop_of(test);
    struct bk__clock *clock = &loop->clock;
    uint64_t end = clock->now_ms + ms;

    bk_test_settle(test);
    for (;;) {
        const struct bk__heap_node *first = bk__heap_first(&loop->timers);
        bool is_last = first == NULL || first->at > end;
        bk__clock_advance(clock, (is_last ? end : first->at) - clock->now_ms);
        if (is_last)
            return;
        bk_test_settle(test);
    }
}

/* --- fibers of the test ----------------------------------------------------------------------- */

struct run {
    bk_err (*fn)(void *data);
    void *data;
    bk_err result;
    bool done;
};

static bk_err run_fn(void *data)
{
    struct run *run = data;

    return run->fn(run->data);
}

static void on_run_done(bk_fiber *fiber, bk_err result, void *data)
{
    struct run *run = data;

    (void)fiber;
    run->result = result;
    run->done = true;
}

bk_err bk_test_run(bk_test *test, bk_err (*fn)(void *data), void *data)
{
    struct run run = {.fn = fn, .data = data};
    bk_fiber *fiber = bk__fiber_new(loop_of(test), "bk_test_run");

    bk_assert(fiber != NULL);
    bk__fiber_on_done(fiber, on_run_done, &run);
    bk__fiber_begin(fiber, run_fn, &run);
    turn_until(test, &run.done, "bk_test_run");
    return run.result;
}

/* --- start and end ---------------------------------------------------------------------------- */

static void keep_line(bk_log_level level, bk_str line, void *data)
{
    bk_test *test = data;

    (void)level;
    bk_buf_add(&test->logs, line);
    if (test->show_logs)
        fwrite(line.ptr, 1, line.len, stderr);
}

bk_str bk_test_logs(const bk_test *test)
{
    return bk_buf_str(&test->logs);
}

bk_test *bk_test_new(bk_app *app, const bk_test_opts *opts)
{
    static const bk_test_opts defaults = {0};
    bk_arena *arena = bk_arena_new();
    bk_test *test = BK_NEW(arena, bk_test);

    if (opts == NULL)
        opts = &defaults;
    test->app = app;
    test->arena = arena;
    test->logs.arena = arena;
    test->show_logs = opts->show_logs;
    bk__list_init(&test->results);
    bk_log_set_sink(keep_line, test);
    bk_err err =
        bk__app_start(app, &(struct bk__app_start_opts){.virtual_clock = opts->virtual_clock,
                                                        .start_at = opts->start_at});
    if (err != BK_OK)
        bk__setup_error(__FILE__, __LINE__, "the app did not start: %s\n%.*s", bk_err_text(err),
                        (int)test->logs.len, bk_buf_str(&test->logs).ptr);
    return test;
}

/* A client that takes nothing would hold the end up. */
static void reset_stalled(bk_test *test)
{
    bk__list_each(it, &test->results) {
        bk_test_res *res = bk__container_of(it, bk_test_res, link);
        if (res->call.stalled)
            bk__test_call_reset(&res->call);
    }
}

static void free_results(bk_test *test)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&test->results)) != NULL)
        bk_arena_free(bk__container_of(link, bk_test_res, link)->call.arena);
}

void bk_test_free(bk_test *test)
{
    if (test == NULL)
        return;
    struct bk_loop *loop = loop_of(test);
    reset_stalled(test);
    bk_test_settle(test);
    if (loop->clock.is_virtual) {
        /* What waits for virtual time would wait for ever. */
        bk__loop_cancel_all(loop);
        bk_test_settle(test);
    }
    bk__app_finish(test->app);
    bk_log_set_sink(NULL, NULL);
    free_results(test);
    bk_arena_free(test->arena);
}

/* --- requests --------------------------------------------------------------------------------- */

static bool has_header(const bk_test_req *req, bk_str name)
{
    for (const bk_pair *it = req->headers; it != NULL && it->name.ptr != NULL; it++)
        if (bk_str_ieq(it->name, name))
            return true;
    return false;
}

static void add_header(bk_buf *text, bk_str name, bk_str value)
{
    bk_buf_add(text, name);
    bk_buf_add(text, BK_LIT(": "));
    bk_buf_add(text, value);
    bk_buf_add(text, BK_LIT("\r\n"));
}

/* The request as an HTTP/1.1 client would send it, without its body. */
static bk_str write_head(bk_test_res *res, const bk_test_req *req, bk_str body)
{
    bk_buf text = {.arena = res->call.arena};
    bool chunked = has_header(req, BK_LIT("Transfer-Encoding"));

    bk_buf_printf(&text, "%s HTTP/1.1\r\n", res->title);
    if (!has_header(req, BK_LIT("Host")))
        add_header(&text, BK_LIT("Host"), BK_LIT("test"));
    for (const bk_pair *it = req->headers; it != NULL && it->name.ptr != NULL; it++)
        add_header(&text, it->name, it->value);
    if (req->json != NULL && !has_header(req, BK_LIT("Content-Type")))
        add_header(&text, BK_LIT("Content-Type"), BK_LIT("application/json"));
    if (bk_str_present(body) && !chunked && !has_header(req, BK_LIT("Content-Length")))
        bk_buf_printf(&text, "Content-Length: %zu\r\n", body.len);
    bk_buf_add(&text, BK_LIT("\r\n"));
    return bk_buf_str(&text);
}

bk_test_res *bk_test_begin(bk_test *test, const bk_test_req *req)
{
    bk_arena *arena = bk_arena_new();
    bk_test_res *res = BK_NEW(arena, bk_test_res);
    bk_str body = req->json != NULL ? bk_str_of(req->json) : req->body;

    bk_assert(loop_of(test) != NULL && (req->json == NULL || !bk_str_present(req->body)));
    res->call.arena = arena;
    res->title = bk_arena_printf(arena, "%s %s", req->method != NULL ? req->method : "GET",
                                 req->target != NULL ? req->target : "/")
                     .ptr;
    bk__list_push(&test->results, &res->link);
    bk__test_call_begin(&res->call, &test->app->server, write_head(res, req, body), body,
                        req->client != NULL ? req->client : "127.0.0.1");
    return res;
}

void bk_test_finish(bk_test *test, bk_test_res *res)
{
    turn_until(test, &res->call.over, res->title);
}

bk_test_res *bk_test_send(bk_test *test, const bk_test_req *req)
{
    bk_test_res *res = bk_test_begin(test, req);

    bk_test_finish(test, res);
    return res;
}

bk_test_res *bk_test_get(bk_test *test, const char *target)
{
    return bk_test_send(test, &(bk_test_req){.target = target});
}

bk_test_res *bk_test_post_json(bk_test *test, const char *target, const char *json)
{
    return bk_test_send(test, &(bk_test_req){.method = "POST", .target = target, .json = json});
}

void bk_test_reset(bk_test *test, bk_test_res *res)
{
    bk_assert(loop_of(test) != NULL);
    bk__test_call_reset(&res->call);
}

void bk_test_stall(bk_test *test, bk_test_res *res)
{
    bk_assert(loop_of(test) != NULL);
    bk__test_call_stall(&res->call);
}

void bk_test_resume(bk_test *test, bk_test_res *res)
{
    bk_assert(loop_of(test) != NULL);
    bk__test_call_go_on(&res->call);
}

/* --- answers ---------------------------------------------------------------------------------- */

bool bk_test_done(const bk_test_res *res)
{
    return res->call.whole && res->call.over;
}

int bk_test_status(const bk_test_res *res)
{
    return res->call.status;
}

bk_str bk_test_header(const bk_test_res *res, const char *name)
{
    bk_buf joined = {.arena = res->call.arena};
    size_t found = 0;

    for (size_t i = 0; i < res->call.header_count; i++) {
        const bk_pair *header = &res->call.headers[i];
        if (!bk_str_ieq(header->name, bk_str_of(name)))
            continue;
        if (found++ != 0)
            bk_buf_add(&joined, BK_LIT(", "));
        bk_buf_add(&joined, header->value);
    }
    return found != 0 ? bk_buf_str(&joined) : (bk_str){NULL, 0};
}

bk_str bk_test_body(const bk_test_res *res)
{
    return bk_buf_str(&res->call.body);
}
