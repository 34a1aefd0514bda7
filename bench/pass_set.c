#include "bench/pass_set.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_malloc.h>

#include "bench/open_sample.h"
#include "crypto/bytes.h"
#include "dataplane/ip.h"

#define START_NS     (1000 * SL_NSEC_PER_SEC)
#define PEER_NET     0x0a400000u /* 10.64.0.0 */
#define HOST         0x0a140505u /* 10.20.5.5 */
#define OUTER_NET    0xc6330000u /* 198.51.0.0: endpoints */
#define GATEWAY      0xcb007101u /* 203.0.113.1 */
#define LISTEN_PORT  51820
#define TUNNEL_MTU   1420
#define PORT_MTU     1500
#define FRAME_MAX    (PORT_MTU + RTE_ETHER_HDR_LEN)
#define PEER_BITS    11          /* of PEER_NET: two million addresses */
#define TURNS        (1u << 20)  /* frames until the same peers come in the same order again */

uint32_t
pass_size(uint32_t size, uint32_t i)
{
	static const uint16_t imix[] = {64, 570, 64, 64, 570, 64, 1420, 64, 570, 64, 570, 64};

	return size == PASS_IMIX ? imix[i % RTE_DIM(imix)] : size;
}

static struct sl_ip
ip4(uint32_t host_order)
{
	uint32_t be = rte_cpu_to_be_32(host_order);

	return sl_ip4(&be);
}

static struct sl_prefix
prefix(uint32_t addr, uint8_t len)
{
	return (struct sl_prefix){.addr = ip4(addr), .len = len};
}

static uint16_t
take(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct pass_set *s = ctx;

	memcpy(s->out + s->n_out, pkts, n * sizeof(*pkts));
	s->n_out += n;
	return n;
}

static void
add_if(struct pass_set *s, uint16_t id, uint8_t kind, uint16_t mtu, uint32_t addr, uint8_t len, bool offload)
{
	struct sl_if *ifp = calloc(1, sizeof(*ifp));
	struct sl_prefix net = prefix(addr, len);

	ifp->id = id;
	ifp->kind = kind;
	ifp->mtu = mtu;
	ifp->port = id;
	ifp->mac = (struct rte_ether_addr){{2, 0, 0, 0, 0, (uint8_t)id}};
	ifp->outside = id == PASS_WAN;
	ifp->tx_udp_csum4 = ifp->rx_csum = offload && kind == SL_IF_PORT;
	ifp->addresses[ifp->n_addresses++] = net;
	if (kind == SL_IF_WIREGUARD) {
		ifp->listen_port = LISTEN_PORT;
		ifp->has_key = true;
		sl_lpm_create(&ifp->cryptokey, s->dp->reclaim, 0);
		ifp->handshakes = s->dp->to_control;
		atomic_store(&s->dp->listen[LISTEN_PORT], id + 1);
	}
	sl_lpm_set(s->dp->routes.lpm, &net, SL_ROUTE(SL_ROUTE_IF, id), NULL);
	sl_dataplane_set_if(s->dp, ifp);
}

static void
add_tables(struct pass_set *s)
{
	static const struct rte_ether_addr mac = {{2, 0xaa, 0, 0, 0, 1}};
	struct sl_localaddr_entry local[3] = {
		{.ip = ip4(GATEWAY + 9), .flags = SL_LOCALADDR_UNICAST, .l3_if = PASS_WAN},
		{.ip = ip4(HOST & 0xffff0000), .flags = SL_LOCALADDR_UNICAST, .l3_if = PASS_LAN},
		{.ip = ip4(PEER_NET), .flags = SL_LOCALADDR_UNICAST, .l3_if = PASS_WG},
	};
	struct sl_prefix all = prefix(0, 0);
	struct sl_ip gateway = ip4(GATEWAY), host = ip4(HOST);
	struct sl_localaddr *set;

	if (sl_localaddr_create(&set, local, 3) == 0)
		atomic_store(&s->dp->localaddr, set);
	s->dp->routes.next_hops[0] = (struct sl_next_hop){.gateway = gateway, .out_if = PASS_WAN};
	sl_lpm_set(s->dp->routes.lpm, &all, SL_ROUTE(SL_ROUTE_VIA, 0), NULL);
	sl_neighbour_set(s->dp->neighbours, PASS_WAN, &gateway, &mac, SL_NEIGHBOUR_REACHABLE);
	sl_neighbour_set(s->dp->neighbours, PASS_LAN, &host, &mac, SL_NEIGHBOUR_REACHABLE);
}

static uint32_t
peer_addr(uint32_t i)
{
	return PEER_NET + 2 + i;
}

static void
add_peer(struct pass_set *s, uint32_t i)
{
	struct sl_peer *peer = &s->dp->peers.slots[i];
	struct sl_endpoint remote = {.ip = ip4(OUTER_NET + i), .port = 4444};
	struct sl_session_keys keys = {.created = START_NS, .initiator = true, .remote_index = i};
	struct sl_prefix allowed = prefix(peer_addr(i), 32);
	struct sl_ip local = ip4(GATEWAY + 9);
	struct sl_outer outer;
	uint32_t slot;

	sl_outer_make(&outer, &remote, &local, LISTEN_PORT);
	peer->wg_if = PASS_WG;
	sl_peer_outer_write(&s->dp->peers, i, &outer);
	atomic_store(&peer->watched, 1);
	keys.incarnation = sl_peers_incarnation(&s->dp->peers);
	atomic_store(&peer->live, keys.incarnation);
	sl_peer_stamps_clear(&s->dp->peers, i); /* what it would do at the first packet is a page fault */
	sl_lpm_set(sl_dataplane_if(s->dp, PASS_WG)->cryptokey, &allowed, i + 1, NULL);
	sl_lpm_set(s->dp->routes.lpm, &allowed, SL_ROUTE(SL_ROUTE_PEER, i), NULL);
	for (unsigned k = 0; k < SL_KEY_LEN; k++) {
		keys.send[k] = (uint8_t)(i + k);
		keys.recv[k] = (uint8_t)(i * 3 + k);
	}
	sl_peer_memory_prepare(&s->dp->peers.memory, i); /* as control does */
	slot = sl_session_reserve(&s->dp->sessions, i, PASS_WG);
	sl_session_publish(&s->dp->sessions, slot, &keys);
	atomic_store(&peer->current, sl_session_id(&s->dp->sessions, slot));
	s->sessions[i] = &s->dp->sessions.slots[slot];
}

/* Draws the turns: peer k with a probability in proportion to 1/k, by inversion of the sum. */
static uint32_t *
draw_zipf(uint32_t peers)
{
	double *sums = calloc(peers, sizeof(*sums)), sum = 0;
	uint32_t *turns = calloc(TURNS, sizeof(*turns));
	uint64_t seed = 1;

	if (sums == NULL || turns == NULL)
		abort();
	for (uint32_t k = 0; k < peers; k++)
		sums[k] = sum += 1.0 / (k + 1);
	for (uint32_t i = 0; i < TURNS; i++) {
		uint32_t low = 0, high = peers - 1;
		double at;

		seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		at = (double)(seed >> 11) / (double)(UINT64_C(1) << 53) * sum;
		while (low < high) {
			uint32_t middle = low + (high - low) / 2;

			if (sums[middle] < at)
				low = middle + 1;
			else
				high = middle;
		}
		/* a busy peer's neighbours are as quiet as any: the ranks are spread over the slots */
		turns[i] = (uint32_t)((uint64_t)low * UINT64_C(2654435761) % peers);
	}
	free(sums);
	return turns;
}

uint32_t
pass_set_peer(const struct pass_set *s, uint32_t i)
{
	return s->turns ? s->turns[i % TURNS] : i % s->peers;
}

struct pass_set *
pass_set_create(uint32_t peers, uint32_t most, bool offload, bool zipf)
{
	return pass_set_create_workers("pass", 1, peers, most, offload, zipf);
}

struct pass_set *
pass_set_create_workers(const char *name, uint16_t workers, uint32_t peers, uint32_t most, bool offload, bool zipf)
{
	struct pass_set *s = calloc(1, sizeof(*s));
	struct sl_dataplane_config cfg = {
		.name = name,
		.pool_size = rte_align32pow2(most + 1024) - 1,
		.frame_len = FRAME_MAX,
		.jumbo_size = 15,
		.peers = peers,
		.sessions = rte_align32pow2(RTE_MAX(peers, 64u)),
		.neighbours = 16,
		.workers = workers,
		.socket = SOCKET_ID_ANY,
		.random = {8, 7, 6, 5, 4, 3, 2, 1},
	};
	struct sl_worker_config wc = {.tx = take, .tx_ctx = s, .socket = SOCKET_ID_ANY};

	s->peers = peers;
	s->now = START_NS;
	s->turns = zipf ? draw_zipf(peers) : NULL;
	s->counters = calloc(peers, sizeof(*s->counters));
	s->sessions = calloc(peers, sizeof(*s->sessions));
	s->out = calloc(most, sizeof(struct rte_mbuf *));
	s->aead = sl_aead_create(SL_SIMD_AUTO);
	if (sl_dataplane_create(&s->dp, &cfg) != 0 || !s->aead) {
		fprintf(stderr, "pass: the dataplane could not be created\n");
		return NULL;
	}
	for (uint16_t i = 0; i < workers; i++) {
		if (sl_worker_create(s->dp, i, &wc) != 0) {
			fprintf(stderr, "pass: a worker could not be created\n");
			return NULL;
		}
	}
	s->w = s->dp->workers[0];
	add_if(s, PASS_WAN, SL_IF_PORT, PORT_MTU, GATEWAY + 9, 24, offload);
	add_if(s, PASS_LAN, SL_IF_PORT, PORT_MTU, HOST & 0xffff0000, 16, offload);
	add_if(s, PASS_WG, SL_IF_WIREGUARD, TUNNEL_MTU, PEER_NET, PEER_BITS, false);
	add_tables(s);
	sl_lpm_begin(s->dp->routes.lpm);
	for (uint32_t i = 0; i < peers; i++)
		add_peer(s, i);
	sl_lpm_commit(s->dp->routes.lpm);
	return s;
}

void
pass_set_destroy(struct pass_set *s)
{
	struct sl_lpm *cryptokey = sl_dataplane_if(s->dp, PASS_WG)->cryptokey;

	sl_aead_destroy(s->aead);
	sl_worker_destroy(s->w);
	sl_lpm_destroy(cryptokey);
	sl_dataplane_destroy(s->dp);
	free(s->turns);
	free(s->counters);
	free(s->sessions);
	free(s->out);
	free(s);
}

/* A UDP packet of len bytes in all at p. */
static void
write_udp(uint8_t *p, uint32_t src, uint32_t dst, uint16_t port, uint32_t len, uint64_t offload)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)len),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(src),
		.dst_addr = rte_cpu_to_be_32(dst),
	};
	struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(4444),
		.dst_port = rte_cpu_to_be_16(port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(ip))),
	};

	ip.hdr_checksum = sl_ip4_checksum(&ip, sizeof(ip));
	memcpy(p, &ip, sizeof(ip));
	memcpy(p + sizeof(ip), &udp, sizeof(udp));
	if (!offload) {
		uint64_t sum = sl_csum_pseudo(SL_AF_INET, p + 12, p + 16, IPPROTO_UDP, len - sizeof(ip));

		udp.dgram_cksum = sl_csum_fold(sl_csum_add(sum, p + sizeof(ip), len - sizeof(ip)));
		memcpy(p + sizeof(ip), &udp, sizeof(udp));
	}
}

/* An Ethernet frame with room for `ip_len` bytes behind its header, for our port. */
static uint8_t *
frame(struct pass_set *s, struct rte_mbuf **m, uint16_t in_if, uint32_t ip_len)
{
	struct rte_ether_hdr ether = {
		.dst_addr = {{2, 0, 0, 0, 0, (uint8_t)in_if}},
		.src_addr = {{2, 0xbb, 0, 0, 0, 1}},
		.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
	};
	uint8_t *p;

	*m = rte_pktmbuf_alloc(s->dp->pool);
	if (*m == NULL)
		abort();
	p = (uint8_t *)rte_pktmbuf_append(*m, (uint16_t)(ip_len + sizeof(ether)));
	memcpy(p, &ether, sizeof(ether));
	return p + sizeof(ether);
}

void
pass_set_clear(struct pass_set *s, struct rte_mbuf **frames, uint32_t n, uint32_t inner)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = pass_size(inner, i);
		uint8_t *p = frame(s, &frames[i], PASS_LAN, len);

		memset(p, 0x5a, len);
		write_udp(p, HOST, peer_addr(pass_set_peer(s, s->next++)), 9, len, true);
	}
}

void
pass_set_sealed(struct pass_set *s, struct rte_mbuf **frames, uint32_t n, uint32_t inner)
{
	uint32_t hdrs = SL_IP4_HDR_MIN + SL_UDP_HDR_LEN;
	bool offload = sl_dataplane_if(s->dp, PASS_WAN)->rx_csum;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t len = pass_size(inner, i);
		uint32_t padded = RTE_MIN(RTE_ALIGN_CEIL(len, SL_PADDING_MULTIPLE), (uint32_t)TUNNEL_MTU);
		uint32_t peer = pass_set_peer(s, s->next++);
		struct sl_session *session = s->sessions[peer];
		uint64_t counter = s->counters[peer]++;
		struct sl_msg_data header = {SL_MSG_DATA, session->index, counter};
		uint8_t *p = frame(s, &frames[i], PASS_WAN, hdrs + SL_DATA_OVERHEAD + padded);
		uint8_t *data = p + hdrs + sizeof(header);
		struct sl_aead_job job = {session->recv_key, counter, data, data, data + padded, padded, false};

		memset(data, 0, padded);
		write_udp(data, peer_addr(peer), HOST, 9, len, true);
		memcpy(data - sizeof(header), &header, sizeof(header));
		sl_aead_seal_batch(s->aead, &job, 1);
		write_udp(p, OUTER_NET + peer, GATEWAY + 9, LISTEN_PORT, hdrs + SL_DATA_OVERHEAD + padded, offload);
		if (offload)
			frames[i]->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	}
}

/* Whether a frame that came out holds what went in. */
static bool
right(const struct pass_set *s, const struct rte_mbuf *m, uint32_t inner, bool sealed)
{
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	uint8_t plain[FRAME_MAX];
	uint32_t peer, len = m->pkt_len - RTE_ETHER_HDR_LEN;

	if (!sealed)
		return len == inner && sl_ip4_checksum(p, SL_IP4_HDR_MIN) == 0;
	p += SL_IP4_HDR_MIN + SL_UDP_HDR_LEN;
	len -= SL_IP4_HDR_MIN + SL_UDP_HDR_LEN + (uint32_t)sizeof(struct sl_msg_data);
	peer = sl_load_le32(p + 4);
	return peer < s->peers &&
		bench_open_sample(plain, p + sizeof(struct sl_msg_data), len, sl_load_le64(p + 8),
			s->sessions[peer]->sender->key) &&
		sl_ip4_checksum(plain, SL_IP4_HDR_MIN) == 0;
}

bool
pass_set_check(struct pass_set *s, uint32_t want, uint32_t inner, bool sealed)
{
	bool ok = s->n_out == want;

	for (unsigned i = 0; i < SL_DROP_COUNT; i++)
		if (s->w->stats.drops[i] != 0) {
			fprintf(stderr, "pass: %lu packets dropped: %s\n", s->w->stats.drops[i], sl_drop_name((enum sl_drop)i));
			ok = false;
		}
	for (uint32_t i = 0; ok && i < s->n_out; i += 1 + s->n_out / 7)
		ok = right(s, s->out[i], pass_size(inner, i), sealed);
	rte_pktmbuf_free_bulk(s->out, s->n_out);
	s->n_out = 0;
	return ok;
}
