// SPDX-License-Identifier: Apache-2.0
//
// The one password, requirepass. Keeps a copy of the directive's value and renews it when the configuration
// changes. Thread-safe. May use: base, server/config.
#ifndef KVFENCE_SERVER_AUTHENTICATION_H
#define KVFENCE_SERVER_AUTHENTICATION_H

#include "server/config.h"

struct authentication;
struct authentication *authentication_open(const struct config *config); // borrows the configuration
void authentication_close(struct authentication *authentication);

// True if a password is set now. No lock is taken unless the configuration has changed.
bool authentication_required(struct authentication *authentication);
// True if a password is set and this is it. How long the answer takes depends on the attempt's length only,
// so it tells nothing about the password.
bool authentication_check(struct authentication *authentication, struct bytes attempt);

#endif
