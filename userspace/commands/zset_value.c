// SPDX-License-Identifier: Apache-2.0
//
// Sorted sets' members, both times. Uses: arguments, collection_value, store/collection, number.
#include "commands/zset_value.h"

#include "base/number.h"
#include "commands/arguments.h"
#include "commands/collection_value.h"

bool zset_argument_score(struct command_context *context, size_t index, double *score) {
    if (number_read_double(context->arguments[index], score))
        return true;
    reply_error(context->reply, "ERR value is not a valid float");
    return false;
}

bool zset_look_up(struct command_context *context, const struct collection *set, struct bytes member,
                  bool *found, double *score) {
    struct store_value value;
    struct zset_element element = {.score = 0};
    if (!collection_look_up(context, set, member, found, &value))
        return false;
    if (!*found)
        return true;
    bool is_whole = zset_decode_member(member, value.payload, &element);
    store_value_release(&value);
    if (!is_whole)
        zset_reply_damaged(context);
    *score = element.score;
    return is_whole;
}

// --- Staging ---

// The key in the order of the scores, to be released.
static struct buffer score_key(const char score[ENCODED_DOUBLE_SIZE], struct bytes member) {
    struct buffer key = {0};
    (void)buffer_reserve(&key, ENCODED_DOUBLE_SIZE + member.length);
    buffer_append(&key, (struct bytes){score, ENCODED_DOUBLE_SIZE});
    buffer_append(&key, member);
    return key;
}

static void put_both(struct collection *set, struct bytes member, double score) {
    char encoded[ENCODED_DOUBLE_SIZE];
    encode_double(encoded, score == 0 ? 0 : score);
    struct buffer key = score_key(encoded, member);
    collection_put(set, FAMILY_DEFAULT, member, (struct bytes){encoded, sizeof(encoded)});
    collection_put(set, FAMILY_ZSET_SCORE, buffer_bytes(&key), (struct bytes){0});
    buffer_release(&key);
}

static void delete_from_order(struct collection *set, struct bytes member, double score) {
    char encoded[ENCODED_DOUBLE_SIZE];
    encode_double(encoded, score);
    struct buffer key = score_key(encoded, member);
    collection_delete(set, FAMILY_ZSET_SCORE, buffer_bytes(&key));
    buffer_release(&key);
}

void zset_add(struct collection *set, struct bytes member, double score) {
    put_both(set, member, score);
    set->metadata.size++;
}

void zset_move(struct collection *set, struct bytes member, double from, double to) {
    delete_from_order(set, member, from);
    put_both(set, member, to);
}

void zset_remove(struct collection *set, struct bytes member, double score) {
    delete_from_order(set, member, score);
    collection_delete(set, FAMILY_DEFAULT, member);
    set->metadata.size--;
}

// --- Decoding ---

bool zset_decode_member(struct bytes sub_key, struct bytes value, struct zset_element *out) {
    if (value.length != ENCODED_DOUBLE_SIZE)
        return false;
    *out = (struct zset_element){.member = sub_key, .score = decode_double(value.data)};
    return true;
}

bool zset_decode_score(struct bytes sub_key, struct zset_element *out) {
    if (sub_key.length < ENCODED_DOUBLE_SIZE)
        return false;
    out->member = (struct bytes){sub_key.data + ENCODED_DOUBLE_SIZE, sub_key.length - ENCODED_DOUBLE_SIZE};
    out->score = decode_double(sub_key.data);
    return true;
}

const char *zset_damaged_error(void) {
    return "ERR the stored sorted set is damaged: elements are missing, or their scores are";
}

void zset_reply_damaged(struct command_context *context) {
    reply_error(context->reply, zset_damaged_error());
}

// --- Replying ---

size_t zset_reply_width(const struct reply *reply, bool with_score) {
    return with_score && reply->protocol == 2 ? 2 : 1;
}

void zset_reply_element(struct reply *reply, const struct zset_element *element, bool with_score) {
    if (with_score && reply->protocol != 2)
        reply_array(reply, 2);
    reply_bulk(reply, element->member);
    if (with_score)
        reply_double(reply, element->score);
}
