// SPDX-License-Identifier: Apache-2.0
//
// COMMAND INFO's entry of ten elements, as Redis 7 tells it. Uses: command_introspection.
#include "commands/command_introspection.h"

enum { WORDS_MAX = 32 };

// Writes (or, with reply NULL, only counts) the words as simple strings.
static size_t write_words(struct reply *reply, const char *words) {
    size_t count = 0;
    while (words != NULL && *words != '\0') {
        size_t length = strcspn(words, " ");
        char word[64];
        if (length != 0 && length < sizeof(word)) {
            memcpy(word, words, length);
            word[length] = '\0';
            if (reply != NULL)
                reply_status(reply, word);
            count++;
        }
        words += length;
        words += *words == ' ';
    }
    return count;
}

void reply_words(struct reply *reply, const char *words) {
    reply_set(reply, write_words(NULL, words));
    (void)write_words(reply, words);
}

// --- Flags and categories ---

static void reply_flags(struct reply *reply, const struct command *command) {
    static const struct {
        enum command_flag flag;
        const char *name;
    } names[] = {
        {COMMAND_WRITE, "write"},
        {COMMAND_READONLY, "readonly"},
        {COMMAND_DENY_FULL, "denyoom"},
        {COMMAND_ADMIN, "admin"},
        {COMMAND_PUBSUB, "pubsub"},
        {COMMAND_NO_SCRIPT, "noscript"},
        {COMMAND_BLOCKING, "blocking"},
        {COMMAND_LOADING, "loading"},
        {COMMAND_STALE, "stale"},
        {COMMAND_SKIP_MONITOR, "skip_monitor"},
        {COMMAND_SKIP_SLOWLOG, "skip_slowlog"},
        {COMMAND_FAST, "fast"},
        {COMMAND_NO_AUTH, "no_auth"},
        {COMMAND_NO_MULTI, "no_multi"},
    };
    struct output_block *deferred = reply_deferred_begin(reply);
    size_t count = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((command->flags & (uint32_t)names[i].flag) == 0)
            continue;
        reply_status(reply, names[i].name);
        count++;
    }
    reply_set_end(reply, deferred, count);
}

static void reply_categories(struct reply *reply, uint32_t categories) {
    struct output_block *deferred = reply_deferred_begin(reply);
    size_t count = 0;
    for (int i = 0; i < CATEGORY_COUNT; i++) {
        if ((categories & 1U << i) == 0)
            continue;
        char name[WORDS_MAX] = "@";
        strncat(name, command_category_name((enum command_category)i), sizeof(name) - 2);
        reply_status(reply, name);
        count++;
    }
    reply_set_end(reply, deferred, count);
}

// Hints for clients that spread commands over a cluster, and for those that compare replies.
static const char *tips_of(const struct command *command) {
    static const char all_nodes[] =
        "nondeterministic_output request_policy:all_nodes response_policy:special";
    static const char all_shards[] =
        "nondeterministic_output request_policy:all_shards response_policy:special";
    static const char sum[] = "request_policy:multi_shard response_policy:agg_sum";
    static const char all_succeed[] = "request_policy:all_shards response_policy:all_succeeded";
    static const struct {
        const char *command;
        const char *tips;
    } table[] = {
        {"ping", all_succeed},
        {"client|info", "nondeterministic_output"},
        {"client|list", "nondeterministic_output"},
        {"info", all_shards},
        {"command", "nondeterministic_output_order"},
        {"command|docs", "nondeterministic_output_order"},
        {"command|info", "nondeterministic_output_order"},
        {"command|list", "nondeterministic_output_order"},
        {"time", "nondeterministic_output"},
        {"lastsave", "nondeterministic_output"},
        {"slowlog|len", "request_policy:all_nodes response_policy:agg_sum nondeterministic_output"},
        {"slowlog|get", "request_policy:all_nodes nondeterministic_output"},
        {"slowlog|reset", "request_policy:all_nodes response_policy:all_succeeded"},
        {"latency|reset", "request_policy:all_nodes response_policy:all_succeeded"},
        {"latency|doctor", all_nodes},
        {"latency|graph", all_nodes},
        {"latency|histogram", all_nodes},
        {"latency|history", all_nodes},
        {"latency|latest", all_nodes},
        {"memory|doctor", all_shards},
        {"memory|malloc-stats", all_shards},
        {"memory|stats", all_shards},
        {"memory|purge", all_succeed},
        {"del", sum},
        {"unlink", sum},
        {"exists", sum},
        {"touch", sum},
        {"mget", "request_policy:multi_shard"},
        {"mset", "request_policy:multi_shard response_policy:all_succeeded"},
        {"msetnx", "request_policy:multi_shard response_policy:agg_min"},
        {"ttl", "nondeterministic_output"},
        {"pttl", "nondeterministic_output"},
        {"dump", "nondeterministic_output"},
        {"keys", "request_policy:all_shards nondeterministic_output_order"},
        {"scan", "nondeterministic_output request_policy:special"},
        {"randomkey", "request_policy:all_shards nondeterministic_output"},
        {"dbsize", "request_policy:all_shards response_policy:agg_sum"},
        {"flushall", all_succeed},
        {"flushdb", all_succeed},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (strcmp(command->name, table[i].command) == 0)
            return table[i].tips;
    }
    return "";
}

// Tips are bulk strings where flags are simple ones.
static void reply_tips(struct reply *reply, const char *tips) {
    reply_set(reply, write_words(NULL, tips));
    while (*tips != '\0') {
        size_t length = strcspn(tips, " ");
        reply_bulk(reply, (struct bytes){.data = tips, .length = length});
        tips += length;
        tips += *tips == ' ';
    }
}

// --- Key specifications ---

// `last` counts from `first`; negative: from the end of the arguments.
static void reply_key_specification(struct reply *reply, const char *flags, int first, int last, int step) {
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_words(reply, flags);
    reply_bulk_text(reply, "begin_search");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "index");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 1);
    reply_bulk_text(reply, "index");
    reply_integer(reply, first);
    reply_bulk_text(reply, "find_keys");
    reply_map(reply, 2);
    reply_bulk_text(reply, "type");
    reply_bulk_text(reply, "range");
    reply_bulk_text(reply, "spec");
    reply_map(reply, 3);
    reply_bulk_text(reply, "lastkey");
    reply_integer(reply, last);
    reply_bulk_text(reply, "keystep");
    reply_integer(reply, step);
    reply_bulk_text(reply, "limit");
    reply_integer(reply, 0);
}

static int relative_to(int first, int last) {
    return last < 0 ? last : last - first;
}

static void reply_key_specifications(struct reply *reply, const struct command *command) {
    int first = command->first_key;
    int last = command->last_key;
    int step = command->key_step;
    struct key_use use = command_key_use(command);
    if (first == 0) {
        reply_set(reply, 0);
    } else if (use.others == NULL) {
        reply_set(reply, 1);
        reply_key_specification(reply, use.first, first, relative_to(first, last), step);
    } else {
        reply_set(reply, 2);
        reply_key_specification(reply, use.first, first, 0, step);
        reply_key_specification(reply, use.others, first + step, relative_to(first + step, last), step);
    }
}

// --- The entry ---

struct entry_writer {
    struct reply *reply;
    const struct command_table *table;
};

static void write_subcommand(void *context, const struct command *subcommand) {
    struct entry_writer *writer = context;
    reply_command_entry(writer->reply, writer->table, subcommand);
}

static void count_only(void *context, const struct command *subcommand) {
    (void)context;
    (void)subcommand;
}

// Recursion ends at once: a subcommand has no subcommands.
void reply_command_entry(struct reply *reply, const struct command_table *table,
                         const struct command *command) {
    reply_array(reply, 10);
    reply_bulk_text(reply, command->name);
    reply_integer(reply, command->arity);
    reply_flags(reply, command);
    reply_integer(reply, command->first_key);
    reply_integer(reply, command->last_key);
    reply_integer(reply, command->key_step);
    reply_categories(reply, command_categories(table, command));
    reply_tips(reply, tips_of(command));
    reply_key_specifications(reply, command);
    size_t subcommands = command_each_subcommand(table, command, count_only, NULL);
    if (subcommands == 0) {
        reply_set(reply, 0);
        return;
    }
    struct entry_writer writer = {.reply = reply, .table = table};
    reply_array(reply, subcommands);
    (void)command_each_subcommand(table, command, write_subcommand, &writer);
}
