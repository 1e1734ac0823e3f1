// SPDX-License-Identifier: Apache-2.0
//
// The digest: five numbers of 32 bits that take in every entry in key order. Uses: base, the other files of
// store/.
#include "store/digest.h"

#include "base/checksum.h"
#include "store/session_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LANES = 5 };

struct digest {
    uint32_t lanes[LANES];
};

// Each lane starts what it takes in with its own number, so that they differ from each other.
static void take_in(struct digest *digest, struct bytes bytes) {
    for (uint32_t lane = 0; lane < LANES; lane++) {
        uint64_t head[2] = {lane * UINT64_C(0x9e3779b97f4a7c15) ^ digest->lanes[(lane + 1) % LANES],
                            bytes.length};
        uint32_t sum = checksum_extend(digest->lanes[lane], (struct bytes){(const char *)head, sizeof(head)});
        digest->lanes[lane] = checksum_extend(sum, bytes);
    }
}

static rocksdb_iterator_t *open_iterator(struct store_session *session, enum column_family family) {
    struct store *store = session->store;
    session->round_read = true;
    session->reads++;
    return rocksdb_create_iterator_cf(store->database, session_read_options(session),
                                      store->families[family]);
}

static bool starts_with(struct bytes text, struct bytes prefix) {
    return text.length >= prefix.length && memcmp(text.data, prefix.data, prefix.length) == 0;
}

static struct bytes key_of(const rocksdb_iterator_t *entries) {
    struct bytes key;
    key.data = rocksdb_iter_key(entries, &key.length);
    return key;
}

static struct bytes value_of(const rocksdb_iterator_t *entries) {
    struct bytes value;
    value.data = rocksdb_iter_value(entries, &value.length);
    return value;
}

static enum store_status close_iterator(struct store_session *session, rocksdb_iterator_t *entries) {
    char *reason = NULL;
    rocksdb_iter_get_error(entries, &reason);
    rocksdb_iter_destroy(entries);
    return reason == NULL ? STORE_OK : session_read_failed(session, reason);
}

// All entries of the family that begin with `prefix`.
static enum store_status take_in_family(struct store_session *session, enum column_family family,
                                        struct bytes prefix, struct digest *digest) {
    rocksdb_iterator_t *entries = open_iterator(session, family);
    for (rocksdb_iter_seek(entries, prefix.data, prefix.length);
         rocksdb_iter_valid(entries) && starts_with(key_of(entries), prefix); rocksdb_iter_next(entries)) {
        take_in(digest, key_of(entries));
        take_in(digest, value_of(entries));
    }
    return close_iterator(session, entries);
}

static enum store_status take_in_sub_keys(struct store_session *session, struct bytes raw_key,
                                          uint64_t version, struct digest *digest) {
    static const enum column_family families[] = {FAMILY_DEFAULT, FAMILY_ZSET_SCORE, FAMILY_STREAM};
    struct bytes name_space, key;
    enum store_status status = STORE_OK;
    if (!decode_metadata_key(raw_key, session->store->layout.with_slot, &name_space, &key))
        return STORE_OK;
    struct buffer prefix = {0};
    encode_sub_key(&prefix, &session->store->layout, key, version, (struct bytes){0});
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && status == STORE_OK; i++)
        status = take_in_family(session, families[i], buffer_bytes(&prefix), digest);
    buffer_release(&prefix);
    return status;
}

static enum store_status take_in_key(struct store_session *session, struct bytes key, struct bytes value,
                                     wall_ms_t now, struct digest *digest) {
    struct metadata metadata;
    bool is_understood = decode_metadata(value, &metadata);
    if (is_understood && metadata_is_dead(&metadata, now))
        return STORE_OK;
    take_in(digest, key);
    take_in(digest, value);
    if (!is_understood || !value_type_has_sub_keys(metadata.type))
        return STORE_OK;
    return take_in_sub_keys(session, key, metadata.version, digest);
}

enum store_status store_digest(struct store_session *session, wall_ms_t now, char text[DIGEST_TEXT_SIZE]) {
    struct digest digest = {0};
    struct bytes prefix = buffer_bytes(&session->store->namespace_prefix);
    enum store_status status = STORE_OK;
    rocksdb_iterator_t *entries = open_iterator(session, FAMILY_METADATA);
    for (rocksdb_iter_seek(entries, prefix.data, prefix.length);
         rocksdb_iter_valid(entries) && starts_with(key_of(entries), prefix) && status == STORE_OK;
         rocksdb_iter_next(entries))
        status = take_in_key(session, key_of(entries), value_of(entries), now, &digest);
    enum store_status read = close_iterator(session, entries);
    for (size_t lane = 0; lane < LANES; lane++)
        (void)snprintf(text + lane * 8, 9, "%08" PRIx32, digest.lanes[lane]);
    return status != STORE_OK ? status : read;
}
