/*
 * script.c: Lua scripts, by their digest. See <backend/redis.h>.
 *
 * A script's digest is computed once for each bk_redis, and remembered, so long as scripts are few.
 * A server that does not know it says NOSCRIPT and has run nothing, so the text is sent then, which
 * also makes the server remember it.
 */
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include <backend/str.h>

#include "core/assert.h"
#include "core/encode.h"
#include "redis/redis.h"
#include "redis/words.h"

enum {
    DIGEST_BYTES = 20,
    SCRIPTS_MAX = 256 /* a program that builds its scripts' text has ever new ones */
};

struct script {
    struct bk__link link; /* in bk_redis.scripts, the oldest first */
    uint64_t hash;
    size_t len;
    char digest[2 * DIGEST_BYTES];
};

static void find_digest(bk_redis *redis, const char *text, char *out)
{
    size_t len = strlen(text);
    uint64_t hash = bk__hash64(text, len);
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t count = 0;

    bk__list_each(it, &redis->scripts) {
        struct script *known = bk__container_of(it, struct script, link);
        count++;
        if (known->hash == hash && known->len == len) {
            memcpy(out, known->digest, sizeof known->digest);
            return;
        }
    }
    struct script *script = calloc(1, sizeof *script);
    bk_assert(script != NULL);
    if (EVP_Digest(text, len, digest, NULL, EVP_sha1(), NULL) != 1)
        bk_unreachable("SHA-1 is always there");
    bk__hex(digest, DIGEST_BYTES, script->digest);
    script->hash = hash;
    script->len = len;
    bk__list_push(&redis->scripts, &script->link);
    memcpy(out, script->digest, sizeof script->digest);
    if (count == SCRIPTS_MAX)
        free(bk__container_of(bk__list_pop(&redis->scripts), struct script, link));
}

void bk__redis_scripts_free(bk_redis *redis)
{
    struct bk__link *link;

    while ((link = bk__list_pop(&redis->scripts)) != NULL)
        free(bk__container_of(link, struct script, link));
}

bk_err bk_redis_eval(bk_redis *redis, const char *text, bk_args keys, bk_args args, bk_reply *reply)
{
    struct bk__redis_words words;
    char digest[2 * DIGEST_BYTES];

    find_digest(redis, text, digest);
    bk__redis_words_init(&words);
    bk__redis_words_push(&words, BK_LIT("EVALSHA"));
    bk__redis_words_push(&words, bk_str_at(digest, sizeof digest));
    bk__redis_words_push(&words, BK_LIT("0")); /* the number of keys, once it is known */
    bk_err err = bk__redis_words_add(&words, keys);
    bk_arg count = bk_i64((int64_t)words.count - 3);
    struct bk__redis_words number;
    bk__redis_words_init(&number);
    if (err == BK_OK)
        err = bk__redis_words_add(&number, (bk_args){&count, 1});
    if (err == BK_OK) {
        words.items[2] = number.items[0];
        err = bk__redis_words_add(&words, args);
    }
    if (err == BK_OK)
        err = bk__redis_run_words(redis, words.items, words.count, reply);
    if (err == BK_EINTERNAL && strcmp(bk_redis_error_code(), "NOSCRIPT") == 0) {
        bk_error_clear();
        words.items[0] = BK_LIT("EVAL");
        words.items[1] = bk_str_of(text);
        err = bk__redis_run_words(redis, words.items, words.count, reply);
    }
    bk__redis_words_fini(&number);
    bk__redis_words_fini(&words);
    return err;
}
