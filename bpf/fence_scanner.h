// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// Walks the RESP commands of one packet's payload and says whether a write is among them. Plain C: both BPF
// programs and the tests, natively, are made of this file. It goes from command to command by their lengths
// and never looks inside values. What it cannot decide it calls by its name (enum fence_reason) and leaves to
// the policy. Whoever includes this file defines the two functions that are declared below. Uses: the
// contract, tokens.
//
// The payload is read through a window, a copy of the stretch that is being walked: packets are not always
// linear, and one copy of a stretch costs less than a check of bounds for each token.
#ifndef KVFENCE_BPF_FENCE_SCANNER_H
#define KVFENCE_BPF_FENCE_SCANNER_H

#include "fence_tokens.h"

enum {
    FENCE_NEAR = 24, // how far ahead the common tokens are read
    FENCE_FAR = 112, // and all others: more than a header, its name and its subcommand take
    // Enough for 64 KiB, the most that GRO merges unless it is told otherwise, of empty lines, than which
    // nothing is shorter, and for moving the window over them.
    FENCE_STEPS_MAX = 33 * 1024,
};

// Positions count from two bytes before the payload, where the window pretends a line end. So every token,
// the first as well, begins with the line end of the one before it, which is checked together with it by one
// comparison.
struct fence_scan {
    union {
        struct fence_command_name key;
        __u64 words[FENCE_NAME_SIZE / 8];
    } name;                            // of the present command
    struct fence_command_name doubted; // of the command that made the reason a doubt, if it has a name
    __u32 payload_offset;              // in the packet
    __u32 end;                         // of the payload
    __u32 position;                    // of the next token
    __u32 window_start;
    __u32 window_end;
    __u32 words;      // of the present command, its name included
    __u32 words_left; // of these not yet passed
    __u32 command_start;
    __u32 decided_at; // the position of the command that made the reason
    __u32 reason;     // enum fence_reason: a write if one was met, else the first doubt
    __u32 finished;
    struct fence_window window;
};

// --- What the includer defines ---

// Copies payload[offset..offset + size) into the window; size is 1 to FENCE_WINDOW. `packet` and `source` are
// what fence_scan_step() was handed.
static inline bool fence_scan_load(const struct fence_scan *scan, void *packet, int source, __u32 offset,
                                   void *to, __u32 size) __attribute__((always_inline));
// The entry of scan->name in fence_commands; of kind FENCE_COMMAND_UNKNOWN if there is none.
static inline struct fence_command fence_scan_look_up(const struct fence_scan *scan)
    __attribute__((always_inline));

// --- Outcomes: each returns what fence_scan_step() returns ---

enum fence_step { FENCE_GO_ON = 0, FENCE_STOP = 1 };

FENCE_INLINE enum fence_step fence_doubt(struct fence_scan *scan, __u32 reason) {
    if (scan->reason == FENCE_REASON_NONE) {
        scan->reason = reason;
        scan->decided_at = scan->command_start;
    }
    return FENCE_GO_ON;
}

FENCE_INLINE enum fence_step fence_doubt_name(struct fence_scan *scan, __u32 reason) {
    if (scan->reason == FENCE_REASON_NONE)
        scan->doubted = scan->name.key;
    return fence_doubt(scan, reason);
}

FENCE_INLINE enum fence_step fence_stop(struct fence_scan *scan, __u32 reason) {
    (void)fence_doubt(scan, reason);
    scan->finished = true;
    return FENCE_STOP;
}

FENCE_INLINE enum fence_step fence_found_write(struct fence_scan *scan) {
    scan->reason = FENCE_REASON_WRITE;
    scan->decided_at = scan->command_start;
    scan->finished = true;
    return FENCE_STOP;
}

// --- The window ---

FENCE_INLINE const __u8 *fence_scan_at(const struct fence_scan *scan, __u32 position) {
    return fence_window_at(&scan->window, position - scan->window_start);
}

FENCE_INLINE bool fence_covers(const struct fence_scan *scan, __u32 ahead) {
    return scan->window_end == scan->end || scan->position + ahead <= scan->window_end;
}

// Moves the window to the next token. Before the first one it keeps the pretended line end.
FENCE_INLINE enum fence_step fence_move_window(struct fence_scan *scan, void *packet, int source) {
    __u32 pretended = scan->position == 0 ? FENCE_LINE_END : 0;
    __u32 start = scan->position + pretended, size = scan->end - start;
    if (size > FENCE_WINDOW - FENCE_LINE_END)
        size = FENCE_WINDOW - FENCE_LINE_END;
    scan->window_start = scan->position;
    scan->window_end = start + size;
    if (fence_scan_load(scan, packet, source, start - FENCE_LINE_END, scan->window.bytes + pretended, size))
        return FENCE_GO_ON;
    return fence_stop(scan, FENCE_REASON_UNREADABLE);
}

// --- Words ---

// Moves past a word whose data begins at `data`, to the line end behind it.
FENCE_INLINE enum fence_step fence_skip(struct fence_scan *scan, __u32 data, __u32 length) {
    __u64 behind = (__u64)data + length;
    if (behind + FENCE_LINE_END > scan->end)
        return fence_stop(scan, FENCE_REASON_INCOMPLETE);
    scan->position = (__u32)behind;
    scan->words_left--;
    return FENCE_GO_ON;
}

FENCE_INLINE enum fence_step fence_scan_word(struct fence_scan *scan, void *packet, int source) {
    const __u64 mask_1 = FENCE_TEXT(0xff, 0xff, 0xff, 0, 0xff, 0xff, 0, 0);
    const __u64 mask_2 = FENCE_TEXT(0xff, 0xff, 0xff, 0, 0, 0xff, 0xff, 0);
    __u64 text = fence_read_8(fence_scan_at(scan, scan->position));
    __u32 first = fence_digit(text, 3), second = fence_digit(text, 4);
    if (((text ^ FENCE_TEXT('\r', '\n', '$', 0, '\r', '\n', 0, 0)) & mask_1) == 0 && first <= 9)
        return fence_skip(scan, scan->position + 6, first);
    if (((text ^ FENCE_TEXT('\r', '\n', '$', 0, 0, '\r', '\n', 0)) & mask_2) == 0 && first - 1 <= 8 &&
        second <= 9)
        return fence_skip(scan, scan->position + 7, 10 * first + second);
    if (!fence_covers(scan, FENCE_FAR))
        return fence_move_window(scan, packet, source);
    __u64 token =
        fence_parse_length(&scan->window, scan->position - scan->window_start, scan->end - scan->position);
    if (FENCE_TOKEN_REASON(token) != FENCE_REASON_NONE)
        return fence_stop(scan, FENCE_TOKEN_REASON(token));
    return fence_skip(scan, scan->position + FENCE_TOKEN_SIZE(token), FENCE_TOKEN_VALUE(token));
}

// --- Commands ---

// True if a name of this length is followed by something else than a line end. What is behind a name that is
// too long for the table need not be in the window: that is found out at the next token.
FENCE_INLINE bool fence_wrong_line_end(const struct fence_scan *scan, __u32 behind, __u32 length) {
    return length < FENCE_NAME_SIZE && (__u64)behind + FENCE_LINE_END <= scan->end &&
           !fence_is_line_end(fence_read_8(fence_scan_at(scan, behind)));
}

// Finds the entry of "NAME|SUBCOMMAND"; the name, just looked up, ends at `behind`. STOP: the second word is
// not there.
FENCE_INLINE enum fence_step fence_look_up_subcommand(struct fence_scan *scan, __u32 behind,
                                                      __u32 name_length, struct fence_command *command) {
    if (behind + FENCE_LINE_END > scan->end)
        return fence_stop(scan, FENCE_REASON_INCOMPLETE);
    __u64 token = fence_parse_length(&scan->window, behind - scan->window_start, scan->end - behind);
    __u32 word = behind + FENCE_TOKEN_SIZE(token), length = FENCE_TOKEN_VALUE(token);
    if (FENCE_TOKEN_REASON(token) != FENCE_REASON_NONE)
        return fence_stop(scan, FENCE_TOKEN_REASON(token));
    if ((__u64)word + length > scan->end)
        return fence_stop(scan, FENCE_REASON_INCOMPLETE);
    if (fence_wrong_line_end(scan, word + length, length))
        return fence_stop(scan, FENCE_REASON_MALFORMED);
    command->kind = FENCE_COMMAND_UNKNOWN;
    if (name_length + 1 + length >= FENCE_NAME_SIZE)
        return FENCE_GO_ON;
    scan->name.key.text[name_length % FENCE_NAME_SIZE] = '|';
    (void)fence_copy_name(&scan->name.key, name_length + 1, &scan->window, word - scan->window_start, length);
    *command = fence_scan_look_up(scan);
    return FENCE_GO_ON;
}

// The command's name is in scan->name and ends at `behind`, within the packet.
FENCE_INLINE enum fence_step fence_judge_command(struct fence_scan *scan, void *packet, int source,
                                                 __u32 behind, __u32 name_length) {
    struct fence_command command = fence_scan_look_up(scan);
    if (command.kind == FENCE_COMMAND_CONTAINER) {
        if (!fence_covers(scan, FENCE_FAR))
            return fence_move_window(scan, packet, source);
        command.kind = FENCE_COMMAND_NO_WRITE; // alone it is refused by the server
        if (scan->words > 1 && fence_look_up_subcommand(scan, behind, name_length, &command) != FENCE_GO_ON)
            return FENCE_STOP;
    }
    if (command.kind != FENCE_COMMAND_NO_WRITE && scan->words > command.reads_up_to) {
        if (command.kind == FENCE_COMMAND_WRITE)
            return fence_found_write(scan);
        (void)fence_doubt_name(scan, command.kind == FENCE_COMMAND_MAY_WRITE ? FENCE_REASON_MAY_WRITE
                                                                             : FENCE_REASON_UNKNOWN_COMMAND);
    }
    scan->words_left = scan->words;
    return fence_skip(scan, behind - name_length, name_length);
}

FENCE_INLINE enum fence_step fence_judge_name(struct fence_scan *scan, void *packet, int source,
                                              __u32 name_at, __u32 length) {
    __u64 behind = (__u64)name_at + length;
    if (behind > scan->end)
        return fence_stop(scan, FENCE_REASON_INCOMPLETE);
    if (fence_wrong_line_end(scan, (__u32)behind, length))
        return fence_stop(scan, FENCE_REASON_MALFORMED);
    return fence_judge_command(scan, packet, source, (__u32)behind, length);
}

// Any other beginning than the common one; what is empty is skipped.
FENCE_INLINE enum fence_step fence_scan_long_header(struct fence_scan *scan, void *packet, int source) {
    if (!fence_covers(scan, FENCE_FAR))
        return fence_move_window(scan, packet, source);
    __u32 index = scan->position - scan->window_start;
    __u64 header = fence_parse_header(&scan->window, index, scan->end - scan->position);
    __u32 size = FENCE_TOKEN_SIZE(header), length = FENCE_TOKEN_VALUE(header);
    if (FENCE_TOKEN_REASON(header) == FENCE_HEADER_EMPTY) {
        scan->position += size;
        return FENCE_GO_ON;
    }
    if (FENCE_TOKEN_REASON(header) != FENCE_REASON_NONE)
        return fence_stop(scan, FENCE_TOKEN_REASON(header));
    scan->words = FENCE_TOKEN_WORDS(header);
    scan->name.key = (struct fence_command_name){{0}};
    // A name that is too long stays empty and so unknown.
    (void)fence_copy_name(&scan->name.key, 0, &scan->window, index + size,
                          length < FENCE_NAME_SIZE ? length : 0);
    return fence_judge_name(scan, packet, source, scan->position + size, length);
}

// The common beginning, "*N" and "$N" of one digit each and a name of at most eight letters, takes two loads.
FENCE_INLINE enum fence_step fence_scan_command(struct fence_scan *scan, void *packet, int source) {
    const __u8 *token = fence_scan_at(scan, scan->position);
    __u64 text = fence_read_8(token);
    __u32 words = fence_digit(text, 3), length = fence_digit(text, 7);
    scan->command_start = scan->position + FENCE_LINE_END;
    if (scan->command_start == scan->end)
        return fence_stop(scan, fence_is_line_end(text) ? FENCE_REASON_NONE : FENCE_REASON_MALFORMED);
    if (((text ^ FENCE_TEXT('\r', '\n', '*', 0, '\r', '\n', '$', 0)) & 0x00ffffff00ffffff) != 0 ||
        words - 1 > 8 || length - 1 > 7 || !fence_is_line_end(fence_read_8(token + 8)))
        return fence_scan_long_header(scan, packet, source);
    scan->words = words;
    scan->name.words[0] = fence_upper_case(fence_read_8(token + 10) & ~(__u64)0 >> (64 - 8 * length));
    scan->name.words[1] = scan->name.words[2] = scan->name.words[3] = 0;
    return fence_judge_name(scan, packet, source, scan->position + 10, length);
}

// --- The walk ---

// Takes one token, or moves the window to it. Call it until it says FENCE_STOP, at most FENCE_STEPS_MAX
// times.
FENCE_INLINE enum fence_step fence_scan_step(struct fence_scan *scan, void *packet, int source) {
    if (!fence_covers(scan, FENCE_NEAR) && fence_move_window(scan, packet, source) != FENCE_GO_ON)
        return FENCE_STOP;
    return scan->words_left == 0 ? fence_scan_command(scan, packet, source)
                                 : fence_scan_word(scan, packet, source);
}

// `length` is more than 0. The caller has set payload_offset, and may have put the first FENCE_NEAR bytes, if
// there are so many, into the window, behind the line end: `loaded` is FENCE_NEAR then, else 0.
FENCE_INLINE void fence_scan_begin(struct fence_scan *scan, __u32 length, __u32 loaded) {
    scan->end = length + FENCE_LINE_END;
    scan->position = 0;
    scan->window_start = 0;
    scan->window_end = loaded + FENCE_LINE_END;
    scan->words_left = 0;
    scan->command_start = FENCE_LINE_END;
    scan->decided_at = FENCE_LINE_END;
    scan->reason = FENCE_REASON_NONE;
    scan->finished = false;
    scan->doubted = (struct fence_command_name){{0}};
    scan->window.bytes[0] = '\r';
    scan->window.bytes[1] = '\n';
}

FENCE_INLINE void fence_scan_end(struct fence_scan *scan) {
    if (scan->finished == 0)
        (void)fence_stop(scan, FENCE_REASON_TOO_LONG);
}

// Where in the payload the command begins that made the reason.
FENCE_INLINE __u32 fence_scan_decided_at(const struct fence_scan *scan) {
    return scan->decided_at - FENCE_LINE_END;
}

#endif
