/*
 * The headers of sealed packets, put together from a link and a path (outer_path.h) before the plaintext that is to be sealed,
 * and the UDP checksum behind which it was. For SEAL, on the worker's thread; writes to the packet's buffer alone.
 */
#pragma once

#include <rte_branch_prediction.h>
#include <rte_byteorder.h>

#include "crypto/protocol.h"
#include "dataplane/ip.h"
#include "dataplane/outer_path.h"

static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "headers are put together in words");
static_assert(sizeof(struct sl_msg_data) == 2 * sizeof(uint64_t), "type and receiver, counter");

/*
 * IPv4 at ip, Ethernet before it. len: of all, network order; id likewise. What is read comes before what is written, so that
 * nothing has to be read again: a buffer's bytes may be anything to the compiler.
 */
static inline void
sl_outer_write4(
	const struct sl_outer_link *link, const struct sl_outer_path *path, uint8_t *ip, uint16_t len, uint8_t ecn, uint16_t id)
{
	uint64_t ether[2], first, second;
	uint32_t dst;
	uint16_t checksum;

	memcpy(&ether[0], link->ether, sizeof(ether[0]));
	memcpy(&ether[1], link->ether + RTE_ETHER_HDR_LEN - sizeof(ether[1]), sizeof(ether[1]));
	memcpy(&first, link->ip, sizeof(first));
	memcpy(&second, link->ip + sizeof(first), sizeof(second));
	memcpy(&dst, path->dst, sizeof(dst));
	checksum = sl_csum_fold((uint64_t)link->ip_sum + dst + len + id + ((uint32_t)ecn << 8));
	first |= (uint64_t)ecn << 8 | (uint64_t)len << 16 | (uint64_t)id << 32;
	second |= (uint64_t)checksum << 16;
	memcpy(ip - RTE_ETHER_HDR_LEN, &ether[0], sizeof(ether[0]));
	memcpy(ip - sizeof(ether[1]), &ether[1], sizeof(ether[1]));
	memcpy(ip, &first, sizeof(first));
	memcpy(ip + 8, &second, sizeof(second));
	memcpy(ip + 16, &dst, sizeof(dst));
}

/* The same for IPv6. len: of what is behind the header. */
static inline void
sl_outer_write6(const struct sl_outer_link *link, const struct sl_outer_path *path, const struct sl_outer_path_rest *rest,
	uint8_t *ip, uint16_t len, uint8_t ecn)
{
	memcpy(ip - RTE_ETHER_HDR_LEN, link->ether, RTE_ETHER_HDR_LEN);
	memcpy(ip, link->ip, SL_OUTER_IP6_BEFORE_DST);
	memcpy(ip + SL_OUTER_IP6_BEFORE_DST, path->dst, sizeof(path->dst));
	memcpy(ip + SL_OUTER_IP6_BEFORE_DST + sizeof(path->dst), rest->dst, sizeof(rest->dst));
	ip[1] = (uint8_t)(ecn << 4);
	memcpy(ip + 4, &len, sizeof(len));
}

/*
 * Writes all headers before `data`, the plaintext of a message with that counter, but for the UDP checksum. udp_len: bytes of
 * UDP header and payload; ecn: two bits; ip_id: IPv4's identification.
 */
static inline void
sl_outer_write(const struct sl_outer_link *link, const struct sl_outer_path *path, const struct sl_outer_path_rest *rest,
	uint8_t *data, uint64_t counter, uint32_t udp_len, uint8_t ecn, uint16_t ip_id)
{
	const uint64_t first = SL_MSG_DATA | (uint64_t)path->receiver << 32;
	uint16_t len = rte_cpu_to_be_16((uint16_t)udp_len);
	uint64_t udp = link->port | (uint64_t)path->port << 16 | (uint64_t)len << 32;
	uint8_t *message = data - sizeof(struct sl_msg_data), *at = message - sizeof(udp);

	if (likely(link->v4))
		sl_outer_write4(link, path, at - SL_IP4_HDR_MIN, rte_cpu_to_be_16((uint16_t)(udp_len + SL_IP4_HDR_MIN)), ecn,
			rte_cpu_to_be_16(ip_id));
	else
		sl_outer_write6(link, path, rest, at - SL_IP6_HDR_LEN, len, ecn);
	memcpy(at, &udp, sizeof(udp));
	memcpy(message, &first, sizeof(first));
	memcpy(message + sizeof(first), &counter, sizeof(counter));
}

/* The sum of a destination address. */
static inline uint64_t
sl_outer_dst_sum(
	const struct sl_outer_link *link, const struct sl_outer_path *path, const struct sl_outer_path_rest *rest)
{
	uint32_t word;

	memcpy(&word, path->dst, sizeof(word));
	return likely(link->v4) ? word : sl_csum_add(word, rest->dst, sizeof(rest->dst));
}

/* Fills in the UDP checksum behind which udp_len - 8 bytes of payload are complete, or what the port wants in its place. */
static inline void
sl_outer_checksum(const struct sl_outer_link *link, const struct sl_outer_path *path, const struct sl_outer_path_rest *rest,
	uint8_t *udp, uint32_t udp_len, bool offload)
{
	uint64_t sum = link->pseudo_sum + sl_outer_dst_sum(link, path, rest);
	uint16_t len = rte_cpu_to_be_16((uint16_t)udp_len), checksum;

	if (offload) {
		/* The port wants the sum of the pseudo-header, not complemented, in the field. */
		checksum = (uint16_t)~sl_csum_fold(sum + len);
	} else {
		/* The length counts twice: in the pseudo-header and in the header. */
		sum += 2u * (uint64_t)len + link->port + path->port;
		sum = sl_csum_add(sum, udp + SL_UDP_HDR_LEN, udp_len - SL_UDP_HDR_LEN);
		checksum = sl_csum_fold(sum);
		if (checksum == 0)
			checksum = UINT16_MAX;
	}
	memcpy(udp + 6, &checksum, sizeof(checksum));
}
