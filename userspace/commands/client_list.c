// SPDX-License-Identifier: Apache-2.0
//
// CLIENT LIST and CLIENT INFO: one line of fields a connection. Uses: client_filter, server/client,
// server/server.
#include "base/buffer.h"
#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/client_filter.h"
#include "commands/handlers.h"
#include "server/client.h"
#include "server/pubsub.h"
#include "server/server.h"

#include <inttypes.h>
#include <stdlib.h>

enum { FLAG_LETTERS_SIZE = 16 };

static void write_flags(uint32_t shown, char out[FLAG_LETTERS_SIZE]) {
    static const struct {
        enum client_shown flag;
        char letter;
    } letters[] = {{SHOWN_MONITOR, 'O'},  {SHOWN_SUBSCRIBER, 'P'}, {SHOWN_MULTI, 'x'},   {SHOWN_BLOCKED, 'b'},
                   {SHOWN_PAUSED, 'b'},   {SHOWN_DIRTY_EXEC, 'd'}, {SHOWN_CLOSING, 'c'}, {SHOWN_UNIX, 'U'},
                   {SHOWN_READONLY, 'r'}, {SHOWN_NO_EVICT, 'e'},   {SHOWN_NO_TOUCH, 'T'}};
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++) {
        bool doubled = length != 0 && out[length - 1] == letters[i].letter;
        if ((shown & (uint32_t)letters[i].flag) != 0 && !doubled)
            out[length++] = letters[i].letter;
    }
    if (length == 0)
        out[length++] = 'N';
    out[length] = '\0';
}

static const char *text_or_empty(const char *text) {
    return text == NULL ? "" : text;
}

// A client may have begun or acted after the clock was read.
static uint64_t seconds_since(uint64_t then_us, uint64_t now_us) {
    return now_us > then_us ? (now_us - then_us) / 1000000 : 0;
}

// The fields in Redis' order. What this server has no counterpart of is shown as Redis shows it when unused.
static void append_line(struct buffer *out, struct client *client, uint64_t now_us) {
    char flags[FLAG_LETTERS_SIZE];
    write_flags(atomic_load(&client->flags_shown), flags);
    const struct command *command = atomic_load(&client->last_command);
    size_t pending = atomic_load(&client->query_buffer);
    size_t held = atomic_load(&client->query_memory);
    size_t output = atomic_load(&client->output_memory);
    size_t queued = atomic_load(&client->multi_memory);
    uint64_t active_us = atomic_load(&client->last_active_us);
    buffer_append_format(out, "id=%" PRIu64 " addr=%s laddr=%s fd=%d name=%s", client->id, client->address,
                         client->local_address, client->fd, text_or_empty(client->name));
    buffer_append_format(out, " age=%" PRIu64 " idle=%" PRIu64, seconds_since(client->connected_us, now_us),
                         seconds_since(active_us, now_us));
    buffer_append_format(
        out, " flags=%s db=0 sub=%d psub=%d ssub=%d multi=%d", flags,
        atomic_load(&client->topics_shown[TOPIC_CHANNEL]), atomic_load(&client->topics_shown[TOPIC_PATTERN]),
        atomic_load(&client->topics_shown[TOPIC_SHARD_CHANNEL]), atomic_load(&client->multi_shown));
    buffer_append_format(out, " qbuf=%zu qbuf-free=%zu argv-mem=0 multi-mem=%zu rbs=0 rbp=0", pending,
                         held > pending ? held - pending : 0, queued);
    buffer_append_format(out, " obl=0 oll=0 omem=%zu tot-mem=%zu events=%s", output,
                         sizeof(*client) + held + queued + output, output != 0 ? "rw" : "r");
    buffer_append_format(out, " cmd=%s user=default redir=-1 resp=%d", command ? command->name : "NULL",
                         atomic_load(&client->protocol_shown));
    buffer_append_format(out, " lib-name=%s lib-ver=%s\n", text_or_empty(client->library_name),
                         text_or_empty(client->library_version));
}

static void reply_matching(struct command_context *context, const struct client_filter *filter) {
    struct buffer lines = {0};
    uint64_t now_us = clock_duration_us();
    pthread_mutex_lock(&context->server->registry_lock);
    for (struct client *client = context->server->registry; client != NULL; client = client->registry_next) {
        if (client_filter_matches(filter, client))
            append_line(&lines, client, now_us);
    }
    pthread_mutex_unlock(&context->server->registry_lock);
    reply_verbatim(context->reply, "txt", buffer_bytes(&lines));
    buffer_release(&lines);
}

void command_client_info(struct command_context *context) {
    struct client_filter filter = {.ids = &context->client->id, .id_count = 1};
    reply_matching(context, &filter);
}

static void reply_of_ids(struct command_context *context) {
    size_t count = context->count - 3;
    uint64_t *ids = memory_allocate(count * sizeof(*ids));
    for (size_t i = 0; i < count; i++) {
        int64_t id = 0;
        if (!argument_integer_or(context, 3 + i, &id, "ERR Invalid client ID")) {
            free(ids);
            return;
        }
        ids[i] = id < 0 ? 0 : (uint64_t)id;
    }
    struct client_filter filter = {0};
    client_filter_set_ids(&filter, ids, count);
    reply_matching(context, &filter);
    free(ids);
}

void command_client_list(struct command_context *context) {
    struct client_filter filter = {0};
    if (context->count > 3 && argument_is(context, 2, "id")) {
        reply_of_ids(context);
        return;
    }
    if (context->count == 4 && argument_is(context, 2, "type")) {
        if (!client_type_argument(context, 3, &filter.type))
            return;
    } else if (context->count != 2) {
        reply_syntax_error(context);
        return;
    }
    reply_matching(context, &filter);
}
