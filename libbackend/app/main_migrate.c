/*
 * main_migrate.c: migrations from the command line. See main_migrate.h and <backend/migrate.h>.
 *
 * The app is started without its worker: on_worker_start may well read tables that do not exist
 * yet. What runs are its parts, the pool among them, and one fiber.
 */
#include "app/main_migrate.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include <backend/clock.h>
#include <backend/migrate.h>

#include "app/app.h"
#include "app/step.h"
#include "core/assert.h"
#include "migrate/source.h"

#define STATUS_FAILED  1
#define STATUS_USAGE   2
#define STATUS_PENDING 3

struct command {
    bk_app *app;
    const struct verb *verb;
    bk_migrate_opts opts;
    int64_t version;
    bool has_to, applied;
    int status;
};

struct verb {
    const char *name;
    bk_err (*run)(struct command *command);
    const char *options; /* of getopt's, those that it takes */
};

void bk_migrations_use(bk_app *app, bk_pg *pg, const bk_migrations *set)
{
    bk_assert(app->loop == NULL && pg != NULL);
    if (bk__migrations_check(set) != BK_OK)
        bk__setup_error("bk_migrations_use", 0, "%s", bk_error_chain()->message.ptr);
    app->migrations_pg = pg;
    app->migrations = set;
}

static int help(FILE *out, int status)
{
    fputs("usage: PROGRAM migrate up         apply what is pending\n"
          "       PROGRAM migrate down [N]   undo the newest N (default 1)\n"
          "       PROGRAM migrate status     list all; exit status 0: up to date, 3: some are\n"
          "                                  pending, 1: history does not fit\n"
          "       PROGRAM migrate plan       what \"up\" would run; changes nothing\n"
          "       PROGRAM migrate baseline V note those up to V as applied, without running them\n"
          "       PROGRAM migrate resolve V applied|pending\n"
          "                                  after a look at the database: note how V stands\n"
          "\n"
          "options:\n"
          "  --to V             up to V, or down to V, which stays; down --to 0 undoes all\n"
          "  --dry-run          show the SQL, change nothing\n"
          "  --out-of-order     also apply those with a version below applied ones\n"
          "  --no-wait          fail when another instance is migrating\n"
          "  --wait SECONDS     go on trying for so long when there is no server yet\n",
          out);
    return status;
}

static void say(const char *line, void *data)
{
    (void)data;
    puts(line);
    fflush(stdout);
}

static void print_errors(void)
{
    const bk_error_link *link = bk_error_chain();

    if (link == NULL)
        fputs("migrate: failed\n", stderr);
    for (const char *head = "migrate: "; link != NULL; link = link->cause, head = "  ")
        fprintf(stderr, "%s%.*s\n", head, BK_PRI(link->message));
}

/* --- what the verbs do ------------------------------------------------------------------------ */

static bk_err run_up(struct command *command)
{
    size_t count = 0;

    BK_TRY(bk_migrate_up(command->app->migrations_pg, command->app->migrations, &command->opts,
                         &count));
    if (!command->opts.dry_run)
        printf("%zu applied\n", count);
    return BK_OK;
}

static bk_err run_down(struct command *command)
{
    size_t count = 0;

    BK_TRY(bk_migrate_down(command->app->migrations_pg, command->app->migrations, &command->opts,
                           &count));
    if (!command->opts.dry_run)
        printf("%zu undone\n", count);
    return BK_OK;
}

static bk_err run_plan(struct command *command)
{
    command->opts.dry_run = true;
    return run_up(command);
}

static void print_entry(const bk_migration_entry *entry)
{
    char at[BK_TIME_TEXT] = "";

    if (entry->applied_at != 0)
        bk_time_format(entry->applied_at, at);
    printf("%7lld  %-10s  %-27s  %8lld  %.*s%s%.*s\n", (long long)entry->version,
           bk_migration_state_name(entry->state), at, (long long)entry->duration_ms,
           BK_PRI(entry->name), entry->unfinished.ptr != NULL ? ", stopped at " : "",
           BK_PRI(entry->unfinished));
}

static bk_err run_status(struct command *command)
{
    bk_array entries;

    BK_TRY(bk_migrate_status(command->app->migrations_pg, command->app->migrations, &command->opts,
                             &entries));
    const bk_migration_entry *items = entries.items;
    printf("version  state       applied at                   took ms  name\n");
    for (size_t i = 0; i < entries.count; i++) {
        bk_migration_state state = items[i].state;
        print_entry(&items[i]);
        if (state == BK_MIGRATION_PENDING && command->status == 0)
            command->status = STATUS_PENDING;
        else if (state != BK_MIGRATION_PENDING && state != BK_MIGRATION_APPLIED &&
                 state != BK_MIGRATION_NEWER)
            command->status = STATUS_FAILED;
    }
    return BK_OK;
}

static bk_err run_baseline(struct command *command)
{
    size_t count = 0;

    BK_TRY(bk_migrate_baseline(command->app->migrations_pg, command->app->migrations,
                               command->version, &command->opts, &count));
    printf("%zu noted as applied\n", count);
    return BK_OK;
}

static bk_err run_resolve(struct command *command)
{
    BK_TRY(bk_migrate_resolve(command->app->migrations_pg, command->app->migrations,
                              command->version, command->applied, &command->opts));
    printf("%lld is %s\n", (long long)command->version, command->applied ? "applied" : "pending");
    return BK_OK;
}

static const struct verb verbs[] = {
    {"up", run_up, "tdonw"},   {"down", run_down, "tdnw"},       {"status", run_status, "w"},
    {"plan", run_plan, "tow"}, {"baseline", run_baseline, "nw"}, {"resolve", run_resolve, "nw"},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* --- the command line ------------------------------------------------------------------------- */

static bool read_number(const char *text, int64_t least, int64_t most, int64_t *out)
{
    return bk_str_to_i64(bk_str_of(text), out) == BK_OK && *out >= least && *out <= most;
}

static bool set_option(struct command *command, int option)
{
    int64_t seconds;

    switch (option) {
    case 't':
        command->has_to = true;
        return read_number(optarg, 0, INT64_MAX, &command->opts.to);
    case 'd':
        return command->opts.dry_run = true;
    case 'o':
        return command->opts.out_of_order = true;
    case 'n':
        return command->opts.no_wait = true;
    case 'w':
        if (!read_number(optarg, 0, 86400, &seconds))
            return false;
        command->opts.connect_ms = (uint32_t)seconds * 1000;
        return true;
    }
    return false;
}

/* What follows the verb and is no option. */
static bool set_words(struct command *command, int count, char **words)
{
    int64_t steps;

    if (command->verb->run == run_baseline)
        return count == 1 && read_number(words[0], 1, INT64_MAX, &command->version);
    if (command->verb->run == run_resolve) {
        command->applied = count == 2 && strcmp(words[1], "applied") == 0;
        return count == 2 && read_number(words[0], 1, INT64_MAX, &command->version) &&
               (command->applied || strcmp(words[1], "pending") == 0);
    }
    if (count == 0)
        return true;
    if (command->verb->run != run_down || count > 1 || command->has_to ||
        !read_number(words[0], 1, UINT32_MAX - 1, &steps))
        return false;
    command->opts.steps = (uint32_t)steps;
    return true;
}

/* Returns the exit status where there is nothing to run, else -1. */
static int read_command(struct command *command, int argc, char **argv)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},
        {"dry-run", no_argument, NULL, 'd'},
        {"out-of-order", no_argument, NULL, 'o'},
        {"no-wait", no_argument, NULL, 'n'},
        {"wait", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;

    if (argc > 1 && strcmp(argv[1], "--help") == 0)
        return help(stdout, 0);
    command->verb = argc > 1 ? find_verb(argv[1]) : NULL;
    if (command->verb == NULL)
        return help(stderr, STATUS_USAGE);
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    while ((option = getopt_long(argc - 1, argv + 1, "", options, NULL)) != -1) {
        if (option == 'h')
            return help(stdout, 0);
        if (option == '?' || strchr(command->verb->options, option) == NULL ||
            !set_option(command, option))
            return help(stderr, STATUS_USAGE);
    }
    if (!set_words(command, argc - 1 - optind, argv + 1 + optind))
        return help(stderr, STATUS_USAGE);
    if (command->has_to && command->opts.to == 0)
        command->opts.steps = UINT32_MAX; /* down --to 0 */
    if (command->has_to && command->opts.to == 0 && command->verb->run != run_down)
        return help(stderr, STATUS_USAGE);
    return -1;
}

static bk_err run_verb(void *data)
{
    struct command *command = data;

    bk_err err = command->verb->run(command);
    if (err != BK_OK) {
        command->status = STATUS_FAILED;
        print_errors();
    }
    return BK_OK; /* it has been said */
}

int bk__main_migrate(bk_app *app, int argc, char **argv)
{
    struct command command = {.app = app, .opts = {.say = say}};
    int status = read_command(&command, argc, argv);

    if (status >= 0)
        return status;
    if (app->migrations == NULL) {
        fputs("migrate: this program has no migrations\n", stderr);
        return STATUS_FAILED;
    }
    bk_err err = bk__app_start(app, &(struct bk__app_start_opts){.no_worker = true});
    if (err != BK_OK) {
        print_errors();
        return STATUS_FAILED;
    }
    (void)!bk__step_run(app->loop, "migrate", run_verb, &command);
    bk__app_finish(app);
    fflush(stdout);
    return command.status;
}
