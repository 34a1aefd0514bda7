/* Header parsing at every length, extension headers, checksums against DPDK's, trimming and pulling up of chains. */
#include <netinet/in.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/support.h"

static uint8_t packet[RIG_PACKET];

static const struct rig_flow v4 = {.src = "192.0.2.1", .dst = "198.51.100.2", .sport = 1, .dport = 2, .tos = 0xb9, .ttl = 7};
static const struct rig_flow v6 = {.src = "2001:db8::1", .dst = "2001:db8::2", .sport = 1, .dport = 2, .tos = 0xb9, .ttl = 7};

Test(ip, fields)
{
	const struct rig_flow *flows[] = {&v4, &v6};

	for (unsigned i = 0; i < 2; i++) {
		size_t len = rig_udp(packet, flows[i], "abc", 3);
		struct sl_ip src = rig_ip(flows[i]->src), dst = rig_ip(flows[i]->dst);
		struct sl_ip_info info = {0};

		cr_assert_eq(sl_ip_hdr_parse(packet, (uint32_t)len, (uint32_t)len, &info), SL_IP_OK);
		cr_expect_eq(info.family, i == 0 ? SL_AF_INET : SL_AF_INET6);
		cr_expect_eq(info.hdr_len, i == 0 ? 20 : 40);
		cr_expect_eq(info.proto, IPPROTO_UDP);
		cr_expect_eq(info.tos, 0xb9);
		cr_expect_eq(info.ttl, 7);
		cr_expect_eq(info.total_len, len);
		cr_expect(!info.fragment);
		cr_expect_eq(info.df, i == 1);
		cr_expect_arr_eq(info.src, src.bytes, sl_family_bytes(info.family));
		cr_expect_arr_eq(info.dst, dst.bytes, sl_family_bytes(info.family));
	}
}

/* One byte changed in an otherwise good packet of 31 (IPv4) or 51 (IPv6) bytes. */
Test(ip, p3_refused_headers)
{
	static const struct {
		const char *what;
		bool six;
		unsigned at;
		uint8_t value;
		enum sl_ip_verdict want;
	} cases[] = {
		{"version 0", false, 0, 0x05, SL_IP_NOT_IP},
		{"version 5", false, 0, 0x55, SL_IP_NOT_IP},
		{"version 15", true, 0, 0xf0, SL_IP_NOT_IP},
		{"IHL 0", false, 0, 0x40, SL_IP_MALFORMED},
		{"IHL 4", false, 0, 0x44, SL_IP_MALFORMED},
		{"IHL 6 fits", false, 0, 0x46, SL_IP_OK},
		{"IHL 8 is more than the total length", false, 0, 0x48, SL_IP_MALFORMED},
		{"total length 19", false, 3, 19, SL_IP_MALFORMED},
		{"total length 20", false, 3, 20, SL_IP_OK},
		{"total length 31", false, 3, 31, SL_IP_OK},
		{"total length 32", false, 3, 32, SL_IP_TRUNCATED},
		{"total length 256 more", false, 2, 1, SL_IP_TRUNCATED},
		{"payload 0", true, 5, 0, SL_IP_OK},
		{"payload 11", true, 5, 11, SL_IP_OK},
		{"payload 12", true, 5, 12, SL_IP_TRUNCATED},
		{"payload 256 more", true, 4, 1, SL_IP_TRUNCATED},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint32_t len = (uint32_t)rig_udp(packet, cases[i].six ? &v6 : &v4, "abc", 3);
		struct sl_ip_info info = {0};

		packet[cases[i].at] = cases[i].value;
		cr_expect_eq(sl_ip_hdr_parse(packet, len, len, &info), cases[i].want, "%s", cases[i].what);
	}
}

Test(ip, p3_every_truncation)
{
	const struct rig_flow *flows[] = {&v4, &v6};
	struct rig *r = rig_create(1);

	for (unsigned i = 0; i < 2; i++) {
		size_t len = rig_udp(packet, flows[i], "abcdef", 6);

		for (size_t cut = 0; cut < len; cut++) {
			struct rte_mbuf *m = rig_mbuf_guarded(r, RIG_WAN, packet, cut);
			struct sl_ip_info info = {0};

			cr_expect_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_TRUNCATED, "family %u, %zu bytes", i, cut);
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}

/* Extension headers as (type, length byte) pairs, then what the walk finds. */
Test(ip, extension_headers)
{
	static const struct {
		const char *what;
		struct {
			uint8_t type, len;
		} ext[10];
		uint16_t frag_data; /* of the fragment headers */
		uint8_t last;
		unsigned payload;
		bool want;
		uint32_t off;
		uint8_t proto;
		bool fragment, first;
	} cases[] = {
		{"none", {{0}}, 0, IPPROTO_UDP, 8, true, 40, IPPROTO_UDP, false, true},
		{"destination options", {{IPPROTO_DSTOPTS, 0}}, 0, IPPROTO_UDP, 8, true, 48, IPPROTO_UDP, false, true},
		{"options of 24, routing", {{IPPROTO_DSTOPTS, 2}, {IPPROTO_ROUTING, 1}}, 0, IPPROTO_ICMPV6, 8, true, 80,
			IPPROTO_ICMPV6, false, true},
		{"first fragment", {{IPPROTO_FRAGMENT, 0}}, 0x0001, IPPROTO_UDP, 8, true, 48, IPPROTO_UDP, true, true},
		{"atomic fragment", {{IPPROTO_FRAGMENT, 0}}, 0, IPPROTO_UDP, 8, true, 48, IPPROTO_UDP, true, true},
		{"later fragment ends the walk", {{IPPROTO_FRAGMENT, 0}, {IPPROTO_DSTOPTS, 255}}, 0x0008, IPPROTO_UDP, 8, true,
			48, IPPROTO_DSTOPTS, true, false},
		{"no next header", {{IPPROTO_DSTOPTS, 0}}, 0, IPPROTO_NONE, 0, true, 48, IPPROTO_NONE, false, true},
		{"header beyond the packet", {{IPPROTO_DSTOPTS, 1}}, 0, IPPROTO_UDP, 0, true, 56, IPPROTO_UDP, false, true},
		{"nine headers", {{60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}, {60, 0}}, 0,
			IPPROTO_UDP, 8, false, 0, 0, false, false},
	};
	struct rig *r = rig_create(1);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig_flow f = v6;
		uint8_t ext[2048] = {0};
		size_t n = 0;

		f.proto = cases[i].ext[0].type ? cases[i].ext[0].type : cases[i].last;
		for (unsigned k = 0; cases[i].ext[k].type; k++) {
			uint8_t next = cases[i].ext[k + 1].type ? cases[i].ext[k + 1].type : cases[i].last;

			ext[n] = next;
			ext[n + 1] = cases[i].ext[k].len;
			if (cases[i].ext[k].type == IPPROTO_FRAGMENT) {
				ext[n + 2] = cases[i].frag_data >> 8;
				ext[n + 3] = cases[i].frag_data & 0xff;
			}
			n += 8 + 8u * cases[i].ext[k].len;
			if (cases[i].ext[k].len == 255)
				n = 16; /* a lie that must not be followed */
		}
		n = rig_ip_packet(packet, &f, ext, n + cases[i].payload);
		for (size_t seg = 0; seg <= 48; seg += 41) {
			struct rte_mbuf *m = seg ? rig_mbuf(r, RIG_WAN, packet, n, seg) : rig_mbuf_guarded(r, RIG_WAN, packet, n);
			struct sl_ip_info info = {0};
			struct sl_ip_upper u = {0};

			cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
			cr_assert_eq(sl_ip_upper(m, &info, &u), cases[i].want, "%s, segments of %zu", cases[i].what, seg);
			if (cases[i].want) {
				cr_expect_eq(u.off, cases[i].off, "%s: %u", cases[i].what, u.off);
				cr_expect_eq(u.proto, cases[i].proto, "%s", cases[i].what);
				cr_expect_eq(u.fragment, cases[i].fragment, "%s", cases[i].what);
				cr_expect_eq(u.first, cases[i].first, "%s", cases[i].what);
			}
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}

Test(ip, extension_header_that_does_not_fit)
{
	struct rig *r = rig_create(1);
	struct rig_flow f = v6;
	uint8_t ext[16] = {IPPROTO_UDP, 1};

	f.proto = IPPROTO_DSTOPTS;
	for (size_t n = 0; n <= sizeof(ext); n++) {
		size_t len = rig_ip_packet(packet, &f, ext, n);
		struct rte_mbuf *m = rig_mbuf_guarded(r, RIG_WAN, packet, len);
		struct sl_ip_info info = {0};
		struct sl_ip_upper u = {0};

		cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
		cr_expect_eq(sl_ip_upper(m, &info, &u), n == sizeof(ext), "%zu bytes", n);
		rte_pktmbuf_free(m);
	}
	rig_destroy(r);
}

static void
fill(uint8_t *p, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 1664525 + 1013904223;
		p[i] = (uint8_t)(seed >> 24);
	}
}

Test(ip, udp_checksum_over_chains)
{
	const struct rig_flow *flows[] = {&v4, &v6};
	struct rig *r = rig_create(1);
	uint8_t payload[1400];

	fill(payload, sizeof(payload), 2);
	for (unsigned i = 0; i < 2; i++) {
		for (size_t n = 0; n < sizeof(payload); n += n < 40 ? 1 : 191) {
			uint32_t len = (uint32_t)rig_udp(packet, flows[i], payload, n);

			for (size_t seg = 0; seg < 300; seg += seg < 75 ? 25 : 82) {
				struct rte_mbuf *m = rig_mbuf(r, RIG_WAN, packet, len, seg > 0 && seg < 60 ? 61 : seg);
				struct sl_ip_info info = {0};
				uint8_t *last;

				cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
				cr_assert_eq(sl_udp_checksum(m, &info, info.hdr_len, len - info.hdr_len), 0, "%zu bytes, segments of %zu", n, seg);
				last = rte_pktmbuf_mtod_offset(rte_pktmbuf_lastseg(m), uint8_t *, rte_pktmbuf_lastseg(m)->data_len - 1);
				*last ^= 0x40;
				cr_assert_neq(sl_udp_checksum(m, &info, info.hdr_len, len - info.hdr_len), 0);
				rte_pktmbuf_free(m);
			}
		}
	}
	rig_destroy(r);
}

Test(ip, header_checksum_and_its_mending)
{
	for (unsigned tos = 0; tos < 256; tos++) {
		struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)packet;
		uint16_t before, after;

		rig_udp(packet, &v4, "x", 1);
		cr_assert_eq(sl_ip4_checksum(packet, 20), 0);
		memcpy(&before, packet, 2);
		packet[1] = (uint8_t)tos;
		memcpy(&after, packet, 2);
		if (tos != v4.tos)
			cr_expect_neq(sl_ip4_checksum(packet, 20), 0, "TOS %#x", tos);
		ip->hdr_checksum = sl_csum_replace16(ip->hdr_checksum, before, after);
		cr_expect_eq(sl_ip4_checksum(packet, 20), 0, "TOS %#x", tos);
	}
}

Test(ip, trim_and_pull_up)
{
	struct rig *r = rig_create(1);
	uint8_t bytes[600], out[600];

	fill(bytes, sizeof(bytes), 3);
	for (size_t seg = 0; seg <= 200; seg += 50) {
		for (uint32_t len = 0; len <= sizeof(bytes); len += 25) {
			struct rte_mbuf *m = rig_mbuf(r, RIG_WAN, bytes, sizeof(bytes), seg);

			sl_ip_trim(m, len);
			rte_mbuf_sanity_check(m, 1);
			cr_assert_eq(m->pkt_len, len);
			cr_assert_eq(rig_bytes(m, out, sizeof(out)), len);
			cr_assert_arr_eq(out, bytes, len);
			m = sl_ip_pullup(m, r->dp->jumbo);
			cr_assert_not_null(m);
			rte_mbuf_sanity_check(m, 1);
			cr_assert_geq(m->data_len, RTE_MIN(len, (uint32_t)SL_IP_PULLUP));
			cr_assert_eq(rig_bytes(m, out, sizeof(out)), len);
			cr_assert_arr_eq(out, bytes, len);
			rte_pktmbuf_free(m);
		}
	}
	rig_destroy(r);
}
