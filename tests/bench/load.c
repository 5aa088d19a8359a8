/*
 * load.c: bench-load, a load of HTTP/1.1 requests over many kept connections.
 *
 *   bench-load -p PORT -s SCRIPT [-c CONNECTIONS] [-r RATE] [-t SECONDS] [-d DEADLINE] [-b BASE]
 *              [-a FILE] [-v]
 *
 *   -r RATE      requests a second, whatever the server does; latencies count from when a request
 *                was due. Without it each connection asks again as soon as it has its answer.
 *   -d DEADLINE  seconds until a request has failed; default 10
 *   -b BASE      the first number that {seq} of the script stands for; default 1
 *   -a FILE      notes each good answer to a request that changed something: kind, number, status,
 * Location -v           a line a second on standard error
 *
 * Prints one JSON object. The connection that has rested longest takes the next request, so all are
 * active in turn. One that the server closed between requests is opened again when its turn comes,
 * as clients do, and costs the request the time for it. One thread.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "load_answer.h"
#include "load_script.h"
#include "load_tally.h"

#define SECOND_NS   1000000000ull
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

static struct options {
    int port, connections;
    double rate, seconds, deadline;
    uint64_t base;
    const char *script, *notes;
    bool verbose;
} options = {.connections = 100, .seconds = 10, .deadline = 10, .base = 1};

static struct script script;
static struct tally tally;
static struct histogram this_second;
static struct conn *conns;
static struct list idle, busy; /* busy: the oldest request first */
static int epoll_fd, opening, wrong_shown;
static uint64_t next_request, start_ns, end_ns;
static char *out_bytes, in_bytes[256 << 10];
static FILE *notes;
static volatile sig_atomic_t stopped;

static uint64_t now_ns(void)
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
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)options.port)};

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

static void ask(struct conn *conn, uint64_t seq, uint64_t due, uint64_t now)
{
    conn->entry = &script.entries[seq % script.count];
    conn->seq = seq + options.base;
    conn->due = due;
    conn->began = now;
    conn->again = false;
    conn->sent = 0;
    list_remove(&idle, conn);
    list_push(&busy, conn);
    tally_sent(&tally, conn->entry->kind);
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
        errx(1, "port %d takes no more connections: %s", options.port, strerror(errno));
    hang_up(conn);
    if (conn->entry == NULL) {
        tally.closed_idle++;
    } else if (!conn->again && (!got_out || conn->entry->idempotent) && why != FAIL_UNREADABLE) {
        conn->again = true;
        tally.retried += got_out;
        tally.resent += !got_out;
        dial(conn);
    } else {
        tally_failure(&tally, conn->entry->kind, why, (now_ns() - conn->due) / 1000);
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
    const char *kind = script.kinds[entry->kind];
    enum verdict verdict = judge(conn, answer);
    uint64_t us = (now_ns() - conn->due) / 1000;

    tally_answer(&tally, entry->kind, answer->status, verdict, us);
    histogram_add(&this_second, us);
    conn->answers++;
    if (verdict == GOOD && notes != NULL && !entry->safe)
        fprintf(notes, "%s %010" PRIu64 " %d %.*s\n", kind, conn->seq, answer->status,
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

/* --- time --- */

static uint64_t due_of(uint64_t request)
{
    return start_ns + (uint64_t)((double)request * (1e9 / options.rate));
}

/* Whether another is to be sent, and at what time. */
static bool next_due(uint64_t now, uint64_t *due)
{
    *due = options.rate > 0 ? due_of(next_request) : now;
    return *due < end_ns && !stopped;
}

static void send_what_is_due(void)
{
    uint64_t now = now_ns(), due;

    /* At most one each, so that answers are looked at in between. */
    for (int i = 0; i < options.connections && idle.first != NULL; i++) {
        if (!next_due(now, &due) || due > now)
            return;
        ask(idle.first, next_request++, due, now);
    }
}

static void give_up_what_is_late(uint64_t now)
{
    uint64_t patience = (uint64_t)(options.deadline * 1e9);
    struct conn *conn;

    while ((conn = busy.first) != NULL && conn->began + patience <= now) {
        hang_up(conn);
        tally_failure(&tally, conn->entry->kind, FAIL_TIMEOUT, (now - conn->due) / 1000);
        rest(conn);
    }
}

static void show_progress(uint64_t now)
{
    static uint64_t next, before[VERDICTS];

    if (!options.verbose || now < next)
        return;
    fprintf(stderr, "%6.1f s", (double)(now - start_ns) / 1e9);
    for (int i = 0; i < VERDICTS; i++) {
        static const char *const names[] = {"good", "refused", "wrong", "failed"};
        fprintf(stderr, "  %s %" PRIu64, names[i], tally.all.verdicts[i] - before[i]);
        before[i] = tally.all.verdicts[i];
    }
    fprintf(stderr, "  p99 %.1f ms\n", (double)histogram_at(&this_second, 0.99) / 1e3);
    this_second = (struct histogram){0};
    next = now + SECOND_NS;
}

/* Waits for events until the next request is due, 20 ms at most. */
static void wait_and_handle(uint64_t now)
{
    struct epoll_event events[512];
    uint64_t due, pause = 20000000;

    if (idle.first != NULL && next_due(now, &due) && due < now + pause)
        pause = due > now ? due - now : 0;
    struct timespec wait = {.tv_nsec = (long)pause};
    int count = epoll_pwait2(epoll_fd, events, sizeof events / sizeof events[0], &wait, NULL);
    if (count < 0 && errno != EINTR)
        err(1, "epoll_pwait2");
    for (int i = 0; i < count; i++) {
        struct conn *conn = events[i].data.ptr;
        if (conn->fd >= 0)
            happen(conn, events[i].events);
    }
}

static void open_all(void)
{
    conns = calloc((size_t)options.connections, sizeof *conns);
    if (conns == NULL)
        err(1, "calloc");
    end_ns = 0;
    for (int i = 0; i < options.connections; i++) {
        conns[i].fd = -1;
        list_push(&idle, &conns[i]);
        dial(&conns[i]);
        while (opening >= AT_ONCE || (i + 1 == options.connections && opening > 0))
            wait_and_handle(now_ns());
    }
}

static void run(void)
{
    start_ns = now_ns();
    end_ns = start_ns + (uint64_t)(options.seconds * 1e9);
    for (;;) {
        uint64_t now = now_ns(), due;
        bool more = next_due(now, &due);
        if (!more && busy.first == NULL)
            break;
        if (more && now > end_ns + (uint64_t)(options.deadline * 1e9)) {
            tally.unsent =
                (uint64_t)((double)(end_ns - start_ns) / 1e9 * options.rate) - next_request;
            end_ns = 0; /* of those that are under way we still hear */
        }
        send_what_is_due();
        wait_and_handle(now);
        give_up_what_is_late(now_ns());
        show_progress(now);
    }
}

/* --- the frame --- */

static void report(uint64_t took)
{
    uint64_t least = UINT64_MAX, most = 0;
    struct rusage used;

    for (int i = 0; i < options.connections; i++) {
        least = conns[i].answers < least ? conns[i].answers : least;
        most = conns[i].answers > most ? conns[i].answers : most;
    }
    getrusage(RUSAGE_SELF, &used);
    printf("{\"connections\": %d, \"rate\": %g, \"seconds\": %g, \"took\": %.3f, ",
           options.connections, options.rate, options.seconds, (double)took / 1e9);
    printf("\"answers_of_a_connection\": {\"least\": %" PRIu64 ", \"most\": %" PRIu64 "}, ", least,
           most);
    printf("\"own_cpu_s\": %.3f,\n ",
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    tally_print(stdout, &tally, &script);
    printf("}\n");
}

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:s:c:r:t:d:b:a:v")) != -1) {
        switch (option) {
        case 'p':
            options.port = atoi(optarg);
            break;
        case 's':
            options.script = optarg;
            break;
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        case 'd':
            options.deadline = atof(optarg);
            break;
        case 'b':
            options.base = strtoull(optarg, NULL, 10);
            break;
        case 'a':
            options.notes = optarg;
            break;
        case 'v':
            options.verbose = true;
            break;
        default:
            options.port = 0;
        }
    }
    if (options.port <= 0 || options.port > 65535 || options.script == NULL || optind != argc ||
        options.connections < 1 || options.seconds <= 0 || options.deadline <= 0 ||
        options.rate < 0)
        errx(2, "usage: bench-load -p PORT -s SCRIPT [-c CONNECTIONS] [-r RATE] [-t SECONDS] "
                "[-d DEADLINE] [-b BASE] [-a FILE] [-v]");
}

int main(int argc, char **argv)
{
    struct rlimit files;
    char host[32];

    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(host, sizeof host, "127.0.0.1:%d", options.port);
    script_read(options.script, host, &script);
    if (options.notes != NULL && (notes = fopen(options.notes, "w")) == NULL)
        err(2, "%s", options.notes);
    out_bytes = malloc(script.longest + 1);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (out_bytes == NULL || epoll_fd < 0)
        err(1, "start");
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    open_all();
    run();
    report(now_ns() - start_ns);
    if (notes != NULL && fclose(notes) != 0)
        err(1, "%s", options.notes);
    for (int i = 0; i < options.connections; i++)
        hang_up(&conns[i]);
    free(conns);
    free(out_bytes);
    script_free(&script);
    return 0;
}
