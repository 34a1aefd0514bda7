/*
 * The running state as YAML: the description that was applied last, with what `wg` has changed since in its place. The
 * values of what changed are collected on the control loop in slices; the text is written on another thread, while no
 * reload can take the description away. Key files, variables and commands are named as they were; what was set with
 * `wg` stands in the text. Peers of included files stand in it too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "control/config.h"
#include "control/gateway.h"

struct sl_save;

/* Entries are the gateway's runtime changes and must outlive the save. NULL where memory runs out. Control thread. */
struct sl_save *sl_save_begin(struct sl_gateway *gw, const struct sl_runtime_entry *entries, uint32_t n);
/* One slice; whether there is more to collect. Control thread. */
bool sl_save_collect(struct sl_save *save);
/* The text, to be freed (secrets may stand in it); NULL where memory runs out. Any thread. */
void sl_save_write(struct sl_save *save, const struct sl_config *config, char **text, size_t *len);
/* Wipes the keys. NULL is fine. */
void sl_save_free(struct sl_save *save);
