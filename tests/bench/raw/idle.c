/*
 * Opens N keep-alive connections to 127.0.0.1:PORT, sends each one GET per ROUND seconds, and
 * says how many answered. It ends by itself after ROUNDS rounds.
 *
 *   cc -O2 -o idle idle.c && ./idle PORT N ROUNDS SECONDS [PATH]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        errx(2, "usage: idle PORT N ROUNDS SECONDS [PATH]");
    int port = atoi(argv[1]), n = atoi(argv[2]), rounds = atoi(argv[3]), pause = atoi(argv[4]);
    const char *path = argc > 5 ? argv[5] : "/plaintext";
    struct rlimit rl;
    getrlimit(RLIMIT_NOFILE, &rl);
    rl.rlim_cur = rl.rlim_max;
    setrlimit(RLIMIT_NOFILE, &rl);
    int *fd = malloc(sizeof *fd * n), open = 0;
    struct timeval limit = {.tv_sec = 10};
    double t0 = now();
    for (int i = 0; i < n; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        fd[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (fd[i] < 0)
            err(1, "socket %d", i);
        setsockopt(fd[i], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
        setsockopt(fd[i], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
        if (connect(fd[i], (void *)&a, sizeof a)) {
            close(fd[i]);
            fd[i] = -1;
            continue;
        }
        open++;
    }
    printf("connected %d of %d in %.2f s\n", open, n, now() - t0);
    char req[512], buf[65536];
    int len = snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    for (int r = 0; r < rounds; r++) {
        double begin = now(), worst = 0;
        int ok = 0, bad = 0;
        for (int base = 0; base < n; base += 500) { /* 500 in flight at a time */
            double sent = now();
            int end = base + 500 < n ? base + 500 : n;
            for (int i = base; i < end; i++)
                if (fd[i] >= 0 && send(fd[i], req, len, MSG_NOSIGNAL) != len) {
                    close(fd[i]);
                    fd[i] = -1;
                    bad++;
                }
            for (int i = base; i < end; i++) {
                if (fd[i] < 0)
                    continue;
                ssize_t got = recv(fd[i], buf, sizeof buf, 0);
                if (got > 12 && !memcmp(buf, "HTTP/1.1 200", 12))
                    ok++;
                else {
                    bad++;
                    close(fd[i]);
                    fd[i] = -1;
                }
            }
            if (now() - sent > worst)
                worst = now() - sent;
        }
        printf("round %d: ok %d, lost %d, %.2f s, slowest batch of 500 %.3f s\n", r + 1, ok, bad,
               now() - begin, worst);
        fflush(stdout);
        if (r + 1 < rounds)
            sleep(pause);
    }
    printf("holding\n");
    fflush(stdout);
    sleep(pause);
    return 0;
}
