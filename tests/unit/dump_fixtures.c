// SPDX-License-Identifier: Apache-2.0
//
// Uses: bytes.
#include "dump_fixtures.h"

static const struct dump_fixture fixtures[] = {
    // Good ones, with version and checksum.
    {"a string",
     BYTES_LITERAL("\x00\x05hello\x0a\x00"
                   "cr\xdfve4 \x0a"),
     "string 'hello'"},
    {"an empty string", BYTES_LITERAL("\x00\x00\x0a\x00]\x9b\x5c@\x0f\x7f\xa2\xda"), "string ''"},
    {"an integer of one byte",
     BYTES_LITERAL("\x00\xc0\x80\x0a\x00\x99"
                   "f2m/\x0c[\xd9"),
     "string '-128'"},
    {"an integer of two bytes", BYTES_LITERAL("\x00\xc1\x7f\xff\x0a\x00\x17`\x82(T\x80\x84\x80"),
     "string '-129'"},
    {"an integer of four bytes", BYTES_LITERAL("\x00\xc2\x00\x00\x00\x80\x0a\x00\xc7O\x87>3U\x81\x87"),
     "string '-2147483648'"},
    {"an integer of more than four bytes",
     BYTES_LITERAL("\x00\x0a"
                   "2147483648\x0a\x00\xe7\xb1)\xa3L\x1dv\xee"),
     "string '2147483648'"},
    {"a compressed string",
     BYTES_LITERAL("\x00\xc3\x0b\x22\x03"
                   "abca\xe0\x13\x02\x01"
                   "c!\x0a\x00\x90\x82\x11\xa4\xa0\xbbG\x0c"),
     "string 'abcabcabcabcabcabcabcabcabcabcabc!'"},
    {"a compressed string of one letter",
     BYTES_LITERAL("\x00\xc3\x0c"
                   "A,\x01"
                   "aa\xe0\xff\x00\xe0\x17\x00\x01"
                   "aa\x0a\x00K\x1b\xc2"
                   "bRF\xe7\x13"),
     "string "
     "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'"},
    {"a list as Redis 7.0 writes it",
     BYTES_LITERAL("\x12\x01\x02\x19\x19\x00\x00\x00\x05\x00\x81"
                   "a\x02\x01\x01\xf1x\xec\x03\xf2p\x11\x01\x04\x82"
                   "bb\x03\xff\x0a\x00\xca\x1ey\xd5\x98.^\xda"),
     "list 'a' '1' '-5000' '70000' 'bb'"},
    {"a list of several listpacks",
     BYTES_LITERAL("\x12\x03\x02\x0d\x0d\x00\x00\x00\x02\x00\x81"
                   "a\x02\x81"
                   "b\x02\xff\x02\x0d\x0d\x00\x00\x00\x02\x00\x81"
                   "c\x02\x81"
                   "d\x02\xff\x02\x0a\x0a\x00\x00\x00\x01\x00\x81"
                   "e\x02\xff\x0a\x00\xecR6\xa7` \xa1\xdb"),
     "list 'a' 'b' 'c' 'd' 'e'"},
    {"a list with an element of its own node",
     BYTES_LITERAL("\x12\x03\x02\x0a\x0a\x00\x00\x00\x01\x00\x81"
                   "a\x02\xff\x01\x0flonger-than-ten\x02\x0a\x0a\x00\x00\x00\x01\x00\x81"
                   "b\x02\xff\x0a\x00\xb3"
                   "d*Q\xe7\xfb\x89\xb4"),
     "list 'a' 'longer-than-ten' 'b'"},
    {"a listpack with integers and strings of each width",
     BYTES_LITERAL(
         "\x12\x01\x02\xc3@Y@"
         "\xcd\x1f\xcd\x00\x00\x00\x10\x00\x00\x01\x7f\x01\xc0\x80\x02\xdf\xff\x02\xcf\xff\x02\xd0\x00\x02"
         "\xf1\xff\x7f\x03\xf1\x00\x80\x03\xf2\xff\x09\xff\x7f\x04\xf2\x00\x00\x80\x04\xf3\xff "
         "\x0a\x01\x05\xf3 -\x02\x80\x05\xf4 \x0b@\x00\x02\x7f\x09\xf4 \x0f@\x00\x03\x80\x09\xbfq\xe0"
         "5\x00\x06@\xe0@xyzw\xe0"
         "3\x03\x01"
         "B\xff\x0a\x00\x80<\x95>\xa4s\x5c\x19"),
     "list '0' '127' '128' '-1' '4095' '-4096' '32767' '-32768' '8388607' '-8388608' '2147483647' "
     "'-2147483648' '9223372036854775807' '-9223372036854775808' "
     "'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq' "
     "'xyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzwxyzw'"},
    {"a set of integers of two bytes",
     BYTES_LITERAL(
         "\x0b\x0e\x02\x00\x00\x00\x03\x00\x00\x00\xfb\xff\x01\x00,\x01\x0a\x00\x0f_z\x8e\xb5\x94\x09\xd2"),
     "set '-5' '1' '300'"},
    {"a set of integers of four bytes",
     BYTES_LITERAL("\x0b\x14\x04\x00\x00\x00\x03\x00\x00\x00\x90\xee\xfe\xff\x01\x00\x00\x00p\x11\x01\x00\x0a"
                   "\x00Y\xe5Mq\x1e{\xfft"),
     "set '-70000' '1' '70000'"},
    {"a set of integers of eight bytes",
     BYTES_LITERAL("\x0b\xc3\x12\x18\x04\x08\x00\x00\x00\x02 "
                   "\x03\xa0\x00\x01\x80\x01`\x08\x01\x00\x00\x0a\x00#\xc8m\x02#@R\x5c"),
     "set '-9223372036854775808' '1'"},
    {"a set of strings",
     BYTES_LITERAL("\x02\x01\x04only\x0a\x00"
                   "a\x90\xc4\xde\x03*-h"),
     "set 'only'"},
    {"a small hash",
     BYTES_LITERAL("\x10\x12\x12\x00\x00\x00\x04\x00\x81"
                   "f\x02\x81v\x02\x81n\x02\x0c\x01\xff\x0a\x00\x01"
                   "6\x94\x81\xd3[\x89t"),
     "hash 'f' 'v' 'n' '12'"},
    {"a hash with a long value",
     BYTES_LITERAL("\x04\x01\x01"
                   "f\xc3\x09@F\x01vv\xe0"
                   "9\x00\x01vv\x0a\x00\xf2\x1b\xfa\x0a\x02\xf2t\x9c"),
     "hash 'f' 'vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv'"},
    {"a small sorted set",
     BYTES_LITERAL("\x11\x1d\x1d\x00\x00\x00\x06\x00\x81m\x02\x84-inf\x05\x81"
                   "a\x02\x01\x01\x81"
                   "b\x02\x83"
                   "2.5\x04\xff\x0a\x00\x82\xfc\x8d\xa0j\x06i\xa0"),
     "zset '-inf' 'm' '1' 'a' '2.5' 'b'"},
    {"a sorted set with a long member",
     BYTES_LITERAL("\x05\x01\xc3\x09@F\x01mm\xe0"
                   "9\x00\x01mm\x00\x00\x00\x00\x00\x00\xf8\x3f\x0a\x00\xd1\x8c\x94\xfe\x1e\xb0\xcf\xed"),
     "zset '1.5' 'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm'"},
    {"a list of Redis 4.0 with integers and strings of each width",
     BYTES_LITERAL("\x0a"
                   "Aff\x01\x00\x00\x5c\x01\x00\x00\x0a\x00\x00\x01"
                   "a\x03\xf1\x02\xfd\x02\xfe\xff\x03\xc0,\x01\x04\xf0p\x11\x01\x05\xd0\x00\x00\x00@"
                   "\x06\xe0\x00\x00\x00\x00\x00\x01\x00\x00\x0a"
                   "A,"
                   "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
                   "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
                   "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
                   "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz\xfe/\x01\x00\x00\x03"
                   "end\xff\x0a\x00\xf6\x8d\xb6*\x0b\x07\xe3\x0f"),
     "list 'a' '0' '12' '-1' '300' '70000' '1073741824' '1099511627776' "
     "'zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
     "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
     "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz' "
     "'end'"},
    {"a sorted set of Redis 4.0",
     BYTES_LITERAL("\x0c\x18\x18\x00\x00\x00\x12\x00\x00\x00\x04\x00\x00\x01"
                   "a\x03\xf2\x02\x01"
                   "b\x03\x03"
                   "2.5\xff\x0a\x00\x5cW\x1d\x9d\x94o\xae\xb7"),
     "zset '1' 'a' '2.5' 'b'"},
    {"a hash of Redis 4.0",
     BYTES_LITERAL("\x0d\x11\x11\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01"
                   "f\x03\x01v\xff\x0a\x00\x00\x15\x92@\xef\x84H\xc9"),
     "hash 'f' 'v'"},
    {"a list of Redis 6.2",
     BYTES_LITERAL("\x0e\x02\x10\x10\x00\x00\x00\x0d\x00\x00\x00\x02\x00\x00\x01"
                   "a\x03\xf2\xff\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\x01"
                   "b\xff\x0a\x00"
                   "cc\xd9@\x9d\xc8#\xd4"),
     "list 'a' '1' 'b'"},
    {"a sorted set whose scores are texts",
     BYTES_LITERAL("\x03\x03\x01"
                   "a\x03"
                   "2.5\x01"
                   "b\xfe\x01"
                   "c\xff\x0a\x00\xac\xa1\x18\xab\xf8\xbf\xb2,"),
     "zset '2.5' 'a' 'inf' 'b' '-inf' 'c'"},
    {"a list of strings",
     BYTES_LITERAL("\x01\x02\x01"
                   "a\xc0\x05\x0a\x00G\xa3w\x89\xf0\xcf\xbb\x97"),
     "list 'a' '5'"},
    {"lengths in 32 and 64 bits",
     BYTES_LITERAL("\x01\x80\x00\x00\x00\x01\x81\x00\x00\x00\x00\x00\x00\x00\x01"
                   "a\x0a\x00\xb0J\x8b\xfbRw\x82\xc8"),
     "list 'a'"},
    // Damaged ones.
    {"no value at all", BYTES_LITERAL(""), NULL},
    {"a type that is not known",
     BYTES_LITERAL("\x15\x01"
                   "a"),
     NULL},
    {"a stream", BYTES_LITERAL("\x13\x00"), NULL},
    {"nothing behind the type", BYTES_LITERAL("\x00"), NULL},
    {"a string that is cut off",
     BYTES_LITERAL("\x00\x05"
                   "ab"),
     NULL},
    {"bytes behind the value",
     BYTES_LITERAL("\x00\x01"
                   "ab"),
     NULL},
    {"a string of an unknown form", BYTES_LITERAL("\x00\xc4"), NULL},
    {"a length of an unknown form",
     BYTES_LITERAL("\x00\x82\x00\x00\x00\x01"
                   "a"),
     NULL},
    {"a length that no memory could hold", BYTES_LITERAL("\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff"), NULL},
    {"a list of more elements than there are",
     BYTES_LITERAL("\x01\x03\x01"
                   "a\x01"
                   "b"),
     NULL},
    {"a list of four thousand million elements",
     BYTES_LITERAL("\x01\x80\xff\xff\xff\xff\x01"
                   "a"),
     NULL},
    {"an empty list", BYTES_LITERAL("\x01\x00"), NULL},
    {"an empty set", BYTES_LITERAL("\x02\x00"), NULL},
    {"a set with a member twice",
     BYTES_LITERAL("\x02\x03\x01"
                   "a\x01"
                   "b\x01"
                   "a"),
     NULL},
    {"a hash without its last value",
     BYTES_LITERAL("\x04\x01\x01"
                   "f"),
     NULL},
    {"a hash with a field twice",
     BYTES_LITERAL("\x04\x02\x01"
                   "f\x01v\x01"
                   "f\x01w"),
     NULL},
    {"a sorted set with a member twice",
     BYTES_LITERAL("\x05\x02\x01"
                   "a\x00\x00\x00\x00\x00\x00\x00\x00\x01"
                   "a\x00\x00\x00\x00\x00\x00\x00\x00"),
     NULL},
    {"a score that is no number",
     BYTES_LITERAL("\x05\x01\x01"
                   "a\x00\x00\x00\x00\x00\x00\xf8\x7f"),
     NULL},
    {"a score that is cut off",
     BYTES_LITERAL("\x05\x01\x01"
                   "a\x00\x00"),
     NULL},
    {"the text of a score that is no number",
     BYTES_LITERAL("\x03\x01\x01"
                   "a\x03"
                   "abc"),
     NULL},
    {"the byte for a score that is no number",
     BYTES_LITERAL("\x03\x01\x01"
                   "a\xfd"),
     NULL},
    {"a compressed string that makes more than it says",
     BYTES_LITERAL("\x00\xc3\x03\x01\x01"
                   "aa"),
     NULL},
    {"a compressed string that makes less than it says",
     BYTES_LITERAL("\x00\xc3\x03\x05\x01"
                   "aa"),
     NULL},
    {"a compressed string that repeats what is not there", BYTES_LITERAL("\x00\xc3\x02\x03 \x05"), NULL},
    {"a compressed string that is cut off in an instruction",
     BYTES_LITERAL("\x00\xc3\x03\x05\x00"
                   "a\xe0"),
     NULL},
    {"a compressed string that would be far too long",
     BYTES_LITERAL("\x00\xc3\x02\x80\x3f\xff\xff\xff\x00"
                   "a"),
     NULL},
    {"a listpack without its end", BYTES_LITERAL("\x10\x08\x08\x00\x00\x00\x01\x00\x01\x01"), NULL},
    {"a listpack of another size than it says",
     BYTES_LITERAL("\x10\x0b"
                   "c\x00\x00\x00\x02\x00\x01\x01\x02\x01\xff"),
     NULL},
    {"a listpack of another count than it says",
     BYTES_LITERAL("\x10\x0b\x0b\x00\x00\x00\x04\x00\x01\x01\x02\x01\xff"), NULL},
    {"a listpack with bytes behind its end",
     BYTES_LITERAL("\x10\x0c\x0c\x00\x00\x00\x02\x00\x01\x01\x02\x01\xff\x00"), NULL},
    {"a listpack with an unknown encoding", BYTES_LITERAL("\x10\x09\x09\x00\x00\x00\x01\x00\xf5\x01\xff"),
     NULL},
    {"a listpack with a string that reaches beyond it",
     BYTES_LITERAL("\x10\x09\x09\x00\x00\x00\x01\x00\xbf\x01\xff"), NULL},
    {"a hash in a listpack with a field but no value",
     BYTES_LITERAL("\x10\x09\x09\x00\x00\x00\x01\x00\x01\x01\xff"), NULL},
    {"a sorted set in a listpack with a member but no score",
     BYTES_LITERAL("\x11\x09\x09\x00\x00\x00\x01\x00\x01\x01\xff"), NULL},
    {"a sorted set in a listpack with a score that is a word",
     BYTES_LITERAL("\x11\x0c\x0c\x00\x00\x00\x02\x00\x01\x01\x81x\x02\xff"), NULL},
    {"a quicklist's node of an unknown form",
     BYTES_LITERAL("\x12\x01\x03\x01"
                   "a"),
     NULL},
    {"a ziplist with an unknown encoding",
     BYTES_LITERAL("\x0a\x0e\x0e\x00\x00\x00\x0a\x00\x00\x00\x01\x00\x00\xc1\x00\xff"), NULL},
    {"a ziplist without its end", BYTES_LITERAL("\x0a\x0b\x0b\x00\x00\x00\x0a\x00\x00\x00\x00\x00\x00"),
     NULL},
    {"a set of integers of three bytes",
     BYTES_LITERAL("\x0b\x0b\x03\x00\x00\x00\x01\x00\x00\x00"
                   "abc"),
     NULL},
    {"a set of integers that is cut off",
     BYTES_LITERAL("\x0b\x0a\x02\x00\x00\x00\x02\x00\x00\x00"
                   "ab"),
     NULL},
    {"a set of more integers than a number can count",
     BYTES_LITERAL("\x0b\x08\x08\x00\x00\x00\xff\xff\xff\xff"), NULL},
};

const struct dump_fixture *dump_fixture_at(size_t index) {
    return index < sizeof(fixtures) / sizeof(fixtures[0]) ? &fixtures[index] : NULL;
}
