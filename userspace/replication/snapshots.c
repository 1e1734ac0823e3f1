// SPDX-License-Identifier: Apache-2.0
//
// Making, giving away and deleting the copy. Uses: base, store, server/config, replication/{data_files,link}.
#include "replication/snapshots.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "replication/data_files.h"
#include "replication/link.h"
#include "replication/peer.h"
#include "server/config.h"
#include "store/log_tail.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CHUNK = 256 << 10, UNUSED_US = 30 * 1000000, YOUNG_US = 600 * 1000000 };

struct snapshots {
    const struct config *config;
    char *directory;
    pthread_mutex_t lock;
    pthread_cond_t changed; // of `users`
    int wake;               // an eventfd, readable once all shall end
    struct store *store;    // NULL: nothing is given
    int patience_ms;
    size_t users; // connections
    bool exists;
    uint64_t sequence; // of the copy, at most
    uint64_t made_us, used_us;
    uint64_t allowed_us; // by max-replication-mb: when the next bytes may leave
};

// One connection's work.
struct transfer {
    struct snapshots *snapshots;
    struct link link;
    bool verified;
    char *names; // NULL: the list is asked for
};

static void take(struct snapshots *snapshots) {
    always_assert(pthread_mutex_lock(&snapshots->lock) == 0, "the snapshots can be locked");
}

static void release(struct snapshots *snapshots) {
    always_assert(pthread_mutex_unlock(&snapshots->lock) == 0, "the snapshots can be unlocked");
}

struct snapshots *snapshots_open(const struct config *config) {
    struct snapshots *snapshots = memory_allocate_zeroed(1, sizeof(*snapshots));
    struct buffer path = {0};
    snapshots->config = config;
    config_text(config, CONFIG_DIR, &path);
    buffer_append_format(&path, "/checkpoint%c", '\0');
    snapshots->directory = path.data;
    snapshots->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    always_assert(pthread_mutex_init(&snapshots->lock, NULL) == 0 &&
                      pthread_cond_init(&snapshots->changed, NULL) == 0,
                  "a lock can be made");
    return snapshots;
}

void snapshots_close(struct snapshots *snapshots) {
    if (snapshots == NULL)
        return;
    if (snapshots->wake >= 0)
        (void)close(snapshots->wake);
    (void)pthread_cond_destroy(&snapshots->changed);
    (void)pthread_mutex_destroy(&snapshots->lock);
    free(snapshots->directory);
    free(snapshots);
}

// --- The copy, with the lock held ---

static void delete_copy(struct snapshots *snapshots) {
    snapshots->exists = false;
    if (!data_files_remove(snapshots->directory))
        log_warning("the copy in '%s' could not be deleted: %s", snapshots->directory, strerror(errno));
}

// One that is too old would make its receiver need log that is gone when it has it.
static bool is_useful(const struct snapshots *snapshots) {
    return snapshots->exists && clock_duration_us() - snapshots->made_us < YOUNG_US &&
           log_tail_is_available(snapshots->store, snapshots->sequence + 1);
}

static bool make_copy(struct snapshots *snapshots) {
    delete_copy(snapshots);
    uint64_t started_us = clock_duration_us();
    // What is written while it is made may be in it or not; the log has it for certain.
    uint64_t sequence = store_latest_sequence(snapshots->store);
    char *error = store_checkpoint(snapshots->store, snapshots->directory);
    if (error != NULL) {
        log_error("no copy of the database could be made in '%s': %s", snapshots->directory, error);
        free(error);
        return false;
    }
    snapshots->exists = true;
    snapshots->sequence = sequence;
    snapshots->made_us = clock_duration_us();
    log_info("a copy of the database at sequence number %" PRIu64 " was made for replicas in %" PRIu64 " ms",
             sequence, (snapshots->made_us - started_us) / 1000);
    return true;
}

void snapshots_start(struct snapshots *snapshots, struct store *store, int patience_ms) {
    uint64_t count = 0;
    take(snapshots);
    (void)!read(snapshots->wake, &count, sizeof(count));
    delete_copy(snapshots); // an earlier process may have left one
    snapshots->store = store;
    snapshots->patience_ms = patience_ms;
    release(snapshots);
}

void snapshots_stop(struct snapshots *snapshots) {
    uint64_t one = 1;
    take(snapshots);
    bool was_started = snapshots->store != NULL;
    snapshots->store = NULL;
    (void)!write(snapshots->wake, &one, sizeof(one));
    while (snapshots->users != 0)
        pthread_cond_wait(&snapshots->changed, &snapshots->lock);
    if (was_started)
        delete_copy(snapshots);
    release(snapshots);
}

// Does not wait for a copy that is being made: the caller has other things to do.
void snapshots_tick(struct snapshots *snapshots) {
    if (pthread_mutex_trylock(&snapshots->lock) != 0)
        return;
    if (snapshots->exists && snapshots->users == 0 && clock_duration_us() - snapshots->used_us > UNUSED_US)
        delete_copy(snapshots);
    release(snapshots);
}

// --- The list ---

struct listing {
    const char *directory;
    bool verified;
    struct buffer text;
};

static void list_file(void *context, struct bytes name) {
    struct listing *listing = context;
    if (listing->text.length != 0 && listing->text.data[listing->text.length - 1] != ' ')
        buffer_append_text(&listing->text, ",");
    buffer_append(&listing->text, name);
    if (listing->verified)
        buffer_append_format(&listing->text, ":%" PRId64, data_file_size(listing->directory, name));
}

// Makes the copy if there is none that is useful. False: there is none.
static bool list_files(struct snapshots *snapshots, struct listing *listing) {
    take(snapshots);
    bool listed = snapshots->store != NULL && (is_useful(snapshots) || make_copy(snapshots));
    if (listed && listing->verified) {
        char *identity = store_identity(snapshots->store);
        buffer_append_format(&listing->text, "%s ", identity[0] == '\0' ? "?" : identity);
        free(identity);
    }
    listed = listed && data_files_each(snapshots->directory, list_file, listing);
    release(snapshots);
    return listed;
}

static void send_list(struct transfer *transfer) {
    struct listing listing = {.directory = transfer->snapshots->directory, .verified = transfer->verified};
    if (list_files(transfer->snapshots, &listing)) {
        buffer_append_text(&listing.text, "\r\n");
        (void)link_send(&transfer->link, buffer_bytes(&listing.text));
    } else {
        (void)link_send(&transfer->link, BYTES_LITERAL("-can't create db checkpoint\r\n"));
    }
    buffer_release(&listing.text);
}

// --- The files ---

// All transfers share one allowance. False: interrupted.
static bool wait_for_allowance(struct transfer *transfer, size_t bytes) {
    struct snapshots *snapshots = transfer->snapshots;
    uint64_t rate = (uint64_t)config_integer(snapshots->config, CONFIG_MAX_REPLICATION_MB) << 20;
    if (rate == 0)
        return true;
    take(snapshots);
    uint64_t now = clock_duration_us();
    uint64_t begins = snapshots->allowed_us > now ? snapshots->allowed_us : now;
    snapshots->allowed_us = begins + (uint64_t)bytes * 1000000 / rate;
    release(snapshots);
    struct pollfd source = {.fd = snapshots->wake, .events = POLLIN};
    return poll(&source, 1, (int)((begins - now) / 1000)) == 0;
}

// *sum becomes the checksum of all bytes.
static bool send_bytes(struct transfer *transfer, int file, int64_t size, uint32_t *sum) {
    char *chunk = memory_allocate(CHUNK);
    int64_t left = size;
    bool sent = true;
    while (sent && left > 0) {
        ssize_t count = read(file, chunk, left < CHUNK ? (size_t)left : CHUNK);
        sent = count > 0 && wait_for_allowance(transfer, (size_t)count);
        struct bytes bytes = {chunk, count > 0 ? (size_t)count : 0};
        *sum = transfer->verified ? checksum_extend(*sum, bytes) : 0;
        sent = sent && link_send(&transfer->link, bytes);
        left -= count;
    }
    free(chunk);
    return sent;
}

static bool send_file(struct transfer *transfer, struct bytes name) {
    const char *directory = transfer->snapshots->directory;
    int64_t size = data_file_name_is_sound(name) ? data_file_size(directory, name) : -1;
    int file = size < 0 ? -1 : data_file_open(directory, name, O_RDONLY);
    char line[32];
    uint32_t sum = 0;
    if (file < 0) {
        (void)link_send(&transfer->link, BYTES_LITERAL("-ERR no such file\r\n"));
        return false;
    }
    (void)snprintf(line, sizeof(line), "%" PRId64 "\r\n", size);
    bool sent = link_send(&transfer->link, bytes_from_text(line)) && send_bytes(transfer, file, size, &sum);
    (void)close(file);
    (void)snprintf(line, sizeof(line), "%08" PRIx32 "\r\n", sum);
    return sent && (!transfer->verified || link_send(&transfer->link, bytes_from_text(line)));
}

static void send_files(struct transfer *transfer) {
    struct bytes list = bytes_from_text(transfer->names);
    struct bytes name;
    while (data_files_next_name(&list, &name)) {
        if (!send_file(transfer, name)) {
            log_warning("the file '%.*s' could not be sent to a replica: %s", bytes_shown_length(name),
                        name.data, transfer->link.error);
            return;
        }
    }
}

// --- Threads ---

static void *run(void *argument) {
    struct transfer *transfer = argument;
    struct snapshots *snapshots = transfer->snapshots;
    (void)pthread_setname_np(pthread_self(), "send-copy");
    if (transfer->names == NULL)
        send_list(transfer);
    else
        send_files(transfer);
    link_close(&transfer->link);
    free(transfer->names);
    free(transfer);
    take(snapshots);
    snapshots->users--;
    snapshots->used_us = clock_duration_us();
    pthread_cond_broadcast(&snapshots->changed);
    release(snapshots);
    return NULL;
}

// With the lock held. Once it is started, the transfer is the thread's, which may be over before this
// returns.
static bool start_thread(struct snapshots *snapshots, struct transfer *transfer) {
    pthread_t thread;
    pthread_attr_t attributes;
    if (snapshots->store == NULL || pthread_attr_init(&attributes) != 0)
        return false;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, run, transfer) == 0;
    (void)pthread_attr_destroy(&attributes);
    snapshots->users += started;
    return started;
}

static void start_transfer(struct snapshots *snapshots, int fd, char *names, bool verified) {
    struct transfer *transfer = memory_allocate_zeroed(1, sizeof(*transfer));
    *transfer = (struct transfer){.snapshots = snapshots, .verified = verified, .names = names};
    transfer->link = (struct link){.fd = -1, .wake = snapshots->wake};
    link_adopt(&transfer->link, fd);
    take(snapshots);
    transfer->link.timeout_ms = snapshots->patience_ms;
    bool started = start_thread(snapshots, transfer);
    release(snapshots);
    if (started)
        return;
    (void)link_send_some(&transfer->link, BYTES_LITERAL("-" PEER_LOADING_ERROR "\r\n"));
    link_close(&transfer->link);
    free(names);
    free(transfer);
}

void snapshots_send_list(struct snapshots *snapshots, int fd, bool verified) {
    start_transfer(snapshots, fd, NULL, verified);
}

void snapshots_send_files(struct snapshots *snapshots, int fd, struct bytes names, bool verified) {
    char *copy = memory_allocate(names.length + 1);
    if (names.length != 0)
        memcpy(copy, names.data, names.length);
    copy[names.length] = '\0';
    start_transfer(snapshots, fd, copy, verified);
}
