#include "tests/fuzz/fixture.h"

#include <sched.h>

#include "dataplane/staged.h"
#include "tests/fuzz/leaks.h"

#define ENDPOINT4    "198.51.100.7"
#define ENDPOINT6    "2001:db8:7::7"
#define PORT         4444
#define BURSTS       4
#define SETTLE_NS    (4 * SL_NSEC_PER_SEC) /* longer than any packet waits */
#define SETTLE_TRIES 8
#define WRONG_LENGTHS 10
#define REST_NS      (1000 * SL_NSEC_PER_SEC)

static const struct {
	uint16_t wg_if;
	const char *endpoint;
	const char *allowed[3];
} peers[FUZZ_PEERS] = {
	{RIG_WG0, ENDPOINT4 ":4444", {"10.64.0.2/32", "fd00:64::2/128", "192.0.2.0/24"}},
	{RIG_WG0, "[" ENDPOINT6 "]:4444", {"10.64.0.3/32", "fd00:64::3/128"}},
	{RIG_WG1, "10.64.0.2:4444", {"10.65.0.2/32", "fd00:65::2/128"}},
	{RIG_WG0, ENDPOINT4 ":5555", {"10.64.0.4/32"}},
	{RIG_WG1, NULL, {"10.65.0.5/32"}},
};

static void
reset_session(struct fuzz_rig *f, unsigned i)
{
	struct sl_session *s = f->sessions[i].s;

	s->created = f->r->now;
	sl_sender_set_counter(s->sender, 0);
	atomic_store(&s->facts, 0);
	memset(&s->replay, 0, sizeof(s->replay));
	atomic_store(&f->r->dp->peers.slots[i + 1].current, sl_session_id(&f->r->dp->sessions, f->sessions[i].slot));
}

/* All that an input may have changed. */
static void
reset(struct fuzz_rig *f)
{
	const struct sl_ip stranger4 = rig_ip(FUZZ_STRANGER4), stranger6 = rig_ip(FUZZ_STRANGER6);
	struct rig *r = f->r;

	r->now += REST_NS;
	r->tx_refuse = 0;
	r->w->ip_id = r->w->ip_id_first;
	r->w->frag_id = 0;
	sl_neighbour_remove(r->dp->neighbours, RIG_LAN, &stranger4);
	sl_neighbour_remove(r->dp->neighbours, RIG_LAN, &stranger6);
	for (unsigned i = 0; i < FUZZ_PEERS; i++) {
		rig_peer(r, i + 1, peers[i].wg_if, peers[i].endpoint, NULL);
		atomic_store(&r->dp->peers.slots[i + 1].facts, 0);
		for (unsigned line = 0; line < 2; line++) {
			memset(&r->dp->peers.sending[line][i + 1], 0, sizeof(struct sl_peer_sending));
			memset(&r->dp->peers.receiving[line][i + 1], 0, sizeof(struct sl_peer_receiving));
		}
	}
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++)
		reset_session(f, i);
	for (uint16_t id = RIG_WAN; id < RIG_IFS; id++) {
		uint16_t mtu = id < RIG_WG0 ? RIG_MTU : RIG_WG_MTU;

		if (r->ifs[id].mtu != mtu) {
			r->ifs[id].mtu = mtu;
			rig_publish_if(r, id);
		}
	}
}

static void
create(struct fuzz_rig *f)
{
	cpu_set_t cpus;

	/* EAL binds the thread to one core; a fuzzer shares the machine */
	sched_getaffinity(0, sizeof(cpus), &cpus);
	f->r = rig_create(1);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (unsigned i = 0; i < FUZZ_PEERS; i++) {
		rig_peer(f->r, i + 1, peers[i].wg_if, peers[i].endpoint, NULL);
		for (unsigned k = 0; k < RTE_DIM(peers[i].allowed) && peers[i].allowed[k]; k++)
			rig_allow(f->r, i + 1, peers[i].allowed[k]);
	}
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++)
		f->sessions[i] = rig_session(f->r, i + 1, i % 2 == 0, true);
	rig_neighbour(f->r, RIG_WAN, "203.0.113.1", 1);
	rig_neighbour(f->r, RIG_WAN, "2001:db8::1", 1);
	rig_neighbour(f->r, RIG_LAN, "10.20.5.5", 5);
	rig_neighbour(f->r, RIG_LAN, "fd00:20::5", 5);
	f->mbufs = f->r->mbufs_before;
	reset(f);
}

struct fuzz_rig *
fuzz_rig(void)
{
	static struct fuzz_rig f;

	if (f.r == NULL) {
		fuzz_leak_checks(false);
		create(&f);
		fuzz_leak_checks(true);
	}
	return &f;
}

struct exact {
	struct rte_mbuf_ext_shared_info shared;
	void *bytes;
};

static void
free_exact(void *addr, void *opaque)
{
	struct exact *e = opaque;

	free(e->bytes);
	free(e);
}

/* Headroom as ports leave it, the bytes, and nothing more. */
static void
attach_exact(struct rte_mbuf *m, size_t len)
{
	struct exact *e = calloc(1, sizeof(*e));

	FUZZ_CHECK(e);
	e->bytes = malloc(RTE_PKTMBUF_HEADROOM + len);
	FUZZ_CHECK(e->bytes);
	memset(e->bytes, 0, RTE_PKTMBUF_HEADROOM);
	e->shared.free_cb = free_exact;
	e->shared.fcb_opaque = e;
	rte_mbuf_ext_refcnt_set(&e->shared, 1);
	rte_pktmbuf_attach_extbuf(m, e->bytes, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + len), &e->shared);
	rte_pktmbuf_reset_headroom(m);
}

static struct rte_mbuf *
make_mbuf(struct fuzz_rig *f, const uint8_t *p, size_t len, enum fuzz_layout layout, size_t seg)
{
	struct rte_mbuf *head = NULL;

	do {
		struct rte_mbuf *m = rte_pktmbuf_alloc(f->r->dp->pool);
		size_t part = seg && len > seg ? seg : len;

		FUZZ_CHECK(m);
		part = RTE_MIN(part, (size_t)RIG_MTU);
		if (layout == FUZZ_EXACT)
			attach_exact(m, part);
		if (part > 0)
			memcpy(rte_pktmbuf_append(m, (uint16_t)part), p, part);
		p += part;
		len -= part;
		if (head == NULL)
			head = m;
		else
			FUZZ_CHECK(rte_pktmbuf_chain(head, m) == 0);
	} while (len > 0);
	return head;
}

void
fuzz_receive(struct fuzz_rig *f, uint16_t in_if, const uint8_t *frame, size_t len, enum fuzz_layout layout, size_t seg)
{
	rig_receive(f->r, 0, in_if, make_mbuf(f, frame, len, layout, seg));
	if (++f->received == BURSTS * SL_BURST)
		fuzz_run(f);
}

void
fuzz_receive_packet(
	struct fuzz_rig *f, uint16_t in_if, const uint8_t *packet, size_t len, enum fuzz_layout layout, size_t seg)
{
	uint16_t type = len > 0 && packet[0] >> 4 == 6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4;
	uint8_t frame[RIG_PACKET + RTE_ETHER_HDR_LEN];

	len = rig_ether(f->r, frame, in_if, NULL, type, packet, len);
	fuzz_receive(f, in_if, frame, len, layout, seg);
}

/* Whatever came in, what goes out is a frame that fits its port, with a packet in it that anybody would take. */
static void
check_sent(const struct fuzz_rig *f, struct rte_mbuf *m, uint16_t port)
{
	uint32_t mtu = f->r->ifs[port].mtu, len = m->pkt_len - RTE_ETHER_HDR_LEN;
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, const struct rte_ether_hdr *);
	struct sl_ip_info info;

	FUZZ_CHECK(m->data_len >= sizeof(*eth));
	FUZZ_CHECK(len <= mtu);
	FUZZ_CHECK(eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV4) || eth->ether_type == RTE_BE16(RTE_ETHER_TYPE_IPV6));
	FUZZ_CHECK(sl_ip_hdr_parse((const uint8_t *)(eth + 1), m->data_len - RTE_ETHER_HDR_LEN, len, &info) == SL_IP_OK);
	FUZZ_CHECK(info.total_len == len);
}

void
fuzz_run(struct fuzz_rig *f)
{
	struct rig *r = f->r;

	rig_run(r, 0);
	f->received = 0;
	for (unsigned i = 0; i < r->n_sent; i++)
		check_sent(f, r->sent[i].m, r->sent[i].port);
	rig_forget_sent(r);
	rig_check_conservation(r, 0);
	FUZZ_CHECK(r->w->pending == 0);
}

static void
drain(struct rte_ring *ring)
{
	struct rte_mbuf *m;

	while ((m = rig_take_ring(ring)) != NULL)
		rte_pktmbuf_free(m);
}

static void
drain_rings(struct fuzz_rig *f)
{
	struct sl_dataplane *dp = f->r->dp;
	struct sl_neighbour_miss miss;
	uint32_t cursor = 0, slots[FUZZ_PEERS], facts[FUZZ_PEERS];

	drain(dp->to_control);
	drain(f->r->ifs[RIG_WG0].handshakes);
	drain(f->r->ifs[RIG_WG1].handshakes);
	while (rte_ring_sc_dequeue_elem(dp->misses, &miss, sizeof(miss)) == 0) {
	}
	while (sl_peers_take_facts(&dp->peers, &cursor, slots, facts, FUZZ_PEERS) > 0) {
	}
}

void
fuzz_settle(struct fuzz_rig *f)
{
	struct rig *r = f->r;
	uint32_t in_use;

	fuzz_run(f);
	for (unsigned i = 0; i < SETTLE_TRIES && atomic_load(&r->w->stats.queued) > 0; i++) {
		for (uint32_t slot = 1; slot <= FUZZ_PEERS; slot++) {
			struct sl_command cmd = {.op = SL_CMD_PURGE_PEER, .peer = slot};

			FUZZ_CHECK(sl_dataplane_command(r->dp, 0, &cmd));
		}
		r->now += SETTLE_NS;
		fuzz_run(f);
	}
	FUZZ_CHECK(atomic_load(&r->w->stats.queued) == 0);
	FUZZ_CHECK(!sl_staged_any(r->w->staged));
	drain_rings(f);
	rig_reclaim(r);
	in_use = rte_mempool_in_use_count(r->dp->pool) + rte_mempool_in_use_count(r->dp->jumbo);
	FUZZ_CHECK(in_use == f->mbufs);
	reset(f);
}

size_t
fuzz_sealed(struct fuzz_rig *f, uint8_t *out, unsigned session, bool v6, uint64_t counter, const uint8_t *plain, size_t len)
{
	struct rig_flow flow = {.src = v6 ? ENDPOINT6 : ENDPOINT4,
		.dst = v6 ? "2001:db8::10" : "203.0.113.10",
		.sport = PORT,
		.dport = peers[session].wg_if == RIG_WG0 ? RIG_WG0_PORT : RIG_WG1_PORT};
	uint8_t msg[RIG_PACKET];
	/* one more than the length is padded to: some plaintexts are not padded at all */
	size_t n = rig_data(msg, &f->sessions[session], counter, plain, len, len % 2 ? len : 0);

	return rig_udp(out, &flow, msg, n);
}

static const char *const sources[FUZZ_SESSIONS][2] = {
	{"10.64.0.2", "fd00:64::2"}, {"10.64.0.3", "fd00:64::3"}, {"10.65.0.2", "fd00:65::2"}};

static const char *const destinations[][2] = {
	{"10.20.5.5", "fd00:20::5"},           /* a host on the LAN */
	{FUZZ_STRANGER4, FUZZ_STRANGER6},
	{"198.51.100.99", "2001:db8:99::1"},   /* by the gateway */
	{"10.64.0.2", "fd00:64::2"},           /* peers */
	{"10.64.0.3", "fd00:64::3"},
	{"10.65.0.2", "fd00:65::2"},
	{"10.64.0.4", "fd00:64::4"},
	{"10.65.0.5", "fd00:65::5"},
	{"10.64.0.9", "fd00:64::9"},           /* of no peer */
	{"10.20.0.1", "fd00:20::1"},           /* us */
	{"203.0.113.10", "2001:db8::10"},
	{"255.255.255.255", "ff02::1"},
	{"224.0.0.1", "fe80::1"},
	{"127.0.0.1", "::1"},
};

static void
make_inner4(uint8_t *p, size_t len, unsigned session, const char *dst, int off)
{
	struct sl_ip from = rig_ip(sources[session][0]), to = rig_ip(dst);
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)p;

	if ((size_t)(p[0] & 0xf) * 4 > len || (p[0] & 0xf) < 5)
		p[0] = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)((int)len + off));
	memcpy(&ip->src_addr, from.bytes, 4);
	memcpy(&ip->dst_addr, to.bytes, 4);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void
make_inner6(uint8_t *p, size_t len, unsigned session, const char *dst, int off)
{
	struct sl_ip from = rig_ip(sources[session][1]), to = rig_ip(dst);
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)p;

	p[0] = (uint8_t)(6 << 4 | (p[0] & 0xf));
	ip->payload_len = rte_cpu_to_be_16((uint16_t)((int)(len - sizeof(*ip)) + off));
	memcpy(ip->src_addr, from.bytes, 16);
	memcpy(ip->dst_addr, to.bytes, 16);
}

void
fuzz_make_inner(uint8_t *packet, size_t len, unsigned session, uint8_t hints, uint8_t dst)
{
	const char *const *to = destinations[dst % RTE_DIM(destinations)];
	/* 0: as long as it says; then longer than it is, then shorter */
	int wrong = (int)(dst / RTE_DIM(destinations)), off = wrong < WRONG_LENGTHS ? wrong : WRONG_LENGTHS - 1 - wrong;

	if (hints & 1 && len >= sizeof(struct rte_ipv4_hdr))
		make_inner4(packet, len, session, to[0], off);
	else if (hints & 2 && len >= sizeof(struct rte_ipv6_hdr))
		make_inner6(packet, len, session, to[1], off);
}
