/*
 * peer.c: addresses of clients, and a table that counts them. See peer.h.
 */
#include "http/peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "core/assert.h"
#include "core/random.h"

#define FIRST_BUCKETS 64

/* Chained; there is one only for who has a connection. */
struct bk__peer_count {
    struct bk__peer_count *next;
    uint64_t high, low; /* the key */
    uint32_t count;
};

struct bk__peer bk__peer_of(const struct sockaddr *address, socklen_t len)
{
    struct bk__peer peer = {.family = AF_UNIX};

    if (address->sa_family == AF_INET && len >= sizeof(struct sockaddr_in)) {
        peer.family = AF_INET;
        memcpy(peer.address, &((const struct sockaddr_in *)address)->sin_addr, 4);
    } else if (address->sa_family == AF_INET6 && len >= sizeof(struct sockaddr_in6)) {
        peer.family = AF_INET6;
        memcpy(peer.address, &((const struct sockaddr_in6 *)address)->sin6_addr, 16);
    }
    return peer;
}

/* Each request whose client is logged asks for it: inet_ntop() takes ten times as long. */
static void ipv4_text(const uint8_t address[4], char *out)
{
    for (int i = 0; i < 4; i++) {
        unsigned byte = address[i];
        if (i != 0)
            *out++ = '.';
        if (byte >= 100)
            *out++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *out++ = (char)('0' + byte / 10 % 10);
        *out++ = (char)('0' + byte % 10);
    }
    *out = '\0';
}

void bk__peer_text(const struct bk__peer *peer, char out[BK__PEER_TEXT])
{
    if (peer->family == AF_INET)
        ipv4_text(peer->address, out);
    else if (peer->family == AF_UNIX ||
             inet_ntop(peer->family, peer->address, out, BK__PEER_TEXT) == NULL)
        strcpy(out, "unix");
}

static void key_of(const struct bk__peer *peer, uint64_t *high, uint64_t *low)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is_mapped = peer->family == AF_INET6 && memcmp(peer->address, mapped, 12) == 0;

    *high = *low = 0;
    if (peer->family == AF_INET)
        memcpy(low, peer->address, 4);
    else if (is_mapped)
        memcpy(low, peer->address + 12, 4);
    else
        memcpy(high, peer->address, 8);
    if (*high != 0)
        *low = UINT64_MAX; /* no IPv4 address looks like this */
}

static struct bk__peer_count **slot_of(const struct bk__peers *peers, uint64_t high, uint64_t low)
{
    uint64_t hash = (high ^ peers->seed) * 0x9e3779b97f4a7c15u;

    hash = (hash ^ hash >> 29 ^ low ^ peers->seed >> 7) * 0xbf58476d1ce4e5b9u;
    struct bk__peer_count **slot = &peers->buckets[(hash ^ hash >> 32) & (peers->bucket_count - 1)];
    while (*slot != NULL && ((*slot)->high != high || (*slot)->low != low))
        slot = &(*slot)->next;
    return slot;
}

/* Twice as many buckets, or the first ones. */
static void grow(struct bk__peers *peers)
{
    struct bk__peers wider = {.bucket_count = peers->bucket_count != 0 ? peers->bucket_count * 2
                                                                       : FIRST_BUCKETS,
                              .used = peers->used};

    bk__random(&wider.seed, sizeof wider.seed);
    wider.buckets = calloc(wider.bucket_count, sizeof *wider.buckets);
    bk_assert(wider.buckets != NULL);
    for (size_t i = 0; i < peers->bucket_count; i++) {
        struct bk__peer_count *entry = peers->buckets[i];
        while (entry != NULL) {
            struct bk__peer_count *next = entry->next;
            entry->next = NULL;
            *slot_of(&wider, entry->high, entry->low) = entry;
            entry = next;
        }
    }
    free(peers->buckets);
    *peers = wider;
}

bool bk__peers_enter(struct bk__peers *peers, const struct bk__peer *peer, uint32_t most)
{
    uint64_t high, low;

    if (peer->family == AF_UNIX)
        return true;
    if (peers->used >= peers->bucket_count)
        grow(peers);
    key_of(peer, &high, &low);
    struct bk__peer_count **slot = slot_of(peers, high, low);
    if (*slot == NULL) {
        struct bk__peer_count *entry = malloc(sizeof *entry);
        bk_assert(entry != NULL);
        *entry = (struct bk__peer_count){.high = high, .low = low};
        *slot = entry;
        peers->used++;
    }
    if ((*slot)->count >= most)
        return false;
    (*slot)->count++;
    return true;
}

void bk__peers_leave(struct bk__peers *peers, const struct bk__peer *peer)
{
    uint64_t high, low;

    if (peer->family == AF_UNIX)
        return;
    key_of(peer, &high, &low);
    struct bk__peer_count **slot = slot_of(peers, high, low), *entry = *slot;
    bk_assert(entry != NULL && entry->count != 0);
    if (--entry->count != 0)
        return;
    *slot = entry->next;
    free(entry);
    peers->used--;
}

void bk__peers_fini(struct bk__peers *peers)
{
    bk_assert(peers->used == 0);
    free(peers->buckets);
    *peers = (struct bk__peers){0};
}
