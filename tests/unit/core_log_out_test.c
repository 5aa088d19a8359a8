/*
 * Where log lines go: that nobody waits for a reader, what is dropped, files.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include <backend/log.h>
#include <backend/str.h>

#include "core/log_out.h"
#include "text.h"

static int saved_stderr, reader; /* the other end of what stands for standard error */
static char got[1 << 20];
static size_t got_len;

static void stand_in(const int ends[2])
{
    saved_stderr = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    reader = ends[0];
    fcntl(reader, F_SETFL, O_NONBLOCK);
    got_len = 0;
    (void)bk__log_out_take_dropped(); /* of the test before */
}

/* Standard error is a pipe that waits for its reader, as a shell makes it. A write that waits would
 * wait for ever: the alarm ends the test then. */
static int open_pipe(void **state)
{
    int ends[2];

    (void)state;
    alarm(60);
    assert_int_equal(pipe(ends), 0);
    stand_in(ends);
    bk__log_out_open();
    return 0;
}

static int open_socket(void **state)
{
    int ends[2];

    (void)state;
    alarm(60);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    stand_in(ends);
    bk__log_out_open();
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    bk__log_out_close();
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    close(reader);
    alarm(0);
    return bk_log_setup(NULL);
}

/* Takes what is there. */
static bk_str take(void)
{
    ssize_t count;

    while ((count = read(reader, got + got_len, sizeof got - got_len)) > 0)
        got_len += (size_t)count;
    return bk_str_at(got, got_len);
}

static int count_lines(bk_str text)
{
    bk_str line;
    int lines = 0;

    while (bk_str_split(&text, '\n', &line)) {
        if (line.len == 0)
            continue;
        cJSON *json = cJSON_ParseWithLength(line.ptr, line.len);
        if (json == NULL)
            fail_msg("torn: %.*s", (int)line.len, line.ptr);
        cJSON_Delete(json);
        lines++;
    }
    return lines;
}

static void test_lines_are_kept_until_the_end_of_the_turn(void **state)
{
    (void)state;
    bk_info("one", bk_kv_i64("n", 1));
    bk_info("two", bk_kv_i64("n", 2));
    assert_int_equal(take().len, 0);
    assert_true(bk_log_flush());
    assert_int_equal(count_lines(take()), 2);
    assert_true(bk_log_flush());
    assert_int_equal(count_lines(take()), 2);
}

static void test_the_shared_descriptor_stays_as_it_is(void **state)
{
    (void)state;
    int before = fcntl(STDERR_FILENO, F_GETFL);

    bk_info("one", bk_kv_i64("n", 1));
    assert_true(bk_log_flush());
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL), before);
    assert_false(before & O_NONBLOCK);
}

/* Writes until lines are lost. Returns how many were written. */
static int log_until_dropped(void)
{
    uint64_t before = bk_log_dropped();
    int lines = 0;

    for (; bk_log_dropped() == before; lines++)
        bk_info("much", bk_kv_i64("n", lines));
    return lines;
}

static void test_what_nobody_reads_is_dropped_counted_and_told(void **state)
{
    (void)state;
    int lines = log_until_dropped();
    uint64_t dropped = bk_log_dropped();

    assert_true(lines > 1000); /* the buffer and what the kernel took */
    bk_info("lost", bk_kv_i64("n", 1));
    assert_int_equal(bk_log_dropped(), dropped + 1);
    assert_false(bk_log_flush());

    take(); /* the reader wakes up */
    while (!bk_log_flush())
        take();
    bk_info("after", bk_kv_i64("n", 1));
    assert_true(bk_log_flush());
    bk_str text = take();
    /* All but the two that were lost, and the two of afterwards. */
    assert_int_equal(count_lines(text), lines - 1 + 2);
    assert_non_null(memmem(text.ptr, text.len, "\"msg\":\"log.dropped\",\"lines\":2}", 30));
    assert_null(memmem(text.ptr, text.len, "\"lost\"", 6));
    assert_non_null(memmem(text.ptr, text.len, "\"after\"", 7));
}

static void test_long_lines_are_whole_in_the_end(void **state)
{
    (void)state;
    static char much[3000];
    bk_str value = {much, sizeof much};

    memset(much, 'x', sizeof much);
    for (int i = 0; i < 30; i++) /* of 9000 bytes, more than a pipe holds */
        bk_info("long", bk_kv_str("a", value), bk_kv_str("b", value), bk_kv_str("c", value));
    while (!bk_log_flush())
        take();
    assert_int_equal(count_lines(take()), 30);
}

static void test_a_child_does_not_write_its_parents_lines(void **state)
{
    (void)state;
    int status;

    bk_info("parent", bk_kv_i64("n", 1));
    pid_t child = fork();
    if (child == 0) {
        bk_info("child", bk_kv_i64("n", 1));
        bk_log_flush();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(count_lines(take()), 1);
    assert_true(bk_log_flush());
    assert_int_equal(count_lines(take()), 2);
}

/* @p end ends the process in a child that has a line in its buffer. */
static void check_last_words(void (*end)(void))
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        bk_info("last.words", bk_kv_i64("n", 1));
        end();
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    bk_str text = take();
    assert_non_null(memmem(text.ptr, text.len, "last.words", 10));
}

static void leave(void)
{
    exit(0);
}

static void fail_an_assertion(void)
{
    bk_log_write(BK_LOG_INFO, "no fields", NULL); /* a bug of the caller */
}

static void test_a_process_that_ends_writes_what_it_kept(void **state)
{
    (void)state;
    check_last_words(leave);
    check_last_words(fail_an_assertion);
}

static void test_standard_error_may_become_another(void **state)
{
    (void)state;
    int ends[2];

    bk_info("one", bk_kv_i64("n", 1));
    assert_true(bk_log_flush());
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    bk_info("two", bk_kv_i64("n", 1));
    assert_true(bk_log_flush());
    assert_int_equal(count_lines(take()), 1);
    close(reader);
    reader = ends[0];
    fcntl(reader, F_SETFL, O_NONBLOCK);
    got_len = 0;
    assert_int_equal(count_lines(take()), 1);
}

static void test_a_reader_that_has_gone_costs_lines_only(void **state)
{
    (void)state;
    sigset_t pipe_signal;

    sigemptyset(&pipe_signal); /* as the loop's thread has it */
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    close(reader);
    assert_true(log_until_dropped() > 500);
    reader = dup(saved_stderr); /* for close_all() */
}

/* --- files ------------------------------------------------------------------------------------ */

static char folder[] = "/tmp/bk-log-XXXXXX", path[64], moved[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/app.log", folder);
    snprintf(moved, sizeof moved, "%s/app.log.1", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(moved);
    return rmdir(folder);
}

static int lines_of(const char *file)
{
    FILE *stream = fopen(file, "re");

    assert_non_null(stream);
    size_t len = fread(got, 1, sizeof got, stream);
    fclose(stream);
    return count_lines(bk_str_at(got, len));
}

static void log_one(void)
{
    bk_info("one", bk_kv_i64("n", 1));
    assert_true(bk_log_flush());
}

static void test_lines_go_to_a_file_and_to_a_new_one_once_it_was_moved(void **state)
{
    (void)state;
    struct stat file;

    assert_int_equal(bk_log_setup(&(bk_log_opts){.file = path}), BK_OK);
    log_one();
    assert_int_equal(lines_of(path), 1);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 07037, 0); /* nobody else reads or changes it */
    assert_int_equal(rename(path, moved), 0);
    log_one();
    assert_int_equal(lines_of(moved), 2);
    assert_true(bk_log_reopen());
    log_one();
    assert_int_equal(lines_of(moved), 2);
    assert_int_equal(lines_of(path), 1);

    assert_int_equal(bk_log_setup(NULL), BK_OK);
    log_one();
    assert_int_equal(lines_of(path), 1);
    assert_int_equal(count_lines(take()), 1);
}

static void test_a_file_that_cannot_be_opened_changes_nothing(void **state)
{
    (void)state;
    char long_path[1100];

    assert_int_equal(bk_log_setup(&(bk_log_opts){.file = path}), BK_OK);
    int before = lines_of(path);
    assert_int_equal(bk_log_setup(&(bk_log_opts){.file = "/nowhere/app.log"}), BK_EIO);
    assert_text(bk_error_chain()->message,
                "the log file /nowhere/app.log cannot be opened: No such file or directory");
    bk_error_clear();
    memset(long_path, 'x', sizeof long_path);
    long_path[sizeof long_path - 1] = '\0';
    assert_int_equal(bk_log_setup(&(bk_log_opts){.file = long_path}), BK_EINVAL);
    bk_error_clear();
    assert_int_equal(bk_log_setup(&(bk_log_opts){.levels = "loud"}), BK_EINVAL);
    bk_error_clear();
    log_one();
    assert_int_equal(lines_of(path), before + 1);

    /* Its folder is gone: the old file is still written to. */
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(rename(folder, "/tmp/bk-log-away"), 0);
    assert_false(bk_log_reopen());
    log_one();
    assert_int_equal(rename("/tmp/bk-log-away", folder), 0);
    assert_int_equal(lines_of(moved), before + 2);
}

static void test_without_a_file_there_is_nothing_to_open(void **state)
{
    (void)state;
    assert_true(bk_log_reopen());
    assert_false(bk__log_out_is_terminal());
}

#define PIPE_TEST(claim) cmocka_unit_test_setup_teardown(claim, open_pipe, close_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PIPE_TEST(test_lines_are_kept_until_the_end_of_the_turn),
        PIPE_TEST(test_the_shared_descriptor_stays_as_it_is),
        PIPE_TEST(test_what_nobody_reads_is_dropped_counted_and_told),
        PIPE_TEST(test_long_lines_are_whole_in_the_end),
        PIPE_TEST(test_a_child_does_not_write_its_parents_lines),
        PIPE_TEST(test_a_process_that_ends_writes_what_it_kept),
        PIPE_TEST(test_standard_error_may_become_another),
        PIPE_TEST(test_a_reader_that_has_gone_costs_lines_only),
        cmocka_unit_test_setup_teardown(test_what_nobody_reads_is_dropped_counted_and_told,
                                        open_socket, close_all),
        cmocka_unit_test_setup_teardown(test_long_lines_are_whole_in_the_end, open_socket,
                                        close_all),
        PIPE_TEST(test_lines_go_to_a_file_and_to_a_new_one_once_it_was_moved),
        PIPE_TEST(test_a_file_that_cannot_be_opened_changes_nothing),
        PIPE_TEST(test_without_a_file_there_is_nothing_to_open),
    };
    return cmocka_run_group_tests_name("core/log_out", tests, make_folder, remove_folder);
}
