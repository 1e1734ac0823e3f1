// SPDX-License-Identifier: Apache-2.0
//
// Uses: base/buffer.
#include "server/key_event_classes.h"

static const struct {
    char letter;
    uint32_t event_class;
} letters[] = {{'g', KEY_EVENT_GENERIC},  {'$', KEY_EVENT_STRING},  {'l', KEY_EVENT_LIST},
               {'s', KEY_EVENT_SET},      {'h', KEY_EVENT_HASH},    {'z', KEY_EVENT_SORTED_SET},
               {'x', KEY_EVENT_EXPIRED},  {'e', KEY_EVENT_EVICTED}, {'t', KEY_EVENT_STREAM},
               {'d', KEY_EVENT_MODULE},   {'n', KEY_EVENT_NEW},     {'K', KEY_EVENT_KEYSPACE},
               {'E', KEY_EVENT_KEYEVENT}, {'m', KEY_EVENT_MISS}};
enum {
    LETTER_COUNT = sizeof(letters) / sizeof(letters[0]),
    ALL_CLASSES = KEY_EVENT_GENERIC | KEY_EVENT_STRING | KEY_EVENT_LIST | KEY_EVENT_SET | KEY_EVENT_HASH |
                  KEY_EVENT_SORTED_SET | KEY_EVENT_EXPIRED | KEY_EVENT_EVICTED | KEY_EVENT_STREAM |
                  KEY_EVENT_MODULE
};

static uint32_t class_of_letter(char letter) {
    if (letter == 'A')
        return ALL_CLASSES;
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if (letters[i].letter == letter)
            return letters[i].event_class;
    }
    return 0;
}

bool key_events_parse(struct bytes text, int64_t *classes) {
    uint32_t all = 0;
    for (size_t i = 0; i < text.length; i++) {
        uint32_t one = class_of_letter(text.data[i]);
        if (one == 0)
            return false;
        all |= one;
    }
    *classes = all;
    return true;
}

void key_events_print(int64_t classes, struct buffer *out) {
    uint32_t left = (uint32_t)classes;
    if ((left & ALL_CLASSES) == ALL_CLASSES) {
        buffer_append_text(out, "A");
        left &= ~(uint32_t)ALL_CLASSES;
    }
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if ((left & letters[i].event_class) != 0)
            buffer_append(out, (struct bytes){&letters[i].letter, 1});
    }
}
