/*
 * Whether an interface is under load (protocol.md 17): its handshake ring was
 * at least one eighth full, now or within the last second. Each interface has
 * its own. Control thread alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All zero: never under load. */
struct sl_load {
	uint64_t last; /* ns, when the ring was last that full */
	bool ever;
};

/* waiting of capacity places were taken at now ns. */
void sl_load_note(struct sl_load *load, uint32_t waiting, uint32_t capacity, uint64_t now);
bool sl_load_is(const struct sl_load *load, uint64_t now);
