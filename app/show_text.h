/*
 * A gateway's JSON answer as text for people; interfaces and peers read like
 * `wg show`. Pure but for what it writes.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

void sl_show_text(const json_t *root, FILE *out);
