/*
 * load_script.h: the requests that bench-load sends, from a file of lines
 *
 *   KIND \t STATUS \t TEXT \t METHOD \t PATH \t FIELDS \t BODY
 *
 * The answer is right if it has that status and the text in its body. FIELDS are header fields
 * apart by "|". In TEXT, PATH, FIELDS and BODY "{seq}" stands for the request's number in 10
 * digits, which no other has. Empty lines, and those that start with "#", say nothing.
 */
#ifndef LOAD_SCRIPT_H
#define LOAD_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SCRIPT_KINDS = 16,
    SCRIPT_KIND_NAME = 32,
};

/* A text with the places of its numbers. */
struct template
{
    char *text;
    size_t len;
    size_t seqs[4];
    int count;
};

struct entry {
    int kind; /* index into script.kinds */
    int status;
    bool safe;       /* GET, HEAD: changes nothing, so that nobody has to remember it */
    bool idempotent; /* may be sent again after a connection broke */
    struct template request, text;
};

struct script {
    char kinds[SCRIPT_KINDS][SCRIPT_KIND_NAME];
    int kind_count;
    struct entry *entries;
    size_t count;
    size_t longest; /* request or text */
};

/* Ends the program with words when the file is not as above. */
void script_read(const char *path, const char *host, struct script *out);
void script_free(struct script *script);

/* Writes the text with that number; `out` has script.longest bytes. Returns the length. */
size_t template_write(const struct template *template, uint64_t seq, char *out);

#endif
