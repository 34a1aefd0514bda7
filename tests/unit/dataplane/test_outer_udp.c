/* The outer-udp stage: UDP lengths and checksums, the sizes of messages, nesting, and headers kept before the message. */
#include <criterion/criterion.h>

#include "crypto/bytes.h"
#include "tests/unit/dataplane/support.h"

static uint8_t packet[RIG_PACKET], message[RIG_PACKET];

static const struct rig_flow flows[] = {
	{"192.0.2.1", "203.0.113.10", 4444, RIG_WG0_PORT},
	{"2001:db8:9::1", "2001:db8::10", 4444, RIG_WG0_PORT},
};

/* As ip-input hands it over. */
static struct rte_mbuf *
from_ip_input(struct rte_mbuf *m)
{
	m->l3_len = *rte_pktmbuf_mtod(m, uint8_t *) >> 4 == 4 ? 20 : 40;
	sl_packet(m)->wg_if = RIG_WG0;
	return m;
}

static unsigned
through(struct rig *r, struct rte_mbuf *m, struct rte_mbuf **out)
{
	from_ip_input(m);
	rig_stage(r, sl_stage_outer_udp, &m, 1);
	return rig_exit(r, out);
}

static bool
is_message(uint32_t type, size_t len)
{
	switch (type) {
	case SL_MSG_INITIATION:
		return len == 148;
	case SL_MSG_RESPONSE:
		return len == 92;
	case SL_MSG_COOKIE_REPLY:
		return len == 64;
	case SL_MSG_DATA:
		return len >= 32;
	default:
		return false;
	}
}

Test(outer_udp, p1_types_and_sizes)
{
	static const uint32_t types[] = {0, 1, 2, 3, 4, 5, 0x01000001, 0x00010002, 0x00000104, UINT32_MAX};
	struct rig *r = rig_create(1);

	for (unsigned six = 0; six < 2; six++) {
		for (unsigned t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
			for (size_t len = 0; len <= 160; len++) {
				unsigned want = !is_message(types[t], len) ? RIG_DROPPED(BAD_MESSAGE)
						: types[t] == SL_MSG_DATA  ? SL_STAGE_OPEN
									   : SL_STAGE_HANDSHAKE;
				struct rte_mbuf *m;
				unsigned exit;
				size_t n;

				memset(message, 0x5a, sizeof(message));
				sl_store_le32(message, types[t]);
				n = rig_udp(packet, &flows[six], message, len);
				exit = through(r, rig_mbuf_guarded(r, RIG_WAN, packet, n), &m);
				cr_assert_eq(exit, want, "type %#x, %zu bytes: %s", types[t], len, rig_exit_name(exit));
				if (m == NULL)
					continue;
				cr_assert_eq(m->data_len, len);
				cr_assert_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), message, len);
				cr_assert_eq((uint8_t *)m->buf_addr + sl_packet(m)->outer_off,
					rte_pktmbuf_mtod(m, uint8_t *) - (six ? 48 : 28));
				rte_pktmbuf_free(m);
			}
		}
	}
	rig_destroy(r);
}

/* UDP lengths that disagree with the IP header; the message is what the UDP length says. */
Test(outer_udp, p3_lengths)
{
	static const struct {
		int udp_len;
		unsigned want;
	} cases[] = {
		{0, RIG_DROPPED(BAD_UDP_LENGTH)},
		{7, RIG_DROPPED(BAD_UDP_LENGTH)},
		{8, RIG_DROPPED(BAD_MESSAGE)},
		{39, RIG_DROPPED(BAD_MESSAGE)},
		{40, SL_STAGE_OPEN},
		{47, SL_STAGE_OPEN},
		{48, SL_STAGE_OPEN},
		{49, RIG_DROPPED(BAD_UDP_LENGTH)},
		{65535, RIG_DROPPED(BAD_UDP_LENGTH)},
	};
	struct rig *r = rig_create(1);

	sl_store_le32(message, SL_MSG_DATA);
	for (unsigned six = 0; six < 2; six++) {
		for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			size_t n = rig_udp(packet, &flows[six], message, 40);
			size_t udp = six ? 40 : 20;
			uint16_t good = (uint16_t)(packet[udp + 4] << 8 | packet[udp + 5]);
			struct rte_mbuf *m;
			unsigned exit;

			cr_assert_eq(good, 48);
			packet[udp + 4] = (uint8_t)(cases[i].udp_len >> 8);
			packet[udp + 5] = (uint8_t)cases[i].udp_len;
			if (cases[i].udp_len >= 8 && cases[i].udp_len <= 48) {
				/* a checksum that is right for the shorter datagram */
				uint16_t sum;

				packet[udp + 6] = packet[udp + 7] = 0;
				sum = sl_csum_fold(sl_csum_add(sl_csum_pseudo(six ? SL_AF_INET6 : SL_AF_INET, packet + (six ? 8 : 12),
								       packet + (six ? 24 : 16), 17, (uint32_t)cases[i].udp_len),
					packet + udp, (size_t)cases[i].udp_len));
				memcpy(packet + udp + 6, &sum, 2);
			}
			exit = through(r, rig_mbuf_guarded(r, RIG_WAN, packet, n), &m);
			cr_expect_eq(exit, cases[i].want, "%d: %s", cases[i].udp_len, rig_exit_name(exit));
			if (m)
				cr_expect_eq(m->pkt_len, (uint32_t)cases[i].udp_len - 8);
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}

Test(outer_udp, p3_checksums)
{
	static const struct {
		const char *what;
		bool six, zero, wrong, offers;
		uint64_t flags;
		unsigned want;
	} cases[] = {
		{"right", false, false, false, false, 0, SL_STAGE_OPEN},
		{"right, IPv6", true, false, false, false, 0, SL_STAGE_OPEN},
		{"wrong", false, false, true, false, 0, RIG_DROPPED(BAD_UDP_CHECKSUM)},
		{"wrong, IPv6", true, false, true, false, 0, RIG_DROPPED(BAD_UDP_CHECKSUM)},
		{"none", false, true, false, false, 0, SL_STAGE_OPEN},
		{"none, IPv6", true, true, false, false, 0, RIG_DROPPED(BAD_UDP_CHECKSUM)},
		{"none, IPv6, good says the port", true, true, false, true, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RIG_DROPPED(BAD_UDP_CHECKSUM)},
		{"good says the port", false, false, true, true, RTE_MBUF_F_RX_L4_CKSUM_GOOD, SL_STAGE_OPEN},
		{"bad says the port", false, false, false, true, RTE_MBUF_F_RX_L4_CKSUM_BAD, RIG_DROPPED(BAD_UDP_CHECKSUM)},
		{"the port does not know", false, false, true, true, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, RIG_DROPPED(BAD_UDP_CHECKSUM)},
		{"the port has no word", false, false, true, false, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RIG_DROPPED(BAD_UDP_CHECKSUM)},
	};
	struct rig *r = rig_create(1);

	sl_store_le32(message, SL_MSG_DATA);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig_flow flow = flows[cases[i].six];
		struct rte_mbuf *m;
		unsigned exit;
		size_t n;

		flow.no_udp_sum = cases[i].zero;
		n = rig_udp(packet, &flow, message, 33);
		packet[n - 1] ^= cases[i].wrong;
		m = rig_mbuf(r, RIG_WAN, packet, n, 0);
		m->ol_flags |= cases[i].flags;
		r->ifs[RIG_WAN].rx_csum = cases[i].offers;
		rig_publish_if(r, RIG_WAN);
		exit = through(r, m, NULL);
		cr_expect_eq(exit, cases[i].want, "%s: %s", cases[i].what, rig_exit_name(exit));
	}
	rig_destroy(r);
}

Test(outer_udp, nesting)
{
	struct rig *r = rig_create(1);
	size_t n;

	sl_store_le32(message, SL_MSG_DATA);
	n = rig_udp(packet, &flows[0], message, 32);
	for (uint8_t nesting = 0; nesting <= SL_NESTING_MAX; nesting++) {
		for (unsigned decapped = 0; decapped < 2; decapped++) {
			struct rte_mbuf *m = rig_mbuf(r, decapped ? RIG_WG1 : RIG_WAN, packet, n, 0);
			bool refused = decapped && nesting == SL_NESTING_MAX;
			unsigned exit;

			sl_packet(m)->nesting = nesting;
			sl_packet(m)->flags = decapped ? SL_PKT_DECAPPED : 0;
			exit = through(r, m, &m);
			cr_expect_eq(exit, refused ? RIG_DROPPED(NESTING) : SL_STAGE_OPEN, "%u: %s", nesting, rig_exit_name(exit));
			if (m)
				cr_expect_eq(sl_packet(m)->nesting, nesting + decapped);
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}

Test(outer_udp, segments_become_one_with_their_headers)
{
	struct rig *r = rig_create(1);

	for (unsigned six = 0; six < 2; six++) {
		for (size_t seg = 49; seg < 400; seg += 50) {
			struct rte_mbuf *m;
			size_t n;

			for (size_t i = 0; i < 1400; i++)
				message[i] = (uint8_t)(i * 7);
			sl_store_le32(message, SL_MSG_DATA);
			n = rig_udp(packet, &flows[six], message, 1400);
			cr_assert_eq(through(r, rig_mbuf(r, RIG_WAN, packet, n, seg), &m), SL_STAGE_OPEN);
			cr_expect_eq(m->nb_segs, 1);
			cr_expect_eq(m->data_len, 1400);
			cr_expect_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), message, 1400);
			cr_expect_arr_eq((uint8_t *)m->buf_addr + sl_packet(m)->outer_off, packet, six ? 48 : 28);
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}

Test(outer_udp, no_interface)
{
	struct rig *r = rig_create(1);
	size_t n;

	sl_store_le32(message, SL_MSG_DATA);
	n = rig_udp(packet, &flows[0], message, 32);
	cr_expect_eq(through(r, rig_mbuf(r, 500, packet, n, 0), NULL), RIG_DROPPED(INTERFACE_DOWN));
	rig_destroy(r);
}

/* Without a buffer to make one segment of several, the packet is dropped, not looked at. */
Test(outer_udp, no_buffer)
{
	struct rig *r = rig_create(1);
	struct rte_mbuf *taken[64], *m;
	unsigned n_taken = 0;
	size_t n;

	memset(message, 0, sizeof(message));
	sl_store_le32(message, SL_MSG_DATA);
	n = rig_udp(packet, &flows[0], message, 4000);
	m = rig_mbuf(r, RIG_WAN, packet, n, 1000);
	while (n_taken < 64 && (taken[n_taken] = rte_pktmbuf_alloc(r->dp->jumbo)) != NULL)
		n_taken++;
	cr_expect_eq(through(r, m, NULL), RIG_DROPPED(NO_BUFFER));
	rte_pktmbuf_free_bulk(taken, n_taken);
	cr_expect_eq(through(r, rig_mbuf(r, RIG_WAN, packet, n, 1000), NULL), SL_STAGE_OPEN);
	rig_destroy(r);
}
