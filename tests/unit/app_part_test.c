/* Tests of libbackend/app/part.c and step.c: what an app has in each worker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <backend/backend.h>
#include <backend/testing.h>

#include "fiber/loop.h"
#include "harness/aborts.h"

/* --- parts that write down what happens to them ----------------------------------------------- */

struct story {
    char text[512];
};

struct witness {
    struct story *story;
    const char *name;
    bk_err start_result;
};

static void tell(struct story *story, const char *verb, const char *name)
{
    size_t len = strlen(story->text);

    snprintf(story->text + len, sizeof story->text - len, "%s %s; ", verb, name);
}

static bk_err start(void *data)
{
    struct witness *it = data;

    tell(it->story, "start", it->name);
    BK_TRY(bk_sleep_ms(it->start_result == BK_OK ? 1 : 0)); /* it is on a fiber */
    if (it->start_result != BK_OK)
        return bk_fail(it->start_result, "%s does not answer", it->name);
    tell(it->story, "started", it->name);
    return BK_OK;
}

static void stop(void *data)
{
    struct witness *it = data;

    assert_non_null(bk_fiber_self());
    assert_int_equal(bk__loop_current->fiber_count, 1); /* this one */
    tell(it->story, "stop", it->name);
    assert_int_equal(bk_sleep_ms(1), BK_OK);
    tell(it->story, "stopped", it->name);
}

static void free_it(void *data)
{
    struct witness *it = data;

    tell(it->story, "free", it->name);
}

static const bk_part_type witness = {
    .name = "witness", .start = start, .stop = stop, .free = free_it};
static const bk_part_type silent = {.name = "silent"};

static bk_err nothing(bk_req *req, bk_res *res)
{
    tell(bk_req_state(req), "request", "/");
    return bk_res_empty(res);
}

static bk_err start_worker(bk_app *app, void *data, void **state)
{
    (void)app;
    tell(data, "start", "worker");
    *state = data;
    return BK_OK;
}

static void stop_worker(bk_app *app, void *state)
{
    (void)app;
    tell(state, "stop", "worker");
}

static const bk_test_opts virtual_clock = {.virtual_clock = true};

/* --- tests ------------------------------------------------------------------------------------ */

static bk_err lingers(void *data)
{
    (void)bk_sleep_ms(60000);
    tell(data, "end", "fiber");
    return BK_OK;
}

static bk_err spawn_one(void *data)
{
    return bk_spawn("lingers", lingers, data);
}

static void test_parts_enclose_the_worker_in_the_order_of_their_declaration(void **state)
{
    struct story story = {""};
    struct witness a = {&story, "a", BK_OK}, b = {&story, "b", BK_OK};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .on_worker_start = start_worker, .on_worker_stop = stop_worker, .data = &story});

    (void)state;
    bk_app_part(app, &witness, &a);
    bk_app_part(app, &silent, NULL);
    bk_app_part(app, &witness, &b);
    bk_get(bk_app_router(app), "/", nothing);
    bk_test *test = bk_test_new(app, NULL);
    assert_int_equal(bk_test_status(bk_test_get(test, "/")), 204);
    assert_int_equal(bk_test_run(test, spawn_one, &story), BK_OK);
    bk_test_free(test);
    assert_string_equal(story.text, "start a; started a; start b; started b; start worker; "
                                    "request /; end fiber; stop worker; "
                                    "stop b; stopped b; stop a; stopped a; ");
    story.text[0] = '\0';
    bk_app_free(app);
    assert_string_equal(story.text, "free b; free a; ");
}

static void test_an_app_with_parts_runs_again(void **state)
{
    struct story story = {""};
    struct witness a = {&story, "a", BK_OK};
    bk_app *app = bk_app_new(NULL);

    (void)state;
    bk_app_part(app, &witness, &a);
    bk_test_free(bk_test_new(app, NULL));
    bk_test_free(bk_test_new(app, NULL));
    bk_app_free(app);
    assert_string_equal(story.text, "start a; started a; stop a; stopped a; "
                                    "start a; started a; stop a; stopped a; free a; ");
}

static void test_a_part_that_does_not_start_stops_those_before_it(void **state)
{
    struct story story = {""};
    struct witness parts[] = {{&story, "a", BK_OK},
                              {&story, "b", BK_OK},
                              {&story, "c", BK_EUPSTREAM},
                              {&story, "d", BK_OK}};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .on_worker_start = start_worker, .on_worker_stop = stop_worker, .data = &story});

    (void)state;
    for (size_t i = 0; i < 4; i++)
        bk_app_part(app, &witness, &parts[i]);
    bk_log_set_level(BK_LOG_OFF);
    assert_int_equal(bk_app_listen(app, NULL), BK_OK);
    assert_int_equal(bk_app_run(app), BK_EUPSTREAM);
    assert_string_equal(story.text, "start a; started a; start b; started b; start c; "
                                    "stop b; stopped b; stop a; stopped a; ");
    story.text[0] = '\0';
    parts[1].start_result = BK_EIO; /* tried again, it fails earlier: b is not stopped again */
    assert_int_equal(bk_app_run(app), BK_EIO);
    bk_log_set_level(BK_LOG_INFO);
    assert_string_equal(story.text, "start a; started a; start b; stop a; stopped a; ");
    story.text[0] = '\0';
    bk_app_free(app);
    assert_string_equal(story.text, "free d; free c; free b; free a; ");
}

static bk_err refuse_worker(bk_app *app, void *data, void **state)
{
    (void)app, (void)state;
    tell(data, "refuse", "worker");
    BK_TRY(bk_spawn("lingers", lingers, data));
    BK_TRY(bk_yield());
    return bk_fail(BK_EUPSTREAM, "no");
}

static void test_a_worker_that_does_not_start_stops_the_parts(void **state)
{
    struct story story = {""};
    struct witness a = {&story, "a", BK_OK};
    bk_app *app = bk_app_new(&(bk_app_opts){
        .on_worker_start = refuse_worker, .on_worker_stop = stop_worker, .data = &story});

    (void)state;
    bk_app_part(app, &witness, &a);
    bk_log_set_level(BK_LOG_OFF);
    assert_int_equal(bk_app_listen(app, NULL), BK_OK);
    assert_int_equal(bk_app_run(app), BK_EUPSTREAM);
    bk_log_set_level(BK_LOG_INFO);
    assert_string_equal(story.text, "start a; started a; refuse worker; end fiber; "
                                    "stop a; stopped a; ");
    bk_app_free(app);
}

static char log_text[1024];

static void keep_log(bk_log_level level, bk_str line, void *data)
{
    size_t len = strlen(log_text);

    (void)level, (void)data;
    snprintf(log_text + len, sizeof log_text - len, "%.*s", (int)line.len, line.ptr);
}

static void test_the_log_names_the_part_that_failed(void **state)
{
    struct story story = {""};
    struct witness a = {&story, "the mill", BK_EUPSTREAM};
    bk_app *app = bk_app_new(NULL);

    (void)state;
    bk_app_part(app, &witness, &a);
    bk_log_set_sink(keep_log, NULL);
    assert_int_equal(bk_app_listen(app, NULL), BK_OK);
    assert_int_equal(bk_app_run(app), BK_EUPSTREAM);
    bk_log_set_sink(NULL, NULL);
    assert_non_null(strstr(log_text, "app.failed"));
    assert_non_null(strstr(log_text, "witness"));
    assert_non_null(strstr(log_text, "the mill does not answer"));
    bk_app_free(app);
}

static bk_err start_at_once(void *data)
{
    (void)data;
    return BK_OK;
}

static void test_parts_stop_in_real_time(void **state)
{
    static const bk_part_type quick = {.name = "quick", .start = start_at_once, .stop = stop};
    struct story story = {""};
    struct witness a = {&story, "a", BK_OK};
    bk_app *app = bk_app_new(NULL);

    (void)state;
    bk_app_part(app, &quick, &a);
    bk_test_free(bk_test_new(app, &virtual_clock));
    assert_string_equal(story.text, "stop a; stopped a; ");
    bk_app_free(app);
}

static void test_without_a_worker_start_requests_see_the_data(void **state)
{
    struct story story = {""};
    bk_app *app = bk_app_new(&(bk_app_opts){.on_worker_stop = stop_worker, .data = &story});

    (void)state;
    bk_get(bk_app_router(app), "/", nothing);
    bk_test *test = bk_test_new(app, NULL);
    assert_int_equal(bk_test_status(bk_test_get(test, "/")), 204);
    bk_test_free(test);
    assert_string_equal(story.text, "request /; stop worker; ");
    bk_app_free(app);
}

static void add_while_running(void)
{
    bk_app *app = bk_app_new(NULL);

    (void)!bk_test_new(app, NULL);
    bk_app_part(app, &silent, NULL);
}

static void test_a_running_app_takes_no_parts(void **state)
{
    (void)state;
    assert_true(aborts(add_while_running));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_enclose_the_worker_in_the_order_of_their_declaration),
        cmocka_unit_test(test_an_app_with_parts_runs_again),
        cmocka_unit_test(test_a_part_that_does_not_start_stops_those_before_it),
        cmocka_unit_test(test_a_worker_that_does_not_start_stops_the_parts),
        cmocka_unit_test(test_the_log_names_the_part_that_failed),
        cmocka_unit_test(test_parts_stop_in_real_time),
        cmocka_unit_test(test_without_a_worker_start_requests_see_the_data),
        cmocka_unit_test(test_a_running_app_takes_no_parts),
    };
    return cmocka_run_group_tests_name("app/part", tests, NULL, NULL);
}
