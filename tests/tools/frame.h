/*
 * Ethernet frames with IPv4 or IPv6 and UDP, made or mended by hand, and a packet socket to send them through. For tools that must say what
 * no kernel would: foreign sources, broken messages. Memory is the caller's.
 */
#pragma once

#include <net/ethernet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/tools/tool.h"

#define FRAME_MAX 2048 /* bytes */

struct frame {
	uint8_t data[FRAME_MAX];
	size_t len;
};

/* Builds a frame with a UDP payload, lengths and checksums right. Ports are in the addresses, which are of one family. */
void frame_udp(struct frame *f, const uint8_t to[ETH_ALEN], const uint8_t from[ETH_ALEN], const union tool_addr *source,
	const union tool_addr *destination, const uint8_t *payload, size_t len);

/* Where the UDP payload of a received frame starts, and its length. False for anything but whole UDP over IPv4 or IPv6. */
bool frame_payload(const struct frame *f, size_t *offset, size_t *len);

/* Gives the UDP payload a new length (at most the old one) and mends lengths and checksums after a change. */
void frame_mend(struct frame *f, size_t payload_len);

/* Replaces the source address and port, of the same family as the frame's. Mend afterwards. */
void frame_set_source(struct frame *f, const union tool_addr *source);

/* A packet socket on an interface. */
int frame_socket(const char *iface);

/* The interface's own MAC address. */
void frame_own_mac(const char *iface, uint8_t mac[ETH_ALEN]);

/* Sends n frames, each again where the kernel has no room. */
void frame_send(int fd, const struct frame *frames, unsigned n);
