#include <pthread.h>
#include <stdatomic.h>
#include <sodium.h>

#include "tests/unit/dataplane/egress.h"

/* Padding as protocol.md 38 has it, said in another way than the code does. */
static unsigned
padded_len(unsigned len, unsigned mtu)
{
	unsigned whole = mtu ? len / mtu * mtu : 0, rest = len - whole, up = rest;

	if (mtu && len <= mtu)
		whole = 0, rest = up = len;
	while (up % 16 != 0 && (mtu == 0 || up < mtu))
		up++;
	return whole + up;
}

static void
every_size(const char *endpoint, unsigned outer_hdr)
{
	struct rig *r = tunnel(1, endpoint);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET], want[RIG_PACKET], zeros[16] = {0};

	for (unsigned len = 29; len <= RIG_WG_MTU; len++) {
		struct rte_mbuf *m = inner4(r, len);
		uint64_t counter;
		int n;

		rig_bytes(m, want, sizeof(want));
		put(r, SL_STAGE_FORWARD, m);
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, 1, "size %u", len);
		n = sent_plain(r, 0, &s, plain, &counter);
		cr_assert_eq(n, (int)padded_len(len, RIG_WG_MTU), "size %u: %d", len, n);
		cr_assert_eq(counter, len - 29);
		want[8]--; /* one hop further */
		memcpy(want + 10, plain + 10, 2);
		cr_assert_eq(memcmp(plain, want, len), 0, "size %u", len);
		cr_assert_eq(sl_ip4_checksum(plain, 20), 0);
		cr_assert_eq(memcmp(plain + len, zeros, n - len), 0);
		cr_assert_eq(r->sent[0].m->pkt_len, 14 + outer_hdr + 32 + n);
		rig_forget_sent(r);
	}
	cr_expect_eq(atomic_load(&r->dp->peers.sending[0][PEER].sent.last), r->now);
	finish(r);
}

Test(seal, p38_every_size_is_padded_right_over_ipv4)
{
	every_size(ENDPOINT4, 28);
}

Test(seal, p38_every_size_is_padded_right_over_ipv6)
{
	every_size(ENDPOINT6, 48);
}

Test(seal, p38_padding_follows_the_inner_mtu)
{
	static const struct {
		uint16_t mtu;
		unsigned len;
		int want;
	} cases[] = {
		{0, 61, 64}, {0, 64, 64}, {1419, 1418, 1419}, {1419, 1419, 1419}, {1420, 1409, 1420}, {100, 98, 100},
		{1280, 1279, 1280},
	};

	for (unsigned i = 0; i < RTE_DIM(cases); i++) {
		struct rig *r = tunnel(1, ENDPOINT4);
		struct rig_session s = rig_session(r, PEER, true, true);
		uint8_t plain[RIG_PACKET];
		struct rte_mbuf *m;

		r->ifs[RIG_WG0].mtu = cases[i].mtu;
		rig_publish_if(r, RIG_WG0);
		m = inner4(r, cases[i].len);
		put(r, SL_STAGE_FORWARD, m);
		rig_run(r, 0);
		cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), cases[i].want, "case %u", i);
		finish(r);
	}
}

/* A packet above the MTU (it may have shrunk meanwhile) is padded by length % MTU. */
Test(seal, p38_padding_above_the_mtu)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET];

	r->ifs[RIG_WG0].mtu = 1000;
	rig_publish_if(r, RIG_WG0);
	for (unsigned len = 1000; len < 1040; len++) {
		struct rte_mbuf *m = inner4(r, len);

		sl_packet(m)->out_peer = PEER;
		put(r, SL_STAGE_ENCAP, m);
		rig_run(r, 0);
		cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), (int)padded_len(len, 1000), "size %u", len);
		rig_forget_sent(r);
	}
	finish(r);
}

/* Another implementation of the AEAD opens what is sent, and the message is laid out as the protocol says. */
Test(seal, p2_libsodium_opens_it)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t nonce[12] = {0}, plain[RIG_PACKET];
	unsigned long long n;
	struct sl_ip_info info;
	const uint8_t *p, *msg;

	sl_sender_set_counter(s.s->sender, 0x1122334455667788);
	put(r, SL_STAGE_FORWARD, inner6(r, 333));
	rig_run(r, 0);
	p = sent_ip(r, 0, &info);
	msg = p + 28;
	cr_expect_eq(memcmp(msg, "\x04\0\0\0", 4), 0);
	cr_expect_eq(sl_load_le32(msg + 4), s.remote_index);
	cr_expect_eq(sl_load_le64(msg + 8), 0x1122334455667788);
	memcpy(nonce + 4, msg + 8, 8);
	cr_expect_eq(crypto_aead_chacha20poly1305_ietf_decrypt(
			     plain, &n, NULL, msg + 16, info.total_len - 28 - 16, NULL, 0, nonce, s.send),
		0);
	cr_expect_eq(n, 336);
	cr_expect_eq(plain[0] >> 4, 6);
	cr_expect_eq(plain[7], 63, "hop limit");
	finish(r);
}

Test(seal, p39_outer_headers)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	const struct rte_ether_hdr *ether;
	const struct rte_ipv4_hdr *ip;
	const struct rte_udp_hdr *u;
	struct sl_ip_info info;

	(void)s;
	put(r, SL_STAGE_FORWARD, inner4(r, 100));
	put(r, SL_STAGE_FORWARD, inner4(r, 100));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 2);
	cr_expect_eq(r->sent[0].port, RIG_WAN);
	ether = rte_pktmbuf_mtod(r->sent[0].m, const struct rte_ether_hdr *);
	cr_expect_eq(memcmp(&ether->dst_addr, "\x02\xaa\0\0\0\x01", 6), 0);
	cr_expect_eq(memcmp(&ether->src_addr, &r->ifs[RIG_WAN].mac, 6), 0);
	cr_expect_eq(ether->ether_type, rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4));
	ip = (const struct rte_ipv4_hdr *)sent_ip(r, 0, &info);
	u = (const struct rte_udp_hdr *)(ip + 1);
	cr_expect_eq(ip->src_addr, rte_cpu_to_be_32(0xcb00710a), "chosen by route");
	cr_expect_eq(ip->dst_addr, rte_cpu_to_be_32(0xc6336407));
	cr_expect_eq(ip->time_to_live, 64);
	cr_expect_eq(ip->type_of_service, 0);
	cr_expect_eq(ip->fragment_offset, 0, "DF is clear");
	cr_expect_eq(u->src_port, rte_cpu_to_be_16(RIG_WG0_PORT));
	cr_expect_eq(u->dst_port, rte_cpu_to_be_16(4444));
	cr_expect_neq(ip->packet_id, ((const struct rte_ipv4_hdr *)sent_ip(r, 1, &info))->packet_id);
	finish(r);
}

/* Over IPv6 too; and packets of two workers to one host have identifications of their own. */
Test(seal, p39_outer_headers_of_ipv6_and_of_two_workers)
{
	struct rig *r = tunnel(2, ENDPOINT6);
	struct rig_session s = rig_session(r, PEER, true, true);
	bool used[UINT16_MAX + 1] = {false};
	uint8_t plain[RIG_PACKET];
	struct sl_ip_info info;
	const uint8_t *p;

	put(r, SL_STAGE_FORWARD, inner4(r, 100));
	rig_run(r, 0);
	p = sent_ip(r, 0, &info);
	cr_expect_eq(memcmp(p, "\x60\0\0\0", 4), 0, "traffic class and flow label");
	cr_expect_eq(p[7], 64, "hop limit");
	cr_expect_neq(p[46] << 8 | p[47], 0, "the UDP checksum is there");
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 112, "and right");
	rig_forget_sent(r);
	rig_peer(r, PEER, RIG_WG0, ENDPOINT4, NULL);
	for (unsigned i = 0; i < 200; i++) {
		r->w = r->dp->workers[i % 2];
		put(r, SL_STAGE_FORWARD, inner4(r, 100));
		rig_run(r, i % 2);
	}
	cr_assert_eq(r->n_sent, 200);
	for (unsigned i = 0; i < 200; i++) {
		p = sent_ip(r, i, &info);
		cr_expect_not(used[p[4] << 8 | p[5]], "packet %u", i);
		used[p[4] << 8 | p[5]] = true;
		cr_expect_eq(p[6] << 8 | p[7], 0, "DF is clear");
		cr_expect_eq(p[8], 64);
		cr_expect_neq(p[26] << 8 | p[27], 0, "a UDP checksum over IPv4 too");
	}
	r->w = r->dp->workers[0];
	finish(r);
}

/* The address that the peer last hit is answered from, whatever the route would choose (protocol.md 41). */
Test(seal, p41_local_address_that_was_hit)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t plain[RIG_PACKET];
	struct sl_ip_info info;

	rig_peer(r, PEER, RIG_WG0, ENDPOINT4, "10.20.0.1");
	put(r, SL_STAGE_FORWARD, inner4(r, 100));
	rig_run(r, 0);
	cr_expect_eq(memcmp(sent_ip(r, 0, &info) + 12, "\x0a\x14\x00\x01", 4), 0);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 112);
	finish(r);
}

/* Outer ECN is the inner one, except CE, which becomes ECT(0); DSCP does not leave (protocol.md 39). */
Test(seal, p39_ecn_goes_out)
{
	static const uint8_t want[4] = {0, 1, 2, 2};

	for (unsigned family = 0; family < 4; family++) {
		struct rig *r = tunnel(1, family & 1 ? ENDPOINT6 : ENDPOINT4);
		struct rig_session s = rig_session(r, PEER, true, true);
		uint8_t plain[RIG_PACKET];

		for (uint8_t ecn = 0; ecn < 4; ecn++) {
			struct rig_flow f4 = {.src = HOST_V4, .dst = PEER_V4, .tos = 0xb8 | ecn};
			struct rig_flow f6 = {.src = HOST_V6, .dst = PEER_V6, .tos = 0xb8 | ecn};
			struct sl_ip_info info;

			put(r, SL_STAGE_FORWARD, udp(r, RIG_LAN, family & 2 ? &f6 : &f4, 200));
			rig_run(r, 0);
			sent_ip(r, ecn, &info);
			cr_expect_eq(info.tos, want[ecn], "inner ECN %u: outer TOS %02x", ecn, info.tos);
			cr_expect_eq(sent_plain(r, ecn, &s, plain, NULL), 208);
		}
		finish(r);
	}
}

Test(seal, bug_chained_packets_become_one_buffer)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t bytes[RIG_PACKET], plain[RIG_PACKET];
	struct rte_mbuf *flat = inner4(r, 1400);

	rig_bytes(flat, bytes, sizeof(bytes));
	rte_pktmbuf_free(flat);
	for (size_t seg = 128; seg < 1400; seg += 131) {
		put(r, SL_STAGE_FORWARD, rig_mbuf(r, RIG_LAN, bytes, 1400, seg));
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, 1);
		cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 1408);
		cr_expect_eq(memcmp(plain + 20, bytes + 20, 1380), 0, "segments of %zu", seg);
		rig_forget_sent(r);
	}
	finish(r);
}

/* No room before, behind, or in the 16 bits of a length. */
Test(seal, buffers_without_room)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct rte_mbuf *m;
	uint8_t bytes[200];

	m = inner4(r, 200);
	rig_bytes(m, bytes, sizeof(bytes));
	rte_pktmbuf_free(m);
	m = rig_mbuf_guarded(r, RIG_LAN, bytes, sizeof(bytes)); /* ends where its buffer ends */
	put(r, SL_STAGE_FORWARD, m);
	m = rig_mbuf(r, RIG_LAN, bytes, sizeof(bytes), 0);
	m->data_off = 0;
	m->buf_len = 200 + 16; /* room for neither headers nor tag */
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, sizeof(bytes));
	put(r, SL_STAGE_FORWARD, m);
	rig_run(r, 0);
	cr_expect_eq(r->n_sent, 0);
	cr_expect_eq(rig_drops(r, SL_DROP_OVERSIZED), 1);
	cr_expect_eq(rig_drops(r, SL_DROP_NO_HEADROOM), 1);
	cr_expect_eq(sl_sender_counter(s.s->sender), 0, "nothing was reserved for them");
	m->buf_len = r->dp->pool->elt_size - sizeof(*m) - SL_PACKET_PRIV;
	finish(r);
}

/* Data moves within its buffer where the headroom is short. */
Test(seal, headroom_is_made)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint8_t bytes[300], plain[RIG_PACKET];
	struct rte_mbuf *m = inner4(r, 300);

	rig_bytes(m, bytes, sizeof(bytes));
	m->data_off = 3;
	memcpy(rte_pktmbuf_mtod(m, void *), bytes, sizeof(bytes));
	put(r, SL_STAGE_FORWARD, m);
	rig_run(r, 0);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 304);
	cr_expect_eq(memcmp(plain + 20, bytes + 20, 280), 0);
	finish(r);
}

Test(seal, port_that_fills_in_checksums)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct rig *r = tunnel(1, v6 ? ENDPOINT6 : ENDPOINT4);
		struct rig_session s = rig_session(r, PEER, true, true);
		struct sl_ip_info info;
		const uint8_t *p;
		struct rte_mbuf *m;

		(void)s;
		r->ifs[RIG_WAN].tx_udp_csum4 = r->ifs[RIG_WAN].tx_udp_csum6 = true;
		rig_publish_if(r, RIG_WAN);
		put(r, SL_STAGE_FORWARD, inner4(r, 100));
		rig_run(r, 0);
		p = sent_ip(r, 0, &info);
		m = r->sent[0].m;
		cr_expect(m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM);
		cr_expect_eq(!!(m->ol_flags & RTE_MBUF_F_TX_IPV6), v6);
		cr_expect_eq(m->l2_len, 14);
		cr_expect_eq(m->l3_len, v6 ? 40 : 20);
		/* DPDK's contract: the pseudo-header's sum stands in the field */
		cr_expect_eq(((const struct rte_udp_hdr *)(p + info.hdr_len))->dgram_cksum,
			v6 ? rte_ipv6_phdr_cksum((const void *)p, 0) : rte_ipv4_phdr_cksum((const void *)p, 0));
		finish(r);
	}
}

Test(seal, stamps_and_facts)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct sl_peer *peer = &r->dp->peers.slots[PEER];
	struct sl_peer_totals totals;

	(void)s;
	put(r, SL_STAGE_FORWARD, inner4(r, 100));
	put(r, SL_STAGE_FORWARD, inner4(r, 64));
	rig_run(r, 0);
	sl_peer_totals(&r->dp->peers, PEER, &totals);
	cr_expect_eq(totals.tx_bytes, 112 + 32 + 64 + 32);
	cr_expect_eq(totals.sent, r->now);
	cr_expect_eq(totals.unanswered_since, r->now);
	cr_expect_eq(facts(r, PEER), 0, "it is watched");
	atomic_store(&peer->watched, 0);
	put(r, SL_STAGE_FORWARD, inner4(r, 64));
	rig_run(r, 0);
	cr_expect_eq(facts(r, PEER), SL_FACT_ACTIVE);
	finish(r);
}

/* A keepalive is 32 bytes and no data; it does not start the clock of unanswered data. */
Test(seal, p30_keepalives_are_no_data)
{
	struct rig *r = tunnel(1, ENDPOINT6);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct sl_peer_totals totals;
	uint8_t plain[RIG_PACKET];

	command(r, 0, SL_CMD_KEEPALIVE, PEER, NULL);
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 1);
	cr_expect_eq(sent_plain(r, 0, &s, plain, NULL), 0);
	sl_peer_totals(&r->dp->peers, PEER, &totals);
	cr_expect_eq(totals.tx_bytes, 32);
	cr_expect_eq(totals.data_sent, 0);
	cr_expect_eq(totals.unanswered_since, 0);
	finish(r);
}

/* The burst that reaches the limit sends what counters there are; the rest waits for the next session, in order. */
Test(seal, p25_counter_limit)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true), next;
	const uint64_t first = SL_REJECT_AFTER_MESSAGES - 3;
	uint8_t plain[RIG_PACKET];
	uint64_t counter;

	sl_sender_set_counter(s.s->sender, first);
	for (unsigned i = 0; i < 5; i++)
		put(r, SL_STAGE_FORWARD, inner4(r, 100 + i));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(sent_plain(r, i, &s, plain, &counter), 112);
		cr_expect_eq(counter, first + i);
	}
	cr_expect(facts(r, PEER) & SL_FACT_NEED_SESSION);
	cr_expect_eq(queued(r), 2);
	rig_forget_sent(r);
	next = rig_session(r, PEER, true, true);
	put(r, SL_STAGE_FORWARD, inner4(r, 105));
	rig_run(r, 0);
	cr_assert_eq(r->n_sent, 3);
	for (unsigned i = 0; i < 3; i++) {
		cr_expect_eq(sent_plain(r, i, &next, plain, &counter), 112);
		cr_expect_eq(plain[3], 103 + i, "order");
		cr_expect_eq(counter, i);
	}
	cr_expect_eq(queued(r), 0);
	finish(r);
}

/* --- one session, two workers --- */

#define PER_WORKER 40000

struct seal_thread {
	struct rig *r;
	uint16_t index;
	uint32_t remote;
	uint64_t *counters;
	unsigned n;
	bool in_order;
	bool keepalives;
};

/* Takes counters as a core does that sends nothing but keepalives, without pause. */
struct taker {
	struct sl_sender *sender;
	atomic_bool stop;
	uint64_t taken;
};

static void *
take_without_pause(void *arg)
{
	struct taker *t = arg;

	for (; !atomic_load(&t->stop); t->taken++)
		sl_sender_take(t->sender, 1);
	return NULL;
}

static uint16_t
take_counters(void *ctx, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct seal_thread *t = ctx;

	for (uint16_t i = 0; i < n; i++) {
		uint64_t c = sl_load_le64(rte_pktmbuf_mtod_offset(pkts[i], const uint8_t *, 14 + 28 + 8));

		if (t->n > 0 && c <= t->counters[t->n - 1])
			t->in_order = false;
		t->counters[t->n++] = c;
		rte_pktmbuf_free(pkts[i]);
	}
	return n;
}

static void *
seal_many(void *arg)
{
	struct seal_thread *t = arg;
	struct sl_worker *w = t->r->dp->workers[t->index];

	rte_thread_register();
	for (unsigned sent = 0; sent < PER_WORKER;) {
		unsigned burst = RTE_MIN(1 + sent % 61, PER_WORKER - sent);

		for (unsigned i = 0; i < burst; i++) {
			struct rte_mbuf *m = rte_pktmbuf_alloc(t->r->dp->pool);

			sl_packet_init(m, RIG_LAN);
			sl_packet(m)->flags = t->keepalives ? SL_PKT_LOCAL | SL_PKT_KEEPALIVE : SL_PKT_LOCAL;
			sl_packet(m)->out_peer = PEER;
			if (!t->keepalives)
				memset(rte_pktmbuf_append(m, 64), 0x45, 64);
			sl_worker_enqueue(w, SL_STAGE_ENCAP, m);
		}
		sent += burst;
		sl_worker_run(w, RIG_START_NS);
	}
	rte_thread_unregister();
	return NULL;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
two_workers(bool keepalives)
{
	struct rig *r = tunnel(2, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	uint64_t *all = calloc(2 * PER_WORKER, sizeof(*all));
	struct seal_thread t[2];
	struct taker taker = {.sender = s.s->sender};
	pthread_t id[2], third;

	for (uint16_t i = 0; i < 2; i++) {
		t[i] = (struct seal_thread){.r = r, .index = i, .counters = calloc(PER_WORKER, sizeof(*all)), .in_order = true};
		t[i].keepalives = keepalives && i == 1;
		r->dp->workers[i]->tx = take_counters;
		r->dp->workers[i]->tx_ctx = &t[i];
	}
	if (keepalives)
		pthread_create(&third, NULL, take_without_pause, &taker);
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&id[i], NULL, seal_many, &t[i]);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(id[i], NULL);
	atomic_store(&taker.stop, true);
	if (keepalives)
		pthread_join(third, NULL);
	for (unsigned i = 0; i < 2; i++) {
		cr_expect_eq(t[i].n, PER_WORKER);
		cr_expect(t[i].in_order, "worker %u sent its counters out of order", i);
		memcpy(all + i * PER_WORKER, t[i].counters, PER_WORKER * sizeof(*all));
		free(t[i].counters);
	}
	qsort(all, 2 * PER_WORKER, sizeof(*all), by_value);
	for (unsigned i = 0; i < 2 * PER_WORKER; i++)
		cr_assert(keepalives ? i == 0 || all[i] > all[i - 1] : all[i] == i, "each counter exactly once");
	cr_expect_eq(sl_sender_counter(s.s->sender), 2 * PER_WORKER + taker.taken);
	free(all);
	strays = 2 * PER_WORKER;
	finish(r);
}

Test(seal, p42_two_workers_never_share_a_counter, .timeout = 60)
{
	two_workers(false);
}

Test(seal, bug_nonce_reuse_across_cores, .timeout = 60)
{
	two_workers(true);
}
