/*
 * pg_links.h: servers and links for tests of pg/, and a very small client that speaks through one.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_PG_LINKS_H
#define TESTS_HARNESS_PG_LINKS_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <time.h>

#include <backend/str.h>

#include "harness/fiber_run.h"
#include "harness/postgres.h"
#include "pg/link.h"

#define PATIENCE_MS 20000
#define SOON_MS     1000 /* for what should take no time at all */

struct servers {
    struct postgres main;      /* TLS, SCRAM over TCP */
    struct postgres read_only; /* its transactions are, by default */
};

struct outcome {
    bool done;
    struct bk__pg_link *link;
    char why[2048];
};

static inline void on_connected(struct bk__pg_link *link, const char *why, void *data)
{
    struct outcome *outcome = data;

    assert_false(outcome->done);
    assert_true((link == NULL) == (why != NULL));
    outcome->done = true;
    outcome->link = link;
    snprintf(outcome->why, sizeof outcome->why, "%s", why != NULL ? why : "");
    assert_null(strchr(outcome->why, '\n'));
}

static inline struct bk_loop *open_loop(void)
{
    if (bk__loop_current != NULL)
        fail_msg("a test that failed has left its loop open");
    return fiber_run_open(&(struct bk__loop_opts){.virtual_clock = false});
}

static inline void turn_until(const bool *done)
{
    uint64_t until = bk_now_ns() + PATIENCE_MS * UINT64_C(1000000);

    while (!*done && bk_now_ns() < until)
        bk__loop_turn(bk__loop_current, 50);
    assert_true(*done);
}

static inline struct bk__pg_target *target_of(const char *url)
{
    struct bk__pg_target *target = NULL;

    assert_int_equal(bk__pg_target_new(&(bk_pg_opts){.url = bk_str_of(url)}, &target), BK_OK);
    return target;
}

/* One attempt, on a loop of its own. */
static inline struct outcome try_opts(const bk_pg_opts *opts, const char *password,
                                      uint32_t timeout_ms)
{
    struct outcome outcome = {0};
    struct bk__pg_target *target = NULL;
    struct bk_loop *loop = open_loop();

    assert_int_equal(bk__pg_target_new(opts, &target), BK_OK);
    bk__pg_connect(target, bk_str_of(password), timeout_ms, on_connected, &outcome);
    turn_until(&outcome.done);
    bk__pg_target_free(target);
    fiber_run_close(loop);
    return outcome;
}

static inline struct outcome try_url(const char *url, const char *password, uint32_t timeout_ms)
{
    return try_opts(&(bk_pg_opts){.url = bk_str_of(url)}, password, timeout_ms);
}

static inline struct bk__pg_link *open_url(const char *url)
{
    struct outcome outcome = try_url(url, NULL, PATIENCE_MS);

    if (outcome.link == NULL)
        fail_msg("%s", outcome.why);
    return outcome.link;
}

/* Over TLS, with the certificate looked at in full. */
static inline struct bk__pg_link *open_tls(const struct postgres *server)
{
    char url[1024];

    snprintf(url, sizeof url, "%s sslmode=verify-full sslrootcert=%s/ca.crt", server->url,
             server->folder);
    return open_url(url);
}

static inline void assert_refused(const char *url, const char *words)
{
    struct outcome outcome = try_url(url, NULL, PATIENCE_MS);

    assert_null(outcome.link);
    if (strstr(outcome.why, words) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", words, outcome.why);
}

static inline int start_servers(void **state)
{
    struct servers *servers = calloc(1, sizeof *servers);

    assert_non_null(servers);
    servers->main = postgres_start("tls", "password");
    servers->read_only = postgres_start("settings.default_transaction_read_only=on");
    *state = servers;
    return 0;
}

static inline int stop_servers(void **state)
{
    struct servers *servers = *state;

    postgres_stop(&servers->main);
    postgres_stop(&servers->read_only);
    free(servers);
    return 0;
}

/* --- a very small client ---------------------------------------------------------------------- */

static inline void await_fd(const struct bk__pg_link *link, short events)
{
    struct pollfd poll_fd = {.fd = link->fd, .events = events};

    assert_int_equal(errno, EAGAIN);
    assert_int_equal(poll(&poll_fd, 1, PATIENCE_MS), 1);
}

static inline void send_all(struct bk__pg_link *link, const void *bytes, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t more = bk__pg_link_write(link, (const char *)bytes + sent, len - sent);
        if (more < 0)
            await_fd(link, POLLOUT);
        else
            sent += (size_t)more;
    }
}

static inline void send_query(struct bk__pg_link *link, const char *sql)
{
    char message[512] = "Q";
    uint32_t len = (uint32_t)strlen(sql) + 5, network = htonl(len);

    memcpy(message + 1, &network, 4);
    memcpy(message + 5, sql, len - 4);
    send_all(link, message, 1 + len);
}

static inline void read_all(struct bk__pg_link *link, void *to, size_t len)
{
    for (size_t got = 0; got < len;) {
        ssize_t more = bk__pg_link_read(link, (char *)to + got, len - got);
        assert_int_not_equal(more, 0);
        if (more < 0)
            await_fd(link, POLLIN);
        else
            got += (size_t)more;
    }
}

/* Reads messages up to one of @p type; its body's length. */
static inline size_t read_until(struct bk__pg_link *link, char type, char *body, size_t room)
{
    char head[5], got = 0;
    uint32_t len = 0;

    while (got != type) {
        read_all(link, head, sizeof head);
        got = head[0];
        memcpy(&len, head + 1, 4);
        len = ntohl(len) - 4;
        assert_true(len < room);
        read_all(link, body, len);
        body[len] = '\0';
    }
    return len;
}

/* The first column of the first row, as text. */
static inline void ask(struct bk__pg_link *link, const char *sql, char *answer)
{
    char body[1024];
    uint32_t len;

    send_query(link, sql);
    read_until(link, 'D', body, sizeof body);
    memcpy(&len, body + 2, 4);
    memcpy(answer, body + 6, ntohl(len));
    answer[ntohl(len)] = '\0';
    read_until(link, 'Z', body, sizeof body);
}

static inline void assert_in_sync(struct bk__pg_link *link)
{
    char answer[6];

    send_all(link, "S\0\0\0\4", 5);
    read_all(link, answer, sizeof answer);
    assert_memory_equal(answer, "Z\0\0\0\5I", 6);
    errno = 0;
    assert_int_equal(bk__pg_link_read(link, answer, 1), -1);
    assert_int_equal(errno, EAGAIN);
}

#endif
