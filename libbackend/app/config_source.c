/*
 * config_source.c: where settings are looked for. See config.h.
 */
#include "app/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <backend/arena.h>

#include "app/ini.h"
#include "core/assert.h"
#include "json/field.h"

extern char **environ;

/* --- keys ------------------------------------------------------------------------------------- */

/* As keys are written in descriptions. */
static bk_str plain_key(bk_arena *arena, bk_str text)
{
    bk_str out = bk_arena_dup(arena, text);
    char *at = (char *)(uintptr_t)out.ptr;

    for (size_t i = 0; i < out.len; i++) {
        if (at[i] >= 'A' && at[i] <= 'Z')
            at[i] = (char)(at[i] - 'A' + 'a');
        else if (at[i] == '-' || at[i] == '.')
            at[i] = '_';
    }
    return out;
}

static bool same_letter(char key, char c)
{
    if (c >= 'A' && c <= 'Z')
        c = (char)(c - 'A' + 'a');
    return key == c || (key == '_' && (c == '-' || c == '.'));
}

static bool is_key(const char *key, bk_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (key[i] == '\0' || !same_letter(key[i], text.ptr[i]))
            return false;
    return key[text.len] == '\0';
}

int bk__config_find(const bk_desc *desc, bk_str key)
{
    for (size_t i = 0; i < desc->count; i++)
        if (is_key(bk__field_key(&desc->fields[i]), key))
            return (int)i;
    return -1;
}

#define LIKE_MAX 48

/* Insertions, deletions, replacements and swaps of neighbours that make one of the other. */
static size_t distance(bk_str a, bk_str b)
{
    size_t rows[3][LIKE_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];

    for (size_t j = 0; j <= b.len; j++)
        above[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            bool same = a.ptr[i - 1] == b.ptr[j - 1];
            size_t best = above[j - 1] + !same;
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *free_row = before;
        before = above;
        above = row;
        row = free_row;
    }
    return above[b.len];
}

bk_str bk__config_like(bk_arena *arena, const bk_desc *desc, bk_str key)
{
    size_t least = key.len / 3 + 2; /* further away it is another word */
    const char *found = NULL;

    if (key.len > LIKE_MAX)
        return bk_str_of(NULL);
    key = plain_key(arena, key);
    for (size_t i = 0; i < desc->count; i++) {
        bk_str other = bk_str_of(bk__field_key(&desc->fields[i]));
        size_t far = other.len <= LIKE_MAX ? distance(key, other) : least;
        if (far < least) {
            least = far;
            found = other.ptr;
        }
    }
    return bk_str_of(found);
}

/* --- values ----------------------------------------------------------------------------------- */

bk_err bk__config_read_whole(bk_arena *arena, const char *path, bk_str *out, const char **why)
{
    bk_buf text = {.arena = arena};
    ssize_t got = -1;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0) {
        while ((got = read(fd, bk_buf_reserve(&text, 4096), 4096)) > 0 &&
               text.len <= BK__INI_BYTES_MAX)
            text.len += (size_t)got;
    }
    *why = got > 0 ? "it is larger than 1 MiB" : strerror(errno);
    bool absent = fd < 0 && errno == ENOENT;
    if (fd >= 0)
        close(fd);
    if (got != 0)
        return absent ? BK_ENOTFOUND : BK_EIO;
    *out = bk_buf_str(&text);
    return BK_OK;
}

/* The setting's value is in the file at @p path, without the end of its last line. */
static void give_file(struct bk__config_reading *reading, struct bk__given *given, bk_str path,
                      bk_str source)
{
    const char *why;
    bk_str text;

    given->text = bk_str_of(NULL);
    if (bk__config_read_whole(reading->arena, bk_arena_cstr(reading->arena, path), &text, &why) !=
        BK_OK) {
        bk__config_wrong(reading, source, "cannot read %.*s: %s", BK_PRI(path), why);
        return;
    }
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    given->text = text;
    given->source = bk_arena_printf(reading->arena, "%.*s (%.*s)", BK_PRI(path), BK_PRI(source));
}

/* A second value from the same source is a mistake, but in the environment, which has each once. */
static bool is_taken(struct bk__config_reading *reading, const struct bk__given *given,
                     enum bk__rank rank, const char *key, bk_str source)
{
    if (given->rank != rank)
        return false;
    bk__config_wrong(reading, source, "%s is there twice, also at %.*s: leave one of them", key,
                     BK_PRI(given->source));
    return true;
}

bool bk__config_give(struct bk__config_reading *reading, enum bk__rank rank, bk_str key,
                     bk_str text, bk_str source)
{
    const size_t tail = strlen("_file");
    int found = bk__config_find(reading->desc, key);
    bool by_file = false;

    if (found < 0 && key.len > tail) {
        bk_str end = plain_key(reading->arena, bk_str_at(key.ptr + key.len - tail, tail));
        by_file = bk_str_eq(end, BK_LIT("_file"));
        if (by_file)
            found = bk__config_find(reading->desc, bk_str_at(key.ptr, key.len - tail));
    }
    if (found < 0)
        return false;
    struct bk__given *given = &reading->given[found];
    if (is_taken(reading, given, rank, bk__field_key(&reading->desc->fields[found]), source))
        return true;
    *given = (struct bk__given){.rank = rank, .text = text, .source = source, .by_file = by_file};
    if (by_file)
        give_file(reading, given, text, source);
    return true;
}

/* --- the settings file and .env --------------------------------------------------------------- */

static void unknown_key(struct bk__config_reading *reading, bk_str key, bk_str source)
{
    bk_str like = bk__config_like(reading->arena, reading->desc, key);

    if (like.ptr != NULL)
        bk__config_wrong(reading, source, "there is no setting \"%.*s\": did you mean \"%.*s\"?",
                         BK_PRI(key), BK_PRI(like));
    else
        bk__config_wrong(reading, source,
                         "there is no setting \"%.*s\": \"config print\" lists all", BK_PRI(key));
}

static void take_entry(struct bk__config_reading *reading, const char *path,
                       const struct bk__ini_entry *entry)
{
    bk_str source = bk_arena_printf(reading->arena, "%s:%d", path, entry->line);
    bk_str key = entry->name;

    if (entry->section.len > 0)
        key = bk_arena_printf(reading->arena, "%.*s_%.*s", BK_PRI(entry->section),
                              BK_PRI(entry->name));
    if (!bk__config_give(reading, BK__FROM_FILE, key, entry->value, source))
        unknown_key(reading, key, source);
}

void bk__config_read_file(bk_config *config, struct bk__config_reading *reading)
{
    struct bk__ini_entry entry;
    enum bk__ini_result result;
    struct bk__ini ini;
    const char *why;
    bk_str text;

    config->file =
        config->file_flag.ptr != NULL ? config->file_flag : bk__config_env(config, "CONFIG_FILE");
    bool named = config->file.ptr != NULL;
    if (!named)
        config->file = bk_str_of(config->opts.file);
    if (config->file.ptr == NULL)
        return;
    const char *path = bk_arena_cstr(reading->arena, config->file);
    bk_err err = bk__config_read_whole(reading->arena, path, &text, &why);
    if (err != BK_OK) {
        if (named || err != BK_ENOTFOUND)
            bk__config_wrong(reading, config->file, "cannot be read: %s", why);
        return;
    }
    bk__ini_init(&ini, reading->arena, text, false);
    while ((result = bk__ini_next(&ini, &entry)) != BK__INI_END) {
        if (result == BK__INI_ENTRY)
            take_entry(reading, path, &entry);
        else
            bk__config_wrong(reading, bk_arena_printf(reading->arena, "%s:%d", path, ini.line),
                             "%s", ini.why);
    }
}

/* Libraries read the environment themselves. */
static void export_entry(bk_config *config, struct bk__config_reading *reading,
                         const struct bk__ini_entry *entry)
{
    if (config->opts.environment == NULL)
        setenv(bk_arena_cstr(reading->arena, entry->name),
               bk_arena_cstr(reading->arena, entry->value), 0);
}

void bk__config_read_dotenv(bk_config *config, struct bk__config_reading *reading)
{
    const char *path = config->opts.dotenv != NULL ? config->opts.dotenv : ".env", *why;
    bk_str text, mode = bk__config_env(config, "APP_ENV");
    struct bk__ini_entry entry;
    enum bk__ini_result result;
    struct bk__ini ini;

    if (mode.ptr != NULL && !bk_str_eq(mode, BK_LIT("development")))
        return;
    bk_err err = bk__config_read_whole(reading->arena, path, &text, &why);
    if (err != BK_OK) {
        if (err != BK_ENOTFOUND)
            bk__config_wrong(reading, bk_str_of(path), "cannot be read: %s", why);
        return;
    }
    bk__ini_init(&ini, reading->arena, text, true);
    while ((result = bk__ini_next(&ini, &entry)) != BK__INI_END) {
        bk_str source = bk_arena_printf(reading->arena, "%s:%d", path, ini.line);
        if (result != BK__INI_ENTRY)
            bk__config_wrong(reading, source, "%s", ini.why);
        else if (entry.value.len > 0 &&
                 !bk__config_give(reading, BK__FROM_DOTENV, entry.name, entry.value, source))
            export_entry(config, reading, &entry);
    }
}

/* --- the environment -------------------------------------------------------------------------- */

static char *const *environment(const bk_config *config)
{
    return config->opts.environment != NULL ? config->opts.environment : environ;
}

bk_str bk__config_env(const bk_config *config, const char *name)
{
    size_t len = strlen(name);

    for (char *const *at = environment(config); at != NULL && *at != NULL; at++)
        if (strncmp(*at, name, len) == 0 && (*at)[len] == '=' && (*at)[len + 1] != '\0')
            return bk_str_of(*at + len + 1);
    return bk_str_of(NULL);
}

static bool is_capital(bk_str name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((name.ptr[i] >= 'a' && name.ptr[i] <= 'z') || name.ptr[i] == '-' || name.ptr[i] == '.')
            return false;
    return true;
}

void bk__config_read_environment(bk_config *config, struct bk__config_reading *reading)
{
    for (char *const *at = environment(config); at != NULL && *at != NULL; at++) {
        bk_str name, value = bk_str_of(*at);
        (void)bk_str_split(&value, '=', &name);
        if (value.len == 0 || !is_capital(name))
            continue;
        bk_str source = bk_arena_printf(reading->arena, "environment %.*s", BK_PRI(name));
        (void)bk__config_give(reading, BK__FROM_ENVIRONMENT, name,
                              bk_arena_dup(reading->arena, value), source);
    }
}

/* --- flags ------------------------------------------------------------------------------------ */

/* --no-debug; @p name is without its dashes. */
static int find_negated(const bk_desc *desc, bk_str name)
{
    if (!bk_str_starts(name, BK_LIT("no-")))
        return -1;
    int found = bk__config_find(desc, bk_str_at(name.ptr + 3, name.len - 3));
    return found >= 0 && desc->fields[found].type == BK_TYPE_BOOL ? found : -1;
}

/* Takes the flag at @p at and its value. Returns how many arguments that were; 0: it is none. */
static int take_flag(bk_config *config, struct bk__config_reading *reading, char **at,
                     const char *next)
{
    bk_str value = bk_str_of(*at + 2), name;

    (void)bk_str_split(&value, '=', &name);
    bool is_file = bk_str_eq(name, BK_LIT("config"));
    int found = bk__config_find(reading->desc, name);
    int negated = found < 0 ? find_negated(reading->desc, name) : -1;
    if (!is_file && found < 0 && negated < 0)
        return 0;
    int used = 1;
    bk_str source = bk_arena_printf(reading->arena, "flag --%.*s", BK_PRI(name));
    bool is_bool = found >= 0 && reading->desc->fields[found].type == BK_TYPE_BOOL;
    if (value.ptr == NULL && (is_bool || negated >= 0)) {
        value = is_bool ? BK_LIT("true") : BK_LIT("false");
    } else if (value.ptr == NULL) {
        if (next == NULL) {
            bk__config_wrong(reading, source, "needs a value");
            return used;
        }
        value = bk_str_of(next);
        used = 2;
    }
    if (is_file)
        config->file_flag = value;
    else
        config->flags[found >= 0 ? found : negated] =
            (struct bk__given){.rank = BK__FROM_FLAG, .text = value, .source = source};
    return used;
}

void bk__config_take_flags(bk_config *config, struct bk__config_reading *reading)
{
    char **argv = config->opts.argv;
    int argc = config->opts.argc != NULL ? *config->opts.argc : 0, kept = 0;

    for (int i = 0; i < argc;) {
        int used = 0;
        if (strcmp(argv[i], "--") == 0) {
            while (i < argc)
                argv[kept++] = argv[i++];
            break;
        }
        if (i > 0 && strncmp(argv[i], "--", 2) == 0)
            used = take_flag(config, reading, &argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (used == 0)
            argv[kept++] = argv[i++];
        i += used;
    }
    if (config->opts.argc != NULL) {
        *config->opts.argc = kept;
        argv[kept] = NULL;
    }
}
