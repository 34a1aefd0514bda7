/*
 * Stage FORWARD. In: valid L3 packets that are not for us: clear ones from ports, decrypted ones, our own.
 * Exits: ENCAP (out_peer), NEIGHBOUR (out_if, next_hop), FRAGMENT (above the egress MTU, and what comes behind such
 * packets), ICMP_ERROR.
 */
#include <rte_prefetch.h>

#include "dataplane/icmp_error.h"
#include "dataplane/ip.h"
#include "dataplane/outer.h"

#define IP4_TTL      8  /* offsets in an IPv4 header */
#define IP4_CHECKSUM 10
#define IP4_FLAGS    6
#define IP4_DF       0x40
#define IP4_SRC      12
#define IP4_DST      16
#define IP6_HOPS     7 /* the same of IPv6 */
#define IP6_SRC      8
#define IP6_DST      24
#define IP4_CLASS_D  224 /* multicast, reserved and broadcast addresses begin here */

/* Classes of an address by its first byte. */
enum { GLOBAL = 0, ON_LINK, BY_SECOND };

static const uint8_t class4[256] = {
	[0] = ON_LINK, [127] = ON_LINK, [169] = BY_SECOND, [IP4_CLASS_D ... 255] = ON_LINK,
};

/* What becomes of packets to one destination. */
enum fate {
	TO_PEER,
	TO_PORT,
	NO_ROUTE, /* the sender is told */
	NO_PEER,  /* the same, if it may send into tunnels at all */
	DOWN,
};

struct way {
	uint8_t fate; /* enum fate */
	uint16_t out_id;
	uint32_t peer;           /* TO_PEER */
	const struct sl_if *out; /* TO_PEER, TO_PORT */
	const struct sl_ip *gateway; /* TO_PORT: NULL where the destination is a neighbour itself */
};

struct burst {
	struct sl_worker *w;
	unsigned n;
	struct rte_mbuf *pkts[SL_BURST];
	uint8_t way_of[SL_BURST];
	/* Each run of packets to one destination has a way. */
	unsigned n_ways;
	struct sl_lpm_key dst[SL_BURST];
	uint32_t dst4[SL_BURST]; /* the addresses, where all ways are IPv4 */
	bool all_v4;
	uint32_t route[SL_BURST];
	struct way ways[SL_BURST];
	/* those whose peer an interface's cryptokey table tells */
	unsigned n_keys;
	struct sl_lpm_key keys[SL_BURST];
	uint32_t peers[SL_BURST];
	uint8_t key_of[SL_BURST];
	/* the last interfaces met: nearly always the same */
	const struct sl_if *in, *out;
	uint16_t in_id, out_id;
	bool cutting; /* packets of this pass wait to be cut: what comes behind them follows */
	/* where the packets go */
	unsigned n_out;
	struct rte_mbuf *left[SL_BURST];
	uint8_t next[SL_BURST];
};

/* Addresses that no router passes on, as source or as destination. */
static inline bool
stays_on_link4(const uint8_t *addr)
{
	uint8_t class = class4[addr[0]];

	return unlikely(class != GLOBAL) && (class == ON_LINK || addr[1] == 254);
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

static inline struct sl_ip
address(const struct sl_lpm_key *key)
{
	return key->family == SL_AF_INET ? sl_ip4(key->addr) : sl_ip6(key->addr);
}

/* The published interface of that id, or NULL. */
static inline const struct sl_if *
out_if(struct burst *b, uint16_t id)
{
	if (unlikely(id != b->out_id)) {
		b->out_id = id;
		b->out = sl_dataplane_if(b->w->dp, id);
	}
	return b->out;
}

/* A packet of our own that names its interface goes there without a route: link-local and multicast answers. */
static bool
stays_local(struct sl_worker *w, struct rte_mbuf *m, const struct sl_lpm_key *dst)
{
	struct sl_packet *p = sl_packet(m);

	if (!(p->flags & SL_PKT_LOCAL) || p->out_if == SL_IF_NONE || p->flags & SL_PKT_ICMP_ERROR)
		return false;
	p->next_hop = address(dst);
	sl_worker_enqueue(w, SL_STAGE_NEIGHBOUR, m);
	return true;
}

/* Fills the burst with the packets that may be forwarded. */
static void
sort_out(struct burst *b, struct rte_mbuf **pkts, unsigned n)
{
	bool again = false; /* the last destination is `last` */
	uint32_t last = 0;

	b->n = b->n_ways = b->n_keys = b->n_out = 0;
	b->all_v4 = true;
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *h = rte_pktmbuf_mtod(pkts[i], const uint8_t *);
		struct sl_lpm_key dst = {.addr = h + IP4_DST, .family = SL_AF_INET};
		bool v4 = h[0] >> 4 == 4, link;
		uint32_t to = 0;

		if (likely(v4)) {
			link = stays_on_link4(h + IP4_DST) || stays_on_link4(h + IP4_SRC);
			memcpy(&to, h + IP4_DST, sizeof(to));
		} else {
			dst = (struct sl_lpm_key){.addr = h + IP6_DST, .family = SL_AF_INET6};
			link = stays_on_link6(h + IP6_DST) || stays_on_link6(h + IP6_SRC);
		}
		if (unlikely(link)) {
			if (!stays_local(b->w, pkts[i], &dst))
				sl_worker_drop(b->w, pkts[i], SL_DROP_NO_ROUTE);
			continue;
		}
		if (!(again && v4 && to == last)) {
			b->dst4[b->n_ways] = to;
			b->all_v4 &= v4;
			b->dst[b->n_ways++] = dst;
			again = v4;
			last = to;
		}
		b->way_of[b->n] = (uint8_t)(b->n_ways - 1);
		b->pkts[b->n++] = pkts[i];
	}
}

/*
 * What ENCAP and SEAL will touch of a peer: its line, and the way with the worker's stamps. Asked for twice in a burst,
 * for a core that has no room for another request drops it.
 */
static inline void
fetch_peer(const struct burst *b, uint32_t peer)
{
	const struct sl_worker *w = b->w;

	rte_prefetch0(&w->dp->peers.slots[peer]);
	rte_prefetch0(sl_outer_path(w->paths, peer));
}

static void
choose_peer(struct burst *b, struct way *way, uint32_t peer)
{
	way->fate = TO_PEER;
	way->peer = peer;
	fetch_peer(b, peer);
}

/* Applies a route to an interface: a port's neighbour (gateway NULL: the destination), or a look into the cryptokey table. */
static void
choose_if(struct burst *b, unsigned i, uint16_t id, const struct sl_ip *gateway)
{
	const struct sl_if *ifp = out_if(b, id);
	struct way *way = &b->ways[i];

	way->fate = ifp ? TO_PORT : DOWN;
	way->out_id = id;
	way->out = ifp;
	way->gateway = gateway;
	if (likely(ifp == NULL || ifp->kind == SL_IF_PORT))
		return;
	b->keys[b->n_keys] = (struct sl_lpm_key){ifp->cryptokey, b->dst[i].addr, b->dst[i].family};
	b->key_of[b->n_keys++] = (uint8_t)i;
}

static void
choose(struct burst *b, unsigned i)
{
	const struct sl_dataplane *dp = b->w->dp;
	uint32_t id = SL_ROUTE_ID(b->route[i]);
	struct way *way = &b->ways[i];

	way->fate = NO_ROUTE;
	switch (SL_ROUTE_KIND(b->route[i])) {
	case SL_ROUTE_PEER:
		if (likely(id < dp->peers.capacity))
			choose_peer(b, way, id);
		else
			way->fate = DOWN;
		break;
	case SL_ROUTE_IF:
		choose_if(b, i, (uint16_t)id, NULL);
		break;
	case SL_ROUTE_VIA:
		if (likely(id < SL_NEXT_HOPS))
			choose_if(b, i, dp->routes.next_hops[id].out_if, &dp->routes.next_hops[id].gateway);
		break;
	case SL_ROUTE_NONE:
		break;
	}
}

/* The second lookup: which peer of its interface each destination belongs to. */
static void
find_peers(struct burst *b)
{
	sl_lpm_lookup_burst(b->keys, b->peers, b->n_keys);
	for (unsigned k = 0; k < b->n_keys; k++) {
		struct way *way = &b->ways[b->key_of[k]];

		if (likely(b->peers[k] != 0 && b->peers[k] <= b->w->dp->peers.capacity))
			choose_peer(b, way, b->peers[k] - 1);
		else
			way->fate = NO_PEER;
	}
}

/* Finds the ways of the burst's destinations. */
static void
route(struct burst *b)
{
	if (likely(b->all_v4))
		sl_route_lookup4_burst(&b->w->dp->routes, b->dst4, b->route, b->n_ways);
	else
		sl_route_lookup_keys(&b->w->dp->routes, b->dst, b->route, b->n_ways);
	for (unsigned i = 0; i < b->n_ways; i++)
		choose(b, i);
	if (b->n_keys > 0)
		find_peers(b);
	for (unsigned i = 0; i < b->n_ways; i++) {
		struct way *way = &b->ways[i];

		if (way->fate != TO_PEER)
			continue;
		fetch_peer(b, way->peer);
		way->out_id = b->w->dp->peers.slots[way->peer].wg_if;
		way->out = out_if(b, way->out_id);
	}
}

/* A clear packet from an outside port does not enter a tunnel, unless the port says so. */
static inline bool
may_enter_tunnel(struct burst *b, const struct sl_packet *p)
{
	if (p->flags & (SL_PKT_DECAPPED | SL_PKT_LOCAL))
		return true;
	if (unlikely(p->in_if != b->in_id)) {
		b->in_id = p->in_if;
		b->in = sl_dataplane_if(b->w->dp, p->in_if);
	}
	return b->in && (!b->in->outside || b->in->forward_clear);
}

/* One hop less, and the IPv4 checksum mended. The hop must be there. */
static inline void
spend_hop(uint8_t *h, bool v4)
{
	uint16_t before, after, checksum;

	if (unlikely(!v4)) {
		h[IP6_HOPS] -= 1;
		return;
	}
	memcpy(&before, h + IP4_TTL, sizeof(before)); /* the protocol is the word's other half */
	after = (uint16_t)(before - rte_cpu_to_be_16(1 << 8));
	memcpy(h + IP4_TTL, &after, sizeof(after));
	memcpy(&checksum, h + IP4_CHECKSUM, sizeof(checksum));
	checksum = sl_csum_replace16(checksum, before, after);
	memcpy(h + IP4_CHECKSUM, &checksum, sizeof(checksum));
}

/* Whether a packet above the MTU may be cut: IPv4 without DF, and IPv6 that begins here. */
static inline bool
may_fragment(const uint8_t *h, const struct sl_packet *p)
{
	if (h[0] >> 4 == 4)
		return !(h[IP4_FLAGS] & IP4_DF);
	return p->flags & SL_PKT_LOCAL;
}

/* A packet that has no way out. Returns its exit, or -1 where it was handed on already. */
static __attribute__((cold, noinline)) int
lost(struct burst *b, struct rte_mbuf *m, const struct way *way)
{
	sl_packet(m)->out_peer = SL_PEER_NONE;
	if (way->fate == DOWN)
		return SL_EXIT_DROP(INTERFACE_DOWN);
	if (way->fate == NO_PEER && !may_enter_tunnel(b, sl_packet(m)))
		return SL_EXIT_DROP(CLEAR_NOT_FORWARDED);
	if (way->fate == NO_PEER)
		sl_icmp_reject(b->w, m, SL_DROP_NO_PEER, SL_ICMP_HOST_UNREACHABLE, 0);
	else
		sl_icmp_reject(b->w, m, SL_DROP_NO_ROUTE, SL_ICMP_NET_UNREACHABLE, 0);
	return -1;
}

/* The last checks for a routed packet. Returns its exit, or -1 where it was handed on already. */
static inline int
judge(struct burst *b, struct rte_mbuf *m, const struct way *way, const struct sl_lpm_key *dst)
{
	struct sl_packet *p = sl_packet(m);
	uint8_t *h = rte_pktmbuf_mtod(m, uint8_t *);
	bool v4 = h[0] >> 4 == 4, to_peer = way->fate == TO_PEER;
	bool oversize;

	if (unlikely(way->fate > TO_PORT))
		return lost(b, m, way);
	if (to_peer && unlikely(!may_enter_tunnel(b, p)))
		return SL_EXIT_DROP(CLEAR_NOT_FORWARDED);
	if (unlikely(way->out == NULL))
		return SL_EXIT_DROP(INTERFACE_DOWN);
	p->out_if = way->out_id;
	p->out_peer = to_peer ? way->peer : SL_PEER_NONE;
	oversize = m->pkt_len > way->out->mtu && way->out->mtu != 0;
	if (unlikely(oversize && !may_fragment(h, p))) {
		/* Said before the hop is spent, so that the quoted header is as it was sent. */
		sl_icmp_reject(b->w, m, SL_DROP_TOO_BIG, SL_ICMP_TOO_BIG, way->out->mtu);
		return -1;
	}
	if (likely(!(p->flags & SL_PKT_LOCAL))) {
		if (unlikely(h[v4 ? IP4_TTL : IP6_HOPS] <= 1)) {
			sl_icmp_reject(b->w, m, SL_DROP_TTL_EXCEEDED, SL_ICMP_TIME_EXCEEDED, 0);
			return -1;
		}
		spend_hop(h, v4);
	}
	if (!to_peer)
		p->next_hop = way->gateway ? *way->gateway : address(dst);
	/* What comes behind a packet to be cut goes the same way, so that a flow keeps its order. */
	b->cutting |= oversize;
	if (unlikely(b->cutting))
		return SL_STAGE_FRAGMENT;
	return to_peer ? SL_STAGE_ENCAP : SL_STAGE_NEIGHBOUR;
}

static void
send_out(struct burst *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		unsigned way = b->way_of[i];
		int next = judge(b, b->pkts[i], &b->ways[way], &b->dst[way]);

		if (unlikely(next < 0))
			continue;
		b->left[b->n_out] = b->pkts[i];
		b->next[b->n_out++] = (uint8_t)next;
	}
	sl_worker_dispatch(b->w, b->left, b->next, b->n_out);
}

void
sl_stage_forward(struct sl_worker *w, struct rte_mbuf **pkts, unsigned n)
{
	struct burst b;

	b.w = w;
	b.in_id = b.out_id = SL_IF_NONE;
	b.in = b.out = NULL;
	b.cutting = w->stages[SL_STAGE_FRAGMENT]->n > 0;
	for (unsigned done = 0; done < n; done += SL_BURST) {
		sort_out(&b, pkts + done, RTE_MIN(n - done, (unsigned)SL_BURST));
		route(&b);
		send_out(&b);
	}
}
