/* What a route describes is held to before its handler runs. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/arena.h>
#include <backend/middleware/validate.h>
#include <backend/schema.h>

#include "text.h"
#include "harness/http_app.h"

struct ids {
    int64_t id;
};
BK_DESCRIBE(ids_desc, struct ids, BK_I64(id, BK_REQUIRED, BK_MIN(1)))
struct page {
    int32_t size;
};
BK_DESCRIBE(page_desc, struct page, BK_I32(size, BK_DEFAULT("20"), BK_MAX(100)))
struct tenant {
    bk_str tenant;
};
BK_DESCRIBE(tenant_desc, struct tenant, BK_STR(tenant, BK_KEY("x-tenant"), BK_REQUIRED))
struct note {
    bk_str text;
    int64_t stars;
};
BK_DESCRIBE(note_desc, struct note, BK_STR(text, BK_REQUIRED, BK_LEN(1, 5)),
            BK_I64(stars, BK_MAX(5)))

static bk_err answer(bk_req *req, bk_res *res)
{
    const struct ids *ids = bk_valid_params(req);
    const struct page *page = bk_valid_query(req);
    const struct tenant *tenant = bk_valid_headers(req);
    const struct note *note = bk_valid_body(req);

    assert_null(bk_valid_json(req));
    return bk_res_text(res, 200,
                       bk_arena_printf(bk_req_arena(req), "%d %d %.*s %.*s", (int)ids->id,
                                       page->size, BK_PRI(tenant->tenant),
                                       BK_PRI(note != NULL ? note->text : BK_LIT("-"))));
}

static bk_err show_json(bk_req *req, bk_res *res)
{
    return bk_res_json(res, 200, bk_valid_json(req));
}

static bk_err nothing(bk_req *req, bk_res *res)
{
    assert_null(bk_valid_params(req));
    assert_null(bk_valid_query(req));
    assert_null(bk_valid_headers(req));
    assert_null(bk_valid_body(req));
    assert_null(bk_valid_json(req));
    return bk_res_empty(res);
}

static bk_arena *arena;

static struct http_app open_with(const bk_app_opts *app_opts, const bk_mw_validate_opts *opts)
{
    struct http_app it = {.app = bk_app_new(app_opts)};
    bk_router *root = bk_app_router(it.app);
    bk_route_opts whole = {.params = ids_desc, .query = page_desc, .headers = tenant_desc};
    bk_route_opts loose = {0};

    assert_int_equal(
        bk_schema_parse(arena, BK_LIT("{\"items\":{\"type\":\"integer\"}}"), &loose.body_schema),
        BK_OK);
    bk_use(root, bk_mw_validate(it.app, opts));
    bk_get(root, "/notes/{id}", answer, &whole);
    whole.body = note_desc;
    bk_put(root, "/notes/{id}", answer, &whole);
    bk_post(root, "/json", show_json, &loose);
    bk_get(root, "/nothing", nothing);
    it.test = bk_test_new(it.app, NULL);
    return it;
}

#define BOB  "x-tenant", "bob"
#define JSON "content-type", "application/json"

static void assert_body(bk_test_res *res, int status, const char *body)
{
    assert_status(res, status);
    bk_str got = bk_test_body(res);
    assert_int_equal(got.len, strlen(body));
    assert_memory_equal(got.ptr, body, got.len);
}

static void assert_refused(bk_test_res *res, int status, const char *error)
{
    bk_str body = bk_test_body(res);

    assert_status(res, status);
    if (memmem(body.ptr, body.len, error, strlen(error)) == NULL)
        fail_msg("%.*s has no %s", BK_PRI(body), error);
}

static void test_the_handler_gets_what_was_bound(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_body(http_get(&it, "/notes/7", BOB), 200, "7 20 bob -");
    assert_body(http_get(&it, "/notes/8?size=3", BOB), 200, "8 3 bob -");
    assert_body(http_send(&it, "PUT", "/notes/9", FIELDS(BOB, JSON), "{\"text\":\"hi\"}"), 200,
                "9 20 bob hi");
    assert_body(http_send(&it, "PUT", "/notes/9",
                          FIELDS(BOB, "content-type", "application/x-www-form-urlencoded"),
                          "text=h+o"),
                200, "9 20 bob h o");
    assert_body(http_send(&it, "POST", "/json", FIELDS(JSON), "[1, 2]"), 200, "[1,2]");
    http_app_close(&it);
}

static void test_each_part_is_refused_with_its_errors(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_refused(http_get(&it, "/notes/0", BOB), 400, "\"pointer\":\"id\",\"code\":\"minimum\"");
    assert_refused(http_get(&it, "/notes/x", BOB), 400, "\"pointer\":\"id\",\"code\":\"type\"");
    assert_refused(http_get(&it, "/notes/1?size=101", BOB), 400,
                   "\"pointer\":\"size\",\"code\":\"maximum\"");
    assert_refused(http_get(&it, "/notes/1", "x-other", "1"), 400,
                   "\"pointer\":\"x-tenant\",\"code\":\"required\"");
    assert_refused(http_get(&it, "/notes/1", "x-tenant", "\xff"), 400, "is not UTF-8");
    bk_test_res *res = http_send(&it, "PUT", "/notes/1", FIELDS(BOB, JSON), "{\"stars\":6}");
    assert_refused(res, 400, "\"pointer\":\"/stars\",\"code\":\"maximum\"");
    assert_refused(res, 400, "\"pointer\":\"/text\",\"code\":\"required\"");
    assert_refused(http_send(&it, "POST", "/json", FIELDS(JSON), "[1,\"2\"]"), 400,
                   "\"pointer\":\"/1\",\"code\":\"type\"");
    assert_refused(http_send(&it, "POST", "/json", FIELDS(JSON), "[1"), 400, "Bad Request");
    assert_refused(http_send(&it, "POST", "/json", FIELDS("content-type", "text/plain"), "[]"), 415,
                   "Unsupported");
    http_app_close(&it);
}

static void test_the_app_chooses_422(void **state)
{
    (void)state;
    struct http_app it = open_with(&(bk_app_opts){.invalid_status = 422}, NULL);
    assert_refused(http_get(&it, "/notes/0", BOB), 422, "\"pointer\":\"id\"");
    assert_refused(http_send(&it, "POST", "/json", FIELDS(JSON), "[1,\"2\"]"), 422, "\"/1\"");
    http_app_close(&it);
}

static void test_unknown_names_are_refused_where_asked(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_status(http_get(&it, "/notes/1?what=1", BOB), 200);
    http_app_close(&it);
    it = open_with(NULL, &(bk_mw_validate_opts){.unknown = BK_UNKNOWN_REFUSED});
    assert_refused(http_get(&it, "/notes/1?what=1", BOB), 400,
                   "\"pointer\":\"what\",\"code\":\"unknown\"");
    assert_status(http_get(&it, "/notes/1", BOB, "x-more", "1"), 200);
    http_app_close(&it);
}

static void test_routes_that_describe_nothing_pass(void **state)
{
    (void)state;
    struct http_app it = open_with(NULL, NULL);
    assert_status(bk_test_get(it.test, "/nothing?a=%ff"), 204);
    assert_status(bk_test_get(it.test, "/unknown"), 404);
    assert_status(http_send(&it, "DELETE", "/notes/0", NULL, NULL), 405);
    http_app_close(&it);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_handler_gets_what_was_bound),
        cmocka_unit_test(test_each_part_is_refused_with_its_errors),
        cmocka_unit_test(test_the_app_chooses_422),
        cmocka_unit_test(test_unknown_names_are_refused_where_asked),
        cmocka_unit_test(test_routes_that_describe_nothing_pass),
    };
    return cmocka_run_group_tests_name("middleware_validate", tests, set_up, tear_down);
}
