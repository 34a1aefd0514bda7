#include "tests/peersim/flow.h"

#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "crypto/bytes.h"
#include "tests/peersim/data.h"
#include "tests/peersim/keys.h"
#include "tests/peersim/port.h"

#define MAGIC     UINT32_C(0x6d697370)
#define ECHO_PORT 7
#define PORT_BASE 20000
#define TRIES     512 /* peers that are asked in one turn */
#define MS_OF_S   1000u

struct probe {
	uint32_t magic, peer, number;
	uint8_t flow, back;
	uint16_t len;
} __attribute__((packed));

static_assert(sizeof(struct probe) == SIM_FLOW_PAYLOAD_MIN, "a probe without a pattern");

static void fill(uint8_t *payload, const struct probe *probe)
{
	uint64_t x = ((uint64_t)probe->peer << 32 | probe->number) * UINT64_C(0x9e3779b97f4a7c15) + probe->flow + 1;
	size_t at = sizeof(*probe);

	memcpy(payload, probe, sizeof(*probe));
	for (; at < probe->len; at += sizeof(x)) {
		const size_t left = probe->len - at;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(payload + at, &x, left < sizeof(x) ? left : sizeof(x));
	}
}

/* --- what is on its way, the oldest first --- */

static void depart(struct sim *s, struct sim_flow *f, uint32_t at)
{
	struct sim_flow_slot *slot = &f->slots[at];

	slot->away = true;
	slot->back = false;
	slot->sent_ms = s->now_ms;
	slot->older = f->newest;
	slot->newer = SIM_NONE;
	*(f->newest == SIM_NONE ? &f->oldest : &f->slots[f->newest].newer) = at;
	f->newest = at;
	f->outstanding++;
	f->sent++;
}

static void arrive(struct sim_flow *f, uint32_t at)
{
	struct sim_flow_slot *slot = &f->slots[at];

	*(slot->older == SIM_NONE ? &f->oldest : &f->slots[slot->older].newer) = slot->newer;
	*(slot->newer == SIM_NONE ? &f->newest : &f->slots[slot->newer].older) = slot->older;
	slot->away = false;
	f->outstanding--;
}

static void give_up_late(struct sim *s, struct sim_flow *f)
{
	while (f->oldest != SIM_NONE) {
		struct sim_flow_slot *slot = &f->slots[f->oldest];

		if (s->now_ms - slot->sent_ms < f->patience_ms)
			return;
		slot->lost = slot->number;
		*(slot->back || f->mode == SIM_DOWN ? &f->lost_down : &f->lost_up) += 1;
		arrive(f, f->oldest);
	}
}

/* --- flows --- */

bool sim_flow_start(struct sim *s, const struct sim_flow *wanted)
{
	struct sim_flow *f = calloc(1, sizeof(*f) + wanted->count * sizeof(f->slots[0]));

	if (!f)
		return false;
	sim_flow_free(s, wanted->id);
	memcpy(f, wanted, sizeof(*f));
	f->began_ms = s->now_ms;
	f->oldest = f->newest = SIM_NONE;
	for (uint32_t i = 0; i < f->count; i++)
		f->slots[i].lost = SIM_NONE;
	s->flows[f->id] = f;
	return true;
}

void sim_flow_free(struct sim *s, uint32_t id)
{
	free(s->flows[id]);
	s->flows[id] = NULL;
}

static bool all_sent(const struct sim_flow *f)
{
	return f->stopped || (f->packets && f->sent >= f->packets);
}

bool sim_flow_done(const struct sim_flow *f)
{
	return all_sent(f) && f->outstanding == 0;
}

static void swap(struct wire_ends *ends)
{
	const struct wire_ends was = *ends;

	memcpy(ends->from, was.to, sizeof(was.to));
	memcpy(ends->to, was.from, sizeof(was.from));
	ends->from_port = was.to_port;
	ends->to_port = was.from_port;
}

/* From a peer to the LAN host. */
static void flow_ends(const struct sim *s, const struct sim_flow *f, uint32_t peer, struct wire_ends *ends)
{
	sim_inner_ends(&s->o, peer, ends);
	ends->from_port = (uint16_t)(PORT_BASE + f->id);
	ends->to_port = ECHO_PORT;
}

static bool send_one(struct sim *s, struct sim_flow *f, uint32_t at)
{
	const uint32_t peer = f->first + at;
	struct probe probe = {.magic = MAGIC,
	        .peer = peer,
	        .number = f->slots[at].number + 1,
	        .flow = (uint8_t)f->id,
	        .len = (uint16_t)f->size};
	struct rte_mbuf *m = NULL;
	struct wire_ends ends;
	uint8_t *ip;
	size_t len;

	flow_ends(s, f, peer, &ends);
	len = wire_head(ends.v6) + f->size;
	if (f->mode == SIM_DOWN) {
		swap(&ends);
		m = sim_port_buffer(s->lan);
		ip = m ? rte_pktmbuf_mtod(m, uint8_t *) + WIRE_ETH_LEN : NULL;
	} else {
		ip = sim_data_begin(s, peer, len);
	}
	if (!ip) {
		f->waited++;
		return false;
	}
	f->slots[at].number = probe.number;
	fill(ip + wire_head(ends.v6), &probe);
	wire_udp(ip, &ends, f->size, 0);
	if (m)
		sim_port_send(s->lan, m, WIRE_ETH_LEN + len, ends.v6, peer);
	depart(s, f, at);
	return true;
}

static uint64_t allowed(const struct sim *s, const struct sim_flow *f)
{
	const uint64_t now = f->rate ? (uint64_t)(s->now_ms - f->began_ms) * f->rate / MS_OF_S : UINT64_MAX;

	return f->packets && f->packets < now ? f->packets : now;
}

static bool run_flow(struct sim *s, struct sim_flow *f)
{
	const uint64_t until = allowed(s, f);
	bool any = false;

	give_up_late(s, f);
	for (uint32_t tries = 0; tries < TRIES && tries < f->count; tries++) {
		if (f->stopped || f->outstanding >= f->window || f->sent >= until)
			break;
		if (!f->slots[f->cursor].away)
			any |= send_one(s, f, f->cursor);
		f->cursor = (f->cursor + 1) % f->count;
	}
	return any;
}

bool sim_flows_run(struct sim *s)
{
	bool any = false;

	for (unsigned i = 0; i < SIM_FLOWS_MAX; i++)
		if (s->flows[i])
			any |= run_flow(s, s->flows[i]);
	sim_seal_flush(s);
	return any;
}

/* --- what comes --- */

/* The flow of a packet between these ends, with its probe; NULL: it is none of ours, or damaged. `up`: it came to the
 * LAN. */
static struct sim_flow *identify(struct sim *s, const uint8_t *ip, size_t len, bool up, struct probe *probe)
{
	uint8_t should[SIM_FLOW_PAYLOAD_MAX];
	struct wire_ends ends, right;
	const uint8_t *payload;
	struct sim_flow *f;
	size_t n;

	if (!wire_parse(ip, len, &ends, &payload, &n) || n < sizeof(*probe)) {
		s->counts.bad_frames++;
		return NULL;
	}
	memcpy(probe, payload, sizeof(*probe));
	f = probe->magic == MAGIC && probe->flow < SIM_FLOWS_MAX ? s->flows[probe->flow] : NULL;
	if (!f || probe->peer - f->first >= f->count) {
		s->counts.bad_frames++;
		return NULL;
	}
	memset(&right, 0, sizeof(right));
	flow_ends(s, f, probe->peer, &right);
	if (!up)
		swap(&right);
	if (n == f->size && n == probe->len && ends.v6 == right.v6 && ends.from_port == right.from_port &&
	        ends.to_port == right.to_port && memcmp(ends.from, right.from, ends.v6 ? 16 : 4) == 0 &&
	        memcmp(ends.to, right.to, ends.v6 ? 16 : 4) == 0) {
		fill(should, probe);
		if (memcmp(should, payload, n) == 0)
			return f;
	}
	f->wrong++;
	return NULL;
}

/* Whether that packet was waited for, on this half of its way. */
static bool expected(struct sim_flow *f, const struct probe *probe, bool back)
{
	struct sim_flow_slot *slot = &f->slots[probe->peer - f->first];

	if (slot->away && slot->number == probe->number && slot->back == back)
		return true;
	if (slot->lost == probe->number) {
		slot->lost = SIM_NONE;
		f->late++;
	} else {
		f->duplicate++;
	}
	return false;
}

void sim_flow_at_peer(struct sim *s, uint32_t peer, const uint8_t *ip, size_t len)
{
	struct probe probe;
	struct sim_flow *f = identify(s, ip, len, false, &probe);

	if (!f)
		return;
	if (probe.peer != peer || (f->mode == SIM_ECHO) != probe.back || f->mode == SIM_UP) {
		f->wrong++;
	} else if (expected(f, &probe, probe.back)) {
		arrive(f, peer - f->first);
		f->returned++;
	}
}

/* The same packet the other way, in the same buffer. */
static void echo(struct sim *s, struct rte_mbuf *m, struct sim_flow *f, struct probe *probe)
{
	struct wire_ends ends;
	uint8_t *ip;
	size_t len;

	flow_ends(s, f, probe->peer, &ends);
	swap(&ends);
	len = wire_head(ends.v6) + f->size;
	probe->back = 1;
	ip = (uint8_t *)rte_pktmbuf_prepend(m, WIRE_ETH_LEN) + WIRE_ETH_LEN;
	fill(ip + wire_head(ends.v6), probe);
	wire_udp(ip, &ends, f->size, 0);
	f->slots[probe->peer - f->first].back = true;
	sim_port_send(s->lan, m, WIRE_ETH_LEN + len, ends.v6, probe->peer);
}

void sim_flow_at_lan(struct sim *s, struct rte_mbuf *m)
{
	struct probe probe;
	struct sim_flow *f = identify(s, rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, true, &probe);

	if (f && (f->mode == SIM_DOWN || probe.back)) {
		f->wrong++;
	} else if (f && expected(f, &probe, false)) {
		if (f->mode == SIM_ECHO) {
			echo(s, m, f, &probe);
			return;
		}
		arrive(f, probe.peer - f->first);
		f->returned++;
	}
	rte_pktmbuf_free(m);
}
