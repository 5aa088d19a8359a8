/*
 * url.h: what a connection string says. See bk_redis_opts.url.
 */
#ifndef BK_REDIS_URL_H
#define BK_REDIS_URL_H

#include <stdatomic.h>

#include <backend/arena.h>
#include <backend/errors.h>

enum {
    BK__REDIS_HOSTS_MAX = 16
};

enum bk__redis_kind {
    BK__REDIS_SINGLE,
    BK__REDIS_SENTINEL, /* the hosts are sentinels */
    BK__REDIS_CLUSTER,  /* the hosts are some of its nodes */
    BK__REDIS_MEMORY    /* none */
};

struct bk__redis_host {
    const char *name;
    uint16_t port;
};

/* All text is NULL where the URL has none. Not changed once it is parsed, and counted, as threads
 * that connect may outlive their owner. */
struct bk__redis_target {
    atomic_uint owners;
    bk_arena *arena; /* holds what is pointed to */
    enum bk__redis_kind kind;
    struct bk__redis_host hosts[BK__REDIS_HOSTS_MAX];
    size_t host_count; /* 0 with unix_path */
    const char *unix_path;
    const char *user, *password;
    const char *service; /* of Sentinel */
    const char *sentinel_user, *sentinel_password;
    int64_t db;
    const char *name;                /* of the client */
    uint32_t connect_ms, command_ms; /* 0: not said */
    bool tls, no_verify;
    const char *ca, *cert, *key, *server_name;
};

/* BK_EINVAL with words that show no password. */
bk_err bk__redis_target_parse(bk_str url, struct bk__redis_target **out);

struct bk__redis_target *bk__redis_target_ref(struct bk__redis_target *target);
void bk__redis_target_unref(struct bk__redis_target *target); /* NULL is fine */

#endif
