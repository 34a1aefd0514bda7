#include "tests/unit/dataplane/egress.h"

Test(encap, p36_without_a_session_it_waits_and_control_is_told)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s;
	uint8_t plain[RIG_PACKET];

	for (unsigned i = 0; i < 3; i++)
		encap(r, PEER, inner4(r, 100 + i));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(queued(r), 3);
	cr_expect_eq(facts(r, PEER), SL_FACT_NEED_SESSION);
	cr_expect_eq(atomic_load(&r->dp->peers.rest[PEER].staged), 3);
	s = rig_session(r, PEER, true, true);
	/* what waited goes before what is newer, without a word from control */
	encap(r, PEER, inner4(r, 103));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 4);
	for (unsigned i = 0; i < 4; i++) {
		cr_expect_eq(sent_plain(r, i, &s, plain, NULL), 112);
		cr_expect_eq(length_of(plain), 100 + i);
	}
	cr_expect_eq(atomic_load(&r->dp->peers.rest[PEER].staged), 0);
	finish(r);
}

Test(encap, p24_sessions_that_may_not_be_used)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, false, true);

	r->now += SL_REJECT_AFTER_TIME_NS - 1;
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1, "one nanosecond young enough");
	cr_expect_eq(facts(r, PEER), 0, "the responder does not rekey by age");
	r->now += 1;
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(queued(r), 1);
	cr_expect_eq(facts(r, PEER), SL_FACT_NEED_SESSION);
	/* counter at the limit; nothing is reserved */
	s = rig_session(r, PEER, true, true);
	sl_sender_set_counter(s.s->sender, SL_REJECT_AFTER_MESSAGES);
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 2);
	cr_expect_eq(sl_sender_counter(s.s->sender), SL_REJECT_AFTER_MESSAGES);
	/* one counter left */
	sl_sender_set_counter(s.s->sender, SL_REJECT_AFTER_MESSAGES - 1);
	command(r, 0, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 2);
	cr_expect_eq(queued(r), 1);
	/* another peer's session is none of ours; ways that were kept have long been found anew */
	r->now += SL_NSEC_PER_SEC;
	s.s->peer = PEER + 1;
	sl_sender_set_counter(s.s->sender, 0);
	command(r, 0, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_expect_eq(queued(r), 1);
	s.s->peer = PEER;
	finish(r);
}

Test(encap, p27_rekey_on_send)
{
	static const struct {
		bool initiator;
		uint64_t age, counter;
		uint32_t want;
	} cases[] = {
		{true, SL_REKEY_AFTER_TIME_NS - 1, 0, 0},
		{true, SL_REKEY_AFTER_TIME_NS, 0, SL_FACT_REKEY_SEND},
		{false, SL_REKEY_AFTER_TIME_NS, 0, 0},
		{false, 0, SL_REKEY_AFTER_MESSAGES, 0},
		{false, 0, SL_REKEY_AFTER_MESSAGES + 1, SL_FACT_REKEY_SEND},
		{true, 0, SL_REKEY_AFTER_MESSAGES + 1, SL_FACT_REKEY_SEND},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rig_session s = rig_session(r, PEER, cases[i].initiator, true);

		sl_sender_set_counter(s.s->sender, cases[i].counter);
		r->now += cases[i].age;
		encap(r, PEER, inner4(r, 100));
		rig_run(r, 0);
		cr_expect_eq(r->n_sent, 1);
		cr_expect_eq(facts(r, PEER), cases[i].want, "case %u", i);
		finish(r);
	}
}

Test(encap, p36_peers_that_cannot_be_reached)
{
	struct rig *r = tunnel(1, NULL);
	struct rig_session s = rig_session(r, PEER, true, true);

	/* no endpoint: counted, and the sender is told over the LAN */
	rig_neighbour(r, RIG_LAN, HOST_V4, 9);
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ENDPOINT), 1);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(r->sent[0].port, RIG_LAN);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(r->sent[0].m, uint8_t *, 34), "\3\1", 2), 0, "host unreachable");
	/* no route to the endpoint */
	rig_peer(r, PEER, RIG_WG0, ENDPOINT4, NULL);
	rig_route(r, "198.51.100.0/24", SL_ROUTE(SL_ROUTE_IF, 77));
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 1);
	/* a port without an address of that family */
	rig_route(r, "198.51.100.0/24", SL_ROUTE(SL_ROUTE_VIA, 0));
	r->ifs[RIG_WAN].n_addresses = 0;
	rig_publish_if(r, RIG_WAN);
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ROUTE), 1);
	/* removed */
	atomic_store(&r->dp->peers.slots[PEER].live, 0);
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_INTERFACE_DOWN), 2);
	cr_expect_eq(sl_sender_counter(s.s->sender), 0, "nothing was reserved");
	finish(r);
}

/* Where nobody has the address, the sender is told, in both families; where only the key is missing, it is not. */
Test(encap, p36_who_is_told_what)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_flow nobody4 = {HOST_V4, "10.64.99.9", 1, 2}, nobody6 = {HOST_V6, "fd00:64::99", 1, 2};

	rig_route(r, "10.64.0.0/16", SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	rig_route(r, "fd00:64::/64", SL_ROUTE(SL_ROUTE_IF, RIG_WG0));
	rig_neighbour(r, RIG_LAN, HOST_V4, 9);
	rig_neighbour(r, RIG_LAN, HOST_V6, 9);
	put(r, SL_STAGE_FORWARD, udp(r, RIG_LAN, &nobody4, 100));
	put(r, SL_STAGE_FORWARD, udp(r, RIG_LAN, &nobody6, 100));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_PEER), 2);
	cr_assert_eq(r->n_sent, 2);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(r->sent[0].m, uint8_t *, 14 + 20), "\3\1", 2), 0, "host unreachable");
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(r->sent[1].m, uint8_t *, 14 + 40), "\1\3", 2), 0,
		"address unreachable");
	rig_forget_sent(r);
	put(r, SL_STAGE_FORWARD, inner4(r, 100)); /* no key yet */
	put(r, SL_STAGE_FORWARD, inner6(r, 100));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(queued(r), 2);
	cr_expect_eq(facts(r, PEER), SL_FACT_NEED_SESSION);
	rig_peer(r, PEER + 1, RIG_WG0, NULL, NULL); /* no endpoint */
	rig_allow(r, PEER + 1, "10.64.0.3/32");
	rig_allow(r, PEER + 1, "fd00:64::3/128");
	nobody4.dst = "10.64.0.3";
	nobody6.dst = "fd00:64::3";
	r->now += SL_NSEC_PER_SEC;
	put(r, SL_STAGE_FORWARD, udp(r, RIG_LAN, &nobody4, 100));
	put(r, SL_STAGE_FORWARD, udp(r, RIG_LAN, &nobody6, 100));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_ENDPOINT), 2);
	cr_assert_eq(r->n_sent, 2);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(r->sent[0].m, uint8_t *, 14 + 20), "\3\1", 2), 0);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(r->sent[1].m, uint8_t *, 14 + 40), "\1\3", 2), 0);
	cr_expect_eq(facts(r, PEER + 1), 0);
	finish(r);
}

Test(encap, keepalives_never_wait_for_a_session)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	command(r, 0, SL_CMD_KEEPALIVE, PEER, NULL);
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_GIVEN_UP), 1);
	cr_expect_eq(queued(r), 0);
	cr_expect_eq(facts(r, PEER), SL_FACT_NEED_SESSION);
	finish(r);
}

Test(encap, waits_for_the_neighbour_unsealed)
{
	struct rig *r = tunnel(1, "203.0.113.77:4444");
	struct rig_session s = rig_session(r, PEER, true, true);
	struct sl_ip next_hop = rig_ip("203.0.113.77");
	struct sl_neighbour_miss miss;
	uint8_t plain[RIG_PACKET];

	encap(r, PEER, inner4(r, 100));
	encap(r, PEER, inner4(r, 101));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 2);
	cr_expect_eq(sl_sender_counter(s.s->sender), 0, "what waits has no counter");
	cr_assert(take_miss(r, &miss));
	cr_expect(sl_ip_equal(&miss.ip, &next_hop));
	cr_expect_eq(miss.out_if, RIG_WAN);
	cr_expect_not(take_miss(r, &miss), "one miss for both");
	rig_neighbour(r, RIG_WAN, "203.0.113.77", 7);
	encap(r, PEER, inner4(r, 102)); /* before housekeeping finds out */
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(sent_plain(r, i, &s, plain, NULL), 112);
		cr_expect_eq(length_of(plain), 100 + i);
	}
	/* known not to answer */
	sl_neighbour_set(r->dp->neighbours, RIG_WAN, &next_hop, NULL, SL_NEIGHBOUR_FAILED);
	encap(r, PEER, inner4(r, 103));
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_NEIGHBOUR), 1);
	finish(r);
}

/* Runs of many peers in one burst, more than a batch holds, each by its own session and in order. */
Test(encap, many_peers_in_one_burst)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s[200];
	uint8_t plain[RIG_PACKET];
	uint64_t counter;

	for (uint32_t i = 2; i < 200; i++) {
		rig_peer(r, i, RIG_WG0, i % 2 ? ENDPOINT4 : ENDPOINT6, NULL);
		s[i] = rig_session(r, i, true, true);
	}
	for (unsigned round = 0; round < 3; round++)
		for (uint32_t i = 2; i < 200; i++)
			encap(r, i, inner4(r, 100 + round));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3 * 198);
	for (unsigned k = 0; k < r->n_sent; k++) {
		uint32_t i = 2 + k % 198;

		cr_assert_eq(sent_plain(r, k, &s[i], plain, &counter), 112, "packet %u", k);
		cr_expect_eq(length_of(plain), 100 + k / 198);
		cr_expect_eq(counter, k / 198);
	}
	finish(r);
}
