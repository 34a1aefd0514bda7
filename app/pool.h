/*
 * The next free address of an interface's pool. Pure; main thread.
 */
#pragma once

#include <stdbool.h>

#include "control/config.h"

/*
 * The lowest host address of that family in the interface's pool that no address of ours, no peer's allowed IP and none
 * of the n prefixes in `taken` covers, as a prefix of full length. Those that cover a whole prefix of the pool (a default
 * route, a site that holds it) do not count: longer ones win over them. False where there is none, or the pool has
 * nothing of the family.
 */
bool sl_pool_next(const struct sl_config_interface *ifp, uint8_t family, const struct sl_prefix *taken, uint32_t n,
	struct sl_prefix *out);

/* Whether the pool has anything of that family. */
bool sl_pool_has(const struct sl_config_interface *ifp, uint8_t family);

/* Prefix i of the pool: as given, or the networks of the interface's addresses. False beyond the last. */
bool sl_pool_prefix(const struct sl_config_interface *ifp, uint32_t i, struct sl_prefix *out);
