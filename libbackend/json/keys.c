/*
 * keys.c: finds duplicate keys; see keys.h for the idea.
 */
#include "json/keys.h"

#include <stdlib.h>

#include "core/arena.h"

/* Up to here, comparing each with each is quicker than sorting. */
#define FEW 16

#define FIRST_CAP 8

void bk__keys_push(struct bk__keys *keys, bk_str text, size_t at, unsigned depth)
{
    if (keys->count == keys->cap) {
        size_t old = keys->cap * sizeof(*keys->items);
        size_t cap = keys->cap != 0 ? 2 * keys->cap : FIRST_CAP;
        if (old == 0 ||
            !bk__arena_extend(keys->arena, keys->items, old, cap * sizeof(*keys->items))) {
            struct bk__key *items = bk__arena_get(keys->arena, cap * sizeof(*items));
            if (old != 0)
                memcpy(items, keys->items, old);
            keys->items = items;
        }
        keys->cap = cap;
    }
    keys->items[keys->count++] = (struct bk__key){.text = text, .at = at, .depth = depth};
}

static const struct bk__key *find_among_few(const struct bk__key *keys, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (bk_str_eq(keys[i].text, keys[j].text))
                return &keys[i];
        }
    }
    return NULL;
}

/* By length, then by bytes, then by place. */
static int compare(const void *left, const void *right)
{
    const struct bk__key *a = left, *b = right;
    if (a->text.len != b->text.len)
        return a->text.len < b->text.len ? -1 : 1;
    int order = a->text.len != 0 ? memcmp(a->text.ptr, b->text.ptr, a->text.len) : 0;
    return order != 0 ? order : a->at < b->at ? -1 : 1;
}

static const struct bk__key *find_among_many(struct bk__key *keys, size_t count)
{
    qsort(keys, count, sizeof(*keys), compare);
    for (size_t i = 1; i < count; i++) {
        if (bk_str_eq(keys[i].text, keys[i - 1].text))
            return &keys[i];
    }
    return NULL;
}

bool bk__keys_pop(struct bk__keys *keys, unsigned depth, struct bk__key *twice)
{
    size_t begin = keys->count;
    while (begin > 0 && keys->items[begin - 1].depth == depth)
        begin--;

    size_t count = keys->count - begin;
    keys->count = begin;
    if (count < 2)
        return false;
    struct bk__key *own = keys->items + begin;
    const struct bk__key *found =
        count <= FEW ? find_among_few(own, count) : find_among_many(own, count);
    if (found != NULL)
        *twice = *found;
    return found != NULL;
}

bool bk__keys_check_value(struct bk__keys *keys, struct bk__scan *scan, enum bk__token token)
{
    unsigned outside = scan->depth;
    struct bk__key twice;

    if (token == BK__TOKEN_BEGIN_OBJECT || token == BK__TOKEN_BEGIN_ARRAY)
        outside--;
    while (token != BK__TOKEN_ERROR) {
        if (token == BK__TOKEN_KEY) {
            bk__keys_push(keys, bk__scan_text(scan, keys->arena),
                          (size_t)(scan->start - scan->begin), scan->depth);
        } else if (token == BK__TOKEN_END_OBJECT && bk__keys_pop(keys, scan->depth + 1, &twice)) {
            bk__scan_refuse(scan, scan->begin + twice.at, "duplicate key");
            break;
        } else if (token == BK__TOKEN_NUMBER && bk__number_is_huge(&scan->number)) {
            bk__scan_refuse(scan, scan->start, "number out of range");
            break;
        }
        if (scan->depth == outside)
            return true;
        token = bk__scan_next(scan);
    }
    return false;
}
