/*
 * pg_bytes.h: bytes of PostgreSQL's protocol in tests. Include it after cmocka.h.
 */
#ifndef TEST_PG_BYTES_H
#define TEST_PG_BYTES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/str.h>

#include "pg/shape.h"
#include "pg/values.h"
#include "pg/wire.h"

/* A literal with NULs in it, as a view. */
#define RAW(literal) BK_LIT(literal)

/* @p got holds exactly the bytes of the literal @p want. */
#define assert_bytes(got, want) check_bytes(got, RAW(want), __FILE__, __LINE__)

static inline void print_bytes(const char *what, bk_str bytes)
{
    print_error("%s:", what);
    for (size_t i = 0; i < bytes.len; i++)
        print_error(" %02x", (unsigned char)bytes.ptr[i]);
    print_error("\n");
}

static inline void check_bytes(bk_str got, bk_str want, const char *file, int line)
{
    if (bk_str_eq(got, want))
        return;
    print_bytes("got", got);
    print_bytes("not", want);
    _fail(file, line);
}

/* What waits to be written. */
static inline bk_str waiting(const struct bk__pg_out *out)
{
    return bk_str_at(out->ptr + out->start, out->end - out->start);
}

/* The newest error's message holds @p words. */
static inline bool says(const char *words)
{
    for (const bk_error_link *link = bk_error_chain(); link != NULL; link = link->cause) {
        if (link->message.ptr != NULL && strstr(link->message.ptr, words) != NULL)
            return true;
    }
    return false;
}

/* Values as they come, from literals. */
#define BIN(type, literal) (&(struct bk__pg_value){type, 1, false, RAW(literal)})
#define TXT(type, literal) (&(struct bk__pg_value){type, 0, false, RAW(literal)})

/* The body of a RowDescription from pairs of a name and a type. */
struct test_column {
    const char *name;
    uint32_t type;
};

static inline bk_str row_description(bk_arena *arena, const struct test_column *columns,
                                     size_t count)
{
    bk_buf buf = {.arena = arena};
    char number[18] = {0};

    bk__pg_set_u16(number, (uint16_t)count);
    bk_buf_add(&buf, bk_str_at(number, 2));
    for (size_t i = 0; i < count; i++) {
        bk_buf_add(&buf, bk_str_at(columns[i].name, strlen(columns[i].name) + 1));
        memset(number, 0, sizeof(number));
        bk__pg_set_u32(number + 6, columns[i].type);
        bk_buf_add(&buf, bk_str_at(number, sizeof(number)));
    }
    return bk_buf_str(&buf);
}

/* What the server describes so; NULL when that is damaged. */
static inline struct bk__pg_shape *known_shape(bk_str parameters, bk_str row)
{
    struct bk__pg_shape *shape = bk__pg_shape_new();

    if (bk__pg_shape_learn(shape, parameters, row))
        return shape;
    bk__pg_shape_unref(shape);
    return NULL;
}

/* The body of a DataRow; an absent value is NULL. */
static inline bk_str data_row(bk_arena *arena, const bk_str *values, size_t count)
{
    bk_buf buf = {.arena = arena};
    char number[4];

    bk__pg_set_u16(number, (uint16_t)count);
    bk_buf_add(&buf, bk_str_at(number, 2));
    for (size_t i = 0; i < count; i++) {
        bk__pg_set_u32(number, values[i].ptr != NULL ? (uint32_t)values[i].len : UINT32_MAX);
        bk_buf_add(&buf, bk_str_at(number, 4));
        bk_buf_add(&buf, values[i]);
    }
    return bk_buf_str(&buf);
}

#define DATA_ROW(arena, ...)                                                                       \
    data_row(arena, (const bk_str[]){__VA_ARGS__},                                                 \
             sizeof((const bk_str[]){__VA_ARGS__}) / sizeof(bk_str))
#define NULL_VALUE ((bk_str){NULL, 0})

#endif
