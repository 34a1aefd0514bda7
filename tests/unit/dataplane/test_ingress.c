/*
 * Frames through whole workers, from the port inwards: handshakes to control, data to the LAN and to ourselves, fragments,
 * tunnels in tunnels, every way a hostile packet can be wrong; and after each run every packet is accounted for.
 */
#include <netinet/in.h>

#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "tests/unit/dataplane/support.h"

#define PEER   3
#define NESTED 5

static uint8_t packet[RIG_PACKET], message[RIG_PACKET], inner[RIG_PACKET], frame[RIG_PACKET], out[RIG_PACKET];

static const struct rig_flow outer4 = {"192.0.2.1", "203.0.113.10", 4444, RIG_WG0_PORT};
static const struct rig_flow outer6 = {"2001:db8:9::1", "2001:db8::10", 4444, RIG_WG0_PORT};

static struct rig *
gateway(uint16_t workers)
{
	struct rig *r = rig_create(workers);

	rig_peer(r, PEER, RIG_WG0, "192.0.2.1:4444", "203.0.113.10");
	rig_allow(r, PEER, "10.64.0.2/32");
	rig_allow(r, PEER, "fd00:64::2/128");
	rig_neighbour(r, RIG_LAN, "10.20.0.5", 5);
	rig_neighbour(r, RIG_LAN, "fd00:20::5", 6);
	rig_neighbour(r, RIG_WAN, "203.0.113.1", 1);
	return r;
}

static struct rte_mbuf *
framed(struct rig *r, uint16_t in_if, const void *ip, size_t len, size_t seg)
{
	uint16_t type = *(const uint8_t *)ip >> 4 == 4 ? RTE_ETHER_TYPE_IPV4 : RTE_ETHER_TYPE_IPV6;
	size_t n = rig_ether(r, frame, in_if, NULL, type, ip, len);

	return seg ? rig_mbuf(r, in_if, frame, n, seg) : rig_mbuf_guarded(r, in_if, frame, n);
}

/* A frame on the WAN with `plain` sealed inside. */
static struct rte_mbuf *
sealed(struct rig *r, const struct rig_flow *outer, const struct rig_session *s, uint64_t counter, const void *plain, size_t len,
	size_t seg)
{
	size_t n = rig_data(message, s, counter, plain, len, 0);

	n = rig_udp(packet, outer, message, n);
	return framed(r, RIG_WAN, packet, n, seg);
}

Test(ingress, every_size_in_all_four_mixes)
{
	struct rig *r = gateway(1);
	struct rig_session s = rig_session(r, PEER, false, true);
	uint64_t counter = 0;

	for (unsigned mix = 0; mix < 4; mix++) {
		const struct rig_flow in4 = {"10.64.0.2", "10.20.0.5", 7, 8}, in6 = {"fd00:64::2", "fd00:20::5", 7, 8};
		size_t hdr = mix & 1 ? 48 : 28;

		for (size_t len = hdr; len <= RIG_WG_MTU; len += len < hdr + 70 ? 1 : 61) {
			uint8_t body[RIG_PACKET];

			for (size_t i = 0; i < len; i++)
				body[i] = (uint8_t)(i + counter);
			rig_udp(inner, mix & 1 ? &in6 : &in4, body, len - hdr);
			rig_receive(r, 0, RIG_WAN, sealed(r, mix & 2 ? &outer6 : &outer4, &s, counter, inner, len, counter % 3 ? 0 : 300));
			counter++;
			rig_run(r, 0);
			cr_assert_eq(r->n_sent, 1, "mix %u, %zu bytes", mix, len);
			cr_assert_eq(r->sent[0].port, RIG_LAN);
			cr_assert_eq(rig_bytes(r->sent[0].m, out, sizeof(out)), len + RTE_ETHER_HDR_LEN);
			cr_assert_arr_eq(out + RTE_ETHER_HDR_LEN + hdr, body, len - hdr);
			cr_assert_eq(out[RTE_ETHER_HDR_LEN + (mix & 1 ? 7 : 8)], 63, "TTL");
			rig_forget_sent(r);
		}
	}
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

Test(ingress, to_control)
{
	static const struct rig_flow ping = {"10.64.0.2", "10.64.0.1", .proto = IPPROTO_ICMP};
	struct rig *r = gateway(1);
	struct rig_session s = rig_session(r, PEER, false, true);
	uint8_t initiation[148] = {SL_MSG_INITIATION};
	struct rte_mbuf *m;
	size_t n;

	sl_macs_write(&r->ifs[RIG_WG0].mac_keys, NULL, initiation, sizeof(initiation));
	n = rig_udp(packet, &outer4, initiation, sizeof(initiation));
	rig_receive(r, 0, RIG_WAN, framed(r, RIG_WAN, packet, n, 100));
	rig_run(r, 0);
	m = rig_take_ring(r->ifs[RIG_WG0].handshakes);
	cr_assert_not_null(m);
	cr_expect_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), initiation, sizeof(initiation));
	cr_expect_arr_eq((uint8_t *)m->buf_addr + sl_packet(m)->outer_off, packet, 28, "control sees where it came from");
	rte_pktmbuf_free(m);

	n = rig_ip_packet(inner, &ping, "\x08\x00\xf7\xff\x00\x00\x00\x00", 8);
	rig_receive(r, 0, RIG_WAN, sealed(r, &outer4, &s, 1, inner, n, 0));
	n = rig_ether(r, frame, RIG_LAN, NULL, RTE_ETHER_TYPE_ARP, "arp", 3);
	rig_receive(r, 0, RIG_LAN, rig_mbuf(r, RIG_LAN, frame, n, 0));
	rig_run(r, 0);
	m = rig_take_ring(r->dp->to_control);
	cr_assert_not_null(m);
	cr_expect_eq(sl_packet(m)->punt, SL_PUNT_ARP, "it has the shorter way");
	rte_pktmbuf_free(m);
	m = rig_take_ring(r->dp->to_control);
	cr_assert_not_null(m);
	cr_expect_eq(sl_packet(m)->punt, SL_PUNT_LOCAL);
	cr_expect_eq(sl_packet(m)->in_if, RIG_WG0);
	cr_expect_eq(sl_packet(m)->in_peer, PEER);
	rte_pktmbuf_free(m);
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

/* A WireGuard message cut in two on its way, its fragments in either order. */
Test(ingress, outer_fragments)
{
	static const struct rig_flow in = {"10.64.0.2", "10.20.0.5", 7, 8};
	struct rig *r = gateway(1);
	struct rig_session s = rig_session(r, PEER, false, true);
	uint8_t zeros[RIG_PACKET] = {0};

	for (unsigned order = 0; order < 2; order++) {
		size_t len = rig_udp(inner, &in, zeros, 1300);
		size_t n = rig_udp(packet, &outer4, message, rig_data(message, &s, order, inner, len, 0));
		uint8_t frags[2][RIG_PACKET];
		size_t sizes[2] = {20 + 800, n - 800};

		memcpy(frags[0], packet, 20 + 800);
		memcpy(frags[1], packet, 20);
		memcpy(frags[1] + 20, packet + 20 + 800, n - 20 - 800);
		for (unsigned k = 0; k < 2; k++) {
			struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)frags[k];

			ip->total_length = rte_cpu_to_be_16((uint16_t)sizes[k]);
			ip->fragment_offset = rte_cpu_to_be_16(k ? 100 : RTE_IPV4_HDR_MF_FLAG);
			ip->hdr_checksum = 0;
			ip->hdr_checksum = rte_ipv4_cksum(ip);
		}
		rig_receive(r, 0, RIG_WAN, framed(r, RIG_WAN, frags[order], sizes[order], 0));
		rig_run(r, 0);
		cr_expect_eq(r->n_sent, 0);
		rig_check_conservation(r, 0);
		rig_receive(r, 0, RIG_WAN, framed(r, RIG_WAN, frags[!order], sizes[!order], 0));
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, 1);
		cr_expect_eq(r->sent[0].m->pkt_len, len + RTE_ETHER_HDR_LEN);
		rig_forget_sent(r);
	}
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

/* A peer of wg1 whose messages come through a peer of wg0. */
Test(ingress, tunnel_in_tunnel)
{
	static const struct rig_flow middle = {"10.64.0.2", "10.64.0.1", 999, RIG_WG1_PORT}, in = {"10.65.0.2", "10.20.0.5", 7, 8};
	struct rig *r = gateway(1);
	struct rig_session s = rig_session(r, PEER, false, true), t;
	struct sl_endpoint remote;
	struct sl_outer outer;
	size_t n;

	rig_peer(r, NESTED, RIG_WG1, NULL, NULL);
	rig_allow(r, NESTED, "10.65.0.2/32");
	t = rig_session(r, NESTED, false, true);
	n = rig_udp(inner, &in, "deep", 4);
	n = rig_data(message, &t, 0, inner, n, 0);
	n = rig_udp(inner, &middle, message, n);
	rig_receive(r, 0, RIG_WAN, sealed(r, &outer4, &s, 0, inner, n, 0));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	rig_bytes(r->sent[0].m, out, sizeof(out));
	cr_expect_arr_eq(out + RTE_ETHER_HDR_LEN + 28, "deep", 4);
	sl_peer_outer_read(&r->dp->peers, NESTED, &outer);
	sl_outer_remote(&outer, &remote);
	cr_expect_eq(remote.port, 999, "its endpoint is inside the first tunnel");
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

/* Bits flipped and lengths cut anywhere in a frame: nothing leaves, nothing is lost track of, the session goes on. */
Test(ingress, damage, .timeout = 120)
{
	static const struct rig_flow in = {"10.64.0.2", "10.20.0.5", 7, 8};
	struct rig *r = gateway(1);
	struct rig_session s = rig_session(r, PEER, false, true);
	size_t len = rig_udp(inner, &in, "hello", 5);

	for (unsigned six = 0; six < 2; six++) {
		size_t n = rig_udp(packet, six ? &outer6 : &outer4, message, rig_data(message, &s, 100 + six, inner, len, 0));

		n = rig_ether(r, frame, RIG_WAN, NULL, six ? RTE_ETHER_TYPE_IPV6 : RTE_ETHER_TYPE_IPV4, packet, n);
		for (size_t cut = 0; cut < n; cut++) {
			rig_receive(r, 0, RIG_WAN, rig_mbuf_guarded(r, RIG_WAN, frame, cut));
			rig_run(r, 0);
			cr_assert_eq(r->n_sent, 0, "%zu bytes got through", cut);
		}
		/* the source MAC, and IPv6's traffic class, flow label and hop limit, are nobody's to check */
		for (size_t bit = 0; bit < n * 8; bit++) {
			size_t at = bit / 8;

			if ((at >= 6 && at < 12) || (six && (at == 15 || at == 16 || at == 17 || at == 21 || (at == 14 && bit % 8 < 4))))
				continue;
			frame[at] ^= (uint8_t)(1 << bit % 8);
			rig_receive(r, 0, RIG_WAN, rig_mbuf_guarded(r, RIG_WAN, frame, n));
			frame[at] ^= (uint8_t)(1 << bit % 8);
			rig_run(r, 0);
			cr_assert_eq(r->n_sent, 0, "bit %zu of byte %zu", bit % 8, at);
		}
		rig_receive(r, 0, RIG_WAN, rig_mbuf_guarded(r, RIG_WAN, frame, n));
		rig_receive(r, 0, RIG_WAN, rig_mbuf_guarded(r, RIG_WAN, frame, n));
		rig_run(r, 0);
		cr_expect_eq(r->n_sent, 1, "the packet itself, once");
		rig_forget_sent(r);
		for (struct rte_mbuf *m; (m = rig_take_ring(r->dp->to_control)) != NULL;)
			rte_pktmbuf_free(m);
	}
	rig_check_conservation(r, 0);
	rig_destroy(r);
}

/* One session at two workers on two ports: all packets arrive once, whichever worker gets which copy. */
Test(ingress, one_session_two_workers)
{
	static const struct rig_flow in = {"10.64.0.2", "10.20.0.5", 7, 8};
	struct rig *r = gateway(2);
	struct rig_session s = rig_session(r, PEER, false, true);
	size_t len = rig_udp(inner, &in, "hello", 5);

	for (unsigned i = 0; i < 600; i++) {
		rig_receive(r, i % 2, RIG_WAN, sealed(r, &outer4, &s, i, inner, len, 0));
		if (i % 3 == 0)
			rig_receive(r, (i + 1) % 2, RIG_WAN, sealed(r, &outer4, &s, i, inner, len, 0));
		if (i % 20 == 19) {
			rig_run(r, i / 20 % 2);
			rig_run(r, !(i / 20 % 2));
		}
	}
	cr_expect_eq(r->n_sent, 600);
	cr_expect_eq(r->dp->workers[0]->stats.drops[SL_DROP_REPLAY] + r->dp->workers[1]->stats.drops[SL_DROP_REPLAY], 200);
	rig_check_conservation(r, 0);
	rig_destroy(r);
}
