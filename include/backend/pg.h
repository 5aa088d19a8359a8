/**
 * @file backend/pg.h
 * @brief PostgreSQL: a pool that pipelines, typed rows, transactions that cannot leak.
 *
 * Declare the pool once, before the app runs; use it in any handler. A call looks blocking: the
 * fiber waits, the loop goes on, and statements of many fibers share a few connections.
 *
 * @code
 * bk_pg *db = bk_pg_new(app, &(bk_pg_opts){.url = bk_str_of(getenv("DATABASE_URL"))});
 *
 * struct product product;
 * BK_TRY(bk_pg_one(db, "SELECT id, name, price_cents FROM products WHERE id = $1",
 *                  BK_ARGS(bk_i64(id)), product_desc, &product)); // no row: BK_ENOTFOUND
 * @endcode
 *
 * **Statements** are prepared on each connection when they first run there, and kept (least
 * recently used out first), so an SQL text is best a literal. Values only ever travel as
 * parameters. Each statement is a transaction of its own: one that fails touches no other.
 *
 * **Rows** go into described structs (backend/describe.h) by column name; what they point to is
 * owned by the calling fiber's arena, as all that a request reads. Columns that the struct does
 * not have are skipped, members that the row does not have or that are NULL are zero (see
 * BK_HAS()).
 *
 * **Transactions** are functions: bk_pg_tx() runs one between BEGIN and COMMIT, and whatever way
 * it is left, the transaction ends with it. Inside, use the bk_pg that it is given; functions that
 * take a bk_pg work in a transaction and outside of one.
 *
 * **Time.** When the fiber's deadline passes or it is cancelled, the wait ends at once and the
 * statement is cancelled on the server. A write that was on its way then may or may not have
 * happened, as with any write whose answer was lost.
 *
 * **Errors.** A unique or foreign key violation is BK_ECONFLICT, a value that the column's type or
 * a CHECK refuses BK_EINVAL, no connection or a lost one BK_EUNAVAILABLE, a statement cancelled by
 * time BK_ETIMEDOUT, an SQL mistake BK_EINTERNAL. bk_pg_violates() and bk_pg_sqlstate() tell more.
 * The chain has the server's words, which clients never see. Nothing is sent twice unless it is
 * known not to have run.
 */
#ifndef BACKEND_PG_H
#define BACKEND_PG_H

#include <backend/base.h>
#include <backend/describe.h>
#include <backend/errors.h>
#include <backend/json.h>
#include <backend/args.h>
#include <backend/pool.h>

BK_BEGIN_DECLS

/** Where statements go: a pool, or the one connection that bk_pg_tx() or bk_pg_session() lends. */
typedef struct bk_pg bk_pg;

/** Provides the password for a new connection, for tokens that change. Runs on a fiber.
 *  @param password  Receives it; copied when this returns. */
typedef bk_err (*bk_pg_password_fn)(void *data, bk_str *password);

/** Settings of a pool of connections. Zero means default. */
typedef struct bk_pg_opts {
    bk_str url; /**< A libpq URI or keyword string: several hosts, target_session_attrs and sslmode
                     as libpq knows them. Copied. Default: libpq's environment. */
    const char       *name;     /**< For logs; borrowed. Default "pg". */
    bk_pool_opts      pool;     /**< Sizes and times. */
    bk_pg_password_fn password; /**< May be NULL: it is in the URL, PGPASSWORD or .pgpass. */
    void             *data;     /**< For `password`. */
    bool no_prepare;      /**< Prepare nothing: for PgBouncer before 1.21 in transaction mode. */
    bool trace_comments;  /**< Append the trace to statements of work that is sampled, as a comment
                               with its `traceparent`, for the server's log and pg_stat_activity.
                               They are parsed anew each time. */
    bool read_only;       /**< All its transactions are read only: for replicas. Lets a statement be
                               sent again even where it is unknown whether it ran. */
    uint32_t statements;  /**< Prepared on each connection. Default 256. */
    uint32_t pipeline;    /**< Statements on their way on one connection. Default 128. */
    uint32_t pipeline_us; /**< A connection whose statements would keep a new one waiting for
                               longer is passed over while another is free. Default 2,000. */
    uint32_t slow_ms;     /**< Statements that take longer, on average, get a connection of their
                               own. Default 10. */
    uint32_t result_bytes; /**< Most that one statement may return; bk_pg_each() has no limit.
                                Default 64 MiB. */
} bk_pg_opts;

/** Counters since the start, beside those of the pool. */
typedef struct bk_pg_stats {
    bk_pool_stats pool;       /**< Connections. */
    uint64_t      statements; /**< Answered, well or with an error. */
    uint64_t      errors;     /**< Of those, with an error of the server. */
    uint64_t      prepared;   /**< Times that a statement was prepared. */
    uint64_t      cancelled;  /**< Cancel requests sent. */
    uint64_t      resent;     /**< Statements sent again, known not to have run. */
    uint64_t      lost;       /**< Statements whose outcome is unknown. */
    uint64_t      flushes;    /**< Writes to sockets. */
    uint64_t      in_flight;  /**< Statements on their way now. */
} bk_pg_stats;

/**
 * Declares a pool of @p app, before the app runs: it opens when a worker starts, closes when it
 * stops, and is freed with the app. A wrong URL stops the program with words; a server that is not
 * there does not: the pool goes on trying.
 *
 * @param opts  Copied. May be NULL.
 */
BK_API BK_NODISCARD bk_pg *bk_pg_new(bk_app *app, const bk_pg_opts *opts);

/** Fills @p stats. @param pg  A pool. */
BK_API void bk_pg_get_stats(const bk_pg *pg, bk_pg_stats *stats);

/* --- statements ------------------------------------------------------------------------------- */

/**
 * Runs a statement for its effect.
 *
 * @param sql      One statement with `$1`, `$2` ... for values. Borrowed for the call.
 * @param args     BK_ARGS(...) or BK_NO_ARGS; what they point to is borrowed for the call.
 * @param changed  Receives the number of rows inserted, updated, deleted or selected. May be NULL.
 * @return BK_OK; see "Errors" above.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_exec(bk_pg *pg, const char *sql, bk_args args,
                                                int64_t *changed);

/** The one row of @p sql into `*out`, which is zeroed first.
 *  @return BK_OK; BK_ENOTFOUND when there is no row; BK_EINTERNAL when there are several, or when a
 *          column does not fit its member. `*out` is zeroed on error. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_one(bk_pg *pg, const char *sql, bk_args args,
                                               bk_desc_fn desc, void *out);

/** All rows of @p sql into `out->items`, one struct after another. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_all(bk_pg *pg, const char *sql, bk_args args,
                                               bk_desc_fn desc, bk_array *out);

/** Called for each row, in order, on the fiber that called bk_pg_each(); may wait.
 *  @param row  A struct of the description; it and what it points to are gone when this returns.
 *  @return BK_OK to go on; an error ends it and is what bk_pg_each() returns. */
typedef bk_err (*bk_pg_row_fn)(void *row, void *data);

/** Hands over the rows of @p sql one by one as they come, in bounded memory: for exports. It has a
 *  connection of its own meanwhile. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_each(bk_pg *pg, const char *sql, bk_args args,
                                                bk_desc_fn desc, bk_pg_row_fn fn, void *data);

/** Writes the rows of @p sql as a JSON array of objects with the columns as keys, straight from
 *  what the server sent. Numbers and booleans are JSON's, json and jsonb go in as they are, arrays
 *  are JSON's, times are RFC 3339, the rest are strings. Nothing is written on error. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_json(bk_pg *pg, const char *sql, bk_args args,
                                                bk_json_writer *writer);

/** Rows whose shape is not described. */
typedef struct bk_rows bk_rows;

/** All rows of @p sql. @param rows  Request-owned. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_query(bk_pg *pg, const char *sql, bk_args args,
                                                 bk_rows **rows);

BK_API size_t bk_rows_count(const bk_rows *rows);   /**< How many rows. */
BK_API size_t bk_rows_columns(const bk_rows *rows); /**< How many columns. */

/** The name of a column. @param column  From 0. */
BK_API bk_str bk_rows_name(const bk_rows *rows, size_t column);

/** The number of the column called @p name; SIZE_MAX when there is none. */
BK_API size_t bk_rows_column(const bk_rows *rows, const char *name);

/** True when the value is NULL. Row and column are from 0 and must exist, here and below. */
BK_API bool bk_rows_null(const bk_rows *rows, size_t row, size_t column);

/** A value as text, as PostgreSQL writes it; bytea as its bytes. Absent when it is NULL. */
BK_API bk_str bk_rows_str(const bk_rows *rows, size_t row, size_t column);

/** An integer, 0 when it is NULL. BK_EINTERNAL when the column is of no integer type. */
BK_API BK_NODISCARD bk_err bk_rows_i64(const bk_rows *rows, size_t row, size_t column,
                                       int64_t *out);

/** A number of any type, 0 when it is NULL. BK_EINTERNAL when the column is none. */
BK_API BK_NODISCARD bk_err bk_rows_f64(const bk_rows *rows, size_t row, size_t column, double *out);

/** A boolean, false when it is NULL. BK_EINTERNAL when the column is none. */
BK_API BK_NODISCARD bk_err bk_rows_bool(const bk_rows *rows, size_t row, size_t column, bool *out);

/** A timestamp with or without time zone (taken as UTC) or a date, 0 when it is NULL. BK_EINTERNAL
 *  when the column is none. */
BK_API BK_NODISCARD bk_err bk_rows_time(const bk_rows *rows, size_t row, size_t column,
                                        bk_time *out);

/** A one-dimensional array, empty when it is NULL. @param item_type  BK_TYPE_STR, _I64, _I32, _F64,
 *  _BOOL or _TIME. BK_EINTERNAL when the column is no such array or holds a NULL. */
BK_API BK_NODISCARD bk_err bk_rows_array(const bk_rows *rows, size_t row, size_t column,
                                         bk_field_type item_type, bk_array *out);

/* --- several at once -------------------------------------------------------------------------- */

/**
 * Statements that travel together: one write, one wait, one round trip. The server runs them in
 * order as one transaction: all happen or none.
 *
 * @code
 * bk_pg_batch *batch = bk_pg_batch_open(db);
 * for (size_t i = 0; i < count; i++)
 *     bk_pg_batch_one(batch, "SELECT id, randomnumber FROM world WHERE id = $1",
 *                     BK_ARGS(bk_i64(ids[i])), world_desc, &worlds[i]);
 * BK_TRY(bk_pg_batch_run(batch));
 * @endcode
 */
typedef struct bk_pg_batch bk_pg_batch;

/** An empty batch. Request-owned; one that is not run does nothing. */
BK_API BK_NODISCARD bk_pg_batch *bk_pg_batch_open(bk_pg *pg);

/** Adds a statement as bk_pg_exec() runs it. Here and below: @p sql and @p args are copied, the
 *  rest is borrowed until bk_pg_batch_run() returns. */
BK_API void bk_pg_batch_exec(bk_pg_batch *batch, const char *sql, bk_args args, int64_t *changed);

/** Adds a statement as bk_pg_one() runs it. */
BK_API void bk_pg_batch_one(bk_pg_batch *batch, const char *sql, bk_args args, bk_desc_fn desc,
                            void *out);

/** Adds a statement as bk_pg_all() runs it. */
BK_API void bk_pg_batch_all(bk_pg_batch *batch, const char *sql, bk_args args, bk_desc_fn desc,
                            bk_array *out);

/** Runs it and empties it.
 *  @return BK_OK when all went well; else the error of the first that did not, and then nothing has
 *          happened. That a row was not found comes from a bk_pg_batch_one() whose statement ran:
 *          BK_ENOTFOUND is returned, and the batch is done all the same. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_batch_run(bk_pg_batch *batch);

/* --- transactions ----------------------------------------------------------------------------- */

/** Isolation of a transaction (SQL standard; PostgreSQL has no dirty reads). */
typedef enum bk_pg_isolation {
    BK_PG_DEFAULT, /**< The server's: read committed. */
    BK_PG_READ_COMMITTED,
    BK_PG_REPEATABLE_READ,
    BK_PG_SERIALIZABLE
} bk_pg_isolation;

/** How to run a transaction. Zero means default. */
typedef struct bk_pg_tx_opts {
    bk_pg_isolation isolation;  /**< Only for the outermost. */
    bool            read_only;  /**< Writes fail. Only for the outermost. */
    bool            deferrable; /**< With serializable and read_only: wait for a safe snapshot. */
    uint32_t        attempts;   /**< Runs in all when PostgreSQL says 40001 or 40P01. Default 3. */
    uint32_t        max_ms;     /**< Longest time, the waits of the function included; then it is
                                     rolled back. Default 60 s; BK_UNLIMITED. */
} bk_pg_tx_opts;

/** What runs in a transaction or a session. @param tx  Only while this runs. */
typedef bk_err (*bk_pg_fn)(bk_pg *tx, void *data);

/**
 * Runs @p fn in a transaction: BK_OK commits, an error rolls back. Where PostgreSQL reports a
 * serialization failure or a deadlock, it is rolled back and @p fn runs again from its start, so
 * what it does beside the database must bear that.
 *
 * Inside another transaction it is a savepoint: an error undoes only what was done in it.
 *
 * @param pg    A pool, a session or a transaction.
 * @param opts  May be NULL.
 * @return BK_OK once PostgreSQL has said that it is committed; what @p fn returned; or an error of
 *         BEGIN or COMMIT. BK_EINTERNAL when a statement had failed and @p fn returned BK_OK all
 *         the same: then nothing is committed.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_tx_with(bk_pg *pg, const bk_pg_tx_opts *opts,
                                                   bk_pg_fn fn, void *data);

/** bk_pg_tx_with() with its defaults. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_tx(bk_pg *pg, bk_pg_fn fn, void *data);

/** Lends @p fn a connection without a transaction, for what lives in a session: SET, temporary
 *  tables, advisory locks. All of that is gone afterwards; a transaction that was left open is
 *  rolled back, and the log names the line of this call.
 *  @param pg  A pool. */
#define bk_pg_session(pg, fn, data) bk_pg_session_at(pg, fn, data, __FILE__, __LINE__)

/** What bk_pg_session() calls. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_session_at(bk_pg *pg, bk_pg_fn fn, void *data,
                                                      const char *file, int line);

/* --- errors ----------------------------------------------------------------------------------- */

/** True when the newest error of this fiber is a violation of the constraint of that name. */
BK_API bool bk_pg_violates(const char *constraint);

/** The SQLSTATE of the newest error of this fiber, such as "23505"; "" when it is not the server's.
 *  Borrowed until the fiber's errors are cleared. */
BK_API const char *bk_pg_sqlstate(void);

/* --- bulk loading ----------------------------------------------------------------------------- */

/** Rows on their way in. */
typedef struct bk_pg_copy bk_pg_copy;

/** Sends the rows. @param copy  Only while this runs. An error undoes them all. */
typedef bk_err (*bk_pg_copy_fn)(bk_pg_copy *copy, void *data);

/**
 * Loads many rows by COPY, in one transaction.
 *
 * @param into     Table and columns: "products (sku, name, price_cents)". Not from clients: it
 *                 becomes SQL.
 * @param fn       Calls bk_pg_copy_row() for each row.
 * @param changed  Receives how many rows were loaded. May be NULL.
 */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_copy_in(bk_pg *pg, const char *into, bk_pg_copy_fn fn,
                                                   void *data, int64_t *changed);

/** Adds a row; waits while the server is behind.
 *  @param args  One for each column, copied. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_copy_row(bk_pg_copy *copy, bk_args args);

/* --- LISTEN and NOTIFY ------------------------------------------------------------------------ */

/** What a listener hears. */
typedef struct bk_pg_event {
    bk_str  payload; /**< As NOTIFY sent it; may be empty. */
    int32_t pid;     /**< The server process that sent it. */
    bool    gap;     /**< Something may have been missed (the connection was lost, or this listener
                          was too slow): read the tables again. There is no payload. */
} bk_pg_event;

/** Hears one channel. */
typedef struct bk_pg_listener bk_pg_listener;

/** Listens to @p channel. All listeners of a pool share one connection, which counts for `max`,
 *  and which is made again when it is lost.
 *  @return BK_OK once the server listens; BK_EUNAVAILABLE when there was no server for acquire_ms;
 *          BK_EINTERNAL when `max` is 1: that one is for statements.
 *  @param pg   A pool.
 *  @param out  Receives it: yours, bk_pg_listener_close(). */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_listen(bk_pg *pg, const char *channel,
                                                  bk_pg_listener **out);

/** Waits for the next event. @param event  Its payload lives until the next call with this
 * listener. BK_ECLOSED when the pool closes. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_listener_next(bk_pg_listener *listener,
                                                         bk_pg_event    *event);

/** Stops listening. No fiber may wait for it. NULL is fine. */
BK_API void bk_pg_listener_close(bk_pg_listener *listener);

/** Sends @p payload (up to 7,999 bytes) to all who listen to @p channel; in a transaction, when it
 *  commits. */
BK_API BK_NODISCARD BK_YIELDS bk_err bk_pg_notify(bk_pg *pg, const char *channel, bk_str payload);

BK_END_DECLS

#endif
