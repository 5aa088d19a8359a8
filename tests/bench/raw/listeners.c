/*
 * Opens N listeners of GET /events (server-sent events) or of GET /socket (WebSocket) at
 * 127.0.0.1:PORT, then ROUNDS times posts a message to /say and tells how long it took until all
 * had it. It waits for a line on its input before the rounds and again before it ends.
 *
 *   cc -O2 -o listeners listeners.c && ./listeners PORT N events|socket ROUNDS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define END "~" /* of the message */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static int connect_to(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (void *)&at, sizeof at) != 0)
        err(1, "connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

/* Asks, and reads the head of an answer with this status. */
static void ask(int fd, const char *request, const char *status)
{
    char head[2048];
    size_t len = 0;

    if (write(fd, request, strlen(request)) != (ssize_t)strlen(request))
        err(1, "write");
    while (memmem(head, len, "\r\n\r\n", 4) == NULL) {
        ssize_t got = read(fd, head + len, sizeof head - len);
        if (got <= 0)
            err(1, "no answer");
        len += got;
    }
    if (len < 12 || memcmp(head + 9, status, 3) != 0)
        errx(1, "not %s: %.*s", status, (int)len, head);
}

static void wait_for_line(void)
{
    char line[16];
    if (fgets(line, sizeof line, stdin) == NULL)
        exit(0);
}

/* One message to all; the time until the last has it, in seconds. */
static double round_trip(int publisher, int epoll, int count)
{
    static const char say[] = "POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
                              "0123456789012345678901234567890123456789012345678901234567890123456"
                              "78901234567890123456789012345678" END;
    struct epoll_event events[1024];
    char bytes[4096];
    double begin = now();

    if (write(publisher, say, sizeof say - 1) != sizeof say - 1)
        err(1, "write");
    while (count > 0) {
        int ready = epoll_wait(epoll, events, 1024, 10000);
        if (ready <= 0)
            errx(1, "%d have not heard", count);
        for (int i = 0; i < ready; i++) {
            ssize_t got = read(events[i].data.fd, bytes, sizeof bytes);
            if (got <= 0)
                errx(1, "a listener was closed");
            count -= memchr(bytes, END[0], got) != NULL;
        }
    }
    double took = now() - begin;
    if (read(publisher, bytes, sizeof bytes) <= 0)
        err(1, "read");
    return took;
}

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        errx(2, "usage: listeners PORT N events|socket ROUNDS");
    int port = atoi(argv[1]), count = atoi(argv[2]), rounds = atoi(argv[4]);
    bool socket = strcmp(argv[3], "socket") == 0;
    const char *request = socket
                              ? "GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
                              : "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct rlimit files;
    double *took = calloc(rounds, sizeof *took);
    int epoll = epoll_create1(0), publisher = connect_to(port);

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    for (int i = 0; i < count; i++) {
        int fd = connect_to(port);
        ask(fd, request, socket ? "101" : "200");
        struct epoll_event in = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &in);
    }
    printf("listening\n");
    fflush(stdout);
    wait_for_line();
    for (int i = 0; i < rounds; i++)
        took[i] = round_trip(publisher, epoll, count);
    qsort(took, rounds, sizeof *took, by_size);
    printf("all had a message after %.1f ms (median of %d; slowest %.1f ms)\n",
           took[rounds / 2] * 1e3, rounds, took[rounds - 1] * 1e3);
    fflush(stdout);
    wait_for_line();
    return 0;
}
