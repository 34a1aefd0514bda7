/*
 * A WireGuard peer without timers or interface, on top of crypto/: it starts handshakes, seals and opens IPv4/UDP packets, and remembers which
 * counters each session has seen, so that a number used twice by the gateway is found out. One thread; memory belongs to the peer.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/cookie.h"
#include "crypto/noise.h"

#define WGPEER_MESSAGE_MAX 2048 /* bytes of a UDP payload */
#define WGPEER_SESSIONS	   4	/* that a peer still opens; the newest is sent on */
#define WGPEER_COUNTERS	   (1U << 20)

struct wgpeer_session {
	bool valid;
	struct sl_noise_keys keys;
	uint64_t next_counter;
	uint8_t *seen; /* a bit per counter below WGPEER_COUNTERS */
};

struct wgpeer {
	struct sl_noise_identity identity;
	uint8_t remote[SL_KEY_LEN];
	uint8_t ss[SL_KEY_LEN];
	uint8_t psk[SL_KEY_LEN];
	struct sl_mac_keys remote_macs;
	struct sl_cookie_jar jar;
	struct sl_noise_handshake handshake;
	struct wgpeer_session sessions[WGPEER_SESSIONS];
	unsigned newest; /* index of the session to send on */
	uint64_t handshakes;
	uint64_t reused; /* data messages whose counter a session had seen before */
	uint64_t opened;
	uint32_t address; /* inner IPv4, network order */
	uint64_t initiated_at;
};

/* What a received message was. */
enum wgpeer_event {
	WGPEER_NOTHING,	 /* not for this peer, or not authentic */
	WGPEER_SESSION,	 /* a response: there is a new session */
	WGPEER_KEEPALIVE,
	WGPEER_PACKET,	 /* an inner packet */
};

/* Keys as 32 bytes; psk all zero for none. Ends the program on a key that cannot be used. */
void wgpeer_init(struct wgpeer *p, const uint8_t private_key[SL_KEY_LEN], const uint8_t remote[SL_KEY_LEN],
	const uint8_t psk[SL_KEY_LEN]);

/* An initiation with a local index of the caller's choice, unique over all its peers. Returns its length. */
size_t wgpeer_initiate(struct wgpeer *p, uint32_t local_index, uint64_t now_ns, uint8_t *message);

/* Whether the peer has a session or handshake of that local index. */
bool wgpeer_owns(const struct wgpeer *p, uint32_t local_index);

/* Takes a message; an inner packet goes to `packet` (WGPEER_MESSAGE_MAX bytes) with its length, padding included. */
enum wgpeer_event wgpeer_receive(struct wgpeer *p, const uint8_t *message, size_t len, uint64_t now_ns, uint8_t *packet,
	size_t *packet_len);

/* Seals an inner packet (0 bytes: a keepalive) on the newest session. Returns the message's length, 0 without a session. */
size_t wgpeer_seal(struct wgpeer *p, const uint8_t *packet, size_t len, uint8_t *message);

/* An inner IPv4/UDP packet; addresses in network order, ports in host order. Returns its length. */
size_t wgpeer_build_udp(uint8_t *packet, uint32_t source, uint32_t destination, uint16_t from, uint16_t to,
	const uint8_t *payload, size_t len);

/* The UDP payload of an inner IPv4 packet to that port; NULL where it is something else. */
const uint8_t *wgpeer_udp_payload(const uint8_t *packet, size_t len, uint16_t port, size_t *payload_len);
