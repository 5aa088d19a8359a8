/*
 * What docs/guide/http-client.md shows does what it says.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "../../examples/guide/http_client.h"
#include "../unit/text.h"
#include "harness/http_app.h"

/* --- the service that it asks, an app on a thread of its own ---------------------------------- */

static bk_err rate(bk_req *req, bk_res *res) /* GET /rates/{currency} */
{
    if (bk_str_eq(bk_req_param(req, "currency"), BK_LIT("gbp")))
        return bk_fail(BK_ENOTFOUND, "of that we know nothing");
    return bk_res_text(res, 200, BK_LIT("{\"currency\":\"usd\",\"euros\":0.5}"));
}

static bk_err long_history(bk_req *req, bk_res *res) /* GET /history */
{
    char *bytes = bk_arena_alloc(bk_req_arena(req), 1000000);

    memset(bytes, 'x', 1000000);
    return bk_res_text(res, 200, bk_str_at(bytes, 1000000));
}

static void *run_service(void *data)
{
    assert_int_equal(bk_app_run(data), BK_OK);
    return NULL;
}

static void test_the_guide_does_what_it_says(void **state)
{
    char folder[] = "/tmp/http-client-guide-XXXXXX", mail_url[64], rates_url[64], target[128];
    char command[128];
    pthread_t thread;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(mail_url, sizeof mail_url, "file://%s", folder);
    bk_app *service = bk_app_new(NULL);
    bk_get(bk_app_router(service), "/rates/{currency}", rate, NULL);
    bk_get(bk_app_router(service), "/history", long_history, NULL);
    assert_int_equal(bk_app_listen(service, NULL), BK_OK);
    assert_int_equal(pthread_create(&thread, NULL, run_service, service), 0);
    snprintf(rates_url, sizeof rates_url, "http://127.0.0.1:%d", bk_app_port(service, 0));

    struct store store = {.rates_url = rates_url};
    struct http_app it = {.app = bk_app_new(&(bk_app_opts){.data = &store})};
    http_client_declare(it.app, &store, mail_url);
    it.test = bk_test_new(it.app, NULL);
    assert_answer(bk_test_get(it.test, "/price/usd"), 200, "{\"currency\":\"usd\",\"euros\":0.5}");
    assert_problem(bk_test_get(it.test, "/price/gbp"), 502, "\"status\":502");
    assert_problem(bk_test_get(it.test, "/price/xyz"), 400, "usd and gbp");
    assert_answer(bk_test_get(it.test, "/history"), 200, "200, 1000000 bytes\n");
    snprintf(target, sizeof target, "/hooks?url=%s/hook", rates_url);
    assert_problem(http_send(&it, "POST", target, NULL, NULL), 403, "private address");
    assert_status(http_send(&it, "POST", "/orders?email=ann@example.com&name=Ann", NULL, NULL),
                  204);
    assert_problem(http_send(&it, "POST", "/orders?email=ann&name=Ann", NULL, NULL), 400,
                   "no address");
    http_app_close(&it);

    bk_app_stop(service);
    assert_int_equal(pthread_join(thread, NULL), 0);
    bk_app_free(service);
    snprintf(command, sizeof command, "rm %s/*.eml && rmdir %s", folder, folder);
    assert_int_equal(system(command), 0); /* the mail, and nothing else */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_guide_does_what_it_says),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
