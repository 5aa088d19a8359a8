/*
 * crash.c: what a dying process says. See crash.h.
 *
 * A signal handler may call little: text is put together by hand and goes out by write(2). It runs
 * on a stack of its own, since the reason may be that there is no stack left. Afterwards the
 * signal's default action is restored and the signal raised again, so that the parent sees the true
 * cause and a core file is made where they are wanted.
 */
#include "app/crash.h"

#include <execinfo.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/assert.h"
#include "core/log_out.h"
#include "core/task.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "fiber/stack.h"

#define STACK_BYTES 65536
#define FRAMES      48

static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

static void say(const char *text)
{
    if (write(STDERR_FILENO, text, strlen(text)) < 0) {
        /* nobody listens */
    }
}

static void say_str(const char *label, bk_str text)
{
    if (text.len == 0)
        return;
    say(label);
    if (write(STDERR_FILENO, text.ptr, text.len) < 0) {
        /* nobody listens */
    }
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGILL:
        return "SIGILL";
    case SIGFPE:
        return "SIGFPE";
    default:
        return "SIGABRT";
    }
}

static void on_fatal(int number, siginfo_t *info, void *context)
{
    const struct bk_loop *loop = bk__loop_current;
    const bk_fiber *fiber = loop != NULL ? loop->current : NULL;
    void *frames[FRAMES];

    (void)context;
    bk__log_out_farewell();
    say("\nfatal: ");
    if (fiber != NULL && (number == SIGSEGV || number == SIGBUS) &&
        bk__stack_guards(fiber->block, info->si_addr))
        say("fiber stack overflow");
    else
        say(signal_name(number));
    if (fiber != NULL) {
        say(" in fiber ");
        say(fiber->task.name != NULL ? fiber->task.name : "without a name");
        say_str(", route ", fiber->task.route);
        say_str(", request ", fiber->task.request_id);
    }
    say("\n");
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

void bk__crash_install(void)
{
    static char memory[STACK_BYTES]; /* for as long as the process lives */
    stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
    void *warm[1];

    backtrace(warm, 1); /* the first call loads a library, which a signal handler must not */
    bk_assert(sigaltstack(&stack, NULL) == 0);
    for (size_t i = 0; i < sizeof fatal / sizeof fatal[0]; i++) {
        struct sigaction action = {.sa_sigaction = on_fatal,
                                   .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND | SA_NODEFER};
        sigemptyset(&action.sa_mask);
        sigaction(fatal[i], &action, NULL);
    }
}
