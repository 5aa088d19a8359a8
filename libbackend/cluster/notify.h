/*
 * notify.h: systemd's readiness protocol: datagrams to the socket that NOTIFY_SOCKET names. Without
 * it nothing happens.
 */
#ifndef BK_CLUSTER_NOTIFY_H
#define BK_CLUSTER_NOTIFY_H

#include <backend/base.h>

/* Sends @p format, such as "READY=1". */
void bk__notify(const char *format, ...) BK_PRINTF(1, 2);

/* "RELOADING=1" with the time that systemd wants beside it. */
void bk__notify_reloading(void);

/* How often systemd wants to hear "WATCHDOG=1" from this process, halved; 0: never. */
uint64_t bk__notify_watchdog_ms(void);

/* The sockets that systemd hands over: their number; they begin at 3. The environment's note of
 * them is removed, so that no child takes them for its own. */
int bk__notify_sockets(void);

#define BK__NOTIFY_FIRST 3

#endif
