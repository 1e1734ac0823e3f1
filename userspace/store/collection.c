// SPDX-License-Identifier: Apache-2.0
//
// Collections: metadata and single sub-keys. Uses: base, store/session.
#include "store/collection.h"

#include "store/session_internal.h"

#include <string.h>

enum store_status collection_open(struct store_session *session, struct bytes key, enum value_type type,
                                  wall_ms_t now, struct collection *out) {
    struct store_value value;
    enum store_status status = store_read_typed(session, key, type, now, &value);
    if (status != STORE_OK)
        return status;
    *out = (struct collection){.session = session, .key = key, .metadata = value.metadata, .existed = true};
    out->extra_length =
        value.payload.length < COLLECTION_EXTRA_MAX ? value.payload.length : COLLECTION_EXTRA_MAX;
    if (out->extra_length != 0)
        memcpy(out->extra, value.payload.data, out->extra_length);
    store_value_release(&value);
    return STORE_OK;
}

void collection_open_anew(struct store_session *session, struct bytes key, enum value_type type,
                          struct collection *out) {
    *out = (struct collection){
        .session = session,
        .key = key,
        .metadata = {.type = type, .wide = true, .version = metadata_new_version()},
    };
}

enum store_status collection_open_for_write(struct store_session *session, struct bytes key,
                                            enum value_type type, wall_ms_t now, struct collection *out) {
    enum store_status status = collection_open(session, key, type, now, out);
    if (status != STORE_NOT_FOUND)
        return status;
    collection_open_anew(session, key, type, out);
    return STORE_OK;
}

void collection_read_own_writes(struct store_session *session) {
    if (session->staging.form == STAGING_BATCH)
        session_gather_begin(session);
}

enum store_status collection_get(const struct collection *collection, struct bytes sub_key,
                                 struct store_value *out) {
    return store_read_sub_key(collection->session, FAMILY_DEFAULT, collection->key,
                              collection->metadata.version, sub_key, out);
}

enum store_status collection_has(const struct collection *collection, struct bytes sub_key) {
    struct store_value value;
    enum store_status status = collection_get(collection, sub_key, &value);
    if (status == STORE_OK)
        store_value_release(&value);
    return status;
}

void collection_put(struct collection *collection, enum column_family family, struct bytes sub_key,
                    struct bytes value) {
    stage_sub_key(collection->session, family, collection->key, &collection->metadata, sub_key, value);
}

void collection_delete(struct collection *collection, enum column_family family, struct bytes sub_key) {
    stage_delete_sub_key(collection->session, family, collection->key, &collection->metadata, sub_key);
}

void collection_save(struct collection *collection) {
    struct bytes extra = {collection->extra, collection->extra_length};
    bool begins_with_expiry = !collection->existed && collection->metadata.expire_ms != 0;
    if (collection->metadata.size != 0)
        (begins_with_expiry ? stage_expiry : stage_entry)(collection->session, collection->key,
                                                          &collection->metadata, extra);
    else if (collection->existed)
        stage_delete(collection->session, collection->key);
}
