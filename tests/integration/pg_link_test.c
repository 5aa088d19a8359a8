/* Links: sockets that libpq has connected and that we read and write; with a real server. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/pg_links.h"

/* --- speaking --------------------------------------------------------------------------------- */

static void test_a_link_over_tcp_with_scram_speaks_the_protocol(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_url(servers->main.url);
    struct sockaddr_in *peer = (struct sockaddr_in *)&link->peer;
    char answer[64], pid[16];

    assert_int_equal(ntohs(peer->sin_port), servers->main.port);
    assert_true(link->has_key);
    assert_false(link->read_only);
    assert_in_sync(link);
    ask(link, "SELECT pg_backend_pid()", answer);
    snprintf(pid, sizeof pid, "%u", link->pid);
    assert_string_equal(answer, pid);
    bk__pg_link_close(link);
}

static void test_a_link_over_a_unix_socket_speaks_the_protocol(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_url(servers->main.socket_url);

    assert_int_equal(link->peer.ss_family, AF_UNIX);
    assert_null(link->ssl);
    assert_in_sync(link);
    bk__pg_link_close(link);
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void test_a_link_over_tls_speaks_the_protocol(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_tls(&servers->main);

    assert_non_null(link->ssl);
    assert_in_sync(link);
    bk__pg_link_close(link);
}

/* A record is decrypted whole, so a short read leaves bytes that no descriptor tells of. */
static void test_bytes_left_in_a_tls_record_are_told_of(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_tls(&servers->main);
    char type, *body = malloc(300000);

    assert_false(bk__pg_link_pending(link));
    send_query(link, "SELECT repeat('x', 200000)");
    read_all(link, &type, 1);
    assert_int_equal(type, 'T');
    assert_true(bk__pg_link_pending(link));
    read_all(link, body, 4);
    read_all(link, body, (size_t)(unsigned char)body[3] - 4);
    assert_int_equal(read_until(link, 'D', body, 300000), 200006);
    read_until(link, 'Z', body, 300000);
    assert_false(bk__pg_link_pending(link));
    assert_in_sync(link);
    bk__pg_link_close(link);
    free(body);
}

static void test_a_certificate_of_another_authority_is_refused(void **state)
{
    struct servers *servers = *state;
    char url[1024];

    snprintf(url, sizeof url, "%s sslmode=verify-full sslrootcert=%s/other.crt", servers->main.url,
             servers->main.folder);
    assert_refused(url, "certificate verify failed");
}

static void test_a_certificate_of_another_name_is_refused(void **state)
{
    struct servers *servers = *state;
    char url[1024];

    snprintf(url, sizeof url,
             "%s sslmode=verify-full sslrootcert=%s/ca.crt hostaddr=127.0.0.1 "
             "host=elsewhere.invalid",
             servers->main.url, servers->main.folder);
    assert_refused(url, "does not match host name");
}

/* The server's end is an end, not an error. */
static void test_the_end_of_the_stream_is_seen(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *links[] = {open_url(servers->main.url), open_tls(&servers->main)};

    postgres_do(&servers->main, "terminate_backends");
    for (size_t i = 0; i < 2; i++) {
        char body[512];
        ssize_t got;
        read_until(links[i], 'E', body, sizeof body);
        while ((got = bk__pg_link_read(links[i], body, 1)) < 0)
            await_fd(links[i], POLLIN);
        assert_int_equal(got, 0);
        bk__pg_link_close(links[i]);
    }
}

/* --- closing ---------------------------------------------------------------------------------- */

static void test_closing_never_waits_for_a_stopped_server(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *links[] = {open_url(servers->main.url), open_tls(&servers->main)};
    static const char zeros[65536];

    postgres_do(&servers->main, "pause");
    for (size_t i = 0; i < 2; i++) {
        while (bk__pg_link_write(links[i], zeros, sizeof zeros) > 0)
            continue;
        assert_int_equal(errno, EAGAIN);
        uint64_t start = bk_now_ns();
        bk__pg_link_close(links[i]);
        assert_true(bk_now_ns() - start < SOON_MS * UINT64_C(1000000));
    }
    postgres_do(&servers->main, "resume");
    bk__pg_link_close(NULL);
}

static void test_a_closed_link_leaves_no_session(void **state)
{
    struct servers *servers = *state;
    struct bk__pg_link *link = open_tls(&servers->main);
    char sql[128];

    snprintf(sql, sizeof sql, "SELECT count(*) FROM pg_stat_activity WHERE pid = %u", link->pid);
    assert_string_equal(postgres_do(&servers->main, "psql", sql), "1");
    bk__pg_link_close(link);
    for (int i = 0; i < 100 && postgres_do(&servers->main, "psql", sql)[0] != '0'; i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_string_equal(postgres_do(&servers->main, "psql", sql), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_link_over_tcp_with_scram_speaks_the_protocol),
        cmocka_unit_test(test_a_link_over_a_unix_socket_speaks_the_protocol),
        cmocka_unit_test(test_a_link_over_tls_speaks_the_protocol),
        cmocka_unit_test(test_bytes_left_in_a_tls_record_are_told_of),
        cmocka_unit_test(test_a_certificate_of_another_authority_is_refused),
        cmocka_unit_test(test_a_certificate_of_another_name_is_refused),
        cmocka_unit_test(test_the_end_of_the_stream_is_seen),
        cmocka_unit_test(test_closing_never_waits_for_a_stopped_server),
        cmocka_unit_test(test_a_closed_link_leaves_no_session),
    };

    return cmocka_run_group_tests_name("pg/link", tests, start_servers, stop_servers);
}
