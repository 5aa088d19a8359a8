/*
 * patient_run.h: bk_test_run() gives up after 10 s, which is not long for much work on a busy
 * machine.
 *
 * To be included after <cmocka.h>.
 */
#ifndef TESTS_HARNESS_PATIENT_RUN_H
#define TESTS_HARNESS_PATIENT_RUN_H

#include <backend/backend.h>
#include <backend/testing.h>

#define PATIENT_RUN_MS 100000

struct patient_run {
    bk_err (*fn)(void *data);
    void *data;
    bk_err err;
    bool done;
};

static inline bk_err patient_run_all(void *data)
{
    struct patient_run *run = data;

    run->err = run->fn(run->data);
    for (const bk_error_link *link = bk_error_chain(); run->err != BK_OK && link != NULL;
         link = link->cause)
        print_error("%s:%d: %s: %.*s\n", link->file, link->line, bk_err_slug(link->code),
                    BK_PRI(link->message));
    run->done = true;
    return BK_OK;
}

static inline bk_err patient_run_begin(void *run)
{
    return bk_spawn("test", patient_run_all, run);
}

static inline bk_err patient_run_look(void *data)
{
    const struct patient_run *run = data;

    for (int i = 0; i < 100 && !run->done; i++)
        BK_TRY(bk_sleep_ms(5));
    return BK_OK;
}

/* Runs @p fn on a fiber of the app; returns what it did, and has printed the chain of an error. */
static inline bk_err patient_run(bk_test *test, bk_err (*fn)(void *data), void *data)
{
    struct patient_run run = {.fn = fn, .data = data};
    uint64_t begin = bk_now_ms();

    assert_int_equal(bk_test_run(test, patient_run_begin, &run), BK_OK);
    while (!run.done) {
        assert_int_equal(bk_test_run(test, patient_run_look, &run), BK_OK);
        if (bk_now_ms() - begin > PATIENT_RUN_MS)
            fail_msg("nothing came of it in %d ms", PATIENT_RUN_MS);
    }
    return run.err;
}

#endif
