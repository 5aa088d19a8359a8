/*
 * signals.c: signalfd. See signals.h.
 */
#include "cluster/signals.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/assert.h"

static sigset_t ours(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&set, numbers[i]);
    return set;
}

void bk__signals_block(void)
{
    sigset_t set = ours();

    sigprocmask(SIG_BLOCK, &set, NULL);
}

int bk__signals_open(void)
{
    sigset_t set = ours();

    bk__signals_block();
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    bk_assert(fd >= 0);
    return fd;
}

int bk__signals_next(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) != sizeof info)
        return 0;
    return (int)info.ssi_signo;
}

void bk__signals_unblock(void)
{
    sigset_t set = ours();

    sigprocmask(SIG_UNBLOCK, &set, NULL);
}
