// SPDX-License-Identifier: Apache-2.0
//
// The list of replicas, their threads, and those who wait for them. Uses: base, replication/feeder.
#include "replication/replicas.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "replication/replicas_internal.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

// Each has a thread, and is no client any more that maxclients would count.
enum { REPLICAS_MAX = 128 };

struct wait {
    uint64_t number;
    uint64_t sequence;
    size_t count;
    replicas_done_function *done;
    void *context;
    struct wait *next;
};

struct replicas {
    replicas_admit_function *admit;
    void *admit_context;
    pthread_mutex_t lock;
    pthread_cond_t changed; // of the list
    struct store *store;    // NULL: nobody is taken in
    int patience_ms;
    struct replica *list;
    _Atomic size_t count; // of the list; changes under the lock
    struct wait *waits;
    uint64_t last_wait;
};

static void take(struct replicas *replicas) {
    always_assert(pthread_mutex_lock(&replicas->lock) == 0, "the replicas can be locked");
}

static void release(struct replicas *replicas) {
    always_assert(pthread_mutex_unlock(&replicas->lock) == 0, "the replicas can be unlocked");
}

struct replicas *replicas_open(replicas_admit_function *admit, void *context) {
    struct replicas *replicas = memory_allocate_zeroed(1, sizeof(*replicas));
    replicas->admit = admit;
    replicas->admit_context = context;
    always_assert(pthread_mutex_init(&replicas->lock, NULL) == 0 &&
                      pthread_cond_init(&replicas->changed, NULL) == 0,
                  "a lock can be made");
    return replicas;
}

void replicas_close(struct replicas *replicas) {
    if (replicas == NULL)
        return;
    always_assert(replicas->list == NULL, "replicas are let go before their list is closed");
    (void)pthread_cond_destroy(&replicas->changed);
    (void)pthread_mutex_destroy(&replicas->lock);
    free(replicas);
}

void replicas_start(struct replicas *replicas, struct store *store, int patience_ms) {
    take(replicas);
    replicas->store = store;
    replicas->patience_ms = patience_ms;
    release(replicas);
}

// An eventfd's counter cannot be full here.
static void wake(const struct replica *replica) {
    uint64_t one = 1;
    (void)!write(replica->wake, &one, sizeof(one));
}

// With the lock held.
static void end_all(const struct replicas *replicas) {
    for (struct replica *replica = replicas->list; replica != NULL; replica = replica->next) {
        atomic_store(&replica->ending, true);
        wake(replica);
    }
}

void replicas_send_away(struct replicas *replicas) {
    take(replicas);
    end_all(replicas);
    release(replicas);
}

void replicas_stop(struct replicas *replicas) {
    take(replicas);
    replicas->store = NULL;
    end_all(replicas);
    while (replicas->list != NULL)
        pthread_cond_wait(&replicas->changed, &replicas->lock);
    release(replicas);
    replicas_end_waits(replicas);
}

// --- One replica ---

static void free_replica(struct replica *replica) {
    link_close(&replica->link);
    if (replica->wake >= 0)
        (void)close(replica->wake);
    free(replica);
}

static void forget_replica(struct replica *replica) {
    struct replicas *replicas = replica->all;
    take(replicas);
    if (replica->previous != NULL)
        replica->previous->next = replica->next;
    else
        replicas->list = replica->next;
    if (replica->next != NULL)
        replica->next->previous = replica->previous;
    (void)atomic_fetch_sub(&replicas->count, 1);
    free_replica(replica);
    pthread_cond_broadcast(&replicas->changed);
    release(replicas);
}

static const char *judge(const struct replica *replica) {
    const struct replicas *replicas = replica->all;
    return replicas->admit == NULL ? NULL : replicas->admit(replicas->admit_context, &replica->request);
}

static void refuse(struct replica *replica, const char *error) {
    struct buffer line = {0};
    log_info("replica %s:%u cannot go on from sequence number %" PRIu64 ": %s", replica->address.host,
             replica->address.port, replica->request.next, error);
    buffer_append_format(&line, "-%s\r\n", error);
    (void)link_send(&replica->link, buffer_bytes(&line));
    buffer_release(&line);
}

static void *run(void *argument) {
    struct replica *replica = argument;
    (void)pthread_setname_np(pthread_self(), "feed-replica");
    const char *error = judge(replica);
    if (error != NULL) {
        refuse(replica, error);
    } else {
        log_info("replica %s:%u is connected", replica->address.host, replica->address.port);
        atomic_store(&replica->is_fed, true);
        replica_feed(replica);
        log_warning("replica %s:%u is disconnected: %s", replica->address.host, replica->address.port,
                    replica->link.error);
    }
    forget_replica(replica);
    return NULL;
}

static struct replica *make_replica(int fd, const struct replica_request *request) {
    struct replica *replica = memory_allocate_zeroed(1, sizeof(*replica));
    uint16_t port = 0;
    replica->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    replica->link = (struct link){.fd = -1, .wake = replica->wake};
    link_adopt(&replica->link, fd);
    replica->request = *request;
    replica->address = request->announcement;
    struct replica_announcement peer;
    link_peer(&replica->link, peer.host, sizeof(peer.host), &port);
    if (replica->address.host[0] == '\0')
        memcpy(replica->address.host, peer.host, sizeof(peer.host));
    if (replica->address.port == 0)
        replica->address.port = port;
    replica->sent = request->next - 1;
    replica->acknowledged = request->next - 1;
    return replica;
}

static bool start_thread(struct replica *replica) {
    pthread_t thread;
    pthread_attr_t attributes;
    if (replica->wake < 0 || pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, run, replica) == 0;
    (void)pthread_attr_destroy(&attributes);
    return started;
}

// With the lock held, so that the thread finds itself in the list.
static bool add_started(struct replicas *replicas, struct replica *replica) {
    if (replicas->store == NULL)
        return false;
    if (atomic_load(&replicas->count) >= REPLICAS_MAX) {
        log_warning("replica %s:%u is not fed: %d are fed already, which is the most", replica->address.host,
                    replica->address.port, REPLICAS_MAX);
        return false;
    }
    replica->all = replicas;
    replica->store = replicas->store;
    replica->patience_ms = replicas->patience_ms;
    replica->link.timeout_ms = replicas->patience_ms;
    if (!start_thread(replica)) {
        log_error("no thread could be started for a replica");
        return false;
    }
    replica->next = replicas->list;
    if (replicas->list != NULL)
        replicas->list->previous = replica;
    replicas->list = replica;
    (void)atomic_fetch_add(&replicas->count, 1);
    return true;
}

bool replicas_add(struct replicas *replicas, int fd, const struct replica_request *request) {
    struct replica *replica = make_replica(fd, request);
    take(replicas);
    bool added = add_started(replicas, replica);
    release(replicas);
    if (!added)
        free_replica(replica);
    return added;
}

static uint64_t acknowledged_by(const struct replica *replica) {
    bool tells = atomic_load_explicit(&replica->acknowledges, memory_order_relaxed);
    return atomic_load_explicit(tells ? &replica->acknowledged : &replica->sent, memory_order_acquire);
}

bool replicas_exist(const struct replicas *replicas) {
    return atomic_load_explicit(&replicas->count, memory_order_relaxed) != 0;
}

size_t replicas_view(struct replicas *replicas, struct replica_view *views, size_t room) {
    size_t count = 0;
    take(replicas);
    for (const struct replica *replica = replicas->list; replica != NULL; replica = replica->next) {
        if (!atomic_load(&replica->is_fed) || count++ >= room)
            continue;
        memcpy(views[count - 1].host, replica->address.host, sizeof(views[count].host));
        views[count - 1].port = replica->address.port;
        views[count - 1].acknowledged = acknowledged_by(replica);
    }
    release(replicas);
    return count;
}

// --- Those who wait ---

// Only what was acknowledged in so many words counts.
static bool has_acknowledged(const struct replica *replica, uint64_t sequence) {
    return atomic_load(&replica->acknowledges) && atomic_load(&replica->acknowledged) >= sequence;
}

static bool has_address_of(const struct replica *replica, const struct replica *other) {
    return replica->address.port == other->address.port &&
           strcmp(replica->address.host, other->address.host) == 0;
}

// A replica that lost its connection and has come back is there twice until the old one is given up.
static bool is_counted_already(const struct replica *replica, uint64_t sequence) {
    for (const struct replica *other = replica->previous; other != NULL; other = other->previous) {
        if (has_acknowledged(other, sequence) && has_address_of(replica, other))
            return true;
    }
    return false;
}

// With the lock held.
static size_t count_acknowledged(const struct replicas *replicas, uint64_t sequence) {
    size_t count = 0;
    for (const struct replica *replica = replicas->list; replica != NULL; replica = replica->next)
        count += has_acknowledged(replica, sequence) && !is_counted_already(replica, sequence);
    return count;
}

size_t replicas_acknowledged(struct replicas *replicas, uint64_t sequence) {
    take(replicas);
    size_t count = count_acknowledged(replicas, sequence);
    release(replicas);
    return count;
}

uint64_t replicas_wait(struct replicas *replicas, uint64_t sequence, size_t count,
                       replicas_done_function *done, void *context) {
    uint64_t number = 0;
    take(replicas);
    if (replicas->store != NULL && count_acknowledged(replicas, sequence) < count) {
        struct wait *wait = memory_allocate(sizeof(*wait));
        number = ++replicas->last_wait;
        *wait = (struct wait){.number = number,
                              .sequence = sequence,
                              .count = count,
                              .done = done,
                              .context = context,
                              .next = replicas->waits};
        replicas->waits = wait;
        for (const struct replica *replica = replicas->list; replica != NULL; replica = replica->next)
            wake(replica);
    }
    release(replicas);
    return number;
}

bool replicas_cancel_wait(struct replicas *replicas, uint64_t number) {
    take(replicas);
    struct wait **link = &replicas->waits;
    while (*link != NULL && (*link)->number != number)
        link = &(*link)->next;
    struct wait *wait = *link;
    if (wait != NULL)
        *link = wait->next;
    release(replicas);
    free(wait);
    return wait != NULL;
}

// With the lock held: takes out those that are over, all of them if nobody is to wait any more.
static struct wait *take_out(struct replicas *replicas, bool all) {
    struct wait *over = NULL;
    for (struct wait **link = &replicas->waits; *link != NULL;) {
        struct wait *wait = *link;
        if (!all && count_acknowledged(replicas, wait->sequence) < wait->count) {
            link = &wait->next;
            continue;
        }
        *link = wait->next;
        wait->next = over;
        over = wait;
    }
    return over;
}

static void end_waits(struct replicas *replicas, bool all) {
    take(replicas);
    struct wait *over = take_out(replicas, all);
    release(replicas);
    while (over != NULL) {
        struct wait *wait = over;
        over = wait->next;
        wait->done(wait->context);
        free(wait);
    }
}

void replicas_note_acknowledgement(struct replicas *replicas) {
    end_waits(replicas, false);
}

void replicas_end_waits(struct replicas *replicas) {
    end_waits(replicas, true);
}

bool replicas_wait_beyond(struct replicas *replicas, uint64_t sequence) {
    bool found = false;
    take(replicas);
    for (const struct wait *wait = replicas->waits; wait != NULL && !found; wait = wait->next)
        found = wait->sequence > sequence;
    release(replicas);
    return found;
}
