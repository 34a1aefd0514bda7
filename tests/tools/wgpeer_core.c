#include "tests/tools/wgpeer_core.h"

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/random.h"
#include "crypto/tai64n.h"
#include "tests/tools/tool.h"

void wgpeer_init(struct wgpeer *p, const uint8_t private_key[SL_KEY_LEN], const uint8_t remote[SL_KEY_LEN],
	const uint8_t psk[SL_KEY_LEN])
{
	memset(p, 0, sizeof(*p));
	memcpy(p->remote, remote, SL_KEY_LEN);
	memcpy(p->psk, psk, SL_KEY_LEN);
	sl_mac_keys_init(&p->remote_macs, remote);
	if (!sl_noise_identity_init(&p->identity, private_key) || !sl_noise_static_static(p->ss, &p->identity, remote))
		tool_die("a key that cannot be used");
	for (unsigned i = 0; i < WGPEER_SESSIONS; i++) {
		p->sessions[i].seen = calloc(WGPEER_COUNTERS / 8, 1);
		if (!p->sessions[i].seen)
			tool_die("no memory for a session");
	}
}

size_t wgpeer_initiate(struct wgpeer *p, uint32_t local_index, uint64_t now_ns, uint8_t *message)
{
	struct sl_msg_initiation msg;
	uint8_t timestamp[SL_TAI64N_LEN], ephemeral[SL_KEY_LEN];
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	sl_tai64n(timestamp, (uint64_t)wall.tv_sec, (uint32_t)wall.tv_nsec);
	sl_random_bytes(ephemeral, sizeof(ephemeral));
	if (sl_noise_create_initiation(&p->handshake, &p->identity, p->remote, p->ss, timestamp, ephemeral, local_index, &msg))
		tool_die("an initiation could not be made");
	sl_cookie_jar_stamp(&p->jar, now_ns, &p->remote_macs, &msg, sizeof(msg));
	memcpy(message, &msg, sizeof(msg));
	p->initiated_at = now_ns;
	return sizeof(msg);
}

bool wgpeer_owns(const struct wgpeer *p, uint32_t local_index)
{
	if (p->handshake.state == SL_NOISE_CREATED_INITIATION && p->handshake.local_index == local_index)
		return true;
	for (unsigned i = 0; i < WGPEER_SESSIONS; i++)
		if (p->sessions[i].valid && p->sessions[i].keys.local_index == local_index)
			return true;
	return false;
}

static enum wgpeer_event take_response(struct wgpeer *p, const uint8_t *message)
{
	struct sl_msg_response msg;
	struct wgpeer_session *s;

	memcpy(&msg, message, sizeof(msg));
	if (sl_noise_consume_response(&p->handshake, &p->identity, p->psk, &msg))
		return WGPEER_NOTHING;
	p->newest = (p->newest + 1) % WGPEER_SESSIONS;
	s = &p->sessions[p->newest];
	if (sl_noise_begin_session(&p->handshake, &s->keys))
		tool_die("a session could not begin");
	memset(s->seen, 0, WGPEER_COUNTERS / 8);
	s->next_counter = 0;
	s->valid = true;
	p->handshakes++;
	return WGPEER_SESSION;
}

static enum wgpeer_event take_data(struct wgpeer *p, const uint8_t *message, size_t len, uint8_t *packet, size_t *packet_len)
{
	const uint32_t index = sl_load_le32(message + 4);
	const uint64_t counter = sl_load_le64(message + 8);
	struct wgpeer_session *s = NULL;

	for (unsigned i = 0; i < WGPEER_SESSIONS; i++)
		if (p->sessions[i].valid && p->sessions[i].keys.local_index == index)
			s = &p->sessions[i];
	if (!s || !sl_aead_open(packet, message + sizeof(struct sl_msg_data), len - sizeof(struct sl_msg_data), NULL, 0, counter,
			  s->keys.recv))
		return WGPEER_NOTHING;
	if (counter >= WGPEER_COUNTERS)
		tool_die("a session with more than %u packets: not this tool's work", WGPEER_COUNTERS);
	if (s->seen[counter / 8] & 1U << counter % 8)
		p->reused++;
	s->seen[counter / 8] |= (uint8_t)(1U << counter % 8);
	p->opened++;
	*packet_len = len - SL_DATA_OVERHEAD;
	return *packet_len ? WGPEER_PACKET : WGPEER_KEEPALIVE;
}

enum wgpeer_event wgpeer_receive(struct wgpeer *p, const uint8_t *message, size_t len, uint64_t now_ns, uint8_t *packet,
	size_t *packet_len)
{
	const uint32_t type = len >= 4 ? sl_load_le32(message) : 0;
	struct sl_msg_cookie_reply reply;

	if (type == SL_MSG_RESPONSE && len == sizeof(struct sl_msg_response))
		return take_response(p, message);
	if (type == SL_MSG_DATA && len >= SL_DATA_OVERHEAD)
		return take_data(p, message, len, packet, packet_len);
	if (type == SL_MSG_COOKIE_REPLY && len == sizeof(reply)) {
		memcpy(&reply, message, sizeof(reply));
		if (!sl_cookie_jar_consume(&p->jar, now_ns, &p->remote_macs, &reply))
			return WGPEER_NOTHING;
	}
	return WGPEER_NOTHING;
}

size_t wgpeer_seal(struct wgpeer *p, const uint8_t *packet, size_t len, uint8_t *message)
{
	struct wgpeer_session *s = &p->sessions[p->newest];
	uint8_t plain[WGPEER_MESSAGE_MAX] = {0};
	size_t padded = (len + SL_PADDING_MULTIPLE - 1) / SL_PADDING_MULTIPLE * SL_PADDING_MULTIPLE;

	if (!s->valid)
		return 0;
	if (len > 0) /* a keepalive has no packet */
		memcpy(plain, packet, len);
	sl_store_le32(message, SL_MSG_DATA);
	sl_store_le32(message + 4, s->keys.remote_index);
	sl_store_le64(message + 8, s->next_counter);
	sl_aead_seal(message + sizeof(struct sl_msg_data), plain, padded, NULL, 0, s->next_counter++, s->keys.send);
	return padded + SL_DATA_OVERHEAD;
}

static uint16_t header_checksum(const void *header, size_t len)
{
	const uint8_t *p = header;
	uint32_t acc = 0;

	for (size_t i = 0; i < len; i += 2)
		acc += (uint32_t)p[i] << 8 | p[i + 1];
	while (acc >> 16)
		acc = (acc & 0xffff) + (acc >> 16);
	return htons((uint16_t)~acc);
}

size_t wgpeer_build_udp(uint8_t *packet, uint32_t source, uint32_t destination, uint16_t from, uint16_t to,
	const uint8_t *payload, size_t len)
{
	const size_t total = sizeof(struct iphdr) + sizeof(struct udphdr) + len;
	struct iphdr ip = {.version = 4,
		.ihl = 5,
		.ttl = SL_OUTER_TTL,
		.protocol = IPPROTO_UDP,
		.saddr = source,
		.daddr = destination,
		.tot_len = htons((uint16_t)total)};
	/* no UDP checksum: IPv4 allows that, and the tunnel's tag covers the packet */
	struct udphdr udp = {
		.source = htons(from), .dest = htons(to), .len = htons((uint16_t)(sizeof(struct udphdr) + len))};

	ip.check = header_checksum(&ip, sizeof(ip));
	memcpy(packet, &ip, sizeof(ip));
	memcpy(packet + sizeof(ip), &udp, sizeof(udp));
	memcpy(packet + sizeof(ip) + sizeof(udp), payload, len);
	return total;
}

const uint8_t *wgpeer_udp_payload(const uint8_t *packet, size_t len, uint16_t port, size_t *payload_len)
{
	struct iphdr ip;
	struct udphdr udp;

	if (len < sizeof(ip) + sizeof(udp))
		return NULL;
	memcpy(&ip, packet, sizeof(ip));
	memcpy(&udp, packet + sizeof(ip), sizeof(udp));
	if (ip.version != 4 || ip.ihl != 5 || ip.protocol != IPPROTO_UDP || ntohs(ip.tot_len) > len || ntohs(udp.dest) != port ||
		ntohs(udp.len) < sizeof(udp) || sizeof(ip) + ntohs(udp.len) > ntohs(ip.tot_len))
		return NULL;
	*payload_len = ntohs(udp.len) - sizeof(udp);
	return packet + sizeof(ip) + sizeof(udp);
}
