// SPDX-License-Identifier: Apache-2.0
//
// Keys as commands. A change is sent as the state that it led to, element by element, so that to send one
// twice does no harm. Uses: base, store/{collection,session}, cluster/destination.
#include "cluster/key_sender.h"

#include "base/clock.h"
#include "base/number.h"
#include "store/collection.h"

#include <stdio.h>

enum {
    ELEMENTS_AT_ONCE = 16,      // in one command
    COMMAND_BYTES = 64 << 10,   // a command that has become so big is ended
    PIPELINE_BYTES = 256 << 10, // and a pipeline sent
    POSITION_SIZE = 8           // of an element in a list
};

// How a collection's elements travel.
struct type_words {
    const char *add;
    const char *remove;
    void (*append)(struct destination *destination, struct bytes sub_key, struct bytes value);
};

static void append_field(struct destination *destination, struct bytes sub_key, struct bytes value) {
    destination_add(destination, sub_key);
    destination_add(destination, value);
}

static void append_member(struct destination *destination, struct bytes sub_key, struct bytes value) {
    (void)value;
    destination_add(destination, sub_key);
}

static void append_item(struct destination *destination, struct bytes sub_key, struct bytes value) {
    (void)sub_key;
    destination_add(destination, value);
}

static void append_scored(struct destination *destination, struct bytes sub_key, struct bytes value) {
    char score[NUMBER_FLOAT_SIZE];
    double number = value.length == ENCODED_DOUBLE_SIZE ? decode_double(value.data) : 0;
    destination_add(destination, (struct bytes){score, number_write_double(score, number)});
    destination_add(destination, sub_key);
}

static const struct type_words type_words[VALUE_TYPE_COUNT] = {
    [VALUE_HASH] = {"HSET", "HDEL", append_field},
    [VALUE_LIST] = {"RPUSH", NULL, append_item},
    [VALUE_SET] = {"SADD", "SREM", append_member},
    [VALUE_ZSET] = {"ZADD", "ZREM", append_scored},
};

// --- Sending ---

// Keeps to the speed, by what was sent last.
static void pace(struct key_sender *sender) {
    uint64_t commands = destination_commands(sender->destination);
    uint64_t now = clock_duration_us();
    if (sender->speed == 0)
        return;
    uint64_t due = sender->last_sent_us + commands * 1000000 / sender->speed;
    if (due > now)
        destination_pause(sender->destination, due - now);
}

bool key_send_rest(struct key_sender *sender) {
    if (destination_commands(sender->destination) == 0)
        return true;
    pace(sender);
    sender->last_sent_us = clock_duration_us();
    sender->commands += destination_commands(sender->destination);
    return destination_flush(sender->destination, NULL, sender->error) == DESTINATION_TOOK_ALL;
}

static bool end_command(struct key_sender *sender) {
    destination_end(sender->destination);
    return (destination_commands(sender->destination) < sender->pipeline &&
            destination_bytes(sender->destination) < PIPELINE_BYTES) ||
           key_send_rest(sender);
}

static void begin(struct key_sender *sender, const char *name, struct bytes key) {
    destination_add_text(sender->destination, name);
    destination_add(sender->destination, key);
}

static bool send_delete(struct key_sender *sender, struct bytes key) {
    begin(sender, "DEL", key);
    return end_command(sender);
}

static bool send_expiry(struct key_sender *sender, struct bytes key, const struct metadata *metadata) {
    if (metadata->expire_ms == 0)
        return true;
    begin(sender, "PEXPIREAT", key);
    destination_add_number(sender->destination, metadata->expire_ms);
    return end_command(sender);
}

static bool unreadable(struct key_sender *sender, const struct store_session *session,
                       enum store_status status) {
    (void)snprintf(sender->error, sizeof(sender->error), "a key could not be read: %s",
                   session_error(session, status));
    return false;
}

// --- Elements that are added or removed, many a command ---

struct element_run {
    struct key_sender *sender;
    struct bytes key;
    const char *name;
    size_t elements; // in the command that has no end yet
};

static bool run_end(struct element_run *run) {
    bool any = run->elements != 0;
    run->elements = 0;
    return !any || end_command(run->sender);
}

static bool run_is_full(const struct element_run *run) {
    return run->elements >= ELEMENTS_AT_ONCE || destination_bytes(run->sender->destination) >= COMMAND_BYTES;
}

// Before each element.
static bool run_open(struct element_run *run) {
    if (run_is_full(run) && !run_end(run))
        return false;
    if (run->elements++ == 0)
        begin(run->sender, run->name, run->key);
    return true;
}

static bool send_elements(struct key_sender *sender, const struct collection *collection,
                          struct collection_iterator *iterator) {
    const struct type_words *words = &type_words[collection->metadata.type];
    struct element_run run = {.sender = sender, .key = collection->key, .name = words->add};
    struct bytes sub_key, value;
    while (collection_iterator_next(iterator, &sub_key, &value)) {
        if (!run_open(&run))
            return false;
        words->append(sender->destination, sub_key, value);
    }
    enum store_status status = collection_iterator_status(iterator);
    return status == STORE_OK ? run_end(&run) : unreadable(sender, collection->session, status);
}

// --- Whole keys ---

static bool send_string(struct key_sender *sender, struct bytes key, const struct store_value *value) {
    begin(sender, "SET", key);
    destination_add(sender->destination, value->payload);
    if (value->metadata.expire_ms != 0) {
        destination_add_text(sender->destination, "PXAT");
        destination_add_number(sender->destination, value->metadata.expire_ms);
    }
    return end_command(sender);
}

static bool send_collection(struct key_sender *sender, struct store_session *session, struct bytes key,
                            const struct metadata *metadata) {
    struct collection collection;
    enum store_status status = collection_open(session, key, metadata->type, clock_wall_ms(), &collection);
    if (status == STORE_NOT_FOUND) // it has expired meanwhile
        return true;
    if (status != STORE_OK)
        return unreadable(sender, session, status);
    struct collection_iterator *iterator = collection_iterator_open(&collection, FAMILY_DEFAULT);
    collection_iterator_seek(iterator, (struct bytes){0});
    bool sent = send_elements(sender, &collection, iterator);
    collection_iterator_close(iterator);
    return sent && send_expiry(sender, key, &collection.metadata);
}

static bool cannot_travel(struct key_sender *sender, const struct metadata *metadata) {
    (void)snprintf(sender->error, sizeof(sender->error),
                   "the slot holds a key of type %s, which cannot be moved: delete or copy it before",
                   value_type_name(metadata->type));
    return false;
}

bool key_send(struct key_sender *sender, struct store_session *session, struct bytes key, bool replaces) {
    struct store_value value;
    enum store_status status = store_read(session, key, clock_wall_ms(), &value);
    if (status == STORE_NOT_FOUND)
        return !replaces || send_delete(sender, key);
    if (status != STORE_OK)
        return unreadable(sender, session, status);
    struct metadata metadata = value.metadata;
    bool sent = true;
    sender->keys++;
    if (metadata.type == VALUE_STRING)
        sent = send_string(sender, key, &value);
    else if (type_words[metadata.type].add == NULL)
        sent = cannot_travel(sender, &metadata);
    else
        sent = (!replaces || send_delete(sender, key)) && send_collection(sender, session, key, &metadata);
    store_value_release(&value);
    return sent;
}

// --- Changes of collections ---

static bool send_changed_elements(struct key_sender *sender, const struct collection *collection,
                                  const struct changed_key *key, bool removals) {
    const struct type_words *words = &type_words[collection->metadata.type];
    struct element_run run = {
        .sender = sender, .key = collection->key, .name = removals ? words->remove : words->add};
    for (const struct changed_element *at = key->elements; at != NULL; at = at->handle.next) {
        struct bytes name = {at->name, at->length};
        struct store_value value = {0};
        enum store_status status = collection_get(collection, name, &value);
        if (status != STORE_OK && status != STORE_NOT_FOUND)
            return unreadable(sender, collection->session, status);
        bool wanted = (status == STORE_NOT_FOUND) == removals;
        bool opened = !wanted || run_open(&run);
        if (opened && wanted && removals)
            destination_add(sender->destination, name);
        else if (opened && wanted)
            words->append(sender->destination, name, value.payload);
        store_value_release(&value);
        if (!opened)
            return false;
    }
    return run_end(&run);
}

// A list's elements lie at positions from head to below tail.
struct list_ends {
    uint64_t head, tail;
};

static uint64_t read_position(const char *bytes) {
    uint64_t position = 0;
    for (int i = 0; i < POSITION_SIZE; i++)
        position = position << 8 | (unsigned char)bytes[i];
    return position;
}

static bool read_ends(const struct collection *list, struct list_ends *ends) {
    if (list->extra_length != 2 * POSITION_SIZE)
        return false;
    ends->head = read_position(list->extra);
    ends->tail = read_position(list->extra + POSITION_SIZE);
    return ends->head <= ends->tail;
}

static bool get_item(struct key_sender *sender, const struct collection *list, uint64_t position,
                     struct store_value *value) {
    char name[POSITION_SIZE];
    for (int i = 0; i < POSITION_SIZE; i++)
        name[i] = (char)(position >> (8 * (POSITION_SIZE - 1 - i)) & 0xff);
    enum store_status status = collection_get(list, (struct bytes){name, POSITION_SIZE}, value);
    return status == STORE_OK || unreadable(sender, list->session, status);
}

static bool push_items(struct key_sender *sender, const struct collection *list, const char *name,
                       struct list_ends items) {
    struct element_run run = {.sender = sender, .key = list->key, .name = name};
    bool from_tail = name[0] == 'L';
    for (uint64_t i = items.head; i < items.tail; i++) {
        struct store_value value = {0};
        uint64_t position = from_tail ? items.tail - 1 - (i - items.head) : i;
        if (!get_item(sender, list, position, &value))
            return false;
        bool opened = run_open(&run);
        if (opened)
            destination_add(sender->destination, value.payload);
        store_value_release(&value);
        if (!opened)
            return false;
    }
    return run_end(&run);
}

// Those of the changed elements that were there before and still are.
static bool set_items(struct key_sender *sender, const struct collection *list, const struct changed_key *key,
                      struct list_ends kept) {
    for (const struct changed_element *at = key->elements; at != NULL; at = at->handle.next) {
        uint64_t position = at->length == POSITION_SIZE ? read_position(at->name) : kept.tail;
        struct store_value value = {0};
        if (position < kept.head || position >= kept.tail)
            continue;
        if (!get_item(sender, list, position, &value))
            return false;
        begin(sender, "LSET", list->key);
        destination_add_number(sender->destination, (int64_t)(position - kept.head));
        destination_add(sender->destination, value.payload);
        store_value_release(&value);
        if (!end_command(sender))
            return false;
    }
    return true;
}

static bool trim(struct key_sender *sender, const struct collection *list, struct list_ends before,
                 struct list_ends kept) {
    if (kept.head == before.head && kept.tail == before.tail)
        return true;
    begin(sender, "LTRIM", list->key);
    destination_add_number(sender->destination, (int64_t)(kept.head - before.head));
    destination_add_number(sender->destination, (int64_t)(kept.tail - 1 - before.head));
    return end_command(sender);
}

static bool send_list_change(struct key_sender *sender, const struct collection *list,
                             const struct changed_key *key, struct list_ends before, struct list_ends now) {
    const struct list_ends kept = {.head = before.head > now.head ? before.head : now.head,
                                   .tail = before.tail < now.tail ? before.tail : now.tail};
    return trim(sender, list, before, kept) && set_items(sender, list, key, kept) &&
           push_items(sender, list, "LPUSH", (struct list_ends){now.head, kept.head}) &&
           push_items(sender, list, "RPUSH", (struct list_ends){kept.tail, now.tail});
}

// The whole list is sent instead if nothing of what was there is left.
static bool list_is_followed(const struct collection *before, const struct collection *now,
                             struct list_ends *then_ends, struct list_ends *now_ends) {
    return read_ends(before, then_ends) && read_ends(now, now_ends) && now_ends->head < then_ends->tail &&
           then_ends->head < now_ends->tail;
}

// --- Changes ---

// The same collection as before, so that the elements that have changed are all there is to send. One that
// had another expiry may have expired over there already.
static bool is_followed(const struct metadata *before, const struct metadata *now) {
    return before->type == now->type && before->version == now->version &&
           type_words[now->type].add != NULL &&
           (before->expire_ms == 0 || before->expire_ms == now->expire_ms);
}

static bool open_both(struct store_session *before, struct store_session *now, struct bytes key,
                      struct collection *then_collection, struct collection *now_collection) {
    struct store_value value;
    wall_ms_t time = clock_wall_ms();
    if (store_read(now, key, time, &value) != STORE_OK)
        return false;
    enum value_type type = value.metadata.type;
    store_value_release(&value);
    return type_words[type].add != NULL &&
           collection_open(before, key, type, time, then_collection) == STORE_OK &&
           collection_open(now, key, type, time, now_collection) == STORE_OK &&
           is_followed(&then_collection->metadata, &now_collection->metadata);
}

bool key_send_change(struct key_sender *sender, struct store_session *before, struct store_session *now,
                     const struct changed_key *key) {
    struct bytes name = {key->name, key->length};
    struct collection was, is;
    struct list_ends was_ends, is_ends;
    if (!open_both(before, now, name, &was, &is))
        return key_send(sender, now, name, true);
    if (is.metadata.type == VALUE_LIST) {
        if (!list_is_followed(&was, &is, &was_ends, &is_ends))
            return key_send(sender, now, name, true);
        return send_list_change(sender, &is, key, was_ends, is_ends) &&
               send_expiry(sender, name, &is.metadata);
    }
    return send_changed_elements(sender, &is, key, true) && send_changed_elements(sender, &is, key, false) &&
           send_expiry(sender, name, &is.metadata);
}
