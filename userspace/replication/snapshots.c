// SPDX-License-Identifier: Apache-2.0
//
// Giving copies away. Uses: base, store, server/config, replication/{copies,data_files,link}.
#include "replication/snapshots.h"

#include "base/assert.h"
#include "base/checksum.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "replication/copies.h"
#include "replication/data_files.h"
#include "replication/link.h"
#include "replication/peer.h"
#include "server/config.h"
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

// Each transfer has a thread, and is no client any more that maxclients would count.
enum { CHUNK = 256 << 10, TRANSFERS_MAX = 128 };

struct snapshots {
    const struct config *config;
    struct copies *copies;
    pthread_mutex_t lock;   // held for moments only: workers wait for it
    pthread_cond_t changed; // of `users`
    int wake;               // an eventfd, readable once all shall end
    struct store *store;    // NULL: nothing is given
    int patience_ms;
    size_t users;        // connections
    uint64_t allowed_us; // by max-replication-mb: when the next bytes may leave
};

// One connection's work.
struct transfer {
    struct snapshots *snapshots;
    struct link link;
    bool verified;
    char *names;     // NULL: the list is asked for
    uint64_t number; // of the copy that has them; 0: not said
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
    snapshots->copies = copies_open(path.data);
    buffer_release(&path);
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
    copies_close(snapshots->copies);
    free(snapshots);
}

void snapshots_start(struct snapshots *snapshots, struct store *store, int patience_ms) {
    uint64_t count = 0;
    copies_delete(snapshots->copies); // an earlier process may have left some
    take(snapshots);
    (void)!read(snapshots->wake, &count, sizeof(count));
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
    release(snapshots);
    if (was_started)
        copies_delete(snapshots->copies);
}

void snapshots_tick(struct snapshots *snapshots) {
    copies_tick(snapshots->copies);
}

// --- The list ---

struct listing {
    const char *directory;
    bool verified;
    struct buffer *text;
};

static void list_file(void *context, struct bytes name) {
    const struct listing *listing = context;
    struct buffer *text = listing->text;
    if (text->length != 0 && text->data[text->length - 1] != ' ')
        buffer_append_text(text, ",");
    buffer_append(text, name);
    if (listing->verified)
        buffer_append_format(text, ":%" PRId64, data_file_size(listing->directory, name));
}

static void append_identity(struct store *store, const struct copy *copy, struct buffer *text) {
    char *identity = store_identity(store);
    buffer_append_format(text, "%s:%" PRIu64 " ", identity[0] == '\0' ? "?" : identity, copy_number(copy));
    free(identity);
}

// Makes the copy if there is none that is useful. False: there is none.
static bool list_files(struct snapshots *snapshots, bool verified, struct buffer *text) {
    take(snapshots);
    struct store *store = snapshots->store; // is there for as long as this connection
    release(snapshots);
    struct copy *copy = store == NULL ? NULL : copies_make(snapshots->copies, store, !verified);
    if (copy == NULL)
        return false;
    if (verified)
        append_identity(store, copy, text);
    struct listing listing = {.directory = copy_directory(copy), .verified = verified, .text = text};
    bool listed = data_files_each(listing.directory, list_file, &listing);
    copies_give_back(snapshots->copies, copy);
    return listed;
}

static void send_list(struct transfer *transfer) {
    struct buffer text = {0};
    if (list_files(transfer->snapshots, transfer->verified, &text)) {
        buffer_append_text(&text, "\r\n");
        (void)link_send(&transfer->link, buffer_bytes(&text));
    } else {
        (void)link_send(&transfer->link, BYTES_LITERAL("-can't create db checkpoint\r\n"));
    }
    buffer_release(&text);
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

static bool send_file(struct transfer *transfer, const char *directory, struct bytes name) {
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

static void send_each(struct transfer *transfer, const char *directory) {
    struct bytes list = bytes_from_text(transfer->names);
    struct bytes name;
    while (data_files_next_name(&list, &name)) {
        if (!send_file(transfer, directory, name)) {
            log_warning("the file '%.*s' could not be sent to a replica: %s", bytes_shown_length(name),
                        name.data, transfer->link.error);
            return;
        }
    }
}

static void send_files(struct transfer *transfer) {
    struct copies *copies = transfer->snapshots->copies;
    struct copy *copy = copies_take(copies, transfer->number);
    if (copy == NULL) {
        (void)link_send(&transfer->link, BYTES_LITERAL("-ERR no such copy\r\n"));
        return;
    }
    send_each(transfer, copy_directory(copy));
    copies_give_back(copies, copy);
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
    pthread_cond_broadcast(&snapshots->changed);
    release(snapshots);
    return NULL;
}

// With the lock held. NULL: it is started, and the thread's, which may be over before this returns. Else what
// is answered.
static const char *start_thread(struct snapshots *snapshots, struct transfer *transfer) {
    pthread_t thread;
    pthread_attr_t attributes;
    if (snapshots->store != NULL && snapshots->users >= TRANSFERS_MAX)
        return "-ERR too many copies are being sent\r\n";
    if (snapshots->store == NULL || pthread_attr_init(&attributes) != 0)
        return "-" PEER_LOADING_ERROR "\r\n";
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attributes, run, transfer) == 0;
    (void)pthread_attr_destroy(&attributes);
    snapshots->users += started;
    return started ? NULL : "-" PEER_LOADING_ERROR "\r\n";
}

static void start_transfer(struct snapshots *snapshots, int fd, const struct transfer *model) {
    struct transfer *transfer = memory_copy(model, sizeof(*model));
    transfer->snapshots = snapshots;
    transfer->link = (struct link){.fd = -1, .wake = snapshots->wake};
    link_adopt(&transfer->link, fd);
    take(snapshots);
    transfer->link.timeout_ms = snapshots->patience_ms;
    const char *refusal = start_thread(snapshots, transfer);
    release(snapshots);
    if (refusal == NULL)
        return;
    log_warning("a replica is sent no copy: %.*s", (int)strcspn(refusal, "\r"), refusal);
    (void)link_send_some(&transfer->link, bytes_from_text(refusal));
    link_close(&transfer->link);
    free(transfer->names);
    free(transfer);
}

void snapshots_send_list(struct snapshots *snapshots, int fd, bool verified) {
    start_transfer(snapshots, fd, &(struct transfer){.verified = verified});
}

void snapshots_send_files(struct snapshots *snapshots, int fd, const struct snapshot_request *request) {
    struct bytes names = request->names;
    char *copy = memory_allocate(names.length + 1);
    if (names.length != 0)
        memcpy(copy, names.data, names.length);
    copy[names.length] = '\0';
    start_transfer(
        snapshots, fd,
        &(struct transfer){.verified = request->verified, .names = copy, .number = request->number});
}
