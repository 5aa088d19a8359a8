/*
 * address.h: which addresses are of the public internet.
 */
#ifndef BK_CLIENT_ADDRESS_H
#define BK_CLIENT_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* False for what the registries of IANA set apart (loopback, private, link-local, shared, test
 * nets, multicast, reserved), for IPv6 that leads to such an IPv4 address, and for other families.
 */
bool bk__address_is_public(const struct sockaddr *address);

#endif
