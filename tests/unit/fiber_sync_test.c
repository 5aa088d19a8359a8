#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <backend/sync.h>

#include "../harness/aborts.h"
#include "../harness/fiber_run.h"

/* A fiber that waits for something once, and what came of it. */
struct actor {
    bk_err (*wait)(void *object);
    void *object;
    bk_fiber *fiber;
    uint64_t within_ms; /* its deadline; 0: none */
    bool back;
    bk_err err;
    int place; /* how many were back before it */
    int *backs;
};

static bk_err act(void *data)
{
    struct actor *actor = data;
    bk_deadline before = {0};

    actor->fiber = bk_fiber_self();
    if (actor->within_ms != 0)
        before = bk_deadline_push(actor->within_ms);
    actor->err = actor->wait(actor->object);
    if (actor->within_ms != 0)
        bk_deadline_pop(before);
    actor->back = true;
    if (actor->backs != NULL)
        actor->place = (*actor->backs)++;
    return BK_OK;
}

/* Starts an actor and lets it get in line. */
static void start(struct actor *actor)
{
    assert_int_equal(bk_spawn("actor", act, actor), BK_OK);
    settle();
}

static bk_err lock(void *mutex)
{
    return bk_mutex_lock(mutex);
}

static bk_err wait_cond(void *cond)
{
    return bk_cond_wait(cond);
}

static bk_err acquire(void *semaphore)
{
    return bk_semaphore_acquire(semaphore);
}

/* Gives back at once what it got, so that the mutex goes down the line. */
static bk_err lock_and_unlock(void *mutex)
{
    BK_TRY(bk_mutex_lock(mutex));
    bk_mutex_unlock(mutex);
    return BK_OK;
}

/* Mutex */

static bk_err test_unlock_hands_over_to_the_first_waiter(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    struct actor actors[3] = {{0}};
    int backs = 0;

    (void)unused;
    assert_int_equal(bk_mutex_lock(mutex), BK_OK);
    for (int i = 0; i < 3; i++) {
        actors[i] = (struct actor){.wait = lock_and_unlock, .object = mutex, .backs = &backs};
        start(&actors[i]);
    }
    assert_false(bk_mutex_try_lock(mutex));
    assert_int_equal(backs, 0);
    bk_mutex_unlock(mutex);
    assert_false(
        bk_mutex_try_lock(mutex)); /* it is the first waiter's, though that has not run yet */
    settle();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(actors[i].err, BK_OK);
        assert_int_equal(actors[i].place, i);
    }
    assert_true(bk_mutex_try_lock(mutex));
    bk_mutex_unlock(mutex);
    bk_mutex_free(mutex);
    return BK_OK;
}

static bk_err test_a_canceled_fiber_still_takes_what_is_free(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    bk_semaphore *semaphore = bk_semaphore_new(1);

    (void)unused;
    bk_fiber_cancel(bk_fiber_self());
    assert_int_equal(bk_fiber_interrupted(), BK_ECANCELED);
    assert_int_equal(bk_mutex_lock(mutex), BK_OK);
    bk_mutex_unlock(mutex);
    assert_int_equal(bk_semaphore_acquire(semaphore), BK_OK);
    assert_int_equal(bk_semaphore_acquire(semaphore), BK_ECANCELED);
    bk_semaphore_free(semaphore);
    bk_mutex_free(mutex);
    return BK_OK;
}

static bk_err test_who_leaves_the_line_of_a_mutex_has_taken_nothing(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    struct actor canceled = {.wait = lock, .object = mutex};
    struct actor late = {.wait = lock, .object = mutex, .within_ms = 50};
    struct actor patient = {.wait = lock_and_unlock, .object = mutex};

    (void)unused;
    assert_int_equal(bk_mutex_lock(mutex), BK_OK);
    start(&canceled);
    start(&late);
    start(&patient);
    bk_fiber_cancel(canceled.fiber);
    settle();
    assert_true(canceled.back);
    assert_int_equal(canceled.err, BK_ECANCELED);
    assert_int_equal(bk_sleep_ms(49), BK_OK);
    settle();
    assert_false(late.back);
    assert_int_equal(bk_sleep_ms(1), BK_OK);
    settle();
    assert_true(late.back);
    assert_int_equal(late.err, BK_ETIMEDOUT);
    assert_false(patient.back);
    bk_mutex_unlock(mutex);
    settle();
    assert_int_equal(patient.err, BK_OK);
    assert_true(bk_mutex_try_lock(mutex));
    bk_mutex_unlock(mutex);
    bk_mutex_free(mutex);
    return BK_OK;
}

static bk_err hand_over_meets_cancel(void *data)
{
    const bool *cancel_first = data;
    bk_mutex *mutex = bk_mutex_new();
    struct actor actor = {.wait = lock_and_unlock, .object = mutex};

    assert_int_equal(bk_mutex_lock(mutex), BK_OK);
    start(&actor);
    if (*cancel_first)
        bk_fiber_cancel(actor.fiber);
    bk_mutex_unlock(mutex);
    if (!*cancel_first)
        bk_fiber_cancel(actor.fiber);
    settle();
    assert_true(actor.back);
    assert_int_equal(actor.err, BK_OK);
    assert_true(bk_mutex_try_lock(mutex));
    bk_mutex_unlock(mutex);
    bk_mutex_free(mutex);
    return BK_OK;
}

static void test_a_hand_over_in_the_turn_of_a_cancel_counts(void **state)
{
    (void)state;
    run_fibers(hand_over_meets_cancel, &(bool){false});
    run_fibers(hand_over_meets_cancel, &(bool){true});
}

static bk_err test_a_stray_wake_gives_nothing(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    bk_cond *cond = bk_cond_new();
    struct actor locker = {.wait = lock_and_unlock, .object = mutex};
    struct actor waiter = {.wait = wait_cond, .object = cond};

    (void)unused;
    assert_int_equal(bk_mutex_lock(mutex), BK_OK);
    start(&locker);
    start(&waiter);
    bk_fiber_wake(locker.fiber);
    bk_fiber_wake(waiter.fiber);
    settle();
    assert_false(locker.back || waiter.back);
    bk_mutex_unlock(mutex);
    bk_cond_signal(cond);
    settle();
    assert_int_equal(locker.err, BK_OK);
    assert_int_equal(waiter.err, BK_OK);
    bk_cond_free(cond);
    bk_mutex_free(mutex);
    return BK_OK;
}

/* Condition */

static bk_err test_a_signal_wakes_the_first_and_a_broadcast_all(void *unused)
{
    bk_cond *cond = bk_cond_new();
    struct actor actors[4] = {{0}};
    int backs = 0;

    (void)unused;
    bk_cond_signal(cond); /* nobody waits: it is not kept */
    for (int i = 0; i < 4; i++) {
        actors[i] = (struct actor){.wait = wait_cond, .object = cond, .backs = &backs};
        start(&actors[i]);
    }
    assert_int_equal(backs, 0);
    bk_cond_signal(cond);
    settle();
    assert_int_equal(backs, 1);
    assert_true(actors[0].back);
    bk_cond_broadcast(cond);
    settle();
    for (int i = 0; i < 4; i++) {
        assert_int_equal(actors[i].err, BK_OK);
        assert_int_equal(actors[i].place, i);
    }
    bk_cond_broadcast(cond);
    bk_cond_free(cond);
    return BK_OK;
}

static bk_err test_who_leaves_the_line_of_a_condition_uses_up_no_signal(void *unused)
{
    bk_cond *cond = bk_cond_new();
    struct actor canceled = {.wait = wait_cond, .object = cond};
    struct actor late = {.wait = wait_cond, .object = cond, .within_ms = 50};
    struct actor patient = {.wait = wait_cond, .object = cond};

    (void)unused;
    start(&canceled);
    start(&late);
    start(&patient);
    bk_fiber_cancel(canceled.fiber);
    assert_int_equal(bk_sleep_ms(50), BK_OK);
    settle();
    assert_int_equal(canceled.err, BK_ECANCELED);
    assert_int_equal(late.err, BK_ETIMEDOUT);
    assert_false(patient.back);
    bk_cond_signal(cond);
    settle();
    assert_true(patient.back);
    assert_int_equal(patient.err, BK_OK);
    bk_cond_free(cond);
    return BK_OK;
}

/* Semaphore */

static bk_err test_a_permit_goes_to_the_first_waiter(void *unused)
{
    bk_semaphore *semaphore = bk_semaphore_new(2);
    struct actor actors[2] = {{0}};
    int backs = 0;

    (void)unused;
    assert_int_equal(bk_semaphore_available(semaphore), 2);
    assert_int_equal(bk_semaphore_acquire(semaphore), BK_OK);
    assert_true(bk_semaphore_try_acquire(semaphore));
    assert_false(bk_semaphore_try_acquire(semaphore));
    for (int i = 0; i < 2; i++) {
        actors[i] = (struct actor){.wait = acquire, .object = semaphore, .backs = &backs};
        start(&actors[i]);
    }
    bk_semaphore_release(semaphore);
    assert_int_equal(bk_semaphore_available(semaphore), 0); /* handed over, never free */
    assert_false(bk_semaphore_try_acquire(semaphore));
    settle();
    assert_true(actors[0].back);
    assert_false(actors[1].back);
    bk_semaphore_release(semaphore);
    settle();
    assert_true(actors[1].back);
    for (size_t free = 1; free <= 3; free++) { /* one more than it began with */
        bk_semaphore_release(semaphore);
        assert_int_equal(bk_semaphore_available(semaphore), free);
    }
    bk_semaphore_free(semaphore);
    return BK_OK;
}

static bk_err test_who_leaves_the_line_of_a_semaphore_has_taken_nothing(void *unused)
{
    bk_semaphore *semaphore = bk_semaphore_new(0);
    struct actor canceled = {.wait = acquire, .object = semaphore};
    struct actor late = {.wait = acquire, .object = semaphore, .within_ms = 50};

    (void)unused;
    start(&canceled);
    start(&late);
    bk_fiber_cancel(canceled.fiber);
    assert_int_equal(bk_sleep_ms(50), BK_OK);
    settle();
    assert_int_equal(canceled.err, BK_ECANCELED);
    assert_int_equal(late.err, BK_ETIMEDOUT);
    bk_semaphore_release(semaphore);
    assert_int_equal(bk_semaphore_available(semaphore), 1);
    bk_semaphore_free(semaphore);
    return BK_OK;
}

#define PERMITS 7

struct crowd {
    bk_semaphore *semaphore;
    int inside, most_inside, next, served;
};

static bk_err visit(void *data)
{
    struct crowd *crowd = data;
    int ticket = crowd->next++;

    BK_TRY(bk_semaphore_acquire(crowd->semaphore));
    assert_int_equal(ticket, crowd->served++); /* in the order of coming */
    if (++crowd->inside > crowd->most_inside)
        crowd->most_inside = crowd->inside;
    bk_err err = bk_sleep_ms(1 + (uint64_t)ticket % 3);
    crowd->inside--;
    bk_semaphore_release(crowd->semaphore);
    return err;
}

static void test_a_crowd_passes_one_semaphore_in_order(void **state)
{
    struct crowd crowd = {.semaphore = bk_semaphore_new(PERMITS)};
    struct bk_loop *loop = fiber_run_open(NULL);

    (void)state;
    for (int i = 0; i < FIBER_RUN_CROWD; i++)
        assert_int_equal(bk_spawn("visitor", visit, &crowd), BK_OK);
    fiber_run_all(loop);
    assert_int_equal(crowd.served, FIBER_RUN_CROWD);
    assert_int_equal(crowd.most_inside, PERMITS);
    assert_int_equal(bk_semaphore_available(crowd.semaphore), PERMITS);
    bk_semaphore_free(crowd.semaphore);
    fiber_run_close(loop);
}

/* Many fibers use one mutex, one semaphore and one condition, and are cancelled or run out of time
 * at random. */

#define STRESS_FIBERS 60
#define STRESS_ROUNDS 60

struct stress {
    uint64_t seed;
    bk_mutex *mutex;
    bk_semaphore *semaphore;
    bk_cond *cond;
    bk_fiber *fibers[STRESS_FIBERS]; /* NULL once ended */
    int holders, inside, left;
    int taken, refused;
};

struct stressed {
    struct stress *stress;
    int index;
};

static void pause_at_random(struct stress *stress)
{
    uint32_t ms = random_below(&stress->seed, 5);

    bk__shield_up(); /* holds what it holds for as long as it wants */
    assert_int_equal(ms == 0 ? bk_yield() : bk_sleep_ms(ms), BK_OK);
    bk__shield_down();
}

static bk_err use_mutex(struct stress *stress)
{
    BK_TRY(bk_mutex_lock(stress->mutex));
    assert_int_equal(stress->holders++, 0);
    pause_at_random(stress);
    assert_int_equal(stress->holders--, 1);
    bk_mutex_unlock(stress->mutex);
    return BK_OK;
}

static bk_err use_semaphore(struct stress *stress)
{
    BK_TRY(bk_semaphore_acquire(stress->semaphore));
    assert_true(++stress->inside <= PERMITS);
    pause_at_random(stress);
    stress->inside--;
    bk_semaphore_release(stress->semaphore);
    return BK_OK;
}

static bk_err use_cond(struct stress *stress)
{
    if (random_below(&stress->seed, 2) == 0)
        return bk_cond_wait(stress->cond);
    bk_cond_signal(stress->cond);
    return BK_OK;
}

static bk_err stress_one(void *data)
{
    const struct stressed *self = data;
    struct stress *stress = self->stress;
    bk_err (*const uses[])(struct stress *) = {use_mutex, use_semaphore, use_cond};

    stress->fibers[self->index] = bk_fiber_self();
    for (int round = 0; round < STRESS_ROUNDS; round++) {
        bk_deadline before = bk_deadline_push(1 + random_below(&stress->seed, 60));
        bk_err err = uses[random_below(&stress->seed, 3)](stress);
        bk_deadline_pop(before);
        assert_true(err == BK_OK || err == BK_ETIMEDOUT || err == BK_ECANCELED);
        err == BK_OK ? stress->taken++ : stress->refused++;
        if (err == BK_ECANCELED)
            break;
        pause_at_random(stress);
    }
    stress->fibers[self->index] = NULL;
    stress->left--;
    return BK_OK;
}

static bk_err cancel_some(void *data)
{
    struct stress *stress = data;

    while (stress->left > 0) {
        assert_int_equal(bk_sleep_ms(1 + random_below(&stress->seed, 20)), BK_OK);
        bk_fiber *victim = stress->fibers[random_below(&stress->seed, STRESS_FIBERS)];
        if (victim != NULL && random_below(&stress->seed, 4) == 0)
            bk_fiber_cancel(victim);
        if (victim != NULL)
            bk_fiber_wake(victim); /* a stray one */
    }
    return BK_OK;
}

static void stress_with(uint64_t seed)
{
    struct stress stress = {.seed = seed, .left = STRESS_FIBERS};
    struct stressed stressed[STRESS_FIBERS];
    struct bk_loop *loop = fiber_run_open(NULL);

    stress.mutex = bk_mutex_new();
    stress.semaphore = bk_semaphore_new(PERMITS);
    stress.cond = bk_cond_new();
    for (int i = 0; i < STRESS_FIBERS; i++) {
        stressed[i] = (struct stressed){&stress, i};
        assert_int_equal(bk_spawn("stressed", stress_one, &stressed[i]), BK_OK);
    }
    assert_int_equal(bk_spawn("canceler", cancel_some, &stress), BK_OK);
    fiber_run_all(loop);
    assert_int_equal(stress.left, 0);
    assert_true(stress.taken > STRESS_FIBERS && stress.refused > STRESS_FIBERS / 2);
    assert_int_equal(bk_semaphore_available(stress.semaphore), PERMITS);
    bk_cond_free(stress.cond);
    bk_semaphore_free(stress.semaphore);
    bk_mutex_free(stress.mutex); /* free: it asserts so */
    fiber_run_close(loop);
}

static void test_random_use_loses_and_doubles_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        stress_with(seed);
}

/* Misuse */

static bk_err lock_twice(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    (void)unused;
    BK_TRY(bk_mutex_lock(mutex));
    return bk_mutex_lock(mutex);
}

static bk_err unlock_free(void *unused)
{
    (void)unused;
    bk_mutex_unlock(bk_mutex_new());
    return BK_OK;
}

static bk_err unlock_of_another(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    struct actor actor = {.wait = lock, .object = mutex};
    (void)unused;
    start(&actor);
    bk_mutex_unlock(mutex);
    return BK_OK;
}

static bk_err free_held(void *unused)
{
    bk_mutex *mutex = bk_mutex_new();
    (void)unused;
    BK_TRY(bk_mutex_lock(mutex));
    bk_mutex_free(mutex);
    return BK_OK;
}

static bk_err free_awaited_cond(void *unused)
{
    bk_cond *cond = bk_cond_new();
    struct actor actor = {.wait = wait_cond, .object = cond};
    (void)unused;
    start(&actor);
    bk_cond_free(cond);
    return BK_OK;
}

static bk_err free_awaited_semaphore(void *unused)
{
    bk_semaphore *semaphore = bk_semaphore_new(0);
    struct actor actor = {.wait = acquire, .object = semaphore};
    (void)unused;
    start(&actor);
    bk_semaphore_free(semaphore);
    return BK_OK;
}

static void run_lock_twice(void)
{
    run_fibers(lock_twice, NULL);
}

static void run_unlock_free(void)
{
    run_fibers(unlock_free, NULL);
}

static void run_unlock_of_another(void)
{
    run_fibers(unlock_of_another, NULL);
}

static void run_free_held(void)
{
    run_fibers(free_held, NULL);
}

static void run_free_awaited_cond(void)
{
    run_fibers(free_awaited_cond, NULL);
}

static void run_free_awaited_semaphore(void)
{
    run_fibers(free_awaited_semaphore, NULL);
}

static void lock_outside_of_fibers(void)
{
    (void)!bk_mutex_try_lock(bk_mutex_new());
}

static void test_misuse_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(run_lock_twice));
    assert_true(aborts(run_unlock_free));
    assert_true(aborts(run_unlock_of_another));
    assert_true(aborts(run_free_held));
    assert_true(aborts(run_free_awaited_cond));
    assert_true(aborts(run_free_awaited_semaphore));
    assert_true(aborts(lock_outside_of_fibers));
}

static void test_freeing_nothing_is_fine(void **state)
{
    (void)state;
    bk_mutex_free(NULL);
    bk_cond_free(NULL);
    bk_semaphore_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        fiber_unit_test(test_unlock_hands_over_to_the_first_waiter),
        fiber_unit_test(test_a_canceled_fiber_still_takes_what_is_free),
        fiber_unit_test(test_who_leaves_the_line_of_a_mutex_has_taken_nothing),
        cmocka_unit_test(test_a_hand_over_in_the_turn_of_a_cancel_counts),
        fiber_unit_test(test_a_stray_wake_gives_nothing),
        fiber_unit_test(test_a_signal_wakes_the_first_and_a_broadcast_all),
        fiber_unit_test(test_who_leaves_the_line_of_a_condition_uses_up_no_signal),
        fiber_unit_test(test_a_permit_goes_to_the_first_waiter),
        fiber_unit_test(test_who_leaves_the_line_of_a_semaphore_has_taken_nothing),
        cmocka_unit_test(test_a_crowd_passes_one_semaphore_in_order),
        cmocka_unit_test(test_random_use_loses_and_doubles_nothing),
        cmocka_unit_test(test_misuse_stops_the_program),
        cmocka_unit_test(test_freeing_nothing_is_fine),
    };
    return cmocka_run_group_tests_name("fiber/sync", tests, NULL, NULL);
}
