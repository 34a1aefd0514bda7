/*
 * The decap stage: what protocol.md 40 asks for after decryption: replay, endpoint, confirmation, timers, inner packet, ECN,
 * padding, source. Packets go through outer-udp and open first, so that their outer headers are where they really are.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include <criterion/criterion.h>

#include "tests/unit/dataplane/support.h"

#define PEER  3
#define OTHER 4

static uint8_t packet[RIG_PACKET], inner[RIG_PACKET];

static const struct rig_flow outer4 = {"192.0.2.1", "203.0.113.10", 4444, RIG_WG0_PORT};
static const struct rig_flow outer6 = {"2001:db8:9::1", "2001:db8::10", 5555, RIG_WG0_PORT};
static const struct rig_flow inner4 = {"10.64.0.2", "10.20.0.5", 7, 8};
static const struct rig_flow inner6 = {"fd00:64::2", "fd00:20::5", 7, 8};

static struct rig *
rig_with_peer(void)
{
	struct rig *r = rig_create(2);

	rig_peer(r, PEER, RIG_WG0, "192.0.2.1:4444", "203.0.113.10");
	rig_allow(r, PEER, "10.64.0.2/32");
	rig_allow(r, PEER, "10.30.0.0/16");
	rig_allow(r, PEER, "fd00:64::2/128");
	rig_peer(r, OTHER, RIG_WG0, NULL, NULL);
	rig_allow(r, OTHER, "10.30.5.0/24");
	return r;
}

/* Up to the vector of DECAP. */
static struct rte_mbuf *
opened(struct rig *r, const struct rig_flow *outer, const struct rig_session *s, uint64_t counter, const void *plain, size_t len)
{
	struct rte_mbuf *m = rig_wireguard(r, RIG_WAN, outer, s, counter, plain, len);

	m->l3_len = strchr(outer->src, ':') ? 40 : 20;
	sl_packet(m)->wg_if = RIG_WG0;
	rig_stage(r, sl_stage_outer_udp, &m, 1);
	m = rig_take(r, SL_STAGE_OPEN);
	cr_assert_not_null(m);
	rig_stage(r, sl_stage_open, &m, 1);
	m = rig_take(r, SL_STAGE_DECAP);
	cr_assert_not_null(m);
	return m;
}

static unsigned
through(struct rig *r, struct rte_mbuf *m, struct rte_mbuf **out)
{
	rig_stage(r, sl_stage_decap, &m, 1);
	return rig_exit(r, out);
}

static uint32_t
take_facts(struct rig *r, uint32_t peer)
{
	uint32_t slots[8], facts[8], cursor = 0, got = 0;
	unsigned n = sl_peers_take_facts(&r->dp->peers, &cursor, slots, facts, 8);

	for (unsigned i = 0; i < n; i++)
		if (slots[i] == peer)
			got |= facts[i];
	return got;
}

Test(decap, p40_inner_packets_and_their_sources)
{
	static const struct {
		const char *what;
		struct rig_flow flow;
		unsigned want;
	} cases[] = {
		{"its address", {"10.64.0.2", "10.20.0.5", 7, 8}, SL_STAGE_IP_INPUT},
		{"its address, IPv6", {"fd00:64::2", "fd00:20::5", 7, 8}, SL_STAGE_IP_INPUT},
		{"its network", {"10.30.9.9", "10.20.0.5", 7, 8}, SL_STAGE_IP_INPUT},
		{"another peer's more specific part of it", {"10.30.5.9", "10.20.0.5", 7, 8}, RIG_DROPPED(SOURCE_NOT_ALLOWED)},
		{"nobody's", {"10.64.0.9", "10.20.0.5", 7, 8}, RIG_DROPPED(SOURCE_NOT_ALLOWED)},
		{"nobody's, IPv6", {"fd00:64::9", "fd00:20::5", 7, 8}, RIG_DROPPED(SOURCE_NOT_ALLOWED)},
		{"the gateway's", {"10.64.0.1", "10.20.0.5", 7, 8}, RIG_DROPPED(SOURCE_NOT_ALLOWED)},
	};
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_peer_totals t;
		size_t len = rig_udp(inner, &cases[i].flow, "hello", 5);
		struct rte_mbuf *m;
		unsigned exit;

		r->now += SL_NSEC_PER_SEC;
		exit = through(r, opened(r, i % 2 ? &outer6 : &outer4, &s, i, inner, len), &m);
		cr_expect_eq(exit, cases[i].want, "%s: %s", cases[i].what, rig_exit_name(exit));
		sl_peer_totals(&r->dp->peers, PEER, &t);
		cr_expect_eq(t.received, r->now, "a packet dropped for its source has still set timers");
		cr_expect(take_facts(r, PEER) & SL_FACT_ENDPOINT || i == 0, "and roamed");
		if (m == NULL)
			continue;
		cr_expect_eq(m->pkt_len, len, "padding is gone");
		cr_expect_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), inner, len);
		cr_expect_eq(sl_packet(m)->flags, SL_PKT_DECAPPED);
		cr_expect_eq(sl_packet(m)->in_if, RIG_WG0);
		cr_expect_eq(sl_packet(m)->in_peer, PEER);
		cr_expect_eq(m->ol_flags & (RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK), 0);
		rte_pktmbuf_free(m);
	}
	rig_destroy(r);
}

/*
 * Packets in a row with one source are looked up together: each of them is still held against its own sender. Bit i of a
 * case says who sends packet i: the owner of the source, or another.
 */
Test(decap, p40_one_source_from_two_senders)
{
	static const unsigned cases[] = {0xff, 0x00, 0xf0, 0x0f, 0xaa, 0x55, 0xfe, 0x7f};
	struct rig *r = rig_with_peer();
	struct rig_session owner = rig_session(r, PEER, false, true), other = rig_session(r, OTHER, false, true);
	uint64_t counter = 0;

	for (unsigned c = 0; c < 2 * RTE_DIM(cases); c++) {
		const struct rig_flow *flow = c % 2 ? &inner6 : &inner4;
		unsigned good = cases[c / 2], kept = 0;
		struct rte_mbuf *m, *pkts[8];

		for (unsigned i = 0; i < 8; i++) {
			size_t len = rig_udp(inner, flow, &i, sizeof(i));

			pkts[i] = opened(r, &outer4, good >> i & 1 ? &owner : &other, counter++, inner, len);
		}
		rig_stage(r, sl_stage_decap, pkts, 8);
		for (; (m = rig_take(r, SL_STAGE_IP_INPUT)) != NULL; kept++) {
			unsigned i;

			memcpy(&i, rte_pktmbuf_mtod_offset(m, uint8_t *, m->pkt_len - sizeof(i)), sizeof(i));
			cr_expect(good >> i & 1, "case %u: packet %u is not its sender's", c, i);
			rte_pktmbuf_free(m);
		}
		cr_expect_eq(kept, (unsigned)__builtin_popcount(good), "case %u", c);
	}
	rig_destroy(r);
}

/* Every truncation of an inner packet, padded to 16 by the sender, and plaintexts that are no packets. */
Test(decap, p40_bad_inner)
{
	static const uint8_t firsts[] = {0x00, 0x10, 0x45, 0x44, 0x4f, 0x60, 0x75, 0xf0};
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);
	uint64_t counter = 0;

	for (unsigned six = 0; six < 2; six++) {
		size_t len = rig_udp(inner, six ? &inner6 : &inner4, "0123456789", 10);

		for (size_t cut = 1; cut < len; cut++) {
			size_t padded = (cut + 15) / 16 * 16;
			unsigned want = padded >= len ? SL_STAGE_IP_INPUT : RIG_DROPPED(BAD_INNER);
			unsigned exit = through(r, opened(r, &outer4, &s, counter++, inner, cut), NULL);

			/* with its tail replaced by padding it is a packet again, for all that this stage looks at */
			cr_expect_eq(exit, want, "IPv%u, %zu bytes: %s", six ? 6 : 4, cut, rig_exit_name(exit));
		}
	}
	for (unsigned i = 0; i < sizeof(firsts); i++) {
		uint8_t junk[16] = {firsts[i], 0, 0, 255, 255, 255};
		unsigned exit = through(r, opened(r, &outer4, &s, counter++, junk, sizeof(junk)), NULL);

		cr_expect_eq(exit, RIG_DROPPED(BAD_INNER), "first byte %#x: %s", firsts[i], rig_exit_name(exit));
	}
	rig_destroy(r);
}

Test(decap, p26_replays)
{
	static const struct {
		uint64_t counter;
		bool fresh;
	} steps[] = {{10, true}, {10, false}, {9, false}, {11, true}, {5, false}, {12, true}, {20000, true}, {20000 - 8128, true},
		{20000 - 8129, false}, {19999, true}, {19999, false}, {12, false}};
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);
	size_t len = rig_udp(inner, &inner4, "hello", 5);
	struct sl_peer_totals before, after;

	s.s->receive_floor = 10;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		unsigned exit;

		r->now += SL_NSEC_PER_MSEC;
		sl_peer_totals(&r->dp->peers, PEER, &before);
		exit = through(r, opened(r, i % 2 ? &outer6 : &outer4, &s, steps[i].counter, inner, len), NULL);
		sl_peer_totals(&r->dp->peers, PEER, &after);
		cr_expect_eq(exit, steps[i].fresh ? SL_STAGE_IP_INPUT : RIG_DROPPED(REPLAY), "step %u: %s", i, rig_exit_name(exit));
		cr_expect_eq(after.received, steps[i].fresh ? r->now : before.received, "a replay moves no timer");
		cr_expect_eq(after.rx_bytes - before.rx_bytes, steps[i].fresh ? 32 + 48 : 0);
		cr_expect(steps[i].fresh || !(take_facts(r, PEER) & SL_FACT_ENDPOINT), "and no endpoint");
		take_facts(r, PEER);
	}
	rig_destroy(r);
}

/* What each kind of packet has done when it is dropped or ends: the steps before its own, and none behind. */
Test(decap, p40_each_step_before_the_next)
{
	static const struct rig_flow elsewhere[] = {{"192.0.2.50", "203.0.113.10", 1, RIG_WG0_PORT},
		{"192.0.2.51", "203.0.113.10", 2, RIG_WG0_PORT}};
	static const struct {
		const char *what;
		bool replay, moves, data;
		uint8_t plain[16];
		size_t len;
		unsigned want; /* 0: it ends here */
	} cases[] = {
		{"a keepalive", false, true, false, {0}, 0, 0},
		{"a replay", true, false, false, {0}, 0, RIG_DROPPED(REPLAY)},
		{"no packet", false, true, true, {0xff}, 16, RIG_DROPPED(BAD_INNER)},
		{"longer than it is", false, true, true, {0x45, 0, 1, 0}, 16, RIG_DROPPED(BAD_INNER)},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig *r = rig_with_peer();
		struct rig_session s = rig_session(r, PEER, false, false);
		struct sl_peer_totals t;
		uint32_t got;
		struct rte_mbuf *m;

		r->now += SL_NSEC_PER_SEC;
		m = opened(r, &elsewhere[i % 2], &s, 5, cases[i].plain, cases[i].len);
		if (cases[i].replay)
			cr_assert(sl_replay_accept(&s.s->replay, 5));
		rig_stage(r, sl_stage_decap, &m, 1);
		if (cases[i].want)
			cr_expect_eq(rig_exit(r, NULL), cases[i].want, "%s", cases[i].what);
		else
			cr_expect_eq(atomic_load(&r->w->stats.delivered), 1, "%s", cases[i].what);
		got = take_facts(r, PEER);
		cr_expect_eq((got & SL_FACT_ENDPOINT) != 0, cases[i].moves, "%s", cases[i].what);
		cr_expect_eq((got & SL_FACT_KEY_CONFIRMED) != 0, cases[i].moves, "%s", cases[i].what);
		sl_peer_totals(&r->dp->peers, PEER, &t);
		cr_expect_eq(t.received, cases[i].moves ? r->now : 0, "%s", cases[i].what);
		cr_expect_eq(t.data_received, cases[i].data ? r->now : 0, "%s", cases[i].what);
		rig_destroy(r);
	}
}

Test(decap, p41_roaming)
{
	static const struct {
		const char *what;
		struct rig_flow flow;
		bool moves;
		const char *remote, *local;
	} steps[] = {
		{"where it was", {"192.0.2.1", "203.0.113.10", 4444, RIG_WG0_PORT}, false, "192.0.2.1:4444", "203.0.113.10"},
		{"port", {"192.0.2.1", "203.0.113.10", 4445, RIG_WG0_PORT}, true, "192.0.2.1:4445", "203.0.113.10"},
		{"address", {"192.0.2.9", "203.0.113.10", 4445, RIG_WG0_PORT}, true, "192.0.2.9:4445", "203.0.113.10"},
		{"our address", {"192.0.2.9", "10.20.0.1", 4445, RIG_WG0_PORT}, true, "192.0.2.9:4445", "10.20.0.1"},
		{"our port", {"192.0.2.9", "10.20.0.1", 4445, 9999}, true, "192.0.2.9:4445", "10.20.0.1"},
		{"family", {"2001:db8:9::1", "2001:db8::10", 1, RIG_WG0_PORT}, true, "[2001:db8:9::1]:1", "2001:db8::10"},
		{"stays", {"2001:db8:9::1", "2001:db8::10", 1, RIG_WG0_PORT}, false, "[2001:db8:9::1]:1", "2001:db8::10"},
		{"and back", {"192.0.2.1", "203.0.113.10", 4444, RIG_WG0_PORT}, true, "192.0.2.1:4444", "203.0.113.10"},
	};
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint32_t seq = atomic_load(&r->dp->peers.slots[PEER].endpoint_seq);
		char text[SL_ENDPOINT_STRLEN], local_text[SL_IP_STRLEN];
		struct rte_mbuf *m = opened(r, &steps[i].flow, &s, i, NULL, 0);
		struct sl_endpoint remote;
		struct sl_outer outer;
		struct sl_ip local;

		rig_stage(r, sl_stage_decap, &m, 1); /* keepalives roam too */
		sl_peer_outer_read(&r->dp->peers, PEER, &outer);
		sl_outer_remote(&outer, &remote);
		cr_assert(sl_outer_local(&outer, &local));
		cr_expect_str_eq(sl_endpoint_format(&remote, text), steps[i].remote, "%s: %s", steps[i].what, text);
		cr_expect_str_eq(sl_ip_format(&local, local_text), steps[i].local, "%s: %s", steps[i].what, local_text);
		cr_expect_eq(outer.hdr[outer.len - 8] << 8 | outer.hdr[outer.len - 7], steps[i].flow.dport, "answers leave from that port");
		cr_expect_eq((take_facts(r, PEER) & SL_FACT_ENDPOINT) != 0, steps[i].moves, "%s", steps[i].what);
		cr_expect_eq(atomic_load(&r->dp->peers.slots[PEER].endpoint_seq) != seq, steps[i].moves, "written only when changed");
	}
	cr_expect_eq(atomic_load(&r->w->stats.delivered), sizeof(steps) / sizeof(steps[0]));
	rig_destroy(r);
}

Test(decap, p28_facts)
{
	static const struct {
		const char *what;
		bool initiator, current, confirmed, rekey_asked, watched;
		uint64_t age;
		uint32_t want;
	} cases[] = {
		{"current and confirmed", true, true, true, false, true, 0, 0},
		{"first packet on the next session", false, false, false, false, true, 0, SL_FACT_KEY_CONFIRMED},
		{"second packet on it", false, false, true, false, true, 0, 0},
		{"first packet on an initiator's session", true, true, false, false, true, 0, 0},
		{"164.9 s", true, true, true, false, true, SL_REKEY_AFTER_RECV_TIME_NS - 1, 0},
		{"165 s", true, true, true, false, true, SL_REKEY_AFTER_RECV_TIME_NS, SL_FACT_REKEY_RECEIVE},
		{"165 s, asked for already", true, true, true, true, true, SL_REKEY_AFTER_RECV_TIME_NS, 0},
		{"165 s as responder", false, true, true, false, true, SL_REKEY_AFTER_RECV_TIME_NS, 0},
		{"165 s on the previous session", true, false, true, false, true, SL_REKEY_AFTER_RECV_TIME_NS, 0},
		{"nobody watches", true, true, true, false, false, 0, SL_FACT_ACTIVE},
	};
	struct rig *r = rig_with_peer();

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig_session s;
		struct rte_mbuf *m;
		uint32_t facts;

		atomic_store(&r->dp->peers.slots[PEER].current, 0);
		s = rig_session(r, PEER, cases[i].initiator, cases[i].current);
		atomic_store(&r->dp->peers.slots[PEER].watched, cases[i].watched);
		atomic_store(&s.s->facts, (cases[i].confirmed ? SL_SESSION_CONFIRMED : 0) | (cases[i].rekey_asked ? SL_SESSION_REKEY_SENT : 0));
		r->now = s.s->created + cases[i].age;
		m = opened(r, &outer4, &s, 1, NULL, 0);
		rig_stage(r, sl_stage_decap, &m, 1);
		facts = take_facts(r, PEER);
		cr_expect_eq(facts, cases[i].want, "%s: %#x", cases[i].what, facts);
		cr_expect(atomic_load(&s.s->facts) & SL_SESSION_CONFIRMED, "%s", cases[i].what);
	}
	rig_destroy(r);
}

/* Outer congestion mark × inner mark, both families of both. */
Test(decap, p39_ecn_comes_in)
{
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);
	uint64_t counter = 0;

	for (unsigned i = 0; i < 64; i++) {
		struct rig_flow out = i & 1 ? outer6 : outer4, in = i & 2 ? inner6 : inner4;
		uint8_t outer_ecn = i >> 2 & 3, inner_ecn = i >> 4 & 3;
		bool marks = outer_ecn == SL_IP_ECN_CE && inner_ecn != SL_IP_ECN_NOT_ECT;
		uint64_t mismatches = atomic_load(&r->w->stats.ecn_mismatch);
		struct sl_ip_info info = {0};
		struct rte_mbuf *m;
		size_t len;

		out.tos = 0x88 | outer_ecn;
		in.tos = 0x74 | inner_ecn;
		len = rig_udp(inner, &in, "hello", 5);
		cr_assert_eq(through(r, opened(r, &out, &s, counter++, inner, len), &m), SL_STAGE_IP_INPUT);
		cr_assert_eq(sl_ip_hdr_parse_mbuf(m, &info), SL_IP_OK);
		cr_expect_eq(info.tos, marks ? 0x74 | SL_IP_ECN_CE : in.tos, "outer %u, inner %u: %#x", outer_ecn, inner_ecn, info.tos);
		if (info.family == SL_AF_INET)
			cr_expect_eq(sl_ip4_checksum(rte_pktmbuf_mtod(m, void *), 20), 0);
		cr_expect_eq(atomic_load(&r->w->stats.ecn_mismatch) - mismatches,
			outer_ecn == SL_IP_ECN_CE && inner_ecn == SL_IP_ECN_NOT_ECT);
		rte_pktmbuf_free(m);
	}
	rig_destroy(r);
}

Test(decap, what_is_gone)
{
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);
	size_t len = rig_udp(inner, &inner4, "hello", 5);
	struct rte_mbuf *m = opened(r, &outer4, &s, 1, inner, len);

	sl_dataplane_clear_if(r->dp, RIG_WG0);
	cr_expect_eq(through(r, m, NULL), RIG_DROPPED(INTERFACE_DOWN));
	rig_publish_if(r, RIG_WG0);
	m = opened(r, &outer4, &s, 2, inner, len);
	atomic_store(&r->dp->peers.slots[PEER].live, 0);
	cr_expect_eq(through(r, m, NULL), RIG_DROPPED(INTERFACE_DOWN));
	rig_destroy(r);
}

/* Runs of several sessions, with replays, keepalives and bad sources among them, in one vector. */
Test(decap, mixed_bursts)
{
	struct rig *r = rig_with_peer();
	struct rig_session s[3] = {rig_session(r, PEER, false, true), rig_session(r, PEER, false, false), rig_session(r, OTHER, true, true)};

	for (unsigned count = 1; count < 150; count += 7) {
		struct rte_mbuf *pkts[150];
		unsigned want[6] = {0};

		for (unsigned i = 0; i < count; i++) {
			const struct rig_session *mine = &s[i / 3 % 3];
			struct rig_flow flow = inner4;
			unsigned kind = i % 5;
			size_t len;

			flow.src = i / 3 % 3 == 2 ? "10.30.5.1" : "10.64.0.2";
			flow.sport = (uint16_t)i;
			if (kind == 3)
				flow.src = "10.99.99.99";
			len = rig_udp(inner, &flow, "hello", 5);
			pkts[i] = opened(r, &outer4, mine, count * 1000 + i - (kind == 4 && i % 3 ? 1 : 0), inner, kind == 2 ? 0 : len);
		}
		rig_stage(r, sl_stage_decap, pkts, count);
		want[0] = rig_waiting(r, SL_STAGE_IP_INPUT);
		want[1] = (unsigned)atomic_exchange(&r->w->stats.delivered, 0);
		for (unsigned i = 0; i < count; i++) {
			unsigned kind = i % 5;
			struct rte_mbuf *m;

			if (kind == 2)
				want[2]++;
			else if (kind == 3)
				want[3]++;
			else if (kind == 4 && i % 3)
				want[4]++;
			else
				want[5]++;
			if (kind == 2 || kind == 3 || (kind == 4 && i % 3))
				continue;
			m = rig_take(r, SL_STAGE_IP_INPUT);
			cr_assert_not_null(m, "%u of %u", i, count);
			rig_bytes(m, packet, sizeof(packet));
			cr_assert_eq(packet[20] << 8 | packet[21], (int)i, "in order");
			cr_assert_eq(sl_packet(m)->in_peer, i / 3 % 3 == 2 ? OTHER : PEER);
			rte_pktmbuf_free(m);
		}
		cr_expect_eq(want[0], want[5]);
		cr_expect_eq(want[1], want[2]);
		cr_expect_eq(atomic_exchange(&r->w->stats.drops[SL_DROP_SOURCE_NOT_ALLOWED], 0), want[3]);
		cr_expect_eq(atomic_exchange(&r->w->stats.drops[SL_DROP_REPLAY], 0), want[4]);
		cr_assert_eq(rig_all_drops(r), 0);
	}
	rig_destroy(r);
}

#define SHARED_PACKETS 2000

struct half {
	struct sl_worker *w;
	struct rte_mbuf *pkts[SHARED_PACKETS];
};

static void *
decap_half(void *arg)
{
	struct half *h = arg;

	for (unsigned i = 0; i < SHARED_PACKETS; i += 8) {
		sl_stage_decap(h->w, h->pkts + i, 8);
		rte_pktmbuf_free_bulk(h->w->stages[SL_STAGE_IP_INPUT]->pkts, h->w->stages[SL_STAGE_IP_INPUT]->n);
		sl_count(&h->w->stats.transmitted, h->w->stages[SL_STAGE_IP_INPUT]->n);
		h->w->stages[SL_STAGE_IP_INPUT]->n = 0;
	}
	h->w->pending = 0;
	return NULL;
}

/* Both workers get every packet of one session: each is accepted by exactly one of them. */
Test(decap, p26_two_workers_one_session, .timeout = 60)
{
	static struct half halves[2];
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);
	size_t len = rig_udp(inner, &inner4, "hello", 5);
	uint64_t accepted = 0, replayed = 0;
	struct sl_peer_totals t;
	pthread_t threads[2];

	for (unsigned i = 0; i < SHARED_PACKETS; i++)
		for (unsigned w = 0; w < 2; w++)
			halves[w].pkts[i] = opened(r, w ? &outer6 : &outer4, &s, i, inner, len);
	for (unsigned w = 0; w < 2; w++) {
		halves[w].w = r->dp->workers[w];
		halves[w].w->now = r->now;
		cr_assert_eq(pthread_create(&threads[w], NULL, decap_half, &halves[w]), 0);
	}
	for (unsigned w = 0; w < 2; w++)
		pthread_join(threads[w], NULL);
	for (unsigned w = 0; w < 2; w++) {
		accepted += r->dp->workers[w]->stats.transmitted;
		replayed += r->dp->workers[w]->stats.drops[SL_DROP_REPLAY];
	}
	cr_expect_eq(accepted, SHARED_PACKETS);
	cr_expect_eq(replayed, SHARED_PACKETS);
	sl_peer_totals(&r->dp->peers, PEER, &t);
	cr_expect_eq(t.rx_bytes, (uint64_t)SHARED_PACKETS * (32 + 48));
	rig_destroy(r);
}

#define YIELDS 200

struct late {
	struct sl_worker *w;
	struct rte_mbuf *m;
	atomic_bool begun, done;
};

static void *
decap_late(void *arg)
{
	struct late *l = arg;

	atomic_store(&l->begun, true);
	sl_stage_decap(l->w, &l->m, 1);
	atomic_store(&l->done, true);
	return NULL;
}

/*
 * Another worker has the session's window while this one gets the same packet: what this one asked before it had the
 * window itself counts for nothing.
 */
Test(decap, bug_replay_split_between_workers, .timeout = 60)
{
	struct rig *r = rig_with_peer();
	struct rig_session s = rig_session(r, PEER, false, true);
	size_t len = rig_udp(inner, &inner4, "hello", 5);
	struct late late = {.w = r->w, .m = opened(r, &outer4, &s, 9, inner, len)};
	pthread_t thread;

	rte_spinlock_lock(&s.s->lock);
	cr_assert_eq(pthread_create(&thread, NULL, decap_late, &late), 0);
	while (!atomic_load(&late.begun))
		sched_yield();
	for (unsigned i = 0; i < YIELDS && !atomic_load(&late.done); i++)
		sched_yield();
	cr_expect_not(atomic_load(&late.done), "it did not wait for the window");
	cr_assert(sl_replay_accept(&s.s->replay, 9), "the other one takes it");
	rte_spinlock_unlock(&s.s->lock);
	pthread_join(thread, NULL);
	cr_expect_eq(rig_exit(r, NULL), RIG_DROPPED(REPLAY));
	rig_destroy(r);
}
