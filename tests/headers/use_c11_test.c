/*
 * use_c11_test.c: the public headers as a strict C11 program uses them (-std=c11 -Wpedantic), every
 * macro of theirs, and what comes of it. use_cpp_test.cpp is its sister.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/backend.h>
#include <backend/testing.h>

static const char *const colours[] = {"red", "green", NULL};

struct size {
    double width;
};

struct product {
    int64_t id;
    bk_str name, slug, secret, extra;
    int32_t stock;
    double price;
    bool ok, has_ok;
    bk_time made;
    int colour;
    struct size box;
    bk_array tags, boxes;
};

struct settings {
    bk_str secret;
    int64_t limit;
};

/* clang-format off */
BK_DESCRIBE(size_desc, struct size,
            BK_F64(width, BK_REQUIRED))

BK_DESCRIBE(product_desc, struct product,
            BK_I64(id, BK_READ_ONLY),
            BK_STR(name, BK_REQUIRED, BK_KEY("title"), BK_LEN(1, 10), BK_PATTERN("^[a-z]+$"),
                   BK_DOC("What it is called.")),
            BK_STR(slug, BK_FORMAT(BK_FORMAT_SLUG)),
            BK_STR(secret, BK_WRITE_ONLY),
            BK_JSON(extra),
            BK_I32(stock, BK_DEFAULT("7"), BK_MIN(0), BK_MAX(99)),
            BK_F64(price, BK_MIN(0.5), BK_MAX(100)),
            BK_BOOL(ok, BK_HAS(has_ok)),
            BK_TIME(made),
            BK_ENUM(colour, colours),
            BK_STRUCT(box, size_desc),
            BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(0, 2)),
            BK_ARRAY_OF(boxes, size_desc))

BK_DESCRIBE(settings_desc, struct settings,
            BK_STR(secret, BK_SECRET),
            BK_I64(limit, BK_UNIT(BK_UNIT_BYTES), BK_LIVE, BK_DEFAULT("1kb")))
/* clang-format on */

static bool is(bk_str text, const char *wanted)
{
    return bk_str_eq(text, bk_str_of(wanted));
}

static void test_strings_and_arenas(void **state)
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};
    bk_str rest = BK_LIT("a, b"), part;
    int64_t number;
    double real;
    (void)state;

    assert_int_equal(BK_NEW(arena, struct product)->id, 0);
    assert_true(bk_str_split(&rest, ',', &part) && is(part, "a"));
    assert_true(is(bk_str_trim(rest), "b") && bk_str_present(rest));
    assert_true(bk_str_ieq(BK_LIT("Ab"), BK_LIT("aB")) && bk_str_starts(BK_LIT("ab"), BK_LIT("a")));
    assert_true(bk_str_utf8(bk_str_at("\xc3\xa4", 2)));
    assert_int_equal(bk_str_to_i64(BK_LIT("-5"), &number), BK_OK);
    assert_int_equal(bk_str_to_f64(BK_LIT("0.5"), &real), BK_OK);
    bk_buf_add(&buf, BK_LIT("x"));
    bk_buf_add_char(&buf, '=');
    bk_buf_add_i64(&buf, number);
    bk_buf_add_f64(&buf, real);
    bk_buf_printf(&buf, "%c", '!');
    memcpy(bk_buf_reserve(&buf, 1), ".", 1);
    buf.len++;
    assert_true(is(bk_buf_str(&buf), "x=-50.5!."));
    assert_string_equal(bk_arena_cstr(arena, bk_arena_printf(arena, "%d", 7)), "7");
    assert_true(is(bk_arena_dup(arena, BK_LIT("")), "") && bk_arena_used(arena) > 0);
    bk_arena_free(arena);
}

static void test_settings(void **state)
{
    char *environment[] = {(char *)(uintptr_t) "SECRET=x", NULL};
    bk_config_opts opts = {.environment = environment};
    struct settings settings;
    bk_config *config = bk_config_open(settings_desc, &opts, &settings);
    (void)state;

    assert_true(is(settings.secret, "x") && settings.limit == 1024);
    bk_config_free(config);
}

static bk_err refuse(int left)
{
    return bk_fail(BK_ECONFLICT, "only %d left", left);
}

static bk_err pass_on(void)
{
    BK_TRY(refuse(3));
    return BK_OK;
}

#define COUNT(name, number, status, slug, text) +1

static void test_errors(void **state)
{
    size_t count;
    (void)state;

    assert_int_equal(bk_context(pass_on(), "while %s", "asking"), BK_ECONFLICT);
    assert_true(is(bk_error_chain()->message, "while asking"));
    assert_true(is(bk_error_chain()->cause->message, "only 3 left"));
    assert_int_equal(bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("unique"), BK_LIT("is taken")),
                     BK_EINVAL);
    assert_true(is(bk_error_fields(&count)[0].pointer, "/a") && count == 1);
    bk_error_clear();
    assert_null(bk_error_chain());
    assert_int_equal(bk_err_status(BK_ENOTFOUND), 404);
    assert_string_equal(bk_err_slug(BK_ENOTFOUND), "not-found");
    assert_non_null(bk_err_text(BK_ENOTFOUND));
    assert_int_equal(0 BK_ERRORS(COUNT), 1 - BK_EUPGRADE);
}

static void gather(bk_log_level level, bk_str line, void *data)
{
    if (level >= BK_LOG_DEBUG)
        bk_buf_add(data, line);
}

static void test_logs_and_time(void **state)
{
    bk_arena *arena = bk_arena_new();
    bk_buf lines = {.arena = arena};
    char text[BK_TIME_TEXT];
    bk_time at;
    (void)state;

    bk_log_set_sink(gather, &lines);
    bk_log_set_level(BK_LOG_DEBUG);
    bk_debug("seen");
    bk_info("seen", bk_kv_i64("n", 1));
    bk_warn("seen", bk_kv_f64("x", 1.5), bk_kv_cstr("s", "t"), bk_kv_str("u", BK_LIT("v")));
    bk_error("seen", bk_kv_secret("password"), bk_kv_bool("b", true));
    bk_log(BK_LOG_TRACE, "not.seen");
    bk_log_set_level(BK_LOG_INFO);
    bk_log_set_sink(NULL, NULL);
    const char *all = bk_arena_cstr(arena, bk_buf_str(&lines));
    assert_non_null(strstr(all, "\"x\":1.5,\"s\":\"t\",\"u\":\"v\""));
    assert_non_null(strstr(all, "\"password\":\"***\",\"b\":true"));
    assert_null(strstr(all, "not.seen"));

    assert_int_equal(bk_time_parse(BK_LIT("2026-11-23T18:30:00Z"), &at), BK_OK);
    assert_int_equal(bk_time_format(at, text), 24);
    assert_string_equal(text, "2026-11-23T18:30:00.000Z");
    assert_string_equal(bk_version(), BK_VERSION);
    bk_arena_free(arena);
}

static void test_a_struct_is_bound_and_written(void **state)
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = {.arena = arena};
    bk_bind_opts strict = {.unknown = BK_UNKNOWN_REFUSED};
    struct product in;
    (void)state;

    bk_str good = BK_LIT("{\"title\":\"lamp\",\"slug\":\"a-b\",\"secret\":\"s\",\"extra\":[1],"
                         "\"price\":5,\"ok\":false,\"made\":\"2026-11-23T18:30:00Z\","
                         "\"colour\":\"green\",\"box\":{\"width\":2},\"tags\":[\"t\"],"
                         "\"boxes\":[{\"width\":3}]}");
    assert_int_equal(bk_desc_check(product_desc), BK_OK);
    assert_int_equal(bk_bind_json(arena, good, product_desc, &strict, &in), BK_OK);
    in.id = 1;
    bk_write_json(&buf, product_desc, &in);
    assert_true(is(bk_buf_str(&buf),
                   "{\"id\":1,\"title\":\"lamp\",\"slug\":\"a-b\",\"extra\":[1],\"stock\":7,"
                   "\"price\":5,\"ok\":false,\"made\":\"2026-11-23T18:30:00.000Z\","
                   "\"colour\":\"green\",\"box\":{\"width\":2},\"tags\":[\"t\"],"
                   "\"boxes\":[{\"width\":3}]}"));
    assert_int_equal(
        bk_bind_form(arena, BK_LIT("title=lamp&tags=a&tags=b"), product_desc, NULL, &in), BK_OK);
    assert_int_equal(in.tags.count, 2);
    assert_int_equal(bk_bind_json(arena, BK_LIT("{\"title\":\"LAMP\"}"), product_desc, NULL, &in),
                     BK_EINVAL);
    bk_error_clear();
    buf.len = 0;
    bk_write_schema(&buf, product_desc);
    assert_int_equal(bk_json_check(bk_buf_str(&buf), NULL), BK_OK);
    bk_arena_free(arena);
}

static bk_err create(bk_req *req, bk_res *res)
{
    struct product product;

    BK_TRY(bk_req_bind(req, product_desc, &product));
    product.id = *(int64_t *)bk_req_state(req);
    BK_TRY(
        bk_res_created(res, bk_arena_printf(bk_req_arena(req), "/products/%d", (int)product.id)));
    return bk_res_object(res, 201, product_desc, &product);
}

static bk_err send_back(void *channel)
{
    return bk_channel_send(channel, &(int){7});
}

static bk_err echo(bk_req *req, bk_res *res)
{
    bk_group *group = bk_group_open();
    bk_channel *channel = bk_channel_new(sizeof(int), 1);
    int seven = 0;

    bk_deadline before = bk_deadline_push(1000);
    bk_group_spawn(group, "sender", send_back, channel);
    bk_err err = bk_group_wait(group);
    if (err == BK_OK)
        err = bk_channel_recv(channel, &seven);
    bk_deadline_pop(before);
    bk_channel_free(channel);
    BK_TRY(err);
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    return bk_res_write(res, bk_arena_printf(bk_req_arena(req), "%d %s", seven,
                                             bk_method_name(bk_req_method(req))));
}

static bk_err around(bk_req *req, bk_res *res, bk_next *next, void *data)
{
    BK_TRY(bk_res_header(res, "X-Around", bk_str_of(data)));
    return bk_next_run(next, req, res);
}

static bk_err start(bk_app *app, void *data, void **state)
{
    (void)app;
    *state = data;
    return BK_OK;
}

static void count_route(const bk_route_info *route, void *data)
{
    *(int *)data += route->line > 0;
}

static void test_an_app_serves(void **state)
{
    static char yes[] = "yes";
    int64_t id = 42;
    int routes = 0;
    bk_app *app = bk_app_new(&(bk_app_opts){
        .name = "c11",
        .on_worker_start = start,
        .data = &id,
        .timeouts = {.idle_ms = BK_UNLIMITED},
    });
    bk_router *router = bk_app_router(app);
    (void)state;

    bk_use(router, bk_mw(around, yes));
    bk_post(router, "/products", create, &(bk_route_opts){.body = product_desc, .name = "create"});
    bk_get(router, "/echo", echo);
    bk_put(router, "/echo", echo);
    bk_patch(router, "/echo", echo);
    bk_delete(router, "/echo", echo);
    bk_head(router, "/other", echo);
    bk_options(router, "/other", echo);
    bk_router_walk(router, count_route, &routes);
    assert_int_equal(routes, 7);

    bk_test *test = bk_test_new(app, NULL);
    bk_test_res *res = bk_test_post_json(test, "/products", "{\"title\":\"lamp\",\"price\":1}");
    assert_int_equal(bk_test_status(res), 201);
    assert_true(is(bk_test_header(res, "location"), "/products/42"));
    assert_true(is(bk_test_header(res, "x-around"), "yes"));
    res = bk_test_send(test, &(bk_test_req){.method = "DELETE", .target = "/echo"});
    assert_true(is(bk_test_body(res), "7 DELETE"));
    assert_int_equal(bk_test_status(bk_test_post_json(test, "/products", "{\"price\":0}")), 400);
    bk_test_free(test);
    bk_app_free(app);
}

static bk_err open_nothing(void *data, void **resource)
{
    *resource = data;
    return BK_OK;
}

static void close_nothing(void *data, void *resource)
{
    assert_ptr_equal(data, resource);
}

struct databases {
    bk_pg *pg;
    bk_pool *pool;
};

static bk_err fill_batch(bk_pg *pg, bk_args args)
{
    bk_pg_batch *batch = bk_pg_batch_open(pg);
    struct product one;
    bk_array all;

    bk_pg_batch_exec(batch, "SELECT 1", BK_NO_ARGS, NULL);
    bk_pg_batch_one(batch, "SELECT $1", args, product_desc, &one);
    bk_pg_batch_all(batch, "SELECT $1", BK_ARGS(bk_null()), product_desc, &all);
    return bk_pg_batch_run(batch);
}

static bk_err count_down(bk_pg *tx, void *data)
{
    --*(int *)data;
    return bk_pg_exec(tx, "SELECT 1", BK_NO_ARGS, NULL);
}

static bk_err use_databases(void *data)
{
    struct databases *databases = data;
    bk_pg *pg = databases->pg;
    int64_t ids[] = {1, 2};
    bk_pg_tx_opts careful = {.isolation = BK_PG_SERIALIZABLE, .read_only = true, .attempts = 1};
    bk_rows *rows;
    void *it = NULL;
    int runs = 0;
    bk_buf text = {.arena = bk_fiber_arena()};
    bk_json_writer writer = {.buf = &text};

    assert_int_equal(bk_pool_acquire(databases->pool, &it), BK_OK);
    assert_ptr_equal(it, databases);
    bk_pool_release(databases->pool, it, BK_POOL_GOOD);

    bk_args args =
        BK_ARGS(bk_text(BK_LIT("t")), bk_i64(1), bk_i64_if(false, 1), bk_f64(.5), bk_bool(true),
                bk_timestamp(0), bk_bytes(BK_LIT("b")), bk_array_of(BK_TYPE_I64, ids, 2));
    assert_int_equal(args.count, 8);
    assert_true(args.items[7].array.items == ids && args.items[2].kind == BK_ARG_NULL);
    assert_int_equal(bk_pg_query(pg, "SELECT $1", args, &rows), BK_EUNAVAILABLE);
    assert_int_equal(bk_pg_json(pg, "SELECT $1", args, &writer), BK_EUNAVAILABLE);
    assert_true(is(bk_buf_str(&text), ""));
    assert_string_equal(bk_pg_sqlstate(), "");
    assert_false(bk_pg_violates("c"));
    assert_int_equal(fill_batch(pg, BK_ARGS(bk_i64(1))), BK_EUNAVAILABLE);
    assert_int_equal(bk_pg_tx_with(pg, &careful, count_down, &runs), BK_EUNAVAILABLE);
    assert_int_equal(bk_pg_session(pg, count_down, &runs), BK_EUNAVAILABLE);
    assert_int_equal(runs, 0);
    return BK_OK;
}

/* Nobody listens at port 1, so a pool cannot open, and says so in time. */
static void test_pools_are_declared_and_used(void **state)
{
    static const bk_pool_type type = {
        .name = "nothing", .open = open_nothing, .close = close_nothing};
    bk_app *app = bk_app_new(NULL);
    struct databases databases = {0};
    bk_pool_stats stats;
    bk_pg_stats pg_stats;
    (void)state;

    databases.pg = bk_pg_new(app, &(bk_pg_opts){
                                      .url = BK_LIT("postgres://nobody@127.0.0.1:1/nothing"),
                                      .pool = {.max = 2, .acquire_ms = 20},
                                      .read_only = true,
                                  });
    databases.pool = bk_pool_new(app, &type, &(bk_pool_opts){.min = 1, .max = 2}, &databases);
    bk_test *test = bk_test_new(app, NULL);
    assert_int_equal(bk_test_run(test, use_databases, &databases), BK_OK);
    bk_pool_get_stats(databases.pool, &stats);
    bk_pg_get_stats(databases.pg, &pg_stats);
    assert_true(stats.acquired == 1 && stats.max == 2);
    assert_true(pg_stats.pool.open == 0 && pg_stats.statements == 0);
    bk_test_free(test);
    bk_app_free(app);
}

static bk_err is_fine(void *data)
{
    return data == NULL ? BK_OK : BK_EUNAVAILABLE;
}

static void test_metrics_and_health(void **state)
{
    bk_app *app = bk_app_new(NULL);
    bk_counter *counter = bk_counter_new(
        app, &(bk_metric_opts){.name = "a_total", .help = "x", .labels = {"kind", "of"}});
    bk_health *health = bk_health_new(app, &(bk_health_settings){.cached_ms = 10});
    (void)state;

    bk_health_add(health, &(bk_health_opts){.name = "fine", .optional = true}, is_fine, NULL);
    bk_metrics_serve(app, NULL, NULL);
    bk_counter_add(bk_counter_with(counter, BK_LABELS(BK_LIT("b"), bk_str_of("c"))), 1);
    bk_test *test = bk_test_new(app, NULL);
    assert_int_equal(bk_test_status(bk_test_get(test, "/metrics")), 200);
    assert_int_equal(bk_test_status(bk_test_get(test, "/readyz")), 200);
    bk_test_free(test);
    bk_app_free(app);
}

static bk_app *new_app_that_never_runs(void)
{
    bk_app *app = bk_app_new(NULL);

    assert_non_null(bk_pg_new(app, &(bk_pg_opts){.url = BK_LIT("host=127.0.0.1 port=1")}));
    return app;
}

static void test_an_app_with_a_pool_may_never_run(void **state)
{
    (void)state;
    bk_app_free(new_app_that_never_runs());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings_and_arenas),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_logs_and_time),
        cmocka_unit_test(test_a_struct_is_bound_and_written),
        cmocka_unit_test(test_an_app_serves),
        cmocka_unit_test(test_pools_are_declared_and_used),
        cmocka_unit_test(test_metrics_and_health),
        cmocka_unit_test(test_an_app_with_a_pool_may_never_run),
    };
    return cmocka_run_group_tests_name("headers as C11", tests, NULL, NULL);
}
