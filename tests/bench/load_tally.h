/* load_tally.h: what became of bench-load's requests. */
#ifndef LOAD_TALLY_H
#define LOAD_TALLY_H

#include <stdint.h>
#include <stdio.h>

#include "load_script.h"

enum {
    HISTOGRAM_BUCKETS = 64 * 40, /* up to 2^45 us */
};

/* Latencies in microseconds: exact below 128, then within 1.6 %. */
struct histogram {
    uint64_t buckets[HISTOGRAM_BUCKETS];
    uint64_t count, sum, max;
};

enum verdict {
    GOOD,    /* the status and the text that the script wants */
    REFUSED, /* 503 as application/problem+json */
    WRONG,   /* any other answer */
    FAILED,  /* no answer: one of enum failure */
    VERDICTS
};

enum failure {
    FAIL_CONNECT,
    FAIL_RESET, /* closed before the answer was whole */
    FAIL_TIMEOUT,
    FAIL_UNREADABLE,
    FAILURES
};

struct tally {
    struct {
        uint64_t sent, verdicts[VERDICTS];
        struct histogram latency;
    } all, kinds[SCRIPT_KINDS];
    uint64_t statuses[6]; /* by their first digit */
    uint64_t failures[FAILURES];
    uint64_t retried; /* idempotent requests whose connection broke, sent once more */
    uint64_t resent;  /* requests that never got out, likewise; also others than idempotent ones */
    uint64_t closed_idle; /* connections that the server closed between requests */
    uint64_t unsent;      /* due, but at the end still waiting for a free connection */
};

void histogram_add(struct histogram *histogram, uint64_t us);
uint64_t histogram_at(const struct histogram *histogram, double share);

void tally_sent(struct tally *tally, int kind);
void tally_answer(struct tally *tally, int kind, int status, enum verdict verdict, uint64_t us);
/* A timeout has taken its time, as an answer has. */
void tally_failure(struct tally *tally, int kind, enum failure failure, uint64_t us);

/* The members of a JSON object, without its braces. */
void tally_print(FILE *out, const struct tally *tally, const struct script *script);

#endif
