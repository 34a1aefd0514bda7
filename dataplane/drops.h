/*
 * Every reason for which a packet is dropped, in one list. A worker counts
 * each drop under exactly one reason in its own statistics; the names are
 * stable and appear in `sluice show drops`, metrics and the manual page.
 */
#pragma once

/* X(identifier, name, what it means) */
#define SL_DROP_REASONS(X) \
	X(TRUNCATED, "truncated", "shorter than its own headers say") \
	X(NOT_FOR_US, "not-for-us", "frame for another MAC address, or a protocol or port nobody listens on") \
	X(NOT_IP, "not-ip", "neither IPv4, IPv6 nor ARP") \
	X(BAD_IP_HEADER, "bad-ip-header", "malformed IPv4 or IPv6 header") \
	X(BAD_IP_CHECKSUM, "bad-ip-checksum", "wrong IPv4 header checksum") \
	X(BAD_UDP_LENGTH, "bad-udp-length", "outer UDP length below 8 or above what the IP header leaves") \
	X(BAD_UDP_CHECKSUM, "bad-udp-checksum", "wrong outer UDP checksum, or none on IPv6") \
	X(BAD_MESSAGE, "bad-message", "no WireGuard message: unknown type or wrong size") \
	X(BAD_MAC1, "bad-mac1", "handshake message not made for this interface's key") \
	X(NO_SESSION, "no-session", "data message with a receiver index of no live session") \
	X(SESSION_EXPIRED, "session-expired", "session too old, or its counter at the limit") \
	X(ORDER_FULL, "order-full", "too many messages wait to be opened in their order by other workers") \
	X(BAD_TAG, "bad-tag", "data message failed authentication") \
	X(REPLAY, "replay", "authentic, but seen before or too far behind") \
	X(BAD_INNER, "bad-inner", "decrypted packet is no valid IPv4 or IPv6 packet") \
	X(SOURCE_NOT_ALLOWED, "source-not-allowed", "decrypted packet's source belongs to another peer or none") \
	X(SPOOFED_SOURCE, "spoofed-source", "clear packet with a source inside a tunnel, our own, or not unicast") \
	X(CLEAR_NOT_FORWARDED, "clear-not-forwarded", "clear packet from an outside port towards a tunnel") \
	X(NO_ROUTE, "no-route", "no route to the destination") \
	X(NO_PEER, "no-peer", "no peer of the interface allows the destination") \
	X(NO_ENDPOINT, "no-endpoint", "the peer's endpoint is not known") \
	X(TTL_EXCEEDED, "ttl-exceeded", "TTL or hop limit used up") \
	X(TOO_BIG, "too-big", "above the egress MTU and not to be fragmented; the sender was told") \
	X(OVERSIZED, "oversized", "larger than a buffer, or a frame above the port's MTU") \
	X(NO_HEADROOM, "no-headroom", "no room before the packet for the outer headers") \
	X(NESTING, "nesting", "more tunnels within one another than the limit") \
	X(STAGED_OLD, "staged-old", "waiting for a session, pushed out by a newer packet of the same peer") \
	X(STAGED_FULL, "staged-full", "waiting, pushed out because all waiting packets reached their limit") \
	X(STAGED_GIVEN_UP, "staged-given-up", "waiting for a session that did not come") \
	X(NO_NEIGHBOUR, "no-neighbour", "the next hop did not answer ARP or neighbour discovery") \
	X(REASSEMBLY, "reassembly", "outer fragments that never became a packet, or too many at once") \
	X(NO_BUFFER, "no-buffer", "no packet buffer left") \
	X(PORT_FULL, "port-full", "the port's transmit queue was full") \
	X(CONTROL_FULL, "control-full", "the ring to the control core was full") \
	X(HANDSHAKE_FULL, "handshake-full", "the interface's handshake ring was full") \
	X(INTERFACE_DOWN, "interface-down", "interface or peer removed while the packet was under way") \
	X(ICMP_LIMITED, "icmp-limited", "an ICMP error not sent because of the rate limit") \
	X(STAGE_FULL, "stage-full", "a worker's stage had no room in its vector")

enum sl_drop {
#define SL_DROP_ENUM(id, name, text) SL_DROP_##id,
	SL_DROP_REASONS(SL_DROP_ENUM)
#undef SL_DROP_ENUM
	SL_DROP_COUNT
};

/* The stable name, such as "bad-tag"; static storage. */
const char *sl_drop_name(enum sl_drop reason);
/* One sentence for people; static storage. */
const char *sl_drop_text(enum sl_drop reason);
