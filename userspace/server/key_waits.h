// SPDX-License-Identifier: Apache-2.0
//
// Who waits for which keys to have something: the queues behind BLPOP and its kin. First come, first served,
// for each key and type, whatever worker a client belongs to. May use: base, store/encoding.
//
// Nobody is handed anything. Who is first in a key's queue is woken when the key has been written, and then
// runs its command once more, by the usual way. It stays first while it finds nothing, and when it leaves,
// for whatever reason, the next one is woken if what the first was woken for may still be there.
#ifndef KVFENCE_SERVER_KEY_WAITS_H
#define KVFENCE_SERVER_KEY_WAITS_H

#include "base/bytes.h"
#include "store/encoding.h"

#include <stdint.h>

struct key_waits;
struct key_wait;
struct worker;

// Called under a lock of the table and often under the locks of keys: it must not call back, only see to it
// that the waiter tries again soon.
typedef void key_wake_function(struct worker *worker, uint64_t client_id, struct bytes key);

struct key_waits *key_waits_open(key_wake_function *wake);
void key_waits_close(struct key_waits *waits); // nobody waits any more

// True if anybody waits for anything: the fast path, one atomic load. Thread-safe, as all that follows.
bool key_waits_in_use(const struct key_waits *waits);
size_t key_waits_count(const struct key_waits *waits); // how many wait

// Begins to wait for any of the keys, with their locks held (or the role guard exclusively) since it was seen
// that there is nothing to be had: then every later write of them finds the wait.
struct key_wait *key_wait_begin(struct key_waits *waits, struct worker *worker, uint64_t client_id,
                                enum value_type type, const struct bytes *keys, size_t count);
// The waiter has tried again and found nothing: to be called under the same locks under which it looked.
void key_wait_go_on(struct key_waits *waits, struct key_wait *wait);
// Ends the wait. Needs no locks of keys.
void key_wait_end(struct key_waits *waits, struct key_wait *wait);

// True if nobody waits for the key and type ahead of `wait` (NULL: of somebody who does not wait yet).
bool key_wait_is_first(struct key_waits *waits, const struct key_wait *wait, struct bytes key,
                       enum value_type type);

// The key has been written: wakes the first of its queues. With the key's lock held.
void key_waits_touch(struct key_waits *waits, struct bytes key);
// Wakes everybody: the node is another than it was.
void key_waits_wake_all(struct key_waits *waits);

#endif
