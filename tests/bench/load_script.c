/*
 * load_script.c: each line becomes the bytes of a request, once.
 */
#define _GNU_SOURCE
#include "load_script.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK   "{seq}"
#define DIGITS 10

struct place {
    const char *path;
    int line;
};

static _Noreturn void wrong(struct place at, const char *why)
{
    errx(2, "%s:%d: %s", at.path, at.line, why);
}

static int kind_of(struct script *script, struct place at, const char *name)
{
    int i;

    for (i = 0; i < script->kind_count; i++)
        if (strcmp(script->kinds[i], name) == 0)
            return i;
    if (i == SCRIPT_KINDS)
        wrong(at, "too many kinds of requests");
    if (*name == '\0' || strlen(name) >= SCRIPT_KIND_NAME || strpbrk(name, "\"\\ ") != NULL)
        wrong(at, "a kind is a short word");
    strcpy(script->kinds[i], name);
    return script->kind_count++;
}

/* Takes the text. A mark becomes room for the digits. */
static struct template make_template(struct place at, char *text)
{
    struct template made = {.text = calloc(1, strlen(text) * 2 + 1)};
    char *rest = text, *mark;

    while ((mark = strstr(rest, MARK)) != NULL) {
        if (made.count == sizeof made.seqs / sizeof made.seqs[0])
            wrong(at, "too many {seq}");
        memcpy(made.text + made.len, rest, (size_t)(mark - rest));
        made.len += (size_t)(mark - rest);
        made.seqs[made.count++] = made.len;
        memset(made.text + made.len, '0', DIGITS);
        made.len += DIGITS;
        rest = mark + strlen(MARK);
    }
    strcpy(made.text + made.len, rest);
    made.len += strlen(rest);
    free(text);
    return made;
}

size_t template_write(const struct template *template, uint64_t seq, char *out)
{
    memcpy(out, template->text, template->len);
    for (int i = 0; i < template->count; i++) {
        uint64_t rest = seq;
        for (int digit = DIGITS; digit-- > 0; rest /= 10)
            out[template->seqs[i] + (size_t)digit] = (char)('0' + rest % 10);
    }
    return template->len;
}

/* Fields apart by "|" as lines. */
static char *field_lines(const char *fields)
{
    char *lines = calloc(1, strlen(fields) * 2 + 3), *out = lines;

    if (*fields == '\0')
        return lines;
    for (; *fields != '\0'; fields++)
        out = *fields == '|' ? stpcpy(out, "\r\n") : (*out = *fields, out + 1);
    strcpy(out, "\r\n");
    return lines;
}

/* With its number the body is as long as the template's. */
static char *compose(const char *host, char **words, size_t body_len)
{
    const char *method = words[3], *path = words[4], *body = words[6];
    char *fields = field_lines(words[5]), *text, length[64] = "";

    if (*body != '\0')
        snprintf(length, sizeof length, "Content-Type: application/json\r\nContent-Length: %zu\r\n",
                 body_len);
    else if (strcmp(method, "POST") == 0)
        strcpy(length, "Content-Length: 0\r\n");
    if (asprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n%s%s\r\n%s", method, path, host, fields,
                 length, body) < 0)
        err(1, "asprintf");
    free(fields);
    return text;
}

static void add(struct script *script, struct place at, const char *host, char *line)
{
    char *words[7];
    struct entry *entry;

    for (int i = 0; i < 7; i++)
        if ((words[i] = strsep(&line, "\t")) == NULL)
            wrong(at, "seven words are wanted, apart by tabs");
    if (line != NULL)
        wrong(at, "more than seven words");
    script->entries = reallocarray(script->entries, script->count + 1, sizeof *script->entries);
    if (script->entries == NULL)
        err(1, "reallocarray");
    entry = &script->entries[script->count++];
    *entry = (struct entry){.kind = kind_of(script, at, words[0]), .status = atoi(words[1])};
    if (entry->status < 200 || entry->status > 599)
        wrong(at, "no such status");
    entry->safe = strcmp(words[3], "GET") == 0 || strcmp(words[3], "HEAD") == 0;
    entry->idempotent =
        entry->safe || strcmp(words[3], "PUT") == 0 || strcmp(words[3], "DELETE") == 0;

    struct template body = make_template(at, strdup(words[6]));
    entry->request = make_template(at, compose(host, words, body.len));
    entry->text = make_template(at, strdup(words[2]));
    free(body.text);
    if (entry->request.len > script->longest)
        script->longest = entry->request.len;
    if (entry->text.len > script->longest)
        script->longest = entry->text.len;
}

void script_read(const char *path, const char *host, struct script *out)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t len;

    if (file == NULL)
        err(2, "%s", path);
    *out = (struct script){0};
    for (int number = 1; (len = getline(&line, &room, file)) > 0; number++) {
        if (line[len - 1] == '\n')
            line[--len] = '\0';
        if (len > 0 && line[0] != '#')
            add(out, (struct place){path, number}, host, line);
    }
    free(line);
    fclose(file);
    if (out->count == 0)
        errx(2, "%s: there is no request in it", path);
}

void script_free(struct script *script)
{
    for (size_t i = 0; i < script->count; i++) {
        free(script->entries[i].request.text);
        free(script->entries[i].text.text);
    }
    free(script->entries);
}
