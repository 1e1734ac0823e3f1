// SPDX-License-Identifier: Apache-2.0
//
// The controller's part. Uses: cmocka, harness, lease_client.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "controller.h"

#include "lease_client.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { DIAL_SECONDS = 3, PUSH_TEXT = 1024, TICK_MS = 100, MIGRATION_TICKS = 600 };

void controller_prepare(struct controller *controller) {
    // Letters and digits of both cases, as the controller makes them.
    static const char *const ids[CONTROLLER_NODES] = {"kVf0000000000000000000000000000000000AAA",
                                                      "kVf1111111111111111111111111111111111BBB",
                                                      "kVf2222222222222222222222222222222222CCC"};
    *controller = (struct controller){0};
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        controller->nodes[i].id = ids[i];
        controller->nodes[i].master = CONTROLLER_NOBODY;
    }
}

int controller_open(void **state) {
    static struct controller controller;
    controller_prepare(&controller);
    for (int i = 0; i < CONTROLLER_NODES; i++)
        server_start(&controller.nodes[i].server, "cluster-enabled yes\n");
    *state = &controller;
    return 0;
}

static void hang_up(struct controlled_node *node) {
    if (node->link != NULL)
        redisFree(node->link);
    node->link = NULL;
}

void controller_hang_up(struct controller *controller, int node) {
    hang_up(&controller->nodes[node]);
}

int controller_close(void **state) {
    struct controller *controller = *state;
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        hang_up(&controller->nodes[i]);
        server_discard(&controller->nodes[i].server);
    }
    return 0;
}

// --- Sending ---

static const char *address_of(const struct controlled_node *node) {
    return node->address == NULL ? "127.0.0.1" : node->address;
}

static void dial(struct controlled_node *node) {
    int patience_ms = node->patience_ms == 0 ? DIAL_SECONDS * 1000 : node->patience_ms;
    const struct timeval patience = {.tv_sec = patience_ms / 1000, .tv_usec = patience_ms % 1000 * 1000L};
    node->link = redisConnectWithTimeout(address_of(node), node->server.port, patience);
    assert_non_null(node->link);
    (void)redisSetTimeout(node->link, patience);
}

// The kernel would go on sending what has not arrived yet.
static void forget_what_was_sent(const struct controlled_node *node) {
    const struct linger none = {.l_onoff = 1};
    if (node->link->fd >= 0)
        (void)setsockopt(node->link->fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
}

static redisReply *try_words(struct controller *controller, int number, int count, const char *const *words) {
    struct controlled_node *node = &controller->nodes[number];
    if (node->link == NULL)
        dial(node);
    redisReply *reply = NULL;
    if (node->link->err == 0)
        reply = redisCommandArgv(node->link, count, (const char **)(uintptr_t)words, NULL);
    if (reply != NULL)
        return reply;
    if (!controller->sends_since)
        forget_what_was_sent(node);
    hang_up(node);
    return NULL;
}

// NULL: no answer. A connection from before that turns out to be closed is made anew.
static redisReply *send_words(struct controller *controller, int node, int count, const char *const *words) {
    bool is_kept = controller->nodes[node].link != NULL;
    redisReply *reply = try_words(controller, node, count, words);
    return reply != NULL || !is_kept ? reply : try_words(controller, node, count, words);
}

static bool is_done(redisReply *reply) {
    bool done = reply != NULL && reply->type != REDIS_REPLY_ERROR;
    if (reply != NULL && !done)
        print_message("the node answers: %s\n", reply->str);
    if (reply != NULL)
        freeReplyObject(reply);
    return done;
}

// --- Reading ---

static void trim(char *text) {
    size_t start = strspn(text, " \t");
    memmove(text, text + start, strlen(text) - start + 1);
    for (size_t length = strlen(text); length != 0 && isspace((unsigned char)text[length - 1]); length--)
        text[length - 1] = '\0';
}

static void read_field(struct probe *probe, const char *key, const char *value) {
    if (strcasecmp(key, "cluster_current_epoch") == 0) {
        probe->version = strtoll(value, NULL, 10);
    } else if (strcasecmp(key, "migrating_slot") == 0 || strcasecmp(key, "migrating_slot(s)") == 0) {
        unsigned first = 0;
        unsigned last = 0;
        if (sscanf(value, "%u-%u", &first, &last) < 1) // else the whole probe counts as failed
            fail_msg("no range of slots: '%s'", value);
        (void)snprintf(probe->migrating_slots, sizeof(probe->migrating_slots), "%s", value);
    } else if (strcasecmp(key, "migrating_state") == 0) {
        (void)snprintf(probe->migrating_state, sizeof(probe->migrating_state), "%s", value);
    }
}

// Lines end in CRLF and count only if they have exactly one colon.
static void read_info(const char *text, struct probe *probe) {
    char *copy = strdup(text);
    assert_non_null(copy);
    char *line = copy;
    while (line != NULL) {
        char *end = strstr(line, "\r\n");
        if (end != NULL)
            *end = '\0';
        char *colon = strchr(line, ':');
        if (colon != NULL && strchr(colon + 1, ':') == NULL) {
            *colon = '\0';
            trim(line);
            trim(colon + 1);
            read_field(probe, line, colon + 1);
        }
        line = end == NULL ? NULL : end + 2;
    }
    free(copy);
}

struct probe controller_probe(struct controller *controller, int node) {
    static const char *const words[] = {"CLUSTER", "INFO"};
    struct probe probe = {.version = -1};
    redisReply *reply = send_words(controller, node, 2, words);
    probe.answered = reply != NULL;
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR)
        (void)snprintf(probe.error, sizeof(probe.error), "%s", reply->str);
    else if (reply != NULL)
        read_info(reply->str, &probe);
    if (reply != NULL)
        freeReplyObject(reply);
    return probe;
}

// The value of a line "name:value", which must have no other colon.
static bool find_line(const char *text, const char *name, char *value, size_t size) {
    char prefix[32];
    (void)snprintf(prefix, sizeof(prefix), "\n%s:", name);
    const char *at = strstr(text, prefix);
    if (at == NULL)
        return false;
    at += strlen(prefix);
    (void)snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
    return strchr(value, ':') == NULL;
}

static int master_of(const struct controller *controller, int node) {
    int master = controller->nodes[node].master;
    return master == CONTROLLER_NOBODY ? node : master;
}

// What the node may take for its lease, whether or not it has answered: a heartbeat without SINCE counts from
// its arrival, which was not later than now; with SINCE not later than when the clock was told.
static void note_lease(const struct controller *controller, struct controlled_node *node, bool with_clock) {
    long long begun_ms = (with_clock ? node->clock_told_ms : boot_ms()) + 1;
    if (begun_ms + controller->lease_ms > node->lease_over_ms)
        node->lease_over_ms = begun_ms + controller->lease_ms;
}

// A heartbeat names the master of the node's shard, also to a replica.
static redisReply *send_heartbeat(struct controller *controller, int number) {
    struct controlled_node *node = &controller->nodes[number];
    bool with_clock = controller->sends_since && node->lease_clock[0] != '\0';
    char lease[24];
    char version[24];
    (void)snprintf(lease, sizeof(lease), "%lld", controller->lease_ms);
    (void)snprintf(version, sizeof(version), "%lld", controller->election_version);
    const char *const words[] = {
        "CLUSTERX", "HEARTBEAT",      controller->nodes[master_of(controller, number)].id, lease, version,
        "SINCE",    node->lease_clock};
    redisReply *reply = send_words(controller, number, with_clock ? 7 : 5, words);
    if (node->master == CONTROLLER_NOBODY)
        note_lease(controller, node, with_clock);
    if (reply != NULL && reply->type == REDIS_REPLY_STRING &&
        find_line(reply->str, "lease_clock_ms", node->lease_clock, sizeof(node->lease_clock)))
        node->clock_told_ms = boot_ms();
    return reply;
}

static redisReply *ask_state(struct controller *controller, int node) {
    static const char *const info[] = {"INFO"};
    return controller->lease_ms == 0 ? send_words(controller, node, 1, info)
                                     : send_heartbeat(controller, node);
}

bool controller_ask_state(struct controller *controller, int node, long long *sequence, char role[16]) {
    char number[32] = "";
    redisReply *reply = ask_state(controller, node);
    bool good = reply != NULL && reply->type == REDIS_REPLY_STRING &&
                find_line(reply->str, "sequence", number, sizeof(number)) &&
                find_line(reply->str, "role", role, 16);
    *sequence = strtoll(number, NULL, 10);
    if (reply != NULL)
        freeReplyObject(reply);
    return good;
}

// --- Pushing ---

// Each line ends in a line feed, and that of a master without slots in a blank.
static void print_topology(const struct controller *controller, char text[PUSH_TEXT]) {
    size_t length = 0;
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        const struct controlled_node *node = &controller->nodes[i];
        if (!node->is_member)
            continue;
        length += (size_t)snprintf(text + length, PUSH_TEXT - length, "%s %s %d ", node->id, address_of(node),
                                   node->server.port);
        if (node->master == CONTROLLER_NOBODY)
            length += (size_t)snprintf(text + length, PUSH_TEXT - length, "master - %s\n", node->slots);
        else
            length += (size_t)snprintf(text + length, PUSH_TEXT - length, "slave %s\n",
                                       controller->nodes[node->master].id);
        assert_true(length < PUSH_TEXT);
    }
}

bool controller_push(struct controller *controller, int node) {
    char text[PUSH_TEXT] = "";
    char version[24];
    print_topology(controller, text);
    (void)snprintf(version, sizeof(version), "%lld", controller->version);
    const char *const id_words[] = {"CLUSTERX", "SETNODEID", controller->nodes[node].id};
    const char *const nodes_words[] = {"CLUSTERX", "SETNODES", text, version};
    return is_done(send_words(controller, node, 3, id_words)) &&
           is_done(send_words(controller, node, 4, nodes_words));
}

void controller_publish(struct controller *controller) {
    controller->version++;
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        if (controller->nodes[i].is_member)
            (void)controller_push(controller, i); // who is not there is told when he is back
    }
}

void controller_create(struct controller *controller) {
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        struct probe probe = controller_probe(controller, i);
        if (controller->nodes[i].is_member && strstr(probe.error, "cluster is not initialized") == NULL)
            fail_msg("node %d is not free, it answers '%s'", i, probe.error);
    }
    controller_publish(controller);
}

// --- Looking after them ---

int controller_tick(struct controller *controller) {
    int silent = 0;
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        struct controlled_node *node = &controller->nodes[i];
        long long sequence = 0;
        char role[16];
        if (!node->is_member)
            continue;
        struct probe probe = controller_probe(controller, i);
        bool is_new = strstr(probe.error, "CLUSTERDOWN The cluster is not initialized") != NULL;
        bool is_well = probe.answered && (probe.error[0] == '\0' || is_new);
        node->failures = is_well ? 0 : node->failures + 1;
        silent += !is_well;
        if (is_well && controller->lease_ms != 0 && !controller_ask_state(controller, i, &sequence, role))
            fail_msg("node %d has no good answer to a heartbeat", i);
        if (is_well && probe.version < controller->version)
            assert_true(controller_push(controller, i));
        if (probe.version > controller->version)
            fail_msg("node %d has version %lld, which nobody gave it", i, probe.version);
    }
    return silent;
}

// The candidate with the highest sequence; of equals the later one.
static int elect(struct controller *controller, int master) {
    long long most = 0;
    int chosen = CONTROLLER_NOBODY;
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        long long sequence = 0;
        char role[16];
        if (!controller->nodes[i].is_member || controller->nodes[i].master != master)
            continue;
        struct probe probe = controller_probe(controller, i);
        if (!probe.answered || probe.error[0] != '\0' ||
            !controller_ask_state(controller, i, &sequence, role) || strcmp(role, "slave") != 0 ||
            sequence == 0 || sequence < most)
            continue;
        most = sequence;
        chosen = i;
    }
    return chosen;
}

int controller_fail_over(struct controller *controller, int master) {
    int chosen = elect(controller, master);
    if (chosen == CONTROLLER_NOBODY)
        fail_msg("no replica of node %d can take its place", master);
    struct controlled_node *nodes = controller->nodes;
    memcpy(nodes[chosen].slots, nodes[master].slots, sizeof(nodes[chosen].slots));
    nodes[master].slots[0] = '\0';
    for (int i = 0; i < CONTROLLER_NODES; i++) {
        if (nodes[i].master == master)
            nodes[i].master = chosen;
    }
    nodes[chosen].master = CONTROLLER_NOBODY;
    nodes[master].master = chosen;
    controller->election_version++;
    controller_publish(controller);
    return chosen;
}

// Takes the word out of words that are separated by blanks.
static void take_out(char *words, const char *word) {
    char *at = strstr(words, word);
    if (at == NULL)
        fail_msg("'%s' is not in '%s'", word, words);
    size_t length = strlen(word) + (at[strlen(word)] == ' ');
    memmove(at, at + length, strlen(at + length) + 1);
}

bool controller_migrate(struct controller *controller, const char *slots, int from, int to) {
    const char *const words[] = {"CLUSTERX", "MIGRATE", slots, controller->nodes[to].id};
    struct probe probe = {0};
    if (!is_done(send_words(controller, from, 4, words)))
        return false;
    for (int tick = 0; tick < MIGRATION_TICKS; tick++) {
        probe = controller_probe(controller, from);
        assert_string_equal(probe.migrating_slots, slots);
        if (strcmp(probe.migrating_state, "none") != 0 && strcmp(probe.migrating_state, "start") != 0)
            break;
        assert_int_equal(controller_tick(controller), 0);
        (void)usleep(TICK_MS * 1000);
    }
    if (strcmp(probe.migrating_state, "success") != 0)
        return false;
    char *target = controller->nodes[to].slots;
    size_t length = strlen(target);
    take_out(controller->nodes[from].slots, slots);
    (void)snprintf(target + length, CONTROLLER_TEXT - length, "%s%s", length == 0 ? "" : " ", slots);
    controller_publish(controller);
    return true;
}

void controller_remove(struct controller *controller, int node) {
    static const char *const flush[] = {"FLUSHALL"};
    static const char *const reset[] = {"CLUSTER", "RESET", "HARD"};
    struct controlled_node *leaving = &controller->nodes[node];
    bool was_master = leaving->master == CONTROLLER_NOBODY;
    leaving->is_member = false;
    leaving->master = CONTROLLER_NOBODY;
    controller_publish(controller);
    if (was_master)
        (void)is_done(send_words(controller, node, 1, flush));
    (void)is_done(send_words(controller, node, 3, reset));
}
