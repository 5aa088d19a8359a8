/*
 * log_out.h: the end of a line's way: standard error, or a file.
 *
 * A thread that runs a loop keeps its lines until the end of the loop's turn, and writes them
 * together. Nobody waits for a reader: what a full pipe does not take stays in the buffer, and what
 * does not fit there is dropped, counted, and told as `log.dropped` once there is room again. Lines
 * of other threads leave at once, or are dropped.
 */
#ifndef BK_CORE_LOG_OUT_H
#define BK_CORE_LOG_OUT_H

#include <backend/errors.h>

#define BK__LOG_BUFFER ((size_t)256 << 10)

/* From here on this thread's lines are kept until bk__log_out_flush(); and no longer. */
void bk__log_out_open(void);
void bk__log_out_close(void);

/* Takes a line. False: it was dropped. */
bool bk__log_out_put(bk_str line);

/* Lines of this thread that were dropped and not told of yet; and those, forgotten by this. */
uint64_t bk__log_out_untold(void);
uint64_t bk__log_out_take_dropped(void);

/* All lines that this process has dropped. @threads Any. */
uint64_t bk__log_out_dropped(void);

/* Whether there is room for a line of @p len without waiting. */
bool bk__log_out_has_room(size_t len);

/* Writes what has been kept, as far as that goes without waiting. False: some is left. May be
 * called in a signal handler. */
bool bk__log_out_flush(void);

/* Before the process ends: as bk__log_out_flush(), but gives a slow reader up to 200 ms. */
void bk__log_out_farewell(void);

/* Sends lines to the file at @p path, which is made with mode 0640, from here on; NULL: to standard
 * error again. The path is copied. BK_EIO with words, and nothing changed. */
BK_NODISCARD bk_err bk__log_out_file(const char *path);

/* Opens the file anew. May be called in a signal handler. False, with the old one still in use,
 * when that fails. */
bool bk__log_out_reopen(void);

/* Whether lines go to a terminal. */
bool bk__log_out_is_terminal(void);

#endif
