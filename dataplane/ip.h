/*
 * IPv4 and IPv6 headers of packets: validated parsing, the walk over IPv6
 * extension headers, and checksums. Pure functions on the caller's memory,
 * used by stages on the worker's thread and by control. Nothing is read
 * beyond the lengths given, and nothing needs alignment.
 *
 * Between stages the first SL_IP_PULLUP bytes of a packet (or all of a
 * shorter one) lie in its first segment: ip-input and decap see to that, so
 * later stages may read an IP header and a transport header in place.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_udp.h>

#include "dataplane/addr.h"
#include "dataplane/csum.h"
#include "dataplane/packet.h"

#define SL_IP_PULLUP      128 /* IPv6 header, some extension headers, transport header */
#define SL_IP6_HDR_LEN    40
#define SL_IP4_HDR_MIN    20
#define SL_UDP_HDR_LEN    8
#define SL_IP6_EXT_MAX    8 /* extension headers walked before a packet is called malformed */
#define SL_IP_ECN_MASK    0x03
#define SL_IP_ECN_NOT_ECT 0x00
#define SL_IP_ECN_ECT0    0x02
#define SL_IP_ECN_CE      0x03

enum sl_ip_verdict {
	SL_IP_OK = 0,
	SL_IP_NOT_IP,    /* version is neither 4 nor 6 */
	SL_IP_TRUNCATED, /* shorter than the header, or than the header says */
	SL_IP_MALFORMED, /* header length or total length that cannot be */
};

struct sl_ip_info {
	uint8_t family;     /* enum sl_family */
	uint8_t hdr_len;    /* IPv4: with options; IPv6: the fixed 40 */
	uint8_t proto;      /* IPv4 protocol; IPv6: next header of the fixed header, maybe an extension */
	uint8_t tos;        /* TOS or traffic class: DSCP and ECN */
	uint8_t ttl;        /* or hop limit */
	bool fragment;      /* IPv4 alone: part of a datagram; for IPv6 see sl_ip_upper */
	bool df;            /* don't fragment; always true for IPv6 */
	uint32_t total_len; /* header and payload as the header says; at most what was available */
	const uint8_t *src, *dst; /* 4 or 16 bytes in the packet */
};

/*
 * Checks version, header length and total length of the header at `data`, of which `contiguous` bytes may be read
 * and which has `available` bytes in all (more segments behind). The IPv4 checksum is not looked at. *info is set
 * only for SL_IP_OK.
 */
static inline enum sl_ip_verdict
sl_ip_hdr_parse(const void *data, uint32_t contiguous, uint32_t available, struct sl_ip_info *info)
{
	const uint8_t *p = data;
	uint32_t hdr_len, total;

	if (unlikely(contiguous == 0))
		return SL_IP_TRUNCATED;
	if (p[0] >> 4 == 4) {
		if (unlikely(contiguous < SL_IP4_HDR_MIN))
			return SL_IP_TRUNCATED;
		hdr_len = (p[0] & 0x0f) * 4;
		total = (uint32_t)p[2] << 8 | p[3];
		if (unlikely(hdr_len < SL_IP4_HDR_MIN || total < hdr_len))
			return SL_IP_MALFORMED;
		if (unlikely(hdr_len > contiguous || total > available))
			return SL_IP_TRUNCATED;
		*info = (struct sl_ip_info){
			.family = SL_AF_INET,
			.hdr_len = (uint8_t)hdr_len,
			.proto = p[9],
			.tos = p[1],
			.ttl = p[8],
			.fragment = ((p[6] & 0x3f) | p[7]) != 0,
			.df = p[6] & 0x40,
			.total_len = total,
			.src = p + 12,
			.dst = p + 16,
		};
		return SL_IP_OK;
	}
	if (likely(p[0] >> 4 == 6)) {
		if (unlikely(contiguous < SL_IP6_HDR_LEN))
			return SL_IP_TRUNCATED;
		total = SL_IP6_HDR_LEN + ((uint32_t)p[4] << 8 | p[5]);
		if (unlikely(total > available))
			return SL_IP_TRUNCATED;
		*info = (struct sl_ip_info){
			.family = SL_AF_INET6,
			.hdr_len = SL_IP6_HDR_LEN,
			.proto = p[6],
			.tos = (uint8_t)(p[0] << 4 | p[1] >> 4),
			.ttl = p[7],
			.df = true,
			.total_len = total,
			.src = p + 8,
			.dst = p + 24,
		};
		return SL_IP_OK;
	}
	return SL_IP_NOT_IP;
}

/* The same for an mbuf whose data begins at the IP header. */
static inline enum sl_ip_verdict
sl_ip_hdr_parse_mbuf(const struct rte_mbuf *m, struct sl_ip_info *info)
{
	return sl_ip_hdr_parse(rte_pktmbuf_mtod(m, const void *), m->data_len, m->pkt_len, info);
}

static inline struct sl_ip
sl_ip_of(uint8_t family, const void *bytes)
{
	return family == SL_AF_INET ? sl_ip4(bytes) : sl_ip6(bytes);
}

/* What lies behind the IP header. */
struct sl_ip_upper {
	uint8_t proto;      /* transport protocol; IPPROTO_NONE where the chain ends without one */
	bool fragment;      /* part of a datagram (an IPv6 "atomic" fragment, offset 0 and no more, counts too) */
	bool first;         /* no fragment, or the first: `off` is where the transport header begins */
	uint32_t off;       /* from the IP header to the transport header, or to the data of a later fragment */
	uint32_t frag_off;  /* IPv6: offset of the fragment header, 0 where there is none */
};

/*
 * Walks from the parsed IP header at the beginning of m to the transport header, through hop-by-hop, routing,
 * destination and fragment headers of IPv6, in any segments. False where a header does not fit info->total_len or
 * there are more than SL_IP6_EXT_MAX.
 */
bool sl_ip_upper(const struct rte_mbuf *m, const struct sl_ip_info *info, struct sl_ip_upper *out);

/*
 * Makes the first SL_IP_PULLUP bytes of m (all of them if it has less) contiguous. Returns the packet to go on with
 * (m may have been replaced and freed), or NULL with m untouched where there is no memory.
 */
static inline struct rte_mbuf *
sl_ip_pullup(struct rte_mbuf *m, struct rte_mempool *jumbo)
{
	if (likely(m->nb_segs == 1 || m->data_len >= SL_IP_PULLUP))
		return m;
	return sl_packet_linearize(m, jumbo);
}

/* sl_ip_trim for more than one segment. */
void sl_ip_trim_chain(struct rte_mbuf *m, uint32_t len);

/* Cuts m, which has at least `len` bytes over all its segments, down to len. */
static inline void
sl_ip_trim(struct rte_mbuf *m, uint32_t len)
{
	uint32_t extra = m->pkt_len - len;

	if (extra == 0)
		return;
	if (likely(m->nb_segs == 1)) {
		m->data_len = (uint16_t)len;
		m->pkt_len = len;
		return;
	}
	sl_ip_trim_chain(m, len);
}

/* --- checksums of packets; see csum.h --- */

/* Adds `len` bytes of a chain from offset `off` to a running sum; the bytes must be there. */
uint64_t sl_csum_add_mbuf(uint64_t sum, const struct rte_mbuf *m, uint32_t off, uint32_t len);

/* Checksum of an IPv4 header of hdr_len bytes; 0 if the one in it is right. To fill one in, zero its field first. */
static inline uint16_t
sl_ip4_checksum(const void *hdr, uint32_t hdr_len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < hdr_len; i += sizeof(uint32_t)) {
		uint32_t word;

		memcpy(&word, (const uint8_t *)hdr + i, sizeof(word));
		sum += word;
	}
	return sl_csum_fold(sum);
}

/*
 * The sum of the pseudo-header for `len` bytes of transport header and payload. src, dst: 4 or 16 bytes as family says.
 */
static inline uint64_t
sl_csum_pseudo(uint8_t family, const void *src, const void *dst, uint8_t proto, uint32_t len)
{
	uint64_t sum = (uint64_t)rte_cpu_to_be_32(len) + rte_cpu_to_be_32((uint32_t)proto);
	uint32_t words[2];

	if (unlikely(family != SL_AF_INET))
		return sl_csum_add(sl_csum_add(sum, src, 16), dst, 16);
	memcpy(&words[0], src, sizeof(words[0]));
	memcpy(&words[1], dst, sizeof(words[1]));
	return sum + words[0] + words[1];
}

/*
 * Checksum over the pseudo-header and the `len` bytes of UDP header and payload at offset `off` of m, in any segments.
 * 0 if the one in the header is right. To fill one in, zero its field first and write 0xffff for a result of 0.
 */
uint16_t sl_udp_checksum(const struct rte_mbuf *m, const struct sl_ip_info *info, uint32_t off, uint32_t len);
