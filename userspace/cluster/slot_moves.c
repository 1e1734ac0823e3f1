// SPDX-License-Identifier: Apache-2.0
//
// Slots on the move as a value: marks, text, Kvrocks' words for them. Uses: base, cluster/topology.
#include "cluster/slot_moves.h"

#include "base/number.h"

#include <stdio.h>

// --- Ranges ---

void slot_range_print(struct slot_range range, struct buffer *out) {
    buffer_append_format(out, "%u", range.first);
    if (range.last != range.first)
        buffer_append_format(out, "-%u", range.last);
}

static bool read_slot(struct bytes text, unsigned *slot) {
    uint64_t number = 0;
    if (!number_read_unsigned(text, &number) || number >= CLUSTER_SLOT_COUNT)
        return false;
    *slot = (unsigned)number;
    return true;
}

const char *slot_range_parse(struct bytes text, struct slot_range *range) {
    *range = (struct slot_range){0};
    const char *dash = text.length == 0 ? NULL : memchr(text.data, '-', text.length);
    if (dash == NULL) {
        bool right = read_slot(text, &range->first);
        range->last = range->first;
        return right ? NULL : "Invalid slot id: out of numeric range";
    }
    struct bytes first = {text.data, (size_t)(dash - text.data)};
    struct bytes last = {dash + 1, text.length - first.length - 1};
    if (!read_slot(first, &range->first) || !read_slot(last, &range->last))
        return "Invalid slot range: a slot is no number, or out of range";
    return range->first <= range->last ? NULL : "Invalid slot range: the first slot is behind the last";
}

// --- Marks ---

void slot_moves_mark(struct slot_moves *moves, struct slot_range range, enum slot_state state) {
    memset(moves->states + range.first, (int)state, range.last - range.first + 1);
}

// A node that no slot goes to any more makes room for another one.
static bool is_target(const struct slot_moves *moves, size_t target) {
    for (size_t slot = 0; slot < CLUSTER_SLOT_COUNT; slot++) {
        uint8_t state = moves->states[slot];
        if ((state == SLOT_IN_DOUBT || state == SLOT_FORWARDED || state == SLOT_HELD) &&
            moves->targets[slot] == target)
            return true;
    }
    return false;
}

static size_t place_for(const struct slot_moves *moves, const struct move_target *target) {
    for (size_t i = 0; i < moves->known_count; i++) {
        if (strcmp(moves->known[i].id, target->id) == 0 || !is_target(moves, i))
            return i;
    }
    return moves->known_count;
}

bool slot_moves_mark_target(struct slot_moves *moves, struct slot_range range, enum slot_state state,
                            const struct move_target *target) {
    size_t place = place_for(moves, target);
    if (place == MOVE_TARGETS_MAX)
        return false;
    if (place == moves->known_count)
        moves->known_count++;
    moves->known[place] = *target;
    memset(moves->targets + range.first, (int)place, range.last - range.first + 1);
    slot_moves_mark(moves, range, state);
    return true;
}

bool slot_moves_next(const struct slot_moves *moves, enum slot_state state, unsigned from,
                     struct slot_range *range) {
    unsigned slot = from;
    while (slot < CLUSTER_SLOT_COUNT && moves->states[slot] != state)
        slot++;
    if (slot >= CLUSTER_SLOT_COUNT)
        return false;
    range->first = slot;
    while (slot < CLUSTER_SLOT_COUNT && moves->states[slot] == state &&
           moves->targets[slot] == moves->targets[range->first])
        slot++;
    range->last = slot - 1;
    return true;
}

// --- As text ---

struct state_words {
    const char *word; // NULL: does not outlive the process
    bool has_target;
};
static const struct state_words state_words[SLOT_STATE_COUNT] = {
    [SLOT_IN_DOUBT] = {"in-doubt", true},  [SLOT_FORWARDED] = {"forwarded", true},
    [SLOT_HELD] = {"held", true},          [SLOT_IMPORTED] = {"imported", false},
    [SLOT_LEFTOVER] = {"leftover", false},
};

static void print_line(const struct slot_moves *moves, enum slot_state state, struct slot_range range,
                       struct buffer *out) {
    const struct move_target *target = &moves->known[moves->targets[range.first]];
    buffer_append_format(out, "%s ", state_words[state].word);
    slot_range_print(range, out);
    if (state_words[state].has_target)
        buffer_append_format(out, " %s %s %u", target->id, target->host, target->port);
    buffer_append_text(out, "\n");
}

// What is being imported is worth nothing after a restart.
void slot_moves_print(const struct slot_moves *moves, struct buffer *out) {
    struct slot_range range;
    for (int state = 0; state < SLOT_STATE_COUNT; state++) {
        if (state_words[state].word == NULL)
            continue;
        for (unsigned from = 0; slot_moves_next(moves, (enum slot_state)state, from, &range);
             from = range.last + 1)
            print_line(moves, (enum slot_state)state, range, out);
    }
    if (moves->import == IMPORT_RUNNING)
        print_line(moves, SLOT_LEFTOVER, moves->importing, out);
}

static bool next_word(struct bytes *rest, char end, struct bytes *word) {
    const char *at = rest->length == 0 ? NULL : memchr(rest->data, end, rest->length);
    if (rest->length == 0)
        return false;
    word->data = rest->data;
    word->length = at == NULL ? rest->length : (size_t)(at - rest->data);
    size_t used = word->length + (at != NULL);
    rest->data += used;
    rest->length -= used;
    return true;
}

static bool read_target(struct bytes *rest, struct move_target *target) {
    struct bytes id, host, port;
    uint64_t number = 0;
    if (!next_word(rest, ' ', &id) || !node_id_is_valid(id) || !next_word(rest, ' ', &host) ||
        host.length > NODE_HOST_MAX || !next_word(rest, ' ', &port) || !number_read_unsigned(port, &number) ||
        number > UINT16_MAX)
        return false;
    *target = (struct move_target){.port = (uint16_t)number};
    memcpy(target->id, id.data, id.length);
    memcpy(target->host, host.data, host.length);
    return true;
}

static bool read_state(struct bytes word, enum slot_state *state) {
    for (int i = 0; i < SLOT_STATE_COUNT; i++) {
        *state = (enum slot_state)i;
        if (state_words[i].word != NULL && bytes_equal(word, bytes_from_text(state_words[i].word)))
            return true;
    }
    return false;
}

// What the reports said before the restart, as far as it follows from the slots.
static void restore_phases(struct slot_moves *moves, enum slot_state state, struct slot_range range,
                           const struct move_target *target) {
    if (state == SLOT_IMPORTED) {
        moves->import = IMPORT_DONE;
        moves->importing = range;
    } else if (state_words[state].has_target && moves->migration != MIGRATION_IN_DOUBT) {
        moves->migration = state == SLOT_IN_DOUBT ? MIGRATION_IN_DOUBT : MIGRATION_DONE;
        moves->migrating = range;
        moves->target = *target;
    }
}

static bool parse_line(struct bytes line, struct slot_moves *moves) {
    struct bytes word, slots;
    struct slot_range range;
    struct move_target target = {0};
    enum slot_state state = SLOT_STILL;
    if (!next_word(&line, ' ', &word) || !read_state(word, &state) || !next_word(&line, ' ', &slots) ||
        slot_range_parse(slots, &range) != NULL)
        return false;
    if (!state_words[state].has_target) {
        slot_moves_mark(moves, range, state);
    } else if (!read_target(&line, &target) || !slot_moves_mark_target(moves, range, state, &target)) {
        return false;
    }
    restore_phases(moves, state, range, &target);
    return line.length == 0;
}

bool slot_moves_parse(struct bytes text, struct slot_moves *moves) {
    struct bytes line;
    *moves = (struct slot_moves){0};
    while (next_word(&text, '\n', &line)) {
        if (!parse_line(line, moves))
            return false;
    }
    return true;
}

// --- Reports ---

static void describe_range(const char *name, struct slot_range range, struct buffer *out) {
    buffer_append_format(out, "%s: ", name);
    slot_range_print(range, out);
    buffer_append_text(out, "\r\n");
}

void slot_moves_describe(const struct slot_moves *moves, struct buffer *out) {
    static const char *const migrations[] = {[MIGRATION_NONE] = "none",
                                             [MIGRATION_RUNNING] = "start",
                                             [MIGRATION_IN_DOUBT] = "start",
                                             [MIGRATION_DONE] = "success",
                                             [MIGRATION_FAILED] = "fail"};
    static const char *const imports[] = {[IMPORT_NONE] = "none",
                                          [IMPORT_RUNNING] = "start",
                                          [IMPORT_DONE] = "success",
                                          [IMPORT_FAILED] = "error"};
    if (moves->migration != MIGRATION_NONE) {
        describe_range("migrating_slot(s)", moves->migrating, out);
        buffer_append_format(out, "destination_node: %s\r\n", moves->target.id);
        buffer_append_format(out, "migrating_state: %s\r\n", migrations[moves->migration]);
    }
    if (moves->import != IMPORT_NONE) {
        describe_range("importing_slot(s)", moves->importing, out);
        buffer_append_format(out, "import_state: %s\r\n", imports[moves->import]);
    }
}
