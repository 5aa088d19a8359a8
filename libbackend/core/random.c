/*
 * random.c: bytes that nobody can guess.
 *
 * Each thread keeps a block of OpenSSL's and hands it out piece by piece. What must hold: no
 * byte is handed out twice, so a piece is wiped as it leaves, and a child process starts with no
 * block.
 */
#include "core/random.h"

#include <pthread.h>

#include <openssl/rand.h>

#include <backend/clock.h>

#include "core/assert.h"
#include "core/encode.h"

#define BLOCK_SIZE 4096 /* some 120 requests, each with an id and a trace */

static _Thread_local struct {
    unsigned char bytes[BLOCK_SIZE];
    size_t left; /* at the end of bytes */
} block;

/* Written once per process, to learn of forks. */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void generate(void *out, size_t len)
{
    int made = RAND_bytes(out, (int)len);
    bk_assert(made == 1);
}

/* Runs in the child, whose only thread is the one that forked. */
static void drop_block(void)
{
    block.left = 0;
}

static void watch_forks(void)
{
    int err = pthread_atfork(NULL, NULL, drop_block);
    bk_assert(err == 0);
}

void bk__random(void *out, size_t len)
{
    if (len > BLOCK_SIZE) {
        generate(out, len);
        return;
    }
    if (bk__unlikely(block.left < len)) {
        pthread_once(&once, watch_forks);
        generate(block.bytes, BLOCK_SIZE);
        block.left = BLOCK_SIZE;
    }
    unsigned char *piece = block.bytes + BLOCK_SIZE - block.left;
    memcpy(out, piece, len);
    memset(piece, 0, len);
    block.left -= len;
}

void bk__uuid7(char out[BK__UUID_TEXT])
{
    unsigned char id[16];
    char hex[2 * sizeof(id)];
    uint64_t ms = (uint64_t)(bk_time_now() / 1000);

    for (int i = 0; i < 6; i++)
        id[i] = (unsigned char)(ms >> (40 - 8 * i));
    bk__random(id + 6, 10);
    id[6] = (unsigned char)(0x70 | (id[6] & 0x0f)); /* version */
    id[8] = (unsigned char)(0x80 | (id[8] & 0x3f)); /* variant */

    bk__hex(id, sizeof(id), hex);
    memcpy(out, hex, 8);
    out[8] = '-';
    memcpy(out + 9, hex + 8, 4);
    out[13] = '-';
    memcpy(out + 14, hex + 12, 4);
    out[18] = '-';
    memcpy(out + 19, hex + 16, 4);
    out[23] = '-';
    memcpy(out + 24, hex + 20, 12);
}
