// SPDX-License-Identifier: Apache-2.0
//
// The table of random commands. Uses: the C library.
#include "differential_commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A form is a command's words. A word that begins with % is drawn from a pool:
//
//   %k  a key of the row's family, seldom of another one    %f  a field or member    %v  a value
//   %i  an integer, some extreme     %d  a floating-point number, some odd     %x  an index
//   %n  a small positive count       %t  a moment far away, in milliseconds    %p  a pattern
//   %l  a bound of a lexical range   %s  a bound of a range of scores
//
// {a|b c|} is one of several, of which one may be empty; a + behind it: one to four times.
struct form {
    char family; // s(tring), h(ash), l(ist), e (set), z (sorted set),
    // y (sorted set whose members all have the score 0: lexical ranges are defined there only, so no other
    // commands get at these)
    const char *words;
    enum { IN_ORDER, ANY_ORDER, ANY_ORDER_IN_PAIRS } order;
};

static const struct form forms[] = {
    {'s', "SET %k %v {|NX|XX} {|GET} {|KEEPTTL|PXAT %t}", IN_ORDER},
    {'s', "GET %k", IN_ORDER},
    {'s', "GETSET %k %v", IN_ORDER},
    {'s', "GETDEL %k", IN_ORDER},
    {'s', "GETEX %k {|PERSIST|PXAT %t}", IN_ORDER},
    {'s', "SETNX %k %v", IN_ORDER},
    {'s', "APPEND %k %v", IN_ORDER},
    {'s', "STRLEN %k", IN_ORDER},
    {'s', "GETRANGE %k %x %x", IN_ORDER},
    {'s', "SETRANGE %k %n %v", IN_ORDER},
    {'s', "INCR %k", IN_ORDER},
    {'s', "DECRBY %k %i", IN_ORDER},
    {'s', "INCRBY %k %i", IN_ORDER},
    {'s', "INCRBYFLOAT %k %d", IN_ORDER},
    {'s', "MSET {%k %v}+", IN_ORDER},
    {'s', "MSETNX {%k %v}+", IN_ORDER},
    {'s', "MGET {%k}+", IN_ORDER},
    {'s', "SETBIT %k %n {0|1|2}", IN_ORDER},
    {'s', "GETBIT %k %n", IN_ORDER},
    {'s', "BITCOUNT %k {|%x %x|%x %x BIT}", IN_ORDER},
    {'s', "BITPOS %k {0|1} {|%x|%x %x}", IN_ORDER},
    {'s', "BITOP {AND|OR|XOR|NOT} %k %k", IN_ORDER},
    {'s', "BITFIELD %k {GET u8 %n|SET i5 %n %n|INCRBY u4 %n %x}+", IN_ORDER},
    {'s', "LCS %k %k {|LEN|IDX}", IN_ORDER},
    {'s', "DEL {%k}+", IN_ORDER},
    {'s', "EXISTS {%k}+", IN_ORDER},
    {'s', "TYPE %k", IN_ORDER},
    {'s', "PEXPIREAT %k %t {|NX|XX|GT|LT}", IN_ORDER},
    {'s', "PEXPIRETIME %k", IN_ORDER},
    {'s', "PERSIST %k", IN_ORDER},
    {'s', "RENAME %k %k", IN_ORDER},
    {'s', "RENAMENX %k %k", IN_ORDER},
    {'s', "COPY %k %k {|REPLACE}", IN_ORDER},
    {'s', "TOUCH {%k}+", IN_ORDER},

    {'h', "HSET %k {%f %v}+", IN_ORDER},
    {'h', "HMSET %k {%f %v}+", IN_ORDER},
    {'h', "HSETNX %k %f %v", IN_ORDER},
    {'h', "HGET %k %f", IN_ORDER},
    {'h', "HMGET %k {%f}+", IN_ORDER},
    {'h', "HDEL %k {%f}+", IN_ORDER},
    {'h', "HLEN %k", IN_ORDER},
    {'h', "HSTRLEN %k %f", IN_ORDER},
    {'h', "HEXISTS %k %f", IN_ORDER},
    {'h', "HGETALL %k", ANY_ORDER_IN_PAIRS},
    {'h', "HKEYS %k", ANY_ORDER},
    {'h', "HVALS %k", ANY_ORDER},
    {'h', "HINCRBY %k %f %i", IN_ORDER},
    {'h', "HINCRBYFLOAT %k %f %d", IN_ORDER},
    {'h', "HRANDFIELD %k 1000", ANY_ORDER},
    {'h', "HRANDFIELD %k 1000 WITHVALUES", ANY_ORDER_IN_PAIRS},
    {'h', "DEL %k", IN_ORDER},
    {'h', "RENAME %k %k", IN_ORDER},
    {'h', "COPY %k %k REPLACE", IN_ORDER},
    {'h', "PEXPIREAT %k %t", IN_ORDER},
    {'h', "PEXPIRETIME %k", IN_ORDER},

    {'l', "{LPUSH|RPUSH|LPUSHX|RPUSHX} %k {%f}+", IN_ORDER},
    {'l', "{LPUSH|RPUSH} %k {%f}+ {%f}+ {%v}+", IN_ORDER},
    {'l', "{LPOP|RPOP} %k {|%n|%x}", IN_ORDER},
    {'l', "LLEN %k", IN_ORDER},
    {'l', "LINDEX %k %x", IN_ORDER},
    {'l', "LSET %k %x %f", IN_ORDER},
    {'l', "LRANGE %k %x %x", IN_ORDER},
    {'l', "LRANGE %k 0 -1", IN_ORDER},
    {'l', "LTRIM %k %x %x", IN_ORDER},
    {'l', "LINSERT %k {BEFORE|AFTER|x} %f %f", IN_ORDER},
    {'l', "LREM %k %x %f", IN_ORDER},
    {'l', "LPOS %k %f {|RANK %x} {|COUNT %n|COUNT 0} {|MAXLEN %n}", IN_ORDER},
    {'l', "LMOVE %k %k {LEFT|RIGHT} {LEFT|RIGHT|x}", IN_ORDER},
    {'l', "RPOPLPUSH %k %k", IN_ORDER},
    {'l', "LMPOP {1 %k|2 %k %k|%x %k} {LEFT|RIGHT|x} {|COUNT %n|COUNT %x}", IN_ORDER},
    {'l', "COPY %k %k REPLACE", IN_ORDER},
    {'l', "{SORT|SORT_RO} %k {|DESC|ASC} {|LIMIT %x %n} {|GET #|GET none*}", IN_ORDER},
    {'l', "SORT %k ALPHA {|DESC} {|LIMIT %x %n} STORE %k", IN_ORDER},

    {'e', "SADD %k {%f}+", IN_ORDER},
    {'e', "SREM %k {%f}+", IN_ORDER},
    {'e', "SMOVE %k %k %f", IN_ORDER},
    {'e', "SCARD %k", IN_ORDER},
    {'e', "SISMEMBER %k %f", IN_ORDER},
    {'e', "SMISMEMBER %k {%f}+", IN_ORDER},
    {'e', "SMEMBERS %k", ANY_ORDER},
    {'e', "SRANDMEMBER %k 1000", ANY_ORDER},
    {'e', "{SINTER|SUNION|SDIFF} {%k}+", ANY_ORDER},
    {'e', "{SINTERSTORE|SUNIONSTORE|SDIFFSTORE} %k {%k}+", IN_ORDER},
    {'e', "SINTERCARD {1 %k|2 %k %k|%x %k} {|LIMIT %n|LIMIT %x}", IN_ORDER},
    {'e', "SPOP %k 1000", ANY_ORDER},
    {'e', "COPY %k %k", IN_ORDER},
    {'e', "{SORT|SORT_RO} %k {|DESC|ASC} {|LIMIT %x %n} {|GET #|GET none*}", IN_ORDER},
    {'e', "SORT %k ALPHA {|DESC} {|LIMIT %x %n} STORE %k", IN_ORDER},

    {'z', "ZADD %k {|NX|XX} {|GT|LT} {|CH} {%d %f}+", IN_ORDER},
    {'z', "ZADD %k {%n %f}+", IN_ORDER},
    {'z', "ZADD %k {|XX} INCR %d %f", IN_ORDER},
    {'z', "ZINCRBY %k %d %f", IN_ORDER},
    {'z', "ZREM %k {%f}+", IN_ORDER},
    {'z', "ZCARD %k", IN_ORDER},
    {'z', "ZCOUNT %k %s %s", IN_ORDER},
    {'y', "ZLEXCOUNT %k %l %l", IN_ORDER},
    {'z', "ZSCORE %k %f", IN_ORDER},
    {'z', "ZMSCORE %k {%f}+", IN_ORDER},
    {'z', "{ZRANK|ZREVRANK} %k %f", IN_ORDER},
    {'z', "ZRANGE %k %x %x {|REV} {|WITHSCORES}", IN_ORDER},
    {'z', "ZRANGE %k %s %s BYSCORE {|REV} {|LIMIT %n %x} {|WITHSCORES}", IN_ORDER},
    {'y', "ZRANGE %k %l %l BYLEX {|REV} {|LIMIT %n %x}", IN_ORDER},
    {'z', "ZRANGESTORE %k %k %x %x", IN_ORDER},
    {'z', "ZRANGESTORE %k %k %s %s BYSCORE {|LIMIT %n %n}", IN_ORDER},
    {'z', "{ZRANGEBYSCORE|ZREVRANGEBYSCORE} %k %s %s {|WITHSCORES} {|LIMIT %n %x}", IN_ORDER},
    {'y', "{ZRANGEBYLEX|ZREVRANGEBYLEX} %k %l %l {|LIMIT %n %x}", IN_ORDER},
    {'z', "ZREVRANGE %k %x %x {|WITHSCORES}", IN_ORDER},
    {'z', "ZREMRANGEBYRANK %k %x %x", IN_ORDER},
    {'z', "ZREMRANGEBYSCORE %k %s %s", IN_ORDER},
    {'y', "ZREMRANGEBYLEX %k %l %l", IN_ORDER},
    {'z', "{ZPOPMIN|ZPOPMAX} %k {|%n|%x}", IN_ORDER},
    {'z', "ZMPOP {1 %k|2 %k %k|%x %k} {MIN|MAX|x} {|COUNT %n|COUNT %x}", IN_ORDER},
    {'z', "ZRANDMEMBER %k 1000", ANY_ORDER},
    {'z',
     "{ZUNION|ZINTER} 2 %k %k {|WEIGHTS %d %n} {|AGGREGATE SUM|AGGREGATE MIN|AGGREGATE MAX} {|WITHSCORES}",
     IN_ORDER},
    {'z', "ZDIFF 2 %k %k {|WITHSCORES}", IN_ORDER},
    {'z', "{ZUNIONSTORE|ZINTERSTORE} %k 2 %k %k {|WEIGHTS %n %d} {|AGGREGATE MAX}", IN_ORDER},
    {'z', "ZDIFFSTORE %k 2 %k %k", IN_ORDER},
    {'z', "ZINTERCARD {1 %k|2 %k %k} {|LIMIT %n}", IN_ORDER},
    {'z', "COPY %k %k REPLACE", IN_ORDER},
    {'z', "SORT %k {ALPHA|DESC} {|LIMIT %x %n} {|GET #} {|STORE %k}", IN_ORDER},
    {'z', "SORT %k BY nosort", ANY_ORDER}, // the key may hold a set

    {'y', "ZADD %k {0 %f}+", IN_ORDER},
    {'y', "ZREM %k {%f}+", IN_ORDER},
    {'y', "ZPOPMIN %k", IN_ORDER},
};

static const char families[] = "shlezy";
enum { KEYS_A_FAMILY = 4 };

static const char *const fields[] = {
    "a",        "b",           "c",     "d", "e", "f", "g", "h", "1", "2", "-1", "", "longer than the others",
    "\xff\xfe", "caf\xc3\xa9", "{tag}", "*", "A"};
static const char *const values[] = {"0",
                                     "1",
                                     "-1",
                                     "10",
                                     "3.0",
                                     "0.1",
                                     "text",
                                     "",
                                     "9223372036854775807",
                                     "1e5",
                                     " 1",
                                     "abcdefghijklmnopqrstuvwxyz",
                                     "\xff\x00\x7f",
                                     "-0",
                                     "1.5e300"};
static const char *const integers[] = {
    "0",   "1", "-1", "5",  "-7", "100", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
    "1.5", "x", "",   "+1", "01"};
static const char *const doubles[] = {"0",    "1",    "-1",  "0.5", "3.25", "-2.75", "1e3",        "inf",
                                      "-inf", "+inf", "nan", "x",   "",     "1e308", "17179869184"};
static const char *const moments[] = {"4102444800000", "4102444800001", "32503680000000", "32503680000001"};
static const char *const patterns[] = {"*", "a*", "?", "[a-c]", "x"};
static const char *const lexical[] = {"-", "+", "[a", "(a", "[c", "(f", "[", "(", "a", "[longer"};
static const char *const scores[] = {"-inf", "+inf", "inf",  "0", "(0",  "1",   "(1",
                                     "-1",   "(0.5", "3.25", "x", "nan", "(1e3"};

uint64_t random_step(uint64_t *seed) {
    uint64_t z = (*seed += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t draw(uint64_t *seed, size_t limit) {
    return (size_t)(random_step(seed) % limit);
}

static void add(struct random_command *out, const char *text, size_t length) {
    if (out->count == RANDOM_ARGUMENTS_MAX || out->used + length + 1 > RANDOM_ARENA_SIZE)
        abort();
    char *copy = out->arena + out->used;
    memcpy(copy, text, length);
    copy[length] = '\0';
    out->used += length + 1;
    out->arguments[out->count] = copy;
    out->lengths[out->count++] = length;
}

static void add_text(struct random_command *out, const char *text) {
    add(out, text, strlen(text));
}

const char *random_key_name(size_t index) {
    static const char *const names[] = {"s0", "s1", "s2", "s3", "h0", "h1", "h2", "h3",
                                        "l0", "l1", "l2", "l3", "e0", "e1", "e2", "e3",
                                        "z0", "z1", "z2", "z3", "y0", "y1", "y2", "y3"};
    return index < sizeof(names) / sizeof(names[0]) ? names[index] : NULL;
}

static void add_key(uint64_t *seed, char family, struct random_command *out) {
    enum { OTHER_FAMILY_IN = 40 };
    size_t row = (size_t)(strchr(families, family) - families);
    if (family != 'y' && draw(seed, OTHER_FAMILY_IN) == 0)
        row = draw(seed, sizeof(families) - 2);
    add_text(out, random_key_name(row * KEYS_A_FAMILY + draw(seed, KEYS_A_FAMILY)));
}

static void add_number(uint64_t *seed, int low, int span, struct random_command *out) {
    char text[32];
    int length = snprintf(text, sizeof(text), "%d", low + (int)draw(seed, (size_t)span));
    add(out, text, (size_t)length);
}

#define ADD_FROM(pool) add_text(out, (pool)[draw(seed, sizeof(pool) / sizeof((pool)[0]))])

static void add_drawn(uint64_t *seed, char code, char family, struct random_command *out) {
    switch (code) {
    case 'k':
        add_key(seed, family, out);
        break;
    case 'f':
        ADD_FROM(fields);
        break;
    case 'v':
        ADD_FROM(values);
        break;
    case 'i':
        ADD_FROM(integers);
        break;
    case 'd':
        ADD_FROM(doubles);
        break;
    case 't':
        ADD_FROM(moments);
        break;
    case 'p':
        ADD_FROM(patterns);
        break;
    case 'l':
        ADD_FROM(lexical);
        break;
    case 's':
        ADD_FROM(scores);
        break;
    case 'x':
        add_number(seed, -8, 17, out);
        break;
    case 'n':
        add_number(seed, 0, 12, out);
        break;
    default:
        abort();
    }
}

static void expand(uint64_t *seed, const char *words, size_t length, char family, struct random_command *out);

// One of the alternatives in `words`, which are separated by bars.
static void expand_choice(uint64_t *seed, const char *words, size_t length, char family,
                          struct random_command *out) {
    size_t bars = 0;
    for (size_t i = 0; i < length; i++)
        bars += words[i] == '|';
    size_t skip = draw(seed, bars + 1);
    const char *end = words + length;
    for (; skip != 0; words++)
        skip -= *words == '|';
    const char *bar = memchr(words, '|', (size_t)(end - words));
    expand(seed, words, (size_t)((bar == NULL ? end : bar) - words), family, out);
}

static const char *expand_braces(uint64_t *seed, const char *at, char family, struct random_command *out) {
    const char *close = strchr(at, '}');
    size_t times = close[1] == '+' ? 1 + draw(seed, 4) : 1;
    for (; times != 0; times--)
        expand_choice(seed, at + 1, (size_t)(close - at - 1), family, out);
    return close + (close[1] == '+' ? 2 : 1);
}

static void expand(uint64_t *seed, const char *words, size_t length, char family,
                   struct random_command *out) {
    const char *end = words + length;
    for (const char *at = words; at < end;) {
        if (*at == ' ') {
            at++;
        } else if (*at == '{') {
            at = expand_braces(seed, at, family, out);
        } else if (*at == '%') {
            add_drawn(seed, at[1], family, out);
            at += 2;
        } else {
            const char *word = at;
            while (at < end && *at != ' ')
                at++;
            add(out, word, (size_t)(at - word));
        }
    }
}

void random_command_make(uint64_t *seed, struct random_command *out) {
    const struct form *form = &forms[draw(seed, sizeof(forms) / sizeof(forms[0]))];
    out->count = 0;
    out->used = 0;
    out->any_order = form->order != IN_ORDER;
    out->in_pairs = form->order == ANY_ORDER_IN_PAIRS;
    expand(seed, form->words, strlen(form->words), form->family, out);
}
