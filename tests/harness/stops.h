/*
 * stops.h: mistakes that must stop the program with words are tried in a child process.
 */
#ifndef TESTS_HARNESS_STOPS_H
#define TESTS_HARNESS_STOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs @p fn in a child; true when that ends with exit(1). @p words receives, as a C string, what
 * it wrote on standard error. */
static inline bool stops(void (*fn)(void), char *words, size_t size)
{
    int pipe_fds[2], status;
    size_t len = 0;
    ssize_t got;

    if (pipe(pipe_fds) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], STDERR_FILENO);
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        fn();
        _exit(0);
    }
    close(pipe_fds[1]);
    while (len < size - 1 && (got = read(pipe_fds[0], words + len, size - 1 - len)) > 0)
        len += (size_t)got;
    words[len] = '\0';
    close(pipe_fds[0]);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 1;
}

#endif
