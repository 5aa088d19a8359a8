/*
 * random.h: bytes that nobody can guess, and ids made of them.
 *
 * OpenSSL's generator, which the kernel's seeds, is asked for a block at a time: getrandom() takes
 * four times as long for the same bytes. After a fork the child must not repeat its parent: the
 * block is dropped by pthread_atfork.
 */
#ifndef BK_CORE_RANDOM_H
#define BK_CORE_RANDOM_H

#include <backend/base.h>

#define BK__UUID_TEXT 36

/* @threads Any. */
void bk__random(void *out, size_t len);

/* A UUIDv7 (RFC 9562, 5.7) of the present time, 36 bytes of text without NUL. @threads Any. */
void bk__uuid7(char out[BK__UUID_TEXT]);

#endif
