// SPDX-License-Identifier: Apache-2.0
//
// The command table's index: an open-addressed hash from lower-case name to row, built once. Every command a
// client sends is looked up here, so a lookup allocates nothing and usually compares one name. Uses: memory.
#include "server/command.h"

#include "base/assert.h"
#include "base/memory.h"
#include "base/number.h"

#include <stdlib.h>

// Longer than any name in the table: what a client sends is lower-cased into an array of this size.
enum { NAME_SIZE = 64 };

struct slot {
    const struct command *command; // NULL: free
    uint32_t hash;
    uint16_t length;
    bool is_container;
    bool is_subcommand;
};

struct command_table {
    const struct command *commands;
    size_t count;
    size_t mask; // number of slots less one; a power of two less one
    struct slot *slots;
};

// A name in lower case with its hash.
struct folded_name {
    char text[NAME_SIZE];
    size_t length;
    uint32_t hash;
};

static void fold_start(struct folded_name *name) {
    name->length = 0;
    name->hash = 2166136261U; // FNV-1a
}

// Appends in lower case. False if it does not fit, so it names nothing in the table.
static bool fold(struct folded_name *name, struct bytes part) {
    if (part.length > NAME_SIZE - name->length)
        return false;
    for (size_t i = 0; i < part.length; i++) {
        unsigned char byte = (unsigned char)part.data[i];
        if (byte >= 'A' && byte <= 'Z')
            byte = (unsigned char)(byte + ('a' - 'A'));
        name->text[name->length++] = (char)byte;
        name->hash = (name->hash ^ byte) * 16777619U;
    }
    return true;
}

// The slot that holds the name, or the free one where it belongs.
static struct slot *slot_of(const struct command_table *table, const struct folded_name *name) {
    size_t at = name->hash & table->mask;
    for (;; at = (at + 1) & table->mask) {
        struct slot *slot = &table->slots[at];
        if (slot->command == NULL)
            return slot;
        if (slot->hash == name->hash && slot->length == name->length &&
            memcmp(slot->command->name, name->text, name->length) == 0)
            return slot;
    }
}

static void insert(struct command_table *table, const struct command *command) {
    struct folded_name name;
    fold_start(&name);
    always_assert(fold(&name, bytes_from_text(command->name)), "a command's name fits the lookup's array");
    struct slot *slot = slot_of(table, &name);
    always_assert(slot->command == NULL, "no two rows of the command table have the same name");
    *slot = (struct slot){.command = command,
                          .hash = name.hash,
                          .length = (uint16_t)name.length,
                          .is_subcommand = strchr(command->name, '|') != NULL};
}

static struct slot *find(const struct command_table *table, struct bytes text) {
    struct folded_name name;
    fold_start(&name);
    if (!fold(&name, text))
        return NULL;
    struct slot *slot = slot_of(table, &name);
    return slot->command == NULL ? NULL : slot;
}

static void mark_containers(struct command_table *table) {
    for (size_t i = 0; i < table->count; i++) {
        const char *name = table->commands[i].name;
        const char *bar = strchr(name, '|');
        if (bar == NULL)
            continue;
        struct slot *container = find(table, (struct bytes){.data = name, .length = (size_t)(bar - name)});
        always_assert(container != NULL, "every subcommand's container is in the command table");
        container->is_container = true;
    }
}

struct command_table *command_table_open(struct command *commands, size_t count) {
    struct command_table *table = memory_allocate_zeroed(1, sizeof(*table));
    table->commands = commands;
    table->count = count;
    size_t slots = 16;
    while (slots < 4 * count) // three quarters stay free: few collisions, and searches always end
        slots *= 2;
    table->mask = slots - 1;
    table->slots = memory_allocate_zeroed(slots, sizeof(*table->slots));
    for (size_t i = 0; i < count; i++) {
        commands[i].index = i;
        insert(table, &commands[i]);
    }
    mark_containers(table);
    return table;
}

void command_table_close(struct command_table *table) {
    if (table == NULL)
        return;
    free(table->slots);
    free(table);
}

size_t command_table_count(const struct command_table *table) {
    return table->count;
}

const struct command *command_table_at(const struct command_table *table, size_t index) {
    always_assert(index < table->count, "a command's index lies inside the table");
    return &table->commands[index];
}

const struct command *command_table_find(const struct command_table *table, struct bytes name) {
    const struct slot *slot = find(table, name);
    return slot == NULL ? NULL : slot->command;
}

const struct command *command_table_resolve(const struct command_table *table, const struct bytes *arguments,
                                            size_t count) {
    struct folded_name name;
    fold_start(&name);
    if (count == 0 || !fold(&name, arguments[0]))
        return NULL;
    const struct slot *slot = slot_of(table, &name);
    // "client|list" is how a subcommand is called in the table, not what a client may send.
    if (slot->command == NULL || slot->is_subcommand)
        return NULL;
    if (!slot->is_container || count < 2)
        return slot->command;
    if (!fold(&name, BYTES_LITERAL("|")) || !fold(&name, arguments[1]))
        return slot->command;
    const struct slot *subcommand = slot_of(table, &name);
    return subcommand->command == NULL ? slot->command : subcommand->command;
}

bool command_is_container(const struct command_table *table, const struct command *command) {
    const struct slot *slot = find(table, bytes_from_text(command->name));
    return slot != NULL && slot->is_container;
}

// Adds the positions from `at` to `last`.
static size_t add_positions(int64_t at, int64_t last, int step, size_t *positions, size_t room,
                            size_t found) {
    for (; at <= last; at += step) {
        if (found < room)
            positions[found] = (size_t)at;
        found++;
    }
    return found;
}

static size_t fixed_positions(const struct command *command, size_t argument_count, size_t *positions,
                              size_t room) {
    if (command->first_key <= 0 || command->key_step <= 0 || argument_count == 0)
        return 0;
    int64_t end = (int64_t)argument_count;
    int64_t last = command->last_key < 0 ? end + command->last_key : command->last_key;
    return add_positions(command->first_key, last < end ? last : end - 1, command->key_step, positions, room,
                         0);
}

// How many values follow one of SORT's options.
static size_t sort_option_values(struct bytes option) {
    static const struct {
        const char *name;
        size_t values;
    } options[] = {{"limit", 2}, {"get", 1}, {"by", 1}, {"store", 1}};
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (bytes_equal_text_nocase(option, options[i].name))
            return options[i].values;
    }
    return 0;
}

// The key behind the last STORE that is an option; 0 if there is none.
static size_t stored_position(const struct bytes *arguments, size_t argument_count) {
    size_t position = 0;
    for (size_t at = 2; at < argument_count; at += 1 + sort_option_values(arguments[at])) {
        if (at + 1 < argument_count && bytes_equal_text_nocase(arguments[at], "store"))
            position = at + 1;
    }
    return position;
}

size_t command_key_positions(const struct command *command, const struct bytes *arguments,
                             size_t argument_count, size_t *positions, size_t room) {
    size_t found = fixed_positions(command, argument_count, positions, room);
    if ((command->flags & COMMAND_STORE_KEY) != 0) {
        int64_t stored = (int64_t)stored_position(arguments, argument_count);
        return stored == 0 ? found : add_positions(stored, stored, 1, positions, room, found);
    }
    if ((command->flags & (COMMAND_COUNTED_KEYS | COMMAND_COUNTED_KEYS_LATER)) == 0)
        return found;
    size_t at = (size_t)command->last_key + ((command->flags & COMMAND_COUNTED_KEYS) != 0 ? 1 : 2);
    uint64_t keys = 0;
    if (at >= argument_count || !number_read_unsigned(arguments[at], &keys) || keys >= argument_count - at)
        return found;
    return add_positions((int64_t)at + 1, (int64_t)(at + keys), 1, positions, room, found);
}

const char *command_group_name(enum command_group group) {
    static const char *const names[GROUP_COUNT] = {
        [GROUP_GENERIC] = "generic",
        [GROUP_STRING] = "string",
        [GROUP_BITMAP] = "bitmap",
        [GROUP_TRANSACTIONS] = "transactions",
        [GROUP_CONNECTION] = "connection",
        [GROUP_SERVER] = "server",
        [GROUP_CLUSTER] = "cluster",
        [GROUP_HASH] = "hash",
        [GROUP_LIST] = "list",
        [GROUP_SET] = "set",
        [GROUP_SORTED_SET] = "sorted-set",
        [GROUP_PUBSUB] = "pubsub",
    };
    always_assert(group >= 0 && group < GROUP_COUNT && names[group] != NULL,
                  "every command group has a name");
    return names[group];
}
