/* load_answer.h: the answers that bench-load gets, as far as it has to know them. */
#ifndef LOAD_ANSWER_H
#define LOAD_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

enum answer_state {
    ANSWER_WHOLE,
    ANSWER_MORE,      /* the rest has not come yet */
    ANSWER_UNREADABLE /* no HTTP/1, or no Content-Length where there must be one */
};

struct answer {
    int status;
    bool closes;          /* Connection: close */
    bool problem;         /* application/problem+json */
    const char *location; /* into the bytes; NULL without one */
    size_t location_len;
    const char *body;
    size_t body_len;
    size_t size; /* with the head */
};

/* Reads the answer at the start of the bytes. Without Content-Length only 204 and 304 are whole. */
enum answer_state answer_read(const char *bytes, size_t len, struct answer *out);

/* Whether the body has the text in it; an empty text is in each. */
bool answer_has(const struct answer *answer, const char *text, size_t len);

#endif
