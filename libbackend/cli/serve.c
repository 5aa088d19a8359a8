/*
 * serve.c: the subcommand `serve`. See serve.h.
 *
 * The one place in the library that takes the process over: signals, file limit, standard output.
 */
#include "cli/serve.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <backend/log.h>

#include "app/app.h"
#include "app/command.h"
#include "app/config.h"
#include "app/crash.h"
#include "cluster/notify.h"
#include "cluster/privileges.h"
#include "cluster/signals.h"
#include "cluster/supervisor.h"
#include "http/inherit.h"
#include "http/listener.h"

/* The app that SIGINT and SIGTERM stop; NULL: none. A signal handler has no other way to know. */
static bk_app *volatile stopped_by_signal;

static void on_stop_signal(int number)
{
    bk_app *app = stopped_by_signal;

    (void)number;
    if (app != NULL)
        bk_app_stop(app);
}

static void on_reopen_signal(int number)
{
    (void)number;
    (void)bk_log_reopen();
}

static void catch_signals(bk_app *app)
{
    struct sigaction action = {.sa_handler = on_stop_signal, .sa_flags = SA_RESTART};

    stopped_by_signal = app;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = on_reopen_signal;
    sigaction(SIGUSR1, &action, NULL);
}

static void raise_file_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

void bk__serve_help(FILE *out)
{
    fputs("options of serve, with the environment variable that sets the same:\n"
          "  --host NAME       where to listen (HOST; default 127.0.0.1)\n"
          "  --port N          0 takes a free one (PORT; default 8080)\n"
          "  --unix PATH       a unix socket instead\n"
          "  --tls-cert FILE   PEM with the certificate chain: HTTPS, HTTP/2 by ALPN (TLS_CERT)\n"
          "  --tls-key FILE    PEM with the key (TLS_KEY; default: in the certificate's file)\n"
          "  --workers N       processes that serve (WEB_WORKERS; default: one a processor)\n"
          "  --job-workers N   and that run jobs (JOB_WORKERS; default: those that serve do)\n"
          "  --ROLE-workers N  and that run the jobs of a role (ROLE_WORKERS; likewise)\n"
          "  --single          serve in this process, with no supervisor (WEB_WORKERS=0)\n"
          "  --control PATH    the socket for status, reload ... (CONTROL_SOCKET)\n"
          "  --stop-wait MS    from SIGTERM until nothing new is taken (STOP_WAIT_MS)\n"
          "  --user NAME, --group NAME   become this user once the sockets are open\n",
          out);
}

/* --- options ---------------------------------------------------------------------------------- */

/* Those of roles are called as the roles are. */
struct role_names {
    char flag[BK__ROLE_NAME + sizeof "-workers"];
    char variable[BK__ROLE_NAME + sizeof "_WORKERS"];
};

struct settings {
    bk_listen_opts listen;
    bk_cluster_opts cluster;
    uint32_t own[BK__OWN_ROLES]; /* workers of the app's own roles */
    struct role_names names[BK__OWN_ROLES];
};

enum kind {
    TEXT,
    NUMBER,
    PORT,
    FLAG
};

/* An option: its flag, the variable that sets the same, and where it goes. */
struct setting {
    const char *flag, *variable;
    enum kind kind;
    size_t at;
    uint32_t most;
};

#define LISTEN(field)  offsetof(struct settings, listen.field)
#define CLUSTER(field) offsetof(struct settings, cluster.field)

static const struct setting all[] = {
    {"host", "HOST", TEXT, LISTEN(host), 0},
    {"port", "PORT", PORT, LISTEN(port), UINT16_MAX},
    {"unix", NULL, TEXT, LISTEN(unix_path), 0},
    {"tls-cert", "TLS_CERT", TEXT, LISTEN(tls_cert), 0},
    {"tls-key", "TLS_KEY", TEXT, LISTEN(tls_key), 0},
    {"workers", "WEB_WORKERS", NUMBER, CLUSTER(web_workers), BK__WORKERS_MAX},
    {"job-workers", "JOB_WORKERS", NUMBER, CLUSTER(job_workers), BK__WORKERS_MAX},
    {"single", NULL, FLAG, CLUSTER(single), 0},
    {"control", "CONTROL_SOCKET", TEXT, CLUSTER(control), 0},
    {"stop-wait", "STOP_WAIT_MS", NUMBER, CLUSTER(wait_ms), 3600000},
    {"user", NULL, TEXT, CLUSTER(user), 0},
    {"group", NULL, TEXT, CLUSTER(group), 0},
};

#define FIXED (sizeof all / sizeof all[0])
#define MOST  (FIXED + BK__OWN_ROLES)

/* The names of what sets how many workers of a role there are. */
static struct role_names names_of(const struct bk__own_role *role)
{
    struct role_names names = {"", ""};
    size_t len = strlen(role->name);

    snprintf(names.flag, sizeof names.flag, "%s-workers", role->name);
    snprintf(names.variable, sizeof names.variable, "%s_WORKERS", role->name);
    for (size_t i = 0; i < len; i++)
        names.variable[i] = (char)toupper((unsigned char)names.variable[i]);
    return names;
}

/* All settings of this app. Returns how many. */
static size_t list_settings(const bk_app *app, struct settings *settings, struct setting out[MOST])
{
    memcpy(out, all, sizeof all);
    for (size_t i = 0; i < app->role_count; i++) {
        settings->names[i] = names_of(&app->roles[i]);
        out[FIXED + i] =
            (struct setting){settings->names[i].flag, settings->names[i].variable, NUMBER,
                             offsetof(struct settings, own[i]), BK__WORKERS_MAX};
    }
    return FIXED + app->role_count;
}

static bool read_number(const char *text, uint32_t most, uint32_t *out)
{
    char *end;

    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < 0 || value > (long)most)
        return false;
    *out = (uint32_t)value;
    return true;
}

/* Returns 0, or the exit status after having said what is wrong. */
static int set(struct settings *settings, const struct setting *setting, const char *name,
               const char *text)
{
    void *field = (char *)settings + setting->at;
    uint32_t number = 0;

    if ((setting->kind == NUMBER || setting->kind == PORT) &&
        !read_number(text, setting->most, &number)) {
        fprintf(stderr, "%s: %s is no number from 0 to %u\n", name, text, setting->most);
        return 2;
    }
    switch (setting->kind) {
    case TEXT:
        *(const char **)field = text;
        break;
    case NUMBER:
        *(uint32_t *)field = number;
        break;
    case PORT:
        *(uint16_t *)field = (uint16_t)number;
        break;
    case FLAG:
        *(bool *)field = true;
        break;
    }
    /* No worker at all is what somebody wants who debugs. */
    if (setting->at == CLUSTER(web_workers))
        settings->cluster.single = number == 0;
    return 0;
}

static struct settings settings_of(bk_app *app)
{
    struct settings settings = {.listen = {.port = 8080}, .cluster = app->cluster};

    if (app->opts.listen != NULL)
        settings.listen = *app->opts.listen;
    bk__roles_fill(app);
    for (unsigned i = 0; i < app->role_count; i++)
        settings.own[i] = app->roles[i].workers;
    return settings;
}

/* A variable that is a setting of the program's own has been read, with what goes before it. */
static const char *value_of(const bk_app *app, const char *variable)
{
    if (variable == NULL ||
        (app->config != NULL && bk__config_find(app->config->now.desc, bk_str_of(variable)) >= 0))
        return NULL;
    return getenv(variable);
}

static int read_environment(const bk_app *app, struct settings *settings)
{
    struct setting known[MOST];
    size_t count = list_settings(app, settings, known);
    int status = 0;

    for (size_t i = 0; i < count && status == 0; i++) {
        const char *text = value_of(app, known[i].variable);
        if (text != NULL)
            status = set(settings, &known[i], known[i].variable, text);
    }
    return status;
}

static int read_arguments(const bk_app *app, struct settings *settings, int argc, char **argv)
{
    struct option options[MOST + 2] = {{NULL, 0, NULL, 0}};
    struct setting known[MOST];
    size_t count = list_settings(app, settings, known);
    int option, status = 0;

    for (size_t i = 0; i < count; i++)
        options[i] = (struct option){
            known[i].flag, known[i].kind == FLAG ? no_argument : required_argument, NULL, (int)i};
    options[count] = (struct option){"help", no_argument, NULL, (int)count};
    optind = 0; /* glibc: begin anew, whatever was parsed before */
    while (status == 0 && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == (int)count)
            return bk__help(app, stdout, -1);
        if (option < 0 || option > (int)count)
            return bk__help(app, stderr, 2);
        status = set(settings, &known[option], known[option].flag, optarg);
    }
    if (status == 0 && optind < argc) {
        fprintf(stderr, "unexpected argument: %s\n", argv[optind]);
        return bk__help(app, stderr, 2);
    }
    return status;
}

/* --- serving ---------------------------------------------------------------------------------- */

static void print_urls(const bk_app *app)
{
    char url[300];

    for (const struct bk__listener *it = app->server.listeners; it != NULL; it = it->next) {
        bk__listener_url(it, url, sizeof url);
        printf("listening on %s\n", url);
    }
    fflush(stdout);
}

/* Those that systemd has opened, else the one that was asked for; unless the program has its own.
 */
static bk_err listen_on(bk_app *app, const bk_listen_opts *opts)
{
    int inherited = bk__notify_sockets();

    for (int i = 0; i < inherited; i++) {
        bk_listen_opts given = *opts;
        given.fd = BK__NOTIFY_FIRST + i;
        BK_TRY(bk_app_listen(app, &given));
    }
    if (app->server.listeners != NULL)
        return BK_OK;
    return bk_app_listen(app, opts);
}

bool bk__serve_listen(bk_app *app)
{
    struct settings settings = settings_of(app);

    if (read_environment(app, &settings) != 0) {
        (void)bk_fail(BK_EINVAL, "a setting in the environment is wrong");
        return false;
    }
    return listen_on(app, &settings.listen) == BK_OK;
}

static bk_err run_alone(bk_app *app)
{
    catch_signals(app);
    bk_err err = bk_app_run(app);
    stopped_by_signal = NULL; /* one more signal finds nothing left to stop */
    return err;
}

int bk__serve(bk_app *app, int argc, char **argv, void *data)
{
    struct settings settings = settings_of(app);
    int status = read_environment(app, &settings);

    (void)data;
    if (status == 0)
        status = read_arguments(app, &settings, argc, argv);
    if (status != 0)
        return status > 0 ? status : 0;
    raise_file_limit();
    bk__crash_install();
    if (listen_on(app, &settings.listen) != BK_OK)
        return bk__command_failed(app->name);
    if (bk__privileges_drop(settings.cluster.user, settings.cluster.group) != BK_OK)
        return bk__command_failed(app->name);
    bk__inherit_drop();
    if (!settings.cluster.single)
        bk__signals_block();
    print_urls(app);
    if (!settings.cluster.single) {
        uint32_t own = 0;
        for (unsigned i = 0; i < app->role_count; i++)
            own += app->roles[i].workers = settings.own[i];
        bk__cluster_fill(&settings.cluster, own);
        return bk__supervise(app, &settings.cluster);
    }
    return run_alone(app) == BK_OK ? 0 : bk__command_failed(app->name);
}
