// SPDX-License-Identifier: Apache-2.0
//
// A letter to each worker which it does not come back from until it is let go. Uses: base,
// server/{reply_stream,server,worker}.
#include "server/parking.h"

#include "base/memory.h"
#include "server/reply_stream.h"
#include "server/server.h"
#include "server/worker.h"

#include <pthread.h>
#include <stdlib.h>

struct parking {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t inside; // workers that stand still
    bool is_over;
};

// Also of clients that are about to be closed: their iterators must not outlive the database.
static void break_off(struct client *client, void *argument) {
    (void)argument;
    reply_stream_break_off(client, "the database is replaced");
}

static void park(struct worker *worker, void *argument) {
    struct parking *parking = argument;
    worker_each_client(worker, break_off, NULL);
    pthread_mutex_lock(&parking->lock);
    parking->inside++;
    pthread_cond_broadcast(&parking->changed);
    while (!parking->is_over)
        pthread_cond_wait(&parking->changed, &parking->lock);
    parking->inside--;
    pthread_cond_broadcast(&parking->changed);
    pthread_mutex_unlock(&parking->lock);
}

static void wait_for(struct parking *parking, size_t inside) {
    while (parking->inside != inside)
        pthread_cond_wait(&parking->changed, &parking->lock);
}

struct parking *parking_begin(struct server *server) {
    struct parking *parking = memory_allocate_zeroed(1, sizeof(*parking));
    pthread_mutex_init(&parking->lock, NULL);
    pthread_cond_init(&parking->changed, NULL);
    server_post_all(server, park, parking);
    pthread_mutex_lock(&parking->lock);
    wait_for(parking, server->worker_count);
    pthread_mutex_unlock(&parking->lock);
    return parking;
}

void parking_end(struct parking *parking) {
    pthread_mutex_lock(&parking->lock);
    parking->is_over = true;
    pthread_cond_broadcast(&parking->changed);
    wait_for(parking, 0);
    pthread_mutex_unlock(&parking->lock);
    pthread_cond_destroy(&parking->changed);
    pthread_mutex_destroy(&parking->lock);
    free(parking);
}
