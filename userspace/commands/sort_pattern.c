// SPDX-License-Identifier: Apache-2.0
//
// Uses: arguments, bitmap_segments by string_value, collection.
#include "commands/sort_pattern.h"

#include "base/buffer.h"
#include "commands/arguments.h"
#include "commands/string_value.h"
#include "store/collection.h"

static const char *find_star(struct bytes pattern) {
    return pattern.length == 0 ? NULL : memchr(pattern.data, '*', pattern.length);
}

bool sort_pattern_is_real(struct bytes pattern) {
    return find_star(pattern) != NULL;
}

// Takes "->field" off the end of what follows the star. A field has a name.
static struct bytes split_field(struct bytes *tail) {
    for (size_t at = 0; at + 2 < tail->length; at++) {
        if (tail->data[at] != '-' || tail->data[at + 1] != '>')
            continue;
        struct bytes field = {tail->data + at + 2, tail->length - at - 2};
        tail->length = at;
        return field;
    }
    return (struct bytes){0};
}

static bool append_string(struct command_context *context, struct bytes key, struct buffer *out,
                          bool *found) {
    struct store_value value;
    enum value_status status = string_read_or(context, key, NULL, &value);
    *found = status == VALUE_FOUND;
    if (!*found)
        return status != VALUE_FAILED;
    buffer_append(out, value.payload);
    store_value_release(&value);
    return true;
}

static bool append_field(struct command_context *context, struct bytes key, struct bytes field,
                         struct buffer *out, bool *found) {
    struct collection hash;
    struct store_value value;
    *found = false;
    enum store_status status = collection_open(context->session, key, VALUE_HASH, context->now, &hash);
    if (status == STORE_OK)
        status = collection_get(&hash, field, &value);
    if (status == STORE_FAILED) {
        reply_store_error(context, status);
        return false;
    }
    if (status != STORE_OK)
        return true;
    buffer_append(out, value.payload);
    store_value_release(&value);
    *found = true;
    return true;
}

bool sort_pattern_look_up(struct command_context *context, struct bytes pattern, struct bytes element,
                          struct buffer *out, bool *found) {
    *found = bytes_equal(pattern, BYTES_LITERAL("#"));
    const char *star = find_star(pattern);
    if (*found)
        buffer_append(out, element);
    if (*found || star == NULL)
        return true;
    struct buffer key = {0};
    struct bytes head = {pattern.data, (size_t)(star - pattern.data)};
    struct bytes tail = {star + 1, pattern.length - head.length - 1};
    struct bytes field = split_field(&tail);
    buffer_append(&key, head);
    buffer_append(&key, element);
    buffer_append(&key, tail);
    bool looked = field.length != 0 ? append_field(context, buffer_bytes(&key), field, out, found)
                                    : append_string(context, buffer_bytes(&key), out, found);
    buffer_release(&key);
    return looked;
}
