/*
 * session.c: a session is loaded, changed, and saved. See <backend/session.h>.
 *
 * What is changed is changed in memory; save.c turns the sum of it into what the store is told.
 *
 * Beside the data stand two members. "cookie" is express-session's: how long the session lasts, and
 * the attributes of its cookie. "_bk" is ours, where it is needed: since when, and whose. That the
 * time in "cookie" has passed means nothing, since prolonging a session does not rewrite it: a
 * session is good as long as the store has it.
 */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/log.h>
#include <backend/loop.h>
#include <backend/str.h>

#include "core/assert.h"
#include "json/plain.h"

enum {
    SECRET_MIN = 32,
    KEY_MAX = 128,
    USER_MAX = 256
};

/* --- its life --------------------------------------------------------------------------------- */

static void free_sessions(void *data)
{
    bk_sessions *sessions = data;

    sessions->type->free(sessions->store);
    bk__sid_keys_fini(&sessions->keys);
    free(sessions->prefix);
    free(sessions);
}

static const bk_part_type part = {.name = "sessions", .free = free_sessions};

static const char *check(const bk_sessions_opts *opts)
{
    size_t count = 0;

    if (opts->secrets == NULL || opts->secrets[0] == NULL)
        return "they need a secret, that signs their cookies";
    for (; opts->secrets[count] != NULL; count++) {
        size_t len = strlen(opts->secrets[count]);
        if (len == 0 || (len < SECRET_MIN && !opts->express_compatible))
            return "a secret has at least 32 bytes";
    }
    if (count > BK__SECRETS_MAX)
        return "there are at most 16 secrets";
    if (opts->prefix != NULL && opts->prefix[0] == '\0')
        return "the prefix is not empty";
    return NULL;
}

static void fill(uint32_t *value, uint32_t fallback)
{
    if (*value == 0)
        *value = fallback;
}

bk_sessions *bk_sessions_new(bk_app *app, const bk_sessions_opts *opts)
{
    bk_sessions *sessions = calloc(1, sizeof *sessions);
    const char *wrong = check(opts);

    if (wrong != NULL)
        bk__setup_error(__FILE__, __LINE__, "sessions: %s", wrong);
    bk_assert(sessions != NULL);
    sessions->opts = *opts;
    fill(&sessions->opts.idle_ms, 24 * 3600 * 1000);
    fill(&sessions->opts.data_bytes, 64 * 1024);
    fill(&sessions->opts.per_user, 100);
    fill(&sessions->opts.memory_count, 100000);
    bk__sid_keys_init(&sessions->keys, opts->secrets);
    sessions->prefix = strdup(opts->prefix != NULL ? opts->prefix : "sess:");
    bk_assert(sessions->prefix != NULL);
    if (opts->redis != NULL) {
        sessions->type = &bk__session_store_redis;
        sessions->store = bk__session_store_redis_new(opts->redis, bk_str_of(sessions->prefix));
    } else {
        sessions->type = &bk__session_store_memory;
        sessions->store = bk__session_store_memory_new(sessions->opts.memory_count);
    }
    bk_app_part(app, &part, sessions);
    return sessions;
}

int64_t bk__session_now_ms(void)
{
    return bk_time_now() / 1000;
}

/* --- loading ---------------------------------------------------------------------------------- */

static const bk_json *parse(const bk_session *session, bk_str text)
{
    bk_json *value = NULL;

    if (bk_str_present(text) && bk_json_parse(session->arena, text, NULL, &value) != BK_OK) {
        bk_error_clear();
        bk_warn("session.value_not_read", bk_kv_i64("bytes", (int64_t)text.len));
    }
    return value;
}

/* The members of what stands under @p key; none when that is no object. */
static struct bk__session_data part_of(const bk_session *session, bk_str key)
{
    struct bk__session_data members = {.arena = session->arena};
    bk_str text = bk__session_data_get(&session->data, key);

    if (bk_str_present(text) && !bk__session_data_read(&members, text))
        members.count = 0;
    return members;
}

static void read_note(bk_session *session)
{
    const struct bk__session_data note = part_of(session, BK_LIT("_bk"));
    bk_str user = bk__session_data_get(&note, BK_LIT("user"));

    if (bk_str_to_i64(bk__session_data_get(&note, BK_LIT("since")), &session->since) != BK_OK)
        session->since = 0;
    session->user = session->user_before = bk_json_str(parse(session, user));
}

static int64_t read_max_age(const bk_session *session)
{
    const struct bk__session_data cookie = part_of(session, BK_LIT("cookie"));
    bk_str value = bk__session_data_get(&cookie, BK_LIT("originalMaxAge"));
    double max_age;

    /* Else it is null, undefined or false. */
    if (bk_str_to_f64(value, &max_age) != BK_OK || max_age < 0 || max_age > 1e15)
        return -1;
    return (int64_t)max_age;
}

static void begin(bk_session *session, bk_str attributes)
{
    bk_sessions *sessions = session->owner;
    bk_str cookie = bk_arena_printf(
        session->arena, "{\"originalMaxAge\":null,\"expires\":null,%.*s}", BK_PRI(attributes));

    bk__session_data_set(&session->data, BK_LIT("cookie"), cookie);
    session->since = bk__session_now_ms();
    session->max_age = sessions->opts.persistent ? (int64_t)sessions->opts.idle_ms : -1;
}

/* True when it is older than a session may be. One of which nobody noted the age begins now. */
static bool is_too_old(bk_session *session)
{
    int64_t absolute = session->owner->opts.absolute_ms;

    if (absolute == 0)
        return false;
    if (session->since == 0) {
        session->since = bk__session_now_ms();
        session->changed = true;
    }
    return bk__session_now_ms() - session->since >= absolute;
}

static bk_err load(bk_session *session, bk_str id, bool *found)
{
    bk_sessions *sessions = session->owner;
    struct bk__stored_session stored = {.id = id};

    BK_TRY(bk_context(sessions->type->get(sessions->store, &stored, found), "session: loading"));
    if (!*found)
        return BK_OK;
    /* The fiber that asks may be a child of the request's, and end before it. */
    if (!bk__session_data_read(&session->data, bk_arena_dup(session->arena, stored.text)))
        return bk_fail(BK_EINTERNAL, "session: what the store has is no JSON object");
    session->id = id;
    session->ttl_ms = stored.ttl_ms;
    session->max_age = read_max_age(session);
    read_note(session);
    if (!is_too_old(session))
        return BK_OK;
    bool was;
    *found = false;
    return sessions->type->del(sessions->store, id, session->user, &was);
}

bk_err bk__session_open(bk_sessions *sessions, bk_arena *arena, bk_str cookie, bk_str attributes,
                        bk_session **out)
{
    const bk_session empty = {.owner = sessions, .arena = arena, .data = {.arena = arena}};
    bk_session *session = bk_arena_alloc(arena, sizeof *session);
    bk_str id = bk__sid_read(&sessions->keys, arena, cookie);
    bool found = false;

    *session = empty;
    if (bk_str_present(id))
        BK_TRY(load(session, id, &found));
    if (!found) {
        *session = empty;
        begin(session, attributes);
    }
    *out = session;
    return BK_OK;
}

/* --- reading ---------------------------------------------------------------------------------- */

static bk_str key_of(const char *text)
{
    bk_str key = bk_str_of(text);

    bk_assert(key.len >= 1 && key.len <= KEY_MAX);
    bk_assert(bk__plain_end(key.ptr, key.ptr + key.len) == key.ptr + key.len);
    bk_assert(!bk_str_eq(key, BK_LIT("cookie")) && !bk_str_eq(key, BK_LIT("_bk")));
    return key;
}

static bk_str find(const bk_session *session, const char *key)
{
    return bk__session_data_get(&session->data, key_of(key));
}

const bk_json *bk_session_get(const bk_session *session, const char *key)
{
    return parse(session, find(session, key));
}

bk_str bk_session_str(const bk_session *session, const char *key)
{
    return bk_json_str(bk_session_get(session, key));
}

int64_t bk_session_i64(const bk_session *session, const char *key, int64_t fallback)
{
    const bk_json *value = bk_session_get(session, key);
    int64_t number;

    if (bk_json_type_of(value) != BK_JSON_NUMBER)
        return fallback;
    if (bk_json_i64(value, &number) == BK_OK)
        return number;
    bk_error_clear();
    return fallback;
}

bool bk_session_bool(const bk_session *session, const char *key)
{
    return bk_str_eq(find(session, key), BK_LIT("true"));
}

bk_err bk_session_bind(const bk_session *session, const char *key, bk_desc_fn desc, void *out)
{
    bk_str text = find(session, key);

    if (!bk_str_present(text))
        return bk_fail(BK_ENOTFOUND, "there is no \"%s\" in the session", key);
    return bk_bind_json(session->arena, text, desc, NULL, out);
}

bk_str bk_session_user(const bk_session *session)
{
    return session->user;
}

bool bk_session_is_new(const bk_session *session)
{
    return !bk_str_present(session->id);
}

/* --- changing --------------------------------------------------------------------------------- */

static void set(bk_session *session, const char *key, bk_str text)
{
    if (session->destroyed)
        return;
    bk__session_data_set(&session->data, bk_arena_dup(session->arena, key_of(key)), text);
    session->changed = true;
}

void bk_session_set(bk_session *session, const char *key, const bk_json *value)
{
    bk_buf buf = {.arena = session->arena};

    bk_json_print(&buf, value);
    set(session, key, bk_buf_str(&buf));
}

void bk_session_set_str(bk_session *session, const char *key, bk_str text)
{
    bk_buf buf = {.arena = session->arena};
    bk_json_writer writer = {.buf = &buf};

    bk_json_write_str(&writer, text);
    set(session, key, bk_buf_str(&buf));
}

void bk_session_set_i64(bk_session *session, const char *key, int64_t value)
{
    bk_buf buf = {.arena = session->arena};

    bk_buf_add_i64(&buf, value);
    set(session, key, bk_buf_str(&buf));
}

void bk_session_set_bool(bk_session *session, const char *key, bool value)
{
    set(session, key, value ? BK_LIT("true") : BK_LIT("false"));
}

void bk_session_set_object(bk_session *session, const char *key, bk_desc_fn desc,
                           const void *object)
{
    bk_buf buf = {.arena = session->arena};

    bk_write_json(&buf, desc, object);
    set(session, key, bk_buf_str(&buf));
}

void bk_session_unset(bk_session *session, const char *key)
{
    if (!bk_str_present(find(session, key)))
        return;
    bk__session_data_unset(&session->data, bk_str_of(key));
    session->changed = true;
}

void bk_session_set_max_age(bk_session *session, uint32_t idle_ms)
{
    session->max_age = idle_ms != 0 ? (int64_t)idle_ms : -1;
    bk__session_note_max_age(session);
    session->changed = true;
}

void bk_session_rotate(bk_session *session)
{
    session->rotates = true;
    session->changed = true;
}

bk_err bk_session_login(bk_session *session, bk_str user)
{
    if (user.len == 0 || user.len > USER_MAX || !bk_str_utf8(user))
        return bk_fail(BK_EINVAL, "the user of a session has 1 to %d bytes of UTF-8", USER_MAX);
    if (session->destroyed)
        return BK_OK;
    session->user = bk_arena_dup(session->arena, user);
    session->since = bk__session_now_ms();
    session->logged_in = true;
    bk_session_rotate(session);
    return BK_OK;
}

void bk_session_destroy(bk_session *session)
{
    session->destroyed = true;
    session->data.count = 0;
    session->user = (bk_str){NULL, 0};
}
