// SPDX-License-Identifier: Apache-2.0
//
// The intersection, union and difference of sets, walked over in the order of the members. These lie in order
// in each set, so that a union is a merge and none of the three holds a set in memory; but of more sets than
// can be walked over at once the result is held. May use: base, store/collection, server/command,
// member_merge, member_table, reply_walk.
#ifndef KVFENCE_COMMANDS_SET_ALGEBRA_H
#define KVFENCE_COMMANDS_SET_ALGEBRA_H

#include "commands/member_merge.h"
#include "commands/member_table.h"
#include "commands/reply_walk.h"

enum set_operation { SET_INTERSECTION, SET_UNION, SET_DIFFERENCE };

struct set_algebra;
struct set_source;
typedef enum walk_step set_step(struct set_algebra *algebra, struct bytes *member);

// A walk over the result. It may be moved by copying its bytes.
struct set_algebra {
    struct store_session *session;
    set_step *step;
    struct set_source *sources; // each set once, however often it is named
    size_t count;
    struct member_merge merge; // of all walks
    struct merge_entry united; // what the union has handed out, taken out of the merge
    bool has_united;
    struct set_source *walked; // the one whose members are looked for in the others; NULL: all are walked
    enum store_status status;  // of looking for them
    bool is_too_big;           // more than is held: the result is none
    struct member_table held;  // the result, if there are too many sources to walk over
    const struct table_entry *handed_out; // of it
};

// Opens the keys from argument `first` on, and begins. With `is_reply` the walk may go on behind the command,
// once set_algebra_keep() was called. False: the error reply has been written, and there is nothing to close.
bool set_algebra_open(struct set_algebra *algebra, struct command_context *context,
                      enum set_operation operation, size_t first, size_t count, bool is_reply);
void set_algebra_close(struct set_algebra *algebra);
// Goes one step. A member of the result is valid until the next one.
enum walk_step set_algebra_step(struct set_algebra *algebra, struct bytes *member);
// What is wrong with the walk so far, as an error reply; NULL: nothing.
const char *set_algebra_error(const struct set_algebra *algebra);
void set_algebra_rewind(struct set_algebra *algebra);
// In the command: opens walks over all sets, which see its moment also later.
void set_algebra_keep(struct set_algebra *algebra);
// Nothing may be staged while a walk is open: ends them, and begins anew behind the member that was handed
// out last.
void set_algebra_pause(struct set_algebra *algebra);
void set_algebra_go_on_behind(struct set_algebra *algebra, struct bytes member);

#endif
