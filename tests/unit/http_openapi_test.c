/* What the API docs tell of routes. tests/integration/openapi_test.py asks a validator. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/arena.h>
#include <backend/openapi.h>

#include "text.h"
#include "harness/http_app.h"

struct part {
    bk_str name;
};
BK_DESCRIBE(part_desc, struct part, BK_STR(name, BK_REQUIRED))
struct product {
    int64_t id;
    bk_array parts;
    bk_array like;
};
static const bk_desc *product_desc(void);
BK_DESCRIBE(product_desc_of, struct product, BK_I64(id, BK_READ_ONLY),
            BK_ARRAY_OF(parts, part_desc), BK_ARRAY_OF(like, product_desc))
static const bk_desc *product_desc(void)
{
    return product_desc_of();
}
struct ids {
    int64_t id;
};
BK_DESCRIBE(ids_desc, struct ids, BK_I64(id, BK_MIN(1)))
struct page {
    int32_t size;
    bk_str after;
};
BK_DESCRIBE(page_desc, struct page, BK_I32(size, BK_DEFAULT("20")), BK_STR(after, BK_REQUIRED))

static bk_err nothing(bk_req *req, bk_res *res)
{
    (void)req;
    return bk_res_empty(res);
}

static bk_arena *arena;

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

/* The document of @p router, which it frees. */
static const bk_json *document(bk_router *router, const bk_openapi_opts *opts)
{
    bk_buf buf = {.arena = arena};
    bk_json *json = NULL;

    bk_openapi_write(&buf, router, opts);
    bk_router_free(router);
    assert_int_equal(bk_json_parse(arena, bk_buf_str(&buf), NULL, &json), BK_OK);
    return json;
}

static void assert_at(const bk_json *json, const char *pointer, const char *want)
{
    bk_buf buf = {.arena = arena};

    const bk_json *value = bk_json_at(json, bk_str_of(pointer));
    if (value == NULL)
        fail_msg("nothing at %s", pointer);
    bk_json_print(&buf, value);
    assert_text(bk_buf_str(&buf), want);
}

static void assert_none_at(const bk_json *json, const char *pointer)
{
    assert_null(bk_json_at(json, bk_str_of(pointer)));
}

#define REF(name) "{\"$ref\":\"#/components/schemas/" name "\"}"

static void test_the_settings_are_told(void **state)
{
    (void)state;
    const bk_json *json = document(bk_router_new(), NULL);
    assert_at(json, "/openapi", "\"3.1.0\"");
    assert_at(json, "/info", "{\"title\":\"API\",\"version\":\"1.0.0\"}");
    assert_at(json, "/servers", "[{\"url\":\"/\"}]");
    assert_at(json, "/paths", "{}");
    assert_none_at(json, "/components/securitySchemes");
    json = document(bk_router_new(), &(bk_openapi_opts){.title = "Shop",
                                                        .version = "2",
                                                        .description = "d",
                                                        .server = "https://s.example",
                                                        .bearer = true,
                                                        .api_key = "X-API-Key"});
    assert_at(json, "/info", "{\"title\":\"Shop\",\"version\":\"2\",\"description\":\"d\"}");
    assert_at(json, "/components/securitySchemes/bearer",
              "{\"type\":\"http\",\"scheme\":\"bearer\"}");
    assert_at(json, "/components/securitySchemes/apiKey/name", "\"X-API-Key\"");
}

static void test_parameters_come_from_pattern_and_descriptions(void **state)
{
    bk_router *router = bk_router_new();

    (void)state;
    bk_get(bk_router_group(router, "/api"), "/products/{id}/{rest*}", nothing,
           &(bk_route_opts){.params = ids_desc, .query = page_desc});
    const bk_json *json = document(router, NULL);
    assert_at(
        json, "/paths/~1api~1products~1{id}~1{rest}/get/parameters",
        "[{\"name\":\"id\",\"in\":\"path\",\"required\":true,"
        "\"schema\":{\"type\":\"integer\",\"format\":\"int64\",\"minimum\":1}},"
        "{\"name\":\"rest\",\"in\":\"path\",\"required\":true,\"schema\":{\"type\":\"string\"}},"
        "{\"name\":\"size\",\"in\":\"query\","
        "\"schema\":{\"type\":\"integer\",\"format\":\"int32\",\"default\":20}},"
        "{\"name\":\"after\",\"in\":\"query\",\"required\":true,"
        "\"schema\":{\"type\":\"string\"}}]");
}

static void test_described_structs_stand_under_components_once(void **state)
{
    bk_router *router = bk_router_new();
    bk_route_opts opts = {.body = product_desc, .answer = product_desc, .summary = "s"};

    (void)state;
    bk_put(router, "/a", nothing, &opts);
    bk_post(router, "/a", nothing, &opts);
    bk_delete(router, "/b", nothing);
    const bk_json *json = document(router, NULL);
    assert_at(
        json, "/paths/~1a/put/requestBody",
        "{\"required\":true,\"content\":{\"application/json\":{\"schema\":" REF("product") "}}}");
    assert_at(json, "/paths/~1a/put/responses/200/content/application~1json/schema",
              REF("product"));
    assert_at(json, "/paths/~1a/post/responses/201/content/application~1json/schema",
              REF("product"));
    assert_at(json, "/paths/~1a/post/summary", "\"s\"");
    assert_at(json, "/paths/~1b/delete/responses",
              "{\"204\":{\"description\":\"No Content\"},"
              "\"default\":{\"$ref\":\"#/components/responses/Problem\"}}");
    assert_at(json, "/components/schemas/product/properties/parts/items", REF("part"));
    assert_at(json, "/components/schemas/product/properties/like/items", REF("product"));
    assert_at(json, "/components/schemas/part/required", "[\"name\"]");
    assert_int_equal(bk_json_len(bk_json_at(json, BK_LIT("/components/schemas"))), 3);
}

static void test_a_document_of_its_own_says_more(void **state)
{
    static const bk_openapi_answer answers[] = {{.status = 202, .description = "later"},
                                                {.status = 404},
                                                {.status = 409, .desc = part_desc},
                                                {.status = 0}};
    static const bk_openapi_doc doc = {.operation_id = "change",
                                       .description = "long",
                                       .tag = "t",
                                       .security = "bearer",
                                       .answers = answers,
                                       .deprecated = true},
                                hidden = {.hidden = true};
    bk_router *router = bk_router_new();

    (void)state;
    bk_get(router, "/a", nothing, &(bk_route_opts){.openapi = &doc});
    bk_get(router, "/hidden", nothing,
           &(bk_route_opts){.openapi = &hidden, .answer = product_desc});
    const bk_json *json = document(router, &(bk_openapi_opts){.bearer = true});
    assert_at(json, "/paths/~1a/get/operationId", "\"change\"");
    assert_at(json, "/paths/~1a/get/description", "\"long\"");
    assert_at(json, "/paths/~1a/get/tags", "[\"t\"]");
    assert_at(json, "/paths/~1a/get/deprecated", "true");
    assert_at(json, "/paths/~1a/get/security", "[{\"bearer\":[]}]");
    assert_at(
        json, "/paths/~1a/get/responses",
        "{\"202\":{\"description\":\"later\"},"
        "\"404\":{\"$ref\":\"#/components/responses/Problem\"},"
        "\"409\":{\"description\":\"Conflict\",\"content\":{\"application/json\":{\"schema\":" REF(
            "part") "}}},\"default\":{\"$ref\":\"#/components/responses/Problem\"}}");
    assert_none_at(json, "/paths/~1hidden");
    assert_none_at(json, "/components/schemas/product");
}

static void test_a_schema_keeps_its_own_references(void **state)
{
    static const char text[] = "{\"$ref\":\"#/$defs/a\",\"$defs\":{\"a\":{\"type\":\"array\"}}}";
    bk_route_opts opts = {0};
    bk_router *router = bk_router_new();

    (void)state;
    assert_int_equal(bk_schema_parse(arena, bk_str_of(text), &opts.body_schema), BK_OK);
    bk_post(router, "/a", nothing, &opts);
    const bk_json *json = document(router, NULL);
#define SCHEMA "/paths/~1a/post/requestBody/content/application~1json/schema"
    assert_at(json, SCHEMA "/$ref", "\"#/$defs/a\"");
    assert_at(json, SCHEMA "/$defs/a/type", "\"array\"");
    assert_true(bk_str_starts(bk_json_str(bk_json_at(json, BK_LIT(SCHEMA "/$id"))),
                              BK_LIT("urn:body:POST:")));
}

static void ask_for_an_unknown_scheme(void)
{
    static const bk_openapi_doc doc = {.security = "bearer"};
    bk_router *router = bk_router_new();

    bk_get(router, "/a", nothing, &(bk_route_opts){.openapi = &doc});
    (void)document(router, &(bk_openapi_opts){.api_key = "X-API-Key"});
}

static void test_a_security_scheme_must_be_declared(void **state)
{
    (void)state;
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        ask_for_an_unknown_scheme();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 0);
}

static void test_the_document_is_served_with_an_etag(void **state)
{
    (void)state;
    struct http_app it = {.app = bk_app_new(NULL)};
    bk_openapi_serve(it.app, bk_app_router(it.app), &(bk_openapi_opts){.title = "Shop"});
    bk_get(bk_app_router(it.app), "/later", nothing);
    it.test = bk_test_new(it.app, NULL);
    bk_test_res *res = bk_test_get(it.test, "/openapi.json");
    assert_status(res, 200);
    assert_text(bk_test_header(res, "content-type"), "application/json");
    bk_str body = bk_test_body(res), tag = bk_test_header(res, "etag");
    assert_non_null(memmem(body.ptr, body.len, "\"/later\":{\"get\"", 15));
    assert_null(memmem(body.ptr, body.len, "openapi.json", 12));
    assert_true(bk_str_present(tag));
    assert_status(http_get(&it, "/openapi.json", "if-none-match", bk_arena_cstr(arena, tag)), 304);
    http_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_settings_are_told),
        cmocka_unit_test(test_parameters_come_from_pattern_and_descriptions),
        cmocka_unit_test(test_described_structs_stand_under_components_once),
        cmocka_unit_test(test_a_document_of_its_own_says_more),
        cmocka_unit_test(test_a_schema_keeps_its_own_references),
        cmocka_unit_test(test_a_security_scheme_must_be_declared),
        cmocka_unit_test(test_the_document_is_served_with_an_etag),
    };
    return cmocka_run_group_tests_name("http_openapi", tests, set_up, tear_down);
}
