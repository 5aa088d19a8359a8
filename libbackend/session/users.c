/*
 * users.c: the sessions of a user: listed, ended, kept few. See <backend/session.h>.
 */
#include <string.h>

#include <backend/fiber.h>
#include <backend/str.h>

#include "session/session.h"

static bk_err list(bk_sessions *sessions, bk_str user, struct bk__stored_session **out,
                   size_t *count)
{
    return bk_context(sessions->type->list(sessions->store, user, out, count),
                      "session: listing a user's");
}

bk_err bk_sessions_list(bk_sessions *sessions, bk_str user, const bk_session_info **out,
                        size_t *count)
{
    bk_arena *arena = bk_fiber_arena();
    struct bk__stored_session *stored;
    size_t all;

    BK_TRY(list(sessions, user, &stored, &all));
    bk_session_info *infos = bk_arena_alloc(arena, (all + 1) * sizeof *infos);
    for (size_t i = 0; i < all; i++) {
        bk_json *data = NULL;
        if (bk_json_parse(arena, stored[i].text, NULL, &data) != BK_OK)
            bk_error_clear();
        infos[i] = (bk_session_info){
            .name = bk__sid_name(&sessions->keys, arena, stored[i].id),
            .since = stored[i].since * 1000,
            .data = data,
        };
    }
    *out = infos;
    *count = all;
    return BK_OK;
}

static bk_err end(bk_sessions *sessions, const struct bk__stored_session *stored)
{
    bool was;

    return sessions->type->del(sessions->store, stored->id, stored->user, &was);
}

bk_err bk_sessions_end(bk_sessions *sessions, bk_str user, bk_str name)
{
    struct bk__stored_session *stored;
    size_t all;

    BK_TRY(list(sessions, user, &stored, &all));
    for (size_t i = 0; i < all; i++)
        if (bk_str_eq(bk__sid_name(&sessions->keys, bk_fiber_arena(), stored[i].id), name))
            return end(sessions, &stored[i]);
    return bk_fail(BK_ENOTFOUND, "there is no such session");
}

bk_err bk_sessions_revoke(bk_sessions *sessions, bk_str user, const bk_session *except)
{
    struct bk__stored_session *stored;
    size_t all;

    BK_TRY(list(sessions, user, &stored, &all));
    for (size_t i = 0; i < all; i++)
        if (except == NULL || !bk_str_eq(stored[i].id, except->id))
            BK_TRY(end(sessions, &stored[i]));
    return BK_OK;
}

bk_err bk__sessions_trim(bk_sessions *sessions, bk_str user, bk_str keep)
{
    struct bk__stored_session *stored;
    size_t all;

    BK_TRY(list(sessions, user, &stored, &all));
    for (size_t i = 0, left = all; i < all && left > sessions->opts.per_user; i++) {
        if (bk_str_eq(stored[i].id, keep))
            continue;
        BK_TRY(end(sessions, &stored[i]));
        left--;
    }
    return BK_OK;
}
