/* Cookies and load (protocol.md 13–18): node 1 is under load, node 0 answers its cookies. */
#include <criterion/criterion.h>

#include "sim.h"

#define RING 1024

static struct sim sim;
static struct sim_node *a, *b;

static void
setup(void)
{
	sim_init(&sim, 5, true);
	a = &sim.nodes[0];
	b = &sim.nodes[1];
	sim.link.delay_min = sim.link.delay_max = 0;
}

static void
teardown(void)
{
	sim_fini(&sim);
}

TestSuite(proto_cookies, .init = setup, .fini = teardown);

static void
load(struct sim_node *node)
{
	sl_proto_if_note_load(node->ifp, RING / SL_UNDER_LOAD_RING_SHARE, RING, sim.now);
}

static unsigned
sent(unsigned node, uint32_t type)
{
	return sim_count(&sim, SIM_SENT, node, type);
}

static bool
has_mac2(const struct sim_event *e)
{
	static const uint8_t zero[SL_MAC_LEN];

	return memcmp(e->data + e->len - SL_MAC_LEN, zero, SL_MAC_LEN) != 0;
}

Test(proto_cookies, p16_under_load_a_cookie_and_nothing_else)
{
	const struct sim_event *initiation, *reply;

	load(b);
	sim_send(&sim, 0);
	sim_run_for(&sim, 1);
	cr_assert_eq(sent(1, SL_MSG_COOKIE_REPLY), 1);
	cr_assert_eq(sent(1, SL_MSG_RESPONSE), 0);
	cr_assert_eq(b->sessions.reserved, 0);
	initiation = sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION);
	reply = sim_last(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY);
	cr_assert_eq(reply->len, 64);
	cr_assert_eq(reply->tos, 0);
	cr_assert_arr_eq(reply->data + 4, initiation->data + 4, 4, "receiver is the sender's index");
	cr_assert(reply->has_local, "from the address that was hit");
	cr_assert_not(has_mac2(initiation));
	/* 15: only stored. The next try is the timer's, and brings mac2. */
	cr_assert_eq(sent(0, SL_MSG_INITIATION), 1);
	sim_run_for(&sim, 5 * SIM_S - 2);
	cr_assert_eq(sent(0, SL_MSG_INITIATION), 1);
	load(b);
	sim_run_for(&sim, SL_TIMER_JITTER_MAX_NS + 2);
	cr_assert_eq(sent(0, SL_MSG_INITIATION), 2);
	cr_assert(has_mac2(sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)));
	cr_assert_eq(sent(1, SL_MSG_COOKIE_REPLY), 1);
	cr_assert_eq(sent(1, SL_MSG_RESPONSE), 1);
	cr_assert(sim_connected(&sim));
	cr_assert_eq(b->delivered, 1);
}

/* Replies are sealed with one key: a nonce that came twice would give away both cookies. */
Test(proto_cookies, p14_a_nonce_for_each_reply)
{
	enum { REPLIES = 100 };
	static uint8_t nonces[REPLIES][SL_XNONCE_LEN];
	uint8_t msg[sizeof(struct sl_msg_initiation)];

	sim.link.cut = true;
	sim_send(&sim, 0);
	memcpy(msg, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(msg));
	for (unsigned i = 0; i < REPLIES; i++) {
		const struct sl_msg_cookie_reply *reply;

		load(b);
		sim_deliver(&sim, 1, msg, sizeof(msg), NULL);
		cr_assert_eq(sent(1, SL_MSG_COOKIE_REPLY), i + 1);
		reply = (const void *)sim_last(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY)->data;
		memcpy(nonces[i], reply->nonce, sizeof(nonces[i]));
		for (unsigned k = 0; k < i; k++)
			cr_assert_neq(memcmp(nonces[i], nonces[k], sizeof(nonces[i])), 0, "replies %u and %u", k, i);
	}
}

Test(proto_cookies, p16_mac2_is_ignored_without_load)
{
	uint8_t msg[sizeof(struct sl_msg_initiation)];

	sim.link.cut = true;
	sim_send(&sim, 0);
	memcpy(msg, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(msg));
	memset(msg + sizeof(msg) - SL_MAC_LEN, 0x5a, SL_MAC_LEN);
	sim_deliver(&sim, 1, msg, sizeof(msg), NULL);
	cr_assert_eq(sent(1, SL_MSG_RESPONSE), 1);
}

Test(proto_cookies, p14_responses_are_answered_with_cookies_too)
{
	load(a);
	sim_send(&sim, 0);
	sim_run_for(&sim, 1);
	cr_assert_eq(sent(1, SL_MSG_RESPONSE), 1);
	cr_assert_eq(sent(0, SL_MSG_COOKIE_REPLY), 1);
	cr_assert_null(sl_sessions_current(a->peer));
	cr_assert_eq(sl_proto_if_counters(b->ifp)->cookies_received, 1, "found by the session's index");
	for (unsigned i = 0; i < 60; i++) {
		load(a);
		sim_run_for(&sim, SIM_S / 10);
	}
	cr_assert(has_mac2(sim_last(&sim, SIM_SENT, 1, SL_MSG_RESPONSE)));
	cr_assert(sim_connected(&sim));
}

Test(proto_cookies, p15_replayed_and_foreign_replies)
{
	uint8_t reply[sizeof(struct sl_msg_cookie_reply)];
	struct sl_endpoint elsewhere = {.ip = a->self.ip, .port = 9};
	struct sl_outer outer;
	struct sl_endpoint remote;

	load(b);
	sim_send(&sim, 0);
	sim_run_for(&sim, 1);
	memcpy(reply, sim_last(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY)->data, sizeof(reply));
	cr_assert_eq(sl_proto_if_counters(a->ifp)->cookies_received, 1);
	sim_deliver(&sim, 0, reply, sizeof(reply), &elsewhere);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->cookies_received, 1, "the record of mac1 is cleared");
	cr_assert_eq(sl_proto_if_counters(a->ifp)->unexpected, 1);
	reply[4] ^= 1;
	sim_deliver(&sim, 0, reply, sizeof(reply), &elsewhere);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->unexpected, 2);
	sl_peer_outer_read(&a->peers, a->peer->slot, &outer);
	sl_outer_remote(&outer, &remote);
	cr_assert(sl_endpoint_equal(&remote, &b->self), "no roaming");
}

/* Not even a right one moves the endpoint. */
Test(proto_cookies, p41_no_roaming_on_cookie_replies)
{
	struct sl_endpoint elsewhere = {.ip = a->self.ip, .port = 9}, remote;
	struct sl_outer outer;

	sim.link.cut = true;
	load(b);
	sim_send(&sim, 0);
	sim_deliver(&sim, 1, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, 148, NULL);
	sim_deliver(&sim, 0, sim_last(&sim, SIM_SENT, 1, SL_MSG_COOKIE_REPLY)->data, 64, &elsewhere);
	cr_assert_eq(sl_proto_if_counters(a->ifp)->cookies_received, 1);
	sl_peer_outer_read(&a->peers, a->peer->slot, &outer);
	sl_outer_remote(&outer, &remote);
	cr_assert(sl_endpoint_equal(&remote, &b->self));
}

/* Tries of node 0 after it got a cookie at `born`, up to `until`: the last one's mac2. */
static bool
mac2_at(uint64_t until)
{
	sim.link.cut = true;
	sim_run(&sim, until);
	sl_handshake_clear(a->peer);
	a->peer->last_sent = 0;
	sim_initiate(&sim, 0);
	return has_mac2(sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION));
}

Test(proto_cookies, p13_used_for_less_than_115_s)
{
	uint64_t born;

	load(b);
	sim_send(&sim, 0);
	born = sim.now;
	sim_run_for(&sim, 1);
	cr_assert(mac2_at(born + 115 * SIM_S - 1));
	cr_assert_not(mac2_at(born + 115 * SIM_S));
}

Test(proto_cookies, p13_the_secret_lives_120_s)
{
	uint8_t cookies[3][SL_COOKIE_LEN];
	static const uint64_t at[3] = {0, 120 * SIM_S - 1, 120 * SIM_S};
	uint64_t start = sim.now;

	for (unsigned i = 0; i < 3; i++)
		sl_cookie_make(&b->ifp->cookie_secret, start + at[i], &sim.rng, a->self.ip.bytes, 4, 1, cookies[i]);
	cr_assert_arr_eq(cookies[0], cookies[1], SL_COOKIE_LEN);
	cr_assert_arr_neq(cookies[0], cookies[2], SL_COOKIE_LEN);
}

Test(proto_cookies, p18_the_bucket_comes_after_mac2)
{
	uint8_t msgs[12][148];
	unsigned n = 0;

	load(b);
	sim_send(&sim, 0);
	sim_run_for(&sim, 1); /* the cookie has come */
	sim.link.cut = true;
	while (n < 12) {
		sim_run_for(&sim, 5 * SIM_S);
		sim_initiate(&sim, 0);
		memcpy(msgs[n++], sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, 148);
	}
	load(b);
	for (unsigned i = 0; i < 12; i++)
		sim_deliver(&sim, 1, msgs[i], 148, NULL);
	cr_assert_eq(sl_proto_if_counters(b->ifp)->failures[SL_FAILURE_LIMITED], 12 - 5);
	cr_assert_eq(sl_proto_if_counters(b->ifp)->cookies_sent, 1, "their mac2 was right");
	cr_assert_null(b->ifp->limiter.entries == NULL ? &sim : NULL);
}

Test(proto_cookies, p13_a_cookie_is_for_address_and_port)
{
	struct sl_endpoint other = a->self;
	uint8_t msg[148];

	load(b);
	sim_send(&sim, 0);
	sim_run_for(&sim, 1);
	sim.link.cut = true;
	sim_run_for(&sim, 5 * SIM_S);
	sim_initiate(&sim, 0);
	memcpy(msg, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(msg));
	load(b);
	other.port++;
	sim_deliver(&sim, 1, msg, sizeof(msg), &other);
	cr_assert_eq(sent(1, SL_MSG_COOKIE_REPLY), 2);
	cr_assert_eq(sent(1, SL_MSG_RESPONSE), 0);
	sim_deliver(&sim, 1, msg, sizeof(msg), NULL);
	cr_assert_eq(sent(1, SL_MSG_RESPONSE), 1);
}

/* Sources without a right cookie take no memory. */
Test(proto_cookies, p18_no_bucket_without_mac2)
{
	uint8_t msg[148];
	struct sl_endpoint src = a->self;

	sim.link.cut = true;
	sim_send(&sim, 0);
	memcpy(msg, sim_last(&sim, SIM_SENT, 0, SL_MSG_INITIATION)->data, sizeof(msg));
	load(b);
	for (unsigned i = 0; i < 1000; i++) {
		src.ip.bytes[3] = (uint8_t)i;
		src.port = (uint16_t)(1000 + i);
		sim_deliver(&sim, 1, msg, sizeof(msg), &src);
	}
	cr_assert_eq(sl_proto_if_counters(b->ifp)->cookies_sent, 1000);
	cr_assert_eq(b->ifp->limiter.used, 0);
	cr_assert_eq(b->sessions.reserved, 0);
}

Test(proto_cookies, p17_load_is_an_interfaces_own)
{
	struct sl_proto_if_config cfg = {.name = "wg1", .l3_if = 8, .listen_port = 1};
	struct sl_proto_if *other;

	cr_assert_eq(sl_proto_if_create(b->core, &cfg, &other), 0);
	load(b);
	cr_assert(sl_proto_if_under_load(b->ifp, sim.now));
	cr_assert_not(sl_proto_if_under_load(other, sim.now));
	sl_proto_if_destroy(other);
}
