/*
 * statement.c: the registry of SQL texts. See statement.h.
 */
#include "pg/statement.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/assert.h"

#define BUCKETS_FIRST 512

/* FNV-1a, eight bytes at a time: texts are the program's own, nobody aims collisions at them. */
static uint64_t hash_of(const char *sql, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325;

    while (len >= 8) {
        uint64_t word;
        memcpy(&word, sql, 8);
        hash = (hash ^ word) * 0x100000001b3;
        hash ^= hash >> 32;
        sql += 8;
        len -= 8;
    }
    while (len-- > 0)
        hash = (hash ^ (unsigned char)*sql++) * 0x100000001b3;
    return hash ^ hash >> 29;
}

/* --- the first word ----------------------------------------------------------------------------- */

/* Behind blanks and comments; comments nest in SQL. */
static const char *skip_space(const char *at)
{
    for (;;) {
        while (*at != '\0' && strchr(" \t\r\n\f\v(;", *at) != NULL)
            at++;
        if (at[0] == '-' && at[1] == '-') {
            at += strcspn(at, "\n");
        } else if (at[0] == '/' && at[1] == '*') {
            unsigned depth = 0;
            do {
                if (at[0] == '/' && at[1] == '*') {
                    depth++;
                    at += 2;
                } else if (at[0] == '*' && at[1] == '/') {
                    depth--;
                    at += 2;
                } else {
                    at++;
                }
            } while (depth > 0 && *at != '\0');
        } else {
            return at;
        }
    }
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static size_t word_len(const char *at)
{
    size_t len = 0;

    while (is_word_char(at[len]))
        len++;
    return len;
}

static bool is_one_of(const char *at, size_t len, const char *const *words)
{
    for (; *words != NULL; words++)
        if (strlen(*words) == len && strncasecmp(at, *words, len) == 0)
            return true;
    return false;
}

enum bk__pg_verb bk__pg_verb_of(const char *sql)
{
    static const char *const tx[] = {"BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", NULL};
    static const char *const session[] = {"SET",     "RESET",   "LISTEN",     "UNLISTEN", "DISCARD",
                                          "PREPARE", "DECLARE", "DEALLOCATE", "LOAD",     NULL};
    static const char *const copy[] = {"COPY", NULL};
    const char *word = skip_space(sql);
    size_t len = word_len(word);

    if (is_one_of(word, len, tx))
        return BK__PG_VERB_TX;
    if (is_one_of(word, len, copy))
        return BK__PG_VERB_COPY;
    if (!is_one_of(word, len, session))
        return BK__PG_VERB_PLAIN;
    static const char *const transaction[] = {"TRANSACTION", NULL};
    const char *second = skip_space(word + len);
    if (len == 7 && is_one_of(second, word_len(second), transaction)) /* PREPARE TRANSACTION */
        return BK__PG_VERB_TX;
    return BK__PG_VERB_SESSION;
}

/* True for a SELECT that, as far as its text shows, only reads: no call, no subquery, no INTO, no
 * FOR UPDATE. */
static bool is_read(const char *sql)
{
    static const char *const select[] = {"SELECT", NULL};
    static const char *const others[] = {"INTO", "FOR", NULL};
    const char *at = skip_space(sql);
    size_t len = word_len(at);

    if (!is_one_of(at, len, select) || strpbrk(at, "(;") != NULL)
        return false;
    while (*at != '\0') {
        len = word_len(at);
        if (is_one_of(at, len, others))
            return false;
        at += len != 0 ? len : 1;
    }
    return true;
}

/* --- the registry ------------------------------------------------------------------------------- */

void bk__pg_statements_init(struct bk__pg_statements *all, uint32_t limit)
{
    *all = (struct bk__pg_statements){.limit = limit, .next_id = 1};
    bk__list_init(&all->lru);
    all->buckets = calloc(BUCKETS_FIRST, sizeof *all->buckets);
    bk_assert(all->buckets != NULL);
    all->bucket_mask = BUCKETS_FIRST - 1;
}

static void free_statement(struct bk__pg_statement *statement)
{
    free(statement->sql);
    free(statement);
}

void bk__pg_statements_fini(struct bk__pg_statements *all)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&all->lru)) != NULL)
        free_statement(bk__container_of(link, struct bk__pg_statement, lru_link));
    free(all->buckets);
    *all = (struct bk__pg_statements){0};
}

static void unhash(struct bk__pg_statements *all, struct bk__pg_statement *statement)
{
    struct bk__pg_statement **at = &all->buckets[statement->hash & all->bucket_mask];

    while (*at != statement)
        at = &(*at)->next;
    *at = statement->next;
    for (size_t i = 0; i < BK__PG_ADDRESSES; i++)
        if (all->by_address[i].statement == statement)
            all->by_address[i].sql = NULL;
}

/* Frees the least recently used that is not on its way. SIZE_MAX: there is none. */
static uint32_t evict(struct bk__pg_statements *all)
{
    bk__list_each(it, &all->lru) {
        struct bk__pg_statement *old = bk__container_of(it, struct bk__pg_statement, lru_link);
        if (old->runs > 0)
            continue;
        uint32_t slot = old->slot;
        unhash(all, old);
        bk__list_remove(&old->lru_link);
        free_statement(old);
        all->count--;
        return slot;
    }
    return UINT32_MAX;
}

static struct bk__pg_statement *add(struct bk__pg_statements *all, const char *sql, size_t len,
                                    uint64_t hash)
{
    struct bk__pg_statement *statement = calloc(1, sizeof *statement);
    uint32_t slot = all->count >= all->limit ? evict(all) : UINT32_MAX;

    bk_assert(statement != NULL);
    statement->sql = strdup(sql);
    bk_assert(statement->sql != NULL);
    statement->len = len;
    statement->hash = hash;
    statement->id = all->next_id++;
    statement->slot = slot != UINT32_MAX ? slot : all->count;
    statement->verb = bk__pg_verb_of(sql);
    statement->is_read = is_read(sql);
    statement->next = all->buckets[hash & all->bucket_mask];
    all->buckets[hash & all->bucket_mask] = statement;
    bk__list_push(&all->lru, &statement->lru_link);
    all->count++;
    return statement;
}

static struct bk__pg_statement *find_by_text(struct bk__pg_statements *all, const char *sql)
{
    size_t len = strlen(sql);
    uint64_t hash = hash_of(sql, len);
    struct bk__pg_statement *statement = all->buckets[hash & all->bucket_mask];

    while (statement != NULL && (statement->hash != hash || statement->len != len ||
                                 memcmp(statement->sql, sql, len) != 0))
        statement = statement->next;
    return statement != NULL ? statement : add(all, sql, len, hash);
}

struct bk__pg_statement *bk__pg_statement_find(struct bk__pg_statements *all, const char *sql)
{
    size_t address = ((uintptr_t)sql >> 4 ^ (uintptr_t)sql >> 12) & (BK__PG_ADDRESSES - 1);
    struct bk__pg_statement *statement = all->by_address[address].statement;

    /* The text may have changed at its address: a buffer that the caller fills anew. */
    if (all->by_address[address].sql != sql || strcmp(statement->sql, sql) != 0) {
        statement = find_by_text(all, sql);
        all->by_address[address].sql = sql;
        all->by_address[address].statement = statement;
    }
    if (all->lru.anchor.prev != &statement->lru_link) {
        bk__list_remove(&statement->lru_link);
        bk__list_push(&all->lru, &statement->lru_link);
    }
    return statement;
}

/* --- a connection's table ------------------------------------------------------------------------ */

struct bk__pg_prepared *bk__pg_table_at(struct bk__pg_table *table, uint32_t slot)
{
    if (slot >= table->count) {
        uint32_t count = table->count != 0 ? table->count : 16;
        while (count <= slot)
            count *= 2;
        table->slots = realloc(table->slots, count * sizeof *table->slots);
        bk_assert(table->slots != NULL);
        memset(table->slots + table->count, 0, (count - table->count) * sizeof *table->slots);
        table->count = count;
    }
    return &table->slots[slot];
}

void bk__pg_prepared_drop(struct bk__pg_prepared *prepared)
{
    bk__pg_shape_unref(prepared->shape);
    *prepared = (struct bk__pg_prepared){0};
}

void bk__pg_table_clear(struct bk__pg_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        bk__pg_prepared_drop(&table->slots[i]);
}

void bk__pg_table_doubt(struct bk__pg_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        table->slots[i].stale = true;
}

void bk__pg_table_fini(struct bk__pg_table *table)
{
    bk__pg_table_clear(table);
    free(table->slots);
    *table = (struct bk__pg_table){0};
}

const char *bk__pg_statement_name(uint32_t id, char out[BK__PG_NAME_MAX])
{
    char *at = out + BK__PG_NAME_MAX - 1;

    *at = '\0';
    do
        *--at = (char)('0' + id % 10);
    while ((id /= 10) > 0);
    *--at = 'k';
    *--at = 'b';
    return at;
}
