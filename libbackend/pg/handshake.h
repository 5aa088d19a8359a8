/*
 * handshake.h: from a connection that libpq has begun to a link, on a thread that may block.
 */
#ifndef BK_PG_HANDSHAKE_H
#define BK_PG_HANDSHAKE_H

#include "pg/link.h"

enum bk__pg_shake {
    BK__PG_SHAKEN,  /* it stands */
    BK__PG_REFUSED, /* PQerrorMessage() says why */
    BK__PG_LATE,    /* the time is over */
    BK__PG_STOPPED  /* somebody rang */
};

/* Goes on until it stands or cannot. libpq's own connect_timeout plays no part here.
 * @p bell: a descriptor; readable: stop at once. @p until_ns: as bk_now_ns() has it.
 * @p link: is filled, all of it, when it stands. The connection stays the caller's otherwise. */
enum bk__pg_shake bk__pg_handshake(struct pg_conn *libpq, int bell, uint64_t until_ns,
                                   struct bk__pg_link *link);

#endif
