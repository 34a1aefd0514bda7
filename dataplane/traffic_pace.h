/*
 * How many packets are due, at a fixed rate or without one, and which size each
 * has. Plain values with time as a parameter; the thread or worker that sends
 * owns them.
 */
#pragma once

#include "dataplane/traffic_wire.h"

/*
 * A sender that was held up makes up for it, for at most this long; what lies further back is given up, so that a pause of the
 * machine does not become a flood.
 */
#define SL_TRAFFIC_LAG_MAX UINT64_C(100000000) /* ns */

struct sl_traffic_pace {
	uint64_t rate;  /* packets per second; 0: no limit */
	uint64_t began; /* ns */
	uint64_t done;  /* packets taken or given up */
	uint64_t given_up;
};

void sl_traffic_pace_begin(struct sl_traffic_pace *p, uint64_t rate, uint64_t now);
/* How many packets are due at `now`, at most `most`. Takes none. */
uint64_t sl_traffic_pace_due(struct sl_traffic_pace *p, uint64_t now, uint64_t most);
static inline void
sl_traffic_pace_take(struct sl_traffic_pace *p, uint64_t n)
{
	p->done += n;
}
/* ns from `now` until the next packet is due; 0: there is one. */
uint64_t sl_traffic_pace_wait(const struct sl_traffic_pace *p, uint64_t now);

/* The sizes of a plan in an order that spreads them evenly. */
struct sl_traffic_mix {
	unsigned n, next;
	uint16_t payloads[SL_TRAFFIC_WEIGHTS_MAX];
};

/* The plan must be valid (sl_traffic_plan_valid). */
void sl_traffic_mix_begin(struct sl_traffic_mix *mix, const struct sl_traffic_plan *plan);

static inline uint16_t
sl_traffic_mix_next(struct sl_traffic_mix *mix)
{
	uint16_t payload = mix->payloads[mix->next];

	mix->next = mix->next + 1 == mix->n ? 0 : mix->next + 1;
	return payload;
}
