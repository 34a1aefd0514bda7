/*
 * Frames: Ethernet with IPv4 or IPv6 and UDP, written and read with their checksums, and the answers to ARP and
 * neighbour discovery. Pure; memory is the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_MAC_LEN 6
#define WIRE_ETH_LEN 14
#define WIRE_UDP_LEN 8
#define WIRE_ARP_LEN (WIRE_ETH_LEN + 28)

/* Who speaks to whom; ports in host order, IPv4 addresses in the first 4 bytes. */
struct wire_ends {
	bool v6;
	uint8_t from[16], to[16];
	uint16_t from_port, to_port;
};

/* Bytes before a UDP payload, the Ethernet header not among them. */
static inline size_t wire_head(bool v6)
{
	return (v6 ? 40 : 20) + WIRE_UDP_LEN;
}

void wire_ethernet(uint8_t *frame, const uint8_t to[WIRE_MAC_LEN], const uint8_t from[WIRE_MAC_LEN], bool v6);

/* Writes the headers of a packet whose payload of len bytes stands at ip + wire_head(). */
void wire_udp(uint8_t *ip, const struct wire_ends *ends, size_t len, uint8_t tos);

/* Reads an IP packet of at most len bytes; the ends, where its payload starts, and the payload's length. False for
 * anything but whole UDP whose checksums are right. */
bool wire_parse(const uint8_t *ip, size_t len, struct wire_ends *ends, const uint8_t **payload, size_t *payload_len);

/* What one side of the simulation is on its link. */
struct wire_host {
	uint8_t mac[WIRE_MAC_LEN], ip4[4], ip6[16];
};

/*
 * Turns a request for our addresses in place into its answer: the new length of the frame, 0 where it is none. Whoever
 * asks or answers with the address hub4 tells its MAC address: *told is then true.
 */
size_t wire_answer(uint8_t *frame, size_t len, const struct wire_host *own, const uint8_t hub4[4],
        uint8_t hub_mac[WIRE_MAC_LEN], bool *told);

/* An ARP request for hub4. Writes WIRE_ARP_LEN bytes. */
void wire_ask(uint8_t *frame, const struct wire_host *own, const uint8_t hub4[4]);
