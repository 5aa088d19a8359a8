/*
 * slots.c: which part of a Cluster a command belongs to. See slots.h, and the Redis Cluster
 * specification, "Key distribution model" and "Hash tags".
 *
 * Only the first key is looked for: when others are of another slot, the server says CROSSSLOT.
 * Most commands have their key first, so the table has the others only. A command that is missing
 * in it goes to a wrong node and is redirected, unless its second word is no key at all.
 */
#include "redis/slots.h"

#include <string.h>

#include <backend/str.h>

/* The remainder of x^16 + x^12 + x^5 + 1 (CRC-16/XMODEM), four bits at a time. */
static uint16_t crc16(bk_str bytes)
{
    static const uint16_t table[16] = {0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5,
                                       0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b,
                                       0xc18c, 0xd1ad, 0xe1ce, 0xf1ef};
    uint16_t crc = 0;

    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];
        crc = (uint16_t)(crc << 4 ^ table[(crc >> 12 ^ byte >> 4) & 15]);
        crc = (uint16_t)(crc << 4 ^ table[(crc >> 12 ^ byte) & 15]);
    }
    return crc;
}

bool bk__redis_tag_of(bk_str key, bk_str *tag)
{
    const char *open = key.len != 0 ? memchr(key.ptr, '{', key.len) : NULL;

    if (open == NULL)
        return false;
    size_t left = key.len - (size_t)(open + 1 - key.ptr);
    const char *close = left != 0 ? memchr(open + 1, '}', left) : NULL;
    if (close == NULL || close == open + 1)
        return false;
    if (tag != NULL)
        *tag = bk_str_at(open + 1, (size_t)(close - open - 1));
    return true;
}

uint16_t bk__redis_slot_of(bk_str key)
{
    (void)bk__redis_tag_of(key, &key);
    return crc16(key) % BK__REDIS_SLOTS;
}

/* Where the first key stands, when it is not the second word. */
enum place {
    NO_KEY,
    THIRD,
    COUNTED_FROM_SECOND, /* the second word says how many keys follow it */
    COUNTED_FROM_THIRD,
    AFTER_STREAMS
};

struct exception {
    const char *name;
    enum place place;
};

static const struct exception exceptions[] = {
    {"ACL", NO_KEY},
    {"ASKING", NO_KEY},
    {"AUTH", NO_KEY},
    {"BGREWRITEAOF", NO_KEY},
    {"BGSAVE", NO_KEY},
    {"BITOP", THIRD},
    {"BLMPOP", COUNTED_FROM_THIRD},
    {"BZMPOP", COUNTED_FROM_THIRD},
    {"CLIENT", NO_KEY},
    {"CLUSTER", NO_KEY},
    {"COMMAND", NO_KEY},
    {"CONFIG", NO_KEY},
    {"DBSIZE", NO_KEY},
    {"DEBUG", NO_KEY},
    {"DISCARD", NO_KEY},
    {"ECHO", NO_KEY},
    {"EVAL", COUNTED_FROM_THIRD},
    {"EVALSHA", COUNTED_FROM_THIRD},
    {"EVALSHA_RO", COUNTED_FROM_THIRD},
    {"EVAL_RO", COUNTED_FROM_THIRD},
    {"EXEC", NO_KEY},
    {"FAILOVER", NO_KEY},
    {"FCALL", COUNTED_FROM_THIRD},
    {"FCALL_RO", COUNTED_FROM_THIRD},
    {"FLUSHALL", NO_KEY},
    {"FLUSHDB", NO_KEY},
    {"FUNCTION", NO_KEY},
    {"INFO", NO_KEY},
    {"KEYS", NO_KEY},
    {"LASTSAVE", NO_KEY},
    {"LATENCY", NO_KEY},
    {"LMPOP", COUNTED_FROM_SECOND},
    {"LOLWUT", NO_KEY},
    {"MEMORY", THIRD},
    {"MODULE", NO_KEY},
    {"MULTI", NO_KEY},
    {"OBJECT", THIRD},
    {"PING", NO_KEY},
    {"PUBLISH", NO_KEY},
    {"PUBSUB", NO_KEY},
    {"RANDOMKEY", NO_KEY},
    {"READONLY", NO_KEY},
    {"READWRITE", NO_KEY},
    {"ROLE", NO_KEY},
    {"SAVE", NO_KEY},
    {"SCAN", NO_KEY},
    {"SCRIPT", NO_KEY},
    {"SHUTDOWN", NO_KEY},
    {"SINTERCARD", COUNTED_FROM_SECOND},
    {"SLOWLOG", NO_KEY},
    {"TIME", NO_KEY},
    {"WAIT", NO_KEY},
    {"XGROUP", THIRD},
    {"XINFO", THIRD},
    {"XREAD", AFTER_STREAMS},
    {"XREADGROUP", AFTER_STREAMS},
    {"ZDIFF", COUNTED_FROM_SECOND},
    {"ZINTER", COUNTED_FROM_SECOND},
    {"ZINTERCARD", COUNTED_FROM_SECOND},
    {"ZMPOP", COUNTED_FROM_SECOND},
    {"ZUNION", COUNTED_FROM_SECOND},
};

static const struct exception *find_exception(bk_str name)
{
    for (size_t i = 0; i < sizeof exceptions / sizeof exceptions[0]; i++)
        if (bk_str_ieq(name, bk_str_of(exceptions[i].name)))
            return &exceptions[i];
    return NULL;
}

/* 0: there is none. */
static size_t index_of_key(enum place place, const bk_str *words, size_t count)
{
    size_t i = 1;

    switch (place) {
    case NO_KEY:
        return 0;
    case THIRD:
        return 2;
    case COUNTED_FROM_SECOND:
        return count > 1 && !bk_str_eq(words[1], BK_LIT("0")) ? 2 : 0;
    case COUNTED_FROM_THIRD:
        return count > 2 && !bk_str_eq(words[2], BK_LIT("0")) ? 3 : 0;
    case AFTER_STREAMS:
        while (i < count && !bk_str_ieq(words[i], BK_LIT("STREAMS")))
            i++;
        return i + 1;
    }
    return 0;
}

bool bk__redis_key_of(const bk_str *words, size_t count, bk_str *key)
{
    const struct exception *exception = find_exception(words[0]);
    size_t i = exception != NULL ? index_of_key(exception->place, words, count) : 1;

    if (i == 0 || i >= count)
        return false;
    *key = words[i];
    return true;
}
