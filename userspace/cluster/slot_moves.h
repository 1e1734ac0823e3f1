// SPDX-License-Identifier: Apache-2.0
//
// Slots that change hands, beside what the topology says of them: what this node does with each, and how far
// the one migration and the one import are that can run at a time. A value with its text, which is kept in
// slots.conf so that a restart in the middle of a move neither serves a slot twice nor loses it. Guarded by
// whoever holds it. May use: base, cluster/topology.
#ifndef KVFENCE_CLUSTER_SLOT_MOVES_H
#define KVFENCE_CLUSTER_SLOT_MOVES_H

#include "base/buffer.h"
#include "cluster/topology.h"

enum slot_state {
    SLOT_STILL,     // nothing but what the topology says
    SLOT_STOPPED,   // mine, on its way: writes wait for the end of the migration
    SLOT_IN_DOUBT,  // mine, unless the destination has taken it over: writes wait until that is known
    SLOT_FORWARDED, // the destination has taken it over, the topology will follow
    SLOT_HELD,      // the same, but another topology has come meanwhile: everything waits for the right one
    SLOT_IMPORTED,  // taken over from another node, the topology will follow
    SLOT_LEFTOVER,  // its keys are to be deleted
    SLOT_STATE_COUNT
};

enum migration_phase {
    MIGRATION_NONE,
    MIGRATION_RUNNING,
    MIGRATION_IN_DOUBT,
    MIGRATION_DONE,
    MIGRATION_FAILED
};
enum import_phase { IMPORT_NONE, IMPORT_RUNNING, IMPORT_DONE, IMPORT_FAILED };

struct move_target {
    char id[NODE_ID_LENGTH + 1];
    char host[NODE_HOST_MAX + 1];
    uint16_t port;
};

enum { MOVE_TARGETS_MAX = 64 };

struct slot_moves {
    uint8_t states[CLUSTER_SLOT_COUNT];  // enum slot_state
    uint8_t targets[CLUSTER_SLOT_COUNT]; // of one that is in doubt, forwarded or held: index into `known`
    struct move_target known[MOVE_TARGETS_MAX];
    size_t known_count;

    enum migration_phase migration;
    uint64_t job; // the number of that migration in this process; one that a restart has found has 0
    struct slot_range migrating;
    struct move_target target;
    bool is_outdated; // a topology has come since the migration stopped the slots' writes

    enum import_phase import;
    struct slot_range importing;
    uint64_t importer; // the client that sends what is imported
};

// "5" or "5-9".
void slot_range_print(struct slot_range range, struct buffer *out);
// The reverse, with first <= last. NULL, or what is wrong with it: static, without a code word.
const char *slot_range_parse(struct bytes text, struct slot_range *range);

void slot_moves_mark(struct slot_moves *moves, struct slot_range range, enum slot_state state);
// The same with where they go. False if there are too many such nodes.
bool slot_moves_mark_target(struct slot_moves *moves, struct slot_range range, enum slot_state state,
                            const struct move_target *target);
// The first range of consecutive slots at or after `from` in this state, and with one target. False: none.
bool slot_moves_next(const struct slot_moves *moves, enum slot_state state, unsigned from,
                     struct slot_range *range);

// What a restart needs: a line for each range in a state that outlives the process. Nothing: an empty text.
void slot_moves_print(const struct slot_moves *moves, struct buffer *out);
// The reverse. False: the text is no such thing.
bool slot_moves_parse(struct bytes text, struct slot_moves *moves);

// CLUSTER INFO's lines on migration and import, if there is something to say.
void slot_moves_describe(const struct slot_moves *moves, struct buffer *out);

#endif
