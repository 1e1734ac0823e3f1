// SPDX-License-Identifier: Apache-2.0
//
// Small writes that a client sends without waiting for replies are run one by one and written together: one
// batch, one log record and one look at the lease for all of them. Nobody sees one of them before the commit,
// and their replies leave at the end of the round as ever, so to everybody it is as if they had been quick.
// If the commit fails, all of them reply with its error.
//
// What is gathered holds its keys' locks and the role guard. So it lasts no longer than the run of one
// client's input: whoever reads that calls gather_end(). Other commands than those that are marked
// COMMAND_GATHERED end it before they begin. Not thread-safe: one a worker. May use: base, store/session,
// server.
#ifndef KVFENCE_SERVER_GATHER_H
#define KVFENCE_SERVER_GATHER_H

#include "server/command.h"
#include "server/output.h"

// At the most so many commands: those who wait for a key wait for all of them.
enum { GATHER_COMMANDS_MAX = 64 };

struct key_list;

struct gather {
    struct client *client;     // NULL: nothing is gathered
    struct output_mark before; // where the reply of the first command begins
    uint64_t began_us;         // by clock_duration_us()
    size_t count;
    const struct command *commands[GATHER_COMMANDS_MAX];
};

// True if something is gathered.
bool gather_is_open(struct worker *worker);

// True if the client's command can be run by gather_run(). If not, call gather_end() before anything is
// replied to it.
bool gather_takes(const struct client *client, const struct command *command, const struct bytes *arguments,
                  size_t count);

// Runs the command, one that has passed all checks, together with those before it. What is gathered is
// committed here if it is enough or if nothing follows. False if the command failed: what was gathered before
// it is committed then, and the command is to be run by itself, as that may have changed what it finds. True
// also if it was not to be run now: CLIENT PAUSE holds it, or another node serves it, which is replied.
bool gather_run(struct command_context *context, const struct key_list *keys);

// Commits what is gathered, if anything is, and unlocks.
void gather_end(struct worker *worker);

#endif
