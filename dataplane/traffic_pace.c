#include "dataplane/traffic_pace.h"

#include "crypto/protocol.h"

void
sl_traffic_pace_begin(struct sl_traffic_pace *p, uint64_t rate, uint64_t now)
{
	*p = (struct sl_traffic_pace){.rate = rate, .began = now};
}

/* Packets whose time has come by `elapsed`: the first at once, then one every 1/rate. */
static uint64_t
schedule(uint64_t rate, uint64_t elapsed)
{
	return (uint64_t)((unsigned __int128)elapsed * rate / SL_NSEC_PER_SEC) + 1;
}

uint64_t
sl_traffic_pace_due(struct sl_traffic_pace *p, uint64_t now, uint64_t most)
{
	uint64_t due, lag;

	if (p->rate == 0)
		return most;
	if (now < p->began)
		return 0;
	due = schedule(p->rate, now - p->began);
	due = due > p->done ? due - p->done : 0;
	lag = schedule(p->rate, SL_TRAFFIC_LAG_MAX);
	if (due > lag) {
		p->given_up += due - lag;
		p->done += due - lag;
		due = lag;
	}
	return due < most ? due : most;
}

uint64_t
sl_traffic_pace_wait(const struct sl_traffic_pace *p, uint64_t now)
{
	uint64_t at;

	if (p->rate == 0)
		return 0;
	/* rounded up, so that the packet is due when the time has come */
	at = p->began + (uint64_t)(((unsigned __int128)p->done * SL_NSEC_PER_SEC + p->rate - 1) / p->rate);
	return at > now ? at - now : 0;
}

/* Each turn every size gains its weight; the one with most is next, and pays for all. */
void
sl_traffic_mix_begin(struct sl_traffic_mix *mix, const struct sl_traffic_plan *plan)
{
	int credit[SL_TRAFFIC_SIZES_MAX] = {0};
	int total = 0;

	*mix = (struct sl_traffic_mix){0};
	for (unsigned i = 0; i < plan->n_sizes; i++)
		total += plan->sizes[i].weight;
	for (int k = 0; k < total; k++) {
		unsigned best = 0;

		for (unsigned i = 0; i < plan->n_sizes; i++) {
			credit[i] += plan->sizes[i].weight;
			if (credit[i] > credit[best])
				best = i;
		}
		credit[best] -= total;
		mix->payloads[mix->n++] = plan->sizes[best].payload;
	}
}
