/*
 * A way found in one pass serves later ones until something that it was made of changes; then the next packet knows. Each
 * case begins with a packet that has gone out and a way that has been kept.
 */
#include "tests/unit/dataplane/egress.h"

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

Test(encap_kept, a_kept_way_follows_the_endpoint)
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

Test(encap_kept, a_kept_way_follows_the_session)
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
Test(encap_kept, a_kept_way_follows_the_sending_half)
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
Test(encap_kept, a_kept_way_follows_a_session_that_moves)
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

Test(encap_kept, a_kept_way_follows_neighbours_and_routes)
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

Test(encap_kept, a_kept_way_follows_interfaces)
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

Test(encap_kept, a_kept_way_knows_its_age)
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
Test(encap_kept, a_kept_way_ends_with_its_session)
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

Test(encap_kept, a_kept_way_knows_counters_that_run_out)
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

Test(encap_kept, a_kept_way_lets_what_waited_go_first)
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
Test(encap_kept, a_kept_way_marks_its_neighbour)
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

Test(encap_kept, a_kept_way_is_no_way_to_a_peer_that_is_gone)
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
Test(encap_kept, kept_ways_beside_others)
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
