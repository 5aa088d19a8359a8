/*
 * conn.h: one connection, and the units that travel on it.
 *
 * A unit is what ends with one Sync: a statement, or several that happen together. Units are
 * written behind each other without waiting (the server runs them in order), so the fibers of many
 * requests share a connection, and what they add within a turn of the loop leaves in one write. A
 * unit is the connection's, not its fiber's: when the fiber runs out of time it leaves, and the
 * connection goes on, cancels what still runs and throws the answer away.
 *
 *     send -> written -> answered -> Sync answered: done
 *
 * Simple reads that are sent in one turn form a train: they share one Sync, which saves the server
 * a transaction and a system call each. Nothing is acknowledged before that Sync is answered, and
 * when one of them fails the server has undone all, so the others did not run and are sent again,
 * each on its own.
 *
 * How a unit ended decides who may try again: one that is known not to have run may be sent once
 * more, one whose answer was lost may not.
 */
#ifndef BK_PG_CONN_H
#define BK_PG_CONN_H

#include <backend/pg.h>

#include "core/list.h"
#include "fiber/fiber.h"
#include "fiber/loop.h"
#include "fiber/watch.h"
#include "pg/error.h"
#include "pg/link.h"
#include "pg/sink.h"
#include "pg/statement.h"
#include "pg/wire.h"
#include "pool/pool.h"

struct bk__pg_conn;

/* A statement to run, on the side of who wants it. */
struct bk__pg_work {
    const char *sql;
    bk_args args;
    struct bk__pg_sink *sink;           /* NULL: rows are not looked at */
    int64_t *changed;                   /* NULL: not wanted */
    struct bk__pg_statement *statement; /* found by bk__pg_conn_send() */
    const char *comment; /* follows the text, where nothing is prepared; may be NULL */
};

/* One statement within a unit. */
struct bk__pg_call {
    struct bk__pg_statement *statement;
    struct bk__pg_sink *sink; /* NULL: nobody wants the rows (any more) */
    int64_t changed;
    bool parses;                     /* Parse and Describe of its name went before it */
    bool text;                       /* all columns were asked for as text */
    bool begun;                      /* the sink was */
    struct bk__pg_shape *shape;      /* a reference; of what it runs, known by the first row */
    struct bk__pg_prepared replaced; /* what was under its slot; until the unit is sent */
};

enum bk__pg_outcome {
    BK__PG_PENDING,
    BK__PG_DONE,    /* it ran: well, or with an error of the server */
    BK__PG_NOT_RUN, /* it did not, and may be sent again */
    BK__PG_LOST     /* the connection broke while it was on its way */
};

struct bk__pg_unit {
    struct bk__link link; /* in conn->units, then in conn->finished until it is taken */
    struct bk__pg_pool *pool;
    struct bk__pg_conn *conn;  /* NULL once it is out of conn->units */
    bk_fiber *fiber;           /* who waits; NULL: nobody */
    struct bk__pg_call *calls; /* &one, or malloc'ed */
    struct bk__pg_call one;
    uint32_t count, at;  /* calls, and which of them is being answered */
    uint64_t left_ms;    /* loop time at which its fiber left; 0: it did not */
    uint64_t begin, end; /* its bytes in the stream of the connection */
    enum bk__pg_outcome outcome;
    struct bk__pg_error *error; /* in the fiber's arena; NULL: none. Of calls[at] */
    const char *why;            /* of a lost one, static */
    bool joined;                /* its Sync is that of the unit behind it */
    bool shared;                /* a use of the member ends with it */
    bool is_ours;               /* nobody ever waited: ROLLBACK and the like */
    bool failed;                /* the server said so; what follows up to the Sync did not run */
    bool cancelled;             /* a cancel request was meant for it */
    bool hit;                   /* cancelled by a request that was meant for another */
    bool open;                  /* COPY: its Sync is not sent yet */
    bool copying;               /* the server takes CopyData */
};

struct bk__pg_pool;

/* What the connection's owner wants to know. On the loop's stack, or on that of whoever wrote. */
struct bk__pg_conn_owner {
    /* It broke; its units have been ended. If nobody holds it, the owner closes it. */
    void (*broken)(struct bk__pg_conn *conn);
    /* A NotificationResponse. May be NULL. */
    void (*notified)(struct bk__pg_conn *conn, int32_t pid, bk_str channel, bk_str payload);
};

struct bk__pg_conn {
    struct bk__member member; /* of the pool; unused by a listener's */
    struct bk__pg_pool *pool;
    const struct bk__pg_conn_owner *owner;
    void *data; /* the owner's */
    struct bk__pg_link *link;
    struct bk__io io;
    struct bk__put_off turn; /* writes, and reads on after a pause */
    struct bk__timer timer;  /* looks after units whose fiber has left */
    struct bk__pg_out out;
    bk_fiber
        *drained; /* is woken when no more than BK__PG_DRAINED bytes wait in out; NULL: nobody */
    uint64_t written; /* bytes of the stream that left */
    char *in;
    size_t in_start, in_end, in_cap, in_wanted;
    struct bk__list units;         /* on their way */
    struct bk__list finished;      /* done, their fibers are to be woken */
    struct bk__pg_unit *answering; /* of `units`, the one being answered; NULL: the first */
    struct bk__pg_unit *train;     /* the last of a train whose Sync is not sent yet; NULL: none */
    uint32_t train_count;          /* units in it */
    uint32_t unit_count, finished_count;
    uint32_t left_count; /* units whose fiber has left */
    uint64_t head_ms;    /* loop time since which the present head is the head */
    uint64_t since_ns;   /* begin of what is being measured; 0: nothing is on its way */
    uint64_t service_ns; /* what a unit takes here, on average */
    struct bk__pg_table prepared;
    bk_str parameters; /* of a ParameterDescription until its RowDescription comes; malloc'ed */
    struct bk__pg_cancel *cancel; /* under way; NULL: none */
    uint64_t cancel_ms;           /* loop time of the last; 0: there was none */
    char tx_status;               /* of the last ReadyForQuery: 'I', 'T', 'E' */
    bool write_blocked;           /* the socket takes no more for now */
    bool paused;                  /* nothing is to be read for now */
    bool paused_with_input;
    bool hung_up;    /* the end of the stream is to be read */
    bool busy;       /* on_io() is on the stack: do not free */
    bool close_soon; /* it was closed meanwhile */
    bool broken;
    bool fatal; /* the server said that it ends the session, in fatal_words */
    char fatal_words[160];
    bool held;         /* a fiber has it: it is freed when that fiber gives it back */
    bool settling;     /* given back, and being cleaned up */
    bool worn;         /* it takes no more, and is replaced once all is answered */
    bool session_used; /* SET and the like may have been run */
    bool streaming; /* the program's code runs in the middle of a unit: nothing else may be sent */
};

#define BK__PG_DRAINED (64u * 1024)

/* Takes @p link. */
struct bk__pg_conn *bk__pg_conn_new(struct bk__pg_pool *pool, struct bk__pg_link *link,
                                    const struct bk__pg_conn_owner *owner, void *data);

/* Closes it. Units on their way end as lost. */
void bk__pg_conn_close(struct bk__pg_conn *conn);

/* What bk__pg_conn_send() is to do beside sending. */
enum {
    BK__PG_SEND_SHARED = 1,  /* the unit is one use of the shared member */
    BK__PG_SEND_OPEN = 2,    /* without Sync: bk__pg_unit_finish() */
    BK__PG_SEND_OURS = 4,    /* nobody will wait */
    BK__PG_SEND_UNNAMED = 8, /* prepare nothing */
    BK__PG_SEND_APART = 16   /* in no train */
};

/* Adds a unit of @p count statements to what leaves at the end of this turn. On the fiber that will
 * wait, or on any stack for one that is ours. NULL, with BK_EINVAL and words recorded, when a value
 * cannot be sent: nothing is then. */
struct bk__pg_unit *bk__pg_conn_send(struct bk__pg_conn *conn, struct bk__pg_work *works,
                                     size_t count, unsigned flags);

/* Ends a unit that was sent open. */
void bk__pg_unit_finish(struct bk__pg_unit *unit);

/* Waits until it is done, or, for one that is open, until it takes data or has failed. BK_OK: look
 * at unit->outcome. BK_ETIMEDOUT, BK_ECANCELED: the unit is not the caller's any more. */
BK_YIELDS bk_err bk__pg_unit_wait(struct bk__pg_unit *unit);

/* Leaves a unit that is on its way: its statement is cancelled, its answer thrown away. */
void bk__pg_unit_abandon(struct bk__pg_unit *unit);

/* Frees one that is done. */
void bk__pg_unit_free(struct bk__pg_unit *unit);

/* To be called when something was added to conn->out directly (COPY): it leaves this turn. */
void bk__pg_conn_flush_soon(struct bk__pg_conn *conn);

/* Stops and resumes reading: for rows that come faster than they are used. */
void bk__pg_conn_pause(struct bk__pg_conn *conn);
void bk__pg_conn_resume(struct bk__pg_conn *conn);

/* How long a new unit would wait, in ns; BK__POOL_BUSY. */
uint64_t bk__pg_conn_wait_ns(const struct bk__pg_conn *conn);

/* Gives a held one back: an open transaction is rolled back, a used session discarded, and then it
 * goes to the pool; at once where nothing is to be done. Any stack. */
void bk__pg_conn_release(struct bk__pg_conn *conn);

/* Breaks it: its units end, its owner is told. @p why: static. Nothing happens the second time. */
void bk__pg_conn_break(struct bk__pg_conn *conn, const char *why);

/* answer.c: goes through what was read. Finished units are in conn->finished. */
void bk__pg_conn_parse(struct bk__pg_conn *conn);

/* The unit that is being answered; NULL: none is on its way. */
static inline struct bk__pg_unit *bk__pg_conn_answering(const struct bk__pg_conn *conn)
{
    if (conn->answering != NULL || conn->unit_count == 0)
        return conn->answering;
    return bk__container_of(conn->units.anchor.next, struct bk__pg_unit, link);
}

/* Ends the head unit. */
void bk__pg_conn_finish_head(struct bk__pg_conn *conn, enum bk__pg_outcome outcome);

#endif
