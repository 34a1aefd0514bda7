/*
 * Bugs that other implementations had (protocol.md 9), as far as they live on the workers: frames and commands go
 * through whole workers. Each test fails where its bug is put in; more are in the files of the items that they touch.
 */
#include "tests/unit/dataplane/egress.h"

static const struct rig_flow outer4 = {"198.51.100.7", "203.0.113.10", 4444, RIG_WG0_PORT};
static const struct rig_flow roamed = {"198.51.100.99", "203.0.113.10", 9, RIG_WG0_PORT};
static const struct rig_flow from_peer = {PEER_V4, HOST_V4, 7, 8};

static struct rig *
gateway(void)
{
	struct rig *r = tunnel(1, ENDPOINT4);

	rig_neighbour(r, RIG_LAN, HOST_V4, 5);
	return r;
}

/* A frame on the WAN with a data message; `flip` damages a byte of the message from its end, 0: none. */
static struct rte_mbuf *
framed(struct rig *r, const struct rig_flow *outer, const struct rig_session *s, uint64_t counter, const void *plain,
	size_t len, size_t flip, size_t seg)
{
	uint8_t message[RIG_PACKET], packet[RIG_PACKET], frame[RIG_PACKET];
	size_t n = rig_data(message, s, counter, plain, len, 0);

	if (flip)
		message[n - flip] ^= 1;
	n = rig_udp(packet, outer, message, n);
	n = rig_ether(r, frame, RIG_WAN, NULL, RTE_ETHER_TYPE_IPV4, packet, n);
	return rig_mbuf(r, RIG_WAN, frame, n, seg);
}

/* A packet of the peer to the LAN's host, told apart by its number. */
static size_t
inner(uint8_t *out, uint16_t number, size_t payload)
{
	struct rig_flow flow = from_peer;
	uint8_t body[RIG_PACKET];

	flow.sport = number;
	memset(body, (uint8_t)number, sizeof(body));
	return rig_udp(out, &flow, body, payload);
}

static void
receive(struct rig *r, struct rte_mbuf *m)
{
	rig_receive(r, 0, RIG_WAN, m);
	rig_run(r, 0);
}

Test(bugs, bug_promotion_by_a_forged_packet)
{
	struct rig *r = gateway();
	struct rig_session old = rig_session(r, PEER, false, true), next = rig_session(r, PEER, false, false);
	struct sl_peer *peer = &r->dp->peers.slots[PEER];
	struct sl_peer_totals totals;
	uint8_t plain[RIG_PACKET];
	struct sl_outer before, after;
	size_t len = inner(plain, 1, 50);

	sl_peer_outer_read(&r->dp->peers, PEER, &before);
	receive(r, framed(r, &roamed, &next, 0, plain, len, 1, 0));
	cr_expect_eq(rig_drops(r, SL_DROP_BAD_TAG), 1);
	cr_expect_eq(atomic_load(&next.s->facts), 0);
	cr_expect_eq(facts(r, PEER), 0);
	cr_expect_eq(atomic_load(&peer->current), sl_session_id(&r->dp->sessions, old.slot));
	sl_peer_outer_read(&r->dp->peers, PEER, &after);
	cr_expect_eq(memcmp(&before, &after, sizeof(before)), 0, "nor does it move the endpoint");
	sl_peer_totals(&r->dp->peers, PEER, &totals);
	cr_expect_eq(totals.received, 0);
	cr_expect_eq(r->n_sent, 0);
	receive(r, framed(r, &roamed, &next, 0, plain, len, 0, 0));
	cr_expect_eq(atomic_load(&next.s->facts), SL_SESSION_CONFIRMED);
	cr_expect_eq(facts(r, PEER), SL_FACT_KEY_CONFIRMED | SL_FACT_ENDPOINT);
	cr_expect_eq(r->n_sent, 1);
	finish(r);
}

Test(bugs, bug_counter_zero_is_accepted_once)
{
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, false, true);
	uint8_t plain[RIG_PACKET];
	size_t len = inner(plain, 1, 50);

	for (unsigned i = 0; i < 3; i++)
		receive(r, framed(r, &outer4, &s, 0, plain, len, 0, 0));
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_REPLAY), 2);
	finish(r);
}

/* The last counters there are: no sum overflows, none is skipped, and what follows in the window is still taken. */
Test(bugs, bug_replay_overflow_near_the_limit)
{
	static const struct {
		uint64_t counter;
		enum sl_drop drop; /* SL_DROP_COUNT: delivered */
	} steps[] = {
		{SL_REJECT_AFTER_MESSAGES - SL_COUNTER_WINDOW_SIZE, SL_DROP_COUNT},
		{SL_REJECT_AFTER_MESSAGES - 1, SL_DROP_COUNT},
		{SL_REJECT_AFTER_MESSAGES - 1, SL_DROP_REPLAY},
		{SL_REJECT_AFTER_MESSAGES, SL_DROP_SESSION_EXPIRED},
		{SL_REJECT_AFTER_MESSAGES + 1, SL_DROP_SESSION_EXPIRED},
		{UINT64_MAX - 1, SL_DROP_SESSION_EXPIRED},
		{UINT64_MAX, SL_DROP_SESSION_EXPIRED},
		{SL_REJECT_AFTER_MESSAGES - 2, SL_DROP_COUNT},
		{SL_REJECT_AFTER_MESSAGES - 1 - SL_COUNTER_WINDOW_SIZE, SL_DROP_COUNT},
		{SL_REJECT_AFTER_MESSAGES - 2 - SL_COUNTER_WINDOW_SIZE, SL_DROP_REPLAY},
		{0, SL_DROP_REPLAY},
	};
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, false, true);
	uint8_t plain[RIG_PACKET];
	size_t len = inner(plain, 1, 50);

	for (unsigned i = 0; i < RTE_DIM(steps); i++) {
		uint64_t dropped = steps[i].drop < SL_DROP_COUNT ? rig_drops(r, steps[i].drop) : 0;
		unsigned sent = r->n_sent;

		receive(r, framed(r, &outer4, &s, steps[i].counter, plain, len, 0, 0));
		cr_expect_eq(r->n_sent - sent, steps[i].drop == SL_DROP_COUNT, "step %u", i);
		if (steps[i].drop < SL_DROP_COUNT)
			cr_expect_eq(rig_drops(r, steps[i].drop) - dropped, 1, "step %u", i);
	}
	finish(r);
}

/* 180 s and the last counter are refused, one less is not; sending and receiving. */
Test(bugs, bug_greater_for_greater_or_equal)
{
	static const struct {
		uint64_t age, counter;
		bool usable;
	} cases[] = {
		{SL_REJECT_AFTER_TIME_NS - 1, SL_REJECT_AFTER_MESSAGES - 1, true},
		{SL_REJECT_AFTER_TIME_NS, 1, false},
		{0, SL_REJECT_AFTER_MESSAGES, false},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rig *r = gateway();
		struct rig_session s = rig_session(r, PEER, false, true);
		uint8_t plain[RIG_PACKET];
		size_t len = inner(plain, 1, 50);

		r->now += cases[i].age;
		receive(r, framed(r, &outer4, &s, cases[i].counter, plain, len, 0, 0));
		cr_expect_eq(r->n_sent, cases[i].usable, "received, case %u", i);
		cr_expect_eq(rig_drops(r, SL_DROP_SESSION_EXPIRED), !cases[i].usable);
		sl_sender_set_counter(s.s->sender, cases[i].counter);
		put(r, SL_STAGE_FORWARD, inner4(r, 100));
		rig_run(r, 0);
		cr_expect_eq(r->n_sent, cases[i].usable * 2u, "sent, case %u", i);
		cr_expect_eq(queued(r), !cases[i].usable);
		finish(r);
	}
}

/* A source that one's own list contains belongs to the peer whose prefix is longer. */
Test(bugs, bug_source_of_a_more_specific_prefix)
{
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, false, true);
	struct rig_flow flow = {"10.30.4.9", HOST_V4, 7, 8};
	uint8_t plain[RIG_PACKET];

	rig_peer(r, PEER + 1, RIG_WG0, NULL, NULL);
	rig_allow(r, PEER, "10.30.0.0/16");
	rig_allow(r, PEER + 1, "10.30.5.0/24");
	receive(r, framed(r, &outer4, &s, 0, plain, rig_udp(plain, &flow, "x", 1), 0, 0));
	cr_expect_eq(r->n_sent, 1);
	flow.src = "10.30.5.9";
	receive(r, framed(r, &roamed, &s, 1, plain, rig_udp(plain, &flow, "x", 1), 0, 0));
	cr_expect_eq(r->n_sent, 1);
	cr_expect_eq(rig_drops(r, SL_DROP_SOURCE_NOT_ALLOWED), 1);
	cr_expect(facts(r, PEER) & SL_FACT_ENDPOINT, "it has roamed all the same");
	finish(r);
}

/* Any number of packets to a peer without a key: control has one bit to look at, and 128 buffers are held. */
Test(bugs, bug_keyless_packets_do_not_pile_up)
{
	struct rig *r = gateway();
	uint32_t slots[8], got[8], cursor = 0;
	uint32_t before = rte_mempool_in_use_count(r->dp->pool);

	for (unsigned i = 0; i < 20000; i++) {
		put(r, SL_STAGE_FORWARD, inner4(r, 100));
		if (i % 100 == 99)
			rig_run(r, 0);
	}
	cr_expect_eq(sl_peers_take_facts(&r->dp->peers, &cursor, slots, got, 8), 1, "one message for all of them");
	cr_expect_eq(slots[0], PEER);
	cr_expect_eq(got[0], SL_FACT_NEED_SESSION);
	cr_expect_eq(sl_peers_take_facts(&r->dp->peers, &cursor, slots, got, 8), 0);
	cr_expect_eq(queued(r), SL_MAX_STAGED_PACKETS);
	cr_expect_eq(rte_mempool_in_use_count(r->dp->pool) - before, SL_MAX_STAGED_PACKETS);
	cr_expect_eq(rte_ring_count(r->dp->to_control), 0);
	finish(r);
}

Test(bugs, bug_mtu_0_divides_by_nothing)
{
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET];

	r->ifs[RIG_WG0].mtu = 0;
	rig_publish_if(r, RIG_WG0);
	for (unsigned len = 29; len < 1400; len += 37) {
		put(r, SL_STAGE_FORWARD, inner4(r, len));
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, 1);
		cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), (int)((len + 15) / 16 * 16), "size %u", len);
		rig_forget_sent(r);
	}
	command(r, 0, SL_CMD_KEEPALIVE, PEER, NULL);
	rig_run(r, 0);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 0);
	finish(r);
}

/* Buffers in chains, cut at each byte of the last 48: header, ciphertext and tag over two segments and more. */
Test(bugs, bug_chained_tag_over_two_segments)
{
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, false, true);
	uint8_t plain[RIG_PACKET];
	size_t len = inner(plain, 1, 200);
	size_t frame = 14 + 28 + SL_DATA_OVERHEAD + (len + 15) / 16 * 16;

	for (unsigned back = 1; back <= 48; back++) {
		struct sl_ip_info info;

		receive(r, framed(r, &outer4, &s, back, plain, len, 0, frame - back));
		cr_assert_eq(r->n_sent, 1, "%u bytes in the last segment", back);
		cr_expect_eq(memcmp(sent_ip(r, 0, &info) + 20, plain + 20, len - 20), 0);
		rig_forget_sent(r);
		receive(r, framed(r, &outer4, &s, 100 + back, plain, len, back, frame - back));
		cr_assert_eq(r->n_sent, 0, "damaged %u bytes before the end", back);
	}
	cr_expect_eq(rig_drops(r, SL_DROP_BAD_TAG), 48);
	finish(r);
}

/* Good and damaged packets in one burst: what is delivered was authentic, is plaintext, and in order. */
Test(bugs, bug_delivery_before_crypto_is_done)
{
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, false, true);
	uint64_t counter = 0;

	for (unsigned n = 1; n <= 2 * SL_BURST + 3; n += n < 20 ? 1 : 13) {
		uint16_t good[2 * SL_BURST + 3];
		unsigned n_good = 0;
		uint64_t bad = rig_drops(r, SL_DROP_BAD_TAG);

		for (unsigned i = 0; i < n; i++) {
			bool damaged = (i * 7 + n) % 3 == 0;
			uint8_t plain[RIG_PACKET];
			size_t len = inner(plain, (uint16_t)(n * 256 + i), 20 + i * 5 % 900);

			if (!damaged)
				good[n_good++] = (uint16_t)(n * 256 + i);
			rig_receive(r, 0, RIG_WAN, framed(r, &outer4, &s, counter++, plain, len, damaged ? 1 + i : 0, 0));
		}
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, n_good, "burst of %u", n);
		for (unsigned i = 0; i < n_good; i++) {
			struct sl_ip_info info;
			const uint8_t *p = sent_ip(r, i, &info);

			cr_assert_eq(p[20] << 8 | p[21], good[i]);
			for (uint32_t k = 28; k < info.total_len; k++)
				cr_assert_eq(p[k], (uint8_t)good[i]);
		}
		cr_assert_eq(rig_drops(r, SL_DROP_BAD_TAG) - bad, n - n_good);
		rig_forget_sent(r);
	}
	finish(r);
}

Test(bugs, bug_padding_is_there)
{
	struct rig *r = gateway();
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET];

	for (unsigned len = 29; len <= 64; len++) {
		put(r, SL_STAGE_FORWARD, inner4(r, len));
		rig_run(r, 0);
		cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), len <= 32 ? 32 : len <= 48 ? 48 : 64, "size %u", len);
		for (unsigned i = len; i % 16 != 0; i++)
			cr_expect_eq(plain[i], 0);
		rig_forget_sent(r);
	}
	finish(r);
}

/* One packet for each of n peers in one burst, half of them with a session: each is served or heard. */
Test(bugs, bug_peer_counts_in_a_burst)
{
	static const uint32_t counts[] = {1, 2, 3, 7, 8, 9, 23, 31, 32, 33, 63, 64, 65, 95, 127, 128, 129, 199, 253};

	for (unsigned k = 0; k < RTE_DIM(counts); k++) {
		struct rig *r = gateway();
		uint32_t slots[5], got[5], cursor = 0, n = counts[k];
		unsigned heard = 0, took;

		for (uint32_t i = 2; i < n + 2; i++) {
			rig_peer(r, i, RIG_WG0, ENDPOINT4, NULL);
			if (i % 2)
				rig_session(r, i, true, true);
		}
		for (uint32_t i = 2; i < n + 2; i++) {
			struct rte_mbuf *m = inner4(r, 100);

			sl_packet(m)->out_peer = i;
			put(r, SL_STAGE_ENCAP, m);
		}
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, n / 2, "%u peers", n);
		while ((took = sl_peers_take_facts(&r->dp->peers, &cursor, slots, got, RTE_DIM(slots))) > 0)
			for (unsigned i = 0; i < took; i++)
				heard += got[i] == SL_FACT_NEED_SESSION;
		cr_assert_eq(heard, n - n / 2, "%u peers", n);
		cr_assert_eq(queued(r), n - n / 2);
		finish(r);
	}
}
