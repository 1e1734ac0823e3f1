// SPDX-License-Identifier: Apache-2.0
//
// Workers: the loop, its rounds, and the mailbox by which other threads reach it. Uses: base, store/session,
// server/{connection,server}.
#include "server/worker.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/memory.h"
#include "server/connection.h"
#include "server/gather.h"
#include "server/hash_map.h"
#include "server/latency_histogram.h"
#include "server/server.h"
#include "server/subscribers.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { SCRATCH_SIZE = 64 << 10, TICK_MS = 100, LOOK_MS = 20, TICKS_A_SECOND = 1000 / TICK_MS };

struct letter {
    worker_function *function;
    void *argument;
};

struct mailbox {
    pthread_mutex_t lock;
    struct letter *letters;
    size_t count, capacity;
    int wake_fd;
    struct event *wake_event;
};

struct worker {
    struct server *server;
    size_t index;
    pthread_t thread;
    struct event_base *base;
    struct event *tick_event;
    struct event *look_event; // while there are heartbeat_clients
    uint64_t ticks;
    bool syncs;      // settling waits for the disk
    bool has_paused; // some client may be CLIENT_PAUSED
    struct mailbox mailbox;
    struct monitor_queue monitor_queue;
    struct subscribers *subscribers;
    struct store_session *session;
    struct gather gather;
    struct worker_stats stats;
    char *scratch;
    struct client *clients;
    struct client *clients_by_id; // the same in a uthash
    struct client *heartbeat_clients;
    struct client *pending;
    uint64_t round_time_us;
    _Atomic size_t client_count;
    _Atomic bool stopping;
};

// --- Mailbox ---

static void wake(struct mailbox *mailbox) {
    uint64_t one = 1;
    ssize_t written = write(mailbox->wake_fd, &one, sizeof(one));
    // A full counter means that it is awake already.
    always_assert(written == (ssize_t)sizeof(one) || errno == EAGAIN, "a worker can be woken");
}

void worker_post(struct worker *worker, worker_function *function, void *argument) {
    struct mailbox *mailbox = &worker->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    if (mailbox->count == mailbox->capacity) {
        mailbox->capacity = mailbox->capacity == 0 ? 16 : mailbox->capacity * 2;
        mailbox->letters = memory_reallocate(mailbox->letters, mailbox->capacity * sizeof(*mailbox->letters));
    }
    mailbox->letters[mailbox->count++] = (struct letter){function, argument};
    bool first = mailbox->count == 1;
    pthread_mutex_unlock(&mailbox->lock);
    if (first)
        wake(mailbox);
}

// Returns how many letters there were.
static size_t read_mail(struct worker *worker) {
    struct mailbox *mailbox = &worker->mailbox;
    pthread_mutex_lock(&mailbox->lock);
    struct letter *letters = mailbox->letters;
    size_t count = mailbox->count;
    mailbox->letters = NULL;
    mailbox->count = 0;
    mailbox->capacity = 0;
    pthread_mutex_unlock(&mailbox->lock);
    for (size_t i = 0; i < count; i++)
        letters[i].function(worker, letters[i].argument);
    free(letters);
    return count;
}

static void on_mail(evutil_socket_t fd, short what, void *argument) {
    (void)what;
    uint64_t count = 0;
    if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_error("a worker's mailbox could not be read: %s", strerror(errno));
    (void)read_mail(argument);
}

// --- Clients ---

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void index_client(struct worker *worker, struct client *client) {
    HASH_ADD(by_id, worker->clients_by_id, id, sizeof(client->id), client);
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void unindex_client(struct worker *worker, struct client *client) {
    HASH_DELETE(by_id, worker->clients_by_id, client);
}

static void adopt(struct worker *worker, void *argument) {
    struct accepted_socket *accepted = argument;
    struct client *client = connection_open(worker, accepted);
    free(accepted);
    if (client == NULL) {
        atomic_fetch_sub(&worker->client_count, 1);
        return;
    }
    client->worker_next = worker->clients;
    if (worker->clients != NULL)
        worker->clients->worker_previous = client;
    worker->clients = client;
    index_client(worker, client);
}

void worker_adopt(struct worker *worker, const struct accepted_socket *accepted) {
    atomic_fetch_add(&worker->client_count, 1);
    worker_post(worker, adopt, memory_copy(accepted, sizeof(*accepted)));
}

static void forget_arrivals(struct worker *worker, const struct client *client) {
    if (!client->sends_heartbeats)
        return;
    if (client->heartbeat_previous != NULL)
        client->heartbeat_previous->heartbeat_next = client->heartbeat_next;
    else
        worker->heartbeat_clients = client->heartbeat_next;
    if (client->heartbeat_next != NULL)
        client->heartbeat_next->heartbeat_previous = client->heartbeat_previous;
    if (worker->heartbeat_clients == NULL)
        (void)event_del(worker->look_event);
}

static void remove_client(struct worker *worker, struct client *client) {
    if (client->worker_previous != NULL)
        client->worker_previous->worker_next = client->worker_next;
    else
        worker->clients = client->worker_next;
    if (client->worker_next != NULL)
        client->worker_next->worker_previous = client->worker_previous;
    unindex_client(worker, client);
    forget_arrivals(worker, client);
    connection_close(client);
    atomic_fetch_sub(&worker->client_count, 1);
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
struct client *worker_find_client(struct worker *worker, uint64_t id) {
    struct client *client = NULL;
    HASH_FIND(by_id, worker->clients_by_id, &id, sizeof(id), client);
    return client == NULL || client->closing ? NULL : client;
}

void worker_mark_pending(struct worker *worker, struct client *client) {
    if (!client->round_marked) {
        client->round_mark = output_mark(&client->reply.output);
        client->round_marked = true;
    }
    if (client->is_pending)
        return;
    client->is_pending = true;
    client->pending_next = worker->pending;
    worker->pending = client;
}

void worker_watch_arrivals(struct worker *worker, struct client *client) {
    struct timeval interval = {.tv_usec = LOOK_MS * 1000};
    if (client->sends_heartbeats)
        return;
    if (worker->heartbeat_clients == NULL && event_add(worker->look_event, &interval) != 0) {
        log_warning(
            "sockets of heartbeats cannot be looked at in time: some will count as older than they are");
        return;
    }
    client->sends_heartbeats = true;
    client->heartbeat_next = worker->heartbeat_clients;
    if (worker->heartbeat_clients != NULL)
        worker->heartbeat_clients->heartbeat_previous = client;
    worker->heartbeat_clients = client;
}

void worker_resume_client(struct worker *worker, struct client *client) {
    (void)worker;
    always_assert(!client->in_command, "a client does not go on from within its own command");
    client->wait = CLIENT_RUNNING;
    client_show(client, SHOWN_PAUSED, false);
    connection_run_input(client);
}

struct resumption {
    uint64_t client_id;
};

static void resume_by_id(struct worker *worker, void *argument) {
    struct resumption *resumption = argument;
    struct client *client = worker_find_client(worker, resumption->client_id);
    free(resumption);
    if (client != NULL && client->wait == CLIENT_THROTTLED)
        worker_resume_client(worker, client);
}

void worker_resume_later(struct worker *worker, const struct client *client) {
    struct resumption *resumption = memory_allocate(sizeof(*resumption));
    resumption->client_id = client->id;
    worker_post(worker, resume_by_id, resumption);
}

void worker_pause_client(struct worker *worker, struct client *client) {
    client->wait = CLIENT_PAUSED;
    client_show(client, SHOWN_PAUSED, true);
    worker->has_paused = true;
}

// Those that the pause still holds say so again.
void worker_resume_paused(struct worker *worker) {
    worker->has_paused = false;
    for (struct client *client = worker->clients; client != NULL; client = client->worker_next) {
        if (client->wait == CLIENT_PAUSED && !client->closing)
            worker_resume_client(worker, client);
    }
}

void worker_each_client(struct worker *worker, void (*function)(struct client *client, void *argument),
                        void *argument) {
    for (struct client *client = worker->clients; client != NULL; client = client->worker_next)
        function(client, argument);
}

// --- Rounds ---

// Everything that the round's commands have replied was held back until here.
static void finish_round(struct worker *worker) {
    struct client *pending = worker->pending;
    if (pending == NULL)
        return;
    enum settle_result result = store_settle(worker->session);
    if (result == SETTLE_LATE)
        log_error("writes of this round were stored but may not be acknowledged, their clients are "
                  "disconnected: %s",
                  session_settle_error(worker->session));
    worker->pending = NULL;
    counter_add(&worker->stats.rounds, 1);
    while (pending != NULL) {
        struct client *client = pending;
        pending = client->pending_next;
        client->pending_next = NULL;
        client->is_pending = false;
        connection_finish_round(client, result);
        if (!client->closing)
            continue;
        if (client->is_pending) { // its limit was found exceeded while sending: it stands in the next round's
                                  // list
            continue;
        }
        remove_client(worker, client);
    }
}

static void check_clients(struct worker *worker) {
    uint64_t now_us = clock_duration_us();
    for (struct client *client = worker->clients; client != NULL; client = client->worker_next) {
        if (!client->closing)
            connection_check_limits(client, now_us);
    }
}

static void on_tick(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    struct worker *worker = argument;
    if (worker->has_paused)
        worker_resume_paused(worker);
    if (++worker->ticks % TICKS_A_SECOND == 0)
        check_clients(worker);
}

// That the loop has not reported a socket does not prove it empty: the loop takes a limited number of events
// at once.
static void on_look(evutil_socket_t fd, short what, void *argument) {
    (void)fd;
    (void)what;
    const struct worker *worker = argument;
    for (struct client *client = worker->heartbeat_clients; client != NULL; client = client->heartbeat_next)
        arrival_look(&client->arrival, client->fd);
}

static void wait_for_events(struct worker *worker, int flags) {
    if (event_base_loop(worker->base, flags) >= 0)
        return;
    log_error("worker %zu: waiting for events failed: %s", worker->index, strerror(errno));
    always_assert(false, "a worker can wait for events");
}

// Where the processors are all busy, whoever waits for one gets it now: clients send, and the next round
// finds more to do at once, so that system calls and log flushes are shared by more commands. Nothing changes
// where a processor is free. Measured with redis-benchmark on two noisy processors and two workers, without
// pipelining, in redis-server's speed. One run: GET 0.84 with no turn and 1.00 with one, SET 0.70 and 0.83.
// Another run: GET 0.90 with two and 1.09 with five, SET 0.83 and 0.88.
static void let_others_run(void) {
    enum { TURNS = 5 };
    for (int turn = 0; turn < TURNS; turn++)
        (void)sched_yield();
}

// Where the round ends with waiting for the disk, whoever has sent meanwhile joins it, so that the wait is
// shared by more: with fifty clients on two processors a sync served 16 writes without this.
static void let_more_join(struct worker *worker) {
    enum { PASSES = 20 };
    if (!worker->syncs)
        return;
    for (int pass = 0; pass < PASSES && worker->pending != NULL; pass++) {
        uint64_t before = atomic_load_explicit(&worker->stats.commands, memory_order_relaxed);
        (void)sched_yield();
        wait_for_events(worker, EVLOOP_NONBLOCK);
        if (atomic_load_explicit(&worker->stats.commands, memory_order_relaxed) == before)
            return;
    }
}

static void *run(void *argument) {
    struct worker *worker = argument;
    char name[16];
    (void)snprintf(name, sizeof(name), "worker-%zu", worker->index % 1000);
    (void)pthread_setname_np(pthread_self(), name);
    session_prepare_thread();
    while (!atomic_load_explicit(&worker->stopping, memory_order_acquire)) {
        wait_for_events(worker, EVLOOP_ONCE);
        let_more_join(worker);
        worker->round_time_us = clock_duration_us();
        finish_round(worker);
        let_others_run();
    }
    return NULL;
}

// --- Opening and closing ---

static bool open_mailbox(struct worker *worker) {
    struct mailbox *mailbox = &worker->mailbox;
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake_fd < 0)
        return false;
    mailbox->wake_event = event_new(worker->base, mailbox->wake_fd, EV_READ | EV_PERSIST, on_mail, worker);
    return mailbox->wake_event != NULL && event_add(mailbox->wake_event, NULL) == 0;
}

static bool open_loop(struct worker *worker) {
    struct timeval tick = {.tv_usec = TICK_MS * 1000};
    struct event_config *config = event_config_new();
    if (config == NULL)
        return false;
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    worker->base = event_base_new_with_config(config);
    event_config_free(config);
    if (worker->base == NULL || !open_mailbox(worker))
        return false;
    worker->tick_event = event_new(worker->base, -1, EV_PERSIST, on_tick, worker);
    worker->look_event = event_new(worker->base, -1, EV_PERSIST, on_look, worker);
    return worker->tick_event != NULL && worker->look_event != NULL &&
           event_add(worker->tick_event, &tick) == 0;
}

struct worker *worker_open(struct server *server, size_t index) {
    struct worker *worker = memory_allocate_zeroed(1, sizeof(*worker));
    worker->server = server;
    worker->index = index;
    worker->mailbox.wake_fd = -1;
    worker->round_time_us = clock_duration_us();
    worker->scratch = memory_allocate(SCRATCH_SIZE);
    worker->stats.histograms = latency_histograms_open(command_table_count(server->commands));
    worker->stats.by_command =
        memory_allocate_zeroed(command_table_count(server->commands), sizeof(*worker->stats.by_command));
    worker->session = session_open(server->store, index);
    worker->subscribers = subscribers_open();
    worker->syncs = store_syncs(server->store);
    if (!open_loop(worker) || pthread_create(&worker->thread, NULL, run, worker) != 0) {
        log_error("worker %zu could not be started: %s", index, strerror(errno));
        worker_close(worker);
        return NULL;
    }
    return worker;
}

void worker_stop(struct worker *worker) {
    atomic_store_explicit(&worker->stopping, true, memory_order_release);
    wake(&worker->mailbox);
}

void worker_join(struct worker *worker) {
    always_assert(pthread_join(worker->thread, NULL) == 0, "a worker's thread can be joined");
}

bool worker_drain(struct worker *worker) {
    bool has_work = read_mail(worker) != 0 || worker->pending != NULL;
    finish_round(worker);
    return has_work;
}

void worker_close(struct worker *worker) {
    while (worker->clients != NULL)
        remove_client(worker, worker->clients);
    subscribers_close(worker->subscribers);
    session_close(worker->session);
    if (worker->mailbox.wake_event != NULL)
        event_free(worker->mailbox.wake_event);
    if (worker->tick_event != NULL)
        event_free(worker->tick_event);
    if (worker->look_event != NULL)
        event_free(worker->look_event);
    if (worker->base != NULL)
        event_base_free(worker->base);
    if (worker->mailbox.wake_fd >= 0)
        (void)close(worker->mailbox.wake_fd);
    pthread_mutex_destroy(&worker->mailbox.lock);
    free(worker->mailbox.letters);
    free(worker->stats.by_command);
    latency_histograms_close(worker->stats.histograms);
    free(worker->scratch);
    free(worker);
}

// --- Looking in ---

struct server *worker_server(struct worker *worker) {
    return worker->server;
}

struct store_session *worker_session(struct worker *worker) {
    return worker->session;
}

struct worker_stats *worker_stats(struct worker *worker) {
    return &worker->stats;
}

struct gather *worker_gather(struct worker *worker) {
    return &worker->gather;
}

struct monitor_queue *worker_monitor_queue(struct worker *worker) {
    return &worker->monitor_queue;
}

size_t worker_index(const struct worker *worker) {
    return worker->index;
}

struct subscribers *worker_subscribers(struct worker *worker) {
    return worker->subscribers;
}

struct event_base *worker_event_base(struct worker *worker) {
    return worker->base;
}

size_t worker_client_count(const struct worker *worker) {
    return atomic_load_explicit(&worker->client_count, memory_order_relaxed);
}

uint64_t worker_round_time_us(const struct worker *worker) {
    return worker->round_time_us;
}

struct bytes worker_scratch(struct worker *worker, char **writable) {
    *writable = worker->scratch;
    return (struct bytes){.data = worker->scratch, .length = SCRATCH_SIZE};
}
