// use_cpp_test.cpp: the public headers as a C++17 program uses them, every macro of theirs, and
// what comes of it. use_c11_test.c is its sister.
#include <backend/backend.h>
#include <backend/testing.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace
{

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                   \
            std::exit(1);                                                                          \
        }                                                                                          \
    } while (0)

const char *const colours[] = {"red", "green", nullptr};

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
    size box;
    bk_array tags, boxes;
};

struct settings {
    bk_str secret;
    int64_t limit;
};

// clang-format off
BK_DESCRIBE(size_desc, size,
            BK_F64(width, BK_REQUIRED))

BK_DESCRIBE(product_desc, product,
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

BK_DESCRIBE(settings_desc, settings,
            BK_STR(secret, BK_SECRET),
            BK_I64(limit, BK_UNIT(BK_UNIT_BYTES), BK_LIVE, BK_DEFAULT("1kb")))
// clang-format on

std::string_view view(bk_str text)
{
    return {text.ptr, text.len};
}

bool contains(bk_str text, std::string_view part)
{
    return view(text).find(part) != std::string_view::npos;
}

bk_buf buffer_in(bk_arena *arena)
{
    bk_buf buf = {};
    buf.arena = arena;
    return buf;
}

void settings_are_read()
{
    std::string secret = "SECRET=x";
    char *environment[] = {secret.data(), nullptr};
    bk_config_opts opts = {};
    opts.environment = environment;
    settings it;
    bk_config *config = bk_config_open(settings_desc, &opts, &it);
    CHECK(view(it.secret) == "x" && it.limit == 1024);
    bk_config_free(config);
}

void strings_and_arenas()
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = buffer_in(arena);
    bk_str rest = BK_LIT("a, b"), part;
    int64_t number = 0;

    CHECK(BK_NEW(arena, product)->id == 0);
    CHECK(bk_str_split(&rest, ',', &part) && view(part) == "a");
    CHECK(view(bk_str_trim(rest)) == "b" && bk_str_eq(bk_str_of("x"), bk_str_at("xy", 1)));
    CHECK(bk_str_to_i64(BK_LIT("-5"), &number) == BK_OK);
    bk_buf_printf(&buf, "%d", int(number));
    bk_buf_add_char(&buf, '.');
    CHECK(view(bk_buf_str(&buf)) == "-5.");
    CHECK(view(bk_arena_printf(arena, "%s", bk_version())) == BK_VERSION);
    int ended = 0;
    bk_arena_defer(
        arena, [](void *data) { ++*static_cast<int *>(data); }, &ended);
    bk_arena_free(arena);
    CHECK(ended == 1);
}

bk_err refuse(int left)
{
    return bk_fail(BK_ECONFLICT, "only %d left", left);
}

bk_err pass_on()
{
    BK_TRY(refuse(3));
    return BK_OK;
}

#define COUNT(name, number, status, slug, text) +1

void errors()
{
    size_t count = 0;

    CHECK(bk_context(pass_on(), "while %s", "asking") == BK_ECONFLICT);
    CHECK(view(bk_error_chain()->cause->message) == "only 3 left");
    CHECK(bk_fail_field(BK_EINVAL, BK_LIT("/a"), BK_LIT("unique"), BK_LIT("is taken")) ==
          BK_EINVAL);
    CHECK(view(bk_error_fields(&count)->pointer) == "/a" && count == 1);
    bk_error_clear();
    CHECK(0 BK_ERRORS(COUNT) == 1 - BK_EUPGRADE);
}

void logs_and_time()
{
    std::string all;
    char text[BK_TIME_TEXT];
    bk_time at = 0;

    bk_log_set_sink(
        [](bk_log_level, bk_str line, void *data) {
            static_cast<std::string *>(data)->append(line.ptr, line.len);
        },
        &all);
    bk_log_set_level(BK_LOG_DEBUG);
    bk_debug("seen");
    bk_info("seen", bk_kv_i64("n", 1));
    bk_warn("seen", bk_kv_f64("x", 1.5), bk_kv_cstr("s", "t"), bk_kv_str("u", BK_LIT("v")));
    bk_error("seen", bk_kv_secret("password"), bk_kv_bool("b", true));
    bk_log(BK_LOG_TRACE, "not.seen");
    bk_log_set_level(BK_LOG_INFO);
    bk_log_set_sink(nullptr, nullptr);
    CHECK(all.find("\"x\":1.5,\"s\":\"t\",\"u\":\"v\"") != std::string::npos);
    CHECK(all.find("\"password\":\"***\",\"b\":true") != std::string::npos);
    CHECK(all.find("not.seen") == std::string::npos);

    CHECK(bk_time_parse(BK_LIT("2026-11-23T18:30:00Z"), &at) == BK_OK);
    CHECK(bk_time_format(at, text) == 24);
}

void a_struct_is_bound_and_written()
{
    bk_arena *arena = bk_arena_new();
    bk_buf buf = buffer_in(arena);
    bk_bind_opts strict = {};
    strict.unknown = BK_UNKNOWN_REFUSED;
    product in = {};

    bk_str good = BK_LIT(R"({"title":"lamp","slug":"a-b","secret":"s","extra":[1],"price":5,)"
                         R"("ok":false,"made":"2026-11-23T18:30:00Z","colour":"green",)"
                         R"("box":{"width":2},"tags":["t"],"boxes":[{"width":3}]})");
    CHECK(bk_desc_check(product_desc) == BK_OK);
    CHECK(bk_bind_json(arena, good, product_desc, &strict, &in) == BK_OK);
    CHECK(in.colour == 1 && in.has_ok && !in.ok && in.boxes.count == 1 && in.stock == 7);
    in.id = 1;
    bk_write_json(&buf, product_desc, &in);
    CHECK(view(bk_buf_str(&buf)) ==
          R"({"id":1,"title":"lamp","slug":"a-b","extra":[1],"stock":7,"price":5,"ok":false,)"
          R"("made":"2026-11-23T18:30:00.000Z","colour":"green","box":{"width":2},"tags":["t"],)"
          R"("boxes":[{"width":3}]})");
    CHECK(bk_bind_form(arena, BK_LIT("title=lamp&tags=a&tags=b"), product_desc, nullptr, &in) ==
          BK_OK);
    CHECK(bk_bind_json(arena, BK_LIT(R"({"title":"L","price":500})"), product_desc, nullptr, &in) ==
          BK_EINVAL);
    bk_error_clear();
    buf.len = 0;
    bk_write_schema(&buf, product_desc);
    CHECK(bk_json_check(bk_buf_str(&buf), nullptr) == BK_OK);
    bk_arena_free(arena);
}

bk_err create(bk_req *req, bk_res *res)
{
    product in;

    BK_TRY(bk_req_bind(req, product_desc, &in));
    BK_TRY(bk_res_created(res, BK_LIT("/products/42")));
    return bk_res_object(res, 201, product_desc, &in);
}

bk_err echo(bk_req *req, bk_res *res)
{
    bk_group *group = bk_group_open();
    auto child = [](void *) -> bk_err { return bk_sleep_ms(1); };

    bk_group_spawn(group, "child", child, nullptr);
    BK_TRY(bk_group_wait(group));
    BK_TRY(bk_res_stream(res, 200, "text/plain", BK_LENGTH_UNKNOWN));
    return bk_res_write(res, bk_str_of(bk_method_name(bk_req_method(req))));
}

void an_app_serves()
{
    static char yes[] = "yes";
    static const bk_middleware around[] = {
        {[](bk_req *req, bk_res *res, bk_next *next, void *data) -> bk_err {
             BK_TRY(bk_res_header(res, "X-Around", bk_str_of(static_cast<char *>(data))));
             return bk_next_run(next, req, res);
         },
         yes},
        {nullptr, nullptr}};
    bk_app_opts opts = {};
    opts.timeouts.idle_ms = BK_UNLIMITED;
    bk_app *app = bk_app_new(&opts);
    bk_router *router = bk_app_router(app);
    bk_route_opts creates = {};
    creates.body = product_desc;
    creates.use = around;
    int routes = 0;

    bk_post(router, "/products", create, &creates);
    bk_get(router, "/echo", echo);
    bk_put(router, "/echo", echo);
    bk_patch(router, "/echo", echo);
    bk_delete(router, "/echo", echo);
    bk_head(router, "/other", echo);
    bk_options(router, "/other", echo);
    bk_router_walk(
        router, [](const bk_route_info *, void *data) { ++*static_cast<int *>(data); }, &routes);
    CHECK(routes == 7);

    bk_test *test = bk_test_new(app, nullptr);
    bk_test_res *res = bk_test_post_json(test, "/products", R"({"title":"lamp","price":1})");
    CHECK(bk_test_status(res) == 201);
    CHECK(view(bk_test_header(res, "x-around")) == "yes");
    bk_test_req remove = {};
    remove.method = "DELETE";
    remove.target = "/echo";
    CHECK(view(bk_test_body(bk_test_send(test, &remove))) == "DELETE");
    res = bk_test_post_json(test, "/products", R"({"price":0})");
    CHECK(bk_test_status(res) == 400 && contains(bk_test_body(res), R"("pointer":"/title")"));
    bk_test_free(test);
    bk_app_free(app);
}

struct databases {
    bk_pg *pg;
    bk_pool *pool;
};

bk_err count_down(bk_pg *tx, void *data)
{
    --*static_cast<int *>(data);
    return bk_pg_exec(tx, "SELECT 1", BK_NO_ARGS, nullptr);
}

bk_err use_databases(void *data)
{
    auto *both = static_cast<databases *>(data);
    bk_pg *pg = both->pg;
    const int64_t ids[] = {1, 2};
    bk_rows *rows = nullptr;
    void *it = nullptr;
    int runs = 0;
    product one = {};
    bk_array all = {};

    CHECK(bk_pool_acquire(both->pool, &it) == BK_OK && it == both);
    bk_pool_release(both->pool, it, BK_POOL_GOOD);

    auto check_args = [&](bk_args args) {
        CHECK(args.count == 8 && args.items[0].kind == BK_ARG_TEXT);
        CHECK(args.items[2].kind == BK_ARG_NULL && args.items[7].array.items == ids);
        return bk_pg_query(pg, "SELECT $1", args, &rows);
    };
    CHECK(check_args(BK_ARGS(bk_text(BK_LIT("t")), bk_i64(1), bk_i64_if(false, 1), bk_f64(.5),
                             bk_bool(true), bk_timestamp(0), bk_bytes(BK_LIT("b")),
                             bk_array_of(BK_TYPE_I64, ids, 2))) == BK_EUNAVAILABLE);
    CHECK(std::string_view(bk_pg_sqlstate()).empty() && !bk_pg_violates("c"));
    CHECK(bk_pg_one(pg, "SELECT $1", BK_ARGS(bk_null()), product_desc, &one) == BK_EUNAVAILABLE);
    bk_pg_batch *batch = bk_pg_batch_open(pg);
    bk_pg_batch_exec(batch, "SELECT 1", BK_NO_ARGS, nullptr);
    bk_pg_batch_one(batch, "SELECT $1", BK_ARGS(bk_i64(1)), product_desc, &one);
    bk_pg_batch_all(batch, "SELECT 1", BK_NO_ARGS, product_desc, &all);
    CHECK(bk_pg_batch_run(batch) == BK_EUNAVAILABLE);
    CHECK(bk_pg_tx(pg, count_down, &runs) == BK_EUNAVAILABLE);
    CHECK(bk_pg_session(pg, count_down, &runs) == BK_EUNAVAILABLE && runs == 0);
    return BK_OK;
}

// Nobody listens at port 1, so that pool cannot open, and says so in time.
void pools_are_declared_and_used()
{
    bk_pool_type type = {};
    type.name = "nothing";
    type.open = [](void *data, void **resource) -> bk_err {
        *resource = data;
        return BK_OK;
    };
    type.close = [](void *data, void *resource) { CHECK(data == resource); };
    bk_app *app = bk_app_new(nullptr);
    databases both = {};
    bk_pg_opts opts = {};
    opts.url = BK_LIT("postgres://nobody@127.0.0.1:1/nothing");
    opts.pool.max = 2;
    opts.pool.acquire_ms = 20;
    bk_pool_opts sizes = {};
    sizes.min = 1;
    sizes.max = 2;

    both.pg = bk_pg_new(app, &opts);
    both.pool = bk_pool_new(app, &type, &sizes, &both);
    bk_test *test = bk_test_new(app, nullptr);
    CHECK(bk_test_run(test, use_databases, &both) == BK_OK);
    bk_pool_stats stats = {};
    bk_pg_stats pg_stats = {};
    bk_pool_get_stats(both.pool, &stats);
    bk_pg_get_stats(both.pg, &pg_stats);
    CHECK(stats.acquired == 1 && stats.max == 2);
    CHECK(pg_stats.pool.open == 0 && pg_stats.statements == 0);
    bk_test_free(test);
    bk_app_free(app);
}

void metrics_and_health()
{
    bk_app *app = bk_app_new(nullptr);
    bk_metric_opts opts = {};
    opts.name = "a_total";
    opts.help = "x";
    opts.labels[0] = "kind";
    opts.labels[1] = "of";
    bk_counter *counter = bk_counter_new(app, &opts);
    bk_health *health = bk_health_new(app, nullptr);
    bk_health_opts fine = {};
    fine.name = "fine";

    bk_health_add(
        health, &fine, [](void *) { return BK_OK; }, nullptr);
    bk_metrics_serve(app, nullptr, nullptr);
    bk_counter_add(bk_counter_with(counter, BK_LABELS(BK_LIT("b"), bk_str_of("c"))), 1);
    bk_test *test = bk_test_new(app, nullptr);
    bk_test_res *res = bk_test_get(test, "/metrics");
    CHECK(std::string_view(bk_test_body(res).ptr, bk_test_body(res).len)
              .find("a_total{kind=\"b\",of=\"c\"} 1\n") != std::string_view::npos);
    CHECK(bk_test_status(bk_test_get(test, "/readyz")) == 200);
    bk_test_free(test);
    bk_app_free(app);
}

void an_app_with_a_pool_may_never_run()
{
    bk_app *app = bk_app_new(nullptr);
    bk_pg_opts opts = {};
    opts.url = BK_LIT("host=127.0.0.1 port=1");

    CHECK(bk_pg_new(app, &opts) != nullptr);
    bk_app_free(app);
}

} // namespace

int main()
{
    strings_and_arenas();
    settings_are_read();
    errors();
    logs_and_time();
    a_struct_is_bound_and_written();
    an_app_serves();
    pools_are_declared_and_used();
    metrics_and_health();
    an_app_with_a_pool_may_never_run();
    return 0;
}
