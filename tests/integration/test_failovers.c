// SPDX-License-Identifier: Apache-2.0
//
// The drill: a master that is cut off from its controller, but not from its clients, is replaced by its
// replica once its lease must be over, while clients write to both without end; it comes back as a replica,
// and nothing is left of what it alone had. FAILOVERS rounds (5 unless the environment says otherwise), each
// in another way: with the replica cut off too or lagging, with a process that is stopped over its deadline,
// with the kernel's fence, with heartbeats that name the node's clock and lie in the network meanwhile, or
// with answers that get lost. The nodes take turns in being the old master.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controller.h"
#include "failover_verdict.h"
#include "fence_rig.h"
#include "lease_client.h"
#include "network.h"
#include "replication_pair.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DISCARDED "sequence numbers that the master does not have"

enum {
    CLIENTS = 2, // their place; those of the nodes are 0 and 1
    CONTROLLER = NETWORK_HOME,
    OLD_WRITERS = 7,
    WRITERS = 11,
    DEFAULT_ROUNDS = 5,
    PATIENCE_SECONDS = IS_SANITIZED ? 120 : 30,
    SHORT_PATIENCE_MS = 100
};

struct plan {
    int lease_ms;
    int before_ms, after_ms; // how long the old master is well, and the new one reigns before the old is back
    int stop_at_ms;          // before the lease is over, if it is stopped
    bool sends_since;        // heartbeats name the node's clock
    bool replication_is_cut; // with the controller's link
    bool replication_lags;   // it is cut before, and mended with the cut unless that is cut as well
    bool answers_are_lost; // heartbeats still reach the old master when its answers do not come back any more
    bool is_stopped;       // the old master's process
    bool goes_on_early;    // it is continued when the lease is over, else when the new master reigns
    bool is_fenced;        // by the kernel
    bool replica_is_mended_first;
    bool waits_for_late_heartbeat; // which the network has kept for the old master until the links are mended
};

struct drill {
    struct controller controller;
    struct plan plan;
    unsigned seed, round;
    int old, new; // nodes
    struct writer writers[WRITERS];
    size_t writing; // of these are threads
    _Atomic bool is_finished;
    bool heartbeat_is_under_way; // to the old master, and names its clock
    redisContext *queued;        // what was sent on it lies in a stopped process's socket; NULL: nothing
    struct failover failover;
    size_t discarded; // how often the old master's log has said before that it throws something away
    struct verdict sum;
};

static struct test_server *server_of(struct drill *drill, int node) {
    return &drill->controller.nodes[node].server;
}

static redisContext *client_of(struct drill *drill, int node) {
    return network_connect(CLIENTS, network_address(node), server_of(drill, node)->port);
}

static bool tick(struct drill *drill, int node) {
    long long sequence = 0;
    char role[16];
    return controller_ask_state(&drill->controller, node, &sequence, role);
}

// --- The nodes ---

static void start_node(struct drill *drill, int node) {
    network_go(node);
    server_start(server_of(drill, node), "bind 0.0.0.0\ncluster-enabled yes\nmaster-lease-mode block-write\n"
                                         "fence-bpf-path " FENCE_PINS);
    await_fence(server_of(drill, node), "attached");
    network_go(CONTROLLER);
    drill->controller.nodes[node].address = network_address(node);
    drill->controller.nodes[node].is_member = true;
}

static int open_nodes(void **state) {
    static struct drill drill;
    const char *given = getenv("KVFENCE_SEED");
    drill.seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : (unsigned)time(NULL);
    drill.new = 1;
    controller_prepare(&drill.controller);
    for (int node = 0; node < 2; node++)
        start_node(&drill, node);
    (void)snprintf(drill.controller.nodes[0].slots, CONTROLLER_TEXT, "0-16383");
    drill.controller.nodes[1].master = 0;
    controller_create(&drill.controller);
    *state = &drill;
    return 0;
}

static void end_writers(struct drill *drill) {
    atomic_store(&drill->is_finished, true);
    while (drill->writing > 0)
        writer_join(&drill->writers[--drill->writing]);
}

// Also after a failure in the middle of everything.
static int close_nodes(void **state) {
    struct drill *drill = *state;
    end_writers(drill);
    for (int node = 0; node < 2; node++) {
        (void)kill(server_of(drill, node)->pid, SIGCONT);
        controller_hang_up(&drill->controller, node);
        server_discard(server_of(drill, node));
    }
    return 0;
}

// --- Plans ---

static int between(struct drill *drill, int least, int most) {
    return least + (int)((unsigned)rand_r(&drill->seed) % (unsigned)(most - least + 1));
}

static bool once_in(struct drill *drill, int times) {
    return between(drill, 1, times) == 1;
}

static void make_plan(struct drill *drill) {
    struct plan *plan = &drill->plan;
    plan->lease_ms = between(drill, 300, 1000);
    plan->before_ms = between(drill, 50, 400);
    plan->after_ms = between(drill, 50, 400);
    plan->stop_at_ms = between(drill, -5, plan->lease_ms / 2);
    plan->sends_since = once_in(drill, 2);
    plan->replication_is_cut = once_in(drill, 2);
    plan->replication_lags = once_in(drill, 3);
    plan->answers_are_lost = once_in(drill, 3);
    plan->is_stopped = once_in(drill, 2);
    plan->goes_on_early = once_in(drill, 2);
    plan->is_fenced = once_in(drill, 2);
    plan->replica_is_mended_first = once_in(drill, 2);
    plan->waits_for_late_heartbeat = once_in(drill, 2);
    print_message("round %u: a lease of %d ms%s%s%s%s%s%s\n", drill->round, plan->lease_ms,
                  plan->sends_since ? ", with SINCE" : "",
                  plan->replication_is_cut ? ", the replica is cut off as well" : "",
                  plan->replication_lags ? ", the replica lags" : "",
                  plan->answers_are_lost ? ", answers are lost first" : "",
                  !plan->is_stopped     ? ""
                  : plan->goes_on_early ? ", the process is stopped over its deadline"
                                        : ", the process is stopped until the new master reigns",
                  plan->is_fenced ? ", fenced by the kernel" : "");
}

// --- Before ---

// With a lease that is held the old master takes writes.
static bool is_flushed(void *context) {
    struct drill *drill = context;
    if (!tick(drill, drill->old))
        return false;
    redisContext *client = client_of(drill, drill->old);
    redisReply *reply = command(client, "FLUSHALL");
    bool flushed = reply->type == REDIS_REPLY_STATUS;
    freeReplyObject(reply);
    redisFree(client);
    return flushed;
}

static void start_writers(struct drill *drill) {
    static const enum writer_kind kinds[] = {WRITER_SINGLE, WRITER_QUEUE, WRITER_WAITING};
    atomic_store(&drill->is_finished, false);
    for (unsigned i = 0; i < WRITERS; i++) {
        int node = i < OLD_WRITERS ? drill->old : drill->new;
        drill->writers[i] = (struct writer){.place = CLIENTS,
                                            .target = node,
                                            .port = server_of(drill, node)->port,
                                            .kind = kinds[i % 3],
                                            .round = drill->round,
                                            .number = i};
        writer_start(&drill->writers[i], &drill->is_finished);
        drill->writing = i + 1;
    }
}

// For so long; each heartbeat that the node does not answer is one that it does not get.
static void keep_lease(struct drill *drill, int node, int milliseconds) {
    long long end = boot_ms() + milliseconds;
    do {
        (void)tick(drill, node);
        let_boot_time_pass(drill->plan.lease_ms / 5);
    } while (boot_ms() < end);
}

struct acknowledgements {
    struct drill *drill;
    int node;
};

static bool has_acknowledged(void *context) {
    const struct acknowledgements *awaited = context;
    struct drill *drill = awaited->drill;
    keep_lease(drill, awaited->node, 0);
    for (size_t i = 0; i < WRITERS; i++) {
        if (drill->writers[i].target == awaited->node && atomic_load(&drill->writers[i].acknowledged) == 0)
            return false;
    }
    return true;
}

static void await_acknowledgements(struct drill *drill, int node) {
    struct acknowledgements awaited = {drill, node};
    wait_until(has_acknowledged, &awaited, PATIENCE_SECONDS, "all writers of a master are acknowledged");
}

static void begin(struct drill *drill) {
    struct controller *controller = &drill->controller;
    make_plan(drill);
    controller->lease_ms = drill->plan.lease_ms;
    controller->sends_since = drill->plan.sends_since;
    drill->discarded = server_log_count(server_of(drill, drill->old), DISCARDED);
    for (int node = 0; node < 2; node++) {
        controller->nodes[node].lease_clock[0] = '\0';
        controller->nodes[node].patience_ms = 0;
    }
    drill->failover = (struct failover){
        .writers = drill->writers, .count = WRITERS, .old_master = drill->old, .new_master = drill->new};
    wait_until(is_flushed, drill, PATIENCE_SECONDS, "the old master takes writes");
    if (drill->plan.is_fenced) {
        network_go(drill->old);
        fence_attach(network_interface(CLIENTS), FENCE_BY_TC);
        network_go(CONTROLLER);
    }
    start_writers(drill);
    await_acknowledgements(drill, drill->old);
    keep_lease(drill, drill->old, drill->plan.before_ms);
}

// --- The failover ---

// What the old master itself says, whom clients still reach.
static void look_at_the_deadline(struct drill *drill) {
    redisContext *client = client_of(drill, drill->old);
    long long asked_ms = boot_ms();
    long long left_ms = lease_number(client, "lease_deadline_ms");
    drill->failover.deadline_ns = writer_now_ns() + (uint64_t)((left_ms > 0 ? left_ms : 0) + 1) * 1000000;
    redisFree(client);
    // The controller does not know it, but must never take it for over too early.
    assert_true(asked_ms + left_ms <= drill->controller.nodes[drill->old].lease_over_ms + 1);
}

static void cut_off(struct drill *drill) {
    const struct plan *plan = &drill->plan;
    int old = drill->old;
    int new = drill->new;
    if (plan->replication_lags) {
        network_cut(old, new, NETWORK_SILENCE);
        keep_lease(drill, drill->old, plan->lease_ms / 2);
    }
    drill->controller.nodes[drill->old].patience_ms = SHORT_PATIENCE_MS;
    controller_hang_up(&drill->controller, drill->old); // the next connection has that patience
    (void)tick(drill, drill->old);
    if (plan->answers_are_lost) {
        network_cut(old, CONTROLLER, NETWORK_ONE_WAY);
        (void)tick(drill, drill->old);
    }
    network_cut(CONTROLLER, old, NETWORK_SILENCE);
    if (plan->replication_is_cut)
        network_cut(old, new, NETWORK_SILENCE);
    else
        network_mend(old, new);
    drill->heartbeat_is_under_way = plan->sends_since && drill->controller.nodes[drill->old].link != NULL;
    (void)tick(drill, drill->old);
    look_at_the_deadline(drill);
}

static void await_boot_ms(long long moment) {
    while (boot_ms() <= moment)
        (void)poll(NULL, 0, 1);
}

static void let_the_lease_run_out(struct drill *drill) {
    long long over_ms = drill->controller.nodes[drill->old].lease_over_ms;
    if (drill->plan.is_stopped) {
        await_boot_ms(over_ms - drill->plan.stop_at_ms);
        server_pause(server_of(drill, drill->old));
        drill->failover.stopped_ns = writer_now_ns();
        drill->queued = client_of(drill, drill->old);
        send_command(drill->queued, "SET {bar}queued 1");
    }
    await_boot_ms(over_ms);
}

// It came before the deadline or after it, and is read after it. Only the kernel may keep it back.
static void expect_refusal_of_queued_write(struct drill *drill) {
    enum { SHORTLY_MS = 200 };
    redisReply *reply = NULL;
    if (!drill->plan.is_fenced || is_answered(drill->queued, SHORTLY_MS)) {
        assert_int_equal(redisGetReply(drill->queued, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_ERROR);
        assert_memory_equal(reply->str, LEASE_REFUSAL, strlen(LEASE_REFUSAL));
        freeReplyObject(reply);
    }
    redisFree(drill->queued);
    drill->queued = NULL;
}

static void let_go_on(struct drill *drill) {
    server_continue(server_of(drill, drill->old));
    expect_refusal_of_queued_write(drill);
    redisContext *client = client_of(drill, drill->old);
    expect_text(client, "PONG", "PING");
    redisFree(client);
}

static void replace_the_master(struct drill *drill) {
    const struct plan *plan = &drill->plan;
    drill->controller.nodes[drill->old].patience_ms =
        1; // nothing shall keep the controller from promoting now
    if (plan->is_stopped && plan->goes_on_early)
        let_go_on(drill);
    assert_int_equal(controller_fail_over(&drill->controller, drill->old), drill->new);
    await_acknowledgements(drill, drill->new);
    keep_lease(drill, drill->new, plan->after_ms);
    if (plan->is_stopped && !plan->goes_on_early)
        let_go_on(drill);
    keep_lease(drill, drill->new, plan->after_ms / 4);
}

// --- After ---

static bool has_been_told(void *context) {
    struct drill *drill = context;
    (void)tick(drill, drill->new);
    return controller_push(&drill->controller, drill->old);
}

struct late_heartbeats {
    struct drill *drill;
    redisContext *client;
    long long before;
};

static bool has_grown(void *context) {
    const struct late_heartbeats *late = context;
    (void)tick(late->drill, late->drill->new);
    return lease_number(late->client, "lease_late_heartbeats") > late->before;
}

// A heartbeat that was sent before it was all over arrives now, before the old master has heard of anything.
// It must make no difference.
static void mend_under_a_late_heartbeat(struct drill *drill) {
    redisContext *client = client_of(drill, drill->old);
    struct late_heartbeats late = {drill, client, lease_number(client, "lease_late_heartbeats")};
    network_mend(CONTROLLER, drill->old);
    wait_until(has_grown, &late, PATIENCE_SECONDS, "the heartbeat that was under way arrives");
    expect_lease_state(client, "expired");
    redisFree(client);
}

static void heal(struct drill *drill) {
    int old = drill->old;
    int new = drill->new;
    if (drill->plan.replica_is_mended_first)
        network_mend(old, new);
    if (drill->heartbeat_is_under_way && drill->plan.waits_for_late_heartbeat)
        mend_under_a_late_heartbeat(drill);
    network_mend(CONTROLLER, old);
    keep_lease(drill, drill->new, drill->plan.after_ms / 4);
    network_mend(old, new);
    drill->controller.nodes[drill->old].patience_ms = 0;
    wait_until(has_been_told, drill, PATIENCE_SECONDS, "the old master is told the topology");
    keep_lease(drill, drill->new, drill->plan.after_ms / 4);
}

static void judge(struct drill *drill) {
    redisContext *master = client_of(drill, drill->new);
    redisContext *replica = client_of(drill, drill->old);
    char title[32];
    expect_text(replica, "OK", "READONLY");
    assert_same_data(master, replica);
    struct verdict verdict = failover_judge(&drill->failover, master, replica);
    (void)snprintf(title, sizeof(title), "round %u", drill->round);
    verdict_print(title, &verdict);
    verdict_expect_sound(&verdict);
    // What is lost is not lost in silence.
    if (verdict.lost > 0)
        assert_int_equal(server_log_count(server_of(drill, drill->old), DISCARDED), drill->discarded + 1);
    verdict_add(&drill->sum, &verdict);
    redisFree(master);
    redisFree(replica);
}

static void play(struct drill *drill) {
    begin(drill);
    cut_off(drill);
    let_the_lease_run_out(drill);
    replace_the_master(drill);
    heal(drill);
    end_writers(drill);
    judge(drill);
    for (size_t i = 0; i < WRITERS; i++)
        writer_release(&drill->writers[i]);
    network_go(drill->old);
    fence_detach(network_interface(CLIENTS));
    network_go(CONTROLLER);
}

static void no_failover_makes_two_masters_or_two_histories(void **state) {
    struct drill *drill = *state;
    const char *given = getenv("FAILOVERS");
    unsigned rounds = given == NULL ? DEFAULT_ROUNDS : (unsigned)strtoul(given, NULL, 10);
    print_message("seed: KVFENCE_SEED=%u, FAILOVERS=%u\n", drill->seed, rounds);
    for (drill->round = 1; drill->round <= rounds; drill->round++) {
        play(drill);
        drill->old = drill->new;
        drill->new = 1 - drill->old;
    }
    verdict_print("all", &drill->sum);
}

static int enter_network(void **state) {
    if (fence_rig_enter(state) != 0 || network_make(state) != 0)
        return -1;
    fence_load_unattached();
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_failover_makes_two_masters_or_two_histories, open_nodes,
                                        close_nodes),
    };
    return cmocka_run_group_tests(tests, enter_network, NULL);
}
