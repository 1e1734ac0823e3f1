// SPDX-License-Identifier: Apache-2.0
//
// The moment in which a slot passes from one node to the other, with a destination that the test plays
// itself: its answer is lost, or late, or it refuses, or the source's lease runs out right then.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "acted_node.h"
#include "cluster_client.h"
#include "lease_client.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

// {bar} is in slot 5061.
#define SLOT "5061"

// What it does when it is told to take the slots over, and what it says when it is told to give them up.
enum at_take_over { SAY_OK, SAY_NO, HANG_UP, HANG_UP_FOR_GOOD, RUN_OUT_OF_LEASE };
enum at_give_up { GIVE_UP, HAS_TAKEN_OVER, SAYS_HAS_TAKEN_OVER, OWNS, IS_FENCED, KNOWS_NOTHING, IS_SILENT };

struct destination_double {
    struct acted_node node;
    _Atomic int at_take_over;
    _Atomic int at_give_up;
    atomic_int takings, givings; // how often it was told to take over, to give up
    redisContext *source;        // whose lease ends
};

struct play {
    struct test_server source;
    redisContext *client;
    struct destination_double destination;
};

// --- The destination ---

static bool take_over(struct destination_double *actor, int fd) {
    atomic_fetch_add(&actor->takings, 1);
    switch (atomic_load(&actor->at_take_over)) {
    case SAY_NO:
        return acted_node_say(fd, "-ERR no\r\n");
    case HANG_UP_FOR_GOOD:
        atomic_store(&actor->node.refuses_connections, true);
        return false;
    case HANG_UP:
        return false;
    case RUN_OUT_OF_LEASE:
        lease_grant(actor->source, 1, 1);
        await_expirations(actor->source, 1);
        return acted_node_say(fd, "+OK\r\n");
    default:
        return acted_node_say(fd, "+OK\r\n");
    }
}

static bool give_up(struct destination_double *actor, int fd) {
    atomic_fetch_add(&actor->givings, 1);
    static const char *const answers[] = {[GIVE_UP] = "+OK\r\n",
                                          [HAS_TAKEN_OVER] = "-ERR no\r\n",
                                          [SAYS_HAS_TAKEN_OVER] =
                                              "-ERR these slots have been imported already\r\n",
                                          [OWNS] = "-ERR Can't import slot which belongs to me\r\n",
                                          [IS_FENCED] = "-READONLY master lease expired: try again\r\n",
                                          [KNOWS_NOTHING] = "-ERR no\r\n",
                                          [IS_SILENT] = ""};
    while (atomic_load(&actor->at_give_up) == IS_SILENT && !atomic_load(&actor->node.is_ending))
        (void)poll(NULL, 0, 5);
    return acted_node_say(fd, answers[atomic_load(&actor->at_give_up)]);
}

static bool inform(struct destination_double *actor, int fd) {
    static const char imported[] =
        "cluster_state:ok\r\nimporting_slot(s): " SLOT "\r\nimport_state: success\r\n";
    char text[256];
    const char *info = atomic_load(&actor->at_give_up) == HAS_TAKEN_OVER ? imported : "cluster_state:ok\r\n";
    (void)snprintf(text, sizeof(text), "$%zu\r\n%s\r\n", strlen(info), info);
    return acted_node_say(fd, text);
}

static bool answer(void *context, int fd, char words[ACTED_WORDS_MAX][ACTED_WORD_SIZE]) {
    struct destination_double *actor = context;
    bool is_cluster = strcasecmp(words[0], "cluster") == 0;
    if (is_cluster && strcasecmp(words[1], "info") == 0)
        return inform(actor, fd);
    if (is_cluster && strcasecmp(words[1], "import") == 0 && strcmp(words[3], "1") == 0)
        return take_over(actor, fd);
    if (is_cluster && strcasecmp(words[1], "import") == 0 && strcmp(words[3], "2") == 0)
        return give_up(actor, fd);
    return acted_node_say(fd, "+OK\r\n");
}

// --- The source ---

static void set_topology(struct play *play, int version) {
    char text[256];
    (void)snprintf(text, sizeof(text),
                   ID_A " 127.0.0.1 %d master - 0-8191\n" ID_B " 127.0.0.1 %d master - 8192-16383\n",
                   play->source.port, play->destination.node.port);
    expect_set_nodes(play->client, text, version);
}

static int open_play(void **state) {
    static struct play play;
    memset(&play, 0, sizeof(play));
    server_start(&play.source, "cluster-enabled yes\n");
    play.client = server_connect(&play.source);
    play.destination.source = server_connect(&play.source);
    acted_node_listen(&play.destination.node);
    acted_node_play(&play.destination.node, answer, &play.destination);
    expect_text(play.client, "OK", "CLUSTERX SETNODEID %s", ID_A);
    set_topology(&play, 1);
    expect_text(play.client, "OK", "SET {bar} 1");
    *state = &play;
    return 0;
}

static int close_play(void **state) {
    struct play *play = *state;
    redisFree(play->client);
    redisFree(play->destination.source);
    server_discard(&play->source); // its end is the links' end
    acted_node_end(&play->destination.node);
    return 0;
}

struct awaited {
    redisContext *client;
    const char *text;
};

static bool says(void *context) {
    const struct awaited *awaited = context;
    redisReply *reply = command(awaited->client, "CLUSTER INFO");
    bool has = strstr(reply->str, awaited->text) != NULL;
    freeReplyObject(reply);
    return has;
}

static void await_state(struct play *play, const char *state) {
    struct awaited awaited = {play->client, state};
    wait_until(says, &awaited, 60, state);
}

static bool was_told(void *context) {
    return atomic_load((atomic_int *)context) != 0;
}

static void migrate(struct play *play, enum at_take_over at_take_over, enum at_give_up at_give_up) {
    atomic_store(&play->destination.at_take_over, (int)at_take_over);
    atomic_store(&play->destination.at_give_up, (int)at_give_up);
    expect_text(play->client, "OK", "CLUSTERX MIGRATE " SLOT " %s", ID_B);
    wait_until(was_told, &play->destination.takings, 60, "the destination is told to take over");
}

static void expect_own(struct play *play) {
    expect_text(play->client, "1", "GET {bar}");
    expect_text(play->client, "OK", "SET {bar} 1");
}

static void expect_in_doubt(struct play *play) {
    expect_text(play->client, "1", "GET {bar}");
    expect_error(play->client, "TRYAGAIN", "SET {bar} 2");
    expect_text(play->client, "OK", "SET b other-slots-go-on");
    assert_true(says(&(struct awaited){play->client, "migrating_state: start\r\n"}));
    expect_error(play->client, "ERR Can't reset cluster while migrating slot", "CLUSTER RESET");
}

// --- Tests ---

static bool has_blocked(void *context) {
    return server_info_number(context, "clients", "blocked_clients") == 1;
}

static void a_destination_that_refuses_gets_nothing(void **state) {
    struct play *play = *state;
    migrate(play, SAY_NO, GIVE_UP);
    await_state(play, "migrating_state: fail\r\n");
    expect_own(play);
}

static void a_lost_answer_keeps_writes_waiting_until_the_truth_is_known(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, HAS_TAKEN_OVER);
    await_state(play, "migrating_state: success\r\n");
    expect_error(play->client, "MOVED " SLOT, "SET {bar} 2");
    expect_error(play->client, "MOVED " SLOT, "GET {bar}");
}

// The command that begins the migration has all who wait looked at, which on a busy machine can come as late
// as when the slot's writes are stopped.
static void who_waits_for_a_key_of_the_slot_is_sent_there(void **state) {
    struct play *play = *state;
    redisContext *waiting = server_connect(&play->source);
    redisReply *reply = NULL;
    send_command(waiting, "BLPOP {bar}list 0");
    wait_until(has_blocked, play->client, 60, "the client waits");
    migrate(play, SAY_OK, GIVE_UP);
    assert_int_equal(redisGetReply(waiting, (void **)&reply), REDIS_OK);
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    if (strncmp(reply->str, "TRYAGAIN", strlen("TRYAGAIN")) == 0) {
        await_state(play, "migrating_state: success\r\n");
        expect_error(waiting, "MOVED " SLOT, "BLPOP {bar}list 0");
    } else {
        assert_memory_equal(reply->str, "MOVED " SLOT, strlen("MOVED " SLOT));
    }
    freeReplyObject(reply);
    redisFree(waiting);
}

// It may have imported something else since, or have been given the slot by a topology.
static void a_destination_that_says_so_has_taken_over(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, SAYS_HAS_TAKEN_OVER);
    await_state(play, "migrating_state: success\r\n");
    expect_error(play->client, "MOVED " SLOT, "SET {bar} 2");
}

static void a_destination_that_owns_the_slot_has_taken_over(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, OWNS);
    await_state(play, "migrating_state: success\r\n");
    expect_error(play->client, "MOVED " SLOT, "SET {bar} 2");
}

static void a_destination_that_is_fenced_is_asked_again(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, IS_FENCED);
    server_wait_log(&play->source, "it is not known whether the other node has taken them over");
    expect_error(play->client, "TRYAGAIN", "SET {bar} 2");
    atomic_store(&play->destination.at_give_up, SAYS_HAS_TAKEN_OVER);
    await_state(play, "migrating_state: success\r\n");
}

static void a_destination_that_gives_up_leaves_the_slot_here(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, GIVE_UP);
    await_state(play, "migrating_state: fail\r\n");
    expect_own(play);
}

static void a_destination_that_has_forgotten_leaves_the_slot_here(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, KNOWS_NOTHING);
    await_state(play, "migrating_state: fail\r\n");
    expect_own(play);
}

static void what_is_in_doubt_outlives_a_restart(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP_FOR_GOOD, HAS_TAKEN_OVER);
    expect_in_doubt(play);
    server_kill(&play->source);
    redisFree(play->destination.source);
    redisFree(play->client);
    server_restart(&play->source);
    play->client = server_connect(&play->source);
    play->destination.source = server_connect(&play->source);
    expect_in_doubt(play);
    atomic_store(&play->destination.node.refuses_connections, false);
    await_state(play, "migrating_state: success\r\n");
    expect_error(play->client, "MOVED " SLOT, "SET {bar} 2");
}

static void an_operator_can_end_the_doubt(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP_FOR_GOOD, HAS_TAKEN_OVER);
    expect_in_doubt(play);
    expect_text(play->client, "OK", "CLUSTERX SETSLOT " SLOT " NODE %s 2", ID_A);
    expect_own(play);
}

// In doubt, with the destination being asked, when a topology says whose the slot is.
static void end_doubt_while_asking(struct play *play, const char *owner) {
    wait_until(was_told, &play->destination.givings, 60, "the destination is told to give up");
    expect_text(play->client, "OK", "CLUSTERX SETSLOT " SLOT " NODE %s 2", owner);
    atomic_store(&play->destination.at_take_over, SAY_OK);
}

static void await_other_slot(struct play *play) {
    await_state(play, "migrating_slot(s): 100\r\ndestination_node: " ID_B "\r\nmigrating_state: success\r\n");
    assert_int_equal(atomic_load(&play->destination.takings), 2); // so it has been moved indeed
}

static void an_answer_that_comes_late_does_not_end_the_next_migration(void **state) {
    struct play *play = *state;
    migrate(play, HANG_UP, IS_SILENT);
    end_doubt_while_asking(play, ID_B);
    expect_text(play->client, "OK", "CLUSTERX MIGRATE 100 %s", ID_B);
    atomic_store(&play->destination.at_give_up, SAYS_HAS_TAKEN_OVER);
    await_other_slot(play);
    expect_error(play->client, "MOVED " SLOT, "SET {bar} 2");
}

static void who_waits_for_what_a_topology_has_ended_is_told_when_the_next_one_begins(void **state) {
    struct play *play = *state;
    redisContext *first = server_connect(&play->source);
    redisContext *second = server_connect(&play->source);
    atomic_store(&play->destination.at_take_over, HANG_UP);
    atomic_store(&play->destination.at_give_up, IS_SILENT);
    send_command(first, "CLUSTERX MIGRATE " SLOT " %s SYNC", ID_B);
    end_doubt_while_asking(play, ID_A);
    send_command(second, "CLUSTERX MIGRATE 100 %s SYNC", ID_B);
    expect_next_text(first, "ERR a topology has ended the migration");
    atomic_store(&play->destination.at_give_up, GIVE_UP);
    expect_next_text(second, "OK");
    await_other_slot(play);
    expect_own(play);
    redisFree(first);
    redisFree(second);
}

// While it is fenced it sends nobody there, as its place may have been taken meanwhile.
static void a_lease_that_ends_at_the_hand_over_keeps_clients_here(void **state) {
    struct play *play = *state;
    expect_text(play->client, "OK", "CONFIG SET master-lease-mode block-write");
    lease_grant(play->client, 1, 60000);
    migrate(play, RUN_OUT_OF_LEASE, HAS_TAKEN_OVER);
    server_wait_log(&play->source, "it is not known whether the other node has taken them over");
    expect_text(play->client, "1", "GET {bar}");
    expect_error(play->client, "TRYAGAIN", "SET {bar} 2");
    assert_int_equal(atomic_load(&play->destination.givings), 0);
    lease_grant(play->client, 1, 60000);
    await_state(play, "migrating_state: success\r\n");
    expect_error(play->client, "MOVED " SLOT, "SET {bar} 2");
}

// The destination forgets what it has imported when another topology comes; so clients wait for the right
// one.
static void a_topology_that_does_not_know_of_the_move_is_waited_out(void **state) {
    struct play *play = *state;
    migrate(play, SAY_OK, GIVE_UP);
    await_state(play, "migrating_state: success\r\n");
    expect_error(play->client, "MOVED " SLOT, "GET {bar}");
    set_topology(play, 2);
    expect_error(play->client, "TRYAGAIN", "GET {bar}");
    expect_error(play->client, "TRYAGAIN", "SET {bar} 2");
    await_state(play, "migrating_state: success\r\n"); // so that the controller learns of it
    expect_text(play->client, "OK", "CLUSTERX SETSLOT " SLOT " NODE %s 3", ID_B);
    expect_error(play->client, "MOVED " SLOT, "GET {bar}");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, open_play, close_play)

int main(void) {
    const struct CMUnitTest tests[] = {
        CASE(a_destination_that_refuses_gets_nothing),
        CASE(a_lost_answer_keeps_writes_waiting_until_the_truth_is_known),
        CASE(who_waits_for_a_key_of_the_slot_is_sent_there),
        CASE(a_destination_that_says_so_has_taken_over),
        CASE(a_destination_that_owns_the_slot_has_taken_over),
        CASE(a_destination_that_is_fenced_is_asked_again),
        CASE(a_destination_that_gives_up_leaves_the_slot_here),
        CASE(a_destination_that_has_forgotten_leaves_the_slot_here),
        CASE(what_is_in_doubt_outlives_a_restart),
        CASE(an_operator_can_end_the_doubt),
        CASE(an_answer_that_comes_late_does_not_end_the_next_migration),
        CASE(who_waits_for_what_a_topology_has_ended_is_told_when_the_next_one_begins),
        CASE(a_lease_that_ends_at_the_hand_over_keeps_clients_here),
        CASE(a_topology_that_does_not_know_of_the_move_is_waited_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
