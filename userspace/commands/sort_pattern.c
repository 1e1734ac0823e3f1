// SPDX-License-Identifier: Apache-2.0
//
// What SORT's patterns name. Uses: base/buffer, string_value.
#include "commands/sort_pattern.h"

#include "base/buffer.h"

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

static const char *append_field(const struct string_source *from, struct bytes key, struct bytes field,
                                struct buffer *out, bool *found) {
    struct store_value value = {0};
    enum store_status status = entry_source_read(from->entries, key, from->now, &value);
    bool is_hash = status == STORE_OK && value.metadata.type == VALUE_HASH;
    uint64_t version = value.metadata.version;
    if (status == STORE_OK)
        store_value_release(&value);
    if (is_hash)
        status = entry_source_read_sub_key(from->entries, key, version, field, &value);
    *found = is_hash && status == STORE_OK;
    if (*found) {
        buffer_append(out, value.payload);
        store_value_release(&value);
    }
    return status == STORE_FAILED ? session_error(from->entries.session, status) : NULL;
}

static const char *append_string(const struct string_source *from, struct bytes key, struct buffer *out,
                                 bool *found) {
    struct store_value value;
    enum value_status status = VALUE_MISSING;
    const char *error = string_read_from(from, key, NULL, &value, &status);
    *found = status == VALUE_FOUND;
    if (*found) {
        buffer_append(out, value.payload);
        store_value_release(&value);
    }
    return error;
}

const char *sort_pattern_look_up(const struct string_source *from, struct bytes pattern, struct bytes element,
                                 struct buffer *out, bool *found) {
    struct buffer key = {0};
    struct bytes field = {0};
    const char *error = NULL;
    if (make_name(pattern, element, &key, &field, found))
        error = field.length != 0 ? append_field(from, buffer_bytes(&key), field, out, found)
                                  : append_string(from, buffer_bytes(&key), out, found);
    else if (*found)
        buffer_append(out, element);
    buffer_release(&key);
    return error;
}
