/*
 * What docs/guide/observability.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "../../examples/guide/observability.h"
#include "../unit/text.h"
#include "harness/http_app.h"

static void test_the_guide_does_what_it_says(void **state)
{
    (void)state;
    struct http_app it = {.app = bk_app_new(NULL)};

    assert_int_equal(observability_set_up(), BK_OK);
    assert_int_equal(bk_log_get_level(), BK_LOG_DEBUG);
    observability_declare(it.app);
    it.test = bk_test_new(it.app, NULL);

    bk_test_res *res = http_send(&it, "POST", "/orders/42", NULL, NULL);
    assert_status(res, 204);
    assert_int_equal(bk_test_header(res, "X-Request-Id").len, 36);
    bk_test_settle(it.test);
    bk_str logs = bk_test_logs(it.test);
    assert_holds(logs, "\"msg\":\"stock.low\",\"reqId\":\"");
    assert_holds(logs, "\"route\":\"/orders/{product}\",\"product\":42,\"left\":3}\n");
    assert_holds(logs, "\"msg\":\"request.completed\"");

    bk_str head = bk_test_body(bk_test_get(it.test, "/prices/42"));
    assert_true(bk_str_starts(head, BK_LIT("traceparent: 00-")));
    assert_holds(head, "-01\r\nX-Request-Timeout-Ms: ");

    assert_answer(http_send(&it, "POST", "/v1/orders/x", NULL, NULL), 400,
                  "{\"statusCode\":400,\"code\":\"FST_ERR_VALIDATION\",\"error\":\"Bad Request\","
                  "\"message\":\"params/product must be an integer\"}");
    assert_problem(http_send(&it, "POST", "/orders/x", NULL, NULL), 400, "\"trace_id\":\"");
    http_app_close(&it);
    assert_int_equal(bk_log_setup(NULL), BK_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
    };
    return cmocka_run_group_tests_name("guide/observability", tests, NULL, NULL);
}
