// SPDX-License-Identifier: Apache-2.0
//
// Uses: bitmap_segments, string_value, store/entry_view.
#include "commands/sort_pattern.h"

#include "base/buffer.h"
#include "commands/string_value.h"

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

// The key that the pattern names for the element, and the field, which is empty for a string. False: the
// pattern names none, and *found says whether it is the element itself.
static bool make_name(struct bytes pattern, struct bytes element, struct buffer *key, struct bytes *field,
                      bool *found) {
    *found = bytes_equal(pattern, BYTES_LITERAL("#"));
    const char *star = find_star(pattern);
    if (*found || star == NULL)
        return false;
    struct bytes head = {pattern.data, (size_t)(star - pattern.data)};
    struct bytes tail = {star + 1, pattern.length - head.length - 1};
    *field = split_field(&tail);
    buffer_append(key, head);
    buffer_append(key, element);
    buffer_append(key, tail);
    return true;
}

static enum store_status read_key(const struct sort_source *from, struct bytes key, struct store_value *out) {
    return from->view != NULL ? entry_view_read(from->view, key, from->now, out)
                              : store_read(from->session, key, from->now, out);
}

// In place of the hash's metadata.
static enum store_status read_field(const struct sort_source *from, struct bytes key, struct bytes field,
                                    struct store_value *value) {
    uint64_t version = value->metadata.version;
    store_value_release(value);
    return from->view != NULL ? entry_view_read_sub_key(from->view, key, version, field, value)
                              : store_read_sub_key(from->session, FAMILY_DEFAULT, key, version, field, value);
}

static const char *append_value(const struct sort_source *from, struct bytes key, struct bytes field,
                                struct buffer *out, bool *found) {
    struct store_value value = {0};
    const char *error = NULL;
    enum store_status status = read_key(from, key, &value);
    enum value_type type = status == STORE_OK ? value.metadata.type : VALUE_NONE;
    *found = field.length != 0 ? type == VALUE_HASH : type == VALUE_STRING || type == VALUE_BITMAP;
    if (*found && type == VALUE_BITMAP)
        error = bitmap_segments_join_in(from->session, from->view, key, from->limit, &value);
    if (*found && type == VALUE_HASH) {
        status = read_field(from, key, field, &value);
        *found = status == STORE_OK;
    }
    if (status == STORE_FAILED)
        return session_error(from->session, status);
    if (*found && error == NULL)
        buffer_append(out, value.payload);
    if (status == STORE_OK)
        store_value_release(&value);
    return error;
}

const char *sort_pattern_look_up(const struct sort_source *from, struct bytes pattern, struct bytes element,
                                 struct buffer *out, bool *found) {
    struct buffer key = {0};
    struct bytes field = {0};
    const char *error = NULL;
    if (make_name(pattern, element, &key, &field, found))
        error = append_value(from, buffer_bytes(&key), field, out, found);
    else if (*found)
        buffer_append(out, element);
    buffer_release(&key);
    return error;
}

struct sort_source sort_source_of(const struct command_context *context) {
    return (struct sort_source){
        .session = context->session, .now = context->now, .limit = string_bitmap_limit(context)};
}
