// SPDX-License-Identifier: Apache-2.0
//
// A worker: a thread with its own libevent loop and its own clients. One turn of its loop is a round: it
// reads what is ready, executes it, settles the store once, and sends all replies. May use: base, store,
// server.
#ifndef KVFENCE_SERVER_WORKER_H
#define KVFENCE_SERVER_WORKER_H

#include "server/client.h"
#include "server/monitor.h"
#include "server/stats.h"

struct accepted_socket; // server/connection.h
struct subscribers;     // server/subscribers.h
struct worker;
struct server;

struct worker *worker_open(struct server *server,
                           size_t index); // NULL: no event loop or thread could be made (logged)
// The end of a worker, by the one thread that ends them all. Workers write to each other, and background jobs
// to them, so each step is taken for all of them before the next: asking the thread to end; waiting for its
// end; running what was posted to it meanwhile and sending the replies (true: there was something, which may
// have posted more); closing its clients and freeing it.
void worker_stop(struct worker *worker);
void worker_join(struct worker *worker);
bool worker_drain(struct worker *worker);
void worker_close(struct worker *worker);
struct server *worker_server(struct worker *worker);
struct store_session *worker_session(struct worker *worker);
struct worker_stats *worker_stats(struct worker *worker);
struct event_base *worker_event_base(struct worker *worker);
size_t worker_index(const struct worker *worker); // thread-safe
struct subscribers *worker_subscribers(struct worker *worker);
size_t worker_client_count(const struct worker *worker); // thread-safe

// Runs function(worker, argument) on the worker's thread, soon, in order. Thread-safe. If the worker stops
// before, the function is still run, by worker_drain().
typedef void worker_function(struct worker *worker, void *argument);
void worker_post(struct worker *worker, worker_function *function, void *argument);

// Hands over a connected socket. Thread-safe; the fd is the worker's from then on.
void worker_adopt(struct worker *worker, const struct accepted_socket *accepted);

// On the worker's thread: its client with this id, or NULL.
struct client *worker_find_client(struct worker *worker, uint64_t id);
// On the worker's thread: the client has output or has run a command; it is settled and sent at the end of
// the round.
void worker_mark_pending(struct worker *worker, struct client *client);
// On the worker's thread: the client sends heartbeats. From now on it is known to within 20 ms since when its
// socket holds something, unless the process does not run.
void worker_watch_arrivals(struct worker *worker, struct client *client);
// On the worker's thread: runs what the client has sent and has not run yet.
void worker_resume_client(struct worker *worker, struct client *client);
// The same for a throttled client, in the next round.
void worker_resume_later(struct worker *worker, const struct client *client);
// On the worker's thread: calls function(client, argument) for each client, also for those about to be
// closed.
void worker_each_client(struct worker *worker, void (*function)(struct client *client, void *argument),
                        void *argument);
struct gather *worker_gather(struct worker *worker);
struct monitor_queue *worker_monitor_queue(struct worker *worker); // thread-safe
// When the current round began, by clock_duration_us(): good enough for what needs no exact time.
uint64_t worker_round_time_us(const struct worker *worker);
// The area that clients read into as long as nothing is left over; `*writable` is its start.
struct bytes worker_scratch(struct worker *worker, char **writable);
// On the worker's thread: CLIENT PAUSE holds the client's next command; it is tried again from time to time.
void worker_pause_client(struct worker *worker, struct client *client);
// On the worker's thread: resumes all clients that CLIENT PAUSE holds, as far as the pause allows.
void worker_resume_paused(struct worker *worker);

#endif
