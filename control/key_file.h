/*
 * Files that hold one key. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/protocol.h"

/*
 * Reads the key, in base64 with white space around it, from a file that group and others can neither read nor write.
 * False, with what is wrong and what to do in why (size bytes), else.
 */
bool sl_key_file_read(const char *path, uint8_t key[SL_KEY_LEN], char *why, size_t size);
