/*
 * The verbs of `sluice peer`, one file each, and what they share with `sluice export`. Main thread; each returns the exit
 * code, errors having gone to stderr.
 */
#pragma once

#include <stddef.h>

#include "app/peer_options.h"

int sl_peer_add(const char *name, const struct sl_peer_options *o);
int sl_peer_list(const struct sl_peer_options *o);
int sl_peer_show(const char *name, const struct sl_peer_options *o);
int sl_peer_remove(const char *name, const struct sl_peer_options *o);
/* disabled: true or false. */
int sl_peer_disable(const char *name, bool disabled, const struct sl_peer_options *o);

/* Gives a client's file to the user: to -o's file, as a QR code, or to stdout. */
int sl_peer_give(const char *text, size_t len, const char *command, const struct sl_peer_options *o);
