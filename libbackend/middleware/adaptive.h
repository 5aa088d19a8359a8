/*
 * adaptive.h: how many requests a worker should have at once, from how long they take.
 *
 * What cannot be known is what a service can bear. What can be seen is that a route takes longer
 * than it did: beyond what it can bear, a service does not answer more, but later. So each route is
 * measured against its own past, which a slow route passes as well as a fast one, and the limit
 * goes down while most take more than twice as long. Nothing here knows of requests, loops or
 * clocks.
 */
#ifndef BK_MIDDLEWARE_ADAPTIVE_H
#define BK_MIDDLEWARE_ADAPTIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BK__ADAPTIVE_TICK_MS = 100,
    BK__ADAPTIVE_ROUTES = 256 /* told apart; those beyond share places */
};

/* What is known of a route's latency. */
struct bk__adaptive_route {
    const void *name; /* an address; NULL: this place is free */
    double usual_ms;  /* a slow average of its windows; 0: there was none yet */
    double sum_log;   /* of this window's samples: of their logarithms */
    uint32_t count;   /* of this window's samples */
    uint32_t windows; /* that there were, up to those of the beginning */
};

struct bk__adaptive {
    uint32_t least, most; /* the limit stays between them */
    double limit;
    uint32_t peak;   /* most at once since the last tick */
    uint32_t bad;    /* ticks in a row in which latency was too long */
    uint64_t cut_at; /* samples of requests that began before are of the time before the cut */
    double stretch;  /* this window's latency over the usual one; 1: as usual */
    struct bk__adaptive_route routes[BK__ADAPTIVE_ROUTES];
};

void bk__adaptive_init(struct bk__adaptive *it, uint32_t least, uint32_t most);

/* A request of @p route that began at @p began_ms has ended well, after @p ms. */
void bk__adaptive_sample(struct bk__adaptive *it, const void *route, uint64_t began_ms,
                         uint64_t ms);

/* So many are at work now. */
static inline void bk__adaptive_at_work(struct bk__adaptive *it, uint32_t count)
{
    if (count > it->peak)
        it->peak = count;
}

/* To be called each BK__ADAPTIVE_TICK_MS, with how many are at work. */
void bk__adaptive_tick(struct bk__adaptive *it, uint64_t now_ms, uint32_t at_work);

#endif
