/* load_client.h: the connections of bench-load. There is one set of them. */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "load_script.h"
#include "load_tally.h"

#define SECOND_NS 1000000000ull

struct client_opts {
    int port, connections;
    uint64_t deadline_ns; /* from when a request is sent */
    const struct script *script;
    struct tally *tally;
    struct histogram *recent; /* gets each latency, too */
    FILE *notes; /* gets a line for each good answer to what is not safe; may be NULL */
};

uint64_t now_ns(void);

/* Opens all; ends the program with words when the port does not take them. */
void clients_open(const struct client_opts *opts);
void clients_close(void);

/* Whether one is free to ask; whether one waits for its answer. */
bool clients_idle(void);
bool clients_busy(void);

/* Sends the request on the one that has rested longest; there must be one. Latencies count from
 * `due`. */
void clients_ask(const struct entry *entry, uint64_t seq, uint64_t due);

/* Handles what comes; waits for it so long at most. */
void clients_wait(uint64_t ns);

/* Ends the requests whose deadline is over. */
void clients_give_up(void);

/* How many answers came on the connections with the fewest and the most. */
void clients_answers(uint64_t *least, uint64_t *most);

#endif
