#include "tests/unit/dataplane/egress.h"

static struct rte_mbuf *
towards(struct rig *r, uint16_t out_if, const char *next_hop, unsigned len)
{
	struct rte_mbuf *m = strchr(next_hop, ':') ? inner6(r, len) : inner4(r, len);

	sl_packet(m)->out_if = out_if;
	sl_packet(m)->next_hop = rig_ip(next_hop);
	return m;
}

Test(neighbour_stage, the_frame)
{
	static const struct {
		const char *next_hop;
		const char *mac;
		uint16_t type;
	} frames[] = {
		{"203.0.113.1", "\x02\xaa\0\0\0\x01", RTE_ETHER_TYPE_IPV4},
		{"2001:db8::1", "\x02\xaa\0\0\0\x01", RTE_ETHER_TYPE_IPV6},
		{"224.1.2.3", "\x01\0\x5e\x01\x02\x03", RTE_ETHER_TYPE_IPV4},
		{"239.255.2.3", "\x01\0\x5e\x7f\x02\x03", RTE_ETHER_TYPE_IPV4},
		{"ff02::1:ff12:3456", "\x33\x33\xff\x12\x34\x56", RTE_ETHER_TYPE_IPV6},
	};
	struct rig *r = tunnel(1, ENDPOINT4);

	for (unsigned i = 0; i < RTE_DIM(frames); i++) {
		const struct rte_ether_hdr *e;

		put(r, SL_STAGE_NEIGHBOUR, towards(r, RIG_WAN, frames[i].next_hop, 100));
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, i + 1);
		e = rte_pktmbuf_mtod(r->sent[i].m, const struct rte_ether_hdr *);
		cr_expect_eq(memcmp(&e->dst_addr, frames[i].mac, 6), 0, "%s", frames[i].next_hop);
		cr_expect_eq(memcmp(&e->src_addr, &r->ifs[RIG_WAN].mac, 6), 0);
		cr_expect_eq(rte_be_to_cpu_16(e->ether_type), frames[i].type);
		cr_expect_eq(r->sent[i].m->pkt_len, 114);
		cr_expect_eq(r->sent[i].m->ol_flags, 0);
	}
	finish(r);
}

/* What is sealed has its MAC address with it, or does not wait. */
Test(neighbour_stage, sealed_packets_never_wait)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m = towards(r, RIG_WAN, "203.0.113.99", 100);

	sl_packet(m)->sealed = 1;
	put(r, SL_STAGE_NEIGHBOUR, m);
	m = towards(r, RIG_WAN, "203.0.113.99", 100);
	sl_packet(m)->sealed = 1;
	sl_packet(m)->resolved = 1;
	sl_packet(m)->next_mac = (struct rte_ether_addr){{2, 0, 0, 1, 2, 3}};
	put(r, SL_STAGE_NEIGHBOUR, m);
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_NEIGHBOUR), 1);
	cr_expect_eq(queued(r), 0);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod(r->sent[0].m, void *), "\2\0\0\1\2\3", 6), 0);
	finish(r);
}

Test(neighbour_stage, what_does_not_answer)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct sl_ip ip = rig_ip("203.0.113.99");
	struct rte_mbuf *m = towards(r, RIG_WAN, "203.0.113.99", 100);

	sl_neighbour_set(r->dp->neighbours, RIG_WAN, &ip, NULL, SL_NEIGHBOUR_FAILED);
	rig_stage(r, sl_stage_neighbour, &m, 1);
	cr_assert_eq(rig_take(r, SL_STAGE_ICMP_ERROR), m);
	cr_expect_eq(sl_packet(m)->drop, SL_DROP_NO_NEIGHBOUR);
	rte_pktmbuf_free(m);
	/* incomplete: control is at it */
	sl_neighbour_set(r->dp->neighbours, RIG_WAN, &ip, NULL, SL_NEIGHBOUR_INCOMPLETE);
	put(r, SL_STAGE_NEIGHBOUR, towards(r, RIG_WAN, "203.0.113.99", 100));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 1);
	finish(r);
}

Test(neighbour_stage, interface_gone_and_no_headroom)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rte_mbuf *m = towards(r, 99, GATEWAY4, 100);

	rig_neighbour(r, 99, GATEWAY4, 1);
	put(r, SL_STAGE_NEIGHBOUR, m);
	m = towards(r, RIG_WAN, GATEWAY4, 100);
	m->data_off = 0;
	m->buf_len = 100;
	put(r, SL_STAGE_NEIGHBOUR, m);
	*rte_pktmbuf_mtod(m, uint8_t *) = 0x45;
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 1);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_HEADROOM), 1);
	m->buf_len = (uint16_t)rte_pktmbuf_data_room_size(r->dp->pool);
	finish(r);
}

/* More than a burst to many neighbours, some there and some not; order is kept per neighbour when they come. */
Test(neighbour_stage, order_per_neighbour)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	unsigned next[8] = {0};
	char ip[SL_IP_STRLEN];

	for (unsigned i = 0; i < 8; i += 2) {
		snprintf(ip, sizeof(ip), "203.0.113.%u", 100 + i);
		rig_neighbour(r, RIG_WAN, ip, (uint8_t)(100 + i));
	}
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 160; i++) {
			snprintf(ip, sizeof(ip), "203.0.113.%u", 100 + i % 8);
			put(r, SL_STAGE_NEIGHBOUR, towards(r, RIG_WAN, ip, 100 + round * 20 + i / 8));
		}
		if (round == 1)
			for (unsigned i = 1; i < 8; i += 2) {
				snprintf(ip, sizeof(ip), "203.0.113.%u", 100 + i);
				rig_neighbour(r, RIG_WAN, ip, (uint8_t)(100 + i));
			}
		rig_run(r, 0);
		cr_expect_eq(queued(r), round == 0 ? 80 : 0);
	}
	cr_assert_eq(r->n_sent, 320);
	for (unsigned i = 0; i < 320; i++) {
		unsigned who = rte_pktmbuf_mtod(r->sent[i].m, uint8_t *)[5] - 100u;

		cr_assert_eq(r->sent[i].m->pkt_len, 114 + next[who], "packet %u for %u", i, who);
		next[who]++;
	}
	finish(r);
}
