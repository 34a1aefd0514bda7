/*
 * Stage FORWARD. In: valid L3 packets that are not for us: clear ones from ports, decrypted ones, our own.
 * Exits: ENCAP (out_peer), NEIGHBOUR (out_if, next_hop), FRAGMENT (above the egress MTU, and what comes behind such
 * packets), ICMP_ERROR.
 */
#include <rte_prefetch.h>

#include "dataplane/icmp_error.h"
#include "dataplane/ip.h"

#define IP4_TTL      8  /* offsets in an IPv4 header */
#define IP4_CHECKSUM 10
#define IP4_FLAGS    6
#define IP4_DF       0x40
#define IP6_HOPS     7
#define IP4_CLASS_D  224 /* multicast, reserved and broadcast addresses begin here */

struct burst {
	unsigned n;
	struct rte_mbuf *pkts[SL_BURST];
	struct sl_ip dst[SL_BURST];
	uint32_t route[SL_BURST];
	/* those whose peer an interface's cryptokey table tells */
	unsigned n_keys;
	struct sl_lpm_key keys[SL_BURST];
	uint32_t peers[SL_BURST];
	uint8_t key_of[SL_BURST];
};

/* Addresses that no router passes on, as source or as destination. */
static inline bool
stays_on_link4(const uint8_t *addr)
{
	return addr[0] >= IP4_CLASS_D || addr[0] == 127 || addr[0] == 0 || (addr[0] == 169 && addr[1] == 254);
}

static inline bool
stays_on_link6(const uint8_t *addr)
{
	static const uint8_t zeros[15];

	if (likely((addr[0] & 0xe0) == 0x20)) /* global unicast */
		return false;
	return addr[0] == 0xff || (addr[0] == 0xfe && (addr[1] & 0xc0) == 0x80) ||
		(memcmp(addr, zeros, sizeof(zeros)) == 0 && addr[15] <= 1);
}

/* A packet of our own that names its interface goes there without a route: link-local and multicast answers. */
static bool
stays_local(struct sl_worker *w, struct rte_mbuf *m, const struct sl_ip *dst)
{
	struct sl_packet *p = sl_packet(m);

	if (!(p->flags & SL_PKT_LOCAL) || p->out_if == SL_IF_NONE || p->flags & SL_PKT_ICMP_ERROR)
		return false;
	p->next_hop = *dst;
	sl_worker_enqueue(w, SL_STAGE_NEIGHBOUR, m);
	return true;
}

/* Fills the burst with the packets that may be forwarded. */
static void
sort_out(struct sl_worker *w, struct burst *b, struct rte_mbuf **pkts, unsigned n)
{
	b->n = 0;
	b->n_keys = 0;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *h = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		bool link;

		if (i + 4 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 4], void *));
		if (h[0] >> 4 == 4) {
			b->dst[b->n] = sl_ip4(h + 16);
			link = stays_on_link4(h + 16) || stays_on_link4(h + 12);
		} else {
			b->dst[b->n] = sl_ip6(h + 24);
			link = stays_on_link6(h + 24) || stays_on_link6(h + 8);
		}
		if (unlikely(link)) {
			if (!stays_local(w, pkts[i], &b->dst[b->n]))
				sl_worker_drop(w, pkts[i], SL_DROP_NO_ROUTE);
			continue;
		}
		b->pkts[b->n++] = pkts[i];
	}
}

/* Applies a route to an interface: a port's neighbour, or a look into the cryptokey table. */
static enum sl_drop
choose_if(struct sl_worker *w, struct burst *b, unsigned i, uint16_t out_if, const struct sl_ip *next_hop)
{
	const struct sl_if *ifp = sl_dataplane_if(w->dp, out_if);
	struct sl_packet *p = sl_packet(b->pkts[i]);

	if (unlikely(ifp == NULL))
		return SL_DROP_INTERFACE_DOWN;
	p->out_if = out_if;
	if (ifp->kind == SL_IF_PORT) {
		p->next_hop = *next_hop;
		return SL_DROP_COUNT;
	}
	b->keys[b->n_keys] = (struct sl_lpm_key){ifp->cryptokey, b->dst[i].bytes, b->dst[i].family};
	b->key_of[b->n_keys++] = (uint8_t)i;
	return SL_DROP_COUNT;
}

static enum sl_drop
choose(struct sl_worker *w, struct burst *b, unsigned i)
{
	const struct sl_route_table *rt = &w->dp->routes;
	uint32_t id = SL_ROUTE_ID(b->route[i]);

	switch (SL_ROUTE_KIND(b->route[i])) {
	case SL_ROUTE_PEER:
		if (unlikely(id >= w->dp->peers.capacity))
			return SL_DROP_INTERFACE_DOWN;
		sl_packet(b->pkts[i])->out_peer = id;
		rte_prefetch0(&w->dp->peers.slots[id]);
		return SL_DROP_COUNT;
	case SL_ROUTE_IF:
		return choose_if(w, b, i, (uint16_t)id, &b->dst[i]);
	case SL_ROUTE_VIA:
		if (unlikely(id >= SL_NEXT_HOPS))
			return SL_DROP_NO_ROUTE;
		return choose_if(w, b, i, rt->next_hops[id].out_if, &rt->next_hops[id].gateway);
	case SL_ROUTE_NONE:
		break;
	}
	return SL_DROP_NO_ROUTE;
}

/* Routes the burst; packets that have no way out leave it (their place becomes NULL). */
static void
route(struct sl_worker *w, struct burst *b)
{
	const struct sl_ip *dst[SL_BURST];

	for (unsigned i = 0; i < b->n; i++)
		dst[i] = &b->dst[i];
	sl_route_lookup_burst(&w->dp->routes, dst, b->route, b->n);
	for (unsigned i = 0; i < b->n; i++) {
		enum sl_drop reason;

		sl_packet(b->pkts[i])->out_peer = SL_PEER_NONE;
		reason = choose(w, b, i);
		if (likely(reason == SL_DROP_COUNT))
			continue;
		if (reason == SL_DROP_NO_ROUTE)
			sl_icmp_reject(w, b->pkts[i], reason, SL_ICMP_NET_UNREACHABLE, 0);
		else
			sl_worker_drop(w, b->pkts[i], reason);
		b->pkts[i] = NULL;
	}
}

/* A clear packet from an outside port does not enter a tunnel, unless the port says so. */
static inline bool
may_enter_tunnel(const struct sl_worker *w, const struct sl_packet *p)
{
	const struct sl_if *in;

	if (p->flags & (SL_PKT_DECAPPED | SL_PKT_LOCAL))
		return true;
	in = sl_dataplane_if(w->dp, p->in_if);
	return in && (!in->outside || in->forward_clear);
}

/* The second lookup: which peer of its interface each packet is for. */
static void
find_peers(struct sl_worker *w, struct burst *b)
{
	sl_lpm_lookup_burst(b->keys, b->peers, b->n_keys);
	for (unsigned k = 0; k < b->n_keys; k++) {
		struct rte_mbuf *m = b->pkts[b->key_of[k]];
		struct sl_packet *p = sl_packet(m);

		if (likely(b->peers[k] != 0 && b->peers[k] <= w->dp->peers.capacity)) {
			p->out_peer = b->peers[k] - 1;
			rte_prefetch0(&w->dp->peers.slots[p->out_peer]);
			continue;
		}
		if (may_enter_tunnel(w, p))
			sl_icmp_reject(w, m, SL_DROP_NO_PEER, SL_ICMP_HOST_UNREACHABLE, 0);
		else
			sl_worker_drop(w, m, SL_DROP_CLEAR_NOT_FORWARDED);
		b->pkts[b->key_of[k]] = NULL;
	}
}

/* False where the packet's time is up: it has then been handed on. */
static bool
spend_hop(struct sl_worker *w, struct rte_mbuf *m)
{
	uint8_t *h = rte_pktmbuf_mtod(m, uint8_t *);
	bool v4 = h[0] >> 4 == 4;
	uint8_t *ttl = h + (v4 ? IP4_TTL : IP6_HOPS);
	uint16_t before, after, checksum;

	if (unlikely(*ttl <= 1)) {
		sl_icmp_reject(w, m, SL_DROP_TTL_EXCEEDED, SL_ICMP_TIME_EXCEEDED, 0);
		return false;
	}
	if (!v4) {
		*ttl -= 1;
		return true;
	}
	memcpy(&before, ttl, sizeof(before));
	*ttl -= 1;
	memcpy(&after, ttl, sizeof(after));
	memcpy(&checksum, h + IP4_CHECKSUM, sizeof(checksum));
	checksum = sl_csum_replace16(checksum, before, after);
	memcpy(h + IP4_CHECKSUM, &checksum, sizeof(checksum));
	return true;
}

/* Whether a packet above the MTU may be cut: IPv4 without DF, and IPv6 that begins here. */
static inline bool
may_fragment(const struct rte_mbuf *m, const struct sl_packet *p)
{
	const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);

	if (h[0] >> 4 == 4)
		return !(h[IP4_FLAGS] & IP4_DF);
	return p->flags & SL_PKT_LOCAL;
}

/* The last checks for a routed packet, and its exit. */
static void
send_out(struct sl_worker *w, struct rte_mbuf *m)
{
	struct sl_packet *p = sl_packet(m);
	const struct sl_if *out;
	bool oversize;

	if (p->out_peer != SL_PEER_NONE) {
		if (unlikely(!may_enter_tunnel(w, p))) {
			sl_worker_drop(w, m, SL_DROP_CLEAR_NOT_FORWARDED);
			return;
		}
		p->out_if = w->dp->peers.slots[p->out_peer].wg_if;
	}
	out = sl_dataplane_if(w->dp, p->out_if);
	if (unlikely(out == NULL)) {
		sl_worker_drop(w, m, SL_DROP_INTERFACE_DOWN);
		return;
	}
	oversize = m->pkt_len > out->mtu && out->mtu != 0;
	if (unlikely(oversize && !may_fragment(m, p))) {
		/* Said before the hop is spent, so that the quoted header is as it was sent. */
		sl_icmp_reject(w, m, SL_DROP_TOO_BIG, SL_ICMP_TOO_BIG, out->mtu);
		return;
	}
	if (!(p->flags & SL_PKT_LOCAL) && !spend_hop(w, m))
		return;
	/* What comes behind a packet to be cut goes the same way, so that a flow keeps its order. */
	if (unlikely(oversize || w->stages[SL_STAGE_FRAGMENT]->n > 0))
		sl_worker_enqueue(w, SL_STAGE_FRAGMENT, m);
	else
		sl_worker_enqueue(w, p->out_peer != SL_PEER_NONE ? SL_STAGE_ENCAP : SL_STAGE_NEIGHBOUR, m);
}

void
sl_stage_forward(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct burst b;

	for (unsigned done = 0; done < n; done += SL_BURST) {
		sort_out(w, &b, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
		route(w, &b);
		if (b.n_keys > 0)
			find_peers(w, &b);
		for (unsigned i = 0; i < b.n; i++)
			if (likely(b.pkts[i] != NULL))
				send_out(w, b.pkts[i]);
	}
}
