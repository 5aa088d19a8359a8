/*
 * load_client.c: the connections of bench-load: what is sent on them, and what comes back.
 */
#define _GNU_SOURCE
#include "load_client.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_answer.h"

#define MOST_BYTES  (8u << 20) /* of an answer */
#define AT_ONCE     256        /* connections that are being opened at the start */
#define WRONG_SHOWN 10

struct conn {
    int fd; /* -1: closed */
    bool connecting, queued;
    struct conn *next, *prev;  /* of its list: idle or busy */
    const struct entry *entry; /* NULL: idle */
    uint64_t seq, due, began;  /* ns */
    size_t sent;
    bool again; /* this is the second try */
    char *in;   /* a part of an answer */
    size_t in_len;
    uint64_t answers;
};

struct list {
    struct conn *first, *last;
};

static struct client_opts opts;
static struct conn *conns;
static struct list idle, busy; /* busy: the oldest request first */
static int epoll_fd, opening, wrong_shown;
static char *out_bytes, in_bytes[256 << 10];

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND_NS + (uint64_t)t.tv_nsec;
}

/* --- lists --- */

static void list_push(struct list *list, struct conn *conn)
{
    conn->next = NULL;
    conn->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = conn;
    list->last = conn;
}

static void list_remove(struct list *list, struct conn *conn)
{
    *(conn->prev != NULL ? &conn->prev->next : &list->first) = conn->next;
    *(conn->next != NULL ? &conn->next->prev : &list->last) = conn->prev;
}

/* --- a connection's way from one request to the next --- */

static void lose(struct conn *conn, enum failure why);

static void drop_bytes(struct conn *conn)
{
    free(conn->in);
    conn->in = NULL;
    conn->in_len = 0;
}

static void hang_up(struct conn *conn)
{
    if (conn->fd >= 0)
        close(conn->fd);
    opening -= conn->connecting && conn->entry == NULL;
    conn->fd = -1;
    conn->connecting = false;
    conn->sent = 0;
    drop_bytes(conn);
}

/* The request is over, however it ended. */
static void rest(struct conn *conn)
{
    list_remove(&busy, conn);
    conn->entry = NULL;
    list_push(&idle, conn);
}

static void watch(struct conn *conn, int how, uint32_t what)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | what, .data.ptr = conn};

    if (epoll_ctl(epoll_fd, how, conn->fd, &event) != 0)
        err(1, "epoll_ctl");
}

static void dial(struct conn *conn)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opts.port)};

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (conn->fd < 0)
        err(1, "socket");
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    conn->connecting = true;
    opening += conn->entry == NULL;
    if (connect(conn->fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) {
        lose(conn, FAIL_CONNECT);
        return;
    }
    watch(conn, EPOLL_CTL_ADD, EPOLLOUT);
}

/* All that goes at once; the rest when there is room. */
static void send_request(struct conn *conn)
{
    size_t len = template_write(&conn->entry->request, conn->seq, out_bytes);
    ssize_t sent = send(conn->fd, out_bytes + conn->sent, len - conn->sent, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        lose(conn, FAIL_RESET);
        return;
    }
    bool waited = conn->connecting || conn->sent > 0;
    conn->sent += sent > 0 ? (size_t)sent : 0;
    if (conn->sent < len || waited)
        watch(conn, EPOLL_CTL_MOD, conn->sent < len ? EPOLLOUT : 0);
}

void clients_ask(const struct entry *entry, uint64_t seq, uint64_t due)
{
    struct conn *conn = idle.first;

    conn->entry = entry;
    conn->seq = seq;
    conn->due = due;
    conn->began = now_ns();
    conn->again = false;
    conn->sent = 0;
    list_remove(&idle, conn);
    list_push(&busy, conn);
    tally_sent(opts.tally, entry->kind);
    if (conn->fd < 0)
        dial(conn);
    else
        send_request(conn);
}

/* The connection broke. Between requests that is no harm; a request is tried once more if it did
 * not get out, or may be done twice. */
static void lose(struct conn *conn, enum failure why)
{
    bool got_out = conn->sent > 0;

    if (conn->entry == NULL && conn->connecting)
        errx(1, "port %d takes no more connections: %s", opts.port, strerror(errno));
    hang_up(conn);
    if (conn->entry == NULL) {
        opts.tally->closed_idle++;
    } else if (!conn->again && (!got_out || conn->entry->idempotent) && why != FAIL_UNREADABLE) {
        conn->again = true;
        opts.tally->retried += got_out;
        opts.tally->resent += !got_out;
        dial(conn);
    } else {
        tally_failure(opts.tally, conn->entry->kind, why, (now_ns() - conn->due) / 1000);
        rest(conn);
    }
}

/* --- answers --- */

static enum verdict judge(const struct conn *conn, const struct answer *answer)
{
    size_t len = template_write(&conn->entry->text, conn->seq, out_bytes);

    if (answer->status == conn->entry->status && answer_has(answer, out_bytes, len))
        return GOOD;
    return answer->status == 503 && answer->problem ? REFUSED : WRONG;
}

static void take_answer(struct conn *conn, const struct answer *answer)
{
    const struct entry *entry = conn->entry;
    const char *kind = opts.script->kinds[entry->kind];
    enum verdict verdict = judge(conn, answer);
    uint64_t us = (now_ns() - conn->due) / 1000;

    tally_answer(opts.tally, entry->kind, answer->status, verdict, us);
    histogram_add(opts.recent, us);
    conn->answers++;
    if (verdict == GOOD && opts.notes != NULL && !entry->safe)
        fprintf(opts.notes, "%s %010" PRIu64 " %d %.*s\n", kind, conn->seq, answer->status,
                (int)answer->location_len, answer->location != NULL ? answer->location : "");
    if (verdict == WRONG && wrong_shown++ < WRONG_SHOWN)
        fprintf(stderr, "wrong: %s %" PRIu64 ": %d %.*s\n", kind, conn->seq, answer->status,
                (int)(answer->body_len < 300 ? answer->body_len : 300), answer->body);
    if (answer->closes)
        hang_up(conn);
    rest(conn);
}

/* The bytes that have come for this answer: those of one read, mostly. */
static void look_at(struct conn *conn, const char *bytes, size_t len)
{
    struct answer answer;
    enum answer_state state = answer_read(bytes, len, &answer);

    if (state == ANSWER_UNREADABLE || len > MOST_BYTES ||
        (state == ANSWER_WHOLE && answer.size != len)) {
        lose(conn, FAIL_UNREADABLE);
    } else if (state == ANSWER_WHOLE) {
        take_answer(conn, &answer);
        drop_bytes(conn);
    } else if (conn->in == NULL) {
        if ((conn->in = malloc(len)) == NULL)
            err(1, "malloc");
        memcpy(conn->in, bytes, len);
        conn->in_len = len;
    }
}

static void receive(struct conn *conn)
{
    ssize_t got = recv(conn->fd, in_bytes, sizeof in_bytes, 0);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0 || conn->entry == NULL) { /* what comes unasked is a 408 before the end */
        lose(conn, FAIL_RESET);
        return;
    }
    if (conn->in == NULL) {
        look_at(conn, in_bytes, (size_t)got);
        return;
    }
    conn->in = realloc(conn->in, conn->in_len + (size_t)got);
    if (conn->in == NULL)
        err(1, "realloc");
    memcpy(conn->in + conn->in_len, in_bytes, (size_t)got);
    conn->in_len += (size_t)got;
    look_at(conn, conn->in, conn->in_len);
}

static void happen(struct conn *conn, uint32_t events)
{
    if (conn->connecting && (events & (EPOLLERR | EPOLLHUP)) != 0) {
        socklen_t len = sizeof errno;
        getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &errno, &len);
        lose(conn, FAIL_CONNECT);
    } else if (conn->connecting && conn->entry == NULL) {
        conn->connecting = false;
        opening--;
        watch(conn, EPOLL_CTL_MOD, 0);
    } else if ((events & EPOLLOUT) != 0) {
        send_request(conn);
        conn->connecting = false;
    } else {
        receive(conn);
    }
}

/* --- all of them --- */

bool clients_idle(void)
{
    return idle.first != NULL;
}

bool clients_busy(void)
{
    return busy.first != NULL;
}

void clients_wait(uint64_t ns)
{
    struct epoll_event events[512];
    struct timespec wait = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
    int count = epoll_pwait2(epoll_fd, events, sizeof events / sizeof events[0], &wait, NULL);

    if (count < 0 && errno != EINTR)
        err(1, "epoll_pwait2");
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn->fd >= 0)
            happen(conn, events[i].events);
    }
}

void clients_give_up(void)
{
    struct conn *conn;
    uint64_t now = now_ns();

    while ((conn = busy.first) != NULL && conn->began + opts.deadline_ns <= now) {
        hang_up(conn);
        tally_failure(opts.tally, conn->entry->kind, FAIL_TIMEOUT, (now - conn->due) / 1000);
        rest(conn);
    }
}

void clients_open(const struct client_opts *wanted)
{
    opts = *wanted;
    conns = calloc((size_t)opts.connections, sizeof *conns);
    out_bytes = malloc(opts.script->longest);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (conns == NULL || out_bytes == NULL || epoll_fd < 0)
        err(1, "clients_open");
    for (int i = 0; i < opts.connections; i++) {
        conns[i].fd = -1;
        list_push(&idle, &conns[i]);
        dial(&conns[i]);
        while (opening >= AT_ONCE || (i + 1 == opts.connections && opening > 0))
            clients_wait(SECOND_NS);
    }
}

void clients_answers(uint64_t *least, uint64_t *most)
{
    *least = UINT64_MAX;
    *most = 0;
    for (int i = 0; i < opts.connections; i++) {
        *least = conns[i].answers < *least ? conns[i].answers : *least;
        *most = conns[i].answers > *most ? conns[i].answers : *most;
    }
}

void clients_close(void)
{
    for (int i = 0; i < opts.connections; i++)
        hang_up(&conns[i]);
    close(epoll_fd);
    free(conns);
    free(out_bytes);
}
