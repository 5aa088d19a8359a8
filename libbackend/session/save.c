/*
 * save.c: what became of a session in a request is told to the store. See session.h.
 *
 * That is nothing, a longer life, a new text, a new id, or its end. What has ended elsewhere while
 * the request ran stays ended: a text is only written over one that is there, and only a login
 * makes a session of one that is not.
 */
#include "session/session.h"

#include <backend/clock.h>
#include <backend/str.h>

enum {
    TOUCH_MS = 60000 /* the store is told at most so often that a session is in use */
};

/* --- what is noted beside the data ------------------------------------------------------------ */

void bk__session_note_max_age(bk_session *session)
{
    struct bk__session_data cookie = {.arena = session->arena};
    bk_str text = bk__session_data_get(&session->data, BK_LIT("cookie"));
    bk_str max_age = BK_LIT("null"), expires = BK_LIT("null");
    char at[BK_TIME_TEXT];
    bk_buf buf = {.arena = session->arena};

    if (session->max_age >= 0) {
        (void)bk_time_format((bk__session_now_ms() + session->max_age) * 1000, at);
        max_age = bk_arena_printf(session->arena, "%lld", (long long)session->max_age);
        expires = bk_arena_printf(session->arena, "\"%s\"", at);
    }
    if (!bk_str_present(text) || !bk__session_data_read(&cookie, text))
        cookie.count = 0;
    bk__session_data_set(&cookie, BK_LIT("originalMaxAge"), max_age);
    bk__session_data_set(&cookie, BK_LIT("expires"), expires);
    bk__session_data_print(&cookie, &buf);
    bk__session_data_set(&session->data, BK_LIT("cookie"), bk_buf_str(&buf));
}

static void note_user(bk_session *session)
{
    bk_buf buf = {.arena = session->arena};
    bk_json_writer writer = {.buf = &buf};

    if (!bk_str_present(session->user) && session->owner->opts.absolute_ms == 0)
        return;
    bk_json_begin_object(&writer);
    bk_json_write_key(&writer, BK_LIT("since"));
    bk_json_write_i64(&writer, session->since);
    if (bk_str_present(session->user)) {
        bk_json_write_key(&writer, BK_LIT("user"));
        bk_json_write_str(&writer, session->user);
    }
    bk_json_end_object(&writer);
    bk__session_data_set(&session->data, BK_LIT("_bk"), bk_buf_str(&buf));
}

/* --- how long it lasts ------------------------------------------------------------------------ */

static uint64_t time_to_live(const bk_session *session)
{
    const bk_sessions_opts *opts = &session->owner->opts;
    int64_t ms = session->max_age >= 0 ? session->max_age : (int64_t)opts->idle_ms;

    if (opts->absolute_ms != 0) {
        int64_t left = session->since + (int64_t)opts->absolute_ms - bk__session_now_ms();
        ms = left < ms ? left : ms;
    }
    return ms > 1 ? (uint64_t)ms : 1;
}

static struct bk__stored_session as_stored(const bk_session *session)
{
    return (struct bk__stored_session){
        .id = session->id,
        .ttl_ms = time_to_live(session),
        .user = session->user,
        .since = session->since,
    };
}

/* The store has it for less long than it should, by enough to be worth a round trip. */
static bool is_touch_due(const bk_session *session, uint64_t ttl)
{
    uint64_t late = ttl / 10 < TOUCH_MS ? ttl / 10 : TOUCH_MS;

    return session->ttl_ms != BK__TTL_NONE &&
           (session->ttl_ms + late <= ttl || session->ttl_ms > ttl);
}

static bk_err touch(bk_session *session)
{
    bk_sessions *sessions = session->owner;
    struct bk__stored_session stored = as_stored(session);

    if (!is_touch_due(session, stored.ttl_ms))
        return BK_OK;
    session->ttl_ms = stored.ttl_ms;
    return sessions->type->touch(sessions->store, &stored);
}

/* --- ends and beginnings ---------------------------------------------------------------------- */

/* Takes it out of the store. `was`: it was there until now. */
static bk_err end(bk_session *session, bool *was)
{
    bk_sessions *sessions = session->owner;

    BK_TRY(sessions->type->del(sessions->store, session->id, session->user_before, was));
    session->id = (bk_str){NULL, 0};
    return BK_OK;
}

static bk_err save_end(bk_session *session, struct bk__session_saved *saved)
{
    bool was;

    if (!bk_str_present(session->id))
        return BK_OK;
    saved->gone = true;
    return end(session, &was);
}

/* It has ended elsewhere. */
static bk_err give_up(bk_session *session, struct bk__session_saved *saved)
{
    session->id = (bk_str){NULL, 0};
    bk_session_destroy(session);
    saved->gone = true;
    return BK_OK;
}

static bk_err put(bk_session *session, bk_str text, struct bk__session_saved *saved)
{
    bk_sessions *sessions = session->owner;
    bool renew = bk_str_present(session->id), kept;
    size_t user_count = 0;
    struct bk__stored_session stored = as_stored(session);

    stored.text = text;
    if (!renew)
        stored.id = bk__sid_new(session->arena);
    BK_TRY(sessions->type->put(sessions->store, &stored, renew, &kept, &user_count));
    if (!kept)
        return give_up(session, saved);
    saved->fresh = !renew;
    saved->changed = true;
    session->id = stored.id;
    session->ttl_ms = stored.ttl_ms;
    session->user_before = session->user;
    session->changed = session->logged_in = false;
    if (!renew && user_count > sessions->opts.per_user)
        return bk__sessions_trim(sessions, session->user, session->id);
    return BK_OK;
}

static bk_err save_text(bk_session *session, struct bk__session_saved *saved)
{
    uint32_t most = session->owner->opts.data_bytes;
    bk_buf buf = {.arena = session->arena};
    bool was = true;

    if (session->max_age >= 0)
        bk__session_note_max_age(session);
    note_user(session);
    bk__session_data_print(&session->data, &buf);
    if (buf.len > most)
        return bk_fail(BK_ETOOBIG, "the session would have %zu bytes, and may have %u", buf.len,
                       (unsigned)most);
    /* The old id goes before there is a new one: a login that fails halfway is none, and no id that
     * was known before it may be good after it. */
    if (session->rotates && bk_str_present(session->id))
        BK_TRY(end(session, &was));
    session->rotates = false;
    if (!was && !session->logged_in)
        return give_up(session, saved);
    return put(session, bk_buf_str(&buf), saved);
}

bk_err bk__session_save(bk_session *session, struct bk__session_saved *saved)
{
    bool is_new = !bk_str_present(session->id);
    bool worth = session->changed || (is_new && session->owner->opts.save_uninitialized);
    bk_err err = BK_OK;

    *saved = (struct bk__session_saved){0};
    if (session->destroyed)
        err = save_end(session, saved);
    else if (worth)
        err = save_text(session, saved);
    else if (!is_new)
        err = touch(session);
    return bk_context(err, "session: saving");
}

bk_str bk__session_cookie(const bk_session *session)
{
    return bk__sid_write(&session->owner->keys, session->arena, session->id);
}
