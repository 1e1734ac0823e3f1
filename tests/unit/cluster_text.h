// SPDX-License-Identifier: Apache-2.0
//
// Ids and topologies for the tests of cluster/.
#ifndef KVFENCE_TESTS_UNIT_CLUSTER_TEXT_H
#define KVFENCE_TESTS_UNIT_CLUSTER_TEXT_H

// The controller's ids are letters and digits of both cases, not only hexadecimal.
#define ID_A "aAzZ0000000000000000000000000000000000aA"
#define ID_B "bByY1111111111111111111111111111111111bB"
#define ID_C "cCxX2222222222222222222222222222222222cC"

#define TWO_MASTERS                                                                                          \
    ID_A " 127.0.0.1 7001 master - 0-8191\n" ID_B " 127.0.0.1 7002 master - 8192-16382 16383\n"
#define MASTER_AND_REPLICA ID_A " 127.0.0.1 7001 slave " ID_B "\n" ID_B " 127.0.0.1 7002 master - 0-16383\n"

#endif
