// SPDX-License-Identifier: Apache-2.0
//
// The slow log: a list, the newest first, each entry in one block of memory. Slow commands are rare by
// definition, so one lock does. Uses: memory.
#include "server/slow_log.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_ARGUMENTS = 32, LONGEST_ARGUMENT = 128, NOTE_SIZE = 48 };

struct entry {
    struct slow_log_entry shown;
    struct entry *older, *newer;
    struct bytes arguments[]; // and behind them all the text that `shown` points to
};

struct slow_log {
    pthread_mutex_t lock;
    struct entry *newest, *oldest;
    size_t length;
    uint64_t next_id; // goes on over a reset: a reader can tell old entries from new ones
};

static void lock(struct slow_log *log) {
    always_assert(pthread_mutex_lock(&log->lock) == 0, "the slow log can be locked");
}

static void unlock(struct slow_log *log) {
    always_assert(pthread_mutex_unlock(&log->lock) == 0, "the slow log can be unlocked");
}

struct slow_log *slow_log_open(void) {
    struct slow_log *log = memory_allocate_zeroed(1, sizeof(*log));
    always_assert(pthread_mutex_init(&log->lock, NULL) == 0, "the slow log's lock can be made");
    return log;
}

void slow_log_close(struct slow_log *log) {
    if (log == NULL)
        return;
    slow_log_reset(log);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

static char *put(char *to, struct bytes bytes) {
    if (bytes.length != 0)
        memcpy(to, bytes.data, bytes.length);
    return to + bytes.length;
}

// Writes what is shown of an argument: its beginning, and how much is left out.
static char *put_argument(char *to, struct bytes argument) {
    if (argument.length <= LONGEST_ARGUMENT)
        return put(to, argument);
    to = put(to, (struct bytes){.data = argument.data, .length = LONGEST_ARGUMENT});
    int written = snprintf(to, NOTE_SIZE, "... (%zu more bytes)", argument.length - LONGEST_ARGUMENT);
    return to + written;
}

static char *put_text(char *to, const char *text, const char **shown) {
    *shown = to;
    return put(to, (struct bytes){.data = text, .length = strlen(text) + 1});
}

// Room for the arguments that are kept, as a table and as text.
static size_t arguments_room(const struct bytes *arguments, size_t kept) {
    size_t room = 0;
    for (size_t i = 0; i < kept; i++)
        room += sizeof(*arguments) +
                (arguments[i].length < LONGEST_ARGUMENT ? arguments[i].length : LONGEST_ARGUMENT) + NOTE_SIZE;
    return room;
}

// Fills in the table of arguments and its text; returns where the text ends.
static char *put_arguments(struct entry *entry, const struct bytes *arguments, size_t count, size_t kept) {
    struct bytes *shown = entry->arguments;
    char *to = (char *)(shown + kept);
    for (size_t i = 0; i < kept; i++) {
        shown[i].data = to;
        if (kept < count && i == kept - 1)
            to += snprintf(to, NOTE_SIZE, "... (%zu more arguments)", count - kept + 1);
        else
            to = put_argument(to, arguments[i]);
        shown[i].length = (size_t)(to - shown[i].data);
    }
    entry->shown.arguments = shown;
    entry->shown.count = kept;
    return to;
}

static struct entry *make_entry(const struct bytes *arguments, size_t count, const char *client_address,
                                const char *client_name) {
    size_t kept = count < MOST_ARGUMENTS ? count : MOST_ARGUMENTS;
    struct entry *entry = memory_allocate(sizeof(*entry) + arguments_room(arguments, kept) +
                                          strlen(client_address) + 1 + strlen(client_name) + 1);
    char *to = put_arguments(entry, arguments, count, kept);
    to = put_text(to, client_address, &entry->shown.client_address);
    put_text(to, client_name, &entry->shown.client_name);
    return entry;
}

static void add_newest(struct slow_log *log, struct entry *entry) {
    entry->newer = NULL;
    entry->older = log->newest;
    if (log->newest == NULL)
        log->oldest = entry;
    else
        log->newest->newer = entry;
    log->newest = entry;
    log->length++;
}

static void shorten(struct slow_log *log, size_t most) {
    while (log->oldest != NULL && log->length > most) {
        struct entry *oldest = log->oldest;
        log->oldest = oldest->newer;
        if (log->oldest == NULL)
            log->newest = NULL;
        else
            log->oldest->older = NULL;
        log->length--;
        free(oldest);
    }
}

void slow_log_add(struct slow_log *log, const struct bytes *arguments, size_t count, uint64_t microseconds,
                  wall_ms_t when, const char *client_address, const char *client_name, size_t max_length) {
    struct entry *entry =
        make_entry(arguments, count, client_address, client_name == NULL ? "" : client_name);
    entry->shown.when_seconds = when / 1000;
    entry->shown.microseconds = microseconds;
    lock(log);
    entry->shown.id = log->next_id++;
    add_newest(log, entry);
    shorten(log, max_length);
    unlock(log);
}

size_t slow_log_length(struct slow_log *log) {
    lock(log);
    size_t length = log->length;
    unlock(log);
    return length;
}

void slow_log_reset(struct slow_log *log) {
    lock(log);
    shorten(log, 0);
    unlock(log);
}

void slow_log_each(struct slow_log *log, size_t most,
                   void (*each)(void *context, const struct slow_log_entry *entry), void *context) {
    lock(log);
    for (const struct entry *entry = log->newest; entry != NULL && most != 0; entry = entry->older, most--)
        each(context, &entry->shown);
    unlock(log);
}
