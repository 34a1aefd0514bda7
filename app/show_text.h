/*
 * A gateway's JSON answer as text for people; interfaces and peers read like
 * `wg show`. Pure but for what it writes.
 */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "app/shown_peers.h"

/* root: all but the peers, which are read as far as they are printed. */
void sl_show_text(const json_t *root, struct sl_shown_peers *peers, FILE *out);
