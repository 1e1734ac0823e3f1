// SPDX-License-Identifier: Apache-2.0
//
// Runs a command's function on a store of its own without a server around it, so that a test can put anything
// into the database first and see the reply as the bytes of the protocol. May use: base, store, server,
// cmocka.
#ifndef KVFENCE_TESTS_UNIT_COMMAND_FIXTURE_H
#define KVFENCE_TESTS_UNIT_COMMAND_FIXTURE_H

#include "base/buffer.h"
#include "server/command.h"
#include "server/server.h"

// What the commands take for the time: far in the future, so that nothing really expires meanwhile.
#define FIXTURE_TIME ((wall_ms_t)4102444800000)

struct command_fixture {
    char directory[256];
    struct server server; // only its config and store
    struct client client; // who gets every reply as a whole
    struct store_session *session;
    struct reply reply;
    struct buffer text;
};

// As cmocka's set-up and tear-down; *state is the fixture.
int command_fixture_open(void **state);
int command_fixture_close(void **state);

// Runs function(arguments) with its first key locked, commits, and returns the reply as text, NUL-terminated
// and valid until the next call. Arguments are texts, the first of them the command's name.
#define fixture_run(fixture, function, ...)                                                                  \
    fixture_run_array(fixture, function, (const char *const[]){__VA_ARGS__},                                 \
                      sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))
const char *fixture_run_array(struct command_fixture *fixture, command_function *function,
                              const char *const *arguments, size_t count);

// The same for very many arguments, or for bytes.
const char *fixture_run_bytes(struct command_fixture *fixture, command_function *function,
                              const struct bytes *arguments, size_t count);

// Puts a metadata entry with nothing after its header, or a sub-key in the default family.
void fixture_put_metadata(struct command_fixture *fixture, const char *key, const struct metadata *metadata);
void fixture_put_sub_key(struct command_fixture *fixture, const char *key, uint64_t version,
                         const char *sub_key, struct bytes value);
// Reads the metadata of a key that must be there.
struct metadata fixture_metadata(struct command_fixture *fixture, const char *key);

#endif
