/*
 * redis.h: a Redis of a test's own.
 *
 *     struct redis server = redis_start("--maxmemory", "2mb");
 *     ... server.url ...
 *     redis_signal(&server, SIGSTOP);
 *     assert_string_equal(redis_cli(&server, "GET", "key"), "value");
 *     redis_stop(&server);
 *
 * It ends with the test, however that ends. What fails here fails the test.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_REDIS_H
#define TESTS_HARNESS_REDIS_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDIS_OPTIONS_MAX 16

struct redis {
    pid_t pid;
    char folder[64]; /* its files, its unix socket */
    int port;        /* on 127.0.0.1 */
    char url[96], unix_url[128];
    char socket[96];
    const char *options[REDIS_OPTIONS_MAX]; /* literals */
    char answer[65536];
};

static inline int redis_free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    close(fd);
    return ntohs(address.sin_port);
}

/* Runs redis-cli with words; returns what it printed, without the newline, until the next call. */
static inline const char *redis_cli_words(struct redis *server, const char *const *words)
{
    const char *all[32] = {"redis-cli", "-s", server->socket};
    int out[2], status;
    size_t len = 0;
    ssize_t got;

    for (size_t i = 0; words[i] != NULL && i < 28; i++)
        all[3 + i] = words[i];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDOUT_FILENO);
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
        execvp(all[0], (char *const *)all);
        _exit(127);
    }
    close(out[1]);
    while ((got = read(out[0], server->answer + len, sizeof server->answer - 1 - len)) > 0)
        len += (size_t)got;
    close(out[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    server->answer[len] = '\0';
    server->answer[strcspn(server->answer, "\n")] = '\0';
    return server->answer;
}

#define redis_cli(server, ...) redis_cli_words(server, (const char *const[]){__VA_ARGS__, NULL})

/* Starts it, again on the same port, and waits until it answers. */
static inline void redis_again(struct redis *server)
{
    const char *words[REDIS_OPTIONS_MAX + 16] = {
        "redis-server", "--dir",     server->folder, "--save",       "",
        "--bind",       "127.0.0.1", "--unixsocket", server->socket, "--enable-debug-command",
        "yes",          "--port"};
    char port[8];

    snprintf(port, sizeof port, "%d", server->port);
    words[12] = port;
    for (size_t i = 0; server->options[i] != NULL; i++)
        words[13 + i] = server->options[i];
    server->pid = fork();
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDWR);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        execvp(words[0], (char *const *)words);
        _exit(127);
    }
    for (int i = 0; strcmp(redis_cli(server, "PING"), "PONG") != 0; i++) {
        if (strncmp(server->answer, "NOAUTH", 6) == 0)
            break;
        if (i == 200)
            fail_msg("redis-server does not answer: %s", server->answer);
        usleep(20000);
    }
}

static inline struct redis redis_start_words(const char *const *options)
{
    struct redis server = {.folder = "/tmp/redis-test-XXXXXX", .port = redis_free_port()};

    assert_non_null(mkdtemp(server.folder));
    for (size_t i = 0; options[i] != NULL && i < REDIS_OPTIONS_MAX - 1; i++)
        server.options[i] = options[i];
    snprintf(server.socket, sizeof server.socket, "%s/socket", server.folder);
    snprintf(server.url, sizeof server.url, "redis://127.0.0.1:%d", server.port);
    snprintf(server.unix_url, sizeof server.unix_url, "unix://%s", server.socket);
    redis_again(&server);
    return server;
}

/* Options are redis-server's. At least one: "--loglevel", "warning" says nothing new. */
#define redis_start(...) redis_start_words((const char *const[]){__VA_ARGS__, NULL})

/* SIGSTOP, SIGCONT; after SIGKILL it has ended. */
static inline void redis_signal(struct redis *server, int number)
{
    assert_int_equal(kill(server->pid, number), 0);
    if (number != SIGKILL)
        return;
    assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
    server->pid = 0;
}

/* Ends it and removes its files. */
static inline void redis_stop(struct redis *server)
{
    char command[96];

    if (server->pid != 0)
        redis_signal(server, SIGKILL);
    snprintf(command, sizeof command, "rm -rf '%s'", server->folder);
    assert_int_equal(system(command), 0);
}

#endif
