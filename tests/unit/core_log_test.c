#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include <backend/log.h>
#include <backend/str.h>

#include "core/clock.h"
#include "core/task.h"

static char captured[256 << 10];
static int lines;
static bk_log_level last_level;
static int pipe_end; /* where standard error comes out */

static void capture(bk_log_level level, bk_str line, void *data)
{
    assert_ptr_equal(data, captured);
    memcpy(captured, line.ptr, line.len);
    captured[line.len] = '\0';
    last_level = level;
    lines++;
    errno = ENOENT;
}

static int set_up(void **state)
{
    (void)state;
    lines = 0;
    captured[0] = '\0';
    bk_log_set_sink(capture, captured);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    bk_log_set_sink(NULL, NULL);
    bk__clock_current = NULL;
    bk__task_current = NULL;
    bk_log_set_level(BK_LOG_INFO);
    return 0;
}

static const char *text_of(const cJSON *json, const char *name)
{
    return cJSON_GetStringValue(cJSON_GetObjectItem(json, name));
}

static void test_a_line_has_pinos_shape(void **state)
{
    (void)state;
    char host[256] = "", expected[512];
    struct bk__clock clock = {.is_virtual = true, .now = 1795458600000123};
    bk__clock_current = &clock;
    gethostname(host, sizeof(host) - 1);
    bk_info("stock.low", bk_kv_i64("product", 42), bk_kv_cstr("name", "bolt"),
            bk_kv_bool("hot", true), bk_kv_f64("price", 1.5), bk_kv_secret("token"),
            bk_kv_str("view", bk_str_at("abcdef", 3)));
    snprintf(expected, sizeof(expected),
             "{\"level\":30,\"time\":1795458600000,\"pid\":%d,\"hostname\":\"%s\","
             "\"msg\":\"stock.low\",\"product\":42,\"name\":\"bolt\",\"hot\":true,\"price\":1.5,"
             "\"token\":\"***\",\"view\":\"abc\"}\n",
             (int)getpid(), host);
    assert_string_equal(captured, expected);
    assert_int_equal(last_level, BK_LOG_INFO);
}

static void test_request_id_and_route_come_from_the_running_task(void **state)
{
    (void)state;
    struct bk__task task = {.request_id = BK_LIT("r-1"), .route = BK_LIT("/users/{id}")};
    bk__task_current = &task;
    bk_warn("odd", bk_kv_i64("n", 1));
    cJSON *json = cJSON_Parse(captured);
    assert_int_equal(cJSON_GetObjectItem(json, "level")->valueint, 40);
    assert_string_equal(text_of(json, "reqId"), "r-1");
    assert_string_equal(text_of(json, "route"), "/users/{id}");
    cJSON_Delete(json);

    task = (struct bk__task){0};
    bk_warn("odd", bk_kv_i64("n", 1));
    json = cJSON_Parse(captured);
    assert_null(cJSON_GetObjectItem(json, "reqId"));
    assert_null(cJSON_GetObjectItem(json, "route"));
    cJSON_Delete(json);
}

static bk_kv count_call(int *calls)
{
    ++*calls;
    return bk_kv_i64("n", *calls);
}

static void test_lines_below_the_level_are_not_even_made(void **state)
{
    (void)state;
    int calls = 0;
    assert_int_equal(bk_log_get_level(), BK_LOG_INFO);
    bk_debug("quiet", count_call(&calls));
    bk_log_write(BK_LOG_TRACE, "quiet", &(bk_kv){0});
    assert_int_equal(lines, 0);
    assert_int_equal(calls, 0);
    bk_error("loud", count_call(&calls));
    assert_int_equal(lines, 1);
    bk_log_set_level(BK_LOG_DEBUG);
    bk_debug("now", count_call(&calls));
    assert_int_equal(lines, 2);
    bk_log_set_level(BK_LOG_OFF);
    bk_log(BK_LOG_FATAL, "silence", count_call(&calls));
    bk_log_write(BK_LOG_OFF, "silence", &(bk_kv){0});
    assert_int_equal(lines, 2);
}

static void *get_level(void *out)
{
    *(bk_log_level *)out = bk_log_get_level();
    return NULL;
}

static bk_log_level level_on_a_thread(void)
{
    pthread_t thread;
    bk_log_level level;
    assert_int_equal(pthread_create(&thread, NULL, get_level, &level), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return level;
}

static void test_a_thread_with_an_app_has_its_own_level(void **state)
{
    (void)state;
    struct bk__clock clock = {.is_virtual = true};
    bk_log_set_level(BK_LOG_WARN);
    assert_int_equal(level_on_a_thread(), BK_LOG_WARN);

    bk__clock_current = &clock;
    assert_int_equal(bk_log_get_level(), BK_LOG_WARN);
    bk_log_set_level(BK_LOG_DEBUG);
    assert_int_equal(bk_log_get_level(), BK_LOG_DEBUG);
    assert_int_equal(level_on_a_thread(), BK_LOG_WARN);

    bk__clock_current = NULL;
    assert_int_equal(bk_log_get_level(), BK_LOG_WARN);
}

static void test_errno_survives(void **state)
{
    (void)state;
    errno = EPIPE;
    bk_info("x", bk_kv_i64("n", 1));
    assert_int_equal(lines, 1);
    assert_int_equal(errno, EPIPE);
}

/* Takes what is in the pipe. */
static void drain(void)
{
    size_t len = strlen(captured);
    ssize_t got;
    while ((got = read(pipe_end, captured + len, sizeof(captured) - 1 - len)) > 0)
        len += (size_t)got;
    captured[len] = '\0';
}

/* Runs @p fn with standard error going to a pipe that does not block; what comes out is captured.
 */
static void with_stderr_captured(void (*fn)(void))
{
    int ends[2];
    int saved = dup(STDERR_FILENO);
    captured[0] = '\0';
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    pipe_end = ends[0];
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    fn();
    dup2(saved, STDERR_FILENO);
    close(saved);
    drain();
    close(ends[0]);
}

static void log_two(void)
{
    bk_log_set_sink(NULL, NULL);
    bk_info("one", bk_kv_i64("n", 1));
    bk_info("two", bk_kv_i64("n", 2));
}

static void test_without_a_sink_lines_go_to_standard_error(void **state)
{
    (void)state;
    with_stderr_captured(log_two);
    char *second = strchr(captured, '\n') + 1;
    assert_non_null(strstr(captured, "\"msg\":\"one\""));
    assert_non_null(strstr(second, "\"msg\":\"two\""));
    assert_int_equal(captured[strlen(captured) - 1], '\n');
}

/* Lines of more than PIPE_BUF bytes, which a pipe takes in part. */
static void log_much(void)
{
    static char text[3000];
    bk_str value = bk_str_at(text, sizeof(text));
    memset(text, 'x', sizeof(text));
    bk_log_set_sink(NULL, NULL);
    for (int i = 0; i < 100; i++)
        bk_info("much", bk_kv_str("a", value), bk_kv_str("b", value));
}

static void test_a_reader_that_is_slow_does_not_stop_the_program(void **state)
{
    (void)state;
    with_stderr_captured(log_much);
    assert_true(strlen(captured) > 30000);
}

static void log_too_much_and_once_more(void)
{
    log_much();
    drain();
    bk_info("afterwards", bk_kv_i64("n", 1));
}

static void test_a_torn_line_does_not_spoil_the_next(void **state)
{
    (void)state;
    with_stderr_captured(log_too_much_and_once_more);
    captured[strlen(captured) - 1] = '\0';
    cJSON *json = cJSON_Parse(strrchr(captured, '\n') + 1);
    assert_non_null(json);
    assert_string_equal(text_of(json, "msg"), "afterwards");
    cJSON_Delete(json);
}

static void log_in_a_child(void)
{
    int status;
    bk_log_set_sink(NULL, NULL);
    pid_t child = fork();
    if (child == 0) {
        bk_info("child", bk_kv_i64("self", getpid()));
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
}

static void test_a_child_process_says_its_own_pid(void **state)
{
    (void)state;
    bk_info("parent", bk_kv_i64("n", 1));
    with_stderr_captured(log_in_a_child);
    cJSON *json = cJSON_Parse(captured);
    assert_non_null(json);
    assert_int_equal(cJSON_GetObjectItem(json, "pid")->valueint,
                     cJSON_GetObjectItem(json, "self")->valueint);
    assert_int_not_equal(cJSON_GetObjectItem(json, "pid")->valueint, getpid());
    cJSON_Delete(json);
}

static void log_again(bk_log_level level, bk_str line, void *data)
{
    (void)level;
    int *depth = data;
    if (++*depth < 3)
        bk_info("within", bk_kv_i64("depth", *depth));
    assert_non_null(memchr(line.ptr, '\n', line.len));
    assert_true(bk_str_starts(line, BK_LIT("{\"level\":30,")));
}

static void test_a_sink_may_log(void **state)
{
    (void)state;
    int depth = 0;
    bk_log_set_sink(log_again, &depth);
    bk_info("outer", bk_kv_i64("n", 1));
    assert_int_equal(depth, 3);
}

static void test_levels_may_differ_by_event(void **state)
{
    (void)state;
    struct bk__clock clock = {.is_virtual = true};
    int calls = 0;

    assert_int_equal(bk_log_setup(&(bk_log_opts){.levels = "warn,pg=debug,pg.pool=off"}), BK_OK);
    assert_int_equal(bk_log_get_level(), BK_LOG_DEBUG);
    bk_info("redis.up", count_call(&calls));
    assert_int_equal(lines, 0);
    bk_debug("pg.slow", count_call(&calls));
    assert_int_equal(lines, 1);
    bk_error("pg.pool.full", count_call(&calls));
    assert_int_equal(lines, 1);

    bk__clock_current = &clock;
    bk_log_set_level(BK_LOG_ERROR); /* this app's, of what no rule is about */
    bk_warn("redis.down", count_call(&calls));
    assert_int_equal(lines, 1);
    bk_debug("pg.slow", count_call(&calls));
    assert_int_equal(lines, 2);
    bk__clock_current = NULL;

    assert_int_equal(bk_log_setup(NULL), BK_OK);
    assert_int_equal(bk_log_get_level(), BK_LOG_INFO);
    bk_debug("pg.slow", count_call(&calls));
    assert_int_equal(lines, 2);
}

static void test_fields_can_be_hidden(void **state)
{
    (void)state;
    static const char *const paths[] = {"password", "count", "nothing", "price", "hot", NULL};

    assert_int_equal(bk_log_setup(&(bk_log_opts){.redact = paths}), BK_OK);
    bk_info("user.new", bk_kv_cstr("name", "ann"), bk_kv_cstr("password", "hunter2"),
            bk_kv_i64("count", 7), bk_kv_cstr("nothing", NULL), bk_kv_f64("price", 1.5),
            bk_kv_bool("hot", true));
    assert_null(strstr(captured, "hunter2"));
    assert_non_null(strstr(captured, "\"name\":\"ann\",\"password\":\"***\",\"count\":\"***\","
                                     "\"nothing\":\"***\",\"price\":\"***\",\"hot\":\"***\"}"));
    assert_int_equal(bk_log_setup(NULL), BK_OK);
    bk_info("user.new", bk_kv_cstr("password", "hunter2"));
    assert_non_null(strstr(captured, "hunter2"));
}

static void log_pretty(void)
{
    bk_log_set_sink(NULL, NULL);
    assert_int_equal(bk_log_setup(&(bk_log_opts){.format = BK_LOG_FORMAT_PRETTY}), BK_OK);
    bk_info("stock.low", bk_kv_i64("n", 1));
    assert_int_equal(bk_log_setup(&(bk_log_opts){.format = BK_LOG_FORMAT_JSON}), BK_OK);
    bk_info("stock.low", bk_kv_i64("n", 2));
    assert_int_equal(bk_log_setup(NULL), BK_OK);
    bk_info("stock.low", bk_kv_i64("n", 3)); /* a pipe is no terminal */
}

static void test_lines_may_be_for_people(void **state)
{
    (void)state;
    with_stderr_captured(log_pretty);
    assert_null(strchr(captured, '\033'));
    assert_non_null(strstr(captured, " INFO  stock.low n=1\n{\"level\":30,"));
    assert_non_null(strstr(captured, "\"n\":2}\n{\"level\":30,"));
}

static void test_a_setup_that_is_wrong_changes_nothing(void **state)
{
    (void)state;
    static const char *const paths[] = {"a..b", NULL};

    assert_int_equal(bk_log_setup(&(bk_log_opts){.levels = "error"}), BK_OK);
    assert_int_equal(bk_log_setup(&(bk_log_opts){.redact = paths}), BK_EINVAL);
    assert_int_equal(bk_log_setup(&(bk_log_opts){.format = (bk_log_format)9}), BK_EINVAL);
    bk_error_clear();
    assert_int_equal(bk_log_get_level(), BK_LOG_ERROR);
    assert_int_equal(bk_log_setup(NULL), BK_OK);
}

#define LOG_TEST(claim) cmocka_unit_test_setup_teardown(claim, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_TEST(test_a_line_has_pinos_shape),
        LOG_TEST(test_request_id_and_route_come_from_the_running_task),
        LOG_TEST(test_lines_below_the_level_are_not_even_made),
        LOG_TEST(test_a_thread_with_an_app_has_its_own_level),
        LOG_TEST(test_errno_survives),
        LOG_TEST(test_without_a_sink_lines_go_to_standard_error),
        LOG_TEST(test_a_reader_that_is_slow_does_not_stop_the_program),
        LOG_TEST(test_a_torn_line_does_not_spoil_the_next),
        LOG_TEST(test_a_child_process_says_its_own_pid),
        LOG_TEST(test_a_sink_may_log),
        LOG_TEST(test_levels_may_differ_by_event),
        LOG_TEST(test_fields_can_be_hidden),
        LOG_TEST(test_lines_may_be_for_people),
        LOG_TEST(test_a_setup_that_is_wrong_changes_nothing),
    };
    return cmocka_run_group_tests_name("core/log", tests, NULL, NULL);
}
