// SPDX-License-Identifier: Apache-2.0
//
// Strings in the store. Uses: arguments, bitmap_segments, config, memory, store/entry_view.
#include "commands/string_value.h"

#include "base/memory.h"
#include "commands/arguments.h"
#include "commands/bitmap_segments.h"
#include "server/server.h"

#include <stdlib.h>

// RocksDB's entries stay below 4 GiB; this leaves room for a batch with more than one.
#define STRING_LENGTH_MAX ((uint64_t)1 << 31)

#define TOO_LONG_ERROR "ERR string exceeds maximum allowed size (proto-max-bulk-len)"

enum value_status string_read_any(struct command_context *context, struct bytes key,
                                  struct store_value *value) {
    *value = (struct store_value){0};
    enum store_status status = store_read(context->session, key, context->now, value);
    if (status == STORE_OK)
        return VALUE_FOUND;
    if (status == STORE_NOT_FOUND) {
        *value = (struct store_value){0};
        return VALUE_MISSING;
    }
    reply_store_error(context, status);
    return VALUE_FAILED;
}

static struct bitmap_limit bitmap_limit(const struct command_context *context) {
    int64_t megabytes = config_integer(context->server->config, CONFIG_MAX_BITMAP_TO_STRING_MB);
    return (struct bitmap_limit){(uint64_t)megabytes << 20, "ERR The size of the bitmap string exceeds the "
                                                            "configuration item max-bitmap-to-string-mb"};
}

static struct string_source source_of(const struct command_context *context, struct bitmap_limit limit) {
    return (struct string_source){
        .entries = {.session = context->session}, .now = context->now, .limit = limit};
}

struct string_source string_source_of(const struct command_context *context) {
    return source_of(context, bitmap_limit(context));
}

// Of what was read, which is no string.
static const char *read_as_string(const struct string_source *source, struct bytes key,
                                  const char *wrong_type, struct store_value *value,
                                  enum value_status *status) {
    if (value->metadata.type == VALUE_BITMAP) {
        const char *error = bitmap_segments_join(source->entries, key, source->limit, value);
        *status = error == NULL ? VALUE_FOUND : VALUE_FAILED;
        return error;
    }
    store_value_release(value);
    *status = wrong_type == NULL ? VALUE_MISSING : VALUE_FAILED;
    return wrong_type;
}

const char *string_read_from(const struct string_source *source, struct bytes key, const char *wrong_type,
                             struct store_value *value, enum value_status *status) {
    enum store_status found = entry_source_read(source->entries, key, source->now, value);
    *status = VALUE_FOUND;
    if (found == STORE_OK && value->metadata.type == VALUE_STRING)
        return NULL;
    if (found == STORE_OK)
        return read_as_string(source, key, wrong_type, value, status);
    *value = (struct store_value){0};
    *status = found == STORE_NOT_FOUND ? VALUE_MISSING : VALUE_FAILED;
    return found == STORE_NOT_FOUND ? NULL : session_error(source->entries.session, found);
}

static enum value_status read_string(struct command_context *context, struct bytes key,
                                     struct bitmap_limit limit, const char *wrong_type,
                                     struct store_value *value) {
    const struct string_source source = source_of(context, limit);
    enum value_status status = VALUE_FAILED;
    const char *error = string_read_from(&source, key, wrong_type, value, &status);
    if (error != NULL)
        reply_error(context->reply, error);
    return status;
}

enum value_status string_read_or(struct command_context *context, struct bytes key, const char *wrong_type,
                                 struct store_value *value) {
    return read_string(context, key, bitmap_limit(context), wrong_type, value);
}

enum value_status string_read(struct command_context *context, struct bytes key, struct store_value *value) {
    return string_read_or(context, key, WRONG_TYPE_ERROR, value);
}

enum value_status string_read_bits(struct command_context *context, struct bytes key,
                                   struct store_value *value) {
    struct bitmap_limit limit = {string_length_limit(context), TOO_LONG_ERROR};
    return read_string(context, key, limit, WRONG_TYPE_ERROR, value);
}

uint64_t string_length_limit(const struct command_context *context) {
    uint64_t limit = (uint64_t)config_integer(context->server->config, CONFIG_PROTO_MAX_BULK_LEN);
    return limit < STRING_LENGTH_MAX ? limit : STRING_LENGTH_MAX;
}

bool string_check_length(struct command_context *context, uint64_t length) {
    if (length <= string_length_limit(context))
        return true;
    reply_error(context->reply, TOO_LONG_ERROR);
    return false;
}

void string_reply(struct reply *reply, struct store_value *value) {
    if (value->pin == NULL) {
        reply_bulk(reply, value->payload);
        return;
    }
    void (*release)(void *owner) = NULL;
    void *owner = NULL;
    struct bytes text = value->payload;
    store_value_take_pin(value, &release, &owner);
    reply_bulk_owned(reply, text, release, owner);
}

void string_stage(struct command_context *context, struct bytes key, const struct store_value *old,
                  struct bytes text) {
    stage_string(context->session, key, old->metadata.expire_ms, &text, 1);
}

bool string_stage_overwritten(struct command_context *context, struct bytes key,
                              const struct store_value *old, uint64_t offset, struct bytes piece,
                              uint64_t *length) {
    struct bytes text = old->payload;
    uint64_t end = offset + piece.length;
    uint64_t kept = offset < text.length ? offset : text.length;
    char *zeros = offset == kept ? NULL : memory_try_allocate_zeroed(offset - kept);
    if (offset != kept && zeros == NULL) {
        reply_error(context->reply, "ERR not enough memory to lengthen the string");
        return false;
    }
    struct bytes rest = {0};
    if (end < text.length)
        rest = (struct bytes){text.data + end, text.length - end};
    struct bytes parts[] = {{text.data, kept}, {zeros, offset - kept}, piece, rest};
    stage_string(context->session, key, old->metadata.expire_ms, parts, sizeof(parts) / sizeof(parts[0]));
    free(zeros);
    *length = end > text.length ? end : text.length;
    return true;
}
