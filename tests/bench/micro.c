/*
 * micro.c: what the small things cost, in nanoseconds, and how often the hot path calls malloc.
 *
 *   build-release/tests/bench/micro
 *
 * Each figure is the best of several rounds: noise only ever adds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "core/random.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "http/etag.h"
#include "http/exchange.h"
#include "http/http1_head.h"
#include "http/meter.h"
#include "http/server.h"

#define ROUNDS 7

/* --- counting malloc -------------------------------------------------------------------------- */

static uint64_t mallocs;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *ptr, size_t size);

void *malloc(size_t size)
{
    mallocs++;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    mallocs++;
    return __libc_calloc(count, size);
}

void *realloc(void *ptr, size_t size)
{
    mallocs++;
    return __libc_realloc(ptr, size);
}

/* --- measuring -------------------------------------------------------------------------------- */

typedef void (*work_fn)(size_t times);

static void measure(const char *name, size_t times, work_fn work)
{
    double best = 1e99;
    uint64_t least = UINT64_MAX;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t called = mallocs, begun = bk_now_ns();
        work(times);
        double ns = (double)(bk_now_ns() - begun) / (double)times;
        called = mallocs - called;
        if (ns < best)
            best = ns;
        if (called < least)
            least = called;
    }
    printf("%-42s %8.1f ns   %6.3f malloc\n", name, best, (double)least / (double)times);
}

/* --- fibers ----------------------------------------------------------------------------------- */

static struct bk_loop *loop;

static bk_err do_nothing(void *data)
{
    (void)data;
    return BK_OK;
}

static void spawn_and_finish(size_t times)
{
    for (size_t i = 0; i < times; i++)
        bk__fiber_begin(bk__fiber_new(loop, "nothing"), do_nothing, NULL);
}

static bool stop;

static bk_err park_again_and_again(void *data)
{
    (void)data;
    while (!stop)
        if (bk_fiber_park() != BK_OK)
            break;
    return BK_OK;
}

static bk_fiber *parked;

/* There and back: two switches. */
static void wake_and_park(size_t times)
{
    for (size_t i = 0; i < times; i++)
        bk__fiber_wake_now(parked);
}

static bk__context main_context, other_context;
static char other_stack[16384] __attribute__((aligned(16)));

static void bounce(void *data)
{
    (void)data;
    for (;;)
        bk__context_switch(&other_context, main_context);
}

static void switch_twice(size_t times)
{
    for (size_t i = 0; i < times; i++)
        bk__context_switch(&main_context, other_context);
}

static void measure_fibers(void)
{
    loop = bk__loop_new(
        &(struct bk__loop_opts){.fibers = 1000, .offload_threads = 1, .offload_queue = 1});
    other_context = bk__context_make(other_stack + sizeof other_stack, bounce, NULL);
    measure("context switch, there and back", 10000000, switch_twice);
    measure("fiber: spawn and finish", 1000000, spawn_and_finish);
    parked = bk__fiber_new(loop, "parked");
    bk__fiber_begin(parked, park_again_and_again, NULL);
    measure("fiber: wake, run, park again", 1000000, wake_and_park);
    stop = true;
    bk__fiber_wake_now(parked);
    bk__loop_free(loop);
}

/* --- parts of a request ----------------------------------------------------------------------- */

static const char head_text[] = "GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
static const char browser_text[] =
    "GET /api/products/12345?fields=name HTTP/1.1\r\nHost: shop.example.com\r\n"
    "Connection: keep-alive\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/120.0.0.0 Safari/537.36\r\nAccept: application/json, text/plain, */*\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9,de;q=0.8\r\n"
    "Referer: https://shop.example.com/list?page=2\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n"
    "If-None-Match: W/\"d-0123456789abcdef\"\r\nX-Requested-With: XMLHttpRequest\r\n\r\n";

static void parse(const char *text, size_t len, size_t times)
{
    static const struct bk__http1_limits limits = {8192, 32768, 100};
    char copy[2048];
    bk_pair headers[32];

    for (size_t i = 0; i < times; i++) {
        struct bk__http1_scan scan = {0};
        struct bk__http1_head head = {.headers = headers};
        const char *why;
        size_t head_len;
        memcpy(copy, text, len);
        if (bk__http1_scan(&scan, copy, len, &limits, &head_len, &why) != BK_OK ||
            bk__http1_parse(copy, head_len, &head, &why) != BK_OK)
            abort();
    }
}

static void parse_small_head(size_t times)
{
    parse(head_text, sizeof head_text - 1, times);
}

static void parse_browser_head(size_t times)
{
    parse(browser_text, sizeof browser_text - 1, times);
}

static void make_uuid(size_t times)
{
    char text[BK__UUID_TEXT];

    for (size_t i = 0; i < times; i++)
        bk__uuid7(text);
}

static void make_etag(size_t times)
{
    char tag[BK__ETAG_MAX];

    for (size_t i = 0; i < times; i++)
        bk__etag_weak(BK_LIT("{\"message\":\"Hello, World!\"}"), tag);
}

struct echo {
    bk_str name;
    double price;
    bk_str note;
    bool ok, has_ok;
};

BK_DESCRIBE(echo_desc, struct echo, BK_STR(name, BK_REQUIRED, BK_LEN(1, 200)),
            BK_F64(price, BK_REQUIRED, BK_MIN(0)), BK_STR(note), BK_BOOL(ok, BK_HAS(has_ok)))

static char lent[65536] __attribute__((aligned(16)));
static bk_arena *arena;

static void bind_echo(size_t times)
{
    struct echo in;

    for (size_t i = 0; i < times; i++)
        if (bk_bind_json(arena,
                         BK_LIT("{\"name\":\"widget\",\"price\":12.5,\"note\":\"x\",\"ok\":true}"),
                         echo_desc, NULL, &in) != BK_OK)
            abort();
}

static void write_echo(size_t times)
{
    struct echo out = {BK_LIT("widget"), 12.5, BK_LIT("x"), true, true};

    for (size_t i = 0; i < times; i++) {
        bk_buf buf = {.arena = arena, .ptr = lent, .cap = sizeof lent};
        bk_write_json(&buf, echo_desc, &out);
    }
}

/* --- limits ----------------------------------------------------------------------------------- */

static bk_limiter *limiters[4]; /* fixed, sliding, GCRA; fixed and used up */

static void take_from(bk_limiter *limiter, uint32_t keys, size_t times)
{
    bk_limit_result result;
    char key[] = "203.0.113.000";

    for (size_t i = 0; i < times; i++) {
        uint32_t number = (uint32_t)(i * 2654435761u) % keys;
        for (char *at = key + 12; at >= key + 10; at--, number /= 10)
            *at = (char)('0' + number % 10);
        if (bk_limiter_take(limiter, (bk_str){key, sizeof key - 1}, 1, &result) != BK_OK)
            abort();
    }
}

static void take_fixed(size_t times)
{
    take_from(limiters[0], 1000, times);
}

static void take_sliding(size_t times)
{
    take_from(limiters[1], 1000, times);
}

static void take_gcra(size_t times)
{
    take_from(limiters[2], 1000, times);
}

static void take_from_one_key(size_t times)
{
    take_from(limiters[3], 1, times);
}

static bk_err measure_takes(void *data)
{
    (void)data;
    measure("limiter: take, fixed, 1,000 keys", 1000000, take_fixed);
    measure("limiter: take, sliding, 1,000 keys", 1000000, take_sliding);
    measure("limiter: take, GCRA, 1,000 keys", 1000000, take_gcra);
    measure("limiter: take, fixed, one key, denied", 1000000, take_from_one_key);
    return BK_OK;
}

static void measure_limits(void)
{
    bk_app *app = bk_app_new(NULL);

    for (int i = 0; i < 3; i++)
        limiters[i] = bk_limiter_new(app, &(bk_limiter_opts){.algorithm = (bk_limit_algorithm)i,
                                                             .limit = i == 2 ? 100000 : 1000000,
                                                             .window_ms = i == 2 ? 1000 : 600000});
    limiters[3] = bk_limiter_new(app, NULL);
    bk_test *test = bk_test_new(app, NULL);
    if (bk_test_run(test, measure_takes, NULL) != BK_OK)
        abort();
    bk_test_free(test);
    bk_app_free(app);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static bk_counter *counter, *labelled;
static bk_gauge *gauge;
static bk_histogram *histogram;

static void add_to_counter(size_t times)
{
    for (size_t i = 0; i < times; i++)
        bk_counter_add(counter, 1);
}

static void add_to_gauge(size_t times)
{
    for (size_t i = 0; i < times; i++)
        bk_gauge_add(gauge, i % 2 == 0 ? 1 : -1);
}

static void observe(size_t times)
{
    for (size_t i = 0; i < times; i++)
        bk_histogram_observe(histogram, (double)(i % 1000) / 1000);
}

static void look_up(size_t times)
{
    static const bk_str channels[] = {BK_LIT("web"), BK_LIT("shop"), BK_LIT("phone")};

    for (size_t i = 0; i < times; i++)
        bk_counter_add(bk_counter_with(labelled, BK_LABELS(channels[i % 3], BK_LIT("paid"))), 1);
}

static bk_err answer_empty(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_empty(res);
}

static const bk_req *measured;

/* What is done for each request: a look at the clock when it begins, the rest when it ends. */
static void count_request(size_t times)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < times; i++) {
        sum += bk_now_ns();
        bk__meter_count(measured->server->meter, measured);
    }
    if (sum == 0)
        abort();
}

static bk_err measure_request(bk_req *req, bk_res *res)
{
    measured = req;
    measure("metrics of a request", 20000, count_request);
    return bk_res_empty(res);
}

static void measure_scrape(bk_test *test)
{
    uint64_t least = UINT64_MAX;
    size_t bytes = 0;

    for (int round = 0; round < ROUNDS; round++) {
        uint64_t begun = bk_now_ns();
        bytes = bk_test_body(bk_test_get(test, "/metrics")).len;
        uint64_t ns = bk_now_ns() - begun;
        least = ns < least ? ns : least;
    }
    printf("%-42s %8.1f us   %zu KiB\n", "GET /metrics, 200 routes", (double)least / 1e3,
           bytes / 1024);
}

static void measure_served_metrics(void)
{
    bk_app *app = bk_app_new(NULL);
    char path[16];

    bk_metrics_serve(app, NULL, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/%d", i);
        bk_get(bk_app_router(app), path, i == 0 ? measure_request : answer_empty);
    }
    bk_test *test = bk_test_new(app, NULL);
    for (int i = 0; i < 200; i++) {
        snprintf(path, sizeof path, "/%d", i);
        (void)!bk_test_get(test, path);
    }
    measure_scrape(test);
    bk_test_free(test);
    bk_app_free(app);
}

static void measure_metrics(void)
{
    bk_app *app = bk_app_new(NULL);

    counter = bk_counter_new(app, &(bk_metric_opts){.name = "a_total", .help = "x"});
    gauge = bk_gauge_new(app, &(bk_metric_opts){.name = "b", .help = "x"});
    histogram = bk_histogram_new(app, &(bk_metric_opts){.name = "c_seconds", .help = "x"});
    labelled = bk_counter_new(
        app, &(bk_metric_opts){.name = "d_total", .help = "x", .labels = {"channel", "result"}});
    measure("counter: add", 100000, add_to_counter);
    measure("gauge: add", 100000, add_to_gauge);
    measure("histogram: observe, 14 buckets", 100000, observe);
    measure("counter: two labels looked up, and add", 20000, look_up);
    bk_app_free(app);
}

int main(void)
{
    measure_fibers();
    measure("HTTP/1 head: 2 lines, 51 bytes", 1000000, parse_small_head);
    measure("HTTP/1 head: 11 lines, a browser's", 1000000, parse_browser_head);
    measure("request id (UUIDv7)", 1000000, make_uuid);
    measure("weak ETag of 27 bytes", 1000000, make_etag);
    arena = bk_arena_new();
    measure("bind {name, price, note, ok}", 1000000, bind_echo);
    measure("write {name, price, note, ok}", 1000000, write_echo);
    bk_arena_free(arena);
    measure_limits();
    measure_metrics();
    measure_served_metrics();
    return 0;
}
