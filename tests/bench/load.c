/*
 * load.c: bench-load, a load of HTTP/1.1 requests over many kept connections.
 *
 *   bench-load -p PORT -s SCRIPT [-c CONNECTIONS] [-r RATE] [-t SECONDS] [-d DEADLINE] [-b BASE]
 *              [-a FILE] [-v]
 *
 *   -r RATE      requests a second, whatever the server does; latencies count from when a request
 *                was due. Without it each connection asks again as soon as it has its answer.
 *   -d DEADLINE  seconds until a request has failed; default 10
 *   -b BASE      the first number that {seq} of the script stands for; default 1
 *   -a FILE      notes each good answer to a request that changed something: kind, number, status,
 * Location -v           a line a second on standard error
 *
 * Prints one JSON object. The connection that has rested longest takes the next request, so all are
 * active in turn. One that the server closed between requests is opened again when its turn comes,
 * as clients do, and costs the request the time for it. One thread.
 */
#define _GNU_SOURCE
#include <err.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "load_client.h"
#include "load_script.h"
#include "load_tally.h"

#define LONGEST_PAUSE_NS (SECOND_NS / 50)

static struct options {
    int port, connections;
    double rate, seconds, deadline;
    uint64_t base;
    const char *script, *notes;
    bool verbose;
} options = {.connections = 100, .seconds = 10, .deadline = 10, .base = 1};

static struct script script;
static struct tally tally;
static struct histogram this_second;
static uint64_t next_request, start_ns, end_ns;
static volatile sig_atomic_t stopped;

static uint64_t due_of(uint64_t request)
{
    return start_ns + (uint64_t)((double)request * (1e9 / options.rate));
}

/* Whether another is to be sent, and at what time. */
static bool next_due(uint64_t now, uint64_t *due)
{
    *due = options.rate > 0 ? due_of(next_request) : now;
    return *due < end_ns && !stopped;
}

static void send_what_is_due(void)
{
    uint64_t now = now_ns(), due;

    /* At most one each, so that answers are looked at in between. */
    for (int i = 0; i < options.connections && clients_idle(); i++) {
        if (!next_due(now, &due) || due > now)
            return;
        clients_ask(&script.entries[next_request % script.count], options.base + next_request, due);
        next_request++;
    }
}

static void show_progress(uint64_t now)
{
    static uint64_t next, before[VERDICTS];

    if (!options.verbose || now < next)
        return;
    fprintf(stderr, "%6.1f s", (double)(now - start_ns) / 1e9);
    for (int i = 0; i < VERDICTS; i++) {
        static const char *const names[] = {"good", "refused", "wrong", "failed"};
        fprintf(stderr, "  %s %" PRIu64, names[i], tally.all.verdicts[i] - before[i]);
        before[i] = tally.all.verdicts[i];
    }
    fprintf(stderr, "  p99 %.1f ms\n", (double)histogram_at(&this_second, 0.99) / 1e3);
    this_second = (struct histogram){0};
    next = now + SECOND_NS;
}

/* Until the next request is due. */
static uint64_t pause_ns(uint64_t now)
{
    uint64_t due;

    if (!clients_idle() || !next_due(now, &due) || due > now + LONGEST_PAUSE_NS)
        return LONGEST_PAUSE_NS;
    return due > now ? due - now : 0;
}

static void run(void)
{
    start_ns = now_ns();
    end_ns = start_ns + (uint64_t)(options.seconds * 1e9);
    for (;;) {
        uint64_t now = now_ns(), due;
        bool more = next_due(now, &due);
        if (!more && !clients_busy())
            break;
        if (more && now > end_ns + (uint64_t)(options.deadline * 1e9)) {
            tally.unsent =
                (uint64_t)((double)(end_ns - start_ns) / 1e9 * options.rate) - next_request;
            end_ns = 0; /* of those that are under way we still hear */
        }
        send_what_is_due();
        clients_wait(pause_ns(now_ns()));
        clients_give_up();
        show_progress(now);
    }
}

/* --- the frame --- */

static void report(uint64_t took)
{
    uint64_t least, most;
    struct rusage used;

    clients_answers(&least, &most);
    getrusage(RUSAGE_SELF, &used);
    printf("{\"connections\": %d, \"rate\": %g, \"seconds\": %g, \"took\": %.3f, ",
           options.connections, options.rate, options.seconds, (double)took / 1e9);
    printf("\"answers_of_a_connection\": {\"least\": %" PRIu64 ", \"most\": %" PRIu64 "}, ", least,
           most);
    printf("\"own_cpu_s\": %.3f,\n ",
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
    tally_print(stdout, &tally, &script);
    printf("}\n");
}

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

static void read_options(int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "p:s:c:r:t:d:b:a:v")) != -1) {
        switch (option) {
        case 'p':
            options.port = atoi(optarg);
            break;
        case 's':
            options.script = optarg;
            break;
        case 'c':
            options.connections = atoi(optarg);
            break;
        case 'r':
            options.rate = atof(optarg);
            break;
        case 't':
            options.seconds = atof(optarg);
            break;
        case 'd':
            options.deadline = atof(optarg);
            break;
        case 'b':
            options.base = strtoull(optarg, NULL, 10);
            break;
        case 'a':
            options.notes = optarg;
            break;
        case 'v':
            options.verbose = true;
            break;
        default:
            options.port = 0;
        }
    }
    if (options.port <= 0 || options.port > 65535 || options.script == NULL || optind != argc ||
        options.connections < 1 || options.seconds <= 0 || options.deadline <= 0 ||
        options.rate < 0)
        errx(2, "usage: bench-load -p PORT -s SCRIPT [-c CONNECTIONS] [-r RATE] [-t SECONDS] "
                "[-d DEADLINE] [-b BASE] [-a FILE] [-v]");
}

int main(int argc, char **argv)
{
    struct rlimit files;
    struct client_opts clients;
    FILE *notes = NULL;
    char host[32];

    read_options(argc, argv);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    snprintf(host, sizeof host, "127.0.0.1:%d", options.port);
    script_read(options.script, host, &script);
    if (options.notes != NULL && (notes = fopen(options.notes, "w")) == NULL)
        err(2, "%s", options.notes);
    clients = (struct client_opts){.port = options.port,
                                   .connections = options.connections,
                                   .deadline_ns = (uint64_t)(options.deadline * 1e9),
                                   .script = &script,
                                   .tally = &tally,
                                   .recent = &this_second,
                                   .notes = notes};
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    clients_open(&clients);
    run();
    report(now_ns() - start_ns);
    if (notes != NULL && fclose(notes) != 0)
        err(1, "%s", options.notes);
    clients_close();
    script_free(&script);
    return 0;
}
