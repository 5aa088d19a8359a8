#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <backend/sync.h>

#include "../harness/aborts.h"
#include "../harness/fiber_run.h"

/* A fiber that sends or receives one number, and what came of it. */
struct party {
    bk_channel *channel;
    bool sends;
    int item;
    uint64_t within_ms; /* its deadline; 0: none */
    bk_fiber *fiber;
    bool back;
    bk_err err;
};

static bk_err take_part(void *data)
{
    struct party *party = data;
    bk_deadline before = bk_deadline_push(party->within_ms != 0 ? party->within_ms : UINT64_MAX);

    party->fiber = bk_fiber_self();
    party->err = party->sends ? bk_channel_send(party->channel, &party->item)
                              : bk_channel_recv(party->channel, &party->item);
    party->back = true;
    bk_deadline_pop(before);
    return BK_OK;
}

/* Starts it and lets it get in line. */
static void start(struct party *party)
{
    assert_int_equal(bk_spawn("party", take_part, party), BK_OK);
    settle();
}

static void assert_received(bk_channel *channel, int expected)
{
    int item = -1;
    assert_int_equal(bk_channel_try_recv(channel, &item), BK_OK);
    assert_int_equal(item, expected);
}

static void assert_sent(bk_channel *channel, int item)
{
    assert_int_equal(bk_channel_try_send(channel, &item), BK_OK);
}

static void test_items_come_out_in_order_and_the_ring_wraps(void **state)
{
    bk_channel *channel = bk_channel_new(sizeof(int), 3);
    int in = 0;
    int out = 0;

    (void)state;
    for (int round = 0; round < 10; round++) {
        while (bk_channel_try_send(channel, &in) == BK_OK)
            in++;
        assert_int_equal(bk_channel_len(channel), 3);
        assert_received(channel, out++);
        assert_received(channel, out++);
        assert_int_equal(bk_channel_len(channel), 1);
    }
    assert_received(channel, out++);
    assert_int_equal(in, out);
    assert_int_equal(bk_channel_try_recv(channel, &in), BK_EAGAIN);
    assert_int_equal(in, out); /* untouched */
    bk_channel_free(channel);
}

static void test_items_of_any_size_are_copied_whole(void **state)
{
    static const size_t sizes[] = {1, 3, 8, 1000};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        char in[1000], out[1001];
        bk_channel *channel = bk_channel_new(sizes[i], 2);
        for (int n = 0; n < 5; n++) {
            memset(in, 'a' + n, sizeof(in));
            memset(out, '.', sizeof(out));
            assert_int_equal(bk_channel_try_send(channel, in), BK_OK);
            memset(in, '?', sizes[i]);
            assert_int_equal(bk_channel_try_recv(channel, out), BK_OK);
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(out[at], 'a' + n);
            assert_int_equal(out[sizes[i]], '.');
        }
        bk_channel_free(channel);
    }
}

static bk_err test_an_item_goes_to_the_first_waiting_receiver(void *unused)
{
    bk_channel *channel = bk_channel_new(sizeof(int), 2);
    struct party first = {.channel = channel, .item = -1};
    struct party second = {.channel = channel, .item = -1};
    int item = 0;

    (void)unused;
    start(&first);
    start(&second);
    for (item = 1; item <= 3; item++)
        assert_int_equal(bk_channel_send(channel, &item), BK_OK);
    assert_int_equal(first.item, 1); /* handed over, though neither has run */
    assert_int_equal(second.item, 2);
    assert_int_equal(bk_channel_len(channel), 1);
    settle();
    assert_true(first.back && second.back);
    assert_int_equal(bk_channel_recv(channel, &item), BK_OK);
    assert_int_equal(item, 3);
    bk_channel_free(channel);
    return BK_OK;
}

static bk_err test_who_waits_to_send_keeps_the_order(void *unused)
{
    bk_channel *channel = bk_channel_new(sizeof(int), 1);
    struct party second = {.channel = channel, .sends = true, .item = 2};
    struct party third = {.channel = channel, .sends = true, .item = 3};

    (void)unused;
    assert_sent(channel, 1);
    start(&second);
    start(&third);
    assert_false(second.back || third.back);
    assert_received(channel, 1);
    assert_int_equal(bk_channel_len(channel), 1); /* the second moved up at once */
    assert_int_equal(bk_channel_try_send(channel, &(int){4}), BK_EAGAIN);
    settle();
    assert_true(second.back);
    assert_false(third.back);
    assert_received(channel, 2);
    assert_received(channel, 3);
    settle();
    assert_int_equal(second.err, BK_OK);
    assert_int_equal(third.err, BK_OK);
    bk_channel_free(channel);
    return BK_OK;
}

static bk_err test_without_capacity_a_send_meets_its_receiver(void *unused)
{
    bk_channel *channel = bk_channel_new(sizeof(int), 0);
    struct party sender = {.channel = channel, .sends = true, .item = 1};
    struct party receiver = {.channel = channel, .item = -1};

    (void)unused;
    assert_int_equal(bk_channel_try_send(channel, &(int){0}), BK_EAGAIN);
    assert_int_equal(bk_channel_try_recv(channel, &(int){0}), BK_EAGAIN);
    start(&sender);
    assert_false(sender.back);
    assert_int_equal(bk_channel_len(channel), 0);
    assert_received(channel, 1);
    settle();
    assert_int_equal(sender.err, BK_OK);
    start(&receiver);
    assert_sent(channel, 2);
    settle();
    assert_int_equal(receiver.err, BK_OK);
    assert_int_equal(receiver.item, 2);
    bk_channel_free(channel);
    return BK_OK;
}

static bk_err parties_leave(void *data)
{
    const size_t *capacity = data;
    bk_channel *channel = bk_channel_new(sizeof(int), *capacity);
    struct party receivers[2] = {{.channel = channel, .item = -1},
                                 {.channel = channel, .item = -1, .within_ms = 50}};
    struct party senders[2] = {{.channel = channel, .sends = true, .item = 8},
                               {.channel = channel, .sends = true, .item = 9, .within_ms = 50}};

    for (int i = 0; i < 2; i++)
        start(&receivers[i]);
    bk_fiber_cancel(receivers[0].fiber);
    assert_int_equal(bk_sleep_ms(50), BK_OK);
    settle();
    for (size_t i = 0; i < *capacity; i++)
        assert_sent(channel, (int)i);
    assert_int_equal(receivers[0].err, BK_ECANCELED);
    assert_int_equal(receivers[1].err, BK_ETIMEDOUT);
    assert_true(receivers[0].item == -1 && receivers[1].item == -1);

    for (int i = 0; i < 2; i++)
        start(&senders[i]);
    bk_fiber_cancel(senders[0].fiber);
    assert_int_equal(bk_sleep_ms(50), BK_OK);
    settle();
    assert_int_equal(senders[0].err, BK_ECANCELED);
    assert_int_equal(senders[1].err, BK_ETIMEDOUT);
    for (size_t i = 0; i < *capacity; i++)
        assert_received(channel, (int)i);
    assert_int_equal(bk_channel_try_recv(channel, &(int){0}), BK_EAGAIN);
    bk_channel_free(channel);
    return BK_OK;
}

static void test_who_leaves_early_has_sent_and_received_nothing(void **state)
{
    (void)state;
    for (size_t capacity = 0; capacity <= 3; capacity++)
        run_fibers(parties_leave, &capacity);
}

static bk_err hand_over_meets_cancel(void *data)
{
    const bool *cancel_first = data;
    bk_channel *channel = bk_channel_new(sizeof(int), 0);
    struct party parties[2] = {{.channel = channel, .item = -1},
                               {.channel = channel, .sends = true, .item = 2}};

    for (int i = 0; i < 2; i++) {
        start(&parties[i]);
        if (*cancel_first)
            bk_fiber_cancel(parties[i].fiber);
        if (parties[i].sends)
            assert_received(channel, 2);
        else
            assert_sent(channel, 1);
        if (!*cancel_first)
            bk_fiber_cancel(parties[i].fiber);
        settle();
        assert_int_equal(parties[i].err, BK_OK);
    }
    assert_int_equal(parties[0].item, 1);
    bk_channel_free(channel);
    return BK_OK;
}

static void test_a_hand_over_in_the_turn_of_a_cancel_counts(void **state)
{
    (void)state;
    run_fibers(hand_over_meets_cancel, &(bool){false});
    run_fibers(hand_over_meets_cancel, &(bool){true});
}

static bk_err test_close_wakes_everyone_and_keeps_what_was_sent(void *unused)
{
    bk_channel *full = bk_channel_new(sizeof(int), 1);
    bk_channel *empty = bk_channel_new(sizeof(int), 1);
    struct party parties[4];

    (void)unused;
    assert_sent(full, 1);
    for (int i = 0; i < 4; i++) {
        parties[i] = (struct party){.channel = i < 2 ? full : empty, .sends = i < 2, .item = -1};
        start(&parties[i]);
    }
    bk_channel_close(full);
    bk_channel_close(empty);
    bk_channel_close(empty);
    assert_int_equal(bk_channel_try_send(full, &(int){2}), BK_ECLOSED);
    assert_int_equal(bk_channel_send(full, &(int){2}), BK_ECLOSED);
    settle();
    for (int i = 0; i < 4; i++) {
        assert_true(parties[i].back);
        assert_int_equal(parties[i].err, BK_ECLOSED);
        assert_int_equal(parties[i].item, -1);
    }
    assert_received(full, 1); /* sent before the close */
    assert_int_equal(bk_channel_try_recv(full, &(int){0}), BK_ECLOSED);
    assert_int_equal(bk_channel_recv(full, &(int){0}), BK_ECLOSED);
    bk_channel_free(full);
    bk_channel_free(empty);
    return BK_OK;
}

/* Many send and many receive, with cancels and deadlines at random. Every item whose send went well
 * is received once, the others never, and each receiver sees those of one sender in order. (Two
 * receivers may run in another order than the one in which they were handed their items.) */

#define SENDERS   8
#define RECEIVERS 5
#define ITEMS     200 /* a sender */

struct item {
    int sender;
    int number;
};

struct traffic {
    uint64_t seed;
    bk_channel *channel;
    bool sent[SENDERS][ITEMS]; /* the send said so */
    bool seen[SENDERS][ITEMS];
    int last[RECEIVERS][SENDERS];   /* number of the last item seen, plus one */
    bk_fiber *receivers[RECEIVERS]; /* NULL once ended */
    int senders_left, sent_count, seen_count;
};

struct member {
    struct traffic *traffic;
    int index;
};

static void pause_at_random(struct traffic *traffic)
{
    uint32_t ms = random_below(&traffic->seed, 8);

    bk__shield_up();
    if (ms < 4)
        assert_int_equal(bk_sleep_ms(ms), BK_OK);
    bk__shield_down();
}

static bk_err send_many(void *data)
{
    const struct member *self = data;
    struct traffic *traffic = self->traffic;

    for (int number = 0; number < ITEMS; number++) {
        struct item item = {self->index, number};
        bk_deadline before = bk_deadline_push(1 + random_below(&traffic->seed, 10));
        bk_err err = bk_channel_send(traffic->channel, &item);
        bk_deadline_pop(before);
        assert_true(err == BK_OK || err == BK_ETIMEDOUT);
        if (err == BK_OK) {
            traffic->sent[self->index][number] = true;
            traffic->sent_count++;
        }
        pause_at_random(traffic);
    }
    if (--traffic->senders_left == 0)
        bk_channel_close(traffic->channel);
    return BK_OK;
}

static void note(struct traffic *traffic, int receiver, struct item item)
{
    int *last = &traffic->last[receiver][item.sender];

    assert_false(traffic->seen[item.sender][item.number]);
    assert_true(item.number >= *last);
    *last = item.number + 1;
    traffic->seen[item.sender][item.number] = true;
    traffic->seen_count++;
}

static bk_err receive_many(void *data)
{
    const struct member *self = data;
    struct traffic *traffic = self->traffic;
    struct item item;
    bk_err err = BK_OK;

    while (err == BK_OK || err == BK_ETIMEDOUT) {
        traffic->receivers[self->index] = bk_fiber_self();
        bk_deadline before = bk_deadline_push(1 + random_below(&traffic->seed, 10));
        err = bk_channel_recv(traffic->channel, &item);
        bk_deadline_pop(before);
        if (err == BK_OK)
            note(traffic, self->index, item);
        pause_at_random(traffic);
    }
    traffic->receivers[self->index] = NULL;
    assert_true(err == BK_ECLOSED || err == BK_ECANCELED);
    return BK_OK;
}

/* Ends all receivers but the first, one by one. */
static bk_err cancel_receivers(void *data)
{
    struct traffic *traffic = data;

    for (int i = 1; i < RECEIVERS; i++) {
        assert_int_equal(bk_sleep_ms(20 + random_below(&traffic->seed, 50)), BK_OK);
        if (traffic->receivers[i] != NULL)
            bk_fiber_cancel(traffic->receivers[i]);
    }
    return BK_OK;
}

static void run_traffic(uint64_t seed, size_t capacity)
{
    static struct traffic traffic; /* too large for a stack, and cleared for each run */
    struct member members[SENDERS + RECEIVERS];
    struct bk_loop *loop = fiber_run_open(NULL);

    traffic = (struct traffic){.seed = seed, .senders_left = SENDERS};
    traffic.channel = bk_channel_new(sizeof(struct item), capacity);
    for (int i = 0; i < SENDERS + RECEIVERS; i++) {
        members[i] = (struct member){&traffic, i < SENDERS ? i : i - SENDERS};
        assert_int_equal(bk_spawn("member", i < SENDERS ? send_many : receive_many, &members[i]),
                         BK_OK);
    }
    assert_int_equal(bk_spawn("canceler", cancel_receivers, &traffic), BK_OK);
    fiber_run_all(loop);
    assert_int_equal(bk_channel_len(traffic.channel), 0);
    assert_int_equal(traffic.sent_count, traffic.seen_count);
    assert_memory_equal(traffic.sent, traffic.seen, sizeof(traffic.sent));
    assert_true(traffic.sent_count > ITEMS);
    bk_channel_free(traffic.channel);
    fiber_run_close(loop);
}

static void test_random_traffic_loses_and_doubles_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        for (size_t capacity = 0; capacity <= 4; capacity++)
            run_traffic(seed, capacity);
}

static bk_err free_awaited(void *unused)
{
    bk_channel *channel = bk_channel_new(sizeof(int), 1);
    struct party party = {.channel = channel};

    (void)unused;
    start(&party);
    bk_channel_free(channel);
    return BK_OK;
}

static void run_free_awaited(void)
{
    run_fibers(free_awaited, NULL);
}

static void new_without_size(void)
{
    (void)!bk_channel_new(0, 1);
}

static void new_beyond_memory(void)
{
    (void)!bk_channel_new(SIZE_MAX / 2, 3);
}

static void test_misuse_stops_the_program(void **state)
{
    (void)state;
    assert_true(aborts(run_free_awaited));
    assert_true(aborts(new_without_size));
    assert_true(aborts(new_beyond_memory));
}

static void test_a_channel_is_freed_with_what_it_holds(void **state)
{
    bk_channel *channel = bk_channel_new(sizeof(int), 4);

    (void)state;
    assert_sent(channel, 1);
    bk_channel_free(channel);
    bk_channel_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_come_out_in_order_and_the_ring_wraps),
        cmocka_unit_test(test_items_of_any_size_are_copied_whole),
        fiber_unit_test(test_an_item_goes_to_the_first_waiting_receiver),
        fiber_unit_test(test_who_waits_to_send_keeps_the_order),
        fiber_unit_test(test_without_capacity_a_send_meets_its_receiver),
        cmocka_unit_test(test_who_leaves_early_has_sent_and_received_nothing),
        cmocka_unit_test(test_a_hand_over_in_the_turn_of_a_cancel_counts),
        fiber_unit_test(test_close_wakes_everyone_and_keeps_what_was_sent),
        cmocka_unit_test(test_random_traffic_loses_and_doubles_nothing),
        cmocka_unit_test(test_misuse_stops_the_program),
        cmocka_unit_test(test_a_channel_is_freed_with_what_it_holds),
    };
    return cmocka_run_group_tests_name("fiber/channel", tests, NULL, NULL);
}
