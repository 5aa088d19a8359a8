/*
 * events.h: the connection on which a process hears the events of its queues.
 */
#ifndef BK_QUEUE_EVENTS_H
#define BK_QUEUE_EVENTS_H

#include "queue/hub.h"

struct bk__event_reader;

/* No more events will come: the app stops. NULL is fine. */
void bk__event_reader_end(struct bk__event_reader *reader);

/* Closes it. Nobody hears any more. NULL is fine. */
void bk__event_reader_free(struct bk__event_reader *reader);

#endif
