#include "tests/unit/dataplane/egress.h"

static void
encap(struct rig *r, uint32_t peer, struct rte_mbuf *m)
{
	sl_packet(m)->out_peer = peer;
	put(r, SL_STAGE_ENCAP, m);
}

/* The inner total length tells packets apart. */
static unsigned
length_of(const uint8_t *plain)
{
	return (unsigned)plain[2] << 8 | plain[3];
}

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

/* --- nested tunnels: peer 1 on WG0 is reached through peer 2 on WG1 --- */

#define INNER_ENDPOINT "10.65.0.7:4444"

/*
 * A way found in one pass serves later ones until something that it was made of changes; then the next packet knows. Each
 * case begins with a packet that has gone out and a way that has been kept.
 */
struct kept {
	struct rig *r;
	struct rig_session s;
};

static struct kept
kept_way(uint16_t workers, bool initiator)
{
	struct kept k = {.r = tunnel(workers, ENDPOINT4)};

	k.s = rig_session(k.r, PEER, initiator, true);
	for (unsigned i = 0; i < 2; i++) {
		encap(k.r, PEER, inner4(k.r, 100));
		rig_run(k.r, 0);
	}
	cr_assert_eq(k.r->n_sent, 2);
	return k;
}

/* One more packet; it must go out by that port, sealed for that session. Returns the frame's bytes. */
static const uint8_t *
one_more(struct kept *k, uint16_t port, const struct rig_session *s)
{
	struct rig *r = k->r;
	unsigned before = r->n_sent;
	uint8_t plain[RIG_PACKET];

	encap(r, PEER, inner4(r, 101));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, before + 1);
	cr_expect_eq(r->sent[before].port, port);
	cr_expect_eq(sent_plain(r, before, s, plain, NULL), 112);
	return rte_pktmbuf_mtod(r->sent[before].m, const uint8_t *);
}

static struct rte_mbuf *
peer_packet(struct rig *r)
{
	struct rte_mbuf *m = inner4(r, 101);

	sl_packet(m)->out_peer = PEER;
	return m;
}

static void
move_endpoint(struct rig *r, const char *ip, uint16_t port)
{
	struct sl_endpoint to = {.ip = rig_ip(ip), .port = port};
	struct sl_outer outer;

	sl_outer_make(&outer, &to, NULL, RIG_WG0_PORT);
	cr_assert(sl_peer_outer_write(&r->dp->peers, PEER, &outer));
}

Test(encap, a_kept_way_follows_the_endpoint)
{
	struct kept k = kept_way(1, true);
	const uint8_t *frame;

	move_endpoint(k.r, "198.51.100.99", 5555);
	frame = one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(frame[14 + 19], 99);
	cr_expect_eq(frame[34 + 2] << 8 | frame[34 + 3], 5555);
	move_endpoint(k.r, "2001:db8:7::8", 5556);
	frame = one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(frame[14] >> 4, 6);
	finish(k.r);
}

Test(encap, a_kept_way_follows_the_session)
{
	struct kept k = kept_way(1, true);
	struct sl_session_table *table = &k.r->dp->sessions;
	struct rig_session next = rig_session(k.r, PEER, true, true);
	struct sl_session_keys keys = {.remote_index = 77, .created = k.r->now};
	uint32_t slot;

	one_more(&k, RIG_WAN, &next);
	sl_session_release(table, next.slot);
	atomic_store(&k.r->dp->peers.slots[PEER].current, 0);
	encap(k.r, PEER, inner4(k.r, 100));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 1, "no session, no packet");
	command(k.r, 0, SL_CMD_PURGE_PEER, PEER, NULL);
	rig_run(k.r, 0);
	rig_reclaim(k.r);
	/* the same slot again, with other keys */
	while ((slot = sl_session_reserve(table, PEER, RIG_WG0)) != next.slot)
		sl_session_release(table, slot);
	memset(keys.send, 0x99, sizeof(keys.send));
	memset(next.send, 0x99, sizeof(next.send));
	next.remote_index = keys.remote_index;
	sl_session_publish(table, slot, &keys);
	atomic_store(&k.r->dp->peers.slots[PEER].current, sl_session_id(table, slot));
	one_more(&k, RIG_WAN, &next);
	finish(k.r);
}

/* Sending halves of one session after another, in the peer's record and, when these come too fast, in the session's. */
Test(encap, a_kept_way_follows_the_sending_half)
{
	struct kept k = kept_way(1, true);
	struct sl_session_table *table = &k.r->dp->sessions;
	struct rig_session last = k.s, next;
	unsigned own = 0;

	for (unsigned i = 0; i < 12; i++) {
		next = rig_session(k.r, PEER, true, true);
		sl_session_retire(table, last.slot);
		own += next.s->sender == &next.s->own;
		one_more(&k, RIG_WAN, &next);
		one_more(&k, RIG_WAN, &next);
		cr_expect_eq(sl_sender_counter(next.s->sender), 2);
		if (i % 4 == 3)
			rig_reclaim(k.r);
		one_more(&k, RIG_WAN, &next);
		sl_session_release(table, last.slot);
		last = next;
	}
	cr_expect(own > 2 && own < 10, "%u of 12", own);
	finish(k.r);
}

/* The session moves to the peer's first place when the one before it has let go of that. */
Test(encap, a_kept_way_follows_a_session_that_moves)
{
	struct kept k = kept_way(2, true);
	struct rig_session next = rig_session(k.r, PEER, true, true);
	struct sl_sender *first = sl_peer_sender(&k.r->dp->peers, PEER, 0);

	sl_session_retire(&k.r->dp->sessions, k.s.slot);
	one_more(&k, RIG_WAN, &next);
	cr_assert_neq(next.s->sender, first);
	rig_reclaim(k.r);
	cr_assert_eq(next.s->sender, first);
	one_more(&k, RIG_WAN, &next);
	cr_expect_eq(sl_sender_counter(first), 2);
	/* what was in between when it moved: SEAL has the way that ENCAP found before */
	sl_outer_path(k.r->w->paths, PEER)->sender = 1;
	put(k.r, SL_STAGE_SEAL, peer_packet(k.r));
	rig_run(k.r, 0);
	cr_expect_eq(k.r->n_sent, 5);
	cr_expect_eq(sl_sender_counter(first), 3);
	cr_expect_eq(sl_sender_counter(sl_peer_sender(&k.r->dp->peers, PEER, 1)), SL_REJECT_AFTER_MESSAGES);
	finish(k.r);
}

Test(encap, a_kept_way_follows_neighbours_and_routes)
{
	struct kept k = kept_way(1, true);
	struct sl_ip gateway = rig_ip(GATEWAY4);

	rig_neighbour(k.r, RIG_WAN, GATEWAY4, 9);
	cr_expect_eq(one_more(&k, RIG_WAN, &k.s)[5], 9);
	rig_neighbour(k.r, RIG_LAN, "10.20.7.7", 3);
	k.r->dp->routes.next_hops[5] = (struct sl_next_hop){.gateway = rig_ip("10.20.7.7"), .out_if = RIG_LAN};
	rig_route(k.r, "198.51.100.0/24", SL_ROUTE(SL_ROUTE_VIA, 5));
	cr_expect_eq(one_more(&k, RIG_LAN, &k.s)[5], 3);
	rig_route(k.r, "198.51.100.0/25", SL_ROUTE(SL_ROUTE_IF, RIG_WAN));
	rig_neighbour(k.r, RIG_WAN, "198.51.100.7", 4);
	cr_expect_eq(one_more(&k, RIG_WAN, &k.s)[5], 4);
	/* one that answers no more: the packet waits */
	gateway = rig_ip("198.51.100.7");
	sl_neighbour_set(k.r->dp->neighbours, RIG_WAN, &gateway, NULL, SL_NEIGHBOUR_INCOMPLETE);
	encap(k.r, PEER, inner4(k.r, 102));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 1);
	cr_expect_eq(sl_neighbour_remove(k.r->dp->neighbours, RIG_WAN, &gateway), 0);
	encap(k.r, PEER, inner4(k.r, 103));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 2);
	finish(k.r);
}

Test(encap, a_kept_way_follows_interfaces)
{
	struct kept k = kept_way(1, true);
	unsigned before;
	uint8_t plain[RIG_PACKET];

	k.r->ifs[RIG_WAN].mac.addr_bytes[5] = 0x77;
	rig_publish_if(k.r, RIG_WAN);
	cr_expect_eq(one_more(&k, RIG_WAN, &k.s)[11], 0x77);
	/* padding stops at the tunnel's MTU */
	k.r->ifs[RIG_WG0].mtu = 105;
	rig_publish_if(k.r, RIG_WG0);
	before = k.r->n_sent;
	encap(k.r, PEER, inner4(k.r, 101));
	rig_run(k.r, 0);
	cr_assert_eq(k.r->n_sent, before + 1);
	cr_expect_eq(sent_plain(k.r, before, &k.s, plain, NULL), 105);
	/* fragments once the port takes less */
	k.r->ifs[RIG_WAN].mtu = 120;
	rig_publish_if(k.r, RIG_WAN);
	before = k.r->n_sent;
	encap(k.r, PEER, inner4(k.r, 101));
	rig_run(k.r, 0);
	cr_expect_eq(k.r->n_sent, before + 2);
	sl_dataplane_clear_if(k.r->dp, RIG_WAN);
	encap(k.r, PEER, inner4(k.r, 101));
	rig_run(k.r, 0);
	cr_expect_eq(rig_drops(k.r, SL_DROP_INTERFACE_DOWN), 1);
	finish(k.r);
}

Test(encap, a_kept_way_knows_its_age)
{
	struct kept k = kept_way(1, true);

	k.r->now += SL_REKEY_AFTER_TIME_NS - 1;
	one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(facts(k.r, PEER), 0);
	k.r->now += 1;
	one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(facts(k.r, PEER), SL_FACT_REKEY_SEND);
	atomic_store(&k.r->dp->peers.slots[PEER].facts, 0);
	one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(facts(k.r, PEER), SL_FACT_REKEY_SEND, "raised until control acts");
	k.r->now = k.s.s->created + SL_REJECT_AFTER_TIME_NS;
	encap(k.r, PEER, inner4(k.r, 102));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 1);
	finish(k.r);
}

/* The responder tells nobody, so its way is kept until the session may not be used. */
Test(encap, a_kept_way_ends_with_its_session)
{
	struct kept k = kept_way(1, false);

	k.r->now = k.s.s->created + SL_REJECT_AFTER_TIME_NS - 1;
	one_more(&k, RIG_WAN, &k.s);
	one_more(&k, RIG_WAN, &k.s);
	k.r->now += 1;
	encap(k.r, PEER, inner4(k.r, 102));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 1);
	finish(k.r);
}

Test(encap, a_kept_way_knows_counters_that_run_out)
{
	struct kept k = kept_way(1, false);

	/* more than a worker sends while it keeps a way, so it looks at it again first */
	sl_sender_set_counter(k.s.s->sender, SL_REKEY_AFTER_MESSAGES + 1);
	k.r->now += SL_NSEC_PER_SEC;
	one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(facts(k.r, PEER), SL_FACT_REKEY_SEND);
	atomic_store(&k.r->dp->peers.slots[PEER].facts, 0);
	one_more(&k, RIG_WAN, &k.s);
	cr_expect_eq(facts(k.r, PEER), SL_FACT_REKEY_SEND, "raised until control acts");
	sl_sender_set_counter(k.s.s->sender, SL_REJECT_AFTER_MESSAGES);
	encap(k.r, PEER, inner4(k.r, 102));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 1);
	finish(k.r);
}

Test(encap, a_kept_way_lets_what_waited_go_first)
{
	struct kept k = kept_way(1, true);
	uint32_t current = atomic_exchange(&k.r->dp->peers.slots[PEER].current, 0);
	uint8_t plain[RIG_PACKET];

	encap(k.r, PEER, inner4(k.r, 100));
	rig_run(k.r, 0);
	cr_expect_eq(queued(k.r), 1);
	atomic_store(&k.r->dp->peers.slots[PEER].current, current);
	encap(k.r, PEER, inner4(k.r, 101));
	rig_run(k.r, 0);
	cr_assert_eq(k.r->n_sent, 4);
	for (unsigned i = 2; i < 4; i++) {
		cr_expect_eq(sent_plain(k.r, i, &k.s, plain, NULL), 112);
		cr_expect_eq(length_of(plain), 98 + i);
	}
	finish(k.r);
}

/* Control learns that the neighbour is used, however good the way is. */
Test(encap, a_kept_way_marks_its_neighbour)
{
	struct kept k = kept_way(1, false);
	struct sl_ip gateway = rig_ip(GATEWAY4);

	cr_expect(sl_neighbour_take_used(k.r->dp->neighbours, RIG_WAN, &gateway));
	for (unsigned i = 0; i < 10; i++) {
		k.r->now += 100 * SL_NSEC_PER_MSEC;
		one_more(&k, RIG_WAN, &k.s);
	}
	cr_expect(sl_neighbour_take_used(k.r->dp->neighbours, RIG_WAN, &gateway));
	finish(k.r);
}

Test(encap, a_kept_way_is_no_way_to_a_peer_that_is_gone)
{
	struct kept k = kept_way(1, true);

	atomic_store(&k.r->dp->peers.slots[PEER].live, 0);
	encap(k.r, PEER, inner4(k.r, 100));
	rig_run(k.r, 0);
	cr_expect_eq(k.r->n_sent, 2);
	cr_expect_eq(rig_drops(k.r, SL_DROP_INTERFACE_DOWN), 1);
	finish(k.r);
}

/* Good and bad ways in one burst: each peer's packets meet their own fate. */
Test(encap, kept_ways_beside_others)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s[8];
	uint8_t plain[RIG_PACKET];
	unsigned n;

	for (uint32_t i = 0; i < 8; i++) {
		rig_peer(r, 10 + i, RIG_WG0, ENDPOINT4, NULL);
		s[i] = rig_session(r, 10 + i, true, true);
	}
	for (unsigned i = 0; i < 8; i++)
		encap(r, 10 + i, inner4(r, 100));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 8);
	for (unsigned bad = 0; bad < 256; bad++) {
		for (unsigned i = 0; i < 8; i++) {
			atomic_store(&r->dp->peers.slots[10 + i].live, !(bad >> i & 1));
			encap(r, 10 + i, inner4(r, 100 + i));
			encap(r, 10 + i, inner4(r, 100 + i));
		}
		rig_forget_sent(r);
		rig_run(r, 0);
		n = 0;
		for (unsigned i = 0; i < 8; i++)
			for (unsigned k = 0; k < 2 && !(bad >> i & 1); k++, n++) {
				cr_assert_eq(sent_plain(r, n, &s[i], plain, NULL), 112);
				cr_expect_eq(length_of(plain), 100 + i);
			}
		cr_expect_eq(r->n_sent, n);
	}
	finish(r);
}

static struct rig *
nested(void)
{
	struct rig *r = tunnel(1, INNER_ENDPOINT);

	rig_peer(r, 2, RIG_WG1, ENDPOINT6, NULL);
	rig_allow(r, 2, "10.65.0.7/32");
	return r;
}

Test(encap, a_tunnel_in_a_tunnel)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2 = rig_session(r, 2, true, true);
	uint8_t outer[RIG_PACKET], plain[RIG_PACKET];
	struct sl_ip_info info;

	encap(r, PEER, inner4(r, 333));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_assert_eq(sent_plain(r, 0, &s2, outer, NULL), 28 + 32 + 336 + 4); /* padded to 16 */
	cr_assert_eq(sl_ip_hdr_parse(outer, 396, 396, &info), SL_IP_OK);
	cr_expect_eq(info.total_len, 28 + 32 + 336);
	cr_expect_eq(sl_ip4_checksum(outer, 20), 0);
	cr_expect_eq(memcmp(info.src, "\x0a\x41\0\1", 4), 0, "WG1's address");
	cr_expect_eq(memcmp(info.dst, "\x0a\x41\0\7", 4), 0);
	cr_expect_eq(rig_open(plain, &s1, outer + 28, 32 + 336), 336);
	cr_expect_eq(length_of(plain), 333);
	finish(r);
}

/* An outer packet above the next tunnel's MTU goes in pieces; pieces and what follows keep their order. */
Test(encap, nested_packets_are_fragmented)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2 = rig_session(r, 2, true, true);
	uint8_t piece[3][RIG_PACKET], whole[RIG_PACKET], plain[RIG_PACKET];

	encap(r, PEER, inner4(r, 1420));
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_geq(sent_plain(r, i, &s2, piece[i], NULL), 48);
	cr_expect_eq(piece[0][6] << 8 | piece[0][7], 0x2000, "more fragments");
	cr_expect_eq((piece[1][6] << 8 | piece[1][7]) * 8u, length_of(piece[0]) - 20);
	memcpy(whole, piece[0] + 20, length_of(piece[0]) - 20);
	memcpy(whole + length_of(piece[0]) - 20, piece[1] + 20, length_of(piece[1]) - 20);
	cr_expect_eq(rig_open(plain, &s1, whole + 8, length_of(piece[0]) + length_of(piece[1]) - 48), 1420);
	cr_expect_eq(rig_open(plain, &s1, piece[2] + 28, length_of(piece[2]) - 28), 112);
	finish(r);
}

Test(encap, the_inner_packet_waits_for_the_outer_tunnel)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2;
	uint8_t outer[RIG_PACKET], plain[RIG_PACKET];

	for (unsigned i = 0; i < 3; i++)
		encap(r, PEER, inner4(r, 100 + i));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 3);
	cr_expect_eq(facts(r, PEER), 0);
	cr_expect_eq(facts(r, 2), SL_FACT_NEED_SESSION);
	cr_expect_eq(sl_sender_counter(s1.s->sender), 0);
	s2 = rig_session(r, 2, true, true);
	encap(r, PEER, inner4(r, 103));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 4);
	for (unsigned i = 0; i < 4; i++) {
		cr_assert_gt(sent_plain(r, i, &s2, outer, NULL), 0);
		cr_expect_eq(rig_open(plain, &s1, outer + 28, length_of(outer) - 28), 112);
		cr_expect_eq(length_of(plain), 100 + i);
	}
	finish(r);
}

/* Each of two tunnels leads into the other: the chain is given up before anything is sealed. */
Test(encap, tunnels_that_lead_into_each_other)
{
	struct rig *r = nested();
	struct rig_session s1 = rig_session(r, PEER, true, true), s2 = rig_session(r, 2, true, true);

	rig_peer(r, 2, RIG_WG1, "10.64.0.2:9", NULL);
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NESTING), 1);
	cr_expect_eq(sl_sender_counter(s1.s->sender) + sl_sender_counter(s2.s->sender), 0);
	finish(r);
}

/* Peers 1 → 2 → 3 → 4 → port is as deep as it goes. */
Test(encap, depth_limit)
{
	struct rig *r = tunnel(1, "10.65.0.2:9");
	struct rig_session s = rig_session(r, PEER, true, true);

	for (uint32_t i = 2; i <= 5; i++) {
		char own[32], next[32];

		snprintf(own, sizeof(own), "10.%u.0.%u/32", i % 2 ? 64 : 65, i);
		snprintf(next, sizeof(next), "10.%u.0.%u:9", i % 2 ? 65 : 64, i + 1);
		rig_peer(r, i, i % 2 ? RIG_WG0 : RIG_WG1, i == 4 ? ENDPOINT4 : next, NULL);
		rig_allow(r, i, own);
		rig_session(r, i, true, true);
	}
	encap(r, PEER, inner4(r, 500));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_all_drops(r), 0);
	/* the same way for a packet that has been through a tunnel before */
	encap(r, PEER, inner4(r, 500));
	sl_packet(r->w->stages[SL_STAGE_ENCAP]->pkts[0])->nesting = 1;
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NESTING), 1);
	/* one deeper */
	rig_peer(r, 4, RIG_WG1, "10.64.0.5:9", NULL);
	rig_peer(r, 5, RIG_WG0, ENDPOINT4, NULL);
	encap(r, PEER, inner4(r, 500));
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_NESTING), 2);
	cr_expect_eq(sl_sender_counter(s.s->sender), 1, "given up before anything was sealed");
	finish(r);
}
