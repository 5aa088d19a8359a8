/*
 * pg.h: a pool of connections, and the handles that statements are given to.
 */
#ifndef BK_PG_PG_H
#define BK_PG_PG_H

#include "pg/conn.h"
#include "pg/observe.h"

struct bk__pg_opening;
struct bk__pg_listening;

struct bk__pg_pool {
    struct bk__pool members; /* first: the engine hands this out */
    const bk_app *app;
    bk_pg_opts opts; /* defaults filled in */
    struct bk__pg_target *target;
    struct bk__pg_statements statements;
    struct bk__list openings;           /* struct opening, in pg.c: connections being made */
    struct bk__pg_listening *listening; /* listen.c; NULL until somebody listens */
    struct bk__list spare_units;        /* bk__pg_unit.link */
    bool stopping;                      /* no more connections */
    uint64_t slow_ns;
    const struct bk__metrics *metrics;          /* the app's */
    bk_histogram *durations[BK__PG_OPERATIONS]; /* observe.h */
    bk_pg_stats stats;                          /* without those of the engine */
};

/* A pool, or one connection of it that a fiber holds. */
struct bk_pg {
    struct bk__pg_pool *pool;
    struct bk__pg_conn *conn; /* NULL: the pool */
    struct bk__pg_tx *tx;     /* the innermost transaction; NULL: none */
};

/* A transaction that is being run. On the stack of bk_pg_tx_with(). */
struct bk__pg_tx {
    struct bk__pg_tx *outer; /* NULL for the transaction itself; it is a savepoint in others */
    char begin[96];          /* what goes before the first statement, in its unit */
    bool begun;              /* it was sent */
    bool doomed;             /* a savepoint could not be restored: it must not commit */
};

/* Begins to connect, with the password asked for first: fn as in bk__pg_connect(). For the pool and
 * for the listener. NULL when it has failed already: fn was called. */
struct bk__pg_opening *bk__pg_open(struct bk__pg_pool *pool, bk__pg_connected_fn fn, void *data);
void bk__pg_open_abandon(struct bk__pg_opening *opening);

/* How bk__pg_run() is to do it. */
enum {
    BK__PG_RUN_ALONE = 1, /* on a connection of its own */
    BK__PG_RUN_OURS = 2,  /* the library's own statement: any verb may be */
    BK__PG_RUN_APART = 4  /* in no train (conn.h), and prepared by itself */
};

/* Runs @p works as one unit, on the connection of @p pg or on the best of the pool, and again where
 * it is known not to have run. The result is recorded on the fiber; sinks are ended. */
BK_YIELDS bk_err bk__pg_run(bk_pg *pg, struct bk__pg_work *works, size_t count, unsigned flags);

/* The parts of it, for those who send by themselves: finds the statement of @p work and looks
 * whether it may be given to @p pg; turns what became of @p unit into an error of the calling
 * fiber. */
bk_err bk__pg_find(bk_pg *pg, struct bk__pg_work *work, unsigned flags);
bk_err bk__pg_unit_result(const struct bk__pg_unit *unit);

/* Sends @p works, and what opens the transaction of @p pg before them if that has not been sent
 * yet.
 * @p first: receives which call of the unit is that of works[0]. Else as bk__pg_conn_send(). */
struct bk__pg_unit *bk__pg_send(bk_pg *pg, struct bk__pg_conn *conn, struct bk__pg_work *works,
                                size_t count, unsigned flags, size_t *first);

/* It is certain that it did not run, and there is hope that it will. */
bool bk__pg_may_run_again(const bk_pg *pg, const struct bk__pg_unit *unit);

/* Holds a connection of the pool. Give it back by bk__pg_conn_release(). */
BK_YIELDS bk_err bk__pg_hold(struct bk__pg_pool *pool, struct bk__pg_conn **out, const char *file,
                             int line);

/* listen.c: closes what it has. */
void bk__pg_listening_stop(struct bk__pg_pool *pool);

#endif
