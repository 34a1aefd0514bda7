#include "tests/unit/dataplane/order_rig.h"

#include <stdlib.h>

#include <criterion/criterion.h>

#define PEER_HOST  "10.64.1.2"
#define OTHER_HOST "10.64.2.2"
#define LAN_HOST   "10.20.0.9"
#define NUMBER_OFF (RTE_ETHER_HDR_LEN + SL_IP4_HDR_MIN + SL_UDP_HDR_LEN)
#define PAYLOAD    1024

void
order_rig_create(struct order_rig *o, uint16_t workers, uint64_t seed)
{
	*o = (struct order_rig){.r = rig_create(workers), .random = seed, .number = 1, .seen = calloc(1, ORDER_SEEN)};
	cr_assert_not_null(o->seen);
	rig_peer(o->r, ORDER_PEER, RIG_WG0, "198.51.100.7:4444", "203.0.113.10");
	rig_allow(o->r, ORDER_PEER, "10.64.1.0/24");
	rig_neighbour(o->r, RIG_LAN, LAN_HOST, 9);
	o->s = rig_session(o->r, ORDER_PEER, false, true);
	o->owner = o->r->dp->workers[0];
	o->order = o->owner->order;
	for (uint16_t i = 1; i < workers; i++)
		rig_run(o->r, i); /* idle, they say that they have time */
}

void
order_rig_destroy(struct order_rig *o)
{
	order_collect(o);
	rig_check_conservation(o->r, 0);
	rig_destroy(o->r);
	free(o->seen);
}

uint64_t
order_random(struct order_rig *o)
{
	uint64_t z = o->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ z >> 29;
}

static struct rte_mbuf *
make(struct order_rig *o, enum order_kind kind, uint64_t counter, uint64_t number, size_t len)
{
	const struct rig_flow outer = {.src = "198.51.100.7", .dst = "203.0.113.10", .sport = 4444, .dport = RIG_WG0_PORT,
		.tos = kind == ORDER_MARKED ? 3 : 0};
	const struct rig_flow inner = {.src = kind == ORDER_BAD_SOURCE ? OTHER_HOST : PEER_HOST, .dst = LAN_HOST, .sport = 7,
		.dport = 9, .tos = kind == ORDER_MARKED && number % 2 ? 2 : 0};
	uint8_t payload[PAYLOAD] = {0}, plain[RIG_PACKET];
	struct rte_ether_hdr *ether;
	struct rte_mbuf *m;
	size_t n;

	cr_assert_lt(number, (uint64_t)ORDER_SEEN);
	memcpy(payload, &number, sizeof(number));
	n = rig_udp(plain, &inner, payload, len < sizeof(number) ? sizeof(number) : len);
	if (kind == ORDER_BAD_INNER)
		plain[0] = 0x70;
	m = rig_wireguard(o->r, RIG_WAN, &outer, &o->s, counter, plain, kind == ORDER_KEEPALIVE ? 0 : n);
	if (kind == ORDER_BAD_TAG) {
		rte_pktmbuf_mtod(m, uint8_t *)[m->pkt_len - 1] ^= 1;
		rig_fix_checksums(rte_pktmbuf_mtod(m, uint8_t *));
	} else if (kind == ORDER_BAD_SUM) {
		rte_pktmbuf_mtod(m, uint8_t *)[SL_IP4_HDR_MIN + 6] ^= 1;
	}
	ether = (struct rte_ether_hdr *)rte_pktmbuf_prepend(m, sizeof(*ether));
	*ether = (struct rte_ether_hdr){.dst_addr = o->r->ifs[RIG_WAN].mac, .src_addr = {{2, 0xbb, 0, 0, 0, 1}},
		.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)};
	return m;
}

struct rte_mbuf *
order_message(struct order_rig *o, enum order_kind kind, size_t len)
{
	bool numbered = kind == ORDER_GOOD || kind == ORDER_MARKED;

	return make(o, kind, o->counter++, numbered ? o->number++ : 0, len);
}

struct rte_mbuf *
order_replay(struct order_rig *o, uint64_t counter, uint64_t number)
{
	return make(o, ORDER_GOOD, counter, number, 0);
}

void
order_receive(struct order_rig *o, struct rte_mbuf *m)
{
	o->fed++;
	rig_receive(o->r, 0, RIG_WAN, m);
}

void
order_feed(struct order_rig *o, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		order_receive(o, order_message(o, ORDER_GOOD, 8));
		if (i % SL_BURST == SL_BURST - 1 || i == n - 1)
			rig_run(o->r, 0);
	}
}

void
order_until_on(struct order_rig *o)
{
	for (unsigned i = 0; !o->order->on; i++) {
		cr_assert_lt(i, 50, "the owner does not hand out");
		order_feed(o, SL_BURST);
		order_collect(o);
	}
	order_finish(o);
	cr_assert(o->order->on);
}

void
order_collect(struct order_rig *o)
{
	struct rig *r = o->r;

	for (unsigned i = 0; i < r->n_sent; i++) {
		uint64_t number;

		cr_assert_eq(r->sent[i].worker, 0, "what a worker received it sends itself");
		memcpy(&number, rte_pktmbuf_mtod_offset(r->sent[i].m, const void *, NUMBER_OFF), sizeof(number));
		cr_assert_lt(number, (uint64_t)ORDER_SEEN);
		cr_assert_eq(o->seen[number]++, 0, "packet %lu left twice", number);
		cr_assert_gt(number, o->last, "packet %lu was overtaken by %lu", number, o->last);
		o->last = number;
		o->came++;
	}
	rig_forget_sent(r);
}

void
order_finish(struct order_rig *o)
{
	for (unsigned i = 0; sl_order_any(o->owner); i++) {
		cr_assert_lt(i, 1000, "the ring does not empty");
		rig_run(o->r, 0);
	}
	order_collect(o);
}

unsigned
order_claim(struct order_rig *o, uint16_t worker)
{
	struct sl_worker *w = o->r->dp->workers[worker];
	unsigned place = SL_ORDER_TICKETS;

	cr_assert(sl_order_ring_claim(&o->order->ring, &w->order->cursors[0], &place));
	return place;
}

void
order_done(struct order_rig *o, uint16_t worker, unsigned place)
{
	sl_order_work(o->r->dp->workers[worker], &o->order->batches[place], 0);
	sl_order_ring_done(&o->order->ring, place);
}
