/*
 * tree.c: from a path to what was stored under its pattern.
 *
 * One node a segment. A path is cut into segments once; then the tree is walked, at each level the
 * static child first, then the parameter, then the wildcard, and back where a branch leads nowhere.
 * Going back cannot get out of hand: a node has one parent and one depth, so a walk enters it at
 * most once, and the worst that a path can do is visit the table. The recursion is as deep as the
 * longest pattern, which BK__PATTERN_SEGMENTS_MAX bounds.
 *
 * Static text is kept in normal form. A segment without '%' has it already; one with it is brought
 * there only after its bytes as sent were not found.
 */
#include "http/tree.h"

#include <backend/arena.h>
#include <backend/str.h>

#include "http/pattern.h"

_Static_assert(BK__PATH_PARAMS_MAX == BK__PATTERN_PARAMS_MAX, "a match holds all parameters");

struct node;

/* Static text and where it leads. */
struct edge {
    bk_str text;
    struct node *to;
};

struct node {
    struct edge *edges; /* ordered by compare() */
    size_t count, cap;
    struct node *param, *wildcard; /* NULL: none */
    bk_str name;                   /* of the parameter or wildcard that leads here */
    void *value;                   /* the slot */
};

struct bk__tree {
    bk_arena *arena; /* holds the tree, its nodes and texts */
    struct node root;
    char why[BK__WHY_MAX];
};

struct path {
    bk_str segments[BK__PATTERN_SEGMENTS_MAX + 1];
    size_t count;    /* the size of the array stands for all that are longer than any pattern */
    const char *end; /* behind a trailing slash */
};

struct bk__tree *bk__tree_new(void)
{
    bk_arena *arena = bk_arena_new();
    struct bk__tree *tree = BK_NEW(arena, struct bk__tree);
    tree->arena = arena;
    return tree;
}

void bk__tree_free(struct bk__tree *tree)
{
    if (tree != NULL)
        bk_arena_free(tree->arena);
}

/* Any order does; the length first spares most calls of memcmp. */
static int compare(bk_str a, bk_str b)
{
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return memcmp(a.ptr, b.ptr, a.len);
}

/* The index of the first edge that is not before @p text. */
static size_t lower_bound(const struct node *node, bk_str text)
{
    size_t low = 0, high = node->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(node->edges[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct node *search(const struct node *node, bk_str text)
{
    size_t at = lower_bound(node, text);
    if (at == node->count || compare(node->edges[at].text, text) != 0)
        return NULL;
    return node->edges[at].to;
}

static struct node *add_edge(struct bk__tree *tree, struct node *node, bk_str text)
{
    size_t at = lower_bound(node, text);
    if (node->count == node->cap) {
        size_t cap = node->cap == 0 ? 4 : node->cap * 2;
        struct edge *edges = bk_arena_alloc(tree->arena, cap * sizeof(*edges));
        if (node->count > 0)
            memcpy(edges, node->edges, node->count * sizeof(*edges));
        node->edges = edges;
        node->cap = cap;
    }
    memmove(&node->edges[at + 1], &node->edges[at], (node->count - at) * sizeof(*node->edges));
    node->edges[at] =
        (struct edge){bk_arena_dup(tree->arena, text), BK_NEW(tree->arena, struct node)};
    node->count++;
    return node->edges[at].to;
}

static struct node *static_child(struct bk__tree *tree, struct node *node, bk_str text)
{
    char normal[BK__SEGMENT_MAX];
    bk_str key = {normal, bk__segment_normalize(text, normal)};
    struct node *child = search(node, key);
    return child != NULL ? child : add_edge(tree, node, key);
}

/* The child behind a parameter or wildcard. One that is there already may have another name. */
static struct node *named_child(struct bk__tree *tree, struct node *node,
                                const struct bk__piece *piece)
{
    struct node **child = piece->kind == BK__PIECE_PARAM ? &node->param : &node->wildcard;
    if (*child == NULL) {
        *child = BK_NEW(tree->arena, struct node);
        (*child)->name = bk_arena_dup(tree->arena, piece->text);
    }
    return *child;
}

/* A value at @p node or below. As deep as the tree. */
static void *any_value(const struct node *node)
{
    void *value = node->value;
    for (size_t i = 0; i < node->count && value == NULL; i++)
        value = any_value(node->edges[i].to);
    if (value == NULL && node->param != NULL)
        value = any_value(node->param);
    if (value == NULL && node->wildcard != NULL)
        value = any_value(node->wildcard);
    return value;
}

void **bk__tree_slot(struct bk__tree *tree, bk_str pattern, const char **why, void **clash)
{
    struct bk__pattern parts;
    struct node *node = &tree->root;

    *why = tree->why;
    if (clash != NULL)
        *clash = NULL;
    if (!bk__pattern_read(pattern, &parts, tree->why))
        return NULL;

    /* A clash is found at a node that was there before, and below the first new node there are
     * none: so where one is found, nothing has been added. */
    for (size_t i = 0; i < parts.count; i++) {
        const struct bk__piece *piece = &parts.pieces[i];
        if (piece->kind == BK__PIECE_STATIC) {
            node = static_child(tree, node, piece->text);
            continue;
        }
        node = named_child(tree, node, piece);
        if (!bk_str_eq(node->name, piece->text)) {
            bk__pattern_explain(tree->why, piece->text,
                                "the parameter in this place has another name elsewhere");
            if (clash != NULL)
                *clash = any_value(node);
            return NULL;
        }
    }
    return &node->value;
}

size_t bk__tree_params(bk_str pattern, bk_str names[BK__PATH_PARAMS_MAX])
{
    size_t count = 0;
    bk_str rest = pattern, segment;

    while (bk_str_split(&rest, '/', &segment)) {
        if (segment.len == 0 || segment.ptr[0] != '{')
            continue;
        bool wildcard = segment.ptr[segment.len - 2] == '*';
        names[count++] = bk_str_at(segment.ptr + 1, segment.len - (wildcard ? 3 : 2));
    }
    return count;
}

/* False for a path that matches nothing whatever the patterns. */
static bool cut(bk_str text, struct path *path)
{
    if (text.len == 0 || text.ptr[0] != '/')
        return false;

    const char *at = text.ptr + 1, *end = text.ptr + text.len;
    path->count = 0;
    path->end = end;
    while (at < end) {
        const char *slash = memchr(at, '/', (size_t)(end - at));
        bk_str segment = {at, (size_t)((slash != NULL ? slash : end) - at)};
        if (segment.len == 0 || ((*at == '.' || *at == '%') && bk__segment_is_dots(segment)))
            return false;
        if (path->count <= BK__PATTERN_SEGMENTS_MAX)
            path->segments[path->count++] = segment;
        at = slash != NULL ? slash + 1 : end;
    }
    return true;
}

/* Not inlined, so that its buffer is not in every frame of walk(). */
static __attribute__((noinline)) const struct node *find_escaped(const struct node *node,
                                                                 bk_str segment)
{
    char normal[BK__SEGMENT_MAX];
    size_t len = bk__segment_normalize(segment, normal);
    return len > 0 ? search(node, bk_str_at(normal, len)) : NULL;
}

static const struct node *find_static(const struct node *node, bk_str segment)
{
    if (node->count == 0 || segment.len > 3 * BK__SEGMENT_MAX)
        return NULL;
    const struct node *child = search(node, segment);
    if (child == NULL && memchr(segment.ptr, '%', segment.len) != NULL)
        child = find_escaped(node, segment);
    return child;
}

static bool walk(const struct node *node, const struct path *path, size_t depth,
                 struct bk__tree_match *match)
{
    if (depth == path->count) {
        match->value = node->value;
        return node->value != NULL;
    }

    bk_str segment = path->segments[depth];
    const struct node *child = find_static(node, segment);
    if (child != NULL && walk(child, path, depth + 1, match))
        return true;
    if (node->param != NULL) {
        match->params[match->count++] = segment;
        if (walk(node->param, path, depth + 1, match))
            return true;
        match->count--;
    }
    if (node->wildcard == NULL || node->wildcard->value == NULL)
        return false;
    match->params[match->count++] = bk_str_at(segment.ptr, (size_t)(path->end - segment.ptr));
    match->value = node->wildcard->value;
    return true;
}

bool bk__tree_find(const struct bk__tree *tree, bk_str path, struct bk__tree_match *match)
{
    struct path segments;

    match->value = NULL;
    match->count = 0;
    return cut(path, &segments) && walk(&tree->root, &segments, 0, match);
}
