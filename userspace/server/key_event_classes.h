// SPDX-License-Identifier: Apache-2.0
//
// notify-keyspace-events: which changes of keys are told, as letters and as a number. May use: base.
#ifndef KVFENCE_SERVER_KEY_EVENT_CLASSES_H
#define KVFENCE_SERVER_KEY_EVENT_CLASSES_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stdint.h>

// The letters of notify-keyspace-events.
enum key_event_class {
    KEY_EVENT_KEYSPACE = 1 << 0, // K: on __keyspace@0__:<key>
    KEY_EVENT_KEYEVENT = 1 << 1, // E: on __keyevent@0__:<event>
    KEY_EVENT_GENERIC = 1 << 2,
    KEY_EVENT_STRING = 1 << 3,
    KEY_EVENT_LIST = 1 << 4,
    KEY_EVENT_SET = 1 << 5,
    KEY_EVENT_HASH = 1 << 6,
    KEY_EVENT_SORTED_SET = 1 << 7,
    KEY_EVENT_EXPIRED = 1 << 8,
    KEY_EVENT_EVICTED = 1 << 9, // accepted as are the next two; nothing here tells of them
    KEY_EVENT_STREAM = 1 << 10,
    KEY_EVENT_MODULE = 1 << 11,
    KEY_EVENT_MISS = 1 << 12,
    KEY_EVENT_NEW = 1 << 13,
};

// notify-keyspace-events as a number and back.
bool key_events_parse(struct bytes text, int64_t *classes);
void key_events_print(int64_t classes, struct buffer *out);

#endif
