/*
 * pool_fake.h: a pool of things that cost nothing, and fibers that borrow them.
 *
 * How opening goes is the test's to say: at once, at once to no avail, or when it is told. What a
 * fiber borrowed stays out after its end: the engine's loans belong to no fiber.
 *
 * To be included after "harness/fiber_run.h".
 */
#ifndef TESTS_UNIT_POOL_FAKE_H
#define TESTS_UNIT_POOL_FAKE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/errors.h>
#include <backend/log.h>
#include <backend/str.h>

#include "pool/pool.h"

enum fake_mode {
    FAKE_OPENS, /* at once */
    FAKE_FAILS, /* at once */
    FAKE_PENDS  /* when the test answers */
};

struct fake {
    struct bk__pool pool;
    enum fake_mode mode;
    uint32_t capacity; /* users a thing takes; 0: any number */
    uint64_t cost_ns;  /* what each of them makes a new one wait */
    uint32_t attempts; /* to open */
    uint64_t attempt_at[64];
    uint32_t alive, next_id;
};

struct thing {
    struct bk__member member;
    struct fake *fake;
    uint32_t id; /* 1 is the first that was opened */
    bool is_broken, is_busy;
    uint64_t wait_ns; /* beside what its users cost */
};

static inline struct thing *thing_of(const struct bk__member *member)
{
    return bk__container_of(member, struct thing, member);
}

static inline uint32_t id_of(const struct bk__member *member)
{
    assert_non_null(member);
    return thing_of(member)->id;
}

static inline void fake_answer(struct fake *fake)
{
    struct thing *thing = calloc(1, sizeof *thing);

    assert_non_null(thing);
    thing->fake = fake;
    thing->id = ++fake->next_id;
    fake->alive++;
    bk__pool_opened(&fake->pool, &thing->member);
}

static inline void fake_fail(struct fake *fake)
{
    bk__pool_open_failed(&fake->pool, BK_LIT("nobody is at home"));
}

static inline void fake_on_open(struct bk__pool *pool)
{
    struct fake *fake = bk__container_of(pool, struct fake, pool);

    if (fake->attempts < sizeof fake->attempt_at / sizeof fake->attempt_at[0])
        fake->attempt_at[fake->attempts] = bk_now_ms();
    fake->attempts++;
    if (fake->mode == FAKE_OPENS)
        fake_answer(fake);
    else if (fake->mode == FAKE_FAILS)
        fake_fail(fake);
}

/* What the engine closes has left it, and nobody uses it. */
static inline void fake_on_close(struct bk__pool *pool, struct bk__member *member)
{
    struct fake *fake = bk__container_of(pool, struct fake, pool);

    assert_int_equal(member->state, BK__MEMBER_GONE);
    assert_int_equal(member->users, 0);
    fake->alive--;
    free(thing_of(member));
}

static inline uint64_t fake_wait_ns(const struct bk__member *member)
{
    const struct thing *thing = thing_of(member);
    const struct fake *fake = thing->fake;

    if (thing->is_busy || (fake->capacity != 0 && member->users >= fake->capacity))
        return BK__POOL_BUSY;
    return thing->wait_ns + member->users * fake->cost_ns;
}

static inline bool fake_works(struct bk__member *member)
{
    return !thing_of(member)->is_broken;
}

static inline void fake_open(struct fake *fake, const bk_pool_opts *opts, enum fake_mode mode)
{
    static const struct bk__pool_ops ops = {
        .open = fake_on_open, .close = fake_on_close, .wait_ns = fake_wait_ns, .works = fake_works};
    bk_pool_opts filled = *opts;

    bk__pool_check_opts(&filled, "fake");
    *fake = (struct fake){.mode = mode};
    bk__pool_init(&fake->pool, "things", &ops, &filled);
    fake->pool.share_wait_ns = 1000;
    bk_log_set_level(BK_LOG_OFF);
    bk__pool_start(&fake->pool, 1);
}

/* All must have been put back. */
static inline void fake_close(struct fake *fake)
{
    bk__pool_stop(&fake->pool);
    assert_int_equal(fake->alive, 0);
    assert_int_equal(fake->pool.stats.open, 0);
    assert_int_equal(fake->pool.stats.idle, 0);
    bk_log_set_level(BK_LOG_INFO);
}

/* The owner's half of losing one. */
static inline void fake_lose(struct fake *fake, struct bk__member *member)
{
    bk__pool_lost(&fake->pool, member);
    fake->alive--;
    free(thing_of(member));
}

static inline struct bk__member *fake_hold(struct fake *fake)
{
    struct bk__member *member = NULL;

    assert_int_equal(bk__pool_hold(&fake->pool, &member, "here.c", 7), BK_OK);
    assert_int_equal(member->state, BK__MEMBER_HELD);
    return member;
}

static inline struct bk__member *fake_share(struct fake *fake)
{
    struct bk__member *member = NULL;

    assert_int_equal(bk__pool_share(&fake->pool, &member), BK_OK);
    assert_int_equal(member->state, BK__MEMBER_SHARED);
    return member;
}

/* A fiber that borrows one and ends. */
struct user {
    struct fake *fake;
    bool holds;
    uint64_t within_ms; /* its deadline; 0: none */
    bk_fiber *fiber;    /* NULL once it has ended */
    struct bk__member *got;
    bk_err err;
    bool is_back;
    uint64_t waited_ms;
    char words[256];
    int place, *places; /* how many were back before it */
};

static inline bk_err user_run(void *data)
{
    struct user *user = data;
    bk_deadline before = bk_deadline_push(user->within_ms != 0 ? user->within_ms : UINT64_MAX);
    uint64_t since = bk_now_ms();

    user->fiber = bk_fiber_self();
    bk_error_clear();
    user->err = user->holds ? bk__pool_hold(&user->fake->pool, &user->got, "there.c", 8)
                            : bk__pool_share(&user->fake->pool, &user->got);
    bk_deadline_pop(before);
    user->waited_ms = bk_now_ms() - since;
    const bk_error_link *why = bk_error_chain();
    if (why != NULL)
        snprintf(user->words, sizeof user->words, "%.*s", BK_PRI(why->message));
    user->is_back = true;
    if (user->places != NULL)
        user->place = (*user->places)++;
    user->fiber = NULL;
    return BK_OK;
}

/* Starts it and lets it get what there is, or into line. */
static inline void user_start(struct user *user)
{
    assert_int_equal(bk_spawn("user", user_run, user), BK_OK);
    settle();
}

#define assert_waits(user)   assert_false((user).is_back)
#define assert_got(user, it) (assert_true((user).is_back), assert_ptr_equal((user).got, it))

#endif
