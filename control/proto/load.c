#include "control/proto/load.h"

#include "crypto/protocol.h"

void
sl_load_note(struct sl_load *load, uint32_t waiting, uint32_t capacity, uint64_t now)
{
	if ((uint64_t)waiting * SL_UNDER_LOAD_RING_SHARE < capacity)
		return;
	load->last = now;
	load->ever = true;
}

bool
sl_load_is(const struct sl_load *load, uint64_t now)
{
	return load->ever && now - load->last < SL_UNDER_LOAD_TIME_NS;
}
