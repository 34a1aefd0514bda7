/* What goes into a hub and comes out of it, and the WireGuard peers outside. */
#include <criterion/criterion.h>

#include "crypto/aead_single.h"
#include "crypto/bytes.h"
#include "crypto/tai64n.h"
#include "dataplane/ip.h"
#include "reload_hub.h"

#define PACKET             512
#define TOKEN_AT4          (SL_IP4_HDR_MIN + SL_UDP_HDR_LEN)
#define TOKEN_AT6          (SL_IP6_HDR_LEN + SL_UDP_HDR_LEN)
#define INDEX_REMOTE_SHIFT 16
#define WALL_START         2000000000u
#define HUB_OUTSIDE        0xc0000201u /* 192.0.2.1 */

/* --- packets --- */

size_t
rig_packet(uint8_t *out, const struct sl_ip *src, const struct sl_ip *dst, uint32_t token)
{
	bool v6 = src->family == SL_AF_INET6;
	size_t at = v6 ? SL_IP6_HDR_LEN : SL_IP4_HDR_MIN, len = at + SL_UDP_HDR_LEN + sizeof(token);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(out + at);

	memset(out, 0, len);
	if (v6) {
		struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)out;

		ip->vtc_flow = rte_cpu_to_be_32(6u << 28);
		ip->payload_len = rte_cpu_to_be_16((uint16_t)(len - at));
		ip->proto = IPPROTO_UDP;
		ip->hop_limits = 64;
		memcpy(ip->src_addr, src->bytes, 16);
		memcpy(ip->dst_addr, dst->bytes, 16);
	} else {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)out;

		ip->version_ihl = RTE_IPV4_VHL_DEF;
		ip->total_length = rte_cpu_to_be_16((uint16_t)len);
		ip->time_to_live = 64;
		ip->next_proto_id = IPPROTO_UDP;
		memcpy(&ip->src_addr, src->bytes, 4);
		memcpy(&ip->dst_addr, dst->bytes, 4);
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	udp->src_port = udp->dst_port = rte_cpu_to_be_16(9);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(len - at));
	memcpy(out + at + SL_UDP_HDR_LEN, &token, sizeof(token));
	return len;
}

static void
receive(struct hub *h, const char *port, const struct rte_ether_addr *from, const uint8_t *packet, size_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(h->gw.dp->pool);
	const struct sl_gateway_if *gi = hub_if(h, port);
	struct rte_ether_hdr *ether;

	cr_assert_not_null(m, "out of packet buffers");
	ether = (struct rte_ether_hdr *)rte_pktmbuf_append(m, (uint16_t)(sizeof(*ether) + len));
	ether->dst_addr = sl_dataplane_if(h->gw.dp, gi->id)->mac;
	ether->src_addr = *from;
	ether->ether_type = rte_cpu_to_be_16(packet[0] >> 4 == 6 ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4);
	memcpy(ether + 1, packet, len);
	sl_worker_receive(h->w, gi->id, &m, 1);
}

void
hub_from_lan(struct hub *h, const uint8_t *packet, size_t len)
{
	receive(h, "lan0", &hub_lan_mac, packet, len);
}

static void
store_be(uint8_t *p, uint32_t value)
{
	value = rte_cpu_to_be_32(value);
	memcpy(p, &value, sizeof(value));
}

void
hub_from_remote(struct hub *h, struct remote *r, uint16_t listen_port, const void *message, size_t len)
{
	uint8_t packet[PACKET] = {0};
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet;
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	size_t total = sizeof(*ip) + sizeof(*udp) + len;

	cr_assert_leq(total, sizeof(packet));
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = rte_cpu_to_be_16((uint16_t)total);
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	store_be((uint8_t *)&ip->src_addr, REMOTE_FIRST + r->id);
	store_be((uint8_t *)&ip->dst_addr, HUB_OUTSIDE);
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	udp->src_port = rte_cpu_to_be_16((uint16_t)(REMOTE_PORT + r->id));
	udp->dst_port = rte_cpu_to_be_16(listen_port);
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len));
	memcpy(udp + 1, message, len);
	receive(h, "wan0", &hub_outside_mac, packet, total);
}

static uint32_t
token_of(const uint8_t *packet, size_t len)
{
	bool v6 = packet[0] >> 4 == 6;
	size_t at = v6 ? TOKEN_AT6 : TOKEN_AT4;
	uint32_t token;

	if (len < at + sizeof(token) || packet[v6 ? 6 : 9] != IPPROTO_UDP)
		return UINT32_MAX;
	memcpy(&token, packet + at, sizeof(token));
	return token;
}

static void
take_response(struct remote *r, const uint8_t *message)
{
	struct sl_msg_response msg;

	memcpy(&msg, message, sizeof(msg));
	if (sl_noise_consume_response(&r->handshake, &r->identity, r->psk, &msg) != SL_NOISE_OK)
		return;
	cr_assert_eq(sl_noise_begin_session(&r->handshake, &r->keys), SL_NOISE_OK);
	r->session = true;
	r->counter = 0;
}

/* A data message: which remote it is for, and what is in it. */
static void
take_data(struct remote *remotes, uint32_t n, const uint8_t *message, size_t len, struct came *came)
{
	uint32_t index = sl_load_le32(message + 4);
	struct remote *r = index >> INDEX_REMOTE_SHIFT < n ? &remotes[index >> INDEX_REMOTE_SHIFT] : NULL;
	uint8_t plain[PACKET];

	if (r == NULL || !r->session || r->keys.local_index != index || len - sizeof(struct sl_msg_data) > sizeof(plain))
		return;
	if (!sl_aead_open(plain, message + sizeof(struct sl_msg_data), len - sizeof(struct sl_msg_data), NULL, 0,
		    sl_load_le64(message + 8), r->keys.recv))
		return;
	if (len == SL_DATA_OVERHEAD)
		return;
	came->kind = CAME_REMOTE;
	came->remote = r->id;
	came->token = token_of(plain, len - SL_DATA_OVERHEAD);
}

static void
take_outer(struct remote *remotes, uint32_t n, const uint8_t *message, size_t len, struct came *came)
{
	uint32_t type = len >= 4 ? sl_load_le32(message) : 0, index;

	if (type == SL_MSG_DATA && len >= SL_DATA_OVERHEAD) {
		take_data(remotes, n, message, len, came);
	} else if (type == SL_MSG_RESPONSE && len == sizeof(struct sl_msg_response)) {
		index = sl_load_le32(message + 8) >> INDEX_REMOTE_SHIFT;
		if (index < n)
			take_response(&remotes[index], message);
	} else if (type == SL_MSG_INITIATION) {
		came->kind = CAME_INITIATION;
		came->remote = (uint32_t)(__builtin_bswap32(sl_load_le32(came->to.ip.bytes)) - REMOTE_FIRST);
	}
}

/* A frame outside: a WireGuard message for a remote, or a packet in the clear. */
static void
take_outside(struct remote *remotes, uint32_t n, const uint8_t *packet, size_t len, struct came *came)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)packet;
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(ip + 1);
	uint32_t to;

	came->kind = CAME_CLEAR;
	came->token = token_of(packet, len);
	if (packet[0] != RTE_IPV4_VHL_DEF || ip->next_proto_id != IPPROTO_UDP)
		return;
	to = rte_be_to_cpu_32(ip->dst_addr);
	if (to >> 8 != REMOTE_FIRST >> 8)
		return;
	came->kind = CAME_OTHER;
	came->to.ip = sl_ip4(&ip->dst_addr);
	came->to.port = rte_be_to_cpu_16(udp->dst_port);
	take_outer(remotes, n, (const uint8_t *)(udp + 1), rte_be_to_cpu_16(udp->dgram_len) - sizeof(*udp), came);
}

bool
hub_take(struct hub *h, struct remote *remotes, uint32_t n, struct came *came)
{
	struct hub_sent sent;
	const struct rte_ether_hdr *ether;
	size_t len;

	if (h->n_sent == 0)
		return false;
	sent = h->sent[0];
	memmove(h->sent, h->sent + 1, --h->n_sent * sizeof(h->sent[0]));
	*came = (struct came){.kind = CAME_OTHER, .token = UINT32_MAX};
	ether = rte_pktmbuf_mtod(sent.m, const struct rte_ether_hdr *);
	len = sent.m->pkt_len - sizeof(*ether);
	cr_assert_eq(sent.m->nb_segs, 1);
	if (ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) {
		rte_pktmbuf_free(sent.m);
		return true;
	}
	if (sent.port == sl_dataplane_if(h->gw.dp, hub_if(h, "lan0")->id)->port) {
		came->token = token_of((const uint8_t *)(ether + 1), len);
		came->kind = came->token == UINT32_MAX ? CAME_OTHER : CAME_LAN;
	} else {
		take_outside(remotes, n, (const uint8_t *)(ether + 1), len, came);
	}
	rte_pktmbuf_free(sent.m);
	return true;
}

/* --- remotes --- */

void
remote_init(struct remote *r, uint32_t id)
{
	uint8_t key[SL_KEY_LEN] = {0};

	memset(r, 0, sizeof(*r));
	r->id = id;
	store_be(key, id + 1);
	key[8] = 0x77;
	cr_assert(sl_noise_identity_init(&r->identity, key));
}

struct sl_endpoint
remote_endpoint(uint32_t id)
{
	uint8_t bytes[4];

	store_be(bytes, REMOTE_FIRST + id);
	return (struct sl_endpoint){.ip = sl_ip4(bytes), .port = (uint16_t)(REMOTE_PORT + id)};
}

/* A stamp that is later than all before, whatever time it is. */
static void
stamp(uint64_t now, uint8_t out[SL_TAI64N_LEN])
{
	sl_tai64n(out, WALL_START + now / SL_NSEC_PER_SEC, (uint32_t)(now % SL_NSEC_PER_SEC));
}

bool
remote_connect(struct remote *remotes, uint32_t n, struct remote *r, struct hub *h, uint16_t listen_port,
	const uint8_t hub[SL_KEY_LEN], const uint8_t psk[SL_KEY_LEN])
{
	static uint32_t handshakes;
	uint8_t ss[SL_KEY_LEN], timestamp[SL_TAI64N_LEN], ephemeral[SL_KEY_LEN] = {1};
	struct sl_msg_initiation msg;
	struct sl_mac_keys macs;
	struct came came;

	h->gw.now += 20 * SL_NSEC_PER_MSEC; /* a stamp's grain, and what lies between two initiations of one peer at least */
	r->session = false;
	memcpy(r->hub, hub, SL_KEY_LEN);
	memcpy(r->psk, psk, SL_KEY_LEN);
	sl_mac_keys_init(&macs, hub);
	cr_assert(sl_noise_static_static(ss, &r->identity, hub));
	stamp(h->gw.now, timestamp);
	store_be(ephemeral + 4, ++handshakes);
	cr_assert_eq(sl_noise_create_initiation(&r->handshake, &r->identity, hub, ss, timestamp, ephemeral,
			     r->id << INDEX_REMOTE_SHIFT | (handshakes & 0xffff), &msg),
		SL_NOISE_OK);
	sl_cookie_jar_stamp(&r->jar, h->gw.now, &macs, &msg, sizeof(msg));
	hub_from_remote(h, r, listen_port, &msg, sizeof(msg));
	for (unsigned i = 0; i < 8 && !r->session; i++) {
		hub_pass(h);
		hub_turn(h);
		while (hub_take(h, remotes, n, &came))
			;
	}
	if (!r->session)
		return false;
	r->created = h->gw.now;
	remote_send(r, h, listen_port, NULL, 0);
	hub_pass(h);
	hub_turn(h);
	return true;
}

void
remote_send(struct remote *r, struct hub *h, uint16_t listen_port, const uint8_t *packet, size_t len)
{
	uint8_t message[PACKET], plain[PACKET] = {0};
	size_t padded = RTE_ALIGN_CEIL(len, (size_t)SL_PADDING_MULTIPLE);

	if (len > 0)
		memcpy(plain, packet, len);
	sl_store_le32(message, SL_MSG_DATA);
	sl_store_le32(message + 4, r->keys.remote_index);
	sl_store_le64(message + 8, r->counter);
	sl_aead_seal(message + sizeof(struct sl_msg_data), plain, padded, NULL, 0, r->counter++, r->keys.send);
	hub_from_remote(h, r, listen_port, message, padded + SL_DATA_OVERHEAD);
}
