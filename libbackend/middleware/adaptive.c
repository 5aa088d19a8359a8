/*
 * adaptive.c: how many requests a worker should have at once. See adaptive.h.
 *
 * The limit begins at its ceiling: a service of which nothing is known refuses nobody. When for
 * three ticks in a row latency was more than TOLERANCE times the usual one, the limit is cut, from
 * what was really at work, by as much as latency was too long, at most by half. Then those that
 * began before the cut must have gone before the next judgement, since they still waited in the
 * longer queue. Otherwise it grows by its square root, where it is made use of at all.
 *
 * Latency may also change for good: a slower database, a new release. A limit that was cut down to
 * its floor without effect tells so, since at the floor nothing queues: what is measured there is
 * the usual from then on, and the limit grows again.
 *
 * A window must be hard to fool by a route that is now fast, now slow. The average would follow
 * each rare slow answer, so it is the average of the logarithms that counts. Also, quick answers
 * are there before slow ones: a route's first windows, and those after a cut, see too many of them.
 * So in the beginning the usual is the longest of the windows, and later it falls slowly. A worker
 * that starts into overload takes that for the usual, up to the ceiling.
 */
#include "middleware/adaptive.h"

#include <string.h>

enum {
    SAMPLES_MIN = 30, /* of a route, before its window says anything */
    BAD_TICKS = 3,
    QUIET_MS = 10, /* below this, nobody is kept waiting */
    WARM_UP = 30   /* windows of a route */
};

static const double TOLERANCE = 2.0;
static const double STRETCH_MAX = 10.0;
static const double FALL = 0.01;  /* a tick's share in the usual latency, where it was shorter */
static const double RISE = 1.001; /* of the usual latency in a tick: twofold in 70 s */

void bk__adaptive_init(struct bk__adaptive *it, uint32_t least, uint32_t most)
{
    memset(it, 0, sizeof *it);
    it->least = least;
    it->most = most;
    it->limit = most;
    it->stretch = 1;
}

/* The logarithm to base 2, straight between powers of 2: off by less than 0.09. */
static double rough_log(uint64_t value)
{
    unsigned power = 63 - (unsigned)__builtin_clzll(value);

    return power - 1 + (double)value / (double)(UINT64_C(1) << power);
}

/* 2 to that, the inverse of it. */
static double rough_exp(double log)
{
    unsigned power = (unsigned)log;

    return (double)(UINT64_C(1) << power) * (1 + log - power);
}

static double root(double value)
{
    double guess = value > 1 ? value / 2 : 1;

    for (int i = 0; i < 12; i++)
        guess = (guess + value / guess) / 2;
    return guess;
}

static struct bk__adaptive_route *place_of(struct bk__adaptive *it, const void *route)
{
    enum {
        TRIES = 8
    };
    size_t at = ((uintptr_t)route >> 4) * 0x9E3779B97F4A7C15u >> 32;

    for (size_t i = 0; i < TRIES; i++) {
        struct bk__adaptive_route *place = &it->routes[(at + i) % BK__ADAPTIVE_ROUTES];
        if (place->name == route || place->name == NULL) {
            place->name = route;
            return place;
        }
    }
    return &it->routes[at % BK__ADAPTIVE_ROUTES];
}

void bk__adaptive_sample(struct bk__adaptive *it, const void *route, uint64_t began_ms, uint64_t ms)
{
    uint64_t latency = ms < QUIET_MS ? QUIET_MS : ms < UINT32_MAX ? ms : UINT32_MAX;

    if (began_ms < it->cut_at)
        return;
    struct bk__adaptive_route *place = place_of(it, route);
    place->sum_log += rough_log(latency);
    place->count++;
}

/* What the window of @p route says of its latency. */
static double typical_ms(const struct bk__adaptive_route *route)
{
    return rough_exp(route->sum_log / route->count);
}

/* How much longer than usual it was. */
static double stretch_of(const struct bk__adaptive_route *route)
{
    double stretch = typical_ms(route) / route->usual_ms;

    return stretch < STRETCH_MAX ? stretch : STRETCH_MAX;
}

static void forget_window(struct bk__adaptive_route *route)
{
    route->sum_log = 0;
    route->count = 0;
}

/* The window of @p route becomes part of what is usual; a new one begins. */
static void close_window(struct bk__adaptive_route *route, bool adopt)
{
    double now = typical_ms(route);
    bool is_new = route->windows < WARM_UP;

    if (adopt || (is_new && now > route->usual_ms))
        route->usual_ms = now;
    else if (now < route->usual_ms)
        route->usual_ms += (now - route->usual_ms) * FALL;
    else
        route->usual_ms = route->usual_ms * RISE < now ? route->usual_ms * RISE : now;
    route->windows += is_new;
    forget_window(route);
}

/* The stretch of all routes whose windows are full, by how many samples each has; 0: there is none.
 * What a route does in the beginning is usual. */
static double overall_stretch(const struct bk__adaptive *it)
{
    double sum = 0, count = 0;

    for (size_t i = 0; i < BK__ADAPTIVE_ROUTES; i++) {
        const struct bk__adaptive_route *route = &it->routes[i];
        if (route->count < SAMPLES_MIN)
            continue;
        sum += route->count * (route->windows == WARM_UP ? stretch_of(route) : 1);
        count += route->count;
    }
    return count != 0 ? sum / count : 0;
}

static void close_windows(struct bk__adaptive *it, bool adopt)
{
    for (size_t i = 0; i < BK__ADAPTIVE_ROUTES; i++)
        if (it->routes[i].count >= SAMPLES_MIN)
            close_window(&it->routes[i], adopt);
}

static void forget_windows(struct bk__adaptive *it)
{
    for (size_t i = 0; i < BK__ADAPTIVE_ROUTES; i++)
        forget_window(&it->routes[i]);
}

static void cut(struct bk__adaptive *it, uint64_t now_ms)
{
    double from = it->limit < it->peak ? it->limit : it->peak;
    double share = TOLERANCE / it->stretch;

    it->limit = from * (share > 0.5 ? share : 0.5);
    if (it->limit < it->least)
        it->limit = it->least;
    it->cut_at = now_ms;
    it->bad = 0;
    forget_windows(it);
}

static void grow(struct bk__adaptive *it)
{
    if (it->peak < it->limit / 2)
        return;
    it->limit += root(it->limit);
    if (it->limit > it->most)
        it->limit = it->most;
}

void bk__adaptive_tick(struct bk__adaptive *it, uint64_t now_ms, uint32_t at_work)
{
    double stretch = overall_stretch(it);

    if (stretch != 0) {
        it->stretch = stretch;
        it->bad = stretch > TOLERANCE ? it->bad + 1 : 0;
        if (it->bad >= BAD_TICKS && it->peak > it->least) {
            cut(it, now_ms);
        } else {
            if (it->bad == 0)
                grow(it);
            close_windows(it, it->bad >= BAD_TICKS);
        }
    }
    it->peak = at_work;
}
