/*
 * Start-up of the crypto libraries. Called once by main, before any thread exists, and by tests; safe to call again.
 */
#pragma once

#include "crypto/attrs.h"

/* Lets libsodium choose its code for this CPU. 0, or -EIO where the library refuses to start. */
SL_MUST_CHECK int sl_crypto_init(void);
