/*
 * embed: two apps in a program that is its own master.
 *
 * The host has its own main loop, its own signals and its own idea of when to end. It runs each
 * app on a thread, talks to one of them by bk_loop_post(), and stops both. What an app's handlers
 * use belongs to that app's thread alone, so nothing here is locked.
 *
 *   GET /          of the site: the greeting. A line on standard input changes it.
 *   GET /visits    of the admin app, on a port of its own: how often the site was asked.
 */
#include <pthread.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <backend/backend.h>

/* --- the site --------------------------------------------------------------------------------- */

struct site {
    char greeting[256]; /* only the site's thread reads and writes it */
};

/* The one thing that both apps look at. */
static atomic_llong visits;

static bk_err greet(bk_req *req, bk_res *res)
{
    struct site *site = bk_app_data(bk_req_app(req));

    atomic_fetch_add(&visits, 1);
    return bk_res_text(res, 200, bk_arena_dup(bk_req_arena(req), bk_str_of(site->greeting)));
}

struct change {
    struct site *site;
    char greeting[256];
};

/* On the site's thread, between two of its fibers. */
static void apply(void *data)
{
    struct change *change = data;

    memcpy(change->site->greeting, change->greeting, sizeof change->greeting);
    free(change);
}

/* --- the admin app ---------------------------------------------------------------------------- */

static bk_err show_visits(bk_req *req, bk_res *res)
{
    (void)req;
    bk_json_writer *w = bk_res_json_writer(res, 200);
    bk_json_begin_object(w);
    bk_json_write_key(w, BK_LIT("visits"));
    bk_json_write_i64(w, atomic_load(&visits));
    bk_json_end_object(w);
    return BK_OK;
}

/* --- the host --------------------------------------------------------------------------------- */

static void *run(void *app)
{
    bk_err err = bk_app_run(app);

    if (err != BK_OK)
        fprintf(stderr, "an app failed: %s\n", bk_err_text(err));
    return NULL;
}

/* Opens the socket here, where a failure is easy to tell, and serves on a thread. */
static pthread_t start(bk_app *app, const char *name)
{
    pthread_t thread;

    if (bk_app_listen(app, NULL) != BK_OK) {
        fprintf(stderr, "%s: %s\n", name, bk_error_chain()->message.ptr);
        exit(1);
    }
    printf("%s listening on http://127.0.0.1:%d\n", name, bk_app_port(app, 0));
    fflush(stdout);
    if (pthread_create(&thread, NULL, run, app) != 0)
        exit(1);
    return thread;
}

static void change_greeting(bk_app *app, struct site *site, const char *line)
{
    struct change *change = malloc(sizeof *change);

    if (change == NULL)
        exit(1);
    change->site = site;
    snprintf(change->greeting, sizeof change->greeting, "%s", line);
    if (bk_loop_post(app, apply, change) != BK_OK)
        free(change); /* the app is not running */
}

/* Until SIGINT or SIGTERM. The end of standard input is none of ours. */
static void host_loop(int signals, bk_app *app, struct site *site)
{
    struct pollfd watched[2] = {{.fd = signals, .events = POLLIN},
                                {.fd = STDIN_FILENO, .events = POLLIN}};
    char line[256];

    while (poll(watched, 2, -1) > 0 && watched[0].revents == 0) {
        ssize_t len = read(STDIN_FILENO, line, sizeof line - 1);
        if (len <= 0) {
            watched[1].fd = -1;
            continue;
        }
        line[len] = '\0';
        change_greeting(app, site, line);
    }
}

int main(void)
{
    struct site site = {.greeting = "Hello from the host\n"};
    sigset_t stop;

    /* Before any thread is made, so that all of them inherit it. */
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);

    bk_app *pages = bk_app_new(&(bk_app_opts){.name = "site", .data = &site});
    bk_app *admin = bk_app_new(&(bk_app_opts){.name = "admin"});
    bk_get(bk_app_router(pages), "/", greet);
    bk_get(bk_app_router(admin), "/visits", show_visits);

    pthread_t pages_thread = start(pages, "site");
    pthread_t admin_thread = start(admin, "admin");
    host_loop(signalfd(-1, &stop, SFD_CLOEXEC), pages, &site);

    bk_app_stop(pages);
    bk_app_stop(admin);
    pthread_join(pages_thread, NULL);
    pthread_join(admin_thread, NULL);
    bk_app_free(pages);
    bk_app_free(admin);
    puts("both apps have stopped");
    return 0;
}
