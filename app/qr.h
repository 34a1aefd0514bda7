/*
 * QR codes (ISO/IEC 18004) for terminals. Main thread.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

/*
 * Writes text as a QR code of half-block characters, two rows of modules a line, light modules drawn; with colours where
 * `colours` says so, else as for light writing on a dark ground. False where the text is too long for one (2,953 bytes) or
 * memory runs out.
 */
bool sl_qr_write(FILE *out, const char *text, bool colours);
