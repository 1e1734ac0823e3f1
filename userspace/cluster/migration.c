// SPDX-License-Identifier: Apache-2.0
//
// Migrations and what they leave behind. Uses: base, lease/lease, store/session, server/{config,dispatch,
// lease_gate,server}, cluster/{cluster,destination,key_sender,slot_journal}.
#include "cluster/migration.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "cluster/key_sender.h"
#include "server/dispatch.h"
#include "server/lease_gate.h"
#include "server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ANSWER_TIMEOUT_MS = 5000,
    WRITES_STOPPED_MAX_US = 10 * 1000 * 1000, // then the migration is given up
    ROUNDS_MAX = 10, // of changes sent while more are made; Kvrocks stops the writes after as many
    RETRY_MS = 200
};

// Of memory for the names of what is changed while keys are sent; as much again while the former are sent.
static const size_t noted_most = (size_t)512 << 20;

struct migration {
    struct cluster *cluster;
    struct server *server;
    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool has_work; // guarded by the lock
    _Atomic bool is_ending;
    struct migration_waiter waiter;

    // The thread's own.
    struct store_session *sessions[2]; // [0]: its snapshot is what the other node has
    struct slot_journal *journal;
    uint64_t job;        // which one it is at
    uint64_t stopped_us; // when the slots' writes were stopped; 0: they are not
    bool is_in_doubt_logged;
    char range[16];
};

// --- The thread ---

struct migration *migration_open(struct cluster *cluster) {
    struct migration *migration = memory_allocate_zeroed(1, sizeof(*migration));
    pthread_condattr_t attributes;
    bool made = pthread_mutex_init(&migration->lock, NULL) == 0 &&
                pthread_mutex_init(&migration->waiter.lock, NULL) == 0 &&
                pthread_condattr_init(&attributes) == 0 &&
                pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
                pthread_cond_init(&migration->woken, &attributes) == 0;
    always_assert(made, "a lock and a condition can be made");
    (void)pthread_condattr_destroy(&attributes);
    migration->cluster = cluster;
    return migration;
}

void migration_close(struct migration *migration) {
    if (migration == NULL)
        return;
    (void)pthread_cond_destroy(&migration->woken);
    (void)pthread_mutex_destroy(&migration->waiter.lock);
    (void)pthread_mutex_destroy(&migration->lock);
    free(migration);
}

void migration_wake(struct migration *migration) {
    always_assert(pthread_mutex_lock(&migration->lock) == 0, "the migration can be locked");
    migration->has_work = true;
    (void)pthread_cond_signal(&migration->woken);
    always_assert(pthread_mutex_unlock(&migration->lock) == 0, "the migration can be unlocked");
}

static const char ended_by_topology[] = "ERR a topology has ended the migration";

void migration_begins(struct migration *migration) {
    migration_waiter_tell(&migration->waiter, ended_by_topology);
}

void migration_wait(struct migration *migration, migration_done_function *done, void *context) {
    migration_waiter_set(&migration->waiter, done, context);
}

bool migration_cancel_wait(struct migration *migration, const void *context) {
    return migration_waiter_cancel(&migration->waiter, context);
}

static bool is_ending(struct migration *migration) {
    return atomic_load_explicit(&migration->is_ending, memory_order_acquire);
}

// Until somebody wakes it; `soon`: there is something to try again.
static void wait_for_work(struct migration *migration, bool soon) {
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    always_assert(pthread_mutex_lock(&migration->lock) == 0, "the migration can be locked");
    int result = 0;
    while (!migration->has_work && !is_ending(migration) && result != ETIMEDOUT)
        result = soon ? pthread_cond_timedwait(&migration->woken, &migration->lock, &until)
                      : pthread_cond_wait(&migration->woken, &migration->lock);
    migration->has_work = false;
    always_assert(pthread_mutex_unlock(&migration->lock) == 0, "the migration can be unlocked");
}

// --- Whether it may go on ---

static bool is_replica(const struct migration *migration) {
    const struct node_view *node = &migration->server->node;
    return node->is_replica(node->context);
}

static bool is_fenced(const struct migration *migration) {
    struct lease_view view = lease_view(lease_gate_lease(migration->server->lease_gate));
    return view.mode == LEASE_BLOCK_WRITE &&
           (view.status == LEASE_EXPIRED ||
            (view.status == LEASE_NONE && view.cold_start == LEASE_COLD_START_FENCE));
}

static bool has_too_many_changes(const struct migration *migration) {
    return migration->journal != NULL && slot_journal_is_overfull(migration->journal);
}

static const char too_many_changes[] =
    "too many keys and elements were changed while they were sent: with fewer slots at a time, a higher "
    "migrate-speed or fewer writes it can succeed";

// NULL: nothing.
static const char *obstacle(struct migration *migration) {
    if (is_ending(migration))
        return "the server stops";
    if (is_replica(migration) || store_is_wanted(migration->server->store))
        return "this node is a replica now";
    if (is_fenced(migration))
        return "master lease expired";
    if (!cluster_migration_makes_sense(migration->cluster))
        return "the topology has changed";
    if (migration->stopped_us != 0 && clock_duration_us() - migration->stopped_us > WRITES_STOPPED_MAX_US)
        return "the slots' writes were stopped for too long";
    if (has_too_many_changes(migration))
        return too_many_changes;
    return NULL;
}

static bool is_cancelled(void *context) {
    return obstacle(context) != NULL;
}

// What is in doubt stays so: it can be asked again later.
static bool is_wanted(void *context) {
    struct migration *migration = context;
    return is_ending(migration) || store_is_wanted(migration->server->store);
}

// --- Talking to the other node ---

// To be called before the database is held: a name can take long to be looked up, and nothing ends that.
static struct destination *connect_to_target(struct migration *migration, const struct move_target *target,
                                             bool (*cancelled)(void *), char error[DESTINATION_ERROR_SIZE]) {
    const struct destination_config config = {.host = target->host,
                                              .port = target->port,
                                              .timeout_ms = ANSWER_TIMEOUT_MS,
                                              .is_cancelled = cancelled,
                                              .context = migration};
    struct destination *destination = destination_connect(&config, error);
    char *password = config_text_copy(migration->server->config, CONFIG_REQUIREPASS);
    if (destination != NULL && password[0] != '\0') {
        destination_add_text(destination, "AUTH");
        destination_add_text(destination, password);
        destination_end(destination);
        if (destination_flush(destination, NULL, error) != DESTINATION_TOOK_ALL) {
            destination_close(destination);
            destination = NULL;
        }
    }
    free(password);
    return destination;
}

// The states that CLUSTER IMPORT knows.
enum { IMPORT_BEGINS = 0, IMPORT_SUCCEEDS = 1, IMPORT_FAILS = 2 };

static enum destination_result tell_import(const struct migration *migration, struct destination *destination,
                                           int state, char error[DESTINATION_ERROR_SIZE]) {
    destination_add_text(destination, "CLUSTER");
    destination_add_text(destination, "IMPORT");
    destination_add_text(destination, migration->range);
    destination_add_number(destination, state);
    destination_end(destination);
    return destination_flush(destination, NULL, error);
}

// --- Copying ---

static bool fail(char error[DESTINATION_ERROR_SIZE], const char *why) {
    (void)snprintf(error, DESTINATION_ERROR_SIZE, "%s", why);
    return false;
}

// From here on every change is noted, and the snapshot has everything from before.
static void begin_noting(struct migration *migration, struct slot_range slots) {
    struct store_session *session = migration->sessions[0];
    migration->journal = slot_journal_open(slots, noted_most);
    session_write_begin_exclusive(session);
    store_observe(migration->server->store, slot_journal_observe, migration->journal);
    session_write_end(session);
    session_snapshot_begin(session);
}

static void end_noting(struct migration *migration) {
    struct store_session *session = migration->sessions[0];
    session_snapshot_end(session);
    session_write_begin_exclusive(session);
    store_observe(migration->server->store, NULL, NULL);
    session_write_end(session);
    slot_journal_close(migration->journal);
    migration->journal = NULL;
}

static bool send_snapshot(struct migration *migration, struct slot_range slots, struct key_sender *sender) {
    struct store_session *session = migration->sessions[0];
    struct key_iterator *iterator = key_iterator_open(session, clock_wall_ms());
    struct metadata metadata;
    struct bytes key;
    bool sent = true;
    key_iterator_seek_slot(iterator, (uint16_t)slots.first);
    while (sent && key_iterator_next(iterator, &key, &metadata, NULL) && key_slot(key) <= slots.last)
        sent = key_send(sender, session, key, false);
    if (sent && key_iterator_status(iterator) != STORE_OK)
        sent = fail(sender->error, session_error(session, STORE_FAILED));
    key_iterator_close(iterator);
    return sent && key_send_rest(sender);
}

// The changes up to a moment, and a snapshot of that moment: nobody is between having changed something and
// having it noted, else it would be in the snapshot and in the next round's changes.
static void take_changes(struct migration *migration, struct store_session *now,
                         struct slot_changes *changes) {
    session_write_begin_exclusive(now);
    slot_journal_take(migration->journal, changes);
    session_snapshot_begin(now);
    session_write_end(now);
}

// One round: when it is over the other node has what this one had when it began.
static bool send_changes(struct migration *migration, struct key_sender *sender) {
    struct store_session *before = migration->sessions[0];
    struct store_session *now = migration->sessions[1];
    struct slot_changes changes;
    take_changes(migration, now, &changes);
    bool sent = !changes.is_unknown || fail(sender->error, "all keys, or those of some slots, were deleted");
    for (const struct changed_key *key = changes.keys; key != NULL && sent; key = key->handle.next)
        sent = key_send_change(sender, before, now, key);
    sent = sent && key_send_rest(sender);
    slot_changes_release(&changes);
    session_snapshot_end(before);
    migration->sessions[0] = now;
    migration->sessions[1] = before;
    return sent;
}

static bool send_until_close(struct migration *migration, struct key_sender *sender) {
    size_t gap = (size_t)config_integer(migration->server->config, CONFIG_MIGRATE_SEQUENCE_GAP);
    for (int round = 0; round < ROUNDS_MAX; round++) {
        if (!send_changes(migration, sender))
            return false;
        if (slot_journal_count(migration->journal) <= gap)
            return true;
    }
    return true;
}

static bool stop_writes(struct migration *migration, char error[DESTINATION_ERROR_SIZE]) {
    struct store_session *session = migration->sessions[1];
    session_write_begin_exclusive(session);
    const char *why = obstacle(migration);
    if (why == NULL) {
        cluster_migration_stop_writes(migration->cluster, migration->job);
        migration->stopped_us = clock_duration_us();
    }
    session_write_end(session);
    return why == NULL || fail(error, why);
}

static bool copy(struct migration *migration, struct destination *destination, struct slot_range slots,
                 char error[DESTINATION_ERROR_SIZE]) {
    const struct config *config = migration->server->config;
    struct key_sender sender = {.destination = destination,
                                .pipeline = (size_t)config_integer(config, CONFIG_MIGRATE_PIPELINE_SIZE),
                                .speed = (uint64_t)config_integer(config, CONFIG_MIGRATE_SPEED)};
    bool copied = send_snapshot(migration, slots, &sender) && send_until_close(migration, &sender) &&
                  stop_writes(migration, sender.error);
    sender.speed = 0; // nobody shall wait longer than necessary
    copied = copied && send_changes(migration, &sender);
    if (copied)
        log_info("slots %s: %" PRIu64 " keys have been sent, with %" PRIu64 " commands", migration->range,
                 sender.keys, sender.commands);
    else
        (void)fail(error, has_too_many_changes(migration) ? too_many_changes : sender.error);
    return copied;
}

// --- The end ---

// `failure`: what its waiter is told; NULL: that it is done. In the guard, as the next one begins in it.
// False: a topology has ended it before, and the waiter is told so elsewhere.
static bool end(struct migration *migration, const char *failure) {
    struct store_session *session = migration->sessions[1];
    session_write_begin_exclusive(session);
    bool ended = cluster_migration_end(migration->cluster, migration->job, failure == NULL);
    if (ended)
        migration_waiter_tell(&migration->waiter, failure);
    session_write_end(session);
    dispatch_note_changed_node(migration->server);
    migration->stopped_us = 0;
    migration->is_in_doubt_logged = false;
    if (!ended)
        log_info("slots %s: a topology has ended their migration before the other node's answer was known",
                 migration->range);
    return ended;
}

static void end_as_failed(struct migration *migration, const char *error) {
    const char *why = obstacle(migration);
    char failure[DESTINATION_ERROR_SIZE + CLUSTER_ERROR_SIZE];
    (void)snprintf(failure, sizeof(failure), "ERR slots %s stay here, their migration has failed: %s%s%s",
                   migration->range, why == NULL ? "" : why, why == NULL ? "" : "; ", error);
    if (end(migration, failure))
        log_warning("%s", failure + strlen("ERR "));
}

static void end_as_done(struct migration *migration, const struct move_target *target) {
    if (end(migration, NULL))
        log_warning("slots %s have been taken over by %s, %s:%u", migration->range, target->id, target->host,
                    target->port);
}

static void note_doubt(struct migration *migration, const char *error) {
    if (!migration->is_in_doubt_logged)
        log_warning("slots %s: it is not known whether the other node has taken them over, so their writes "
                    "wait: %s",
                    migration->range, error);
    migration->is_in_doubt_logged = true;
}

// The other node has everything, and is told that the slots are its own. A lease that has run out meanwhile
// leaves it in doubt: while this node is fenced it must not send clients there.
static void hand_over(struct migration *migration, struct destination *destination,
                      const struct move_target *target) {
    char error[DESTINATION_ERROR_SIZE] = "";
    char problem[CLUSTER_ERROR_SIZE];
    const char *why = obstacle(migration);
    if (why != NULL || !cluster_migration_hand_over(migration->cluster, migration->job, problem)) {
        end_as_failed(migration, why != NULL ? "" : problem);
        (void)tell_import(migration, destination, IMPORT_FAILS, error);
        return;
    }
    enum destination_result result = tell_import(migration, destination, IMPORT_SUCCEEDS, error);
    if (result == DESTINATION_TOOK_ALL && !is_fenced(migration))
        end_as_done(migration, target);
    else if (result == DESTINATION_REFUSED)
        end_as_failed(migration, error);
    else
        note_doubt(migration, error);
}

static void run(struct migration *migration, const struct cluster_migration *job) {
    char error[DESTINATION_ERROR_SIZE] = "";
    log_info("slots %s are going to %s, %s:%u", migration->range, job->target.id, job->target.host,
             job->target.port);
    struct destination *destination = connect_to_target(migration, &job->target, is_cancelled, error);
    store_hold(migration->server->store);
    if (destination == NULL ||
        tell_import(migration, destination, IMPORT_BEGINS, error) != DESTINATION_TOOK_ALL) {
        end_as_failed(migration, error);
    } else {
        begin_noting(migration, job->slots);
        bool copied = copy(migration, destination, job->slots, error);
        end_noting(migration);
        if (copied) {
            hand_over(migration, destination, &job->target);
        } else {
            end_as_failed(migration, error);
            (void)tell_import(migration, destination, IMPORT_FAILS,
                              error); // else it sees the end of the link
        }
    }
    store_let_go(migration->server->store);
    destination_close(destination);
}

// --- A hand-over whose answer has been lost ---

// Whether the other node says, in CLUSTER INFO, that it has imported these slots.
static bool has_imported(const struct migration *migration, struct bytes info) {
    struct buffer wanted = {0};
    buffer_append_format(&wanted, "importing_slot(s): %s\r\nimport_state: success\r\n", migration->range);
    bool has = memmem(info.data, info.length, wanted.data, wanted.length) != NULL;
    buffer_release(&wanted);
    return has;
}

// It did not own the slots when their migration began.
static bool says_has_them(const char *refusal) {
    return strstr(refusal, CLUSTER_HAS_IMPORTED) != NULL || strstr(refusal, CLUSTER_OWNS_IMPORTED) != NULL;
}

// Whether it is about slots at all: a node without a lease, or that is loading, says nothing of them.
static bool tells_of_slots(const char *refusal) {
    return strstr(refusal, "replied: ERR ") != NULL || strstr(refusal, "replied: CLUSTERDOWN ") != NULL;
}

// It has not said that it has the slots, nor that it has given them up.
static void ask_for_import(struct migration *migration, struct destination *destination,
                           const struct move_target *target) {
    char error[DESTINATION_ERROR_SIZE] = "";
    struct buffer info = {0};
    destination_add_text(destination, "CLUSTER");
    destination_add_text(destination, "INFO");
    destination_end(destination);
    enum destination_result answer = destination_flush(destination, &info, error);
    if (answer == DESTINATION_LOST || (answer == DESTINATION_REFUSED && !tells_of_slots(error)))
        note_doubt(migration, error);
    else if (has_imported(migration, buffer_bytes(&info)))
        end_as_done(migration, target);
    else
        end_as_failed(migration, "the other node knows nothing of them");
    buffer_release(&info);
}

// It is told to give up, which it does unless it has taken the slots over; then it says so.
static void ask(struct migration *migration, struct destination *destination,
                const struct move_target *target) {
    char error[DESTINATION_ERROR_SIZE] = "";
    enum destination_result result = tell_import(migration, destination, IMPORT_FAILS, error);
    if (result == DESTINATION_TOOK_ALL)
        end_as_failed(migration, "the other node has given them up");
    else if (result == DESTINATION_LOST || !tells_of_slots(error))
        note_doubt(migration, error);
    else if (says_has_them(error))
        end_as_done(migration, target);
    else
        ask_for_import(migration, destination, target);
}

static void settle_doubt(struct migration *migration, const struct cluster_migration *job) {
    char error[DESTINATION_ERROR_SIZE] = "";
    if (is_fenced(migration) || is_replica(migration))
        return;
    struct destination *destination = connect_to_target(migration, &job->target, is_wanted, error);
    if (destination == NULL) {
        note_doubt(migration, error);
        return;
    }
    store_hold(migration->server->store);
    ask(migration, destination, &job->target);
    store_let_go(migration->server->store);
    destination_close(destination);
}

// --- Slots that have gone ---

// True: nothing is left to be deleted.
static bool delete_leftovers(struct migration *migration) {
    struct store_session *session = migration->sessions[1];
    struct slot_range slots;
    bool deleted = true;
    while (deleted && cluster_next_leftover(migration->cluster, &slots)) {
        if (is_ending(migration) || is_fenced(migration))
            return false;
        session_write_begin_exclusive(session);
        deleted = !is_replica(migration) && cluster_next_leftover(migration->cluster, &slots);
        if (deleted) {
            stage_delete_slots(session, (uint16_t)slots.first, (uint16_t)slots.last);
            // The mark goes when the keys cannot come back any more.
            deleted = store_commit(session) == STORE_OK && store_settle(session) == SETTLED;
        }
        if (deleted)
            cluster_leftover_is_gone(migration->cluster, slots);
        session_write_end(session);
    }
    return deleted;
}

// --- The loop ---

// Somebody else has decided what was in doubt.
static void release_waiter(struct migration *migration) {
    struct store_session *session = migration->sessions[1];
    session_write_begin_exclusive(session);
    enum migration_phase phase = cluster_migration(migration->cluster).phase;
    if (phase != MIGRATION_RUNNING && phase != MIGRATION_IN_DOUBT)
        migration_waiter_tell(&migration->waiter, ended_by_topology);
    session_write_end(session);
}

// What a topology has ended may have left its marks.
static void begin_job(struct migration *migration, uint64_t job) {
    if (job == migration->job)
        return;
    migration->job = job;
    migration->stopped_us = 0;
    migration->is_in_doubt_logged = false;
}

// True if there is something to try again soon.
static bool work(struct migration *migration) {
    struct cluster_migration job = cluster_migration(migration->cluster);
    begin_job(migration, job.job);
    struct buffer range = {0};
    slot_range_print(job.slots, &range);
    (void)snprintf(migration->range, sizeof(migration->range), "%.*s", (int)range.length, range.data);
    buffer_release(&range);
    if (job.phase == MIGRATION_RUNNING)
        run(migration, &job);
    else if (job.phase == MIGRATION_IN_DOUBT)
        settle_doubt(migration, &job);
    store_hold(migration->server->store);
    if (migration_waiter_waits(&migration->waiter))
        release_waiter(migration);
    bool clean = delete_leftovers(migration);
    store_let_go(migration->server->store);
    return !clean || cluster_migration(migration->cluster).phase == MIGRATION_IN_DOUBT;
}

static void *thread_main(void *argument) {
    struct migration *migration = argument;
    session_prepare_thread();
    while (!is_ending(migration))
        wait_for_work(migration, work(migration));
    migration_waiter_tell(&migration->waiter, "ERR the server stops");
    return NULL;
}

bool migration_start(struct migration *migration, struct server *server) {
    migration->server = server;
    for (size_t i = 0; i < 2; i++)
        migration->sessions[i] = session_open(server->store, server_migration_session(server) + i);
    int failure = pthread_create(&migration->thread, NULL, thread_main, migration);
    migration->is_running = failure == 0;
    if (failure != 0)
        log_error("no thread for moving slots: %s", strerror(failure));
    return failure == 0;
}

void migration_stop(struct migration *migration) {
    if (migration == NULL || migration->server == NULL)
        return;
    atomic_store_explicit(&migration->is_ending, true, memory_order_release);
    migration_wake(migration);
    if (migration->is_running)
        always_assert(pthread_join(migration->thread, NULL) == 0, "the thread can be waited for");
    migration->is_running = false;
    for (size_t i = 0; i < 2; i++)
        session_close(migration->sessions[i]);
    migration->server = NULL;
}
