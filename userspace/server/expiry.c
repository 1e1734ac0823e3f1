// SPDX-License-Identifier: Apache-2.0
//
// Uses: base, lease, store/session, server/{key_events,lease_gate,server}.
#include "server/expiry.h"

#include "base/assert.h"
#include "base/buffer.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/key_events.h"
#include "server/lease_gate.h"
#include "server/server.h"
#include "store/session.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum {
    // Deleted at once, with all their locks held.
    BATCH = 64,
    // Looked at between two glances at the clock.
    ENTRIES_AT_ONCE = 1000,
    // Of each tenth of a second: for walking, and as long as the walk finds something.
    WALK_US = 5000,
    BUSY_US = 25000,
    // What commands have met and nobody has deleted yet. The walk finds what does not fit.
    MET_BYTES_MAX = 1 << 20
};

struct expiry {
    struct server *server;
    struct store_session *session;
    _Atomic bool is_active;
    _Atomic bool stopping; // written under lock
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_due;       // a turn has been asked for; guarded by lock
    struct buffer met; // keys, each behind its length; guarded by lock

    struct buffer place; // the thread's: the last key that it has looked at; empty: it begins anew
};

static void lock(struct expiry *expiry) {
    always_assert(pthread_mutex_lock(&expiry->lock) == 0, "the keys that have expired can be locked");
}

static void unlock(struct expiry *expiry) {
    always_assert(pthread_mutex_unlock(&expiry->lock) == 0, "the keys that have expired can be unlocked");
}

// --- What commands meet ---

// Somebody may ask for the same key again and again.
static bool is_last(const struct buffer *keys, struct bytes key) {
    size_t length = 0;
    size_t entry = sizeof(length) + key.length;
    if (keys->length < entry)
        return false;
    const char *last = keys->data + keys->length - entry;
    memcpy(&length, last, sizeof(length));
    return bytes_equal((struct bytes){last + sizeof(length), length}, key);
}

static void on_expired(void *context, struct bytes key) {
    struct expiry *expiry = context;
    if (!atomic_load_explicit(&expiry->is_active, memory_order_relaxed))
        return;
    lock(expiry);
    if (!is_last(&expiry->met, key) && key.length < MET_BYTES_MAX &&
        expiry->met.length < MET_BYTES_MAX - key.length)
        buffer_append_counted(&expiry->met, key);
    unlock(expiry);
}

// --- Deleting ---

struct batch {
    struct bytes keys[BATCH];
    size_t count;
};

static bool is_paused(const struct server *server) {
    return atomic_load_explicit(&server->pause_mode, memory_order_acquire) != PAUSE_NONE;
}

// Writes pass here now, without being counted as refused, or as having passed without a lease.
static bool may_write(const struct server *server) {
    struct lease_view view = lease_view(lease_gate_lease(server->lease_gate));
    return !server->node.is_replica(server->node.context) && !is_paused(server) &&
           (view.mode == LEASE_DISABLED || view.status != LEASE_EXPIRED);
}

// False: another node of the cluster is the one to tell.
static bool is_served(const struct server *server, struct bytes key) {
    const struct node_request request = {.keys = &key, .key_count = 1, .changes = true};
    char error[NODE_ERROR_SIZE];
    return server->node.serves == NULL || server->node.serves(server->node.context, &request, error);
}

static bool is_among(const struct batch *batch, struct bytes key) {
    for (size_t i = 0; i < batch->count; i++) {
        if (bytes_equal(batch->keys[i], key))
            return true;
    }
    return false;
}

// With their locks held. Of the keys those are left in the batch that are staged.
static void stage(struct expiry *expiry, struct batch *batch) {
    struct batch staged = {.count = 0};
    wall_ms_t now = clock_wall_ms();
    for (size_t i = 0; i < batch->count; i++) {
        struct bytes key = batch->keys[i];
        if (!store_has_expired(expiry->session, key, now) || !is_served(expiry->server, key) ||
            is_among(&staged, key))
            continue;
        stage_delete(expiry->session, key);
        staged.keys[staged.count++] = key;
    }
    *batch = staged;
}

// False: nothing can be written now.
static bool delete_batch(struct expiry *expiry, struct batch *batch) {
    session_write_begin(expiry->session, batch->keys, batch->count);
    bool done = may_write(expiry->server); // which can only change while nobody is inside
    if (done)
        stage(expiry, batch);
    done = done && store_commit(expiry->session) == STORE_OK;
    // Before anybody else can write the keys anew and tell of that. Who hands an event out settles before.
    for (size_t i = 0; done && i < batch->count; i++)
        key_events_tell_expired(expiry->server, batch->keys[i]);
    session_write_end(expiry->session);
    batch->count = 0;
    return store_settle(expiry->session) == SETTLED && done;
}

static bool delete_all(struct expiry *expiry, struct bytes keys) {
    struct batch batch = {.count = 0};
    bool done = true;
    while (done && keys.length != 0) {
        batch.keys[batch.count++] = bytes_take_counted(&keys);
        if (batch.count == BATCH || keys.length == 0)
            done = delete_batch(expiry, &batch);
    }
    return done;
}

// --- Going round ---

static void remember_place(struct expiry *expiry, struct bytes key) {
    buffer_clear(&expiry->place);
    buffer_append(&expiry->place, key);
}

// Finds at most a batch of keys from the place on, and moves it behind what was looked at. False at the end
// of the keyspace, and if it cannot be read.
static bool look_on(struct expiry *expiry, struct buffer *found) {
    struct key_iterator *iterator = key_iterator_open(expiry->session, clock_wall_ms());
    struct metadata metadata;
    struct bytes key;
    size_t count = 0;
    key_iterator_seek(iterator, buffer_bytes(&expiry->place), expiry->place.length != 0);
    key_iterator_limit(iterator, ENTRIES_AT_ONCE);
    bool more = true;
    while (more && count < BATCH) {
        more = key_iterator_next_expired(iterator, &key, &metadata, NULL);
        if (more) {
            buffer_append_counted(found, key);
            count++;
        }
    }
    bool goes_on = more || key_iterator_stopped(iterator, &key);
    if (goes_on)
        remember_place(expiry, key);
    else
        buffer_clear(&expiry->place);
    goes_on = key_iterator_status(iterator) == STORE_OK && goes_on;
    key_iterator_close(iterator);
    return goes_on;
}

static bool is_ending(const struct expiry *expiry) {
    return atomic_load_explicit(&expiry->stopping, memory_order_relaxed) ||
           store_is_wanted(expiry->server->store);
}

static void walk(struct expiry *expiry) {
    struct buffer found = {0};
    uint64_t begun_us = clock_duration_us();
    uint64_t most_us = WALK_US;
    bool goes_on = true;
    while (goes_on && clock_duration_us() - begun_us < most_us && !is_ending(expiry)) {
        buffer_clear(&found);
        goes_on = look_on(expiry, &found);
        most_us = found.length != 0 ? BUSY_US : WALK_US;
        goes_on = delete_all(expiry, buffer_bytes(&found)) && goes_on;
    }
    buffer_release(&found);
}

static void take_turn(struct expiry *expiry, struct bytes met) {
    store_hold(expiry->server->store);
    if (delete_all(expiry, met))
        walk(expiry);
    store_let_go(expiry->server->store);
}

// --- The thread ---

// Waits until a turn is due. False: the thread ends.
static bool await_turn(struct expiry *expiry, struct buffer *met) {
    buffer_clear(met);
    lock(expiry);
    while (!expiry->is_due && !atomic_load(&expiry->stopping))
        pthread_cond_wait(&expiry->changed, &expiry->lock);
    struct buffer empty = *met;
    *met = expiry->met;
    expiry->met = empty;
    expiry->is_due = false;
    unlock(expiry);
    return !atomic_load(&expiry->stopping);
}

static void *run(void *argument) {
    struct expiry *expiry = argument;
    struct buffer met = {0};
    session_prepare_thread();
    while (await_turn(expiry, &met))
        take_turn(expiry, buffer_bytes(&met));
    buffer_release(&met);
    return NULL;
}

// The thread takes no signals: they are the main thread's.
bool expiry_start(struct expiry *expiry) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&expiry->thread, NULL, run, expiry);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    expiry->has_thread = failure == 0;
    if (failure == 0)
        pthread_setname_np(expiry->thread, "expiry");
    else
        log_error("the thread that looks for expired keys cannot be started: %s", strerror(failure));
    return expiry->has_thread;
}

struct expiry *expiry_open(struct server *server) {
    struct expiry *expiry = memory_allocate_zeroed(1, sizeof(*expiry));
    expiry->server = server;
    expiry->session = session_open(server->store, server_expiry_session(server));
    always_assert(pthread_mutex_init(&expiry->lock, NULL) == 0 &&
                      pthread_cond_init(&expiry->changed, NULL) == 0,
                  "the lock of the keys that have expired can be made");
    store_on_expired(server->store, on_expired, expiry);
    return expiry;
}

void expiry_stop(struct expiry *expiry) {
    if (expiry == NULL || !expiry->has_thread)
        return;
    lock(expiry);
    atomic_store(&expiry->stopping, true);
    pthread_cond_signal(&expiry->changed);
    unlock(expiry);
    always_assert(pthread_join(expiry->thread, NULL) == 0, "the thread of expired keys can be joined");
    expiry->has_thread = false;
}

void expiry_close(struct expiry *expiry) {
    if (expiry == NULL)
        return;
    store_on_expired(expiry->server->store, NULL, NULL);
    session_close(expiry->session);
    pthread_cond_destroy(&expiry->changed);
    pthread_mutex_destroy(&expiry->lock);
    buffer_release(&expiry->met);
    buffer_release(&expiry->place);
    free(expiry);
}

static bool is_replica(const struct server *server) {
    return server->node.is_replica(server->node.context);
}

int64_t expiry_keeps_ms(const struct server *server) {
    enum { HOUR_MS = 60 * 60 * 1000 };
    if (!key_events_want_expired(server))
        return 0;
    return is_replica(server) ? HOUR_MS : INT64_MAX;
}

void expiry_tick(struct expiry *expiry) {
    struct server *server = expiry->server;
    bool is_active = key_events_want_expired(server) && !is_replica(server);
    store_keep_expired(server->store, expiry_keeps_ms(server));
    atomic_store_explicit(&expiry->is_active, is_active, memory_order_relaxed);
    if (!is_active || !may_write(server))
        return;
    lock(expiry);
    expiry->is_due = true;
    pthread_cond_signal(&expiry->changed);
    unlock(expiry);
}
