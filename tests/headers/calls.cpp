// calls.cpp: every macro of the public headers, used from C++17, and what it does looked at.
#include <backend/backend.h>
#include <backend/testing.h>

#include <cstdio>
#include <cstdlib>
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
    bk_str name;
    int32_t stock;
    double price;
    bool ok, has_ok;
    bk_time made;
    int colour;
    bk_str extra;
    size box;
    bk_array tags;
    bk_array boxes;
};

BK_DESCRIBE(size_desc, size, BK_F64(width, BK_REQUIRED))

BK_DESCRIBE(product_desc, product, BK_I64(id, BK_READ_ONLY),
            BK_STR(name, BK_REQUIRED, BK_KEY("title"), BK_LEN(1, 10), BK_DOC("What it is called."),
                   BK_PATTERN("^[a-z]+$")),
            BK_I32(stock, BK_DEFAULT("7")), BK_F64(price, BK_MIN(0), BK_MAX(100)),
            BK_BOOL(ok, BK_HAS(has_ok)), BK_TIME(made), BK_ENUM(colour, colours),
            BK_JSON(extra, BK_WRITE_ONLY), BK_STRUCT(box, size_desc),
            BK_ARRAY(tags, BK_TYPE_STR, BK_LEN(0, 2)), BK_ARRAY_OF(boxes, size_desc))

std::string_view view(bk_str text)
{
    return {text.ptr, text.len};
}

bk_err refuse(int count)
{
    return bk_fail(BK_ECONFLICT, "only %d left", count);
}

bk_err pass_on()
{
    BK_TRY(refuse(3));
    return BK_OK;
}

bk_err hello(bk_req *req, bk_res *res)
{
    bk_info("hello.asked", bk_kv_str("path", bk_req_path(req)), bk_kv_bool("polite", true));
    return bk_res_text(res, 200, BK_LIT("hello"));
}

bk_err conflict(bk_req *, bk_res *)
{
    return bk_context(pass_on(), "while asking");
}

void values()
{
    CHECK(view(BK_LIT("id")) == "id");
    bk_arena *arena = bk_arena_new();
    CHECK(BK_NEW(arena, product)->id == 0);
    bk_debug("nothing.here");
    bk_warn("odd.one", bk_kv_i64("n", 1), bk_kv_f64("x", 1.5), bk_kv_cstr("s", "t"));
    bk_error("bad.one", bk_kv_secret("password"));
    bk_arena_free(arena);
}

void description()
{
    bk_arena *arena = bk_arena_new();
    product in = {};
    bk_str good = BK_LIT("{\"title\":\"lamp\",\"price\":5,\"ok\":true,\"colour\":\"green\","
                         "\"box\":{\"width\":2},\"tags\":[\"a\"],\"boxes\":[{\"width\":3}]}");
    CHECK(bk_bind_json(arena, good, product_desc, nullptr, &in) == BK_OK);
    CHECK(view(in.name) == "lamp" && in.stock == 7 && in.price == 5 && in.ok && in.has_ok);
    CHECK(in.colour == 1 && in.box.width == 2 && in.tags.count == 1 && in.boxes.count == 1);
    CHECK(bk_bind_json(arena, BK_LIT("{\"title\":\"L\",\"price\":500}"), product_desc, nullptr,
                       &in) == BK_EINVAL);
    bk_error_clear();
    bk_arena_free(arena);
}

void routes()
{
    bk_app *app = bk_app_new(nullptr);
    bk_route_opts opts = {};
    opts.timeout_ms = 100;
    bk_get(bk_app_router(app), "/hello", hello);
    bk_post(bk_app_router(app), "/hello", conflict, &opts);
    bk_put(bk_app_router(app), "/hello", conflict);
    bk_patch(bk_app_router(app), "/hello", conflict);
    bk_delete(bk_app_router(app), "/hello", conflict);
    bk_head(bk_app_router(app), "/other", hello);
    bk_options(bk_app_router(app), "/other", hello);

    bk_test *test = bk_test_new(app, nullptr);
    bk_test_res *res = bk_test_get(test, "/hello");
    CHECK(bk_test_status(res) == 200 && view(bk_test_body(res)) == "hello");
    res = bk_test_post_json(test, "/hello", "{}");
    CHECK(bk_test_status(res) == 409);
    bk_test_free(test);
    bk_app_free(app);
}

} // namespace

int main()
{
    values();
    description();
    routes();
    return 0;
}
