// SPDX-License-Identifier: Apache-2.0
//
// Uses: hiredis.
#include "chaos_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYS = 60, MEMBERS = 40, LARGE = 32 << 10, HUGE_VALUE = 1 << 20 };

// # stands for a key's number, ^ for a member.
static const char *const writes[] = {
    // strings
    "SET s# value^",
    "SET s# value^ PX 300",
    "SETEX s# 2 value",
    "SET s# kept KEEPTTL",
    "GETSET s# value^",
    "APPEND a# text^",
    "SET a# short",
    "SETRANGE a# 3000 tail^",
    "SETRANGE v# 200000 tail",
    "INCR i#",
    "DECRBY i# 7",
    "INCRBYFLOAT f# 0.25",
    "MSET s# 1 t# 2 u# 3",
    "MSETNX t# 1 u# 2",
    "GETDEL t#",
    "GETEX s# EX 100",
    "SETBIT z# 9^ 1",
    "SETBIT z# 70000 1",
    "BITOP XOR y# z# y#",
    "BITFIELD z# INCRBY u8 ^ 3",
    // hashes
    "HSET h# ^ value ^ other",
    "HSET h# ^ ^ ^ ^ ^ ^",
    "HDEL h# ^ ^ ^",
    "HINCRBY j# ^ 5",
    "HINCRBYFLOAT g# ^ 0.5",
    "HSETNX h# ^ new",
    // lists
    "RPUSH l# ^ ^ ^",
    "LPUSH l# ^ ^",
    "LPOP l# 2",
    "RPOP l#",
    "LTRIM l# 1 30",
    "LINSERT l# BEFORE ^ between",
    "LREM l# 0 ^",
    "LSET l# 0 ^",
    "LMOVE l# l# LEFT RIGHT",
    "RPOPLPUSH l# l#",
    "SORT l# ALPHA STORE o#",
    // sets
    "SADD e# ^ ^ ^ ^",
    "SREM e# ^ ^",
    "SPOP e# 2",
    "SMOVE e# e# ^",
    "SUNIONSTORE d# e# e#",
    "SINTERSTORE d# e# e#",
    "SDIFFSTORE d# e# e#",
    // sorted sets
    "ZADD k# ^ ^ ^ ^",
    "ZINCRBY k# 1.5 ^",
    "ZREM k# ^ ^",
    "ZREMRANGEBYRANK k# 0 2",
    "ZREMRANGEBYSCORE k# 10 14",
    "ZPOPMIN k# 2",
    "ZUNIONSTORE w# 2 k# k#",
    "ZINTERSTORE w# 2 k# k#",
    "ZRANGESTORE w# k# 0 10",
    // keys
    "PEXPIRE h# 400",
    "EXPIRE l# 1",
    "EXPIRE k# 2",
    "EXPIRE e# 100",
    "PEXPIREAT s# 1",
    "PERSIST e#",
    "PERSIST l#",
    "RENAME h# h#",
    "RENAME l# l#",
    "RENAME k# k#",
    "RENAMENX e# e#",
    "COPY h# h# REPLACE",
    "COPY e# e# REPLACE",
    "COPY v# v# REPLACE",
    "DEL h# l# v#",
    "UNLINK e# k# s#",
};

static const char *const reads[] = {
    "GET s#",         "MGET a# i# f# t# u#", "STRLEN v#",   "GETRANGE a# 2990 3010",
    "BITCOUNT z#",    "HGET h# ^",           "HGETALL h#",  "HLEN j#",
    "LRANGE l# 0 -1", "LINDEX l# 1",         "SCARD e#",    "SMEMBERS d#",
    "SISMEMBER e# ^", "ZRANGE k# 0 -1",      "ZSCORE w# ^", "TYPE h#",
    "PTTL s#",        "EXISTS l# e# k#",     "GET n:#:^",   "GET revolt:^",
};

static unsigned random_below(unsigned *seed, unsigned limit) {
    return (unsigned)rand_r(seed) % limit;
}

static void append_words(redisContext *connection, unsigned *seed, const char *format) {
    char words[160];
    size_t length = 0;
    for (; *format != '\0'; format++) {
        if (*format == '#' || *format == '^')
            length += (size_t)snprintf(words + length, sizeof(words) - length, "%u",
                                       random_below(seed, *format == '#' ? KEYS : MEMBERS));
        else
            words[length++] = *format;
    }
    words[length] = '\0';
    (void)redisAppendCommand(connection, words);
}

static void append_write(redisContext *connection, unsigned *seed) {
    append_words(connection, seed, writes[random_below(seed, sizeof(writes) / sizeof(writes[0]))]);
}

int chaos_words_append_read(redisContext *connection, unsigned *seed) {
    append_words(connection, seed, reads[random_below(seed, sizeof(reads) / sizeof(reads[0]))]);
    return 1;
}

static void append_value(redisContext *connection, unsigned *seed, size_t length) {
    char *value = malloc(length);
    if (value == NULL)
        abort();
    for (size_t i = 0; i < length; i++)
        value[i] = (char)(rand_r(seed) >> 8);
    (void)redisAppendCommand(connection, "SET v%u %b", random_below(seed, KEYS), value, length);
    free(value);
}

static int append_transaction(redisContext *connection, unsigned *seed) {
    int writes_in_it = 2 + (int)random_below(seed, 5);
    (void)redisAppendCommand(connection, "MULTI");
    for (int i = 0; i < writes_in_it; i++)
        append_write(connection, seed);
    (void)redisAppendCommand(connection, "EXEC");
    return writes_in_it + 2;
}

int chaos_words_append(redisContext *connection, unsigned *seed) {
    unsigned choice = random_below(seed, 1000);
    if (choice < 100)
        return append_transaction(connection, seed);
    if (choice == 999)
        append_value(connection, seed, 1 + random_below(seed, HUGE_VALUE));
    else if (choice > 990)
        append_value(connection, seed, 1 + random_below(seed, LARGE));
    else
        append_write(connection, seed);
    return 1;
}
