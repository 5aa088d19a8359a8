/*
 * statement.h: the SQL texts that a pool has met, and which of them a connection has prepared.
 *
 * A text is looked up at each run, so its way is short: by the address of the literal first, then
 * by its bytes. Each has a slot, and each connection a table of slots that says what is prepared
 * there under which number. When the least recently used text must go, its slot is given to the
 * next, and each connection finds out when it looks: the number differs, so the old one is closed
 * there and the new one prepared.
 */
#ifndef BK_PG_STATEMENT_H
#define BK_PG_STATEMENT_H

#include "core/list.h"
#include "pg/shape.h"

/* What a text does, by its first word. */
enum bk__pg_verb {
    BK__PG_VERB_PLAIN,
    BK__PG_VERB_TX,      /* BEGIN, COMMIT ...: ours to send */
    BK__PG_VERB_SESSION, /* SET, LISTEN ...: changes the session */
    BK__PG_VERB_COPY
};

struct bk__pg_statement {
    struct bk__link lru_link;      /* in bk__pg_statements.lru, newest last */
    struct bk__pg_statement *next; /* in its bucket */
    char *sql;
    size_t len;
    uint64_t hash;
    uint32_t id;   /* never used twice in a pool */
    uint32_t slot; /* in connections' tables */
    uint32_t runs; /* on their way now: it stays while there are any */
    enum bk__pg_verb verb;
    bool is_read;        /* a SELECT that is seen to call no function and lock no row */
    uint32_t apart;      /* runs that are to have a Sync of their own, since one has failed */
    uint64_t service_ns; /* what the server takes for it, on average; 0: not known */
};

#define BK__PG_ADDRESSES 256 /* a power of two */

struct bk__pg_statements {
    struct bk__list lru;
    struct bk__pg_statement **buckets;
    size_t bucket_mask;
    uint32_t count, limit, next_id;
    struct {
        const char *sql;
        struct bk__pg_statement *statement;
    } by_address[BK__PG_ADDRESSES];
};

void bk__pg_statements_init(struct bk__pg_statements *all, uint32_t limit);
void bk__pg_statements_fini(struct bk__pg_statements *all);

/* The statement of this text, now the most recently used. Never NULL. When all of them are on their
 * way, there are more than `limit` from then on. */
struct bk__pg_statement *bk__pg_statement_find(struct bk__pg_statements *all, const char *sql);

enum bk__pg_verb bk__pg_verb_of(const char *sql);

/* What a connection has under a slot. */
struct bk__pg_prepared {
    uint32_t id;                /* of the statement; 0: nothing */
    bool stale;                 /* to be closed there and prepared anew */
    struct bk__pg_shape *shape; /* a reference; known once the server has described it */
};

/* A connection's table. */
struct bk__pg_table {
    struct bk__pg_prepared *slots;
    uint32_t count;
};

/* The entry of a slot; the table grows to have it. Valid until the next call. */
struct bk__pg_prepared *bk__pg_table_at(struct bk__pg_table *table, uint32_t slot);

/* Forgets what is prepared under a number, or everything. */
void bk__pg_prepared_drop(struct bk__pg_prepared *prepared);
void bk__pg_table_clear(struct bk__pg_table *table);

/* All of it is to be prepared anew. */
void bk__pg_table_doubt(struct bk__pg_table *table);

void bk__pg_table_fini(struct bk__pg_table *table);

/* The name under which a statement is prepared. */
#define BK__PG_NAME_MAX 16
const char *bk__pg_statement_name(uint32_t id, char out[BK__PG_NAME_MAX]);

#endif
