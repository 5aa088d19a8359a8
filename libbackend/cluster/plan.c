/*
 * plan.c: starting, replacing and reducing workers as one rule each. See plan.h.
 */
#include "cluster/plan.h"

struct tally {
    unsigned fresh, fresh_ready, stale, stale_ready;
};

static bool is_alive(const struct bk__plan_worker *worker)
{
    return worker->state == BK__STARTING || worker->state == BK__READY;
}

static struct tally count(const struct bk__plan *plan, enum bk__worker_role role)
{
    struct tally tally = {0};

    for (unsigned slot = 0; slot < BK__SLOTS; slot++) {
        const struct bk__plan_worker *worker = &plan->workers[slot];
        if (worker->role != role || !is_alive(worker))
            continue;
        *(worker->stale ? &tally.stale : &tally.fresh) += 1;
        if (worker->state == BK__READY)
            *(worker->stale ? &tally.stale_ready : &tally.fresh_ready) += 1;
    }
    return tally;
}

static unsigned processes(const struct bk__plan *plan)
{
    unsigned sum = 0;

    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        sum += plan->workers[slot].state != BK__DEAD;
    return sum;
}

unsigned bk__plan_wanted(const struct bk__plan *plan)
{
    unsigned sum = 0;

    for (int role = 0; role < BK__ROLES; role++)
        sum += plan->wanted[role];
    return sum;
}

/* The last slot with such a worker; BK__SLOTS: none. */
static unsigned find(const struct bk__plan *plan, struct bk__plan_worker like)
{
    for (unsigned slot = BK__SLOTS; slot-- > 0;) {
        const struct bk__plan_worker *worker = &plan->workers[slot];
        if (worker->state == like.state && worker->role == like.role && worker->stale == like.stale)
            return slot;
    }
    return BK__SLOTS;
}

static unsigned free_slot(const struct bk__plan *plan)
{
    unsigned slot = 0;

    while (slot < BK__SLOTS && plan->workers[slot].state != BK__DEAD)
        slot++;
    return slot;
}

/* Who is too many; BK__SLOTS: nobody. Those who do not serve yet go first. */
static unsigned surplus(const struct bk__plan *plan, enum bk__worker_role role)
{
    struct tally tally = count(plan, role);
    unsigned slot = BK__SLOTS;

    if (tally.stale > tally.stale_ready)
        return find(plan, (struct bk__plan_worker){BK__STARTING, role, true});
    if (tally.stale_ready > 0 && tally.fresh_ready + tally.stale_ready > plan->wanted[role])
        return find(plan, (struct bk__plan_worker){BK__READY, role, true});
    if (tally.fresh > plan->wanted[role])
        slot = find(plan, (struct bk__plan_worker){BK__STARTING, role, false});
    if (tally.fresh > plan->wanted[role] && slot == BK__SLOTS)
        slot = find(plan, (struct bk__plan_worker){BK__READY, role, false});
    return slot;
}

struct bk__plan_step bk__plan_next(const struct bk__plan *plan)
{
    for (enum bk__worker_role role = 0; role < BK__ROLES; role++) {
        unsigned slot = surplus(plan, role);
        if (slot < BK__SLOTS)
            return (struct bk__plan_step){BK__DRAIN, role, slot};
    }
    unsigned slot = free_slot(plan);
    if (slot == BK__SLOTS || processes(plan) >= bk__plan_wanted(plan) + plan->spare)
        return (struct bk__plan_step){.action = BK__REST};
    for (enum bk__worker_role role = 0; role < BK__ROLES; role++)
        if (plan->may_start[role] && count(plan, role).fresh < plan->wanted[role])
            return (struct bk__plan_step){BK__START, role, slot};
    return (struct bk__plan_step){.action = BK__REST};
}

unsigned bk__plan_ready(const struct bk__plan *plan, enum bk__worker_role role)
{
    struct tally tally = count(plan, role);

    return tally.fresh_ready + tally.stale_ready;
}

bool bk__plan_settled(const struct bk__plan *plan)
{
    for (enum bk__worker_role role = 0; role < BK__ROLES; role++) {
        struct tally tally = count(plan, role);
        if (tally.stale != 0 || tally.fresh_ready != plan->wanted[role])
            return false;
    }
    return processes(plan) == bk__plan_wanted(plan);
}
