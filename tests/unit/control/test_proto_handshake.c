/* Handshakes in both roles, right and wrong (protocol.md 8–10, 19–21, 41, 43, 45, 46, section 9). */
#include <criterion/criterion.h>

#include "crypto/x25519.h"
#include "sim.h"

static struct sim sim;
static struct sim_node *a, *b;

static void
setup(void)
{
	sim_init(&sim, 7, true);
	a = &sim.nodes[0];
	b = &sim.nodes[1];
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_handshake, .init = setup, .fini = teardown);

static uint16_t
failures(const struct sim_node *node, enum sl_failure cause)
{
	return sl_proto_peer_failures(node->peer)->count[cause];
}

static unsigned
responses(void)
{
	return sim_count(&sim, SIM_SENT, 1, SL_MSG_RESPONSE);
}

/* n initiations of node 0, 5 s apart, none of which arrives. */
static void
make_initiations(struct sl_msg_initiation *out, unsigned n)
{
	sim.link.cut = true;
	for (unsigned i = 0; i < n; i++) {
		sim_initiate(&sim, 0);
		memcpy(&out[i], sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(out[i]));
		sim_run_for(&sim, 5 * SIM_S);
		sl_handshake_clear(a->peer);
	}
	sim_forget_events(&sim);
}

static void
arrive(const struct sl_msg_initiation *msg)
{
	sim_deliver(&sim, 1, msg, sizeof(*msg), NULL);
}

static void
mac_again(struct sl_msg_initiation *msg)
{
	sl_macs_write(&sl_proto_if_identity(b->ifp)->mac_keys, NULL, msg, sizeof(*msg));
}

Test(proto_handshake, p19_timestamps_must_be_greater)
{
	struct sl_msg_initiation m[3];

	make_initiations(m, 3);
	arrive(&m[1]);
	cr_assert_eq(responses(), 1);
	sim_run_for(&sim, SIM_S);
	arrive(&m[1]);
	cr_assert_eq(failures(b, SL_FAILURE_REPLAY), 1, "the same again");
	arrive(&m[0]);
	cr_assert_eq(failures(b, SL_FAILURE_CLOCK_BACK), 1, "an older one");
	cr_assert_eq(responses(), 1);
	arrive(&m[2]);
	cr_assert_eq(responses(), 2);
}

Test(proto_handshake, p19_our_clock_gone_back_is_not_theirs_to_suffer)
{
	struct sl_msg_initiation m[6];

	make_initiations(m, 2);
	a->wall_offset = -86400 * (int64_t)SIM_S;
	make_initiations(m + 2, 2);
	a->wall_offset = 0;
	make_initiations(m + 4, 2);
	for (unsigned i = 0; i < 6; i++) {
		sim_run_for(&sim, SIM_S);
		arrive(&m[i]);
		cr_assert_eq(responses(), i + 1, "initiation %u", i);
	}
}

Test(proto_handshake, p20_closer_than_20_ms)
{
	struct sl_msg_initiation m[3];
	uint64_t first;

	make_initiations(m, 3);
	first = sim.now;
	arrive(&m[0]);
	sim_run(&sim, first + 20 * SIM_MS - 1);
	arrive(&m[1]);
	cr_assert_eq(failures(b, SL_FAILURE_FLOOD), 1);
	cr_assert_eq(responses(), 1);
	sim_run(&sim, first + 20 * SIM_MS);
	arrive(&m[1]);
	cr_assert_eq(responses(), 2, "a refused one was not taken note of");
}

/* All of one batch: each is judged after those before it. */
Test(proto_handshake, p19_a_batch_is_judged_in_order)
{
	struct sl_msg_initiation m[3];
	struct sl_proto_msg msgs[SL_PROTO_BATCH + 8];

	make_initiations(m, 3);
	for (unsigned i = 0; i < SL_PROTO_BATCH + 8; i++)
		msgs[i] = (struct sl_proto_msg){
			.data = (const uint8_t *)&m[i % 2],
			.len = sizeof(m[0]),
			.src = a->self,
			.dst_local = b->self.ip,
		};
	msgs[3].len--;
	msgs[4].len = 0;
	sl_proto_receive(b->ifp, msgs, SL_PROTO_BATCH + 8, sim.now);
	cr_assert_eq(responses(), 1);
	cr_assert_eq(sl_proto_if_counters(b->ifp)->malformed, 2);
	cr_assert_eq(failures(b, SL_FAILURE_FLOOD) + failures(b, SL_FAILURE_REPLAY), SL_PROTO_BATCH + 8 - 3);
}

/* Each side takes the other's and gives up its own; the jitter of the next try decides, if need be several times. */
Test(proto_handshake, bug_simultaneous_initiations_converge)
{
	static const unsigned delays[] = {0, 1, 5, 20, 50};

	for (unsigned i = 0; i < 100; i++) {
		sim_fini(&sim);
		sim_init(&sim, 1000 + i, true);
		sim.link.delay_min = sim.link.delay_max = delays[i % 5] * SIM_MS;
		sim_send(&sim, 0);
		sim_send(&sim, 1);
		sim_run_for(&sim, 25 * SIM_S);
		cr_assert_eq(a->delivered, 1, "seed %u, delay %u ms", i, delays[i % 5]);
		cr_assert_eq(b->delivered, 1, "seed %u, delay %u ms", i, delays[i % 5]);
		cr_assert(sim_connected(&sim));
	}
}

/* Persistent keepalives of both sides at the same moment, on a session that lives and on one that has expired. */
Test(proto_handshake, bug_duelling_keepalives_on_an_expired_session)
{
	static const uint16_t intervals[] = {10, 200};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t until = sim.now + 3000 * SIM_S;

		sim.link.delay_min = sim.link.delay_max = 5 * SIM_MS;
		sl_proto_peer_set_keepalive(a->peer, intervals[i], sim.now);
		sl_proto_peer_set_keepalive(b->peer, intervals[i], sim.now);
		while (sim.now < until) {
			sim_run_for(&sim, intervals[i] * SIM_S + 1);
			sim_run_for(&sim, 16 * SIM_S);
			cr_assert(sim_connected(&sim), "interval %u, %lu s", intervals[i], (unsigned long)(sim.now / SIM_S));
			if (intervals[i] == 200) { /* once more both at once, on nothing */
				sl_proto_peer_set_keepalive(a->peer, 0, sim.now);
				sl_proto_peer_set_keepalive(b->peer, 0, sim.now);
				sim_run_for(&sim, 181 * SIM_S);
				cr_assert_not(sim_connected(&sim));
				sl_proto_peer_set_keepalive(a->peer, 200, sim.now);
				sl_proto_peer_set_keepalive(b->peer, 200, sim.now);
				sim_run_for(&sim, 16 * SIM_S);
				cr_assert(sim_connected(&sim));
			}
		}
		cr_assert_leq(sl_proto_if_counters(a->ifp)->initiations_sent +
				sl_proto_if_counters(b->ifp)->initiations_sent, 100 * (i + 1));
	}
}

Test(proto_handshake, bug_superseded_initiation_is_not_completed)
{
	struct sl_msg_initiation m[1];
	struct sl_msg_response r;

	make_initiations(m, 1);
	sim_initiate(&sim, 0);
	arrive((const void *)sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data);
	memcpy(&r, sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->data, sizeof(r));
	sim_run_for(&sim, 6 * SIM_S); /* a has tried again meanwhile */
	sim_deliver(&sim, 0, &r, sizeof(r), NULL);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->unexpected, 1);
	cr_assert_null(sl_sessions_current(a->peer));
	arrive((const void *)sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data);
	sim.link.cut = false;
	sim_deliver(&sim, 0, sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->data, sizeof(r), NULL);
	sim_run_for(&sim, SIM_S);
	cr_assert(sim_connected(&sim));
}

Test(proto_handshake, p21_a_response_counts_once)
{
	struct sl_msg_response r;

	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	memcpy(&r, sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->data, sizeof(r));
	sim_deliver(&sim, 0, &r, sizeof(r), NULL);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->unexpected, 1);
	cr_assert(sim_connected(&sim));
}

/* Responses find handshakes, never sessions. */
Test(proto_handshake, p21_a_response_to_a_session)
{
	struct sl_msg_response r;

	sim_initiate(&sim, 0);
	sim_run_for(&sim, 6 * SIM_S);
	memcpy(&r, sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->data, sizeof(r));
	sim.link.cut = true;
	sim_initiate(&sim, 0);
	sim_deliver(&sim, 0, &r, sizeof(r), NULL);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->unexpected, 1);
	cr_assert_eq(failures(a, SL_FAILURE_WRONG_PSK), 0);
}

Test(proto_handshake, p45_preshared_keys)
{
	static const uint8_t psk[SL_KEY_LEN] = {1, 2, 3};
	static const uint8_t zero[SL_KEY_LEN];

	sl_proto_peer_set_psk(a->peer, psk);
	sl_proto_peer_set_psk(b->peer, psk);
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert(sim_connected(&sim));
	sl_proto_peer_set_psk(a->peer, zero); /* from the next handshake on */
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(b->delivered, 2);
	sim_run_for(&sim, 200 * SIM_S);
	sim_send(&sim, 0);
	sim_run_for(&sim, 16 * SIM_S);
	cr_assert_eq(b->delivered, 2);
	cr_assert_geq(failures(a, SL_FAILURE_WRONG_PSK), 1, "the initiator sees it in the response");
	cr_assert_geq(failures(b, SL_FAILURE_UNCONFIRMED), 1, "the responder in that nothing comes of it");
	cr_assert_not_null(strstr(b->last_line, "preshared"), "%s", b->last_line);
	sl_proto_peer_set_psk(b->peer, zero);
	sim_run_for(&sim, 6 * SIM_S);
	cr_assert_eq(b->delivered, 3);
}

Test(proto_handshake, unknown_key)
{
	sl_proto_peer_remove(b->peer);
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(responses(), 0);
	cr_assert_eq(sl_proto_if_counters(b->ifp)->failures[SL_FAILURE_UNKNOWN_KEY], 1);
	b->peer = NULL;
}

Test(proto_handshake, damaged_and_forged)
{
	struct sl_msg_initiation m, bad;

	make_initiations(&m, 1);
	bad = m;
	bad.enc_static[5] ^= 1;
	mac_again(&bad);
	arrive(&bad);
	cr_assert_eq(sl_proto_if_counters(b->ifp)->failures[SL_FAILURE_UNDECRYPTABLE], 1);
	bad = m;
	memset(bad.ephemeral, 0, sizeof(bad.ephemeral)); /* of low order */
	mac_again(&bad);
	arrive(&bad);
	cr_assert_eq(sl_proto_if_counters(b->ifp)->failures[SL_FAILURE_UNDECRYPTABLE], 2);
	bad = m;
	bad.enc_timestamp[5] ^= 1;
	mac_again(&bad);
	arrive(&bad);
	cr_assert_eq(failures(b, SL_FAILURE_FORGED), 1);
	cr_assert_eq(responses(), 0);
	cr_assert_eq(b->sessions.reserved, 0);
	arrive(&m);
	cr_assert_eq(responses(), 1, "the right one is taken after them");
}

/* The seven public keys of small order (8). */
static const uint8_t low_order[][SL_KEY_LEN] = {
	{0},
	{1},
	{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d,
		0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c,
		0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

Test(proto_handshake, p8_low_order_keys_are_silent)
{
	for (unsigned i = 0; i < sizeof(low_order) / sizeof(*low_order); i++) {
		struct sl_proto_peer *peer;

		cr_assert_eq(sl_proto_peer_add(a->ifp, low_order[i], NULL, sim.now, &peer), 0);
		sl_proto_peer_set_endpoint(peer, &b->self, sim.now);
		sl_proto_peer_set_keepalive(peer, 1, sim.now);
		sim_run_for(&sim, 20 * SIM_S);
		cr_assert_geq(sl_proto_peer_failures(peer)->count[SL_FAILURE_LOW_ORDER], 10);
	}
	cr_assert_eq(sim_count(&sim, SIM_SENT, 0, 0), 0);
}

Test(proto_handshake, p8_static_static_is_computed_once)
{
	cr_assert_eq(a->peer->static_generation, 0, "not before it is needed");
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(a->peer->static_generation, a->ifp->generation);
	cr_assert_arr_eq(a->peer->static_static, b->peer->static_static, SL_KEY_LEN);
	memset(a->peer->static_static, 1, SL_KEY_LEN); /* would not go unnoticed */
	sim_run_for(&sim, 200 * SIM_S);
	sim_forget_events(&sim);
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(responses(), 0);
	cr_assert_eq(failures(b, SL_FAILURE_FORGED), 1);
}

Test(proto_handshake, p10_secrets_are_wiped_when_the_session_begins)
{
	static const struct sl_ikpsk2 zero;

	sim_initiate(&sim, 0);
	cr_assert_arr_neq((const uint8_t *)&a->peer->handshake->noise.noise, (const uint8_t *)&zero, sizeof(zero));
	sim_run_for(&sim, SIM_S);
	cr_assert_arr_eq((const uint8_t *)&a->peer->handshake->noise.noise, (const uint8_t *)&zero, sizeof(zero));
	cr_assert_arr_eq((const uint8_t *)&b->peer->handshake->noise.noise, (const uint8_t *)&zero, sizeof(zero));
}

Test(proto_handshake, what_wg_show_counts)
{
	struct sl_proto_peer_info info;

	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	sl_proto_peer_info(a->peer, sim.now, &info);
	cr_assert_eq(info.tx_bytes, 148 + 32);
	cr_assert_eq(info.rx_bytes, 92);
	cr_assert(info.session);
	cr_assert_not(info.handshaking);
	cr_assert(sl_endpoint_equal(&info.endpoint, &b->self));
	sl_proto_peer_info(b->peer, sim.now, &info);
	cr_assert_eq(info.rx_bytes, 148 + 32);
	cr_assert_eq(info.tx_bytes, 92);
}

Test(proto_handshake, p39_handshakes_have_tos_88)
{
	sim_initiate(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->tos, 0x88);
	cr_assert_eq(sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)->tos, 0x88);
}

/* All sessions in use: said so, and tried again. */
Test(proto_handshake, no_index_left)
{
	uint32_t slots[SIM_SESSIONS];

	for (unsigned i = 0; i < SIM_SESSIONS; i++)
		slots[i] = sl_session_reserve(&a->sessions, a->peer->slot, 7);
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(failures(a, SL_FAILURE_NO_INDEX), 1);
	for (unsigned i = 0; i < SIM_SESSIONS; i++)
		sl_session_release(&a->sessions, slots[i]);
	sim_run_for(&sim, 6 * SIM_S);
	cr_assert_eq(b->delivered, 1);
}

/* Without an endpoint nothing is sent, until the peer begins. */
Test(proto_handshake, without_an_endpoint)
{
	static const struct sl_endpoint nowhere;

	sl_proto_peer_set_endpoint(b->peer, &nowhere, sim.now);
	sim_send(&sim, 1);
	sim_run_for(&sim, 10 * SIM_S);
	cr_assert_eq(sim_count(&sim, SIM_SENT, 1, 0), 0);
	cr_assert_eq(failures(b, SL_FAILURE_NO_ENDPOINT), 1);
	sim_send(&sim, 0);
	sim_run_for(&sim, SIM_S);
	cr_assert_eq(a->delivered, 1);
	cr_assert_eq(b->delivered, 1);
}
