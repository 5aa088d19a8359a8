/*
 * config.c: settings from all their sources. See <backend/config.h>.
 *
 * Each reading goes into an object of its own. Only one without a mistake takes effect, so a reload
 * changes all that it may, or nothing.
 */
#include "app/config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <backend/arena.h>

#include "app/setting.h"
#include "core/arena.h"
#include "core/assert.h"
#include "json/field.h"

void bk__config_wrong(struct bk__config_reading *reading, bk_str source, const char *format, ...)
{
    bk_buf out = {.arena = reading->arena};
    va_list args;

    if (source.ptr != NULL)
        bk_buf_printf(&out, "%.*s: ", BK_PRI(source));
    va_start(args, format);
    bk_buf_add(&out, bk__arena_vprintf(reading->arena, format, args));
    va_end(args);
    if (reading->error_count == reading->error_cap) {
        size_t cap = reading->error_cap * 2 + 8;
        bk_str *errors = bk_arena_alloc(reading->arena, cap * sizeof *errors);
        if (reading->error_count > 0)
            memcpy(errors, reading->errors, reading->error_count * sizeof *errors);
        reading->errors = errors;
        reading->error_cap = cap;
    }
    reading->errors[reading->error_count++] = bk_buf_str(&out);
}

static void *member(const bk_field *field, void *object)
{
    return (char *)object + field->offset;
}

static const void *member_of(const bk_field *field, const void *object)
{
    return (const char *)object + field->offset;
}

/* --- one reading ------------------------------------------------------------------------------ */

static void missing(bk_config *config, struct bk__config_reading *reading, const bk_field *field)
{
    bk_buf flag = {.arena = reading->arena}, name = {.arena = reading->arena};
    const char *key = bk__field_key(field);

    for (const char *at = key; *at != '\0'; at++) {
        bk_buf_add_char(&flag, *at == '_' ? '-' : *at);
        bk_buf_add_char(&name, *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at);
    }
    bk_str file = config->file.ptr != NULL ? config->file : BK_LIT("a file that --config names");
    bk__config_wrong(
        reading, bk_str_of(NULL),
        "%s is missing: set %.*s, name a file that has it in %.*s_FILE, give --%.*s, or "
        "write \"%s = ...\" in %.*s",
        key, BK_PRI(bk_buf_str(&name)), BK_PRI(bk_buf_str(&name)), BK_PRI(bk_buf_str(&flag)), key,
        BK_PRI(file));
}

static void wrong_value(struct bk__config_reading *reading, const bk_field *field,
                        const struct bk__given *given, bk_str why)
{
    bk_buf wanted = {.arena = reading->arena}, shown = {.arena = reading->arena};

    bk__setting_write_wanted(&wanted, field);
    if (!field->write_only) {
        bk_buf_add(&shown, BK_LIT(", not \""));
        bk__setting_write_hidden(&shown, given->text);
        bk_buf_add_char(&shown, '"');
    }
    bk__config_wrong(reading, given->source, "%s %.*s%.*s: give %.*s", bk__field_key(field),
                     BK_PRI(why), BK_PRI(bk_buf_str(&shown)), BK_PRI(bk_buf_str(&wanted)));
}

static void fill(bk_config *config, struct bk__config_reading *reading, const bk_field *field,
                 struct bk__given *given)
{
    void *slot = member(field, reading->object);
    bk_str why;

    if (given->rank != BK__FROM_NOWHERE) {
        if (given->text.ptr == NULL)
            return;
        if (!bk__setting_read(reading->arena, field, given->text, slot, &why))
            wrong_value(reading, field, given, why);
        else if (field->has)
            *bk__field_has(field, reading->object) = true;
    } else if (field->required) {
        missing(config, reading, field);
    } else if (field->fallback != NULL) {
        bool good = bk__setting_read(reading->arena, field, bk_str_of(field->fallback), slot, &why);
        bk_assert(good); /* bk__settings_check() has tried */
    }
}

/* What the program itself finds wrong. */
static void run_check(bk_config *config, struct bk__config_reading *reading)
{
    size_t count = 0;

    bk_error_clear();
    bk_err err = config->opts.check(reading->object, reading->arena, config->opts.data);
    if (err == BK_OK)
        return;
    const bk_field_error *fields = bk_error_fields(&count);
    for (size_t i = 0; i < count; i++) {
        int found = bk__config_find(reading->desc, fields[i].pointer);
        bk_str source = found >= 0 ? reading->given[found].source : bk_str_of(NULL);
        bk__config_wrong(reading, source, "%.*s %.*s", BK_PRI(fields[i].pointer),
                         BK_PRI(fields[i].detail));
    }
    const bk_error_link *link = bk_error_chain();
    if (count == 0)
        bk__config_wrong(reading, bk_str_of(NULL), "%.*s",
                         BK_PRI(link != NULL ? link->message : bk_str_of(bk_err_text(err))));
    bk_error_clear();
}

static void begin(struct bk__config_reading *reading, bk_arena *arena, const bk_desc *desc)
{
    *reading = (struct bk__config_reading){
        .arena = arena,
        .desc = desc,
        .given = bk_arena_zalloc(arena, desc->count * sizeof *reading->given),
        .object = bk_arena_zalloc(arena, desc->bytes),
    };
}

static bk_err read_all(bk_config *config, struct bk__config_reading *reading)
{
    bk__config_read_file(config, reading);
    bk__config_read_dotenv(config, reading);
    bk__config_read_environment(config, reading);
    for (size_t i = 0; i < reading->desc->count; i++) {
        if (config->flags[i].rank == BK__FROM_FLAG)
            reading->given[i] = config->flags[i];
        fill(config, reading, &reading->desc->fields[i], &reading->given[i]);
    }
    if (reading->error_count == 0 && config->opts.check != NULL)
        run_check(config, reading);
    if (reading->error_count == 0)
        return BK_OK;
    return bk_fail(BK_EINVAL, "%.*s", BK_PRI(reading->errors[0]));
}

/* --- the config ------------------------------------------------------------------------------- */

bk_err bk_config_load(bk_desc_fn desc, const bk_config_opts *opts, void *settings, bk_config **out)
{
    bk_arena *arena = bk_arena_new();
    bk_config *config = BK_NEW(arena, bk_config);

    bk__settings_check(desc());
    *out = config;
    config->arena = arena;
    config->settings = settings;
    if (opts != NULL)
        config->opts = *opts;
    config->flags = bk_arena_zalloc(arena, desc()->count * sizeof *config->flags);
    begin(&config->now, arena, desc());
    bk__config_take_flags(config, &config->now);
    bk_err err = read_all(config, &config->now);
    if (err == BK_OK)
        memcpy(settings, config->now.object, desc()->bytes);
    else
        memset(settings, 0, desc()->bytes);
    return err;
}

bk_config *bk_config_open(bk_desc_fn desc, const bk_config_opts *opts, void *settings)
{
    bk_config *config;

    if (bk_config_load(desc, opts, settings, &config) == BK_OK)
        return config;
    fputs("the settings are not as they should be:\n", stderr);
    for (size_t i = 0; i < config->now.error_count; i++)
        fprintf(stderr, "  %.*s\n", BK_PRI(config->now.errors[i]));
    bk_config_free(config);
    exit(2);
}

void bk_config_free(bk_config *config)
{
    if (config == NULL)
        return;
    bk_arena_free(config->last);
    bk_arena_free(config->arena);
}

const bk_str *bk_config_errors(const bk_config *config, size_t *count)
{
    *count = config->now.error_count;
    return config->now.errors;
}

bk_str bk_config_source(const bk_config *config, bk_str key)
{
    int found = bk__config_find(config->now.desc, key);

    if (found < 0)
        return bk_str_of(NULL);
    bk_str source = config->now.given[found].source;
    return source.ptr != NULL ? source : BK_LIT("default");
}

const char *const *bk_config_words(bk_config *config, const bk_array *list)
{
    const char **words = bk_arena_alloc(config->arena, (list->count + 1) * sizeof *words);
    const bk_str *items = list->items;

    for (size_t i = 0; i < list->count; i++)
        words[i] = items[i].ptr; /* each ends with a NUL */
    words[list->count] = NULL;
    return words;
}

/* --- differences ------------------------------------------------------------------------------ */

static size_t tell_differences(const struct bk__config_reading *before,
                               const struct bk__config_reading *after, bk_config_change_fn each,
                               void *data)
{
    size_t count = 0;

    for (size_t i = 0; i < before->desc->count; i++) {
        const bk_field *field = &before->desc->fields[i];
        const void *old = member_of(field, before->object);
        const void *now = member_of(field, after->object);
        if (bk__setting_same(field, old, now))
            continue;
        count++;
        if (each == NULL)
            continue;
        bk_arena arena;
        bk__arena_init(&arena, NULL, 0);
        bk_buf was = {.arena = &arena}, is = {.arena = &arena};
        bk__setting_write(&was, field, old);
        bk__setting_write(&is, field, now);
        bk_str source = after->given[i].source;
        each(&(bk_config_change){bk_str_of(bk__field_key(field)), bk_buf_str(&was), bk_buf_str(&is),
                                 source.ptr != NULL ? source : BK_LIT("default"), field->live},
             data);
        bk__arena_fini(&arena);
    }
    return count;
}

size_t bk_config_diff(const bk_config *before, const bk_config *after, bk_config_change_fn each,
                      void *data)
{
    bk_assert(before->now.desc == after->now.desc);
    return tell_differences(&before->now, &after->now, each, data);
}

static void free_arena(void *arena)
{
    bk_arena_free(arena);
}

/* Puts what may change in force. True: texts of @p fresh are in use now. */
static bool adopt(bk_config *config, const struct bk__config_reading *fresh)
{
    struct bk__config_reading *now = &config->now;
    bool some = false;

    for (size_t i = 0; i < now->desc->count; i++) {
        const bk_field *field = &now->desc->fields[i];
        const void *to = member_of(field, fresh->object);
        if (field->live && field->has)
            *bk__field_has(field, config->settings) = fresh->given[i].rank != BK__FROM_NOWHERE;
        if (!field->live || bk__setting_same(field, member_of(field, now->object), to))
            continue;
        memcpy(member(field, config->settings), to, field->item_bytes);
        memcpy(member(field, now->object), to, field->item_bytes);
        now->given[i] = fresh->given[i];
        some = true;
    }
    return some;
}

bk_err bk_config_reload(bk_config *config, bk_config_change_fn each, void *data)
{
    struct bk__config_reading *now = &config->now, fresh;
    bk_arena *arena = bk_arena_new();

    bk_arena_free(config->last);
    config->last = NULL;
    begin(&fresh, arena, now->desc);
    bk_err err = read_all(config, &fresh);
    now->errors = fresh.errors;
    now->error_count = now->error_cap = fresh.error_count;
    if (err == BK_OK) {
        (void)tell_differences(now, &fresh, each, data);
        if (adopt(config, &fresh)) {
            bk_arena_defer(config->arena, free_arena, arena);
            return BK_OK;
        }
    }
    config->last = arena;
    return err;
}
