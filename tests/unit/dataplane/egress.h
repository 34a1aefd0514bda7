/*
 * A tunnel for tests of the egress stages: peer 1 on WG0 behind the WAN's gateway, and shorthands to put packets into
 * a stage and to read what was sent. Packets put in by hand are counted for the conservation check.
 */
#pragma once

#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "dataplane/outer.h"
#include "dataplane/staged.h"
#include "tests/unit/dataplane/support.h"

#define PEER       1u
#define PEER_V4    "10.64.0.2"
#define PEER_V6    "fd00:64::2"
#define HOST_V4    "10.20.5.5"
#define HOST_V6    "fd00:20::5"
#define ENDPOINT4  "198.51.100.7:4444"
#define ENDPOINT6  "[2001:db8:7::7]:4444"
#define GATEWAY4   "203.0.113.1"
#define GATEWAY6   "2001:db8::1"

static unsigned strays;

static inline struct rig *
tunnel(uint16_t workers, const char *endpoint)
{
	struct rig *r = rig_create(workers);

	strays = 0;
	rig_peer(r, PEER, RIG_WG0, endpoint, NULL);
	rig_allow(r, PEER, PEER_V4 "/32");
	rig_allow(r, PEER, PEER_V6 "/128");
	rig_neighbour(r, RIG_WAN, GATEWAY4, 1);
	rig_neighbour(r, RIG_WAN, GATEWAY6, 1);
	return r;
}

/* Checks the books and that all memory came back. */
static inline void
finish(struct rig *r)
{
	rig_check_conservation(r, strays);
	rig_destroy(r);
}

static inline void
put(struct rig *r, enum sl_stage stage, struct rte_mbuf *m)
{
	strays++;
	sl_worker_enqueue(r->w, stage, m);
}

/* A UDP packet of `total` bytes in all, that came in by in_if. */
static inline struct rte_mbuf *
udp(struct rig *r, uint16_t in_if, const struct rig_flow *flow, size_t total)
{
	uint8_t packet[RIG_PACKET], payload[RIG_PACKET];
	size_t hdrs = strchr(flow->src, ':') ? 48 : 28;

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7 + total);
	cr_assert_geq(total, hdrs);
	cr_assert_eq(rig_udp(packet, flow, payload, total - hdrs), total);
	return rig_mbuf(r, in_if, packet, total, 0);
}

/* From the LAN host to the peer. */
static inline struct rte_mbuf *
inner4(struct rig *r, size_t total)
{
	return udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = PEER_V4, .sport = 1, .dport = 2}, total);
}

static inline struct rte_mbuf *
inner6(struct rig *r, size_t total)
{
	return udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V6, .dst = PEER_V6, .sport = 1, .dport = 2}, total);
}

static inline void
command(struct rig *r, uint16_t worker, uint32_t op, uint32_t peer, struct rte_mbuf *m)
{
	struct sl_command cmd = {.op = op, .peer = peer, .packet = m};

	cr_assert(sl_dataplane_command(r->dp, worker, &cmd));
}

/* The L3 packet of sent frame i, its checksums verified by DPDK's arithmetic. */
static inline const uint8_t *
sent_ip(const struct rig *r, unsigned i, struct sl_ip_info *info)
{
	const struct rte_mbuf *m;
	const uint8_t *p;

	cr_assert_lt(i, r->n_sent, "only %u frames were sent", r->n_sent);
	m = r->sent[i].m;
	cr_assert_eq(m->nb_segs, 1);
	p = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	cr_assert_eq(sl_ip_hdr_parse(p, m->data_len - RTE_ETHER_HDR_LEN, m->data_len - RTE_ETHER_HDR_LEN, info), SL_IP_OK);
	cr_assert_eq(info->total_len, m->pkt_len - RTE_ETHER_HDR_LEN);
	if (info->family == SL_AF_INET)
		cr_assert_eq(sl_ip4_checksum(p, info->hdr_len), 0);
	return p;
}

/* Opens sent frame i as a data message of the session; checks its UDP checksum. Returns the plaintext's length. */
static inline int
sent_plain(const struct rig *r, unsigned i, const struct rig_session *s, uint8_t *out, uint64_t *counter)
{
	struct sl_ip_info info;
	const uint8_t *p = sent_ip(r, i, &info);
	const struct rte_udp_hdr *u = (const struct rte_udp_hdr *)(p + info.hdr_len);
	const uint8_t *msg = (const uint8_t *)(u + 1);

	uint8_t fixed[RIG_PACKET];

	memcpy(fixed, p, info.total_len);
	rig_fix_checksums(fixed);
	cr_assert_eq(memcmp(fixed, p, info.total_len), 0, "frame %u: wrong checksum", i);
	cr_assert_eq(rte_be_to_cpu_16(u->dgram_len), info.total_len - info.hdr_len);
	if (counter)
		*counter = sl_load_le64(msg + offsetof(struct sl_msg_data, counter));
	return rig_open(out, s, msg, info.total_len - info.hdr_len - sizeof(*u));
}

static inline uint32_t
facts(const struct rig *r, uint32_t peer)
{
	return atomic_load(&r->dp->peers.slots[peer].facts);
}

static inline uint64_t
queued(const struct rig *r)
{
	return atomic_load(&r->w->stats.queued);
}

static inline bool
take_miss(struct rig *r, struct sl_neighbour_miss *miss)
{
	return rte_ring_sc_dequeue_elem(r->dp->misses, miss, sizeof(*miss)) == 0;
}

/* To be sealed for that peer. */
static inline void
encap(struct rig *r, uint32_t peer, struct rte_mbuf *m)
{
	sl_packet(m)->out_peer = peer;
	put(r, SL_STAGE_ENCAP, m);
}

/* The inner total length tells packets apart. */
static inline unsigned
length_of(const uint8_t *plain)
{
	return (unsigned)plain[2] << 8 | plain[3];
}
