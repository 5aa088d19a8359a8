/*
 * trust.c: networks.
 *
 * An address is 4 or 16 bytes, and a network is an address with the number of bits that count. IPv4
 * written as IPv6 is turned into IPv4 first, so that a peer looks the same on a dual-stack socket
 * and "::/0" does not trust more than it says.
 */
#include "http/trust.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include <backend/str.h>

#include "core/assert.h"

struct address {
    unsigned char bytes[16];
    size_t len; /* 4 or 16 */
};

struct network {
    struct address base;
    unsigned bits;
};

struct bk__trust {
    bool unix_sockets;
    size_t count;
    struct network networks[];
};

static const unsigned char mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

static bool read_address(bk_str text, struct address *out)
{
    char copy[BK__ADDRESS_TEXT];

    if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, out->bytes) == 1) {
        out->len = 4;
        return true;
    }
    if (inet_pton(AF_INET6, copy, out->bytes) != 1)
        return false;
    out->len = 16;
    if (memcmp(out->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0) {
        memmove(out->bytes, out->bytes + sizeof(mapped_prefix), 4);
        out->len = 4;
    }
    return true;
}

size_t bk__address_canonical(bk_str text, char out[BK__ADDRESS_TEXT])
{
    struct address address;
    if (!read_address(text, &address))
        return 0;
    int family = address.len == 4 ? AF_INET : AF_INET6;
    return strlen(inet_ntop(family, address.bytes, out, BK__ADDRESS_TEXT));
}

/* The bits of byte @p index that a prefix of @p bits bits leaves out. */
static unsigned char host_mask(unsigned bits, size_t index)
{
    if (bits >= (index + 1) * 8)
        return 0;
    return bits <= index * 8 ? 0xff : (unsigned char)(0xff >> (bits - index * 8));
}

static bool same_network(const struct network *network, const struct address *address)
{
    if (network->base.len != address->len)
        return false;
    for (size_t i = 0; i < address->len; i++) {
        unsigned char differ = network->base.bytes[i] ^ address->bytes[i];
        if ((differ & (unsigned char)~host_mask(network->bits, i)) != 0)
            return false;
    }
    return true;
}

static bool read_network(bk_str text, struct network *out)
{
    bk_str address, prefix = text;
    (void)bk_str_split(&prefix, '/', &address);
    if (!read_address(address, &out->base))
        return false;

    unsigned most = (unsigned)out->base.len * 8;
    bool mapped = out->base.len == 4 && memchr(address.ptr, ':', address.len) != NULL;
    out->bits = most;
    if (bk_str_present(prefix)) {
        int64_t bits, skipped = mapped ? 96 : 0;
        if (bk_str_to_i64(prefix, &bits) != BK_OK || bits < skipped || bits - skipped > most)
            return false;
        out->bits = (unsigned)(bits - skipped);
    }
    for (size_t i = 0; i < out->base.len; i++) {
        if ((out->base.bytes[i] & host_mask(out->bits, i)) != 0)
            return false;
    }
    return true;
}

struct bk__trust *bk__trust_new(const char *const *networks, const char **bad)
{
    size_t count = 0;
    while (networks != NULL && networks[count] != NULL)
        count++;

    struct bk__trust *trust = calloc(1, sizeof(*trust) + count * sizeof(trust->networks[0]));
    bk_assert(trust != NULL);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(networks[i], "unix") == 0) {
            trust->unix_sockets = true;
        } else if (!read_network(bk_str_of(networks[i]), &trust->networks[trust->count++])) {
            *bad = networks[i];
            free(trust);
            return NULL;
        }
    }
    return trust;
}

void bk__trust_free(struct bk__trust *trust)
{
    free(trust);
}

bool bk__trust_has(const struct bk__trust *trust, bk_str address)
{
    struct address parsed;

    if (trust == NULL)
        return false;
    if (bk_str_eq(address, BK_LIT("unix")))
        return trust->unix_sockets;
    if (trust->count == 0 || !read_address(address, &parsed))
        return false;
    for (size_t i = 0; i < trust->count; i++) {
        if (same_network(&trust->networks[i], &parsed))
            return true;
    }
    return false;
}
