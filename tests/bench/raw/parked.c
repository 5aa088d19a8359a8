/*
 * Has N requests in flight at once: opens N connections to 127.0.0.1:PORT, sends GET PATH on each,
 * says "parked", and then counts the answers. Twice on the same connections, so that the second
 * time finds the server warm.
 *
 *   cc -O2 -o parked parked.c && ./parked PORT N '/slow?ms=4000'
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_one(int port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval limit = {.tv_sec = 60};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (void *)&a, sizeof a) != 0)
        err(1, "connect");
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        errx(2, "usage: parked PORT N PATH");
    int port = atoi(argv[1]), n = atoi(argv[2]);
    char request[512], answer[4096];
    struct rlimit files;

    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    int *fds = calloc((size_t)n, sizeof *fds);
    int len =
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", argv[3]);
    for (int i = 0; i < n; i++)
        fds[i] = open_one(port);
    for (int round = 1; round <= 2; round++) {
        int good = 0;
        for (int i = 0; i < n; i++)
            if (send(fds[i], request, (size_t)len, MSG_NOSIGNAL) != len)
                err(1, "send");
        printf("round %d: %d parked\n", round, n);
        fflush(stdout);
        for (int i = 0; i < n; i++) {
            ssize_t got = recv(fds[i], answer, sizeof answer, 0);
            good += got > 12 && memcmp(answer, "HTTP/1.1 200", 12) == 0;
        }
        printf("round %d: %d answered\n", round, good);
        fflush(stdout);
        sleep(1);
    }
    return 0;
}
