// SPDX-License-Identifier: Apache-2.0
//
// The kernel's scanner on generated TCP streams that are cut into packets at arbitrary points. What each
// packet holds is known from how the stream was made: a packet that begins with a command must be dropped
// exactly if a write's name is in it; any other must pass, unless it reads like a write from its first byte,
// which nobody who sees only the packet can tell apart. KVFENCE_SEED repeats a run, FENCE_STREAMS says how
// many. Uses: tests/fence.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/fence/command_entries.h"
#include "tests/fence/native_scan.h"
#include "tests/fence/oracle.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STREAMS = 5 * 1000 };
#else
enum { STREAMS = 100 * 1000 };
#endif

enum { COMMANDS_MAX = 24, STREAM_MAX = 256 * 1024, VALUE_MAX = 3000 };

struct generated_command {
    size_t start, name_end, end;
    bool is_write;
};

struct stream {
    uint64_t random;
    bool plain; // no value looks like the protocol
    size_t count, length;
    struct generated_command commands[COMMANDS_MAX];
    char bytes[STREAM_MAX];
};

static uint32_t below(struct stream *stream, uint32_t limit) {
    stream->random ^= stream->random << 13;
    stream->random ^= stream->random >> 7;
    stream->random ^= stream->random << 17;
    return (uint32_t)(stream->random >> 32) % limit;
}

static void put(struct stream *stream, const char *bytes, size_t length) {
    assert_true(stream->length + length <= STREAM_MAX);
    memcpy(stream->bytes + stream->length, bytes, length);
    stream->length += length;
}

static void put_number(struct stream *stream, char kind, size_t number) {
    char line[32];
    int length = snprintf(line, sizeof(line), "%c%zu\r\n", kind, number);
    put(stream, line, (size_t)length);
}

static void put_word(struct stream *stream, const char *word, size_t length) {
    put_number(stream, '$', length);
    put(stream, word, length);
    put(stream, "\r\n", 2);
}

static size_t value_length(struct stream *stream) {
    static const uint32_t most[] = {2, 10, 12, 40, 120, VALUE_MAX};
    return below(stream, most[below(stream, sizeof(most) / sizeof(most[0]))]);
}

static void put_value(struct stream *stream) {
    static const char *const nasty[] = {"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\nb\r\n",
                                        "\r\n",
                                        "*1\r\n",
                                        "$3\r\nDEL\r\n",
                                        "\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n",
                                        "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
                                        "*"};
    char value[VALUE_MAX + 64];
    size_t length = value_length(stream);
    for (size_t i = 0; i < length; i++)
        value[i] = (char)('a' + below(stream, 26));
    if (!stream->plain && below(stream, 2) == 0) {
        const char *text = nasty[below(stream, sizeof(nasty) / sizeof(nasty[0]))];
        size_t at = below(stream, 2) == 0 ? 0 : below(stream, (uint32_t)length + 1);
        length = at + strlen(text);
        memcpy(value + at, text, strlen(text));
    }
    put_word(stream, value, length);
}

// As the entry stands in the map, but in any case.
static void put_name(struct stream *stream, const struct fence_entry *entry) {
    char name[FENCE_NAME_SIZE];
    size_t length = strlen(entry->name.text);
    for (size_t i = 0; i < length; i++)
        name[i] =
            (char)(below(stream, 2) == 0 ? tolower((unsigned char)entry->name.text[i]) : entry->name.text[i]);
    put_word(stream, name, length);
}

static const struct fence_entry *choose_entry(struct stream *stream) {
    size_t count = 0;
    const struct fence_entry *entries = command_entries(&count);
    for (;;) {
        const struct fence_entry *entry = &entries[below(stream, (uint32_t)count)];
        if (entry->command.kind != FENCE_COMMAND_CONTAINER && strchr(entry->name.text, '|') == NULL)
            return entry;
    }
}

static void put_command(struct stream *stream, uint32_t writes_in_a_hundred) {
    struct generated_command *command = &stream->commands[stream->count++];
    const struct fence_entry *entry = NULL;
    bool wanted = below(stream, 100) < writes_in_a_hundred;
    do
        entry = choose_entry(stream);
    while ((entry->command.kind == FENCE_COMMAND_WRITE) != wanted);
    size_t words = 1 + below(stream, below(stream, 8) == 0 ? 30 : 5);
    command->start = stream->length;
    command->is_write = wanted && words > entry->command.reads_up_to;
    put_number(stream, '*', words);
    put_name(stream, entry);
    command->name_end = stream->length - 2;
    for (size_t i = 1; i < words; i++)
        put_value(stream);
    command->end = stream->length;
}

static void generate(struct stream *stream) {
    uint32_t count = 1 + below(stream, COMMANDS_MAX - 1);
    uint32_t writes = below(stream, 3) == 0 ? 0 : 1 + below(stream, 40);
    stream->plain = below(stream, 2) == 0;
    stream->length = 0;
    stream->count = 0;
    while (stream->count < count)
        put_command(stream, writes);
}

// The first write from `start` on whose name is in the packet; -1: none.
static long first_write(const struct stream *stream, size_t start, size_t end) {
    for (size_t i = 0; i < stream->count; i++) {
        const struct generated_command *command = &stream->commands[i];
        if (command->start >= start && command->is_write && command->name_end <= end)
            return (long)(command->start - start);
    }
    return -1;
}

// A line end that is left over from the command before is an empty line to who sees the packet only.
static bool begins_with_command(const struct stream *stream, size_t start) {
    while (start + 2 <= stream->length && memcmp(stream->bytes + start, "\r\n", 2) == 0)
        start += 2;
    for (size_t i = 0; i < stream->count; i++) {
        if (stream->commands[i].start == start)
            return true;
    }
    return false;
}

struct tally {
    size_t packets, dropped, in_the_middle;
};

static void check_packet(const struct stream *stream, size_t start, size_t end, struct tally *tally) {
    struct native_scan scan = native_scan(stream->bytes + start, end - start);
    bool dropped = scan.reason == FENCE_REASON_WRITE;
    tally->packets++;
    tally->dropped += dropped;
    if (begins_with_command(stream, start)) {
        long write = first_write(stream, start, end);
        assert_int_equal(dropped, write >= 0);
        if (dropped)
            assert_int_equal(scan.decided_at, write);
        return;
    }
    tally->in_the_middle++;
    if (stream->plain) {
        assert_false(dropped);
        return;
    }
    struct oracle oracle = oracle_look(stream->bytes + start, end - start);
    assert_int_equal(dropped, oracle.is_write);
}

static void check_stream(struct stream *stream, struct tally *tally) {
    static const uint32_t sizes[] = {3, 40, 200, 1448, 9000, 65000};
    uint32_t size = sizes[below(stream, sizeof(sizes) / sizeof(sizes[0]))];
    bool at_commands = below(stream, 4) == 0;
    for (size_t start = 0, next = 0; start < stream->length; start = next) {
        next = start + 1 + below(stream, size);
        if (at_commands)
            next = stream->commands[below(stream, (uint32_t)stream->count)].end;
        if (next <= start || next > stream->length)
            next = stream->length;
        check_packet(stream, start, next, tally);
    }
}

static uint64_t seed_from(const char *text) {
    return text != NULL ? strtoull(text, NULL, 10) : (uint64_t)time(NULL);
}

static void test_packets_are_dropped_exactly_for_writes_that_the_walk_can_know(void **state) {
    (void)state;
    static struct stream stream;
    struct tally tally = {0};
    uint64_t seed = seed_from(getenv("KVFENCE_SEED"));
    const char *wanted = getenv("FENCE_STREAMS");
    size_t streams = wanted != NULL ? strtoull(wanted, NULL, 10) : STREAMS;
    print_message("KVFENCE_SEED=%llu\n", (unsigned long long)seed);
    stream.random = seed * 0x9e3779b97f4a7c15 + 1;
    for (size_t i = 0; i < streams; i++) {
        generate(&stream);
        check_stream(&stream, &tally);
    }
    print_message("%zu streams, %zu packets, %zu dropped, %zu that begin within a command\n", streams,
                  tally.packets, tally.dropped, tally.in_the_middle);
    assert_true(tally.dropped > 0 && tally.in_the_middle > 0 && tally.dropped < tally.packets);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_are_dropped_exactly_for_writes_that_the_walk_can_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
