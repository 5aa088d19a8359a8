/*
 * tz.c: TZif files: a table of instants at which the clock was changed, and a rule for what comes
 * after them. See tz.h.
 *
 * A file holds the table twice, first with 32 bits for programs of old; we use the second.
 */
#include "queue/tz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <backend/str.h>

#include "core/assert.h"

#define FOLDER       "/usr/share/zoneinfo/"
#define NAME_MAX_LEN 64
#define FILE_MAX     (64 * 1024) /* the largest have 4 KiB */
#define HEADER_BYTES 44
#define TYPE_BYTES   6
#define OFFSET_MAX   (26 * 3600) /* RFC 8536: less than 26 hours east, 25 west */

struct bk__tz {
    size_t count;
    int64_t *times;   /* rising; when the offset changes */
    int32_t *offsets; /* one more: [0] is what holds before times[0], [i + 1] from times[i] on */
    bool has_rule;    /* for all after the last of the times */
    struct bk__tz_rule rule;
};

/* What is left of a file. */
struct reader {
    const unsigned char *at;
    size_t left;
};

/* The counts in a header, in its order. */
struct counts {
    size_t isut, isstd, leap, times, types, chars;
};

static const unsigned char *take(struct reader *reader, size_t bytes)
{
    const unsigned char *at = reader->at;
    if (bytes > reader->left)
        return NULL;
    reader->at += bytes;
    reader->left -= bytes;
    return at;
}

static uint32_t big32(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static int64_t big(const unsigned char *at, size_t width)
{
    if (width == 4)
        return (int32_t)big32(at);
    return (int64_t)((uint64_t)big32(at) << 32 | big32(at + 4));
}

static bool take_header(struct reader *reader, char *version, struct counts *out)
{
    const unsigned char *at = take(reader, HEADER_BYTES);
    if (at == NULL || memcmp(at, "TZif", 4) != 0)
        return false;
    *version = (char)at[4];
    at += 20;
    *out = (struct counts){big32(at),      big32(at + 4),  big32(at + 8),
                           big32(at + 12), big32(at + 16), big32(at + 20)};
    /* Each takes a byte at least, so that none can be more than what is left. */
    size_t sizes[] = {out->isut, out->isstd, out->leap, out->times, out->types, out->chars};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i] > reader->left)
            return false;
    return out->types > 0 && out->types <= 256;
}

static size_t body_bytes(const struct counts *counts, size_t width)
{
    return counts->times * (width + 1) + counts->types * TYPE_BYTES + counts->chars +
           counts->leap * (width + 4) + counts->isstd + counts->isut;
}

/* The table of a body whose times have @p width bytes. @p body is large enough. */
static bool fill(struct bk__tz *tz, const unsigned char *body, const struct counts *counts,
                 size_t width)
{
    const unsigned char *times = body;
    const unsigned char *kinds = times + counts->times * width;
    const unsigned char *types = kinds + counts->times;

    for (size_t i = 0; i <= counts->times; i++) {
        size_t kind = i > 0 ? kinds[i - 1] : 0;
        if (kind >= counts->types)
            return false;
        tz->offsets[i] = (int32_t)big32(types + kind * TYPE_BYTES);
        if (tz->offsets[i] < -OFFSET_MAX || tz->offsets[i] > OFFSET_MAX)
            return false;
        if (i == counts->times)
            break;
        tz->times[i] = big(times + i * width, width);
        if (i > 0 && tz->times[i] <= tz->times[i - 1])
            return false;
    }
    tz->count = counts->times;
    return true;
}

/* "\nRULE\n"; an empty one says that nothing is known beyond the table. */
static bool take_rule(struct reader *reader, struct bk__tz *tz)
{
    const char *text = (const char *)reader->at;
    if (reader->left < 2 || text[0] != '\n')
        return false;
    const char *end = memchr(text + 1, '\n', reader->left - 1);
    if (end == NULL)
        return false;
    tz->has_rule = end > text + 1;
    return !tz->has_rule ||
           bk__tz_rule_parse(bk_str_at(text + 1, (size_t)(end - text) - 1), &tz->rule);
}

static struct bk__tz *new_tz(size_t times)
{
    struct bk__tz *tz = calloc(1, sizeof *tz);
    bk_assert(tz != NULL);
    tz->times = calloc(times + 1, sizeof *tz->times);
    tz->offsets = calloc(times + 1, sizeof *tz->offsets);
    bk_assert(tz->times != NULL && tz->offsets != NULL);
    return tz;
}

static struct bk__tz *read_tz(bk_str bytes)
{
    struct reader reader = {(const unsigned char *)bytes.ptr, bytes.len};
    struct counts counts;
    size_t width = 4;
    char version;

    if (!take_header(&reader, &version, &counts))
        return NULL;
    if (version >= '2') {
        width = 8;
        if (take(&reader, body_bytes(&counts, 4)) == NULL ||
            !take_header(&reader, &version, &counts))
            return NULL;
    }
    const unsigned char *body = take(&reader, body_bytes(&counts, width));
    if (body == NULL || counts.leap > 0)
        return NULL;
    struct bk__tz *tz = new_tz(counts.times);
    if (fill(tz, body, &counts, width) && (width == 4 || take_rule(&reader, tz)))
        return tz;
    bk__tz_free(tz);
    return NULL;
}

bk_err bk__tz_read(bk_str bytes, struct bk__tz **out)
{
    struct bk__tz *tz = read_tz(bytes);
    if (tz == NULL)
        return bk_fail(BK_EINVAL, "not a TZif file, or one that counts leap seconds");
    *out = tz;
    return BK_OK;
}

void bk__tz_free(struct bk__tz *tz)
{
    if (tz == NULL)
        return;
    free(tz->times);
    free(tz->offsets);
    free(tz);
}

/* Parts of letters, digits, '_', '-' and '+', with '/' between them: no path leads out of the
 * folder without a dot. */
static bool is_name(bk_str name)
{
    bool part = false; /* the part so far has a byte */
    if (name.len > NAME_MAX_LEN)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        if (c == '/' && !part)
            return false;
        part = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '+';
        if (!part && c != '/')
            return false;
    }
    return part;
}

/* The whole of the file at @p fd, up to FILE_MAX bytes; -1 when it is larger or fails. */
static ssize_t slurp(int fd, char *bytes)
{
    size_t len = 0;
    ssize_t got;
    while ((got = read(fd, bytes + len, FILE_MAX + 1 - len)) > 0)
        len += (size_t)got;
    return got < 0 || len > FILE_MAX ? -1 : (ssize_t)len;
}

bk_err bk__tz_open(bk_str name, struct bk__tz **out)
{
    char path[sizeof FOLDER + NAME_MAX_LEN] = FOLDER;

    if (!is_name(name))
        return bk_fail(BK_EINVAL, "time zone \"%.*s\": not a name such as Europe/Paris",
                       BK_PRI(name));
    memcpy(path + sizeof FOLDER - 1, name.ptr, name.len);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && access(FOLDER "UTC", R_OK) != 0)
        return bk_fail(BK_ENOTFOUND,
                       "time zone \"%.*s\": this system has none in " FOLDER
                       " (Debian's package is tzdata)",
                       BK_PRI(name));
    if (fd < 0)
        return bk_fail(BK_ENOTFOUND, "time zone \"%.*s\": there is none of that name",
                       BK_PRI(name));

    char *bytes = malloc(FILE_MAX + 1);
    bk_assert(bytes != NULL);
    ssize_t len = slurp(fd, bytes);
    struct bk__tz *tz = len < 0 ? NULL : read_tz(bk_str_at(bytes, (size_t)len));
    free(bytes);
    close(fd);
    if (tz == NULL)
        return bk_fail(BK_EIO, "time zone \"%.*s\": %s cannot be read as a TZif file", BK_PRI(name),
                       path);
    *out = tz;
    return BK_OK;
}

/* How many of the times are not after @p at. */
static size_t past(const struct bk__tz *tz, int64_t at)
{
    size_t low = 0, high = tz->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tz->times[middle] <= at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void bk__tz_span(const struct bk__tz *tz, int64_t at, struct bk__tz_span *out)
{
    struct bk__tz_span rule;
    size_t i = past(tz, at);

    *out = (struct bk__tz_span){
        .from = i > 0 ? tz->times[i - 1] : INT64_MIN,
        .until = i < tz->count ? tz->times[i] : INT64_MAX,
        .offset = tz->offsets[i],
        .before = tz->offsets[i > 0 ? i - 1 : 0],
    };
    if (i < tz->count || !tz->has_rule)
        return;
    bk__tz_rule_span(&tz->rule, at, &rule);
    out->offset = rule.offset;
    out->until = rule.until;
    if (rule.from > out->from) {
        out->from = rule.from;
        out->before = rule.before;
    }
}
