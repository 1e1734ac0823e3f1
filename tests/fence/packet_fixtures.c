// SPDX-License-Identifier: Apache-2.0
//
// The table of packets. Payloads are written out byte by byte, with short names for common commands. Uses:
// nothing.
#include "tests/fence/packet_fixtures.h"

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

// clang-format off
#define GET     "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
#define SET     "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nvalue\r\n"
#define DEL     "*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"
#define PING    "*1\r\n$4\r\nPING\r\n"
#define GETS4   GET GET GET GET
#define GETS16  GETS4 GETS4 GETS4 GETS4
#define X10     "xxxxxxxxxx"
#define X100    X10 X10 X10 X10 X10 X10 X10 X10 X10 X10
#define THREE   "$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n"
#define NINE    THREE THREE THREE

#define ROW(about, bytes, what, why, ...) \
    {.description = about, .payload = bytes, .length = sizeof(bytes) - 1, .outcome = what, .reason = FENCE_REASON_##why, __VA_ARGS__}

static const struct packet_fixture fixtures[] = {

    // --- Commands, policy writes ---
    ROW("SET", SET, DROPPED, WRITE),
    ROW("DEL", DEL, DROPPED, WRITE),
    ROW("INCR", "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n", DROPPED, WRITE),
    ROW("MSET", "*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n", DROPPED, WRITE),
    ROW("FLUSHALL", "*1\r\n$8\r\nFLUSHALL\r\n", DROPPED, WRITE),
    ROW("EXPIRE", "*3\r\n$6\r\nEXPIRE\r\n$1\r\nk\r\n$2\r\n10\r\n", DROPPED, WRITE),
    ROW("SETEX", "*4\r\n$5\r\nSETEX\r\n$1\r\nk\r\n$1\r\n9\r\n$1\r\nv\r\n", DROPPED, WRITE),
    ROW("APPEND", "*3\r\n$6\r\nAPPEND\r\n$1\r\nk\r\n$1\r\nv\r\n", DROPPED, WRITE),
    ROW("RENAME", "*3\r\n$6\r\nRENAME\r\n$1\r\na\r\n$1\r\nb\r\n", DROPPED, WRITE),
    ROW("GETDEL", "*2\r\n$6\r\nGETDEL\r\n$1\r\nk\r\n", DROPPED, WRITE),
    ROW("GETSET", "*3\r\n$6\r\nGETSET\r\n$1\r\nk\r\n$1\r\nv\r\n", DROPPED, WRITE),
    ROW("SETBIT", "*4\r\n$6\r\nSETBIT\r\n$1\r\nk\r\n$1\r\n1\r\n$1\r\n1\r\n", DROPPED, WRITE),
    ROW("a name of eleven letters, INCRBYFLOAT", "*3\r\n$11\r\nINCRBYFLOAT\r\n$1\r\nk\r\n$1\r\n1\r\n", DROPPED, WRITE),
    ROW("UNLINK", "*2\r\n$6\r\nUNLINK\r\n$1\r\nk\r\n", DROPPED, WRITE),
    ROW("SET whose NX may make it none", "*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nNX\r\n", DROPPED, WRITE),
    ROW("SET of too few words, which the server refuses as well", "*2\r\n$3\r\nSET\r\n$1\r\nk\r\n", DROPPED, WRITE),
    ROW("GET", GET, PASSED_READ, NONE),
    ROW("PING", PING, PASSED_READ, NONE),
    ROW("MGET", "*4\r\n$4\r\nMGET\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n", PASSED_READ, NONE),
    ROW("INFO", "*2\r\n$4\r\nINFO\r\n$5\r\nlease\r\n", PASSED_READ, NONE),
    ROW("CONFIG SET", "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$17\r\nmaster-lease-mode\r\n$8\r\ndisabled\r\n", PASSED_READ, NONE),
    ROW("a heartbeat of the controller", "*5\r\n$8\r\nCLUSTERX\r\n$9\r\nHEARTBEAT\r\n$4\r\nnode\r\n$4\r\n5000\r\n$1\r\n7\r\n", PASSED_READ, NONE),
    ROW("a heartbeat with SINCE", "*7\r\n$8\r\nCLUSTERX\r\n$9\r\nHEARTBEAT\r\n$4\r\nnode\r\n$4\r\n5000\r\n$1\r\n7\r\n$5\r\nSINCE\r\n$6\r\n123456\r\n", PASSED_READ, NONE),
    ROW("the short heartbeat", "*4\r\n$8\r\nCLUSTERX\r\n$9\r\nHEARTBEAT\r\n$1\r\n7\r\n$4\r\n5000\r\n", PASSED_READ, NONE),
    ROW("CLUSTERX SETNODES", "*4\r\n$8\r\nCLUSTERX\r\n$8\r\nSETNODES\r\n$5\r\nnodes\r\n$1\r\n1\r\n", PASSED_READ, NONE),
    ROW("REPLICAOF", "*3\r\n$9\r\nREPLICAOF\r\n$2\r\nNO\r\n$3\r\nONE\r\n", PASSED_READ, NONE),
    ROW("SHUTDOWN", "*1\r\n$8\r\nSHUTDOWN\r\n", PASSED_READ, NONE),
    ROW("MULTI", "*1\r\n$5\r\nMULTI\r\n", PASSED_READ, NONE),
    ROW("DISCARD", "*1\r\n$7\r\nDISCARD\r\n", PASSED_READ, NONE),
    ROW("WATCH", "*2\r\n$5\r\nWATCH\r\n$1\r\nk\r\n", PASSED_READ, NONE),
    ROW("AUTH", "*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n", PASSED_READ, NONE),
    ROW("SCAN", "*2\r\n$4\r\nSCAN\r\n$1\r\n0\r\n", PASSED_READ, NONE),
    ROW("BITFIELD_RO", "*5\r\n$11\r\nBITFIELD_RO\r\n$1\r\nk\r\n$3\r\nGET\r\n$2\r\nu8\r\n$1\r\n0\r\n", PASSED_READ, NONE),
    ROW("KEYS", "*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n", PASSED_READ, NONE),

    // --- Case ---
    ROW("set in lower case", "*3\r\n$3\r\nset\r\n$1\r\na\r\n$1\r\nb\r\n", DROPPED, WRITE),
    ROW("SeT in both", "*3\r\n$3\r\nSeT\r\n$1\r\na\r\n$1\r\nb\r\n", DROPPED, WRITE),
    ROW("incrbyfloat in lower case", "*3\r\n$11\r\nincrbyfloat\r\n$1\r\nk\r\n$1\r\n1\r\n", DROPPED, WRITE),
    ROW("get in lower case", "*2\r\n$3\r\nget\r\n$1\r\na\r\n", PASSED_READ, NONE),
    ROW("a byte that differs from S in the bit of the case only where letters have it", "*3\r\n$3\r\n" "\x13" "ET" "\r\n$1\r\na\r\n$1\r\nb\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),
    ROW("letters with the highest bit set", "*3\r\n$3\r\n\xd3\xc5\xd4\r\n$1\r\na\r\n$1\r\nb\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),

    // --- Commands with more than one nature ---
    ROW("GETEX without an option", "*2\r\n$5\r\nGETEX\r\n$1\r\nk\r\n", PASSED_READ, NONE),
    ROW("GETEX EX", "*4\r\n$5\r\nGETEX\r\n$1\r\nk\r\n$2\r\nEX\r\n$1\r\n9\r\n", DROPPED, WRITE),
    ROW("GETEX PERSIST", "*3\r\n$5\r\nGETEX\r\n$1\r\nk\r\n$7\r\nPERSIST\r\n", DROPPED, WRITE),
    ROW("BITFIELD GET", "*5\r\n$8\r\nBITFIELD\r\n$1\r\nk\r\n$3\r\nGET\r\n$2\r\nu8\r\n$1\r\n0\r\n", PASSED_READ, NONE),
    ROW("BITFIELD SET", "*6\r\n$8\r\nBITFIELD\r\n$1\r\nk\r\n$3\r\nSET\r\n$2\r\nu8\r\n$1\r\n0\r\n$1\r\n1\r\n", PASSED_UNKNOWN, MAY_WRITE),
    ROW("SORT", "*2\r\n$4\r\nSORT\r\n$1\r\nk\r\n", PASSED_READ, NONE),
    ROW("SORT STORE", "*4\r\n$4\r\nSORT\r\n$1\r\nk\r\n$5\r\nSTORE\r\n$1\r\nd\r\n", PASSED_UNKNOWN, MAY_WRITE),
    ROW("EXEC", "*1\r\n$4\r\nEXEC\r\n", PASSED_UNKNOWN, MAY_WRITE),
    ROW("a transaction of reads", "*1\r\n$5\r\nMULTI\r\n" GET "*1\r\n$4\r\nEXEC\r\n", PASSED_UNKNOWN, MAY_WRITE),
    ROW("a transaction with a write", "*1\r\n$5\r\nMULTI\r\n" SET "*1\r\n$4\r\nEXEC\r\n", DROPPED, WRITE),
    ROW("EVAL", "*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n", PASSED_UNKNOWN, MAY_WRITE),
    ROW("a write behind EXEC", "*1\r\n$4\r\nEXEC\r\n" SET, DROPPED, WRITE),
    ROW("TESTER CHANGE", "*3\r\n$6\r\nTESTER\r\n$6\r\nCHANGE\r\n$1\r\nk\r\n", DROPPED, WRITE),
    ROW("tester change", "*3\r\n$6\r\ntester\r\n$6\r\nchange\r\n$1\r\nk\r\n", DROPPED, WRITE),
    ROW("TESTER LOOK", "*2\r\n$6\r\nTESTER\r\n$4\r\nLOOK\r\n", PASSED_READ, NONE),
    ROW("TESTER alone", "*1\r\n$6\r\nTESTER\r\n", PASSED_READ, NONE),
    ROW("a subcommand that nobody knows", "*2\r\n$6\r\nTESTER\r\n$6\r\nNOSUCH\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),
    ROW("a subcommand that is too long", "*2\r\n$6\r\nTESTER\r\n$30\r\nCHANGECHANGECHANGECHANGECHANGE\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),
    ROW("a container without the line end behind its name", "*2\r\n$6\r\nTESTER", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a container with half the line end behind its name", "*2\r\n$6\r\nTESTER\r", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a subcommand that is cut", "*2\r\n$6\r\nTESTER\r\n$6\r\nCHAN", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a write behind an unknown subcommand", "*2\r\n$6\r\nTESTER\r\n$6\r\nNOSUCH\r\n" SET, DROPPED, WRITE),
    ROW("an unknown command", "*2\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),
    ROW("a write behind an unknown command", "*2\r\n$6\r\nNOSUCH\r\n$1\r\na\r\n" SET, DROPPED, WRITE),
    ROW("a name of 31 bytes", "*1\r\n$31\r\nABCDEFGHIJKLMNOPQRSTUVWXYZABCDE\r\n" SET, DROPPED, WRITE),
    ROW("a name of 32 bytes", "*1\r\n$32\r\nABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF\r\n" SET, DROPPED, WRITE),
    ROW("a name of no bytes", "*1\r\n$0\r\n\r\n" SET, DROPPED, WRITE),
    ROW("a name that begins as a write", "*2\r\n$6\r\nSETTER\r\n$1\r\na\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),
    ROW("a name that a write begins with", "*2\r\n$2\r\nSE\r\n$1\r\na\r\n", PASSED_UNKNOWN, UNKNOWN_COMMAND),

    // --- Pipelines ---
    ROW("two reads", GET GET, PASSED_READ, NONE),
    ROW("a read and a write", GET SET, DROPPED, WRITE),
    ROW("a write and a read", SET GET, DROPPED, WRITE),
    ROW("sixteen reads", GETS16, PASSED_READ, NONE),
    ROW("sixteen reads and a write", GETS16 SET, DROPPED, WRITE),
    ROW("sixty-four reads, more than a window", GETS16 GETS16 GETS16 GETS16, PASSED_READ, NONE),
    ROW("sixty-four reads and a write behind the window", GETS16 GETS16 GETS16 GETS16 SET, DROPPED, WRITE),
    ROW("a read of a long key and a write", "*2\r\n$3\r\nGET\r\n$300\r\n" X100 X100 X100 "\r\n" SET, DROPPED, WRITE),
    ROW("a read of a key longer than the window, and a write", "*2\r\n$3\r\nGET\r\n$1100\r\n" X100 X100 X100 X100 X100 X100 X100 X100 X100 X100 X100 "\r\n" SET, DROPPED, WRITE),
    ROW("a write within a value", "*2\r\n$4\r\nECHO\r\n$20\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n\r\n", PASSED_READ, NONE),
    ROW("a write in a value, and one behind it", "*2\r\n$4\r\nECHO\r\n$20\r\n*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n\r\n" DEL, DROPPED, WRITE),
    ROW("an empty word", "*2\r\n$3\r\nGET\r\n$0\r\n\r\n" SET, DROPPED, WRITE),
    ROW("ten words", "*10\r\n$4\r\nMGET\r\n" NINE SET, DROPPED, WRITE),
    ROW("ten words of a write", "*10\r\n$3\r\nDEL\r\n" NINE, DROPPED, WRITE),
    ROW("an empty line before a write", "\r\n" SET, DROPPED, WRITE),
    ROW("empty lines between", GET "\r\n\r\n" GET, PASSED_READ, NONE),
    ROW("an empty command before a write", "*0\r\n" SET, DROPPED, WRITE),
    ROW("an empty command alone", "*0\r\n", PASSED_READ, NONE),
    ROW("an empty line alone", "\r\n", PASSED_READ, NONE),

    // --- Cut short ---
    ROW("a star", "*", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a number", "*3", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a number and half a line end", "*3\r", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a header", "*3\r\n", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a dollar", "*3\r\n$", PASSED_UNKNOWN, INCOMPLETE),
    ROW("the length of the name", "*3\r\n$3", PASSED_UNKNOWN, INCOMPLETE),
    ROW("all but the name", "*3\r\n$3\r\n", PASSED_UNKNOWN, INCOMPLETE),
    ROW("half a name of a write", "*3\r\n$3\r\nSE", PASSED_UNKNOWN, INCOMPLETE),
    ROW("the name of a write, and nothing more", "*3\r\n$3\r\nSET", DROPPED, WRITE),
    ROW("the name of a write and half a line end", "*3\r\n$3\r\nSET\r", DROPPED, WRITE),
    ROW("the name of a read, and nothing more", "*2\r\n$3\r\nGET", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a write whose value is missing", "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$100000\r\n", DROPPED, WRITE),
    ROW("a read without its last byte", "*2\r\n$3\r\nGET\r\n$1\r\na\r", PASSED_UNKNOWN, INCOMPLETE),
    ROW("half an empty line", "\r", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a read and half a command", GET "*3\r\n$3\r\n", PASSED_UNKNOWN, INCOMPLETE),

    // --- What is no RESP array ---
    ROW("inline text that writes", "SET a b\r\n", PASSED_UNKNOWN, NOT_RESP),
    ROW("inline text behind a read", GET "SET a b\r\n", PASSED_UNKNOWN, NOT_RESP),
    ROW("the middle of a value", "hello, world", PASSED_UNKNOWN, NOT_RESP),
    ROW("the rest of a command, with a write behind it", "llo\r\n" SET, PASSED_UNKNOWN, NOT_RESP),
    ROW("the line end of a command, with a write behind it", "\r\n" DEL, DROPPED, WRITE),
    ROW("the second half of a line end, with a write behind it", "\n" DEL, PASSED_UNKNOWN, NOT_RESP),
    ROW("the length of a word", "$3\r\nSET\r\n", PASSED_UNKNOWN, NOT_RESP),
    ROW("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", PASSED_UNKNOWN, NOT_RESP),
    ROW("a zero byte", "\0" SET, PASSED_UNKNOWN, NOT_RESP),
    ROW("a carriage return alone", "\rX", PASSED_UNKNOWN, NOT_RESP),
    ROW("one byte", "x", PASSED_UNKNOWN, NOT_RESP),

    // --- What the server refuses ---
    ROW("a count of words with a leading zero", "*03\r\n$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("a length with a leading zero", "*3\r\n$03\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("a count that is no number", "*x\r\n$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("no count", "*\r\n$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("a negative count, which the server skips, before a write", "*-1\r\n" SET, DROPPED, WRITE),
    ROW("a negative count of eighteen digits", "*-123456789012345678\r\n" SET, DROPPED, WRITE),
    ROW("a negative count of nineteen digits, near where the server refuses it", "*-1234567890123456789\r\n" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("a negative count alone", "*-10\r\n", PASSED_READ, NONE),
    ROW("a negative count between reads", GET "*-1\r\n" GET, PASSED_READ, NONE),
    ROW("a negative count with a leading zero", "*-01\r\n" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("a minus and a zero", "*-0\r\n" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("a minus alone", "*-\r\n" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("a negative count that is cut", "*-1", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a negative count with half a line end", "*-1\r", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a minus that is cut", "*-", PASSED_UNKNOWN, INCOMPLETE),
    ROW("a negative count with a wrong line end", "*-1\rx" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("a negative length", "*2\r\n$-1\r\n" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("more words than the server takes", "*1048577\r\n$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("as many words as the server takes", "*1048576\r\n$3\r\nSET\r\n", DROPPED, WRITE),
    ROW("a count of eleven digits", "*99999999999\r\n$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("a length of ten digits", "*2\r\n$3\r\nGET\r\n$4294967290\r\n" SET, PASSED_UNKNOWN, INCOMPLETE),
    ROW("no line end behind the count", "*3\n$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("half a line end behind the count", "*3\rx$3\r\nSET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("no dollar", "*3\r\n+SET\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("no line end behind the name", "*3\r\n$3\r\nSETX\r\n", PASSED_UNKNOWN, MALFORMED),
    ROW("no line end behind a word", "*2\r\n$3\r\nGET\r\n$1\r\nabcd" SET, PASSED_UNKNOWN, MALFORMED),
    ROW("no line end behind the last word", "*2\r\n$3\r\nGET\r\n$1\r\naXX", PASSED_UNKNOWN, MALFORMED),
    ROW("a wrong line end, and a write behind it", "*1\r\n$4\r\nPING\r\r" SET, PASSED_UNKNOWN, MALFORMED),

    // --- Policy strict ---
    ROW("strict: GET", GET, PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: PING", PING, PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: sixteen reads", GETS16, PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: a heartbeat", "*4\r\n$8\r\nCLUSTERX\r\n$9\r\nHEARTBEAT\r\n$1\r\n7\r\n$4\r\n5000\r\n", PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: INFO", "*1\r\n$4\r\nINFO\r\n", PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: CONFIG", "*4\r\n$6\r\nCONFIG\r\n$3\r\nSET\r\n$12\r\nfence-policy\r\n$6\r\nwrites\r\n", PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: REPLICAOF", "*3\r\n$9\r\nREPLICAOF\r\n$2\r\nNO\r\n$3\r\nONE\r\n", PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: GETEX without an option", "*2\r\n$5\r\nGETEX\r\n$1\r\nk\r\n", PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: MULTI", "*1\r\n$5\r\nMULTI\r\n", PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: SET", SET, DROPPED, WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: a read and a write", GET SET, DROPPED, WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: EXEC", "*1\r\n$4\r\nEXEC\r\n", DROPPED, MAY_WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: EVAL", "*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n", DROPPED, MAY_WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: BITFIELD SET", "*6\r\n$8\r\nBITFIELD\r\n$1\r\nk\r\n$3\r\nSET\r\n$2\r\nu8\r\n$1\r\n0\r\n$1\r\n1\r\n", DROPPED, MAY_WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: SORT STORE", "*4\r\n$4\r\nSORT\r\n$1\r\nk\r\n$5\r\nSTORE\r\n$1\r\nd\r\n", DROPPED, MAY_WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: an unknown command", "*1\r\n$6\r\nNOSUCH\r\n", DROPPED, UNKNOWN_COMMAND, .policy = FENCE_POLICY_STRICT),
    ROW("strict: an unknown command and a write", "*1\r\n$6\r\nNOSUCH\r\n" SET, DROPPED, WRITE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: inline text", "GET a\r\n", DROPPED, NOT_RESP, .policy = FENCE_POLICY_STRICT),
    ROW("strict: the middle of a value", "hello", DROPPED, NOT_RESP, .policy = FENCE_POLICY_STRICT),
    ROW("strict: TLS", "\x16\x03\x01\x02\x00", DROPPED, NOT_RESP, .policy = FENCE_POLICY_STRICT),
    ROW("strict: half a read", "*2\r\n$3\r\nGET\r\n", DROPPED, INCOMPLETE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: a read and half a read", GET "*2\r\n", DROPPED, INCOMPLETE, .policy = FENCE_POLICY_STRICT),
    ROW("strict: what the server refuses", "*03\r\n$4\r\nPING\r\n", DROPPED, MALFORMED, .policy = FENCE_POLICY_STRICT),
    ROW("strict: a read with a wrong line end", "*2\r\n$3\r\nGET\r\n$1\r\naXX", DROPPED, MALFORMED, .policy = FENCE_POLICY_STRICT),
    ROW("strict: a subcommand that nobody knows", "*2\r\n$6\r\nTESTER\r\n$6\r\nNOSUCH\r\n", DROPPED, UNKNOWN_COMMAND, .policy = FENCE_POLICY_STRICT),
    ROW("strict: no payload", "", PASSED, NONE, .policy = FENCE_POLICY_STRICT),
    ROW("strict, log-only: inline text", "GET a\r\n", WOULD_DROP, NOT_RESP, .policy = FENCE_POLICY_STRICT, .mode = FENCE_MODE_LOG_ONLY),
    ROW("strict, log-only: a write", SET, WOULD_DROP, WRITE, .policy = FENCE_POLICY_STRICT, .mode = FENCE_MODE_LOG_ONLY),
    ROW("strict, log-only: a read", GET, PASSED_READ, NONE, .policy = FENCE_POLICY_STRICT, .mode = FENCE_MODE_LOG_ONLY),
    ROW("strict, lease valid: inline text", "SET a b\r\n", PASSED, NONE, .policy = FENCE_POLICY_STRICT, .lease = LEASE_VALID),

    // --- Modes and leases ---
    ROW("log-only: a write", SET, WOULD_DROP, WRITE, .mode = FENCE_MODE_LOG_ONLY),
    ROW("log-only: a read", GET, PASSED_READ, NONE, .mode = FENCE_MODE_LOG_ONLY),
    ROW("log-only: what cannot be decided", "*1\r\n$4\r\nEXEC\r\n", PASSED_UNKNOWN, MAY_WRITE, .mode = FENCE_MODE_LOG_ONLY),
    ROW("disabled: a write", SET, PASSED, NONE, .disabled = true),
    ROW("lease valid: a write", SET, PASSED, NONE, .lease = LEASE_VALID),
    ROW("lease valid, log-only: a write", SET, PASSED, NONE, .lease = LEASE_VALID, .mode = FENCE_MODE_LOG_ONLY),
    ROW("no lease: a write", SET, PASSED, NONE, .lease = LEASE_NONE),
    ROW("another program's layout: a write", SET, PASSED, NONE, .foreign_abi = true),
    ROW("another port: a write", SET, PASSED, NONE, .shape = {.port = FRAME_PORT + 1}),
    ROW("the last port: a write", SET, PASSED, NONE, .shape = {.port = 65535}),

    // --- Headers ---
    ROW("a tag", SET, DROPPED, WRITE, .shape = {.tags = 1}),
    ROW("two tags", SET, DROPPED, WRITE, .shape = {.tags = 2}),
    ROW("an 802.1ad tag and an 802.1Q tag", SET, DROPPED, WRITE, .shape = {.tags = 2, .provider_tag = true}),
    ROW("four tags", SET, DROPPED, WRITE, .shape = {.tags = 4}),
    ROW("five tags", SET, PASSED, NONE, .shape = {.tags = 5}),
    ROW("a tag: a read", GET, PASSED_READ, NONE, .shape = {.tags = 1}),
    ROW("IPv4 with four bytes of options", SET, DROPPED, WRITE, .shape = {.ip_options = 4}),
    ROW("IPv4 with forty bytes of options", SET, DROPPED, WRITE, .shape = {.ip_options = 40}),
    ROW("TCP with twelve bytes of options, as usual", SET, DROPPED, WRITE, .shape = {.tcp_options = 12}),
    ROW("TCP with forty bytes of options", SET, DROPPED, WRITE, .shape = {.tcp_options = 40}),
    ROW("options of IPv4 and TCP, and a tag", SET, DROPPED, WRITE, .shape = {.ip_options = 40, .tcp_options = 40, .tags = 2}),
    ROW("IPv6", SET, DROPPED, WRITE, .shape = {.ip = 6}),
    ROW("IPv6: a read", GET, PASSED_READ, NONE, .shape = {.ip = 6}),
    ROW("IPv6 with a tag", SET, DROPPED, WRITE, .shape = {.ip = 6, .tags = 1}),
    ROW("IPv6 with TCP options", SET, DROPPED, WRITE, .shape = {.ip = 6, .tcp_options = 12}),
    ROW("IPv6 with hop-by-hop options", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {1}}),
    ROW("IPv6 with a routing header", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {IPPROTO_ROUTING}}),
    ROW("IPv6 with destination options", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {IPPROTO_DSTOPTS}}),
    ROW("IPv6 with an authentication header", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {51}}),
    ROW("IPv6 with a fragment header of a whole packet", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {IPPROTO_FRAGMENT}}),
    ROW("IPv6 with three extension headers", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {1, IPPROTO_ROUTING, IPPROTO_DSTOPTS}}),
    ROW("IPv6 with eight extension headers", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {1, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, IPPROTO_DSTOPTS, 51}}),
    ROW("IPv6 with long destination options", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {IPPROTO_DSTOPTS}, .extension_size = 20}),
    ROW("IPv6 with nine extension headers", SET, PASSED, NONE, .shape = {.ip = 6, .extensions = {1, 60, 60, 60, 60, 60, 60, 60, 60}}),
    ROW("IPv6 with an encrypted payload", SET, PASSED, NONE, .shape = {.ip = 6, .protocol = IPPROTO_ESP}),
    ROW("IPv4: the first fragment", SET, DROPPED, WRITE, .shape = {.more_fragments = true}),
    ROW("IPv4: a later fragment", SET, PASSED, NONE, .shape = {.fragment_offset = 64}),
    ROW("IPv4: a fragment in the middle", SET, PASSED, NONE, .shape = {.fragment_offset = 64, .more_fragments = true}),
    ROW("IPv6: the first fragment", SET, DROPPED, WRITE, .shape = {.ip = 6, .extensions = {IPPROTO_FRAGMENT}, .more_fragments = true}),
    ROW("IPv6: a later fragment", SET, PASSED, NONE, .shape = {.ip = 6, .extensions = {IPPROTO_FRAGMENT}, .fragment_offset = 64}),
    ROW("a short frame that is padded: no payload", "", PASSED, NONE, .shape = {.padding = 6}),
    ROW("padding that looks like a write behind a read", GET, PASSED_READ, NONE, .shape = {.padding = 20}),
    ROW("padding behind a write", SET, DROPPED, WRITE, .shape = {.padding = 20}),
    ROW("IPv6: padding behind no payload", "", PASSED, NONE, .shape = {.ip = 6, .padding = 20}),
    ROW("UDP", SET, PASSED, NONE, .shape = {.protocol = IPPROTO_UDP}),
    ROW("ICMP", SET, PASSED, NONE, .shape = {.protocol = IPPROTO_ICMP}),
    ROW("IPv6: UDP", SET, PASSED, NONE, .shape = {.ip = 6, .protocol = IPPROTO_UDP}),
    ROW("ARP", SET, PASSED, NONE, .shape = {.ethertype = ETH_P_ARP}),
    ROW("an unknown type", SET, PASSED, NONE, .shape = {.ethertype = 0x88b5}),
    ROW("the type says IPv4, the header IPv6", SET, PASSED, NONE, .shape = {.version = 6}),
    ROW("the type says IPv6, the header IPv4", SET, PASSED, NONE, .shape = {.ip = 6, .version = 4}),
    ROW("an IPv4 header of four words", SET, PASSED, NONE, .shape = {.header_words = 4}),
    ROW("a TCP header of four words", SET, PASSED, NONE, .shape = {.data_offset = 4}),
    ROW("a TCP header that reaches behind the packet", "x", PASSED, NONE, .shape = {.data_offset = 15}),
    ROW("a TCP header that takes the payload for options", SET, PASSED_UNKNOWN, NOT_RESP, .shape = {.data_offset = 10}),
    ROW("less in the frame than the IP header claims", SET, PASSED, NONE, .shape = {.cut = 5}),
    ROW("IPv6: less in the frame than the IP header claims", SET, PASSED, NONE, .shape = {.ip = 6, .cut = 5}),
    ROW("more in the frame than the IP header claims: a whole read", GET SET, PASSED_READ, NONE, .shape = {.total_length_off = -(int)(sizeof(SET) - 1)}),
    ROW("the IP header claims less than the headers take", SET, PASSED, NONE, .shape = {.total_length_off = -60}),
    ROW("no length, as in segments of more than 64 KiB", SET, DROPPED, WRITE, .shape = {.no_total_length = true}),
    ROW("IPv6: no length", SET, DROPPED, WRITE, .shape = {.ip = 6, .no_total_length = true}),
    ROW("no length and no payload", "", PASSED, NONE, .shape = {.no_total_length = true}),
    ROW("SYN with payload", SET, DROPPED, WRITE, .shape = {.flags = 2}),
    ROW("FIN with payload", SET, DROPPED, WRITE, .shape = {.flags = 0x11}),
    ROW("no payload", "", PASSED, NONE, .shape = {.flags = 0x10}),
    ROW("the frame ends within the TCP header", SET, PASSED, NONE, .shape = {.cut = sizeof(SET) - 1 + 8}),
    ROW("the frame ends within the IP header", SET, PASSED, NONE, .shape = {.cut = sizeof(SET) - 1 + 30}),
    ROW("the frame ends behind the Ethernet header", SET, PASSED, NONE, .shape = {.cut = sizeof(SET) - 1 + 40}),
    ROW("the frame ends within the Ethernet header", SET, PASSED, NONE, .shape = {.cut = sizeof(SET) - 1 + 46}),
    ROW("the frame ends within a tag", SET, PASSED, NONE, .shape = {.tags = 1, .cut = sizeof(SET) - 1 + 42}),
    ROW("IPv6: the frame ends within an extension header", SET, PASSED, NONE, .shape = {.ip = 6, .extensions = {1}, .cut = sizeof(SET) - 1 + 27}),
};
// clang-format on

const struct packet_fixture *packet_fixtures(size_t *count) {
    *count = sizeof(fixtures) / sizeof(fixtures[0]);
    return fixtures;
}

enum fence_mode packet_fixture_mode(const struct packet_fixture *fixture) {
    if (fixture->disabled)
        return FENCE_MODE_DISABLED;
    return fixture->mode == FENCE_MODE_DISABLED ? FENCE_MODE_BLOCK_WRITE : fixture->mode;
}

struct fence_stats packet_fixture_stats(const struct packet_fixture *fixture) {
    bool stopped = fixture->outcome == DROPPED || fixture->outcome == WOULD_DROP;
    return (struct fence_stats){.inspected = fixture->outcome != PASSED,
                                .unparsed = fixture->outcome == PASSED_UNKNOWN,
                                .dropped = fixture->outcome == DROPPED,
                                .would_drop = fixture->outcome == WOULD_DROP,
                                .undecided = stopped && fixture->reason != FENCE_REASON_WRITE};
}
