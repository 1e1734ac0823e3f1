// SPDX-License-Identifier: Apache-2.0
//
// Fuzzes the request parser: the same bytes in one piece and in random ones, looked at at once and later,
// must give the same commands and the same error. The first byte of an input chooses the limits, the next
// four the pieces, and the rest is what the client sends; there, 0xFE followed by n stands for n * 1024
// letters, so that small inputs reach big bulk strings. Uses: libFuzzer, server/request_parser.
#include "fuzz.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "server/request_parser.h"

#include <stdlib.h>

enum { HEADER = 5, REPEAT = 0xFE, LONGEST_REPETITION = 80 * 1024, LONGEST_INPUT = 300 * 1024 };

static const struct request_limits all_limits[] = {
    {.bulk_length = 1 << 20, .arguments = 1 << 20, .inline_length = 64 << 10, .total_length = 4 << 20},
    {.bulk_length = 80 << 10, .arguments = 100, .inline_length = 64, .total_length = 150 << 10},
    {.bulk_length = 16384,
     .arguments = 10,
     .inline_length = 64 << 10,
     .total_length = 1 << 20,
     .before_authentication = true},
    {.bulk_length = UINT64_MAX >> 1, .arguments = UINT64_MAX, .inline_length = 32, .total_length = 1000},
};

// What was found, in a form that can be compared.
struct outcome {
    uint64_t hash;
    size_t commands;
    struct buffer error;
};

struct run {
    struct request_parser *parser;
    const struct request_limits *limits;
    struct outcome outcome;
    uint64_t random;
};

static void require(bool holds) {
    if (!holds)
        abort();
}

static uint32_t random_below(struct run *run, uint32_t bound) {
    run->random = run->random * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(run->random >> 33) % bound;
}

static void hash_word(struct outcome *outcome, uint64_t word) {
    outcome->hash = (outcome->hash ^ word ^ outcome->hash >> 31) * 0x9E3779B97F4A7C15U;
}

static void hash_bytes(struct outcome *outcome, struct bytes bytes) {
    hash_word(outcome, bytes.length);
    for (size_t at = 0; at < bytes.length; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        size_t left = bytes.length - at;
        memcpy(&word, bytes.data + at, left < sizeof(word) ? left : sizeof(word));
        hash_word(outcome, word);
    }
}

// Takes up to `most` commands. False: nothing more comes of this connection.
static bool take_commands(struct run *run, size_t most) {
    const struct bytes *arguments = NULL;
    const struct bytes *again = NULL;
    size_t count = 0;
    const char *error = NULL;
    for (; most > 0; most--) {
        size_t pending = request_parser_pending(run->parser);
        enum request_result result =
            request_parser_next(run->parser, run->limits, &arguments, &count, &error);
        require(request_parser_pending(run->parser) <= pending);
        if (result == REQUEST_INCOMPLETE)
            return true;
        if (result == REQUEST_INVALID) {
            buffer_append_text(&run->outcome.error, error);
            require(strncmp(error, "ERR Protocol error: ", 20) == 0);
            return false;
        }
        require(count > 0);
        require(request_parser_next(run->parser, run->limits, &again, &count, &error) == REQUEST_READY);
        require(again == arguments);
        hash_word(&run->outcome, count);
        for (size_t i = 0; i < count; i++)
            hash_bytes(&run->outcome, arguments[i]);
        run->outcome.commands++;
        request_parser_consume(run->parser);
    }
    return true;
}

// One reading of at most `wanted` bytes; returns how many it took. Now and then commands are left for later,
// as those of a paused client are.
static size_t take_piece(struct run *run, struct bytes input, size_t wanted, bool *open) {
    char *to = NULL;
    size_t room = 0;
    char *scratch = NULL;
    size_t count = wanted < input.length ? wanted : input.length;
    if (request_parser_room(run->parser, &to, &room)) {
        require(room > 0);
        if (count > room)
            count = room;
        memcpy(to, input.data, count);
        request_parser_filled(run->parser, count);
    } else {
        require(request_parser_pending(run->parser) == 0);
        scratch = memory_copy(input.data, count);
        request_parser_attach(run->parser, scratch, count);
    }
    *open = take_commands(run, random_below(run, 4) == 0 ? random_below(run, 3) : SIZE_MAX);
    require(request_parser_detach(run->parser));
    free(scratch);
    return count;
}

static struct outcome run_in_pieces(struct bytes input, const struct request_limits *limits, uint64_t seed,
                                    uint32_t largest_piece) {
    struct run run = {.parser = request_parser_open(), .limits = limits, .random = seed};
    bool open = true;
    size_t sent = 0;
    while (sent < input.length && open) {
        struct bytes rest = {.data = input.data + sent, .length = input.length - sent};
        sent += take_piece(&run, rest, 1 + random_below(&run, largest_piece), &open);
        require(request_parser_pending(run.parser) <= sent);
        // An argument of no bytes takes six on the wire, and 16 in an array that grows fourfold.
        require(request_parser_memory(run.parser) < 65536 + 13 * sent);
    }
    if (open && take_commands(&run, SIZE_MAX)) {
        require(request_parser_detach(run.parser));
        if (request_parser_pending(run.parser) == 0)
            require(request_parser_memory(run.parser) < 200);
    }
    request_parser_close(run.parser);
    return run.outcome;
}

static struct outcome run_whole(struct bytes input, const struct request_limits *limits) {
    struct run run = {.parser = request_parser_open(), .limits = limits};
    request_parser_attach(run.parser, input.data, input.length);
    (void)take_commands(&run, SIZE_MAX);
    require(request_parser_detach(run.parser));
    request_parser_close(run.parser);
    return run.outcome;
}

static struct buffer expand(const uint8_t *data, size_t size) {
    struct buffer input = {0};
    for (size_t i = 0; i < size && input.length < LONGEST_INPUT; i++) {
        bool repeats = data[i] == REPEAT && i + 1 < size;
        size_t length = repeats ? data[++i] * (size_t)1024 : 1;
        if (length > LONGEST_REPETITION)
            length = LONGEST_REPETITION;
        memset(buffer_reserve(&input, length), repeats ? 'x' : data[i], length);
        input.length += length;
    }
    return input;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < HEADER)
        return 0;
    const struct request_limits *limits = &all_limits[data[0] % (sizeof(all_limits) / sizeof(all_limits[0]))];
    uint32_t seed = 0;
    memcpy(&seed, data + 1, sizeof(seed));
    struct buffer input = expand(data + HEADER, size - HEADER);
    struct outcome whole = run_whole(buffer_bytes(&input), limits);
    // Small pieces are for small inputs: nothing that they could find needs more.
    static const struct {
        uint32_t largest_piece;
        size_t longest_input;
    } ways[] = {{1, 4096}, {7, 32768}, {300, 131072}, {100000, SIZE_MAX}};
    for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
        if (input.length > ways[i].longest_input)
            continue;
        struct outcome cut = run_in_pieces(buffer_bytes(&input), limits, seed, ways[i].largest_piece);
        require(cut.commands == whole.commands && cut.hash == whole.hash);
        require(bytes_equal(buffer_bytes(&cut.error), buffer_bytes(&whole.error)));
        buffer_release(&cut.error);
    }
    buffer_release(&whole.error);
    buffer_release(&input);
    return 0;
}
