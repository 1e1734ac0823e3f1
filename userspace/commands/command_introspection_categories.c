// SPDX-License-Identifier: Apache-2.0
//
// Which ACL categories a command belongs to and how it uses its keys: what follows from the table's columns,
// and tables of what does not. Uses: command_introspection.
#include "commands/command_introspection.h"

const char *command_category_name(enum command_category category) {
    static const char *const names[CATEGORY_COUNT] = {[CATEGORY_KEYSPACE] = "keyspace",
                                                      [CATEGORY_READ] = "read",
                                                      [CATEGORY_WRITE] = "write",
                                                      [CATEGORY_STRING] = "string",
                                                      [CATEGORY_BITMAP] = "bitmap",
                                                      [CATEGORY_HASH] = "hash",
                                                      [CATEGORY_LIST] = "list",
                                                      [CATEGORY_SET] = "set",
                                                      [CATEGORY_SORTED_SET] = "sortedset",
                                                      [CATEGORY_PUBSUB] = "pubsub",
                                                      [CATEGORY_ADMIN] = "admin",
                                                      [CATEGORY_FAST] = "fast",
                                                      [CATEGORY_SLOW] = "slow",
                                                      [CATEGORY_BLOCKING] = "blocking",
                                                      [CATEGORY_DANGEROUS] = "dangerous",
                                                      [CATEGORY_CONNECTION] = "connection",
                                                      [CATEGORY_TRANSACTION] = "transaction"};
    return names[category];
}

#define BIT_OF(category) (1U << (unsigned)(category))

static uint32_t bit(enum command_category category) {
    return BIT_OF(category);
}

static uint32_t categories_of_flags(uint32_t flags) {
    uint32_t categories = bit((flags & COMMAND_FAST) != 0 ? CATEGORY_FAST : CATEGORY_SLOW);
    if ((flags & COMMAND_WRITE) != 0)
        categories |= bit(CATEGORY_WRITE);
    if ((flags & COMMAND_READONLY) != 0)
        categories |= bit(CATEGORY_READ);
    if ((flags & COMMAND_ADMIN) != 0)
        categories |= bit(CATEGORY_ADMIN) | bit(CATEGORY_DANGEROUS);
    if ((flags & COMMAND_PUBSUB) != 0)
        categories |= bit(CATEGORY_PUBSUB);
    if ((flags & COMMAND_BLOCKING) != 0)
        categories |= bit(CATEGORY_BLOCKING);
    return categories;
}

static uint32_t categories_of_group(enum command_group group) {
    static const uint32_t categories[GROUP_COUNT] = {
        [GROUP_GENERIC] = BIT_OF(CATEGORY_KEYSPACE),
        [GROUP_STRING] = BIT_OF(CATEGORY_STRING),
        [GROUP_BITMAP] = BIT_OF(CATEGORY_BITMAP),
        [GROUP_HASH] = BIT_OF(CATEGORY_HASH),
        [GROUP_LIST] = BIT_OF(CATEGORY_LIST),
        [GROUP_SET] = BIT_OF(CATEGORY_SET),
        [GROUP_SORTED_SET] = BIT_OF(CATEGORY_SORTED_SET),
        [GROUP_PUBSUB] = BIT_OF(CATEGORY_PUBSUB),
        [GROUP_TRANSACTIONS] = BIT_OF(CATEGORY_TRANSACTION),
        [GROUP_CONNECTION] = BIT_OF(CATEGORY_CONNECTION),
    };
    return categories[group];
}

// Categories that do not follow from a command's flags and group.
static uint32_t extra_categories(const char *name) {
    static const struct {
        const char *command;
        enum command_category category;
    } extras[] = {
        {"asking", CATEGORY_CONNECTION},    {"readonly", CATEGORY_CONNECTION},
        {"readwrite", CATEGORY_CONNECTION}, {"info", CATEGORY_DANGEROUS},
        {"keys", CATEGORY_DANGEROUS},       {"restore", CATEGORY_DANGEROUS},
        {"lastsave", CATEGORY_ADMIN},       {"lastsave", CATEGORY_DANGEROUS},
        {"role", CATEGORY_ADMIN},           {"role", CATEGORY_DANGEROUS},
        {"dbsize", CATEGORY_KEYSPACE},      {"flushall", CATEGORY_KEYSPACE},
        {"flushall", CATEGORY_DANGEROUS},   {"flushdb", CATEGORY_KEYSPACE},
        {"flushdb", CATEGORY_DANGEROUS},
    };
    uint32_t categories = 0;
    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        if (strcmp(name, extras[i].command) == 0)
            categories |= bit(extras[i].category);
    }
    if (strncmp(name, "command", 7) == 0)
        categories |= bit(CATEGORY_CONNECTION);
    return categories;
}

uint32_t command_categories(const struct command_table *table, const struct command *command) {
    uint32_t categories = categories_of_flags(command->flags) | extra_categories(command->name);
    if (!command_is_container(table, command))
        categories |= categories_of_group(command->group);
    return categories;
}

static struct key_use default_key_use(uint32_t flags) {
    if ((flags & COMMAND_WRITE) != 0)
        return (struct key_use){.first = "RW update"};
    return (struct key_use){.first = (flags & COMMAND_READONLY) != 0 ? "RO access" : "RO"};
}

struct key_use command_key_use(const struct command *command) {
    static const struct {
        const char *command;
        struct key_use use;
    } table[] = {
        {"append", {"RW insert", NULL}},
        {"bitfield", {"RW access update variable_flags", NULL}},
        {"bitop", {"OW update", "RO access"}},
        {"copy", {"RO access", "OW update"}},
        {"decr", {"RW access update", NULL}},
        {"decrby", {"RW access update", NULL}},
        {"del", {"RM delete", NULL}},
        {"exists", {"RO", NULL}},
        {"getdel", {"RW access delete", NULL}},
        {"getex", {"RW access update", NULL}},
        {"getset", {"RW access update", NULL}},
        {"incr", {"RW access update", NULL}},
        {"incrby", {"RW access update", NULL}},
        {"incrbyfloat", {"RW access update", NULL}},
        {"memory|usage", {"RO", NULL}},
        {"disk|usage", {"RO", NULL}},
        {"move", {"RW access update", NULL}},
        {"mset", {"OW update", NULL}},
        {"msetnx", {"OW insert", NULL}},
        {"object|encoding", {"RO", NULL}},
        {"object|freq", {"RO", NULL}},
        {"object|idletime", {"RO", NULL}},
        {"object|refcount", {"RO", NULL}},
        {"psetex", {"OW update", NULL}},
        {"rename", {"RW access delete", "OW update"}},
        {"renamenx", {"RW access delete", "OW insert"}},
        {"restore", {"OW update", NULL}},
        {"set", {"RW access update variable_flags", NULL}},
        {"setbit", {"RW access update", NULL}},
        {"setex", {"OW update", NULL}},
        {"setnx", {"OW insert", NULL}},
        {"sort", {"RO access", "OW update"}},
        {"strlen", {"RO", NULL}},
        {"touch", {"RO", NULL}},
        {"type", {"RO", NULL}},
        {"unlink", {"RM delete", NULL}},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(command->name, table[i].command) == 0)
            return table[i].use;
    }
    return default_key_use(command->flags);
}
