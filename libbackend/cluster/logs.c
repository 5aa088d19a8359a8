/*
 * logs.c: see logs.h.
 */
#include "cluster/logs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>
#include <backend/json.h>

#include "app/app.h"
#include "core/assert.h"

#define ANSWER_BYTES ((size_t)96 << 10)

struct line {
    bk_str text;
    int64_t time;
};

struct lines {
    struct line *items;
    size_t count, cap;
};

static void add(struct lines *lines, struct line line)
{
    if (lines->count == lines->cap) {
        lines->cap = lines->cap != 0 ? 2 * lines->cap : 256;
        lines->items = realloc(lines->items, lines->cap * sizeof *lines->items);
        bk_assert(lines->items != NULL);
    }
    lines->items[lines->count++] = line;
}

/* Those that are whole: a worker may be writing, or have died while it did. */
static void collect(struct lines *lines, const char *text, size_t len)
{
    const char *end;

    for (; (end = memchr(text, '\n', len)) != NULL;
         len -= (size_t)(end + 1 - text), text = end + 1) {
        struct line line = {.text = bk_str_at(text, (size_t)(end - text))};
        char head[64];
        snprintf(head, sizeof head, "%.*s", BK_PRI(line.text));
        if (sscanf(head, "{\"level\":%*d,\"time\":%" SCNd64, &line.time) == 1 &&
            bk_json_check(line.text, NULL) == BK_OK)
            add(lines, line);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct line *first = a, *second = b;

    return (first->time > second->time) - (first->time < second->time);
}

/* The last of them that may be told. */
static size_t first_of(const struct lines *lines, size_t count)
{
    size_t at = lines->count, bytes = 0;

    while (at > 0 && count > 0 && bytes + lines->items[at - 1].text.len < ANSWER_BYTES) {
        bytes += lines->items[--at].text.len + 1;
        count--;
    }
    return at;
}

void bk__logs_write(const struct bk__board *board, size_t count, bk_buf *buf)
{
    bk_arena *arena = bk_arena_new();
    struct lines lines = {NULL, 0, 0};
    bk_json_writer writer = {.buf = buf}, *w = &writer;

    for (unsigned i = 0; i <= BK__SLOTS; i++) {
        if (atomic_load(&board->tails[i].end) == 0)
            continue;
        char *text = bk_arena_alloc(arena, BK__LOG_TAIL_BYTES);
        collect(&lines, text, bk__log_tail_read(&board->tails[i], text));
    }
    if (lines.count > 0)
        qsort(lines.items, lines.count, sizeof *lines.items, by_time);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("ok"));
    bk_json_write_bool(w, true);
    bk_json_write_key(w, BK_LIT("lines"));
    bk_json_begin_array(w);
    for (size_t i = first_of(&lines, count); i < lines.count; i++)
        bk_json_write_raw(w, lines.items[i].text);
    bk_json_end_array(w);
    bk_json_end_object(w);
    free(lines.items);
    bk_arena_free(arena);
}
