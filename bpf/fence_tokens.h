// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only
//
// Reads single tokens of RESP from a window, a copy of a stretch of a packet. The functions are pure: all
// that they are told is in their arguments, all that they find is in one number. So the kernel's verifier
// checks each of them once, and what was read looks the same to it whatever it was. Uses: the contract,
// bytes.
//
// A token is read together with the line end before it. `available` is how many bytes are left in the packet
// from `index` on; those that the token needs are in the window.
#ifndef KVFENCE_BPF_FENCE_TOKENS_H
#define KVFENCE_BPF_FENCE_TOKENS_H

#include "fence_bytes.h"
#include "fence_contract.h"

enum {
    FENCE_WINDOW = 1024,      // a power of two
    FENCE_WINDOW_SLACK = 128, // tokens are read without asking where the window ends
    FENCE_LINE_END = 2,
    FENCE_NUMBER_DIGITS = 10,
    FENCE_NEGATIVE_DIGITS = 18,    // some numbers of 19 digits are too big for the server
    FENCE_WORDS_MAX = 1024 * 1024, // the server's own limit on the words of a command
    FENCE_LENGTH_MAX = 0x7fffffff, // longer words are taken for this long: no packet holds either
    FENCE_HEADER_EMPTY = 15,       // in place of a reason: an empty line or command, to be skipped
};

struct fence_window {
    __u8 bytes[FENCE_WINDOW + FENCE_WINDOW_SLACK];
};

// A token: why it could not be read (or NONE), how many bytes it takes, and up to two numbers.
#define FENCE_TOKEN(reason, size, words, value)                                                              \
    ((__u64)(reason) | (__u64)(size) << 4 | (__u64)(words) << 12 | (__u64)(value) << 33)
#define FENCE_TOKEN_FAILED(reason) FENCE_TOKEN(reason, 0, 0, 0)
#define FENCE_TOKEN_REASON(token)  ((__u32)((token)&15))
#define FENCE_TOKEN_SIZE(token)    ((__u32)((token) >> 4 & 255))
#define FENCE_TOKEN_WORDS(token)   ((__u32)((token) >> 12 & 0x1fffff))
#define FENCE_TOKEN_VALUE(token)   ((__u32)((token) >> 33))

FENCE_INLINE const __u8 *fence_window_at(const struct fence_window *window, __u32 index) {
    return window->bytes + (index & (FENCE_WINDOW - 1));
}

// "123" and its line end, which the size leaves out; at most so many digits. The server takes no leading
// zero.
FENCE_ON_ITS_OWN __u64 fence_parse_number(const struct fence_window *window, __u32 index, __u32 available,
                                          __u32 digits_max);
FENCE_ON_ITS_OWN __u64 fence_parse_number(const struct fence_window *window, __u32 index, __u32 available,
                                          __u32 digits_max) {
    if (window == NULL)
        return FENCE_TOKEN_FAILED(FENCE_REASON_UNREADABLE);
    const __u8 *text = fence_window_at(window, index);
    __u64 value = 0;
    __u32 digits = 0;
    for (; digits < FENCE_NEGATIVE_DIGITS && digits < digits_max && digits < available; digits++) {
        __u8 digit = (__u8)(text[digits] - '0');
        if (digit > 9)
            break;
        value = value * 10 + digit;
    }
    if (digits == available)
        return FENCE_TOKEN_FAILED(FENCE_REASON_INCOMPLETE);
    if (digits == 0 || (digits > 1 && text[0] == '0') || text[digits] != '\r')
        return FENCE_TOKEN_FAILED(FENCE_REASON_MALFORMED);
    if (digits + FENCE_LINE_END > available)
        return FENCE_TOKEN_FAILED(FENCE_REASON_INCOMPLETE);
    if (text[digits + 1] != '\n')
        return FENCE_TOKEN_FAILED(FENCE_REASON_MALFORMED);
    return FENCE_TOKEN(FENCE_REASON_NONE, digits, 0, value > FENCE_LENGTH_MAX ? FENCE_LENGTH_MAX : value);
}

// "\r\n$5\r\n": the value is the length of the word that begins behind it. At least two bytes are available.
FENCE_ON_ITS_OWN __u64 fence_parse_length(const struct fence_window *window, __u32 index, __u32 available);
FENCE_ON_ITS_OWN __u64 fence_parse_length(const struct fence_window *window, __u32 index, __u32 available) {
    if (window == NULL)
        return FENCE_TOKEN_FAILED(FENCE_REASON_UNREADABLE);
    const __u8 *text = fence_window_at(window, index);
    if (text[0] != '\r' || text[1] != '\n' || (available > 2 && text[2] != '$'))
        return FENCE_TOKEN_FAILED(FENCE_REASON_MALFORMED);
    if (available <= 3)
        return FENCE_TOKEN_FAILED(FENCE_REASON_INCOMPLETE);
    __u64 number = fence_parse_number(window, index + 3, available - 3, FENCE_NUMBER_DIGITS);
    if (FENCE_TOKEN_REASON(number) != FENCE_REASON_NONE)
        return number;
    return FENCE_TOKEN(FENCE_REASON_NONE, 3 + FENCE_TOKEN_SIZE(number) + FENCE_LINE_END, 0,
                       FENCE_TOKEN_VALUE(number));
}

// "*-1", a count of words that the server skips as it skips "*0". `index` is behind the minus.
FENCE_INLINE __u64 fence_parse_negative_count(const struct fence_window *window, __u32 index,
                                              __u32 available) {
    __u64 number = fence_parse_number(window, index, available, FENCE_NEGATIVE_DIGITS);
    if (FENCE_TOKEN_REASON(number) != FENCE_REASON_NONE)
        return number;
    if (FENCE_TOKEN_VALUE(number) == 0)
        return FENCE_TOKEN_FAILED(FENCE_REASON_MALFORMED);
    return FENCE_TOKEN(FENCE_HEADER_EMPTY, 4 + FENCE_TOKEN_SIZE(number), 0, 0);
}

// "\r\n*3\r\n$3\r\n": the number of words, and the length of the name that begins behind it. At least three
// bytes are available. Of what is empty, the size goes to the line end that belongs to the next token.
FENCE_ON_ITS_OWN __u64 fence_parse_header(const struct fence_window *window, __u32 index, __u32 available);
FENCE_ON_ITS_OWN __u64 fence_parse_header(const struct fence_window *window, __u32 index, __u32 available) {
    if (window == NULL)
        return FENCE_TOKEN_FAILED(FENCE_REASON_UNREADABLE);
    const __u8 *text = fence_window_at(window, index);
    if (text[0] != '\r' || text[1] != '\n')
        return FENCE_TOKEN_FAILED(FENCE_REASON_MALFORMED);
    if (text[2] == '\r' && available <= 3)
        return FENCE_TOKEN_FAILED(FENCE_REASON_INCOMPLETE);
    if (text[2] == '\r' && text[3] == '\n')
        return FENCE_TOKEN(FENCE_HEADER_EMPTY, FENCE_LINE_END, 0, 0);
    if (text[2] != '*')
        return FENCE_TOKEN_FAILED(FENCE_REASON_NOT_RESP);
    if (available > 3 && text[3] == '-')
        return fence_parse_negative_count(window, index + 4, available - 4);
    __u64 words = fence_parse_number(window, index + 3, available - 3, FENCE_NUMBER_DIGITS);
    if (FENCE_TOKEN_REASON(words) != FENCE_REASON_NONE)
        return words;
    __u32 size = 3 + FENCE_TOKEN_SIZE(words);
    if (FENCE_TOKEN_VALUE(words) == 0)
        return FENCE_TOKEN(FENCE_HEADER_EMPTY, size, 0, 0);
    if (FENCE_TOKEN_VALUE(words) > FENCE_WORDS_MAX)
        return FENCE_TOKEN_FAILED(FENCE_REASON_MALFORMED);
    __u64 length = fence_parse_length(window, index + size, available - size);
    if (FENCE_TOKEN_REASON(length) != FENCE_REASON_NONE)
        return length;
    return FENCE_TOKEN(FENCE_REASON_NONE, size + FENCE_TOKEN_SIZE(length), FENCE_TOKEN_VALUE(words),
                       FENCE_TOKEN_VALUE(length));
}

// Writes a word in upper case into `name` from `start` on; all else of the name stays as it is.
FENCE_ON_ITS_OWN int fence_copy_name(struct fence_command_name *name, __u32 start,
                                     const struct fence_window *window, __u32 index, __u32 length);
FENCE_ON_ITS_OWN int fence_copy_name(struct fence_command_name *name, __u32 start,
                                     const struct fence_window *window, __u32 index, __u32 length) {
    if (name == NULL || window == NULL)
        return 0;
    const __u8 *text = fence_window_at(window, index);
    for (__u32 i = 0; i < FENCE_NAME_SIZE && i < length; i++) {
        bool lower = (__u8)(text[i] - 'a') <= 'z' - 'a';
        name->text[(start + i) % FENCE_NAME_SIZE] = (char)(text[i] - (lower ? 0x20 : 0));
    }
    return 0;
}

#endif
