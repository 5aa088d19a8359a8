/*
 * script.h: a server that is a script of this folder.
 *
 *     struct script server = script_start("http_trouble.py", NULL);
 *     ... server.port ...
 *     script_stop(&server);
 *
 * The first line that it prints has its port, or up to three. It ends with the test, however that
 * ends.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_SCRIPT_H
#define TESTS_HARNESS_SCRIPT_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct script {
    pid_t pid;
    int port, ports[3]; /* on 127.0.0.1; the first of them is `port` */
};

/* @p argument may be NULL. */
static inline struct script script_start(const char *name, const char *argument)
{
    struct script it = {0};
    char path[512], line[64] = "";
    int out[2];

    snprintf(path, sizeof path, "%s/%s", HARNESS_FOLDER, name);
    assert_int_equal(pipe(out), 0);
    it.pid = fork();
    if (it.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(out[1], STDOUT_FILENO);
        close(out[0]);
        close(out[1]);
        /* Debian's, which sees the packages of tests/run. */
        execl("/usr/bin/python3", "python3", path, argument, (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    FILE *lines = fdopen(out[0], "r");
    assert_non_null(lines);
    if (fgets(line, sizeof line, lines) == NULL ||
        sscanf(line, "%d %d %d", &it.ports[0], &it.ports[1], &it.ports[2]) < 1)
        fail_msg("%s does not say its port", name);
    it.port = it.ports[0];
    fclose(lines);
    return it;
}

static inline void script_stop(struct script *it)
{
    if (it->pid == 0)
        return;
    assert_int_equal(kill(it->pid, SIGKILL), 0);
    assert_int_equal(waitpid(it->pid, NULL, 0), it->pid);
    it->pid = 0;
}

#endif
