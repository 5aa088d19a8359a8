/*
 * plain.h: how far a string needs no attention, eight bytes at a time.
 *
 * Most bytes of most strings are printable ASCII that JSON writes as it is. Both the reader and the
 * writer skip runs of them by this, and look closely only at what ends a run.
 */
#ifndef BK_JSON_PLAIN_H
#define BK_JSON_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <endian.h>

/* Printable ASCII other than the quote and the backslash. DEL counts as plain. */
static inline bool bk__plain(unsigned char byte)
{
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

/* The first byte from @p at on that is not plain; @p end when all are. */
static inline const char *bk__plain_end(const char *at, const char *end)
{
    const uint64_t ones = 0x0101010101010101;

    while (end - at >= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        word = le64toh(word);
        /* In a byte below 0x80, a subtraction sets the high bit where the byte was too small. The
         * borrow can only spoil bytes above that one, and the lowest is what we look for. */
        uint64_t quote = (word ^ ones * '"') - ones;
        uint64_t backslash = (word ^ ones * '\\') - ones;
        uint64_t control = word - ones * 0x20;
        uint64_t found = (quote | backslash | control | word) & ones * 0x80;
        if (found != 0)
            return at + (__builtin_ctzll(found) >> 3);
        at += 8;
    }
    while (at < end && bk__plain((unsigned char)*at))
        at++;
    return at;
}

#endif
