/*
 * listener.h: sockets on which connections come in.
 */
#ifndef BK_HTTP_LISTENER_H
#define BK_HTTP_LISTENER_H

#include <backend/app.h>

#include "fiber/timer.h"

struct bk__server;
struct st_h2o_socket_t;
struct ssl_ctx_st;

struct bk__listener {
    struct bk__listener *next;
    struct bk__server *server;
    int fd;
    uint16_t port;                /* 0: a unix socket */
    char *name;                   /* for the next executable, see inherit.h; NULL: it was given */
    char *host;                   /* as it was asked for */
    char *unix_path;              /* to be removed at the end; NULL: none */
    struct ssl_ctx_st *tls;       /* NULL: plain */
    char *tls_cert, *tls_key;     /* its files; the key's may be NULL */
    struct st_h2o_socket_t *sock; /* while connections are taken */
    struct bk__timer pause;       /* until they are taken again */
    unsigned owed;                /* connections to take although others have fewer */
    unsigned next_owed;           /* after the next wait for them */
    uint64_t others;              /* connections that they had at the last one */
    uint64_t said_at;             /* that there is no descriptor for one; 0: not yet */
};

/* Opens a socket and adds it at the end of the server's list. Nothing is taken yet. */
bk_err bk__listener_open(struct bk__server *server, const bk_listen_opts *opts);

/* Where it listens, for people: a URL, or unix:PATH. */
void bk__listener_url(const struct bk__listener *listener, char *text, size_t size);

/* Begins to take connections, on the server's loop. */
void bk__listener_start(struct bk__listener *listener);

/* Takes no more. Harmless when it does not. */
void bk__listener_stop(struct bk__listener *listener);

/* Reads certificates and keys again; where that does not succeed it is logged, and the old ones
 * stay. Before connections are taken. */
void bk__listeners_renew_tls(struct bk__server *server);

/* Closes the sockets only: handshakes still need what else there is. */
void bk__listeners_let_go(struct bk__server *server);

/* Leaves the files of unix sockets where they are when their listeners are closed. */
void bk__listeners_keep_files(struct bk__server *server);

/* Closes all of the server's. */
void bk__listeners_close(struct bk__server *server);

/* Drops connections whose TLS handshake has not ended. */
void bk__handshakes_drop(struct bk__server *server);

/* Reads certificate and key, and says what TLS is spoken: 1.2 and 1.3, forward secrecy, ALPN. */
bk_err bk__tls_context(const char *cert, const char *key, struct ssl_ctx_st **out);

#endif
