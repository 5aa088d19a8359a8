/*
 * Counting, in one process and in many; what stays and what is forgotten; what cannot be declared.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <backend/app.h>
#include <backend/arena.h>
#include <backend/metrics.h>
#include <backend/str.h>

#include "core/metrics.h"
#include "harness/stops.h"

static bk_app *app;

static int open_app(void **state)
{
    (void)state;
    app = bk_app_new(NULL);
    return 0;
}

static int close_app(void **state)
{
    (void)state;
    bk_app_free(app);
    return 0;
}

static bk_counter *new_counter(uint32_t series)
{
    return bk_counter_new(app, &(bk_metric_opts){.name = "shop_orders_total",
                                                 .help = "Orders.",
                                                 .labels = {"channel"},
                                                 .series = series});
}

static bk_counter *of_channel(bk_counter *counter, const char *channel)
{
    return bk_counter_with(counter, BK_LABELS(bk_str_of(channel)));
}

static bk_gauge *new_gauge(const char *name, bk_gauge_policy policy)
{
    return bk_gauge_new(app, &(bk_metric_opts){.name = name, .help = "A gauge.", .policy = policy});
}

static const struct bk__metric *metric(const char *name)
{
    const struct bk__metric *it = bk__metrics_of(app)->first;

    while (it != NULL && strcmp(it->name, name) != 0)
        it = it->next;
    assert_non_null(it);
    return it;
}

/* The first cell over all slots; -1 where there is no such series. @p value  Of the only label;
 * NULL: there is none. */
static double total(const char *name, const char *value)
{
    bk_arena *arena = bk_arena_new();
    struct bk__reading **readings;
    size_t count = bk__metric_read(metric(name), arena, &readings);
    double found = -1;

    for (size_t i = 0; i < count; i++) {
        bk_str left = readings[i]->labels;
        if (value == NULL || bk_str_eq(bk__label_cut(&left), bk_str_of(value)))
            found = readings[i]->cells[0];
    }
    bk_arena_free(arena);
    return found;
}

static size_t count_series(const char *name)
{
    bk_arena *arena = bk_arena_new();
    struct bk__reading **readings;
    size_t count = bk__metric_read(metric(name), arena, &readings);

    bk_arena_free(arena);
    return count;
}

/* Runs @p work as a worker in @p slot. */
static void in_worker(unsigned slot, void (*work)(void))
{
    int status;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        bk__metrics_enter(bk__metrics_of(app), slot);
        work();
        _exit(0); /* it does not leave: workers die */
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bk_counter *orders;
static bk_gauge *level;

static void take_three(void)
{
    bk_counter_add(of_channel(orders, "web"), 3);
}

static void test_workers_count_together(void **state)
{
    (void)state;
    orders = new_counter(0);
    in_worker(0, take_three);
    in_worker(1, take_three);
    in_worker(63, take_three);
    assert_true(total("shop_orders_total", "web") == 9);
    assert_true(total("shop_orders_total", "shop") == -1);
}

static void test_a_successor_counts_on(void **state)
{
    (void)state;
    orders = new_counter(0);
    for (int i = 0; i < 5; i++)
        in_worker(7, take_three);
    assert_true(total("shop_orders_total", "web") == 15);
    assert_int_equal(count_series("shop_orders_total"), 1);
}

static void count_until_killed(void)
{
    for (;;)
        bk_counter_add(of_channel(orders, "web"), 1);
}

static void test_a_worker_killed_in_the_middle_loses_nothing(void **state)
{
    (void)state;
    orders = new_counter(0);
    double before = 0;
    for (int i = 0; i < 5; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            bk__metrics_enter(bk__metrics_of(app), 2);
            count_until_killed();
        }
        while (total("shop_orders_total", "web") < before + 1000)
            usleep(100);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        double now = total("shop_orders_total", "web");
        assert_true(now >= before + 1000);
        before = now;
    }
}

static void test_what_is_looked_up_before_is_shown_with_zero_and_kept(void **state)
{
    (void)state;
    orders = new_counter(0);
    bk_counter *web = of_channel(orders, "web");
    assert_true(total("shop_orders_total", "web") == 0);
    bk__metrics_enter(bk__metrics_of(app), 4);
    assert_ptr_equal(of_channel(orders, "web"), web);
    bk_counter_add(web, 2.5);
    bk__metrics_leave(bk__metrics_of(app));
    bk_counter_add(web, 1);
    assert_true(total("shop_orders_total", "web") == 3.5);
}

static void test_what_is_too_many_is_other(void **state)
{
    char name[16];

    (void)state;
    orders = new_counter(3);
    bk_counter *early = of_channel(orders, "0");
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "%d", i);
        bk_counter_add(of_channel(orders, name), 1);
    }
    assert_ptr_equal(of_channel(orders, "0"), early);
    assert_true(total("shop_orders_total", "2") == 1);
    assert_true(total("shop_orders_total", "3") == -1);
    assert_true(total("shop_orders_total", "other") == 7);
    assert_int_equal(count_series("shop_orders_total"), 4);
}

static void take_from_everywhere(void)
{
    char name[16];

    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof name, "%d", i);
        bk_counter_add(of_channel(orders, name), 1);
    }
}

/* Whatever the order in which a worker binds them, which the seed decides. */
static void test_what_was_looked_up_before_has_its_place_in_each_worker(void **state)
{
    static const char *const channels[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

    (void)state;
    for (int run = 0; run < 50; run++) {
        bk_app_free(app);
        app = bk_app_new(NULL);
        orders = new_counter(8);
        bk_counter_add(of_channel(orders, "\xff"), 1); /* "other", before the rest */
        for (int i = 0; i < 8; i++)
            (void)of_channel(orders, channels[i]);
        for (unsigned slot = 0; slot < 2; slot++) {
            bk__metrics_enter(bk__metrics_of(app), slot);
            for (int i = 0; i < 8; i++)
                bk_counter_add(of_channel(orders, channels[i]), 1);
            bk_counter_add(of_channel(orders, "more"), 1);
        }
        for (int i = 0; i < 8; i++)
            assert_true(total("shop_orders_total", channels[i]) == 2);
        assert_true(total("shop_orders_total", "other") == 3);
    }
}

static void test_a_slot_full_of_others_still_counts_all(void **state)
{
    (void)state;
    orders = new_counter(0);
    in_worker(0, take_from_everywhere);
    bk_counter *late = of_channel(orders, "late");
    bk__metrics_enter(bk__metrics_of(app), 0); /* no room for "late" there */
    bk_counter_add(late, 5);
    assert_true(total("shop_orders_total", "other") == 105);
    assert_true(total("shop_orders_total", "late") == 0); /* where it was looked up */
}

static void test_values_that_do_not_fit_or_are_no_text_are_other(void **state)
{
    char longest[BK__LABEL_ROOM], longer[BK__LABEL_ROOM + 1];

    (void)state;
    orders = new_counter(0);
    memset(longest, 'x', sizeof longest);
    memset(longer, 'x', sizeof longer);
    longest[sizeof longest - 1] = longer[sizeof longer - 1] = '\0';
    bk_counter_add(of_channel(orders, longest), 1);
    bk_counter_add(of_channel(orders, longer), 2);
    bk_counter_add(of_channel(orders, "\xff\xfe"), 4);
    bk_counter_add(of_channel(orders, ""), 8);
    bk_counter_add(of_channel(orders, "other"), 16);
    assert_true(total("shop_orders_total", longest) == 1);
    assert_true(total("shop_orders_total", "other") == 22);
    assert_true(total("shop_orders_total", "") == 8);
}

static void test_a_total_is_followed(void **state)
{
    (void)state;
    bk_counter *counter =
        bk_counter_new(app, &(bk_metric_opts){.name = "seen_total", .help = "Seen."});
    bk_counter_follow(counter, 10);
    bk_counter_follow(counter, 10);
    bk_counter_follow(counter, 25);
    assert_true(total("seen_total", NULL) == 25);
    bk_counter_follow(counter, 4); /* begun anew */
    assert_true(total("seen_total", NULL) == 29);
}

static void set_to_three(void)
{
    bk_gauge_set(level, 3);
}

static void set_to_five(void)
{
    bk_gauge_add(level, 6);
    bk_gauge_add(level, -1);
}

static void test_gauges_of_workers_are_one_by_their_policy(void **state)
{
    static const double want[] = {8, 5, 3};

    (void)state;
    for (bk_gauge_policy policy = BK_GAUGE_SUM; policy <= BK_GAUGE_MIN; policy++) {
        char name[] = "level_0";
        name[6] = (char)('0' + policy);
        level = new_gauge(name, policy);
        in_worker(0, set_to_three);
        in_worker(1, set_to_five);
        assert_true(total(name, NULL) == want[policy]);
    }
    level = new_gauge("level_each", BK_GAUGE_BY_WORKER);
    in_worker(3, set_to_three);
    in_worker(1, set_to_five);
    assert_int_equal(count_series("level_each"), 3); /* with that of the host, which is not set */
}

static void test_gauges_have_labels_too(void **state)
{
    (void)state;
    bk_gauge *queues =
        bk_gauge_new(app, &(bk_metric_opts){.name = "depth", .help = "x", .labels = {"queue"}});
    bk_gauge_set(bk_gauge_with(queues, BK_LABELS(BK_LIT("mail"))), 7);
    assert_true(total("depth", "mail") == 7);
    assert_true(total("depth", "other") == -1);
}

static void test_a_gauge_that_nobody_set_is_no_number(void **state)
{
    (void)state;
    level = new_gauge("level", BK_GAUGE_SUM);
    assert_true(isnan(total("level", NULL)));
}

static void do_nothing(void)
{
}

static void test_gauges_die_with_their_worker(void **state)
{
    (void)state;
    level = new_gauge("level", BK_GAUGE_SUM);
    in_worker(0, set_to_three);
    in_worker(1, set_to_five);
    bk__metrics_vacate(bk__metrics_of(app), 1);
    assert_true(total("level", NULL) == 3);
    in_worker(0, do_nothing); /* a successor has not said anything yet */
    assert_true(isnan(total("level", NULL)));
}

static void test_a_name_declared_twice_is_one_metric(void **state)
{
    (void)state;
    assert_ptr_equal(new_counter(0), new_counter(0));
}

static unsigned samples;

static void take_sample(void *data)
{
    (void)data;
    samples++;
}

static void test_samplers_are_called(void **state)
{
    (void)state;
    bk_metrics_sample(app, take_sample, NULL);
    bk_metrics_sample(app, take_sample, NULL);
    bk__metrics_run_samplers(bk__metrics_of(app));
    assert_int_equal(samples, 2);
}

/* --- mistakes --------------------------------------------------------------------------------- */

static bk_metric_opts wrong;

static void declare_counter(void)
{
    (void)!bk_counter_new(app, &wrong);
}

static void declare_gauge(void)
{
    (void)!bk_gauge_new(app, &wrong);
}

static void declare_twice(void)
{
    (void)!new_gauge("level", BK_GAUGE_SUM);
    (void)!new_gauge("level", BK_GAUGE_MAX);
}

static void assert_stops(void (*fn)(void), const char *want)
{
    char words[512];

    assert_true(stops(fn, words, sizeof words));
    if (strstr(words, want) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", want, words);
}

static void test_wrong_declarations_stop_the_program(void **state)
{
    (void)state;
    wrong = (bk_metric_opts){.name = "no name", .help = "x"};
    assert_stops(declare_gauge, "\"no name\" is no name of a metric");
    wrong = (bk_metric_opts){.help = "x"};
    assert_stops(declare_gauge, "is no name of a metric");
    wrong = (bk_metric_opts){.name = "9lives_total", .help = "x"};
    assert_stops(declare_counter, "is no name of a metric");
    wrong = (bk_metric_opts){.name = "orders", .help = "x"};
    assert_stops(declare_counter, "a counter's name ends with _total");
    wrong = (bk_metric_opts){.name = "orders_total", .help = "x"};
    assert_stops(declare_gauge, "no other's does");
    wrong = (bk_metric_opts){.name = "orders_total"};
    assert_stops(declare_counter, "needs a help text");
    wrong = (bk_metric_opts){.name = "orders_total", .help = "x", .policy = BK_GAUGE_MAX};
    assert_stops(declare_counter, "only a gauge has a policy");
    wrong = (bk_metric_opts){.name = "orders_total", .help = "x", .labels = {"a", "b-c"}};
    assert_stops(declare_counter, "\"b-c\" cannot be a label");
    wrong = (bk_metric_opts){.name = "orders_total", .help = "x", .labels = {"__name"}};
    assert_stops(declare_counter, "\"__name\" cannot be a label");
    wrong = (bk_metric_opts){
        .name = "a", .help = "x", .labels = {"worker"}, .policy = BK_GAUGE_BY_WORKER};
    assert_stops(declare_gauge, "\"worker\" cannot be a label");
    assert_stops(declare_twice, "is declared twice, and not alike");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_app, close_app)
    const struct CMUnitTest tests[] = {
        TEST(test_workers_count_together),
        TEST(test_a_successor_counts_on),
        TEST(test_a_worker_killed_in_the_middle_loses_nothing),
        TEST(test_what_is_looked_up_before_is_shown_with_zero_and_kept),
        TEST(test_what_is_too_many_is_other),
        TEST(test_what_was_looked_up_before_has_its_place_in_each_worker),
        TEST(test_a_slot_full_of_others_still_counts_all),
        TEST(test_values_that_do_not_fit_or_are_no_text_are_other),
        TEST(test_a_total_is_followed),
        TEST(test_gauges_of_workers_are_one_by_their_policy),
        TEST(test_gauges_have_labels_too),
        TEST(test_a_gauge_that_nobody_set_is_no_number),
        TEST(test_gauges_die_with_their_worker),
        TEST(test_a_name_declared_twice_is_one_metric),
        TEST(test_samplers_are_called),
        TEST(test_wrong_declarations_stop_the_program),
    };
    return cmocka_run_group_tests_name("core_metrics", tests, NULL, NULL);
}
