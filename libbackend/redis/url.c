/*
 * url.c: connection strings. See url.h and bk_redis_opts.url.
 *
 *   scheme://[[user]:password@]host[:port][,host[:port]...][/path][?name=value[&name=value...]]
 *
 * Each part is cut off from the front, and unescaped only then.
 */
#include "redis/url.h"

#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"

#define PORT          6379
#define SENTINEL_PORT 26379

struct scheme {
    bk_str name;
    enum bk__redis_kind kind;
    bool tls, is_unix;
};

static const struct scheme schemes[] = {
    {{"redis", 5}, BK__REDIS_SINGLE, false, false},
    {{"rediss", 6}, BK__REDIS_SINGLE, true, false},
    {{"unix", 4}, BK__REDIS_SINGLE, false, true},
    {{"redis+unix", 10}, BK__REDIS_SINGLE, false, true},
    {{"redis+sentinel", 14}, BK__REDIS_SENTINEL, false, false},
    {{"rediss+sentinel", 15}, BK__REDIS_SENTINEL, true, false},
    {{"redis+cluster", 13}, BK__REDIS_CLUSTER, false, false},
    {{"rediss+cluster", 14}, BK__REDIS_CLUSTER, true, false},
    {{"memory", 6}, BK__REDIS_MEMORY, false, false},
};

static const struct scheme *find_scheme(bk_str name)
{
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
        if (bk_str_eq(schemes[i].name, name))
            return &schemes[i];
    return NULL;
}

static bk_err refuse(const char *why)
{
    return bk_fail(BK_EINVAL, "Redis URL: %s", why);
}

/* Cuts what precedes the first @p mark off @p rest, with the mark; all of it when there is none. */
static bk_str cut(bk_str *rest, char mark, bool *found)
{
    const char *at = rest->len != 0 ? memchr(rest->ptr, mark, rest->len) : NULL;
    bk_str part = *rest;

    *found = at != NULL;
    if (at == NULL) {
        *rest = (bk_str){rest->ptr + rest->len, 0};
        return part;
    }
    part.len = (size_t)(at - rest->ptr);
    rest->ptr += part.len + 1;
    rest->len -= part.len + 1;
    return part;
}

/* Unescapes into a C string. */
static bk_err take_text(const struct bk__redis_target *target, bk_str text, const char **out)
{
    bk_str plain;

    if (bk__percent_decode(target->arena, text, false, &plain) != BK_OK)
        return refuse("a percent sign without two hexadecimal digits");
    if (plain.len != 0 && memchr(plain.ptr, '\0', plain.len) != NULL)
        return refuse("a NUL");
    *out = bk_arena_cstr(target->arena, plain);
    return BK_OK;
}

static bk_err take_number(bk_str text, int64_t max, int64_t *out)
{
    if (bk_str_to_i64(text, out) != BK_OK || *out < 0 || *out > max)
        return bk_fail(BK_EINVAL, "Redis URL: %.*s is no number from 0 to %lld", BK_PRI(text),
                       (long long)max);
    return BK_OK;
}

/* --- its parts -------------------------------------------------------------------------------- */

static bk_err take_credentials(struct bk__redis_target *target, bk_str *rest)
{
    const char *at = NULL;
    bk_str text, user;
    bool has_password;

    for (size_t i = 0; i < rest->len && rest->ptr[i] != '/' && rest->ptr[i] != '?'; i++)
        if (rest->ptr[i] == '@')
            at = rest->ptr + i;
    if (at == NULL)
        return BK_OK;
    text = (bk_str){rest->ptr, (size_t)(at - rest->ptr)};
    rest->len -= text.len + 1;
    rest->ptr = at + 1;
    user = cut(&text, ':', &has_password);
    if (user.len != 0)
        BK_TRY(take_text(target, user, &target->user));
    if (!has_password)
        return refuse("a user without a password: write user:password@");
    return take_text(target, text, &target->password);
}

/* "host", "host:port", "[::1]:port". */
static bk_err take_host(struct bk__redis_target *target, bk_str text)
{
    struct bk__redis_host *host = &target->hosts[target->host_count];
    int64_t port = target->kind == BK__REDIS_SENTINEL ? SENTINEL_PORT : PORT;
    bool has_port;
    bk_str name;

    if (target->host_count == BK__REDIS_HOSTS_MAX)
        return refuse("more than 16 hosts");
    if (bk_str_starts(text, BK_LIT("["))) {
        text = bk_str_at(text.ptr + 1, text.len - 1);
        name = cut(&text, ']', &has_port);
        if (!has_port || (text.len != 0 && text.ptr[0] != ':'))
            return refuse("an address that begins with [ ends with ]");
        has_port = text.len != 0;
        text = has_port ? bk_str_at(text.ptr + 1, text.len - 1) : text;
    } else {
        name = cut(&text, ':', &has_port);
    }
    if (name.len == 0)
        return refuse("a host is missing");
    if (has_port)
        BK_TRY(take_number(text, UINT16_MAX, &port));
    BK_TRY(take_text(target, name, &host->name));
    host->port = (uint16_t)port;
    target->host_count++;
    return BK_OK;
}

static bk_err take_hosts(struct bk__redis_target *target, bk_str text)
{
    bk_str one;

    if (text.len == 0)
        text = BK_LIT("127.0.0.1");
    while (bk_str_split(&text, ',', &one))
        BK_TRY(take_host(target, one));
    if (target->kind == BK__REDIS_SINGLE && target->host_count > 1)
        return refuse("several hosts need redis+sentinel:// or redis+cluster://");
    return BK_OK;
}

/* "/db", or "/service/db" of Sentinel. */
static bk_err take_path(struct bk__redis_target *target, bk_str path)
{
    bool more;

    if (target->kind == BK__REDIS_SENTINEL) {
        bk_str service = cut(&path, '/', &more);
        if (service.len == 0)
            return refuse("Sentinel needs the service's name: redis+sentinel://host:port/service");
        BK_TRY(take_text(target, service, &target->service));
    }
    if (path.len == 0)
        return BK_OK;
    BK_TRY(take_number(path, 1 << 20, &target->db));
    if (target->kind == BK__REDIS_CLUSTER && target->db != 0)
        return refuse("a Cluster has only database 0");
    return BK_OK;
}

static bk_err take_parameter(struct bk__redis_target *target, bk_str name, bk_str value)
{
    const struct {
        bk_str name;
        const char **text;
        uint32_t *ms;
    } known[] = {
        {BK_LIT("name"), &target->name, NULL},
        {BK_LIT("ca"), &target->ca, NULL},
        {BK_LIT("cert"), &target->cert, NULL},
        {BK_LIT("key"), &target->key, NULL},
        {BK_LIT("server_name"), &target->server_name, NULL},
        {BK_LIT("sentinel_user"), &target->sentinel_user, NULL},
        {BK_LIT("sentinel_password"), &target->sentinel_password, NULL},
        {BK_LIT("connect_ms"), NULL, &target->connect_ms},
        {BK_LIT("command_ms"), NULL, &target->command_ms},
    };
    int64_t number;

    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (!bk_str_eq(known[i].name, name))
            continue;
        if (known[i].text != NULL)
            return take_text(target, value, known[i].text);
        BK_TRY(take_number(value, 3600 * 1000, &number));
        *known[i].ms = (uint32_t)number;
        return BK_OK;
    }
    if (bk_str_eq(name, BK_LIT("db")))
        return take_number(value, 1 << 20, &target->db);
    if (bk_str_eq(name, BK_LIT("verify"))) {
        if (!bk_str_eq(value, BK_LIT("none")) && !bk_str_eq(value, BK_LIT("full")))
            return refuse("verify is none or full");
        target->no_verify = bk_str_eq(value, BK_LIT("none"));
        return BK_OK;
    }
    return bk_fail(BK_EINVAL, "Redis URL: there is no parameter %.*s", BK_PRI(name));
}

static bk_err take_parameters(struct bk__redis_target *target, bk_str text)
{
    bk_str one;
    bool has_value;

    while (bk_str_split(&text, '&', &one)) {
        bk_str name = cut(&one, '=', &has_value);
        if (name.len != 0)
            BK_TRY(take_parameter(target, name, one));
    }
    return BK_OK;
}

static bk_err take_all(struct bk__redis_target *target, bk_str url)
{
    bool found;
    bk_str rest = url;
    bk_str name = cut(&rest, ':', &found);
    const struct scheme *scheme = found ? find_scheme(name) : NULL;

    if (scheme == NULL || !bk_str_starts(rest, BK_LIT("//")))
        return refuse("it begins with redis://, rediss://, unix://, redis+sentinel://, "
                      "redis+cluster:// or memory://");
    rest = bk_str_at(rest.ptr + 2, rest.len - 2);
    target->kind = scheme->kind;
    target->tls = scheme->tls;
    if (scheme->kind == BK__REDIS_MEMORY)
        return rest.len == 0 ? BK_OK : refuse("nothing may follow memory://");
    BK_TRY(take_credentials(target, &rest));
    bk_str parameters = rest, front = cut(&parameters, '?', &found);
    if (scheme->is_unix) {
        if (front.len == 0 || front.ptr[0] != '/')
            return refuse("a unix socket has an absolute path: unix:///run/redis.sock");
        BK_TRY(take_text(target, front, &target->unix_path));
    } else {
        bk_str path = front, hosts = cut(&path, '/', &found);
        BK_TRY(take_hosts(target, hosts));
        BK_TRY(take_path(target, path));
    }
    return take_parameters(target, parameters);
}

bk_err bk__redis_target_parse(bk_str url, struct bk__redis_target **out)
{
    struct bk__redis_target *target = calloc(1, sizeof *target);

    bk_assert(target != NULL);
    atomic_init(&target->owners, 1);
    target->arena = bk_arena_new();
    bk_err err = take_all(target, url);
    if (err != BK_OK) {
        bk__redis_target_unref(target);
        return err;
    }
    *out = target;
    return BK_OK;
}

struct bk__redis_target *bk__redis_target_ref(struct bk__redis_target *target)
{
    atomic_fetch_add(&target->owners, 1);
    return target;
}

void bk__redis_target_unref(struct bk__redis_target *target)
{
    if (target == NULL || atomic_fetch_sub(&target->owners, 1) != 1)
        return;
    bk_arena_free(target->arena);
    free(target);
}
