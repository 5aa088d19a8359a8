/*
 * tree.h: the radix tree behind the router.
 *
 * It maps path patterns to a value of the caller's and knows nothing of methods or handlers. A
 * static segment wins over a parameter, a parameter over a wildcard, whatever the order of
 * insertion; where the better branch leads nowhere, the next is tried. Matching allocates nothing
 * and its cost is bounded: no path makes it look at a node of the tree twice.
 *
 * Static text and paths are compared in the normal form of RFC 3986, 6.2.2: "/%70roducts" is
 * "/products", "/a%2fb" is "/a%2Fb" and not "/a/b".
 */
#ifndef BK_HTTP_TREE_H
#define BK_HTTP_TREE_H

#include <backend/base.h>

#define BK__PATH_PARAMS_MAX 16

struct bk__tree;

/* What a match found: raw (not yet decoded) parameter values in the order of the pattern. */
struct bk__tree_match {
    void *value;
    size_t count;
    bk_str params[BK__PATH_PARAMS_MAX];
};

struct bk__tree *bk__tree_new(void);
void bk__tree_free(struct bk__tree *tree); /* not the values; NULL is fine */

/*
 * The slot for @p pattern, made if it is new: set `*slot` to a value of yours, NULL means that no
 * route is there. Patterns are equal when they match the same paths ("/a" and "/a/").
 *
 * Returns NULL and says why in @p why (valid until the next call) when the pattern cannot be read,
 * or when a parameter at the same place has another name; then @p clash, if not NULL, receives a
 * value already stored below that place, and NULL otherwise. The tree is as before then.
 */
void **bk__tree_slot(struct bk__tree *tree, bk_str pattern, const char **why, void **clash);

/*
 * Finds the route for @p path (raw: as sent, without the query). Paths with an empty inner segment,
 * "." or ".." segments (also percent-encoded ones) match nothing. One trailing slash is ignored,
 * except that a wildcard takes it.
 */
bool bk__tree_find(const struct bk__tree *tree, bk_str path, struct bk__tree_match *match);

/* The names of the parameters of @p pattern, in order; returns how many. @p pattern was accepted by
 * bk__tree_slot(). */
size_t bk__tree_params(bk_str pattern, bk_str names[BK__PATH_PARAMS_MAX]);

#endif
