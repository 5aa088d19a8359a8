/*
 * target.c: a URL and our settings as what libpq is given. See target.h.
 *
 * libpq lets a later setting win over an earlier one of the same name, so ours come first where the
 * URL may change them, and last where it may not: text is UTF-8, and GSS encryption would wrap a
 * socket that we read ourselves.
 */
#include "pg/target.h"

#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <backend/str.h>

#include "core/assert.h"
#include "pg/link.h"

#define OURS_MOST 16               /* settings that are not the URL's */
#define NOWHERE   "not an address" /* what no host has */

/* A peer that vanished is noticed within 25 s when idle, 15 s when it owes an acknowledgement. */
static const char *const defaults[][2] = {
    {"keepalives_idle", "10"},
    {"keepalives_interval", "5"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "15000"},
};

/* --- starting --------------------------------------------------------------------------------- */

static size_t count_of(char **list)
{
    size_t count = 0;

    while (list != NULL && list[count] != NULL)
        count++;
    return count;
}

/* What libpq is given: two arrays that end in NULL. */
struct given {
    const char **names, **values;
    size_t count, room;
};

static void give(struct given *given, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    bk_assert(given->count < given->room);
    given->names[given->count] = name;
    given->values[given->count++] = value;
}

static void give_host(struct given *given, const struct bk__pg_target *target, size_t step)
{
    size_t i = step % target->host_count, ports = count_of(target->ports);

    give(given, "host", target->hosts != NULL ? target->hosts[i] : NULL);
    give(given, "hostaddr", target->addresses != NULL ? target->addresses[i] : NULL);
    if (ports != 0)
        give(given, "port", target->ports[ports == 1 ? 0 : i]);
    give(given, "target_session_attrs", step < target->host_count ? target->session_attrs : "any");
}

static bool is_split(const char *name)
{
    return strcmp(name, "host") == 0 || strcmp(name, "hostaddr") == 0 || strcmp(name, "port") == 0;
}

size_t bk__pg_target_steps(const struct bk__pg_target *target)
{
    return target->host_count * target->rounds;
}

/* @p address: NULL: that of the step. */
static PGconn *start(const struct bk__pg_target *target, size_t step, const char *password,
                     const char *address)
{
    struct given given = {.room = OURS_MOST};
    char *options = NULL;

    bk_assert(target->settings != NULL);
    for (const PQconninfoOption *it = target->settings; it->keyword != NULL; it++)
        given.room++;
    given.names = calloc(2 * (given.room + 1), sizeof *given.names);
    bk_assert(given.names != NULL);
    given.values = given.names + given.room + 1;

    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        give(&given, defaults[i][0], defaults[i][1]);
    give(&given, "fallback_application_name", target->application);
    for (const PQconninfoOption *it = target->settings; it->keyword != NULL; it++)
        if (target->host_count == 1 || !is_split(it->keyword))
            give(&given, it->keyword, it->val);
    if (target->host_count > 1)
        give_host(&given, target, step);
    int len = asprintf(&options, "%s%s", target->options,
                       atomic_load(&target->wants_iso) ? " -c datestyle=ISO,YMD" : "");
    bk_assert(len >= 0);
    give(&given, "options", options);
    give(&given, "client_encoding", "UTF8");
    give(&given, "gssencmode", "disable");
    give(&given, "password", password);
    give(&given, "hostaddr", address);
    PGconn *libpq = PQconnectStartParams(given.names, given.values, 0);
    free(options);
    free(given.names);
    return libpq;
}

PGconn *bk__pg_target_start(const struct bk__pg_target *target, size_t step, const char *password)
{
    return start(target, step, password, NULL);
}

/* --- parsing ---------------------------------------------------------------------------------- */

static const char *find(const PQconninfoOption *settings, const char *name)
{
    for (const PQconninfoOption *it = settings; it != NULL && it->keyword != NULL; it++)
        if (strcmp(it->keyword, name) == 0)
            return it->val;
    return NULL;
}

/* What holds for @p name: of the URL, else of the environment. */
static const char *find_either(const PQconninfoOption *settings, const PQconninfoOption *others,
                               const char *name)
{
    const char *value = find(settings, name);

    return value != NULL ? value : find(others, name);
}

/* The part of a URL or keyword string that may be a password: all of it that cannot be told from
 * one, for a URL that libpq refuses need not have its parts where they belong. */
static bk_str secret_of(const char *url)
{
    const char *scheme = strstr(url, "://"), *keyword = strstr(url, "password");
    const char *at = strrchr(url, '@');
    size_t begin = (size_t)(scheme != NULL ? scheme + strlen("://") - url : 0);
    size_t end = keyword != NULL ? strlen(url) : at != NULL ? (size_t)(at - url) : 0;

    return bk_str_at(url + begin, end > begin ? end - begin : 0);
}

static bool shows(bk_str text, bk_str secret)
{
    if (text.len == 0 || secret.len == 0)
        return false;
    return memmem(text.ptr, text.len, secret.ptr, secret.len) != NULL ||
           memmem(secret.ptr, secret.len, text.ptr, text.len) != NULL;
}

/* libpq's words, whose quotations of the URL may show a password; such are blotted out. */
static bk_err refuse(const char *url, const char *words)
{
    bk_str secret = secret_of(url), rest = bk_str_trim(bk_str_of(words)), part;
    char text[512] = "";
    size_t len = 0;

    if (secret.len != 0 && memchr(secret.ptr, '"', secret.len) != NULL)
        return bk_fail(BK_EINVAL, "wrong database URL"); /* where do quotations end? */
    for (bool quoted = false; bk_str_split(&rest, '"', &part); quoted = !quoted) {
        if (quoted && secret.len != 0 && !bk_str_eq(part, BK_LIT("=")) && shows(part, secret))
            part = BK_LIT("***");
        int more = snprintf(text + len, sizeof text - len, "%.*s%s", BK_PRI(part),
                            bk_str_present(rest) ? "\"" : "");
        len += more < (int)(sizeof text - len) ? (size_t)more : sizeof text - len - 1;
    }
    return bk_fail(BK_EINVAL, "wrong database URL: %.*s", BK_PRI(bk_str_trim(bk_str_of(text))));
}

static char **split(const char *list)
{
    bk_str rest = bk_str_of(list), part;
    size_t count = 0, room = 2;

    if (list == NULL || list[0] == '\0')
        return NULL;
    for (const char *at = list; *at != '\0'; at++)
        room += *at == ',';
    char **parts = calloc(room, sizeof *parts);
    bk_assert(parts != NULL);
    while (bk_str_split(&rest, ',', &part)) {
        parts[count] = strndup(part.ptr, part.len);
        bk_assert(parts[count++] != NULL);
    }
    return parts;
}

static void free_list(char **list)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i++)
        free(list[i]);
    free(list);
}

/* A service file may name the hosts too; then libpq walks through them. */
static bk_err read_hosts(struct bk__pg_target *target, const PQconninfoOption *others)
{
    const char *attrs = find_either(target->settings, others, "target_session_attrs");

    target->host_count = 1;
    target->rounds = 1;
    if (find_either(target->settings, others, "service") != NULL)
        return BK_OK;
    target->hosts = split(find_either(target->settings, others, "host"));
    target->addresses = split(find_either(target->settings, others, "hostaddr"));
    target->ports = split(find_either(target->settings, others, "port"));
    size_t hosts = count_of(target->hosts), addresses = count_of(target->addresses);
    size_t ports = count_of(target->ports), count = addresses != 0 ? addresses : hosts;

    if (addresses != 0 && hosts != 0 && addresses != hosts)
        return bk_fail(BK_EINVAL, "the database URL has %zu hosts and %zu addresses", hosts,
                       addresses);
    if (ports > 1 && ports != count)
        return bk_fail(BK_EINVAL, "the database URL has %zu hosts and %zu ports", count, ports);
    for (size_t i = 0; i < hosts; i++) /* an abstract unix socket begins with it */
        if (strrchr(target->hosts[i], '@') > target->hosts[i])
            return bk_fail(BK_EINVAL,
                           "wrong database URL: a host with @ (in a password it is %%40)");
    if (count < 2)
        return BK_OK;
    bool prefer_standby = attrs != NULL && strcmp(attrs, "prefer-standby") == 0;
    target->host_count = count;
    target->rounds = prefer_standby ? 2 : 1;
    target->session_attrs = strdup(prefer_standby ? "standby" : attrs != NULL ? attrs : "any");
    bk_assert(target->session_attrs != NULL);
    return BK_OK;
}

static bk_err read_settings(struct bk__pg_target *target, const bk_pg_opts *opts,
                            const PQconninfoOption *others)
{
    const char *gss = find(target->settings, "gssencmode");
    const char *options = find_either(target->settings, others, "options");

    if (gss != NULL && strcmp(gss, "require") == 0)
        return bk_fail(BK_EINVAL, "gssencmode=require is not supported: use TLS");
    int len = asprintf(&target->options, "%s%s", options != NULL ? options : "",
                       opts->read_only ? " -c default_transaction_read_only=on" : "");
    bk_assert(len >= 0);
    target->application = strdup(
        program_invocation_short_name[0] != '\0' ? program_invocation_short_name : "libbackend");
    bk_assert(target->application != NULL);
    return read_hosts(target, others);
}

/* libpq looks at most values only when it connects, so it is made to begin, with an address that is
 * none: when that is what it complains of, the rest is right. */
static bk_err check_values(const struct bk__pg_target *target, const char *url)
{
    bk_err err = BK_OK;

    for (size_t step = 0; step < bk__pg_target_steps(target) && err == BK_OK; step++) {
        PGconn *libpq = start(target, step, NULL, NOWHERE);
        const char *words = PQerrorMessage(libpq);
        if (strstr(words, NOWHERE) == NULL)
            err = refuse(url, words);
        PQfinish(libpq);
    }
    return err;
}

bk_err bk__pg_target_new(const bk_pg_opts *opts, struct bk__pg_target **out)
{
    char *words = NULL;

    if (bk_str_present(opts->url) && memchr(opts->url.ptr, '\0', opts->url.len) != NULL)
        return bk_fail(BK_EINVAL, "wrong database URL: it has a NUL byte");
    char *url = bk_str_present(opts->url) ? strndup(opts->url.ptr, opts->url.len) : strdup("");
    struct bk__pg_target *target = calloc(1, sizeof *target);
    bk_assert(url != NULL && target != NULL);
    atomic_init(&target->refs, 1);
    target->settings = PQconninfoParse(url, &words);
    PQconninfoOption *others = PQconndefaults();

    bk_err err = target->settings != NULL ? read_settings(target, opts, others)
                                          : refuse(url, words != NULL ? words : "no memory");
    if (err == BK_OK && find_either(target->settings, others, "service") == NULL)
        err = check_values(target, url);
    PQconninfoFree(others);
    PQfreemem(words);
    explicit_bzero(url, strlen(url));
    free(url);
    if (err == BK_OK)
        *out = target;
    else
        bk__pg_target_unref(target);
    return err;
}

struct bk__pg_target *bk__pg_target_ref(struct bk__pg_target *target)
{
    atomic_fetch_add(&target->refs, 1);
    return target;
}

void bk__pg_target_unref(struct bk__pg_target *target)
{
    if (atomic_fetch_sub(&target->refs, 1) != 1)
        return;
    PQconninfoFree(target->settings);
    free(target->options);
    free(target->application);
    free_list(target->hosts);
    free_list(target->addresses);
    free_list(target->ports);
    free(target->session_attrs);
    free(target);
}

void bk__pg_target_free(struct bk__pg_target *target)
{
    if (target != NULL)
        bk__pg_target_unref(target);
}
