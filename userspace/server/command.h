// SPDX-License-Identifier: Apache-2.0
//
// What a command is: a row of the table in commands/commands.def, and what its function is handed. May use:
// base, store, server/reply.
#ifndef KVFENCE_SERVER_COMMAND_H
#define KVFENCE_SERVER_COMMAND_H

#include "base/bytes.h"
#include "base/clock.h"
#include "server/reply.h"
#include "store/session.h"

#include <stdint.h>

struct client;
struct server;
struct worker;

enum command_flag {
    COMMAND_WRITE = 1 << 0,        // changes data: runs between session_write_begin() and store_commit()
    COMMAND_READONLY = 1 << 1,     // reads data
    COMMAND_FAST = 1 << 2,         // O(1) or O(log n); only told to clients
    COMMAND_ADMIN = 1 << 3,        // an operator's command
    COMMAND_NO_AUTH = 1 << 4,      // allowed before authentication
    COMMAND_NO_MULTI = 1 << 5,     // refused inside MULTI
    COMMAND_BYPASS_MULTI = 1 << 6, // runs at once inside MULTI instead of being queued
    COMMAND_EXCLUSIVE = 1 << 7,    // runs with the role guard held exclusively
    COMMAND_SNAPSHOT = 1 << 8,     // reads several entries: all as of one moment
    COMMAND_SKIP_MONITOR = 1 << 9, // not shown to MONITOR (administrative, or holding secrets)
    COMMAND_SKIP_SLOWLOG = 1 << 10,
    COMMAND_NO_SCRIPT = 1 << 11,
    COMMAND_LOADING = 1 << 12, // answered while the data is being loaded or restored
    COMMAND_STALE = 1 << 13,   // answered by a replica without its link
    COMMAND_PUBSUB = 1 << 14,
    COMMAND_BLOCKING = 1 << 15,
    COMMAND_DENY_FULL = 1 << 16, // may make the database bigger: refused when max-db-size is reached
    COMMAND_EXEC = 1 << 17,      // runs what MULTI has queued, whatever its name has been changed to
    // After the keys that the columns tell comes their number and so many more keys: ZUNIONSTORE, SINTERCARD;
    // with one argument before the number: BLMPOP.
    COMMAND_COUNTED_KEYS = 1 << 18,
    COMMAND_COUNTED_KEYS_LATER = 1 << 19,
    // After the keys that the columns tell comes the one behind the last STORE: SORT.
    COMMAND_STORE_KEY = 1 << 20,
    COMMAND_SUBSCRIBER = 1 << 21,    // allowed to a RESP2 client that has subscribed
    COMMAND_MAY_REPLICATE = 1 << 22, // no write, but replicas are told: CLIENT PAUSE WRITE holds it, too
    COMMAND_OTHER_KEYS = 1 << 23,    // reads keys that its arguments do not name: SORT's patterns
    // A write that reads single entries only and mostly stages about as much as its arguments are: it can be
    // written together with others (server/gather.h).
    COMMAND_GATHERED = 1 << 24,
};

enum command_group {
    GROUP_GENERIC,
    GROUP_STRING,
    GROUP_BITMAP,
    GROUP_HASH,
    GROUP_LIST,
    GROUP_SET,
    GROUP_SORTED_SET,
    GROUP_PUBSUB,
    GROUP_TRANSACTIONS,
    GROUP_CONNECTION,
    GROUP_SERVER,
    GROUP_CLUSTER,
    GROUP_COUNT
};
const char *command_group_name(enum command_group group);

// What a command's function is handed. Borrowed for the call.
struct command_context {
    struct server *server;
    struct worker *worker;
    struct client *client;
    struct store_session *session;
    const struct command *command;
    const struct bytes *arguments; // [0] is the name as the client wrote it
    size_t count;
    struct reply *reply;
    bool held; // set by the dispatcher when a pause keeps a command out: nothing is replied, it runs later
    wall_ms_t now; // one moment for the whole command (for the whole transaction in EXEC)
};

// Writes exactly one reply. It reads with store_read() and stages with stage_*(); the dispatcher commits what
// was staged if no error reply was written, and replaces the reply by the error if the commit fails.
typedef void command_function(struct command_context *context);

struct command {
    const char *name; // lower case; a subcommand's has its container's in front: "client|list"
    command_function *function;
    int arity; // counts the name (and the subcommand's); negative: at least
    uint32_t flags;
    int first_key, last_key, key_step; // 0 0 0: no keys; last_key negative: counted from the end
    enum command_group group;
    const char *since;
    const char *complexity;
    const char *summary;
    const char *syntax;   // what follows the name, in Redis' notation: "key value [NX | XX]"; "" for none
    const char *original; // the name before rename-command
    size_t index;         // in the table: set by command_table_open()
};

// The table with its index by name. Immutable after opening, so thread-safe. Borrows `commands`, sets their
// index.
struct command_table;
struct command_table *command_table_open(struct command *commands, size_t count);
void command_table_close(struct command_table *table);
size_t command_table_count(const struct command_table *table);
const struct command *command_table_at(const struct command_table *table, size_t index);
// By name in any case ("GET", "client|list"); NULL if there is none.
const struct command *command_table_find(const struct command_table *table, struct bytes name);
// The row that decides for these arguments: the subcommand's where the command is a container and it is
// known.
const struct command *command_table_resolve(const struct command_table *table, const struct bytes *arguments,
                                            size_t count);
// True if other rows have "<name>|" in front.
bool command_is_container(const struct command_table *table, const struct command *command);

// Positions of the key arguments: writes up to `room` indices and returns how many there are. The count of
// arguments has passed the arity check.
// A number of keys that is none, or too large, counts as 0.
size_t command_key_positions(const struct command *command, const struct bytes *arguments,
                             size_t argument_count, size_t *positions, size_t room);

#endif
