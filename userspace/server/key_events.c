// SPDX-License-Identifier: Apache-2.0
//
// The table of events, and what is told of each command. Uses: base, store/session,
// server/{client,command,dispatch_internal,outbox,pubsub,server,transaction}.
#include "server/key_events.h"

#include "base/memory.h"
#include "base/number.h"
#include "server/client.h"
#include "server/dispatch_internal.h"
#include "server/hash_map.h"
#include "server/outbox.h"
#include "server/server.h"
#include "server/transaction.h"

#include <stdlib.h>
#include <string.h>

// --- Telling ---

static uint32_t classes_of(const struct server *server) {
    return (uint32_t)config_events(server->config, CONFIG_NOTIFY_KEYSPACE_EVENTS);
}

bool key_events_wanted(const struct server *server) {
    return (classes_of(server) & (KEY_EVENT_KEYSPACE | KEY_EVENT_KEYEVENT)) != 0 &&
           pubsub_in_use(server->pubsub);
}

bool key_events_want_expired(const struct server *server) {
    uint32_t classes = classes_of(server);
    return (classes & (KEY_EVENT_KEYSPACE | KEY_EVENT_KEYEVENT)) != 0 && (classes & KEY_EVENT_EXPIRED) != 0;
}

// Where what is told goes.
struct way_out {
    struct server *server;
    struct client *client; // whose command it is; NULL: nobody's, on another thread
};

static void send(const struct way_out *out, const char *prefix, struct bytes behind, struct bytes text) {
    struct buffer channel = {0};
    buffer_append_text(&channel, prefix);
    buffer_append(&channel, behind);
    const struct publication publication = {
        .tells_of_data = true, .channel = buffer_bytes(&channel), .payload = text};
    if (out->client == NULL)
        (void)pubsub_publish(out->server, NULL, &publication);
    else if (out->client->in_exec)
        outbox_put(&out->client->transaction->outbox, &publication);
    else
        (void)pubsub_publish_of(out->client, &publication);
    buffer_release(&channel);
}

static void send_event(const struct way_out *out, enum key_event_class event_class, const char *event,
                       struct bytes key) {
    uint32_t classes = classes_of(out->server);
    struct bytes name = bytes_from_text(event);
    if ((classes & (uint32_t)event_class) == 0)
        return;
    if ((classes & KEY_EVENT_KEYSPACE) != 0)
        send(out, "__keyspace@0__:", key, name);
    if ((classes & KEY_EVENT_KEYEVENT) != 0)
        send(out, "__keyevent@0__:", name, key);
}

static void tell(struct command_context *context, enum key_event_class event_class, const char *event,
                 struct bytes key) {
    const struct way_out out = {.server = context->server, .client = context->client};
    send_event(&out, event_class, event, key);
}

void key_events_tell_expired(struct server *server, struct bytes key) {
    const struct way_out out = {.server = server};
    send_event(&out, KEY_EVENT_EXPIRED, "expired", key);
}

static void tell_del(struct command_context *context, struct bytes key) {
    tell(context, KEY_EVENT_GENERIC, "del", key);
}

// --- What is told of which command ---

// A key that has been changed.
struct change {
    struct bytes key;
    bool exists; // after it, though its time may have been over when it was stored
};

static struct change change_of(struct command_context *context, struct bytes key) {
    return (struct change){.key = key,
                           .exists = store_exists(context->session, key, context->now) == STORE_OK ||
                                     store_has_expired(context->session, key, context->now)};
}

enum what_of_del { ALSO_DEL, ONLY_DEL, ALWAYS_NEW, EACH_PAIR };

struct event_rule {
    const char *command;
    enum key_event_class event_class;
    const char *event;
    enum what_of_del what_of_del;
    void (*special)(struct command_context *context, const struct change *change);
};

static bool is_argument(const struct command_context *context, size_t index, struct bytes text) {
    return index < context->count && bytes_equal(context->arguments[index], text);
}

static bool is_word(const struct command_context *context, size_t index, const char *word) {
    return index < context->count && bytes_equal_text_nocase(context->arguments[index], word);
}

static bool has_word(const struct command_context *context, size_t from, const char *word) {
    for (size_t i = from; i < context->count; i++) {
        if (is_word(context, i, word))
            return true;
    }
    return false;
}

static bool has_time(const struct command_context *context, size_t from) {
    return has_word(context, from, "EX") || has_word(context, from, "PX") ||
           has_word(context, from, "EXAT") || has_word(context, from, "PXAT");
}

// Both at once, in Redis' order, when the new name's turn has come.
static void tell_rename(struct command_context *context, const struct change *change) {
    if (is_argument(context, 1, change->key))
        return;
    tell(context, KEY_EVENT_GENERIC, "rename_from", context->arguments[1]);
    tell(context, KEY_EVENT_GENERIC, "rename_to", change->key);
}

// SETEX and PSETEX have a time and no option. The time may be over: then `expired` follows when that is
// noticed.
static void tell_set(struct command_context *context, const struct change *change) {
    tell(context, KEY_EVENT_STRING, "set", change->key);
    if (strcmp(context->command->original, "set") != 0 || has_time(context, 3))
        tell(context, KEY_EVENT_GENERIC, "expire", change->key);
}

static void tell_getex(struct command_context *context, const struct change *change) {
    if (!change->exists)
        tell_del(context, change->key);
    else
        tell(context, KEY_EVENT_GENERIC, has_word(context, 2, "PERSIST") ? "persist" : "expire", change->key);
}

static void tell_taken(struct command_context *context, const struct change *change,
                       enum key_event_class event_class, const char *event) {
    tell(context, event_class, event, change->key);
    if (!change->exists)
        tell_del(context, change->key);
}

// LMPOP and its like say behind their keys from which end they take; before these stand their number and
// perhaps a timeout.
static bool takes_from(struct command_context *context, const char *end) {
    struct key_list keys = {0};
    dispatch_collect_keys(context->command, context->arguments, context->count, &keys);
    size_t first = (context->command->flags & COMMAND_COUNTED_KEYS_LATER) != 0 ? 3 : 2;
    bool takes = is_word(context, first + keys.count, end);
    key_list_release(&keys);
    return takes;
}

static void tell_list_pop(struct command_context *context, const struct change *change) {
    bool is_left = takes_from(context, "LEFT");
    tell_taken(context, change, KEY_EVENT_LIST, is_left ? "lpop" : "rpop");
}

static void tell_zset_pop(struct command_context *context, const struct change *change) {
    bool is_least = takes_from(context, "MIN");
    tell_taken(context, change, KEY_EVENT_SORTED_SET, is_least ? "zpopmin" : "zpopmax");
}

// Both at once, in Redis' order, when the destination's turn has come. Of RPOPLPUSH the ends go without
// saying.
static void tell_list_move(struct command_context *context, const struct change *change) {
    bool says_ends = strstr(context->command->original, "push") == NULL;
    bool to_left = !says_ends || is_word(context, 4, "LEFT");
    bool from_left = says_ends && is_word(context, 3, "LEFT");
    if (!is_argument(context, 2, change->key))
        return;
    tell(context, KEY_EVENT_LIST, to_left ? "lpush" : "rpush", change->key);
    const struct change source = change_of(context, context->arguments[1]);
    tell_taken(context, &source, KEY_EVENT_LIST, from_left ? "lpop" : "rpop");
}

static void tell_set_move(struct command_context *context, const struct change *change) {
    if (is_argument(context, 1, change->key))
        tell_taken(context, change, KEY_EVENT_SET, "srem");
    else
        tell(context, KEY_EVENT_SET, "sadd", change->key);
}

// Behind the first score a word is a member.
static void tell_zadd(struct command_context *context, const struct change *change) {
    double score = 0;
    bool increments = false;
    for (size_t i = 2;
         i < context->count && !increments && !number_read_double(context->arguments[i], &score); i++)
        increments = is_word(context, i, "INCR");
    tell(context, KEY_EVENT_SORTED_SET, increments ? "zincr" : "zadd", change->key);
}

static const struct event_rule rules[] = {
#define EVENT(name, class_name, event_name, del)                                                             \
    {.command = (name), .event_class = KEY_EVENT_##class_name, .event = (event_name), .what_of_del = (del)},
#define SPECIAL(name, function)     {.command = (name), .special = (function)},
#define SPECIAL_NEW(name, function) {.command = (name), .special = (function), .what_of_del = ALWAYS_NEW},
#include "server/key_events.def"
#undef EVENT
#undef SPECIAL
#undef SPECIAL_NEW
};

static void tell_by_rule(struct command_context *context, const struct event_rule *rule,
                         const struct change *change) {
    if (rule->special != NULL)
        rule->special(context, change);
    else if (change->exists)
        tell(context, rule->event_class, rule->event, change->key);
    else if (rule->what_of_del == ALSO_DEL)
        tell_taken(context, change, rule->event_class, rule->event);
    else
        tell_del(context, change->key);
}

struct key_events {
    const struct event_rule **by_command; // by struct command's index; NULL: nothing is told
};

static const struct event_rule *find_rule(const struct command *command) {
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (strcmp(rules[i].command, command->original) == 0)
            return &rules[i];
    }
    return NULL;
}

struct key_events *key_events_open(const struct command_table *commands) {
    struct key_events *events = memory_allocate(sizeof(*events));
    size_t count = command_table_count(commands);
    events->by_command = memory_allocate_zeroed(count, sizeof(events->by_command[0]));
    for (size_t i = 0; i < count; i++)
        events->by_command[i] = find_rule(command_table_at(commands, i));
    return events;
}

void key_events_close(struct key_events *events) {
    if (events == NULL)
        return;
    free(events->by_command);
    free(events);
}

// --- Around a command ---

typedef void key_function(struct command_context *context, struct bytes key, void *argument);

static void each_key(struct command_context *context, key_function *function, void *argument) {
    struct key_list keys = {0};
    dispatch_collect_keys(context->command, context->arguments, context->count, &keys);
    for (size_t i = 0; i < keys.count; i++)
        function(context, keys.keys[i], argument);
    key_list_release(&keys);
}

static bool is_missing(struct command_context *context, struct bytes key) {
    return store_exists(context->session, key, context->now) == STORE_NOT_FOUND;
}

struct key_note {
    UT_hash_handle hh;
    struct bytes key;              // one of the command's arguments
    bool was_missing, has_expired; // and nobody has been told yet
};

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static struct key_note *find_note(const struct key_events_before *before, struct bytes key) {
    struct key_note *note = NULL;
    const char *data = key.length == 0 ? "" : key.data; // memcmp() wants an address even to compare nothing
    HASH_FIND(hh, before->notes, data, (unsigned)key.length, note);
    return note;
}

// NOLINTNEXTLINE(readability-function-size): the macro's size, not ours
static void add_note(struct key_events_before *before, const struct key_note *noted) {
    struct key_note *note = memory_copy(noted, sizeof(*noted));
    const char *data = note->key.length == 0 ? "" : note->key.data;
    HASH_ADD_KEYPTR(hh, before->notes, data, (unsigned)note->key.length, note);
}

static void note_key(struct command_context *context, struct bytes key, void *argument) {
    struct key_events_before *before = argument;
    uint32_t classes = classes_of(context->server);
    const struct key_note note = {.key = key,
                                  .was_missing = (classes & KEY_EVENT_NEW) != 0 && is_missing(context, key),
                                  .has_expired = (classes & KEY_EVENT_EXPIRED) != 0 &&
                                                 store_has_expired(context->session, key, context->now)};
    if ((note.was_missing || note.has_expired) && find_note(before, key) == NULL)
        add_note(before, &note);
}

void key_events_begin(struct command_context *context, struct key_events_before *before) {
    *before = (struct key_events_before){0};
    if (key_events_wanted(context->server) &&
        (classes_of(context->server) & (KEY_EVENT_NEW | KEY_EVENT_EXPIRED)) != 0)
        each_key(context, note_key, before);
}

struct telling {
    struct command_context *context;
    const struct key_events_before *before;
    const struct event_rule *rule;
    struct bytes told[2]; // a collection's key can be staged before and after another one's
    size_t told_count;
};

static bool was_told(struct telling *telling, struct bytes key) {
    size_t most = sizeof(telling->told) / sizeof(telling->told[0]);
    for (size_t i = 0; i < telling->told_count && i < most; i++) {
        if (bytes_equal(telling->told[i], key))
            return true;
    }
    telling->told[telling->told_count++ % most] = key;
    return false;
}

// Once, however often the command names the key.
static void tell_noted(const struct telling *telling, const struct change *change) {
    struct key_note *note = find_note(telling->before, change->key);
    bool is_new = change->exists && telling->rule != NULL && telling->rule->what_of_del == ALWAYS_NEW;
    if (note != NULL && note->has_expired) // nobody will find it any more who could tell it later
        tell(telling->context, KEY_EVENT_EXPIRED, "expired", change->key);
    if (is_new || (note != NULL && note->was_missing && change->exists))
        tell(telling->context, KEY_EVENT_NEW, "new", change->key);
    if (note == NULL)
        return;
    note->has_expired = false;
    note->was_missing = note->was_missing && !change->exists;
}

static void tell_change(const struct telling *telling, struct bytes key) {
    const struct change change = change_of(telling->context, key);
    tell_noted(telling, &change);
    if (telling->rule != NULL)
        tell_by_rule(telling->context, telling->rule, &change);
}

static void tell_pairs(const struct telling *telling) {
    const struct command_context *context = telling->context;
    for (size_t i = 1; i < context->count; i += 2)
        tell_change(telling, context->arguments[i]);
}

static void tell_of_key(void *argument, struct bytes key, bool all) {
    struct telling *telling = argument;
    if (all || was_told(telling, key))
        return;
    if (telling->rule == NULL || telling->rule->what_of_del != EACH_PAIR)
        tell_change(telling, key);
    else if (telling->told_count == 1)
        tell_pairs(telling);
}

void key_events_tell(struct command_context *context, struct key_events_before *before) {
    struct telling telling = {.context = context,
                              .before = before,
                              .rule = context->server->key_events->by_command[context->command->index]};
    if ((telling.rule != NULL || before->notes != NULL) && key_events_wanted(context->server))
        session_each_staged_key(context->session, tell_of_key, &telling);
    key_events_drop(before);
}

void key_events_drop(struct key_events_before *before) {
    struct key_note *next = NULL;
    struct key_note *first = before->notes;
    HASH_CLEAR(hh, before->notes);
    for (struct key_note *note = first; note != NULL; note = next) {
        next = note->hh.next;
        free(note);
    }
}

static void tell_miss(struct command_context *context, struct bytes key, void *argument) {
    (void)argument;
    if (is_missing(context, key))
        tell(context, KEY_EVENT_MISS, "keymiss", key);
}

void key_events_tell_misses(struct command_context *context) {
    if ((context->command->flags & COMMAND_READONLY) != 0 && key_events_wanted(context->server) &&
        (classes_of(context->server) & KEY_EVENT_MISS) != 0)
        each_key(context, tell_miss, NULL);
}
