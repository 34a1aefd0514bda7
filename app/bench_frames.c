#include "app/bench_frames.h"

#include <netinet/in.h>

#include <rte_udp.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/wipe.h"
#include "dataplane/ip.h"

#define TTL         64
#define DISCARD     9 /* UDP port of payloads (RFC 863) */
#define HEADERS     (SL_IP4_HDR_MIN + SL_UDP_HDR_LEN)
#define ROOM        (SL_FRAMES_MAX + SL_PADDING_MULTIPLE + SL_TAG_LEN)
#define IMIX_PERIOD 12

static const uint16_t imix[IMIX_PERIOD] = {64, 570, 64, 64, 570, 64, 1420, 64, 570, 64, 64, 570};

uint32_t
sl_frames_len(uint32_t size, uint64_t n)
{
	return size == SL_IMIX ? imix[n % IMIX_PERIOD] : size;
}

double
sl_frames_mean(uint32_t size)
{
	double sum = 0;

	for (unsigned i = 0; i < IMIX_PERIOD; i++)
		sum += sl_frames_len(size, i);
	return sum / IMIX_PERIOD;
}

uint32_t
sl_frames_largest(uint32_t size)
{
	uint32_t largest = 0;

	for (unsigned i = 0; i < IMIX_PERIOD; i++)
		largest = RTE_MAX(largest, sl_frames_len(size, i));
	return largest;
}

/* IPv4 and UDP headers of a packet of len bytes at p. The UDP checksum is left out (RFC 768 allows it over IPv4). */
static void
write_headers(uint8_t *p, uint32_t src, uint32_t dst, uint16_t port, uint8_t ttl, uint32_t len)
{
	struct rte_ipv4_hdr ip = {
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)len),
		.time_to_live = ttl,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(src),
		.dst_addr = rte_cpu_to_be_32(dst),
	};
	struct rte_udp_hdr udp = {
		.src_port = rte_cpu_to_be_16(port),
		.dst_port = rte_cpu_to_be_16(port),
		.dgram_len = rte_cpu_to_be_16((uint16_t)(len - sizeof(ip))),
	};

	ip.hdr_checksum = sl_ip4_checksum(&ip, sizeof(ip));
	memcpy(p, &ip, sizeof(ip));
	memcpy(p + sizeof(ip), &udp, sizeof(udp));
}

/* Bytes that differ from place to place, made once. */
static const uint8_t *
pattern(void)
{
	static uint8_t bytes[SL_FRAMES_MAX];

	if (bytes[1] == 0)
		for (uint32_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)(i * 167 + (i >> 8) * 13);
	return bytes;
}

/* Packet n of len bytes at p, after it passed `hops` gateways. */
static void
write_packet(uint8_t *p, uint32_t peers, uint64_t n, uint32_t len, unsigned hops)
{
	uint32_t peer = (uint32_t)(n % peers);

	write_headers(p, SL_RIG_SOURCE + peer, SL_RIG_TARGET + peer, DISCARD, (uint8_t)(TTL - hops), len);
	sl_store_le64(p + HEADERS, n);
	memcpy(p + SL_FRAMES_MIN, pattern(), len - SL_FRAMES_MIN);
}

/* Ethernet to a port of an end; returns where the packet of len bytes goes. */
static uint8_t *
open_frame(struct rte_mbuf *m, bool sender, uint16_t port, uint32_t len)
{
	struct rte_ether_hdr ether = {
		.dst_addr = sl_bench_rig_mac(sender, port),
		.src_addr = sl_bench_rig_mac(!sender, port),
		.ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4),
	};
	uint8_t *p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)(len + sizeof(ether)));

	memcpy(p, &ether, sizeof(ether));
	return p + sizeof(ether);
}

void
sl_frames_clear(const struct sl_bench_rig *sender, struct rte_mbuf *m, uint64_t n, uint32_t len)
{
	write_packet(open_frame(m, true, SL_RIG_LAN, len), sender->peers, n, len, 0);
}

/* Of a packet of len bytes at p: 0 where the checksum in it is right. */
static uint16_t
udp_checksum(const uint8_t *p, uint32_t len)
{
	uint64_t sum = sl_csum_pseudo(SL_AF_INET, p + offsetof(struct rte_ipv4_hdr, src_addr),
		p + offsetof(struct rte_ipv4_hdr, dst_addr), IPPROTO_UDP, len - SL_IP4_HDR_MIN);

	return sl_csum_fold(sl_csum_add(sum, p + SL_IP4_HDR_MIN, len - SL_IP4_HDR_MIN));
}

static void
fill_udp_checksum(uint8_t *p, uint32_t len)
{
	struct rte_udp_hdr udp;

	memcpy(&udp, p + SL_IP4_HDR_MIN, sizeof(udp));
	udp.dgram_cksum = udp_checksum(p, len);
	if (udp.dgram_cksum == 0)
		udp.dgram_cksum = UINT16_MAX;
	memcpy(p + SL_IP4_HDR_MIN, &udp, sizeof(udp));
}

void
sl_frames_sealed(const struct sl_bench_rig *receiver, struct rte_mbuf *m, uint64_t n, uint64_t counter, uint32_t len)
{
	uint32_t peer = (uint32_t)(n % receiver->peers), padded = sl_bench_rig_padded(receiver, len);
	uint32_t outer_len = SL_RIG_OUTER + padded;
	struct sl_msg_data header = {SL_MSG_DATA, receiver->sessions[peer]->index, counter};
	uint8_t plain[ROOM] = {0};
	uint8_t *p = open_frame(m, false, SL_RIG_WAN, outer_len);

	write_packet(plain, receiver->peers, n, len, 1);
	write_headers(p, SL_RIG_SENDER, SL_RIG_RECEIVER, SL_RIG_LISTEN, TTL, outer_len);
	memcpy(p + HEADERS, &header, sizeof(header));
	sl_aead_seal(p + HEADERS + sizeof(header), plain, padded, NULL, 0, counter, receiver->sessions[peer]->recv_key);
	fill_udp_checksum(p, outer_len);
}

bool
sl_frames_right(const struct rte_mbuf *m, uint32_t peers, uint64_t n, uint32_t len, unsigned hops)
{
	uint8_t expected[ROOM];

	if (m->nb_segs != 1 || m->pkt_len != len + RTE_ETHER_HDR_LEN)
		return false;
	write_packet(expected, peers, n, len, hops);
	return memcmp(rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN), expected, len) == 0;
}

bool
sl_frames_sealed_right(const struct sl_bench_rig *sender, const struct rte_mbuf *m, uint64_t n, uint32_t len)
{
	uint32_t peer = (uint32_t)(n % sender->peers), padded = sl_bench_rig_padded(sender, len);
	uint8_t expected[ROOM] = {0}, opened[ROOM], key[SL_KEY_LEN];
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, RTE_ETHER_HDR_LEN);
	const uint8_t *message = p + HEADERS;
	bool ok;

	if (m->nb_segs != 1 || m->pkt_len != RTE_ETHER_HDR_LEN + SL_RIG_OUTER + padded || sl_load_le32(message + 4) != peer ||
		sl_ip4_checksum(p, SL_IP4_HDR_MIN) != 0 || udp_checksum(p, SL_RIG_OUTER + padded) != 0)
		return false;
	write_packet(expected, sender->peers, n, len, 1);
	sl_bench_rig_key(peer, key);
	ok = sl_aead_open(opened, message + sizeof(struct sl_msg_data), padded + SL_TAG_LEN, NULL, 0,
		sl_load_le64(message + 8), key);
	sl_wipe(key, sizeof(key));
	return ok && memcmp(opened, expected, padded) == 0;
}
