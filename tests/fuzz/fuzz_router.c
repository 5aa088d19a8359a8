/*
 * fuzz_router.c: the input's lines are patterns, the last one is a path. The tree must find what
 * trying one pattern after the other finds.
 */
#include <stdint.h>
#include <stdlib.h>

#include "http/pattern.h"
#include "http/tree.h"
#include "views.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PATTERNS_MAX 64

struct table {
    struct bk__pattern patterns[PATTERNS_MAX];
    size_t count;
};

static bool same_text(bk_str a, bk_str b)
{
    char normal_a[BK__SEGMENT_MAX], normal_b[BK__SEGMENT_MAX];
    size_t len = bk__segment_normalize(a, normal_a);
    return len > 0 && len == bk__segment_normalize(b, normal_b) &&
           memcmp(normal_a, normal_b, len) == 0;
}

static bool is_sound(bk_str path)
{
    bk_str segment;
    if (path.len == 0 || path.ptr[0] != '/')
        return false;
    (void)bk_str_split(&path, '/', &segment);
    while (bk_str_split(&path, '/', &segment)) {
        if ((segment.len == 0 && path.ptr != NULL) || bk__segment_is_dots(segment))
            return false;
    }
    return true;
}

static bool matches(const struct bk__pattern *pattern, bk_str path)
{
    bk_str segment;
    (void)bk_str_split(&path, '/', &segment);
    for (size_t i = 0; i < pattern->count; i++) {
        const struct bk__piece *piece = &pattern->pieces[i];
        if (path.len == 0)
            return false;
        if (piece->kind == BK__PIECE_WILDCARD)
            return true;
        (void)bk_str_split(&path, '/', &segment);
        if (piece->kind == BK__PIECE_STATIC && !same_text(piece->text, segment))
            return false;
    }
    return path.len == 0;
}

/* Static before parameter before wildcard, where two patterns that match differ first. */
static bool is_better(const struct bk__pattern *a, const struct bk__pattern *b)
{
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        if (a->pieces[i].kind != b->pieces[i].kind)
            return a->pieces[i].kind < b->pieces[i].kind;
    }
    return false;
}

static const struct bk__pattern *try_all(const struct table *table, bk_str path)
{
    const struct bk__pattern *best = NULL;
    for (size_t i = 0; i < table->count && is_sound(path); i++) {
        const struct bk__pattern *pattern = &table->patterns[i];
        if (matches(pattern, path) && (best == NULL || is_better(pattern, best)))
            best = pattern;
    }
    return best;
}

static void add(struct bk__tree *tree, struct table *table, bk_str line)
{
    const char *why = NULL;
    char words[BK__WHY_MAX];
    bk_str names[BK__PATH_PARAMS_MAX];
    void **slot = bk__tree_slot(tree, line, &why, NULL);
    if (slot == NULL) {
        bk_assert(strlen(why) > 0 && strlen(why) < BK__WHY_MAX);
        return;
    }
    for (size_t i = 0, count = bk__tree_params(line, names); i < count; i++)
        bk_assert(inside(names[i], line) && names[i].len > 0);
    if (*slot != NULL)
        return;
    bool read = bk__pattern_read(line, &table->patterns[table->count], words);
    bk_assert(read);
    *slot = &table->patterns[table->count++];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bk_str rest = bk_str_at((const char *)data, size), line = take_line(&rest);
    struct bk__tree *tree = bk__tree_new();
    struct table *table = calloc(1, sizeof(*table));
    struct bk__tree_match match;

    for (; rest.ptr != NULL && table->count < PATTERNS_MAX; line = take_line(&rest))
        add(tree, table, line);
    bool found = bk__tree_find(tree, line, &match);
    bk_assert(found == (match.value != NULL) && match.value == try_all(table, line));
    for (size_t i = 0; i < match.count; i++) {
        bk_assert(inside(match.params[i], line) && match.params[i].len > 0);
        bk_assert(i == 0 || match.params[i].ptr > match.params[i - 1].ptr);
    }
    bk_assert(found || match.count == 0);
    free(table);
    bk__tree_free(tree);
    return 0;
}
