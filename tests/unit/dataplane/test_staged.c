#include "tests/unit/dataplane/egress.h"

static unsigned
sent_len(const struct rig *r, unsigned i, const struct rig_session *s)
{
	uint8_t plain[RIG_PACKET];

	cr_assert_geq(sent_plain(r, i, s, plain, NULL), 0);
	return length_of(plain);
}

Test(staged, p37_a_peer_keeps_its_newest_packets)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s;

	for (unsigned i = 0; i < SL_MAX_STAGED_PACKETS + 10; i++)
		encap(r, PEER, inner4(r, 100 + i));
	rig_run(r, 0);
	cr_expect_eq(queued(r), SL_MAX_STAGED_PACKETS);
	cr_expect_eq(atomic_load(&r->dp->peers.rest[PEER].staged), SL_MAX_STAGED_PACKETS);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_OLD), 10);
	s = rig_session(r, PEER, true, true);
	command(r, 0, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, SL_MAX_STAGED_PACKETS);
	for (unsigned i = 0; i < SL_MAX_STAGED_PACKETS; i++)
		cr_assert_eq(sent_len(r, i, &s), 110 + i);
	finish(r);
}

/* 128 in all, whichever workers hold them. */
Test(staged, p37_the_peers_limit_counts_over_workers)
{
	struct rig *r = tunnel(2, ENDPOINT4);
	struct sl_worker *w0 = r->w, *w1 = r->dp->workers[1];

	for (unsigned i = 0; i < 100; i++)
		encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	r->w = w1;
	for (unsigned i = 0; i < 50; i++)
		encap(r, PEER, inner4(r, 100));
	rig_run(r, 1);
	cr_expect_eq(atomic_load(&w0->stats.queued), 100);
	cr_expect_eq(atomic_load(&w1->stats.queued), 28);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_OLD), 22);
	/* where others hold all places, the newcomer goes */
	command(r, 1, SL_CMD_PURGE_PEER, PEER, NULL);
	rig_run(r, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_GIVEN_UP), 28);
	r->w = w0;
	for (unsigned i = 0; i < 28; i++)
		encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	r->w = w1;
	encap(r, PEER, inner4(r, 100));
	rig_run(r, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_OLD), 23);
	cr_expect_eq(atomic_load(&r->dp->peers.rest[PEER].staged), SL_MAX_STAGED_PACKETS);
	r->w = w0;
	finish(r);
}

/* A scan of idle peers fills the worker's share; the oldest go, and an established tunnel does not notice. */
Test(staged, a_scan_of_idle_peers)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	unsigned share = r->dp->pool_size / SL_STAGED_SHARE;

	for (uint32_t i = 2; i < 200; i++)
		rig_peer(r, i, RIG_WG0, ENDPOINT4, NULL);
	for (unsigned i = 0; i < 3 * share; i++) {
		encap(r, 2 + i % 198, inner4(r, 100));
		if (i % 100 == 0)
			encap(r, PEER, inner4(r, 150));
		if (i % 64 == 0)
			rig_run(r, 0);
	}
	rig_run(r, 0);
	cr_expect_eq(queued(r), share);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_FULL), 2 * share);
	cr_expect_eq(rig_all_drops(r), 2 * share);
	cr_expect_eq(r->n_sent, (3 * share + 99) / 100);
	for (unsigned i = 0; i < r->n_sent; i++)
		cr_assert_eq(sent_len(r, i, &s), 150);
	finish(r);
}

Test(staged, p46_purge)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	rig_peer(r, 2, RIG_WG0, ENDPOINT4, NULL);
	for (unsigned i = 0; i < 5; i++) {
		encap(r, PEER, inner4(r, 100));
		encap(r, 2, inner4(r, 100));
	}
	rig_run(r, 0);
	command(r, 0, SL_CMD_PURGE_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_expect_eq(queued(r), 5);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_GIVEN_UP), 5);
	cr_expect_eq(atomic_load(&r->dp->peers.rest[PEER].staged), 0);
	cr_expect_eq(atomic_load(&r->dp->peers.rest[2].staged), 5);
	finish(r);
}

/* Where nothing waits anywhere, the initiator's new session is confirmed by a keepalive, once over all workers. */
Test(staged, drain_of_nothing_is_a_keepalive)
{
	struct rig *r = tunnel(2, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET];

	for (uint16_t i = 0; i < 2; i++) {
		command(r, i, SL_CMD_DRAIN_PEER, PEER, NULL);
		rig_run(r, i);
	}
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 0);
	rig_forget_sent(r);
	/* the responder has nothing to confirm */
	rig_session(r, PEER, false, true);
	command(r, 0, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	finish(r);
}

Test(staged, what_waits_at_another_worker_is_the_confirmation)
{
	struct rig *r = tunnel(2, ENDPOINT4);
	struct rig_session s;

	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	s = rig_session(r, PEER, true, true);
	command(r, 1, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 1);
	cr_expect_eq(r->n_sent, 0);
	command(r, 0, SL_CMD_DRAIN_PEER, PEER, NULL);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(sent_len(r, 0, &s), 100);
	finish(r);
}

/* More drains in one pass than a stage's vector has room for: nothing is lost, the rest follows. */
Test(staged, drains_beyond_a_vector)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s[10];
	unsigned seen[10] = {0};

	for (uint32_t i = 2; i < 9; i++) {
		rig_peer(r, i, RIG_WG0, ENDPOINT4, NULL);
		for (unsigned k = 0; k < SL_MAX_STAGED_PACKETS; k++)
			encap(r, i, inner4(r, 100 + k));
		rig_run(r, 0);
	}
	cr_assert_eq(queued(r), 7 * SL_MAX_STAGED_PACKETS);
	for (uint32_t i = 2; i < 9; i++) {
		s[i] = rig_session(r, i, true, true);
		command(r, 0, SL_CMD_DRAIN_PEER, i, NULL);
	}
	for (unsigned i = 0; i < 10 && queued(r) > 0; i++) {
		r->now += SL_NSEC_PER_MSEC;
		rig_run(r, 0);
	}
	cr_expect_eq(queued(r), 0);
	cr_expect_eq(rig_all_drops(r), 0);
	cr_assert_eq(r->n_sent, 7 * SL_MAX_STAGED_PACKETS);
	for (unsigned i = 0; i < r->n_sent; i++) {
		uint32_t peer = 2 + i / SL_MAX_STAGED_PACKETS;

		cr_assert_eq(sent_len(r, i, &s[peer]), 100 + seen[peer], "packet %u", i);
		seen[peer]++;
	}
	finish(r);
}

/* --- neighbours --- */

static struct rte_mbuf *
clear(struct rig *r, const char *dst, unsigned len)
{
	return udp(r, RIG_LAN, &(struct rig_flow){.src = HOST_V4, .dst = dst}, len);
}

static unsigned
misses(struct rig *r)
{
	struct sl_neighbour_miss miss;
	unsigned n = 0;

	while (take_miss(r, &miss))
		n++;
	return n;
}

/* The neighbour comes: housekeeping finds out and sends what waits, clear packets and sealed ones. */
Test(staged, a_neighbour_comes)
{
	struct rig *r = tunnel(1, "203.0.113.77:4444");
	struct rig_session s = rig_session(r, PEER, true, true);

	put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.77", 70));
	encap(r, PEER, inner4(r, 100));
	put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.77", 71));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 3);
	cr_expect_eq(misses(r), 1);
	rig_neighbour(r, RIG_WAN, "203.0.113.77", 7);
	r->now += SL_NSEC_PER_MSEC;
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	cr_expect_eq(queued(r), 0);
	cr_expect_eq(sent_len(r, 0, &s), 100);
	cr_expect_eq(r->sent[1].m->pkt_len, 14 + 70);
	cr_expect_eq(r->sent[2].m->pkt_len, 14 + 71);
	finish(r);
}

Test(staged, a_neighbour_does_not_come)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	rig_neighbour(r, RIG_LAN, HOST_V4, 9);
	put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.77", 70));
	rig_run(r, 0);
	for (unsigned ms = 1; ms < 3000; ms++) {
		r->now += SL_NSEC_PER_MSEC;
		rig_run(r, 0);
		cr_assert_eq(queued(r), 1, "after %u ms", ms);
	}
	cr_expect_eq(misses(r), 3, "at once and every second");
	r->now += SL_NSEC_PER_MSEC;
	rig_run(r, 0);
	cr_expect_eq(queued(r), 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_NEIGHBOUR), 1);
	cr_assert_eq(r->n_sent, 1, "the sender is told");
	cr_expect_eq(r->sent[0].port, RIG_LAN);
	cr_expect_eq(memcmp(rte_pktmbuf_mtod_offset(r->sent[0].m, uint8_t *, 34), "\3\1", 2), 0);
	finish(r);
}

Test(staged, a_neighbour_fails_before_the_time)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct sl_ip ip = rig_ip("203.0.113.77");

	put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.77", 70));
	rig_run(r, 0);
	sl_neighbour_set(r->dp->neighbours, RIG_WAN, &ip, NULL, SL_NEIGHBOUR_FAILED);
	r->now += SL_NSEC_PER_MSEC;
	rig_run(r, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_NEIGHBOUR), 1);
	/* the error about it waits for the LAN host, that no neighbour entry names */
	cr_expect_eq(queued(r), 1);
	finish(r);
}

Test(staged, a_neighbours_queue_is_bounded)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	for (unsigned i = 0; i < SL_STAGED_NEIGHBOUR_PACKETS + 5; i++)
		put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.77", 100 + i));
	rig_run(r, 0);
	cr_expect_eq(queued(r), SL_STAGED_NEIGHBOUR_PACKETS);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_OLD), 5);
	rig_neighbour(r, RIG_WAN, "203.0.113.77", 7);
	put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.77", 99));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, SL_STAGED_NEIGHBOUR_PACKETS + 1);
	for (unsigned i = 0; i < SL_STAGED_NEIGHBOUR_PACKETS; i++)
		cr_assert_eq(r->sent[i].m->pkt_len, 14 + 105 + i);
	cr_expect_eq(r->sent[SL_STAGED_NEIGHBOUR_PACKETS].m->pkt_len, 14 + 99);
	finish(r);
}

/* A scan of a port's prefix: queues are bounded too, the oldest make room, and memory comes back. */
Test(staged, a_scan_of_neighbours)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	unsigned share = r->dp->pool_size / SL_STAGED_SHARE;

	cr_assert_lt(share, SL_STAGED_NEIGHBOURS);
	for (unsigned i = 0; i < 3 * SL_STAGED_NEIGHBOURS; i++) {
		char dst[SL_IP_STRLEN];

		snprintf(dst, sizeof(dst), "10.20.%u.%u", 10 + i / 250, 1 + i % 250);
		put(r, SL_STAGE_FORWARD, clear(r, dst, 100));
		rig_run(r, 0);
		misses(r);
	}
	cr_expect_eq(queued(r), share);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_FULL), 3 * SL_STAGED_NEIGHBOURS - share);
	finish(r);
}

/* With a larger share it is the number of queues that gives out. */
Test(staged, the_number_of_neighbour_queues_is_bounded)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct sl_staged *st;

	r->dp->pool_size = 10 * SL_STAGED_SHARE * SL_STAGED_NEIGHBOURS;
	cr_assert_eq(sl_staged_create(&st, r->dp, SOCKET_ID_ANY), 0);
	sl_staged_destroy(r->w->staged);
	r->w->staged = st;
	for (unsigned i = 0; i < SL_STAGED_NEIGHBOURS + 3; i++) {
		char dst[SL_IP_STRLEN];

		snprintf(dst, sizeof(dst), "10.20.%u.%u", 10 + i / 250, 1 + i % 250);
		for (unsigned k = 0; k < 2; k++)
			put(r, SL_STAGE_FORWARD, clear(r, dst, 100));
		rig_run(r, 0);
		misses(r);
	}
	cr_expect_eq(queued(r), 2 * SL_STAGED_NEIGHBOURS);
	cr_expect_eq(rig_drops(r, SL_DROP_STAGED_FULL), 6);
	finish(r);
}

/*
 * A packet that waited for a neighbour while its peer lost the session, with younger packets already waiting for
 * the next one: it takes its place before them.
 */
Test(staged, p42_order_over_both_waits)
{
	struct rig *r = tunnel(1, "203.0.113.77:4444");
	struct rig_session s = rig_session(r, PEER, true, true);

	encap(r, PEER, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(queued(r), 1, "for the neighbour");
	r->now += SL_NSEC_PER_SEC;
	atomic_store(&r->dp->peers.slots[PEER].current, 0);
	encap(r, PEER, inner4(r, 101));
	rig_run(r, 0);
	cr_expect_eq(sl_staged_peer_count(r->w->staged, PEER), 1, "for a session");
	rig_neighbour(r, RIG_WAN, "203.0.113.77", 7);
	r->now += SL_NSEC_PER_MSEC;
	rig_run(r, 0);
	cr_expect_eq(sl_staged_peer_count(r->w->staged, PEER), 2);
	atomic_store(&r->dp->peers.slots[PEER].current, sl_session_id(&r->dp->sessions, s.slot));
	encap(r, PEER, inner4(r, 102));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++)
		cr_expect_eq(sent_len(r, i, &s), 100 + i);
	finish(r);
}

Test(staged, nothing_stays_behind)
{
	struct rig *r = tunnel(1, "203.0.113.77:4444");

	encap(r, PEER, inner4(r, 100));
	put(r, SL_STAGE_FORWARD, clear(r, "203.0.113.78", 70));
	rig_run(r, 0);
	cr_expect(sl_staged_any(r->w->staged));
	finish(r); /* destroying the worker frees what waits */
}
