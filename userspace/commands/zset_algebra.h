// SPDX-License-Identifier: Apache-2.0
//
// The union, intersection and difference of sorted sets and sets, whose members count as scored 1. Members
// lie in order in both, so that all three are walks which hold none of them in memory; but a union of more
// than can be walked over at once is gathered there. May use: base, store/collection, server/command,
// member_table, zset_value.
#ifndef KVFENCE_COMMANDS_ZSET_ALGEBRA_H
#define KVFENCE_COMMANDS_ZSET_ALGEBRA_H

#include "base/buffer.h"
#include "commands/member_table.h"
#include "commands/zset_value.h"

enum zset_aggregate { ZSET_SUM, ZSET_MINIMUM, ZSET_MAXIMUM };

struct zset_source;
struct zset_input;

struct zset_algebra {
    struct zset_source *sources;
    size_t count;
    struct zset_input *inputs; // at the place of the first key that names them
    size_t existing;           // of the inputs
    enum zset_aggregate aggregate;
    struct buffer from; // where the walks begin: empty for the first member
    bool is_damaged;
    bool is_gathered; // a union of very many, in the table
    bool is_too_big;  // which is more than is held: what is there is not the whole
    struct member_table united;
    const struct table_entry *handed_out; // of it
};

// Opens the keys from argument `first` on. False: the error reply has been written. Close it in any case.
bool zset_algebra_open(struct zset_algebra *algebra, struct command_context *context, size_t first,
                       size_t count);
void zset_algebra_close(struct zset_algebra *algebra);
// `source` is the place among the keys. It is 1 if never set.
void zset_algebra_weigh(struct zset_algebra *algebra, size_t source, double weight);
// From the smallest source to the largest: the order in which Redis adds scores up, which shows in their last
// digits. Not for differences. After the weights.
void zset_algebra_order(struct zset_algebra *algebra);

// Lets the next operation begin behind this member, where one before it has ended.
void zset_algebra_go_on_behind(struct zset_algebra *algebra, struct bytes member);

// Handed each member of the result, in the order of the members. False ends the walk.
typedef bool zset_element_function(void *context, const struct zset_element *element);
typedef enum store_status zset_operation(struct zset_algebra *algebra, zset_element_function *function,
                                         void *context);
zset_operation zset_unite, zset_intersect, zset_subtract;

#endif
