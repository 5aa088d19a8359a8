/*
 * Flows with a real Redis: what lies there, and what the end of children means for their parents.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "harness/queue_case.h"

static struct redis server;

/* An app with a queue of parents and one of children, and a worker for each. */
struct family {
    struct queue_case it; /* the parents */
    bk_queue *kids;
    int parents, children, failures; /* runs of handlers */
    char outcome[2048];              /* of children, as the last parent saw them */
    bk_err err;
    char words[256];
    bk_str id;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The children that are known, in order: "key value" or "key !reason" or "key ?". */
static bk_err write_children(bk_queue *queue, bk_str id, char *out, size_t size)
{
    static char lines[16][256];
    const bk_child *all;
    size_t count, at = 0;

    BK_TRY(bk_flow_children(queue, id, &all, &count));
    assert_in_range(count, 0, 16);
    for (size_t i = 0; i < count; i++) {
        static const char *const signs[] = {"?", "", "!"};
        bk_str text = all[i].state == BK_CHILD_COMPLETED ? all[i].value : all[i].reason;
        snprintf(lines[i], sizeof lines[0], "%.*s %s%.*s", BK_PRI(all[i].key), signs[all[i].state],
                 BK_PRI(text));
    }
    qsort(lines, count, sizeof lines[0], by_text);
    out[0] = '\0';
    for (size_t i = 0; i < count; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i != 0 ? "\n" : "", lines[i]);
    return BK_OK;
}

static bk_err run_parent(bk_job *job, void *data)
{
    struct family *family = data;

    BK_TRY(
        write_children(bk_job_queue(job), bk_job_id(job), family->outcome, sizeof family->outcome));
    BK_TRY(bk_job_return_json(job, BK_LIT("\"bound\"")));
    family->parents++;
    return BK_OK;
}

/* Its payload says whether it fails; it comes to its name. */
static bk_err run_child(bk_job *job, void *data)
{
    struct family *family = data;

    if (bk_str_eq(bk_job_data(job), BK_LIT("\"bad\""))) {
        family->failures++;
        return bk_job_fail_for_good(job, "no ink");
    }
    family->children++;
    return bk_job_return_json(
        job, bk_arena_printf(bk_job_arena(job), "\"%.*s done\"", BK_PRI(bk_job_name(job))));
}

static void begin(struct family *family)
{
    *family = (struct family){.it = queue_case_new(&server, "books", NULL)};
    redis_cli(&server, "FLUSHALL");
    family->kids =
        bk_queue_new(family->it.app, &(bk_queue_opts){.name = "pages", .redis = family->it.redis});
    bk_worker_on(bk_worker_new(family->it.app, family->it.queue, NULL), NULL, run_parent, family);
    bk_worker_on(bk_worker_new(family->it.app, family->kids, NULL), NULL, run_child, family);
    queue_case_start(&family->it, 0);
}

struct request {
    struct family *family;
    const bk_flow *flow;
};

static bk_err add_on_fiber(void *data)
{
    struct request *request = data;
    struct family *family = request->family;

    family->err = bk_flow_add(request->flow, &family->id);
    if (family->err != BK_OK) {
        const bk_error_link *link = bk_error_chain();
        while (link->cause != NULL)
            link = link->cause;
        snprintf(family->words, sizeof family->words, "%.*s", BK_PRI(link->message));
    }
    bk_error_clear();
    return BK_OK;
}

static bk_err try_flow(struct family *family, const bk_flow *flow)
{
    struct request request = {family, flow};

    queue_case_run(&family->it, add_on_fiber, &request);
    return family->err;
}

static void add(struct family *family, const bk_flow *flow)
{
    if (try_flow(family, flow) != BK_OK)
        fail_msg("%s", family->words);
}

/* A parent "b" with children p1 and p2; what the failure of p2 means is to be said. */
static void add_book(struct family *family, const char *second, bk_child_failure on_failure)
{
    const bk_job_opts ids[] = {{.id = BK_LIT("b")}, {.id = BK_LIT("p1")}, {.id = BK_LIT("p2")}};
    bk_flow pages[] = {
        {.queue = family->kids, .job = {.name = "one", .json = BK_LIT("1"), .opts = &ids[1]}},
        {.queue = family->kids,
         .job = {.name = "two", .json = bk_str_of(second), .opts = &ids[2]},
         .on_failure = on_failure},
    };
    bk_flow book = {
        .queue = family->it.queue,
        .job = {.name = "bind", .opts = &ids[0]},
        .children = pages,
        .child_count = 2,
    };

    add(family, &book);
}

/* --- adding ------------------------------------------------------------------------------------- */

static void test_a_tree_lies_in_redis_as_bullmq_has_it(void **state)
{
    struct family family = {.it = queue_case_new(&server, "books", NULL)};

    (void)state;
    redis_cli(&server, "FLUSHALL");
    family.kids =
        bk_queue_new(family.it.app, &(bk_queue_opts){.name = "pages", .redis = family.it.redis});
    queue_case_start(&family.it, 0); /* without workers */
    add_book(&family, "2", BK_CHILD_FAILS_PARENT);
    assert_string_equal(redis_cli(&server, "ZRANGE", "bull:books:waiting-children", "0", "-1"),
                        "b");
    assert_string_equal(redis_cli(&server, "EXISTS", "bull:books:marker"), "0");
    assert_string_equal(redis_cli(&server, "SCARD", "bull:books:b:dependencies"), "2");
    assert_string_equal(
        redis_cli(&server, "SISMEMBER", "bull:books:b:dependencies", "bull:pages:p1"), "1");
    assert_string_equal(redis_cli(&server, "HGET", "bull:pages:p1", "parentKey"), "bull:books:b");
    assert_string_equal(redis_cli(&server, "HGET", "bull:pages:p1", "parent"),
                        "{\"id\":\"b\",\"queueKey\":\"bull:books\"}");
    assert_string_equal(redis_cli(&server, "HGET", "bull:pages:p2", "parent"),
                        "{\"id\":\"b\",\"queueKey\":\"bull:books\",\"fpof\":true}");
    assert_string_equal(redis_cli(&server, "HGET", "bull:pages:p2", "opts"),
                        "{\"parent\":{\"id\":\"b\",\"queue\":\"bull:books\"},\"fpof\":true,"
                        "\"jobId\":\"p2\",\"attempts\":0}");
    assert_string_equal(redis_cli(&server, "LLEN", "bull:pages:wait"), "2");
    assert_string_equal(redis_cli(&server, "GET", "bull:pages:id"), "2");
    assert_string_equal(redis_cli(&server, "HGET", "bull:books:meta", "opts.maxLenEvents"),
                        "10000");
    queue_case_end(&family.it);
}

static void test_a_parent_runs_when_its_children_have_ended(void **state)
{
    struct family family;

    (void)state;
    begin(&family);
    add_book(&family, "2", BK_CHILD_BLOCKS);
    queue_case_until(&family.it, &family.parents, 1);
    assert_int_equal(family.children, 2);
    assert_string_equal(family.outcome, "bull:pages:p1 \"one done\"\nbull:pages:p2 \"two done\"");
    queue_case_end(&family.it);
}

static void test_a_tree_of_three_levels_runs_from_its_leaves(void **state)
{
    struct family family;
    bk_flow leaf = {.job = {.name = "leaf"}}, middle = {.job = {.name = "middle"}};
    bk_flow root = {.job = {.name = "root"}};

    (void)state;
    begin(&family);
    leaf.queue = family.kids;
    middle.queue = root.queue = family.it.queue;
    middle.children = &leaf;
    root.children = &middle;
    middle.child_count = root.child_count = 1;
    add(&family, &root);
    assert_int_equal(family.id.len, 36); /* a UUID, where no id is given */
    queue_case_until(&family.it, &family.parents, 2);
    assert_int_equal(family.children, 1);
    assert_non_null(strstr(family.outcome, "\"bound\"")); /* the root saw the middle */
    queue_case_end(&family.it);
}

static void test_a_tree_without_children_is_a_job(void **state)
{
    struct family family;
    bk_flow root = {.job = {.name = "root"}};

    (void)state;
    begin(&family);
    root.queue = family.it.queue;
    add(&family, &root);
    queue_case_until(&family.it, &family.parents, 1);
    assert_string_equal(family.outcome, "");
    queue_case_end(&family.it);
}

/* --- failures ------------------------------------------------------------------------------------- */

static void test_a_failed_child_blocks_its_parent(void **state)
{
    struct family family;

    (void)state;
    begin(&family);
    add_book(&family, "\"bad\"", BK_CHILD_BLOCKS);
    queue_case_until(&family.it, &family.failures, 1);
    queue_case_until(&family.it, &family.children, 1);
    queue_case_linger(&family.it);
    assert_int_equal(family.parents, 0);
    assert_string_equal(redis_cli(&server, "SMEMBERS", "bull:books:b:dependencies"),
                        "bull:pages:p2");
    queue_case_end(&family.it);
}

static bk_err wait_failed(void *data)
{
    struct family *family = data;
    bk_job_state state = BK_JOB_UNKNOWN;

    while (state != BK_JOB_FAILED) {
        BK_TRY(bk_queue_job_state(family->it.queue, BK_LIT("b"), &state));
        BK_TRY(bk_sleep_ms(5));
    }
    return write_children(family->it.queue, BK_LIT("b"), family->outcome, sizeof family->outcome);
}

static void test_a_failed_child_fails_its_parent_where_that_is_asked(void **state)
{
    struct family family;

    (void)state;
    begin(&family);
    add_book(&family, "\"bad\"", BK_CHILD_FAILS_PARENT);
    queue_case_run(&family.it, wait_failed, &family);
    assert_int_equal(family.parents, 0);
    assert_string_equal(redis_cli(&server, "HGET", "bull:books:b", "failedReason"),
                        "child bull:pages:p2 failed");
    assert_non_null(strstr(family.outcome, "bull:pages:p2 !"));
    queue_case_end(&family.it);
}

static void test_a_failed_child_is_ignored_or_dropped_where_that_is_asked(void **state)
{
    struct family family;

    (void)state;
    begin(&family);
    add_book(&family, "\"bad\"", BK_CHILD_IS_IGNORED);
    queue_case_until(&family.it, &family.parents, 1);
    assert_string_equal(family.outcome, "bull:pages:p1 \"one done\"\nbull:pages:p2 !no ink");
    queue_case_end(&family.it);

    begin(&family);
    add_book(&family, "\"bad\"", BK_CHILD_IS_DROPPED);
    queue_case_until(&family.it, &family.parents, 1);
    assert_string_equal(family.outcome, "bull:pages:p1 \"one done\"");
    queue_case_end(&family.it);
}

static void test_a_failed_child_runs_its_parent_at_once_where_that_is_asked(void **state)
{
    struct family family;
    const bk_job_opts slow = {.id = BK_LIT("p1"), .delay_ms = 3600000};
    bk_flow pages[] = {
        {.job = {.name = "one", .opts = &slow}},
        {.job = {.name = "two", .json = BK_LIT("\"bad\"")}, .on_failure = BK_CHILD_RUNS_PARENT},
    };
    bk_flow book = {.job = {.name = "bind"}, .children = pages, .child_count = 2};

    (void)state;
    begin(&family);
    pages[0].queue = pages[1].queue = family.kids;
    book.queue = family.it.queue;
    add(&family, &book);
    queue_case_until(&family.it, &family.parents, 1);
    assert_int_equal(family.children, 0);
    assert_non_null(strstr(family.outcome, "!no ink"));
    assert_non_null(strstr(family.outcome, "bull:pages:p1 ?"));
    queue_case_end(&family.it);
}

/* --- ids that are taken --------------------------------------------------------------------------- */

static void test_a_child_that_has_completed_counts_as_such(void **state)
{
    struct family family;

    (void)state;
    begin(&family);
    add_book(&family, "2", BK_CHILD_BLOCKS);
    queue_case_until(&family.it, &family.parents, 1);
    redis_cli(&server, "DEL", "bull:books:b", "bull:books:b:processed"); /* the former parent */
    redis_cli(&server, "ZREM", "bull:books:completed", "b");
    add_book(&family, "2", BK_CHILD_BLOCKS);
    queue_case_until(&family.it, &family.parents, 2);
    assert_int_equal(family.children, 2); /* they are not run again */
    assert_string_equal(family.outcome, "bull:pages:p1 \"one done\"\nbull:pages:p2 \"two done\"");
    queue_case_end(&family.it);
}

static void test_a_child_has_one_parent(void **state)
{
    struct family family = {.it = queue_case_new(&server, "books", NULL)};
    const bk_job_opts page_id = {.id = BK_LIT("p1")}, book_id = {.id = BK_LIT("other")};
    bk_flow pages[] = {{.job = {.name = "new"}}, {.job = {.name = "one", .opts = &page_id}}};
    bk_flow book = {.job = {.name = "bind", .opts = &book_id}, .children = pages, .child_count = 2};

    (void)state;
    redis_cli(&server, "FLUSHALL");
    family.kids =
        bk_queue_new(family.it.app, &(bk_queue_opts){.name = "pages", .redis = family.it.redis});
    pages[0].queue = pages[1].queue = family.kids;
    book.queue = family.it.queue;
    queue_case_start(&family.it, 0);
    add_book(&family, "2", BK_CHILD_BLOCKS);
    assert_int_equal(try_flow(&family, &book), BK_ECONFLICT);
    assert_string_equal(redis_cli(&server, "EXISTS", "bull:books:other"), "0");
    assert_string_equal(redis_cli(&server, "LLEN", "bull:pages:wait"), "2");
    queue_case_end(&family.it);
}

/* --- refusals ------------------------------------------------------------------------------------- */

static void test_what_cannot_be_is_refused_and_adds_nothing(void **state)
{
    struct family family = {.it = queue_case_new(&server, "books", NULL)};
    bk_redis *far = bk_redis_new(family.it.app, &(bk_redis_opts){.url = bk_str_of(server.url)});
    bk_queue *elsewhere = bk_queue_new(family.it.app, &(bk_queue_opts){.name = "x", .redis = far});
    const bk_job_opts dedup = {.dedup = {.id = BK_LIT("d")}}, number = {.id = BK_LIT("7")};
    static bk_flow many[BK_FLOW_MAX];
    bk_flow page = {.job = {.name = "page"}};
    bk_flow book = {.job = {.name = "bind"}, .children = &page, .child_count = 1};

    (void)state;
    redis_cli(&server, "FLUSHALL");
    page.queue = book.queue = family.it.queue;
    queue_case_start(&family.it, 0);
    page.job.json = BK_LIT("{");
    assert_int_equal(try_flow(&family, &book), BK_EINVAL);
    page.job.json = BK_LIT("1");
    page.job.opts = &dedup;
    assert_int_equal(try_flow(&family, &book), BK_EINVAL);
    assert_non_null(strstr(family.words, "deduplicated"));
    page.job.opts = &number;
    assert_int_equal(try_flow(&family, &book), BK_EINVAL);
    page.job.opts = NULL;
    page.queue = elsewhere;
    assert_int_equal(try_flow(&family, &book), BK_EINVAL);
    assert_non_null(strstr(family.words, "another Redis"));
    for (int i = 0; i < BK_FLOW_MAX; i++)
        many[i] = (bk_flow){.queue = family.it.queue, .job = {.name = "page"}};
    book.children = many;
    book.child_count = BK_FLOW_MAX;
    assert_int_equal(try_flow(&family, &book), BK_EINVAL);
    assert_non_null(strstr(family.words, "at most 1000 jobs"));
    assert_string_equal(redis_cli(&server, "DBSIZE"), "0");
    book.child_count = BK_FLOW_MAX - 1;
    assert_int_equal(try_flow(&family, &book), BK_OK);
    queue_case_end(&family.it);
}

static int start(void **state)
{
    (void)state;
    server = redis_start("--loglevel", "warning");
    return 0;
}

static int stop(void **state)
{
    (void)state;
    redis_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_tree_lies_in_redis_as_bullmq_has_it),
        cmocka_unit_test(test_a_parent_runs_when_its_children_have_ended),
        cmocka_unit_test(test_a_tree_of_three_levels_runs_from_its_leaves),
        cmocka_unit_test(test_a_tree_without_children_is_a_job),
        cmocka_unit_test(test_a_failed_child_blocks_its_parent),
        cmocka_unit_test(test_a_failed_child_fails_its_parent_where_that_is_asked),
        cmocka_unit_test(test_a_failed_child_is_ignored_or_dropped_where_that_is_asked),
        cmocka_unit_test(test_a_failed_child_runs_its_parent_at_once_where_that_is_asked),
        cmocka_unit_test(test_a_child_that_has_completed_counts_as_such),
        cmocka_unit_test(test_a_child_has_one_parent),
        cmocka_unit_test(test_what_cannot_be_is_refused_and_adds_nothing),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
