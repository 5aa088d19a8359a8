/* Attempts to connect: what they ask for, where they fail, and that they never hold up the loop. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <pthread.h>

#include "core/fault.h"
#include "harness/pg_links.h"

/* --- a resolver that hangs -------------------------------------------------------------------- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hangs;
    int inside;
} resolver = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

/* libpq's calls come here, for a program's symbols come before those of its libraries. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    pthread_mutex_lock(&resolver.lock);
    resolver.inside++;
    while (resolver.hangs && node != NULL && strcmp(node, "hangs.invalid") == 0)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    resolver.inside--;
    pthread_mutex_unlock(&resolver.lock);
    if (node != NULL && strcmp(node, "hangs.invalid") == 0)
        return EAI_NONAME;
    *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(node, service, hints, found);
}

static void let_hang(bool hangs)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.hangs = hangs;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static bool somebody_resolves(void)
{
    pthread_mutex_lock(&resolver.lock);
    bool inside = resolver.inside != 0;
    pthread_mutex_unlock(&resolver.lock);
    return inside;
}

static size_t threads_at_start; /* ours, and those of a sanitizer */

static size_t thread_count(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");

    for (const struct dirent *it; (it = readdir(tasks)) != NULL;)
        count += it->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* Threads that were left behind end by themselves. */
static void await_threads(void)
{
    for (int i = 0; i < PATIENCE_MS && thread_count() != threads_at_start; i++)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    assert_int_equal(thread_count(), threads_at_start);
}

/* --- what is asked for ------------------------------------------------------------------------ */

static void test_settings_that_the_url_lacks_are_ours(void **state)
{
    struct servers *servers = *state;
    char url[768], answer[64];
    struct bk__pg_link *link = open_url(servers->main.url);

    ask(link, "SHOW client_encoding", answer);
    assert_string_equal(answer, "UTF8");
    ask(link, "SHOW application_name", answer);
    assert_string_equal(answer, program_invocation_short_name);
    bk__pg_link_close(link);

    snprintf(url, sizeof url,
             "%s application_name=mine client_encoding=LATIN1 options='-c work_mem=1MB'",
             servers->main.url);
    link = open_url(url);
    ask(link, "SHOW client_encoding", answer);
    assert_string_equal(answer, "UTF8");
    ask(link, "SHOW application_name", answer);
    assert_string_equal(answer, "mine");
    ask(link, "SHOW work_mem", answer);
    assert_string_equal(answer, "1MB");
    bk__pg_link_close(link);
}

static void test_read_only_is_asked_for_and_seen(void **state)
{
    struct servers *servers = *state;
    char url[768], answer[64];

    snprintf(url, sizeof url, "%s options='-c work_mem=1MB'", servers->main.url);
    struct outcome outcome =
        try_opts(&(bk_pg_opts){.url = bk_str_of(url), .read_only = true}, NULL, PATIENCE_MS);
    assert_non_null(outcome.link);
    assert_true(outcome.link->read_only);
    ask(outcome.link, "SHOW transaction_read_only", answer);
    assert_string_equal(answer, "on");
    ask(outcome.link, "SHOW work_mem", answer);
    assert_string_equal(answer, "1MB");
    bk__pg_link_close(outcome.link);

    struct bk__pg_link *link = open_url(servers->read_only.url);
    assert_true(link->read_only);
    bk__pg_link_close(link);
}

static void test_dates_are_iso_whatever_the_database_says(void **state)
{
    struct servers *servers = *state;
    char answer[64], *url = strdup(servers->main.url);

    postgres_do(&servers->main, "psql", "CREATE DATABASE german");
    postgres_do(&servers->main, "psql", "ALTER DATABASE german SET datestyle TO 'German, DMY'");
    memcpy(strstr(url, "dbname='postgres'"), "dbname='german'  ", 17);
    struct bk__pg_link *link = open_url(url);
    ask(link, "SELECT date '2026-11-23'", answer);
    assert_string_equal(answer, "2026-11-23");
    send_query(link, "RESET ALL");
    char body[512];
    read_until(link, 'Z', body, sizeof body);
    ask(link, "SELECT date '2026-11-23'", answer);
    assert_string_equal(answer, "2026-11-23");
    bk__pg_link_close(link);
    free(url);
}

static void test_a_password_that_is_given_goes_before_that_of_the_url(void **state)
{
    struct servers *servers = *state;
    char url[256];

    snprintf(url, sizeof url, "postgres://postgres:wrong@127.0.0.1:%d/postgres",
             servers->main.port);
    struct outcome outcome = try_url(url, servers->main.password, PATIENCE_MS);
    assert_non_null(outcome.link);
    bk__pg_link_close(outcome.link);
}

static void test_a_wrong_password_is_refused_and_not_told(void **state)
{
    struct servers *servers = *state;
    char url[256];

    snprintf(url, sizeof url, "postgres://postgres:hunter2@127.0.0.1:%d/postgres",
             servers->main.port);
    struct outcome outcome = try_url(url, NULL, PATIENCE_MS);
    assert_null(outcome.link);
    assert_non_null(strstr(outcome.why, "password authentication failed"));
    assert_null(strstr(outcome.why, "hunter2"));
}

/* --- what cannot be reached ------------------------------------------------------------------- */

static void test_a_host_without_address_is_named(void **state)
{
    (void)state;
    assert_refused("postgres://nowhere.invalid/x", "\"nowhere.invalid\"");
}

static void test_a_refused_port_is_named(void **state)
{
    (void)state;
    assert_refused("postgres://127.0.0.1:1/x", "port 1 failed: Connection refused");
}

/* A socket that listens and never answers; its port. */
static int open_silent(int *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 16), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

struct ticking {
    const bool *done;
    unsigned ticks;
};

static bk_err tick(void *data)
{
    struct ticking *ticking = data;

    while (!*ticking->done) {
        BK_TRY(bk_sleep_ms(1));
        ticking->ticks++;
    }
    return BK_OK;
}

/* Connects in vain to @p url: that must end in 400 ms, and not hold the loop up. */
static void assert_times_out(const char *url)
{
    struct outcome outcome = {0};
    struct bk_loop *loop = open_loop();
    struct bk__pg_target *target = target_of(url);
    struct ticking ticking = {.done = &outcome.done};
    uint64_t start = bk_now_ns();

    assert_int_equal(bk_spawn("tick", tick, &ticking), BK_OK);
    bk__pg_connect(target, (bk_str){0}, 400, on_connected, &outcome);
    fiber_run_all(loop);
    uint64_t took_ms = (bk_now_ns() - start) / 1000000;
    assert_null(outcome.link);
    assert_in_range(took_ms, 350, 400 + SOON_MS);
    assert_true(ticking.ticks > 50);
    if (strstr(outcome.why, "no answer in time") == NULL)
        assert_non_null(strstr(outcome.why, "no connection within 400 ms"));
    bk__pg_target_free(target);
    fiber_run_close(loop);
}

static void test_a_server_that_never_answers_costs_no_more_than_the_time_allowed(void **state)
{
    char url[128];
    int port, fd = open_silent(&port);

    (void)state;
    snprintf(url, sizeof url, "postgres://127.0.0.1:%d/x", port);
    assert_times_out(url);
    close(fd);
}

static void test_a_resolver_that_hangs_costs_no_more_than_the_time_allowed(void **state)
{
    (void)state;
    let_hang(true);
    assert_times_out("postgres://hangs.invalid/x");
    assert_true(somebody_resolves());
    let_hang(false);
    await_threads();
}

/* --- giving up -------------------------------------------------------------------------------- */

/* Begins to connect to @p url, turns the loop for @p ms, abandons, frees everything. */
static void abandon_after(const char *url, uint64_t ms)
{
    struct outcome outcome = {0};
    struct bk_loop *loop = open_loop();
    struct bk__pg_target *target = target_of(url);
    struct bk__pg_attempt *attempt =
        bk__pg_connect(target, (bk_str){0}, PATIENCE_MS, on_connected, &outcome);
    uint64_t until = bk_now_ns() + ms * 1000000;

    while (bk_now_ns() < until && !outcome.done)
        bk__loop_turn(loop, 1);
    if (outcome.done) {
        bk__pg_link_close(outcome.link);
    } else {
        uint64_t start = bk_now_ns();
        bk__pg_abandon(attempt);
        assert_true(bk_now_ns() - start < SOON_MS * UINT64_C(1000000));
        outcome.done = true; /* being called would fail the test */
    }
    bk__pg_target_free(target);
    bk__loop_turn(loop, 1);
    fiber_run_close(loop);
}

static void test_an_attempt_can_be_abandoned_at_every_stage(void **state)
{
    struct servers *servers = *state;

    for (uint64_t ms = 0; ms < 30; ms++)
        abandon_after(servers->main.url, ms);
    await_threads();
}

static void test_an_abandoned_attempt_at_a_silent_server_ends_at_once(void **state)
{
    char url[128];
    int port, fd = open_silent(&port);
    uint64_t start = bk_now_ns();

    (void)state;
    snprintf(url, sizeof url, "postgres://127.0.0.1:%d/x", port);
    abandon_after(url, 50);
    await_threads();
    assert_true(bk_now_ns() - start < 2 * SOON_MS * UINT64_C(1000000));
    close(fd);
}

static void test_a_thread_left_in_the_resolver_outlives_loop_and_target(void **state)
{
    (void)state;
    let_hang(true);
    abandon_after("postgres://hangs.invalid/x", 50);
    assert_true(somebody_resolves());
    let_hang(false);
    await_threads();
}

static void test_a_connection_made_too_late_for_the_loop_is_closed(void **state)
{
    struct servers *servers = *state;
    struct outcome outcome = {0};
    struct bk_loop *loop = open_loop();
    struct bk__pg_target *target = target_of(servers->main.url);
    struct bk__pg_attempt *attempt =
        bk__pg_connect(target, (bk_str){0}, PATIENCE_MS, on_connected, &outcome);

    bk__loop_close_posts(loop);
    await_threads();
    bk__pg_abandon(attempt);
    assert_false(outcome.done);
    bk__pg_target_free(target);
    fiber_run_close(loop);
}

#ifdef BK_FAULT_INJECTION
static void test_without_a_thread_the_attempt_fails_with_words(void **state)
{
    (void)state;
    bk__fault_arm("pg.thread", 1, 1);
    assert_refused("postgres://127.0.0.1/x", "cannot start a thread");
    bk__fault_disarm_all();
}
#endif

/* --- several hosts ---------------------------------------------------------------------------- */

static int port_of(const struct bk__pg_link *link)
{
    return ntohs(((const struct sockaddr_in *)&link->peer)->sin_port);
}

/* A URL of two ports at 127.0.0.1. */
static const char *pair_of(char *url, size_t size, const struct servers *servers, int first,
                           int second, const char *attrs)
{
    snprintf(url, size, "%s host=127.0.0.1,127.0.0.1 port=%d,%d %s%s", servers->main.url, first,
             second, attrs[0] != '\0' ? "target_session_attrs=" : "", attrs);
    return url;
}

static void test_a_dead_host_is_passed_by(void **state)
{
    struct servers *servers = *state;
    char url[1024];
    struct bk__pg_link *link =
        open_url(pair_of(url, sizeof url, servers, 1, servers->main.port, ""));

    assert_int_equal(port_of(link), servers->main.port);
    assert_in_sync(link);
    bk__pg_link_close(link);
}

static void test_a_silent_host_costs_its_share_only(void **state)
{
    struct servers *servers = *state;
    char url[1024];
    int port, fd = open_silent(&port);
    struct outcome outcome =
        try_url(pair_of(url, sizeof url, servers, port, servers->main.port, ""), NULL, 1000);

    assert_non_null(outcome.link);
    assert_int_equal(port_of(outcome.link), servers->main.port);
    bk__pg_link_close(outcome.link);
    close(fd);
}

static void test_the_failures_of_all_hosts_are_told(void **state)
{
    char url[1024];
    struct outcome outcome = try_url(pair_of(url, sizeof url, *state, 1, 2, ""), NULL, PATIENCE_MS);

    assert_non_null(strstr(outcome.why, "port 1 failed"));
    assert_non_null(strstr(outcome.why, "port 2 failed"));
}

static void test_session_attrs_choose_the_host(void **state)
{
    struct servers *servers = *state;
    int writes = servers->main.port, reads = servers->read_only.port;
    const struct {
        const char *attrs;
        int first, second, chosen;
    } cases[] = {
        {"", reads, writes, reads},
        {"any", reads, writes, reads},
        {"read-write", reads, writes, writes},
        {"read-only", writes, reads, reads},
        {"primary", writes, reads, writes},
        {"prefer-standby", reads, writes, reads}, /* no standby: the first, in the second round */
    };
    char url[1024];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bk__pg_link *link = open_url(
            pair_of(url, sizeof url, servers, cases[i].first, cases[i].second, cases[i].attrs));
        assert_int_equal(port_of(link), cases[i].chosen);
        bk__pg_link_close(link);
    }
    assert_refused(pair_of(url, sizeof url, servers, reads, writes, "standby"),
                   "server is not in hot standby mode");
}

/* --- wrong URLs ------------------------------------------------------------------------------- */

static void test_a_wrong_url_is_refused_with_words_and_without_its_password(void **state)
{
    const struct {
        const char *url, *words, *secret;
    } cases[] = {
        {"postgres://u:hunter2@h/x?sslmod=require", "sslmod", "hunter2"},
        {"postgre://u:hunter2@h/x", "missing \"=\"", "hunter2"},
        {"postgres://u:hunter2@[::1/x", "matching", "hunter2"},
        {"postgres://u:hunter2%zz@h/x", "percent-encoded", "hunter2"},
        {"postgre://u:hun\"ter2@h/x", "wrong", "ter2"},
        {"postgres://u:x@hunter2@h/x", "%40", "hunter2"},
        {"postgres://u@h/x?password=x&hunter2", "missing", "hunter2"},
        {"host=h password=hunter2 hunter3", "missing \"=\"", "hunter3"},
        {"host=h password=hunter2 hunter3=", "connection option", "hunter3"},
        {"host=a,b port=1,2,3", "2 hosts and 3 ports", NULL},
        {"host=a,b,c hostaddr=::1,::1", "3 hosts and 2 addresses", NULL},
        {"gssencmode=require", "gssencmode", NULL},
        {"postgres://u:hunter2@h/x?sslmode=requrie", "requrie", "hunter2"},
        {"postgres://u:hunter2@h/x?target_session_attrs=red", "red", "hunter2"},
        {"host=a,b port=5432,70000", "70000", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bk__pg_target *target = NULL;
        bk_pg_opts opts = {.url = bk_str_of(cases[i].url)};
        assert_int_equal(bk__pg_target_new(&opts, &target), BK_EINVAL);
        assert_null(target);
        bk_str message = bk_error_chain()->message;
        if (memmem(message.ptr, message.len, cases[i].words, strlen(cases[i].words)) == NULL)
            fail_msg("\"%s\" is not in \"%.*s\"", cases[i].words, BK_PRI(message));
        if (cases[i].secret != NULL &&
            memmem(message.ptr, message.len, cases[i].secret, strlen(cases[i].secret)) != NULL)
            fail_msg("\"%.*s\" shows the password", BK_PRI(message));
        bk_error_clear();
    }
}

static void *end_at_once(void *data)
{
    return data;
}

/* A sanitizer starts a thread of its own with the first of ours. */
static int count_and_start(void **state)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, end_at_once, NULL), 0);
    pthread_join(thread, NULL);
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL); /* the kernel's part of its end */
    threads_at_start = thread_count();
    return start_servers(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_that_the_url_lacks_are_ours),
        cmocka_unit_test(test_read_only_is_asked_for_and_seen),
        cmocka_unit_test(test_dates_are_iso_whatever_the_database_says),
        cmocka_unit_test(test_a_password_that_is_given_goes_before_that_of_the_url),
        cmocka_unit_test(test_a_wrong_password_is_refused_and_not_told),
        cmocka_unit_test(test_a_host_without_address_is_named),
        cmocka_unit_test(test_a_refused_port_is_named),
        cmocka_unit_test(test_a_server_that_never_answers_costs_no_more_than_the_time_allowed),
        cmocka_unit_test(test_a_resolver_that_hangs_costs_no_more_than_the_time_allowed),
        cmocka_unit_test(test_an_attempt_can_be_abandoned_at_every_stage),
        cmocka_unit_test(test_an_abandoned_attempt_at_a_silent_server_ends_at_once),
        cmocka_unit_test(test_a_thread_left_in_the_resolver_outlives_loop_and_target),
        cmocka_unit_test(test_a_connection_made_too_late_for_the_loop_is_closed),
#ifdef BK_FAULT_INJECTION
        cmocka_unit_test(test_without_a_thread_the_attempt_fails_with_words),
#endif
        cmocka_unit_test(test_a_dead_host_is_passed_by),
        cmocka_unit_test(test_a_silent_host_costs_its_share_only),
        cmocka_unit_test(test_the_failures_of_all_hosts_are_told),
        cmocka_unit_test(test_session_attrs_choose_the_host),
        cmocka_unit_test(test_a_wrong_url_is_refused_with_words_and_without_its_password),
    };

    return cmocka_run_group_tests_name("pg/connect", tests, count_and_start, stop_servers);
}
