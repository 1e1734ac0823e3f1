// SPDX-License-Identifier: Apache-2.0
//
// Replies that are too long to be held as a whole. The command writes the beginning; the rest comes from a
// source, a slice at a time, whenever the client has taken most of what there was. So a reply costs little
// memory however long it is and however slowly it is read, and the worker's other clients get their turns
// between the slices. Until it is whole its client runs no further command, and what others send to it waits
// behind it.
//
// A source that reads the database reads it as of the command's moment, by iterators that it has opened in
// the command and that stay open. (A snapshot alone would not do: compaction reclaims what is deleted also
// from under a snapshot, but not from under an iterator, which holds on to the files.) What it sees was there
// before the round's end, which has settled it before anything of the reply leaves; so later slices need no
// settling. An open iterator keeps what it sees from being reclaimed, so a client that takes too little of
// its reply for too long is closed. Nothing may close the database under it: see server/parking.h.
//
// On the client's worker only. May use: base, server/{client,reply}.
#ifndef KVFENCE_SERVER_REPLY_STREAM_H
#define KVFENCE_SERVER_REPLY_STREAM_H

#include "server/client.h"

// How much of a reply is written at a time, at least one step: so many bytes, or for so long.
struct reply_budget {
    size_t pending_most; // in the output
    uint64_t time_us;    // 0: as long as it takes
    uint64_t until_us;   // 0: not known yet
    unsigned steps;
};
// For a command, whose reply is held as a whole up to this; and for one that may not stream, as its reply is
// a part of EXEC's: beyond that it has to fail.
struct reply_budget reply_budget_of_command(const struct reply *reply);
struct reply_budget reply_budget_of_whole(void);
bool reply_budget_looks_at_time(struct reply_budget *budget);

// To be asked before each step.
static inline bool reply_budget_is_spent(struct reply_budget *budget, const struct reply *reply) {
    enum { STEPS_BETWEEN_LOOKS = 64 };
    if (reply->output.pending >= budget->pending_most)
        return true;
    return ++budget->steps % STEPS_BETWEEN_LOOKS == 0 && reply_budget_looks_at_time(budget);
}

enum reply_progress {
    REPLY_GOES_ON, // the budget is spent
    REPLY_IS_WHOLE,
    REPLY_IS_BROKEN // *error says why; the client is closed, as it would take an error for an element
};

struct reply_source {
    enum reply_progress (*write)(void *state, struct reply *reply, struct reply_budget *budget,
                                 const char **error);
    void (*close)(void *state); // called exactly once
};

// In a command, not one of EXEC's, that has written the beginning of its reply, or nothing yet: the rest
// comes from the source.
void reply_stream_begin(struct client *client, const struct reply_source *source, void *state);
// Drops what has not been written, if there is a stream.
void reply_stream_end(struct client *client);
// Ends it, as the database is about to be closed, and the connection with it.
void reply_stream_break_off(struct client *client, const char *why);

// --- For the connection; there is a stream ---

// After the round is settled and before sending: writes a slice if the client has taken enough. When the
// reply is whole, what has waited behind it follows, and there is no stream any more.
void reply_stream_advance(struct client *client);
// True if the beginning may have left already: then the reply cannot be taken back.
bool reply_stream_has_left(const struct client *client);
void reply_stream_note_sent(struct client *client, size_t count);
// Closes the client if it takes too little.
void reply_stream_check(struct client *client, uint64_t now_us);

// --- For all clients ---

// Where to write what is no reply: pushes, and lines of MONITOR.
struct reply *reply_stream_pushes(struct client *client);
// What waits to be sent.
size_t reply_stream_pending(const struct client *client);

#endif
