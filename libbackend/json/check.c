/*
 * check.c: is this JSON that we take?
 *
 * The scanner knows the grammar and the limits; the keys know duplicates. What they need besides
 * the input comes from a piece of this function's stack, and from malloc only for large objects.
 */
#include <backend/json.h>

#include "core/arena.h"
#include "json/check.h"
#include "json/keys.h"
#include "json/scan.h"

#define SCRATCH 1024

static bool check(struct bk__scan *scan)
{
    _Alignas(BK__ARENA_ALIGN) char lent[SCRATCH];
    bk_arena scratch;
    struct bk__keys keys;

    bk__arena_init(&scratch, lent, sizeof(lent));
    bk__keys_init(&keys, &scratch);
    bool good = bk__keys_check_value(&keys, scan, bk__scan_next(scan)) &&
                bk__scan_next(scan) == BK__TOKEN_END;
    bk__arena_fini(&scratch);
    return good;
}

bk_err bk_json_check(bk_str text, const bk_json_limits *limits)
{
    static const bk_json_limits defaults;
    struct bk__scan scan;

    if (limits == NULL)
        limits = &defaults;
    bk__scan_init(&scan, text, limits->max_depth, limits->max_nodes);
    return check(&scan) ? BK_OK : bk__scan_fail(&scan);
}

bool bk__json_valid(bk_str text)
{
    struct bk__scan scan;
    bk__scan_init(&scan, text, 0, 0);
    return check(&scan);
}
