/*
 * Tests of libbackend/cluster/worker.c: each state of a worker meets each event, with a real
 * process to be signalled. What must come of it is read from docs/internals/supervisor.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/str.h>

#include "cluster/child.h"
#include "cluster/supervisor.h"
#include "core/shared.h"
#include "ops/workers.h"

#define PAGE BK_SOURCE_ROOT "/docs/internals/supervisor.md"
#define SLOT 3

static const char *const states[BK__STATES] = {"dead", "starting", "ready", "draining"};
static const char *const events[BK__EVENTS] = {"says ready", "ended",    "overdue",
                                               "too large",  "unwanted", "condemned"};

/* "draining SIGTERM", "ready stale", "-" */
static char cells[BK__STATES][BK__EVENTS][32];

/* --- the page --------------------------------------------------------------------------------- */

static void copy(char *out, size_t size, bk_str text)
{
    assert_true(text.len < size);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

/* The cells of "| a | b |"; how many there are. */
static size_t cut_row(char *line, bk_str *out, size_t most)
{
    bk_str rest = bk_str_of(line), cell;
    size_t count = 0;

    (void)bk_str_split(&rest, '|', &cell); /* before the first */
    while (count < most && bk_str_split(&rest, '|', &cell) && bk_str_present(rest))
        out[count++] = bk_str_trim(cell);
    return count;
}

static int read_page(void **state)
{
    (void)state;
    char line[512];
    bk_str row[1 + BK__EVENTS + 1];
    FILE *page = fopen(PAGE, "r");
    size_t rows = 0;
    bool in_table = false;

    assert_non_null(page);
    while (rows < BK__STATES && fgets(line, sizeof line, page) != NULL) {
        size_t count = cut_row(line, row, 1 + BK__EVENTS + 1);
        if (!in_table) {
            in_table = count == 1 + BK__EVENTS && bk_str_eq(row[0], BK_LIT("state"));
            for (size_t i = 0; in_table && i < BK__EVENTS; i++)
                assert_true(bk_str_eq(row[1 + i], bk_str_of(events[i])));
        } else if (row[0].len != 0 && row[0].ptr[0] != '-') {
            assert_int_equal(count, 1 + BK__EVENTS);
            assert_true(bk_str_eq(row[0], bk_str_of(states[rows])));
            for (size_t i = 0; i < BK__EVENTS; i++)
                copy(cells[rows][i], sizeof cells[rows][i], row[1 + i]);
            rows++;
        }
    }
    fclose(page);
    assert_int_equal(rows, BK__STATES);
    return 0;
}

/* --- a supervisor with one worker ------------------------------------------------------------- */

static struct bk__supervisor *open_supervisor(void)
{
    struct bk__supervisor *s = calloc(1, sizeof *s);

    assert_non_null(s);
    s->app = bk_app_new(NULL);
    bk__cluster_fill(&s->opts, 0);
    s->drain_ms = 1000;
    s->board = bk__shared_new(sizeof *s->board);
    s->metrics = bk__workers_declare(s->app);
    s->plan.spare = 1;
    return s;
}

static void close_supervisor(struct bk__supervisor *s)
{
    bk__shared_free(s->board, sizeof *s->board);
    bk_app_free(s->app);
    free(s);
}

/* A process that waits for a signal to end it, and leaves no core. */
static pid_t fork_patient(void)
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_DUMPABLE, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
            pause();
    }
    return pid;
}

static void put_worker(struct bk__supervisor *s, enum bk__worker_state state, pid_t pid)
{
    *bk__planned(s, SLOT) = (struct bk__plan_worker){.state = state, .role = BK__WEB};
    s->workers[SLOT] =
        (struct bk__worker){.pid = pid, .channel = -1, .since_ms = bk__monotonic_ms()};
}

/* Ours comes last: of signals that dump core the kernel delivers the lower numbers first, and those
 * that do not, such as SIGTERM and SIGKILL, end the process where they are sent. */
#define PROBE SIGXFSZ

/* Which signal came first; 0: none. Ours ends the process in any case. */
static int signal_of(pid_t pid)
{
    int status;

    assert_int_equal(kill(pid, PROBE), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    return WTERMSIG(status) == PROBE ? 0 : WTERMSIG(status);
}

/* What comes of it, as the page would write it. */
static void outcome_of(enum bk__worker_state state, enum bk__worker_event event, char out[64])
{
    struct bk__supervisor *s = open_supervisor();
    pid_t pid = fork_patient();

    put_worker(s, state, pid);
    bk__worker_happens(s, SLOT, event);
    const struct bk__plan_worker *after = bk__planned(s, SLOT);
    int number = signal_of(pid);
    bool same = after->state == state && number == 0 && !after->stale;
    snprintf(out, 64, "%s%s%s%s", same ? "-" : states[after->state], number != 0 ? " SIG" : "",
             number != 0 ? sigabbrev_np(number) : "", after->stale ? " stale" : "");
    close_supervisor(s);
}

static void test_each_state_meets_each_event_as_the_page_says(void **state)
{
    (void)state;
    char got[64];
    int wrong = 0;

    for (int from = 0; from < BK__STATES; from++) {
        for (int event = 0; event < BK__EVENTS; event++) {
            outcome_of((enum bk__worker_state)from, (enum bk__worker_event)event, got);
            if (strcmp(got, cells[from][event]) == 0)
                continue;
            print_error("%s, %s: %s, not %s\n", states[from], events[event], got,
                        cells[from][event]);
            wrong++;
        }
    }
    assert_int_equal(wrong, 0);
}

/* --- what else comes of it -------------------------------------------------------------------- */

/* Restarts that are counted, and failures in a row. */
static void assert_failure(enum bk__worker_state state, enum bk__worker_event event,
                           uint32_t restarts, unsigned failures)
{
    struct bk__supervisor *s = open_supervisor();
    pid_t pid = fork_patient();

    put_worker(s, state, pid);
    bk__worker_happens(s, SLOT, event);
    (void)signal_of(pid);
    if (s->restarts != restarts || s->failures[BK__WEB].count != failures)
        fail_msg("%s, %s: %u restarts, %u failures", states[state], events[event], s->restarts,
                 s->failures[BK__WEB].count);
    assert_int_equal(s->failures[BK__JOB].count, 0);
    assert_int_equal(s->phase, BK__RUNNING);
    close_supervisor(s);
}

static void test_only_what_went_wrong_is_a_failure(void **state)
{
    (void)state;
    assert_failure(BK__STARTING, BK__ENDED, 1, 1);
    assert_failure(BK__STARTING, BK__OVERDUE, 1, 1);
    assert_failure(BK__READY, BK__ENDED, 1, 1);
    assert_failure(BK__READY, BK__OVERDUE, 1, 1);
    assert_failure(BK__READY, BK__TOO_LARGE, 1, 0); /* it is replaced, and at once */
    assert_failure(BK__STARTING, BK__UNWANTED, 0, 0);
    assert_failure(BK__READY, BK__UNWANTED, 0, 0);
    assert_failure(BK__READY, BK__CONDEMNED, 0, 0);
    assert_failure(BK__DRAINING, BK__ENDED, 0, 0);
    assert_failure(BK__DRAINING, BK__OVERDUE, 0, 0);
}

/* How long a worker may drain after @p event. */
static uint64_t drain_time(enum bk__worker_state state, enum bk__worker_event event)
{
    struct bk__supervisor *s = open_supervisor();
    pid_t pid = fork_patient();

    put_worker(s, state, pid);
    bk__worker_happens(s, SLOT, event);
    (void)signal_of(pid);
    uint64_t time = s->workers[SLOT].until_ms - s->workers[SLOT].since_ms;
    close_supervisor(s);
    return time;
}

static void test_one_that_has_served_is_given_time_to_drain(void **state)
{
    (void)state;
    assert_int_equal(drain_time(BK__READY, BK__UNWANTED), 1000 + 10000);
    assert_int_equal(drain_time(BK__STARTING, BK__UNWANTED), 2000);
    assert_int_equal(drain_time(BK__STARTING, BK__OVERDUE), 2000);
    assert_int_equal(drain_time(BK__READY, BK__OVERDUE), 2000);
    assert_int_equal(drain_time(BK__DRAINING, BK__OVERDUE), 2000);
    assert_int_equal(drain_time(BK__READY, BK__CONDEMNED), 2000);
}

static void test_a_start_that_fails_within_a_reload_ends_the_reload(void **state)
{
    (void)state;
    struct bk__supervisor *s = open_supervisor();
    pid_t pid = fork_patient();

    put_worker(s, BK__STARTING, pid);
    s->reload = BK__RELOADING;
    bk__planned(s, SLOT + 1)->state = BK__READY; /* of the old generation */
    bk__planned(s, SLOT + 1)->stale = true;
    bk__worker_happens(s, SLOT, BK__ENDED);
    (void)signal_of(pid);
    assert_int_equal(s->reload, BK__NO_RELOAD);
    assert_true(s->reload_failed);
    assert_false(bk__planned(s, SLOT + 1)->stale); /* it stays */
    assert_int_equal(s->failures[BK__WEB].count, 0);
    close_supervisor(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_state_meets_each_event_as_the_page_says),
        cmocka_unit_test(test_only_what_went_wrong_is_a_failure),
        cmocka_unit_test(test_one_that_has_served_is_given_time_to_drain),
        cmocka_unit_test(test_a_start_that_fails_within_a_reload_ends_the_reload),
    };
    return cmocka_run_group_tests_name("cluster/worker", tests, read_page, NULL);
}
