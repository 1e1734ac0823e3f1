// SPDX-License-Identifier: Apache-2.0
//
// Telling clients what the master has changed. Uses: base, store/{encoding,write_batch},
// server/{pubsub,server,watch_table}.
#include "replication/changes.h"

#include "server/pubsub.h"
#include "server/server.h"
#include "server/watch_table.h"
#include "store/store.h"
#include "store/write_batch.h"

// --- Watched keys ---

static void touch(struct server *server, struct bytes raw) {
    struct bytes name_space, key;
    if (decode_metadata_key(raw, store_layout(server->store)->with_slot, &name_space, &key))
        watch_touch(server->watch_table, &key, 1);
}

static void touch_watched(struct server *server, struct bytes batch) {
    struct write_batch_record record;
    if (!watch_table_in_use(server->watch_table))
        return;
    for (size_t at = WRITE_BATCH_HEADER_SIZE; write_batch_next(batch, &at, &record);) {
        if (record.kind == WRITE_BATCH_LOG_DATA || record.family != FAMILY_METADATA)
            continue;
        if (record.kind == WRITE_BATCH_DELETE_RANGE)
            watch_touch_all(server->watch_table);
        else
            touch(server, record.key);
    }
}

// --- Messages ---

// A master, this one or a Kvrocks, puts each message that is published into the family of messages: the
// channel is the key.
static void publish(struct server *server, struct bytes batch) {
    struct write_batch_record record;
    if (!pubsub_in_use(server->pubsub))
        return;
    for (size_t at = WRITE_BATCH_HEADER_SIZE; write_batch_next(batch, &at, &record);) {
        if (record.kind != WRITE_BATCH_PUT || record.family != FAMILY_PUBSUB)
            continue;
        const struct publication publication = {
            .kind = TOPIC_CHANNEL, .channel = record.key, .payload = record.value};
        (void)pubsub_publish(server, NULL, &publication);
    }
}

void changes_tell(struct server *server, struct bytes batch) {
    touch_watched(server, batch);
    publish(server, batch);
}
