/*
 * target.h: where connections go: the URL, parsed once, and the steps of an attempt.
 *
 * A step is one host, in the URL's order. libpq would walk through several hosts by itself, but has
 * no way to be told that one of them took long enough; so it is given one at a time. Who prefers a
 * standby needs two rounds: standbys only, then any.
 *
 * Threads that hang in the resolver may outlive who abandoned them, so a target is counted.
 */
#ifndef BK_PG_TARGET_H
#define BK_PG_TARGET_H

#include <stdatomic.h>

#include <backend/base.h>

struct _PQconninfoOption;
struct pg_conn;

struct bk__pg_target {
    atomic_uint refs;
    atomic_bool wants_iso;              /* the server's DateStyle is another: ask for ISO */
    struct _PQconninfoOption *settings; /* of the URL; libpq's */
    char *options;                      /* command line options for the session */
    char *application;                  /* its name, where the URL and the environment give none */
    size_t host_count;                  /* 1: libpq takes it from the URL or the environment */
    char **hosts, **addresses, **ports; /* of several; each array has NULL behind its last */
    char *session_attrs;                /* of several: target_session_attrs of the first round */
    unsigned rounds;                    /* 1 or 2 */
};

struct bk__pg_target *bk__pg_target_ref(struct bk__pg_target *target);
void bk__pg_target_unref(struct bk__pg_target *target);

size_t bk__pg_target_steps(const struct bk__pg_target *target);

/* PQconnectStartParams() for a step, from 0: may block in the resolver. @p password: NULL: that of
 * the URL. */
struct pg_conn *bk__pg_target_start(const struct bk__pg_target *target, size_t step,
                                    const char *password);

#endif
