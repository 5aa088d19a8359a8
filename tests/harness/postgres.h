/*
 * postgres.h: a PostgreSQL of a test's own, by postgres.py, which does the work and says more.
 *
 *     struct postgres server = postgres_start("tls", "max_connections=20");
 *     ... server.url ...
 *     postgres_do(&server, "pause");
 *     assert_string_equal(postgres_do(&server, "psql", "SELECT 1"), "1");
 *     postgres_stop(&server);
 *
 * It ends with the test, however that ends. What fails here fails the test.
 *
 * To be included after <cmocka.h>. HARNESS_FOLDER and BUILD_ROOT come from the build.
 */
#ifndef TESTS_HARNESS_POSTGRES_H
#define TESTS_HARNESS_POSTGRES_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct postgres {
    pid_t script;
    FILE *to, *from;
    char answer[8192];
    char folder[128]; /* ca.crt and other.crt are here; the unix socket too */
    int port;         /* on 127.0.0.1 */
    char password[64];
    char url[512];        /* over TCP, with the password where there is one */
    char socket_url[512]; /* over the unix socket */
};

/* The line that answers the last command, until the next one. */
static inline const char *postgres_answer(struct postgres *server)
{
    if (fgets(server->answer, sizeof server->answer, server->from) == NULL)
        fail_msg("postgres.py has ended");
    server->answer[strcspn(server->answer, "\n")] = '\0';
    if (server->answer[0] != '+')
        fail_msg("postgres.py: %s", server->answer);
    return server->answer + 1;
}

static inline const char *postgres_do_words(struct postgres *server, const char *const *words)
{
    for (size_t i = 0; words[i] != NULL; i++)
        fprintf(server->to, "%s%s", i != 0 ? "\t" : "", words[i]);
    fputc('\n', server->to);
    fflush(server->to);
    return postgres_answer(server);
}

/* Calls a method of postgres.py's Server with words; returns what it did, as text. */
#define postgres_do(server, ...) postgres_do_words(server, (const char *const[]){__VA_ARGS__, NULL})

static inline void postgres_run_script(const char *const *options, int input, int output)
{
    static const char script[] = HARNESS_FOLDER "/postgres.py";
    const char *words[16] = {script};

    for (size_t i = 0; options[i] != NULL && i < 14; i++)
        words[1 + i] = options[i];
    dup2(input, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    setenv("BUILD_ROOT", BUILD_ROOT, 1);
    execv(script, (char *const *)words);
    _exit(127);
}

static inline struct postgres postgres_start_words(const char *const *options)
{
    struct postgres server = {0};
    int to[2], from[2];

    assert_int_equal(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
    server.script = fork();
    if (server.script == 0)
        postgres_run_script(options, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    server.to = fdopen(to[1], "w");
    server.from = fdopen(from[0], "r");
    char *rest = (char *)postgres_answer(&server), *part[5] = {0};
    for (size_t i = 0; i < 5; i++)
        part[i] = strsep(&rest, "\t");
    assert_non_null(part[4]);
    snprintf(server.folder, sizeof server.folder, "%s", part[0]);
    server.port = atoi(part[1]);
    snprintf(server.password, sizeof server.password, "%s", part[2]);
    snprintf(server.url, sizeof server.url, "%s", part[3]);
    snprintf(server.socket_url, sizeof server.socket_url, "%s", part[4]);
    return server;
}

/* Starts one. Options are postgres.py's: "tls", "password", "durable", "max_connections=20",
 * "settings.work_mem=1MB". At least one; "max_connections=100" says nothing new. */
#define postgres_start(...) postgres_start_words((const char *const[]){__VA_ARGS__, NULL})

/* Ends it and removes its files. */
static inline void postgres_stop(struct postgres *server)
{
    int status = -1;

    fclose(server->to);
    assert_int_equal(waitpid(server->script, &status, 0), server->script);
    fclose(server->from);
    assert_int_equal(status, 0);
}

#endif
