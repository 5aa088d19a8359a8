/*
 * handshake.c: libpq's steps of connecting, with a deadline. See handshake.h.
 *
 * libpq 15 keeps the key for cancel requests to itself, but its trace of the messages shows it. The
 * trace is read as it is made, line by line; what else it shows (passwords) is kept nowhere.
 */
#include "pg/handshake.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <libpq-fe.h>
#include <openssl/ssl.h>

#include <backend/clock.h>

#include "core/assert.h"

/* --- the key ---------------------------------------------------------------------------------- */

/* Reads libpq's trace for lines such as "B\t12\tBackendKeyData\t 4711 -123456". */
struct key_reader {
    FILE *stream;
    char stdio[256];
    char line[64]; /* its beginning */
    size_t len;    /* of the line, which may be longer */
    uint32_t pid, key;
};

static void end_line(struct key_reader *reader)
{
    int pid, key;

    reader->line[reader->len < sizeof reader->line ? reader->len : sizeof reader->line - 1] = '\0';
    if (sscanf(reader->line, "B\t12\tBackendKeyData\t %d %d", &pid, &key) == 2) {
        reader->pid = (uint32_t)pid;
        reader->key = (uint32_t)key;
    }
    reader->len = 0;
}

static ssize_t on_trace(void *cookie, const char *text, size_t size)
{
    struct key_reader *reader = cookie;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n')
            end_line(reader);
        else if (reader->len++ < sizeof reader->line)
            reader->line[reader->len - 1] = text[i];
    }
    return (ssize_t)size;
}

static void begin_trace(struct key_reader *reader, PGconn *libpq)
{
    *reader = (struct key_reader){0};
    reader->stream = fopencookie(reader, "w", (cookie_io_functions_t){.write = on_trace});
    bk_assert(reader->stream != NULL);
    setvbuf(reader->stream, reader->stdio, _IOLBF, sizeof reader->stdio);
    PQtrace(libpq, reader->stream);
    PQsetTraceFlags(libpq, PQTRACE_SUPPRESS_TIMESTAMPS);
}

static void end_trace(struct key_reader *reader, PGconn *libpq)
{
    PQuntrace(libpq);
    fclose(reader->stream);
}

/* --- the steps -------------------------------------------------------------------------------- */

/* Whether the socket became ready; sets @p result otherwise. */
static bool await(int fd, short events, int bell, uint64_t until_ns, enum bk__pg_shake *result)
{
    struct pollfd fds[] = {{.fd = bell, .events = POLLIN}, {.fd = fd, .events = events}};
    int count;

    do {
        uint64_t now = bk_now_ns();
        uint64_t wait_ms = now < until_ns ? (until_ns - now + 999999) / 1000000 : 0;
        count = poll(fds, 2, wait_ms < INT32_MAX ? (int)wait_ms : INT32_MAX);
    } while (count < 0);
    *result = fds[0].revents != 0 ? BK__PG_STOPPED : BK__PG_LATE;
    return fds[0].revents == 0 && fds[1].revents != 0;
}

/* The socket may be another after each step. */
static enum bk__pg_shake run_steps(PGconn *libpq, int bell, uint64_t until_ns)
{
    PostgresPollingStatusType step = PGRES_POLLING_WRITING;
    enum bk__pg_shake result = BK__PG_REFUSED;

    while (PQstatus(libpq) != CONNECTION_BAD) {
        if (step == PGRES_POLLING_OK)
            return BK__PG_SHAKEN;
        short events = step == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (!await(PQsocket(libpq), events, bell, until_ns, &result))
            return result;
        step = PQconnectPoll(libpq);
    }
    return BK__PG_REFUSED;
}

static bool is_on(PGconn *libpq, const char *parameter)
{
    const char *value = PQparameterStatus(libpq, parameter);

    return value != NULL && strcmp(value, "on") == 0;
}

static void fill(struct bk__pg_link *link, PGconn *libpq, const struct key_reader *reader)
{
    *link = (struct bk__pg_link){
        .libpq = libpq,
        .ssl = PQsslStruct(libpq, "OpenSSL"),
        .fd = PQsocket(libpq),
        .peer_len = sizeof link->peer,
        .pid = (uint32_t)PQbackendPID(libpq),
        .key = reader->key,
        .read_only =
            is_on(libpq, "in_hot_standby") || is_on(libpq, "default_transaction_read_only"),
    };
    bool has_peer = getpeername(link->fd, (struct sockaddr *)&link->peer, &link->peer_len) == 0;
    link->has_key = has_peer && link->pid != 0 && link->pid == reader->pid;
    if (link->ssl != NULL) /* writing takes what fits, as write(2) does */
        SSL_set_mode(link->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

enum bk__pg_shake bk__pg_handshake(PGconn *libpq, int bell, uint64_t until_ns,
                                   struct bk__pg_link *link)
{
    struct key_reader reader;

    begin_trace(&reader, libpq);
    enum bk__pg_shake result = run_steps(libpq, bell, until_ns);
    end_trace(&reader, libpq);
    if (result == BK__PG_SHAKEN)
        fill(link, libpq, &reader);
    explicit_bzero(&reader, sizeof reader);
    return result;
}
