// SPDX-License-Identifier: Apache-2.0
//
// Uses: base/buffer, server/pubsub.
#include "server/outbox.h"

#include <string.h>

struct record {
    enum topic_kind kind;
    bool tells_of_data;
    size_t channel_length, payload_length;
};

void outbox_put(struct buffer *outbox, const struct publication *publication) {
    const struct record record = {.kind = publication->kind,
                                  .tells_of_data = publication->tells_of_data,
                                  .channel_length = publication->channel.length,
                                  .payload_length = publication->payload.length};
    buffer_append(outbox, (struct bytes){(const char *)&record, sizeof(record)});
    buffer_append(outbox, publication->channel);
    buffer_append(outbox, publication->payload);
}

void outbox_publish(struct buffer *outbox, struct client *client) {
    for (size_t at = 0; at < outbox->length;) {
        struct record record;
        memcpy(&record, outbox->data + at, sizeof(record));
        const char *text = outbox->data + at + sizeof(record);
        const struct publication publication = {
            .kind = record.kind,
            .tells_of_data = record.tells_of_data,
            .channel = {text, record.channel_length},
            .payload = {text + record.channel_length, record.payload_length}};
        (void)pubsub_publish_of(client, &publication);
        at += sizeof(record) + record.channel_length + record.payload_length;
    }
    buffer_clear(outbox);
}
