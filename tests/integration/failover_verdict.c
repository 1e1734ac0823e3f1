// SPDX-License-Identifier: Apache-2.0
//
// Judging a failover by what its clients remember. Uses: cmocka, hiredis, harness, writers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "failover_verdict.h"

#include <string.h>

enum { KEYS_AT_ONCE = 256 };

// --- What is there ---

// Asks for the keys of some writes, and tells of each whether it has its value.
static void look_for(redisContext *node, const struct writer *writer, size_t first, size_t count,
                     bool *is_there) {
    static char keys[KEYS_AT_ONCE][WRITER_KEY_SIZE];
    const char *words[KEYS_AT_ONCE + 1] = {"MGET"};
    for (size_t i = 0; i < count; i++) {
        writer_key(writer, first + i, keys[i]);
        words[i + 1] = keys[i];
    }
    redisReply *reply = redisCommandArgv(node, (int)count + 1, words, NULL);
    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || reply->elements != count)
        fail_msg("MGET is answered with '%s'", reply == NULL ? node->errstr : reply->str);
    for (size_t i = 0; i < count; i++) {
        const redisReply *value = reply->element[i];
        if (value->type == REDIS_REPLY_STRING && strcmp(value->str, keys[i]) != 0)
            fail_msg("%s has the value '%s'", keys[i], value->str);
        is_there[i] = value->type == REDIS_REPLY_STRING;
    }
    freeReplyObject(reply);
}

static void judge_presence(const struct failover *failover, const struct writer *writer,
                           const struct write *write, bool is_there, struct verdict *verdict) {
    if (write->outcome != WRITE_ACKNOWLEDGED)
        return;
    if (writer->target == failover->new_master) {
        verdict->new_lost += !is_there;
        return;
    }
    verdict->lost += !is_there;
    verdict->replicated += write->is_replicated;
    verdict->lost_replicated += write->is_replicated && !is_there;
}

static void judge_data(const struct failover *failover, redisContext *node, struct verdict *verdict) {
    bool is_there[KEYS_AT_ONCE];
    for (size_t i = 0; i < failover->count; i++) {
        const struct writer *writer = &failover->writers[i];
        for (size_t first = 0; first < writer->count; first += KEYS_AT_ONCE) {
            size_t left = writer->count - first;
            size_t count = left < KEYS_AT_ONCE ? left : KEYS_AT_ONCE;
            look_for(node, writer, first, count, is_there);
            for (size_t j = 0; j < count; j++)
                judge_presence(failover, writer, &writer->writes[first + j], is_there[j], verdict);
        }
    }
}

// --- What was said when ---

static uint64_t first_of_new_master(const struct failover *failover) {
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < failover->count; i++) {
        const struct writer *writer = &failover->writers[i];
        for (size_t j = 0; writer->target == failover->new_master && j < writer->count; j++) {
            const struct write *write = &writer->writes[j];
            if (write->outcome == WRITE_ACKNOWLEDGED && write->answered_ns != 0 &&
                write->answered_ns < first_ns)
                first_ns = write->answered_ns;
        }
    }
    return first_ns;
}

static void judge_acknowledgement(const struct failover *failover, const struct write *write,
                                  uint64_t new_begins_ns, struct verdict *verdict) {
    verdict->old_acknowledged++;
    if (write->sent_ns > failover->deadline_ns)
        verdict->after_deadline++;
    else if (write->answered_ns <= failover->deadline_ns)
        return;
    else if (write->sent_ns < failover->stopped_ns)
        verdict->on_the_lips++;
    else if (write->answered_ns < new_begins_ns)
        verdict->late++;
    else
        verdict->overlapping++;
}

static void judge_times(const struct failover *failover, struct verdict *verdict) {
    uint64_t new_begins_ns = first_of_new_master(failover);
    for (size_t i = 0; i < failover->count; i++) {
        const struct writer *writer = &failover->writers[i];
        bool is_old = writer->target == failover->old_master;
        for (size_t j = 0; j < writer->count; j++) {
            const struct write *write = &writer->writes[j];
            if (write->outcome == WRITE_UNKNOWN)
                verdict->unknown++;
            else if (write->outcome == WRITE_REFUSED)
                verdict->old_refused += is_old;
            else if (is_old)
                judge_acknowledgement(failover, write, new_begins_ns, verdict);
            else
                verdict->new_acknowledged++;
        }
    }
}

struct verdict failover_judge(const struct failover *failover, redisContext *master, redisContext *replica) {
    struct verdict verdict = {0};
    struct verdict again = {0};
    judge_times(failover, &verdict);
    judge_data(failover, master, &verdict);
    judge_data(failover, replica, &again);
    assert_int_equal(again.lost, verdict.lost);
    assert_int_equal(again.new_lost, verdict.new_lost);
    return verdict;
}

// --- The verdict ---

void verdict_add(struct verdict *sum, const struct verdict *verdict) {
    sum->old_acknowledged += verdict->old_acknowledged;
    sum->new_acknowledged += verdict->new_acknowledged;
    sum->old_refused += verdict->old_refused;
    sum->unknown += verdict->unknown;
    sum->lost += verdict->lost;
    sum->replicated += verdict->replicated;
    sum->lost_replicated += verdict->lost_replicated;
    sum->new_lost += verdict->new_lost;
    sum->after_deadline += verdict->after_deadline;
    sum->late += verdict->late;
    sum->overlapping += verdict->overlapping;
    sum->on_the_lips += verdict->on_the_lips;
}

void verdict_print(const char *title, const struct verdict *verdict) {
    print_message("%s: the old master acknowledged %zu (%zu of them lost; %zu replicated by WAIT, %zu lost; "
                  "%zu late, %zu on the lips) and refused %zu; the new one acknowledged %zu (%zu lost); "
                  "%zu are unknown\n",
                  title, verdict->old_acknowledged, verdict->lost, verdict->replicated,
                  verdict->lost_replicated, verdict->late, verdict->on_the_lips, verdict->old_refused,
                  verdict->new_acknowledged, verdict->new_lost, verdict->unknown);
}

// Of `lost` nothing is promised: replication is asynchronous, so what the old master acknowledged just before
// it was cut off may have reached nobody else. WAIT is for those who need more.
void verdict_expect_sound(const struct verdict *verdict) {
    assert_int_equal(verdict->after_deadline, 0);
    assert_int_equal(verdict->overlapping, 0);
    assert_int_equal(verdict->new_lost, 0);
    assert_int_equal(verdict->lost_replicated, 0);
    assert_true(verdict->old_acknowledged != 0 && verdict->new_acknowledged != 0);
}
