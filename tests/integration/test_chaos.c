// SPDX-License-Identifier: Apache-2.0
//
// Replication where everything goes wrong: a master and two replicas, each in a network namespace of its own,
// under the load of 50 clients. Two tests:
//
// - CHAOS_SECONDS (5) long, at random moments, links are cut with and without notice, nodes are killed (some
//   again while they start) and stopped, replicas follow one another or write themselves, all is deleted.
//   When all has healed, all three have the same data byte for byte, and everything is there that was
//   acknowledged, with WAIT or without.
// - CHAOS_ROUNDS (6) times exactly one thing fails: the master dies, or is stopped, or is cut off from its
//   replicas, and the replica that has more becomes the master; or it is a replica that fails. Everything
//   that WAIT said that a replica has is there afterwards.
//
// KVFENCE_SEED repeats a run as far as the machine lets it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chaos_cluster.h"
#include "chaos_load.h"
#include "keyspace.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CLIENTS = 50, DEFAULT_SECONDS = 5, DEFAULT_ROUNDS = 6, LONG_RUN_SECONDS = 60, TICK_MS = 10 };
enum { LINKS = NETWORK_PLACES * NETWORK_PLACES };

enum event { CUTS, KILLS, STOPS, FOLLOWS, REVOLTS, FLUSHES, EVENTS };

struct chaos {
    struct chaos_cluster cluster;
    struct chaos_load *load;
    unsigned seed;
    int master;
    uint64_t node_heals_ms[CHAOS_NODES]; // 0: nothing is wrong
    uint64_t link_heals_ms[LINKS];
    unsigned events[EVENTS];
    unsigned cuts[NETWORK_CUTS];
    bool has_ended; // as it should
};

static uint64_t now_ms(void) {
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void let_time_pass(unsigned milliseconds) {
    const struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = milliseconds % 1000 * 1000000L};
    (void)nanosleep(&time, NULL);
}

static unsigned random_below(struct chaos *chaos, unsigned limit) {
    return (unsigned)rand_r(&chaos->seed) % limit;
}

static unsigned from_environment(const char *name, unsigned otherwise) {
    const char *given = getenv(name);
    return given == NULL ? otherwise : (unsigned)strtoul(given, NULL, 10);
}

// --- The whole ---

static int open_chaos(void **state) {
    static struct chaos chaos;
    chaos = (struct chaos){.seed = from_environment("KVFENCE_SEED", (unsigned)time(NULL))};
    print_message("seed: KVFENCE_SEED=%u\n", chaos.seed);
    *state = &chaos;
    chaos_cluster_start(&chaos.cluster);
    chaos.load = chaos_load_open(CLIENTS, chaos.seed);
    for (int node = 0; node < CHAOS_NODES; node++)
        chaos_load_know(chaos.load, node, chaos.cluster.nodes[node].server.port);
    chaos_load_aim(chaos.load, 0);
    return 0;
}

static int close_chaos(void **state) {
    struct chaos *chaos = *state;
    chaos_load_close(chaos->load);
    chaos_cluster_discard(&chaos->cluster, !chaos->has_ended);
    return 0;
}

static void report(struct chaos *chaos) {
    struct chaos_load_counts counts = chaos_load_counts(chaos->load);
    unsigned full = 0;
    unsigned streams = 0;
    unsigned discards = 0;
    chaos_cluster_count_syncs(&chaos->cluster, &full, &streams, &discards);
    print_message("%" PRIu64 " commands, %" PRIu64 " numbered keys acknowledged, %" PRIu64
                  " of them had by a replica, %" PRIu64 " connections broken\n",
                  counts.commands, counts.acknowledged, counts.replicated, counts.broken);
    print_message("%u kills, %u stops, %u cuts (%u with notice, %u without, %u one way), %u other masters, "
                  "%u revolts, %u times emptied; %u full copies (%u discarded something), %u streams\n",
                  chaos->events[KILLS], chaos->events[STOPS], chaos->events[CUTS],
                  chaos->cuts[NETWORK_LINK_DOWN], chaos->cuts[NETWORK_SILENCE], chaos->cuts[NETWORK_ONE_WAY],
                  chaos->events[FOLLOWS], chaos->events[REVOLTS], chaos->events[FLUSHES], full, discards,
                  streams);
}

// All nodes run, and nothing is cut.
static void expect_same_data_without_gaps(struct chaos *chaos) {
    size_t remembered = 0;
    chaos_load_rest(chaos->load);
    chaos_cluster_await_same_data(&chaos->cluster);
    for (int node = 0; node < CHAOS_NODES; node++)
        assert_int_equal(
            chaos_load_count_missing(chaos->load, chaos->cluster.nodes[node].inside, &remembered), 0);
    if (chaos_load_complaint(chaos->load) != NULL)
        fail_msg("a client was told: %s", chaos_load_complaint(chaos->load));
    assert_true(remembered > 0);
}

// What is stored is one thing, and what clients get, who have read it before, another.
static bool answers_are_the_same(void *context) {
    struct chaos *chaos = context;
    struct buffer answers[CHAOS_NODES] = {0};
    bool same = true;
    for (int node = 0; node < CHAOS_NODES; node++) {
        keyspace_describe_matching(chaos->cluster.nodes[node].inside, "[^n]*", &answers[node]);
        same = same && bytes_equal(buffer_bytes(&answers[node]), buffer_bytes(&answers[0]));
    }
    for (int node = 0; node < CHAOS_NODES; node++)
        buffer_release(&answers[node]);
    return same;
}

static void expect_same_answers(struct chaos *chaos) {
    wait_until(answers_are_the_same, chaos, IS_SANITIZED ? 120 : 60, "all nodes answer alike");
}

// --- Anything at any time ---

static bool is_fine(const struct chaos *chaos, int node) {
    return chaos->cluster.nodes[node].state == CHAOS_RUNNING;
}

static void heal_node(struct chaos *chaos, int node) {
    chaos->node_heals_ms[node] = 0;
    if (chaos->cluster.nodes[node].state == CHAOS_DEAD) {
        if (random_below(chaos, 3) == 0) {
            chaos_cluster_restart_in_vain(&chaos->cluster, node, random_below(chaos, 60));
            chaos->events[KILLS]++;
        }
        chaos_cluster_restart(&chaos->cluster, node);
    } else if (chaos->cluster.nodes[node].state == CHAOS_STOPPED) {
        chaos_cluster_continue(&chaos->cluster, node);
    }
}

static void kill_node(struct chaos *chaos, int node) {
    chaos_cluster_kill(&chaos->cluster, node);
    chaos->events[KILLS]++;
}

static void stop_node(struct chaos *chaos, int node) {
    chaos_cluster_stop(&chaos->cluster, node);
    chaos->events[STOPS]++;
}

static void cut(struct chaos *chaos, int first, int second, enum network_cut how) {
    network_cut(first, second, how);
    chaos->cuts[how]++;
    chaos->events[CUTS]++;
}

static void heal_link(struct chaos *chaos, int link) {
    chaos->link_heals_ms[link] = 0;
    network_mend(link / NETWORK_PLACES, link % NETWORK_PLACES);
}

static void heal_what_is_due(struct chaos *chaos, uint64_t now) {
    for (int node = 0; node < CHAOS_NODES; node++) {
        if (chaos->node_heals_ms[node] != 0 && chaos->node_heals_ms[node] <= now)
            heal_node(chaos, node);
    }
    for (int link = 0; link < LINKS; link++) {
        if (chaos->link_heals_ms[link] != 0 && chaos->link_heals_ms[link] <= now)
            heal_link(chaos, link);
    }
}

// Mostly a moment, sometimes longer than the log is kept.
static uint64_t until(struct chaos *chaos) {
    unsigned most = random_below(chaos, 4) == 0 ? 7000 : 1500;
    return now_ms() + 1 + random_below(chaos, most);
}

static void cut_something(struct chaos *chaos) {
    int one = (int)random_below(chaos, NETWORK_PLACES);
    int other = (int)random_below(chaos, NETWORK_PLACES);
    enum network_cut how = (enum network_cut)random_below(chaos, NETWORK_CUTS);
    if (one == other || chaos->link_heals_ms[one * NETWORK_PLACES + other] != 0)
        return;
    cut(chaos, one, other, how);
    chaos->link_heals_ms[one * NETWORK_PLACES + other] = until(chaos);
}

static void harm_node(struct chaos *chaos, void (*harm)(struct chaos *chaos, int node)) {
    int node = (int)random_below(chaos, CHAOS_NODES);
    if (!is_fine(chaos, node))
        return;
    harm(chaos, node);
    chaos->node_heals_ms[node] = until(chaos);
}

// A replica follows the other one, unless that follows it, or the master again.
static void follow_another(struct chaos *chaos) {
    int node = 1 + (int)random_below(chaos, CHAOS_NODES - 1);
    int other = CHAOS_NODES - node;
    if (!is_fine(chaos, node))
        return;
    bool is_chain = chaos->cluster.nodes[other].master == node;
    bool follows_master = chaos->cluster.nodes[node].master == 0;
    chaos_cluster_follow(&chaos->cluster, node, follows_master && !is_chain ? other : 0);
    chaos->events[FOLLOWS]++;
}

// A replica takes itself for the master, and writes what must be gone when it follows again.
static void revolt(struct chaos *chaos) {
    int node = 1 + (int)random_below(chaos, CHAOS_NODES - 1);
    redisContext *inside = chaos->cluster.nodes[node].inside;
    int master = chaos->cluster.nodes[node].master;
    if (!is_fine(chaos, node))
        return;
    chaos_cluster_follow(&chaos->cluster, node, -1);
    for (unsigned i = random_below(chaos, 50); i > 0; i--)
        expect_text(inside, "OK", "SET revolt:%u %u", i, random_below(chaos, 1000));
    chaos_cluster_follow(&chaos->cluster, node, master);
    chaos->events[REVOLTS]++;
}

static void empty_everything(struct chaos *chaos) {
    if (!is_fine(chaos, 0))
        return;
    expect_text(chaos->cluster.nodes[0].inside, "OK", random_below(chaos, 2) == 0 ? "FLUSHALL" : "FLUSHDB");
    chaos_load_forget(chaos->load);
    chaos->events[FLUSHES]++;
}

static void do_something(struct chaos *chaos) {
    unsigned choice = random_below(chaos, 100);
    if (choice < 45)
        cut_something(chaos);
    else if (choice < 65)
        harm_node(chaos, kill_node);
    else if (choice < 85)
        harm_node(chaos, stop_node);
    else if (choice < 92)
        follow_another(chaos);
    else if (choice < 97)
        revolt(chaos);
    else
        empty_everything(chaos);
}

static void all_nodes_have_the_same_data_when_everything_has_healed(void **state) {
    struct chaos *chaos = *state;
    unsigned seconds = from_environment("CHAOS_SECONDS", DEFAULT_SECONDS);
    uint64_t end = now_ms() + (uint64_t)seconds * 1000;
    uint64_t next = now_ms() + random_below(chaos, 1000);
    chaos_load_go_on(chaos->load);
    for (uint64_t now = now_ms(); now < end; now = now_ms()) {
        heal_what_is_due(chaos, now);
        if (now >= next) {
            do_something(chaos);
            next = now + random_below(chaos, 700);
        }
        let_time_pass(TICK_MS);
    }
    heal_what_is_due(chaos, UINT64_MAX);
    for (int node = 1; node < CHAOS_NODES; node++)
        chaos_cluster_follow(&chaos->cluster, node, 0);
    expect_same_data_without_gaps(chaos);
    expect_same_answers(chaos);
    report(chaos);
    if (seconds >= LONG_RUN_SECONDS) { // otherwise the test has not tested what it should
        for (int event = 0; event < EVENTS; event++)
            assert_true(chaos->events[event] > 0);
    }
    chaos->has_ended = true;
}

// --- One failure at a time ---

static struct chaos_node *node_at(struct chaos *chaos, int node) {
    return &chaos->cluster.nodes[node];
}

static int first_replica(const struct chaos *chaos) {
    return (chaos->master + 1) % CHAOS_NODES;
}

static int second_replica(const struct chaos *chaos) {
    return (chaos->master + 2) % CHAOS_NODES;
}

struct progress {
    struct chaos_load *load;
    uint64_t replicated;
};

static bool has_come_so_far(void *context) {
    const struct progress *progress = context;
    return chaos_load_counts(progress->load).replicated >= progress->replicated;
}

static void await_replicated_writes(struct chaos *chaos, uint64_t count, const char *what) {
    struct progress progress = {chaos->load, chaos_load_counts(chaos->load).replicated + count};
    wait_until(has_come_so_far, &progress, IS_SANITIZED ? 240 : 60, what);
}

// What the old master acknowledges from here on does not count, so no replica can get ahead of the one that
// is chosen by what matters.
static void promote_the_better_one(struct chaos *chaos) {
    int chosen = first_replica(chaos);
    int other = second_replica(chaos);
    chaos_load_aim(chaos->load, chosen);
    if (chaos_cluster_offset(&chaos->cluster, other) > chaos_cluster_offset(&chaos->cluster, chosen)) {
        other = chosen;
        chosen = second_replica(chaos);
        chaos_load_aim(chaos->load, chosen);
    }
    chaos_cluster_follow(&chaos->cluster, chosen, -1);
    assert_int_equal(chaos_load_count_missing(chaos->load, node_at(chaos, chosen)->inside, NULL), 0);
    chaos_cluster_follow(&chaos->cluster, other, chosen);
    chaos->master = chosen;
}

static void come_back(struct chaos *chaos, int old) {
    if (node_at(chaos, old)->state == CHAOS_DEAD && random_below(chaos, 3) == 0) {
        chaos_cluster_replace(&chaos->cluster, old);
        chaos_load_know(chaos->load, old, node_at(chaos, old)->server.port);
    } else if (node_at(chaos, old)->state == CHAOS_DEAD) {
        chaos_cluster_restart(&chaos->cluster, old);
    }
    chaos_cluster_follow(&chaos->cluster, old, chaos->master);
}

static void the_master_dies(struct chaos *chaos) {
    int old = chaos->master;
    kill_node(chaos, old);
    promote_the_better_one(chaos);
    await_replicated_writes(chaos, 50, "the new master's writes are replicated");
    come_back(chaos, old);
}

// Its connections stay, so that its replicas take it for alive.
static void the_master_is_stopped(struct chaos *chaos) {
    int old = chaos->master;
    stop_node(chaos, old);
    promote_the_better_one(chaos);
    await_replicated_writes(chaos, 50, "the new master's writes are replicated");
    chaos_cluster_continue(&chaos->cluster, old);
    come_back(chaos, old);
}

// It goes on writing what nobody else will ever have.
static void the_master_is_cut_off(struct chaos *chaos) {
    int old = chaos->master;
    int one = first_replica(chaos);
    int other = second_replica(chaos);
    enum network_cut how = (enum network_cut)random_below(chaos, NETWORK_ONE_WAY);
    cut(chaos, old, one, how);
    cut(chaos, old, other, how);
    let_time_pass(random_below(chaos, 500));
    promote_the_better_one(chaos);
    await_replicated_writes(chaos, 50, "the new master's writes are replicated");
    network_mend(old, one);
    network_mend(old, other);
    come_back(chaos, old);
}

static void a_replica_dies(struct chaos *chaos) {
    int node = random_below(chaos, 2) == 0 ? first_replica(chaos) : second_replica(chaos);
    kill_node(chaos, node);
    await_replicated_writes(chaos, 50, "the other replica has the writes");
    come_back(chaos, node);
}

static void a_replica_is_cut_off(struct chaos *chaos) {
    int node = random_below(chaos, 2) == 0 ? first_replica(chaos) : second_replica(chaos);
    cut(chaos, chaos->master, node, (enum network_cut)random_below(chaos, NETWORK_CUTS));
    await_replicated_writes(chaos, 50, "the other replica has the writes");
    network_mend(chaos->master, node);
}

// Killed and back before anybody else takes its place.
static void the_master_dies_and_comes_back(struct chaos *chaos) {
    kill_node(chaos, chaos->master);
    let_time_pass(random_below(chaos, 300));
    chaos_cluster_restart(&chaos->cluster, chaos->master);
    await_replicated_writes(chaos, 50, "the replicas are back");
}

static const struct {
    const char *name;
    void (*happen)(struct chaos *chaos);
} failures[] = {
    {"the master dies", the_master_dies},
    {"a replica dies", a_replica_dies},
    {"the master is cut off", the_master_is_cut_off},
    {"the master is stopped", the_master_is_stopped},
    {"a replica is cut off", a_replica_is_cut_off},
    {"the master dies and comes back", the_master_dies_and_comes_back},
};
enum { FAILURES = sizeof(failures) / sizeof(failures[0]) };

static void one_failure_loses_no_write_that_a_replica_had(void **state) {
    struct chaos *chaos = *state;
    unsigned rounds = from_environment("CHAOS_ROUNDS", DEFAULT_ROUNDS);
    for (unsigned round = 0; round < rounds; round++) {
        chaos_load_go_on(chaos->load);
        await_replicated_writes(chaos, 100 + random_below(chaos, 400), "a replica has the writes");
        print_message("round %u: %s\n", round + 1, failures[round % FAILURES].name);
        failures[round % FAILURES].happen(chaos);
        assert_int_equal(chaos_load_count_missing(chaos->load, node_at(chaos, chaos->master)->inside, NULL),
                         0);
        expect_same_data_without_gaps(chaos);
    }
    expect_same_answers(chaos);
    report(chaos);
    chaos->has_ended = true;
}

int main(void) {
    (void)signal(SIGPIPE, SIG_IGN); // a client whose server has died writes on, and is told
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_nodes_have_the_same_data_when_everything_has_healed, open_chaos,
                                        close_chaos),
        cmocka_unit_test_setup_teardown(one_failure_loses_no_write_that_a_replica_had, open_chaos,
                                        close_chaos),
    };
    return cmocka_run_group_tests(tests, network_make, NULL);
}
