// SPDX-License-Identifier: Apache-2.0
//
// How long it takes to parse a command and to write a reply, in nanoseconds: the best of several runs, each
// over pipelines of sixteen commands, as a worker sees them. Uses: the server's protocol modules.
#include "base/memory.h"
#include "server/reply.h"
#include "server/request_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PIPELINE = 16, ROUNDS = 100 * 1000, RUNS = 7 };

static const struct request_limits limits = {.bulk_length = 512UL * 1024 * 1024,
                                             .arguments = 1024UL * 1024,
                                             .inline_length = 64UL * 1024,
                                             .total_length = 1024UL * 1024 * 1024};

static double now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static size_t checksum; // keeps the compiler from leaving work out

static size_t take_commands(struct request_parser *parser) {
    const struct bytes *arguments = NULL;
    const char *error = NULL;
    size_t count = 0;
    size_t commands = 0;
    while (request_parser_next(parser, &limits, &arguments, &count, &error) == REQUEST_READY) {
        checksum += arguments[count - 1].length;
        commands++;
        request_parser_consume(parser);
    }
    return commands;
}

// One turn of a worker for one client: all that was read is parsed.
static void parse_attached(struct request_parser *parser, struct bytes pipeline) {
    request_parser_attach(parser, pipeline.data, pipeline.length);
    if (take_commands(parser) != PIPELINE || !request_parser_detach(parser))
        abort();
}

// The same when the bytes come cut in the middle of a command.
static void parse_cut(struct request_parser *parser, struct bytes pipeline) {
    size_t half = pipeline.length / 2 + 3;
    request_parser_attach(parser, pipeline.data, half);
    size_t commands = take_commands(parser);
    char *to = NULL;
    size_t room = 0;
    if (!request_parser_detach(parser) || !request_parser_room(parser, &to, &room) ||
        room < pipeline.length - half)
        abort();
    memcpy(to, pipeline.data + half, pipeline.length - half);
    request_parser_filled(parser, pipeline.length - half);
    if (commands + take_commands(parser) != PIPELINE || !request_parser_detach(parser))
        abort();
}

static void measure_parsing(const char *name, const char *command,
                            void (*turn)(struct request_parser *parser, struct bytes pipeline)) {
    size_t length = strlen(command);
    char *pipeline = memory_allocate(length * PIPELINE);
    for (size_t i = 0; i < PIPELINE; i++)
        memcpy(pipeline + i * length, command, length);
    struct request_parser *parser = request_parser_open();
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        double begin = now_ns();
        for (int round = 0; round < ROUNDS; round++)
            turn(parser, (struct bytes){.data = pipeline, .length = length * PIPELINE});
        double each = (now_ns() - begin) / ROUNDS / PIPELINE;
        if (run == 0 || each < best)
            best = each;
    }
    printf("parse %-28s %6.1f ns\n", name, best);
    request_parser_close(parser);
    free(pipeline);
}

static void write_ok(struct reply *reply) {
    reply_ok(reply);
}

static void write_pong(struct reply *reply) {
    reply_status(reply, "PONG");
}

static void write_small_integer(struct reply *reply) {
    reply_integer(reply, 1);
}

static void write_big_integer(struct reply *reply) {
    reply_integer(reply, 1234567890);
}

static void write_null(struct reply *reply) {
    reply_null(reply);
}

static void write_bulk_64(struct reply *reply) {
    static const char value[64] = {"v"};
    reply_bulk(reply, (struct bytes){.data = value, .length = sizeof(value)});
}

static void write_deferred_pair(struct reply *reply) {
    struct output_block *deferred = reply_deferred_begin(reply);
    reply_bulk(reply, BYTES_LITERAL("field"));
    reply_bulk(reply, BYTES_LITERAL("value"));
    reply_array_end(reply, deferred, 2);
}

static void write_error(struct reply *reply) {
    reply_error(reply, "WRONGTYPE Operation against a key holding the wrong kind of value");
}

static void measure_replies(const char *name, void (*write_one)(struct reply *reply)) {
    struct reply reply = {.protocol = 2};
    double best = 0;
    for (int run = 0; run < RUNS; run++) {
        double begin = now_ns();
        for (int round = 0; round < ROUNDS; round++) {
            for (int i = 0; i < PIPELINE; i++)
                write_one(&reply);
            checksum += reply.output.pending;
            output_release(&reply.output);
        }
        double each = (now_ns() - begin) / ROUNDS / PIPELINE;
        if (run == 0 || each < best)
            best = each;
    }
    printf("reply %-28s %6.1f ns\n", name, best);
}

int main(void) {
    measure_parsing("PING inline", "PING\r\n", parse_attached);
    measure_parsing("PING", "*1\r\n$4\r\nPING\r\n", parse_attached);
    measure_parsing("GET", "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n", parse_attached);
    const char *set = "*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n"
                      "$64\r\nvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv\r\n";
    measure_parsing("SET", set, parse_attached);
    measure_parsing("SET, cut in the middle", set, parse_cut);
    measure_parsing("HSET of two fields",
                    "*6\r\n$4\r\nHSET\r\n$4\r\nhash\r\n$2\r\nf1\r\n$2\r\nv1\r\n$2\r\nf2\r\n$2\r\nv2\r\n",
                    parse_attached);
    measure_replies("+OK", write_ok);
    measure_replies("+PONG", write_pong);
    measure_replies("integer 1", write_small_integer);
    measure_replies("integer 1234567890", write_big_integer);
    measure_replies("null", write_null);
    measure_replies("bulk string of 64", write_bulk_64);
    measure_replies("array of 2, deferred", write_deferred_pair);
    measure_replies("error", write_error);
    return checksum == 0;
}
