#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>

#include <backend/fiber.h>

#include "../harness/fiber_run.h"
#include "core/fault.h"

/* In real time: the virtual clock would jump while the threads work. */
static void run_with(uint32_t threads, uint32_t queue, bk_fiber_fn fn, void *data)
{
    run_fibers_with(&(struct bk__loop_opts){.offload_threads = threads, .offload_queue = queue}, fn,
                    data);
}

/* A job that says when it has begun and goes on when told. */
struct gate {
    atomic_bool begun;
    sem_t go;
    bk_fiber *fiber;
    uint64_t within_ms; /* the caller's deadline; 0: none */
    bool back;
    bk_err err;
};

static void pass(void *data)
{
    struct gate *gate = data;
    atomic_store(&gate->begun, true);
    while (sem_wait(&gate->go) != 0)
        ;
}

static bk_err offload_gate(void *data)
{
    struct gate *gate = data;
    bk_deadline before = bk_deadline_push(gate->within_ms != 0 ? gate->within_ms : UINT64_MAX);

    gate->fiber = bk_fiber_self();
    gate->err = bk_offload(pass, gate);
    gate->back = true;
    bk_deadline_pop(before);
    return BK_OK;
}

/* Starts it on a fiber of its own, and lets it queue its job. */
static void start(struct gate *gate)
{
    sem_init(&gate->go, 0, 0);
    assert_int_equal(bk_spawn("gate", offload_gate, gate), BK_OK);
    settle();
}

static void wait_until_begun(struct gate *gate)
{
    while (!atomic_load(&gate->begun))
        assert_int_equal(bk_sleep_ms(1), BK_OK);
}

static void open_gate(struct gate *gate)
{
    sem_post(&gate->go);
    while (!gate->back)
        assert_int_equal(bk_sleep_ms(1), BK_OK);
    sem_destroy(&gate->go);
}

struct look {
    pthread_t thread;
    sigset_t mask;
    int in, out;
};

static void look_around(void *data)
{
    struct look *look = data;
    look->thread = pthread_self();
    pthread_sigmask(SIG_SETMASK, NULL, &look->mask);
    look->out = 2 * look->in;
}

static bk_err run_some(void *unused)
{
    struct look first = {.in = 21};
    sigset_t mask;

    (void)unused;
    assert_int_equal(bk_offload(look_around, &first), BK_OK);
    assert_int_equal(first.out, 42);
    assert_false(pthread_equal(first.thread, pthread_self()));
    assert_true(sigismember(&first.mask, SIGTERM) == 1 && sigismember(&first.mask, SIGPIPE) == 1);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_int_equal(sigismember(&mask, SIGTERM), 0); /* ours is as it was */
    for (int i = 0; i < 20; i++) {
        struct look next = {.in = i};
        assert_int_equal(bk_offload(look_around, &next), BK_OK);
        assert_int_equal(next.out, 2 * i);
        assert_true(pthread_equal(next.thread, first.thread)); /* one that is free is enough */
    }
    return BK_OK;
}

static void test_a_job_runs_on_another_thread_and_its_result_is_seen(void **state)
{
    (void)state;
    run_with(4, 4, run_some, NULL);
}

static void meet(void *data)
{
    pthread_barrier_wait(data);
}

static bk_err offload_meeting(void *data)
{
    return bk_offload(meet, data);
}

static bk_err meet_three(void *unused)
{
    pthread_barrier_t barrier;
    bk_group *group = bk_group_open();

    (void)unused;
    pthread_barrier_init(&barrier, NULL, 3);
    for (int i = 0; i < 3; i++)
        bk_group_spawn(group, "meeting", offload_meeting, &barrier);
    assert_int_equal(bk_group_wait(group), BK_OK); /* none could end alone */
    pthread_barrier_destroy(&barrier);
    return BK_OK;
}

static void test_jobs_run_side_by_side_while_other_fibers_run(void **state)
{
    (void)state;
    run_with(3, 1, meet_three, NULL);
}

static bk_err fill(void *unused)
{
    struct gate gates[4] = {{0}};

    (void)unused;
    for (int i = 0; i < 3;
         i++) /* one for the thread, whether it has run yet or not, and two wait */
        start(&gates[i]);
    start(&gates[3]);
    assert_true(gates[3].back);
    assert_int_equal(gates[3].err, BK_EUNAVAILABLE);
    assert_false(atomic_load(&gates[3].begun));
    sem_destroy(&gates[3].go);
    for (int i = 0; i < 3; i++) {
        wait_until_begun(&gates[i]);
        assert_false(i < 2 && atomic_load(&gates[i + 1].begun)); /* in order */
        open_gate(&gates[i]);
        assert_int_equal(gates[i].err, BK_OK);
    }
    return BK_OK;
}

static void test_a_full_queue_refuses_at_once(void **state)
{
    (void)state;
    run_with(1, 2, fill, NULL);
}

static bk_err leave_the_queue(void *unused)
{
    struct gate running = {0};
    struct gate canceled = {0};
    struct gate late = {.within_ms = 20};
    struct gate next = {0};

    (void)unused;
    start(&running);
    wait_until_begun(&running);
    start(&canceled);
    start(&late);
    bk_fiber_cancel(canceled.fiber);
    assert_int_equal(bk_sleep_ms(40), BK_OK);
    settle();
    assert_int_equal(canceled.err, BK_ECANCELED);
    assert_int_equal(late.err, BK_ETIMEDOUT);
    start(&next); /* their places are free again */
    open_gate(&running);
    open_gate(&next);
    assert_int_equal(next.err, BK_OK);
    assert_false(atomic_load(&canceled.begun) || atomic_load(&late.begun));
    sem_destroy(&canceled.go);
    sem_destroy(&late.go);
    return BK_OK;
}

static void test_who_leaves_before_the_job_began_has_run_nothing(void **state)
{
    (void)state;
    run_with(1, 2, leave_the_queue, NULL);
}

static bk_err stop_while_running(void *unused)
{
    struct gate canceled = {0};
    struct gate late = {.within_ms = 20};

    (void)unused;
    start(&canceled);
    start(&late);
    wait_until_begun(&canceled);
    wait_until_begun(&late);
    bk_fiber_cancel(canceled.fiber);
    assert_int_equal(bk_sleep_ms(40), BK_OK);
    settle();
    assert_false(canceled.back || late.back);
    open_gate(&canceled);
    open_gate(&late);
    assert_int_equal(canceled.err, BK_OK);
    assert_int_equal(late.err, BK_OK);
    return BK_OK;
}

static void test_a_job_that_began_is_waited_for(void **state)
{
    (void)state;
    run_with(2, 1, stop_while_running, NULL);
}

static void set(void *data)
{
    *(bool *)data = true;
}

static bk_err canceled_before(void *unused)
{
    bool ran = false;

    (void)unused;
    assert_int_equal(bk_offload(set, &ran), BK_OK); /* a thread is ready from now on */
    ran = false;
    bk_fiber_cancel(bk_fiber_self());
    for (int i = 0; i < 1000; i++)
        assert_int_equal(bk_offload(set, &ran), BK_ECANCELED);
    assert_false(ran);
    bk__shield_up();
    assert_int_equal(bk_offload(set, &ran), BK_OK);
    bk__shield_down();
    assert_true(ran);
    return BK_OK;
}

static void test_a_canceled_fiber_offloads_under_a_shield_only(void **state)
{
    (void)state;
    run_with(1, 1, canceled_before, NULL);
}

static void record_error(void *data)
{
    *(bool *)data = bk_error_chain() == NULL;
    (void)bk_fail(BK_EIO, "of the thread");
}

static bk_err fail_on_the_thread(void *unused)
{
    (void)unused;
    (void)bk_fail(BK_EGONE, "of the fiber");
    for (int i = 0; i < 10; i++) {
        bool clean = false;
        assert_int_equal(bk_offload(record_error, &clean), BK_OK);
        assert_true(clean); /* of the errors of the job before */
    }
    assert_int_equal(bk_error_chain()->code, BK_EGONE);
    return BK_OK;
}

static void test_errors_of_the_thread_stay_there(void **state)
{
    (void)state;
    run_with(1, 1, fail_on_the_thread, NULL);
}

/* Many fibers offload, are cancelled and run out of time at random. What a fiber is told must be
 * what happened. */

#define STRESS_FIBERS 100
#define STRESS_ROUNDS 50

struct stress {
    uint64_t seed;
    bk_fiber *fibers[STRESS_FIBERS]; /* NULL once ended */
    int left, ran, stopped, refused;
};

struct stressed {
    struct stress *stress;
    int index;
};

struct spin {
    unsigned turns;
    int runs;
};

static void spin(void *data)
{
    struct spin *spin = data;
    for (volatile unsigned i = 0; i < spin->turns; i++)
        ;
    spin->runs++;
}

static bk_err stress_one(void *data)
{
    const struct stressed *self = data;
    struct stress *stress = self->stress;
    bk_err err = BK_OK;

    stress->fibers[self->index] = bk_fiber_self();
    for (int round = 0; round < STRESS_ROUNDS && err != BK_ECANCELED; round++) {
        struct spin job = {.turns = random_below(&stress->seed, 40000)};
        bk_deadline before = bk_deadline_push(random_below(&stress->seed, 6));
        err = bk_offload(spin, &job);
        bk_deadline_pop(before);
        assert_int_equal(job.runs, err == BK_OK ? 1 : 0);
        stress->ran += err == BK_OK;
        stress->stopped += err == BK_ECANCELED || err == BK_ETIMEDOUT;
        stress->refused += err == BK_EUNAVAILABLE;
        if (random_below(&stress->seed, 3) == 0 && bk_sleep_ms(1) != BK_OK)
            break;
    }
    stress->fibers[self->index] = NULL;
    stress->left--;
    return BK_OK;
}

static bk_err cancel_some(void *data)
{
    struct stress *stress = data;

    while (stress->left > 0) {
        assert_int_equal(bk_sleep_ms(random_below(&stress->seed, 3)), BK_OK);
        bk_fiber *victim = stress->fibers[random_below(&stress->seed, STRESS_FIBERS)];
        if (victim != NULL && random_below(&stress->seed, 4) == 0)
            bk_fiber_cancel(victim);
        if (victim != NULL)
            bk_fiber_wake(victim); /* a stray one */
        assert_int_equal(bk_yield(), BK_OK);
    }
    return BK_OK;
}

static void test_random_use_tells_what_happened(void **state)
{
    struct stress stress = {.seed = 42, .left = STRESS_FIBERS};
    struct stressed stressed[STRESS_FIBERS];
    struct bk_loop *loop =
        fiber_run_open(&(struct bk__loop_opts){.offload_threads = 4, .offload_queue = 60});

    (void)state;
    for (int i = 0; i < STRESS_FIBERS; i++) {
        stressed[i] = (struct stressed){&stress, i};
        assert_int_equal(bk_spawn("stressed", stress_one, &stressed[i]), BK_OK);
    }
    assert_int_equal(bk_spawn("canceler", cancel_some, &stress), BK_OK);
    fiber_run_all(loop);
    assert_true(stress.ran > 0 &&
                stress.stopped > 0); /* how many of each, the machine's speed says */
    fiber_run_close(loop);
}

#ifdef BK_FAULT_INJECTION
static bk_err without_threads(void *unused)
{
    bool ran = false;

    (void)unused;
    bk__fault_arm("offload.thread", 1, 1);
    assert_int_equal(bk_offload(set, &ran), BK_EUNAVAILABLE);
    assert_false(ran);
    assert_int_equal(bk_offload(set, &ran), BK_OK);
    assert_true(ran);

    struct gate running = {0};
    struct gate queued = {0};
    start(&running);
    wait_until_begun(&running);
    bk__fault_arm("offload.thread", 1, 100);
    start(&queued); /* waits for the one thread that there is */
    assert_false(queued.back);
    open_gate(&running);
    open_gate(&queued);
    assert_int_equal(queued.err, BK_OK);
    bk__fault_disarm_all();
    return BK_OK;
}

static void test_without_a_thread_it_refuses_and_with_few_it_waits(void **state)
{
    (void)state;
    run_with(2, 2, without_threads, NULL);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_job_runs_on_another_thread_and_its_result_is_seen),
        cmocka_unit_test(test_jobs_run_side_by_side_while_other_fibers_run),
        cmocka_unit_test(test_a_full_queue_refuses_at_once),
        cmocka_unit_test(test_who_leaves_before_the_job_began_has_run_nothing),
        cmocka_unit_test(test_a_job_that_began_is_waited_for),
        cmocka_unit_test(test_a_canceled_fiber_offloads_under_a_shield_only),
        cmocka_unit_test(test_errors_of_the_thread_stay_there),
        cmocka_unit_test(test_random_use_tells_what_happened),
#ifdef BK_FAULT_INJECTION
        cmocka_unit_test(test_without_a_thread_it_refuses_and_with_few_it_waits),
#endif
    };
    return cmocka_run_group_tests_name("fiber/offload", tests, NULL, NULL);
}
