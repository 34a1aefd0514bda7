#include <netinet/in.h>
#include <stdlib.h>

#include "tests/unit/dataplane/egress.h"

/* Puts the fragments of one IPv4 packet together again; their headers are checked. Returns the payload's length. */
static unsigned
join4(struct rig *r, enum sl_stage exit, unsigned mtu, uint8_t *payload, bool more_at_end)
{
	unsigned len = 0, first_off = 0, n = 0;
	struct rte_mbuf *m;
	bool last = false;

	while ((m = rig_take(r, exit)) != NULL) {
		const uint8_t *h = rte_pktmbuf_mtod(m, const uint8_t *);
		unsigned hdr = (h[0] & 15) * 4u, total = (unsigned)h[2] << 8 | h[3], field = (unsigned)h[6] << 8 | h[7];

		cr_assert_not(last);
		cr_expect_eq(total, m->pkt_len);
		cr_expect_leq(total, mtu);
		cr_expect_eq(sl_ip4_checksum(h, hdr), 0);
		if (n++ == 0)
			first_off = field & 0x1fff;
		cr_expect_eq((field & 0x1fff) * 8, first_off * 8 + len);
		memcpy(payload + len, h + hdr, total - hdr);
		len += total - hdr;
		last = !(field & 0x2000);
		if (!last)
			cr_expect_eq((total - hdr) % 8, 0);
		rte_pktmbuf_free(m);
	}
	cr_expect_eq(last, !more_at_end);
	return len;
}

static void
account(struct rig *r, unsigned fragments)
{
	/* taken out by hand: they are neither sent nor dropped */
	cr_expect_eq(atomic_load(&r->w->stats.generated), fragments);
	cr_expect_eq(atomic_load(&r->w->stats.delivered), 1);
	atomic_store(&r->w->stats.generated, 0);
	atomic_store(&r->w->stats.delivered, 0);
	strays = 0;
}

Test(fragment, every_length_comes_together_again)
{
	for (unsigned len = 1421; len < 9000; len += 37) {
		struct rig *r = tunnel(1, ENDPOINT4);
		uint8_t packet[RIG_PACKET], got[RIG_PACKET];
		uint8_t body[RIG_PACKET];
		struct rte_mbuf *m;

		for (unsigned i = 0; i < len; i++)
			body[i] = (uint8_t)(i * 31 + i / 256);
		rig_ip_packet(packet, &(struct rig_flow){.src = HOST_V4, .dst = PEER_V4, .id = 77}, body, len - 20);
		m = rig_mbuf(r, RIG_LAN, packet, len, 1400);
		sl_packet(m)->out_peer = PEER;
		sl_packet(m)->out_if = RIG_WG0;
		rig_stage(r, sl_stage_fragment, &m, 1);
		cr_expect_eq(rig_waiting(r, SL_STAGE_ENCAP), (len - 20 + 1399) / 1400);
		account(r, (len - 20 + 1399) / 1400);
		cr_assert_eq(join4(r, SL_STAGE_ENCAP, 1420, got, false), len - 20);
		cr_assert_eq(memcmp(got, body, len - 20), 0);
		finish(r);
	}
}

/* A fragment may be cut again: offsets go on, and only the last of a last fragment has no more behind it. */
Test(fragment, fragments_of_fragments)
{
	for (unsigned more = 0; more < 2; more++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		uint8_t packet[RIG_PACKET], got[RIG_PACKET], body[1480];
		struct rte_mbuf *m;

		memset(body, 7, sizeof(body));
		rig_ip_packet(packet, &(struct rig_flow){.src = HOST_V4, .dst = PEER_V4}, body, 1480);
		packet[6] = more ? 0x20 : 0;
		packet[7] = 185;
		rig_fix_checksums(packet);
		m = rig_mbuf(r, RIG_LAN, packet, 1500, 0);
		sl_packet(m)->out_peer = PEER;
		sl_packet(m)->out_if = RIG_WG0;
		rig_stage(r, sl_stage_fragment, &m, 1);
		cr_expect_eq(rte_pktmbuf_mtod(r->w->stages[SL_STAGE_ENCAP]->pkts[0], uint8_t *)[7], 185);
		account(r, 2);
		cr_expect_eq(join4(r, SL_STAGE_ENCAP, 1420, got, more), 1480);
		finish(r);
	}
}

/* RFC 791: the first fragment has all options, the others only those with the copied bit. */
Test(fragment, options)
{
	static const uint8_t options[12] = {0x07, 3, 4 /* record route */, 1 /* nop */, 0x94, 4, 0, 0 /* router alert */,
		0, 0, 0, 0};
	struct rig *r = tunnel(1, ENDPOINT4);
	uint8_t packet[RIG_PACKET] = {0}, body[1468];
	struct rte_mbuf *m;
	const uint8_t *h;

	memset(body, 9, sizeof(body));
	rig_ip_packet(packet, &(struct rig_flow){.src = HOST_V4, .dst = PEER_V4}, body, sizeof(body));
	memmove(packet + 32, packet + 20, sizeof(body));
	memcpy(packet + 20, options, sizeof(options));
	packet[0] = 0x48;
	packet[2] = 1500 >> 8;
	packet[3] = 1500 & 255;
	m = rig_mbuf(r, RIG_LAN, packet, 1500, 0);
	sl_packet(m)->out_peer = PEER;
	sl_packet(m)->out_if = RIG_WG0;
	rig_stage(r, sl_stage_fragment, &m, 1);
	account(r, 2);
	m = rig_take(r, SL_STAGE_ENCAP);
	h = rte_pktmbuf_mtod(m, const uint8_t *);
	cr_expect_eq(h[0], 0x48);
	cr_expect_eq(memcmp(h + 20, options, sizeof(options)), 0);
	cr_expect_eq(sl_ip4_checksum(h, 32), 0);
	rte_pktmbuf_free(m);
	m = rig_take(r, SL_STAGE_ENCAP);
	h = rte_pktmbuf_mtod(m, const uint8_t *);
	cr_expect_eq(h[0], 0x46);
	cr_expect_eq(memcmp(h + 20, options + 4, 4), 0);
	cr_expect_eq(sl_ip4_checksum(h, 24), 0);
	rte_pktmbuf_free(m);
	finish(r);
}

/* Malformed options end the copying, no byte beyond the header is read. */
Test(fragment, bad_options)
{
	static const uint8_t bad[][4] = {{0x94, 0, 0, 0}, {0x94, 1, 0, 0}, {0x94, 5, 0, 0}, {1, 1, 1, 0x94}};

	for (unsigned i = 0; i < RTE_DIM(bad); i++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		uint8_t packet[1500] = {0x46, 0, 1500 >> 8, 1500 & 255, 0, 1, 0, 0, 64, 17};
		struct rte_mbuf *m;

		memcpy(packet + 20, bad[i], 4);
		m = rig_mbuf(r, RIG_LAN, packet, 1500, 0);
		sl_packet(m)->out_peer = PEER;
		sl_packet(m)->out_if = RIG_WG0;
		rig_stage(r, sl_stage_fragment, &m, 1);
		account(r, 2);
		rte_pktmbuf_free(rig_take(r, SL_STAGE_ENCAP));
		m = rig_take(r, SL_STAGE_ENCAP);
		cr_expect_eq(*rte_pktmbuf_mtod(m, uint8_t *), 0x45);
		rte_pktmbuf_free(m);
		finish(r);
	}
}

/* Outer packets over IPv6, as they leave the port: a fragment header, one identification, and the whole can be opened. */
Test(fragment, outer_packets_over_ipv6)
{
	struct rig *r = tunnel(1, ENDPOINT6);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t whole[RIG_PACKET], plain[RIG_PACKET];
	struct sl_ip_info info;
	const uint8_t *p, *q;

	r->ifs[RIG_WAN].mtu = 1280;
	rig_publish_if(r, RIG_WAN);
	put(r, SL_STAGE_FORWARD, inner4(r, 1420));
	put(r, SL_STAGE_FORWARD, inner4(r, 100));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	p = sent_ip(r, 0, &info);
	cr_expect_eq(info.total_len, 1280);
	cr_expect_eq(p[6], IPPROTO_FRAGMENT);
	cr_expect_eq(p[40], IPPROTO_UDP);
	cr_expect_eq(p[42] << 8 | p[43], 1);
	q = sent_ip(r, 1, &info);
	cr_expect_eq(q[42] << 8 | q[43], 1232);
	cr_expect_eq(memcmp(p + 44, q + 44, 4), 0);
	memcpy(whole, p, 40);
	whole[6] = IPPROTO_UDP;
	memcpy(whole + 40, p + 48, 1232);
	memcpy(whole + 40 + 1232, q + 48, info.total_len - 48);
	whole[4] = (8 + 32 + 1420) >> 8;
	whole[5] = (8 + 32 + 1420) & 255;
	cr_expect_eq(rig_open(plain, &s, whole + 48, 32 + 1420), 1420);
	memcpy(plain, whole, sizeof(plain));
	rig_fix_checksums(plain);
	cr_expect_eq(memcmp(plain, whole, 48), 0, "UDP checksum over the whole");
	cr_expect_eq(sent_plain(r, 2, &s, plain, NULL), 112, "the small packet did not overtake");
	/* the next one has another identification */
	put(r, SL_STAGE_FORWARD, inner4(r, 1420));
	rig_run(r, 0);
	q = sent_ip(r, 3, &info);
	cr_expect_neq(memcmp(p + 44, q + 44, 4), 0);
	finish(r);
}

Test(fragment, outer_packets_over_ipv4)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t whole[RIG_PACKET], plain[RIG_PACKET];
	struct sl_ip_info info;
	const uint8_t *p;
	unsigned len = 0;

	r->ifs[RIG_WAN].mtu = 576;
	rig_publish_if(r, RIG_WAN);
	put(r, SL_STAGE_FORWARD, inner4(r, 1400));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++) {
		p = sent_ip(r, i, &info);
		memcpy(whole + len, p + 20, info.total_len - 20);
		len += info.total_len - 20;
		cr_expect_eq(memcmp(rte_pktmbuf_mtod(r->sent[i].m, void *), "\x02\xaa\0\0\0\x01", 6), 0);
	}
	cr_expect_eq(rig_open(plain, &s, whole + 8, len - 8), 1408);
	finish(r);
}

Test(fragment, what_fits_passes_through)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m[2] = {inner4(r, 1420), inner4(r, 1500)};

	sl_packet(m[0])->out_peer = PEER;
	sl_packet(m[0])->out_if = RIG_WG0;
	sl_packet(m[1])->out_if = RIG_WAN;
	rig_stage(r, sl_stage_fragment, m, 2);
	cr_assert_eq(rig_take(r, SL_STAGE_ENCAP), m[0]);
	cr_assert_eq(rig_take(r, SL_STAGE_NEIGHBOUR), m[1]);
	rte_pktmbuf_free_bulk(m, 2);
	finish(r);
}

Test(fragment, what_cannot_be_cut)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *hold[8192], *m;
	unsigned n = 0;

	m = inner4(r, 1500);
	sl_packet(m)->out_if = 99;
	put(r, SL_STAGE_FRAGMENT, m);
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 1);
	r->ifs[RIG_WG0].mtu = 27; /* no room for 8 bytes */
	rig_publish_if(r, RIG_WG0);
	m = inner4(r, 1500);
	sl_packet(m)->out_if = RIG_WG0;
	sl_packet(m)->out_peer = PEER;
	put(r, SL_STAGE_FRAGMENT, m);
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_OVERSIZED), 1);
	r->ifs[RIG_WG0].mtu = 1420;
	rig_publish_if(r, RIG_WG0);
	m = inner4(r, 1500);
	sl_packet(m)->out_if = RIG_WG0;
	sl_packet(m)->out_peer = PEER;
	put(r, SL_STAGE_FRAGMENT, m);
	while (n < 8192 && (hold[n] = rte_pktmbuf_alloc(r->dp->pool)) != NULL)
		n++;
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_BUFFER), 1);
	rte_pktmbuf_free_bulk(hold, n);
	finish(r);
}
