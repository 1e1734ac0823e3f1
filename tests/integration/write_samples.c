// SPDX-License-Identifier: Apache-2.0
//
// Uses: the C library.
#include "write_samples.h"

#include <string.h>
#include <strings.h>

static const char *const setup[] = {
    "SET key value",
    "SET counter 1",
    "SET expiring value EX 1000",
    "HSET hash field value number 5",
    "RPUSH list a b c",
    "RPUSH other-list 3 1 2",
    "SADD set a b c",
    "SADD other-set b c d",
    "ZADD sorted 1 a 2 b 3 c",
    "ZADD other-sorted 2 b 4 d",
};

static const struct write_sample samples[] = {
    // Keys
    {.command = "COPY key other"},
    {.command = "DEL key"},
    {.command = "EXPIRE key 100"},
    {.command = "EXPIREAT key 99999999999"},
    {.command = "FLUSHALL"},
    {.command = "FLUSHDB"},
    {.command = "MOVE key 0", .always = "ERR source and destination"}, // there is one keyspace
    {.command = "PERSIST expiring"},
    {.command = "PEXPIRE key 100000"},
    {.command = "PEXPIREAT key 99999999999999"},
    {.command = "RENAME key other"},
    {.command = "RENAMENX key other"},
    {.command = "RESTORE other 0 %b"},
    {.command = "SORT list ALPHA DESC STORE other", .left_to_the_server = true},
    {.command = "UNLINK key"},
    // Strings and bitmaps
    {.command = "APPEND key x"},
    {.command = "BITFIELD key SET u8 0 1", .left_to_the_server = true},
    {.command = "BITOP NOT other key"},
    {.command = "CAD key value"},
    {.command = "CAS key value x"},
    {.command = "DECR counter"},
    {.command = "DECRBY counter 2"},
    {.command = "GETDEL key"},
    {.command = "GETEX key EX 10"},
    {.command = "GETSET key x"},
    {.command = "INCR counter"},
    {.command = "INCRBY counter 2"},
    {.command = "INCRBYFLOAT counter 2.5"},
    {.command = "MSET key 1 b 2"},
    {.command = "MSETNX x 1 y 2"},
    {.command = "PSETEX key 100000 x"},
    {.command = "SET key x"},
    {.command = "SETBIT key 1 0"},
    {.command = "SETEX key 100 x"},
    {.command = "SETNX x 1"},
    {.command = "SETRANGE key 2 x"},
    // Hashes
    {.command = "HDEL hash field"},
    {.command = "HINCRBY hash number 2"},
    {.command = "HINCRBYFLOAT hash number 2.5"},
    {.command = "HMSET hash field x"},
    {.command = "HSET hash field x"},
    {.command = "HSETNX hash new x"},
    // Lists
    {.command = "BLMOVE list other-list LEFT RIGHT 1"},
    {.command = "BLMPOP 1 1 list LEFT"},
    {.command = "BLPOP list 1"},
    {.command = "BRPOP list 1"},
    {.command = "BRPOPLPUSH list other-list 1"},
    {.command = "LINSERT list BEFORE b x"},
    {.command = "LMOVE list other-list LEFT RIGHT"},
    {.command = "LMPOP 1 list LEFT"},
    {.command = "LPOP list"},
    {.command = "LPUSH list x"},
    {.command = "LPUSHX list x"},
    {.command = "LREM list 0 b"},
    {.command = "LSET list 1 x"},
    {.command = "LTRIM list 1 1"},
    {.command = "RPOP list"},
    {.command = "RPOPLPUSH list other-list"},
    {.command = "RPUSH list x"},
    {.command = "RPUSHX list x"},
    // Sets
    {.command = "SADD set x"},
    {.command = "SDIFFSTORE other set other-set"},
    {.command = "SINTERSTORE other set other-set"},
    {.command = "SMOVE set other-set a"},
    {.command = "SPOP set"},
    {.command = "SREM set a"},
    {.command = "SUNIONSTORE other set other-set"},
    // Sorted sets
    {.command = "BZMPOP 1 1 sorted MIN"},
    {.command = "BZPOPMAX sorted 1"},
    {.command = "BZPOPMIN sorted 1"},
    {.command = "ZADD sorted 4 d"},
    {.command = "ZDIFFSTORE other 2 sorted other-sorted"},
    {.command = "ZINCRBY sorted 1 a"},
    {.command = "ZINTERSTORE other 2 sorted other-sorted"},
    {.command = "ZMPOP 1 sorted MIN"},
    {.command = "ZPOPMAX sorted"},
    {.command = "ZPOPMIN sorted"},
    {.command = "ZRANGESTORE other sorted 0 -1"},
    {.command = "ZREM sorted a"},
    {.command = "ZREMRANGEBYLEX sorted - +"},
    {.command = "ZREMRANGEBYRANK sorted 0 0"},
    {.command = "ZREMRANGEBYSCORE sorted 2 9"},
    {.command = "ZUNIONSTORE other 2 sorted other-sorted"},
};

const char *write_samples_setup(size_t index) {
    return index < sizeof(setup) / sizeof(setup[0]) ? setup[index] : NULL;
}

const struct write_sample *write_sample_at(size_t index) {
    return index < sizeof(samples) / sizeof(samples[0]) ? &samples[index] : NULL;
}

bool write_sample_is_of(const struct write_sample *sample, const char *name) {
    size_t length = strlen(name);
    const char *command = sample->command;
    return strncasecmp(command, name, length) == 0 && (command[length] == ' ' || command[length] == '\0');
}

const char *write_samples_payload(size_t *length) {
    static const char payload[] = {0, 6,   'd', 'u',  'm', 'p',  'e',  'd', 10,
                                   0, -36, 74,  -124, -51, -102, -111, -20, -30};
    *length = sizeof(payload);
    return payload;
}
