// SPDX-License-Identifier: Apache-2.0
//
// Commands that read run without locks: what they read one after the other must be of one moment, for which
// the command table has a flag. A command that is added has the flag, or a reason here why it needs none.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/command.h"

#include <string.h>

static const struct {
    const char *name;
    uint32_t flags;
} commands[] = {
#define COMMAND(name, function, arity, flags, ...) {name, flags},
#include "commands/commands.def"
#undef COMMAND
};

// These read one entry, the key's metadata, or no data at all.
static const char *const read_one_entry[] = {
    "lolwut", "type", "ttl",  "pttl",  "expiretime", "pexpiretime", "object|freq", "object|idletime",
    "get",    "hlen", "llen", "scard", "zcard",      "strlen",      "getrange",    "object|refcount",
    "substr",
};
// These go through keys with one iterator, which sees one moment itself.
static const char *const walk_over_keys[] = {"keys", "scan", "randomkey", "dbsize"};
// The second entry that these read is the answer, whatever it is, and was true when it was read: a member
// that has gone since the first one was read is not there.
static const char *const answered_by_the_last_entry[] = {"hget", "hstrlen", "hexists", "sismember", "zscore"};
// Strings are one entry. Bitmaps of Kvrocks are several, of which only replication can change one.
static const char *const read_bits[] = {"bitcount", "bitpos", "bitfield_ro", "getbit"};

static const struct {
    const char *const *names;
    size_t count;
} excused[] = {
#define LIST(names)                                                                                          \
    { (names), sizeof(names) / sizeof((names)[0]) }
    LIST(read_one_entry),
    LIST(walk_over_keys),
    LIST(answered_by_the_last_entry),
    LIST(read_bits),
#undef LIST
};

static bool is_excused(const char *name) {
    for (size_t list = 0; list < sizeof(excused) / sizeof(excused[0]); list++)
        for (size_t i = 0; i < excused[list].count; i++)
            if (strcmp(excused[list].names[i], name) == 0)
                return true;
    return false;
}

static void a_command_that_reads_more_than_one_entry_reads_them_as_of_one_moment(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        bool has_moment = (commands[i].flags & COMMAND_SNAPSHOT) != 0;
        if ((commands[i].flags & COMMAND_READONLY) != 0 && !has_moment && !is_excused(commands[i].name))
            fail_msg("%s reads without locks and without a snapshot", commands[i].name);
        if (has_moment && is_excused(commands[i].name))
            fail_msg("%s has a snapshot that it is said not to need", commands[i].name);
    }
}

static void a_command_that_writes_needs_no_moment_as_it_holds_locks(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if ((commands[i].flags & COMMAND_WRITE) != 0 && (commands[i].flags & COMMAND_SNAPSHOT) != 0)
            fail_msg("%s writes and has a snapshot, through which it would not see what it stages",
                     commands[i].name);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_that_reads_more_than_one_entry_reads_them_as_of_one_moment),
        cmocka_unit_test(a_command_that_writes_needs_no_moment_as_it_holds_locks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
