/*
 * The least a server can do per request: the loopback limit that no framework passes.
 * One epoll loop per thread, SO_REUSEPORT, read, count "\r\n\r\n", write a fixed answer for each.
 * It parses nothing and is right for GET requests only.
 *
 *   cc -O2 -pthread -o hello_epoll hello_epoll.c && ./hello_epoll PORT THREADS
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER                                                                                     \
    "HTTP/1.1 200 OK\r\nServer: raw\r\nContent-Type: text/plain\r\n"                               \
    "Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 13\r\n\r\nHello, World!"
enum {
    MAX_PIPELINE = 256
};
static const size_t LEN = sizeof(ANSWER) - 1;
static int port;

static int listener(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (void *)&a, sizeof a) || listen(fd, 4096))
        err(1, "listen on %d", port);
    return fd;
}

static void *loop(void *unused)
{
    char in[16384], out[MAX_PIPELINE * sizeof(ANSWER)];
    int ep = epoll_create1(0), lfd = listener(), on = 1;
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = lfd}, evs[256];
    (void)unused;
    for (int i = 0; i < MAX_PIPELINE; i++)
        memcpy(out + i * LEN, ANSWER, LEN);
    epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev);
    for (;;) {
        int n = epoll_wait(ep, evs, 256, -1);
        for (int i = 0; i < n; i++) {
            int fd = evs[i].data.fd;
            if (fd == lfd) {
                while ((fd = accept4(lfd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
                    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                    ev = (struct epoll_event){.events = EPOLLIN, .data.fd = fd};
                    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
                }
                continue;
            }
            ssize_t got = read(fd, in, sizeof in);
            if (got <= 0) {
                close(fd);
                continue;
            }
            size_t count = 0;
            for (char *p = in, *end = in + got; (p = memmem(p, end - p, "\r\n\r\n", 4)); p += 4)
                count++;
            if (count > MAX_PIPELINE)
                count = MAX_PIPELINE;
            if (count && write(fd, out, count * LEN) < 0)
                close(fd);
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    port = argc > 1 ? atoi(argv[1]) : 8080;
    int threads = argc > 2 ? atoi(argv[2]) : 2;
    signal(SIGPIPE, SIG_IGN);
    pthread_t t;
    for (int i = 1; i < threads; i++)
        pthread_create(&t, NULL, loop, NULL);
    loop(NULL);
}
