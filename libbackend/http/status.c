/*
 * status.c: reason phrases (RFC 9110, 15 and the IANA registry).
 */
#include "http/exchange.h"

const char *bk__status_text(int status)
{
    switch (status) {
#define STATUS(code, text)                                                                         \
    case code:                                                                                     \
        return text;
#include "http/status.def"
#undef STATUS
    default:
        return "Unknown";
    }
}
