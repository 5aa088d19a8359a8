/**
 * @file backend/outbox.h
 * @brief Jobs that are added if and only if a transaction of PostgreSQL commits.
 *
 * bk_jobs_add_tx() writes the job to a table, within the transaction. Once that has committed, a
 * relay moves it to its queue in Redis: after some milliseconds where it runs in the same worker,
 * else within poll_ms.
 *
 * @code
 * bk_outbox *outbox = bk_outbox_new(app, &(bk_outbox_opts){.db = db, .redis = redis});
 *
 * static bk_err register_user(bk_pg *tx, void *data)
 * {
 *     ... INSERT INTO users ...
 *     return bk_jobs_add_tx(tx, outbox, mails, "send", mail_desc, &mail, NULL, &id);
 * }
 * @endcode
 *
 * **A crash at any point** neither loses a job nor adds it twice: its id is settled within the
 * transaction, and Redis notes in the very step that adds it that this entry has been moved. The
 * note outlives the job. So while Redis keeps what it has acknowledged, each job
 * is added exactly once; it is still run at least once, as all jobs are.
 *
 * **While Redis is away** jobs gather in the table; handlers do not notice.
 */
#ifndef BACKEND_OUTBOX_H
#define BACKEND_OUTBOX_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/pg.h>
#include <backend/queue.h>

BK_BEGIN_DECLS

/** A table of jobs, and what empties it. */
typedef struct bk_outbox bk_outbox;

/** Settings. Zero means default. */
typedef struct bk_outbox_opts {
    bk_pg      *db;      /**< The pool whose transactions add jobs. Not NULL. */
    bk_redis   *redis;   /**< Where the queues lie that they are for. Not NULL. */
    const char *table;   /**< Its name: lower-case letters, digits and '_'. Copied. Default
                              "bk_outbox". */
    uint32_t batch;      /**< Jobs moved in one step, at most 500. Default 200. */
    uint32_t poll_ms;    /**< How often a relay looks by itself. Default 200. */
    uint32_t remember_s; /**< How long Redis remembers an entry whose deletion from the table is not
                              known: longer than any crash or outage of PostgreSQL. Default 7 days.
                              Once it is known, 10 minutes. */
    bool no_create; /**< The table is made elsewhere, from bk_outbox_sql(). Default: a worker makes
                         it at its start where it is missing. */
    bool no_relay;  /**< Only add; another process has the relay. Default: it runs where
                         bk_app_roles() has BK_ROLE_JOBS. */
} bk_outbox_opts;

/** Declares an outbox of @p app, before the app runs. Freed with the app. Wrong settings
 *  stop the program with words. @param opts  Copied. */
BK_API BK_NODISCARD bk_outbox *bk_outbox_new(bk_app *app, const bk_outbox_opts *opts);

/** The SQL that makes the table, for a migration. Request-owned. */
BK_API BK_NODISCARD bk_str bk_outbox_sql(const bk_outbox *outbox);

/**
 * Adds a job to @p queue when @p tx commits.
 *
 * @param tx  A transaction of the outbox's database; a pool would be a transaction of its own.
 * @param id  Receives the job's id, which is settled now: request-owned. May be NULL.
 * @return As bk_jobs_add(), but what PostgreSQL fails with in the place of Redis. With
 *         deduplication the job may turn out to be another's duplicate when it is moved.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_jobs_add_tx(bk_pg *tx, bk_outbox *outbox, bk_queue *queue,
                                                    const char *name, bk_desc_fn desc,
                                                    const void *payload, const bk_job_opts *opts,
                                                    bk_str *id);

/** As bk_jobs_add_tx(), with the payload as JSON. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_jobs_add_tx_json(bk_pg *tx, bk_outbox *outbox,
                                                         bk_queue *queue, const char *name,
                                                         bk_str json, const bk_job_opts *opts,
                                                         bk_str *id);

/** Counters of this worker since the start. */
typedef struct bk_outbox_stats {
    uint64_t moved;  /**< Jobs that the relay has added. */
    uint64_t known;  /**< Entries that had been moved before a crash. */
    uint64_t failed; /**< Attempts that Redis or PostgreSQL failed. */
} bk_outbox_stats;

/** Fills @p stats. */
BK_API void bk_outbox_get_stats(const bk_outbox *outbox, bk_outbox_stats *stats);

BK_END_DECLS

#endif
