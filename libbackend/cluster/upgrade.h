/*
 * upgrade.h: the executable is started anew, as a supervisor of its own, and takes the place of the
 * one that started it.
 *
 * The new one has the listening sockets, a variable that names a pipe to the old one, and says one
 * byte on it once its workers are ready. Until then the old one serves as ever; if it hears the end
 * of the pipe instead, it goes on doing so.
 *
 * Process 1 must not end, so there it stays as the parent of those that follow it, and hands
 * signals on. Each of them tells it who comes next.
 */
#ifndef BK_CLUSTER_UPGRADE_H
#define BK_CLUSTER_UPGRADE_H

#include "app/app.h"

#define BK__HEIRS 8

struct bk__upgrade {
    pid_t pid;             /* the new executable's process; 0: none */
    int heard;             /* the pipe from it; -1: none */
    uint64_t until_ms;     /* that it may take to become ready */
    int heirs;             /* of process 1: from where it hears who follows; -1: none */
    int heirs_end;         /* the end that those who follow get */
    pid_t next[BK__HEIRS]; /* who follow `pid`, as far as was heard; the first first */
    unsigned next_count;
};

/* What this process has from the one that started it. */
struct bk__legacy {
    int tell; /* where to say that it is ready; -1: nobody waits */
    int init; /* where to say who follows; -1: nobody wants to know */
};

struct bk__legacy bk__legacy_take(void);

/* Says that all is ready. */
void bk__legacy_ready(struct bk__legacy *legacy);

/* Forgets it, in a worker. */
void bk__legacy_close(struct bk__legacy *legacy);

/* Says that @p heir is to take this one's place. */
void bk__legacy_hand_on(const struct bk__legacy *legacy, pid_t heir);

void bk__upgrade_init(struct bk__upgrade *upgrade);

/* Starts the executable anew. False, with errno set, when that cannot even be tried. */
bool bk__upgrade_start(struct bk__upgrade *upgrade, const bk_app *app,
                       const struct bk__legacy *legacy);

/* What came on the pipe: 1 ready, 0 nothing yet, -1 its end. */
int bk__upgrade_hear(const struct bk__upgrade *upgrade);

/* Who follows `pid`, which has ended, and has not ended before it; 0: nobody. */
pid_t bk__upgrade_next_heir(struct bk__upgrade *upgrade);

/* Who serves now: the last that was heard of. The others are leaving, and may hear nothing more. */
pid_t bk__upgrade_newest_heir(struct bk__upgrade *upgrade);

/* It did not work out, or is over: closes the pipe. */
void bk__upgrade_end(struct bk__upgrade *upgrade);

#endif
