#include "tests/peersim/wire.h"

#include <string.h>

#define ETHER_IP4        0x0800
#define ETHER_ARP        0x0806
#define ETHER_IP6        0x86dd
#define PROTO_UDP        17
#define PROTO_ICMP6      58
#define TTL              64
#define ARP_REQUEST      1
#define ARP_REPLY        2
#define ND_SOLICIT       135
#define ND_ADVERT        136
#define ND_LEN           32 /* advertisement with one option */
#define ND_TARGET        8  /* offsets in the message */
#define ND_OPTION        24
#define ND_FLAGS         0x60 /* solicited, override */
#define ND_OPTION_TARGET 2

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Sums in memory order, 4 bytes at a time; an odd end counts as if a zero followed. */
static uint64_t sum(uint64_t s, const uint8_t *p, size_t n)
{
	uint32_t word;

	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		s += word;
	}
	word = 0;
	memcpy(&word, p, n);
	return s + word;
}

/* As it is stored. */
static void fold(uint8_t *at, uint64_t s)
{
	uint16_t folded;

	s = (s & UINT32_MAX) + (s >> 32);
	s = (s & UINT32_MAX) + (s >> 32);
	s = (s & UINT16_MAX) + (s >> 16);
	s = (s & UINT16_MAX) + (s >> 16);
	folded = (uint16_t)~s;
	memcpy(at, &folded, sizeof(folded));
}

static bool right(uint64_t s)
{
	uint8_t out[2];

	fold(out, s);
	return out[0] == 0 && out[1] == 0;
}

/* Over the addresses, protocol and length that a checksum of the upper layer covers; addresses stand side by side. */
static uint64_t pseudo(const uint8_t *addresses, bool v6, uint8_t protocol, size_t len)
{
	uint8_t rest[4] = {0, protocol, (uint8_t)(len >> 8), (uint8_t)len};

	return sum(sum(0, addresses, v6 ? 32 : 8), rest, sizeof(rest));
}

void wire_ethernet(uint8_t *frame, const uint8_t to[WIRE_MAC_LEN], const uint8_t from[WIRE_MAC_LEN], bool v6)
{
	memcpy(frame, to, WIRE_MAC_LEN);
	memcpy(frame + WIRE_MAC_LEN, from, WIRE_MAC_LEN);
	put16(frame + 2 * WIRE_MAC_LEN, v6 ? ETHER_IP6 : ETHER_IP4);
}

static uint8_t *ip4_header(uint8_t *ip, const struct wire_ends *ends, size_t udp_len, uint8_t tos)
{
	static uint16_t id;

	memset(ip, 0, 20);
	ip[0] = 0x45;
	ip[1] = tos;
	put16(ip + 2, 20 + udp_len);
	put16(ip + 4, ++id);
	ip[8] = TTL;
	ip[9] = PROTO_UDP;
	memcpy(ip + 12, ends->from, 4);
	memcpy(ip + 16, ends->to, 4);
	fold(ip + 10, sum(0, ip, 20));
	return ip + 20;
}

static uint8_t *ip6_header(uint8_t *ip, const struct wire_ends *ends, size_t udp_len, uint8_t tos)
{
	memset(ip, 0, 8);
	ip[0] = (uint8_t)(0x60 | tos >> 4);
	ip[1] = (uint8_t)(tos << 4);
	put16(ip + 4, udp_len);
	ip[6] = PROTO_UDP;
	ip[7] = TTL;
	memcpy(ip + 8, ends->from, 16);
	memcpy(ip + 24, ends->to, 16);
	return ip + 40;
}

void wire_udp(uint8_t *ip, const struct wire_ends *ends, size_t len, uint8_t tos)
{
	const size_t udp_len = WIRE_UDP_LEN + len;
	uint8_t *udp = ends->v6 ? ip6_header(ip, ends, udp_len, tos) : ip4_header(ip, ends, udp_len, tos);

	put16(udp, ends->from_port);
	put16(udp + 2, ends->to_port);
	put16(udp + 4, udp_len);
	put16(udp + 6, 0);
	fold(udp + 6, sum(pseudo(ip + (ends->v6 ? 8 : 12), ends->v6, PROTO_UDP, udp_len), udp, udp_len));
	if (udp[6] == 0 && udp[7] == 0) /* that would say "none" */
		memset(udp + 6, 0xff, 2);
}

bool wire_parse(const uint8_t *ip, size_t len, struct wire_ends *ends, const uint8_t **payload, size_t *payload_len)
{
	const bool v6 = len > 0 && ip[0] >> 4 == 6;
	const size_t head = v6 ? 40 : 20, address = v6 ? 16 : 4, addresses = v6 ? 8 : 12;
	const uint8_t *udp = ip + head;
	size_t udp_len;

	if (len < head + WIRE_UDP_LEN || (v6 ? ip[6] : ip[9]) != PROTO_UDP)
		return false;
	if (!v6 && (ip[0] != 0x45 || !right(sum(0, ip, 20)) || (get16(ip + 6) & 0x3fff)))
		return false;
	udp_len = get16(udp + 4);
	if (udp_len < WIRE_UDP_LEN || udp_len > len - head || udp_len != (v6 ? get16(ip + 4) : get16(ip + 2) - 20u))
		return false;
	if (get16(udp + 6) ? !right(sum(pseudo(ip + addresses, v6, PROTO_UDP, udp_len), udp, udp_len)) : v6)
		return false;
	ends->v6 = v6;
	memcpy(ends->from, ip + addresses, address);
	memcpy(ends->to, ip + addresses + address, address);
	ends->from_port = get16(udp);
	ends->to_port = get16(udp + 2);
	*payload = udp + WIRE_UDP_LEN;
	*payload_len = udp_len - WIRE_UDP_LEN;
	return true;
}

static size_t answer_arp(uint8_t *frame, size_t len, const struct wire_host *own, const uint8_t hub4[4],
        uint8_t hub_mac[WIRE_MAC_LEN], bool *told)
{
	uint8_t *arp = frame + WIRE_ETH_LEN;

	if (len < WIRE_ARP_LEN)
		return 0;
	if (memcmp(arp + 14, hub4, 4) == 0) {
		memcpy(hub_mac, arp + 8, WIRE_MAC_LEN);
		*told = true;
	}
	if (get16(arp + 6) != ARP_REQUEST || memcmp(arp + 24, own->ip4, 4) != 0)
		return 0;
	put16(arp + 6, ARP_REPLY);
	memcpy(arp + 18, arp + 8, WIRE_MAC_LEN + 4);
	memcpy(arp + 8, own->mac, WIRE_MAC_LEN);
	memcpy(arp + 14, own->ip4, 4);
	memcpy(frame, arp + 18, WIRE_MAC_LEN);
	memcpy(frame + WIRE_MAC_LEN, own->mac, WIRE_MAC_LEN);
	return WIRE_ARP_LEN;
}

static size_t answer_nd(uint8_t *frame, size_t len, const struct wire_host *own)
{
	uint8_t *ip = frame + WIRE_ETH_LEN, *nd = ip + 40;

	if (len < WIRE_ETH_LEN + 40 + ND_OPTION || ip[6] != PROTO_ICMP6 || nd[0] != ND_SOLICIT ||
	        memcmp(nd + ND_TARGET, own->ip6, 16) != 0)
		return 0;
	memcpy(frame, frame + WIRE_MAC_LEN, WIRE_MAC_LEN);
	memcpy(frame + WIRE_MAC_LEN, own->mac, WIRE_MAC_LEN);
	put16(ip + 4, ND_LEN);
	memcpy(ip + 24, ip + 8, 16);
	memcpy(ip + 8, own->ip6, 16);
	memset(nd, 0, ND_TARGET);
	nd[0] = ND_ADVERT;
	nd[4] = ND_FLAGS;
	nd[ND_OPTION] = ND_OPTION_TARGET;
	nd[ND_OPTION + 1] = 1; /* of 8 bytes */
	memcpy(nd + ND_OPTION + 2, own->mac, WIRE_MAC_LEN);
	fold(nd + 2, sum(pseudo(ip + 8, true, PROTO_ICMP6, ND_LEN), nd, ND_LEN));
	return WIRE_ETH_LEN + 40 + ND_LEN;
}

size_t wire_answer(uint8_t *frame, size_t len, const struct wire_host *own, const uint8_t hub4[4],
        uint8_t hub_mac[WIRE_MAC_LEN], bool *told)
{
	*told = false;
	switch (len < WIRE_ETH_LEN ? 0 : get16(frame + 2 * WIRE_MAC_LEN)) {
	case ETHER_ARP:
		return answer_arp(frame, len, own, hub4, hub_mac, told);
	case ETHER_IP6:
		return answer_nd(frame, len, own);
	default:
		return 0;
	}
}

void wire_ask(uint8_t *frame, const struct wire_host *own, const uint8_t hub4[4])
{
	uint8_t *arp = frame + WIRE_ETH_LEN;

	memset(frame, 0xff, WIRE_MAC_LEN);
	memcpy(frame + WIRE_MAC_LEN, own->mac, WIRE_MAC_LEN);
	put16(frame + 2 * WIRE_MAC_LEN, ETHER_ARP);
	memset(arp, 0, WIRE_ARP_LEN - WIRE_ETH_LEN);
	put16(arp, 1); /* Ethernet */
	put16(arp + 2, ETHER_IP4);
	arp[4] = WIRE_MAC_LEN;
	arp[5] = 4;
	put16(arp + 6, ARP_REQUEST);
	memcpy(arp + 8, own->mac, WIRE_MAC_LEN);
	memcpy(arp + 14, own->ip4, 4);
	memcpy(arp + 24, hub4, 4);
}
