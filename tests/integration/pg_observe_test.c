/* What metrics, traces and the server itself are told of statements. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <backend/metrics.h>

#include "../unit/text.h"
#include "core/span.h"
#include "core/task.h"
#include "harness/http_app.h"
#include "harness/pg_app.h"

#define OWN_TEXT "SELECT query FROM pg_stat_activity WHERE pid = pg_backend_pid()"

/* Puts the running fiber into a trace until the test ends. */
static struct bk__trace *enter_trace(bool sampled)
{
    struct bk__trace *trace = BK_NEW(bk_fiber_arena(), struct bk__trace);

    bk__trace_new(trace);
    bk__trace_set_sampled(trace, sampled);
    bk__task_current->trace = trace;
    return trace;
}

static bk_str attr_of(const struct bk__span *span, const char *key)
{
    for (int i = 0; i < span->attr_count; i++)
        if (strcmp(span->attrs[i].key, key) == 0)
            return bk_str_at(span->text + span->attrs[i].text_at, span->attrs[i].text_len);
    return (bk_str){NULL, 0};
}

#define assert_span(span, want)                                                                    \
    assert_memory_equal((span).name, want,                                                         \
                        (span).name_len > strlen(want) ? (span).name_len : strlen(want))

static bk_err three_spans(void *data)
{
    struct pg_app *it = data;
    struct bk__span spans[8];

    bk__spans_open(8);
    struct bk__trace *trace = enter_trace(true);
    assert_int_equal(number_of(it->db, "SELECT 1 AS n"), 1);
    assert_int_equal(bk_pg_exec(it->db, "SELECT 1 / 0", BK_NO_ARGS, NULL), BK_EINTERNAL);
    bk_pg_batch *batch = bk_pg_batch_open(it->db);
    bk_pg_batch_exec(batch, "SELECT 2", BK_NO_ARGS, NULL);
    bk_pg_batch_exec(batch, "SELECT 3", BK_NO_ARGS, NULL);
    BK_TRY(bk_pg_batch_run(batch));
    assert_int_equal(bk__spans_take(spans, 8), 3);
    bk__spans_close();

    assert_span(spans[0], "SELECT");
    assert_int_equal(spans[0].kind, BK_SPAN_CLIENT);
    assert_int_equal(spans[0].err, BK_OK);
    assert_memory_equal(spans[0].parent_id, trace->log.span, 16);
    assert_true(bk_str_eq(attr_of(&spans[0], "db.system.name"), BK_LIT("postgresql")));
    assert_true(bk_str_eq(attr_of(&spans[0], "db.query.text"), BK_LIT("SELECT 1 AS n")));
    assert_int_equal(spans[1].err, BK_EINTERNAL);
    assert_span(spans[2], "BATCH");
    assert_ptr_equal(bk__task_current->trace, trace);
    return BK_OK;
}

static void test_a_statement_is_a_span_below_the_present_one(void **state)
{
    struct pg_app it = pg_app_open(*state, NULL);

    pg_app_run(&it, three_spans, &it);
    pg_app_close(&it);
}

/* What the server has for the text of the statement that asks. */
static const char *own_text(bk_pg *pg)
{
    bk_rows *rows;

    if (bk_pg_query(pg, OWN_TEXT, BK_NO_ARGS, &rows) != BK_OK)
        fail_msg("%.*s", BK_PRI(bk_error_chain()->message));
    return bk_arena_cstr(bk_fiber_arena(), bk_rows_str(rows, 0, 0));
}

static bk_err in_tx(bk_pg *tx, void *data)
{
    (void)data;
    assert_non_null(strstr(own_text(tx), "/*traceparent="));
    assert_int_equal(number_of(tx, "SELECT 4 AS n -- a comment of its own"), 4);
    return BK_OK;
}

static bk_err comments(void *data)
{
    struct pg_app *it = data;
    char want[256];

    assert_string_equal(own_text(it->db), OWN_TEXT);
    const struct bk__trace *trace = enter_trace(true);
    snprintf(want, sizeof want, OWN_TEXT " /*traceparent='00-%.32s-%.16s-01'*/", trace->log.id,
             trace->log.span);
    for (int i = 0; i < 3; i++) /* prepared by now or not */
        assert_string_equal(own_text(it->db), want);
    BK_TRY(bk_pg_tx(it->db, in_tx, NULL));
    enter_trace(false);
    assert_string_equal(own_text(it->db), OWN_TEXT);
    return BK_OK;
}

static void test_the_server_sees_the_trace_of_a_statement_where_asked(void **state)
{
    struct pg_app it =
        pg_app_open(*state, &(bk_pg_opts){.trace_comments = true, .pool = {.max = 1}});

    pg_app_run(&it, comments, &it);
    pg_app_close(&it);
}

static bk_err no_comment(void *data)
{
    struct pg_app *it = data;

    enter_trace(true);
    assert_string_equal(own_text(it->db), OWN_TEXT);
    return BK_OK;
}

static void test_nothing_is_added_to_statements_by_default(void **state)
{
    struct pg_app it = pg_app_open(*state, NULL);

    pg_app_run(&it, no_comment, &it);
    pg_app_close(&it);
}

static bk_err some_statements(void *data)
{
    struct pg_app *it = data;

    for (int i = 0; i < 3; i++)
        assert_int_equal(number_of(it->db, "SELECT 1 AS n"), 1);
    return bk_pg_exec(it->db, "CREATE TEMPORARY TABLE a ()", BK_NO_ARGS, NULL);
}

static void test_how_long_statements_take_is_a_metric(void **state)
{
    struct pg_app it = {.server = *state, .app = bk_app_new(NULL)};
    bk_str url = bk_str_of(it.server->socket_url);

    it.db = bk_pg_new(it.app, &(bk_pg_opts){.url = url, .name = "main"});
    it.admin = bk_pg_new(it.app, &(bk_pg_opts){.url = url, .name = "admin", .pool = {.max = 1}});
    bk_metrics_serve(it.app, NULL, NULL);
    it.test = bk_test_new(it.app, NULL);
    pg_app_run(&it, some_statements, &it);
    bk_str body = bk_test_body(bk_test_get(it.test, "/metrics"));
    assert_holds(body, "db_client_operation_duration_seconds_count{"
                       "db_client_connection_pool_name=\"main\",db_operation_name=\"SELECT\"} 3\n");
    assert_holds(body, "db_client_operation_duration_seconds_count{"
                       "db_client_connection_pool_name=\"main\",db_operation_name=\"OTHER\"} 1\n");
    assert_holds(body, "db_client_operation_duration_seconds_bucket{"
                       "db_client_connection_pool_name=\"main\",db_operation_name=\"SELECT\","
                       "le=\"10\"} 3\n");
    pg_app_close(&it);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_statement_is_a_span_below_the_present_one),
        cmocka_unit_test(test_the_server_sees_the_trace_of_a_statement_where_asked),
        cmocka_unit_test(test_nothing_is_added_to_statements_by_default),
        cmocka_unit_test(test_how_long_statements_take_is_a_metric),
    };
    return cmocka_run_group_tests_name("pg_observe", tests, pg_app_start_server,
                                       pg_app_stop_server);
}
