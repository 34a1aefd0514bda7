/*
 * Data packets as they stand on the wire, against a second implementation (tests/unit/oracle.h): what workers send is
 * equal byte for byte, at whatever offset and alignment, and what the oracle sends is delivered (protocol.md 2, 4, 38).
 */
#include <pthread.h>

#include "tests/unit/dataplane/egress.h"

#include "crypto/bytes.h"
#include "tests/unit/oracle.h"

/* The other end of a session of ours. */
static struct oracle other_end(const struct rig_session *s)
{
	struct oracle o = {.own_index = s->remote_index, .peer_index = s->index};

	memcpy(o.send, s->recv, sizeof(o.send));
	memcpy(o.recv, s->send, sizeof(o.recv));
	return o;
}

/* The same end. */
static struct oracle same_end(const struct rig_session *s)
{
	struct oracle o = {.own_index = s->index, .peer_index = s->remote_index};

	memcpy(o.send, s->send, sizeof(o.send));
	memcpy(o.recv, s->recv, sizeof(o.recv));
	return o;
}

static void every_size(const char *endpoint)
{
	static const uint64_t counters[] = {0, 255, UINT32_MAX, SL_REKEY_AFTER_MESSAGES};
	struct rig *r = tunnel(1, endpoint);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct oracle theirs = other_end(&s), ours = same_end(&s);

	for (unsigned len = 28; len <= RIG_WG_MTU; len += len < 100 ? 1 : 61) {
		uint64_t want_counter = counters[len % 4], counter;
		uint8_t plain[RIG_PACKET], want[RIG_PACKET];
		struct sl_ip_info info;
		const uint8_t *msg;
		size_t msg_len;
		long n;

		sl_sender_set_counter(s.s->sender, want_counter);
		put(r, SL_STAGE_FORWARD, inner4(r, len));
		rig_run(r, 0);
		msg = sent_ip(r, 0, &info) + info.hdr_len + 8;
		msg_len = info.total_len - info.hdr_len - 8;
		n = oracle_open(&theirs, msg, msg_len, &counter, plain);
		cr_assert_eq(n, RTE_MIN((len + 15) / 16 * 16, (unsigned)RIG_WG_MTU), "size %u: %ld", len, n);
		cr_assert_eq(counter, want_counter);
		for (unsigned i = len; i < (unsigned)n; i++)
			cr_assert_eq(plain[i], 0, "padding");
		oracle_seal(&ours, counter, plain, (size_t)n, want);
		cr_assert_arr_eq(msg, want, msg_len, "size %u", len);
		rig_forget_sent(r);
	}
	finish(r);
}

Test(wire, p2_sent_over_ipv4)
{
	every_size(ENDPOINT4);
}

Test(wire, p2_sent_over_ipv6)
{
	every_size(ENDPOINT6);
}

Test(wire, p2_keepalive)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct oracle ours = same_end(&s);
	uint8_t want[ORACLE_DATA];
	struct sl_ip_info info;
	const uint8_t *msg;

	command(r, 0, SL_CMD_KEEPALIVE, PEER, NULL);
	rig_run(r, 0);
	msg = sent_ip(r, 0, &info) + 28;
	cr_assert_eq(info.total_len, 28 + ORACLE_DATA);
	oracle_seal(&ours, 0, "", 0, want);
	cr_assert_arr_eq(msg, want, sizeof(want));
	finish(r);
}

Test(wire, p2_keepalive_received)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct oracle theirs = other_end(&s);
	struct rig_flow outer = {.src = "198.51.100.7", .dst = "203.0.113.10", .sport = 4444, .dport = RIG_WG0_PORT};
	uint8_t msg[ORACLE_DATA], packet[RIG_PACKET], frame[RIG_PACKET];
	size_t n;

	oracle_seal(&theirs, 0, "", 0, msg);
	n = rig_udp(packet, &outer, msg, sizeof(msg));
	n = rig_ether(r, frame, RIG_WAN, NULL, RTE_ETHER_TYPE_IPV4, packet, n);
	rig_receive(r, 0, RIG_WAN, rig_mbuf(r, RIG_WAN, frame, n, 0));
	rig_run(r, 0);
	cr_assert_eq(rig_all_drops(r), 0);
	cr_assert_eq(r->n_sent, 0);
	cr_assert_eq(atomic_load(&r->w->stats.delivered), 1);
	finish(r);
}

/*
 * Their packets, with the frame at every even address that it can have: behind 14 + 20 + 8 bytes of headers a message
 * and the counter in it stand at any alignment. This program's copies of the stages end it at a load that needs more.
 */
Test(wire, p4_received_at_every_alignment)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct oracle theirs = other_end(&s);
	struct rig_flow outer = {.src = "198.51.100.7", .dst = "203.0.113.10", .sport = 4444, .dport = RIG_WG0_PORT};
	struct rig_flow inner = {.src = PEER_V4, .dst = HOST_V4, .sport = 3, .dport = 4};
	uint8_t payload[300], plain[RIG_PACKET] = {0}, msg[RIG_PACKET], packet[RIG_PACKET], frame[RIG_PACKET];

	rig_neighbour(r, RIG_LAN, HOST_V4, 5);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 13);
	for (unsigned shift = 0; shift < 16; shift += 2) {
		uint64_t counter = UINT64_C(0x0102030405060700) + shift;
		size_t len = rig_udp(plain, &inner, payload, 100 + shift), n;
		struct rte_mbuf *m;
		struct sl_ip_info info;
		const uint8_t *out;

		oracle_seal(&theirs, counter, plain, (len + 15) / 16 * 16, msg);
		n = rig_udp(packet, &outer, msg, (len + 15) / 16 * 16 + ORACLE_DATA);
		n = rig_ether(r, frame, RIG_WAN, NULL, RTE_ETHER_TYPE_IPV4, packet, n);
		m = rig_mbuf(r, RIG_WAN, frame, n, 0);
		m->data_off += (uint16_t)shift;
		memmove(rte_pktmbuf_mtod(m, uint8_t *), frame, n);
		rig_receive(r, 0, RIG_WAN, m);
		rig_run(r, 0);
		cr_assert_eq(r->n_sent, 1, "shift %u", shift);
		cr_assert_eq(r->sent[0].port, RIG_LAN);
		out = sent_ip(r, 0, &info);
		cr_assert_eq(info.total_len, len);
		cr_assert_arr_eq(out + 28, payload, 100 + shift);
		rig_forget_sent(r);
		memset(plain, 0, sizeof(plain));
	}
	finish(r);
}

static atomic_bool has_begun, has_ended;

static void *run_worker(void *rig)
{
	atomic_store(&has_begun, true);
	rig_run(rig, 0);
	atomic_store(&has_ended, true);
	return NULL;
}

/*
 * Check and set are one step: while somebody else holds the session's lock nothing is judged, for as long as one looks.
 * What two workers make of it together is test_decap.c's; a race that is rare can be missed there.
 */
Test(wire, p26_the_window_is_under_the_lock)
{
	struct rig *r = tunnel(1, ENDPOINT4);
	struct rig_session s = rig_session(r, PEER, true, true);
	struct oracle theirs = other_end(&s);
	struct rig_flow outer = {.src = "198.51.100.7", .dst = "203.0.113.10", .sport = 4444, .dport = RIG_WG0_PORT};
	uint8_t msg[ORACLE_DATA], packet[RIG_PACKET], frame[RIG_PACKET];
	pthread_t thread;
	uint64_t until;
	size_t n;

	oracle_seal(&theirs, 5, "", 0, msg);
	n = rig_udp(packet, &outer, msg, sizeof(msg));
	n = rig_ether(r, frame, RIG_WAN, NULL, RTE_ETHER_TYPE_IPV4, packet, n);
	rig_receive(r, 0, RIG_WAN, rig_mbuf(r, RIG_WAN, frame, n, 0));
	rte_spinlock_lock(&s.s->lock);
	cr_assert_eq(pthread_create(&thread, NULL, run_worker, r), 0);
	while (!atomic_load(&has_begun))
		;
	for (until = rte_rdtsc() + rte_get_tsc_hz() / 20; rte_rdtsc() < until && !atomic_load(&has_ended);)
		rte_pause();
	cr_expect_not(atomic_load(&has_ended));
	cr_expect_eq(s.s->replay.greatest, 0);
	rte_spinlock_unlock(&s.s->lock);
	pthread_join(thread, NULL);
	cr_expect_eq(s.s->replay.greatest, 5);
	cr_expect_eq(atomic_load(&r->w->stats.delivered), 1);
	finish(r);
}
