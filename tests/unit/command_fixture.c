// SPDX-License-Identifier: Apache-2.0
//
// A store and a session for tests of commands. Uses: config, process, reply, session, store.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "command_fixture.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARGUMENTS_MAX = 32 };

int command_fixture_open(void **state) {
    struct command_fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    const char *parent = getenv("TMPDIR");
    (void)snprintf(fixture->directory, sizeof(fixture->directory), "%s/kvfence-commands.XXXXXX",
                   parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(fixture->directory));
    struct store_config config = {.directory = fixture->directory,
                                  .layout = {.name_space = DEFAULT_NAMESPACE},
                                  .tuning = store_tuning_default(),
                                  .zset_ranks_bytes = 1 << 20,
                                  .sessions = 1};
    char error[STORE_ERROR_SIZE] = "";
    if (!store_open(&config, &fixture->server.store, error))
        fail_msg("%s", error);
    fixture->server.config = config_open();
    fixture->session = session_open(fixture->server.store, 0);
    fixture->reply.protocol = 2;
    fixture->client.in_exec = true;
    *state = fixture;
    return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

int command_fixture_close(void **state) {
    struct command_fixture *fixture = *state;
    output_release(&fixture->reply.output);
    buffer_release(&fixture->text);
    session_close(fixture->session);
    store_close(fixture->server.store);
    config_close(fixture->server.config);
    (void)nftw(fixture->directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(fixture);
    return 0;
}

static void commit(struct command_fixture *fixture) {
    enum store_status status = store_commit(fixture->session);
    if (status != STORE_OK)
        fail_msg("commit: %s", session_error(fixture->session, status));
}

static const char *take_reply(struct command_fixture *fixture) {
    struct output *output = &fixture->reply.output;
    size_t length = output->pending;
    buffer_clear(&fixture->text);
    output_copy(output, buffer_reserve(&fixture->text, length + 1));
    fixture->text.data[length] = '\0';
    fixture->text.length = length;
    output_release(output);
    return fixture->text.data;
}

const char *fixture_run_bytes(struct command_fixture *fixture, command_function *function,
                              const struct bytes *arguments, size_t count) {
    struct command command = {.name = arguments[0].data};
    struct command_context context = {.server = &fixture->server,
                                      .client = &fixture->client,
                                      .session = fixture->session,
                                      .command = &command,
                                      .arguments = arguments,
                                      .count = count,
                                      .reply = &fixture->reply,
                                      .now = FIXTURE_TIME};
    uint64_t errors = fixture->reply.errors;
    session_write_begin(fixture->session, &arguments[1], count > 1 ? 1 : 0);
    function(&context);
    if (fixture->reply.errors == errors)
        commit(fixture);
    session_write_end(fixture->session);
    assert_int_equal(store_settle(fixture->session), SETTLED);
    return take_reply(fixture);
}

const char *fixture_run_array(struct command_fixture *fixture, command_function *function,
                              const char *const *arguments, size_t count) {
    struct bytes bytes[ARGUMENTS_MAX] = {{0}};
    assert_in_range(count, 1, ARGUMENTS_MAX);
    for (size_t i = 0; i < count; i++)
        bytes[i] = bytes_from_text(arguments[i]);
    return fixture_run_bytes(fixture, function, bytes, count);
}

static void put(struct command_fixture *fixture, enum column_family family, struct bytes key,
                struct bytes value) {
    session_write_begin(fixture->session, &key, 1);
    stage_raw_put(fixture->session, family, key, value);
    commit(fixture);
    session_write_end(fixture->session);
}

void fixture_put_metadata(struct command_fixture *fixture, const char *key, const struct metadata *metadata) {
    char header[METADATA_HEADER_MAX];
    struct buffer raw_key = {0};
    encode_metadata_key(&raw_key, store_layout(fixture->server.store), bytes_from_text(key));
    put(fixture, FAMILY_METADATA, buffer_bytes(&raw_key),
        (struct bytes){header, encode_metadata(header, metadata)});
    buffer_release(&raw_key);
}

void fixture_put_sub_key(struct command_fixture *fixture, const char *key, uint64_t version,
                         const char *sub_key, struct bytes value) {
    struct buffer raw_key = {0};
    encode_sub_key(&raw_key, store_layout(fixture->server.store), bytes_from_text(key), version,
                   bytes_from_text(sub_key));
    put(fixture, FAMILY_DEFAULT, buffer_bytes(&raw_key), value);
    buffer_release(&raw_key);
}

struct metadata fixture_metadata(struct command_fixture *fixture, const char *key) {
    struct store_value value;
    enum store_status status = store_read(fixture->session, bytes_from_text(key), FIXTURE_TIME, &value);
    assert_int_equal(status, STORE_OK);
    struct metadata metadata = value.metadata;
    store_value_release(&value);
    return metadata;
}
