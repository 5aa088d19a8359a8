/*
 * peer.h: who is at the other end of a connection, and how many connections each has.
 *
 * One client must not take all the connections that a server may have. IPv6 clients are counted by
 * /64, which is what one gets as easily as one address; those that come over a unix socket are not
 * counted.
 */
#ifndef BK_HTTP_PEER_H
#define BK_HTTP_PEER_H

#include <sys/socket.h>

#include <backend/base.h>

#define BK__PEER_TEXT 64

struct bk__peer {
    uint8_t family; /* AF_INET, AF_INET6, AF_UNIX */
    uint8_t address[16];
};

struct bk__peer bk__peer_of(const struct sockaddr *address, socklen_t len);

/* "192.0.2.1", "2001:db8::1", "unix"; NUL-terminated. */
void bk__peer_text(const struct bk__peer *peer, char out[BK__PEER_TEXT]);

struct bk__peer_count;

/* Zeroed: empty. */
struct bk__peers {
    struct bk__peer_count **buckets;
    size_t bucket_count, used;
    uint64_t seed; /* so that nobody can choose addresses that collide */
};

/* Counts one more. False, and nothing counted, when it has @p most already. */
bool bk__peers_enter(struct bk__peers *peers, const struct bk__peer *peer, uint32_t most);

/* Counts one less. */
void bk__peers_leave(struct bk__peers *peers, const struct bk__peer *peer);

/* Frees the table; nobody may be counted. */
void bk__peers_fini(struct bk__peers *peers);

#endif
