// SPDX-License-Identifier: Apache-2.0
//
// Latency spikes by kind of event. The kinds are the server's own words, so there are few and a list does;
// spikes are rare by definition, so one lock does. Uses: memory.
#include "server/latency.h"

#include "base/assert.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>

enum { HISTORY_LENGTH = 160 };

struct event {
    struct event *next;
    struct latency_sample samples[HISTORY_LENGTH]; // a ring
    size_t count;
    size_t free_place;
    uint64_t maximum_ms;
    char name[];
};

struct latency {
    pthread_mutex_t lock;
    struct event *events;
};

static void lock(struct latency *latency) {
    always_assert(pthread_mutex_lock(&latency->lock) == 0, "the latency monitor can be locked");
}

static void unlock(struct latency *latency) {
    always_assert(pthread_mutex_unlock(&latency->lock) == 0, "the latency monitor can be unlocked");
}

struct latency *latency_open(void) {
    struct latency *latency = memory_allocate_zeroed(1, sizeof(*latency));
    always_assert(pthread_mutex_init(&latency->lock, NULL) == 0, "the latency monitor's lock can be made");
    return latency;
}

void latency_close(struct latency *latency) {
    if (latency == NULL)
        return;
    latency_reset(latency, (struct bytes){.data = NULL});
    pthread_mutex_destroy(&latency->lock);
    free(latency);
}

// Where the event of this name hangs, or the end of the list.
static struct event **find(struct latency *latency, struct bytes name) {
    struct event **link = &latency->events;
    while (*link != NULL && !bytes_equal(bytes_from_text((*link)->name), name))
        link = &(*link)->next;
    return link;
}

static struct event *make_event(struct bytes name) {
    struct event *event = memory_allocate_zeroed(1, sizeof(*event) + name.length + 1);
    memcpy(event->name, name.data, name.length);
    return event;
}

static size_t drop(struct event **link) {
    struct event *event = *link;
    if (event == NULL)
        return 0;
    *link = event->next;
    free(event);
    return 1;
}

static struct latency_sample *newest_sample(struct event *event) {
    return &event->samples[(event->free_place + HISTORY_LENGTH - 1) % HISTORY_LENGTH];
}

static void add_sample(struct event *event, int64_t when_seconds, uint64_t milliseconds) {
    if (milliseconds > event->maximum_ms)
        event->maximum_ms = milliseconds;
    // One a second: the worst.
    struct latency_sample *newest = newest_sample(event);
    if (event->count != 0 && newest->when_seconds == when_seconds) {
        if (milliseconds > newest->milliseconds)
            newest->milliseconds = milliseconds;
        return;
    }
    event->samples[event->free_place] =
        (struct latency_sample){.when_seconds = when_seconds, .milliseconds = milliseconds};
    event->free_place = (event->free_place + 1) % HISTORY_LENGTH;
    if (event->count < HISTORY_LENGTH)
        event->count++;
}

void latency_add(struct latency *latency, const char *event, wall_ms_t when, uint64_t milliseconds) {
    struct bytes name = bytes_from_text(event);
    lock(latency);
    struct event **link = find(latency, name);
    if (*link == NULL)
        *link = make_event(name);
    add_sample(*link, when / 1000, milliseconds);
    unlock(latency);
}

void latency_each_event(struct latency *latency,
                        void (*each)(void *context, const struct latency_event *event), void *context) {
    lock(latency);
    for (struct event *event = latency->events; event != NULL; event = event->next) {
        struct latency_event shown = {
            .name = event->name, .latest = *newest_sample(event), .maximum_ms = event->maximum_ms};
        each(context, &shown);
    }
    unlock(latency);
}

static size_t copy_history(const struct event *event, struct latency_sample samples[HISTORY_LENGTH]) {
    size_t oldest = (event->free_place + HISTORY_LENGTH - event->count) % HISTORY_LENGTH;
    for (size_t i = 0; i < event->count; i++)
        samples[i] = event->samples[(oldest + i) % HISTORY_LENGTH];
    return event->count;
}

size_t latency_history(struct latency *latency, struct bytes event, struct latency_sample samples[160]) {
    lock(latency);
    const struct event *found = *find(latency, event);
    size_t count = found == NULL ? 0 : copy_history(found, samples);
    unlock(latency);
    return count;
}

static size_t drop_all(struct latency *latency) {
    size_t dropped = 0;
    while (latency->events != NULL)
        dropped += drop(&latency->events);
    return dropped;
}

size_t latency_reset(struct latency *latency, struct bytes event) {
    lock(latency);
    size_t dropped = event.length == 0 ? drop_all(latency) : drop(find(latency, event));
    unlock(latency);
    return dropped;
}
