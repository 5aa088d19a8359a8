/*
 * log_tail.h: the last lines that a process has logged, in memory where another can read them, even
 * after its death.
 *
 * A ring without locks, for a writer can die at any instruction and several threads may log at a
 * time: each takes its place by one addition. A reader may so see a line half written; it looks
 * whether a line is whole.
 */
#ifndef BK_CORE_LOG_TAIL_H
#define BK_CORE_LOG_TAIL_H

#include <stdatomic.h>

#include <backend/base.h>

#define BK__LOG_TAIL_BYTES ((size_t)32 << 10)

/* In shared memory; all zeros to begin with. */
struct bk__log_tail {
    _Atomic uint64_t end; /* bytes ever written */
    char bytes[BK__LOG_TAIL_BYTES];
};

/* From now on this process's lines go to @p tail too; NULL: no more. Before there are threads. */
void bk__log_tail_use(struct bk__log_tail *tail);

/* Adds a line, with its newline, where a tail is in use. */
void bk__log_tail_add(bk_str line);

/* Copies what is there, from the first whole line on, to @p out, which has BK__LOG_TAIL_BYTES.
 * Returns the number of bytes. */
size_t bk__log_tail_read(const struct bk__log_tail *tail, char *out);

#endif
