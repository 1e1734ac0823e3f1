// SPDX-License-Identifier: Apache-2.0
//
// Mutants: test builds in which one gate of the fence is switched off, to see that some test notices. `make
// test-mutants` builds each with -DKVFENCE_MUTANT=MUTANT_<name>; in every other build MUTANT(name) is the
// constant false and the compiler drops what depends on it. tests/mutants.sh has a row for each name. May
// use: nothing.
#ifndef KVFENCE_BASE_MUTANT_H
#define KVFENCE_BASE_MUTANT_H

#define MUTANT_none                 0
#define MUTANT_check_at_commit      1 // a write enters RocksDB after the deadline
#define MUTANT_check_at_settle      2 // a write is acknowledged after the deadline
#define MUTANT_heartbeat_age        3 // a heartbeat counts from when it is read, not from when it arrived
#define MUTANT_persisted_version    4 // a higher election version takes effect without being durable
#define MUTANT_reset_on_role_change 5 // a master that becomes a replica keeps its lease
#define MUTANT_restart_fenced       6 // a restart forgets that there ever was a lease
#define MUTANT_mirror_order         7 // the kernel's and the server's half are moved in the wrong order
#define MUTANT_kernel_verdict       8 // the kernel's half passes what it should drop

#ifndef KVFENCE_MUTANT
#define KVFENCE_MUTANT MUTANT_none
#endif

#define MUTANT(name) (KVFENCE_MUTANT == MUTANT_##name)

#endif
