// SPDX-License-Identifier: Apache-2.0
//
// Filters over clients. Uses: arguments, server/client.
#include "commands/client_filter.h"

#include "commands/arguments.h"

#include <stdlib.h>

bool client_type_argument(struct command_context *context, size_t index, enum client_type *type) {
    static const struct {
        const char *word;
        enum client_type type;
    } types[] = {{"normal", CLIENT_TYPE_NORMAL},
                 {"master", CLIENT_TYPE_MASTER},
                 {"replica", CLIENT_TYPE_REPLICA},
                 {"slave", CLIENT_TYPE_REPLICA},
                 {"pubsub", CLIENT_TYPE_PUBSUB}};
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (argument_is(context, index, types[i].word)) {
            *type = types[i].type;
            return true;
        }
    }
    struct bytes word = context->arguments[index];
    reply_error_format(context->reply, "ERR Unknown client type '%.*s'", bytes_shown_length(word), word.data);
    return false;
}

static int compare_ids(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

void client_filter_set_ids(struct client_filter *filter, uint64_t *ids, size_t count) {
    qsort(ids, count, sizeof(*ids), compare_ids);
    filter->ids = ids;
    filter->id_count = count;
}

static bool has_id(const struct client_filter *filter, uint64_t id) {
    return filter->id_count == 0 ||
           bsearch(&id, filter->ids, filter->id_count, sizeof(*filter->ids), compare_ids) != NULL;
}

static bool has_address(struct bytes wanted, const char *address) {
    return wanted.data == NULL || bytes_equal(wanted, bytes_from_text(address));
}

static enum client_type type_of(const struct client *client) {
    bool is_subscriber = (atomic_load(&client->flags_shown) & (uint32_t)SHOWN_SUBSCRIBER) != 0;
    return is_subscriber ? CLIENT_TYPE_PUBSUB : CLIENT_TYPE_NORMAL;
}

bool client_filter_matches(const struct client_filter *filter, const struct client *client) {
    return client->id != filter->skipped_id && has_id(filter, client->id) &&
           (filter->type == CLIENT_TYPE_ANY || filter->type == type_of(client)) &&
           has_address(filter->address, client->address) &&
           has_address(filter->local_address, client->local_address) &&
           (filter->connected_until_us == 0 || client->connected_us <= filter->connected_until_us);
}
