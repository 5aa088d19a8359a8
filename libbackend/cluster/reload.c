/*
 * reload.c: replacing all workers, and replacing the executable. See supervisor.h.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <backend/config.h>
#include <backend/log.h>

#include "app/app.h"
#include "cluster/child.h"
#include "cluster/control.h"
#include "cluster/notify.h"
#include "cluster/supervisor.h"

static void tell_change(const bk_config_change *change, void *data)
{
    (void)data;
    bk_info("config.changed", bk_kv_str("key", change->key), bk_kv_str("before", change->before),
            bk_kv_str("after", change->after), bk_kv_str("source", change->source),
            bk_kv_bool("in_force", change->live));
}

/* The settings that may change do so here, before workers are forked that see them. False: some are
 * wrong, and all are as before. */
static bool reread_settings(const struct bk__supervisor *s)
{
    size_t count;

    if (s->app->config == NULL || bk_config_reload(s->app->config, tell_change, NULL) == BK_OK)
        return true;
    const bk_str *errors = bk_config_errors(s->app->config, &count);
    for (size_t i = 0; i < count; i++)
        bk_error("config.wrong", bk_kv_str("why", errors[i]));
    bk_error_clear();
    return false;
}

static void refuse_reload(struct bk__supervisor *s)
{
    s->reload_failed = true;
    bk_error("cluster.reload_failed", bk_kv_i64("generation", s->generation));
    bk__control_done(s->control, BK__CONTROL_RELOAD,
                     "the settings are wrong, see the log; the workers stay as they are");
}

static void begin_reload(struct bk__supervisor *s)
{
    s->generation++;
    s->reload = BK__RELOADING;
    s->reload_failed = false;
    bk_info("cluster.reloading", bk_kv_i64("generation", s->generation));
    bk__notify_reloading();
    for (unsigned slot = 0; slot < BK__SLOTS; slot++)
        bk__planned(s, slot)->stale =
            bk__planned(s, slot)->state == BK__STARTING || bk__planned(s, slot)->state == BK__READY;
}

void bk__reload(struct bk__supervisor *s)
{
    if (s->phase != BK__RUNNING)
        return;
    if (s->reload != BK__NO_RELOAD)
        s->reload = BK__RELOAD_AGAIN;
    else if (reread_settings(s))
        begin_reload(s);
    else
        refuse_reload(s);
}

void bk__reload_end(struct bk__supervisor *s, bool failed)
{
    bool again = s->reload == BK__RELOAD_AGAIN;

    s->reload = BK__NO_RELOAD;
    s->reload_failed = failed;
    if (failed)
        bk_error("cluster.reload_failed", bk_kv_i64("generation", s->generation));
    else
        bk_info("cluster.reloaded", bk_kv_i64("generation", s->generation));
    bk__notify("READY=1");
    bk__control_done(s->control, BK__CONTROL_RELOAD,
                     failed ? "a new worker did not become ready; the old ones stay" : NULL);
    if (again)
        bk__reload(s);
}

/* --- the executable --------------------------------------------------------------------------- */

void bk__upgrade(struct bk__supervisor *s)
{
    if (s->phase != BK__RUNNING || s->upgrade.pid != 0)
        return;
    if (!bk__upgrade_start(&s->upgrade, s->app, &s->legacy)) {
        bk_error("cluster.upgrade_failed", bk_kv_cstr("cause", strerror(errno)));
        bk__control_done(s->control, BK__CONTROL_UPGRADE, strerror(errno));
        return;
    }
    s->upgrade.until_ms = bk__monotonic_ms() + 2 * (uint64_t)s->opts.start_ms;
    bk_info("cluster.upgrading", bk_kv_i64("supervisor", s->upgrade.pid));
}

void bk__upgrade_give_up(struct bk__supervisor *s, const char *why)
{
    bk_error("cluster.upgrade_failed", bk_kv_i64("supervisor", s->upgrade.pid),
             bk_kv_cstr("cause", why));
    kill(s->upgrade.pid, SIGKILL); /* its workers die with it */
    bk__upgrade_end(&s->upgrade);
    s->upgrade.pid = 0;
    bk__control_done(s->control, BK__CONTROL_UPGRADE, why);
}

static void hand_over(struct bk__supervisor *s)
{
    bk_info("cluster.upgraded", bk_kv_i64("supervisor", s->upgrade.pid));
    bk__notify("MAINPID=%d", (int)s->upgrade.pid);
    bk__legacy_hand_on(&s->legacy, s->upgrade.pid);
    bk__upgrade_end(&s->upgrade);
    s->handed_over = true;
    bk__control_done(s->control, BK__CONTROL_UPGRADE, NULL);
    bk__control_close(s->control, false); /* the file is the new one's by now, or soon */
    s->control = NULL;
    bk__supervisor_stop(s);
}

void bk__upgrade_news(struct bk__supervisor *s)
{
    int news = bk__upgrade_hear(&s->upgrade);

    if (news > 0)
        hand_over(s);
    else if (news < 0)
        bk__upgrade_end(&s->upgrade); /* its end is told by SIGCHLD */
}
