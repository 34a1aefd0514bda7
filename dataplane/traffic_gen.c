#include "dataplane/traffic_gen.h"

#include <string.h>

uint64_t
sl_traffic_share(uint64_t total, unsigned index, unsigned n)
{
	return total / n + (index < total % n);
}

void
sl_traffic_gen_begin(struct sl_traffic_gen *g, const struct sl_traffic_gen_config *cfg,
	const struct sl_traffic_plan *plan, uint64_t now)
{
	memset(g, 0, sizeof(*g));
	g->cfg = *cfg;
	g->ends = now + plan->duration;
	sl_traffic_pace_begin(&g->data, cfg->rate, now);
	sl_traffic_pace_begin(&g->probes, cfg->probes, now);
	sl_traffic_mix_begin(&g->mix, plan);
	/* a sender that got none of a slow rate has nothing to send, which is not the same as no limit */
	if (plan->rate != 0 && cfg->rate == 0)
		g->cfg.data = false;
}

static uint16_t
next_turn(uint16_t *turn, uint16_t n)
{
	uint16_t index = *turn;

	*turn = (uint16_t)(index + 1 == n ? 0 : index + 1);
	return index;
}

static void
fill(const struct sl_traffic_gen *g, struct sl_traffic_packet *p, uint8_t type, uint16_t index, uint64_t seq, uint64_t now)
{
	p->index = index;
	p->header = (struct sl_traffic_header){
		.type = type,
		.session = g->cfg.session,
		.trial = g->cfg.trial,
		.flow = (uint16_t)(g->cfg.first_flow + index * g->cfg.flow_step),
		.seq = seq,
		.stamp = now,
	};
}

/* Probes first: they are few, and their times are what latency is told by. */
unsigned
sl_traffic_gen_take(struct sl_traffic_gen *g, uint64_t now, struct sl_traffic_packet *out, unsigned most)
{
	/* what was due in the last moment is still sent when the end has passed, at a fixed rate at least */
	bool over = now >= g->ends;
	uint64_t by = over ? g->ends - 1 : now;
	unsigned probes = 0, data = 0;

	if (g->cfg.probes && !over)
		probes = (unsigned)sl_traffic_pace_due(&g->probes, by, most);
	sl_traffic_pace_take(&g->probes, probes);
	for (unsigned i = 0; i < probes; i++) {
		fill(g, &out[i], SL_TRAFFIC_PROBE, next_turn(&g->probe_turn, g->cfg.n_flows), g->probe_seq++, now);
		out[i].payload = SL_TRAFFIC_HEADER_LEN;
	}
	if (g->cfg.data && !(over && g->cfg.rate == 0))
		data = (unsigned)sl_traffic_pace_due(&g->data, by, most - probes);
	sl_traffic_pace_take(&g->data, data);
	for (unsigned i = probes; i < probes + data; i++) {
		uint16_t index = next_turn(&g->turn, g->cfg.n_flows);

		fill(g, &out[i], SL_TRAFFIC_DATA, index, g->seqs[index]++, now);
		out[i].payload = sl_traffic_mix_next(&g->mix);
	}
	if (over && data == 0)
		atomic_store_explicit(&g->ended, true, memory_order_release);
	return probes + data;
}

static void
count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n, memory_order_relaxed);
}

void
sl_traffic_gen_sent(struct sl_traffic_gen *g, const struct sl_traffic_packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (packets[i].header.type == SL_TRAFFIC_PROBE) {
			count(&g->probes_sent, 1);
			continue;
		}
		count(&g->sent[packets[i].index], 1);
		count(&g->bytes, packets[i].payload);
	}
}

uint64_t
sl_traffic_gen_wait(const struct sl_traffic_gen *g, uint64_t now)
{
	uint64_t wait = now < g->ends ? g->ends - now : 0, probe;

	if (g->cfg.data) {
		uint64_t data = sl_traffic_pace_wait(&g->data, now);

		wait = data < wait ? data : wait;
	}
	if (g->cfg.probes) {
		probe = sl_traffic_pace_wait(&g->probes, now);
		wait = probe < wait ? probe : wait;
	}
	return wait;
}

uint64_t
sl_traffic_gen_total(const struct sl_traffic_gen *g)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < g->cfg.n_flows; i++)
		total += atomic_load_explicit(&g->sent[i], memory_order_relaxed);
	return total;
}
