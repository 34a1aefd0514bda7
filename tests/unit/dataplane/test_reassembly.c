/* Reassembly of fragments for us: any order, any cut, what is refused, expiry on the worker's clock, exact accounts. */
#include <netinet/in.h>
#include <stdlib.h>

#include <criterion/criterion.h>

#include "dataplane/reassembly.h"
#include "tests/unit/dataplane/support.h"

static uint8_t packet[RIG_PACKET], payload[RIG_PACKET];

static const struct rig_flow flows[] = {
	{"192.0.2.1", "203.0.113.10", 4444, RIG_WG0_PORT},
	{"2001:db8:9::1", "2001:db8::10", 4444, RIG_WG0_PORT},
};

static size_t
whole(unsigned six, size_t len)
{
	for (size_t i = 0; i < len; i++)
		payload[i] = (uint8_t)(i * 13 + len);
	return rig_udp(packet, &flows[six], payload, len);
}

/* The part from `off` on, `len` bytes of what lies behind the IP header, as a fragment. */
static struct rte_mbuf *
fragment(struct rig *r, unsigned six, uint16_t id, size_t off, size_t len, bool more, size_t seg)
{
	uint8_t frag[RIG_PACKET];
	size_t n;

	if (six) {
		struct rig_flow flow = flows[1];
		uint8_t body[RIG_PACKET] = {IPPROTO_UDP, 0, (uint8_t)(off >> 8), (uint8_t)((off & 0xf8) | more), 0, 0, (uint8_t)(id >> 8), (uint8_t)id};

		flow.proto = IPPROTO_FRAGMENT;
		memcpy(body + 8, packet + 40 + off, len);
		n = rig_ip_packet(frag, &flow, body, len + 8);
	} else {
		struct rig_flow flow = flows[0];
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)frag;

		flow.id = id;
		n = rig_ip_packet(frag, &flow, packet + 20 + off, len);
		ip->fragment_offset = rte_cpu_to_be_16((uint16_t)(off / 8 | (more ? RTE_IPV4_HDR_MF_FLAG : 0)));
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	return rig_mbuf(r, RIG_WAN, frag, n, seg);
}

static void
feed(struct rig *r, struct rte_mbuf *m)
{
	rig_stage(r, sl_stage_reassembly, &m, 1);
}

static uint64_t
queued(struct rig *r)
{
	return atomic_load(&r->w->stats.queued);
}

static uint64_t
lost(struct rig *r)
{
	return rig_drops(r, SL_DROP_REASSEMBLY);
}

static void
expect_whole(struct rig *r, size_t len, const char *what)
{
	struct rte_mbuf *m = rig_take(r, SL_STAGE_IP_INPUT);
	struct sl_ip_info info = {0};

	cr_assert_not_null(m, "%s", what);
	cr_expect_eq(m->nb_segs, 1);
	cr_expect(sl_packet(m)->flags & SL_PKT_REASSEMBLED);
	cr_expect_eq(sl_packet(m)->in_if, RIG_WAN);
	cr_expect_eq(m->ol_flags, 0);
	cr_assert_eq(m->pkt_len, len, "%s: %u", what, m->pkt_len);
	cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK, "%s", what);
	cr_expect_eq(info.total_len, len);
	cr_expect_eq(info.proto, IPPROTO_UDP);
	cr_expect(!info.fragment);
	if (info.family == SL_AF_INET)
		cr_expect_eq(sl_ip4_checksum(rte_pktmbuf_mtod(m, void *), 20), 0);
	cr_expect_eq(sl_udp_checksum(m, &info, info.hdr_len, (uint32_t)len - info.hdr_len), 0, "%s", what);
	rte_pktmbuf_free(m);
}

Test(reassembly, any_order_and_cut)
{
	static const size_t cuts[] = {8, 64, 496, 1024, 1480};
	static const unsigned orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {2, 0, 1}, {0, 2, 1}, {1, 0, 2}};
	struct rig *r = rig_create(1);
	uint16_t id = 1;
	uint64_t fed = 0;

	for (unsigned six = 0; six < 2; six++) {
		for (unsigned c = 0; c < 5; c++) {
			for (unsigned o = 0; o < 6; o++) {
				size_t len = whole(six, 2 * cuts[c] + 5), hdr = six ? 40 : 20;

				for (unsigned k = 0; k < 3; k++) {
					unsigned part = orders[o][k];
					size_t off = part * cuts[c];

					cr_expect_eq(rig_waiting(r, SL_STAGE_IP_INPUT), 0);
					cr_expect_eq(queued(r), k);
					feed(r, fragment(r, six, id, off, part == 2 ? len - hdr - off : cuts[c], part < 2, o == 4 ? 100 : 0));
					fed++;
				}
				id++;
				expect_whole(r, len, "three parts");
				cr_expect_eq(queued(r), 0);
				sl_count(&r->w->stats.delivered, 1);
			}
		}
	}
	cr_expect_eq(lost(r), 0);
	cr_expect_eq(atomic_load(&r->w->stats.merged), fed / 3 * 2);
	rig_check_conservation(r, fed);
	rig_destroy(r);
}

Test(reassembly, datagrams_are_kept_apart)
{
	struct rig *r = rig_create(1);

	for (unsigned six = 0; six < 2; six++) {
		size_t hdr = six ? 40 : 20;

		for (uint16_t id = 0; id < 40; id++) {
			whole(six, 800 + id);
			feed(r, fragment(r, six, id, 0, 512, true, 0));
		}
		cr_expect_eq(queued(r), 40);
		for (uint16_t id = 0; id < 40; id++) {
			size_t len = whole(six, 800 + id);

			feed(r, fragment(r, six, id, 512, len - hdr - 512, false, 0));
			expect_whole(r, len, "interleaved");
		}
		cr_expect_eq(queued(r), 0);
	}
	rig_destroy(r);
}

Test(reassembly, refused_at_once)
{
	static const struct {
		const char *what;
		size_t off, len;
		bool more;
	} cases[] = {
		{"nothing in it", 64, 0, true},
		{"a middle one of odd length", 64, 63, true},
		{"past the end of a datagram", 65528, 16, false},
	};
	struct rig *r = rig_create(1);

	whole(0, 1000);
	whole(1, 1000);
	for (unsigned six = 0; six < 2; six++) {
		for (unsigned i = 0; i < 3; i++) {
			uint8_t at = packet[0];
			uint64_t before = lost(r);

			if (cases[i].off > 8000) { /* the bytes come from the front, the offset is a lie */
				struct rte_mbuf *m;

				whole(six, 1000);
				m = fragment(r, six, 9, 0, cases[i].len, cases[i].more, 0);
				if (six) {
					rte_pktmbuf_mtod(m, uint8_t *)[42] = 0xff;
					rte_pktmbuf_mtod(m, uint8_t *)[43] = 0xf8;
				} else {
					rte_pktmbuf_mtod(m, uint8_t *)[6] = 0x1f;
					rte_pktmbuf_mtod(m, uint8_t *)[7] = 0xff;
				}
				feed(r, m);
			} else {
				whole(six, 1000);
				feed(r, fragment(r, six, 9, cases[i].off, cases[i].len, cases[i].more, 0));
			}
			cr_expect_eq(lost(r), before + 1, "%s (%#x)", cases[i].what, at);
			cr_expect_eq(queued(r), 0, "%s", cases[i].what);
		}
	}
	rig_destroy(r);
}

/* Overlaps, doubles and holes: never a packet, never a leak. */
Test(reassembly, overlaps)
{
	struct rig *r = rig_create(1);
	uint64_t fed = 0, seed = 1;

	for (unsigned round = 0; round < 2000; round++) {
		unsigned six = round & 1;
		size_t len = whole(six, 600);

		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		size_t off = (seed >> 33) % 70 * 8;
		size_t part = RTE_MIN((seed >> 45) % 20 * 8 + 8, len - (six ? 40 : 20) - off);
		bool more = (seed >> 60) != 0;

		if (more)
			part &= ~(size_t)7;
		feed(r, fragment(r, six, (uint16_t)(seed >> 20 & 7), off, part, more, 0));
		fed++;
		while (rig_waiting(r, SL_STAGE_IP_INPUT) > 0) {
			struct rte_mbuf *m = rig_take(r, SL_STAGE_IP_INPUT);
			struct sl_ip_info info = {0};

			cr_expect_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
			rte_pktmbuf_free(m);
			sl_count(&r->w->stats.delivered, 1);
		}
		r->now += SL_NSEC_PER_MSEC;
	}
	rig_check_conservation(r, fed);
	r->now += 2 * SL_REASSEMBLY_NS;
	r->w->now = r->now;
	sl_reassembly_expire(r->w);
	cr_expect_eq(queued(r), 0);
	rig_check_conservation(r, fed);
	rig_destroy(r);
}

/* All bytes are there, but with a hole: the library has chained some fragments by then, and gives them up as one. */
Test(reassembly, a_hole_behind_what_fits_together)
{
	static const struct {
		size_t off, len;
		bool more;
	} parts[] = {{0, 8, true}, {16, 16, true}, {16, 8, true}, {32, 16, false}};

	for (unsigned six = 0; six < 2; six++) {
		struct rig *r = rig_create(1);

		whole(six, 48 + (six ? 40 : 20));
		for (unsigned i = 0; i < 4; i++)
			feed(r, fragment(r, six, 7, parts[i].off, parts[i].len, parts[i].more, 0));
		cr_expect_eq(rig_waiting(r, SL_STAGE_IP_INPUT), 0);
		cr_expect_eq(lost(r), 4);
		cr_expect_eq(queued(r), 0);
		rig_check_conservation(r, 4);
		rig_destroy(r);
	}
}

Test(reassembly, expiry)
{
	struct rig *r = rig_create(1);

	whole(0, 1000);
	feed(r, fragment(r, 0, 1, 0, 512, true, 0));
	r->now += SL_REASSEMBLY_NS;
	r->w->now = r->now;
	sl_reassembly_expire(r->w);
	cr_expect_eq(queued(r), 1, "not yet");
	r->now += 1;
	r->w->now = r->now;
	sl_reassembly_expire(r->w);
	cr_expect_eq(queued(r), 0);
	cr_expect_eq(lost(r), 1);
	feed(r, fragment(r, 0, 1, 512, 496, false, 0));
	cr_expect_eq(rig_waiting(r, SL_STAGE_IP_INPUT), 0, "its first half is gone");
	rig_destroy(r);
}

/* More datagrams than the table holds: bounded memory, and it recovers. */
Test(reassembly, flood)
{
	struct rig *r = rig_create(1);
	unsigned in_use = rte_mempool_in_use_count(r->dp->pool);
	size_t len;

	for (unsigned i = 0; i < 5000; i++) {
		whole(0, 1000);
		feed(r, fragment(r, 0, (uint16_t)i, 0, 512, true, 0));
	}
	cr_expect_leq(queued(r), SL_REASSEMBLY_FLOWS);
	cr_expect_eq(rte_mempool_in_use_count(r->dp->pool) - in_use, queued(r));
	rig_check_conservation(r, 5000);
	r->now += 2 * SL_REASSEMBLY_NS;
	r->w->now = r->now;
	sl_reassembly_expire(r->w);
	cr_expect_eq(queued(r), 0);
	len = whole(0, 1000);
	feed(r, fragment(r, 0, 7, 512, len - 20 - 512, false, 0));
	feed(r, fragment(r, 0, 7, 0, 512, true, 0));
	expect_whole(r, len, "after the flood");
	rig_destroy(r);
}

Test(reassembly, what_waits_is_freed_with_the_worker)
{
	struct rig *r = rig_create(1);

	whole(1, 1000);
	feed(r, fragment(r, 1, 1, 0, 512, true, 0));
	rig_destroy(r);
}
