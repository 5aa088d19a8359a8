/*
 * address.c: special-purpose addresses, as RFC 6890 and its registries list them. See address.h.
 *
 * An IPv6 address may carry an IPv4 one to a gateway that sends it on, so what it carries is looked
 * at too. Teredo is refused whole: nobody serves anything behind it.
 */
#include "client/address.h"

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct network {
    uint8_t prefix[16];
    uint8_t bits;
};

static const struct network special_v4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared, behind a carrier's NAT */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local: also the metadata services of clouds */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* protocol assignments */
    {{192, 0, 2}, 24},    /* test net */
    {{192, 88, 99}, 24},  /* 6to4 relays, withdrawn */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* test net */
    {{203, 0, 113}, 24},  /* test net */
    {{224}, 4},           /* multicast */
    {{240}, 4},           /* reserved, and broadcast */
};

static const struct network special_v6[] = {
    {{0}, 96},                            /* unspecified, loopback, IPv4-compatible */
    {{0x00, 0x64, 0xff, 0x9b, 0, 1}, 48}, /* translation within a network */
    {{0x01, 0x00}, 64},                   /* discard */
    {{0x20, 0x01, 0, 0}, 23},             /* protocol assignments, Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32},       /* documentation */
    {{0x3f, 0xff}, 20},                   /* documentation */
    {{0x5f, 0x00}, 16},                   /* segment routing */
    {{0xfc}, 7},                          /* unique local */
    {{0xfe, 0x80}, 10},                   /* link-local */
    {{0xfe, 0xc0}, 10},                   /* site-local, withdrawn */
    {{0xff}, 8},                          /* multicast */
};

/* IPv6 that carries an IPv4 address, right behind the prefix. */
static const struct network carriers[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, /* mapped */
    {{0x00, 0x64, 0xff, 0x9b}, 96},                   /* NAT64 */
    {{0x20, 0x02}, 16},                               /* 6to4 */
};

static bool is_in(const uint8_t *address, const struct network *network)
{
    size_t whole = network->bits / 8, rest = network->bits % 8;

    if (memcmp(address, network->prefix, whole) != 0)
        return false;
    return rest == 0 || (address[whole] ^ network->prefix[whole]) >> (8 - rest) == 0;
}

static bool is_special(const uint8_t *address, const struct network *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (is_in(address, &list[i]))
            return true;
    return false;
}

#define COUNT(list) (sizeof(list) / sizeof *(list))

static bool v6_is_public(const uint8_t *address)
{
    for (size_t i = 0; i < COUNT(carriers); i++)
        if (is_in(address, &carriers[i]))
            return !is_special(address + carriers[i].bits / 8, special_v4, COUNT(special_v4));
    return !is_special(address, special_v6, COUNT(special_v6));
}

bool bk__address_is_public(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        return !is_special((const uint8_t *)&v4.sin_addr, special_v4, COUNT(special_v4));
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        return v6_is_public(v6.sin6_addr.s6_addr);
    }
    return false;
}
