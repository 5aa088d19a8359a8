/*
 * link.h: a connection's socket, once libpq has connected and authenticated it.
 *
 * libpq resolves names, walks through hosts, checks target_session_attrs, does TLS and SCRAM. Then
 * the socket is ours: nobody calls libpq to read or write any more but PQfinish(). What libpq
 * cannot do without blocking is done here: connecting runs on a thread of its own, and cancelling
 * sends the request on a socket of the loop.
 */
#ifndef BK_PG_LINK_H
#define BK_PG_LINK_H

#include <sys/socket.h>
#include <sys/types.h>

#include <backend/pg.h>

struct pg_conn;
struct ssl_st;

struct bk__pg_link {
    struct pg_conn *libpq;
    struct ssl_st *ssl;           /* NULL: no TLS; libpq's */
    int fd;                       /* non-blocking; libpq's */
    struct sockaddr_storage peer; /* for cancel requests */
    socklen_t peer_len;
    uint32_t pid, key; /* likewise */
    bool has_key;      /* false: this server gives none, nothing can be cancelled */
    bool read_only;    /* the server is a standby, or its transactions are read only by default */
};

/* Where to connect: the URL, parsed, with our settings beside it (keepalives and tcp_user_timeout
 * where the URL sets none, client_encoding UTF8, no GSS encryption, application_name). */
struct bk__pg_target;

/* BK_EINVAL with libpq's words for a wrong URL. */
bk_err bk__pg_target_new(const bk_pg_opts *opts, struct bk__pg_target **out);
void bk__pg_target_free(struct bk__pg_target *target); /* NULL is fine; attempts must have ended */

/* An attempt to connect. */
struct bk__pg_attempt;

/* Called once, on the loop's stack. @p link: NULL when it failed, else the receiver's to close.
 * @p why: of a failure, one line, without a password; borrowed. */
typedef void (*bk__pg_connected_fn)(struct bk__pg_link *link, const char *why, void *data);

/* Begins to connect; at most @p timeout_ms, the names' resolution included. Of several hosts each
 * gets an equal share of the time that those before it have left, whatever they fail with; the
 * addresses of one name share one. @p password: absent: that of the URL; copied. */
struct bk__pg_attempt *bk__pg_connect(struct bk__pg_target *target, bk_str password,
                                      uint32_t timeout_ms, bk__pg_connected_fn fn, void *data);

/* fn is not called any more. Does not wait: a thread that hangs in the resolver ends by itself. To
 * be done before the loop is freed; not once fn was called. */
void bk__pg_abandon(struct bk__pg_attempt *attempt);

/* As read(2) and write(2), through TLS where there is some: -1 with errno EAGAIN when it would have
 * to wait, 0 from read at the end of the stream. */
ssize_t bk__pg_link_read(struct bk__pg_link *link, void *to, size_t len);
ssize_t bk__pg_link_write(struct bk__pg_link *link, const void *from, size_t len);

/* True when bytes that were decrypted already wait to be read, which no descriptor will tell of. */
bool bk__pg_link_pending(const struct bk__pg_link *link);

/* Says good-bye where that does not block, closes the socket, frees @p link. NULL is fine. */
void bk__pg_link_close(struct bk__pg_link *link);

/* A cancel request under way. */
struct bk__pg_cancel;

/* Called once, on the loop's stack, when the server has taken the request and acted on it
 * (@p sent), or when it could not be sent within 5 s. */
typedef void (*bk__pg_cancelled_fn)(bool sent, void *data);

/* Asks the server to cancel what @p link is running (protocol: CancelRequest), on a socket of its
 * own. Any stack. NULL when that cannot even be tried: fn is not called then. */
struct bk__pg_cancel *bk__pg_cancel_begin(const struct bk__pg_link *link, bk__pg_cancelled_fn fn,
                                          void *data);

/* fn is not called any more. NULL is fine. */
void bk__pg_cancel_abandon(struct bk__pg_cancel *cancel);

#endif
